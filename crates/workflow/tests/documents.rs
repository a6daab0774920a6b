//! Documents as people write them: what is read, what is refused, and what the refusal says.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use kernel::{Problem, codes};
use workflow::document::Durability;
use workflow::{Document, MediaType, Port, Source};

const WHOLE: &str = r#"
format: 1
name: Quakes near airports   # a comment
description: Which airports felt the week's earthquakes?
settings: { order: sequential, timezone: Europe/Berlin, timeout: 5m, durability: relaxed,
            max_parallel_nodes: 16, error_workflow: null, keep_runs: { succeeded: none, failed: forever } }
nodes:
  - name: Ask
    type: core.webhook
    parameters: { path: quakes, method: POST, respond: node }
    position: [0, 0]
  - name: Big ones
    type: core.filter@1
    parameters:
      conditions: { all: [ { left: "={{ $json.mag }}", operator: number.gte, right: 4 } ] }
    retry: { max_attempts: 3, backoff: exponential, initial: 1s, max: 1m, jitter: true }
    timeout: 30s
    on_error: error_output
    execute_once: false
    credentials: { http: "Status page token" }
    may_have_run: ask
    notes: Only what people could feel.
connections:
  - Ask -> Big ones
  - "Big ones:error -> Join:1"
  - { from: "a -> b", output: 0, to: Join, input: left }
  - Join ~> Big ones
pinned: { Big ones: [ { json: { n: 9007199254740993 } } ] }
canvas: { notes: [ { text: "…", position: [0, -120], size: [240, 80], color: 3 } ], groups: [] }
"#;

fn refused(yaml: &str) -> Problem {
    Document::from_yaml(yaml).unwrap_err()
}

fn refused_json(json: &str) -> Problem {
    Document::from_json(json).unwrap_err()
}

#[test]
fn a_document_with_every_field_is_read() {
    let document = Document::from_yaml(WHOLE).unwrap();
    assert_eq!(document.name, "Quakes near airports");
    assert_eq!(document.settings.durability, Durability::Relaxed);
    assert_eq!(document.settings.timeout.unwrap().to_string(), "5m");
    assert_eq!(document.settings.keep_runs.failed.to_string(), "forever");
    assert_eq!(document.nodes[1].retry.unwrap().max_attempts, 3);
    assert_eq!(document.connections[1].output, Some(Port::Name("error".to_owned())));
    assert_eq!(document.connections[1].input, Some(Port::Index(1)));
    assert_eq!(document.connections[2].from, "a -> b");
    assert!(document.connections[3].back);
    let pinned = &document.pinned["Big ones"][0].json["n"];
    assert_eq!(pinned.to_string(), "9007199254740993");
}

#[test]
fn the_same_document_comes_back_from_yaml_and_from_json() {
    let document = Document::from_yaml(WHOLE).unwrap();
    let yaml = document.to_yaml();
    assert_eq!(Document::from_yaml(&yaml).unwrap(), document, "{yaml}");
    assert_eq!(Document::from_json(&document.to_json()).unwrap(), document);
}

#[test]
fn written_yaml_reads_like_what_people_write() {
    let json = r#"{"format":1,"name":"A","nodes":[{"name":"Code","type":"core.code",
        "parameters":{"code":"const a = 1;\n\nreturn [{ json: { a } }];\n","on":"no","n":1e3,
        "says":"she said \"hi\"","left":"={{ $json[\"a\"] }}","empty":"","list":[],"position":[1,2.5]}}],
        "connections":["A:true -> B"]}"#;
    let yaml = Document::from_json(json).unwrap().to_yaml();
    let expected = r#"format: 1
name: A
nodes:
  - name: Code
    type: core.code
    parameters:
      code: |
        const a = 1;

        return [{ json: { a } }];
      on: no
      n: 1e+3
      says: she said "hi"
      left: '={{ $json["a"] }}'
      empty: ""
      list: []
      position: [1, 2.5]
connections:
  - A:true -> B
"#;
    assert_eq!(yaml, expected);
}

#[test]
fn words_of_older_yaml_are_texts() {
    let yaml = "format: 1\nname: no\ndescription: on\nnodes: []\n";
    let document = Document::from_yaml(yaml).unwrap();
    assert_eq!((document.name.as_str(), document.description.as_str()), ("no", "on"));
}

#[test]
fn malformed_yaml_is_refused_with_line_and_column() {
    let problem = refused("format: 1\nname: [a, b\nnodes: []\n");
    assert_eq!(problem.code, codes::WORKFLOW_MALFORMED);
    assert!(problem.detail.starts_with("line "), "{}", problem.detail);
    let tab = refused("format: 1\nname: A\nnodes:\n\t- name: B\n");
    assert!(tab.detail.contains("line 4, column 2"), "{}", tab.detail);
}

