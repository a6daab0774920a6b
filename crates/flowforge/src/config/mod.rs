//! Configuration: one TOML file, the environment and the command line, checked as a whole.
//!
//! Later sources win: defaults, then the file, then `FLOWFORGE_SECTION__KEY` variables (and
//! `DATABASE_URL`, `FLOWFORGE_DIRECT_URL`), then flags. Texts may name variables as `${NAME}` or
//! `${NAME:-default}`. A key that is not known is an error, never passed over. Every setting is
//! declared once, in [`settings`]; schema, manual and checks are derived from there.

mod gateway;
mod interpolate;
mod manual;
mod print;
mod schema;
mod settings;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kernel::{Problem, Value, codes, json};

pub(crate) use gateway::*;
pub use settings::Config;
pub(crate) use settings::*;

use source::{Origin, Tree};

/// Where a configuration comes from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The file's path as it shall be named in errors, and its text.
    pub(crate) file: Option<(PathBuf, String)>,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Settings given by flags: dotted path, flag, value.
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// Reads the file that was named, or else `flowforge.toml` in the working directory if there is
    /// one, and the process's environment.
    pub(crate) fn of_process(file: Option<&Path>) -> Result<Self, Problem> {
        let named = file.map(Path::to_path_buf);
        let path = named.clone().unwrap_or_else(|| PathBuf::from("flowforge.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let detail = format!("{} cannot be read: {error}", path.display());
                return Err(Problem::new(codes::CONFIG_INVALID, detail));
            }
        };
        let texts = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Ok(Self {
            file,
            environment: std::env::vars_os().filter_map(texts).collect(),
            flags: Vec::new(),
        })
    }
}

impl Config {
    /// The defaults with these settings on top: dotted path and value, written as for a flag.
    ///
    /// # Errors
    /// `config.invalid`, naming every setting that is unknown or does not fit.
    pub fn of_settings(settings: &[(&'static str, String)]) -> Result<Self, Problem> {
        let flag = |(path, value): &(&'static str, String)| (*path, *path, value.clone());
        let flags = settings.iter().map(flag).collect();
        Self::load(&Sources { flags, ..Sources::default() })
    }

    /// Reads, merges and checks the sources. All faults are reported at once, each with its place.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Problem> {
        let schema = schema::of_config();
        let mut faults = Vec::new();
        let mut tree = Tree::default();
        if let Some((path, text)) = &sources.file {
            match Tree::of_toml(path, text) {
                Ok(read) => tree = read,
                Err(detail) => return Err(Problem::new(codes::CONFIG_INVALID, detail)),
            }
        }
        tree.interpolate(&sources.environment, &schema, &mut faults);
        for (name, value) in &sources.environment {
            if let Some(path) = source::variable_path(name) {
                tree.set(&path, Origin::Variable(name.clone()), value, &schema, &mut faults);
            } else if let Some(fault) = source::near_miss(name, &schema) {
                faults.push(fault);
            }
        }
        for (path, flag, value) in &sources.flags {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            tree.set(&path, Origin::Flag(flag), value, &schema, &mut faults);
        }
        tree.find_unknown(&schema, &mut faults);
        if let Some(config) = tree.read(&schema, &mut faults) {
            config.check(&tree, &mut faults);
            if faults.is_empty() {
                return Ok(config);
            }
        }
        Err(problem(faults))
    }

    /// Checks what a single setting cannot know.
    fn check(&self, tree: &Tree, faults: &mut Vec<Fault>) {
        let mut fault = |pointer: &str, what: &str| faults.push(tree.fault(pointer, what));
        if self.database.direct_url.is_some() && self.database.url.is_none() {
            fault("/database/direct_url", "is given without database.url; give both or neither");
        }
        if self.database.connections_max < 2 {
            fault("/database/connections_max", "must be at least 2");
        }
        self.check_gateway(&mut fault);
        for folder in &self.files.allow {
            if !folder.is_absolute() {
                fault("/files/allow", &format!("\"{}\" must be absolute", folder.display()));
            }
        }
    }
}

impl Config {
    fn check_gateway(&self, fault: &mut impl FnMut(&str, &str)) {
        for network in &self.gateway.proxies {
            if network.parse::<ipnet::IpNet>().is_err() {
                let what = format!("\"{network}\" is no network such as 10.0.0.0/8");
                fault("/gateway/proxies", &what);
            }
        }
        let cors = &self.gateway.cors;
        if cors.credentials && cors.origins.iter().any(|origin| origin == "*") {
            fault("/gateway/cors/credentials", "cannot be on for every origin; name the origins");
        }
        for origin in cors.origins.iter().filter(|origin| !is_origin(origin)) {
            let what = format!("\"{origin}\" is no origin such as https://app.example.com");
            fault("/gateway/cors/origins", &what);
        }
        self.gateway.tls.check(fault);
        if self.function.max_concurrent == 0 {
            fault("/function/max_concurrent", "must be at least 1");
        }
    }
}

/// Scheme, host and port, nothing behind them; or the star.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or(text.strip_prefix("http://"));
    text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#']))
}

/// One thing that is wrong, and where it came from.
#[derive(Debug)]
struct Fault {
    /// JSON pointer of the setting.
    pointer: String,
    /// `flowforge.toml line 3: server.lisen is not a setting. …`
    detail: String,
}

fn problem(faults: Vec<Fault>) -> Problem {
    let details: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
    let problem = Problem::new(codes::CONFIG_INVALID, details.join("\n"));
    faults.iter().fold(problem, |problem, fault| {
        problem.at(fault.pointer.clone(), codes::CONFIG_INVALID, fault.detail.clone())
    })
}

/// Reads a type from a value; the error is a sentence for the user.
fn read_value<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
