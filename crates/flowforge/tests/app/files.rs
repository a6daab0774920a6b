//! Workflows as files: a folder goes out and comes in again, whole or not at all.

use serde_json::{Value, json};
use testkit::TestApp;

fn yaml(name: &str) -> String {
    format!(
        "# {name}, with love\nformat: 1\nname: {name}\nnodes:\n  - {{ name: In, type: core.manual }}\n"
    )
}

fn file(path: &str, text: &str) -> Value {
    json!({ "path": path, "text": text })
}

async fn names(app: &TestApp) -> Vec<String> {
    let listed = app.owner().get("/v1/workflows").await.expect(200).json;
    let items = listed["items"].as_array().unwrap().iter();
    let mut names: Vec<String> =
        items.map(|item| item["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[testkit::test]
async fn one_broken_file_keeps_the_whole_folder_out_and_every_fault_is_named(app: &mut TestApp) {
    let owner = app.owner();
    owner.post_text("/v1/workflows", "application/yaml", &yaml("There")).await.expect(201);
    let body = json!({ "files": [
        file("a/good.yaml", &yaml("Good")),
        file("a/broken.yaml", "format: 1\nname: [\n"),
        file("a/cycle.json", "{\"format\":1,\"name\":\"C\",\"nodes\":[{\"name\":\"A\",\"type\":\"core.no_op\"}],\"connections\":[\"A -> A\"]}"),
        file("b/twice.yaml", &yaml("Good")),
        file("b/types.yaml", "format: 1\nname: T\nnodes:\n  - { name: X, type: core.sett }\n  - { name: Y, type: core.noop }\n"),
    ] });
    let refused = owner.post("/v1/workflow-files", &body).await;
    let refused = refused.refused(422, "workflow.import_failed");
    assert!(refused.detail().starts_with("4 of 5 files"), "{}", refused.detail());
    let errors: Vec<(&str, &str, &str)> = refused.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let text = |key: &str| error[key].as_str().unwrap();
            (text("pointer"), text("code"), text("detail"))
        })
        .collect();
    let wanted = [
        ("/files/1/text", "workflow.malformed", "a/broken.yaml: line 3"),
        ("/files/2/text", "workflow.cycle", "a/cycle.json: "),
        ("/files/3/text", "workflow.name_taken", "a/good.yaml"),
        ("/files/4/text", "workflow.unknown_type", "line 4"),
        ("/files/4/text", "workflow.unknown_type", "line 5"),
    ];
    for (pointer, code, word) in wanted {
        let told = errors
            .iter()
            .any(|(at, what, detail)| *at == pointer && *what == code && detail.contains(word));
        assert!(told, "{pointer} {code} {word}: {errors:#?}");
    }
    assert_eq!(names(app).await, ["There"]);
    let projects = owner.get("/v1/projects").await.expect(200).json;
    assert_eq!(projects["items"].as_array().unwrap().len(), 1, "{projects}");

    let taken = json!({ "files": [file("g.yaml", &yaml("Good")), file("t.yaml", &yaml("There"))] });
    let taken = owner.post("/v1/workflow-files", &taken).await;
    let taken = taken.refused(422, "workflow.import_failed");
    assert_eq!(taken.json["errors"][0]["code"], "workflow.name_taken", "{}", taken.text);
    assert_eq!(names(app).await, ["There"]);
}

#[testkit::test]
async fn what_is_exported_can_be_imported_as_it_is(app: &mut TestApp) {
    let owner = app.owner();
    let body = json!({ "files": [
        { "path": "Ärger/eins.yaml", "text": yaml("Eins"), "tags": ["x"] },
        { "path": "zwei.yaml", "text": yaml("Zwei / 2"), "project": "Finance" },
        file("drei.json", "{\"format\":1,\"name\":\"zwei - 2\",\"nodes\":[]}"),
    ] });
    let imported = owner.post("/v1/workflow-files", &body).await.expect(201).json;
    assert_eq!(imported["items"][1]["done"], "created");
    let mut exported = Vec::new();
    let mut next = String::new();
    loop {
        let page = owner.get(&format!("/v1/workflow-files?limit=2{next}")).await.expect(200).json;
        exported.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={}", cursor),
            None => break,
        }
    }
    exported.sort_by_key(|file| file["path"].to_string());
    let paths: Vec<&str> = exported.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!((paths[0], paths[2]), ("Default/zwei - 2.yaml", "Ärger/Eins.yaml"));
    // What a file system would not take is marked, so that no two files are one.
    let marked = paths[1].strip_prefix("Finance/Zwei - 2-").unwrap();
    assert_eq!(marked.len(), "01234567.yaml".len(), "{paths:?}");
    assert_eq!(exported[2]["text"], yaml("Eins"), "with its comments");
    assert_eq!(exported[2]["tags"], json!(["x"]));

    let again = json!({ "files": exported, "on_conflict": "replace" });
    let again = owner.post("/v1/workflow-files", &again).await.expect(201).json;
    assert!(again["items"].as_array().unwrap().iter().all(|file| file["done"] == "unchanged"));
    let changed = exported[2]["text"].as_str().unwrap().replace("In", "Start");
    let files = json!([{ "path": "Ärger/Eins.yaml", "text": changed }]);
    let replaced = json!({ "files": files, "on_conflict": "replace" });
    let replaced = owner.post("/v1/workflow-files", &replaced).await.expect(201).json;
    assert_eq!(
        (&replaced["items"][0]["done"], &replaced["items"][0]["revision"]),
        (&json!("replaced"), &json!(2))
    );
    let renamed = json!({ "files": files, "on_conflict": "rename" });
    let renamed = owner.post("/v1/workflow-files", &renamed).await.expect(201).json;
    assert_eq!(renamed["items"][0]["name"], "Eins (imported)");
    let nowhere = json!({ "files": [file("n.yaml", &yaml("N"))], "project": "Nowhere" });
    let nowhere = owner.post("/v1/workflow-files", &nowhere).await;
    nowhere.refused(404, "project.not_found");
}
