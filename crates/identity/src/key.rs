//! The text of an API key: how it is made, told apart and hashed.

use aws_lc_rs::digest::{SHA256, digest};
use kernel::{Problem, Secret, codes};

/// Lower-case letters and digits without those that look alike: 5 bits each.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PREFIX_LENGTH: usize = 10;
const SECRET_LENGTH: usize = 52;
/// Longer texts are no keys.
const LENGTH_MAX: usize = 256;

/// An API key's text with the parts that are stored.
#[derive(Clone, Debug)]
pub struct Key {
    text: Secret,
    prefix: String,
    hash: [u8; 32],
}

impl Key {
    /// Shortest key that an operator may choose, in bytes.
    pub const CHOSEN_LENGTH_MIN: usize = 20;

    /// A new key: 260 bits from the operating system's generator, 50 more as its prefix.
    pub fn generate() -> Result<Self, Problem> {
        let mut random = [0_u8; PREFIX_LENGTH + SECRET_LENGTH];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| {
            tracing::error!("the random number generator of the TLS library failed");
            Problem::internal()
        })?;
        let text: String =
            random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        let (prefix, secret) = text.split_at(PREFIX_LENGTH);
        Ok(Self::shown(&format!("ff_{prefix}_{secret}")))
    }

    /// A key that an operator chose, such as the first one of a machine set up by a script.
    pub fn chosen(text: &str) -> Result<Self, Problem> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && (Self::CHOSEN_LENGTH_MIN..=LENGTH_MAX).contains(&text.len()) {
            return Ok(Self::shown(text));
        }
        Err(Problem::new(
            codes::CONFIG_INVALID,
            "FLOWFORGE_BOOTSTRAP_API_KEY must have 20 to 256 printable ASCII characters, no spaces.",
        ))
    }

    /// A key that a caller shows, whether or not there is such a key.
    pub fn shown(text: &str) -> Self {
        let hash = sha256(text.as_bytes());
        let prefix = own_prefix(text).map_or_else(|| derived_prefix(&hash), ToOwned::to_owned);
        Self { text: Secret::new(text.to_owned()), prefix, hash }
    }

    /// Whether a caller's text could be a key at all.
    pub fn plausible(text: &str) -> bool {
        !text.is_empty() && text.len() <= LENGTH_MAX
    }

    /// The whole key: show it once, to its owner.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// What it is found by.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What is stored instead of it.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// The prefix of a key of our own form.
fn own_prefix(text: &str) -> Option<&str> {
    let (prefix, secret) = text.strip_prefix("ff_")?.split_once('_')?;
    let ours = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| ALPHABET.contains(&byte))
    };
    (ours(prefix, PREFIX_LENGTH) && ours(secret, SECRET_LENGTH)).then_some(prefix)
}

/// The prefix of a key of another form: a hash of its hash, so that it tells nothing of the key.
fn derived_prefix(hash: &[u8; 32]) -> String {
    let again = sha256(hash);
    again[..PREFIX_LENGTH].iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_found_by_the_prefix_it_shows() {
        let key = Key::generate().unwrap();
        let text = key.text().expose();
        assert_eq!(text.split('_').nth(1), Some(key.prefix()));
        assert_eq!(Key::shown(text).hash(), key.hash());
        assert_eq!(Key::shown(text).prefix(), key.prefix());
    }

    #[test]
    fn a_chosen_key_gets_a_prefix_that_is_no_part_of_it() {
        let key = Key::chosen("a-key-that-a-script-chose").unwrap();
        assert_eq!(key.prefix().len(), PREFIX_LENGTH);
        assert!(!key.text().expose().contains(key.prefix()));
        assert!(Key::chosen("too-short").is_err());
        assert!(Key::chosen("with a space in the middle").is_err());
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let key = Key::generate().unwrap();
        assert!(!format!("{key:?}").contains(key.text().expose()));
    }
}
