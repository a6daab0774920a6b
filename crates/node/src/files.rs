//! Files inside the allowed folders: nothing outside is read, written or even seen to exist.
//!
//! A path is made real first (links followed), must then lie in an allowed folder, and is opened
//! step by step from that folder without following links: a link swapped in meanwhile is refused
//! instead of followed. Writing is all or nothing: the bytes go to a hidden file beside the target,
//! are made durable, and replace the target in one step.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::{Problem, codes};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Files inside the allowed folders; see `[files] allow` in the configuration.
#[derive(Clone, Debug)]
pub struct FileAccess {
    /// Folders that may be read and written, absolute. Empty: nothing may.
    pub allow: Vec<PathBuf>,
    /// Relative paths start here.
    pub base: Option<PathBuf>,
    /// Bytes a file may have when it is read. 256 MiB.
    pub bytes_max: u64,
}

impl Default for FileAccess {
    fn default() -> Self {
        Self { allow: Vec::new(), base: None, bytes_max: 256 * 1024 * 1024 }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// Where it really stands.
    pub path: PathBuf,
}

/// Where a path leads: an allowed folder, and the way from there without links.
struct Place {
    root: PathBuf,
    /// Only normal components; the last one is the file.
    rest: PathBuf,
}

impl FileAccess {
    /// Reads a whole file.
    ///
    /// Errors: `file.not_allowed`, `file.not_found`, `file.invalid` (no regular file, or longer
    /// than [`FileAccess::bytes_max`]), `file.unavailable`.
    pub async fn read(&self, path: &str) -> Result<FileRead, Problem> {
        let (access, path) = (self.clone(), path.to_owned());
        blocking(move || access.read_now(&path)).await
    }

    /// Writes a whole file, replacing what was there, and makes it durable; missing folders are
    /// made. Returns where it really stands.
    ///
    /// Errors: `file.not_allowed`, `file.invalid` (a folder stands there), `storage.full`,
    /// `file.unavailable`. After an error the old content stands untouched.
    pub async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<PathBuf, Problem> {
        let (access, path) = (self.clone(), path.to_owned());
        blocking(move || access.write_now(&path, &bytes)).await
    }

    fn read_now(&self, path: &str) -> Result<FileRead, Problem> {
        let place = self.place(path)?;
        let real = place.root.join(&place.rest);
        let wrong = |error: io::Error| problem(path, "read", &error);
        let (folder, name) = walk(&place, Missing::Fails).map_err(wrong)?;
        // Without O_NONBLOCK opening a pipe would wait for its other end.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let opened = openat(&folder, name.as_os_str(), flags, Mode::empty());
        let file = File::from(opened.map_err(|errno| wrong(errno.into()))?);
        let about = file.metadata().map_err(wrong)?;
        if !about.is_file() {
            return Err(no_file(path));
        }
        let too_long = || {
            let detail = format!(
                "{path} is longer than {} bytes ([files] bytes_max). Split it, or raise the limit.",
                self.bytes_max
            );
            Problem::new(codes::FILE_INVALID, detail)
        };
        if about.len() > self.bytes_max {
            return Err(too_long());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0));
        // It may grow while it is read.
        file.take(self.bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(wrong)?;
        if bytes.len() as u64 > self.bytes_max {
            return Err(too_long());
        }
        Ok(FileRead { bytes, path: real })
    }

    fn write_now(&self, path: &str, bytes: &[u8]) -> Result<PathBuf, Problem> {
        let place = self.place(path)?;
        let real = place.root.join(&place.rest);
        if real.is_dir() {
            return Err(no_file(path));
        }
        let wrong = |error: io::Error| problem(path, "written", &error);
        let (folder, name) = walk(&place, Missing::IsMade).map_err(wrong)?;
        replace(&folder, &name, bytes).map_err(wrong)?;
        Ok(real)
    }

    /// Where the path leads, if that is inside an allowed folder. A file that does not exist is
    /// placed by the deepest folder of its path that does, so that the answer for something
    /// outside never tells whether it exists.
    fn place(&self, path: &str) -> Result<Place, Problem> {
        let wanted = self.absolute(path)?;
        let mut existing = wanted.as_path();
        let mut missing: Vec<&OsStr> = Vec::new();
        let real = loop {
            match existing.canonicalize() {
                Ok(real) => break real,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::InvalidFilename => {
                    return Err(problem(path, "read or written", &error));
                }
                Err(_) => return Err(self.not_allowed(path)),
            }
            // A dangling link is no folder to make something in.
            let dangling = existing.symlink_metadata().is_ok();
            match (existing.parent(), existing.components().next_back()) {
                (Some(parent), Some(Component::Normal(name))) if !dangling => {
                    missing.push(name);
                    existing = parent;
                }
                _ => return Err(self.not_allowed(path)),
            }
        };
        let root = self.allow.iter().filter_map(|root| root.canonicalize().ok());
        let root = root
            .filter(|root| real.starts_with(root))
            .max_by_key(|root| root.components().count())
            .ok_or_else(|| self.not_allowed(path))?;
        let mut rest = real.strip_prefix(&root).unwrap_or(Path::new("")).to_path_buf();
        rest.extend(missing.into_iter().rev());
        if rest.as_os_str().is_empty() {
            return Err(no_file(path));
        }
        Ok(Place { root, rest })
    }

