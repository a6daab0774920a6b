//! API keys in files: the owner's first one when nobody watches, and the command line's own.
//!
//! Whoever may read the data directory may reach the private database anyway, so a key beside it
//! gives away nothing new. Both files are readable by the server's user only.

use std::fs::{self, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use db::Database;
use identity::{Authenticator, FirstKey};
use kernel::{Clock, Dice, Problem, Secret, codes};

/// Holds the owner's first key when standard output was no terminal.
const FIRST_KEY_FILE: &str = "owner-api-key";
/// Holds the key with which `flowforge run` and its kin attach.
const LOCAL_KEY_FILE: &str = "local-api-key";
/// Name of that key in the list of keys.
const LOCAL_KEY_NAME: &str = "Command line on this machine";
/// The owner's first key, chosen by the operator.
const CHOSEN_KEY: &str = "FLOWFORGE_BOOTSTRAP_API_KEY";
/// The key to attach with, when it is not the one in the data directory.
const GIVEN_KEY: &str = "FLOWFORGE_API_KEY";

/// What to tell about the owner's first key.
pub(crate) enum Shown {
    /// Nothing: it was made at an earlier start, or chosen.
    Nothing,
    /// The key itself, once.
    Key(Secret),
    /// Where it was written.
    File(PathBuf),
}

/// Refuses a chosen first key that could not be one, before anything is made.
///
/// # Errors
/// `config.invalid`.
pub(crate) fn check_chosen() -> Result<(), Problem> {
    match chosen() {
        Some(key) => identity::Key::chosen(key.expose()).map(drop),
        None => Ok(()),
    }
}

fn chosen() -> Option<Secret> {
    std::env::var(CHOSEN_KEY).ok().filter(|key| !key.is_empty()).map(Secret::new)
}

/// Makes the first workspace and its owner's key unless they are there.
///
/// # Errors
/// `file.unavailable` before anything is made, `config.invalid`, `database.unavailable`.
pub(crate) async fn bootstrap(
    database: &Database,
    clock: &dyn Clock,
    dice: &dyn Dice,
    directory: &Path,
) -> Result<Shown, Problem> {
    let chosen = chosen();
    let on_terminal = std::io::stdout().is_terminal();
    let path = directory.join(FIRST_KEY_FILE);
    if chosen.is_none() && !on_terminal {
        // Tried first: a key that was made and could not be written would be lost.
        drop(private_file(&path, false)?);
    }
    let made = identity::bootstrap(database, clock, dice, chosen.as_ref()).await?;
    match made {
        FirstKey::Made(key) if on_terminal => Ok(Shown::Key(key)),
        FirstKey::Made(key) => {
            write(&path, &key)?;
            Ok(Shown::File(path))
        }
        FirstKey::Existing | FirstKey::Chosen => {
            remove_if_empty(&path);
            Ok(Shown::Nothing)
        }
    }
}

/// Sees to it that the command line on this machine has a key that works.
pub(crate) async fn keep_local(
    database: &Database,
    authenticator: &Authenticator,
    clock: &dyn Clock,
    dice: &dyn Dice,
    directory: &Path,
) -> Result<(), Problem> {
    let path = directory.join(LOCAL_KEY_FILE);
    if let Some(key) = read(&path)
        && authenticator.authenticate(key.expose()).await.is_ok()
    {
        return Ok(());
    }
    drop(private_file(&path, true)?);
    let key = identity::issue_owner_key(database, clock, dice, LOCAL_KEY_NAME).await?;
    write(&path, &key)
}

/// The key with which a command attaches to the server of this directory.
pub(crate) fn find(directory: &Path) -> Option<Secret> {
    let given = |name: &str| std::env::var(name).ok().filter(|key| !key.is_empty());
    given(GIVEN_KEY)
        .map(Secret::new)
        .or_else(|| read(&directory.join(LOCAL_KEY_FILE)))
        .or_else(|| read(&directory.join(FIRST_KEY_FILE)))
        .or_else(|| given(CHOSEN_KEY).map(Secret::new))
}

fn read(path: &Path) -> Option<Secret> {
    let text = fs::read_to_string(path).ok()?;
    let key = text.trim();
    (!key.is_empty()).then(|| Secret::new(key.to_owned()))
}

fn write(path: &Path, key: &Secret) -> Result<(), Problem> {
    let mut file = private_file(path, true)?;
    writeln!(file, "{}", key.expose())
        .and_then(|()| file.sync_all())
        .map_err(|error| unwritable(path, &error))
}

/// Opens a file that nobody else may read. One with other rights is made anew.
fn private_file(path: &Path, truncate: bool) -> Result<fs::File, Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(truncate).mode(0o600);
        let file = options.open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(file)
    };
    open().map_err(|error| unwritable(path, &error))
}

fn remove_if_empty(path: &Path) {
    if fs::metadata(path).is_ok_and(|found| found.len() == 0) {
        // Left behind it would only be an empty file.
        let _ = fs::remove_file(path);
    }
}

/// `file.unavailable` for a file of the data directory.
pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    let detail = format!("{} cannot be written: {error}.", path.display());
    Problem::new(codes::FILE_UNAVAILABLE, detail)
}
