//! The test lane: the check lane, then every test, then one line that sums it all up.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::{check, workspace};

/// Runs the lane. The last line on standard output is `N passed, N failed`, checks included.
pub(crate) fn run() -> Result<()> {
    let checks = check::lane();
    let mut sum = Sum { passed: checks.passed, failed: checks.failed };
    match tests(&mut sum) {
        Ok(true) => {}
        // A binary that did not build or died has no result line of its own.
        Ok(false) if sum.failed == 0 => sum.failed = 1,
        Ok(false) => {}
        Err(error) => {
            println!("tests ... FAILED: {error:#}");
            sum.failed += 1;
        }
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    ensure!(sum.failed == 0, "{} failed", sum.failed);
    Ok(())
}

/// Runs every test of the workspace, passing its output on; whether cargo was content.
fn tests(sum: &mut Sum) -> Result<bool> {
    let mut child = workspace::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo test did not start")?;
    let output = child.stdout.take().context("the pipe was asked for above")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("the tests printed something unreadable")?;
        println!("{line}");
        sum.add(&line);
    }
    Ok(child.wait()?.success())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    passed: usize,
    failed: usize,
}

impl Sum {
    /// Adds a line such as `test result: ok. 5 passed; 0 failed; …`; other lines change nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_all_binaries_are_summed_and_other_lines_are_not() {
        let mut sum = Sum::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "test a ... 9 passed; 9 failed",
            "test result: FAILED. 40 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            sum.add(line);
        }
        assert_eq!(sum, Sum { passed: 43, failed: 2 });
    }
}
