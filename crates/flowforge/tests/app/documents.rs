//! Projects, workflows, nodes and connections: made, changed, renamed, filed and removed.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, TestApp};

const CHAIN: &str = "
format: 1
name: Chain
nodes:
  - { name: In, type: core.manual }
  - { name: Größe, type: core.set, parameters: { fields: [ { name: n, value: '={{ $json.n }}' } ] } }
  - name: Out
    type: core.set
    parameters: { fields: [ { name: m, value: \"={{ $('Größe').item.json.n + $node['Größe'].json.n }}\" } ] }
  - { name: Code, type: core.code, parameters: { code: \"return $('Größe').all()\" } }
connections: [ In -> Größe, Größe -> Out, Out -> Code ]
pinned: { Größe: [ { json: { n: 1 } } ] }
canvas: { groups: [ { name: Middle, nodes: [ Größe ] } ] }
";

/// Somebody who owns another workspace.
pub(crate) async fn stranger(app: &TestApp) -> Actor {
    let actor = app.api_key(&["*"]).await;
    let sql = app.sql().await;
    sql.batch_execute(
        "INSERT INTO forge.workspaces (workspace_id, slug, name)
           VALUES ('00000000-0000-0000-0000-000000000099', 'other', 'Other');
         INSERT INTO forge.principals (workspace_id, id, kind, name)
           SELECT '00000000-0000-0000-0000-000000000099', principal_id, 'owner', 'Stranger'
           FROM forge.api_keys WHERE name = 'test';
         UPDATE forge.api_keys SET workspace_id = '00000000-0000-0000-0000-000000000099'
           WHERE name = 'test'",
    )
    .await
    .unwrap();
    actor
}

async fn create(app: &TestApp, yaml: &str) -> String {
    let made = app.owner().post_text("/v1/workflows", "application/yaml", yaml).await.expect(201);
    made.json["id"].as_str().unwrap().to_owned()
}

async fn document(app: &TestApp, id: &str) -> Value {
    app.owner().get(&format!("/v1/workflows/{id}")).await.expect(200).json["document"].clone()
}

#[testkit::test]
async fn a_renamed_node_is_followed_by_everything_that_names_it(app: &mut TestApp) {
    let (id, owner) = (create(app, CHAIN).await, app.owner());
    let path = format!("/v1/workflows/{id}/nodes/Gr%C3%B6%C3%9Fe");
    let patched = owner.send(Method::PATCH, &path, &json!({ "name": "It's 大" })).await.expect(200);
    assert_eq!(patched.json["revision"], 2);
    assert!(patched.json.get("problem").is_none(), "{}", patched.text);
    let now = document(app, &id).await;
    assert_eq!(now["connections"], json!(["In -> It's 大", "It's 大 -> Out", "Out -> Code"]));
    assert_eq!(
        now["nodes"][2]["parameters"]["fields"][0]["value"],
        r"={{ $('It\'s 大').item.json.n + $node['It\'s 大'].json.n }}"
    );
    assert_eq!(now["nodes"][3]["parameters"]["code"], r"return $('It\'s 大').all()");
    assert_eq!(now["pinned"]["It's 大"][0]["json"]["n"], 1);
    assert_eq!(now["canvas"]["groups"][0]["nodes"], json!(["It's 大"]));
    let taken = owner
        .send(Method::PATCH, &format!("/v1/workflows/{id}/nodes/Out"), &json!({ "name": "In" }))
        .await;
    taken.refused(422, "workflow.duplicate_node");
}

#[testkit::test]
async fn nodes_and_connections_are_added_changed_and_removed_one_by_one(app: &mut TestApp) {
    let (id, owner) = (create(app, CHAIN).await, app.owner());
    let nodes = format!("/v1/workflows/{id}/nodes");
    let node = json!({ "name": "End", "type": "core.no_op" });
    owner.post(&nodes, &node).await.expect(201);
    owner.post(&nodes, &node).await.refused(422, "workflow.duplicate_node");
    let wrong = json!({ "name": "Wrong", "type": "core.no_op", "timeout": "soon" });
    let refused = owner.post(&nodes, &wrong).await.refused(422, "request.invalid");
    assert_eq!(refused.json["errors"][0]["pointer"], "/timeout", "{}", refused.text);
    let added = owner
        .post(&format!("/v1/workflows/{id}/connections"), &json!({ "from": "Code", "to": "End" }))
        .await;
    assert_eq!(added.expect(201).json["warnings"], json!([]));

    let one = format!("{nodes}/End");
    owner.send(Method::PATCH, &one, &json!({ "notes": "a", "timeout": "5s" })).await.expect(200);
    owner.send(Method::PATCH, &one, &json!({ "timeout": null })).await.expect(200);
    let seen = owner.get(&one).await.expect(200).json;
    assert_eq!(seen, json!({ "name": "End", "type": "core.no_op", "notes": "a" }));
    let other = json!({ "name": "End", "type": "core.limit", "parameters": { "count": 3 } });
    owner.send(Method::PUT, &one, &other).await.expect(200);
    assert_eq!(owner.get(&one).await.expect(200).json, other);

    let connections = format!("/v1/workflows/{id}/connections");
    let elsewhere = owner.delete(&format!("{connections}/Code:true%20-%3E%20End")).await;
    let elsewhere = elsewhere.refused(404, "workflow.connection_not_found");
    assert!(elsewhere.detail().contains("Code -> End"), "{}", elsewhere.detail());
    owner.delete(&format!("{connections}/Code:0%20-%3E%20End")).await.expect(200);
    let back = json!({ "from": "Code", "to": "End" });
    owner.post(&connections, &back).await.expect(201);
    owner
        .delete(&format!("{connections}/%7B%22from%22:%22Code%22,%22to%22:%22End%22%7D"))
        .await
        .expect(200);
    owner
        .delete(&format!("{connections}/none"))
        .await
        .refused(404, "workflow.connection_not_found");
    let listed = owner.get(&format!("/v1/workflows/{id}/connections")).await.expect(200).json;
    assert_eq!(listed["items"], json!(["In -> Größe", "Größe -> Out", "Out -> Code"]));

    // Others refer to it: only an incomplete draft may lose it.
    let needed = format!("{nodes}/Gr%C3%B6%C3%9Fe");
    owner.delete(&needed).await.refused(422, "workflow.unknown_node");
    let removed = owner.delete(&format!("{needed}?incomplete=true")).await.expect(200);
    assert_eq!(removed.json["problem"]["code"], "workflow.unknown_node");
    let now = document(app, &id).await;
    assert_eq!(now["connections"], json!(["Out -> Code"]));
    assert!(now.get("pinned").is_none(), "{now}");
    owner.get(&needed).await.refused(404, "workflow.node_not_found");
}

#[testkit::test]
async fn of_parallel_writers_one_wins_and_the_others_see_its_revision(app: &mut TestApp) {
    let id = create(app, CHAIN).await;
    let writers = (0..8).map(|number| {
        let (owner, id) = (app.owner(), id.clone());
        async move {
            let path = format!("/v1/workflows/{id}/nodes/Out?revision=1");
            let notes = json!({ "notes": format!("writer {number}") });
            owner.send(Method::PATCH, &path, &notes).await
        }
    });
    let replies = futures::future::join_all(writers).await;
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1, "{replies:#?}");
    assert_eq!(won[0].json["revision"], 2);
    for lost in replies.into_iter().filter(|reply| reply.status != 200) {
        let lost = lost.refused(409, "request.conflict");
        assert!(lost.detail().contains("revision 2"), "{}", lost.detail());
    }
}

#[testkit::test]
async fn every_workflow_is_in_a_project_and_only_empty_ones_are_deleted(app: &mut TestApp) {
    let owner = app.owner();
    let projects = owner.get("/v1/projects").await.expect(200).json;
    assert_eq!(projects["items"][0]["name"], "Default");
    assert_eq!(projects["items"][0]["default"], true);
    let made =
        owner.post("/v1/projects", &json!({ "name": "Verkäufe 売上" })).await.expect(201).json;
    let project = made["id"].as_str().unwrap();
    let again = owner.post("/v1/projects", &json!({ "name": "Verkäufe 売上" })).await;
    again.refused(409, "project.name_taken");
    for wrong in [json!({ "name": " " }), json!({ "name": "a", "description": "a\u{0}" })] {
        owner.post("/v1/projects", &wrong).await.refused(422, "request.invalid");
    }

    let query = "project=Verk%C3%A4ufe%20%E5%A3%B2%E4%B8%8A&tag=b&tag=a&tag=b";
    let path = format!("/v1/workflows?{query}");
    let stored = owner.post_text(&path, "application/yaml", CHAIN).await.expect(201);
    let id = stored.json["id"].as_str().unwrap();
    let listed = owner.get(&format!("/v1/workflows?project={project}")).await.expect(200).json;
    assert_eq!(listed["items"][0]["tags"], json!(["a", "b"]));
    assert_eq!(listed["items"][0]["project"], project);
    let tags = owner.get("/v1/workflow-tags").await.expect(200).json;
    assert_eq!(tags["items"][0], json!({ "tag": "a", "workflows": 1 }));

    let one = format!("/v1/projects/{project}");
    owner.delete(&one).await.refused(409, "project.not_empty");
    let path = format!("/v1/workflows/{id}");
    let patch = json!({ "project": "Default", "tags": ["c"], "settings": { "timeout": "2m" } });
    let moved = owner.send(Method::PATCH, &format!("{path}?revision=1"), &patch).await.expect(200);
    assert_eq!((&moved.json["tags"], &moved.json["revision"]), (&json!(["c"]), &json!(2)));
    assert_eq!(document(app, id).await["settings"], json!({ "timeout": "2m" }));
    let stale = owner.send(Method::PATCH, &format!("{path}?revision=1"), &patch).await;
    stale.refused(409, "request.conflict");
    owner.send(Method::PATCH, &one, &json!({ "name": "Sales" })).await.expect(200);
    owner.delete("/v1/projects/Sales").await.expect(204);
    owner.get(&one).await.refused(404, "project.not_found");
    owner.delete("/v1/projects/Default").await.refused(409, "project.default");
}

#[testkit::test]
async fn an_archived_workflow_is_silent_and_a_deleted_one_is_gone(app: &mut TestApp) {
    let id = app.publish(crate::walks::DOUBLE).await;
    let (owner, path) = (app.owner(), format!("/v1/workflows/{id}"));
    let first = app.hook("double", &json!({ "n": 1 })).await.expect(201).run_id();
    owner.post(&format!("{path}/archive"), &json!({})).await.expect(200);
    app.hook("double", &json!({ "n": 1 })).await.refused(404, "hook.not_found");
    let nothing = json!({});
    for change in ["publish", "versions/1/publish", "versions/1/restore"] {
        let refused = owner.post(&format!("{path}/{change}"), &nothing).await;
        refused.refused(409, "workflow.archived");
    }
    let run = owner.post(&format!("{path}/runs"), &json!({ "draft": true })).await;
    run.refused(409, "workflow.archived");
    assert_eq!(owner.get("/v1/workflows").await.json["items"], json!([]));
    let archive = owner.get("/v1/workflows?archived=true").await.expect(200).json;
    assert_eq!(archive["items"][0]["id"], id.as_str());

    owner.post(&format!("{path}/unarchive"), &nothing).await.expect(200);
    owner.post(&format!("{path}/publish"), &nothing).await.expect(200);
    app.hook("double", &json!({ "n": 1 })).await.expect(201);
    let copy = owner.post(&format!("{path}/duplicate"), &nothing).await.expect(201).json;
    let again = owner.post(&format!("{path}/duplicate"), &nothing).await.expect(201).json;
    assert!(copy["name"].as_str().unwrap().ends_with(" (copy)"), "{copy}");
    assert!(again["name"].as_str().unwrap().ends_with(" (copy 2)"), "{again}");

    owner.delete(&path).await.expect(204);
    owner.get(&path).await.refused(404, "workflow.not_found");
    app.hook("double", &json!({ "n": 1 })).await.refused(404, "hook.not_found");
    // Its runs are still there, and its name is free.
    app.restart().await;
    assert_eq!(app.wait_run(&first).await["status"], "succeeded");
    create(app, crate::walks::DOUBLE).await;
}

#[testkit::test]
async fn nothing_of_another_workspace_is_found_changed_or_named(app: &mut TestApp) {
    let id = app.publish(CHAIN).await;
    let project = app.owner().post("/v1/projects", &json!({ "name": "Own" })).await.expect(201);
    let project = project.json["id"].as_str().unwrap().to_owned();
    let other = stranger(app).await;
    let path = format!("/v1/workflows/{id}");
    for (method, rest) in [
        (Method::GET, ""),
        (Method::PATCH, ""),
        (Method::DELETE, ""),
        (Method::GET, "/nodes"),
        (Method::POST, "/nodes"),
        (Method::PATCH, "/nodes/Out"),
        (Method::DELETE, "/nodes/Out"),
        (Method::GET, "/connections"),
        (Method::DELETE, "/connections/In%20-%3E%20Out"),
        (Method::GET, "/versions"),
        (Method::GET, "/versions/1"),
        (Method::POST, "/versions/1/publish"),
        (Method::POST, "/versions/1/restore"),
        (Method::GET, "/diff"),
        (Method::POST, "/archive"),
        (Method::POST, "/unarchive"),
        (Method::POST, "/unpublish"),
        (Method::POST, "/duplicate"),
        (Method::POST, "/publish"),
    ] {
        let reply = match method {
            Method::GET | Method::DELETE => {
                testkit::Reply::of(other.request(method.clone(), &format!("{path}{rest}"))).await
            }
            _ => {
                let body = match rest {
                    "/nodes" => json!({ "name": "N", "type": "core.no_op" }),
                    _ => json!({}),
                };
                other.send(method.clone(), &format!("{path}{rest}"), &body).await
            }
        };
        assert_eq!(reply.json["code"], "workflow.not_found", "{method} {rest}: {}", reply.text);
    }
    for reference in [&project, "Own"] {
        let path = format!("/v1/projects/{reference}");
        other.get(&path).await.refused(404, "project.not_found");
        other.delete(&path).await.refused(404, "project.not_found");
        let into = format!("/v1/workflows?project={reference}");
        let refused = other.post_text(&into, "application/yaml", CHAIN).await;
        refused.refused(404, "project.not_found");
    }
    for list in
        ["/v1/workflows", "/v1/workflows?search=chain", "/v1/workflow-files", "/v1/workflow-tags"]
    {
        assert_eq!(other.get(list).await.expect(200).json["items"], json!([]), "{list}");
    }
    let projects = other.get("/v1/projects").await.expect(200).json;
    assert_eq!(projects["items"].as_array().unwrap().len(), 1, "{projects}");
    assert_eq!(document(app, &id).await["name"], "Chain");
}
