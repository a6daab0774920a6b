//! From a document's parameters to a node: what is refused where, and what reaches the node.

use std::future::pending;

use kernel::{Item, Items, Object, Value};
use node::testing::context;
use node::{
    About, AllItems, EachItem, EffectClass, Expr, FieldProblem, NodeContext, NodeError, NodeType,
    Shape, params,
};
use serde_json::json;

/// Greets.
#[params(check = Greet::faults)]
struct Greet {
    /// Whom.
    name: String,
    /// How often.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 9))]
    times: u32,
    /// How.
    #[serde(default)]
    manner: Manner,
    /// More of them.
    #[serde(default)]
    also: Vec<Guest>,
    /// Whether it changes the world.
    #[serde(default)]
    loudly: bool,
}

/// A manner.
#[params]
#[derive(Default)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Manner {
    /// Plainly.
    #[default]
    Plain,
    /// With a title.
    Titled {
        /// The title.
        title: String,
    },
}

/// A guest.
#[params]
struct Guest {
    /// The name.
    name: String,
}

fn one() -> u32 {
    1
}

impl Greet {
    fn faults(&self) -> Vec<FieldProblem> {
        let fault = FieldProblem {
            pointer: "/name".to_owned(),
            code: "node.parameter".to_owned(),
            detail: "Nobody is called that.".to_owned(),
        };
        (self.name == "nobody").then_some(fault).into_iter().collect()
    }
}

impl EachItem for Greet {
    const ABOUT: About = About::new("test.greet", 1).effect(EffectClass::External);

    fn effect(&self) -> EffectClass {
        if self.loudly { EffectClass::External } else { EffectClass::Read }
    }

    async fn item(&self, _: &NodeContext, _: &Item) -> Result<Vec<Item>, NodeError> {
        if self.name == "for ever" {
            pending::<()>().await;
        }
        let title = match &self.manner {
            Manner::Plain => String::new(),
            Manner::Titled { title } => format!("{title} "),
        };
        let also: String = self.also.iter().map(|guest| format!(" and {}", guest.name)).collect();
        let text = format!("{title}{}{also} {}", self.name, self.times);
        let mut json = Object::new();
        json.insert("text".to_owned(), text.into());
        Ok(vec![Item::new(json)])
    }
}

/// Chooses.
#[params(default(mode = "both"))]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Choose {
    /// One.
    One {
        /// Which.
        which: Expr<u32>,
        /// A fixed word.
        #[serde(default)]
        word: String,
    },
    /// Both.
    Both {},
}

impl AllItems for Choose {
    const ABOUT: About = About::new("test.choose", 1).outputs(&["a", "b"]);

    async fn all(&self, cx: &NodeContext, _: &[Items]) -> Result<Vec<Items>, NodeError> {
        let which = match self {
            Self::One { which, word } => format!("{}{word}", which.get(&cx.scope, 0)?),
            Self::Both {} => "both".to_owned(),
        };
        let mut json = Object::new();
        json.insert("which".to_owned(), which.into());
        Ok(vec![vec![Item::new(json)].into(), Items::default()])
    }
}

const GREET: NodeType = NodeType::each::<Greet>();
const CHOOSE: NodeType = NodeType::all::<Choose>();

fn faults(kind: &NodeType, parameters: Value) -> Vec<(String, String)> {
    let Err(faults) = (kind.prepare)(parameters.as_object().expect("an object")) else {
        panic!("{parameters} was accepted");
    };
    faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}

fn refused(kind: &NodeType, parameters: Value, pointer: &str, says: &str) {
    let faults = faults(kind, parameters.clone());
    assert!(
        faults.iter().any(|(at, detail)| at == pointer && detail.contains(says)),
        "{parameters}: {faults:?}"
    );
}

fn greet(parameters: Value, cx: &NodeContext) -> Result<Vec<Item>, NodeError> {
    let node = (GREET.prepare)(parameters.as_object().expect("accepted parameters"))
        .expect("accepted parameters");
    let resolved = node.resolve(&cx.scope, 0)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let item = Item::default();
    runtime.block_on(node.run_item(cx, resolved, &item))
}

fn of(json: Value) -> Items {
    vec![Item::new(json.as_object().expect("an object").clone())].into()
}

