//! The examples are what the documentation says they are: valid workflows without a warning.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;
use std::path::PathBuf;

use kernel::{VersionId, WorkflowId, WorkspaceId};
use uuid::Uuid;
use workflow::{Document, Graph, validate};

fn examples() -> Vec<(PathBuf, String)> {
    let folder = checkout::path("examples");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect();
    examples.sort();
    assert!(examples.len() >= 8, "the examples are where the test looks for them");
    examples
}

#[test]
fn every_example_is_valid_and_has_no_warning() {
    for (path, text) in examples() {
        let document = Document::from_yaml(&text)
            .unwrap_or_else(|problem| panic!("{}: {problem:#?}", path.display()));
        let warnings = validate(&document, &nodes::registry())
            .unwrap_or_else(|problem| panic!("{}: {problem:#?}", path.display()));
        assert_eq!(warnings, [], "{}", path.display());
        let nil = Uuid::nil();
        let (workspace, workflow, version) = (WorkspaceId(nil), WorkflowId(nil), VersionId(nil));
        Graph::build(workspace, workflow, version, &document, &nodes::registry()).unwrap();
    }
}

#[test]
fn every_example_survives_being_written_anew() {
    for (path, text) in examples() {
        let document = Document::from_yaml(&text).unwrap();
        assert_eq!(Document::from_yaml(&document.to_yaml()).as_ref(), Ok(&document), "{path:?}");
        assert_eq!(Document::from_json(&document.to_json()).as_ref(), Ok(&document), "{path:?}");
    }
}

#[test]
fn every_example_says_what_it_is_for_and_stands_in_the_list() {
    let list = checkout::text("examples/README.md");
    for (path, text) in examples() {
        let document = Document::from_yaml(&text).unwrap();
        assert!(document.description.len() > 20, "{path:?}");
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(list.contains(&format!("({name})")), "{name} is missing in examples/README.md");
    }
}
