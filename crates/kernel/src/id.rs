//! Identifiers: one type per noun, all of them UUIDs whose text form is lower-case hyphenated.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Clock, Dice};

/// Makes a UUIDv7 from the given clock and dice (RFC 9562 §5.7: 48 bits of Unix milliseconds,
/// then 74 random bits), so that ids sort by time of birth.
pub fn uuid_v7(clock: &dyn Clock, dice: &dyn Dice) -> Uuid {
    let millis = clock.now().as_millisecond().max(0) as u64;
    uuid_v7_at(millis, dice.next_u64(), dice.next_u64())
}

/// The pure core of [`uuid_v7`]: the same arguments always give the same id.
pub fn uuid_v7_at(millis: u64, high: u64, low: u64) -> Uuid {
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&high.to_be_bytes()[..2]);
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, time-ordered.
            pub fn new(clock: &dyn Clock, dice: &dyn Dice) -> Self {
                Self(uuid_v7(clock, dice))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    WorkspaceId;
    /// A folder of workflows.
    ProjectId;
    /// A workflow, whatever its version.
    WorkflowId;
    /// One immutable version of a workflow.
    VersionId;
    /// One execution of a workflow.
    RunId;
    /// One incarnation of a process of the cluster.
    MemberId;
    /// Somebody who may act: a user, an API key's owner, a service.
    PrincipalId;
    /// An API key.
    ApiKeyId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v7_id_carries_its_time_version_and_variant() {
        let id = uuid_v7_at(0x0192_3456_789a, u64::MAX, u64::MAX);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(&id.to_string()[..13], "01923456-789a");
    }
}
