//! SQL stands in stores, where every statement is declared by name and prepared by a test.

use proc_macro2::{TokenStream, TokenTree};

use super::Finding;
use super::tree::{Tree, is_test_file, test_lines};

/// How a statement begins. A word alone is no statement: something must follow it.
const BEGINNINGS: [&str; 16] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE ",
    "WITH ",
    "CREATE ",
    "ALTER ",
    "DROP ",
    "TRUNCATE ",
    "GRANT ",
    "REVOKE ",
    "BEGIN ",
    "SET LOCAL ",
    "SET ROLE ",
    "NOTIFY ",
    "LISTEN ",
];

/// Crates that are made of SQL.
const SQL_CRATES: [&str; 2] = ["crates/db/", "crates/testkit/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !may_hold_sql(path)) {
        let (Ok(file), Ok(tokens)) = (syn::parse_file(text), text.parse::<TokenStream>()) else {
            continue; // the size rule reports it
        };
        let tests = test_lines(&file);
        let mut lines = Vec::new();
        statements(tokens, &mut lines);
        lines.retain(|line| !tests.iter().any(|(from, to)| (from..=to).contains(&line)));
        let rule = "SQL outside a store: move it to store.rs or store/";
        findings.extend(lines.into_iter().map(|line| Finding::new(path, line, rule)));
    }
    findings
}

fn may_hold_sql(path: &str) -> bool {
    is_test_file(path)
        || path.ends_with("/store.rs")
        || path.contains("/store/")
        || SQL_CRATES.iter().any(|start| path.starts_with(start))
}

/// Collects the lines of string literals that begin like a statement, doc comments left out.
fn statements(tokens: TokenStream, lines: &mut Vec<usize>) {
    let mut is_doc = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => statements(group.stream(), lines),
            TokenTree::Literal(literal) if !is_doc => {
                if begins_a_statement(&literal.to_string()) {
                    lines.push(literal.span().start().line);
                }
            }
            TokenTree::Ident(name) => is_doc = name == "doc",
            TokenTree::Literal(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Whether a literal, quotes and all, begins like a statement.
fn begins_a_statement(literal: &str) -> bool {
    let Some((prefix, text)) = literal.split_once('"') else { return false };
    let is_text = prefix.chars().all(|c| c == 'r' || c == '#');
    let text = text.trim_start_matches(['\\', 'n', ' ', '\n']);
    let follows = |start: &&str| {
        text.strip_prefix(*start).is_some_and(|rest| rest.starts_with(|c: char| c != '"'))
    };
    is_text && BEGINNINGS.iter().any(follows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_outside_a_store_is_found_even_inside_a_macro() {
        let text = "//! X.\nfn f() {\n    run!(\"SELECT id FROM runs\");\n}\n";
        let findings = check(&Tree::of(&[("crates/a/src/service.rs", text)]));
        assert_eq!(findings.iter().map(|found| found.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn stores_tests_docs_and_prose_may_speak_sql() {
        let statement = "//! X.\nconst A: &str = \"DELETE FROM runs\";\n";
        let prose = "//! X.\n/// SELECT is a word.\nconst A: &str = \"SELECT \";\n\
                     #[cfg(test)]\nmod tests {\n    const B: &str = \"SELECT 1\";\n}\n";
        let tree = Tree::of(&[
            ("crates/a/src/store.rs", statement),
            ("crates/a/src/store/run.rs", statement),
            ("crates/a/tests/walk.rs", statement),
            ("crates/db/src/pool.rs", statement),
            ("crates/a/src/x.rs", prose),
        ]);
        assert_eq!(check(&tree), Vec::new());
    }
}
