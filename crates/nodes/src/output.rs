//! Where a node that makes one file of all its items puts it: a path or a binary property.

use std::sync::Arc;

use kernel::{Item, Items, Object, Pairing};
use node::{EffectClass, NodeContext, NodeError};

use crate::binary;
use crate::passing::source;

/// Where the file goes.
pub(crate) struct Target<'t> {
    pub(crate) path: Option<&'t str>,
    pub(crate) property: &'t str,
    pub(crate) file_name: &'t str,
    pub(crate) mime_type: &'t str,
}

/// Only a path reaches the outside.
pub(crate) fn effect(path: Option<&str>) -> EffectClass {
    if path.is_some() { EffectClass::External } else { EffectClass::Pure }
}

/// Puts the bytes there. The one item that comes out says `path` or `file_name`, `size` and
/// `items`, and is made of all `items` input items.
pub(crate) async fn write(
    cx: &NodeContext,
    target: &Target<'_>,
    bytes: Vec<u8>,
    items: usize,
) -> Result<Vec<Items>, NodeError> {
    let mut json = Object::new();
    let size = bytes.len();
    let mut item = match target.path {
        Some(path) => {
            let real = cx.services.files.write(path, bytes).await?;
            json.insert("path".to_owned(), real.to_string_lossy().into());
            Item::new(json)
        }
        None => {
            json.insert("file_name".to_owned(), target.file_name.into());
            let (mime_type, name) = (target.mime_type.to_owned(), target.file_name.to_owned());
            binary::attach(cx, json, target.property, bytes, mime_type, Some(name)).await?
        }
    };
    let json = Arc::make_mut(&mut item.json);
    json.insert("size".to_owned(), size.into());
    json.insert("items".to_owned(), items.into());
    item.pairing = Pairing::of((0..items).map(|index| source(index, 0)));
    Ok(vec![Arc::new(vec![item])])
}
