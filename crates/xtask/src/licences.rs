//! Licences, banned crates and duplicate versions, after the policy in `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// Checks every package of the build against the policy.
pub(crate) fn run() -> Result<()> {
    let policy = Policy::read(&std::fs::read_to_string(checkout::root().join("deny.toml"))?)?;
    let packages = packages(&workspace::dependency_lines()?);
    let findings = policy.findings(&packages);
    for finding in &findings {
        println!("licences: {finding}");
    }
    for (name, versions) in duplicates(&packages) {
        println!("licences: note: {name} is built in {} versions: {}", versions.len(), {
            versions.into_iter().collect::<Vec<_>>().join(", ")
        });
    }
    ensure!(findings.is_empty(), "{} findings", findings.len());
    Ok(())
}

/// How many crates are built in more than one version; tidy's ratchet holds it.
pub(crate) fn duplicate_count() -> Result<usize> {
    Ok(duplicates(&packages(&workspace::dependency_lines()?)).len())
}

struct Policy {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
}

struct Package {
    name: String,
    version: String,
    licence: String,
}

impl Policy {
    /// Reads the parts of cargo-deny's format that we use.
    fn read(text: &str) -> Result<Self> {
        let policy: toml::Table = toml::from_str(text).context("deny.toml")?;
        let list = |section: &str, key: &str| -> Result<Vec<toml::Value>> {
            let value = policy.get(section).and_then(|table| table.get(key));
            let list = value.and_then(toml::Value::as_array).cloned();
            list.with_context(|| format!("deny.toml has no list [{section}] {key}"))
        };
        let name = |entry: &toml::Value| {
            let name = entry.as_str().or_else(|| entry.get("crate").and_then(toml::Value::as_str));
            name.map(str::to_owned)
        };
        Ok(Self {
            licences: list("licenses", "allow")?.iter().filter_map(name).collect(),
            banned: list("bans", "deny")?.iter().filter_map(name).collect(),
        })
    }

    fn findings(&self, packages: &[Package]) -> Vec<String> {
        let mut findings = Vec::new();
        for package in packages {
            let Package { name, version, licence } = package;
            if self.banned.contains(name) {
                findings.push(format!("{name} {version} is banned, see deny.toml"));
            }
            if licence.is_empty() {
                findings.push(format!("{name} {version} states no licence"));
            } else if !self.allows(licence) {
                findings.push(format!("{name} {version} is under {licence}: not in deny.toml"));
            }
        }
        findings
    }

    /// Whether an SPDX expression can be satisfied by allowed licences alone.
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut at = 0;
        let allowed = self.any(&words, &mut at);
        allowed && at == words.len()
    }

    /// `all (OR all)*`
    fn any(&self, words: &[&str], at: &mut usize) -> bool {
        let mut allowed = self.all(words, at);
        while words.get(*at) == Some(&"OR") {
            *at += 1;
            let other = self.all(words, at);
            allowed = allowed || other;
        }
        allowed
    }

    /// `one (AND one)*`
    fn all(&self, words: &[&str], at: &mut usize) -> bool {
        let mut allowed = self.one(words, at);
        while words.get(*at) == Some(&"AND") {
            *at += 1;
            let other = self.one(words, at);
            allowed = allowed && other;
        }
        allowed
    }

    /// `( any )` or `licence [WITH exception]`
    fn one(&self, words: &[&str], at: &mut usize) -> bool {
        let word = words.get(*at).copied().unwrap_or_default();
        *at += 1;
        if word == "(" {
            let allowed = self.any(words, at);
            *at += 1;
            return allowed;
        }
        if words.get(*at) == Some(&"WITH") {
            let exception = words.get(*at + 1).copied().unwrap_or_default();
            *at += 2;
            return self.licences.contains(&format!("{word} WITH {exception}"))
                || self.licences.contains(word);
        }
        self.licences.contains(word)
    }
}

/// Reads lines such as `serde v1.0.0 (proc-macro)|MIT OR Apache-2.0`.
fn packages(lines: &str) -> Vec<Package> {
    // cargo marks what it has printed before, even when asked not to leave it out.
    let unmarked = lines.lines().map(|line| line.trim_end_matches(" (*)"));
    let unique: BTreeSet<&str> = unmarked.collect();
    unique
        .into_iter()
        .filter_map(|line| {
            let (package, licence) = line.split_once('|')?;
            let (name, version) = package.split_once(" v")?;
            let version = version.split(' ').next().unwrap_or(version);
            Some(Package {
                name: name.to_owned(),
                version: version.to_owned(),
                licence: licence.to_owned(),
            })
        })
        .collect()
}

fn duplicates(packages: &[Package]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]
        [bans]
        deny = [{ crate = "ring", reason = "one crypto provider" }]
    "#;

    fn package(name: &str, licence: &str) -> Package {
        Package { name: name.to_owned(), version: "1.0.0".to_owned(), licence: licence.to_owned() }
    }

    #[test]
    fn an_expression_is_allowed_when_one_way_through_it_is() {
        let policy = Policy::read(POLICY).unwrap();
        for allowed in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "(MIT OR GPL-3.0-only) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(policy.allows(allowed), "{allowed}");
        }
        for refused in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT", "MIT MIT", ""] {
            assert!(!policy.allows(refused), "{refused}");
        }
    }

    #[test]
    fn banned_unlicensed_and_foreign_licensed_crates_are_named() {
        let policy = Policy::read(POLICY).unwrap();
        let packages = [
            package("ring", "MIT"),
            package("a", ""),
            package("b", "SSPL-1.0"),
            package("c", "MIT"),
        ];
        let findings = policy.findings(&packages);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].contains("ring") && findings[2].contains("SSPL-1.0"));
    }

    #[test]
    fn packages_are_read_once_each_with_version_and_licence() {
        let line = "macros v1.2.3 (proc-macro)|MIT OR Apache-2.0";
        let read = packages(&format!("{line}\n{line} (*)\nnone v0.1.0|\n\n"));
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].name.as_str(), read[0].version.as_str()), ("macros", "1.2.3"));
        assert_eq!((read[0].licence.as_str(), read[1].licence.as_str()), ("MIT OR Apache-2.0", ""));
    }

    #[test]
    fn a_crate_in_two_versions_is_a_duplicate() {
        let mut newer = package("a", "MIT");
        newer.version = "2.0.0".to_owned();
        let packages = [package("a", "MIT"), newer, package("b", "MIT")];
        assert_eq!(duplicates(&packages).keys().collect::<Vec<_>>(), [&"a"]);
    }

    #[test]
    fn the_build_has_neither_ring_nor_openssl() {
        for banned in ["ring", "openssl-sys"] {
            let output = workspace::cargo(&["tree", "--locked", "--workspace", "-i", banned])
                .output()
                .unwrap();
            // Not in the lock file: cargo fails; in it for a feature we do not take: nothing printed.
            let tree = String::from_utf8_lossy(&output.stdout);
            assert_eq!(tree, "", "{banned} is built");
        }
    }
}
