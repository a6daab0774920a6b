//! Where the server's socket stands: a directory only its user may enter, with a short path.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use kernel::{Problem, codes};

use super::account::{Account, io_problem};

/// The name PostgreSQL gives the socket file.
pub(super) const PORT: u16 = 5432;
/// The kernel's limit on a socket's path, its final NUL included (104 on macOS).
const PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 108 } else { 104 };

/// Makes the directory: beside the data, or under the runtime or temporary directory when that path
/// would be too long or cannot be written into a connection string.
pub(super) fn directory(pg: &Path, account: &Account) -> Result<PathBuf, Problem> {
    let beside = pg.join("socket");
    let chosen = if fits(&beside) { beside } else { short(pg)? };
    match fs::DirBuilder::new().mode(0o700).create(&chosen) {
        Ok(()) => account.give(&chosen)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(io_problem("The socket directory cannot be made", &chosen, &error));
        }
    }
    check(&chosen, account)?;
    Ok(chosen)
}

fn fits(directory: &Path) -> bool {
    let socket = directory.join(format!(".s.PGSQL.{PORT}"));
    let plain =
        |text: &str| !text.contains([',', '\'', '"', '\\']) && !text.contains(char::is_whitespace);
    socket.as_os_str().len() < PATH_BYTES_MAX && socket.to_str().is_some_and(plain)
}

/// A name derived from the long path, so that every start finds the same one.
fn short(pg: &Path) -> Result<PathBuf, Problem> {
    use std::os::unix::ffi::OsStrExt;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pg.as_os_str().as_bytes());
    let name: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let roots =
        [std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), Some(std::env::temp_dir())];
    roots
        .into_iter()
        .flatten()
        .filter(|root| root.is_dir())
        .map(|root| root.join(format!("flowforge-{name}")))
        .find(|path| fits(path))
        .ok_or_else(|| {
            Problem::new(
                codes::DATABASE_NOT_STARTED,
                format!(
                    "No socket path under {} or the temporary directory is shorter than \
                     {PATH_BYTES_MAX} bytes; choose a shorter --data-dir or TMPDIR.",
                    pg.display()
                ),
            )
        })
}

/// A directory somebody else prepared under a name we would take is refused.
fn check(directory: &Path, account: &Account) -> Result<(), Problem> {
    let facts = fs::symlink_metadata(directory)
        .map_err(|error| io_problem("The socket directory cannot be read", directory, &error))?;
    let owner = account.file_owner().as_raw();
    if facts.is_dir() && facts.uid() == owner && facts.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Problem::new(
        codes::DATABASE_NOT_STARTED,
        format!(
            "{} must be a directory of user id {owner} with mode 0700, for whoever enters it can \
             read the whole database. Remove it and start again.",
            directory.display()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ff-socket-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_long_path_gets_a_short_private_directory_that_is_found_again() {
        let long = scratch("long").join("x".repeat(90));
        fs::create_dir_all(&long).unwrap();
        let first = directory(&long, &Account::Own).unwrap();
        assert!(first.as_os_str().len() < 80, "{}", first.display());
        assert_eq!(fs::metadata(&first).unwrap().mode() & 0o777, 0o700);
        assert_eq!(directory(&long, &Account::Own).unwrap(), first);
        fs::remove_dir_all(&first).unwrap();
        fs::remove_dir_all(long.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_directory_others_may_enter_is_refused() {
        let pg = scratch("open");
        fs::create_dir(pg.join("socket")).unwrap();
        fs::set_permissions(pg.join("socket"), fs::Permissions::from_mode(0o755)).unwrap();
        let problem = directory(&pg, &Account::Own).unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_NOT_STARTED);
        fs::remove_dir_all(&pg).unwrap();
    }
}
