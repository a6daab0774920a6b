//! Reading bodies, never more than their limit.

use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use kernel::{Problem, codes};

/// What is thrown away of a body that is too large, so that its sender can read the answer.
const DISCARDED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The whole body.
///
/// # Errors
/// `request.body_too_large`, `request.malformed` when it breaks off, `request.incomplete`.
pub(crate) async fn read<B>(
    body: B,
    headers: &HeaderMap,
    bytes_max: usize,
    within: Duration,
) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    tokio::time::timeout(within, collect(body, headers, bytes_max)).await.unwrap_or_else(|_| {
        let detail = format!("The body did not arrive within {} s.", within.as_secs());
        Err(Problem::new(codes::REQUEST_INCOMPLETE, detail))
    })
}

async fn collect<B>(mut body: B, headers: &HeaderMap, bytes_max: usize) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        // Who asks first has not sent anything yet.
        if !headers.contains_key(header::EXPECT) {
            discard(body, 0).await;
        }
        return Err(too_large(bytes_max));
    }
    // Most bodies arrive in one piece, which is then not copied.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(codes::REQUEST_MALFORMED, "The body broke off before its end.")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > bytes_max {
            discard(body, (first.len() + rest.len()) as u64).await;
            return Err(too_large(bytes_max));
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve((announced as usize).min(bytes_max).saturating_sub(first.len()));
            }
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// Reads on without keeping anything: a connection closed in the face of its sender would lose the
/// answer.
async fn discard<B: HttpBody<Data = Bytes> + Unpin>(mut body: B, mut seen: u64) {
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, |data| data.len() as u64);
        if seen > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

fn too_large(bytes_max: usize) -> Problem {
    let detail =
        format!("The body is larger than {bytes_max} bytes; send less, or raise the limit.");
    Problem::new(codes::REQUEST_BODY_TOO_LARGE, detail)
}
