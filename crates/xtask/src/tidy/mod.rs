//! The rules of the house that no compiler knows, each in its own file.

mod codes;
mod edges;
mod map;
mod names;
mod ratchet;
mod registration;
mod size;
mod sql;
mod tree;

use std::fmt;

use anyhow::{Result, ensure};

use crate::licences;
use tree::Tree;

pub(crate) use ratchet::Ratchet;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Line from 1; 0 when the whole file is meant.
    line: usize,
    rule: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule: rule.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.rule),
            line => write!(f, "{}:{line}: {}", self.path, self.rule),
        }
    }
}

/// Checks every rule and prints what is broken.
pub(crate) fn run(ratchet: Ratchet) -> Result<()> {
    let tree = Tree::of_git(&checkout::root())?;
    let mut findings = findings(&tree);
    findings.extend(ratchet::check(&tree, licences::duplicate_count()?, ratchet)?);
    findings.sort();
    for finding in &findings {
        println!("tidy: {finding}");
    }
    ensure!(findings.is_empty(), "{} findings", findings.len());
    Ok(())
}

/// Every rule that needs nothing but the files.
fn findings(tree: &Tree) -> Vec<Finding> {
    let rules: [fn(&Tree) -> Vec<Finding>; 7] = [
        codes::check,
        edges::check,
        map::check,
        names::check,
        registration::check,
        size::check,
        sql::check,
    ];
    rules.iter().flat_map(|rule| rule(tree)).collect()
}
