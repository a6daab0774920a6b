//! Whose requests are counted.

use std::net::{IpAddr, Ipv6Addr};

use kernel::{ApiKeyId, WorkspaceId};
use uuid::Uuid;

/// Kinds of subjects, as policies name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One API key.
    Key,
    /// One address.
    Address,
    /// One workspace.
    Workspace,
}

impl Scope {
    /// Its name in `RateLimit-Policy`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Address => "address",
            Self::Workspace => "workspace",
        }
    }
}

/// One that asks, by kind and 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    scope: Scope,
    id: u128,
}

impl Subject {
    /// An API key.
    pub fn key(key: ApiKeyId) -> Self {
        Self { scope: Scope::Key, id: key.0.as_u128() }
    }

    /// A workspace.
    pub fn workspace(workspace: WorkspaceId) -> Self {
        Self { scope: Scope::Workspace, id: workspace.0.as_u128() }
    }

    /// An address. Whoever has one IPv6 address has a network of them.
    pub fn address(address: IpAddr) -> Self {
        let id = match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => Ipv6Addr::to_bits(address) & !u128::from(u64::MAX),
        };
        Self { scope: Scope::Address, id }
    }

    /// Its kind.
    pub fn scope(self) -> Scope {
        self.scope
    }

    /// The one budget that newcomers of this kind share when there are too many.
    pub(crate) fn everybody_else(scope: Scope) -> Self {
        Self { scope, id: u128::MAX }
    }

    /// As members tell each other.
    pub(crate) fn stored(self) -> (i16, Uuid) {
        let scope = match self.scope {
            Scope::Key => 1,
            Scope::Address => 2,
            Scope::Workspace => 3,
        };
        (scope, Uuid::from_u128(self.id))
    }

    /// `None` for a kind that only newer members know.
    pub(crate) fn read(scope: i16, id: Uuid) -> Option<Self> {
        let scope = match scope {
            1 => Scope::Key,
            2 => Scope::Address,
            3 => Scope::Workspace,
            _ => return None,
        };
        Some(Self { scope, id: id.as_u128() })
    }
}
