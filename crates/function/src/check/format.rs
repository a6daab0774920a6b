//! Formats of texts and whole numbers.

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

/// A format that is checked. Others are taken as annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    DateTime,
    Date,
    Uuid,
    Int { min: i128, max: i128 },
}

impl Format {
    /// The format of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let int = |min: i128, max: i128| Self::Int { min, max };
        Some(match name {
            "date-time" => Self::DateTime,
            "date" => Self::Date,
            "uuid" => Self::Uuid,
            "int8" => int(i8::MIN.into(), i8::MAX.into()),
            "int16" => int(i16::MIN.into(), i16::MAX.into()),
            "int32" => int(i32::MIN.into(), i32::MAX.into()),
            "int64" => int(i64::MIN.into(), i64::MAX.into()),
            "uint8" => int(0, u8::MAX.into()),
            "uint16" => int(0, u16::MAX.into()),
            "uint32" => int(0, u32::MAX.into()),
            "uint64" | "uint" => int(0, u64::MAX.into()),
            _ => return None,
        })
    }

    /// What the text must be, when it is not.
    pub(super) fn refuse_text(self, text: &str) -> Option<&'static str> {
        let (fits, wanted) = match self {
            Self::DateTime => {
                (text.parse::<Timestamp>().is_ok(), "a time such as 2026-01-31T12:00:00Z")
            }
            Self::Date => (text.parse::<Date>().is_ok(), "a date such as 2026-01-31"),
            Self::Uuid => (
                Uuid::try_parse(text).is_ok(),
                "a UUID such as 0190a000-0000-7000-8000-000000000000",
            ),
            Self::Int { .. } => return None,
        };
        (!fits).then_some(wanted)
    }

    /// What the number must be, when it is not.
    pub(super) fn refuse_number(self, number: &serde_json::Number) -> Option<String> {
        let Self::Int { min, max } = self else { return None };
        let fits = number.to_string().parse::<i128>().is_ok_and(|it| (min..=max).contains(&it));
        (!fits).then(|| format!("a whole number from {min} to {max}"))
    }
}
