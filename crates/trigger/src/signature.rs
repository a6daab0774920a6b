//! Signatures of bodies: HMAC over parts of the request, and the window in which one is good.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, Context, Key};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName};
use jiff::{SignedDuration, Timestamp};
use kernel::Secret;
use node::{
    ContentPart, HookEncoding, HookHash, HookKeyFormat, HookSignature, HookTimestamp, parse_content,
};

use crate::guard::header_name;
use crate::item::HookHead;

/// Signatures of one request that are looked at.
const CANDIDATES_MAX: usize = 16;
/// Numbers from here on are milliseconds: as seconds this is the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// How the signatures of one hook are checked.
pub(crate) struct Signature {
    key: Key,
    header: HeaderName,
    prefix: String,
    encoding: HookEncoding,
    content: Vec<ContentPart>,
    window: Option<Window>,
}

struct Window {
    header: HeaderName,
    prefix: String,
    tolerance: SignedDuration,
}

/// A signature that may be accepted once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The signature's bytes, however they were written.
    pub(crate) signature: Vec<u8>,
    /// From then on its timestamp is refused anyway.
    pub(crate) expires_at: Timestamp,
}

impl Signature {
    /// The error says why nothing could be checked with it.
    pub(crate) fn of(declared: &HookSignature, secret: &Secret) -> Result<Self, String> {
        let algorithm = match declared.algorithm {
            HookHash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            HookHash::Sha256 => hmac::HMAC_SHA256,
            HookHash::Sha384 => hmac::HMAC_SHA384,
            HookHash::Sha512 => hmac::HMAC_SHA512,
        };
        let bytes = key_bytes(declared.key_format, secret).ok_or_else(|| {
            let name = &declared.key.secret;
            format!("the secret \"{name}\" is not what `key_format` says")
        })?;
        let window = declared.timestamp.as_ref().map(Window::of).transpose()?;
        let content = match (&declared.content, &window) {
            (Some(content), _) => content.as_str(),
            (None, Some(_)) => "{timestamp}.{body}",
            (None, None) => "{body}",
        };
        let content = parse_content(content)?;
        let header = header_name(&declared.header)?;
        for part in &content {
            if let ContentPart::Header(name) = part {
                header_name(name)?;
            }
        }
        Ok(Self {
            key: Key::new(algorithm, &bytes),
            header,
            prefix: declared.prefix.clone(),
            encoding: declared.encoding,
            content,
            window,
        })
    }

    /// Whether there is a signature at all: told before the body is read.
    pub(crate) fn presence(&self, headers: &HeaderMap) -> Result<(), String> {
        if self.candidates(headers).next().is_some() {
            return Ok(());
        }
        Err(format!("no signature was sent in {}", self.header))
    }

    /// Checks time and signature; the error says what was wrong, for the log of calls only.
    pub(crate) fn verify(
        &self,
        head: &HookHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Claim>, String> {
        let sent = self.window.as_ref().map(|window| window.read(head.headers)).transpose()?;
        let tag = self.tag(head, body, sent.map_or("", |(text, _)| text));
        let is_right = |candidate: &str| {
            let bytes = self.decode(candidate);
            bytes.is_some_and(|bytes| verify_slices_are_equal(&bytes, tag.as_ref()).is_ok())
        };
        // The time is judged last: a forged one is a wrong signature, and nothing else.
        if !self.candidates(head.headers).any(is_right) {
            return Err("the signature is wrong".to_owned());
        }
        let (Some(window), Some((_, at))) = (&self.window, sent) else { return Ok(None) };
        let apart = now.duration_since(at);
        if apart.abs() > window.tolerance {
            let seconds = apart.as_secs();
            return Err(format!("the timestamp is {seconds} s away from the server's time"));
        }
        let expires_at = at.checked_add(window.tolerance).unwrap_or(Timestamp::MAX);
        Ok(Some(Claim { signature: tag.as_ref().to_vec(), expires_at }))
    }

    fn tag(&self, head: &HookHead<'_>, body: &[u8], timestamp: &str) -> hmac::Tag {
        let mut context = Context::with_key(&self.key);
        for part in &self.content {
            match part {
                ContentPart::Text(text) => context.update(text.as_bytes()),
                ContentPart::Body => context.update(body),
                ContentPart::Timestamp => context.update(timestamp.as_bytes()),
                ContentPart::Method => context.update(head.method.as_bytes()),
                ContentPart::Path => context.update(head.path.as_bytes()),
                ContentPart::Query => context.update(head.query.as_bytes()),
                ContentPart::Header(name) => {
                    context.update(head.headers.get(name).map_or(b"", |value| value.as_bytes()));
                }
            }
        }
        context.sign()
    }

    /// Texts that may be signatures.
    fn candidates<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        let values = headers.get_all(&self.header).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| pieces(value, &self.prefix))
            .take(CANDIDATES_MAX)
    }

    fn decode(&self, text: &str) -> Option<Vec<u8>> {
        match self.encoding {
            HookEncoding::Hex => unhex(text),
            HookEncoding::Base64 => base64(text),
        }
    }
}

impl Window {
    fn of(declared: &HookTimestamp) -> Result<Self, String> {
        Ok(Self {
            header: header_name(&declared.header)?,
            prefix: declared.prefix.clone(),
            tolerance: SignedDuration::try_from(declared.tolerance.0)
                .map_err(|_| "the tolerance is too long".to_owned())?,
        })
    }

