//! Scripts: the JavaScript of code nodes, run whole in a runtime of their own.
//!
//! Meant for the child process that runs user code. Every run gets a new QuickJS runtime with a
//! memory limit and a deadline; nothing outlives it. The text is the body of an async function
//! that sees `items`, `$input`, `$json`, `$('Node')`, `$now`, `DateTime`, `console` and the rest of
//! what expressions see. What it returns comes back as a value, not yet checked as items.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use kernel::{Items, Value};
use rquickjs::context::EvalOptions;
use rquickjs::function::{Func, Rest};
use rquickjs::{Ctx, Exception, Function, Object, Promise};

use crate::convert;
use crate::realm::{Purpose, Realm, Stop};
use crate::{Scope, pairing};

/// What to run.
#[derive(Clone, Debug)]
pub struct Script {
    /// The body of a function.
    pub code: String,
    /// Once for all items or once for each.
    pub mode: Mode,
    /// `items` and `$input.all()`.
    pub items: Items,
    /// Variables it sees besides the built-in ones: a JavaScript name and its value.
    pub globals: Vec<(String, Value)>,
    /// What `$('Node')`, `$now`, `$workflow` and so on read. Its `inputs` are replaced by `items`.
    pub scope: Scope,
    /// Where it is stopped.
    pub limits: Limits,
}

/// How often the script's function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Once; it sees `items` and returns a list.
    AllItems,
    /// Once per item; it sees `item`, `$json` and `$itemIndex`. The outcome is the list of what
    /// the calls returned, in order, null for a call that returned nothing.
    EachItem,
    /// The same, going on after a call that threw: its result is null, and it is one of the
    /// outcome's failures.
    EachItemApart,
}

/// Where a script is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes its runtime may hold.
    pub memory_bytes: usize,
    /// Wall time from the first statement on.
    pub deadline: Duration,
    /// Bytes of console output kept; the rest is dropped.
    pub console_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 256 << 20, deadline: Duration::from_secs(60), console_bytes: 64 << 10 }
    }
}

/// A script that came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What it returned; `undefined` is null, dates are ISO texts.
    pub value: Value,
    /// What it wrote to the console.
    pub console: Vec<ConsoleLine>,
    /// In [`Mode::EachItemApart`]: the calls that threw, without what they wrote.
    pub failures: Vec<Failure>,
}

/// One call of `console.log`, `.info`, `.warn`, `.error` or `.debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleLine {
    /// `log`, `info`, `warn`, `error` or `debug`.
    pub level: String,
    /// The arguments, separated by blanks; objects as JSON.
    pub text: String,
}

/// A script that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// What was thrown, with its name (`TypeError: …`), for the user.
    pub message: String,
    /// Line of the script's text, from 1, when it is known.
    pub line: Option<u32>,
    /// In [`Mode::EachItem`]: the index of the item it failed for.
    pub item: Option<usize>,
    /// What it wrote to the console before.
    pub console: Vec<ConsoleLine>,
}

/// Why a script did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It does not parse.
    Invalid,
    /// It threw, or what it returned is not JSON.
    Threw,
    /// It ran longer than [`Limits::deadline`], or waits for something that never comes.
    Deadline,
    /// It wanted more than [`Limits::memory_bytes`].
    Memory,
}

/// Runs a script to its end.
pub fn run(script: &Script) -> Result<Outcome, Failure> {
    Prepared::new(script.limits.memory_bytes)?.run(script)
}

/// A runtime made before its script is known: making one takes longer than most scripts do.
pub struct Prepared {
    realm: Realm,
    memory_bytes: usize,
}

impl Prepared {
    /// A runtime that may hold this many bytes.
    pub fn new(memory_bytes: usize) -> Result<Self, Failure> {
        let realm = Realm::new(Purpose::Script, memory_bytes.max(MEMORY_MIN), STACK_BYTES)
            .map_err(|stop| failure(stop, Phase::Running, None, Vec::new()))?;
        Ok(Self { realm, memory_bytes })
    }

    /// Runs its one script; made anew if the script may use another amount of memory.
    pub fn run(self, script: &Script) -> Result<Outcome, Failure> {
        if self.memory_bytes == script.limits.memory_bytes {
            run_in(&self.realm, script)
        } else {
            run(script)
        }
    }
}

