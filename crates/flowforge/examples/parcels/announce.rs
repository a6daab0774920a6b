//! The job that tells a parcel's receiver.

use function::{JobContext, Problem, job};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store;

/// Which parcel.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Announce {
    pub(crate) id: Uuid,
}

/// Tells the receiver. A second time it finds that it was done.
#[job("parcel.announce", attempts = 10, timeout = "30s")]
pub(crate) async fn announce(cx: &JobContext, payload: Announce) -> Result<(), Problem> {
    cx.database()
        .transact(cx.identity(), |mut tx| async move {
            tx.execute(&store::ANNOUNCED, &[&payload.id]).await?;
            tx.commit().await?;
            Ok(())
        })
        .await
}
