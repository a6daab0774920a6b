//! Making a cluster, once: beside its place, synced, then renamed, so that it is whole or absent.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use kernel::{Problem, codes};

use super::account::{Account, io_problem};
use super::binaries::Binaries;
use super::process;
use super::server::{Durability, SUPERUSER};

/// A cluster with what runs it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) data: PathBuf,
    pub(super) binaries: Binaries,
    pub(super) account: Account,
}

/// What a fresh cluster takes (46 MB and its first log segments), with room to begin to work.
const ROOM_MB_MIN: u64 = 100;

/// Names of clusters under construction begin with this.
const UNFINISHED: &str = "data.new-";

impl Cluster {
    /// The cluster in `<directory>/data`, made now when it is missing. Takes about a second then.
    pub(super) fn ensure(
        directory: &Path,
        given: Option<&Path>,
        durability: Durability,
    ) -> Result<Self, Problem> {
        let data = directory.join("data");
        clear_unfinished(directory);
        match fs::read_to_string(data.join("PG_VERSION")) {
            Ok(version) => Ok(Self {
                binaries: Binaries::find(given, Some(major(&data, &version)?))?,
                account: Account::of_cluster(&data)?,
                data,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let binaries = Binaries::find(given, None)?;
                let account = Account::pick(directory)?;
                let cluster = Self { data, binaries, account };
                cluster.make(directory, durability)?;
                Ok(cluster)
            }
            Err(error) => Err(io_problem("The cluster cannot be read", &data, &error)),
        }
    }
}

fn major(data: &Path, version: &str) -> Result<u32, Problem> {
    version.trim().parse().map_err(|_| {
        Problem::new(
            codes::DATABASE_UNSUPPORTED,
            format!(
                "{} was made by PostgreSQL {}; FlowForge needs 15 or newer. Choose another \
                 directory.",
                data.display(),
                version.trim()
            ),
        )
    })
}

/// Removes what a killed program left half made. What cannot be removed now is in nobody's way.
fn clear_unfinished(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(error.cause = %error, "a half-made cluster could not be removed");
        }
    }
}

/// initdb on a full disk dies of something else first, so the room is looked at before.
fn check_room(directory: &Path) -> Result<(), Problem> {
    let Ok(disk) = nix::sys::statvfs::statvfs(directory) else { return Ok(()) };
    let free_mb = disk.blocks_available() * disk.fragment_size() / 1_048_576;
    if free_mb >= ROOM_MB_MIN {
        return Ok(());
    }
    Err(Problem::new(
        codes::STORAGE_FULL,
        format!(
            "The disk of {} has {free_mb} MB free, a new database needs {ROOM_MB_MIN}; free space \
             on it or choose another directory (--data-dir).",
            directory.display()
        ),
    ))
}

impl Cluster {
    fn make(&self, directory: &Path, durability: Durability) -> Result<(), Problem> {
        check_room(directory)?;
        let unfinished = directory.join(format!("{UNFINISHED}{}", std::process::id()));
        let failed =
            |error: io::Error| io_problem("The cluster cannot be made", &unfinished, &error);
        fs::DirBuilder::new().mode(0o700).create(&unfinished).map_err(failed)?;
        self.account.give(&unfinished)?;
        let result = self.initialise(&unfinished, durability).and_then(|()| {
            // initdb has synced what is inside; the name is ours.
            fs::rename(&unfinished, &self.data)
                .and_then(|()| File::open(directory)?.sync_all())
                .map_err(|error| {
                    io_problem("The cluster cannot be put in its place", &self.data, &error)
                })
        });
        if result.is_err() {
            clear_unfinished(directory);
        }
        result
    }

    fn initialise(&self, unfinished: &Path, durability: Durability) -> Result<(), Problem> {
        let program = self.binaries.program("initdb");
        let mut command = process::command(&program, &self.account);
        command
            .arg("-D")
            .arg(unfinished)
            .args(["-A", "trust", "-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8"])
            .args(["--data-checksums", "--no-instructions"]);
        if durability == Durability::None {
            command.arg("--no-sync");
        }
        let output = command
            .output()
            .map_err(|error| io_problem("initdb cannot be run", &program, &error))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(super::server::not_started("initdb failed", &text, unfinished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_made_cluster_is_cleared_away_and_a_whole_one_is_not() {
        let directory = std::env::temp_dir().join(format!("ff-cluster-{}", std::process::id()));
        fs::create_dir_all(directory.join("data.new-17/base")).unwrap();
        fs::create_dir_all(directory.join("data")).unwrap();
        clear_unfinished(&directory);
        assert!(!directory.join("data.new-17").exists());
        assert!(directory.join("data").exists());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_cluster_of_a_version_nobody_runs_is_refused() {
        let problem = major(Path::new("/x"), "9.6\n").unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_UNSUPPORTED);
        assert_eq!(major(Path::new("/x"), "15\n").unwrap(), 15);
    }
}