#[test]
fn each_fault_is_named_by_its_pointer_with_the_mend() {
    refused(&GREET, json!({}), "/name", "\"name\" is missing");
    refused(&GREET, json!({"name": 1}), "/name", "must be a text, not a number");
    refused(&GREET, json!({"name": "a", "tims": 1}), "/tims", "Did you mean \"times\"?");
    refused(&GREET, json!({"name": "a", "xyz": 1}), "/xyz", "Known are \"name\", \"times\"");
    refused(&GREET, json!({"name": "a", "times": 0}), "/times", "from 1 to 9");
    refused(&GREET, json!({"name": "a", "times": 1.5}), "/times", "a whole number");
    refused(&GREET, json!({"name": "a", "also": {}}), "/also", "must be a list, not an object");
    refused(&GREET, json!({"name": "a", "also": [{"name": null}]}), "/also/0/name", "not null");
    refused(&GREET, json!({"name": "a", "also": [{"a/b~": 1}]}), "/also/0/a~1b~0", "no parameter");
    refused(&GREET, json!({"name": "a", "manner": {}}), "/manner/kind", "\"plain\", \"titled\"");
    refused(
        &GREET,
        json!({"name": "a", "manner": {"kind": "titld"}}),
        "/manner/kind",
        "Did you mean \"titled\"?",
    );
    refused(
        &GREET,
        json!({"name": "a", "manner": {"kind": "titled"}}),
        "/manner/title",
        "is missing",
    );
    refused(&GREET, json!({"name": "nobody"}), "/name", "Nobody is called that");
}

#[test]
fn every_fault_is_named_at_once() {
    let faults = faults(&GREET, json!({"nme": "a", "times": "x", "also": [{}, {"name": 2}]}));
    let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/nme", "/times", "/also/0/name", "/also/1/name", "/name"]);
}

#[test]
fn literals_beside_expressions_are_still_checked() {
    let with = |more: Value| {
        let mut parameters = json!({"name": "={{ $json.name }}", "times": "={{ 2 }}"});
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameters
    };
    assert!((GREET.prepare)(with(json!({})).as_object().unwrap()).is_ok());
    refused(&GREET, with(json!({"loudly": "yes"})), "/loudly", "true or false, not a text");
    refused(&GREET, with(json!({"loud": true})), "/loud", "Did you mean \"loudly\"?");
    refused(&GREET, with(json!({"name": "={{ $json."})), "/name", "");
    refused(
        &GREET,
        with(json!({"manner": {"kind": "titled", "title": "={{ ( }}"}})),
        "/manner/title",
        "",
    );
}

#[test]
fn expressions_are_resolved_before_a_node_sees_its_parameters() {
    let cx = context(&[of(json!({"name": "Ada", "n": 3, "kind": "titled"}))]);
    let parameters = json!({
        "name": "={{ $json.name }}", "times": "={{ $json.n }}",
        "manner": {"kind": "={{ $json.kind }}", "title": "=Dr {{ $json.name }}"}
    });
    let made = greet(parameters, &cx).unwrap();
    assert_eq!(made[0].json["text"], "Dr Ada Ada 3");
    let also = json!([{"name": "={{ $json.name }}"}, {"name": "Cy"}]);
    let made = greet(json!({"name": "Bo", "also": also}), &cx).unwrap();
    assert_eq!(made[0].json["text"], "Bo and Ada and Cy 1");
    assert_eq!(greet(json!({"name": "Bo"}), &cx).unwrap()[0].json["text"], "Bo 1");
}

#[test]
fn a_value_of_the_wrong_kind_at_run_time_is_named_by_its_pointer() {
    let cx = context(&[of(json!({"n": "many"}))]);
    let error = greet(json!({"name": "a", "times": "={{ $json.n }}"}), &cx).unwrap_err();
    let problem = error.problem();
    assert_eq!(problem.code, kernel::codes::NODE_PARAMETER);
    assert_eq!(problem.errors[0].pointer, "/times");
    assert!(problem.detail.contains("a whole number, not a text"), "{problem}");
    let error = greet(json!({"name": "={{ 'no' + 'body' }}"}), &cx).unwrap_err();
    assert_eq!(error.problem().errors[0].pointer, "/name");
}

