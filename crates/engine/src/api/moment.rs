//! Times in requests.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A time as RFC 3339, or none.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "date-time" })
}
