//! How long a caller waits for the end of a run.

use std::borrow::Cow;
use std::time::Duration;

use function::ActionContext;
use kernel::duration::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// How long `true` means.
const DEFAULT: Duration = Duration::from_secs(30);
/// The longest wait; the run goes on.
const MAX: Duration = Duration::from_secs(50);

/// Whether and how long to wait.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WaitQuery {
    /// Answer when the run has ended, at the latest after this long (50 s at most): `true` for 30 s,
    /// or a time such as `10s`. The header `prefer: wait=10` means the same.
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait(Option<Duration>);

impl WaitQuery {
    /// How long, if at all.
    pub(super) fn time(&self, cx: &ActionContext) -> Option<Duration> {
        let asked = match self.wait {
            Some(Wait(time)) => time,
            None => cx.preferred_wait(),
        };
        asked.map(|time| time.min(MAX)).filter(|time| !time.is_zero())
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "true" => Ok(Self(Some(DEFAULT))),
            "false" => Ok(Self(None)),
            span => match Span::parse(span) {
                Ok(span) => Ok(Self(Some(span.0))),
                Err(_) => Err(D::Error::custom("must be true, false or a time such as 10s")),
            },
        }
    }
}

impl JsonSchema for Wait {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^(true|false|[0-9]{1,9}(ms|s|m|h|d))$",
            "examples": ["true", "10s"],
        })
    }
}
