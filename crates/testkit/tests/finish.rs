//! The test kit sees what a test leaves behind.
//!
//! One after the other: an ERROR line fails every test that runs when it comes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;
use testkit::{Body, MoreTime as _, TestApp};

const NAP: &str = "
format: 1
name: Nap
nodes:
  - { name: Start, type: core.manual }
  - { name: Wait, type: core.wait, parameters: { duration: 1h } }
connections: [ Start -> Wait ]
";

/// What a test with this body fails with; `None` when it passes.
fn failure(body: impl for<'a> FnOnce(&'a mut TestApp) -> Body<'a>) -> Option<String> {
    let ended = catch_unwind(AssertUnwindSafe(|| testkit::run(&[], None, body)));
    ended.err().map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[test]
fn what_a_test_leaves_behind_fails_it() {
    let clean = failure(|app| {
        Box::pin(async {
            let id = app.publish(NAP).await;
            let run = app.start(&id, json!({})).await;
            app.wait_status(&run, &["waiting"]).await;
            app.advance(61.minutes()).await;
            app.wait_run(&run).await;
        })
    });
    assert_eq!(clean, None);

    let sleeping = failure(|app| {
        Box::pin(async {
            let id = app.publish(NAP).await;
            app.start(&id, json!({})).await;
        })
    });
    assert!(sleeping.unwrap().contains("runs that have not ended"));

    let noisy = failure(|_| {
        Box::pin(async {
            tracing::error!(answer = 42, "somebody must wake up");
        })
    });
    let noisy = noisy.unwrap();
    assert!(noisy.contains("somebody must wake up answer=42"), "{noisy}");

    let expected = failure(|app| {
        Box::pin(async {
            app.expect_error("the cellar is wet");
            tracing::error!("the cellar is wet");
        })
    });
    assert_eq!(expected, None);

    let open = failure(|app| {
        Box::pin(async {
            let client = app.sql().await;
            client.batch_execute("BEGIN").await.unwrap();
            // Never ended, as by a handler that forgot it.
            std::mem::forget(client);
        })
    });
    assert!(open.unwrap().contains("open transactions"));
}
