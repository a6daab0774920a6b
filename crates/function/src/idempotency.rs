//! Idempotency keys: the same request under the same key is done once and answered the same.
//!
//! A key belongs to its sender: workspace, principal and key together. What is kept is its hash, the
//! fingerprint of the request, and the answer, sealed with a key derived from the one that was sent:
//! an answer may hold a secret that is stored nowhere else, and who reads the table cannot open it.
//! Answers are kept 24 hours; problems are not, so a refused request may be mended and sent again.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use kernel::{Problem, codes};

use crate::answer::Answer;
use crate::caller::Caller;
use crate::request::{Request, idempotency_key};

/// Bytes of the nonce in front of a sealed answer.
const NONCE_BYTES: usize = 12;
/// The header that says that an answer was given before.
pub(crate) const REPLAYED: &str = "idempotency-replayed";

/// The idempotency key of one request.
#[derive(Clone)]
pub(crate) struct IdempotencyKey {
    /// How it is found.
    pub(crate) hash: [u8; 32],
    /// What it was used for.
    pub(crate) fingerprint: [u8; 32],
    sealing: [u8; 32],
}

impl IdempotencyKey {
    /// The request's key, if it has one.
    ///
    /// # Errors
    /// `request.invalid` for a key that is empty, too long or not printable.
    pub(crate) fn of(
        function: &str,
        caller: &Caller,
        request: &Request,
    ) -> Result<Option<Self>, Problem> {
        let Some(sent) = request.idempotency_key.as_deref() else { return Ok(None) };
        let sent = idempotency_key(sent.as_bytes())?;
        let (workspace, principal) = (caller.workspace.0, caller.principal.0);
        let scope = [workspace.as_bytes().as_slice(), principal.as_bytes()].concat();
        let opener = hmac::Key::new(hmac::HMAC_SHA256, sent.as_bytes());
        let mut sealing = [0; 32];
        sealing.copy_from_slice(hmac::sign(&opener, &scope).as_ref());
        let hash = digest([scope.as_slice(), sent.as_bytes()]);
        Ok(Some(Self { hash, fingerprint: fingerprint(function, request), sealing }))
    }

    /// Number of the advisory lock that is held while the request is under way.
    pub(crate) fn lock(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.hash[..8]);
        i64::from_be_bytes(bytes)
    }

    /// Key and request as text, for services that have their own way of doing things once.
    pub(crate) fn unique_text(&self) -> String {
        let both = digest([self.hash.as_slice(), &self.fingerprint]);
        let hex: String = both.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("call:{hex}")
    }

    /// The answer, so that only who has the key can read it.
    pub(crate) fn seal(&self, answer: &Answer) -> Result<Vec<u8>, Problem> {
        let mut text = answer.to_stored();
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &self.sealing).map_err(broken)?;
        let nonce = cipher
            .seal_in_place_append_tag(Aad::from(self.fingerprint), &mut text)
            .map_err(broken)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// The answer that [`IdempotencyKey::seal`] sealed, marked as given before.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Answer, Problem> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(|| broken("short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(broken)?;
        let mut text = text.to_vec();
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &self.sealing).map_err(broken)?;
        let aad = Aad::from(self.fingerprint);
        let text = cipher.open_in_place(nonce, aad, &mut text).map_err(broken)?;
        let answer = Answer::from_stored(text).ok_or_else(|| broken("no answer"))?;
        Ok(answer.with_header(REPLAYED, "true"))
    }

    /// Refuses a request under a key that another one was done under.
    pub(crate) fn require_same(&self, fingerprint: &[u8]) -> Result<(), Problem> {
        if fingerprint == self.fingerprint {
            return Ok(());
        }
        let detail = "This `idempotency-key` was used for another request in the last 24 hours; use a \
                      new key for a new request.";
        Err(Problem::new(codes::REQUEST_KEY_REUSED, detail))
    }
}

/// The refusal while the first request is under way.
pub(crate) fn in_flight() -> Problem {
    let detail = "A request with the same `idempotency-key` is under way; send this one again in a \
                  second to get its answer.";
    let mut problem = Problem::new(codes::REQUEST_IN_FLIGHT, detail);
    problem.retry_after_ms = Some(1_000);
    problem
}

/// What makes two requests the same: function, path, query, media type and body.
fn fingerprint(function: &str, request: &Request) -> [u8; 32] {
    let media_type = request.media_type();
    let path = request.path.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let rest = [request.query.as_bytes(), media_type.as_bytes(), &request.body];
    let if_match = request.if_match.iter().map(String::as_bytes);
    digest([function.as_bytes()].into_iter().chain(path).chain(rest).chain(if_match))
}

/// SHA-256 over parts, each with its length, so that no two lists of parts are alike.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn broken(cause: impl std::fmt::Debug) -> Problem {
    tracing::error!(error.cause = ?cause, "the answer of an idempotency key cannot be sealed or opened");
    Problem::internal()
}

#[cfg(test)]
mod tests {
    use kernel::clock::{SeededDice, SystemClock};
    use kernel::{ApiKeyId, PrincipalId, WorkspaceId};

    use super::*;
    use crate::caller::Scopes;

    fn key(sent: &str, body: &str) -> Result<Option<IdempotencyKey>, Problem> {
        let dice = SeededDice::new(1);
        let caller = Caller {
            workspace: WorkspaceId::new(&SystemClock, &SeededDice::new(5)),
            workspace_slug: "default".into(),
            principal: PrincipalId(uuid::Uuid::nil()),
            key: ApiKeyId::new(&SystemClock, &dice),
            scopes: Scopes::new([]),
        };
        let caller = Caller { workspace: WorkspaceId(uuid::Uuid::nil()), ..caller };
        let request = Request {
            idempotency_key: Some(sent.to_owned()),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        IdempotencyKey::of("create_thing", &caller, &request)
    }

    #[test]
    fn a_sealed_answer_opens_with_its_key_only_and_shows_nothing() {
        let answer = Answer::json(201, &"ff_secret").unwrap().with_header("etag", "\"1\"");
        let one = key("one", "{}").unwrap().unwrap();
        let sealed = one.seal(&answer).unwrap();
        let shows = |text: &[u8]| sealed.windows(text.len()).any(|part| part == text);
        assert!(!shows(b"ff_secret") && !shows(b"application/json"));
        let opened = one.open(&sealed).unwrap();
        assert_eq!(opened, answer.with_header(REPLAYED, "true"));
        let other = key("two", "{}").unwrap().unwrap();
        assert!(other.open(&sealed).is_err());
        assert_ne!(one.hash, other.hash);
    }

    #[test]
    fn another_body_has_another_fingerprint_under_the_same_key() {
        let one = key("one", "{}").unwrap().unwrap();
        let other = key("one", "{ }").unwrap().unwrap();
        assert_eq!(one.hash, other.hash);
        let refused = other.require_same(&one.fingerprint).unwrap_err();
        assert_eq!(refused.code, codes::REQUEST_KEY_REUSED);
    }

    #[test]
    fn a_key_is_short_and_printable() {
        for wrong in ["", &"k".repeat(256), "tab\there", "ключ"] {
            let refused = key(wrong, "").map(drop).unwrap_err();
            assert_eq!(refused.code, codes::REQUEST_INVALID, "{wrong}");
            assert_eq!(refused.errors[0].pointer, "/header/idempotency-key");
        }
        assert!(key(&"k".repeat(255), "").is_ok());
    }
}
