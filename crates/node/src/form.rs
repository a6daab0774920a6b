//! The form of a node type's parameters: what an editor shows, made of their JSON Schema.
//!
//! A form is a flat list of fields, or one list for each variant of the parameters. What is deeper is a
//! form of its own with a name, so that forms may hold themselves, as groups of conditions do.

use std::collections::BTreeMap;

use kernel::{Object, Value};
use serde::{Deserialize, Serialize};

use crate::expression::EXPRESSION_KEY;
use crate::registry::NodeType;

/// A form and the forms inside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeForm {
    /// The outermost form.
    #[serde(flatten)]
    pub form: Form,
    /// Inner forms by the name fields call them.
    pub forms: BTreeMap<String, Form>,
}

/// Fields, or variants with fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Form {
    /// The fields that are always there, in order.
    pub fields: Vec<Field>,
    /// A choice that decides which other fields there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Variants>,
    /// No fields but one of these inputs, where it is not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub either: Vec<Input>,
}

/// A choice that decides which other fields there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "FormVariants")]
pub struct Variants {
    /// Name of the parameter that holds the choice.
    pub name: String,
    /// What is meant where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What can be chosen.
    pub of: Vec<Variant>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "FormVariant")]
pub struct Variant {
    /// Value of the parameter that chooses it.
    pub value: String,
    /// For people.
    pub label: String,
    /// What it means.
    pub help: String,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "FormField")]
pub struct Field {
    /// Its name.
    pub name: String,
    /// For people.
    pub label: String,
    /// What it means.
    pub help: String,
    /// Whether it must be given.
    pub required: bool,
    /// What is meant where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether the node resolves an expression here by itself, for each item. Elsewhere an expression
    /// may stand too, unless the node type is pure and sees all items at once.
    pub expression: bool,
    /// Name under which `POST /v1/node-types/{type}/options/{parameter}` lists values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options_from: Option<String>,
    /// What is put in.
    #[serde(flatten)]
    pub input: Input,
}

/// What is put in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "FormInput")]
pub enum Input {
    /// A text.
    Text {
        /// Whether it must not be shown.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        secret: bool,
    },
    /// Code.
    Code {
        /// Its language.
        language: String,
    },
    /// A length of time such as `5m`.
    Duration,
    /// A number.
    Number {
        /// Whether it is whole.
        whole: bool,
        /// The least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minimum: Option<f64>,
        /// The most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maximum: Option<f64>,
    },
    /// Yes or no.
    Switch,
    /// One of a few words.
    Choice {
        /// The words.
        options: Vec<Choice>,
    },
    /// A list of one input.
    List {
        /// What each element is.
        each: Box<Input>,
    },
    /// Names and values.
    Map {
        /// What each value is.
        each: Box<Input>,
    },
    /// An inner form.
    Form {
        /// Its name among the forms.
        form: String,
    },
    /// One of several inputs.
    Either {
        /// Which.
        of: Vec<Input>,
    },
    /// Anything.
    Json,
}

/// One of a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "FormChoice")]
pub struct Choice {
    /// The word.
    pub value: String,
    /// For people.
    pub label: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
}

impl NodeType {
    /// The form of its parameters.
    pub fn form(&self) -> NodeForm {
        let root = (self.schema)();
        let mut maker = Maker { root: &root, forms: BTreeMap::new() };
        let form = maker.form(&root, "Part");
        NodeForm { form, forms: maker.forms }
    }
}

/// `dot_notation` is `Dot notation`.
pub fn label(name: &str) -> String {
    let spaced = name.replace(['_', '.'], " ");
    let mut letters = spaced.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

struct Maker<'a> {
    root: &'a Value,
    forms: BTreeMap<String, Form>,
}

impl<'a> Maker<'a> {
    fn form(&mut self, schema: &'a Value, name: &str) -> Form {
        let Some(variants) = list(schema, "oneOf") else {
            return Form { fields: self.fields(schema, name, None), ..Form::default() };
        };
        let Some(tag) = variants.iter().find_map(tag_of).map(|(tag, _)| tag) else {
            // One of these parameters is given; which one says what is meant.
            let one_of = variants.iter().flat_map(|variant| self.fields(variant, name, None));
            let fields = one_of.map(|field| Field { required: false, ..field }).collect();
            return Form { fields, ..Form::default() };
        };
        let mut default = None;
        let of = variants
            .iter()
            .filter_map(|variant| {
                let (_, value) = tag_of(variant)?;
                if variant["properties"][tag].get("default").is_some() {
                    default = Some(value.to_owned());
                }
                Some(Variant {
                    value: value.to_owned(),
                    label: label(value),
                    help: text(variant, "description"),
                    fields: self.fields(variant, name, Some(tag)),
                })
            })
            .collect();
        let variants = Some(Variants { name: tag.to_owned(), default, of });
        Form { variants, ..Form::default() }
    }

