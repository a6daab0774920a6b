//! The key that seals secrets: 32 bytes in a file that only the server's user may read, or given by
//! the operator.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Problem, Secret, WorkspaceId, codes};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// What a key's id is the hash of, besides the key.
const ID_CONTEXT: &[u8] = b"flowforge sealing key id\0";

/// A key of AES-256-GCM and its id. Cannot be printed.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SealingKey {
    /// A key of 32 bytes as 64 hexadecimal digits or as base64.
    ///
    /// # Errors
    /// `config.invalid`, without the text.
    pub fn of_text(text: &Secret) -> Result<Self, Problem> {
        let text = text.expose().trim();
        let bytes = unhex(text).or_else(|| STANDARD.decode(text).ok());
        let bytes = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| {
            let detail = "The key of secrets must be 32 random bytes as 64 hexadecimal digits or as \
                          base64: make one with `openssl rand -hex 32`.";
            Problem::new(codes::CONFIG_INVALID, detail)
        })?;
        Self::of_bytes(&bytes)
    }

    /// The key in this file; made there, readable by this user only, when there is none.
    ///
    /// # Errors
    /// `config.invalid` when others may read it or it holds no key, `file.unavailable`.
    pub fn in_file(path: &Path) -> Result<Self, Problem> {
        let unavailable = |error: std::io::Error| {
            let detail = format!("The key file {} cannot be used: {error}.", path.display());
            Problem::new(codes::FILE_UNAVAILABLE, detail)
        };
        match fs::metadata(path) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                let detail = format!(
                    "Others may read the key file {0}: take that away with `chmod 600 {0}`.",
                    path.display()
                );
                Err(Problem::new(codes::CONFIG_INVALID, detail))
            }
            Ok(_) => Self::of_text(&Secret::new(fs::read_to_string(path).map_err(unavailable)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let bytes = random::<KEY_BYTES>()?;
                write_new(path, &bytes).map_err(unavailable)?;
                tracing::info!(file = %path.display(), "made a key for secrets: keep a copy of it");
                Self::of_bytes(&bytes)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    fn of_bytes(bytes: &[u8; KEY_BYTES]) -> Result<Self, Problem> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| broken())?;
        let hash = digest(&SHA256, &[ID_CONTEXT, bytes].concat());
        Ok(Self { id: hex(&hash.as_ref()[..8]), key: LessSafeKey::new(key) })
    }

    /// Tells this key from others; says nothing about it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Nonce, ciphertext and tag.
    pub(crate) fn seal(
        &self,
        workspace: WorkspaceId,
        name: &str,
        value: &Secret,
    ) -> Result<Vec<u8>, Problem> {
        let nonce = random::<NONCE_LEN>()?;
        let mut text = value.expose().as_bytes().to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce_used, place(workspace, name), &mut text)
            .map_err(|_| broken())?;
        Ok([&nonce[..], &text].concat())
    }

    /// What [`SealingKey::seal`] sealed; `None` when it is another's, or not what it was.
    pub(crate) fn open(&self, workspace: WorkspaceId, name: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self.key.open_in_place(nonce, place(workspace, name), &mut text).ok()?;
        String::from_utf8(opened.to_vec()).ok().map(Secret::new)
    }
}

fn place(workspace: WorkspaceId, name: &str) -> Aad<Vec<u8>> {
    Aad::from([workspace.0.as_bytes(), name.as_bytes()].concat())
}

fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| broken())?;
    Ok(bytes)
}

/// Nobody can mend that the library for cryptography has no randomness or no memory.
fn broken() -> Problem {
    tracing::error!("the library for cryptography refused to work");
    Problem::internal()
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", hex(bytes))?;
    file.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const TEXT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn workspace(number: u128) -> WorkspaceId {
        WorkspaceId(Uuid::from_u128(number))
    }

    #[test]
    fn a_sealed_value_opens_only_where_it_was_sealed_and_never_twice_the_same() {
        let key = SealingKey::of_text(&Secret::new(TEXT.to_owned())).unwrap();
        let value = Secret::new("hush 🤫".to_owned());
        let sealed = key.seal(workspace(1), "shop", &value).unwrap();
        assert_eq!(key.open(workspace(1), "shop", &sealed), Some(value.clone()));
        assert_eq!(key.open(workspace(2), "shop", &sealed), None);
        assert_eq!(key.open(workspace(1), "other", &sealed), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(key.open(workspace(1), "shop", &damaged), None, "byte {at}");
            assert_eq!(key.open(workspace(1), "shop", &sealed[..at]), None, "cut at {at}");
        }
        assert_ne!(key.seal(workspace(1), "shop", &value).unwrap(), sealed);
        assert!(!sealed.windows(4).any(|part| part == b"hush"));
    }

    #[test]
    fn hexadecimal_and_base64_of_the_same_bytes_are_the_same_key_and_other_texts_none() {
        let of = |text: &str| SealingKey::of_text(&Secret::new(text.to_owned()));
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert_eq!(of(TEXT).unwrap().id(), of(base64).unwrap().id());
        assert_ne!(of(TEXT).unwrap().id(), of(&"ab".repeat(32)).unwrap().id());
        for wrong in ["", "hunter2", &TEXT[2..], &"zz".repeat(32)] {
            let problem = of(wrong).unwrap_err();
            assert_eq!(problem.code, codes::CONFIG_INVALID, "{wrong}");
            assert!(wrong.is_empty() || !problem.detail.contains(wrong));
        }
    }
}
