//! The project's own chores: `cargo xtask tidy|licences|check|test|contracts`.
//!
//! Everything here runs on the developer's machine and in CI, never in the product. It reads the
//! files git knows of, `cargo metadata` and the output of `cargo`; it needs no network beyond what
//! `cargo` itself needs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its terminal"
)]

mod check;
mod contracts;
mod licences;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <task>

  tidy [--ratchet]  the rules no compiler knows; --ratchet lowers the numbers that got better
  licences          licences, banned crates, duplicate versions
  check             formatting, lints, tidy, licences
  test              check, then every test; ends with `N passed, N failed`
  contracts         writes the generated files of contracts/ anew";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(tidy::Ratchet::Hold),
        ["tidy", "--ratchet"] => tidy::run(tidy::Ratchet::Lower),
        ["licences"] => licences::run(),
        ["check"] => check::run(),
        ["test"] => test::run(),
        ["contracts"] => contracts::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
