//! Mends text that is JSON but for what people write by hand: bare keys, single quotes, comments,
//! commas before a closing bracket, line breaks inside texts.
//!
//! It rewrites such text as JSON and lets the reader of JSON judge the result. What it would have to
//! guess at (words that stand for no value, brackets that are missing) it leaves as it is.

use std::iter::Peekable;
use std::str::Chars;

use kernel::Value;

use crate::values::parse_number;

/// The value that text stands for once it is mended; `None` when it is no JSON even then.
pub(crate) fn mended(text: &str) -> Option<Value> {
    let mut mend = Mend { rest: text.chars().peekable(), out: String::with_capacity(text.len()) };
    mend.run()?;
    kernel::json::parse_str(&mend.out).ok()
}

struct Mend<'t> {
    rest: Peekable<Chars<'t>>,
    out: String,
}

impl Mend<'_> {
    fn run(&mut self) -> Option<()> {
        loop {
            self.skip_blanks()?;
            match self.rest.peek().copied() {
                None => return Some(()),
                Some(quote @ ('"' | '\'' | '`')) => {
                    self.rest.next();
                    self.text(quote)?;
                }
                Some(',') => {
                    self.rest.next();
                    self.skip_blanks()?;
                    if !matches!(self.rest.peek(), None | Some('}' | ']')) {
                        self.out.push(',');
                    }
                }
                Some(sign @ ('{' | '}' | '[' | ']' | ':')) => {
                    self.rest.next();
                    self.out.push(sign);
                }
                Some(_) => self.word()?,
            }
        }
    }

    /// Passes over white space and comments.
    fn skip_blanks(&mut self) -> Option<()> {
        loop {
            match self.rest.peek() {
                Some(blank) if blank.is_whitespace() => {
                    self.rest.next();
                }
                Some('/') => {
                    self.rest.next();
                    match self.rest.next()? {
                        '/' => while self.rest.next().is_some_and(|letter| letter != '\n') {},
                        '*' => {
                            while !(self.rest.next()? == '*' && self.rest.peek() == Some(&'/')) {}
                            self.rest.next();
                        }
                        _ => return None,
                    }
                }
                _ => return Some(()),
            }
        }
    }

    /// A text whose opening quote has been read.
    fn text(&mut self, quote: char) -> Option<()> {
        self.out.push('"');
        loop {
            match self.rest.next()? {
                end if end == quote => break,
                '"' => self.out.push_str("\\\""),
                '\\' => match self.rest.next()? {
                    '\n' => {}
                    plain @ ('\'' | '`') => self.out.push(plain),
                    escape => self.out.extend(['\\', escape]),
                },
                control if control.is_control() => {
                    self.out.push_str(&format!("\\u{:04x}", u32::from(control)));
                }
                letter => self.out.push(letter),
            }
        }
        self.out.push('"');
        Some(())
    }

    /// A key without quotes, a constant or a number.
    fn word(&mut self) -> Option<()> {
        let ends = |letter: char| letter.is_whitespace() || ",:{}[]\"'`/".contains(letter);
        let mut word = String::new();
        while let Some(letter) = self.rest.next_if(|letter| !ends(*letter)) {
            word.push(letter);
        }
        self.skip_blanks()?;
        if self.rest.peek() == Some(&':') {
            self.out.push_str(&Value::String(word).to_string());
            return Some(());
        }
        let value = match word.as_str() {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            "null" | "None" | "undefined" | "NaN" => Value::Null,
            number => Value::Number(parse_number(number)?),
        };
        self.out.push_str(&value.to_string());
        // Two values in a row must not grow into one.
        self.out.push(' ');
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_write_by_hand_is_read_as_they_meant_it() {
        for (text, value) in [
            (r#"{"a": 1, "b": [1, 2,],}"#, json!({"a": 1, "b": [1, 2]})),
            ("{ a: 1, b_2: 'it\\'s', 'c': `x\"y` }", json!({"a": 1, "b_2": "it's", "c": "x\"y"})),
            ("{\"a\": \"one\ntwo\t\"}", json!({"a": "one\ntwo\t"})),
            ("{ // first\n a: 1, /* then */ b: 2 }", json!({"a": 1, "b": 2})),
            (
                "{a: True, b: None, c: undefined, d: +.5}",
                json!({"a": true, "b": null, "c": null, "d": 0.5}),
            ),
            (r#"{"url": "https://a/b"}"#, json!({"url": "https://a/b"})),
        ] {
            assert_eq!(mended(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_would_have_to_be_guessed_is_left_alone() {
        for text in ["{a: }", "{a: hello}", "{\"a\": 1", "{'a", "{a: 1} /", "{a: 1 /*", "[1 2]", ""]
        {
            assert_eq!(mended(text), None, "{text}");
        }
    }
}
