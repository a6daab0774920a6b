//! Where the workspace is and how its cargo is called.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The folder that holds the root Cargo.toml.
pub(crate) fn root() -> PathBuf {
    // Asked now, as long as cargo runs it: checkouts that share a target directory share the program.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.ancestors().nth(2).map_or_else(|| here.clone(), PathBuf::from)
}

/// A call of cargo in the workspace, with no standard input.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
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
