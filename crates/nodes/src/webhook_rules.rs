//! What the types of a webhook's parameters cannot say.

use node::{
    ContentPart, Hook, HookAuth, HookCors, HookProof, HookSignature, SecretRef, parse_content,
    parse_network,
};

/// Pointer and words of a fault.
type Fault = (String, String);

/// Characters of a name, a prefix, a user.
const TEXT_MAX: usize = 200;
/// The longest replay window.
const TOLERANCE_MAX_SECONDS: u64 = 24 * 3600;

/// Every fault of whom the hook lets in and what it takes.
pub(crate) fn faults(hook: &Hook) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    match &hook.auth {
        HookAuth::Open(_) => {}
        HookAuth::Proof(HookProof::Header { name, value }) => {
            faults.header("/auth/name", name);
            faults.secret("/auth/value", value);
        }
        HookAuth::Proof(HookProof::Basic { user, password }) => {
            if user.contains(':') || user.chars().any(char::is_control) {
                faults.add("/auth/user", "The user may have no colon and no control characters.");
            }
            faults.length("/auth/user", user);
            faults.secret("/auth/password", password);
        }
        HookAuth::Proof(HookProof::Signature(signature)) => faults.signature(signature),
    }
    for (index, network) in hook.allow_from.iter().enumerate() {
        if parse_network(network).is_none() {
            let detail = format!(
                "\"{network}\" is no network: write something like \"10.1.0.0/16\" or an address."
            );
            faults.add(&format!("/allow_from/{index}"), &detail);
        }
    }
    if let Some(cors) = &hook.cors {
        faults.cors(cors);
    }
    for (index, kind) in hook.accepts.iter().enumerate() {
        if !is_media_range(kind) {
            let detail = format!(
                "\"{kind}\" is no media type: write something like \"application/json\" or \
                 \"image/*\"."
            );
            faults.add(&format!("/accepts/{index}"), &detail);
        }
    }
    if hook.body_bytes_max == Some(0) {
        faults.add("/body_bytes_max", "The number must be at least 1.");
    }
    if let Some(idempotency) = &hook.idempotency {
        faults.header("/idempotency/header", &idempotency.header);
    }
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, pointer: &str, detail: &str) {
        self.0.push((pointer.to_owned(), detail.to_owned()));
    }

    fn header(&mut self, pointer: &str, name: &str) {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if !(1..=TEXT_MAX).contains(&name.len()) || !name.bytes().all(token) {
            self.add(pointer, &format!("{name:?} cannot be the name of a header."));
        }
    }

    fn length(&mut self, pointer: &str, text: &str) {
        if text.len() > TEXT_MAX {
            self.add(pointer, &format!("The text may be at most {TEXT_MAX} bytes long."));
        }
    }

    fn secret(&mut self, pointer: &str, secret: &SecretRef) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !(1..=100).contains(&secret.secret.len()) || !secret.secret.bytes().all(plain) {
            self.add(
                &format!("{pointer}/secret"),
                "This is no name of a secret: name one with 1 to 100 ASCII letters, digits, `-`, \
                 `_` or `.`, and never write the value itself here.",
            );
        }
    }

    fn signature(&mut self, signature: &HookSignature) {
        self.secret("/auth/key", &signature.key);
        self.header("/auth/header", &signature.header);
        self.length("/auth/prefix", &signature.prefix);
        if let Some(timestamp) = &signature.timestamp {
            self.header("/auth/timestamp/header", &timestamp.header);
            self.length("/auth/timestamp/prefix", &timestamp.prefix);
            if !(1..=TOLERANCE_MAX_SECONDS).contains(&timestamp.tolerance.0.as_secs()) {
                self.add("/auth/timestamp/tolerance", "The tolerance must be from 1s to 1d.");
            }
        }
        let Some(content) = &signature.content else { return };
        match parse_content(content) {
            Err(detail) => self.add("/auth/content", &detail),
            Ok(parts) => {
                let signed = parts.contains(&ContentPart::Timestamp);
                if signed != signature.timestamp.is_some() {
                    let detail = match signed {
                        true => "There is a {timestamp} in it, but no `timestamp` beside it.",
                        false => {
                            "There is no {timestamp} in it: whoever saw one call could sign \
                             another time."
                        }
                    };
                    self.add("/auth/content", detail);
                }
                for part in &parts {
                    if let ContentPart::Header(name) = part {
                        self.header("/auth/content", name);
                    }
                }
            }
        }
    }

    fn cors(&mut self, cors: &HookCors) {
        for (index, origin) in cors.origins.iter().enumerate() {
            let pointer = format!("/cors/origins/{index}");
            if origin == "*" {
                if cors.credentials {
                    self.add(
                        &pointer,
                        "Any site could then act for its visitors: name the origins, or leave \
                         `credentials` off.",
                    );
                }
            } else if !is_origin(origin) {
                let detail = format!(
                    "\"{origin}\" is no origin: write something like \"https://shop.example\", \
                     without a path."
                );
                self.add(&pointer, &detail);
            }
        }
        for (field, list) in [("headers", &cors.headers), ("expose", &cors.expose)] {
            for (index, name) in list.iter().enumerate() {
                self.header(&format!("/cors/{field}/{index}"), name);
            }
        }
    }
}

/// `scheme://host` or `scheme://host:port`, perhaps with `*.` before the host.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let host = host.strip_prefix("*.").unwrap_or(host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    scheme.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        && !scheme.is_empty()
        && !host.is_empty()
        && host.bytes().all(plain)
}

/// `type/subtype`, `type/*` or `*/*`.
fn is_media_range(text: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+._*".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}
