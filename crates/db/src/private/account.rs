//! Which account the server runs under. PostgreSQL refuses to run as root, so root hands it to
//! another user, or runs it in a user namespace in which root is nobody.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kernel::{Problem, codes};
use nix::unistd::{Gid, Uid, User};

/// An account for the server's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// The account of this program.
    Own,
    /// Another user; this program is root.
    Other {
        /// Name for messages.
        name: String,
        /// Its user id.
        uid: Uid,
        /// Its main group.
        gid: Gid,
    },
    /// Root outside, `nobody` inside of a user namespace; this program is root.
    Namespace,
}

impl Account {
    /// Picks the account for a directory (which exists).
    ///
    /// # Errors
    /// `database.not_started`: root, and no account that may enter the directory.
    pub(super) fn pick(directory: &Path) -> Result<Self, Problem> {
        if !Uid::effective().is_root() {
            return Ok(Self::Own);
        }
        let named = ["flowforge", "postgres"].into_iter().find_map(Self::of_user);
        if let Some(account) = &named
            && account.barrier(directory).is_none()
        {
            return Ok(account.clone());
        }
        if namespaces_work() {
            return Ok(Self::Namespace);
        }
        let account = named.or_else(|| Self::of_user("nobody")).ok_or_else(no_account)?;
        match account.barrier(directory) {
            None => Ok(account),
            Some(barrier) => Err(account.stopped_at(&barrier)),
        }
    }

    /// The account a cluster was made under: the owner of its files.
    pub(super) fn of_cluster(data: &Path) -> Result<Self, Problem> {
        if !Uid::effective().is_root() {
            return Ok(Self::Own);
        }
        let owner = data
            .metadata()
            .map_err(|error| io_problem("The cluster cannot be read", data, &error))?
            .uid();
        if owner == 0 {
            return Ok(Self::Namespace);
        }
        match User::from_uid(Uid::from_raw(owner)) {
            Ok(Some(user)) => Ok(Self::Other { name: user.name, uid: user.uid, gid: user.gid }),
            _ => Err(Problem::new(
                codes::DATABASE_NOT_STARTED,
                format!(
                    "{} belongs to user id {owner}, which has no account on this machine; chown it \
                     to the user postgres.",
                    data.display()
                ),
            )),
        }
    }

    fn of_user(name: &str) -> Option<Self> {
        // PostgreSQL looks its user up, so an id without a passwd line does not do.
        let user = User::from_name(name).ok().flatten()?;
        Some(Self::Other { name: user.name, uid: user.uid, gid: user.gid })
    }

    /// Gives a file or directory to the account.
    pub(super) fn give(&self, path: &Path) -> Result<(), Problem> {
        let Self::Other { uid, gid, .. } = self else { return Ok(()) };
        nix::unistd::chown(path, Some(*uid), Some(*gid))
            .map_err(|error| io_problem("The owner cannot be set", path, &error.into()))
    }

    /// Who the files must belong to.
    pub(super) fn file_owner(&self) -> Uid {
        match self {
            Self::Other { uid, .. } => *uid,
            Self::Own | Self::Namespace => Uid::effective(),
        }
    }

    /// The first directory on the way the account may not pass.
    fn barrier(&self, directory: &Path) -> Option<PathBuf> {
        let Self::Other { uid, gid, .. } = self else { return None };
        let mut steps: Vec<&Path> = directory.ancestors().collect();
        steps.reverse();
        steps.into_iter().find(|step| !may_pass(step, *uid, *gid)).map(Path::to_path_buf)
    }

    fn stopped_at(&self, barrier: &Path) -> Problem {
        let name = match self {
            Self::Other { name, .. } => name.as_str(),
            Self::Own | Self::Namespace => "root",
        };
        Problem::new(
            codes::DATABASE_NOT_STARTED,
            format!(
                "PostgreSQL runs as the user {name}, which may not enter {}. Choose a directory \
                 outside of it (--data-dir /var/lib/flowforge), or allow it: chmod o+x {}",
                barrier.display(),
                barrier.display()
            ),
        )
    }
}

fn may_pass(directory: &Path, uid: Uid, gid: Gid) -> bool {
    let Ok(facts) = directory.metadata() else { return false };
    let shift = match (facts.uid() == uid.as_raw(), facts.gid() == gid.as_raw()) {
        (true, _) => 6,
        (false, true) => 3,
        (false, false) => 0,
    };
    facts.mode() >> shift & 0o1 == 1
}

fn no_account() -> Problem {
    Problem::new(
        codes::DATABASE_NOT_STARTED,
        "PostgreSQL does not run as root, and this machine has no user postgres and no user \
         namespaces. Run: useradd --system flowforge",
    )
}

/// Whether a child of ours may enter a user namespace as `nobody`.
#[cfg(target_os = "linux")]
fn namespaces_work() -> bool {
    let nobody = User::from_uid(Uid::from_raw(super::process::NOBODY));
    if !matches!(nobody, Ok(Some(_))) {
        return false;
    }
    let mut probe = std::process::Command::new("true");
    super::process::enter_namespace(&mut probe);
    probe
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(not(target_os = "linux"))]
fn namespaces_work() -> bool {
    false
}

/// A file operation failed: what, where, why, and what to do.
pub(crate) fn io_problem(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    use std::io::ErrorKind;
    let (code, mend) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (codes::STORAGE_FULL, "free space on that disk")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            (codes::FILE_UNAVAILABLE, "make it writable for this user, or choose another directory")
        }
        _ => (codes::FILE_UNAVAILABLE, "check the path, or choose another directory"),
    };
    Problem::new(code, format!("{what}: {} ({error}); {mend}.", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_closed_to_others_is_named_as_the_barrier() {
        use std::os::unix::fs::PermissionsExt;
        let root = std::env::temp_dir().join(format!("ff-account-{}", std::process::id()));
        let inner = root.join("closed/state");
        std::fs::create_dir_all(&inner).unwrap();
        let closed = root.join("closed");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account::Other {
            name: "stranger".into(),
            uid: Uid::from_raw(54_321),
            gid: Gid::from_raw(54_321),
        };
        assert_eq!(stranger.barrier(&inner), Some(closed.clone()));
        let problem = stranger.stopped_at(&closed);
        assert!(problem.detail.contains("chmod o+x"), "{}", problem.detail);

        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.barrier(&inner), None);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
