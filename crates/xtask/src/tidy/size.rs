//! Files and functions stay short enough to be read in one sitting.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::Finding;
use super::tree::{Tree, is_test_file, test_lines};

/// Code lines of a file without its tests.
const FILE_LINES_MAX: usize = 500;
/// Code lines of a file with its tests, and of a file of tests.
const FILE_LINES_WITH_TESTS_MAX: usize = 700;
/// Code lines of a function, from its name to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Lines that are neither blank nor comments count.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let file = match syn::parse_file(text) {
            Ok(file) => file,
            Err(error) => {
                let line = error.span().start().line;
                findings.push(Finding::new(path, line, format!("no Rust: {error}")));
                continue;
            }
        };
        let code = code_lines(text);
        findings.extend(long_file(path, &code, &test_lines(&file)));
        let mut functions = Functions { path, code: &code, findings: Vec::new() };
        functions.visit_file(&file);
        findings.extend(functions.findings);
    }
    findings
}

/// For each line, whether it is code.
fn code_lines(text: &str) -> Vec<bool> {
    let is_code = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    text.lines().map(is_code).collect()
}

fn long_file(path: &str, code: &[bool], tests: &[(usize, usize)]) -> Option<Finding> {
    let all = count(code, 1, code.len());
    let in_tests: usize = tests.iter().map(|(from, to)| count(code, *from, *to)).sum();
    let own = if is_test_file(path) { 0 } else { all - in_tests };
    if own > FILE_LINES_MAX {
        let rule = format!("{own} lines of code, {FILE_LINES_MAX} are allowed: split it");
        return Some(Finding::new(path, 0, rule));
    }
    (all > FILE_LINES_WITH_TESTS_MAX).then(|| {
        let rule = format!(
            "{all} lines of code and tests, {FILE_LINES_WITH_TESTS_MAX} are allowed: split it"
        );
        Finding::new(path, 0, rule)
    })
}

/// Code lines among the lines `from` to `to`, both included, counted from 1.
fn count(code: &[bool], from: usize, to: usize) -> usize {
    let range = from.saturating_sub(1)..to.min(code.len());
    code.get(range).unwrap_or_default().iter().filter(|is_code| **is_code).count()
}

struct Functions<'a> {
    path: &'a str,
    code: &'a [bool],
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let from = signature.span().start().line;
        let lines = count(self.code, from, block.span().end().line);
        if lines > FUNCTION_LINES_MAX {
            let rule = format!(
                "`{}` has {lines} lines, {FUNCTION_LINES_MAX} are allowed: split it",
                signature.ident
            );
            self.findings.push(Finding::new(self.path, from, rule));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(count: usize) -> String {
        "    call();\n".repeat(count)
    }

    #[test]
    fn a_function_may_have_seventy_lines_and_not_one_more() {
        let fits = format!("fn fits() {{\n{}}}\n", statements(68));
        let long = format!("fn long() {{\n{}\n    // why\n}}\n", statements(69));
        let tree = Tree::of(&[("crates/a/src/x.rs", &fits), ("crates/a/src/y.rs", &long)]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].rule.contains("`long` has 71 lines"));
    }

    #[test]
    fn a_file_may_have_five_hundred_lines_besides_its_tests() {
        let code = "const A: u8 = 1;\n".repeat(500);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(190));
        let both = format!("{code}{tests}");
        let too_many = format!("{both}const B: u8 = 1;\n");
        let tree = Tree::of(&[("crates/a/src/x.rs", &both), ("crates/a/src/y.rs", &too_many)]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].path, "crates/a/src/y.rs");
    }
}
