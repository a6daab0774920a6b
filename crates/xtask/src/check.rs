//! The check lane: formatting, lints, tidy, licences. Every check runs even when one before it failed.

use anyhow::{Result, ensure};

use crate::{licences, tidy, workspace};

/// Runs the lane and prints the outcome of each check.
pub(crate) fn run() -> Result<()> {
    let Outcome { passed, failed } = lane();
    println!("{passed} checks passed, {failed} failed");
    ensure!(failed == 0, "{failed} checks failed");
    Ok(())
}

/// One check; an error is its finding.
type Check = fn() -> Result<()>;

/// How many checks passed and failed.
pub(crate) struct Outcome {
    /// Checks without a finding.
    pub(crate) passed: usize,
    /// Checks with a finding, and checks that could not run.
    pub(crate) failed: usize,
}

/// Runs every check and says of each how it went.
pub(crate) fn lane() -> Outcome {
    let checks: [(&str, Check); 4] = [
        ("formatting", || command(&["fmt", "--all", "--check"])),
        ("tidy", || tidy::run(tidy::Ratchet::Hold)),
        ("licences", licences::run),
        ("lints", || {
            command(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
        }),
    ];
    let mut outcome = Outcome { passed: 0, failed: 0 };
    for (name, check) in checks {
        match check() {
            Ok(()) => {
                println!("check {name} ... ok");
                outcome.passed += 1;
            }
            Err(error) => {
                println!("check {name} ... FAILED: {error:#}");
                outcome.failed += 1;
            }
        }
    }
    outcome
}

fn command(arguments: &[&str]) -> Result<()> {
    let status = workspace::cargo(arguments).status()?;
    ensure!(status.success(), "`cargo {}` said no", arguments.join(" "));
    Ok(())
}
