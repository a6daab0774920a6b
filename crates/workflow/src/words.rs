//! The words a workflow is found by, and those that somebody searches for.
//!
//! A word is what stands between characters that are no letters and no digits, in lower case; what is
//! written `likeThis` gives its parts too. Scripts without spaces give every suffix, so that any part
//! of a text is the beginning of a word.

use std::collections::HashMap;

use kernel::Value;

use crate::document::Document;

/// Longest word, in bytes; the rest of a longer one is cut off.
const WORD_BYTES_MAX: usize = 64;
/// Words of one workflow at most; the least prominent ones go.
const WORDS_MAX: usize = 10_000;
/// Words of one search at most; the rest is ignored.
const TERMS_MAX: usize = 8;
/// Characters of a run without spaces from which suffixes are made.
const RUN_MAX: usize = 16;

const OF_NAME: i16 = 32;
const OF_TAG: i16 = 16;
const OF_NODE: i16 = 8;
const OF_DESCRIPTION: i16 = 4;
const OF_TEXT: i16 = 2;

/// A word and how prominent its most prominent place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) weight: i16,
}

/// The words of a document, each once.
pub(crate) fn of(document: &Document, tags: &[String]) -> Vec<Word> {
    let mut words = Words(HashMap::new());
    words.add(&document.name, OF_NAME);
    tags.iter().for_each(|tag| words.add(tag, OF_TAG));
    words.add(&document.description, OF_DESCRIPTION);
    for node in &document.nodes {
        words.add(&node.name, OF_NODE);
        words.add(&node.kind, OF_NODE);
        words.add(&node.notes, OF_TEXT);
        node.parameters.values().for_each(|value| words.add_value(value));
    }
    document.canvas.notes.iter().for_each(|note| words.add(&note.text, OF_TEXT));
    let mut list: Vec<Word> =
        words.0.into_iter().map(|(text, weight)| Word { text, weight }).collect();
    list.sort_unstable_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.text.cmp(&b.text)));
    list.truncate(WORDS_MAX);
    list
}

/// What somebody types, as beginnings of words.
pub(crate) fn terms(search: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for word in split(search) {
        let term = short(&word.to_lowercase()).to_owned();
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    terms.truncate(TERMS_MAX);
    terms
}

struct Words(HashMap<String, i16>);

impl Words {
    fn add(&mut self, text: &str, weight: i16) {
        for word in split(text) {
            self.word(word, weight);
            let mut parts = humps(word).peekable();
            while let Some(part) = parts.next() {
                if part.len() < word.len() || parts.peek().is_some() {
                    self.word(part, weight);
                }
            }
            if word.chars().any(is_run) {
                let starts = word.char_indices().skip(1).take(RUN_MAX);
                starts.for_each(|(at, _)| self.word(&word[at..], weight));
            }
        }
    }

    fn add_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add(text, OF_TEXT),
            Value::Array(list) => list.iter().for_each(|value| self.add_value(value)),
            Value::Object(object) => object.values().for_each(|value| self.add_value(value)),
            Value::Number(number) => self.add(&number.to_string(), OF_TEXT),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn word(&mut self, word: &str, weight: i16) {
        let word = word.to_lowercase();
        let known = self.0.entry(short(&word).to_owned()).or_insert(weight);
        *known = (*known).max(weight);
    }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// `sendInvoice2` is `send` and `Invoice2`.
fn humps(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let mut before = rest.chars().next()?;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let begins = c.is_uppercase() && !before.is_uppercase();
            before = *c;
            begins
        });
        let (part, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(part)
    })
}

/// Characters of scripts that put no spaces between words.
fn is_run(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{20000}'..='\u{3ffff}')
}

/// The word, cut at a whole character.
fn short(word: &str) -> &str {
    &word[..word.floor_char_boundary(WORD_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(yaml: &str) -> Vec<(String, i16)> {
        let document = Document::from_yaml(yaml).expect("it is a document");
        of(&document, &["Finance".to_owned()])
            .into_iter()
            .map(|word| (word.text, word.weight))
            .collect()
    }

    #[test]
    fn words_stand_for_their_most_prominent_place() {
        let found = words(
            "format: 1\nname: sendInvoice\ndescription: To 東京都.\nnodes:\n\
             - { name: Ask, type: core.set, parameters: { json: '={{ $json.invoice }}' } }\n",
        );
        for wanted in [
            ("sendinvoice", 32),
            ("invoice", 32),
            ("finance", 16),
            ("ask", 8),
            ("set", 8),
            ("東京都", 4),
            ("京都", 4),
            ("json", 2),
        ] {
            assert!(found.contains(&(wanted.0.to_owned(), wanted.1)), "{wanted:?} of {found:?}");
        }
    }

    #[test]
    fn a_search_is_cut_into_terms_and_long_words_at_whole_characters() {
        assert_eq!(terms("HTTP_request http, Größe"), ["http", "request", "größe"]);
        assert_eq!(terms(" \u{0}--- "), Vec::<String>::new());
        let long = terms(&"ü".repeat(40));
        assert_eq!(long[0].len(), 64);
    }
}
