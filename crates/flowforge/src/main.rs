//! FlowForge: the one executable. Reads the command line and the configuration, then hands over.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its terminal"
)]

mod bench;
mod cli;
mod config;

use std::process::ExitCode;

use clap::Parser as _;
use kernel::Problem;

use cli::{Command, CommandLine, ConfigAction, Place};
use config::{Config, Sources};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    match dispatch(&line) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("error {}", problem.code);
            eprintln!("{}", problem.detail);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(line: &CommandLine) -> Result<ExitCode, Problem> {
    match &line.command {
        Command::Config { action } => configuration(line, action),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn configuration(line: &CommandLine, action: &ConfigAction) -> Result<ExitCode, Problem> {
    if let ConfigAction::Schema = action {
        print!("{}", Config::schema_text());
        return Ok(ExitCode::SUCCESS);
    }
    let config = load(line, &Place::default())?;
    match action {
        ConfigAction::Check => println!("The configuration is valid."),
        ConfigAction::Print => print!("{}", config.to_toml()),
        ConfigAction::Schema => print!("{}", Config::schema_text()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration with the flags of a command on top.
fn load(line: &CommandLine, place: &Place) -> Result<Config, Problem> {
    let mut sources = Sources::of_process(line.config.as_deref())?;
    if let Some(folder) = &place.data_dir {
        sources.flags.push(("data_dir", "--data-dir", folder.display().to_string()));
    }
    if let Some(address) = &place.listen {
        sources.flags.push(("server.listen", "--listen", address.clone()));
    }
    Config::load(&sources)
}
