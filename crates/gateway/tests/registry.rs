//! Every function of the program, held to what all of them promise.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use function::{BodyArgument, Function, Kind};
use kernel::Value;
use reqwest::{Method, RequestBuilder, StatusCode};
use support::{App, expect, refused};

/// An id that nothing has.
const NOTHING: &str = "0190a000-0000-7000-8000-000000000000";

/// The path with every parameter replaced by an id that nothing has, or by a number where a thing's
/// parts are numbered.
fn path(function: &Function) -> String {
    let segments = function.path.split('/').map(|segment| match segment.strip_prefix('{') {
        Some("activation}") => "1",
        Some(_) => NOTHING,
        None => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The path with what the query string has to say, and with one window of time for what is counted up
/// to now unless another is named.
fn question(function: &Function, path: &str) -> String {
    let query = match function.name {
        "compare_runs" => format!("?with={NOTHING}"),
        "get_statistics" | "get_workflow_statistics" => "?to=2026-01-02T00:00:00Z".to_owned(),
        _ => String::new(),
    };
    format!("{path}{query}")
}

fn method(function: &Function) -> Method {
    Method::from_bytes(function.method.as_str().as_bytes()).expect("methods have names")
}

fn call(app: &App, function: &Function, key: &str) -> RequestBuilder {
    app.anonymous(method(function), &path(function)).bearer_auth(key)
}

/// The functions that take a body.
fn with_body() -> impl Iterator<Item = Function> {
    gateway::functions().into_iter().filter(|function| !matches!(function.body, BodyArgument::None))
}

fn send_json(app: &App, function: &Function, body: &'static str) -> RequestBuilder {
    call(app, function, support::KEY).header("content-type", "application/json").body(body)
}

/// Whether it answers a page.
fn is_list(document: &Value, function: &Function) -> bool {
    let method = function.method.as_str().to_ascii_lowercase();
    let schema = &document["paths"][function.path][&method]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    let name = schema["$ref"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let properties = &document["components"]["schemas"][name]["properties"];
    properties["items"].is_object() && properties["next"].is_object()
}

#[tokio::test]
async fn nobody_may_call_anything_and_a_key_only_what_it_allows() {
    let app = App::new().await;
    let useless = app.key(&["nothing.at_all"]).await;
    for function in gateway::functions() {
        let request = app.anonymous(method(&function), &path(&function));
        let problem = refused(request, StatusCode::UNAUTHORIZED).await;
        assert_eq!(problem["code"], "auth.required", "{function:?}");
        let request = call(&app, &function, "ff_no_such_key");
        refused(request, StatusCode::UNAUTHORIZED).await;
        let problem = refused(call(&app, &function, &useless), StatusCode::FORBIDDEN).await;
        assert_eq!(problem["code"], "auth.forbidden", "{function:?}");
        assert!(problem["detail"].as_str().unwrap().contains(function.permission.0));
    }
}

#[tokio::test]
async fn a_body_that_does_not_parse_is_400_and_one_that_does_not_fit_is_422() {
    let app = App::new().await;
    for function in with_body() {
        let send = |body| send_json(&app, &function, body);
        let problem = refused(send("{\n  \"a\": tru }"), StatusCode::BAD_REQUEST).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("line 2"), "{function:?}: {detail}");
        let strange = send("{\"no_such_field\": 1}");
        let problem = refused(strange, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert!(problem["errors"][0]["pointer"].is_string(), "{function:?}: {problem}");
        let request = call(&app, &function, support::KEY);
        let request = request.header("content-type", "image/png").body("x");
        refused(request, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    }
}

#[tokio::test]
async fn a_body_is_an_object_and_comes_as_it_is() {
    let app = App::new().await;
    for function in with_body() {
        let send = |body| send_json(&app, &function, body);
        // A list is not read as the fields in their order.
        for other in ["[]", "null", "7"] {
            refused(send(other), StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        let packed = send("{}").header("content-encoding", "gzip");
        let problem = refused(packed, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
        assert!(problem["detail"].as_str().unwrap().contains("gzip"), "{function:?}: {problem}");
    }
}

#[tokio::test]
async fn an_idempotency_key_that_cannot_be_read_is_refused_and_not_passed_over() {
    let app = App::new().await;
    for function in gateway::functions() {
        for key in [&b"\xff"[..], b"", &[b'k'; 256]] {
            let request = call(&app, &function, support::KEY).header("idempotency-key", key);
            let problem = refused(request, StatusCode::UNPROCESSABLE_ENTITY).await;
            assert!(problem["detail"].as_str().unwrap().contains("idempotency-key"), "{problem}");
        }
    }
}

#[tokio::test]
async fn nothing_has_a_nul_in_its_name() {
    let app = App::new().await;
    for function in gateway::functions() {
        if function.path_schema.is_some() {
            let path = path(&function).replace("0190a000-0000-7000-8000-000000000000", "a%00");
            let problem = refused(app.owner(method(&function), &path), StatusCode::NOT_FOUND).await;
            assert!(problem["detail"].as_str().unwrap().contains("NUL"), "{function:?}: {problem}");
        }
        if function.query_schema.is_some() {
            let path = format!("{}?limit=%00", path(&function));
            refused(app.owner(method(&function), &path), StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let app = App::new().await;
    for function in gateway::functions() {
        if function.path_schema.is_none() || !matches!(function.body, BodyArgument::None) {
            continue;
        }
        let at = question(&function, &path(&function));
        let problem = refused(app.owner(method(&function), &at), StatusCode::NOT_FOUND).await;
        let code = problem["code"].as_str().unwrap();
        assert!(code.ends_with("not_found"), "{function:?}: {code}");
    }
}

#[tokio::test]
async fn every_list_is_paged() {
    let app = App::new().await;
    let document = expect(app.anonymous(Method::GET, "/v1/openapi.json"), StatusCode::OK).await;
    let mut lists = 0;
    for function in gateway::functions().iter().filter(|f| is_list(&document, f)) {
        lists += 1;
        let list = |query: &str| {
            let path = format!("{}?{query}", path(function));
            app.owner(method(function), &path)
        };
        for wrong in ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "surprise=1"] {
            refused(list(wrong), StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        if function.path_schema.is_none() {
            let page = expect(list("limit=1"), StatusCode::OK).await;
            assert!(page["items"].as_array().unwrap().len() <= 1, "{function:?}");
        }
    }
    assert!(lists > 0, "no list was recognised");
}

/// A request of this mutation that is done: what it needs is made first.
async fn done(app: &App, function: &Function, round: usize) -> RequestBuilder {
    let yaml = format!(
        "format: 1\nname: Of round {round}\nnodes: [{{ name: Start, type: core.manual }}]\n"
    );
    let body = |request: RequestBuilder, text: String| {
        request.header("content-type", "application/yaml").body(text)
    };
    let at = |id: &str| {
        let segments =
            function.path.split('/').map(|part| if part.starts_with('{') { id } else { part });
        app.owner(method(function), &segments.collect::<Vec<_>>().join("/"))
    };
    match function.name {
        "create_api_key" => {
            let key = serde_json::json!({ "name": "of the suite", "scopes": ["run.read"] });
            at("").json(&key)
        }
        "revoke_api_key" => {
            let key = app.made_key(&["run.read"]).await;
            at(key["api_key"]["id"].as_str().unwrap())
        }
        "update_api_key" => {
            let key = app.made_key(&["run.read"]).await;
            let renamed = serde_json::json!({ "name": "renamed by the suite" });
            at(key["api_key"]["id"].as_str().unwrap()).json(&renamed)
        }
        "update_workspace" => at("").json(&serde_json::json!({ "name": "Renamed" })),
        "create_workflow" => body(at(""), yaml),
        "update_workflow" => {
            let id = app.save(&yaml).await;
            body(at(&id), yaml)
        }
        "publish_workflow" | "archive_workflow" | "unarchive_workflow" | "unpublish_workflow"
        | "delete_workflow" => at(&app.save(&yaml).await),
        "patch_workflow" => at(&app.save(&yaml).await).json(&serde_json::json!({ "tags": ["a"] })),
        "duplicate_workflow" => at(&app.save(&yaml).await).json(&serde_json::json!({})),
        "publish_version" | "restore_version" => at_parts(app, function, &app.publish(&yaml).await),
        "replace_node" | "patch_node" | "remove_node" | "add_node" | "add_connection"
        | "remove_connection" => part(app, function, &yaml).await,
        "import_workflows" => {
            let file = serde_json::json!({ "path": "suite.yaml", "text": yaml });
            at("").json(&serde_json::json!({ "files": [file] }))
        }
        "create_project" => at("").json(&serde_json::json!({ "name": format!("Round {round}") })),
        "update_project" => {
            let name = format!("Round {round}");
            at(&project(app, &name).await).json(&serde_json::json!({ "description": "Changed." }))
        }
        "delete_project" => at(&project(app, &format!("Round {round}")).await),
        "listen_to_hooks" => at(&app.save(&yaml).await),
        "set_secret" => at("suite").json(&serde_json::json!({ "value": "of the suite" })),
        "delete_secret" => {
            app.set_secret("short-lived", "of the suite").await;
            at("short-lived")
        }
        other => panic!("the suite does not know how {other} is called: say it here"),
    }
}

/// A request about a part of this workflow that is there.
fn at_parts(app: &App, function: &Function, workflow: &str) -> RequestBuilder {
    app.owner(method(function), &parts(function.path, workflow))
}

/// The path with what a workflow of the suite has.
fn parts(path: &str, workflow: &str) -> String {
    path.replace("{workflow_id}", workflow)
        .replace("{version}", "1")
        .replace("{node}", "Spare")
        .replace("{connection}", "Start%20-%3E%20Spare")
}

/// A request that changes a node or a connection of a new workflow.
async fn part(app: &App, function: &Function, yaml: &str) -> RequestBuilder {
    let two = yaml.replace(" }]", " }, { name: Spare, type: core.no_op }]");
    let connected = format!("{two}connections: [ Start -> Spare ]\n");
    let node = serde_json::json!({ "name": "Spare", "type": "core.no_op", "notes": "changed" });
    let (workflow, body) = match function.name {
        "add_node" => (app.save(yaml).await, Some(node)),
        "replace_node" => (app.save(&two).await, Some(node)),
        "patch_node" => (app.save(&two).await, Some(serde_json::json!({ "notes": "changed" }))),
        "add_connection" => {
            let ends = serde_json::json!({ "from": "Start", "to": "Spare" });
            (app.save(&two).await, Some(ends))
        }
        _ => (app.save(&connected).await, None),
    };
    let request = at_parts(app, function, &workflow);
    match body {
        Some(body) => request.json(&body),
        None => request,
    }
}

/// A project of this name; its id.
async fn project(app: &App, name: &str) -> String {
    let body = serde_json::json!({ "name": name });
    let made = app.owner(Method::POST, "/v1/projects").json(&body);
    expect(made, StatusCode::CREATED).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_mutation_is_audited_once_and_done_once_under_a_key() {
    mutations_are_audited_and_done_once(App::new().await).await;
}

async fn mutations_are_audited_and_done_once(app: App) {
    for (round, function) in gateway::functions().iter().enumerate() {
        let Kind::Mutation { audit } = function.kind else { continue };
        let request = done(&app, function, round).await.header("idempotency-key", function.name);
        let request = request.build().unwrap();
        let before = audited(&app, audit).await.len();
        let mut answers = Vec::new();
        for _ in 0..3 {
            let response = app.send(request.try_clone().unwrap()).await;
            let (status, headers) = (response.status(), response.headers().clone());
            assert_eq!(status.as_u16(), function.status, "{function:?}");
            answers.push((headers, response.bytes().await.unwrap()));
        }
        for (headers, bytes) in &answers[1..] {
            assert_eq!(bytes, &answers[0].1, "{function:?}");
            assert_eq!(headers["idempotency-replayed"], "true", "{function:?}");
            for name in ["content-type", "etag"] {
                assert_eq!(headers.get(name), answers[0].0.get(name), "{function:?}");
            }
        }
        let rows = audited(&app, audit).await;
        assert_eq!(rows.len(), before + 1, "{function:?}");
        assert_eq!(rows[0]["function"], function.name);
        assert!(rows[0]["subject"].is_string(), "{function:?}: {}", rows[0]);
        let id = answers[0].0["x-request-id"].to_str().unwrap();
        assert_eq!(rows[0]["request_id"], id, "{function:?}");
    }
}

#[test]
fn the_schemas_of_arguments_say_nothing_that_is_not_checked() {
    for function in gateway::functions() {
        // A keyword that the walk passes over panics here.
        (function.checks)();
    }
}

/// Actions that change nothing that is audited, and why.
const UNAUDITED: &[(&str, &str)] =
    &[("evaluate_expression", "it only looks"), ("start_run", "the list of runs has every start")];

#[test]
fn whatever_changes_something_is_audited() {
    for function in gateway::functions().iter().filter(|f| f.method != function::Method::Get) {
        let audited = match function.kind {
            Kind::Query => true,
            Kind::Mutation { .. } => true,
            Kind::Action { audit, .. } => audit.is_some(),
        };
        let excused = UNAUDITED.iter().any(|(name, _)| *name == function.name);
        assert!(audited != excused, "{function:?}");
    }
}

/// The newest audit rows of an action.
async fn audited(app: &App, action: &str) -> Vec<Value> {
    let path = format!("/v1/audit?limit=200&action={action}");
    let page = expect(app.owner(Method::GET, &path), StatusCode::OK).await;
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_list_takes_its_own_cursors_only() {
    lists_take_their_own_cursors_only(App::new().await).await;
}

async fn lists_take_their_own_cursors_only(app: App) {
    // Every list has several rows, but for those that need more than the suite makes.
    for round in 0..3 {
        let yaml = format!("format: 1\nname: Number {round}\nnodes: []\n");
        app.save(&yaml).await;
        app.key(&["run.read"]).await;
    }
    let document = expect(app.anonymous(Method::GET, "/v1/openapi.json"), StatusCode::OK).await;
    let lists = gateway::functions().into_iter().filter(|f| is_list(&document, f));
    let mut cursors = Vec::new();
    for function in lists {
        let list =
            |query: &str| app.owner(method(&function), &format!("{}?{query}", path(&function)));
        for forged in ["x", "AAAAAAAAAAAAAAAAAAAAAGZvcmdlZA", "%22%22"] {
            let problem =
                refused(list(&format!("cursor={forged}")), StatusCode::UNPROCESSABLE_ENTITY).await;
            assert_eq!(problem["code"], "request.cursor", "{function:?}");
        }
        if function.path_schema.is_some() {
            continue;
        }
        let all = expect(list("limit=200"), StatusCode::OK).await["items"].clone();
        let (mut walked, mut query) = (Vec::new(), "limit=1".to_owned());
        loop {
            let page = expect(list(&query), StatusCode::OK).await;
            walked.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursors.push((function.name, next.to_owned()));
            query = format!("limit=1&cursor={next}");
        }
        assert_eq!(Value::Array(walked), all, "{function:?}");
        for (name, cursor) in cursors.iter().filter(|(name, _)| *name != function.name) {
            let request = list(&format!("cursor={cursor}"));
            let problem = refused(request, StatusCode::UNPROCESSABLE_ENTITY).await;
            assert_eq!(problem["code"], "request.cursor", "{name} in {function:?}");
        }
    }
    assert!(cursors.iter().any(|(name, _)| *name == "list_workflows"));
}

#[tokio::test]
async fn every_read_has_an_entity_tag_and_is_not_sent_twice() {
    reads_have_entity_tags(App::new().await).await;
}

async fn reads_have_entity_tags(app: App) {
    let yaml = "format: 1\nname: Read\nnodes: [{ name: Spare, type: core.manual }]\n";
    let id = app.publish(yaml).await;
    // Whether a call was heard can be read once one is waited for.
    let listen = app.owner(Method::POST, &format!("/v1/workflows/{id}/hooks/listen"));
    expect(listen, StatusCode::OK).await;
    for function in gateway::functions().iter().filter(|f| f.method == function::Method::Get) {
        let path = path(function);
        let at = match function.path.contains("{workflow_id}") {
            true => parts(function.path, &id),
            false if function.path.contains('{') => continue,
            false => path,
        };
        let at = question(function, &at);
        let response = app.owner(Method::GET, &at).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{function:?}");
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
        let known = app.owner(Method::GET, &at).header("if-none-match", format!("\"x\", {tag}"));
        let known = known.send().await.unwrap();
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{function:?}");
        assert_eq!(known.headers()["etag"], tag.as_str());
        assert!(known.bytes().await.unwrap().is_empty());
        let changed = app.owner(Method::GET, &at).header("if-none-match", "\"x\"");
        expect(changed, StatusCode::OK).await;
    }
}

#[tokio::test]
async fn a_change_of_a_version_that_is_not_there_any_more_is_refused() {
    changes_of_other_versions_are_refused(App::new().await).await;
}

async fn changes_of_other_versions_are_refused(app: App) {
    let yaml = "format: 1\nname: Edited\nnodes: []\n";
    let path = format!("/v1/workflows/{}", app.save(yaml).await);
    let put = |tag: &str| {
        let request = app.owner(Method::PUT, &path).header("content-type", "application/yaml");
        request.header("if-match", tag.to_owned()).body(yaml)
    };
    let read = app.owner(Method::GET, &path).send().await.unwrap();
    let tag = read.headers()["etag"].to_str().unwrap().to_owned();
    let (one, other) = tokio::join!(put(&tag).send(), put(&tag).send());
    let mut both = [one.unwrap(), other.unwrap()];
    both.sort_by_key(|response| response.status());
    assert_eq!(both[0].status(), StatusCode::OK, "one of them wins");
    assert_eq!(both[0].headers()["etag"], "\"2\"");
    assert_eq!(both[1].status(), StatusCode::PRECONDITION_FAILED);
    let problem = refused(put(&tag), StatusCode::PRECONDITION_FAILED).await;
    assert_eq!(
        (&problem["code"], &problem["current"]),
        (&"request.precondition".into(), &"\"2\"".into())
    );
    expect(put("\"2\""), StatusCode::OK).await;
    expect(put("*"), StatusCode::OK).await;
    let stale = app.owner(Method::PUT, &format!("{path}?revision=1")).body(yaml);
    let stale =
        refused(stale.header("content-type", "application/yaml"), StatusCode::CONFLICT).await;
    assert_eq!(stale["current"], "\"4\"");
    // Nobody is left to believe in a condition that is not looked at.
    let body = serde_json::json!({ "name": "n", "scopes": ["run.read"] });
    let request = app.owner(Method::POST, "/v1/api-keys").header("if-match", "*").json(&body);
    let refused = refused(request, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["pointer"], "/header/if-match");
}

#[tokio::test]
async fn all_of_it_works_through_a_pooler_of_transactions() {
    mutations_are_audited_and_done_once(App::pooled().await).await;
    lists_take_their_own_cursors_only(App::pooled().await).await;
    reads_have_entity_tags(App::pooled().await).await;
    changes_of_other_versions_are_refused(App::pooled().await).await;
}

#[tokio::test]
async fn the_document_names_every_function_once() {
    let functions = gateway::functions();
    let document = function::openapi::document(&functions, &[], "0.0.0");
    let operations = document["paths"].as_object().unwrap().values();
    let mut ids: Vec<_> = operations
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let mut names: Vec<_> = functions.iter().map(|function| function.name).collect();
    ids.sort_unstable();
    names.sort_unstable();
    assert_eq!(ids, names);
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is used twice");
}

#[tokio::test]
async fn what_the_document_names_is_served_and_other_methods_are_not() {
    let app = App::new().await;
    let document = expect(app.anonymous(Method::GET, "/v1/openapi.json"), StatusCode::OK).await;
    for function in gateway::functions() {
        let method = function.method.as_str().to_ascii_lowercase();
        let named = &document["paths"][function.path][&method]["operationId"];
        assert_eq!(named, function.name);
    }
    let mut served = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operations = operations.as_object().unwrap();
        let address: Vec<_> = path
            .split('/')
            .map(|segment| if segment.starts_with('{') { "nothing" } else { segment })
            .collect();
        let address = address.join("/");
        for method in ["get", "post", "put", "patch", "delete"] {
            let named = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            let response = app.anonymous(named, &address).send().await.unwrap();
            let (status, allow) = (response.status(), response.headers().get("allow").cloned());
            let text = response.text().await.unwrap();
            if operations.contains_key(method) {
                served += 1;
                assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {address}");
                assert!(!text.contains("There is nothing at"), "{method} {address}: {text}");
            } else {
                assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {address}: {text}");
                assert!(allow.is_some(), "{method} {address}");
            }
        }
    }
    assert!(served > gateway::functions().len());
}

#[tokio::test]
async fn whatever_is_answered_stands_in_the_document() {
    let app = App::new().await;
    let document = expect(app.anonymous(Method::GET, "/v1/openapi.json"), StatusCode::OK).await;
    for function in gateway::functions() {
        let method_name = function.method.as_str().to_ascii_lowercase();
        let responses = &document["paths"][function.path][&method_name]["responses"];
        let odd = || call(&app, &function, support::KEY).header("accept", "image/png");
        let requests = [
            app.anonymous(method(&function), &path(&function)),
            call(&app, &function, support::KEY),
            call(&app, &function, support::KEY).body("{"),
            call(&app, &function, support::KEY).header("content-type", "image/png").body("x"),
            odd(),
        ];
        for request in requests {
            let status = request.send().await.unwrap().status();
            let described = &responses[status.as_str()];
            assert!(described.is_object(), "{function:?} answers {status}: {responses}");
        }
    }
}

mod both {
    use function::{ActionContext, Permission, Problem, action};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// Comes in and goes out: what may be left out on the way in is there on the way out.
    #[derive(Debug, Deserialize, Serialize, JsonSchema)]
    pub(crate) struct Shape {
        #[serde(default)]
        sides: u32,
    }

    /// Leads to it.
    #[derive(Debug, Deserialize, Serialize, JsonSchema)]
    pub(crate) struct Drawing {
        shape: Shape,
    }

    /// Gives back what it gets.
    #[action(POST "/v1/test/drawings", permission = Permission("test.draw"))]
    pub(crate) async fn draw(_cx: &ActionContext, body: Drawing) -> Result<Drawing, Problem> {
        Ok(body)
    }
}

#[test]
fn a_shape_that_differs_by_direction_has_a_name_for_each() {
    let document = function::openapi::document(&[both::FUNCTION], &[], "0.0.0");
    let operation = &document["paths"]["/v1/test/drawings"]["post"];
    let input = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let output = &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    let schemas = &document["components"]["schemas"];
    assert_eq!(input, "#/components/schemas/DrawingInput");
    assert_eq!(output, "#/components/schemas/Drawing");
    let leads = |name: &str| schemas[name]["properties"]["shape"]["$ref"].clone();
    assert_eq!(leads("DrawingInput"), "#/components/schemas/ShapeInput");
    assert_eq!(leads("Drawing"), "#/components/schemas/Shape");
    assert!(schemas["ShapeInput"]["required"].is_null());
    assert_eq!(schemas["Shape"]["required"][0], "sides");
}
