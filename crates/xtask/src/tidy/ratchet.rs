//! Numbers that may only go down, kept in `ratchet.toml` beside this crate's manifest.

use anyhow::{Context as _, Result};

use super::Finding;
use super::tree::{Tree, is_test_file, test_lines};

const FILE: &str = "crates/xtask/ratchet.toml";

/// What to do when a number got better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ratchet {
    /// Say so.
    Hold,
    /// Write the better number down.
    Lower,
}

/// Compares the numbers of the tree with those that are written down.
pub(super) fn check(tree: &Tree, duplicates: usize, ratchet: Ratchet) -> Result<Vec<Finding>> {
    let text = tree.text(FILE).with_context(|| format!("{FILE} is missing"))?;
    let held: toml::Table = toml::from_str(text).with_context(|| FILE.to_owned())?;
    let mut lowered = text.to_owned();
    let mut findings = Vec::new();
    for (name, now) in measure(tree, duplicates) {
        let held = held.get(name).and_then(toml::Value::as_integer).unwrap_or(0);
        let now = i64::try_from(now).context("a count fits")?;
        if now > held {
            let rule = format!("{name} went up from {held} to {now}");
            findings.push(Finding::new(FILE, 0, rule));
        } else if now < held {
            println!("tidy: note: {name} went down from {held} to {now}: tidy --ratchet keeps it");
            lowered = lowered.replace(&format!("{name} = {held}"), &format!("{name} = {now}"));
        }
    }
    if ratchet == Ratchet::Lower {
        std::fs::write(checkout::root().join(FILE), lowered).with_context(|| FILE.to_owned())?;
    }
    Ok(findings)
}

/// The numbers, by name.
fn measure(tree: &Tree, duplicates: usize) -> [(&'static str, usize); 4] {
    let count = |word: &str| tree.rust().map(|(path, text)| outside_tests(path, text, word)).sum();
    [
        ("duplicate_crates", duplicates),
        ("expected_lints", count("[expect(")),
        ("proven_expectations", count(".expect(\"")),
        ("unsafe_places", count("unsafe {") + count("unsafe fn") + count("unsafe impl")),
    ]
}

/// How many lines outside tests have the word.
fn outside_tests(path: &str, text: &str, word: &str) -> usize {
    // This crate's own sources would count themselves.
    if is_test_file(path) || path.starts_with("crates/xtask/") {
        return 0;
    }
    let tests = syn::parse_file(text).map(|file| test_lines(&file)).unwrap_or_default();
    let in_tests = |line| tests.iter().any(|(from, to)| (from..=to).contains(&&line));
    let lines = text.lines().enumerate();
    lines.filter(|(index, line)| line.contains(word) && !in_tests(index + 1)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWICE: &str = "//! X.\nfn a() {\n    b().expect(\"so\");\n    c().expect(\"so\");\n}\n\
                         #[cfg(test)]\nmod tests {\n    fn d() { e().expect(\"so\"); }\n}\n";

    fn against(held: &str) -> Vec<Finding> {
        let tree = Tree::of(&[(FILE, held), ("crates/a/src/lib.rs", TWICE)]);
        check(&tree, 1, Ratchet::Hold).unwrap()
    }

    #[test]
    fn a_number_may_stay_and_may_not_go_up() {
        assert_eq!(against("duplicate_crates = 1\nproven_expectations = 2\n"), Vec::new());
        let findings = against("duplicate_crates = 1\nproven_expectations = 1\n");
        assert!(findings[0].rule.contains("went up from 1 to 2"), "{findings:?}");
    }
}
