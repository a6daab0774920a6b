//! What names are made of.

/// Any characters but NUL, which PostgreSQL's texts cannot hold.
pub(super) const NAME: &str = r"^[^\u0000]*$";
