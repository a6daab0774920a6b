//! Bodies that were sent compressed: unpacked in small steps, never further than the limit.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures::StreamExt as _;
use futures::stream;
use kernel::room::Held;
use kernel::{Problem, codes};

use crate::multipart::Pieces;

/// Compressed bytes unpacked in one step: they become a megabyte or so at the very most.
const STEP_BYTES: usize = 1024;

/// Unpacks gzip step by step.
struct Gunzip(GzDecoder<Vec<u8>>);

impl Gunzip {
    fn new() -> Self {
        Self(GzDecoder::new(Vec::new()))
    }

    /// What a piece of at most [`STEP_BYTES`] becomes.
    fn step(&mut self, piece: &[u8]) -> Result<Bytes, Problem> {
        self.0.write_all(piece).map_err(|_| malformed())?;
        Ok(std::mem::take(self.0.get_mut()).into())
    }

    /// What was still held back.
    fn end(self) -> Result<Bytes, Problem> {
        self.0.finish().map(Bytes::from).map_err(|_| malformed())
    }
}

/// A whole body unpacked; at most `bytes_max` of it, and no more than there is room for.
///
/// # Errors
/// `request.malformed`, `request.body_too_large`, `server.overloaded`.
pub(crate) fn whole(packed: &[u8], bytes_max: usize, held: &mut Held) -> Result<Bytes, Problem> {
    let mut gunzip = Gunzip::new();
    let mut unpacked = Vec::new();
    let mut add = |piece: Bytes| {
        if unpacked.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max as u64));
        }
        held.take(piece.len())?;
        unpacked.extend_from_slice(&piece);
        Ok(())
    };
    for piece in packed.chunks(STEP_BYTES) {
        add(gunzip.step(piece)?)?;
    }
    add(gunzip.end()?)?;
    Ok(unpacked.into())
}

/// Where the unpacking of a stream stands.
struct Unpacking<'a> {
    packed: Pieces<'a>,
    /// Of the last piece, what was not unpacked yet.
    rest: Bytes,
    /// `None` once everything was given out.
    gunzip: Option<Gunzip>,
}

impl Unpacking<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let Some(gunzip) = &mut self.gunzip else { return Ok(None) };
            while self.rest.is_empty() {
                match self.packed.next().await {
                    Some(piece) => self.rest = piece?,
                    None => return self.gunzip.take().map(Gunzip::end).transpose(),
                }
            }
            let step = self.rest.split_to(self.rest.len().min(STEP_BYTES));
            let unpacked = gunzip.step(&step)?;
            if !unpacked.is_empty() {
                return Ok(Some(unpacked));
            }
        }
    }
}

/// A stream unpacked.
pub(crate) fn pieces(packed: Pieces<'_>) -> Pieces<'_> {
    let begin = Unpacking { packed, rest: Bytes::new(), gunzip: Some(Gunzip::new()) };
    stream::unfold(Some(begin), |unpacking| async {
        let mut unpacking = unpacking?;
        match unpacking.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(unpacking))),
            Ok(None) => None,
            Err(problem) => Some((Err(problem), None)),
        }
    })
    .boxed()
}

/// A stream that breaks off once it has brought more than `bytes_max`.
pub(crate) fn limited(pieces: Pieces<'_>, bytes_max: u64) -> Pieces<'_> {
    let mut left = bytes_max;
    let within = move |piece: Result<Bytes, Problem>| {
        let piece = piece?;
        left = left.checked_sub(piece.len() as u64).ok_or_else(|| too_large(bytes_max))?;
        Ok(piece)
    };
    pieces.map(within).boxed()
}

/// `request.body_too_large`.
pub(crate) fn too_large(bytes_max: u64) -> Problem {
    let detail = format!(
        "The body is larger than {bytes_max} bytes, unpacked if it came compressed; send less, or \
         raise the limit."
    );
    Problem::new(codes::REQUEST_BODY_TOO_LARGE, detail)
}

fn malformed() -> Problem {
    let detail = "The body is not gzip, as its `content-encoding` says.";
    Problem::new(codes::REQUEST_MALFORMED, detail)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures::{FutureExt as _, TryStreamExt as _};

    use kernel::room::Room;

    use super::*;

    fn held() -> Held {
        Room::new(2_000_000).enter()
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn streamed(packed: &[u8], size: usize, bytes_max: u64) -> Result<Vec<u8>, Problem> {
        let list: Vec<_> =
            packed.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let unpacked = limited(pieces(stream::iter(list).boxed()), bytes_max);
        let all = unpacked.try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        });
        all.now_or_never().expect("nothing is waited for")
    }

    #[test]
    fn what_was_packed_comes_out_whole_and_in_pieces() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        let packed = packed(&text);
        assert_eq!(whole(&packed, text.len(), &mut held()).unwrap(), text);
        for size in [1, 7, 1_024, packed.len()] {
            assert_eq!(streamed(&packed, size, text.len() as u64).unwrap(), text, "{size}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = packed(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 100_000);
        let problem = whole(&bomb, 1_000_000, &mut held()).unwrap_err();
        assert_eq!(problem.code, codes::REQUEST_BODY_TOO_LARGE);
        let problem = streamed(&bomb, 10_000, 1_000_000).unwrap_err();
        assert_eq!(problem.code, codes::REQUEST_BODY_TOO_LARGE);
    }

    #[test]
    fn what_is_cut_short_or_no_gzip_is_refused() {
        let packed = packed(b"a body");
        for end in 0..packed.len() {
            assert_eq!(
                whole(&packed[..end], 100, &mut held()).unwrap_err().code,
                codes::REQUEST_MALFORMED
            );
            assert!(streamed(&packed[..end], 3, 100).is_err(), "{end}");
        }
        assert!(whole(b"plain text", 100, &mut held()).is_err());
        assert!(whole(&[packed.as_slice(), b"more"].concat(), 100, &mut held()).is_err());
    }
}
