//! JSON's numbers by their exact value, however many digits they have.
//!
//! One total order for all of them: comparing some exactly and others as doubles would not be
//! transitive (2^53, 2^53 + 1 and 2^53 + 0.5 are one double), and a sort may then panic.

use std::cmp::Ordering;

use serde_json::Number;

/// Zeros that [`canonical`] writes out behind a whole number; larger powers of ten are an exponent.
const ZEROS_MAX: i64 = 40;

/// The exact order of two numbers.
pub(crate) fn compare(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a.cmp(&b);
    }
    // Rounding keeps the order, so doubles that differ decide; most pairs end here.
    if let (Some(a), Some(b)) = (a.as_f64(), b.as_f64())
        && a != b
    {
        return a.total_cmp(&b);
    }
    Decimal::of(a).cmp(&Decimal::of(b))
}

/// A text that two numbers share exactly if they are equal: `1`, `1.0` and `10e-1` are `1`.
pub(crate) fn canonical(number: &Number) -> String {
    let Decimal { negative, digits, magnitude } = Decimal::of(number);
    if digits.is_empty() {
        return "0".to_owned();
    }
    let sign = if negative { "-" } else { "" };
    let zeros = magnitude - digits.len() as i64;
    match usize::try_from(zeros) {
        Ok(count) if zeros <= ZEROS_MAX => format!("{sign}{digits}{}", "0".repeat(count)),
        _ => format!("{sign}0.{digits}e{magnitude}"),
    }
}

/// `±0.digits × 10^magnitude`, the digits without zeros before or behind them; zero has none.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    magnitude: i64,
}

impl Decimal {
    fn of(number: &Number) -> Self {
        let text = number.to_string();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: String = [whole, fraction].concat();
        let behind_zeros = all.trim_start_matches('0');
        let digits = behind_zeros.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Self { negative: false, digits, magnitude: 0 };
        }
        let leading = all.len() - behind_zeros.len();
        let point = whole.len() as i64 - leading as i64;
        Self { negative, digits, magnitude: exponent_of(exponent).saturating_add(point) }
    }
}

/// An exponent beyond what 64 bits hold is as large as they can say: nobody writes two such numbers.
fn exponent_of(text: &str) -> i64 {
    let beyond = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    text.parse().unwrap_or(beyond)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |one: &Self| match (one.digits.is_empty(), one.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = |one: &Self, two: &Self| {
            one.magnitude.cmp(&two.magnitude).then_with(|| one.digits.cmp(&two.digits))
        };
        sign(self).cmp(&sign(other)).then_with(|| match self.negative {
            true => size(other, self),
            false => size(self, other),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        match kernel::json::parse_str(text).unwrap() {
            kernel::Value::Number(number) => number,
            other => panic!("{other} is no number"),
        }
    }

    #[test]
    fn numbers_of_every_size_have_one_order() {
        let rising = [
            "-1e401",
            "-1e400",
            "-1e308",
            "-9007199254740993",
            "-9007199254740992.5",
            "-9007199254740992",
            "-2.5",
            "-1",
            "-1e-400",
            "0",
            "1e-400",
            "1e-7",
            "0.10000000000000000001",
            "1",
            "1.5",
            "9007199254740992",
            "9007199254740992.5",
            "9007199254740993",
            "170141183460469231731687303715884105728",
            "1e308",
            "1e400",
            "1e401",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                let (a, b) = (number(a), number(b));
                assert_eq!(compare(&a, &b), at.cmp(&other), "{a} and {b}");
                assert_eq!(canonical(&a) == canonical(&b), at == other, "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_number_is_equal_to_itself_however_it_is_written() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("100", "1e2"),
            ("0", "-0"),
            ("0", "-0.0e7"),
            ("0.5", "5e-1"),
            ("-1200", "-1.2E+3"),
            ("1e40", "10000000000000000000000000000000000000000"),
            ("1e400", "10e399"),
        ] {
            let (a, b) = (number(a), number(b));
            assert_eq!(compare(&a, &b), Ordering::Equal, "{a} and {b}");
            assert_eq!(canonical(&a), canonical(&b), "{a} and {b}");
        }
    }
}
