//! `flowforge doctor`: looks at everything a server needs and says what is wrong.

use std::process::ExitCode;

use db::private::Lock;
use kernel::Problem;

use crate::config::Config;
use crate::show;
use crate::system::Store;
use crate::terminal;

/// Prints a line for each thing it looked at; success when all is well.
pub(crate) async fn doctor(config: &Config) -> Result<ExitCode, Problem> {
    let mut findings = vec![Finding::good("configuration", "valid")];
    let holder = Lock::holder(&config.data_dir)?;
    match holder {
        Some(holder) => {
            let address = holder.address.unwrap_or_else(|| "no address yet".to_owned());
            let said = format!("a server runs: process {}, {address}", holder.pid);
            findings.push(Finding::good("data directory", said));
        }
        None => database(config, &mut findings).await,
    }
    for folder in &config.files.allow {
        let name = format!("files in {}", folder.display());
        findings.push(match std::fs::read_dir(folder) {
            Ok(_) => Finding::good(name, "readable"),
            Err(error) => Finding::bad(name, error.to_string()),
        });
    }
    let rows: Vec<Vec<String>> = findings.iter().map(Finding::row).collect();
    terminal::put(&show::table(&["what", "", "found"], &rows));
    match findings.iter().all(|finding| finding.good) {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

/// Opens the database the way a start does.
async fn database(config: &Config, findings: &mut Vec<Finding>) {
    let lock = match Lock::acquire(&config.data_dir) {
        Ok(lock) => lock,
        Err(problem) => return findings.push(Finding::bad("data directory", problem.detail)),
    };
    let said = format!("{}, free", config.data_dir.display());
    findings.push(Finding::good("data directory", said));
    match Store::open(config, lock, true).await {
        Ok(store) => {
            let answered = store.database.ping().await;
            findings.push(match answered {
                Ok(()) => Finding::good("database", "answers; roles and rights are there"),
                Err(error) => Finding::bad("database", Problem::from(error).detail),
            });
            store.close().await;
        }
        Err(problem) => findings.push(Finding::bad("database", problem.detail)),
    }
}

/// Something that was looked at.
struct Finding {
    what: String,
    good: bool,
    said: String,
}

impl Finding {
    fn good(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { what: what.into(), good: true, said: said.into() }
    }

    fn bad(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { what: what.into(), good: false, said: said.into() }
    }

    fn row(&self) -> Vec<String> {
        let mark = if self.good { "ok" } else { "WRONG" };
        vec![self.what.clone(), mark.to_owned(), self.said.clone()]
    }
}
