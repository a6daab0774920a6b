//! Bringing a database to this binary's schema: embedded, forward-only, checksummed migrations.

use std::collections::HashSet;
use std::fmt;

use kernel::{Problem, codes};
use tokio_postgres::types::Type;

use crate::error::{Columns, Error, with_causes};
use crate::{Database, Session};

/// One file of `migrations/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Number in front of the file's name.
    pub number: i32,
    /// File name without `.sql`.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// What a migrator did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Names of the migrations applied now, in order.
    pub applied: Vec<String>,
}

/// Applies what is missing. Safe to call from several members at once: one does it, the others wait.
///
/// # Errors
/// `database.newer_schema` (a migration we do not know wants a newer binary), `database.changed_migration`
/// (an applied file is not what it was), `database.migration_failed`, `database.unavailable`.
pub async fn migrate(database: &Database) -> Result<Report, Problem> {
    migrate_with(database, MIGRATIONS, env!("CARGO_PKG_VERSION")).await
}

/// A short text that changes whenever any migration does.
pub fn fingerprint() -> String {
    let all: Vec<&str> = MIGRATIONS.iter().map(|migration| migration.text).collect();
    checksum(&all.concat())[..16].to_owned()
}

/// As [`migrate`], with a given list and the version of a given binary.
pub async fn migrate_with(
    database: &Database,
    migrations: &[Migration],
    binary: &str,
) -> Result<Report, Problem> {
    let binary = Version::parse(binary).ok_or_else(|| wrong_file("the binary", "version"))?;
    let known = migrations.iter().map(Known::read).collect::<Result<Vec<_>, _>>()?;
    let owner = database.owner().await?;
    prepare(&owner).await.map_err(Error::from)?;
    lock(&owner).await.map_err(Error::from)?;
    let result = apply_missing(&owner, &known, binary).await;
    // The session ends here and the lock with it, even when this fails.
    let unlocked = owner.query_typed("SELECT pg_advisory_unlock($1)", &[(&LOCK, Type::INT8)]).await;
    if let Err(error) = unlocked {
        tracing::debug!(error.cause = %with_causes(&error), "the migration lock ends with its session");
    }
    result
}

/// Key of the advisory lock all migrators of a database share: "forge" in ASCII.
const LOCK: i64 = 0x66_6f72_6765;

/// No statement here is under a time limit: an index on a large table takes what it takes.
async fn prepare(owner: &Session) -> Result<(), tokio_postgres::Error> {
    owner.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await
}

async fn lock(owner: &Session) -> Result<(), tokio_postgres::Error> {
    owner.query_typed("SELECT pg_advisory_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    // Only the holder of the lock gets here, so "if not exists" cannot race.
    owner
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS forge; \
             CREATE TABLE IF NOT EXISTS forge.migrations ( \
                number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, \
                oldest_binary text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), \
                applied_by text NOT NULL)",
        )
        .await
}

async fn apply_missing(
    owner: &Session,
    known: &[Known],
    binary: Version,
) -> Result<Report, Problem> {
    let applied = owner
        .query("SELECT number, name, checksum, oldest_binary FROM forge.migrations", &[])
        .await
        .map_err(Error::from)?;
    let mut done = HashSet::new();
    for row in &applied {
        let number: i32 = row.column("number")?;
        check_applied(
            known.iter().find(|migration| migration.number == number),
            row.column("name")?,
            row.column("checksum")?,
            row.column("oldest_binary")?,
            binary,
        )?;
        done.insert(number);
    }
    let mut report = Report { applied: Vec::new() };
    for migration in known.iter().filter(|migration| !done.contains(&migration.number)) {
        apply(owner, migration, binary).await?;
        tracing::info!(migration.name = migration.name, "migration applied");
        report.applied.push(migration.name.to_owned());
    }
    Ok(report)
}

/// What an applied migration means for this binary: ours and unchanged, or a newer one's that lets
/// this binary run beside it.
fn check_applied(
    known: Option<&Known>,
    name: &str,
    checksum: &str,
    oldest_binary: &str,
    binary: Version,
) -> Result<(), Problem> {
    match known {
        Some(known) if known.checksum == checksum => Ok(()),
        Some(_) => Err(Problem::new(
            codes::DATABASE_CHANGED_MIGRATION,
            format!(
                "The database holds another text of the migration {name} than this program. Use \
                 the build that migrated it, or restore the file; a change needs a new migration."
            ),
        )),
        None if Version::parse(oldest_binary).is_some_and(|oldest| oldest <= binary) => Ok(()),
        None => Err(Problem::new(
            codes::DATABASE_NEWER_SCHEMA,
            format!(
                "The database was migrated by a newer program: {name} needs version \
                 {oldest_binary} or later, this is {binary}. Start that version."
            ),
        )),
    }
}

