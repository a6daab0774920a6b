//! Bodies of hooks that are not read as a whole: streamed, or let go.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use kernel::{Problem, codes};

/// Bytes a second that are not too few: every so many of them give the sender a second more.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 * 1024;
/// What is read and thrown away of a body that nobody wants, so that its sender can read the answer.
const LET_GO_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The body piece by piece. It may take `within`, and a second more for each
/// [`SLOWEST_BYTES_PER_SECOND`].
pub(crate) fn pieces(
    body: Incoming,
    within: Duration,
) -> BoxStream<'static, Result<Bytes, Problem>> {
    #[expect(clippy::disallowed_methods, reason = "a deadline of the runtime's own timer")]
    let began = tokio::time::Instant::now();
    stream::unfold(Some((body, 0_u64)), move |state| async move {
        let (mut body, mut seen) = state?;
        loop {
            let deadline = began + within + Duration::from_secs(seen / SLOWEST_BYTES_PER_SECOND);
            let failed = |code, detail: &str| Some((Err(Problem::new(code, detail)), None));
            let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return None,
                Ok(Some(Err(_))) => {
                    let detail = "The body broke off before its end.";
                    return failed(codes::REQUEST_MALFORMED, detail);
                }
                Err(_) => {
                    let detail = "The body arrives too slowly; its rest is not waited for.";
                    return failed(codes::REQUEST_INCOMPLETE, detail);
                }
            };
            if let Ok(data) = frame.into_data() {
                seen += data.len() as u64;
                return Some((Ok(data), Some((body, seen))));
            }
        }
    })
    .boxed()
}

/// Reads a little of a body that nobody wants: a connection closed in the face of its sender would
/// lose the answer.
pub(crate) async fn let_go(mut body: Incoming, headers: &HeaderMap, within: Duration) {
    // Who asks first has not sent anything yet.
    if headers.contains_key(header::EXPECT) || body.size_hint().lower() > LET_GO_BYTES_MAX {
        return;
    }
    let read = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, |data| data.len() as u64);
            if seen > LET_GO_BYTES_MAX {
                return;
            }
        }
    };
    // Whoever is slower than that does not want to know.
    let _ = tokio::time::timeout(within, read).await;
}
