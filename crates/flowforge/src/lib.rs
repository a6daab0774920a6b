//! FlowForge as a library: the command line ([`main`]), the same with functions, nodes, jobs and
//! tables of one's own ([`App`]), and a whole member that can be started inside another program
//! ([`System`]).
//!
//! The executable is [`main`] and nothing else. Programs that embed a member (the tests do) make a
//! [`Config`] from settings and start a [`System`] with what it may [`Use`].

mod api;
mod app;
mod bench;
mod call;
mod cli;
mod client;
mod config;
mod demo;
mod doctor;
mod keys;
mod run;
mod show;
mod system;
mod terminal;
mod test;
mod transfer;
mod up;

use std::future::Future;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use kernel::{Problem, codes};
use observe::log::{self, LogSettings};

use cli::{Command, CommandLine, ConfigAction, Place};
use config::{LogFormat, Sources};

pub use app::{App, MIGRATIONS_FROM};
pub use config::Config;
pub use db::migrate::Migration;
pub use system::{System, Use};

/// Reads the command line and the configuration, does what they say, and says what went wrong.
pub fn main() -> ExitCode {
    main_of(App::new())
}

fn main_of(app: App) -> ExitCode {
    let line = CommandLine::parse();
    // Before anything else: a code process has no environment, no threads and no log.
    if matches!(line.command, Command::CodeHost) {
        return sandbox::child_main();
    }
    match app.check().and_then(|()| dispatch(&line, app)) {
        Ok(code) => code,
        Err(problem) => {
            complain(&problem);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(line: &CommandLine, app: App) -> Result<ExitCode, Problem> {
    let uses = Use::of(app);
    let done = |()| ExitCode::SUCCESS;
    match &line.command {
        Command::Config { action } => configuration(line, action),
        Command::Up(place) => {
            let config = start(line, place)?;
            within(up::up(&config, uses)).map(done)
        }
        Command::Serve(place) => {
            let config = start(line, place)?;
            let uses = Use { private_database: false, ..uses };
            within(up::up(&config, uses)).map(done)
        }
        Command::Migrate(place) => {
            let config = start(line, place)?;
            within(up::migrate(&config, &uses.app)).map(done)
        }
        Command::Run(command) => {
            let mut config = quiet(line, &command.place)?;
            if command.place.listen.is_none() {
                // Nobody is to call it: any free port will do.
                config.server.listen.set_port(0);
            }
            within(run::run(&config, uses, command))
        }
        Command::Api { arguments } => api(line, &uses.app, arguments),
        Command::Test(command) => {
            let config = quiet(line, &Place::default())?;
            within(test::test(config, uses, command))
        }
        Command::TestSchema => {
            terminal::say(format_args!("{:#}", test::schema()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Export(command) => {
            let config = quiet(line, &command.server.place())?;
            within(transfer::export(&config, command)).map(done)
        }
        Command::Import(command) => {
            let config = quiet(line, &command.server.place())?;
            within(transfer::import(&config, command)).map(done)
        }
        Command::Bench(command) => {
            let config = quiet(line, &Place::default())?;
            within(bench::bench(config, command)).map(done)
        }
        Command::BenchLoad(load) => {
            let send = async {
                bench::send_load(load).await;
                Ok(())
            };
            within(send).map(done)
        }
        Command::Doctor(place) => {
            let config = quiet(line, place)?;
            within(doctor::doctor(&config))
        }
        Command::Demo { examples } => within(demo::demo(examples)).map(done),
        Command::CodeHost => Ok(sandbox::child_main()),
    }
}

/// Calls a function of the API as the words after `api` say.
fn api(line: &CommandLine, app: &App, words: &[String]) -> Result<ExitCode, Problem> {
    let call = match call::read(&app.all_functions(), words) {
        Ok(call) => call,
        // Help is no error, but it comes the same way.
        Err(said) => {
            let _ = said.print();
            return Ok(ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2)));
        }
    };
    let config = quiet(line, &call.place)?;
    within(call::call(&config, &call))
}

/// Runs on all cores until it is done.
fn within<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let detail = format!("The operating system gives no threads: {error}.");
        Problem::new(codes::INTERNAL, detail)
    })?;
    runtime.block_on(work)
}

fn configuration(line: &CommandLine, action: &ConfigAction) -> Result<ExitCode, Problem> {
    match action {
        ConfigAction::Check => {
            load(line, &Place::default())?;
            terminal::say("The configuration is valid.");
        }
        ConfigAction::Print => terminal::put(&load(line, &Place::default())?.to_toml()),
        ConfigAction::Schema => terminal::put(&Config::schema_text()),
        ConfigAction::Manual => terminal::put(&Config::manual()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration, with the log started as it says.
fn start(line: &CommandLine, place: &Place) -> Result<Config, Problem> {
    let config = load(line, place)?;
    start_log(&config, config.log.filter.clone())?;
    Ok(config)
}

/// The configuration for a command whose output is for its caller: only warnings are logged.
fn quiet(line: &CommandLine, place: &Place) -> Result<Config, Problem> {
    let config = load(line, place)?;
    let filter = match config.log.filter.as_str() {
        "info" => "warn".to_owned(),
        chosen => chosen.to_owned(),
    };
    start_log(&config, filter)?;
    Ok(config)
}

fn start_log(config: &Config, filter: String) -> Result<(), Problem> {
    let format = match config.log.format {
        LogFormat::Json => log::LogFormat::Json,
        LogFormat::Text => log::LogFormat::Text,
        LogFormat::Auto if std::io::stderr().is_terminal() => log::LogFormat::Text,
        LogFormat::Auto => log::LogFormat::Json,
    };
    log::start(&LogSettings { format, filter })
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

/// Says what is wrong, where, and where to read more.
fn complain(problem: &Problem) {
    terminal::warn(format_args!("error: {}", problem.detail));
    for place in &problem.errors {
        // The configuration's detail names its places already.
        if !problem.detail.contains(&place.detail) {
            terminal::warn(format_args!("  {}: {}", place.pointer, place.detail));
        }
    }
    terminal::warn(format_args!("  ({}; see docs/errors/{}.md)", problem.code, problem.code));
}
