//! The functions of workflows, called as the gateway calls them.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use db::testing::{self, TestDatabase};
use function::{Caller, Host, Method, Request, Scopes, Services};
use jiff::Timestamp;
use kernel::clock::SeededDice;
use kernel::{ApiKeyId, Clock, PrincipalId, Problem, Value, WorkspaceId, codes};
use uuid::Uuid;
use workflow::Publishing;

const YAML: &str = "# Counts orders.\nformat: 1\nname: Orders\nnodes:\n  - name: In   # the door\n    \
                    type: core.webhook\n    parameters: { path: orders, method: POST }\n";

/// Each look at it is a millisecond later, so that ids sort by the order they were made in.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct World {
    host: Host,
    caller: Caller,
    _test: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let test = testing::database().await;
        let workspace = WorkspaceId(Uuid::from_u128(7));
        let sql = format!(
            "INSERT INTO forge.workspaces (workspace_id, slug, name) VALUES ('{workspace}', 'seven', 'W')"
        );
        test.superuser().await.batch_execute(&sql).await.unwrap();
        let publishing = Publishing { registry: Arc::new(nodes::registry()), observers: vec![] };
        let services = Services::builder().with(publishing).build();
        let dice = Arc::new(SeededDice::new(1));
        let host = Host::new(test.database.clone(), services, Arc::new(Ticking::default()), dice);
        let caller = Caller {
            workspace,
            workspace_slug: "seven".into(),
            principal: PrincipalId(Uuid::from_u128(1)),
            key: ApiKeyId(Uuid::from_u128(2)),
            scopes: Scopes::new(["*".to_owned()]),
        };
        Self { host, caller, _test: test }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        request: Request,
    ) -> Result<(u16, Value), Problem> {
        let mut functions = workflow::FUNCTIONS.iter();
        let function = functions.find(|f| f.method == method && f.path == path).unwrap();
        let answer = self.host.call(function, &self.caller, &request).await?;
        Ok((answer.status, kernel::json::parse(&answer.body).unwrap().value))
    }

    async fn post(&self, content_type: &str, query: &str, body: &[u8]) -> Result<Value, Problem> {
        let request = Request {
            query: query.to_owned(),
            content_type: Some(content_type.to_owned()),
            body: body.to_vec(),
            ..Request::default()
        };
        self.call(Method::Post, "/v1/workflows", request).await.map(|(_, body)| body)
    }

    async fn of_workflow(
        &self,
        method: Method,
        rest: &str,
        id: &str,
        query: &str,
        body: &str,
    ) -> Result<Value, Problem> {
        let path = format!("/v1/workflows/{{workflow_id}}{rest}");
        let request = Request {
            path: vec![("workflow_id".to_owned(), id.to_owned())],
            query: query.to_owned(),
            content_type: Some("application/yaml".to_owned()),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        self.call(method, &path, request).await.map(|(_, body)| body)
    }
}

#[tokio::test]
async fn a_workflow_is_made_read_changed_and_published() {
    let world = World::new().await;
    let made = world.post("application/yaml; charset=utf-8", "", YAML.as_bytes()).await.unwrap();
    assert_eq!((&made["name"], &made["revision"]), (&"Orders".into(), &1.into()));
    let id = made["id"].as_str().unwrap();

    let read = world.of_workflow(Method::Get, "", id, "source=yaml", "").await.unwrap();
    assert_eq!(read["source"]["text"], YAML, "the comments are kept");
    assert_eq!(read["source"]["original"], true);
    assert_eq!(read["document"]["nodes"][0]["parameters"]["path"], "orders");
    let json = world.of_workflow(Method::Get, "", "Orders", "source=json", "").await.unwrap();
    assert_eq!(json["source"]["original"], false);

    let changed = YAML.replace("name: Orders", "name: Orders of today");
    let saved = world.of_workflow(Method::Put, "", id, "revision=1", &changed).await.unwrap();
    assert_eq!(saved["revision"], 2);
    let stale = world.of_workflow(Method::Put, "", id, "revision=1", &changed).await.unwrap_err();
    assert_eq!(stale.code, codes::REQUEST_CONFLICT);

    let published = world.of_workflow(Method::Post, "/publish", id, "", "").await.unwrap();
    assert_eq!((&published["number"], &published["revision"]), (&1.into(), &2.into()));
    assert_eq!(published["hooks"][0]["path"], "orders");
    let versions = world.of_workflow(Method::Get, "/versions", id, "", "").await.unwrap();
    assert_eq!(versions["items"][0]["id"], published["version"]);
    assert_eq!(versions["items"][0]["published"], true);
}

