//! The first start: a workspace, its owner, and one key that is shown once.

use db::Database;
use kernel::{ApiKeyId, Clock, Dice, PrincipalId, Problem, Secret, WorkspaceId, codes};

use crate::key::Key;
use crate::store;

/// Slug of the first workspace: that of whoever runs the server.
pub const FIRST_SLUG: &str = "default";

/// The owner's first key.
#[derive(Debug)]
pub enum FirstKey {
    /// There is a workspace already: nothing was made.
    Existing,
    /// Made now from random bits: show it, it is nowhere else.
    Made(Secret),
    /// Made now from the text the operator chose.
    Chosen,
}

/// Makes the first workspace unless there is one. Safe for several members that start at once.
///
/// # Errors
/// `config.invalid` when the chosen key is too short, `database.unavailable`.
pub async fn bootstrap(
    database: &Database,
    clock: &dyn Clock,
    dice: &dyn Dice,
    chosen: Option<&Secret>,
) -> Result<FirstKey, Problem> {
    let key = match chosen {
        Some(text) => Key::chosen(text.expose())?,
        None => Key::generate()?,
    };
    let first = store::First {
        workspace: WorkspaceId::new(clock, dice),
        slug: FIRST_SLUG,
        owner: PrincipalId::new(clock, dice),
        key: ApiKeyId::new(clock, dice),
        prefix: key.prefix(),
        hash: key.hash(),
    };
    let owner = database.owner().await?;
    if !store::create_first(&owner, &first).await? {
        return Ok(FirstKey::Existing);
    }
    tracing::info!(workspace.slug = FIRST_SLUG, "made the first workspace");
    Ok(match chosen {
        Some(_) => FirstKey::Chosen,
        None => FirstKey::Made(key.text().clone()),
    })
}

/// Makes one more key of the first workspace's owner, for whoever may reach the database as its
/// owner anyway: the command line on the server's own machine.
///
/// # Errors
/// `auth.required` when there is no workspace yet, `database.unavailable`.
pub async fn issue_owner_key(
    database: &Database,
    clock: &dyn Clock,
    dice: &dyn Dice,
    name: &str,
) -> Result<Secret, Problem> {
    let key = Key::generate()?;
    let row = store::OwnerKey {
        slug: FIRST_SLUG,
        id: ApiKeyId::new(clock, dice),
        name,
        prefix: key.prefix(),
        hash: key.hash(),
    };
    let owner = database.owner().await?;
    if store::add_owner_key(&owner, &row).await? {
        Ok(key.text().clone())
    } else {
        Err(Problem::new(codes::AUTH_REQUIRED, "There is no first workspace to make a key for."))
    }
}
