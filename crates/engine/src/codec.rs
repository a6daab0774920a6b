//! Stored bodies: one codec byte, then the JSON text, plain or compressed.
//!
//! A reader that meets a codec byte it does not know refuses the body; it never guesses.

use std::borrow::Cow;
use std::cell::RefCell;

use bytes::Bytes;

/// The text as it is.
const PLAIN: u8 = 0;
/// The text's length (u32, big endian), then one zstd frame.
const ZSTD: u8 = 1;

/// The body is a blob: its key follows, and the blob's bytes are a body again.
const BLOB: u8 = 2;

/// Bodies from this size on are compressed; below, it costs more time than it saves.
const COMPRESS_FROM_BYTES: usize = 1024;
/// zstd's fastest regular level: about 0.4 GB/s.
const LEVEL: i32 = 1;
/// Longest text a body may hold.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No byte at all.
    #[error("the body is empty")]
    Empty,
    /// Written by a newer version, or no body.
    #[error("the body's codec {0} is not known")]
    UnknownCodec(u8),
    /// Cut off or damaged.
    #[error("the body is damaged")]
    Damaged,
}

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// A text as a body.
pub fn encode(text: &[u8]) -> Bytes {
    if text.len() >= COMPRESS_FROM_BYTES
        && let Some(body) = compress(text)
    {
        return body.into();
    }
    let mut body = Vec::with_capacity(1 + text.len());
    body.push(PLAIN);
    body.extend_from_slice(text);
    body.into()
}

/// The text of a body.
pub fn decode(body: &[u8]) -> Result<Cow<'_, [u8]>, CodecError> {
    match body {
        [] => Err(CodecError::Empty),
        [PLAIN, text @ ..] => Ok(Cow::Borrowed(text)),
        [ZSTD, l0, l1, l2, l3, frame @ ..] => {
            let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
            if length > TEXT_BYTES_MAX {
                return Err(CodecError::Damaged);
            }
            match zstd::bulk::decompress(frame, length) {
                Ok(text) if text.len() == length => Ok(Cow::Owned(text)),
                _ => Err(CodecError::Damaged),
            }
        }
        [ZSTD, ..] => Err(CodecError::Damaged),
        [codec, ..] => Err(CodecError::UnknownCodec(*codec)),
    }
}

/// The body that stands for a blob with this key.
pub fn blob(key: &str) -> Bytes {
    [&[BLOB], key.as_bytes()].concat().into()
}

/// The key of the blob a body stands for, if it does.
pub fn blob_key(body: &[u8]) -> Option<&str> {
    let [BLOB, key @ ..] = body else { return None };
    std::str::from_utf8(key).ok()
}

/// `None` when it is too long, would not get a tenth smaller, or zstd has no memory.
fn compress(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let frame = COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(LEVEL).ok();
        }
        slot.as_mut()?.compress(text).ok()
    })?;
    if frame.len() > text.len() - text.len() / 10 {
        return None;
    }
    let length = u32::try_from(text.len()).ok()?;
    let mut body = Vec::with_capacity(5 + frame.len());
    body.push(ZSTD);
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(&frame);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_size_come_back_as_they_were() {
        for size in [0, 1, 1_023, 1_024, 100_000] {
            let text: Vec<u8> =
                b"[{\"json\":{\"name\":\"Ada\"}}]".iter().copied().cycle().take(size).collect();
            assert_eq!(&*decode(&encode(&text)).unwrap(), &text[..]);
        }
    }

    #[test]
    fn a_long_regular_text_is_compressed_and_a_random_one_is_not() {
        assert!(encode(&[b'x'; 100_000]).len() < 1_000);
        let dice = kernel::clock::SeededDice::new(1);
        let noise: Vec<u8> =
            std::iter::repeat_with(|| kernel::Dice::next_u64(&dice) as u8).take(10_000).collect();
        assert_eq!(encode(&noise).len(), 10_001);
    }

    #[test]
    fn a_body_that_is_a_blob_gives_its_key_and_no_text() {
        let body = blob("00ff");
        assert_eq!(blob_key(&body), Some("00ff"));
        assert_eq!(decode(&body), Err(CodecError::UnknownCodec(BLOB)));
        assert_eq!(blob_key(&encode(b"[]")), None);
    }

    #[test]
    fn unknown_and_damaged_bodies_are_refused() {
        assert_eq!(decode(&[]), Err(CodecError::Empty));
        assert_eq!(decode(&[7, 1, 2]), Err(CodecError::UnknownCodec(7)));
        let mut body = encode(&[b'x'; 100_000]).to_vec();
        assert_eq!(decode(&body[..4]), Err(CodecError::Damaged));
        body[1] = 0xff;
        assert_eq!(decode(&body), Err(CodecError::Damaged));
        body[1] = 0;
        body.pop();
        assert_eq!(decode(&body), Err(CodecError::Damaged));
    }
}
