//! What every request of a gateway uses.

use std::sync::Arc;

use bytes::Bytes;
use function::Host;
use identity::Authenticator;
use kernel::room::Room;
use kernel::{Clock, Dice};
use observe::Metrics;
use rate::Rates;
use trigger::Hooks;

use crate::admission::Admission;
use crate::cache::Cache;
use crate::health::Health;
use crate::meter::Meter;
use crate::parts::Settings;
use crate::tls::Tls;

/// The parts of a gateway, for all its requests.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) host: Host,
    pub(crate) authenticator: Authenticator,
    pub(crate) admission: Admission,
    pub(crate) cache: Cache,
    pub(crate) bodies: Room,
    pub(crate) rates: Rates,
    pub(crate) tls: Option<Tls>,
    pub(crate) hooks: Hooks,
    pub(crate) hook_meter: Meter,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    /// The OpenAPI 3.1 document, printed.
    pub(crate) openapi: Bytes,
    /// The same for readers of OpenAPI 3.0.
    pub(crate) openapi_3_0: Bytes,
}