    fn fields(&mut self, schema: &'a Value, inside: &str, tag: Option<&str>) -> Vec<Field> {
        let required = list(schema, "required").unwrap_or_default();
        let is_required = |name: &str| required.iter().any(|one| one == name);
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut fields = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            if tag == Some(name.as_str()) {
                continue;
            }
            let input = self.input(property, &format!("{inside}_{name}"));
            fields.push(Field {
                name: name.clone(),
                label: label(name),
                help: match text(property, "description") {
                    // The text of an externally tagged variant stands on the variant.
                    none if none.is_empty() => text(schema, "description"),
                    help => help,
                },
                required: is_required(name),
                default: property.get("default").filter(|value| !value.is_null()).cloned(),
                expression: property.to_string().contains(&format!("\"{EXPRESSION_KEY}\"")),
                options_from: property.get("x-options").and_then(Value::as_str).map(str::to_owned),
                input,
            });
        }
        fields
    }

    fn input(&mut self, schema: &'a Value, name: &str) -> Input {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.named(reference);
        }
        if let Some(language) = schema.get("x-code").and_then(Value::as_str) {
            return Input::Code { language: language.to_owned() };
        }
        if let Some(options) = words(schema) {
            return Input::Choice { options };
        }
        if let Some(choices) = list(schema, "anyOf").or(list(schema, "oneOf")) {
            return self.either(schema, choices, name);
        }
        let whole = |kind: &str| kind == "integer";
        let (minimum, maximum) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        match kind(schema) {
            Some(kind @ ("integer" | "number")) => {
                Input::Number { whole: whole(kind), minimum, maximum }
            }
            Some("boolean") => Input::Switch,
            Some("string") if schema["format"] == "span" => Input::Duration,
            Some("string") => Input::Text { secret: schema["writeOnly"] == true },
            Some("array") => {
                let each = schema.get("items").map(|items| self.input(items, name));
                Input::List { each: Box::new(each.unwrap_or(Input::Json)) }
            }
            Some("object") if schema.get("properties").is_some() => self.inner(name, schema),
            Some("object") => {
                let each = schema.get("additionalProperties").filter(|each| each.is_object());
                let each = each.map(|each| self.input(each, name));
                Input::Map { each: Box::new(each.unwrap_or(Input::Json)) }
            }
            _ => Input::Json,
        }
    }

    /// Something behind a reference: a word, a number, or a form that may hold itself.
    fn named(&mut self, reference: &str) -> Input {
        let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
        let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let Some(target) = target else { return Input::Json };
        let tagged =
            list(target, "oneOf").is_some_and(|all| all.iter().all(|v| tag_of(v).is_some()));
        if target.get("properties").is_some() || (tagged && words(target).is_none()) {
            return self.inner(&name, target);
        }
        let choices = list(target, "anyOf").or(list(target, "oneOf"));
        if choices.is_none() || words(target).is_some() {
            return self.input(target, &name);
        }
        if !self.forms.contains_key(&name) {
            self.forms.insert(name.clone(), Form::default());
            let either = match self.input(target, &name) {
                Input::Either { of } => of,
                one => vec![one],
            };
            self.forms.insert(name.clone(), Form { either, ..Form::default() });
        }
        Input::Form { form: name }
    }

    fn inner(&mut self, name: &str, schema: &'a Value) -> Input {
        if !self.forms.contains_key(name) {
            // There before it is made, so that it may hold itself.
            self.forms.insert(name.to_owned(), Form::default());
            let form = self.form(schema, name);
            self.forms.insert(name.to_owned(), form);
        }
        Input::Form { form: name.to_owned() }
    }

    /// A choice of schemas, without null and without what only says that expressions may stand here.
    fn either(&mut self, schema: &'a Value, choices: &'a [Value], name: &str) -> Input {
        let is_template =
            |one: &&Value| one["pattern"] == "^=" && schema.get(EXPRESSION_KEY).is_some();
        let mut inputs = Vec::new();
        for (index, one) in choices.iter().enumerate() {
            if one["type"] == "null" || is_template(&one) {
                continue;
            }
            let input = self.input(one, &format!("{name}_{index}"));
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
        match inputs.len() {
            0 => Input::Json,
            1 => inputs.remove(0),
            _ => Input::Either { of: inputs },
        }
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> Option<&'a [Value]> {
    schema.get(key)?.as_array().map(Vec::as_slice)
}

/// The type, `null` left out.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

/// The parameter that says which variant is meant, and its value.
fn tag_of(variant: &Value) -> Option<(&str, &str)> {
    let properties: &Object = variant.get("properties")?.as_object()?;
    properties
        .iter()
        .find_map(|(name, schema)| Some((name.as_str(), schema.get("const")?.as_str()?)))
}

/// The words of a schema that allows nothing else.
fn words(schema: &Value) -> Option<Vec<Choice>> {
    let choice =
        |value: &str, help: String| Choice { value: value.to_owned(), label: label(value), help };
    if let Some(words) = list(schema, "enum") {
        return words.iter().map(|word| Some(choice(word.as_str()?, String::new()))).collect();
    }
    let documented = list(schema, "oneOf")?.iter();
    documented
        .map(|one| Some(choice(one.get("const")?.as_str()?, text(one, "description"))))
        .collect()
}

/// A text of the schema on one line.
fn text(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}
