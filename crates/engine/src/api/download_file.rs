//! `GET /v1/runs/{run_id}/activations/{activation}/items/{item}/files/{file}`

use function::{ActionContext, Answer, Problem, action};
use kernel::codes;
use kernel::item::BinaryRef;

use super::get_item::ItemQuery;
use super::path::{FilePath, not_found};
use crate::Engine;
use crate::inspect::{PortOf, file};

/// Bytes sent in one answer.
const PART_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file that travels with an item.
///
/// Has the file's media type and, as its entity tag, the hash of its bytes; understands `range` with one
/// range of bytes, and `if-range`. An answer holds 64 MiB at most: a larger file is fetched in parts.
#[action(
    GET "/v1/runs/{run_id}/activations/{activation}/items/{item}/files/{file}",
    permission = crate::READ,
    timeout = "60s",
    also = 206
)]
pub(super) async fn download_file(
    cx: &ActionContext,
    path: FilePath,
    query: ItemQuery,
) -> Result<Answer, Problem> {
    let (run, activation, index, name) = path.file()?;
    let port = PortOf { activation, side: query.side, port: query.port.into() };
    let engine = cx.service::<Engine>();
    let look = move |state: &_| file(state, port, index, &name);
    let seen = engine.look(cx.workspace(), run, look).await?;
    let found = seen.ok_or_else(|| not_found(&run.to_string()))??;
    let tag = format!("\"{}\"", found.blob);
    let part = cx.range(found.size, &tag)?;
    if part.is_none() && found.size > PART_BYTES_MAX {
        let detail = format!(
            "The file has {} bytes, more than {PART_BYTES_MAX}; fetch it in parts with the header `range`.",
            found.size
        );
        return Err(Problem::new(codes::REQUEST_RANGE, detail));
    }
    let (from, length) = part.unwrap_or((0, found.size));
    let length = length.min(PART_BYTES_MAX);
    let blobs = &engine.shared.services.blobs;
    let body = blobs.get_part(cx.workspace(), &found.blob, from, length).await?;
    let answer = Answer {
        status: if part.is_some() { 206 } else { 200 },
        content_type: media_type(&found).into(),
        headers: Vec::new(),
        body,
    };
    let answer = answer
        .with_header("etag", tag)
        .with_header("accept-ranges", "bytes")
        .with_header("content-disposition", disposition(&found))
        .with_header("content-security-policy", "sandbox; default-src 'none'");
    Ok(match part {
        Some(_) => {
            let last = from + answer.body.len().max(1) as u64 - 1;
            let range = format!("bytes {from}-{last}/{}", found.size);
            answer.with_header("content-range", range)
        }
        None => answer,
    })
}

/// The file's media type, if it can stand in a header.
fn media_type(file: &BinaryRef) -> String {
    let printable = file.mime_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match printable && file.mime_type.contains('/') {
        true => file.mime_type.clone(),
        false => "application/octet-stream".to_owned(),
    }
}

/// To be saved and never shown in the place of a page of ours.
fn disposition(file: &BinaryRef) -> String {
    let Some(name) = &file.file_name else { return "attachment".to_owned() };
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}
