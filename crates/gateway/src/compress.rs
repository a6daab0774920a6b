//! Compression of text that is worth it: zstd or gzip, as the caller prefers.

use std::io::Write as _;

use axum::body::{Body, HttpBody as _};
use axum::http::header::{self, HeaderMap};
use axum::http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;

/// Shorter bodies fit into a packet anyway.
const FROM_BYTES: u64 = 1_024;
/// Longer bodies are compressed where they keep no other request waiting.
const ASIDE_FROM_BYTES: usize = 256 * 1_024;
/// Fast, and within a few percent of the slower levels on JSON.
const ZSTD_LEVEL: i32 = 1;

/// What a request says of encodings, read only when there is something to compress.
pub(crate) struct Wish(Option<HeaderValue>);

impl Wish {
    /// Takes `accept-encoding` along.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get(header::ACCEPT_ENCODING).cloned())
    }

    fn read(&self) -> Accepted {
        let sent = self.0.as_ref().and_then(|value| value.to_str().ok());
        sent.map_or(Accepted::Identity, Accepted::read)
    }
}

/// The encoding a caller wants most, of those we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepted {
    Identity,
    Gzip,
    Zstd,
}

impl Accepted {
    fn read(sent: &str) -> Self {
        let (mut zstd, mut gzip, mut any) = (None, None, None);
        for part in sent.split(',') {
            let (name, quality) = part.split_once(';').unwrap_or((part, ""));
            let quality = quality.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse().ok());
            let quality: f32 = quality.unwrap_or(0.0);
            match name.trim() {
                "zstd" => zstd = Some(quality),
                "gzip" | "x-gzip" => gzip = Some(quality),
                "*" => any = Some(quality),
                _ => {}
            }
        }
        let [zstd, gzip] = [zstd, gzip].map(|one| one.or(any).unwrap_or(0.0));
        match (zstd > 0.0, gzip > 0.0) {
            (true, _) if zstd >= gzip => Self::Zstd,
            (_, true) => Self::Gzip,
            (true, false) => Self::Zstd,
            (false, false) => Self::Identity,
        }
    }
}

/// How the entity tag of a compressed body differs from that of the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// The name of the encoding stands behind it; whoever made the tag knows that.
    Named,
    /// It is a weak one: it is a workflow's own.
    Weak,
}

/// Compresses the body where that is wanted and worth it. A part of something stays as it is: its
/// place is counted in plain bytes.
pub(crate) async fn respond(response: Response<Body>, wish: &Wish, tag: Tag) -> Response<Body> {
    let long = response.body().size_hint().lower() >= FROM_BYTES;
    let is_part = response.status() == StatusCode::PARTIAL_CONTENT
        || response.headers().contains_key(header::CONTENT_RANGE);
    if !long || is_part || !is_text(response.headers()) {
        return response;
    }
    let accepted = wish.read();
    let (mut head, body) = response.into_parts();
    head.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if accepted == Accepted::Identity {
        return Response::from_parts(head, body);
    }
    // All our bodies are in memory already.
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Response::from_parts(head, Body::empty());
    };
    let small = if bytes.len() < ASIDE_FROM_BYTES {
        compress(&bytes, accepted)
    } else {
        let bytes = bytes.clone();
        let work = tokio::task::spawn_blocking(move || compress(&bytes, accepted));
        work.await.unwrap_or_default()
    };
    let Some(small) = small.filter(|small| small.len() < bytes.len()) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    let name = if accepted == Accepted::Zstd { "zstd" } else { "gzip" };
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::ACCEPT_RANGES);
    mark(&mut head.headers, name, tag);
    Response::from_parts(head, Body::from(small))
}

/// Other bytes have another tag.
fn mark(headers: &mut HeaderMap, encoding: &str, tag: Tag) {
    let Some(plain) = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return };
    let marked = match (tag, plain.strip_suffix('"')) {
        (_, Some(_)) if plain.starts_with("W/") => return,
        (Tag::Named, Some(inside)) => format!("{inside}.{encoding}\""),
        (Tag::Weak, Some(_)) => format!("W/{plain}"),
        (_, None) => return,
    };
    if let Ok(marked) = HeaderValue::try_from(marked) {
        headers.insert(header::ETAG, marked);
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        // A stream of events is read as it comes.
        (kind.starts_with("text/") && kind != "text/event-stream")
            || ["json", "xml", "yaml", "javascript"].iter().any(|text| kind.ends_with(text))
    })
}

fn compress(bytes: &[u8], accepted: Accepted) -> Option<Vec<u8>> {
    match accepted {
        Accepted::Identity => None,
        Accepted::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL).ok(),
        Accepted::Gzip => {
            let room = Vec::with_capacity(bytes.len() / 4);
            let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
            encoder.write_all(bytes).ok()?;
            encoder.finish().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_chosen_by_its_weight() {
        assert_eq!(Accepted::read("gzip, deflate, br"), Accepted::Gzip);
        assert_eq!(Accepted::read("gzip, zstd"), Accepted::Zstd);
        assert_eq!(Accepted::read("gzip;q=1.0, zstd;q=0.5"), Accepted::Gzip);
        assert_eq!(Accepted::read("gzip;q=0, *;q=0"), Accepted::Identity);
        assert_eq!(Accepted::read("*"), Accepted::Zstd);
        assert_eq!(Accepted::read("identity"), Accepted::Identity);
        assert_eq!(Accepted::read(""), Accepted::Identity);
    }
}