    fn absolute(&self, path: &str) -> Result<PathBuf, Problem> {
        if path.is_empty() || path.contains('\0') {
            let detail = "The path is empty or holds a NUL character: write the path of a file.";
            return Err(Problem::new(codes::FILE_INVALID, detail));
        }
        match &self.base {
            _ if Path::new(path).is_absolute() => Ok(PathBuf::from(path)),
            Some(base) => Ok(base.join(path)),
            None => {
                let detail = format!(
                    "{path} is a relative path and no folder is set where such paths begin: write \
                     the whole path, or set [files] base in the configuration."
                );
                Err(Problem::new(codes::FILE_NOT_ALLOWED, detail))
            }
        }
    }

    fn not_allowed(&self, path: &str) -> Problem {
        let detail = format!(
            "{path} is outside the folders that workflows may use. Put the file into one of them, \
             or add its folder to [files] allow in the configuration."
        );
        Problem::new(codes::FILE_NOT_ALLOWED, detail)
    }
}

/// What happens when a folder on the way does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fails,
    IsMade,
}

/// Goes from the allowed folder to the file's folder without following a link.
fn walk(place: &Place, missing: Missing) -> io::Result<(OwnedFd, PathBuf)> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
    let mut folder = open(&place.root, flags, Mode::empty())?;
    let mut parts = place.rest.components().peekable();
    while let Some(Component::Normal(part)) = parts.next() {
        if parts.peek().is_none() {
            return Ok((folder, PathBuf::from(part)));
        }
        let step = flags | OFlag::O_NOFOLLOW;
        folder = match openat(&folder, part, step, Mode::empty()) {
            Err(Errno::ENOENT) if missing == Missing::IsMade => {
                match mkdirat(&folder, part, Mode::from_bits_truncate(0o755)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                openat(&folder, part, step, Mode::empty())?
            }
            opened => opened?,
        };
    }
    Err(Errno::EINVAL.into())
}

/// Puts the bytes in the place of `name`, all or nothing.
fn replace(folder: &OwnedFd, name: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let part = PathBuf::from(format!(".flowforge-{}-{count}.part", std::process::id()));
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    // A file of this name can only be what a dead process of the same id left behind.
    let _ = unlinkat(folder, &part, UnlinkatFlags::NoRemoveDir);
    let mut file = File::from(openat(folder, &part, flags, Mode::from_bits_truncate(0o600))?);
    let written = file
        .write_all(bytes)
        .and_then(|()| file.set_permissions(std::fs::Permissions::from_mode(0o644)))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(renameat(folder, &part, folder, name)?));
    if written.is_err() {
        let _ = unlinkat(folder, &part, UnlinkatFlags::NoRemoveDir);
        return written;
    }
    // The new name must survive a power cut as well.
    Ok(nix::unistd::fsync(folder)?)
}

fn no_file(path: &str) -> Problem {
    let detail = format!("{path} is no regular file: name a file, not a folder or a device.");
    Problem::new(codes::FILE_INVALID, detail)
}

fn problem(path: &str, done: &str, error: &io::Error) -> Problem {
    let (code, detail) = match error.kind() {
        ErrorKind::NotFound => {
            let detail = format!("There is no file {path}: check its name and folder.");
            (codes::FILE_NOT_FOUND, detail)
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let detail = format!("{path} could not be {done}: the disk is full. Make room there.");
            (codes::STORAGE_FULL, detail)
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            let detail = format!(
                "{path} could not be {done}: the operating system does not permit it. Give the \
                 user that FlowForge runs as the right to."
            );
            (codes::FILE_NOT_ALLOWED, detail)
        }
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidFilename => {
            let detail = format!(
                "{path} could not be {done}: a part of it is no folder, a folder stands there, or \
                 a name in it is too long."
            );
            (codes::FILE_INVALID, detail)
        }
        _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            let detail =
                format!("{path} could not be {done}: a link took its place at that moment.");
            (codes::FILE_NOT_ALLOWED, detail)
        }
        _ => {
            let detail = format!("{path} could not be {done}: {error}.");
            (codes::FILE_UNAVAILABLE, detail)
        }
    };
    Problem::new(code, detail)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "reading or writing a file panicked");
            Err(Problem::internal())
        }
    }
}
