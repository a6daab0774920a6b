//! `multipart/form-data` (RFC 7578), read piece by piece: of a file only what is in hand is held.

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use kernel::limits::FORM_FIELDS_MAX;
use kernel::{Problem, codes};

/// Bytes of one part's headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Pieces of a body, in order.
pub(crate) type Pieces<'a> = BoxStream<'a, Result<Bytes, Problem>>;

/// A body that is read part by part.
pub(crate) struct Multipart<'a> {
    pieces: Pieces<'a>,
    /// What was read and not yet given out.
    buffer: BytesMut,
    /// Line break, two dashes, boundary.
    delimiter: Vec<u8>,
    place: Place,
    parts: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first boundary, or in a part.
    Data,
    /// Right behind a boundary.
    Boundary,
}

/// What is known of a part before its data.
pub(crate) struct PartHead {
    pub(crate) name: String,
    /// Files have one; it may be empty.
    pub(crate) file_name: Option<String>,
    pub(crate) media_type: Option<String>,
}

impl<'a> Multipart<'a> {
    /// A body of this content type.
    pub(crate) fn new(content_type: &str, pieces: Pieces<'a>) -> Result<Self, Problem> {
        let boundary = parameter(content_type, "boundary")
            .filter(|boundary| (1..=200).contains(&boundary.len()))
            .ok_or_else(|| malformed("the content type names no boundary"))?;
        Ok(Self {
            pieces,
            // The first boundary may stand at the very beginning, without a line break before it.
            buffer: BytesMut::from(&b"\r\n"[..]),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            place: Place::Data,
            parts: 0,
        })
    }

    /// Goes on to the next part, past what is left of this one; `None` behind the last.
    pub(crate) async fn next_part(&mut self) -> Result<Option<PartHead>, Problem> {
        while self.place == Place::Data {
            self.data().await?;
        }
        while self.buffer.len() < 2 {
            self.fill().await?;
        }
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > FORM_FIELDS_MAX {
            return Err(malformed("it has more than 1000 parts"));
        }
        let head = self.head().await?;
        self.place = Place::Data;
        Ok(Some(read_head(&head).ok_or_else(|| malformed("a part has no name"))?))
    }

    /// The next bytes of this part; `None` at its end.
    pub(crate) async fn data(&mut self) -> Result<Option<Bytes>, Problem> {
        while self.place == Place::Data {
            match find(&self.buffer, &self.delimiter) {
                Some(0) => {
                    let _delimiter = self.buffer.split_to(self.delimiter.len());
                    self.place = Place::Boundary;
                }
                Some(at) => return Ok(Some(self.buffer.split_to(at).freeze())),
                None => {
                    // The end may be the beginning of a boundary.
                    let sure = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
                    if sure > 0 {
                        return Ok(Some(self.buffer.split_to(sure).freeze()));
                    }
                    self.fill().await?;
                }
            }
        }
        Ok(None)
    }

    /// The rest of this part as a stream.
    pub(crate) fn file(&mut self) -> Pieces<'_> {
        stream::unfold(Some(self), |parts| async {
            let parts = parts?;
            match parts.data().await {
                Ok(Some(data)) => Some((Ok(data), Some(parts))),
                Ok(None) => None,
                Err(problem) => Some((Err(problem), None)),
            }
        })
        .boxed()
    }

    /// The headers of a part, with the line break that ends the boundary before them.
    async fn head(&mut self) -> Result<Bytes, Problem> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(end).freeze();
                let _blank_line = self.buffer.split_to(4);
                return Ok(head);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(malformed("the headers of a part are too long"));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Problem> {
        match self.pieces.next().await {
            Some(piece) => self.buffer.extend_from_slice(&piece?),
            None => return Err(malformed("its last boundary is missing")),
        }
        Ok(())
    }
}

fn malformed(what: &str) -> Problem {
    let detail = format!("The body is not multipart/form-data: {what}.");
    Problem::new(codes::REQUEST_MALFORMED, detail)
}

fn read_head(head: &[u8]) -> Option<PartHead> {
    let head = String::from_utf8_lossy(head);
    let header = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition")?;
    Some(PartHead {
        name: parameter(&disposition, "name")?,
        file_name: parameter(&disposition, "filename"),
        media_type: header("content-type"),
    })
}

/// A parameter of a header's value: `form-data; name="a"`. Browsers escape quotes as `%22`.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = &value[value.find(';')? + 1..];
    loop {
        let (name, after) = rest.split_once('=')?;
        let (text, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                let next = quoted[end + 1..].trim_start().strip_prefix(';');
                (quoted[..end].replace("%22", "\""), next)
            }
            None => match after.split_once(';') {
                Some((text, next)) => (text.trim().to_owned(), Some(next)),
                None => (after.trim().to_owned(), None),
            },
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = next?;
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xx";

    /// Name, file name and data.
    type Part = (String, Option<String>, Vec<u8>);

    /// Every part, with the body cut into pieces of `size` bytes.
    fn parts(body: &[u8], size: usize) -> Result<Vec<Part>, Problem> {
        let pieces: Vec<_> =
            body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let read = async {
            let mut multipart = Multipart::new(TYPE, stream::iter(pieces).boxed())?;
            let mut parts = Vec::new();
            while let Some(head) = multipart.next_part().await? {
                let mut data = Vec::new();
                while let Some(piece) = multipart.data().await? {
                    data.extend_from_slice(&piece);
                }
                parts.push((head.name, head.file_name, data));
            }
            Ok(parts)
        };
        read.now_or_never().expect("nothing is waited for")
    }

    const BODY: &[u8] = b"before\r\n--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n\
        hello\r\n--xx\r\nContent-Disposition: form-data; name=\"up\"; filename=\"a.csv\"\r\n\
        Content-Type: text/csv\r\n\r\na,b\r\n1,2\r\n--x\r\n\r\n--xx--\r\n";

    #[test]
    fn parts_are_the_same_however_the_body_is_cut() {
        for size in 1..BODY.len() {
            let parts = parts(BODY, size).unwrap();
            assert_eq!(parts[0], ("note".to_owned(), None, b"hello".to_vec()), "{size}");
            let file = (Some("a.csv".to_owned()), b"a,b\r\n1,2\r\n--x\r\n".to_vec());
            assert_eq!((parts[1].1.clone(), parts[1].2.clone()), file, "{size}");
            assert_eq!(parts.len(), 2);
        }
    }

    #[test]
    fn an_unfinished_body_is_refused_and_never_panics() {
        let body = &b"--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--xx--"[..];
        assert!(parts(body, 7).is_ok());
        for end in 0..body.len() - 2 {
            assert!(parts(&body[..end], 7).is_err(), "{end}");
        }
        assert!(Multipart::new("multipart/form-data", stream::iter([]).boxed()).is_err());
        let endless = [&b"--xx\r\nContent-Disposition: form-data; name=\""[..], &[b'a'; 20_000]];
        let problem = parts(&endless.concat(), 1_000).unwrap_err();
        assert!(problem.detail.contains("too long"), "{}", problem.detail);
    }
}
