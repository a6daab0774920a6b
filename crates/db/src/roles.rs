//! The three roles everything runs as, and the check that the login may become them.
//!
//! `forge_owner` owns and migrates, `forge_app` is under row-level security, `forge_engine` sees the
//! engine's tables of all workspaces. The login role only becomes one of them.

use kernel::{Problem, codes};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::error::{Error, with_causes};

/// The roles, in the order they are made.
pub const ROLES: [&str; 3] = ["forge_owner", "forge_app", "forge_engine"];

const MISSING: &str = "\
    SELECT name, EXISTS (SELECT FROM pg_roles WHERE rolname = name) AS exists \
    FROM unnest($1::text[]) AS name \
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \
       OR NOT pg_has_role(current_user, name, 'MEMBER')";

const MAY_CREATE: &str = "\
    SELECT has_database_privilege('forge_owner', current_database(), 'CREATE') AS allowed, \
           quote_ident(current_database()) AS database, quote_ident(current_user) AS login";

/// Makes the roles that are missing, makes the login a member of them, and lets `forge_owner` create
/// its schema. Costs two look-ups when all is there.
///
/// # Errors
/// `database.permission` with the grants to run when the login may not do it.
pub async fn ensure(client: &Client) -> Result<(), Problem> {
    let roles = ROLES.map(str::to_owned).to_vec();
    let missing = client.query(MISSING, &[&roles]).await.map_err(Error::from)?;
    for row in &missing {
        let name: &str = row.get(0);
        let exists: bool = row.get(1);
        make(client, name, exists).await?;
    }
    let row = client.query_one(MAY_CREATE, &[]).await.map_err(Error::from)?;
    let (allowed, database): (bool, String) = (row.get(0), row.get(1));
    if !allowed {
        let grant = format!("GRANT CREATE, CONNECT ON DATABASE {database} TO forge_owner");
        run(client, &grant).await?;
    }
    Ok(())
}

/// Two members starting together both find it missing: "it exists" is success.
async fn make(client: &Client, name: &str, exists: bool) -> Result<(), Problem> {
    if !exists {
        run(client, &format!("CREATE ROLE {name} NOLOGIN")).await?;
    }
    run(client, &format!("GRANT {name} TO CURRENT_USER")).await
}

async fn run(client: &Client, text: &str) -> Result<(), Problem> {
    let Err(error) = client.batch_execute(text).await else { return Ok(()) };
    match error.code() {
        // The last two: the same row of a catalogue was written by another member just now.
        Some(&SqlState::DUPLICATE_OBJECT | &SqlState::UNIQUE_VIOLATION) => Ok(()),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE) => Ok(()),
        Some(&SqlState::INTERNAL_ERROR) if with_causes(&error).contains("concurrently") => Ok(()),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Err(not_permitted(client).await),
        _ => Err(Error::from(error).into()),
    }
}

async fn not_permitted(client: &Client) -> Problem {
    let names = client
        .query_one("SELECT quote_ident(current_user), quote_ident(current_database())", &[])
        .await
        .and_then(|row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?)));
    let (login, database) = names.unwrap_or_else(|_| ("<login>".into(), "<database>".into()));
    Problem::new(
        codes::DATABASE_PERMISSION,
        format!(
            "The database role {login} may not create FlowForge's roles. As a superuser run: \
             CREATE ROLE forge_owner NOLOGIN; CREATE ROLE forge_app NOLOGIN; CREATE ROLE \
             forge_engine NOLOGIN; GRANT forge_owner, forge_app, forge_engine TO {login}; \
             GRANT CREATE, CONNECT ON DATABASE {database} TO forge_owner;"
        ),
    )
}
