//! Entity tags: which version an answer shows, and which one a change expects.
//!
//! A noun that counts its versions has `"12"`; what shows it has `"12.…"` with a hash of the body
//! behind the count, so that two answers with one tag are the same byte by byte. A change that expects
//! version 12 may send either. A noun that counts nothing has a hash of its state for a count; an
//! answer that is about no one noun has the hash of its body alone.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Problem, codes};
use serde::Serialize;

/// What stands behind the tag of an answer that was compressed on its way.
const ENCODINGS: [&str; 2] = [".gzip", ".zstd"];
/// Bytes of the hash that are shown.
const HASH_BYTES: usize = 12;

/// A version of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl From<i64> for Version {
    /// A counted version.
    fn from(revision: i64) -> Self {
        Self(revision.to_string())
    }
}

impl Version {
    /// The version of something that does not count its versions, by its state: all that a change
    /// may depend on.
    pub fn of_state(state: &impl Serialize) -> Self {
        Self(hash(&serde_json::to_vec(state).unwrap_or_default()))
    }

    /// The entity tag, quotes included.
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// The tag of an answer with this body that shows the version.
    pub(crate) fn tag_of(version: Option<&Self>, body: &[u8]) -> String {
        let version = version.map_or("", |version| version.0.as_str());
        format!("\"{version}.{}\"", hash(body))
    }

    /// Whether a tag (without quotes) names this version, whatever stands behind it.
    fn is_named_by(&self, tag: &str) -> bool {
        tag.split_once('.').map_or(tag, |(version, _)| version) == self.0
    }
}

/// The tag (without quotes) of the answer before it was compressed.
fn plain(tag: &str) -> &str {
    ENCODINGS.iter().find_map(|encoding| tag.strip_suffix(encoding)).unwrap_or(tag)
}

fn hash(body: &[u8]) -> String {
    let hash = digest(&SHA256, body);
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..HASH_BYTES])
}

/// What `if-match` or `if-none-match` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`
    Any,
    /// Tags without their quotes, and whether each is weak.
    These(Vec<(String, bool)>),
}

impl Tags {
    /// Reads the value of a header.
    ///
    /// # Errors
    /// `request.invalid` when it is no list of entity tags.
    pub(crate) fn read(header: &'static str, sent: Option<&str>) -> Result<Option<Self>, Problem> {
        let Some(sent) = sent else { return Ok(None) };
        if sent.trim() == "*" {
            return Ok(Some(Self::Any));
        }
        let tag = |text: &str| {
            let text = text.trim();
            let (weak, text) = match text.strip_prefix("W/") {
                Some(rest) => (true, rest),
                None => (false, text),
            };
            let inside = text.strip_prefix('"')?.strip_suffix('"')?;
            (!inside.contains('"')).then(|| (inside.to_owned(), weak))
        };
        let tags: Option<Vec<_>> = sent.split(',').map(tag).collect();
        tags.filter(|tags| !tags.is_empty()).map(|tags| Some(Self::These(tags))).ok_or_else(|| {
            let what = "must be a list of entity tags such as \"12\", or *";
            let code = codes::REQUEST_INVALID;
            Problem::new(code, format!("The header `{header}` {what}.")).at(
                format!("/header/{header}"),
                code,
                what,
            )
        })
    }

    /// Whether one of them names this version; weak tags never do.
    pub(crate) fn name(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|(tag, weak)| !weak && version.is_named_by(tag)),
        }
    }

    /// The one among them that is this tag (with quotes), weak or not and whatever encoding stands
    /// behind it.
    pub(crate) fn find(&self, tag: &str) -> Option<String> {
        match self {
            Self::Any => Some(tag.to_owned()),
            Self::These(tags) => {
                let inside = tag.trim_matches('"');
                let same = |known: &str| known == inside || plain(known) == inside;
                let (known, _) = tags.iter().find(|(known, _)| same(known))?;
                Some(format!("\"{known}\""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(sent: &str) -> Tags {
        Tags::read("if-match", Some(sent)).unwrap().unwrap()
    }

    #[test]
    fn a_counted_version_is_named_by_its_count_and_by_what_showed_it() {
        let version = Version::from(12);
        let shown = Version::tag_of(Some(&version), b"{}");
        assert!(tags(&shown).name(&version));
        assert!(tags("\"3\", \"12\"").name(&version));
        assert!(tags("*").name(&version));
        for other in ["\"1\"", "\"121\"", "\"1.2\"", "W/\"12\"", "\".12\""] {
            assert!(!tags(other).name(&version), "{other}");
        }
    }

    #[test]
    fn what_counts_nothing_is_named_by_its_state() {
        let version = Version::of_state(&"one");
        assert!(tags(&version.tag()).name(&version));
        assert!(tags(&Version::tag_of(Some(&version), b"shown")).name(&version));
        assert!(!tags(&version.tag()).name(&Version::of_state(&"two")));
        assert!(!tags(&Version::tag_of(None, b"shown")).name(&version));
    }

    #[test]
    fn an_answer_that_differs_in_a_byte_has_another_tag() {
        let version = Version::from(1);
        assert_ne!(Version::tag_of(Some(&version), b"a"), Version::tag_of(Some(&version), b"b"));
        let tag = Version::tag_of(None, b"a");
        assert_eq!(tags(&format!("\"x\", W/{tag}")).find(&tag).as_ref(), Some(&tag));
        assert_eq!(tags("\"x\"").find(&tag), None);
        let packed = format!("\"{}.zstd\"", tag.trim_matches('"'));
        assert_eq!(tags(&packed).find(&tag), Some(packed));
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for wrong in ["12", "", "\"a", "\"a\"b\""] {
            let refused = Tags::read("if-match", Some(wrong)).unwrap_err();
            assert_eq!(refused.code, codes::REQUEST_INVALID, "{wrong}");
        }
    }
}
