//! The bytes of one connection: gives up on a peer that no longer reads, and says in words what the
//! HTTP/1 parser refuses with a bare status.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use kernel::{Dice, Problem, codes};
use observe::RequestId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::pace::{Pace, allowance, now};
use crate::problem;

/// How the refusals of the HTTP/1 parser begin.
const REFUSED: &[u8] = b"HTTP/1.1 4";

/// A stream whose peer must go on reading.
pub(crate) struct Wire<S> {
    stream: S,
    /// How long the peer may read nothing while there is something to send.
    patience: Duration,
    /// Set from the first write that has to wait until everything is written.
    stalled: Option<Stalled>,
    /// How refusals of the parser become words; `None`: this is not HTTP/1.
    words: Option<Words>,
    /// What is sent instead of a bare refusal.
    instead: Option<Instead>,
}

/// What it takes to say refusals of the parser in words.
pub(crate) struct Words {
    pub(crate) dice: Arc<dyn Dice>,
    /// Tells when nothing of ours is on its way: then it is the parser that speaks.
    pub(crate) pace: Arc<Pace>,
}

struct Stalled {
    began: Instant,
    /// Bytes that were written since.
    taken: u64,
    until: Pin<Box<Sleep>>,
}

struct Instead {
    bytes: Vec<u8>,
    sent: usize,
    /// Bytes of the refusal that it stands for.
    stands_for: usize,
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S, patience: Duration, words: Option<Words>) -> Self {
        Self { stream, patience, stalled: None, words, instead: None }
    }

    /// Fails a write when the peer has taken too little for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            return polled;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Stalled::begin(patience));
        while stalled.until.as_mut().poll(cx).is_ready() {
            let deadline = stalled.began + patience + allowance(stalled.taken);
            if deadline <= stalled.until.deadline() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stalled.until.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// The same for bytes, which give the peer more time.
    fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let (Some(stalled), Poll::Ready(Ok(written))) = (&mut self.stalled, &polled) {
            stalled.taken += *written as u64;
        }
        self.watch(cx, polled)
    }
}

impl Stalled {
    fn begin(patience: Duration) -> Self {
        let began = now();
        let until = Box::pin(tokio::time::sleep_until(began + patience));
        Self { began, taken: 0, until }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    fn send_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(instead) = &mut self.instead {
            let rest = &instead.bytes[instead.sent..];
            if rest.is_empty() {
                let stood_for = instead.stands_for;
                self.instead = None;
                return Poll::Ready(Ok(stood_for));
            }
            let polled = Pin::new(&mut self.stream).poll_write(cx, rest);
            let written = ready!(self.watch_write(cx, polled))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some(instead) = &mut self.instead {
                instead.sent += written;
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Notes what is to be sent instead of a refusal without words.
    fn translate(&mut self, bytes: &[u8]) {
        let Some(words) = self.words.as_ref().filter(|words| words.pace.is_quiet()) else { return };
        if let Some(problem) = refusal(bytes) {
            let id = RequestId::accept(None, &*words.dice);
            let bytes = problem::unread(&problem, id.as_str());
            self.instead = Some(Instead { bytes, sent: 0, stands_for: 0 });
        }
    }
}

/// What a refusal of the parser means, by its status; `None` for those it has no words for.
fn refusal(bytes: &[u8]) -> Option<Problem> {
    let status = bytes.strip_prefix(REFUSED)?.get(..2)?;
    let (code, detail) = match status {
        b"00" => (
            codes::REQUEST_MALFORMED,
            "This is no HTTP request: its first line or one of its headers cannot be parsed.",
        ),
        b"14" => (codes::REQUEST_URI_TOO_LONG, "The address has more than 65 534 bytes."),
        b"31" => (
            codes::REQUEST_HEADERS_TOO_LARGE,
            "The headers are larger than `[server] header_bytes_max`, or more than 100.",
        ),
        _ => return None,
    };
    Some(Problem::new(code, detail))
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.translate(bytes);
        }
        if let Some(instead) = &mut self.instead {
            instead.stands_for = bytes.len();
            return self.send_instead(cx);
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.translate(pieces.first().map_or(&[], |first| first));
        }
        if let Some(instead) = &mut self.instead {
            instead.stands_for = pieces.iter().map(|piece| piece.len()).sum();
            return self.send_instead(cx);
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            // It is asked for once everything was written.
            self.stalled = None;
            if let Some(words) = &self.words {
                words.pace.written();
            }
        }
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_little_now_and_then_is_given_up_and_a_slow_one_is_not() {
        const PATIENCE: Duration = Duration::from_secs(60);
        for (piece, every, fine) in [(1_024, 59, false), (64 * 1_024, 1, true)] {
            let (ours, mut theirs) = tokio::io::duplex(1_024);
            let mut wire = Wire::new(ours, PATIENCE, None);
            let read = async {
                let mut tick = tokio::time::interval(Duration::from_secs(every));
                let mut piece = vec![0; piece];
                loop {
                    tick.tick().await;
                    if theirs.read_exact(&mut piece).await.is_err() {
                        return;
                    }
                }
            };
            let bytes = vec![0; 16 * 1_024 * 1_024];
            let sent =
                tokio::select! { sent = wire.write_all(&bytes) => sent, () = read => Ok(()) };
            let kind = sent.map_err(|error| error.kind());
            assert_eq!(kind, if fine { Ok(()) } else { Err(io::ErrorKind::TimedOut) }, "{every}");
        }
    }
}
