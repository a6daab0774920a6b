//! What came of tests: for people, for machines, for CI.

use std::fmt::Write as _;
use std::time::Duration;

use kernel::Value;
use serde::Serialize;

/// What came of the tests of one file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FileReport {
    /// The file of tests.
    pub(crate) file: String,
    /// Why none of them could be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Its tests.
    pub(crate) tests: Vec<TestReport>,
}

/// What came of one test.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TestReport {
    /// Its name.
    pub(crate) name: String,
    /// How long it took.
    pub(crate) duration_ms: f64,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_id: Option<String>,
    /// What did not hold; empty: it passed.
    pub(crate) faults: Vec<String>,
}

/// Tests that passed and those that did not; a file that cannot be read counts as one that did not.
pub(crate) fn counts(files: &[FileReport]) -> (usize, usize) {
    let tests = || files.iter().flat_map(|file| &file.tests);
    let passed = tests().filter(|test| test.faults.is_empty()).count();
    let broken = files.iter().filter(|file| file.error.is_some()).count();
    (passed, tests().count() - passed + broken)
}

/// For people.
pub(crate) fn text(files: &[FileReport], took: Duration) -> String {
    let mut out = String::new();
    for file in files {
        let _ = writeln!(out, "{}", file.file);
        if let Some(error) = &file.error {
            let _ = writeln!(out, "  FAILED\n{}", indented(error));
        }
        for test in &file.tests {
            let mark = if test.faults.is_empty() { "ok    " } else { "FAILED" };
            let _ = writeln!(out, "  {mark} {} ({:.0} ms)", test.name, test.duration_ms);
            for fault in &test.faults {
                out.push_str(&indented(fault));
            }
        }
    }
    let (passed, failed) = counts(files);
    let _ = writeln!(out, "{passed} passed, {failed} failed in {:.1} s", took.as_secs_f64());
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("         {line}\n")).collect()
}

/// For machines.
pub(crate) fn json(files: &[FileReport]) -> Value {
    let (passed, failed) = counts(files);
    serde_json::json!({ "passed": passed, "failed": failed, "files": files })
}

/// For CI: JUnit's XML.
pub(crate) fn junit(files: &[FileReport], took: Duration) -> String {
    let (passed, failed) = counts(files);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let total = passed + failed;
    let seconds = took.as_secs_f64();
    let _ = writeln!(
        out,
        "<testsuites name=\"flowforge\" tests=\"{total}\" failures=\"{failed}\" time=\"{seconds:.3}\">"
    );
    for file in files {
        let (passed, failed) = counts(std::slice::from_ref(file));
        let name = escaped(&file.file);
        let tests = passed + failed;
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\">"
        );
        if let Some(error) = &file.error {
            case(&mut out, &name, "the file can be read", 0.0, std::slice::from_ref(error));
        }
        for test in &file.tests {
            case(&mut out, &name, &test.name, test.duration_ms / 1_000.0, &test.faults);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, class: &str, name: &str, seconds: f64, faults: &[String]) {
    let name = escaped(name);
    let _ =
        write!(out, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\"");
    let Some(first) = faults.first() else {
        out.push_str("/>\n");
        return;
    };
    let message = escaped(first.lines().next().unwrap_or_default());
    let all = escaped(&faults.concat());
    let _ =
        writeln!(out, ">\n      <failure message=\"{message}\">{all}</failure>\n    </testcase>");
}

/// Text as XML takes it; characters that XML has none for become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_escapes_what_failed() {
        let test = |name: &str, faults: &[&str]| TestReport {
            name: name.to_owned(),
            duration_ms: 12.0,
            run_id: None,
            faults: faults.iter().map(ToString::to_string).collect(),
        };
        let files = [
            FileReport {
                file: "a.test.yaml".to_owned(),
                error: None,
                tests: vec![test("x < y & \"z\"", &["- 1\n+ 2\u{1}\n"]), test("fine", &[])],
            },
            FileReport { file: "b".to_owned(), error: Some("line 1".into()), tests: vec![] },
        ];
        assert_eq!(counts(&files), (1, 2));
        let xml = junit(&files, Duration::from_millis(1_500));
        assert!(xml.contains("tests=\"3\" failures=\"2\" time=\"1.500\""), "{xml}");
        assert!(xml.contains("name=\"x &lt; y &amp; &quot;z&quot;\""), "{xml}");
        assert!(xml.contains("<failure message=\"- 1\">- 1\n+ 2\u{fffd}\n</failure>"), "{xml}");
        let shown = text(&files, Duration::ZERO);
        assert!(shown.contains("  FAILED x < y") && shown.contains("  ok     fine"), "{shown}");
        assert!(shown.ends_with("1 passed, 2 failed in 0.0 s\n"), "{shown}");
    }
}
