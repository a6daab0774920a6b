//! The `[egress]` part of the configuration.

use std::time::Duration;

use serde::Deserialize;

/// What may be reached unless a rule says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Every public address.
    #[default]
    Public,
    /// Nothing but what `allow` names.
    AllowedOnly,
}

/// Rules and limits of outbound HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressSettings {
    /// What may be reached without being named in `allow`.
    pub reach: Reach,
    /// Targets that may be reached although they are private: `host`, `host:port`, `*.suffix`,
    /// an address, or a network such as `10.1.0.0/16`. Networks hold for names that resolve into
    /// them too; a host rule holds for the name as written, wherever it resolves to.
    pub allow: Vec<String>,
    /// Targets that may never be reached, in the same notation; wins over `allow`.
    pub deny: Vec<String>,
    /// Bytes a response's body may have after decompression. 64 MiB.
    pub response_bytes_max: u64,
    /// Bytes a response's headers may have together. 64 KiB.
    pub header_bytes_max: usize,
    /// Redirects followed for one request. 10.
    pub redirects_max: usize,
    /// How long connecting (name, TCP, TLS) may take. 10 s.
    pub connect_timeout: Duration,
    /// How long a request may take, redirects and body included, unless it says less. 5 min.
    pub timeout: Duration,
    /// Certificates (PEM) of authorities trusted besides the system's.
    pub certificates: Vec<String>,
}

impl Default for EgressSettings {
    fn default() -> Self {
        Self {
            reach: Reach::Public,
            allow: Vec::new(),
            deny: Vec::new(),
            response_bytes_max: 64 * 1024 * 1024,
            header_bytes_max: 64 * 1024,
            redirects_max: 10,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(300),
            certificates: Vec::new(),
        }
    }
}
