//! Names and words: every file says what it is for, none is called a heap, none names this machine.

use super::Finding;
use super::tree::Tree;

/// File and folder names that say nothing.
const HEAPS: [&str; 6] = ["utils", "util", "common", "helpers", "manager", "misc"];

/// Registries: an address of one in a committed file ties the project to one machine's set-up.
const REGISTRIES: [&str; 5] = [
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("deb.debian", ".org"),
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/"), concat!("/tmp/", "ff/")];

/// Files that tools write and that name registries by design.
const LOCK_FILES: [&str; 2] = ["Cargo.lock", "package-lock.json"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        if !text.starts_with("//!") {
            findings.push(Finding::new(path, 1, "opens with `//!` saying what it is for"));
        }
    }
    for (path, text) in tree.files() {
        findings.extend(heap(path));
        if !LOCK_FILES.iter().any(|lock| path.ends_with(lock)) {
            findings.extend(foreign_words(path, text));
        }
    }
    findings
}

fn heap(path: &str) -> Option<Finding> {
    let said = path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part))
        .find(|part| HEAPS.contains(part))?;
    Some(Finding::new(path, 0, format!("\"{said}\" says nothing: name the thing in it")))
}

fn foreign_words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
            findings.push(Finding::new(path, index + 1, format!("names the registry {host}")));
        }
        if let Some(start) = MACHINE_PATHS.iter().find(|start| mentions_path(line, start)) {
            let rule = format!("names a path of one machine ({start}…)");
            findings.push(Finding::new(path, index + 1, rule));
        }
    }
    findings
}

/// Whether the line has the path at the beginning of a word, not inside a longer path or address.
fn mentions_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "/.-_}>~".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rust_file_without_its_opening_sentence_is_found() {
        let found = rules(&[("a/src/x.rs", "use std::fmt;\n"), ("a/src/y.rs", "//! Why.\n")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a/src/x.rs:1:"));
    }

    #[test]
    fn a_heap_is_found_by_its_name_as_file_and_as_folder() {
        let found = rules(&[("a/src/utils.rs", "//! X."), ("a/helpers/x.rs", "//! X.")]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn machine_paths_and_registries_are_found_except_in_lock_files() {
        let path = format!("cd {}main\n", concat!("/wo", "rk/"));
        let host = format!("see {}\n", concat!("index.crates", ".io"));
        let found = rules(&[("README.md", &path), ("Makefile", &host), ("Cargo.lock", &host)]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn the_same_letters_inside_an_address_are_no_machine_path() {
        let inside = format!("https://example.com{}x\n", concat!("/wo", "rk/"));
        assert_eq!(rules(&[("README.md", &inside)]), Vec::<String>::new());
    }
}
