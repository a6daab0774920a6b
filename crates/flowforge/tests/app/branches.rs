//! How a graph is walked: branches, joins, loops, and what never ran.

use serde_json::{Value, json};
use testkit::{Outside, TestApp};

/// State and number of activations of a node.
fn seen(run: &Value, node: &str) -> Vec<String> {
    let activations = run["nodes"][node].as_array().unwrap_or_else(|| panic!("{node} of {run}"));
    activations.iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect()
}

fn items(run: &Value, node: &str) -> Vec<Value> {
    let activations = run["nodes"][node].as_array().unwrap();
    let outputs = activations.last().unwrap()["outputs"][0].as_array().unwrap();
    outputs.iter().map(|item| item["json"].clone()).collect()
}

#[testkit::test]
async fn parallel_branches_are_under_way_at_the_same_time(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Two at once
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Left, type: core.http_request, parameters: {{ url: '{url}/left' }} }}
  - {{ name: Right, type: core.http_request, parameters: {{ url: '{url}/right' }} }}
  - {{ name: Both, type: core.merge, parameters: {{ mode: append }} }}
connections: [ Start -> Left, Start -> Right, 'Left -> Both:0', 'Right -> Both:1' ]
"
    );
    let id = app.publish(&workflow).await;
    let run = app.start(&id, json!({})).await;
    // Neither is answered before both have asked.
    assert_eq!(outside.calls(2).await.len(), 2);
    outside.answer(2);
    let run = app.wait_run(&run).await;
    assert_eq!(run["status"], "succeeded");
    assert_eq!(items(&run, "Both").len(), 2);
}

#[testkit::test]
async fn one_branch_after_the_other_runs_where_the_workflow_wants_that(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: One by one
settings: {{ order: sequential }}
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: First, type: core.http_request, parameters: {{ url: '{url}/first' }}, position: [0, 0] }}
  - {{ name: After, type: core.http_request, parameters: {{ url: '{url}/after' }}, position: [200, 0] }}
  - {{ name: Other, type: core.http_request, parameters: {{ url: '{url}/other' }}, position: [0, 200] }}
connections: [ Start -> First, First -> After, Start -> Other ]
"
    );
    let id = app.publish(&workflow).await;
    let run = app.start(&id, json!({})).await;
    for call in 1..=3 {
        assert_eq!(outside.calls(call).await.len(), call);
        outside.answer(1);
    }
    assert_eq!(app.wait_run(&run).await["status"], "succeeded");
    let paths: Vec<_> = outside.so_far().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, ["/first", "/after", "/other"]);
}

const FORK: &str = "
format: 1
name: Fork
nodes:
  - { name: Start, type: core.manual }
  - { name: Large?, type: core.if, parameters: { conditions: { all: [ { left: '={{ $json.n }}', operator: number.gt, right: 10 } ] } } }
  - { name: Large, type: core.set, parameters: { fields: [ { name: size, value: large } ] } }
  - { name: Small, type: core.set, parameters: { fields: [ { name: size, value: small } ] } }
  - { name: Join, type: core.merge, parameters: { mode: append } }
  - { name: End, type: core.no_op }
connections: [ Start -> Large?, 'Large?:true -> Large', 'Large?:false -> Small', 'Large -> Join:0', 'Small -> Join:1', Join -> End ]
";

#[testkit::test]
async fn a_join_does_not_wait_for_a_branch_that_is_dead_and_the_skip_is_shown(app: &mut TestApp) {
    let id = app.publish(FORK).await;
    for (n, ran, skipped) in [(99, "Large", "Small"), (1, "Small", "Large")] {
        let run = app.run(&id, json!({ "n": n })).await;
        assert_eq!(run["status"], "succeeded");
        assert_eq!(seen(&run, ran), ["succeeded"]);
        assert_eq!(seen(&run, skipped), ["skipped"]);
        assert_eq!(seen(&run, "Join"), ["succeeded"]);
        assert_eq!(items(&run, "End").len(), 1);
    }
}

#[testkit::test]
async fn a_join_all_of_whose_branches_are_dead_is_skipped_with_what_follows(app: &mut TestApp) {
    let nothing = FORK.replace(
        "  - { name: Large?, type: core.if, parameters: { conditions:",
        "  - { name: None, type: core.filter, parameters: { conditions: { all: [ { left: '={{ 1 }}', operator: number.gt, right: 2 } ] } } }\n  - { name: Large?, type: core.if, parameters: { conditions:",
    );
    let nothing = nothing.replace("Start -> Large?,", "Start -> None, None -> Large?,");
    let id = app.publish(&nothing).await;
    let run = app.run(&id, json!({ "n": 1 })).await;
    assert_eq!(run["status"], "succeeded");
    for node in ["Large?", "Large", "Small", "Join", "End"] {
        assert_eq!(seen(&run, node), ["skipped"], "{node}");
    }
}

#[testkit::test]
async fn a_back_edge_runs_its_nodes_again_until_the_condition_fails(app: &mut TestApp) {
    let workflow = "
format: 1
name: Count
nodes:
  - { name: Start, type: core.manual }
  - { name: Step, type: core.set, parameters: { fields: [ { name: n, value: '={{ ($json.n ?? 0) + 1 }}' } ] } }
  - { name: Again?, type: core.if, parameters: { conditions: { all: [ { left: '={{ $json.n }}', operator: number.lt, right: 25 } ] } } }
  - { name: Done, type: core.no_op }
connections: [ Start -> Step, Step -> Again?, 'Again?:true ~> Step', 'Again?:false -> Done' ]
";
    let id = app.publish(workflow).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "succeeded");
    assert_eq!(seen(&run, "Step").len(), 25);
    assert_eq!(items(&run, "Done"), [json!({ "n": 25 })]);
}

#[testkit::test]
async fn a_node_with_one_input_runs_once_per_arrival(app: &mut TestApp) {
    let workflow = "
format: 1
name: Two arrivals
nodes:
  - { name: Start, type: core.manual }
  - { name: A, type: core.set, parameters: { fields: [ { name: from, value: a } ] } }
  - { name: B, type: core.set, parameters: { fields: [ { name: from, value: b } ] } }
  - { name: End, type: core.no_op }
connections: [ Start -> A, Start -> B, A -> End, B -> End ]
";
    let id = app.publish(workflow).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(seen(&run, "End"), ["succeeded", "succeeded"]);
}

#[testkit::test("engine.activations_max" = 50)]
async fn a_loop_without_an_end_is_stopped_at_the_limit(app: &mut TestApp) {
    let workflow = "
format: 1
name: Forever
nodes:
  - { name: Start, type: core.manual }
  - { name: Round, type: core.no_op }
connections: [ Start -> Round, 'Round ~> Round' ]
";
    let id = app.publish(workflow).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("run.limit")));
}
