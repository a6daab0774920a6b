//! Keyset paging: every list answers one page and, if there is more, where the next begins.

use std::str::FromStr;

use kernel::{Problem, codes};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
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

/// The query parameters of a plain list: name it `query`. A list with filters of its own has the
/// same two fields beside them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Rows of a page, 1 to 200; 50 unless given.
    #[serde(default)]
    pub limit: PageLimit,
    /// Where the page begins: `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// Rows to show.
    pub fn limit(&self) -> usize {
        self.limit.shown()
    }

    /// Rows to ask the store for.
    pub fn rows(&self) -> i64 {
        self.limit.asked()
    }

    /// The key the page begins after; `request.invalid` when no page gave it out.
    pub fn after<K: FromStr>(&self) -> Result<Option<K>, Problem> {
        parse_cursor(self.cursor.as_deref())
    }
}

/// Reads a cursor; `request.invalid` when no page gave it out.
pub fn parse_cursor<K: FromStr>(cursor: Option<&str>) -> Result<Option<K>, Problem> {
    let what = "not the `next` of an earlier page";
    cursor.map(str::parse).transpose().map_err(|_| {
        Problem::new(codes::REQUEST_INVALID, format!("`cursor` is {what}.")).at(
            "/query/cursor",
            codes::REQUEST_INVALID,
            what,
        )
    })
}

/// Rows of a page: 1 to 200, 50 unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit(u32);

impl PageLimit {
    /// The most rows of a page.
    pub const MAX: u32 = 200;

    /// Rows to show.
    pub fn shown(self) -> usize {
        self.0 as usize
    }

    /// Rows to ask the store for: one more than is shown tells whether there is a next page.
    pub fn asked(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl<'de> Deserialize<'de> for PageLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = u32::deserialize(deserializer)?;
        if (1..=Self::MAX).contains(&rows) {
            Ok(Self(rows))
        } else {
            Err(D::Error::custom("must be between 1 and 200"))
        }
    }
}

impl JsonSchema for PageLimit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PageLimit".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer", "minimum": 1, "maximum": Self::MAX, "default": 50,
        })
    }
}
