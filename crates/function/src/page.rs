//! Keyset paging: every list answers one page and, if there is more, where the next begins.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// Give this as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` of these rows, which the store was asked for with
    /// [`PageQuery::rows`], so one more than fits. `key` makes the cursor from the last row shown.
    pub fn of(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(key);
        Self { items: rows, next }
    }
}

/// The query parameters of every list; flatten nothing into it, name it `query`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Rows of a page, 1 to 200; 50 unless given.
    #[serde(default, deserialize_with = "limit_in_range")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<u32>,
    /// Where the page begins: `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// Rows of a page.
    pub const LIMIT_MAX: u32 = 200;

    /// Rows to show.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(50) as usize
    }

    /// Rows to ask the store for: one more than is shown tells whether there is a next page.
    pub fn rows(&self) -> i64 {
        self.limit() as i64 + 1
    }
}

fn limit_in_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let limit = Option::<u32>::deserialize(deserializer)?;
    match limit {
        Some(rows) if !(1..=PageQuery::LIMIT_MAX).contains(&rows) => {
            Err(D::Error::custom("must be between 1 and 200"))
        }
        limit => Ok(limit),
    }
}