async fn apply(owner: &Session, migration: &Known, binary: Version) -> Result<(), Problem> {
    let record = format!(
        "INSERT INTO forge.migrations (number, name, checksum, oldest_binary, applied_by) \
         VALUES ({}, '{}', '{}', '{}', '{binary}')",
        migration.number, migration.name, migration.checksum, migration.oldest_binary
    );
    let result = match migration.transaction {
        Transaction::Whole => {
            let text = format!("BEGIN;\n{}\n;{record};\nCOMMIT", migration.text);
            owner.batch_execute(&text).await
        }
        Transaction::None => without_transaction(owner, migration, &record).await,
    };
    let Err(error) = result else { return Ok(()) };
    // Leaves the session usable; the error that counts is the first.
    let _ = owner.batch_execute("ROLLBACK").await;
    match Error::from(error) {
        Error::Internal(text) | Error::Data(text) => {
            tracing::error!(
                error.cause = text,
                migration.name = migration.name,
                "migration failed"
            );
            Err(Problem::new(
                codes::DATABASE_MIGRATION_FAILED,
                format!(
                    "The migration {} failed and was undone; the cause is in the log. The database \
                     is as it was before it.",
                    migration.name
                ),
            ))
        }
        other => Err(other.into()),
    }
}

/// Statement by statement: CREATE INDEX CONCURRENTLY refuses to run with others in one message. Such
/// files are written so that they can run again from their start (`IF NOT EXISTS`).
async fn without_transaction(
    owner: &Session,
    migration: &Known,
    record: &str,
) -> Result<(), tokio_postgres::Error> {
    for statement in statements_of(migration.text) {
        owner.batch_execute(statement).await?;
    }
    owner.batch_execute(record).await
}

/// Splits at semicolons that end a line; bodies of functions do not belong into such files.
fn statements_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(|part| part.trim().trim_end_matches(';')).filter(|part| {
        part.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    Whole,
    None,
}

/// A migration with its header read.
#[derive(Debug)]
struct Known {
    number: i32,
    name: &'static str,
    text: &'static str,
    checksum: String,
    oldest_binary: Version,
    transaction: Transaction,
}

impl Known {
    /// The header is the comment lines in front of the first statement.
    fn read(migration: &Migration) -> Result<Self, Problem> {
        let header = || migration.text.lines().map_while(|line| line.strip_prefix("--"));
        let oldest = header()
            .find_map(|line| line.trim().strip_prefix("oldest-binary:"))
            .and_then(|version| Version::parse(version.trim()))
            .ok_or_else(|| wrong_file(migration.name, "-- oldest-binary: X.Y.Z"))?;
        let alone = header().any(|line| line.trim() == "no-transaction");
        Ok(Self {
            number: migration.number,
            name: migration.name,
            text: migration.text,
            checksum: checksum(migration.text),
            oldest_binary: oldest,
            transaction: if alone { Transaction::None } else { Transaction::Whole },
        })
    }
}

fn wrong_file(name: &str, wanted: &str) -> Problem {
    tracing::error!(migration.name = name, wanted, "a migration's header is incomplete");
    Problem::internal()
}

fn checksum(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `major.minor.patch`; what follows a `-` or `+` is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let core = text.split(['-', '+']).next()?;
        let mut parts = core.splitn(3, '.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next()??, parts.next()??))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_transaction_is_run_statement_by_statement() {
        let text =
            "-- oldest-binary: 0.1.0\n-- no-transaction\nCREATE INDEX a;\n\n-- why\nSET b;\n";
        let statements: Vec<&str> = statements_of(text).collect();
        assert_eq!(statements.len(), 2, "{statements:?}");
        assert!(statements[0].ends_with("CREATE INDEX a"));
        assert!(statements[1].ends_with("SET b"));
    }

    #[test]
    fn versions_compare_by_number_and_ignore_suffixes() {
        let parse = |text| Version::parse(text).unwrap();
        assert!(parse("0.10.0") > parse("0.9.9"));
        assert_eq!(parse("1.2.3-dev+4"), parse("1.2.3"));
        assert!(Version::parse("1.2").is_none());
    }

    #[test]
    fn every_embedded_migration_has_a_header() {
        for migration in MIGRATIONS {
            assert!(Known::read(migration).is_ok(), "{}", migration.name);
        }
    }
}