#[test]
fn malformed_json_is_refused_with_line_and_column() {
    let problem = refused_json("{\n  \"format\": 1,\n  \"name\": trux }");
    assert_eq!(problem.code, codes::WORKFLOW_MALFORMED);
    assert!(problem.detail.contains("line 3, column"), "{}", problem.detail);
}

#[test]
fn a_key_that_stands_twice_is_refused_in_both_forms() {
    let yaml = refused("format: 1\nname: A\nname: B\n");
    assert!(yaml.detail.contains("line 3, column 1"), "{}", yaml.detail);
    let json = refused_json("{\"format\": 1,\n \"name\": \"A\", \"name\": \"B\"}");
    assert!(json.detail.contains("line 2, column 15"), "{}", json.detail);
    assert!(json.detail.contains("\"name\""), "{}", json.detail);
}

#[test]
fn an_unknown_field_is_named_with_its_place_and_the_word_that_was_meant() {
    let problem = refused(
        "format: 1\nname: A\nnodes:\n  - name: One\n    type: core.set\n    paramters: {}\n",
    );
    assert_eq!(problem.code, codes::WORKFLOW_INVALID);
    assert_eq!(problem.errors[0].pointer, "/nodes/0/paramters");
    let detail = &problem.errors[0].detail;
    assert!(detail.contains("line 6, column 5"), "{detail}");
    assert!(detail.contains("Node \"One\""), "{detail}");
    assert!(detail.contains("did you mean \"parameters\"?"), "{detail}");
}

#[test]
fn an_unknown_field_of_a_json_document_has_its_place_too() {
    let problem = refused_json("{\"format\": 1, \"name\": \"A\",\n  \"nodez\": []}");
    assert!(problem.errors[0].detail.contains("line 2, column 3"), "{:?}", problem.errors);
}

#[test]
fn a_fault_inside_a_node_names_the_node_and_the_words_there_are() {
    let problem = refused(
        "format: 1\nname: N\nnodes:\n  - { name: A, type: core.manual, may_have_run: often }\n",
    );
    assert_eq!(problem.node.as_deref(), Some("A"));
    assert!(problem.detail.contains("there are retry, ask, fail"), "{}", problem.detail);
    let problem =
        refused("format: 1\nname: N\nnodes:\n  - { name: A, type: core.manual, timeout: [1] }\n");
    assert!(problem.detail.contains("must be of type string, not array"), "{}", problem.detail);
    assert_eq!(refused("format: 1\nname: N\nnodes: []\nextra: 1\n").node, None);
}

#[test]
fn every_fault_is_told_at_once() {
    let problem = refused(
        "format: 1\nname: 5\nsettings: { order: paralel, timezone: Mars/Base, timeout: 5 minutes,\
         \n  max_parallel_nodes: 0, keep_runs: { succeeded: 31d } }\nnodes:\n  - type: core.set\n\
         \n    retry: { max_attempts: 1000 }\n    on_error: ignore\nconnections: [ A, 7 ]\n",
    );
    let pointers: Vec<&str> = problem.errors.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/name",
            "/settings/order",
            "/settings/timezone",
            "/settings/timeout",
            "/settings/max_parallel_nodes",
            "/settings/keep_runs/succeeded",
            "/nodes/0/name",
            "/nodes/0/retry/max_attempts",
            "/nodes/0/on_error",
            "/connections/0",
            "/connections/1",
        ],
        "{problem:#?}"
    );
    assert!(problem.errors[1].detail.contains("did you mean \"parallel\"?"));
}

#[test]
fn another_format_is_refused_before_anything_else() {
    for yaml in ["name: A\nnodes: []\n", "format: 2\nfoo: bar\n", "format: '1'\nname: A\n"] {
        let problem = refused(yaml);
        assert_eq!(problem.errors[0].pointer, "/format", "{problem:?}");
        assert_eq!(problem.errors.len(), 1);
    }
    assert_eq!(refused("- 1\n- 2\n").code, codes::WORKFLOW_INVALID);
    assert_eq!(refused("").code, codes::WORKFLOW_MALFORMED);
}

