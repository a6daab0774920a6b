//! Whom a hook lets in: networks, and what a caller shows.
//!
//! Secrets are opened when a hook is loaded and compared in constant time. The caller never learns
//! which part was wrong; the log of calls does.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use jiff::Timestamp;
use kernel::{Problem, Secret, WorkspaceId, codes};
use node::{Hook, HookAuth, HookProof, SecretRef, parse_network};
use subtle::ConstantTimeEq;
use vault::Vault;

use crate::answer::HookError;
use crate::item::HookHead;
use crate::signature::{Claim, Signature};

/// What a client may show to be asked for user and password.
const BASIC_CHALLENGE: &str = "Basic realm=\"hook\", charset=\"UTF-8\"";
/// Schemes without a name of their own: clients shall know that something is asked for.
const OTHER_CHALLENGE: &str = "Hook";

/// The checks of one hook, ready to be made.
pub(crate) struct Guard {
    networks: Vec<IpNet>,
    check: Check,
}

enum Check {
    Open,
    /// The hash of what the header must hold.
    Header {
        name: HeaderName,
        expected: Hash,
    },
    /// The hash of `user:password`.
    Basic {
        expected: Hash,
    },
    Signature(Box<Signature>),
    /// It cannot be checked, and why: nobody is let in.
    Broken(String),
}

/// SHA-256: comparing hashes tells nothing of lengths.
type Hash = [u8; 32];

impl Guard {
    /// Opens the hook's secret.
    ///
    /// # Errors
    /// `database.unavailable`. A secret that is missing or cannot be opened is no error: such a hook
    /// lets nobody in until the secrets change.
    pub(crate) async fn of(
        hook: &Hook,
        workspace: WorkspaceId,
        vault: &Vault,
    ) -> Result<Self, Problem> {
        let networks = hook.allow_from.iter().filter_map(|text| parse_network(text)).collect();
        let secret = match hook.auth.secret() {
            None => None,
            Some(SecretRef { secret }) => match vault.open(workspace, secret).await {
                Ok(secret) => Some(secret),
                Err(problem) if problem.code.0.retryable => return Err(problem),
                Err(problem) => {
                    return Ok(Self { networks, check: Check::Broken(problem.detail) });
                }
            },
        };
        let check = Check::of(&hook.auth, secret.unwrap_or_default());
        Ok(Self { networks, check: check.unwrap_or_else(Check::Broken) })
    }

    /// Whether a caller is let in as far as can be said before the body is there.
    ///
    /// # Errors
    /// `hook.forbidden`, `hook.unauthorized`, `hook.misconfigured`.
    pub(crate) fn admit(&self, head: &HookHead<'_>) -> Result<(), HookError> {
        if !self.networks.is_empty() && !self.networks.iter().any(|n| n.contains(&head.client)) {
            return Err(forbidden(head.client));
        }
        match &self.check {
            Check::Open => Ok(()),
            Check::Header { name, expected } => {
                let shown = head.headers.get(name).ok_or_else(|| {
                    unauthorized(OTHER_CHALLENGE, format!("no header {name} was sent"))
                })?;
                if is_same(shown.as_bytes(), expected) {
                    return Ok(());
                }
                Err(unauthorized(OTHER_CHALLENGE, format!("the value of {name} is wrong")))
            }
            Check::Basic { expected } => match basic_credentials(head.headers) {
                Some(shown) if is_same(&shown, expected) => Ok(()),
                Some(_) => Err(unauthorized(BASIC_CHALLENGE, "user or password is wrong")),
                None => Err(unauthorized(BASIC_CHALLENGE, "no user and password were sent")),
            },
            Check::Signature(signature) => signature.presence(head.headers).map_err(unsigned),
            Check::Broken(why) => {
                let detail = "The hook cannot check who calls: a secret of the workflow is missing. \
                              Whoever keeps the workflow finds its name in the log of calls.";
                let problem = Problem::new(codes::HOOK_MISCONFIGURED, detail);
                Err(HookError { reason: Some(why.clone()), ..HookError::from(problem) })
            }
        }
    }

    /// Whether the whole body must be seen before anything is done with it.
    pub(crate) fn needs_body(&self) -> bool {
        matches!(self.check, Check::Signature(_))
    }

    /// Checks the signature of a body as it was sent. With a replay window: what must be claimed
    /// before the call is accepted.
    ///
    /// # Errors
    /// `hook.unauthorized`.
    pub(crate) fn verify(
        &self,
        head: &HookHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Claim>, HookError> {
        match &self.check {
            Check::Signature(signature) => signature.verify(head, body, now).map_err(unsigned),
            Check::Open | Check::Header { .. } | Check::Basic { .. } | Check::Broken(_) => Ok(None),
        }
    }

    /// The header whose value is a secret.
    pub(crate) fn secret_header(&self) -> Option<&HeaderName> {
        match &self.check {
            Check::Header { name, .. } => Some(name),
            Check::Basic { .. } => Some(&AUTHORIZATION),
            Check::Open | Check::Signature(_) | Check::Broken(_) => None,
        }
    }
}

impl Check {
    /// The error says why it cannot be checked.
    fn of(auth: &HookAuth, secret: Secret) -> Result<Self, String> {
        Ok(match auth {
            HookAuth::Open(_) => Self::Open,
            HookAuth::Proof(HookProof::Header { name, .. }) => Self::Header {
                name: header_name(name)?,
                expected: hash(secret.expose().as_bytes()),
            },
            HookAuth::Proof(HookProof::Basic { user, .. }) => {
                Self::Basic { expected: hash(format!("{user}:{}", secret.expose()).as_bytes()) }
            }
            HookAuth::Proof(HookProof::Signature(declared)) => {
                Self::Signature(Box::new(Signature::of(declared, &secret)?))
            }
        })
    }
}

/// A header's name; documents that were published hold no other.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("{name:?} is no name of a header"))
}

/// User and password as they were sent: `user:password`.
fn basic_credentials(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, shown) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    STANDARD.decode(shown.trim()).ok()
}

fn hash(bytes: &[u8]) -> Hash {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn is_same(shown: &[u8], expected: &Hash) -> bool {
    hash(shown).ct_eq(expected).into()
}

fn forbidden(client: IpAddr) -> HookError {
    let detail = "This hook takes no calls from your address.";
    let reason = Some(format!("{client} is in none of the networks of `allow_from`"));
    HookError { reason, ..HookError::from(Problem::new(codes::HOOK_FORBIDDEN, detail)) }
}

fn unsigned(reason: String) -> HookError {
    unauthorized(OTHER_CHALLENGE, reason)
}

fn unauthorized(challenge: &'static str, reason: impl Into<String>) -> HookError {
    let detail = "This hook asks for credentials, and what was sent is missing or wrong.";
    HookError {
        reason: Some(reason.into()),
        challenge: Some(challenge),
        ..HookError::from(Problem::new(codes::HOOK_UNAUTHORIZED, detail))
    }
}
