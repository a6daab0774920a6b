//! Named statements, declared once and used for execution, for the test that prepares them all, and
//! for knowing what a query reads.

use tokio_postgres::types::Type;

use crate::{Database, Error};

/// A table a statement touches and the key it is touched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Table of schema `forge`, without the schema.
    pub table: &'static str,
    /// Such as `prefix = $1`; empty: any row.
    pub key: &'static str,
}

/// A statement with its name, its parameter types and what it touches. Made by [`sql!`](crate::sql).
#[derive(Debug)]
pub struct Statement {
    /// `crate.verb_noun`, unique in the program.
    pub name: &'static str,
    /// Tables it reads.
    pub reads: &'static [Access],
    /// Tables it changes.
    pub writes: &'static [Access],
    /// Types of `$1`, `$2` …
    pub parameters: &'static [Type],
    /// The SQL, tables qualified with `forge.`.
    pub text: &'static str,
}

/// Declares a [`Statement`]:
///
/// ```ignore
/// pub const FIND_KEY: Statement = db::sql!(
///     "identity.find_key", reads(api_keys[prefix = $1]), (TEXT), "SELECT … WHERE prefix = $1");
/// pub const ADD_KEY: Statement = db::sql!(
///     "identity.add_key", reads(users) writes(api_keys), (UUID, TEXT), "INSERT …");
/// ```
/// Types are the names of [`Type`]'s constants: `TEXT`, `UUID`, `INT8`, `BYTEA`, `TIMESTAMPTZ`,
/// `JSONB`, `TEXT_ARRAY`, `CHAR` (the one-byte `"char"`) …
#[macro_export]
macro_rules! sql {
    ($name:literal,
     $(reads($($read:ident $([$($read_key:tt)*])?),* $(,)?))?
     $(writes($($write:ident $([$($write_key:tt)*])?),* $(,)?))?,
     ($($type:ident),* $(,)?), $text:expr $(,)?) => {
        $crate::Statement {
            name: $name,
            reads: &[$($($crate::Access {
                table: stringify!($read), key: stringify!($($($read_key)*)?),
            }),*)?],
            writes: &[$($($crate::Access {
                table: stringify!($write), key: stringify!($($($write_key)*)?),
            }),*)?],
            parameters: &[$($crate::Type::$type),*],
            text: $text,
        }
    };
}

/// How a fenced statement begins: `fence` is a row as long as the fence of incarnation `$1` on lane `$2`
/// is open, and nobody closes it before the transaction ends. Whatever such a statement does comes FROM
/// it, or asks it.
#[macro_export]
macro_rules! fence {
    () => {
        "WITH fence AS (
    SELECT incarnation FROM forge.fences
    WHERE incarnation = $1 AND lane = $2 AND fenced_at IS NULL FOR SHARE
)"
    };
}

/// Prepares every statement on a migrated database and so proves its names and types. For tests.
///
/// Fails with the names and the server's words of all that do not fit, and when two statements
/// share a name.
pub async fn prepare_all(database: &Database, statements: &[&Statement]) -> Result<(), Error> {
    let owner = database.owner().await?;
    let mut wrong = Vec::new();
    let mut names = std::collections::HashSet::new();
    for statement in statements {
        if !names.insert(statement.name) {
            wrong.push(format!("{}: two statements have this name", statement.name));
        }
        if let Err(error) = owner.prepare_typed(statement.text, statement.parameters).await {
            wrong.push(format!("{}: {}", statement.name, crate::error::with_causes(&error)));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Internal(wrong.join("\n"))) }
}