#[test]
fn anchors_and_aliases_work_until_they_are_a_bomb() {
    let yaml = "format: 1\nname: A\nnodes:\n  - { name: B, type: core.set, retry: &r { max_attempts: 2 } }\n  - { name: C, type: core.set, retry: *r }\n";
    let document = Document::from_yaml(yaml).unwrap();
    assert_eq!(document.nodes[0].retry, document.nodes[1].retry);

    let mut bomb =
        String::from("format: 1\nname: A\nx0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..30 {
        let below = format!("*x{}", level - 1);
        let list = vec![below; 8].join(", ");
        bomb.push_str(&format!("x{level}: &x{level} [{list}]\n"));
    }
    let problem = refused(&bomb);
    assert_eq!(problem.code, codes::WORKFLOW_MALFORMED);
    assert!(problem.detail.contains("aliases"), "{}", problem.detail);

    let own = refused("format: 1\nname: A\npinned: &p { a: *p }\n");
    assert_eq!(own.code, codes::WORKFLOW_MALFORMED);
    let unknown = refused("format: 1\nname: *nobody\n");
    assert_eq!(unknown.code, codes::WORKFLOW_MALFORMED);
}

#[test]
fn nested_anchors_do_not_multiply_in_memory() {
    let mut text = String::from("format: 1\nname: A\nx: ");
    for level in 0..100 {
        text.push_str(&format!("&a{level} ["));
    }
    text.push_str(&"x".repeat(1_000_000));
    text.push_str(&"]".repeat(100));
    assert!(refused(&text).detail.contains("1 MiB"));
}

#[test]
fn deep_nesting_is_refused_without_a_crash() {
    for open in ["[", "{a: ", "- ", "? "] {
        let problem = refused(&format!("format: 1\nname: A\nx:\n  {}", open.repeat(50_000)));
        assert_eq!(problem.code, codes::WORKFLOW_MALFORMED, "{open}");
    }
    let json = format!("{{\"format\":1,\"x\":{}", "[".repeat(100_000));
    assert_eq!(refused_json(&json).code, codes::WORKFLOW_MALFORMED);
}

#[test]
fn nul_is_refused_raw_and_kept_when_escaped() {
    let problem = refused("format: 1\nname: A\ndescription: a\0b\n");
    assert!(problem.detail.contains("line 3, column 15"), "{}", problem.detail);
    let document =
        Document::from_yaml("format: 1\nname: A\ndescription: \"a\\0b\"\nnodes: []\n").unwrap();
    assert_eq!(document.description, "a\0b");
    assert_eq!(Document::from_yaml(&document.to_yaml()).unwrap(), document);
    assert_eq!(Document::from_json(&document.to_json()).unwrap(), document);
}

#[test]
fn a_lone_surrogate_is_replaced_and_told_of() {
    let text = r#"{"format":1,"name":"A","description":"\ud83d","nodes":[]}"#.to_owned();
    let source = Source { media_type: MediaType::Json, text };
    let (document, notes) = Document::read(&source).unwrap();
    assert_eq!(document.description, "\u{fffd}");
    assert_eq!(notes.len(), 1);
}

#[test]
fn what_yaml_has_and_json_has_not_is_refused_with_its_mend() {
    for (value, word) in [
        (".inf", "quotes"),
        ("!!binary aGk=", "tag"),
        ("!mine x", "tag"),
        ("{ <<: { a: 1 } }", "merge"),
        ("{ [a]: 1 }", "key"),
    ] {
        let problem = refused(&format!("format: 1\nname: A\nx: {value}\n"));
        assert!(problem.detail.contains(word), "{value}: {}", problem.detail);
    }
    assert!(refused("format: 1\nname: A\n---\nformat: 1\n").detail.contains("second document"));
}

#[test]
fn text_that_is_not_utf_8_and_text_that_is_too_long_are_refused() {
    let latin = Document::read_bytes(b"format: 1\nname: Z\xfcrich\n", MediaType::Yaml).unwrap_err();
    assert!(latin.detail.contains("line 2"), "{}", latin.detail);
    let long = vec![b' '; kernel::limits::BODY_BYTES_MAX + 1];
    let long = Document::read_bytes(&long, MediaType::Yaml).unwrap_err();
    assert_eq!(long.code, codes::REQUEST_BODY_TOO_LARGE);
}

#[test]
fn a_connection_that_is_none_says_how_to_write_one() {
    for text in ["A", "A -> ", "-> B", "A -> B -> C", "A: -> B", "A:1:2 -> B"] {
        let yaml = format!("format: 1\nname: A\nnodes: []\nconnections: [ \"{text}\" ]\n");
        let problem = refused(&yaml);
        assert_eq!(problem.errors[0].pointer, "/connections/0", "{text}");
        assert!(problem.detail.contains("A:port -> B:port"), "{}", problem.detail);
    }
}
