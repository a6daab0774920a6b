//! `${NAME}` and `${NAME:-default}` in texts; `$${` stands for a literal `${`.

use std::collections::BTreeMap;

/// The text with its variables put in; `None` when it names none.
///
/// An empty variable counts as given, except that `:-` then takes its default, as in a shell.
/// Errors: a variable that is not set and has no default, a `${` without its `}`.
pub(super) fn interpolate(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or("has a ${ without its }")?;
        out.push_str(&value(&inside[..end], environment)?);
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn value(inside: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    match inside.split_once(":-") {
        Some((name, default)) => {
            let given = environment.get(name).filter(|value| !value.is_empty());
            Ok(given.cloned().unwrap_or_else(|| default.to_owned()))
        }
        None => environment.get(inside).cloned().ok_or_else(|| {
            format!(
                "names the variable {inside}, which is not set; ${{{inside}:-…}} gives a default"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Option<String>, String> {
        let environment = [("HOST", "db"), ("EMPTY", "")];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        interpolate(text, &environment.into_iter().map(owned).collect())
    }

    #[test]
    fn variables_defaults_and_escapes_are_put_in() {
        assert_eq!(with("plain $HOST").unwrap(), None);
        assert_eq!(
            with("a ${HOST}:${PORT:-5432}/${EMPTY:-x}${EMPTY}.").unwrap().unwrap(),
            "a db:5432/x."
        );
        assert_eq!(with("cost $${HOST} ${HOST}").unwrap().unwrap(), "cost ${HOST} db");
    }

    #[test]
    fn a_variable_that_is_not_set_and_an_open_brace_are_named() {
        assert!(with("${NOWHERE}").unwrap_err().contains("NOWHERE, which is not set"));
        assert!(with("${HOST").unwrap_err().contains("without its }"));
    }
}
