//! A field and what it is called in the result: `"name"` or `{field: "name", as: "title"}`.

use node::params;

/// A field of the items.
#[params]
#[serde(untagged)]
pub(crate) enum FieldName {
    /// A field, under its own name.
    Same(#[schemars(length(min = 1))] String),
    /// A field under another name.
    Renamed(Renamed),
}

/// A field and another name for it.
#[params]
pub(crate) struct Renamed {
    /// The field.
    #[schemars(length(min = 1))]
    field: String,
    /// Its name in the result.
    #[serde(rename = "as")]
    #[schemars(length(min = 1))]
    name: String,
}

impl FieldName {
    /// The field.
    pub(crate) fn field(&self) -> &str {
        match self {
            Self::Same(field) => field,
            Self::Renamed(renamed) => &renamed.field,
        }
    }

    /// The other name, if there is one.
    pub(crate) fn given(&self) -> Option<&str> {
        match self {
            Self::Same(_) => None,
            Self::Renamed(renamed) => Some(&renamed.name),
        }
    }
}
