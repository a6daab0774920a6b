//! Certificates by ACME (RFC 8555): ordered, proven on the own listener, kept, and ordered again
//! before they end.
//!
//! The proof is `tls-alpn-01` (RFC 8737): the directory opens a TLS connection to every name and asks
//! for the protocol `acme-tls/1`, which [`challenges`] answers with a certificate made for that. So no
//! second port is needed. [`keeper`] decides when a certificate is ordered, [`order`] does it by calls
//! through [`transport`], [`issued`] reads what came, [`folder`] keeps it for the next start.
//!
//! States: nothing yet (handshakes are refused) → served → served and due → served anew. A failure
//! changes nothing of what is served. Deliberately absent: wildcards (they need a proof by DNS),
//! a proof by HTTP on port 80, and certificates shared by several members.

mod challenges;
mod folder;
mod issued;
mod keeper;
mod order;
mod settings;
mod transport;

pub(crate) use challenges::is_challenge;
pub(crate) use keeper::Keeper;
pub use settings::AcmeSettings;
