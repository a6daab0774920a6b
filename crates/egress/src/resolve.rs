//! The resolver: names become addresses here, and what is not allowed is dropped.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::rules::{Rules, Verdict};

/// Resolves by the system's resolver and keeps the addresses allowed for targets of one verdict.
pub(crate) struct GuardedResolver {
    pub(crate) rules: Arc<Rules>,
    pub(crate) verdict: Verdict,
    /// The port of the targets, where a rule denies it at an address.
    pub(crate) port: Option<u16>,
}

/// Every address of the name is forbidden.
#[derive(Debug)]
pub(crate) struct AddressRefused;

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to an address that is not allowed")
    }
}

impl std::error::Error for AddressRefused {}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, verdict, port) = (self.rules.clone(), self.verdict, self.port);
        Box::pin(async move {
            // Port 0 is replaced by the URL's port.
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let known = !found.is_empty();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|at| rules.address(at.ip(), port, verdict)).collect();
            if known && allowed.is_empty() {
                return Err(AddressRefused.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
