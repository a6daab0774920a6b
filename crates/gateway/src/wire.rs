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
use tokio::time::Sleep;

use crate::problem;

/// How the parser's own refusals begin. Ours carry `x-request-id`, these carry nothing.
const REFUSED: &[u8] = b"HTTP/1.1 4";
const SIGNED: &[u8] = b"x-request-id";

/// A stream whose writes must go on within a time.
pub(crate) struct Wire<S> {
    stream: S,
    dice: Arc<dyn Dice>,
    /// How long the peer may read nothing while there is something to send.
    patience: Duration,
    /// Set while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
    /// What is sent instead of a bare refusal.
    instead: Option<Instead>,
}

struct Instead {
    bytes: Vec<u8>,
    sent: usize,
    /// Bytes of the refusal that it stands for.
    stands_for: usize,
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S, patience: Duration, dice: Arc<dyn Dice>) -> Self {
        Self { stream, dice, patience, waiting: None, instead: None }
    }

    /// Fails a write that has waited too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        #[expect(clippy::disallowed_methods, reason = "polled beside the write it limits")]
        let waiting =
            self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        match waiting.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
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
            let written = ready!(self.watch(cx, polled))?;
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
        if let Some(problem) = bare_refusal(bytes) {
            let id = RequestId::accept(None, &*self.dice);
            let bytes = problem::unread(&problem, id.as_str());
            self.instead = Some(Instead { bytes, sent: 0, stands_for: 0 });
        }
    }
}

/// What a refusal of the parser means; `None` for everything else, which a few bytes tell.
fn bare_refusal(bytes: &[u8]) -> Option<Problem> {
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
    let signed = bytes.windows(SIGNED.len()).any(|window| window == SIGNED);
    (!signed).then(|| Problem::new(code, detail))
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
        self.watch(cx, polled)
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
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_without_our_signature_is_put_into_words() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(bare_refusal(bare).unwrap().code, codes::REQUEST_HEADERS_TOO_LARGE);
        let ours = b"HTTP/1.1 400 Bad Request\r\nx-request-id: 1\r\n\r\n";
        assert!(bare_refusal(ours).is_none());
        assert!(bare_refusal(b"HTTP/1.1 404 Not Found\r\n\r\n").is_none());
        assert!(bare_refusal(b"HTTP/1.1 200 OK\r\n\r\n").is_none());
    }
}
