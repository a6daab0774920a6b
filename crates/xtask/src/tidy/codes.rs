//! Every error code has a page, and every page a code.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

const TABLE: &str = "crates/kernel/src/codes.rs";
const PAGES: &str = "docs/errors/";
/// The page that lists the others.
const INDEX: &str = "README";

/// One row of the table.
struct Row<'t> {
    line: usize,
    code: &'t str,
    status: &'t str,
    title: &'t str,
    retryable: bool,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(table) = tree.text(TABLE) else { return Vec::new() };
    let rows = rows(table);
    let codes: BTreeSet<&str> = rows.iter().map(|row| row.code).collect();
    let mut findings: Vec<Finding> = rows.iter().filter_map(|row| page(tree, row)).collect();
    let index = format!("{PAGES}{INDEX}.md");
    let listed = tree.text(&index).unwrap_or_default();
    for row in rows.iter().filter(|row| !listed.contains(&row.index_line())) {
        findings.push(Finding::new(&index, 0, format!("has no line `{}`", row.index_line())));
    }
    for (path, _) in tree.files() {
        let name = path.strip_prefix(PAGES).and_then(|name| name.strip_suffix(".md"));
        if name.is_some_and(|name| name != INDEX && !codes.contains(name)) {
            findings.push(Finding::new(path, 0, format!("no code of this name is in {TABLE}")));
        }
    }
    findings
}

/// What is wrong with the page of a code.
fn page(tree: &Tree, row: &Row<'_>) -> Option<Finding> {
    let path = format!("{PAGES}{}.md", row.code);
    let Some(text) = tree.text(&path) else {
        let rule = format!("`{}` has no page {path}", row.code);
        return Some(Finding::new(TABLE, row.line, rule));
    };
    let opening = row.opening();
    (!text.starts_with(&opening)).then(|| Finding::new(&path, 1, format!("opens with {opening:?}")))
}

impl Row<'_> {
    fn opening(&self) -> String {
        let again = match self.retryable {
            true => "the same request may succeed later",
            false => "the same request fails again",
        };
        format!("# {}\n\n`{}` · HTTP {} · {again}\n", self.title, self.code, self.status)
    }

    fn index_line(&self) -> String {
        format!("| [{code}]({code}.md) | {} | {} |", self.status, self.title, code = self.code)
    }
}

/// Reads the rows `NAME = "code" 422 "Title" final;`.
fn rows(table: &str) -> Vec<Row<'_>> {
    table
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let (name, rest) = line.trim().split_once(" = \"")?;
            let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let mut parts = rest.split('"');
            let (code, status, title) = (parts.next()?, parts.next()?.trim(), parts.next()?);
            let retryable = match parts.next()?.trim() {
                "retry;" => true,
                "final;" => false,
                _ => return None,
            };
            is_name.then_some(Row { line: index + 1, code, status, title, retryable })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "codes! {\n    A = \"a.one\" 422 \"One\" final;\n    \
                        B = \"b.two\" 503 \"Two\" retry;\n}\n";
    const INDEX_PAGE: &str =
        "| [a.one](a.one.md) | 422 | One |\n| [b.two](b.two.md) | 503 | Two |\n";
    const ONE: &str = "# One\n\n`a.one` · HTTP 422 · the same request fails again\n";
    const TWO: &str = "# Two\n\n`b.two` · HTTP 503 · the same request may succeed later\n";

    #[test]
    fn pages_that_open_with_their_row_are_accepted() {
        let tree = Tree::of(&[
            (TABLE, ROWS),
            ("docs/errors/a.one.md", ONE),
            ("docs/errors/b.two.md", TWO),
            ("docs/errors/README.md", INDEX_PAGE),
        ]);
        assert_eq!(check(&tree), Vec::new());
    }

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let tree = Tree::of(&[
            (TABLE, ROWS),
            ("docs/errors/a.one.md", ONE),
            ("docs/errors/c.three.md", "# Three\n"),
            ("docs/errors/README.md", INDEX_PAGE),
        ]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!((findings[0].line, findings[1].path.as_str()), (3, "docs/errors/c.three.md"));
    }

    #[test]
    fn a_page_with_another_status_and_an_index_without_a_code_are_found() {
        let tree = Tree::of(&[
            (TABLE, ROWS),
            ("docs/errors/a.one.md", &ONE.replace("422", "400")),
            ("docs/errors/b.two.md", TWO),
            ("docs/errors/README.md", "| [a.one](a.one.md) | 422 | One |\n"),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["docs/errors/a.one.md", "docs/errors/README.md"]);
    }
}
