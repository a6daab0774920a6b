//! Durations as people write them in documents and settings: `250ms 30s 5m 2h 7d`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration that reads and prints as text: a whole number and one of `ms s m h d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct Span(pub Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a duration: write a whole number and a unit, such as 250ms, 30s, 5m, 2h or 7d"
)]
pub struct SpanError(pub String);

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Span {
    /// The longest span that may be written: 3 650 days.
    pub const MAX: Duration = Duration::from_secs(3_650 * 86_400);

    /// Reads `5m` and its kind; nothing longer than [`Span::MAX`].
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let span = Duration::from_millis(number.checked_mul(*factor).ok_or_else(wrong)?);
        if span > Self::MAX { Err(wrong()) } else { Ok(Self(span)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis() as u64;
        let (unit, factor) = UNITS
            .iter()
            .rev()
            .find(|(_, factor)| millis.is_multiple_of(*factor) && millis >= *factor)
            .unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", millis / factor)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "span", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_prints_in_its_largest_whole_unit_and_reads_back() {
        for text in ["0ms", "250ms", "30s", "90s", "5m", "2h", "7d"] {
            let span = Span::parse(text).unwrap();
            assert_eq!(Span::parse(&span.to_string()).unwrap(), span);
        }
        assert_eq!(Span::parse("60s").unwrap().to_string(), "1m");
    }

    #[test]
    fn nonsense_and_overlong_spans_are_refused() {
        for text in ["", "5", "m", "-5m", "5 m", "1.5h", "99999999999999999999d", "4000d"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }
}
