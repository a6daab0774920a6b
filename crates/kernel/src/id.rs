//! Identifiers: one type per noun, all of them UUIDs whose text form is lower-case hyphenated.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Clock, Dice};

/// Makes a UUIDv7 from the given clock and dice (RFC 9562 §5.7: 48 bits of Unix milliseconds; then,
/// by its §6.2 method 3, 12 bits of the millisecond's fraction, about a quarter of a microsecond
/// each; then 62 random bits), so that ids sort by time of birth even within a millisecond.
pub fn uuid_v7(clock: &dyn Clock, dice: &dyn Dice) -> Uuid {
    let nanos = clock.now().as_nanosecond().max(0) as u128;
    let (millis, rest) = (nanos / 1_000_000, nanos % 1_000_000);
    let fraction = (rest * 4096 / 1_000_000) as u64;
    uuid_v7_at(millis as u64, fraction << 48, dice.next_u64())
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
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;

    /// A clock that stands still.
    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    struct Random(u64);

    impl Dice for Random {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn ids_of_one_millisecond_sort_by_their_microsecond() {
        let id = |micros: i64, random| {
            let at = At(Timestamp::from_microsecond(1_700_000_000_000_000 + micros).unwrap());
            uuid_v7(&at, &Random(random))
        };
        for micros in 0..999 {
            assert!(id(micros, u64::MAX) < id(micros + 1, 0), "{micros}");
        }
        assert!(id(999, u64::MAX) < id(1_000, 0));
        assert_ne!(id(7, 1), id(7, 2));
    }

    #[test]
    fn a_v7_id_carries_its_time_version_and_variant() {
        let id = uuid_v7_at(0x0192_3456_789a, u64::MAX, u64::MAX);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(&id.to_string()[..13], "01923456-789a");
    }
}
