//! Another name for a node, in the expressions that refer to it.

use std::ops::Range;

use crate::references;
use crate::split;

/// The template with every literal reference to node `from` made one to `to`; `None` when there is
/// none, or when the template does not parse.
pub fn in_template(source: &str, from: &str, to: &str) -> Option<String> {
    let body = source.strip_prefix('=').unwrap_or(source);
    let offset = source.len() - body.len();
    let mut places = Vec::new();
    for script in split::scripts(body).ok()? {
        let inside = &body[script.clone()];
        places.extend(references::places(inside, from).into_iter().map(|place| Place {
            at: place.at.start + script.start + offset..place.at.end + script.start + offset,
            ..place
        }));
    }
    replaced(source, &places, to)
}

/// The same for the code of a code node.
pub fn in_script(script: &str, from: &str, to: &str) -> Option<String> {
    replaced(script, &references::places(script, from), to)
}

/// Where a name stands, and how it is written there.
pub(crate) struct Place {
    /// The literal with its quotes, or the name with the dot before it.
    pub(crate) at: Range<usize>,
    /// The quote; a dot for `$node.Name`.
    pub(crate) quote: char,
}

fn replaced(text: &str, places: &[Place], name: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for place in places {
        out.push_str(&text[done..place.at.start]);
        out.push_str(&written(name, place.quote));
        done = place.at.end;
    }
    out.push_str(&text[done..]);
    (!places.is_empty()).then_some(out)
}

fn written(name: &str, quote: char) -> String {
    if quote != '.' {
        return quoted(name, quote);
    }
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|c| c == '_' || c == '$' || c.is_alphabetic());
    if begins && letters.all(|c| c == '_' || c == '$' || c.is_alphanumeric()) {
        format!(".{name}")
    } else {
        format!("[{}]", quoted(name, '"'))
    }
}

fn quoted(name: &str, quote: char) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push(quote);
    for c in name.chars() {
        if c == quote || c == '\\' || (quote == '`' && c == '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_node_is_followed_and_keeps_its_writing() {
        let before = r#"={{ $('A').item.json.x + $node["A"].json.y + $node.A.json.z }} $('A') {{ $items( 'A' ).length }}"#;
        let after = r#"={{ $('B c').item.json.x + $node["B c"].json.y + $node["B c"].json.z }} $('A') {{ $items( 'B c' ).length }}"#;
        assert_eq!(in_template(before, "A", "B c").as_deref(), Some(after));
        assert_eq!(in_template("={{ $node.A.x }}", "A", "B").as_deref(), Some("={{ $node.B.x }}"));
    }

    #[test]
    fn other_names_and_broken_templates_stay() {
        assert_eq!(in_template("={{ $('AB').item.json.x }}", "A", "B"), None);
        assert_eq!(in_template("={{ $node.AB.x }}", "A", "B"), None);
        assert_eq!(in_template("={{ $('A' }}", "A", "B"), None);
        assert_eq!(in_template("=plain $('A')", "A", "B"), None);
    }

    #[test]
    fn quotes_in_names_are_escaped_and_unescaped() {
        let before = r"return $('it\'s').all()";
        assert_eq!(in_script(before, "it's", "B").as_deref(), Some("return $('B').all()"));
        let after = in_script("return $('B').all()", "B", r"it's \ `${x}`");
        assert_eq!(after.as_deref(), Some(r"return $('it\'s \\ `${x}`').all()"));
        assert_eq!(in_script("$(`B`)", "B", "`${x}").as_deref(), Some(r"$(`\`\${x}`)"));
    }
}
