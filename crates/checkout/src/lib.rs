//! The files of this checkout that tests read, and the generated ones that they keep current.
//!
//! Where the checkout is, is asked when a test runs and not when it is compiled: checkouts that share
//! a target directory share the compiled tests, and must each be tested with files of their own.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder that holds `Cargo.lock`, looked for upwards from the package that cargo runs, or from
/// the current folder where no cargo runs it.
///
/// # Panics
/// Outside any checkout.
#[must_use]
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = package.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.unwrap_or_else(|| panic!("{} is in no checkout", here.display())).to_owned()
}

/// A file or folder below [`root`].
#[must_use]
pub fn path(below: impl AsRef<Path>) -> PathBuf {
    root().join(below)
}

/// The text of a file below [`root`].
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn text(below: impl AsRef<Path>) -> String {
    let path = path(below);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Asserts that a generated file is what the program would generate `now`; writes it instead where
/// `UPDATE_CONTRACTS` is set, as `cargo xtask contracts` does.
///
/// # Panics
/// If the file is another text, with the first line that differs.
pub fn assert_current(generated: &str, now: &str) {
    let path = path(generated);
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        fs::write(&path, now).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == now {
        return;
    }
    let same = committed.lines().zip(now.lines()).take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
    panic!(
        "{generated} is not what the program says, from line {}:\n  committed: {}\n  now:       {}\n\
         `cargo xtask contracts` writes it anew: look at the difference before you commit it",
        same + 1,
        line(&committed),
        line(now)
    );
}
