//! Crates depend on each other as ARCHITECTURE.md lists it, and bands point down only.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;

const MAP: &str = "ARCHITECTURE.md";
/// The fence that opens the list of crates.
const FENCE: &str = "```crates";
/// Bands from top to bottom: an edge leads to the same band or a lower one.
const BANDS: [&str; 7] = ["tools", "binary", "surface", "domain", "content", "platform", "base"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.text(MAP) else { return Vec::new() };
    let (listed, mut findings) = read_map(map);
    let found = read_crates(tree);
    let members: BTreeSet<&String> = found.keys().collect();
    for (name, entry) in &listed {
        if !members.contains(name) {
            let rule = format!("lists the crate {name}, which does not exist");
            findings.push(Finding::new(MAP, entry.line, rule));
        }
        findings.extend(entry.edges.iter().filter_map(|to| upward(name, entry, to, &listed)));
    }
    for (name, edges) in &found {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(entry) = listed.get(name) else {
            findings.push(Finding::new(&path, 0, format!("{name} is not listed in {MAP}")));
            continue;
        };
        for to in edges.difference(&entry.edges) {
            let rule = format!("{name} depends on {to}, which {MAP} does not list");
            findings.push(Finding::new(&path, 0, rule));
        }
        for to in entry.edges.difference(edges) {
            let rule = format!("lists {name} → {to}, which Cargo.toml does not have");
            findings.push(Finding::new(MAP, entry.line, rule));
        }
    }
    findings
}

struct Entry {
    line: usize,
    band: usize,
    edges: BTreeSet<String>,
}

/// Reads lines such as `domain  trigger  db engine kernel`.
fn read_map(map: &str) -> (BTreeMap<String, Entry>, Vec<Finding>) {
    let mut listed = BTreeMap::new();
    let mut findings = Vec::new();
    let lines = map.lines().enumerate().skip_while(|(_, line)| !line.starts_with(FENCE));
    for (index, line) in lines.skip(1).take_while(|(_, line)| !line.starts_with("```")) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(band), Some(name)) = (words.next(), words.next()) else { continue };
        match BANDS.iter().position(|known| *known == band) {
            Some(band) => {
                listed.insert(name, Entry { line: index + 1, band, edges: words.collect() });
            }
            None => findings.push(Finding::new(MAP, index + 1, format!("no band \"{band}\""))),
        }
    }
    if listed.is_empty() {
        findings.push(Finding::new(MAP, 0, format!("has no list opened by {FENCE}")));
    }
    (listed, findings)
}

fn upward(
    name: &str,
    entry: &Entry,
    to: &str,
    listed: &BTreeMap<String, Entry>,
) -> Option<Finding> {
    let target = listed.get(to)?;
    (target.band < entry.band).then(|| {
        let (from, up) = (BANDS[entry.band], BANDS[target.band]);
        let rule = format!("{name} ({from}) → {to} ({up}) points up");
        Finding::new(MAP, entry.line, rule)
    })
}

/// The dependencies of each crate on others of ours; those of its tests are free.
fn read_crates(tree: &Tree) -> BTreeMap<String, BTreeSet<String>> {
    let manifests: BTreeMap<&str, &str> = tree
        .files()
        .filter_map(|(path, text)| {
            let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            Some((name, text))
        })
        .collect();
    manifests
        .iter()
        .map(|(name, text)| {
            let manifest: toml::Table = toml::from_str(text).unwrap_or_default();
            let edges = ["dependencies", "build-dependencies"]
                .iter()
                .filter_map(|section| manifest.get(*section)?.as_table())
                .flat_map(|table| table.keys())
                .filter(|dependency| manifests.contains_key(dependency.as_str()))
                .cloned()
                .collect();
            ((*name).to_owned(), edges)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(map: &str, crates: &[(&str, &str)]) -> Vec<String> {
        let mut files = vec![(MAP.to_owned(), map.to_owned())];
        for (name, dependencies) in crates {
            let path = format!("crates/{name}/Cargo.toml");
            files.push((path, format!("[dependencies]\n{dependencies}\n")));
        }
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        check(&Tree::of(&files)).iter().map(|finding| finding.rule.clone()).collect()
    }

    const MAP_OF_TWO: &str = "# Map\n```crates\nplatform node kernel\nbase kernel\n```\n";

    #[test]
    fn the_list_and_the_manifests_agree() {
        let both = [("node", "kernel = {}\nserde = \"1\""), ("kernel", "")];
        assert_eq!(rules(MAP_OF_TWO, &both), Vec::<String>::new());
    }

    #[test]
    fn an_edge_is_found_when_only_one_side_has_it() {
        let missing = rules(MAP_OF_TWO, &[("node", ""), ("kernel", "")]);
        assert!(missing[0].contains("lists node → kernel"), "{missing:?}");
        let extra = rules(MAP_OF_TWO, &[("node", "kernel = {}"), ("kernel", "node = {}")]);
        assert!(extra[0].contains("kernel depends on node"), "{extra:?}");
    }

    #[test]
    fn an_edge_upward_is_found_even_when_listed() {
        let map = "```crates\nplatform node\nbase kernel node\n```\n";
        let found = rules(map, &[("node", ""), ("kernel", "node = {}")]);
        assert_eq!(found, ["kernel (base) → node (platform) points up"]);
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_found() {
        let found = rules(MAP_OF_TWO, &[("node", "kernel = {}"), ("kernel", ""), ("utils", "")]);
        assert_eq!(found, ["utils is not listed in ARCHITECTURE.md"]);
    }
}