#[test]
fn a_text_that_begins_with_an_equals_sign_after_evaluation_is_a_text() {
    let cx = context(&[of(json!({"name": "=1"}))]);
    let made = greet(json!({"name": "={{ $json.name }}"}), &cx).unwrap();
    assert_eq!(made[0].json["text"], "=1 1");
}

#[test]
fn the_effect_follows_the_resolved_parameters() {
    let cx = context(&[of(json!({"loud": true}))]);
    for (loudly, effect) in [
        (json!(false), EffectClass::Read),
        (json!(true), EffectClass::External),
        (json!("={{ $json.loud }}"), EffectClass::External),
        (json!("={{ !$json.loud }}"), EffectClass::Read),
    ] {
        let parameters = json!({"name": "a", "loudly": loudly});
        let node = (GREET.prepare)(parameters.as_object().unwrap()).unwrap();
        let resolved = node.resolve(&cx.scope, 0).unwrap();
        assert_eq!(node.effect(&resolved), effect, "{parameters}");
    }
}

#[test]
fn parameters_that_make_no_node_are_as_dangerous_as_the_type_allows() {
    let parameters = json!({"name": "a", "loudly": "={{ false }}"});
    let node = (GREET.prepare)(parameters.as_object().unwrap()).unwrap();
    assert_eq!(node.effect(&json!({"name": "a", "loudly": false})), EffectClass::Read);
    assert_eq!(node.effect(&json!({"loudly": false})), EffectClass::External);
    assert_eq!(node.effect(&Value::Null), EffectClass::External);
}

#[test]
fn cancelling_ends_a_node_that_never_ends() {
    let cx = context(&[of(json!({}))]);
    let node = (GREET.prepare)(json!({"name": "for ever"}).as_object().unwrap()).unwrap();
    let resolved = node.resolve(&cx.scope, 0).unwrap();
    let item = Item::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let result = runtime.block_on(async {
        let mut work = node.run_item(&cx, resolved, &item);
        assert!(futures::poll!(&mut work).is_pending());
        cx.cancel.cancel();
        work.await
    });
    assert_eq!(result, Err(NodeError::Cancelled));
}

#[test]
fn a_variant_may_be_meant_by_default() {
    let node = (CHOOSE.prepare)(&Object::new()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outputs = runtime.block_on(node.run_all(&context(&[]), Value::Null, &[])).unwrap();
    assert_eq!(outputs[0][0].json["which"], "both");
    assert_eq!(node.outputs(), ["a", "b"]);
    refused(&CHOOSE, json!({"which": 1}), "/which", "no parameter");
    refused(&CHOOSE, json!({"mode": "two"}), "/mode", "\"one\", \"both\"");
    let schema = (CHOOSE.schema)();
    assert_eq!(schema["oneOf"][0]["required"], json!(["mode", "which"]));
    assert_eq!(schema["oneOf"][1]["required"], json!([]));
    assert_eq!(schema["oneOf"][1]["properties"]["mode"]["default"], "both");
}

#[test]
fn nodes_made_once_take_expressions_where_they_declare_them_only() {
    let one = |which: Value, word: &str| json!({"mode": "one", "which": which, "word": word});
    let node = (CHOOSE.prepare)(one(json!("={{ $json.n }}"), "w").as_object().unwrap()).unwrap();
    let inputs = [of(json!({"n": 7}))];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outputs = runtime.block_on(node.run_all(&context(&inputs), Value::Null, &inputs)).unwrap();
    assert_eq!(outputs[0][0].json["which"], "7w");
    refused(&CHOOSE, one(json!(1), "={{ 1 }}"), "/word", "cannot be an expression");
    refused(&CHOOSE, one(json!("7"), ""), "/which", "a whole number, not a text");
    refused(&CHOOSE, one(json!("={{"), ""), "/which", "");
}

#[test]
fn a_node_run_as_another_shape_says_it_is_our_fault() {
    let node = (CHOOSE.prepare)(&Object::new()).unwrap();
    assert_eq!(node.shape(), Shape::All);
    let error = node.steer(&context(&[]), &[]).unwrap_err();
    assert_eq!(error.problem().code, kernel::codes::INTERNAL);
    assert_eq!(node.trigger(), None);
}
