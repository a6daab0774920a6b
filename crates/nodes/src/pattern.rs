//! Regular expressions as people write them for scripts: `\d+` or `/\d+/i`.
//!
//! They run on an engine whose time is linear in the text, so no pattern can hang a run; the price
//! is that look-around and back-references are refused.

use std::sync::{Arc, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

/// Bytes a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// Compiles a pattern. The error is a sentence for the user.
pub(crate) fn compile(text: &str) -> Result<Regex, String> {
    let (pattern, flags) = match text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) {
        Some((pattern, flags)) if flags.bytes().all(|flag| b"dgimsuvy".contains(&flag)) => {
            (pattern, flags)
        }
        _ => (text, ""),
    };
    RegexBuilder::new(&translated(pattern))
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("\"{text}\" is not a pattern that can be used here: {reason}.")
        })
}

/// The same pattern in the syntax of the engine: ASCII classes, `[` and set operators literal
/// inside a class.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut class = false;
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match (letters.next(), class) {
                (Some('d'), false) => out.push_str("[0-9]"),
                (Some('d'), true) => out.push_str("0-9"),
                (Some('D'), _) => out.push_str("[^0-9]"),
                (Some('w'), false) => out.push_str("[0-9A-Za-z_]"),
                (Some('w'), true) => out.push_str("0-9A-Za-z_"),
                (Some('W'), _) => out.push_str("[^0-9A-Za-z_]"),
                (Some('b'), false) => out.push_str(r"(?-u:\b)"),
                (Some('b'), true) => out.push_str(r"\x08"),
                (Some(other), _) => {
                    out.push('\\');
                    out.push(other);
                }
                (None, _) => out.push_str(r"\\"),
            },
            '[' if class => out.push_str(r"\["),
            '&' | '~' if class => {
                out.push('\\');
                out.push(letter);
            }
            '[' => {
                class = true;
                out.push('[');
            }
            ']' => {
                class = false;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

/// The pattern compiled last: literal ones are compiled once, changing ones as they change.
#[derive(Debug, Default)]
pub(crate) struct LastPattern(Mutex<Option<(String, Arc<Regex>)>>);

impl Clone for LastPattern {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl LastPattern {
    /// [`compile`], unless it is the same text as before.
    pub(crate) fn get(&self, text: &str) -> Result<Arc<Regex>, String> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, regex)) = last.as_ref()
            && known == text
        {
            return Ok(Arc::clone(regex));
        }
        let regex = Arc::new(compile(text)?);
        *last = Some((text.to_owned(), Arc::clone(&regex)));
        Ok(regex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_scripts() {
        for (pattern, text, matches) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\w+$", "é", false),
            ("/abc/i", "xABCx", true),
            ("abc", "ABC", false),
            ("/^b$/m", "a\nb\nc", true),
            ("/a.c/s", "a\nc", true),
            ("a.c", "a\nc", false),
            (r"[[]x", "[x", true),
            (r"[\w-]+@[a-z&&b]+", "a-b@&", true),
            (r"\bcat\b", "a cat.", true),
            (r"https?:\/\/", "http://", true),
            ("/a/b", "/a/b", true),
            (r"\u00e9", "é", true),
            (r"(?<year>\d{4})", "in 2026", true),
        ] {
            let regex = compile(pattern).unwrap();
            assert_eq!(regex.is_match(text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        for pattern in ["(", "a(?=b)", r"(a)\1", "a{1000}{1000}{1000}"] {
            assert!(compile(pattern).unwrap_err().contains("is not a pattern"), "{pattern}");
        }
    }
}
