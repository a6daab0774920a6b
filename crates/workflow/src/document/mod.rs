//! The workflow document, format 1: what people write by hand, keep in Git and exchange.
//!
//! YAML and JSON carry the same document without loss. Comments are not part of the document; the
//! text it came from is kept beside it (see [`Source`]) and given back unchanged.

mod connection;
mod duplicate;
mod model;
mod read;
mod scalar;
mod schema;
mod shape;
mod source;
mod yaml_reader;
mod yaml_writer;

pub(crate) use connection::LongConnection;
pub use connection::{Connection, Port};
pub use model::{
    Canvas, CanvasGroup, CanvasNote, Document, DocumentNode, DocumentSettings, Durability,
    KeepRuns, RetryPolicy,
};
pub use read::read_as;
pub use schema::json_schema;
pub(crate) use shape::suggest;
pub use source::{MediaType, Source};
