//! Finding PostgreSQL's programs on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use kernel::{Problem, codes};

/// The oldest major version that works.
const MAJOR_MIN: u32 = 15;

/// A directory with `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// Looks in the given directory only, or in `pg_config --bindir`, the PATH and the versioned
    /// directories of Debian, RPM and Homebrew; takes the newest major, or the pinned one.
    ///
    /// # Errors
    /// `database.not_installed` with the command that installs it; `database.unsupported` when only
    /// others than the wanted versions are there.
    pub(super) fn find(given: Option<&Path>, pinned: Option<u32>) -> Result<Self, Problem> {
        let directories = match given {
            Some(directory) => vec![directory.to_path_buf()],
            None => candidates(),
        };
        let found: Vec<Self> = directories.iter().filter_map(|path| Self::probe(path)).collect();
        choose(found, given, pinned)
    }

    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn probe(directory: &Path) -> Option<Self> {
        if !directory.join("initdb").exists() {
            return None;
        }
        let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { directory: directory.to_path_buf(), major })
    }
}

fn choose(
    found: Vec<Binaries>,
    given: Option<&Path>,
    pinned: Option<u32>,
) -> Result<Binaries, Problem> {
    let newest_found = found.iter().map(|binaries| binaries.major).max();
    let fits = |binaries: &Binaries| match pinned {
        Some(major) => binaries.major == major,
        None => binaries.major >= MAJOR_MIN,
    };
    // The first of equals wins: the order of the candidates is the order of preference.
    let chosen = found
        .into_iter()
        .filter(fits)
        .reduce(|best, next| if next.major > best.major { next } else { best });
    chosen.ok_or_else(|| match (newest_found, pinned) {
        (None, _) => not_installed(given, pinned),
        (Some(found), Some(pinned)) => Problem::new(
            codes::DATABASE_UNSUPPORTED,
            format!(
                "The data was made by PostgreSQL {pinned}, installed is {found}. Install version \
                 {pinned} beside it: {}",
                install_command(Some(pinned))
            ),
        ),
        (Some(found), None) => Problem::new(
            codes::DATABASE_UNSUPPORTED,
            format!(
                "The newest PostgreSQL on this machine is {found}; FlowForge needs {MAJOR_MIN} or \
                 newer. Install it: {}",
                install_command(None)
            ),
        ),
    })
}

fn not_installed(given: Option<&Path>, pinned: Option<u32>) -> Problem {
    let place = match given {
        Some(path) => format!("{} holds no postgres and initdb", path.display()),
        None => "PostgreSQL is not installed".to_owned(),
    };
    Problem::new(
        codes::DATABASE_NOT_INSTALLED,
        format!("{place}. Install it: {}", install_command(pinned)),
    )
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → 15; also `17beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Every directory worth a look, in order of preference, each once.
fn candidates() -> Vec<PathBuf> {
    let mut all = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        all.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    if let Some(path) = std::env::var_os("PATH") {
        all.extend(std::env::split_paths(&path));
    }
    let versioned = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/lib", "postgresql", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ];
    for (root, prefix, inner) in versioned {
        let Ok(entries) = std::fs::read_dir(root) else { continue };
        let mut inside: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.file_name()
                    .and_then(|name| name.to_str()?.strip_prefix(prefix))
                    .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
            })
            .map(|path| path.join(inner))
            .collect();
        inside.sort();
        all.extend(inside);
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|path| path.is_absolute() && seen.insert(path.clone()));
    all
}

/// One line for this operating system.
fn install_command(major: Option<u32>) -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    install_line(&release, major)
}

fn install_line(release: &str, major: Option<u32>) -> String {
    let value = |key: &str| {
        release.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_matches('"').to_owned()))
    };
    let family =
        format!("{} {}", value("ID=").unwrap_or_default(), value("ID_LIKE=").unwrap_or_default());
    let is = |names: &[&str]| family.split_whitespace().any(|word| names.contains(&word));
    let version = |with: &str| major.map_or(String::new(), |major| format!("{with}{major}"));
    match () {
        () if is(&["debian", "ubuntu"]) => {
            format!("sudo apt-get install -y postgresql{}", version("-"))
        }
        () if is(&["fedora", "rhel", "centos"]) => {
            format!("sudo dnf install -y postgresql{}-server", version(""))
        }
        () if is(&["alpine"]) => format!("sudo apk add postgresql{}", version("")),
        () if is(&["arch"]) => "sudo pacman -S postgresql".to_owned(),
        () if is(&["suse", "opensuse"]) => {
            format!("sudo zypper install -y postgresql{}-server", version(""))
        }
        () if cfg!(target_os = "macos") => {
            format!("brew install postgresql@{}", major.unwrap_or(17))
        }
        () => "see https://www.postgresql.org/download/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(directory: &str, major: u32) -> Binaries {
        Binaries { directory: directory.into(), major }
    }

    #[test]
    fn the_newest_is_taken_unless_the_data_pins_one() {
        let found = || vec![binaries("/a", 15), binaries("/b", 17), binaries("/c", 17)];
        assert_eq!(choose(found(), None, None).unwrap(), binaries("/b", 17));
        assert_eq!(choose(found(), None, Some(15)).unwrap(), binaries("/a", 15));
        let problem = choose(found(), None, Some(16)).unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_UNSUPPORTED);
        assert!(problem.detail.contains("PostgreSQL 16"), "{}", problem.detail);
    }

    #[test]
    fn versions_before_fifteen_are_refused_and_absence_names_the_install_command() {
        let problem = choose(vec![binaries("/a", 14)], None, None).unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_UNSUPPORTED);
        assert!(problem.detail.contains("14"), "{}", problem.detail);
        let problem = choose(Vec::new(), None, None).unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_NOT_INSTALLED);
        assert!(problem.detail.contains("Install it: "), "{}", problem.detail);
        assert_eq!(
            install_line("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", None),
            "sudo apt-get install -y postgresql"
        );
        assert_eq!(
            install_line("ID=fedora\n", Some(16)),
            "sudo dnf install -y postgresql16-server"
        );
    }

    #[test]
    fn version_lines_of_packages_and_betas_are_read() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major_of("something else"), None);
    }

    #[test]
    fn a_given_directory_without_postgres_is_named() {
        let problem = Binaries::find(Some(Path::new("/nonexistent/bin")), None).unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_NOT_INSTALLED);
        assert!(problem.detail.contains("/nonexistent/bin"), "{}", problem.detail);
    }
}
