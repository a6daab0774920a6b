//! Binary properties: finding one, reading it, and making items that carry one.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::item::BinaryRef;
use kernel::{Item, Object, Problem, codes};
use node::{NodeContext, NodeError};

/// The property that nodes read and write unless a parameter names another.
pub(crate) fn default_property() -> String {
    "data".to_owned()
}

/// Bytes and where they come from, for messages.
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    /// A path, or `binary property "data"`.
    pub(crate) origin: String,
}

/// The bytes of a file, or of the item's binary property if no path is given.
pub(crate) async fn content(
    cx: &NodeContext,
    item: &Item,
    path: Option<&str>,
    property: &str,
) -> Result<Content, NodeError> {
    match path {
        Some(path) => {
            let bytes = cx.services.files.read(path).await?.bytes;
            Ok(Content { bytes, origin: path.to_owned() })
        }
        None => {
            let file = find(item, property)?;
            let bytes = cx.services.blobs.get(cx.scope.workspace, &file.blob).await?;
            Ok(Content { bytes, origin: format!("binary property \"{property}\"") })
        }
    }
}

/// The item's property of this name.
pub(crate) fn find<'i>(item: &'i Item, property: &str) -> Result<&'i BinaryRef, NodeError> {
    let files = item.binary.as_deref();
    files.and_then(|files| files.get(property)).ok_or_else(|| {
        let there = files.map(|files| files.keys().map(String::as_str).collect::<Vec<_>>());
        let there = match there.filter(|names| !names.is_empty()) {
            Some(names) => format!("it has {}", names.join(", ")),
            None => "it has none".to_owned(),
        };
        let detail = format!(
            "The item has no binary property \"{property}\" ({there}). Name one it has, or put a \
             node before this one that reads a file."
        );
        NodeError::Fatal(Problem::new(codes::NODE_INPUT, detail))
    })
}

/// An item with this data and these bytes as a binary property.
pub(crate) async fn attach(
    cx: &NodeContext,
    json: Object,
    property: &str,
    bytes: Vec<u8>,
    mime_type: String,
    file_name: Option<String>,
) -> Result<Item, NodeError> {
    let stored = cx.services.blobs.put(cx.scope.workspace, bytes).await?;
    let file = BinaryRef { mime_type, file_name, ..stored };
    let files = BTreeMap::from([(property.to_owned(), file)]);
    Ok(Item { binary: Some(Arc::new(files)), ..Item::new(json) })
}

/// The last part of a path or address.
pub(crate) fn file_name(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The media type that a file's name suggests.
pub(crate) fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        "csv" => "text/csv",
        "css" => "text/css",
        "gif" => "image/gif",
        "gz" => "application/gzip",
        "htm" | "html" => "text/html",
        "jpeg" | "jpg" => "image/jpeg",
        "js" | "mjs" => "text/javascript",
        "geojson" => "application/geo+json",
        "json" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "md" => "text/markdown",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "tsv" => "text/tab-separated-values",
        "txt" | "log" => "text/plain",
        "webp" => "image/webp",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}
