//! What is wrong with a workflow: each fault names its node, its place and its mend.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use kernel::{Code, Problem, VersionId, WorkflowId, WorkspaceId, codes};
use uuid::Uuid;
use workflow::{Document, Graph, Warning, validate};

fn document(rest: &str) -> Document {
    Document::from_yaml(&format!("format: 1\nname: Test\n{rest}")).unwrap()
}

/// `A` is a manual trigger, the others pass items on.
fn plain(nodes: &str, connections: &str) -> Document {
    let mut text = String::from("nodes:\n  - { name: A, type: core.manual }\n");
    for name in nodes.split_whitespace() {
        text.push_str(&format!("  - {{ name: {name}, type: core.no_op }}\n"));
    }
    text.push_str(&format!("connections: [ {connections} ]\n"));
    document(&text)
}

fn problem(document: &Document) -> Problem {
    validate(document, &nodes::registry()).unwrap_err()
}

fn warnings(document: &Document) -> Vec<Warning> {
    validate(document, &nodes::registry()).unwrap()
}

fn graph(document: &Document) -> Graph {
    let nil = Uuid::nil();
    let (workspace, workflow, version) = (WorkspaceId(nil), WorkflowId(nil), VersionId(nil));
    let graph = Graph::build(workspace, workflow, version, document, &nodes::registry()).unwrap();
    std::sync::Arc::into_inner(graph).unwrap()
}

fn assert_fault(document: &Document, code: Code, pointer: &str, words: &[&str]) {
    let problem = problem(document);
    let fault = problem.errors.iter().find(|fault| fault.code == code.to_string());
    let Some(fault) = fault else { panic!("no {code} in {problem:#?}") };
    assert_eq!(fault.pointer, pointer, "{problem:#?}");
    for word in words {
        assert!(fault.detail.contains(word), "{word:?} is not in {:?}", fault.detail);
    }
}

#[test]
fn a_workflow_without_faults_has_no_warnings() {
    assert_eq!(warnings(&plain("B C", "A -> B, A -> C, B -> C")), []);
}

#[test]
fn a_cycle_names_its_nodes_and_how_to_mark_a_loop() {
    let document = plain("B C D", "A -> B, B -> C, C -> D, D -> B");
    let problem = problem(&document);
    assert_eq!(problem.code, codes::WORKFLOW_CYCLE);
    assert!(problem.detail.contains("B → C → D → B"), "{}", problem.detail);
    assert!(problem.detail.contains("\"D ~> B\""), "{}", problem.detail);
    assert_eq!(problem.errors[0].pointer, "/connections/3");
    assert_eq!(problem.node.as_deref(), Some("B"));
    assert_fault(&plain("B", "A -> B, B -> B"), codes::WORKFLOW_CYCLE, "/connections/1", &[]);
}

#[test]
fn a_loop_with_a_back_edge_is_no_cycle() {
    assert_eq!(warnings(&plain("B C D", "A -> B, B -> C, C -> D, D ~> B")), []);
    let graph = graph(&plain("B C", "A -> B, B -> C, C ~> B"));
    assert!(graph.nodes[2].targets[0][0].back);
    assert_eq!(graph.nodes[1].feeds, [vec![(0, 0)]], "a back edge feeds no join");
}

#[test]
fn a_back_edge_that_closes_no_loop_is_a_warning() {
    let warnings = warnings(&plain("B", "A ~> B"));
    assert_eq!(warnings[0].code, "workflow.back_edge");
}

#[test]
fn connections_to_nodes_that_do_not_exist_are_refused_with_a_suggestion() {
    let document = plain("Second", "A -> Secnd");
    let code = codes::WORKFLOW_DANGLING_CONNECTION;
    assert_fault(&document, code, "/connections/0", &["\"Secnd\"", "\"Second\""]);
}

#[test]
fn a_connection_that_stands_twice_is_refused_however_it_is_written() {
    let code = codes::WORKFLOW_DUPLICATE_CONNECTION;
    let long = "A -> B, { from: A, output: 0, to: B, input: main }";
    assert_fault(&plain("B", long), code, "/connections/1", &["twice"]);
}

#[test]
fn ports_are_found_by_name_and_index_and_wrong_ones_are_refused() {
    let switch = "nodes:\n  - { name: A, type: core.manual }\n  - name: If\n    type: core.if\n    \
                  parameters: { conditions: { all: [ { left: '={{ $json.a }}', operator: exists } ] } }\n  \
                  - { name: B, type: core.no_op }\n";
    let fine = format!("{switch}connections: [ A -> If, If:false -> B ]\n");
    assert_eq!(graph(&document(&fine)).nodes[1].targets[1][0].to, 2);
    let code = codes::WORKFLOW_UNKNOWN_PORT;
    let wrong = format!("{switch}connections: [ A -> If, If:flase -> B ]\n");
    assert_fault(&document(&wrong), code, "/connections/1", &["\"flase\"", "\"false\""]);
    let index = format!("{switch}connections: [ A -> If, If:2 -> B ]\n");
    assert_fault(&document(&index), code, "/connections/1", &["no output \"2\""]);
    let error = format!("{switch}connections: [ A -> If, If:error -> B ]\n");
    assert_fault(&document(&error), code, "/connections/1", &["on_error: error_output"]);
    let trigger = plain("B", "B -> A");
    assert_fault(&trigger, code, "/connections/0", &["is a trigger and takes no input"]);
}

