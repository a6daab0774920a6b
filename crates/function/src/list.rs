//! Keyset paging: every list answers one page and, if there is more, where the next begins.

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::cursor::Cursors;

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

/// The query parameters of a list, made by [`list_query!`](crate::list_query).
pub trait ListQuery {
    /// Where the page begins, as it was sent.
    fn cursor(&self) -> Option<&str>;
    /// Rows of a page.
    fn limit(&self) -> PageLimit;
}

/// Makes the query parameters of a list: its filters and its order, with `limit` and `cursor` behind
/// them. Every filter has to be an `Option`, or to have a default; a cursor is only good for the
/// filters and the order it was given out with.
///
/// ```ignore
/// function::list_query! {
///     /// Which things.
///     pub(super) struct ThingsQuery {
///         /// Only things with this name.
///         name: Option<String>,
///         /// In which order.
///         sort: ThingOrder,
///     }
/// }
/// ```
#[macro_export]
macro_rules! list_query {
    (
        $(#[$about:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_about:meta])* $field_visibility:vis $field:ident: $kind:ty,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        $visibility struct $name {
            $($(#[$field_about])* $field_visibility $field: $kind,)*
            /// Rows of a page, 1 to 200; 50 unless given.
            limit: $crate::PageLimit,
            /// Where the page begins: `next` of the page before.
            #[schemars(length(max = 4096))]
            cursor: Option<String>,
        }

        impl $crate::ListQuery for $name {
            fn cursor(&self) -> Option<&str> {
                self.cursor.as_deref()
            }

            fn limit(&self) -> $crate::PageLimit {
                self.limit
            }
        }
    };
}

list_query! {
    /// The query parameters of a list without filters.
    pub struct PageQuery {}
}

/// A page that is asked for: `K` is the key of a row, in the order of the list. Made by
/// [`QueryContext::page`](crate::QueryContext::page).
pub struct Paging<K> {
    /// The key the page begins behind.
    pub after: Option<K>,
    limit: PageLimit,
    cursors: Cursors,
}

impl<K: Serialize + DeserializeOwned> Paging<K> {
    pub(crate) fn new(after: Option<K>, limit: PageLimit, cursors: Cursors) -> Self {
        Self { after, limit, cursors }
    }

    /// Rows to ask the store for: one more than is shown tells whether there is a next page.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit.0) + 1
    }

    /// The page of these rows, which the store was asked for with [`Paging::rows`]. `key` is the key
    /// of a row.
    pub fn of<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> K) -> Page<T> {
        let shown = self.limit.0 as usize;
        let more = rows.len() > shown;
        rows.truncate(shown);
        let next = rows.last().filter(|_| more).map(|row| self.cursors.make(&key(row)));
        Page { items: rows, next }
    }

    /// Rows of the page.
    pub fn shown(&self) -> usize {
        self.limit.0 as usize
    }

    /// The page of these rows, at most [`Paging::shown`], where the store says by itself behind which
    /// key the next page begins.
    pub fn up_to<T>(&self, rows: Vec<T>, next: Option<K>) -> Page<T> {
        Page { items: rows, next: next.map(|key| self.cursors.make(&key)) }
    }

    /// The page of a list that is whole in memory, sorted ascending by `key`.
    pub fn of_all<T>(&self, all: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> Page<T>
    where
        K: PartialOrd,
    {
        let behind = |row: &T| self.after.as_ref().is_none_or(|after| *after < key(row));
        let rows = all.into_iter().filter(behind).take(self.limit.0 as usize + 1);
        self.of(rows.collect(), key)
    }
}

/// Rows of a page: 1 to 200, 50 unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit(u32);

impl PageLimit {
    /// The most rows of a page.
    pub const MAX: u32 = 200;
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl Serialize for PageLimit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
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
