//! Reading bodies, never more than their limit.

use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use kernel::room::Held;
use kernel::{Problem, codes};

/// What is thrown away of a body that is too large, so that its sender can read the answer.
const DISCARDED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What is reserved for a body on its sender's word; more only as more arrives, or many who announce
/// much and send little would take the memory of those who do send.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// The whole body, which takes its room among those of all requests as it arrives.
///
/// # Errors
/// `request.body_too_large`, `server.overloaded`, `request.malformed` when it breaks off, `request.incomplete`.
pub(crate) async fn read<B>(
    body: B,
    headers: &HeaderMap,
    bytes_max: usize,
    within: Duration,
    held: &mut Held,
) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    tokio::time::timeout(within, collect(body, headers, bytes_max, held)).await.unwrap_or_else(
        |_| {
            let detail = format!("The body did not arrive within {} s.", within.as_secs());
            Err(Problem::new(codes::REQUEST_INCOMPLETE, detail))
        },
    )
}

async fn collect<B>(
    mut body: B,
    headers: &HeaderMap,
    bytes_max: usize,
    held: &mut Held,
) -> Result<Bytes, Problem>
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
        if let Err(problem) = held.take(data.len()) {
            discard(body, (first.len() + rest.len()) as u64).await;
            return Err(problem);
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve((announced as usize).min(RESERVED_BYTES_MAX));
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::HeaderValue;
    use futures::StreamExt as _;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use kernel::room::Room;

    use super::*;

    /// A body that says how long it will be, and sends little.
    struct Announced<B>(B, u64);

    impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Announced<B> {
        type Data = Bytes;
        type Error = B::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, B::Error>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(cx)
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(self.1)
        }
    }

    /// Bytes of address space this process has.
    #[cfg(target_os = "linux")]
    fn address_space() -> u64 {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap() * 4_096
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn who_announces_much_and_sends_little_takes_little() {
        const BODIES: usize = 200;
        const LENGTH: u64 = 16_000_000;
        let before = address_space();
        let reads = (0..BODIES).map(|_| async {
            let pieces = [Bytes::from_static(&[b' '; 1_000]), Bytes::from_static(&[b' '; 1_000])];
            let pieces = futures::stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
            let never = futures::stream::pending::<Result<_, Infallible>>();
            let body = Announced(StreamBody::new(pieces.chain(never)), LENGTH);
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(LENGTH));
            let mut held = Room::new(usize::MAX).enter();
            read(body, &headers, LENGTH as usize, Duration::from_millis(50), &mut held).await
        });
        let mut reads = Box::pin(futures::future::join_all(reads));
        assert!(futures::poll!(reads.as_mut()).is_pending());
        let taken = address_space().saturating_sub(before);
        assert!(taken < BODIES as u64 * 1_000_000, "{taken} bytes for {BODIES} bodies");
        for ended in reads.await {
            assert_eq!(ended.unwrap_err().code, codes::REQUEST_INCOMPLETE);
        }
    }
}
