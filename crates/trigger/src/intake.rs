//! How the body of a request becomes data and files.
//!
//! Data (JSON, forms, text) is held as a whole, up to the limit of bodies. Files go to the store of
//! blobs while they come in and may be larger; of them little more than a megabyte is held at a time.
//! They stay for a day or so, and as long as files do once a run has them. A body that is signed is
//! always held as a whole: nothing is stored for somebody unknown.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use kernel::item::BinaryRef;
use kernel::limits::VALUE_BYTES;
use kernel::room::Held;
use kernel::{Object, Problem, Value, WorkspaceId, codes, json};
use node::{Blobs, Hook};

use crate::form;
use crate::gunzip::{self, limited, too_large};
use crate::multipart::{Multipart, PartHead, Pieces};

/// The limits of bodies, in bytes after unpacking.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Of what is held in memory.
    pub whole_bytes_max: usize,
    /// Of files.
    pub upload_bytes_max: u64,
}

/// How a body shall be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// As a whole, at most so many bytes of it.
    Whole(usize),
    /// As a stream.
    Stream,
}

/// What a body became.
#[derive(Debug, Default)]
pub struct Body {
    pub(crate) json: Value,
    pub(crate) files: Vec<(String, BinaryRef)>,
    pub(crate) replaced_surrogates: usize,
}

impl Body {
    /// Of a request without one.
    pub(crate) fn empty() -> Self {
        Self { json: Value::Object(Object::new()), ..Self::default() }
    }
}

/// What a body is, by its headers and what the hook wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'h> {
    kind: Kind,
    content_type: &'h str,
    packed: bool,
    limits: BodyLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Text,
    Multipart,
    File,
}

