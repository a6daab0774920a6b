//! Checks a value against our JSON Schema and names every fault at once, with its mend.
//!
//! It knows the keywords that our own schema uses and no others.

use kernel::json::{is_kind, kind_of, kinds, push_key};
use kernel::suggest::nearest;
use kernel::{Code, FieldProblem, Object, Value, codes};

use super::schema::check_format;

/// Faults told of at most; the rest is cut off.
const FAULTS_MAX: usize = 100;

/// Every place where `value` does not fit `schema`.
pub(super) fn check(value: &Value, schema: &Value) -> Vec<FieldProblem> {
    let mut walk = Walk { root: schema, pointer: String::new(), faults: Vec::new() };
    walk.value(value, schema);
    walk.faults
}

/// `did you mean "x"?` or a list of what there is.
pub(crate) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(candidate) => format!("did you mean \"{candidate}\"?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => {
            let mut list = known.iter().take(20).copied().collect::<Vec<_>>().join(", ");
            if known.len() > 20 {
                list.push_str(", …");
            }
            format!("there are {list}")
        }
    }
}

struct Walk<'a> {
    root: &'a Value,
    pointer: String,
    faults: Vec<FieldProblem>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &Value, schema: &'a Value) {
        let schema = self.target(schema);
        if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            return self.choice(value, choices);
        }
        if let Some(constant) = schema.get("const").filter(|constant| *constant != value) {
            return self.fault(codes::WORKFLOW_INVALID, format!("must be {constant}"));
        }
        if let Some(words) = schema["enum"].as_array() {
            return self.word(value, words);
        }
        let kinds = kinds(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_kind(value, kind)) {
            let expected = kinds.join(" or ");
            let what = format!("must be of type {expected}, not {}", kind_of(value));
            return self.fault(codes::WORKFLOW_INVALID, what);
        }
        match value {
            Value::Object(object) => self.object(object, schema),
            Value::Array(list) => self.list(list, schema),
            Value::Number(number) => self.range(number, schema),
            Value::String(text) => {
                if let Some(Err(what)) = schema["format"].as_str().map(|f| check_format(f, text)) {
                    self.fault(codes::WORKFLOW_INVALID, what);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Follows a `$ref` into `$defs`.
    fn target(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.root.pointer(pointer).unwrap_or(schema),
            None => schema,
        }
    }

    /// `anyOf`: the faults told are those of the first choice of the value's type.
    fn choice(&mut self, value: &Value, choices: &'a [Value]) {
        let words: Vec<&Value> = choices.iter().filter_map(|choice| choice.get("const")).collect();
        if words.len() == choices.len() {
            return self.word(value, words);
        }
        // "Something or null" is about the something.
        let something = choices.iter().filter(|choice| choice["type"] != "null");
        if let (false, [only]) = (value.is_null(), &something.collect::<Vec<_>>()[..]) {
            return self.value(value, only);
        }
        let mut typed = None;
        for choice in choices {
            let mut trial =
                Walk { root: self.root, pointer: self.pointer.clone(), faults: Vec::new() };
            trial.value(value, choice);
            if trial.faults.is_empty() {
                return;
            }
            let kinds = kinds(trial.target(choice));
            if typed.is_none() && kinds.iter().any(|kind| is_kind(value, kind)) {
                typed = Some(trial.faults);
            }
        }
        match typed {
            Some(faults) => self.faults.extend(faults),
            None => {
                let all: Vec<&str> =
                    choices.iter().flat_map(|choice| kinds(self.target(choice))).collect();
                let what = format!("must be of type {}, not {}", all.join(" or "), kind_of(value));
                self.fault(codes::WORKFLOW_INVALID, what);
            }
        }
    }

    fn word<'v>(&mut self, value: &Value, words: impl IntoIterator<Item = &'v Value>) {
        let words: Vec<&Value> = words.into_iter().collect();
        if words.contains(&value) {
            return;
        }
        let known = words.iter().filter_map(|word| word.as_str());
        let what = match value.as_str() {
            Some(text) => format!("\"{text}\" is not known here: {}", suggest(text, known)),
            None => format!("must be one of {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.fault(codes::WORKFLOW_INVALID, what);
    }

    fn object(&mut self, object: &Object, schema: &'a Value) {
        let empty = Object::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                self.below(name, |walk| {
                    walk.fault(codes::WORKFLOW_INVALID, format!("\"{name}\" is missing"));
                });
            }
        }
        for (name, value) in object {
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
            let known = schema["properties"].get(name);
            match (known, &schema["additionalProperties"]) {
                (Some(below), _) => self.below(name, |walk| walk.value(value, below)),
                (None, Value::Bool(false)) => {
                    let hint = suggest(name, properties.keys().map(String::as_str));
                    self.below(name, |walk| {
                        let what = format!("\"{name}\" is not known here: {hint}");
                        walk.fault(codes::WORKFLOW_INVALID, what);
                    });
                }
                (None, below @ Value::Object(_)) => {
                    self.below(name, |walk| walk.value(value, below));
                }
                (None, _) => {}
            }
        }
    }

    fn list(&mut self, list: &[Value], schema: &'a Value) {
        let length = |name: &str| schema[name].as_u64().map(|length| length as usize);
        let too_few = length("minItems").is_some_and(|least| list.len() < least);
        if too_few || length("maxItems").is_some_and(|most| list.len() > most) {
            let wanted = length("minItems").or(length("maxItems")).unwrap_or(0);
            let what = format!("must have {wanted} elements, not {}", list.len());
            return self.fault(codes::WORKFLOW_INVALID, what);
        }
        let Some(below) = schema.get("items").filter(|items| items.is_object()) else { return };
        for (index, value) in list.iter().enumerate() {
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
            self.below(&index.to_string(), |walk| walk.value(value, below));
        }
    }

    fn range(&mut self, number: &serde_json::Number, schema: &'a Value) {
        let given = number.as_f64().unwrap_or(f64::INFINITY);
        let least = schema["minimum"].as_f64().unwrap_or(f64::NEG_INFINITY);
        let most = schema["maximum"].as_f64().unwrap_or(f64::INFINITY);
        if given < least || given > most || !given.is_finite() {
            let what = match (least.is_finite(), most.is_finite()) {
                (false, false) => format!("{number} is beyond every number that can be kept"),
                (true, true) => format!("must be from {least} to {most}, not {number}"),
                (true, false) => format!("must be at least {least}, not {number}"),
                (false, true) => format!("must be at most {most}, not {number}"),
            };
            self.fault(codes::WORKFLOW_INVALID, what);
        }
    }

    fn below(&mut self, key: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        push_key(&mut self.pointer, key);
        visit(self);
        self.pointer.truncate(length);
    }

    fn fault(&mut self, code: Code, detail: String) {
        let pointer = self.pointer.clone();
        self.faults.push(FieldProblem { pointer, code: code.to_string(), detail });
    }
}
