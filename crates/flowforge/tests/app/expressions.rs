//! Expressions are tried out on the items of a past run.

use serde_json::{Value, json};
use testkit::TestApp;

const STEPS: &str = "
format: 1
name: Steps
nodes:
  - { name: In, type: core.manual }
  - { name: Twice, type: core.set, parameters: { fields: [ { name: n, value: '={{ $json.n * 2 }}' } ] } }
  - { name: Odd, type: core.filter, parameters: { conditions: { all: [ { left: '={{ $json.n }}', operator: number.gt, right: 100 } ] } } }
  - { name: After, type: core.set, parameters: { fields: [ { name: x, value: 1 } ] } }
connections: [ In -> Twice, Twice -> Odd, Odd -> After ]
";

async fn run(app: &TestApp) -> String {
    let id = app.publish(STEPS).await;
    let run = app.start(&id, json!([{ "n": 1 }, { "n": 2 }])).await;
    assert_eq!(app.wait_run(&run).await["status"], "succeeded");
    run
}

async fn evaluate(app: &TestApp, body: Value) -> Value {
    app.owner().post("/v1/expressions/evaluate", &body).await.expect(200).json
}

#[testkit::test]
async fn an_expression_sees_what_the_node_saw_also_after_a_restart(app: &mut TestApp) {
    let run = run(app).await;
    for _ in 0..2 {
        let at = |node: Value, item: u32, expression: &str| json!({ "run_id": run, "node": node, "item": item, "expression": expression });
        for (node, item, expression, value, kind) in [
            (json!("Twice"), 1, "={{ $json.n }}", json!(2), "number"),
            (json!("Odd"), 1, "$json.n + 1 // a comment", json!(5), "number"),
            (json!("Odd"), 0, "=n is {{ $('In').item.json.n }}", json!("n is 1"), "string"),
            (json!("Odd"), 0, "$items('Twice').map(i => i.json.n)", json!([2, 4]), "array"),
            (
                json!(null),
                1,
                "({ n: $json.n, run: $execution.id })",
                json!({ "n": 2, "run": run }),
                "object",
            ),
            (json!("After"), 0, "$json.n", json!(null), "null"),
        ] {
            let told = evaluate(app, at(node, item, expression)).await;
            assert_eq!(
                (&told["value"], &told["type"]),
                (&value, &json!(kind)),
                "{expression}: {told}"
            );
        }
        app.restart().await;
    }
}

#[testkit::test]
async fn a_fault_is_told_with_its_place_and_no_expression_harms_the_member(app: &mut TestApp) {
    let run = run(app).await;
    let of = |expression: &str| json!({ "run_id": run, "node": "Twice", "expression": expression });
    for (expression, code, character) in [
        ("={{ 1 + }}", "expression.invalid", json!(8)),
        ("1 +* 2", "expression.invalid", json!(4)),
        ("=a {{ b", "expression.invalid", json!(4)),
        ("$('Nowhere').item", "expression.failed", Value::Null),
        ("(() => { for (;;) {} })()", "expression.deadline", Value::Null),
        ("'x'.repeat(2 ** 21)", "expression.memory", Value::Null),
        (
            "(() => { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length) })()",
            "expression.memory",
            Value::Null,
        ),
    ] {
        let told = evaluate(app, of(expression)).await;
        assert_eq!(told["error"]["code"], code, "{expression}: {told}");
        assert_eq!(
            told["error"].get("character").cloned().unwrap_or_default(),
            character,
            "{expression}: {told}"
        );
    }
    let owner = app.owner();
    let path = "/v1/expressions/evaluate";
    let mut body = of("1");
    body["item"] = json!(2);
    let wrong = owner.post(path, &body).await.refused(422, "request.invalid");
    assert_eq!(wrong.json["errors"][0]["pointer"], "/item");
    let mut body = of("1");
    body["node"] = json!("Twiec");
    let wrong = owner.post(path, &body).await.refused(422, "workflow.unknown_node");
    assert!(wrong.detail().contains("Twice"), "{}", wrong.detail());
    let mut body = of("1");
    body["run_id"] = json!("01890000-0000-7000-8000-000000000000");
    owner.post(path, &body).await.refused(404, "run.not_found");
    let other = crate::documents::stranger(app).await;
    other.post(path, &of("1")).await.refused(404, "run.not_found");
    let writer = app.api_key(&["run.write"]).await;
    writer.post(path, &of("1")).await.refused(403, "auth.forbidden");
    assert_eq!(evaluate(app, of("1 + 1")).await["value"], 2);
}

#[testkit::test]
async fn what_is_not_shown_of_a_run_is_not_told_by_an_expression(app: &mut TestApp) {
    let secret = STEPS.replace("nodes:", "settings: { redact: [ key ] }\nnodes:");
    let id = app.publish(&secret).await;
    let run = app.start(&id, json!([{ "n": 1, "key": "hunter2" }])).await;
    app.wait_run(&run).await;
    for (node, expression) in [("Twice", "$json.key"), ("Odd", "$('In').first().json")] {
        let body = json!({ "run_id": run, "node": node, "expression": expression });
        let told = evaluate(app, body).await;
        assert!(!told.to_string().contains("hunter2"), "{told}");
        assert!(told.to_string().contains("[redacted]"), "{told}");
    }
}
