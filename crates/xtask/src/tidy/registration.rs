//! Every source file belongs to its crate, and lists that register things are sorted and complete.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = orphans(tree);
    for (path, text) in tree.rust().filter(|(path, _)| path.ends_with("/api/mod.rs")) {
        findings.extend(unsorted(path, text, "mod "));
        findings.extend(unregistered(tree, path, text));
    }
    findings
}

/// Files that no `mod` line names: the compiler passes over them without a word.
fn orphans(tree: &Tree) -> Vec<Finding> {
    let all: BTreeSet<&str> = tree.rust().map(|(path, _)| path).collect();
    let mut findings = Vec::new();
    for path in &all {
        let Some((folder, file)) = path.rsplit_once('/') else { continue };
        if !path.contains("/src/") || ["lib.rs", "main.rs"].contains(&file) {
            continue;
        }
        let (name, home) = match file {
            "mod.rs" => {
                let Some((home, name)) = folder.rsplit_once('/') else { continue };
                (name, home)
            }
            _ => (file.trim_end_matches(".rs"), folder),
        };
        let parents = [
            format!("{home}/mod.rs"),
            format!("{home}/lib.rs"),
            format!("{home}/main.rs"),
            format!("{home}.rs"),
        ];
        let named = parents.iter().any(|parent| {
            tree.text(parent).is_some_and(|text| modules(text).any(|module| module == name))
        });
        if !named {
            let rule = format!("no `mod {name};` names it: it is not compiled");
            findings.push(Finding::new(path, 0, rule));
        }
    }
    findings
}

/// Names of the modules a file declares.
fn modules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let line = line
            .split_once(") ")
            .map_or(line, |(start, rest)| if start.starts_with("pub(") { rest } else { line });
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    })
}

fn unsorted(path: &str, text: &str, start: &str) -> Option<Finding> {
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(start)).collect();
    let pair = lines.windows(2).find(|pair| pair[0] > pair[1])?;
    Some(Finding::new(path, 0, format!("`{}` stands before `{}`", pair[0], pair[1])))
}

/// Attributes that declare an API function.
const DECLARATIONS: [&str; 3] = ["action(", "mutation(", "query("];

/// Functions declared beside an `api/mod.rs` that its list does not have, and lists out of order.
fn unregistered(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let folder = path.trim_end_matches("mod.rs");
    let declares = |module: &&str| {
        let file = tree.text(&format!("{folder}{module}.rs")).unwrap_or_default();
        let attributes = file.lines().filter_map(|line| line.strip_prefix("#["));
        let mut names = attributes.map(|line| line.trim_start_matches("function::"));
        names.any(|line| DECLARATIONS.iter().any(|start| line.starts_with(start)))
    };
    let before = text.split("::FUNCTION").collect::<Vec<_>>();
    let listed: Vec<&str> = before[..before.len() - 1]
        .iter()
        .filter_map(|part| part.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next())
        .collect();
    let mut findings = Vec::new();
    for name in modules(text).filter(declares).filter(|name| !listed.contains(name)) {
        findings.push(Finding::new(path, 0, format!("`{name}::FUNCTION,` is not in the list")));
    }
    if let Some(pair) = listed.windows(2).find(|pair| pair[0] >= pair[1]) {
        let rule = format!("`{}::FUNCTION,` stands before `{}::FUNCTION,`", pair[0], pair[1]);
        findings.push(Finding::new(path, 0, rule));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(|finding| finding.rule.clone()).collect()
    }

    #[test]
    fn a_file_that_no_module_names_is_found() {
        let found = rules(&[
            ("crates/a/src/lib.rs", "mod x;\npub mod z;\npub(crate) mod w;\n"),
            ("crates/a/src/x.rs", "mod inner;\n"),
            ("crates/a/src/x/inner.rs", ""),
            ("crates/a/src/z/mod.rs", ""),
            ("crates/a/src/w.rs", ""),
            ("crates/a/src/lost.rs", ""),
        ]);
        assert_eq!(found, ["no `mod lost;` names it: it is not compiled"]);
    }

    #[test]
    fn functions_are_registered_completely_and_in_order() {
        let with = |list: &str| {
            rules(&[
                ("crates/a/src/lib.rs", "mod api;"),
                ("crates/a/src/api/mod.rs", list),
                ("crates/a/src/api/a.rs", "#[query(GET \"/a\")]\n"),
                ("crates/a/src/api/b.rs", "#[function::mutation(POST \"/b\")]\n"),
                ("crates/a/src/api/body.rs", "struct Body;\n"),
            ])
        };
        let sorted = "mod a;\nmod b;\nmod body;\n[\n    a::FUNCTION,\n    b::FUNCTION,\n];";
        assert_eq!(with(sorted), Vec::<String>::new());
        assert_eq!(with(&sorted.replace("    b::FUNCTION,\n", "")).len(), 1);
        assert_eq!(with("mod b;\nmod a;\nmod body;\nb::FUNCTION,\na::FUNCTION,\n").len(), 2);
    }
}
