//! Arguments: every fault at once, each with its place and in words that can be acted on.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::sync::Arc;

use db::{Database, Settings};
use function::{
    ActionContext, Caller, Function, Host, Permission, Problem, Request, Scopes, Services, action,
};
use jiff::Timestamp;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{ApiKeyId, PrincipalId, Value, WorkflowId, WorkspaceId, codes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct ParcelPath {
    parcel_id: WorkflowId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    #[schemars(range(min = 1, max = 10))]
    copies: Option<u8>,
    #[serde(default)]
    tag: Vec<String>,
    #[serde(default)]
    dry: bool,
    speed: Option<Speed>,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Speed {
    /// As it goes.
    Normal,
    /// At once.
    Express,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parcel {
    #[schemars(length(min = 1, max = 5), regex(pattern = r"^[^\u0000]*$"))]
    name: String,
    weight: f64,
    #[schemars(length(max = 3))]
    items: Vec<Item>,
    #[serde(default)]
    leaves_at: Option<Timestamp>,
    #[serde(default)]
    to: Option<Target>,
    #[serde(default)]
    notes: Option<Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    sku: String,
    #[schemars(range(min = 1))]
    count: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Target {
    Address { street: String },
    Locker { number: u16 },
}

mod send_parcel {
    use super::*;

    /// Sends a parcel.
    #[action(POST "/v1/parcels/{parcel_id}", permission = Permission("parcel.send"))]
    pub(super) async fn send_parcel(
        _cx: &ActionContext,
        path: ParcelPath,
        query: Options,
        body: Parcel,
    ) -> Result<String, Problem> {
        let speed = query.speed.map(|speed| serde_json::to_string(&speed).unwrap());
        let to = match body.to {
            Some(Target::Address { street }) => street,
            Some(Target::Locker { number }) => number.to_string(),
            None => String::new(),
        };
        let counts: Vec<_> = body.items.iter().map(|item| (&item.sku, item.count)).collect();
        Ok(format!(
            "{} {:?} {:?} {} {speed:?} {} {} {counts:?} {:?} {to} {:?}",
            path.parcel_id,
            query.copies,
            query.tag,
            query.dry,
            body.name,
            body.weight,
            body.leaves_at,
            body.notes
        ))
    }
}

const ID: &str = "0190a000-0000-7000-8000-000000000000";
const GOOD: &str = r#"{"name": "a", "weight": 1.50, "items": []}"#;

/// Calls it; the database is never asked.
async fn send(id: &str, query: &str, body: &str) -> Result<String, Problem> {
    let function: &Function = &send_parcel::FUNCTION;
    let nil = uuid::Uuid::nil();
    let caller = Caller {
        workspace: WorkspaceId(nil),
        workspace_slug: "default".into(),
        principal: PrincipalId(nil),
        key: ApiKeyId(nil),
        scopes: Scopes::new(["*".to_owned()]),
    };
    let database = Database::lazy(Settings::new("postgres://nobody@127.0.0.1:1/nothing")).unwrap();
    let services = Services::builder().build();
    let host = Host::new(database, services, Arc::new(SystemClock), Arc::new(SystemDice));
    let request = Request {
        path: vec![("parcel_id".to_owned(), id.to_owned())],
        query: query.to_owned(),
        body: body.as_bytes().to_vec(),
        ..Request::default()
    };
    let answer = host.call(function, &caller, &request).await?;
    Ok(String::from_utf8(answer.body).unwrap())
}

/// The places that are refused, and what is said there.
async fn faults(query: &str, body: &str) -> Vec<(String, String)> {
    let problem = send(ID, query, body).await.unwrap_err();
    assert_eq!(problem.code, codes::REQUEST_INVALID, "{problem}");
    let faults = problem.errors.into_iter();
    faults.map(|fault| (fault.pointer, fault.detail)).collect()
}

/// The only place that is refused.
async fn fault(query: &str, body: &str) -> (String, String) {
    let faults = faults(query, body).await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.into_iter().next().unwrap()
}

#[tokio::test]
async fn what_fits_arrives_as_it_was_sent() {
    let query = "copies=3&tag=a%20b&tag=c+d&dry=true&speed=express";
    let body = r#"{"name": "ünï", "weight": 0.10000000000000000001, "items": [{"sku": "x", "count": 2}],
        "leaves_at": "2026-01-31T12:00:00Z", "to": {"kind": "locker", "number": 7},
        "notes": {"big": 12345678901234567890123}}"#;
    let said = send(ID, query, body).await.unwrap();
    assert!(said.contains(ID), "{said}");
    assert!(said.contains("Some(3)") && said.contains("a b") && said.contains("c d"), "{said}");
    assert!(said.contains("true") && said.contains("express"), "{said}");
    assert!(said.contains("12345678901234567890123"), "exact numbers survive: {said}");
    send(ID, "", GOOD).await.unwrap();
}

#[tokio::test]
async fn every_fault_of_query_and_body_is_told_at_once() {
    let query = "copies=eleven&dry=perhaps&sped=express";
    let body = r#"{"nme": "a", "weight": "heavy", "items": [{"sku": 5, "count": 0}, {"sku": "x"}],
        "leaves_at": "tomorrow"}"#;
    let found = faults(query, body).await;
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let expected = [
        "/query/copies",
        "/query/dry",
        "/query/sped",
        "/name",
        "/nme",
        "/weight",
        "/items/0/sku",
        "/items/0/count",
        "/items/1/count",
        "/leaves_at",
    ];
    assert_eq!(pointers, expected, "{found:#?}");
    let problem = send(ID, query, body).await.unwrap_err();
    assert!(problem.detail.starts_with("10 places do not fit"), "{}", problem.detail);
}

#[tokio::test]
async fn a_fault_says_what_is_wrong_and_what_is_allowed() {
    let with = |field: &str| GOOD.replace("\"items\"", &format!("{field}, \"items\""));
    for (body, pointer, what) in [
        (with(r#""nam": 1"#), "/nam", "is not a known field. Did you mean \"name\"?"),
        (with(r#""zzz": 1"#), "/zzz", "is not a known field; there are name, weight, items"),
        (GOOD.replace("\"a\"", "\"abcdef\""), "/name", "must have 1 to 5 characters; it has 6"),
        (GOOD.replace("\"a\"", "\"a\\u0000\""), "/name", "must match the pattern"),
        (GOOD.replace("\"a\"", "null"), "/name", "must be text, not null"),
        (GOOD.replace("[]", "{}"), "/items", "must be a list, not an object"),
        (
            with(r#""leaves_at": "noon""#),
            "/leaves_at",
            "must be a time such as 2026-01-31T12:00:00Z",
        ),
        (with(r#""to": {"kind": "lokcer", "number": 1}"#), "/to/kind", "Did you mean \"locker\"?"),
        (with(r#""to": {"number": 1}"#), "/to/kind", "is missing"),
        (with(r#""to": {"kind": "locker", "number": 70000}"#), "/to/number", "must be"),
        (with(r#""to": 5"#), "/to", "must be"),
        (
            GOOD.replace("[]", r#"[{"sku": "x", "count": 1.5}]"#),
            "/items/0/count",
            "a whole number, not 1.5",
        ),
        (
            GOOD.replace("[]", r#"[{"sku": "x", "count": 5000000000}]"#),
            "/items/0/count",
            "4294967295",
        ),
        ("[]".to_owned(), "", "must be an object, not a list"),
    ] {
        let (at, said) = fault("", &body).await;
        assert_eq!(at, pointer, "{said}");
        assert!(said.contains(what), "{pointer}: {said}");
    }
    for (query, pointer, what) in [
        ("copies=11", "/query/copies", "must be between 1 and 10, not 11"),
        ("copies=x", "/query/copies", "must be a whole number"),
        ("copies=1&copies=2", "/query/copies", "is given more than once"),
        ("speed=fast", "/query/speed", "must be one of \"normal\", \"express\", not \"fast\""),
        ("tag=a%00b", "/query/tag", "must not contain NUL"),
        ("dri=1", "/query/dri", "Did you mean \"dry\"?"),
    ] {
        let (at, said) = fault(query, GOOD).await;
        assert_eq!(at, pointer, "{said}");
        assert!(said.contains(what), "{pointer}: {said}");
    }
}

#[tokio::test]
async fn text_that_is_no_json_is_refused_with_line_and_column() {
    let problem = send(ID, "copies=0", "{\n  \"name\": tru\n}").await.unwrap_err();
    assert_eq!(problem.code, codes::REQUEST_MALFORMED);
    assert!(problem.detail.contains("line 2, column"), "{}", problem.detail);
}

#[tokio::test]
async fn a_path_that_cannot_be_is_not_found_and_says_why() {
    for id in ["7", "%00", "a\0"] {
        let problem = send(id, "", GOOD).await.unwrap_err();
        assert_eq!(problem.code, codes::REQUEST_NOT_FOUND);
        assert_eq!(problem.errors[0].pointer, "/path/parcel_id");
        let what = if id == "a\0" { "NUL" } else { "UUID" };
        assert!(problem.detail.contains(what), "{problem}");
    }
}

#[tokio::test]
async fn a_thousand_faults_are_told_up_to_a_limit() {
    let items = vec![r#"{"sku": 1}"#; 1_000].join(",");
    let body = GOOD.replace("[]", &format!("[{items}]"));
    assert_eq!(faults("", &body).await.len(), 100);
}
