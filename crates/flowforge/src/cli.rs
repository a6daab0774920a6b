//! The command line: what can be typed, with its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Durable workflows on PostgreSQL: draw them, run them, never lose a run.
#[derive(Debug, Parser)]
#[command(name = "flowforge", version, max_term_width = 100)]
pub(crate) struct CommandLine {
    /// The configuration file; without it `flowforge.toml` in this folder, if there is one.
    #[arg(long, global = true, env = "FLOWFORGE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything; without a database URL a private PostgreSQL, too.
    Up(Place),
    /// Start everything on the configured database.
    Serve(Place),
    /// Bring the configured or private database to this version's schema, then stop.
    Migrate(Place),
    /// Run a workflow file and print what every node did.
    Run(Run),
    /// Call a function of the API on a running server; without one: list them.
    #[command(disable_help_flag = true)]
    Api {
        /// The function and its arguments; `flowforge api FUNCTION --help` explains them.
        #[arg(value_name = "FUNCTION", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the tests of workflows in a folder, on a server of their own.
    Test(Test),
    /// Print the JSON Schema of files of tests.
    #[command(hide = true)]
    TestSchema,
    /// Write the workflows of the running server into a folder.
    Export(Export),
    /// Store the workflows of a folder in the running server: all of them or none.
    Import(Import),
    /// Measure; prints one JSON object.
    Bench(Bench),
    /// Check or print the configuration.
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Look at everything FlowForge needs and say what is wrong.
    Doctor(Place),
    /// Run the example of the README, kill the server in its middle and show that nothing is lost.
    Demo {
        /// Folder of the examples.
        #[arg(long, value_name = "DIR", default_value = "examples")]
        examples: PathBuf,
    },
    /// Run code of workflows; started by the server itself.
    #[command(hide = true)]
    CodeHost,
    /// Send the load of `bench`; started by it.
    #[command(hide = true)]
    BenchLoad(crate::bench::load::Load),
}

/// Where the data is and where to listen.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// Folder for the private PostgreSQL, the lock and the owner's key [default: .flowforge].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address to listen on, such as 127.0.0.1:0 for any free port [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
}

/// `flowforge config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Say whether the configuration is valid, and everything that is wrong with it.
    Check,
    /// Print every setting as it is in effect, without secrets.
    Print,
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print the manual page of every setting (Markdown).
    Manual,
}

/// `flowforge run …`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The workflow: YAML or JSON.
    pub(crate) file: PathBuf,
    /// Name of the trigger to start at; without it the manual trigger, else the first one.
    #[arg(long, value_name = "NODE")]
    pub(crate) trigger: Option<String>,
    /// What the trigger puts out: JSON (an object, an item or a list of either), or @file.
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) input: Option<String>,
    /// Whether pinned outputs stand in for their nodes.
    #[arg(long, value_enum, default_value_t = Pins::Ignore)]
    pub(crate) pins: Pins,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Whether pinned outputs stand in for their nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pins {
    /// Every node runs.
    Ignore,
    /// Nodes with a pinned output do not run.
    Use,
}

/// `flowforge test …`
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Folder with files `*.test.yaml`, or one such file. Workflows see a copy of it as `[files] base`.
    pub(crate) folder: PathBuf,
    /// Write a report for CI into this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print one JSON object instead of lines for people.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which server is asked.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Asked {
    /// Data directory of the running server [default: .flowforge].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl Asked {
    pub(crate) fn place(&self) -> Place {
        Place { data_dir: self.data_dir.clone(), listen: None }
    }
}

/// `flowforge export …`
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Folder to write to; each project is a folder in it. Files of the same name are replaced.
    pub(crate) folder: PathBuf,
    /// Only workflows of the project with this id or name.
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Only workflows with this tag.
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// How the files are written.
    #[arg(long, value_enum, default_value_t = FileForm::Yaml)]
    pub(crate) form: FileForm,
    #[command(flatten)]
    pub(crate) server: Asked,
}

/// How files of workflows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileForm {
    /// YAML, as the author wrote it where it was YAML.
    Yaml,
    /// JSON.
    Json,
}

/// `flowforge import …`
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Folder with workflows (YAML or JSON), or one such file.
    pub(crate) folder: PathBuf,
    /// Name or id of the project of files that lie in no folder of the folder.
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// What happens when a workflow's name is taken.
    #[arg(long, value_enum, default_value_t = Taken::Refuse)]
    pub(crate) on_conflict: Taken,
    /// Store workflows that cannot be published yet, too.
    #[arg(long)]
    pub(crate) incomplete: bool,
    #[command(flatten)]
    pub(crate) server: Asked,
}

/// What happens when a workflow's name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Taken {
    /// Nothing is imported.
    Refuse,
    /// The draft of the one that is there is replaced.
    Replace,
    /// It gets another name.
    Rename,
}

/// `flowforge bench …`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure.
    #[arg(long, value_enum)]
    pub(crate) workload: Workload,
    /// How long to measure, after a warm-up of a fifth of it.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Requests in flight [default: what the workload is judged by].
    #[arg(long)]
    pub(crate) concurrency: Option<usize>,
    /// Of `steps` and `fanout`: the effect class of the steps. Of `api`: what is called.
    #[arg(long, value_enum)]
    pub(crate) class: Option<Class>,
    /// Print one JSON object instead of lines for people.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Webhook → compute → if → respond, by HTTP.
    Webhook,
    /// Ten steps in sequence.
    Steps,
    /// A hundred parallel steps and their join.
    Fanout,
    /// Starting runs that do nothing.
    Start,
    /// Enqueueing and draining jobs that do nothing.
    Queue,
    /// One simple call of the API.
    Api,
}

/// Which kind of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Class {
    /// Each step waits until everything before it is durable (what `steps` and `fanout` are without
    /// a word).
    External,
    /// Steps wait for nothing.
    Pure,
    /// Reading one workflow (what `api` is without a word).
    Query,
    /// Saving one workflow.
    Mutation,
}

impl Class {
    /// As steps.
    pub(crate) fn of_steps(class: Option<Self>) -> StepClass {
        match class {
            Some(Self::Pure) => StepClass::Pure,
            _ => StepClass::External,
        }
    }

    /// As calls of the API.
    pub(crate) fn of_api(class: Option<Self>) -> ApiClass {
        match class {
            Some(Self::Mutation) => ApiClass::Mutation,
            _ => ApiClass::Query,
        }
    }
}

/// Effect class of the steps of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepClass {
    /// Each step waits until everything before it is durable.
    External,
    /// Steps wait for nothing.
    Pure,
}

/// What the API's workload calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiClass {
    /// One workflow is read.
    Query,
    /// One workflow is saved.
    Mutation,
}
