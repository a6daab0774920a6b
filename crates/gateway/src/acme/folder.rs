//! What outlives the process: the account at the directory, and the certificate with its key.
//!
//! Every directory has a folder of its own, so that a certificate of a directory for trials is never
//! taken for a real one. Only the program's user may read what is in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use kernel::{Problem, Secret, codes, json};

/// Holds the account: its address and its key.
const ACCOUNT: &str = "account.json";
/// Holds the certificate's key and the chain, the server's own certificate first. One file, because
/// they are of use only together.
const CERTIFICATE: &str = "certificate.pem";

/// The folder of one directory.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, unless it is there.
    ///
    /// # Errors
    /// `file.unavailable`.
    pub(crate) fn open(parent: &Path, directory: &str) -> Result<Self, Problem> {
        let folder = parent.join(named_after(directory));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        // One that was there before may have been open to others.
        let made = made.and_then(|()| close(parent)).and_then(|()| close(&folder));
        made.map_err(|error| {
            let detail = format!("{}: {error}.", folder.display());
            Problem::new(codes::FILE_UNAVAILABLE, detail)
        })?;
        Ok(Self(folder))
    }

    /// The account, unless there is none; one that cannot be read is made anew.
    pub(crate) fn account(&self) -> io::Result<Option<AccountCredentials>> {
        let Some(text) = self.read(ACCOUNT)? else { return Ok(None) };
        let value = json::parse_str(text.expose()).ok();
        let account = value.and_then(|value| json::from_value(value).ok());
        if account.is_none() {
            tracing::warn!(
                file.path = %self.0.join(ACCOUNT).display(),
                "the account at the directory cannot be read, another one is made"
            );
        }
        Ok(account)
    }

    pub(crate) fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        let text = serde_json::to_string(account).map_err(io::Error::other)?;
        self.write(ACCOUNT, &Secret::new(text))
    }

    /// The directory knows it no more.
    pub(crate) fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(self.0.join(ACCOUNT))
    }

    /// Key and chain (PEM).
    pub(crate) fn certificate(&self) -> io::Result<Option<Secret>> {
        self.read(CERTIFICATE)
    }

    pub(crate) fn keep_certificate(&self, pem: &Secret) -> io::Result<()> {
        self.write(CERTIFICATE, pem)
    }

    fn read(&self, name: &str) -> io::Result<Option<Secret>> {
        match fs::read_to_string(self.0.join(name)) {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whoever reads meanwhile, or after a crash, finds the whole old text or the whole new one.
    fn write(&self, name: &str, text: &Secret) -> io::Result<()> {
        let unfinished = self.0.join(format!("{name}.new"));
        // One that a crash left may not be written into: its mode may be another.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.expose().as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.0.join(name))?;
        File::open(&self.0)?.sync_all()
    }
}

fn close(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// `https://acme.example.com/dir` is kept in `acme.example.com-dir`.
fn named_after(directory: &str) -> String {
    let place = directory.trim_start_matches("https://").trim_end_matches('/');
    let safe = |letter: char| match letter {
        '.' | '-' => letter,
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    place.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_names_that_lead_nowhere_else() {
        assert_eq!(named_after("https://acme.example.com/v2/dir"), "acme.example.com-v2-dir");
        assert_eq!(named_after("https://ca:14000/../x/"), "ca-14000-..-x");
    }

    #[test]
    fn what_is_kept_is_for_the_own_user_only() {
        let parent = std::env::temp_dir().join(format!("flowforge-folder-{}", std::process::id()));
        let folder = Folder::open(&parent, "https://ca.example.com/dir").unwrap();
        assert!(folder.certificate().unwrap().is_none() && folder.account().unwrap().is_none());
        for text in ["one", "two"] {
            folder.keep_certificate(&Secret::new(text.to_owned())).unwrap();
            assert_eq!(folder.certificate().unwrap().unwrap().expose(), text);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&parent), mode(&folder.0)), (0o700, 0o700));
        assert_eq!(mode(&folder.0.join(CERTIFICATE)), 0o600);
        fs::write(folder.0.join(ACCOUNT), "{ half").unwrap();
        assert!(folder.account().unwrap().is_none(), "it is made anew");
        fs::remove_dir_all(&parent).unwrap();
    }
}
