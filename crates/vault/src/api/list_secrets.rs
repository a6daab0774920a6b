//! `GET /v1/secrets`

use function::{Page, PageQuery, Problem, QueryContext, query};

use crate::model::SecretView;
use crate::store;

/// The workspace's secrets by name, without their values.
#[query(GET "/v1/secrets", permission = crate::READ)]
pub(super) async fn list_secrets(
    cx: &QueryContext,
    query: PageQuery,
) -> Result<Page<SecretView>, Problem> {
    let page = cx.page::<String>(&query)?;
    let tx = &mut *cx.tx().await;
    let rows = store::list(tx, cx.workspace(), page.after.as_deref(), page.rows()).await?;
    Ok(page.of(rows, |secret| secret.name.clone()))
}
