//! The functions on parcels.

use db::Columns as _;
use function::{
    MutationContext, Page, Permission, Priority, Problem, QueryContext, mutation, query,
};
use kernel::id::uuid_v7;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{announce, store};

/// Scope for looking at parcels.
const READ: Permission = Permission("parcel.read");
/// Scope for adding them.
const WRITE: Permission = Permission("parcel.write");

/// A parcel to be sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewParcel {
    /// Who gets it.
    #[schemars(length(min = 1, max = 200))]
    receiver: String,
    /// What it weighs.
    #[schemars(range(min = 1, max = 31_500))]
    grams: i32,
}

/// A parcel.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Parcel {
    /// Its id.
    id: Uuid,
    /// Who gets it.
    receiver: String,
    /// What it weighs.
    grams: i32,
    /// Whether the receiver was told.
    announced: bool,
}

pub(crate) mod add_parcel {
    //! `POST /v1/parcels`

    use super::*;

    /// Takes a parcel in; its receiver is told soon.
    #[mutation(POST "/v1/parcels", permission = WRITE, audit = "parcel.added", status = 201)]
    pub(crate) async fn add_parcel(
        cx: &MutationContext,
        body: NewParcel,
    ) -> Result<Parcel, Problem> {
        let id = uuid_v7(cx.clock(), cx.dice());
        let NewParcel { receiver, grams } = body;
        cx.tx().await.execute(&store::ADD, &[&cx.workspace().0, &id, &receiver, &grams]).await?;
        let announcement = announce::JOB.with(cx.clock(), cx.dice(), &announce::Announce { id })?;
        cx.enqueue(function::LANE, Priority::Normal, announcement);
        Ok(Parcel { id, receiver, grams, announced: false })
    }
}

pub(crate) mod list_parcels {
    //! `GET /v1/parcels`

    use super::*;

    /// The workspace's parcels, newest first.
    #[query(GET "/v1/parcels", permission = READ)]
    pub(crate) async fn list_parcels(
        cx: &QueryContext,
        query: function::PageQuery,
    ) -> Result<Page<Parcel>, Problem> {
        let page = cx.page::<Uuid>(&query)?;
        let after = page.after.unwrap_or(Uuid::max());
        let rows = cx.tx().await.query(&store::LIST, &[&after, &page.rows()]).await?;
        let parcels = rows.iter().map(|row| {
            Ok(Parcel {
                id: row.column("id")?,
                receiver: row.column("receiver")?,
                grams: row.column("grams")?,
                announced: row.column("announced")?,
            })
        });
        Ok(page.of(parcels.collect::<Result<_, db::Error>>()?, |parcel| parcel.id))
    }
}
