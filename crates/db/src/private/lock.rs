//! The lock of a state directory, with the pid and address of whoever holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use kernel::{Problem, codes};
use serde::{Deserialize, Serialize};

const FILE_NAME: &str = "flowforge.lock";

/// Who uses a state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Where it listens, once it does: `127.0.0.1:8080`.
    pub address: Option<String>,
}

/// A held lock. It is released when this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    directory: PathBuf,
}

impl Lock {
    /// Takes the lock; makes the directory when it is missing.
    ///
    /// # Errors
    /// `database.in_use` naming pid and address of the holder; `file.unavailable`.
    pub fn acquire(directory: &Path) -> Result<Self, Problem> {
        std::fs::create_dir_all(directory).map_err(|error| unusable(directory, &error))?;
        let directory = directory.canonicalize().map_err(|error| unusable(directory, &error))?;
        let file = open(&directory).map_err(|error| unusable(&directory, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&directory)),
            Err(TryLockError::Error(error)) => return Err(unusable(&directory, &error)),
        }
        let mut lock = Self { file, directory };
        lock.write(None).map_err(|error| unusable(&lock.directory, &error))?;
        Ok(lock)
    }

    /// Tells others where this program listens.
    pub fn publish_address(&mut self, address: &str) -> Result<(), Problem> {
        self.write(Some(address.to_owned())).map_err(|error| unusable(&self.directory, &error))
    }

    /// Who holds the lock of this directory now; `None` when nobody does.
    #[expect(clippy::disallowed_methods, reason = "one line of our own, without exact numbers")]
    pub fn holder(directory: &Path) -> Result<Option<Holder>, Problem> {
        let mut file = match File::open(directory.join(FILE_NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(directory, &error)),
        };
        if file.try_lock_shared().is_ok() {
            return Ok(None);
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| unusable(directory, &error))?;
        // Between locking and writing the file is empty or holds the last holder's line.
        Ok(Some(serde_json::from_str(&text).unwrap_or(Holder { pid: 0, address: None })))
    }

    /// The directory, absolute and free of symbolic links.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn write(&mut self, address: Option<String>) -> std::io::Result<()> {
        let text = serde_json::to_string(&Holder { pid: std::process::id(), address })?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())
    }
}

fn open(directory: &Path) -> std::io::Result<File> {
    let path = directory.join(FILE_NAME);
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn in_use(directory: &Path) -> Problem {
    let holder = Lock::holder(directory).ok().flatten();
    let who = match holder {
        Some(Holder { pid, address: Some(address) }) => format!("process {pid} at {address}"),
        Some(Holder { pid, address: None }) if pid != 0 => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    Problem::new(
        codes::DATABASE_IN_USE,
        format!(
            "{} is used by {who}. Stop that one, or give this one a directory of its own \
             (--data-dir).",
            directory.display()
        ),
    )
}

fn unusable(directory: &Path, error: &std::io::Error) -> Problem {
    super::account::io_problem("The state directory cannot be used", directory, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ff-lock-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_second_program_learns_pid_and_address_of_the_first() {
        let directory = directory("second");
        let mut first = Lock::acquire(&directory).unwrap();
        first.publish_address("127.0.0.1:4321").unwrap();
        let problem = Lock::acquire(&directory).unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_IN_USE);
        assert!(problem.detail.contains("127.0.0.1:4321"), "{}", problem.detail);
        assert!(problem.detail.contains(&std::process::id().to_string()), "{}", problem.detail);
        let holder = Lock::holder(&directory).unwrap().unwrap();
        assert_eq!(holder.address.as_deref(), Some("127.0.0.1:4321"));

        drop(first);
        assert_eq!(Lock::holder(&directory).unwrap(), None);
        Lock::acquire(&directory).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_directory_nobody_made_has_no_holder() {
        assert_eq!(Lock::holder(&directory("absent")).unwrap(), None);
    }
}
