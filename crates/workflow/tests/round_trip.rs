//! YAML and JSON carry the same document without loss, whatever is in it.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use kernel::{Item, Object, Value};
use proptest::prelude::*;
use workflow::document::{Canvas, CanvasNote, DocumentSettings, RetryPolicy};
use workflow::{Connection, Document, DocumentNode, Port};

/// Texts that look like something else in YAML.
const TRAPS: &[&str] = &[
    "",
    " ",
    "no",
    "yes",
    "null",
    "~",
    "true",
    "1",
    "1.5",
    "1e3",
    "0x1F",
    "0o7",
    ".inf",
    "-",
    "- a",
    "? a",
    ": a",
    "a: b",
    "a #b",
    "#a",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "{a}",
    "[a]",
    "\"a\"",
    "'a'",
    "a'b\"c\\d",
    "={{ $json.a }}",
    "=",
    "a -> b",
    "a:",
    "---",
    "...",
    "<<",
    "a\nb",
    "a\nb\n",
    "\na",
    " a\nb",
    "a\n\n\nb\n",
    "a\n \nb",
    "a\tb",
    "\ta\nb",
    "a\r\nb",
    "\u{0}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}a",
    "\u{a0}",
    "\u{7f}",
    "\u{fffe}",
    "😀",
    "é: ü",
    "2024-01-01",
    "12:30",
    "a\\nb",
    "\u{1b}[0m",
    "a\n#b",
    "a\n---\nb",
    "a\n...\n",
    "C:\\x",
    "a ",
];

/// Traps, among ordinary texts.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(TRAPS).prop_map(|text: &str| text.to_owned()),
        "\\PC{0,20}",
        any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    let exact = prop::sample::select(vec![
        "9007199254740993",
        "-0.0",
        "0.10000000000000000001",
        "1e400",
        "-1.5E-7",
        "123456789012345678901234567890",
    ]);
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from),
        exact.prop_map(|digits| kernel::json::parse_str(digits).unwrap()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number(),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            object_of(inner).prop_map(Value::Object),
        ]
    })
}

fn object_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Object> {
    prop::collection::vec((text(), value), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

fn port() -> impl Strategy<Value = Option<Port>> {
    prop::option::of(prop_oneof![(0..99_usize).prop_map(Port::Index), text().prop_map(Port::Name),])
}

fn connection() -> impl Strategy<Value = Connection> {
    (text(), port(), text(), port(), any::<bool>())
        .prop_map(|(from, output, to, input, back)| Connection { from, output, to, input, back })
}

fn node() -> impl Strategy<Value = DocumentNode> {
    let retry = prop::option::of(
        (1..100_u32)
            .prop_map(|max_attempts| RetryPolicy { max_attempts, ..RetryPolicy::default() }),
    );
    (text(), text(), object_of(value()), retry, any::<[bool; 3]>(), text()).prop_map(
        |(name, kind, parameters, retry, [execute_once, always_output, disabled], notes)| {
            DocumentNode {
                name,
                kind,
                parameters,
                position: execute_once.then_some([1.0, -2.5]),
                retry,
                timeout: None,
                on_error: workflow::OnError::default(),
                execute_once,
                always_output,
                disabled,
                credentials: [(notes.clone(), notes.clone())].into_iter().collect(),
                undo: disabled.then(|| notes.clone()),
                may_have_run: None,
                notes,
            }
        },
    )
}

fn document() -> impl Strategy<Value = Document> {
    let nodes = prop::collection::vec(node(), 0..4);
    let connections = prop::collection::vec(connection(), 0..4);
    let pinned = prop::collection::vec((text(), object_of(value())), 0..2);
    (text(), text(), nodes, connections, pinned).prop_map(
        |(name, description, nodes, connections, pinned)| Document {
            format: 1,
            description,
            settings: DocumentSettings {
                max_parallel_nodes: Some(3),
                error_workflow: Some(name.clone()),
                ..DocumentSettings::default()
            },
            canvas: Canvas {
                notes: vec![CanvasNote {
                    text: name.clone(),
                    position: [0.1, 1e21],
                    size: None,
                    color: Some(3),
                }],
                groups: Vec::new(),
            },
            name,
            nodes,
            connections,
            pinned: pinned
                .into_iter()
                .map(|(name, json)| (name, vec![Item::new(json).paired(1)]))
                .collect(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_document_survives_yaml(document in document()) {
        let yaml = document.to_yaml();
        let read = Document::from_yaml(&yaml);
        prop_assert_eq!(read.as_ref(), Ok(&document), "{}", yaml);
        prop_assert_eq!(read.unwrap().to_json(), document.to_json());
    }

    #[test]
    fn a_document_survives_json(document in document()) {
        let json = document.to_json();
        let read = Document::from_json(&json);
        prop_assert_eq!(read.as_ref(), Ok(&document), "{}", json);
        prop_assert_eq!(read.unwrap().to_yaml(), document.to_yaml());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-?:,\\[\\]{}#&*!|>'\"%@`a1 \n\t~<=.]{0,80}") {
        let _ = Document::from_yaml(&text);
        let _ = Document::from_yaml(&format!("format: 1\nname: {text}"));
        let _ = Document::from_json(&text);
    }
}
