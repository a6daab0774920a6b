//! An application of one's own: FlowForge with more functions, node types, jobs and tables.
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     flowforge::App::new()
//!         .functions(&[api::add_parcel::FUNCTION, api::list_parcels::FUNCTION])
//!         .nodes(&[nodes::weigh::NODE])
//!         .jobs(&[jobs::announce::JOB])
//!         .migrations(MIGRATIONS)
//!         .serve()
//! }
//! ```
//! The program that comes of it *is* FlowForge: the same command line, API document, tables, tests.
//! What it adds is refused at the start when it collides with what is there.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;
use std::process::ExitCode;
use std::sync::Arc;

use db::migrate::{MIGRATIONS, Migration};
use function::{Function, Job, ServicesBuilder};
use kernel::{Problem, codes};
use node::{NodeType, Registry};

use crate::api;

/// The numbers of an application's migrations begin here; lower ones are FlowForge's own.
pub const MIGRATIONS_FROM: i32 = 10_000;

/// Puts one service into the set that every start makes anew.
type Provide = Arc<dyn Fn(ServicesBuilder) -> ServicesBuilder + Send + Sync>;

/// What a program adds to FlowForge. Begins with nothing: that is FlowForge itself.
#[derive(Clone, Default)]
pub struct App {
    functions: Vec<Function>,
    nodes: Vec<NodeType>,
    jobs: Vec<Job>,
    migrations: Vec<Migration>,
    services: Vec<Provide>,
}

impl App {
    /// FlowForge as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds functions: routes, API document, permissions, audit and command line come with them.
    #[must_use]
    pub fn functions(mut self, functions: &[Function]) -> Self {
        self.functions.extend_from_slice(functions);
        self
    }

    /// Adds node types for workflows.
    #[must_use]
    pub fn nodes(mut self, nodes: &[NodeType]) -> Self {
        self.nodes.extend_from_slice(nodes);
        self
    }

    /// Adds kinds of jobs.
    #[must_use]
    pub fn jobs(mut self, jobs: &[Job]) -> Self {
        self.jobs.extend_from_slice(jobs);
        self
    }

    /// Adds migrations, numbered from [`MIGRATIONS_FROM`] on. They run after FlowForge's own, by the
    /// same rules; `SELECT forge.isolate('parcels')` confines a table to its workspaces.
    #[must_use]
    pub fn migrations(mut self, migrations: &[Migration]) -> Self {
        self.migrations.extend_from_slice(migrations);
        self
    }

    /// Adds a service that functions and jobs find by its type; every start gets a clone.
    #[must_use]
    pub fn service<T: Clone + Send + Sync + 'static>(mut self, service: T) -> Self {
        self.services.push(Arc::new(move |services| services.with(service.clone())));
        self
    }

    /// Does what the command line says, as `flowforge` itself would.
    pub fn serve(self) -> ExitCode {
        crate::main_of(self)
    }

    /// Refuses what collides; [`App::serve`] asks it first.
    ///
    /// # Errors
    /// `config.invalid` that names the first collision.
    pub fn check(&self) -> Result<(), Problem> {
        let functions = self.all_functions();
        once("function", functions.iter().map(|function| function.name))?;
        once("route", functions.iter().map(|f| format!("{} {}", f.method.as_str(), f.path)))?;
        let types = nodes::NODES.iter().chain(&self.nodes);
        once("node type", types.map(|kind| format!("{}@{}", kind.about.name, kind.about.version)))?;
        once("kind of job", self.jobs.iter().map(|job| job.kind))?;
        once("migration", self.migrations.iter().map(|migration| migration.number))?;
        match self.migrations.iter().find(|migration| migration.number < MIGRATIONS_FROM) {
            None => Ok(()),
            Some(low) => Err(refused(format!(
                "The migration {} is numbered below {MIGRATIONS_FROM}; those are FlowForge's own.",
                low.name
            ))),
        }
    }

    /// FlowForge's functions and these, sorted by path and method.
    pub(crate) fn all_functions(&self) -> Vec<Function> {
        let mut functions = gateway::functions();
        functions.extend_from_slice(api::FUNCTIONS);
        functions.extend_from_slice(&self.functions);
        functions.sort_by_key(|function| (function.path, function.method));
        functions
    }

    /// FlowForge's node types and these.
    pub(crate) fn registry(&self) -> Registry {
        Registry::new(nodes::NODES.iter().chain(&self.nodes).copied())
    }

    /// FlowForge's migrations and then these.
    pub(crate) fn all_migrations(&self) -> Vec<Migration> {
        let mut own = self.migrations.clone();
        own.sort_by_key(|migration| migration.number);
        MIGRATIONS.iter().copied().chain(own).collect()
    }

    /// The kinds of jobs.
    pub(crate) fn all_jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// Puts the services in.
    pub(crate) fn provide(&self, services: ServicesBuilder) -> ServicesBuilder {
        self.services.iter().fold(services, |services, provide| provide(services))
    }
}

fn once<T: Eq + Hash + Display>(what: &str, names: impl Iterator<Item = T>) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    for name in names {
        if let Some(twice) = seen.replace(name) {
            return Err(refused(format!("The {what} {twice} is declared twice.")));
        }
    }
    Ok(())
}

fn refused(detail: String) -> Problem {
    Problem::new(codes::CONFIG_INVALID, detail)
}
