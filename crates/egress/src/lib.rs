//! Outbound HTTP: one client behind the guard against requests to private networks.

/// The guarded client. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Client {}