#[test]
fn connections_of_a_node_with_a_bad_parameter_are_told_apart_by_what_is_written() {
    let broken = "nodes:\n  - { name: A, type: core.manual }\n  \
                  - { name: If, type: core.if, parameters: { conditions: { al: [] } } }\n  \
                  - { name: B, type: core.no_op }\n";
    let codes = |connections: &str| -> Vec<String> {
        let problem =
            problem(&document(&format!("{broken}connections: [ A -> If, {connections} ]")));
        problem.errors.into_iter().map(|fault| fault.code).collect()
    };
    let duplicate = codes::WORKFLOW_DUPLICATE_CONNECTION.to_string();
    assert!(!codes("If:true -> B, If:false -> B").contains(&duplicate));
    assert!(codes("If:true -> B, If:true -> B").contains(&duplicate));
}

#[test]
fn a_port_called_true_or_false_needs_no_quotes_in_the_long_form() {
    let long = "{ from: If, output: false, to: B }";
    let document = document(&format!(
        "nodes:\n  - {{ name: A, type: core.manual }}\n  \
         - {{ name: If, type: core.if, parameters: {{ conditions: {{ all: [] }} }} }}\n  \
         - {{ name: B, type: core.no_op }}\nconnections: [ A -> If, {long} ]\n"
    ));
    assert_eq!(graph(&document).nodes[1].targets[1][0].to, 2);
    assert!(document.to_yaml().contains("If:false -> B"), "{}", document.to_yaml());
}

#[test]
fn an_error_output_is_the_last_port() {
    let document = document(
        "nodes:\n  - { name: A, type: core.manual }\n  - { name: B, type: core.no_op, on_error: error_output }\n  \
         - { name: C, type: core.no_op }\nconnections: [ A -> B, B:error -> C ]\n",
    );
    let graph = graph(&document);
    assert_eq!(graph.nodes[1].outputs, ["main", "error"]);
    assert_eq!(graph.nodes[1].error_port(), Some(1));
    assert_eq!(graph.nodes[1].targets[1][0].to, 2);
}

#[test]
fn a_node_type_that_does_not_exist_is_refused_with_a_suggestion() {
    let wrong = document("nodes: [ { name: A, type: core.manul } ]");
    let code = codes::WORKFLOW_UNKNOWN_TYPE;
    assert_fault(&wrong, code, "/nodes/0/type", &["Node \"A\"", "did you mean \"core.manual\"?"]);
    let version = document("nodes: [ { name: A, type: core.manual@7 } ]");
    assert_fault(&version, code, "/nodes/0/type", &["version 7 does not exist", "1"]);
}

#[test]
fn bad_parameters_are_named_with_their_place() {
    let document = document(
        "nodes:\n  - { name: A, type: core.webhook, parameters: { path: x, method: PSOT, extra: 1 } }\n",
    );
    let problem = problem(&document);
    assert!(!problem.errors.is_empty());
    for fault in &problem.errors {
        assert!(fault.pointer.starts_with("/nodes/0/parameters"), "{problem:#?}");
        assert!(fault.detail.contains("Node \"A\""), "{problem:#?}");
    }
}

#[test]
fn two_nodes_of_one_name_and_bad_names_are_refused() {
    let twice = plain("B B", "A -> B");
    assert_fault(&twice, codes::WORKFLOW_DUPLICATE_NODE, "/nodes/2/name", &["\"B\""]);
    let code = codes::WORKFLOW_BAD_NAME;
    for name in ["''", "' B'", "\"B\\0\"", &"x".repeat(201)] {
        let document = document(&format!("nodes: [ {{ name: {name}, type: core.manual }} ]"));
        assert_fault(&document, code, "/nodes/0/name", &[]);
    }
    let unnamed = Document::from_yaml("format: 1\nname: ''\nnodes: []\n").unwrap();
    assert_fault(&unnamed, code, "/name", &[]);
}

#[test]
fn every_fault_of_a_workflow_is_told_at_once() {
    let document = document(
        "nodes:\n  - { name: A, type: core.manul }\n  - { name: B, type: core.no_op, timeout: 0s, \
         retry: { initial: 2m, max: 1m } }\n  - { name: B, type: core.no_op, undo: Nobody }\n\
         connections: [ A -> C ]\npinned: { D: [] }\n",
    );
    let problem = problem(&document);
    assert_eq!(problem.code, codes::WORKFLOW_INVALID);
    let mut codes: Vec<&str> = problem.errors.iter().map(|fault| fault.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "workflow.dangling_connection",
            "workflow.duplicate_node",
            "workflow.invalid",
            "workflow.invalid",
            "workflow.unknown_node",
            "workflow.unknown_node",
            "workflow.unknown_type",
        ]
    );
}

