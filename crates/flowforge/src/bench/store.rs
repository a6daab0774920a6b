//! What raw PostgreSQL costs on the same server in the same run, and what it counted meanwhile.

use std::time::Duration;

use db::{Database, Error};
use kernel::Clock;

/// How long each raw measurement takes.
const RAW_FOR: Duration = Duration::from_millis(1_500);
/// Rows of a batch.
const BATCH: usize = 100;
/// Bytes of a row: about a short record of the journal.
const ROW_BYTES: usize = 150;

const CREATE: &str = "CREATE TABLE forge.bench_rows (id bigint GENERATED ALWAYS AS IDENTITY, \
                      body bytea NOT NULL, PRIMARY KEY (id))";
const DROP: &str = "DROP TABLE IF EXISTS forge.bench_rows";
const INSERT_ONE: &str = "INSERT INTO forge.bench_rows (body) VALUES ($1)";
const INSERT_MANY: &str = "INSERT INTO forge.bench_rows (body) SELECT unnest($1::bytea[])";
const COUNTERS: &str = "SELECT (SELECT xact_commit FROM pg_stat_database \
                        WHERE datname = current_database()), \
                        pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";

/// What raw PostgreSQL does on this machine, now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw {
    /// Half of the commits of one client that inserts single rows took no longer, in milliseconds.
    pub(crate) c1_ms: f64,
    /// Rows a second that one client inserts in batches of a hundred.
    pub(crate) a100_rows_per_s: f64,
}

/// What the server had counted at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// Transactions committed in this database. Backends report about once a second.
    pub(crate) commits: i64,
    /// Bytes of write-ahead log, since ever.
    pub(crate) wal_bytes: i64,
}

/// Measures the server with nothing of ours between: on a table of its own, which is dropped again.
pub(crate) async fn raw(database: &Database, clock: &dyn Clock) -> Result<Raw, Error> {
    let owner = database.owner().await?;
    owner.batch_execute(DROP).await?;
    owner.batch_execute(CREATE).await?;
    let one = owner.prepare(INSERT_ONE).await?;
    let body = vec![7_u8; ROW_BYTES];
    let mut commits_us = Vec::new();
    let end = clock.monotonic() + RAW_FOR;
    loop {
        let before = clock.monotonic();
        if before >= end {
            break;
        }
        owner.execute(&one, &[&body]).await?;
        commits_us.push((clock.monotonic() - before).as_micros());
    }
    commits_us.sort_unstable();
    let median_us = commits_us.get(commits_us.len() / 2).copied().unwrap_or_default();

    let many = owner.prepare(INSERT_MANY).await?;
    let bodies = vec![body; BATCH];
    let start = clock.monotonic();
    let mut rows = 0;
    while clock.monotonic() - start < RAW_FOR {
        owner.execute(&many, &[&bodies]).await?;
        rows += BATCH;
    }
    let took = (clock.monotonic() - start).as_secs_f64();
    owner.batch_execute(DROP).await?;
    Ok(Raw { c1_ms: median_us as f64 / 1000.0, a100_rows_per_s: rows as f64 / took })
}

/// The server's counters now.
pub(crate) async fn counters(database: &Database) -> Result<Counters, Error> {
    let owner = database.owner().await?;
    let row = owner.query_one(COUNTERS, &[]).await?;
    Ok(Counters { commits: row.try_get(0)?, wal_bytes: row.try_get(1)? })
}
