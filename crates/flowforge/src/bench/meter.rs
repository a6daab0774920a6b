//! What the machine spent: processor time and memory of processes, from /proc.

use std::collections::HashMap;
use std::fs;

/// Ticks of /proc a second: fixed by Linux for every architecture it runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time (user and system) that this process has used, without its children.
pub(crate) fn own_cpu_s() -> f64 {
    stat("self").map_or(0.0, |stat| stat.own_ticks as f64 / TICKS_PER_SECOND)
}

/// Seconds of processor time that a process and everything below it have used, children that ended
/// included; `None` when it is not to be seen on this machine.
pub(crate) fn tree_cpu_s(root: u32) -> Option<f64> {
    let root = i64::from(root);
    let processes: HashMap<i64, Stat> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((name.parse().ok()?, stat(&name)?)))
        .collect();
    processes.get(&root)?;
    let below_root = |pid: &i64| {
        let parents = std::iter::successors(Some(*pid), |pid| Some(processes.get(pid)?.parent));
        parents.take(processes.len()).any(|pid| pid == root)
    };
    let tree = processes.iter().filter(|(pid, _)| below_root(pid));
    let ticks: u64 = tree.map(|(_, stat)| stat.own_ticks + stat.ended_children_ticks).sum();
    Some(ticks as f64 / TICKS_PER_SECOND)
}

/// Memory of this process that is in RAM, in MiB.
pub(crate) fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

struct Stat {
    parent: i64,
    own_ticks: u64,
    ended_children_ticks: u64,
}

fn stat(process: &str) -> Option<Stat> {
    read_stat(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Reads `pid (name) state ppid …`; the name may hold spaces and brackets.
fn read_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Counted from `state`, which proc(5) calls field 3.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own_ticks: number(14)? + number(15)?,
        ended_children_ticks: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4194304 1 0 0 0 100 20 5 6 20 0 1 0 9";
        let stat = read_stat(text).unwrap();
        assert_eq!((stat.parent, stat.own_ticks, stat.ended_children_ticks), (3, 120, 11));
    }

    #[test]
    fn this_process_is_in_its_own_tree_and_has_memory() {
        assert!(tree_cpu_s(std::process::id()).unwrap() >= 0.0);
        assert!(tree_cpu_s(u32::MAX).is_none());
        assert!(resident_mib() > 1.0);
    }
}
