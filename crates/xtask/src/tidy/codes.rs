//! Every error code has a page, and every page a code.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

const TABLE: &str = "crates/kernel/src/codes.rs";
const PAGES: &str = "docs/errors/";
/// The page that lists the others.
const INDEX: &str = "README";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(table) = tree.text(TABLE) else { return Vec::new() };
    let rows: Vec<(usize, &str, &str)> = rows(table);
    let codes: BTreeSet<&str> = rows.iter().map(|(_, code, _)| *code).collect();
    let mut findings = Vec::new();
    for (line, code, title) in &rows {
        let path = format!("{PAGES}{code}.md");
        match tree.text(&path) {
            None => {
                findings.push(Finding::new(TABLE, *line, format!("`{code}` has no page {path}")));
            }
            Some(page) => {
                let heading = format!("# {title}");
                if page.lines().next() != Some(heading.as_str()) {
                    findings.push(Finding::new(&path, 1, format!("opens with `{heading}`")));
                }
            }
        }
    }
    for (path, _) in tree.files() {
        let name = path.strip_prefix(PAGES).and_then(|name| name.strip_suffix(".md"));
        if name.is_some_and(|name| name != INDEX && !codes.contains(name)) {
            findings.push(Finding::new(path, 0, format!("no code of this name is in {TABLE}")));
        }
    }
    findings
}

/// Line, code and title of each row `NAME = "code" 422 "Title" final;`.
fn rows(table: &str) -> Vec<(usize, &str, &str)> {
    table
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let (name, rest) = line.trim().split_once(" = \"")?;
            let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let ends = rest.ends_with("\" final;") || rest.ends_with("\" retry;");
            let mut parts = rest.split('"');
            let code = parts.next()?;
            let title = parts.nth(1)?;
            (is_name && ends).then_some((index + 1, code, title))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "codes! {\n    A = \"a.one\" 422 \"One\" final;\n    \
                        B = \"b.two\" 503 \"Two\" retry;\n}\n";

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let tree = Tree::of(&[
            (TABLE, ROWS),
            ("docs/errors/a.one.md", "# One\n"),
            ("docs/errors/c.three.md", "# Three\n"),
            ("docs/errors/README.md", "# All\n"),
        ]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!((findings[0].line, findings[1].path.as_str()), (3, "docs/errors/c.three.md"));
    }

    #[test]
    fn a_page_carries_the_title_of_its_code() {
        let tree = Tree::of(&[
            (TABLE, ROWS),
            ("docs/errors/a.one.md", "# Uno\n"),
            ("docs/errors/b.two.md", "# Two\n"),
        ]);
        assert_eq!(check(&tree).len(), 1);
    }
}
