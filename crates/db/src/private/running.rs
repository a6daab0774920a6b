//! Recognising a server that already runs on a cluster, by its `postmaster.pid`.

use std::path::{Path, PathBuf};

/// What `postmaster.pid` says, proven against the process of that id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Running {
    /// Nobody: no file, or a dead one that PostgreSQL itself clears away.
    Nobody,
    /// A server on this very directory.
    Server {
        /// Its process.
        pid: i32,
        /// Where its socket is, once it says so.
        socket: Option<PathBuf>,
    },
    /// The id was given to another program since: PostgreSQL would refuse to start.
    Mistaken,
}

/// How far the start times of the file and the process may lie apart: the file is written within
/// a moment of the start, but whole seconds and clock steps blur it.
const START_SLACK_SECONDS: i64 = 10;

/// Looks at `<data>/postmaster.pid`.
pub(super) fn on(data: &Path) -> Running {
    let Ok(text) = std::fs::read_to_string(data.join("postmaster.pid")) else {
        return Running::Nobody;
    };
    let Some(file) = PidFile::read(&text) else { return Running::Nobody };
    match Process::look(file.pid) {
        None => Running::Nobody,
        Some(process) if process.serves(data, file.started) => {
            Running::Server { pid: file.pid, socket: file.socket }
        }
        Some(_) => Running::Mistaken,
    }
}

/// Whether any process has the cluster as its working directory, as every PostgreSQL process of it
/// has: a postmaster may be dead and a backend of it not yet.
pub(super) fn anyone_inside(data: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok())
        .any(|cwd| cwd == data)
}

/// The lines of `postmaster.pid` that matter.
#[derive(Debug, PartialEq, Eq)]
struct PidFile {
    pid: i32,
    started: i64,
    socket: Option<PathBuf>,
}

impl PidFile {
    /// pid, data directory, start (Unix seconds), port, socket directory, …
    fn read(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        Some(Self {
            pid: lines.first()?.parse().ok()?,
            started: lines.get(2)?.parse().ok()?,
            socket: lines.get(4).filter(|line| !line.is_empty()).map(PathBuf::from),
        })
    }
}

/// What `/proc` says about a process.
#[derive(Debug)]
struct Process {
    arguments: Vec<String>,
    started: Option<i64>,
}

impl Process {
    fn look(pid: i32) -> Option<Self> {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let line = std::fs::read(root.join("cmdline")).ok()?;
        // A zombie has an empty line.
        let arguments: Vec<String> = line
            .split(|byte| *byte == 0)
            .filter(|part| !part.is_empty())
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        (!arguments.is_empty()).then(|| Self { arguments, started: started(&root) })
    }

    fn serves(&self, data: &Path, started: i64) -> bool {
        let program = self.arguments.first().map(Path::new).and_then(Path::file_name);
        let is_postgres = program.is_some_and(|name| name == "postgres" || name == "postmaster");
        let on_data =
            self.arguments.windows(2).any(|pair| pair[0] == "-D" && Path::new(&pair[1]) == data);
        let same_start =
            self.started.is_none_or(|process| (process - started).abs() <= START_SLACK_SECONDS);
        is_postgres && on_data && same_start
    }
}

/// Start of a process in Unix seconds: boot time plus field 22 of `stat`, in ticks.
fn started(root: &Path) -> Option<i64> {
    let stat = std::fs::read_to_string(root.join("stat")).ok()?;
    // The name, field 2, may hold spaces and brackets: count behind its last bracket.
    let ticks: i64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let boot: i64 = std::fs::read_to_string("/proc/stat")
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    Some(boot + ticks / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ff-running-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_pid_that_belongs_to_another_program_is_no_server() {
        let data = scratch("mistaken");
        assert_eq!(on(&data), Running::Nobody);
        let text = format!("{}\n{}\n1700000000\n5432\n/tmp\n", std::process::id(), data.display());
        std::fs::write(data.join("postmaster.pid"), text).unwrap();
        assert_eq!(on(&data), Running::Mistaken);
        std::fs::write(data.join("postmaster.pid"), "4000000\n/x\n17\n5432\n/tmp\n").unwrap();
        assert_eq!(on(&data), Running::Nobody);
        std::fs::write(data.join("postmaster.pid"), "garbage").unwrap();
        assert_eq!(on(&data), Running::Nobody);
        std::fs::remove_dir_all(&data).unwrap();
    }

    #[test]
    fn a_server_is_known_by_program_directory_and_start() {
        let data = Path::new("/var/data");
        let process = |arguments: &[&str], started| Process {
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            started: Some(started),
        };
        assert!(process(&["/usr/bin/postgres", "-D", "/var/data"], 1_000).serves(data, 1_003));
        assert!(!process(&["/usr/bin/postgres", "-D", "/var/data"], 1_000).serves(data, 2_000));
        assert!(!process(&["/usr/bin/postgres", "-D", "/var/other"], 1_000).serves(data, 1_000));
        assert!(!process(&["/bin/cat", "-D", "/var/data"], 1_000).serves(data, 1_000));
    }
}
