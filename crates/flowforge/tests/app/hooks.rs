//! Webhooks of a cluster: what one member accepted, set or kept counts for all of them.

use aws_lc_rs::hmac;
use kernel::Clock as _;
use kernel::clock::SystemClock;
use reqwest::Method;
use serde_json::json;
use testkit::{Actor, Reply, TestApp, eventually};

const SIGNED: &str = "
format: 1
name: Signed
nodes:
  - name: In
    type: core.webhook
    parameters:
      path: signed
      method: POST
      respond: last_node
      auth:
        kind: signature
        key: { secret: signing }
        header: X-Signature
        timestamp: { header: X-Time }
";

/// The second at hand.
fn now() -> i64 {
    SystemClock.now().as_second()
}

/// Sends `{}`, signed with this key in this second.
async fn call(actor: &Actor, key: &str, at: i64) -> Reply {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{{}}").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = actor.request(Method::POST, "/hooks/default/signed");
    Reply::of(request.header("x-time", at).header("x-signature", tag).body("{}")).await
}

async fn set_secret(actor: &Actor, value: &str) {
    let request = actor.request(Method::PUT, "/v1/secrets/signing");
    Reply::of(request.json(&json!({ "value": value }))).await.expect(200);
}

#[testkit::test("secrets.key" = "77c1ca53b6a7ef8c8ab9d1d2a1bd1c9a5f1d5b6a44f9b83d1c4f0a3e2b1d0c9e")]
async fn what_one_member_knows_of_signatures_and_secrets_all_know(app: &mut TestApp) {
    set_secret(&app.owner(), "first").await;
    app.publish(SIGNED).await;
    let second = app.second_member().await;
    let first = app.owner();
    let at = now() - 60;
    for (once, again) in [(&first, &second), (&second, &first)] {
        let at = at - i64::from(std::ptr::eq(once, &second));
        call(once, "first", at).await.expect(200);
        call(again, "first", at).await.refused(409, "hook.replayed");
    }
    // A secret that the second changes, the first asks for within a second.
    set_secret(&second, "changed").await;
    let mut at = now() + 10;
    eventually("the first member to know the new secret", async || {
        at += 1;
        (call(&first, "changed", at).await.status == 200).then_some(())
    })
    .await;
    call(&first, "first", now() - 100).await.refused(401, "hook.unauthorized");
    // What was refused at the first is shown by the second once it is written down.
    eventually("the refused call to be shown by the other member", async || {
        let calls = second.get("/v1/hooks/calls?outcome=rejected&limit=200").await.expect(200);
        let calls = calls.json["items"].as_array().cloned().unwrap_or_default();
        calls.iter().any(|call| call["reason"] == "the signature is wrong").then_some(())
    })
    .await;
}

#[testkit::test]
async fn secrets_outlive_the_process_and_their_key_is_readable_by_nobody_else(app: &mut TestApp) {
    set_secret(&app.owner(), "kept").await;
    app.publish(SIGNED).await;
    let at = now();
    call(&app.anon(), "kept", at).await.expect(200);
    app.restart().await;
    call(&app.anon(), "kept", at + 1).await.expect(200);
    call(&app.anon(), "kept", at).await.refused(409, "hook.replayed");
}
