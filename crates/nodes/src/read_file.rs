//! `core.read_file`: a file becomes a binary property.

use kernel::{Item, Object};
use node::{About, EachItem, EffectClass, NodeContext, NodeError, NodeType, params};

use crate::binary;

/// Reads a file from an allowed folder and puts it into a binary property. The item's data is
/// `path`, `file_name`, `mime_type` and `size`.
#[params]
pub(crate) struct ReadFile {
    /// Path of the file; relative ones start at `[files] base`.
    path: String,
    /// Binary property to put it into.
    #[serde(default = "binary::default_property")]
    property: String,
    /// Media type, if the file's name does not say it.
    #[serde(default)]
    mime_type: Option<String>,
}

pub(crate) const NODE: NodeType = NodeType::each::<ReadFile>();

impl EachItem for ReadFile {
    const ABOUT: About = About::new("core.read_file", 1)
        .synonyms(&["open", "load", "disk"])
        .examples(include_str!("../cases/read_file.json"))
        .group("file")
        .effect(EffectClass::Read)
        .imports(&[
            "n8n-nodes-base.readWriteFile",
            "n8n-nodes-base.readBinaryFile",
            "n8n-nodes-base.readBinaryFiles",
        ])
        .example(r#"{ "path": "reports/today.pdf" }"#);

    async fn item(&self, cx: &NodeContext, _: &Item) -> Result<Vec<Item>, NodeError> {
        let file = cx.services.files.read(&self.path).await?;
        let name = binary::file_name(&self.path);
        let known = binary::media_type(name.as_deref().unwrap_or_default());
        let mime_type = self.mime_type.clone().unwrap_or_else(|| known.to_owned());
        let mut json = Object::new();
        json.insert("path".to_owned(), file.path.to_string_lossy().into());
        json.insert("file_name".to_owned(), name.clone().into());
        json.insert("mime_type".to_owned(), mime_type.clone().into());
        json.insert("size".to_owned(), file.bytes.len().into());
        let item = binary::attach(cx, json, &self.property, file.bytes, mime_type, name).await?;
        Ok(vec![item])
    }
}
