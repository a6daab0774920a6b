//! The files that git knows of or would know of, read once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Text files by their path from the root, with `/` as separator.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Every committed or not yet ignored file of the repository; files that are no UTF-8 are left out.
    pub(crate) fn of_git(root: &Path) -> Result<Self> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("git did not start")?;
        ensure!(output.status.success(), "git ls-files failed: is this a clone?");
        let names = String::from_utf8(output.stdout).context("a file name is no UTF-8")?;
        let mut files = BTreeMap::new();
        for name in names.split_terminator('\0') {
            // A file that was deleted but not yet committed is listed and cannot be read.
            if let Ok(text) = std::fs::read_to_string(root.join(name)) {
                files.insert(name.to_owned(), text);
            }
        }
        Ok(Self { files })
    }

    /// A tree made up by a test.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(owned).collect() }
    }

    /// Every file, sorted by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Our own Rust sources.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// One file's text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }
}

/// Whether a Rust file holds nothing but tests.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// The lines (from 1, both included) of the items under `#[cfg(test)]`.
pub(crate) fn test_lines(file: &syn::File) -> Vec<(usize, usize)> {
    use syn::spanned::Spanned as _;
    let marked = |attributes: &[syn::Attribute]| {
        attributes.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|condition| condition.is_ident("test"))
        })
    };
    let lines = |item: &syn::Item| {
        let span = item.span();
        (span.start().line, span.end().line)
    };
    file.items
        .iter()
        .filter(|item| match item {
            syn::Item::Mod(item) => marked(&item.attrs),
            syn::Item::Fn(item) => marked(&item.attrs),
            syn::Item::Impl(item) => marked(&item.attrs),
            syn::Item::Use(item) => marked(&item.attrs),
            _ => false,
        })
        .map(lines)
        .collect()
}
