//! Where the workspace is and how its cargo is called.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// A call of cargo in the workspace, with no standard input.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(checkout::root()).stdin(Stdio::null());
    command
}

/// One line `name vVERSION …|LICENCE` for every package that this machine really builds, ours and
/// those of tests included. (`cargo metadata` also names what only other features would build.)
pub(crate) fn dependency_lines() -> Result<String> {
    let format = "{p}|{l}";
    let output = cargo(&["tree", "--quiet", "--locked", "--workspace", "--no-dedupe"])
        .args(["--prefix", "none", "--format", format])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo tree did not start")?;
    ensure!(output.status.success(), "cargo tree failed");
    String::from_utf8(output.stdout).context("cargo tree printed no UTF-8")
}