#[test]
fn nodes_that_never_run_and_workflows_that_never_start_are_warnings() {
    let lonely = warnings(&plain("B C", "A -> B"));
    assert_eq!(lonely.len(), 1);
    assert_eq!(lonely[0].code, "workflow.unreachable_node");
    assert_eq!(lonely[0].node.as_deref(), Some("C"));
    let idle = document("nodes: [ { name: A, type: core.manual, disabled: true } ]");
    assert_eq!(warnings(&idle)[0].code, "workflow.no_trigger");
}

#[test]
fn an_expression_that_does_not_parse_is_refused_with_its_place() {
    let document = document(
        "nodes:\n  - { name: A, type: core.manual }\n  - { name: B, type: core.set, parameters: \
         { fields: [ { name: a, value: '={{ 1 + }}' }, { name: b, value: '={{ $json.a' } ] } }\n\
         connections: [ A -> B ]\n",
    );
    let problem = problem(&document);
    let pointers: Vec<&str> = problem.errors.iter().map(|fault| fault.pointer.as_str()).collect();
    let fields = "/nodes/1/parameters/fields";
    assert_eq!(
        pointers,
        [format!("{fields}/0/value"), format!("{fields}/1/value")],
        "{problem:#?}"
    );
    assert_eq!(problem.code, codes::EXPRESSION_INVALID);
}

#[test]
fn an_expression_may_only_name_nodes_that_exist_and_should_name_ones_before_it() {
    let with = |name: &str| {
        document(&format!(
            "nodes:\n  - {{ name: A, type: core.manual }}\n  - {{ name: B, type: core.set, parameters: \
             {{ fields: [ {{ name: a, value: \"={{{{ $('{name}').first().json.a }}}}\" }} ] }} }}\n  \
             - {{ name: Later, type: core.no_op }}\nconnections: [ A -> B, B -> Later ]\n"
        ))
    };
    let pointer = "/nodes/1/parameters/fields/0/value";
    let code = codes::WORKFLOW_UNKNOWN_NODE;
    assert_fault(&with("Latr"), code, pointer, &["\"Latr\"", "\"Later\""]);
    let later = warnings(&with("Later"));
    assert_eq!(
        (later[0].code.as_str(), later[0].pointer.as_str()),
        ("workflow.not_upstream", pointer)
    );
    assert_eq!(warnings(&with("A")), []);
}

#[test]
fn targets_stand_top_left_first_when_every_node_has_a_place() {
    let text = |place: &str| {
        format!(
            "nodes:\n  - {{ name: A, type: core.manual, position: [0, 0] }}\n  - {{ name: Low, type: core.no_op, \
             position: [200, 300] }}\n  - {{ name: High, type: core.no_op{place} }}\n\
             connections: [ A -> Low, A -> High ]\n"
        )
    };
    let order = |place: &str| {
        let graph = graph(&document(&text(place)));
        graph.nodes[0].targets[0].iter().map(|edge| edge.to).collect::<Vec<_>>()
    };
    assert_eq!(order(", position: [200, -100]"), [2, 1]);
    assert_eq!(order(", position: [100, 300]"), [2, 1]);
    assert_eq!(order(""), [1, 2], "the order of the document, when a place is missing");
}

#[test]
fn a_graph_has_the_defaults_filled_in() {
    let graph = graph(&document(
        "settings: { timezone: Asia/Tokyo, keep_runs: { succeeded: none }, durability: relaxed }\n\
         nodes:\n  - { name: A, type: core.manual, retry: {}, timeout: 5s }\n\
         pinned: { A: [ { json: { a: 1 } } ] }\n",
    ));
    assert_eq!(graph.workflow.timezone, "Asia/Tokyo");
    assert_eq!(graph.settings.keep_succeeded, workflow::Retention::None);
    assert_eq!(graph.settings.keep_failed, workflow::Retention::Days(90));
    assert!(graph.settings.relaxed);
    assert_eq!(graph.settings.max_parallel_nodes, 16);
    let node = &graph.nodes[0];
    assert_eq!(&*node.kind, "core.manual@1");
    assert_eq!(node.retry.unwrap().max_attempts, 3);
    assert_eq!(node.timeout.unwrap().as_secs(), 5);
    assert_eq!(node.pinned.as_ref().unwrap().len(), 1);
}

#[test]
fn two_thousand_nodes_are_checked_quickly_and_one_more_is_refused() {
    let of = |count: usize| {
        let names: Vec<String> = (1..count).map(|n| format!("N{n}")).collect();
        let mut edges = vec!["A -> N1".to_owned()];
        edges.extend((1..count - 1).map(|n| format!("N{n} -> N{}", n + 1)));
        plain(&names.join(" "), &edges.join(", "))
    };
    assert_eq!(warnings(&of(5_000)), []);
    assert_fault(&of(5_001), codes::WORKFLOW_TOO_LARGE, "/nodes", &["5000"]);
}
