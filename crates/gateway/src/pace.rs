//! How slowly an answer may be taken: its caller has `body_timeout`, and a second more for each
//! [`SLOWEST_BYTES_PER_SECOND`] of it that were taken.
//!
//! A peer that keeps the window of its HTTP/2 stream shut stops nobody from writing to the connection,
//! and one that takes a little now and then never stalls a write for long: so an answer is timed as a
//! whole. Time in which its body is not there yet is ours and does not count.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes a second that are not too few.
pub(crate) const SLOWEST_BYTES_PER_SECOND: u64 = 32 * 1024;
/// Bytes of an answer that are handed over at once: what is handed over counts as taken.
const PIECE_BYTES: usize = 16 * 1024;

/// Nothing was asked since the last answer was sent: what is written now are words of the parser.
const QUIET: u8 = 0;
/// A request is being answered.
const ANSWERING: u8 = 1;
/// The answer was handed over whole and may wait to be written.
const HANDED_OVER: u8 = 2;

/// The pace of one HTTP/1 connection, whose answers come one after the other, or of one HTTP/2 stream.
pub(crate) struct Pace {
    patience: Duration,
    phase: AtomicU8,
    timing: Mutex<Timing>,
    /// There is something to time.
    changed: Notify,
}

#[derive(Default)]
struct Timing {
    began: Option<Instant>,
    taken: u64,
    /// Since when the body is waited for.
    waits: Option<Instant>,
}

impl Pace {
    /// A pace with this much time for what is small.
    pub(crate) fn new(patience: Duration) -> Arc<Self> {
        let (phase, timing) = (AtomicU8::new(QUIET), Mutex::default());
        Arc::new(Self { patience, phase, timing, changed: Notify::new() })
    }

    /// A request came.
    pub(crate) fn asked(&self) {
        self.phase.store(ANSWERING, Ordering::Release);
    }

    /// Everything that was handed over is written.
    pub(crate) fn written(&self) {
        let (from, to) = (HANDED_OVER, QUIET);
        let _ = self.phase.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Whether no answer of ours is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.phase.load(Ordering::Acquire) == QUIET
    }

    /// The answer with a body that keeps the pace; `guard` is dropped with it.
    pub(crate) fn over<G>(
        self: &Arc<Self>,
        response: Response<Body>,
        guard: G,
    ) -> Response<Paced<G>> {
        response.map(|body| Paced {
            body,
            rest: Bytes::new(),
            pace: Arc::clone(self),
            _guard: guard,
        })
    }

    /// Begins to time an answer.
    fn begin(&self) {
        *self.lock() = Timing { began: Some(now()), ..Timing::default() };
        self.changed.notify_one();
    }

    /// Ends when an answer is taken too slowly.
    pub(crate) async fn overdue(&self) {
        loop {
            match self.deadline() {
                None => self.changed.notified().await,
                Some(deadline) if deadline <= now() => return,
                Some(deadline) => {
                    let _ = tokio::time::timeout_at(deadline, std::future::pending::<()>()).await;
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let timing = self.lock();
        let began = timing.began.filter(|_| timing.waits.is_none())?;
        Some(began + self.patience + allowance(timing.taken))
    }

    fn lock(&self) -> MutexGuard<'_, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time that so many bytes may take besides what everybody has.
pub(crate) fn allowance(bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1_000) / SLOWEST_BYTES_PER_SECOND)
}

#[expect(clippy::disallowed_methods, reason = "deadlines of the runtime's own timer")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The body of an answer, handed over in pieces.
pub(crate) struct Paced<G> {
    body: Body,
    /// What is left of the last piece of the body.
    rest: Bytes,
    pace: Arc<Pace>,
    _guard: G,
}

impl<G> Paced<G> {
    /// Begins to time it, from its first byte on.
    pub(crate) fn timed(self) -> Self {
        self.pace.begin();
        self
    }

    /// Whether it is more than one piece.
    pub(crate) fn is_long(&self) -> bool {
        self.body.size_hint().upper().is_none_or(|upper| upper > PIECE_BYTES as u64)
    }
}

impl<G> Drop for Paced<G> {
    fn drop(&mut self) {
        *self.pace.lock() = Timing::default();
        self.pace.phase.store(HANDED_OVER, Ordering::Release);
    }
}

impl<G: Unpin> HttpBody for Paced<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            if polled.is_pending() {
                self.pace.lock().waits.get_or_insert_with(now);
            } else if self.pace.lock().goes_on() {
                self.pace.changed.notify_one();
            }
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.pace.lock().taken += length as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

impl Timing {
    /// Takes the time off in which the body was waited for; whether it was.
    fn goes_on(&mut self) -> bool {
        let Some(since) = self.waits.take() else { return false };
        let waited = now().saturating_duration_since(since);
        self.began = self.began.map(|began| began + waited);
        true
    }
}
