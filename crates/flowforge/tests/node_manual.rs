//! `docs/guide/nodes.md` is made from the node types themselves; this makes it, and finds its drift.

use std::fmt::Write as _;

const OPENING: &str = "\
# Nodes

This page is made from the program: `cargo xtask contracts` writes it anew. The same, for machines, is
`contracts/nodes.json` and `GET /v1/node-types`; `GET /v1/node-types/{type}` has the section of one type
with its form, and `?search=` finds one by what it does. The project's tests run every example.

A parameter that is a text and begins with `=` is an [expression](expressions.md). **Effect** says what a
node may do: *pure* nodes only compute, *read* nodes look at the outside, *external* ones change it and
run only after everything before them in their run is durable.
";

#[test]
fn the_manual_of_the_nodes_contract_has_not_drifted() {
    checkout::assert_current("docs/guide/nodes.md", &manual());
}

#[test]
fn the_manual_has_what_lies_deeper_in_the_parameters() {
    let page = manual();
    for part in [
        "`string.contains`",
        "- `number`: A number; texts are read.",
        "With `kind: bearer`: With a token",
        "| `value` | required | The value. |",
        "With `message`: What went wrong, as a text.",
        "Inputs: main. No outputs.",
        "| `run` | `\"once\"` |",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("With `: `") && !page.contains("Outputs: ."));
}

fn manual() -> String {
    let registry = nodes::registry();
    let mut page = OPENING.to_owned();
    let mut groups: Vec<&str> = registry.iter().map(|kind| kind.about.group).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let _ = write!(page, "\n## {}\n", heading(group));
        for kind in registry.iter().filter(|kind| kind.about.group == group) {
            page.push('\n');
            page.push_str(&kind.manual(3));
        }
    }
    page
}

fn heading(group: &str) -> String {
    let mut letters = group.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
