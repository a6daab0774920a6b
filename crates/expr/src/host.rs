//! The host functions: the only things of Rust that JavaScript can call, by way of the prelude.
//!
//! All are pure functions of the scope and the current item. An `Err` becomes an exception with
//! its text. Values made from items are kept while the scope stays the same.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use kernel::{Item, Items, Object, Value};
use rquickjs::function::{Func, Opt};
use rquickjs::{Ctx, Exception, Persistent, Result};

use crate::{Scope, convert, dates, digest, native, pairing};

/// Items of the current scope kept in JavaScript before the store is emptied.
const OBJECTS_MAX: usize = 512;

type Kept = Persistent<rquickjs::Value<'static>>;
/// A number that may be left out or undefined.
type Number = Opt<Option<f64>>;

/// What the host functions read.
#[derive(Default)]
pub(crate) struct State {
    scope: RefCell<Option<Rc<Scope>>>,
    /// Index of the current item.
    pub(crate) item: Cell<usize>,
    /// State of `Math.random`.
    pub(crate) random: Cell<u64>,
    values: RefCell<Values>,
    zones: dates::Zones,
}

/// Items and lists that are in JavaScript already, by the address of what they were made of. The
/// original is kept alive beside each, so an address never means something else.
#[derive(Default)]
pub(crate) struct Values {
    objects: HashMap<*const Object, (Arc<Object>, Kept)>,
    lists: HashMap<*const Vec<Item>, (Items, Kept)>,
}

impl State {
    /// Makes `scope` the current one; values made for another are dropped.
    pub(crate) fn enter(&self, scope: &Scope) {
        let same = self.scope.borrow().as_ref().is_some_and(|current| is_same(current, scope));
        if !same {
            *self.values.borrow_mut() = Values::default();
            *self.scope.borrow_mut() = Some(Rc::new(scope.clone()));
        }
    }

    /// Drops everything that belongs to the runtime.
    pub(crate) fn clear(&self) {
        *self.values.borrow_mut() = Values::default();
        *self.scope.borrow_mut() = None;
    }

    /// Whether values are kept.
    pub(crate) fn keeps_values(&self) -> bool {
        let values = self.values.borrow();
        !values.objects.is_empty() || !values.lists.is_empty()
    }

    /// Puts other values in the place of the kept ones, which are given back.
    pub(crate) fn swap_values(&self, values: Values) -> Values {
        std::mem::replace(&mut *self.values.borrow_mut(), values)
    }

    /// The current scope.
    pub(crate) fn scope(&self) -> Option<Rc<Scope>> {
        self.scope.borrow().clone()
    }

    /// `$json` of the item at `index` of the main input.
    pub(crate) fn json<'js>(&self, ctx: &Ctx<'js>, index: usize) -> Result<rquickjs::Value<'js>> {
        let scope = self.scope.borrow().clone();
        let item = scope.as_deref().and_then(|scope| native::input(scope).get(index));
        match item {
            Some(item) => self.object(ctx, &item.json),
            None => Ok(rquickjs::Value::new_undefined(ctx.clone())),
        }
    }

    fn object<'js>(&self, ctx: &Ctx<'js>, json: &Arc<Object>) -> Result<rquickjs::Value<'js>> {
        let key = Arc::as_ptr(json);
        if let Some((_, kept)) = self.values.borrow().objects.get(&key) {
            return kept.clone().restore(ctx);
        }
        let value = convert::object_to_js(ctx, json)?;
        let kept = Persistent::save(ctx, value.clone());
        let mut values = self.values.borrow_mut();
        if values.objects.len() >= OBJECTS_MAX {
            values.objects.clear();
        }
        values.objects.insert(key, (Arc::clone(json), kept));
        Ok(value)
    }

    fn item<'js>(
        &self,
        ctx: &Ctx<'js>,
        item: Option<&Item>,
        own_index: Option<usize>,
    ) -> Result<rquickjs::Value<'js>> {
        let Some(item) = item else {
            return Ok(rquickjs::Value::new_undefined(ctx.clone()));
        };
        let json = self.object(ctx, &item.json)?;
        convert::item_to_js(ctx, item, json, own_index)
    }

    fn list<'js>(
        &self,
        ctx: &Ctx<'js>,
        items: Option<&Items>,
        own: Own,
    ) -> Result<rquickjs::Value<'js>> {
        let array = rquickjs::Array::new(ctx.clone())?;
        let Some(items) = items else { return Ok(array.into_value()) };
        let key = Arc::as_ptr(items);
        if let Some((_, kept)) = self.values.borrow().lists.get(&key) {
            return kept.clone().restore(ctx);
        }
        // A short list and its single items are the same objects.
        let short = items.len() <= OBJECTS_MAX / 2;
        for (index, item) in items.iter().enumerate() {
            let json = match short {
                true => self.object(ctx, &item.json)?,
                false => convert::object_to_js(ctx, &item.json)?,
            };
            let own_index = (own == Own::Input).then_some(index);
            array.set(index, convert::item_to_js(ctx, item, json, own_index)?)?;
        }
        let kept = Persistent::save(ctx, array.clone().into_value());
        self.values.borrow_mut().lists.insert(key, (Arc::clone(items), kept));
        Ok(array.into_value())
    }

    fn next_random(&self) -> f64 {
        // SplitMix64 (Steele, Lea, Flood 2014): one word of state, repeatable.
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Whose items a list holds: those of the input are paired with themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Input,
    Node,
}

