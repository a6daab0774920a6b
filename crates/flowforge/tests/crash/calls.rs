//! Calls of the API under an idempotency key: the process dies in them and they are sent again.

use kernel::Value;
use reqwest::Method;
use testkit::{Outside, Process, Reply, eventually};

use crate::{FINAL, HARMLESS, World, store};

/// Sends a call that the process may die in; `None`: it did.
async fn keyed(process: &Process, path: &str, kind: &str, body: &str) -> Option<Reply> {
    let request =
        process.owner().request(Method::POST, path).header("content-type", kind.to_owned());
    let request = request.header("idempotency-key", "once").body(body.to_owned());
    Reply::try_of(request).await.ok()
}

#[tokio::test]
async fn a_keyed_save_is_done_once_wherever_the_process_dies() {
    for point in ["mutation.before", "mutation.done"] {
        let world = World::new().await;
        let mut process = world.process(Some(point)).await;
        let save = ("/v1/workflows", "application/yaml", HARMLESS);
        assert!(keyed(&process, save.0, save.1, save.2).await.is_none(), "{point}");
        process.ended().await;
        let process = world.process(None).await;
        let first = keyed(&process, save.0, save.1, save.2).await.unwrap().expect(201);
        let again = keyed(&process, save.0, save.1, save.2).await.unwrap().expect(201);
        assert_eq!(again.text, first.text);
        let replayed = |reply: &Reply| reply.headers.contains_key("idempotency-replayed");
        assert_eq!((replayed(&first), replayed(&again)), (point == "mutation.done", true));
        let owner = process.owner();
        let listed = owner.get("/v1/workflows").await.expect(200).json;
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{point}");
        let audit = owner.get("/v1/audit").await.expect(200).json;
        assert_eq!(audit["items"].as_array().unwrap().len(), 1, "{point}: {audit}");
        assert_eq!(audit["items"][0]["action"], "workflow.created");
        process.kill().await;
    }
}

#[tokio::test]
async fn a_keyed_start_is_done_once_wherever_the_process_dies() {
    for point in ["flush.before", "run.started", "action.done"] {
        let world = World::new().await;
        let mut process = world.process(Some(point)).await;
        let id = store(&process.owner(), HARMLESS).await;
        let path = format!("/v1/workflows/{id}/runs");
        assert!(keyed(&process, &path, "application/json", "{}").await.is_none(), "{point}");
        process.ended().await;
        let process = world.process(None).await;
        let first = keyed(&process, &path, "application/json", "{}").await.unwrap().expect(202);
        let again = keyed(&process, &path, "application/json", "{}").await.unwrap().expect(202);
        assert_eq!(again.text, first.text, "{point}");
        let other = keyed(&process, &path, "application/json", r#"{"pins": true}"#).await.unwrap();
        assert_eq!(other.expect(422).json["code"], "request.key_reused");
        let listed = process.owner().get("/v1/runs").await.expect(200).json;
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{point}: {listed}");
        process.kill().await;
    }
}

/// Starts a workflow without a key; gives the run.
async fn start(process: &Process, workflow: &str) -> String {
    let id = store(&process.owner(), workflow).await;
    let path = format!("/v1/workflows/{id}/runs");
    process.owner().post_text(&path, "application/json", "{}").await.expect(202).run_id()
}

/// Waits until a run has a status of these.
async fn reaches(process: &Process, run: &str, wanted: &[&str]) -> Value {
    let (owner, path) = (process.owner(), format!("/v1/runs/{run}"));
    eventually(&format!("run {run} to be {wanted:?}"), async || {
        let view = owner.get(&path).await.expect(200).json;
        let status = view["status"].as_str().unwrap();
        wanted.contains(&status).then(|| view.clone())
    })
    .await
}

/// Sends a call that the process dies in once it is done, and again to the next process.
async fn twice(
    world: &World,
    mut process: Process,
    call: (Method, &str, &str),
) -> (Process, Reply) {
    let (method, path, body) = call;
    let send = async |process: &Process| {
        let request = process.owner().request(method.clone(), path);
        let request = request.header("idempotency-key", "once").body(body.to_owned());
        Reply::try_of(request.header("content-type", "application/json")).await
    };
    assert!(send(&process).await.is_err(), "it dies before it answers");
    process.ended().await;
    let process = world.process(None).await;
    let first = eventually("the repetition to be answered", async || {
        let reply = send(&process).await.unwrap();
        // A run that asks somebody may not be taken up yet.
        (reply.status != 409 || reply.json["code"] != "request.in_flight").then_some(reply)
    })
    .await;
    assert!(!first.headers.contains_key("idempotency-replayed"), "{}", first.text);
    let again = send(&process).await.unwrap();
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert!(again.headers.contains_key("idempotency-replayed"));
    (process, first)
}

/// Waits long enough to be cancelled.
const NAPPING: &str = "
format: 1
name: Napping
nodes:
  - { name: Start, type: core.manual }
  - { name: Nap, type: core.wait, parameters: { duration: 1h } }
connections: [ Start -> Nap ]
";

#[tokio::test]
async fn a_keyed_cancel_whose_process_died_is_answered_as_the_first_would_have_been() {
    let world = World::new().await;
    let process = world.process(Some("action.done")).await;
    let run = start(&process, NAPPING).await;
    let path = format!("/v1/runs/{run}/cancel");
    let (process, reply) = twice(&world, process, (Method::POST, &path, "")).await;
    assert_eq!(reply.expect(200).json["status"], "cancelled");
    process.owner().post_text(&path, "application/json", "").await.refused(409, "run.finished");
    process.kill().await;
}

#[tokio::test]
async fn a_keyed_removal_whose_process_died_is_answered_as_the_first_would_have_been() {
    let world = World::new().await;
    let process = world.process(Some("action.done")).await;
    let run = start(&process, HARMLESS).await;
    reaches(&process, &run, &["succeeded"]).await;
    let path = format!("/v1/runs/{run}");
    let (process, reply) = twice(&world, process, (Method::DELETE, &path, "")).await;
    assert_eq!(reply.expect(204).text, "");
    process.owner().get(&path).await.refused(404, "run.not_found");
    process.kill().await;
}

#[tokio::test]
async fn a_keyed_answer_whose_process_died_is_answered_as_the_first_would_have_been() {
    let world = World::new().await;
    let outside = Outside::start(&world.database).await;
    outside.hold();
    let charge = format!(
        "
format: 1
name: Charge
nodes:
  - {{ name: Start, type: core.manual }}
  - name: Charge
    type: core.http_request
    parameters: {{ method: POST, url: '{}/charge' }}
    may_have_run: ask
connections: [ Start -> Charge ]
",
        outside.url()
    );
    let process = world.process(None).await;
    let run = start(&process, &charge).await;
    outside.calls(1).await;
    process.kill().await;
    outside.answer(100);
    let process = world.process(Some("action.done")).await;
    reaches(&process, &run, &["waiting"]).await;
    let path = format!("/v1/runs/{run}/answer");
    let body = r#"{"node": "Charge", "decision": "done"}"#;
    let (process, reply) = twice(&world, process, (Method::POST, &path, body)).await;
    assert_eq!(reply.expect(200).json["run_id"], run.as_str());
    assert_eq!(reaches(&process, &run, &FINAL).await["status"], "succeeded");
    assert_eq!(outside.so_far().len(), 1);
    process.kill().await;
}