/// What the prelude alone needs, with room to start.
const MEMORY_MIN: usize = 8 << 20;

fn run_in(realm: &Realm, script: &Script) -> Result<Outcome, Failure> {
    let mut scope = script.scope.clone();
    let source = scope.sources.get(pairing::main_input(&scope)).copied().flatten();
    scope.inputs = [Items::clone(&script.items)].into();
    scope.sources = [source].into();
    realm.state.enter(&scope);
    realm.state.random.set(seed(&scope, &script.code));
    let console = Rc::new(Console::new(script.limits.console_bytes));
    let at = Cell::new(None);
    let phase = Cell::new(Phase::Compiling);
    let mut failures = Vec::new();
    let outcome = realm.run(script.limits.deadline, |ctx| {
        globals(ctx, script, &console)?;
        let parameters = match script.mode {
            Mode::AllItems => "",
            Mode::EachItem | Mode::EachItemApart => "item,$json,$itemIndex",
        };
        let function = compile(ctx, &script.code, parameters)?;
        phase.set(Phase::Running);
        match script.mode {
            Mode::AllItems => call(ctx, realm, &function),
            Mode::EachItem | Mode::EachItemApart => {
                let mut values = Vec::with_capacity(script.items.len());
                for index in 0..script.items.len() {
                    at.set(Some(index));
                    realm.state.item.set(index);
                    let value = match call(ctx, realm, &function) {
                        Err(error) if script.mode == Mode::EachItemApart => {
                            let stop = Stop::Threw(realm.threw(ctx, &error).ok_or(error)?);
                            failures.push(failure(stop, Phase::Running, at.get(), Vec::new()));
                            Value::Null
                        }
                        outcome => outcome?,
                    };
                    values.push(value);
                }
                Ok(Value::Array(values))
            }
        }
    });
    let console = console.lines.take();
    match outcome {
        Ok(value) => Ok(Outcome { value, console, failures }),
        Err(stop) => Err(failure(stop, phase.get(), at.get(), console)),
    }
}

/// Whether this text can be the body of a script. Nothing of it is run.
pub fn check(code: &str) -> Result<(), Failure> {
    let stopped = |stop| failure(stop, Phase::Compiling, None, Vec::new());
    let realm = Realm::new(Purpose::Script, CHECK_BYTES, STACK_BYTES).map_err(stopped)?;
    let compiled = realm.run(CHECK_DEADLINE, |ctx| compile(ctx, code, "").map(|_| Value::Null));
    compiled.map(|_| ()).map_err(stopped)
}

/// Memory and time in which any text of a script can be parsed.
const CHECK_BYTES: usize = 64 << 20;
const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// How far a script came: what throws a syntax error while it runs does parse itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Compiling,
    Running,
}

/// Native stack of a script: the child's main thread has 8 MiB.
const STACK_BYTES: usize = 1 << 20;
/// Lines that stand before the script's text in what is compiled.
const LINES_BEFORE: usize = 1;
/// What a script's promise is waited for by: nothing, when no job is left.
const NEVER: &str = "The code waits for a promise that nothing will ever resolve.";

fn compile<'js>(ctx: &Ctx<'js>, code: &str, parameters: &str) -> rquickjs::Result<Function<'js>> {
    // Between parentheses a text that closed the function early would not parse.
    let mut options = EvalOptions::default();
    options.strict = false;
    ctx.eval_with_options(format!("(async function({parameters}){{\n{code}\n}})"), options)
}

fn call<'js>(ctx: &Ctx<'js>, realm: &Realm, function: &Function<'js>) -> rquickjs::Result<Value> {
    let index = realm.state.item.get();
    let input: Object<'js> = ctx.globals().get("$input")?;
    let item: rquickjs::Value<'js> = input.get("item")?;
    let json = realm.state.json(ctx, index)?;
    let promise: Promise<'js> = function.call((item, json, index as f64))?;
    loop {
        match promise.result::<rquickjs::Value<'js>>() {
            Some(outcome) => {
                return convert::from_js(ctx, outcome?).map_err(|unfit| unfit.throw(ctx));
            }
            None if realm.run_jobs(ctx) => {}
            None => return Err(Exception::throw_message(ctx, NEVER)),
        }
    }
}

