//! Signatures that are good for one call: taken in the database, so that all members know.

use aws_lc_rs::digest::{Context, SHA256};
use db::{Database, Error, Identity};
use jiff::{SignedDuration, Timestamp};
use kernel::WorkspaceId;

use crate::address::Route;
use crate::signature::Claim;
use crate::store::signatures as store;

/// Signatures forgotten with each one that is taken: more than one, so that the table shrinks.
const FORGOTTEN_AT_ONCE: i64 = 20;
/// How long a signature is remembered beyond its time: clocks of members differ a little.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// Takes a signature of one hook; false when a call took it before.
pub(crate) async fn claim(
    database: &Database,
    workspace: WorkspaceId,
    route: &Route,
    claim: &Claim,
    now: Timestamp,
) -> Result<bool, Error> {
    let hash = hash(route, claim);
    let expires_at = claim.expires_at.checked_add(MARGIN).unwrap_or(Timestamp::MAX);
    // Other hooks of the workspace remember for other times: only what is over now may be forgotten.
    let long_ago = now.checked_sub(MARGIN * 10).unwrap_or(Timestamp::MIN);
    database
        .transact(Identity::of_workspace(workspace), |mut tx| {
            let hash = &hash;
            async move {
                let free = store::claim(&mut tx, workspace, hash, expires_at).await?;
                if free && hash[0].is_multiple_of(8) {
                    store::expire(&mut tx, workspace, long_ago, FORGOTTEN_AT_ONCE).await?;
                }
                tx.commit().await?;
                Ok(free)
            }
        })
        .await
}

/// Gives a signature back, because its call started nothing.
pub(crate) async fn release(
    database: &Database,
    workspace: WorkspaceId,
    route: &Route,
    claim: &Claim,
) -> Result<(), Error> {
    let hash = hash(route, claim);
    database
        .transact(Identity::of_workspace(workspace), |mut tx| {
            let hash = &hash;
            async move {
                store::release(&mut tx, workspace, hash).await?;
                tx.commit().await
            }
        })
        .await
}

/// The same signature at another hook is another one.
fn hash(route: &Route, claim: &Claim) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in [
        route.workflow.0.as_bytes().as_slice(),
        route.stage.as_str().as_bytes(),
        &[0],
        route.node.as_bytes(),
        &[0],
        &claim.signature,
    ] {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}
