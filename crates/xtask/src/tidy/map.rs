//! Two lists of ARCHITECTURE.md that must be whole to be worth anything: the fenced statements, and
//! the tables without a workspace.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::{Tree, is_test_file};

const MAP: &str = "ARCHITECTURE.md";
/// What makes a statement a fenced one.
const FENCE: &str = "db::fence!()";
/// How a migration makes a table.
const TABLE: &str = concat!("CREATE", " TABLE forge.");
const UNLOGGED: &str = concat!("CREATE", " UNLOGGED TABLE forge.");
/// How the paragraphs of the lists begin.
const STATEMENTS: &str = "**Fenced statements.**";
const TABLES: &str = "**Tables without a workspace.**";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.text(MAP) else { return Vec::new() };
    let mut findings = compare(map, STATEMENTS, &fenced_statements(tree));
    findings.extend(compare(map, TABLES, &system_tables(tree)));
    findings
}

fn compare(map: &str, list: &str, found: &BTreeSet<String>) -> Vec<Finding> {
    let Some(at) = map.find(list) else {
        return vec![Finding::new(MAP, 0, format!("has no paragraph {list}"))];
    };
    let line = map[..at].lines().count();
    let paragraph = map[at..].split("\n\n").next().unwrap_or_default();
    let listed: BTreeSet<String> =
        paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let missing = found.difference(&listed);
    let missing = missing.map(|name| format!("{list} `{name}` is not in the list"));
    let extra = listed.difference(found);
    let extra = extra.map(|name| format!("{list} `{name}` is in the list and not in the code"));
    missing.chain(extra).map(|rule| Finding::new(MAP, line, rule)).collect()
}

/// Names of the statements declared with a fence.
fn fenced_statements(tree: &Tree) -> BTreeSet<String> {
    let is_store = |path: &str| path.ends_with("/store.rs") || path.contains("/store/");
    let stores = tree.rust().filter(|(path, _)| is_store(path) && !is_test_file(path));
    let declared = stores.flat_map(|(_, text)| text.split("sql!(").skip(1));
    declared
        .filter(|rest| rest.split("\n);").next().is_some_and(|text| text.contains(FENCE)))
        .filter_map(|rest| Some(rest.split('"').nth(1)?.to_owned()))
        .collect()
}

/// Tables of the migrations whose columns do not begin with a workspace.
fn system_tables(tree: &Tree) -> BTreeSet<String> {
    let migrations = tree.files().filter(|(path, _)| path.starts_with("migrations/"));
    let created = migrations.map(|(_, text)| text.replace(UNLOGGED, TABLE));
    let created: Vec<String> = created.collect();
    let created = created.iter().flat_map(|text| text.split(TABLE).skip(1));
    created
        .filter_map(|rest| rest.split("\n)").next()?.split_once(" (\n"))
        .filter(|(name, columns)| {
            let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            is_plain && !columns.contains("workspace_id")
        })
        .map(|(name, _)| format!("forge.{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "const A: Statement = sql!(\n    \"a.flush\",\n    \
                         concat!(db::fence!(), \"SELECT FROM fence\"),\n);\nconst B: Statement = \
                         sql!(\"a.find\", \"SELECT 1\");\n";
    const MIGRATION: &str = "CREATE UNLOGGED TABLE forge.members (\n    id uuid\n);\n\
                             CREATE TABLE forge.runs (\n    workspace_id uuid\n);\n";

    fn rules(map: &str) -> Vec<String> {
        let tree = Tree::of(&[
            (MAP, map),
            ("crates/a/src/store.rs", STORE),
            ("migrations/0001__a__create.sql", MIGRATION),
        ]);
        check(&tree).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn lists_that_are_whole_are_accepted() {
        let map = "# Map\n\n**Tables without a workspace.** `forge.members` and\nno more.\n\n\
                   **Fenced statements.** `a.flush`.\n";
        assert_eq!(rules(map), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_and_what_is_gone_is_found() {
        let map = "**Tables without a workspace.** `forge.old`.\n\n**Fenced statements.** none\n";
        let found = rules(map);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("`a.flush` is not in the list"));
        assert!(found[2].contains("`forge.old` is in the list"));
    }
}
