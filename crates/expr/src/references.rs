//! Which nodes a script names literally.

use std::sync::Arc;

/// Adds the names in `$('X')`, `$node["X"]`, `$node.X` and `$items("X")`, each once.
pub(crate) fn collect(script: &str, names: &mut Vec<Arc<str>>) {
    for (at, _) in script.match_indices('$') {
        let rest = &script[at + 1..];
        let name = if let Some(rest) = rest.strip_prefix("node") {
            bracketed(rest, '[').or_else(|| dotted(rest))
        } else if let Some(rest) = rest.strip_prefix("items") {
            bracketed(rest, '(')
        } else {
            bracketed(rest, '(')
        };
        if let Some(name) = name
            && !names.iter().any(|known| **known == *name)
        {
            names.push(name.into());
        }
    }
}

/// The literal in `("X"`, `[ 'X'` and so on.
fn bracketed(rest: &str, open: char) -> Option<String> {
    let rest = rest.trim_start().strip_prefix(open)?.trim_start();
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
    let after = chars.as_str().trim_start();
    after.starts_with([')', ',', ']']).then_some(name)
}

fn dotted(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix('.')?;
    let end = rest.find(|c: char| !(c == '_' || c == '$' || c.is_alphanumeric()));
    let name = &rest[..end.unwrap_or(rest.len())];
    (!name.is_empty()).then(|| name.to_owned())
}