impl<'h> Plan<'h> {
    /// # Errors
    /// `request.unsupported` for a media type the hook does not take and for encodings other than
    /// gzip.
    pub(crate) fn of(
        hook: &Hook,
        headers: &'h HeaderMap,
        limits: BodyLimits,
    ) -> Result<Self, Problem> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let sent = text(CONTENT_TYPE);
        let content_type = sent.unwrap_or("application/octet-stream");
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if let Some(sent) = sent
            && !hook.accepts.is_empty()
            && !hook.accepts.iter().any(|range| covers(range, media_type))
        {
            let wanted = hook.accepts.join(", ");
            let detail = format!("This hook takes {wanted}, not {}.", shown(sent));
            return Err(Problem::new(codes::REQUEST_UNSUPPORTED, detail));
        }
        let packed = match text(CONTENT_ENCODING).map(str::trim) {
            // As it came, whatever it is.
            _ if hook.raw_body => false,
            None | Some("" | "identity") => false,
            Some(coding) if ["gzip", "x-gzip"].iter().any(|g| coding.eq_ignore_ascii_case(g)) => {
                true
            }
            Some(coding) => {
                let detail = format!(
                    "Send the body as it is or as gzip, not as {}. (A webhook with `raw_body` \
                     takes it so.)",
                    shown(coding)
                );
                return Err(Problem::new(codes::REQUEST_UNSUPPORTED, detail));
            }
        };
        let most = hook.body_bytes_max.unwrap_or(u64::MAX);
        let limits = BodyLimits {
            whole_bytes_max: limits
                .whole_bytes_max
                .min(usize::try_from(most).unwrap_or(usize::MAX)),
            upload_bytes_max: limits.upload_bytes_max.min(most),
        };
        let kind = if hook.raw_body { Kind::File } else { Kind::of(media_type) };
        Ok(Self { kind, content_type, packed, limits })
    }

    /// How the body shall be handed over; `signed`: the whole body is needed first.
    pub(crate) fn intake(&self, signed: bool) -> Intake {
        match self.kind {
            Kind::Multipart | Kind::File if !signed => Intake::Stream,
            Kind::Json | Kind::Form | Kind::Text | Kind::Multipart | Kind::File => {
                Intake::Whole(self.limits.whole_bytes_max)
            }
        }
    }

    /// Reads a body that was handed over as a whole.
    ///
    /// # Errors
    /// `request.malformed`, `request.body_too_large`, `server.overloaded`, `database.unavailable`.
    pub(crate) async fn read(
        &self,
        sent: Bytes,
        workspace: WorkspaceId,
        blobs: &dyn Blobs,
        held: &mut Held,
    ) -> Result<Body, Problem> {
        if sent.is_empty() {
            return Ok(Body::empty());
        }
        let bytes = match self.packed {
            true => gunzip::whole(&sent, self.limits.whole_bytes_max, held)?,
            false => sent,
        };
        match self.kind {
            Kind::Json => {
                let values = json::count_values(&bytes);
                json::check_values(values)?;
                held.take(values * VALUE_BYTES)?;
                let parsed = json::parse(&bytes).map_err(|error| {
                    let detail = format!("The body is not JSON: {error}.");
                    Problem::new(codes::REQUEST_MALFORMED, detail)
                })?;
                let replaced_surrogates = parsed.replaced_surrogates;
                Ok(Body { json: parsed.value, replaced_surrogates, ..Body::default() })
            }
            Kind::Form => {
                let fields = form::fields(&bytes)?;
                held.take(bytes.len())?;
                Ok(Body { json: form::object(fields), ..Body::default() })
            }
            Kind::Text => {
                held.take(bytes.len())?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Ok(Body { json: Value::String(text), ..Body::default() })
            }
            Kind::Multipart | Kind::File => {
                let pieces = stream::iter([Ok(bytes)]).boxed();
                self.store(pieces, workspace, blobs, held).await
            }
        }
    }

    /// Reads a body that comes as a stream.
    ///
    /// # Errors
    /// `request.malformed`, `request.body_too_large`, `server.overloaded`, `database.unavailable`, and
    /// what the stream says.
    pub(crate) async fn take(
        &self,
        sent: Pieces<'_>,
        workspace: WorkspaceId,
        blobs: &dyn Blobs,
        held: &mut Held,
    ) -> Result<Body, Problem> {
        let sent = limited(sent, self.limits.upload_bytes_max);
        let pieces = match self.packed {
            true => limited(gunzip::pieces(sent), self.limits.upload_bytes_max),
            false => sent,
        };
        let mut pieces = pieces;
        while let Some(first) = pieces.next().await {
            let first = first?;
            if !first.is_empty() {
                let pieces = stream::iter([Ok(first)]).chain(pieces).boxed();
                return self.store(pieces, workspace, blobs, held).await;
            }
        }
        Ok(Body::empty())
    }

    async fn store(
        &self,
        pieces: Pieces<'_>,
        workspace: WorkspaceId,
        blobs: &dyn Blobs,
        held: &mut Held,
    ) -> Result<Body, Problem> {
        let (fields, files) = match self.kind {
            Kind::Multipart => self.parts(pieces, workspace, blobs, held).await?,
            Kind::Json | Kind::Form | Kind::Text | Kind::File => {
                let media_type = self.content_type.split(';').next().unwrap_or_default();
                let file = blobs.put_stream(workspace, pieces).await?;
                let file = BinaryRef { mime_type: media_type.trim().to_owned(), ..file };
                (Vec::new(), vec![("data".to_owned(), file)])
            }
        };
        Ok(Body { json: form::object(fields), files, replaced_surrogates: 0 })
    }

    /// Fields and files; parts with a file name are files.
    async fn parts(
        &self,
        pieces: Pieces<'_>,
        workspace: WorkspaceId,
        blobs: &dyn Blobs,
        held: &mut Held,
    ) -> Result<(Vec<(String, String)>, Vec<(String, BinaryRef)>), Problem> {
        let mut multipart = Multipart::new(self.content_type, pieces)?;
        let (mut fields, mut files) = (Vec::new(), Vec::new());
        let mut field_bytes = 0;
        while let Some(PartHead { name, file_name, media_type }) = multipart.next_part().await? {
            let Some(file_name) = file_name else {
                let mut text = Vec::new();
                while let Some(data) = multipart.data().await? {
                    field_bytes += data.len();
                    if field_bytes > self.limits.whole_bytes_max {
                        return Err(too_large(self.limits.whole_bytes_max as u64));
                    }
                    held.take(data.len())?;
                    text.extend_from_slice(&data);
                }
                fields.push((name, String::from_utf8_lossy(&text).into_owned()));
                continue;
            };
            let stored = blobs.put_stream(workspace, multipart.file()).await?;
            let mime_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            let file_name = Some(file_name).filter(|name| !name.is_empty());
            files.push((name, BinaryRef { mime_type, file_name, ..stored }));
        }
        Ok((fields, files))
    }
}

impl Kind {
    fn of(media_type: &str) -> Self {
        let is = |wanted: &str| media_type.eq_ignore_ascii_case(wanted);
        let ends = |suffix: &str| {
            let at = media_type.len().checked_sub(suffix.len());
            at.and_then(|at| media_type.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        };
        let begins = |prefix: &str| {
            media_type.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        };
        if is("application/json") || ends("+json") {
            Self::Json
        } else if is("application/x-www-form-urlencoded") {
            Self::Form
        } else if is("multipart/form-data") {
            Self::Multipart
        } else if begins("text/") || is("application/xml") || ends("+xml") {
            Self::Text
        } else {
            Self::File
        }
    }
}

/// Whether `image/*` and its kind cover a media type.
fn covers(range: &str, media_type: &str) -> bool {
    let same = |a: &str, b: &str| a == "*" || a.eq_ignore_ascii_case(b);
    match (range.split_once('/'), media_type.split_once('/')) {
        (Some((kind, subtype)), Some((sent, sent_subtype))) => {
            same(kind, sent) && same(subtype, sent_subtype)
        }
        _ => false,
    }
}

/// A header's value as it may stand in an answer.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_what_they_say() {
        assert!(covers("image/*", "IMAGE/png") && covers("*/*", "a/b"));
        assert!(covers("application/json", "application/JSON"));
        assert!(!covers("image/*", "text/plain") && !covers("application/json", "json"));
    }
}
