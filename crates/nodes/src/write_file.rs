//! `core.write_file`: a binary property or a text becomes a file.

use kernel::{Item, Object};
use node::{About, EachItem, EffectClass, MayHaveRun, NodeContext, NodeError, NodeType, params};

use crate::binary;

/// Writes a file into an allowed folder, replacing what was there: all of it or nothing. The item
/// gets `path` and `size`; its binary properties pass on.
#[params]
pub(crate) struct WriteFile {
    /// Path of the file; relative ones start at `[files] base`. Missing folders are made.
    path: String,
    /// Text to write, as UTF-8. Without it the binary property is written.
    #[serde(default)]
    content: Option<String>,
    /// Binary property to write.
    #[serde(default = "binary::default_property")]
    property: String,
}

pub(crate) const NODE: NodeType = NodeType::each::<WriteFile>();

impl EachItem for WriteFile {
    const ABOUT: About = About::new("core.write_file", 1)
        .synonyms(&["save", "disk", "store"])
        .examples(include_str!("../cases/write_file.json"))
        .group("file")
        .effect(EffectClass::External)
        // The same bytes in the same place: twice does no harm.
        .may_have_run(MayHaveRun::Retry)
        .imports(&["n8n-nodes-base.writeBinaryFile"])
        .example(r#"{ "path": "reports/hello.txt", "content": "Hello" }"#);

    async fn item(&self, cx: &NodeContext, item: &Item) -> Result<Vec<Item>, NodeError> {
        let bytes = match &self.content {
            Some(text) => text.clone().into_bytes(),
            None => binary::content(cx, item, None, &self.property).await?.bytes,
        };
        let size = bytes.len();
        let path = cx.services.files.write(&self.path, bytes).await?;
        let mut json = Object::new();
        json.insert("path".to_owned(), path.to_string_lossy().into());
        json.insert("size".to_owned(), size.into());
        Ok(vec![Item { binary: item.binary.clone(), ..Item::new(json) }])
    }
}
