//! The name of one request.

use std::fmt;

use kernel::Dice;

/// 1 to 128 letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's id if it is well formed, else a new one.
    pub fn accept(sent: Option<&[u8]>, dice: &dyn Dice) -> Self {
        sent.and_then(Self::read).unwrap_or_else(|| Self::new(dice))
    }

    /// A new id: 128 random bits in hexadecimal.
    pub fn new(dice: &dyn Dice) -> Self {
        Self(hexadecimal(dice.next_u64(), dice.next_u64()))
    }

    fn read(sent: &[u8]) -> Option<Self> {
        let well_formed = (1..=128).contains(&sent.len())
            && sent.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
        let text = well_formed.then_some(sent)?;
        std::str::from_utf8(text).ok().map(|text| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 32 lower-case digits; by hand because this runs for every request.
pub(crate) fn hexadecimal(high: u64, low: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = (u128::from(high) << 64) | u128::from(low);
    (0..32).rev().map(|at| char::from(DIGITS[(bits >> (at * 4)) as usize & 15])).collect()
}

#[cfg(test)]
mod tests {
    use kernel::clock::SeededDice;

    use super::*;

    #[test]
    fn a_well_formed_id_is_kept_and_anything_else_is_replaced() {
        let dice = SeededDice::new(1);
        let accept = |sent: &[u8]| RequestId::accept(Some(sent), &dice).to_string();
        assert_eq!(accept(b"build-42.a_b"), "build-42.a_b");
        for wrong in [&b""[..], b"a b", b"a\r\nset-cookie: x", "é".as_bytes(), &[b'a'; 129]] {
            assert_eq!(accept(wrong).len(), 32);
        }
    }
}
