//! More callers than can be served: everybody is answered, nobody is served half.

use futures::future::join_all;
use serde_json::json;
use testkit::TestApp;

use crate::walks::DOUBLE;

#[testkit::test("engine.workers" = 1, "engine.runs_max" = 4)]
async fn a_flooded_hook_serves_what_it_can_and_tells_the_rest_when_to_come_back(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    let mut served = 0;
    for round in 0..5_u32 {
        let calls = (0..200_u32).map(async |call| {
            let number = round * 1_000 + call;
            let reply = app.hook("double", &json!({ "n": number })).await;
            if reply.status == 201 {
                assert_eq!(reply.json, json!({ "twice": number * 2 }));
                return 1;
            }
            let reply = reply.refused(503, "server.overloaded");
            assert!(reply.headers.contains_key("retry-after"));
            0
        });
        served += join_all(calls).await.into_iter().sum::<u32>();
    }
    assert!(served > 0, "somebody is always served");
    // What was acknowledged is there, and nothing else is.
    let sql = app.sql().await;
    let kept = sql.query_one("SELECT count(*) FROM forge.history", &[]).await.unwrap();
    assert_eq!(kept.get::<_, i64>(0), i64::from(served));
    assert_eq!(app.live_runs(), 0);
    app.hook("double", &json!({ "n": 1 })).await.expect(201);
}

#[testkit::test("function.max_concurrent" = 2, "function.queue_max" = 2)]
async fn a_flooded_function_answers_everybody_and_keeps_to_its_limit(app: &mut TestApp) {
    let owner = app.owner();
    let replies = join_all((0..100).map(|_| owner.get("/v1/workflows"))).await;
    let served = replies.iter().filter(|reply| reply.status == 200).count();
    assert!(served >= 2, "{served}");
    for reply in replies.into_iter().filter(|reply| reply.status != 200) {
        assert!(reply.headers.contains_key("retry-after"));
        reply.refused(503, "server.overloaded");
    }
    owner.get("/v1/workflows").await.expect(200);
}

#[testkit::test("gateway.rates.workspace_per_minute" = 1_200, "gateway.rates.burst" = "1s")]
async fn three_members_share_the_budget_of_a_workspace(app: &mut TestApp) {
    let mut members = vec![app.owner()];
    members.push(app.second_member().await);
    members.push(app.second_member().await);
    // Four times what is allowed, three seconds long after everybody has heard of everybody.
    let send = async |seconds: u64| {
        let every = std::time::Duration::from_millis(25);
        let mut tick = tokio::time::interval(every);
        let mut allowed = 0;
        for _ in 0..seconds * 40 {
            tick.tick().await;
            let asked = members.iter().map(async |member| member.get("/v1/workspace").await.status);
            allowed += join_all(asked).await.into_iter().filter(|status| *status == 200).count();
        }
        allowed
    };
    send(4).await;
    // A busy machine takes longer than it was asked to: the budget is one of the time it took.
    #[expect(
        clippy::disallowed_methods,
        reason = "the members under test have the real clock, too"
    )]
    let began = std::time::Instant::now();
    let allowed = send(6).await;
    let budget = began.elapsed().as_secs_f64() * 20.0;
    // And one more each that was on its way.
    let wanted = budget * 0.9 - 3.0..=budget * 1.05 + 3.0;
    assert!(wanted.contains(&(allowed as f64)), "{allowed} of {budget} were let through");
}