#[tokio::test]
async fn a_json_document_is_taken_with_and_without_a_media_type() {
    let world = World::new().await;
    let json = br#"{"format":1,"name":"A","nodes":[]}"#;
    let made = world.post("application/json", "", json).await.unwrap();
    assert_eq!(made["warnings"][0]["code"], "workflow.no_trigger");
    let problem = world.post("text/plain", "", json).await.unwrap_err();
    assert_eq!(problem.code, codes::REQUEST_UNSUPPORTED);
    let yaml = world.post("application/json", "", YAML.as_bytes()).await.unwrap_err();
    assert_eq!(yaml.code, codes::WORKFLOW_MALFORMED);
}

#[tokio::test]
async fn a_document_with_faults_is_refused_whole_unless_it_may_be_incomplete() {
    let world = World::new().await;
    let yaml = "format: 1\nname: A\nnodes:\n  - { name: A, type: core.manual }\n  - { name: B, type: core.no_op }\n\
                connections: [ A -> B, B -> B, B -> Z ]\n";
    let problem = world.post("application/yaml", "", yaml.as_bytes()).await.unwrap_err();
    assert_eq!(problem.errors.len(), 2, "{problem:#?}");
    assert!(problem.errors.iter().all(|fault| fault.detail.starts_with("line 6, column ")));
    let list = world.call(Method::Get, "/v1/workflows", Request::default()).await.unwrap().1;
    assert_eq!(list["items"], serde_json::json!([]), "nothing was saved");
    let saved = world.post("application/yaml", "incomplete=true", yaml.as_bytes()).await.unwrap();
    assert_eq!(saved["problem"]["code"], "workflow.invalid");
    let read = world.of_workflow(Method::Get, "", "A", "", "").await.unwrap();
    assert_eq!(read["problem"]["code"], "workflow.invalid");
}

#[tokio::test]
async fn lists_go_page_by_page_newest_first() {
    let world = World::new().await;
    for name in ["One", "Two", "Three"] {
        let json = format!(r#"{{"format":1,"name":"{name}","nodes":[]}}"#);
        world.post("application/json", "", json.as_bytes()).await.unwrap();
    }
    let page = |query: String| {
        world.call(Method::Get, "/v1/workflows", Request { query, ..Request::default() })
    };
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = page("limit=2".to_owned()).await.unwrap().1;
    assert_eq!(names(&first), ["Three", "Two"]);
    let next = format!("limit=2&cursor={}", first["next"].as_str().unwrap());
    let second = page(next).await.unwrap().1;
    assert_eq!((names(&second), second.get("next")), (vec!["One".to_owned()], None));
    assert_eq!(page("cursor=x".to_owned()).await.unwrap_err().code, codes::REQUEST_CURSOR);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let world = World::new().await;
    let id = Uuid::from_u128(99).to_string();
    for (method, rest) in [
        (Method::Get, ""),
        (Method::Put, ""),
        (Method::Post, "/publish"),
        (Method::Get, "/versions"),
    ] {
        let problem = world.of_workflow(method, rest, &id, "", YAML).await.unwrap_err();
        assert_eq!(problem.code, codes::WORKFLOW_NOT_FOUND, "{method:?} {rest}");
    }
}

#[tokio::test]
async fn the_node_types_are_listed_with_their_schemas() {
    let world = World::new().await;
    let list = world.call(Method::Get, "/v1/node-types", Request::default()).await.unwrap().1;
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), nodes::registry().iter().count());
    let webhook = items.iter().find(|item| item["name"] == "core.webhook").unwrap();
    assert_eq!(webhook["trigger"], true);
    assert_eq!(webhook["effect"], "pure");
    assert!(webhook["parameters"]["properties"]["path"].is_object());
    assert!(webhook["description"].as_str().unwrap().len() > 10);
}
