//! Finding a node type by what somebody types.

use kernel::suggest::slips;

use crate::registry::{NodeType, Registry};

/// Words of a search at most; the rest is ignored.
const TERMS_MAX: usize = 8;

/// What a word counts by its place.
const OF_NAME: u32 = 100;
const OF_SYNONYM: u32 = 80;
const OF_GROUP: u32 = 30;
const OF_DESCRIPTION: u32 = 20;

impl Registry {
    /// The newest version of every node type that fits each word of a search, best first, with how
    /// well it does. Words may be begun only, and longer ones may have a slip in them.
    pub fn search(&self, text: &str) -> Vec<(u32, &NodeType)> {
        let terms: Vec<String> = words(text).take(TERMS_MAX).collect();
        let newest = self.iter().filter(|kind| {
            self.find(kind.about.name)
                .is_some_and(|found| found.about.version == kind.about.version)
        });
        let mut found: Vec<(u32, &NodeType)> =
            newest.filter_map(|kind| Some((rank(kind, &terms)?, kind))).collect();
        found.sort_by(|(a, left), (b, right)| b.cmp(a).then(left.about.name.cmp(right.about.name)));
        found
    }
}

/// How well a type fits; `None` when one of the words does not fit at all.
fn rank(kind: &NodeType, terms: &[String]) -> Option<u32> {
    let schema = (kind.schema)();
    let description = schema["description"].as_str().unwrap_or_default();
    let mut known: Vec<(String, u32)> = Vec::new();
    let mut add = |text: &str, weight: u32| known.extend(words(text).map(|word| (word, weight)));
    add(kind.about.name, OF_NAME);
    kind.about.synonyms.iter().for_each(|synonym| add(synonym, OF_SYNONYM));
    for import in kind.about.imports {
        add(import.rsplit('.').next().unwrap_or_default(), OF_SYNONYM);
    }
    add(kind.about.group, OF_GROUP);
    add(description, OF_DESCRIPTION);
    let best = |term: &String| known.iter().filter_map(|word| likeness(term, word)).max();
    let sum: Option<u32> = terms.iter().map(best).sum();
    // Of those that fit equally well the one with fewer other words in its name comes first.
    let spare = 10 - words(kind.about.name).count().min(9) as u32;
    sum.map(|sum| sum * 10 + spare)
}

fn likeness(term: &str, (word, weight): &(String, u32)) -> Option<u32> {
    let slips_allowed = match term.chars().count() {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    };
    if word == term {
        return Some(weight * 4);
    }
    if word.starts_with(term) {
        return Some(weight * 3);
    }
    if term.chars().count() >= 3 && word.contains(term) {
        return Some(weight * 2);
    }
    let begun: String = word.chars().take(term.chars().count()).collect();
    let near = slips(term, word).min(slips(term, &begun)) <= slips_allowed && slips_allowed > 0;
    near.then_some(*weight)
}

/// Words in lower case; `HttpRequest` and `http_request` are both `http` and `request`, and their
/// whole.
fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.flat_map(|part| {
        let mut humps = vec![String::new()];
        let mut before = None;
        for c in part.chars() {
            if c.is_uppercase() && before.is_some_and(|before: char| !before.is_uppercase()) {
                humps.push(String::new());
            }
            before = Some(c);
            if let Some(last) = humps.last_mut() {
                last.extend(c.to_lowercase());
            }
        }
        humps
    })
}
