//! PostgreSQL for the rest of the program: connections, transactions under an identity, named
//! statements, migrations, and the private server that is started when nobody gave a database.
//!
//! - [`Database`] is the handle everybody clones. It holds a pool for transactions and knows how to
//!   open dedicated connections ([`Session`]) for the engine's lanes and for the owner.
//! - [`Tx`] is one transaction as `forge_app` under an [`Identity`]; row-level security holds in it
//!   even for a forgotten `WHERE`.
//! - [`Statement`]s are declared once by [`sql!`]; a test prepares them all ([`prepare_all`]).
//! - [`migrate`] brings a database to this binary's schema, [`roles`] makes the three roles.
//! - [`private`] manages a PostgreSQL of our own in a state directory.
//!
//! Invariants: an identity never outlives its transaction; a commit that the server answered with
//! `ROLLBACK` is an error; a transaction that was dropped midway is rolled back or its connection
//! discarded before anybody else gets it; a migration that was applied never changes.
//!
//! Absent on purpose: SQL of the domains (it is in each domain's `store.rs`), an object mapper,
//! prepared statements on the pool (they do not work through PgBouncer in transaction mode),
//! unproven encryption (`sslmode=require` proves the server's certificate too, `prefer` is plain).

mod connect;
mod database;
mod error;
mod identity;
mod lane;
pub mod migrate;
pub mod private;
pub mod roles;
mod session;
mod settings;
mod statement;
pub mod testing;
mod tls;
mod tx;

pub use database::Database;
pub use error::{Columns, Error};
pub use identity::Identity;
pub use lane::Lane;
pub use session::{Backend, LaneSettings, Session};
pub use settings::Settings;
pub use statement::{Access, Statement, prepare_all};
pub use tokio_postgres::types::{FromSql, Json, ToSql, Type};
pub use tokio_postgres::{Client, Row};
pub use tx::{Parameters, Tx};
