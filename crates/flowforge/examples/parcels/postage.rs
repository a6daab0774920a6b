//! `parcels.postage`: what a parcel costs.

use kernel::{Item, Object, Value};
use node::{About, EachItem, NodeContext, NodeError, NodeType, params};

/// Adds the postage of each parcel, in cents.
#[params]
pub(crate) struct Postage {
    /// What the parcel weighs, in grams.
    grams: u32,
}

pub(crate) const NODE: NodeType = NodeType::each::<Postage>();

impl EachItem for Postage {
    const ABOUT: About =
        About::new("parcels.postage", 1).example(r#"{"grams": "={{ $json.grams }}"}"#);

    async fn item(&self, _: &NodeContext, item: &Item) -> Result<Vec<Item>, NodeError> {
        let cents = 399 + self.grams.div_ceil(1000) * 50;
        let mut fields = Object::clone(&item.json);
        fields.insert("cents".to_owned(), Value::from(cents));
        Ok(vec![Item::new(fields)])
    }
}
