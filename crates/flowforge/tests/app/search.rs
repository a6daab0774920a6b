//! Workflows are found by what is in them.

use serde_json::{Value, json};
use testkit::{Actor, TestApp};

async fn found(actor: &Actor, query: &str) -> Vec<String> {
    let page = actor.get(&format!("/v1/workflows?{query}")).await.expect(200).json;
    let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(name).collect()
}

#[testkit::test]
async fn workflows_are_found_by_words_of_their_content_the_best_first(app: &mut TestApp) {
    let owner = app.owner();
    let workflow = |name: &str, description: &str, node: &str, text: &str| {
        json!({ "format": 1, "name": name, "description": description, "nodes": [
            { "name": "In", "type": "core.manual" },
            { "name": node, "type": "core.stop_and_error", "parameters": { "message": text } },
        ], "connections": [format!("In -> {node}")] })
    };
    for (one, tags) in [
        (workflow("Invoices", "Sends them.", "Stop", "nothing"), "tag=finance"),
        (workflow("Other", "", "sendInvoice", "東京都の請求書"), "tag=later"),
        (workflow("Third", "", "Stop", "for invoice {{ x }} of Größe"), "tag=finance"),
    ] {
        owner.post(&format!("/v1/workflows?{tags}"), &one).await.expect(201);
    }
    assert_eq!(found(&owner, "search=invoice").await, ["Invoices", "Other", "Third"]);
    assert_eq!(found(&owner, "search=inv+third").await, ["Third"]);
    assert_eq!(found(&owner, "search=stop_and").await.len(), 3);
    assert_eq!(found(&owner, "search=%E8%AB%8B%E6%B1%82").await, ["Other"], "inside a run");
    assert_eq!(found(&owner, "search=GR%C3%96SSE").await, Vec::<String>::new());
    assert_eq!(found(&owner, "search=GR%C3%96%C3%9FE").await, ["Third"]);
    assert_eq!(found(&owner, "search=finance").await.len(), 2);
    assert_eq!(found(&owner, "search=invoice&tag=finance").await, ["Invoices", "Third"]);
    assert_eq!(found(&owner, "search=nonsense").await, Vec::<String>::new());
    assert_eq!(found(&owner, "search=%25_'").await.len(), 3, "no word is no search");

    let first = owner.get("/v1/workflows?search=invoice&limit=1").await.expect(200).json;
    assert_eq!(first["items"][0]["matched"], json!(["invoices"]));
    let next = first["next"].as_str().unwrap();
    let second = format!("search=invoice&limit=1&cursor={next}");
    assert_eq!(found(&owner, &second).await, ["Other"]);
    let forged = owner.get("/v1/workflows?search=invoice&cursor=1:2").await;
    forged.refused(422, "request.cursor");

    // A save changes what it is found by.
    let changed = workflow("Third", "", "Stop", "for bills");
    let request = owner.request(reqwest::Method::PUT, "/v1/workflows/Third").json(&changed);
    testkit::Reply::of(request).await.expect(200);
    assert_eq!(found(&owner, "search=invoice").await, ["Invoices", "Other"]);
    assert_eq!(found(&owner, "search=bills").await, ["Third"]);
}

#[testkit::test]
async fn a_keystroke_is_answered_by_an_index(app: &mut TestApp) {
    let sql = app.sql().await;
    sql.batch_execute(
        "INSERT INTO forge.workflows (workspace_id, id, project_id, origin, name, description,
                                      document, revision)
           SELECT w.workspace_id, gen_random_uuid(), w.workspace_id, 'saved', 'W ' || n, '', '{}', 1
           FROM forge.workspaces w, generate_series(1, 2000) n;
         INSERT INTO forge.workflow_words (workspace_id, workflow_id, word, weight)
           SELECT workspace_id, id, md5(id::text || n), 2
           FROM forge.workflows, generate_series(1, 20) n;
         ANALYZE forge.workflow_words",
    )
    .await
    .unwrap();
    // As requests run: row-level security lets only leakproof comparisons use an index.
    sql.batch_execute(
        "BEGIN;
         SELECT set_config('forge.workspace', workspace_id::text, true) FROM forge.workspaces LIMIT 1;
         SET LOCAL ROLE forge_app",
    )
    .await
    .unwrap();
    let rows = sql
        .query(
            "EXPLAIN SELECT workflow_id FROM forge.workflow_words
             WHERE workspace_id = (SELECT forge.workspace()) AND word >= 'abc' AND word < 'abd'",
            &[],
        )
        .await
        .unwrap();
    sql.batch_execute("ROLLBACK").await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("workflow_words_by_word"), "{plan}");
    assert!(plan.contains("(word >= 'abc'::text)") && !plan.contains("Filter: ((word"), "{plan}");
    assert_eq!(found(&app.owner(), "search=zz").await, Vec::<String>::new());
}