    /// The timestamp as it was sent, and the time it means.
    fn read<'h>(&self, headers: &'h HeaderMap) -> Result<(&'h str, Timestamp), String> {
        let value = headers.get(&self.header).and_then(|value| value.to_str().ok());
        let text = match (value, self.prefix.is_empty()) {
            (Some(value), true) => Some(value.trim()),
            (Some(value), false) => pieces(value, &self.prefix).next(),
            (None, _) => None,
        };
        let text = text.ok_or_else(|| format!("no timestamp was sent in {}", self.header))?;
        let at = time(text).ok_or_else(|| format!("the timestamp {text:?} is no time"))?;
        Ok((text, at))
    }
}

/// What stands behind the prefix in each piece of a header that begins with it.
fn pieces<'h>(value: &'h str, prefix: &str) -> impl Iterator<Item = &'h str> {
    // A prefix with a comma (`v1,`) leaves only spaces between signatures.
    let commas = !prefix.contains(',');
    let prefix = prefix.to_owned();
    value
        .split(move |letter: char| letter == ' ' || (commas && letter == ','))
        .filter_map(move |piece| piece.trim().strip_prefix(prefix.as_str()))
        .filter(|piece| !piece.is_empty())
}

fn time(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(number) if number.abs() >= MILLISECONDS_FROM => Timestamp::from_millisecond(number).ok(),
        Ok(number) => Timestamp::from_second(number).ok(),
        Err(_) => text.parse().ok(),
    }
}

fn key_bytes(format: HookKeyFormat, secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose();
    let bytes = match format {
        HookKeyFormat::Text => Some(text.as_bytes().to_vec()),
        HookKeyFormat::Hex => unhex(text.trim()),
        HookKeyFormat::Base64 => {
            let text = text.trim();
            base64(text.strip_prefix("whsec_").unwrap_or(text))
        }
    };
    bytes.filter(|bytes| !bytes.is_empty())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
        .collect()
}

#[cfg(test)]
mod tests {
    use kernel::json;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_760_000_000, 0);

    fn signature(declared: &str, secret: &str) -> Signature {
        let declared = json::parse_str(declared).unwrap();
        let declared: HookSignature = json::from_value(declared).unwrap();
        Signature::of(&declared, &Secret::new(secret.to_owned())).unwrap()
    }

    fn verify(
        signature: &Signature,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Option<Claim>, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let head = HookHead {
            method: "POST",
            path: "/hooks/w/in",
            query: "a=1",
            headers: &map,
            client: std::net::IpAddr::from([127, 0, 0, 1]),
        };
        signature.verify(&head, body.as_bytes(), NOW)
    }

    // The examples of their documentations.
    #[test]
    fn the_signatures_of_well_known_senders_are_understood() {
        let github = signature(
            r#"{"key": {"secret": "s"}, "header": "x-hub-signature-256", "prefix": "sha256="}"#,
            "It's a Secret to Everybody",
        );
        let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(verify(&github, &[("x-hub-signature-256", right)], "Hello, World!"), Ok(None));
        assert!(verify(&github, &[("x-hub-signature-256", right)], "Hello, World").is_err());
        assert!(verify(&github, &[("x-hub-signature-256", &right[7..])], "Hello, World!").is_err());

        let standard = signature(
            r#"{"key": {"secret": "s"}, "key_format": "base64", "header": "webhook-signature",
                "prefix": "v1,", "encoding": "base64",
                "content": "{header:webhook-id}.{timestamp}.{body}",
                "timestamp": {"header": "webhook-timestamp", "tolerance": "3650d"}}"#,
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        );
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,aaaa v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ];
        let claim = verify(&standard, &headers, r#"{"test": 2432232314}"#).unwrap().unwrap();
        assert_eq!(claim.signature.len(), 32);
    }

    #[test]
    fn time_and_signature_may_share_a_header_and_the_window_ends_on_both_sides() {
        let stripe = signature(
            r#"{"key": {"secret": "s"}, "header": "stripe-signature", "prefix": "v1=",
                "timestamp": {"header": "stripe-signature", "prefix": "t="}}"#,
            "key",
        );
        let sign = |at: i64| {
            let key = Key::new(hmac::HMAC_SHA256, b"key");
            let tag = hmac::sign(&key, format!("{at}.body").as_bytes());
            let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
            format!("t={at}, v0=00, v1={hex}")
        };
        let at = |seconds: i64| {
            verify(&stripe, &[("stripe-signature", &sign(1_760_000_000 + seconds))], "body")
        };
        assert!(at(0).unwrap().is_some());
        assert!(at(300).is_ok() && at(-300).is_ok());
        assert!(at(301).unwrap_err().contains("-301 s"));
        assert!(at(-301).unwrap_err().contains("301 s"));
        let without = verify(&stripe, &[("stripe-signature", "v1=00")], "body");
        assert!(without.unwrap_err().contains("no timestamp"));
        let forged = sign(1_760_000_000).replace("t=1760000000", "t=1760000001");
        let forged = verify(&stripe, &[("stripe-signature", &forged)], "body");
        assert_eq!(forged.unwrap_err(), "the signature is wrong");
    }

    #[test]
    fn method_path_and_query_can_be_part_of_what_is_signed() {
        let own = signature(
            r#"{"key": {"secret": "s"}, "algorithm": "sha512", "header": "x-sign",
                "content": "{method} {path}?{query}\n{body}"}"#,
            "key",
        );
        let key = Key::new(hmac::HMAC_SHA512, b"key");
        let tag = hmac::sign(&key, b"POST /hooks/w/in?a=1\nbody");
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(verify(&own, &[("x-sign", &hex)], "body"), Ok(None));
        assert!(verify(&own, &[("x-sign", &hex[2..])], "body").is_err());
        assert!(verify(&own, &[("x-sign", "zz")], "body").is_err());
        assert!(verify(&own, &[("x-sign", "é")], "body").is_err());
    }
}
