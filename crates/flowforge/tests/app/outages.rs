//! The database goes away in the middle of the work, and comes back.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use testkit::{Reply, TestApp, eventually};

use crate::walks::DOUBLE;

async fn ready(app: &TestApp, status: u16) {
    let anon = app.anon();
    eventually(&format!("/ready to answer {status}"), async || {
        (anon.get("/ready").await.status == status).then_some(())
    })
    .await;
}

#[testkit::test("engine.flush_patience" = "2s", "server.answer_timeout" = "5s")]
async fn without_its_database_it_lives_acknowledges_nothing_and_recovers_by_itself(
    app: &mut TestApp,
) {
    app.expect_error("database");
    app.publish(DOUBLE).await;
    let before = app.hook("double", &json!({ "n": 1 })).await.expect(201);
    app.proxy.cut();
    ready(app, 503).await;
    app.anon().get("/live").await.expect(200);
    let during = app.hook("double", &json!({ "n": 2 })).await;
    assert!(during.status >= 500, "{} {}", during.status, during.text);
    app.proxy.restore();
    ready(app, 200).await;
    let after = app.hook("double", &json!({ "n": 3 })).await.expect(201);
    assert_eq!(after.json, json!({ "twice": 6 }));
    assert_eq!(app.find_run(&before.run_id()).await["status"], "succeeded");
}

#[testkit::test("engine.flush_patience" = "1s")]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_answered_once(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    // Warm: the flusher has its connection.
    app.hook("double", &json!({ "n": 1 })).await.expect(201);
    app.proxy.half_close();
    let request = app.anon().request(Method::POST, "/hooks/default/double");
    let call = Reply::of(request.header("idempotency-key", "once").json(&json!({ "n": 21 })));
    let committed = async {
        let sql = app.sql().await;
        let count = "SELECT count(*) FROM forge.history";
        eventually("the commit to reach the database", async || {
            (sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 2).then_some(())
        })
        .await;
        app.proxy.cut();
        app.proxy.restore();
    };
    let (answer, ()) = tokio::join!(call, committed);
    assert_eq!(answer.expect(201).json, json!({ "twice": 42 }));
    let count = "SELECT count(*) FROM forge.history";
    let rows: i64 = app.sql().await.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(rows, 2);
}

#[testkit::test]
async fn a_slow_database_slows_and_breaks_nothing(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    app.proxy.delay(Duration::from_millis(40));
    for n in 0..5 {
        let answer = app.hook("double", &json!({ "n": n })).await.expect(201);
        assert_eq!(answer.json, json!({ "twice": n * 2 }));
    }
}

#[testkit::test]
async fn connections_that_the_server_ends_are_made_anew(app: &mut TestApp) {
    app.expect_error("database");
    app.publish(DOUBLE).await;
    app.hook("double", &json!({ "n": 1 })).await.expect(201);
    let sql = app.sql().await;
    for n in 2..5 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sql.execute(end, &[]).await.unwrap();
        let answer = app.hook("double", &json!({ "n": n })).await.expect(201);
        assert_eq!(answer.json, json!({ "twice": n * 2 }));
    }
    ready(app, 200).await;
    let count = "SELECT count(*) FROM forge.history";
    assert_eq!(sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 4);
}
