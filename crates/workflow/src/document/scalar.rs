//! Scalars by the YAML 1.2 core schema: `no`, `on`, `1_000` and dates stay text.

use kernel::Value;
use serde_json::Number;

/// What a plain scalar means. Numbers keep their digits.
pub(super) fn resolve_plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    if is_not_finite(text) {
        let hint = "has no place in JSON; put it in quotes to make it a text";
        return Err(format!("the number {text} {hint}"));
    }
    match number_text(text) {
        Some(number) => number
            .parse::<Number>()
            .map(Value::Number)
            .map_err(|_| format!("\"{text}\" is not a number; put it in quotes")),
        None => Ok(Value::String(text.to_owned())),
    }
}

/// What a scalar with one of the core tags means.
pub(super) fn resolve_tagged(tag: &str, text: &str) -> Result<Value, String> {
    if tag == "str" {
        return Ok(Value::String(text.to_owned()));
    }
    let value = resolve_plain(text)?;
    let fits = match tag {
        "null" => value.is_null(),
        "bool" => value.is_boolean(),
        "int" => value.is_i64() || value.is_u64() || integer(text).is_some(),
        "float" => value.is_number(),
        _ => return Err(format!("the tag !!{tag} is not supported; leave it out")),
    };
    if fits { Ok(value) } else { Err(format!("\"{text}\" is no !!{tag}")) }
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// The JSON text of a YAML number; `None` when the scalar is no number.
fn number_text(text: &str) -> Option<String> {
    radix(text).or_else(|| integer(text)).or_else(|| float(text))
}

/// `0o17` and `0x1F`.
fn radix(text: &str) -> Option<String> {
    let (digits, radix) = match text.strip_prefix("0o") {
        Some(digits) => (digits, 8),
        None => (text.strip_prefix("0x")?, 16),
    };
    let plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    // Longer ones stay text, as numbers that nobody writes by hand.
    plain.then(|| u128::from_str_radix(digits, radix).ok()).flatten().map(|n| n.to_string())
}

/// `[-+]? [0-9]+`
fn integer(text: &str) -> Option<String> {
    let (sign, digits) = signed(text);
    all_digits(digits).then(|| format!("{sign}{}", without_leading_zeros(digits)))
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn float(text: &str) -> Option<String> {
    let (sign, unsigned) = signed(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], &unsigned[at..]),
        None => (unsigned, ""),
    };
    if !exponent.is_empty() && !all_digits(signed(&exponent[1..]).1) {
        return None;
    }
    let mantissa = match mantissa.split_once('.') {
        None if all_digits(mantissa) => without_leading_zeros(mantissa).to_owned(),
        Some(("", part)) if all_digits(part) => format!("0.{part}"),
        Some((whole, "")) if all_digits(whole) => format!("{}.0", without_leading_zeros(whole)),
        Some((whole, part)) if all_digits(whole) && all_digits(part) => {
            format!("{}.{part}", without_leading_zeros(whole))
        }
        _ => return None,
    };
    Some(format!("{sign}{mantissa}{exponent}"))
}

fn signed(text: &str) -> (&str, &str) {
    match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn without_leading_zeros(digits: &str) -> &str {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0" } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        resolve_plain(text).unwrap().to_string()
    }

    #[test]
    fn words_that_older_yaml_took_for_booleans_stay_text() {
        for text in ["no", "yes", "on", "off", "y", "N", "1_000", "12:30:45", "2024-01-01", "0b1"] {
            assert_eq!(resolve_plain(text), Ok(Value::String(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn numbers_become_json_numbers_with_all_their_digits() {
        let cases = [
            ("007", "7"),
            ("+5", "5"),
            ("-0", "-0"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("9007199254740993", "9007199254740993"),
            ("0.10000000000000000001", "0.10000000000000000001"),
        ];
        for (text, json) in cases {
            assert_eq!(plain(text), json, "{text}");
        }
        assert!(resolve_plain("1e3").unwrap().is_number());
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_refused() {
        for text in [".inf", "-.INF", ".nan"] {
            assert!(resolve_plain(text).is_err(), "{text}");
        }
    }
}
