//! Rows, jobs, events and audit rows stand or fall together.

use db::{Identity, Statement, sql};
use function::Request;
use kernel::codes;

use crate::functions::{Gate, add_note};
use crate::world::{World, body, caller};

const FORGE_ACTION: Statement =
    sql!("test.forge_action", writes(audit), (), "UPDATE forge.audit SET action = 'nothing'");
const FORGET_AUDIT: Statement =
    sql!("test.forget_audit", writes(audit), (), "DELETE FROM forge.audit");
const FORGE_EVENT: Statement =
    sql!("test.forge_event", writes(events), (), "UPDATE forge.events SET body = ''");

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let test = db::testing::database().await;
    db::prepare_all(&test.database, function::STATEMENTS).await.unwrap();
}

#[tokio::test]
async fn a_mutation_leaves_its_row_its_job_its_event_and_its_audit_row() {
    let world = World::new(Gate::open()).await;
    let answer = world.call(&add_note::FUNCTION, None, r#"{"text": "a"}"#).await.unwrap();
    assert_eq!((answer.status, answer.header("etag")), (201, Some("\"1\"")));
    assert_eq!(world.left().await, [1, 1, 1, 1, 0]);
    let text = "SELECT to_jsonb(a) AS audit, to_jsonb(e) AS event, j.kind, j.payload
        FROM forge.audit a, forge.events e, forge.jobs j";
    let row = world.test.superuser().await.query_one(text, &[]).await.unwrap();
    let (audit, event): (kernel::Value, kernel::Value) = (row.get(0), row.get(1));
    for (name, expected) in [
        ("workspace_id", "00000000-0000-0000-0000-000000000001"),
        ("principal_id", "00000000-0000-0000-0000-000000000002"),
        ("key_id", "00000000-0000-0000-0000-000000000003"),
        ("action", "note.added"),
        ("function", "add_note"),
        ("subject_kind", "note"),
        ("subject_id", "a"),
        ("request_id", "request-1"),
        ("trace_id", "trace-1"),
        ("outcome", "succeeded"),
    ] {
        assert_eq!(audit[name], expected, "{name}");
    }
    assert_eq!(event["keys"], serde_json::json!(["a", "with, \"signs\""]));
    assert_eq!((&event["noun"], &event["operation"]), (&"notes".into(), &"created".into()));
    assert_eq!((&event["function"], &event["body"]), (&"add_note".into(), &"\"a\"".into()));
    assert_eq!((row.get::<_, &str>(2), row.get::<_, &[u8]>(3)), ("note.announce", &b"a"[..]));
}

#[tokio::test]
async fn a_mutation_that_is_refused_leaves_nothing() {
    let world = World::new(Gate::open()).await;
    let text = r#"{"text": "a", "refuse": true}"#;
    let refused = world.call(&add_note::FUNCTION, Some("k"), text).await.unwrap_err();
    assert_eq!(refused.code, codes::REQUEST_CONFLICT);
    assert_eq!(world.left().await, [0, 0, 0, 0, 0]);
    // A refusal is not kept: the key is free for the mended request.
    world.call(&add_note::FUNCTION, Some("k"), r#"{"text": "a"}"#).await.unwrap();
    assert_eq!(world.left().await, [1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn mutations_that_meet_and_are_run_again_leave_one_set_each() {
    let world = World::new(Gate::closed()).await;
    let add = || world.call(&add_note::FUNCTION, None, r#"{"text": "a", "shared": true}"#);
    let open = async {
        world.wait_begun(2).await;
        world.open();
    };
    let (one, other, ()) = tokio::join!(add(), add(), open);
    one.unwrap();
    other.unwrap();
    assert!(world.begun() > 2, "one of them was run again");
    assert_eq!(world.left().await, [2, 2, 2, 2, 0]);
}

#[tokio::test]
async fn nobody_who_serves_requests_can_change_what_was_audited() {
    let world = World::new(Gate::open()).await;
    world.call(&add_note::FUNCTION, None, r#"{"text": "a"}"#).await.unwrap();
    let identity = Identity::new(caller().workspace, caller().principal);
    for statement in [&FORGE_ACTION, &FORGET_AUDIT, &FORGE_EVENT] {
        let mut tx = world.test.database.write(identity).await.unwrap();
        let error = tx.execute(statement, &[]).await.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{error}");
    }
    assert_eq!(world.left().await, [1, 1, 1, 1, 0]);
}

#[tokio::test]
async fn the_audit_is_read_newest_first_by_what_is_asked_for() {
    let world = World::new(Gate::open()).await;
    for text in ["a", "b", "c", "b"] {
        let text = format!(r#"{{"text": "{text}"}}"#);
        world.call(&add_note::FUNCTION, None, &text).await.unwrap();
        // Ids of one millisecond have no order.
        tokio::time::timeout(std::time::Duration::from_millis(3), std::future::pending::<()>())
            .await
            .unwrap_err();
    }
    let list = async |query: String| {
        let request = Request { query, ..Request::default() };
        let answer = world.host.call(&function::FUNCTIONS[0], &caller(), &request).await;
        answer.map(|answer| body(&answer))
    };
    let subjects = |page: &kernel::Value| -> Vec<String> {
        let rows = page["items"].as_array().unwrap().iter();
        rows.map(|row| row["subject"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("limit=3".to_owned()).await.unwrap();
    assert_eq!(subjects(&first), ["b", "c", "b"]);
    let next = first["next"].as_str().unwrap();
    let second = list(format!("limit=3&cursor={next}")).await.unwrap();
    assert_eq!((subjects(&second), second.get("next")), (vec!["a".to_owned()], None));
    // A cursor is good for its own filters only.
    let foreign = list(format!("subject=b&cursor={next}")).await.unwrap_err();
    assert_eq!(foreign.code, codes::REQUEST_CURSOR);
    let day = "2020-01-01T00:00:00Z";
    for (query, expected) in [
        ("subject=b&subject_kind=note", &["b", "b"][..]),
        ("action=note.added&limit=1", &["b"]),
        ("action=note.removed", &[]),
        ("principal=00000000-0000-0000-0000-000000000002&limit=2", &["b", "c"]),
        ("principal=00000000-0000-0000-0000-000000000009", &[]),
        (&format!("from={day}&limit=1"), &["b"]),
        (&format!("until={day}"), &[]),
    ] {
        assert_eq!(subjects(&list(query.to_owned()).await.unwrap()), expected, "{query}");
    }
}
