//! `GET /v1/audit`

use kernel::Problem;
use macros::query;

use crate::audit::{AuditFilter, AuditView};
use crate::context::QueryContext;
use crate::list::Page;
use crate::store;

/// What was done in the workspace, newest first.
///
/// Every call that changes something leaves one row, which nobody can change or remove. Rows are
/// kept for thirteen months.
#[query(GET "/v1/audit", permission = crate::READ_AUDIT)]
pub(super) async fn list_audit(
    cx: &QueryContext,
    query: AuditFilter,
) -> Result<Page<AuditView>, Problem> {
    let page = cx.page(&query)?;
    let mut tx = cx.tx().await;
    let rows = store::list_audit(&mut tx, cx.workspace(), &query, page.after, page.rows()).await?;
    Ok(page.of(rows, |row| row.id))
}
