//! Which nodes a script names literally, and where.

use std::sync::Arc;

use crate::rename::Place;

/// Adds the names in `$('X')`, `$node["X"]`, `$node.X` and `$items("X")`, each once.
pub(crate) fn collect(script: &str, names: &mut Vec<Arc<str>>) {
    each(script, |name, _| {
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    });
}

/// Where this one is named.
pub(crate) fn places(script: &str, wanted: &str) -> Vec<Place> {
    let mut places = Vec::new();
    each(script, |name, place| {
        if name == wanted {
            places.push(place);
        }
    });
    places
}

fn each(script: &str, mut found: impl FnMut(&str, Place)) {
    for (at, _) in script.match_indices('$') {
        let after = at + 1;
        let rest = &script[after..];
        let literal = if let Some(rest) = rest.strip_prefix("node") {
            bracketed(rest, '[').or_else(|| dotted(rest)).map(|literal| literal.later(after + 4))
        } else if let Some(rest) = rest.strip_prefix("items") {
            bracketed(rest, '(').map(|literal| literal.later(after + 5))
        } else {
            bracketed(rest, '(').map(|literal| literal.later(after))
        };
        if let Some(Literal { name, place }) = literal {
            found(&name, place);
        }
    }
}

/// A name with its place.
struct Literal {
    name: String,
    place: Place,
}

impl Literal {
    fn later(mut self, bytes: usize) -> Self {
        self.place.at = self.place.at.start + bytes..self.place.at.end + bytes;
        self
    }
}

/// The literal in `("X"`, `[ 'X'` and so on.
fn bracketed(whole: &str, open: char) -> Option<Literal> {
    let rest = whole.trim_start().strip_prefix(open)?.trim_start();
    let start = whole.len() - rest.len();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let mut name = String::new();
    let mut chars = rest[1..].chars();
    loop {
        match chars.next()? {
            c if c == quote => break,
            '\\' => name.push(chars.next()?),
            '$' if quote == '`' => return None,
            c => name.push(c),
        }
    }
    let end = whole.len() - chars.as_str().len();
    let after = chars.as_str().trim_start();
    after
        .starts_with([')', ',', ']'])
        .then_some(Literal { name, place: Place { at: start..end, quote } })
}

fn dotted(whole: &str) -> Option<Literal> {
    let rest = whole.strip_prefix('.')?;
    let end = rest.find(|c: char| !(c == '_' || c == '$' || c.is_alphanumeric()));
    let name = &rest[..end.unwrap_or(rest.len())];
    let place = Place { at: 0..1 + name.len(), quote: '.' };
    (!name.is_empty()).then(|| Literal { name: name.to_owned(), place })
}
