//! Arguments against the schemas their types declare: every fault at once, each with its place.

mod arguments;
mod format;
mod shape;
mod text;
mod walk;

pub use arguments::Arguments;
pub use shape::Checks;
pub(crate) use text::decode_query;
