//! What is said on standard output and standard error.
//!
//! Whoever closed them (`… | head`) does not want to know more: that is no error, and what was under
//! way is finished.

use std::fmt::Display;
use std::io::Write;

/// Says a line on standard output.
pub(crate) fn say(line: impl Display) {
    write(std::io::stdout().lock(), &format!("{line}\n"));
}

/// Puts a text on standard output as it is.
pub(crate) fn put(text: &str) {
    write(std::io::stdout().lock(), text);
}

/// Says a line on standard error.
pub(crate) fn warn(line: impl Display) {
    write(std::io::stderr().lock(), &format!("{line}\n"));
}

fn write(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
