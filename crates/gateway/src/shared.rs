//! What every request of a gateway uses.

use std::sync::Arc;

use function::Host;
use identity::Authenticator;
use kernel::{Clock, Dice};
use observe::Metrics;
use trigger::Hooks;

use crate::health::Health;
use crate::meter::Meter;
use crate::parts::Settings;

/// The parts of a gateway, for all its requests.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) host: Host,
    pub(crate) authenticator: Authenticator,
    pub(crate) hooks: Hooks,
    pub(crate) hook_meter: Meter,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    /// The OpenAPI document, printed.
    pub(crate) openapi: String,
}
