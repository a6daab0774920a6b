//! W3C trace context: `traceparent` in and out (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

use kernel::Dice;

use crate::request_id::hexadecimal;

/// Where a request stands in somebody's trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    parent_id: u64,
    flags: u8,
}

impl TraceContext {
    /// Continues the caller's trace with a new span id, or begins one of our own.
    pub fn continue_from(sent: Option<&[u8]>, dice: &dyn Dice) -> Self {
        let parent = sent.and_then(Self::read).unwrap_or_else(|| Self::new(dice));
        Self { parent_id: dice.next_u64().max(1), ..parent }
    }

    /// A trace of our own, not sampled.
    pub fn new(dice: &dyn Dice) -> Self {
        let trace_id = (u128::from(dice.next_u64()) << 64) | u128::from(dice.next_u64().max(1));
        Self { trace_id, parent_id: dice.next_u64().max(1), flags: 0 }
    }

    /// Reads a `traceparent`; `None` when it is malformed, as the standard asks.
    pub fn read(sent: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(sent).ok()?;
        let mut parts = text.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may append fields; version 00 may not.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let hex = |part: &str, length: usize| {
            let digits = part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            (part.len() == length && digits).then(|| u128::from_str_radix(part, 16).ok())?
        };
        hex(version, 2)?;
        let context = Self {
            trace_id: hex(trace, 32)?,
            parent_id: hex(parent, 16)? as u64,
            flags: hex(flags, 2)? as u8,
        };
        (context.trace_id != 0 && context.parent_id != 0).then_some(context)
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hexadecimal((self.trace_id >> 64) as u64, self.trace_id as u64)
    }
}

impl fmt::Display for TraceContext {
    /// As a `traceparent` of version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags & 1)
    }
}

#[cfg(test)]
mod tests {
    use kernel::clock::SeededDice;

    use super::*;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_is_continued_under_a_new_span() {
        let ours = TraceContext::continue_from(Some(SENT.as_bytes()), &SeededDice::new(1));
        assert_eq!(ours.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let out = ours.to_string();
        assert!(out.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && out.ends_with("-01"));
        assert!(!out.contains("00f067aa0ba902b7"));
        assert_eq!(TraceContext::read(SENT.as_bytes()).unwrap().to_string(), SENT);
    }

    #[test]
    fn a_malformed_trace_is_dropped_and_ours_begins() {
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceContext::read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