/// What of `$input` code that runs for each item cannot call.
const WHOLE_INPUT: [&str; 4] = ["first", "last", "all", "itemMatching"];

fn globals<'js>(ctx: &Ctx<'js>, script: &Script, console: &Rc<Console>) -> rquickjs::Result<()> {
    let globals = ctx.globals();
    let input: Object<'js> = globals.get("$input")?;
    match script.mode {
        Mode::AllItems => {
            let all: Function<'js> = input.get("all")?;
            globals.set("items", all.call::<_, rquickjs::Value<'js>>(())?)?;
        }
        Mode::EachItem | Mode::EachItemApart => WHOLE_INPUT.into_iter().try_for_each(|name| {
            let refuse = move |ctx: Ctx<'js>, _: Rest<rquickjs::Value<'js>>| {
                let text = format!(
                    "$input.{name}() is for code that runs once with all items. Run for each item, \
                     it has the current one: $json, or $input.item."
                );
                Err::<(), _>(Exception::throw_message(&ctx, &text))
            };
            input.set(name, Func::from(refuse))
        })?,
    }
    for (name, value) in &script.globals {
        globals.set(name.as_str(), convert::to_js(ctx, value)?)?;
    }
    let object = Object::new(ctx.clone())?;
    for level in ["log", "info", "warn", "error", "debug"] {
        let console = Rc::clone(console);
        object.set(
            level,
            Func::from(move |ctx: Ctx<'js>, arguments: Rest<rquickjs::Value<'js>>| {
                console.write(&ctx, level, arguments.0);
            }),
        )?;
    }
    globals.set("console", object)
}

/// Collects console lines up to a number of bytes.
struct Console {
    lines: Cell<Vec<ConsoleLine>>,
    left: Cell<usize>,
}

impl Console {
    fn new(bytes: usize) -> Self {
        Self { lines: Cell::default(), left: Cell::new(bytes) }
    }

    fn write<'js>(&self, ctx: &Ctx<'js>, level: &str, arguments: Vec<rquickjs::Value<'js>>) {
        let texts = arguments.into_iter().map(|value| shown(ctx, value));
        let text = texts.collect::<Vec<_>>().join(" ");
        let Some(left) = self.left.get().checked_sub(text.len() + 1) else {
            self.left.set(0);
            return;
        };
        self.left.set(left);
        let mut lines = self.lines.take();
        lines.push(ConsoleLine { level: level.to_owned(), text });
        self.lines.set(lines);
    }
}

fn shown<'js>(ctx: &Ctx<'js>, value: rquickjs::Value<'js>) -> String {
    if let Some(exception) = value.clone().into_object().and_then(Exception::from_object) {
        let name: String = exception.as_object().get("name").unwrap_or_default();
        return format!("{name}: {}", exception.message().unwrap_or_default());
    }
    if value.is_undefined() {
        return "undefined".to_owned();
    }
    match convert::from_js(ctx, value) {
        Ok(Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => {
            let _ = ctx.catch();
            "(not printable)".to_owned()
        }
    }
}

fn failure(stop: Stop, phase: Phase, item: Option<usize>, console: Vec<ConsoleLine>) -> Failure {
    let (kind, message, line) = match stop {
        Stop::Deadline => {
            (FailureKind::Deadline, "The code ran longer than allowed.".to_owned(), None)
        }
        Stop::Memory => {
            (FailureKind::Memory, "The code used more memory than allowed.".to_owned(), None)
        }
        Stop::Threw(thrown) => {
            let line = thrown.place.map(|(line, _)| line.saturating_sub(LINES_BEFORE) as u32);
            let invalid = thrown.name == "SyntaxError" && phase == Phase::Compiling;
            let kind = match thrown.message == NEVER {
                true => FailureKind::Deadline,
                false if invalid => FailureKind::Invalid,
                false => FailureKind::Threw,
            };
            (kind, thrown.text(), line)
        }
    };
    Failure { kind, message, line, item, console }
}

fn seed(scope: &Scope, code: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (scope.execution.id, scope.node, scope.run_index, code).hash(&mut hasher);
    hasher.finish()
}
