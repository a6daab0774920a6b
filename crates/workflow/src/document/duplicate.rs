//! Finds a key that stands twice in one JSON object: readers disagree on which one counts.

use std::collections::HashSet;

/// The first duplicate key of a valid JSON text, with its line and column (from 1, in bytes).
pub(super) fn first_duplicate(text: &[u8]) -> Option<(String, usize, usize)> {
    // One entry per open bracket; `None` for arrays.
    let mut open: Vec<Option<HashSet<String>>> = Vec::new();
    let mut key_next = false;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'{' => {
                open.push(Some(HashSet::new()));
                key_next = true;
            }
            b'[' => {
                open.push(None);
                key_next = false;
            }
            b'}' | b']' => {
                open.pop();
                key_next = false;
            }
            b',' => key_next = matches!(open.last(), Some(Some(_))),
            b'"' => {
                let end = string_end(text, at);
                if let (true, Some(Some(keys))) = (key_next, open.last_mut()) {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a single text: there are no numbers in it"
                    )]
                    let key: String = serde_json::from_slice(&text[at..end]).unwrap_or_default();
                    if keys.contains(&key) {
                        let (line, column) = place(text, at);
                        return Some((key, line, column));
                    }
                    keys.insert(key);
                    key_next = false;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The index after the closing quote of the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_come_again_in_another_object_but_not_in_the_same() {
        assert_eq!(first_duplicate(br#"{"a":{"a":1},"b":[{"a":1},{"a":"a"}],"c":"a"}"#), None);
        let twice = b"{\"a\": 1,\n  \"b\": {}, \"\\u0061\": 2}";
        assert_eq!(first_duplicate(twice), Some(("a".to_owned(), 2, 12)));
    }
}
