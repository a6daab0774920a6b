//! Writes the generated files of `contracts/` anew: the tests that find drift also mend it.

use anyhow::{Result, ensure};

use crate::workspace;

/// Runs every test whose name speaks of a contract, with the permission to write.
pub(crate) fn run() -> Result<()> {
    let status = workspace::cargo(&["test", "--workspace", "--no-fail-fast", "contract"])
        .env("UPDATE_CONTRACTS", "1")
        .status()?;
    ensure!(status.success(), "a contract could not be written");
    Ok(())
}