fn is_same(one: &Scope, other: &Scope) -> bool {
    Arc::ptr_eq(&one.inputs, &other.inputs)
        && Arc::ptr_eq(&one.data, &other.data)
        && Arc::ptr_eq(&one.sources, &other.sources)
        && Arc::ptr_eq(&one.workflow, &other.workflow)
        && one.node == other.node
        && one.run_index == other.run_index
        && one.now == other.now
        && one.execution == other.execution
}

/// All host functions, as an object for the prelude.
pub(crate) fn functions<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> Result<rquickjs::Object<'js>> {
    let host = rquickjs::Object::new(ctx.clone())?;
    item_functions(&host, state)?;
    node_functions(&host, state)?;
    fact_functions(&host, state)?;
    time_functions(&host, state)?;
    text_functions(&host)?;
    Ok(host)
}

/// The scope, or an exception where there is none.
fn scope(ctx: &Ctx<'_>, state: &State) -> Result<Rc<Scope>> {
    state.scope().ok_or_else(|| Exception::throw_message(ctx, "There is no run to read from."))
}

fn thrown<T>(ctx: &Ctx<'_>, outcome: std::result::Result<T, String>) -> Result<T> {
    outcome.map_err(|text| Exception::throw_message(ctx, &text))
}

fn item_functions<'js>(host: &rquickjs::Object<'js>, state: &Rc<State>) -> Result<()> {
    let s = Rc::clone(state);
    host.set("itemIndex", Func::from(move || s.item.get() as f64))?;
    let s = Rc::clone(state);
    host.set("json", Func::from(move |ctx: Ctx<'js>| s.json(&ctx, s.item.get())))?;
    let s = Rc::clone(state);
    host.set(
        "binary",
        Func::from(move |ctx: Ctx<'js>| {
            let scope = scope(&ctx, &s)?;
            match native::input(&scope).get(s.item.get()).and_then(|item| item.binary.as_ref()) {
                Some(binary) => convert::binary_to_js(&ctx, binary),
                None => rquickjs::Object::new(ctx).map(rquickjs::Object::into_value),
            }
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "inputItem",
        Func::from(move |ctx: Ctx<'js>, index: f64| {
            let scope = scope(&ctx, &s)?;
            s.item(&ctx, native::input(&scope).get(index as usize), Some(index as usize))
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "inputCount",
        Func::from(move |ctx: Ctx<'js>| -> Result<f64> {
            Ok(native::input(&*scope(&ctx, &s)?).len() as f64)
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "inputAll",
        Func::from(move |ctx: Ctx<'js>| {
            let scope = scope(&ctx, &s)?;
            s.list(&ctx, scope.inputs.get(pairing::main_input(&scope)), Own::Input)
        }),
    )
}

fn node_functions<'js>(host: &rquickjs::Object<'js>, state: &Rc<State>) -> Result<()> {
    let s = Rc::clone(state);
    host.set(
        "nodeRuns",
        Func::from(move |ctx: Ctx<'js>, name: String| -> Result<f64> {
            let scope = scope(&ctx, &s)?;
            let node = thrown(&ctx, pairing::node_of(&scope, &name))?;
            Ok(pairing::runs_of(&scope, node) as f64)
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "nodePaired",
        Func::from(move |ctx: Ctx<'js>, name: String, index: f64| {
            let scope = scope(&ctx, &s)?;
            let node = thrown(&ctx, pairing::node_of(&scope, &name))?;
            let item = thrown(&ctx, pairing::trace(&scope, index as usize, node))?;
            s.item(&ctx, Some(item), None)
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "nodeAt",
        Func::from(move |ctx: Ctx<'js>, name: String, index: f64| {
            let scope = scope(&ctx, &s)?;
            let item = thrown(&ctx, native::same_index(&scope, &name, index as usize))?;
            s.item(&ctx, Some(item), None)
        }),
    )?;
    for (function, pick) in [("nodeFirst", Pick::First), ("nodeLast", Pick::Last)] {
        let s = Rc::clone(state);
        host.set(
            function,
            Func::from(move |ctx: Ctx<'js>, name: String, branch: Number, run: Number| {
                let scope = scope(&ctx, &s)?;
                let items = node_items(&ctx, &scope, &name, branch, run)?;
                let item = items.and_then(|items| match pick {
                    Pick::First => items.first(),
                    Pick::Last => items.last(),
                });
                s.item(&ctx, item, None)
            }),
        )?;
    }
    let s = Rc::clone(state);
    host.set(
        "nodeAll",
        Func::from(move |ctx: Ctx<'js>, name: String, branch: Number, run: Number| {
            let scope = scope(&ctx, &s)?;
            let items = node_items(&ctx, &scope, &name, branch, run)?;
            s.list(&ctx, items, Own::Node)
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "nodeParameters",
        Func::from(move |ctx: Ctx<'js>, name: String| {
            let scope = scope(&ctx, &s)?;
            let node = thrown(&ctx, pairing::node_of(&scope, &name))?;
            convert::to_js(&ctx, &parameters(&scope, node))
        }),
    )
}

#[derive(Clone, Copy)]
enum Pick {
    First,
    Last,
}

fn node_items<'s>(
    ctx: &Ctx<'_>,
    scope: &'s Scope,
    name: &str,
    branch: Number,
    run: Number,
) -> Result<Option<&'s Items>> {
    let node = thrown(ctx, pairing::node_of(scope, name))?;
    let index = |number: Number| number.0.flatten().filter(|n| *n >= 0.0).map(|n| n as usize);
    thrown(ctx, pairing::output_of(scope, node, index(branch), index(run)))
}

fn parameters(scope: &Scope, node: usize) -> Value {
    scope.data.names.parameters.get(node).map_or(Value::Null, |value| (**value).clone())
}

fn fact_functions<'js>(host: &rquickjs::Object<'js>, state: &Rc<State>) -> Result<()> {
    let s = Rc::clone(state);
    host.set(
        "fact",
        Func::from(move |ctx: Ctx<'js>, name: String| {
            let scope = scope(&ctx, &s)?;
            convert::to_js(&ctx, &fact(&scope, &name))
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "now",
        Func::from(move || s.scope().map_or(0.0, |scope| scope.now.as_millisecond() as f64)),
    )?;
    let s = Rc::clone(state);
    host.set("random", Func::from(move || s.next_random()))
}

/// What stands behind `$workflow`, `$execution`, `$prevNode`, `$parameter` and `$runIndex`.
fn fact(scope: &Scope, name: &str) -> Value {
    match name {
        "workflow" => serde_json::json!({
            "id": scope.workflow.id.to_string(),
            "name": scope.workflow.name,
            "active": scope.workflow.active,
        }),
        "execution" => serde_json::json!({
            "id": scope.execution.id.to_string(),
            "mode": native::mode(scope),
        }),
        "prevNode" => {
            let source = scope.sources.get(pairing::main_input(scope)).copied().flatten();
            source.map_or(Value::Object(Object::new()), |source| {
                let name = scope.data.names.names.get(source.node as usize);
                serde_json::json!({
                    "name": name.map(|name| &**name),
                    "outputIndex": source.output,
                    "runIndex": source.run,
                })
            })
        }
        "parameter" => parameters(scope, scope.node),
        "runIndex" => Value::from(scope.run_index),
        "timezone" => Value::String(scope.workflow.timezone.clone()),
        _ => Value::Null,
    }
}

fn time_functions<'js>(host: &rquickjs::Object<'js>, state: &Rc<State>) -> Result<()> {
    let s = Rc::clone(state);
    host.set("zone", Func::from(move |name: String| s.zones.canonical(&name)))?;
    let s = Rc::clone(state);
    host.set(
        "offset",
        Func::from(move |ctx: Ctx<'js>, zone: String, millis: f64| {
            thrown(&ctx, s.zones.offset_minutes(&zone, millis))
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "instant",
        Func::from(move |ctx: Ctx<'js>, zone: String, local_millis: f64| {
            thrown(&ctx, s.zones.instant(&zone, local_millis))
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "abbreviation",
        Func::from(move |ctx: Ctx<'js>, zone: String, millis: f64| {
            thrown(&ctx, s.zones.abbreviation(&zone, millis))
        }),
    )?;
    let s = Rc::clone(state);
    host.set(
        "isDst",
        Func::from(move |ctx: Ctx<'js>, zone: String, millis: f64| {
            thrown(&ctx, s.zones.is_dst(&zone, millis))
        }),
    )
}

fn text_functions(host: &rquickjs::Object<'_>) -> Result<()> {
    host.set(
        "hash",
        Func::from(|ctx: Ctx<'_>, text: String, algorithm: String| {
            thrown(&ctx, digest::hash(&text, &algorithm))
        }),
    )?;
    host.set("base64Encode", Func::from(|text: String| digest::base64_encode(&text)))?;
    host.set("base64Decode", Func::from(|text: String| digest::base64_decode(&text)))
}
