//! Evaluates scripts in this thread's realms: one per workspace, kept while it is used.
//!
//! A script is compiled once per realm into a function and called for each item. A realm that ran
//! out of memory, or is left with a promise that nobody may ever resolve, is thrown away.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use kernel::{Value, WorkspaceId};
use rquickjs::function::Args;
use rquickjs::{Ctx, Function, Persistent};

use crate::Scope;
use crate::convert;
use crate::host::Values;
use crate::limits::limits;
use crate::purity::Purity;
use crate::realm::{Purpose, Realm, Stop};
use crate::template::Snippet;

/// Why an evaluation gave no value.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It threw; the text is for the user.
    Failed(String),
    /// It was stopped after this time.
    Deadline(Duration),
    /// It wanted more memory than allowed.
    Memory,
}

/// What the script gives, as JSON. A TypeError gives null.
pub(crate) fn value(
    snippet: &Snippet,
    scope: &Scope,
    item: usize,
    deadline: Duration,
) -> Result<Value, Fault> {
    evaluate(snippet, scope, item, deadline, Want::Value)
}

/// What the script gives, as it stands in mixed text: null where nothing stands.
pub(crate) fn text(
    snippet: &Snippet,
    scope: &Scope,
    item: usize,
    deadline: Duration,
) -> Result<Value, Fault> {
    evaluate(snippet, scope, item, deadline, Want::Text)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Value,
    Text,
}

thread_local! {
    static REALMS: RefCell<Vec<(WorkspaceId, Home)>> = const { RefCell::new(Vec::new()) };
}

/// A realm with what was compiled in it.
struct Home {
    functions: HashMap<u64, Compiled>,
    ticks: u64,
    realm: Realm,
}

struct Compiled {
    text: Arc<str>,
    parameters: Vec<Parameter>,
    function: Persistent<Function<'static>>,
    used: u64,
}

/// The variables handed to the function as arguments; all others are read through the prelude.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Json,
    ItemIndex,
    RunIndex,
}

const PARAMETERS: &[(&str, Parameter)] = &[
    ("$json", Parameter::Json),
    ("$itemIndex", Parameter::ItemIndex),
    ("$runIndex", Parameter::RunIndex),
];

fn evaluate(
    snippet: &Snippet,
    scope: &Scope,
    item: usize,
    deadline: Duration,
    want: Want,
) -> Result<Value, Fault> {
    REALMS.with(|realms| {
        let mut realms = realms.borrow_mut();
        for last_try in [false, true] {
            let home = home(&mut realms, scope.workspace)?;
            let had_values = home.realm.state.keeps_values();
            let outcome = home.evaluate(snippet, scope, item, deadline, want);
            if matches!(outcome, Err(Stop::Memory)) || home.realm.has_jobs() {
                realms.remove(0);
            }
            match outcome {
                Ok(value) => return Ok(value),
                Err(Stop::Deadline) => return Err(Fault::Deadline(deadline)),
                // Perhaps the items kept for other scripts took the memory: once more without.
                Err(Stop::Memory) if had_values && !last_try => {}
                Err(Stop::Memory) => return Err(Fault::Memory),
                Err(Stop::Threw(thrown)) if thrown.name == "TypeError" => return Ok(Value::Null),
                Err(Stop::Threw(thrown)) => return Err(Fault::Failed(thrown.text())),
            }
        }
        Err(Fault::Memory)
    })
}

/// The workspace's realm, moved to the front of the list.
fn home(realms: &mut Vec<(WorkspaceId, Home)>, workspace: WorkspaceId) -> Result<&mut Home, Fault> {
    match realms.iter().position(|(owner, _)| *owner == workspace) {
        Some(0) => {}
        Some(at) => realms[..=at].rotate_right(1),
        None => {
            let limits = limits();
            realms.truncate(limits.runtimes_max.max(1) - 1);
            let memory = limits.memory_bytes.max(8 << 20);
            let realm =
                Realm::new(Purpose::Expressions, memory, limits.stack_bytes).map_err(|stop| {
                    match stop {
                        Stop::Threw(thrown) => Fault::Failed(thrown.text()),
                        Stop::Deadline | Stop::Memory => Fault::Memory,
                    }
                })?;
            realms.insert(0, (workspace, Home { functions: HashMap::new(), ticks: 0, realm }));
        }
    }
    Ok(&mut realms[0].1)
}

impl Home {
    fn evaluate(
        &mut self,
        snippet: &Snippet,
        scope: &Scope,
        item: usize,
        deadline: Duration,
        want: Want,
    ) -> Result<Value, Stop> {
        self.compile(snippet)?;
        let Self { functions, realm, .. } = self;
        let compiled = &functions[&snippet.key];
        let state = &realm.state;
        state.enter(scope);
        state.item.set(item);
        state.random.set(seed(scope, item, snippet.key));
        // A script that may change its items gets copies of its own, gone afterwards.
        let kept = match snippet.purity {
            Purity::Reads => None,
            Purity::MayWrite => Some(state.swap_values(Values::default())),
        };
        let outcome = realm.run(deadline, |ctx| {
            let result = call(ctx, realm, compiled, scope, item)?;
            let result = match want {
                Want::Text if !result.is_string() => realm.text_function(ctx)?.call((result,))?,
                Want::Text | Want::Value => result,
            };
            convert::from_js(ctx, result).map_err(|unfit| unfit.throw(ctx))
        });
        if let Some(kept) = kept {
            state.swap_values(kept);
        }
        outcome
    }

    /// Makes sure that the script's function is there.
    fn compile(&mut self, snippet: &Snippet) -> Result<(), Stop> {
        self.ticks += 1;
        let ticks = self.ticks;
        if let Some(compiled) = self.functions.get_mut(&snippet.key)
            && (Arc::ptr_eq(&compiled.text, &snippet.text) || compiled.text == snippet.text)
        {
            compiled.used = ticks;
            return Ok(());
        }
        if self.functions.len() >= limits().functions_max.max(1) {
            self.forget_half();
        }
        let found = PARAMETERS.iter().filter(|(name, _)| snippet.text.contains(name));
        let (names, parameters): (Vec<&str>, Vec<Parameter>) = found.copied().unzip();
        let source = format!("({})=>(\n{}\n)", names.join(","), snippet.text);
        let function = self.realm.run(limits().deadline, |ctx| {
            let function: Function<'_> = ctx.eval(source)?;
            Ok(Persistent::save(ctx, function))
        })?;
        let text = Arc::clone(&snippet.text);
        self.functions.insert(snippet.key, Compiled { text, parameters, function, used: ticks });
        Ok(())
    }

    /// Drops the half of the functions that was used longest ago.
    fn forget_half(&mut self) {
        let mut used: Vec<u64> = self.functions.values().map(|compiled| compiled.used).collect();
        let middle = used.len() / 2;
        let (_, median, _) = used.select_nth_unstable(middle);
        let median = *median;
        self.functions.retain(|_, compiled| compiled.used > median);
    }
}

fn call<'js>(
    ctx: &Ctx<'js>,
    realm: &Realm,
    compiled: &Compiled,
    scope: &Scope,
    item: usize,
) -> rquickjs::Result<rquickjs::Value<'js>> {
    let function = compiled.function.clone().restore(ctx)?;
    let mut arguments = Args::new(ctx.clone(), compiled.parameters.len());
    for parameter in &compiled.parameters {
        match parameter {
            Parameter::Json => arguments.push_arg(realm.state.json(ctx, item)?)?,
            Parameter::ItemIndex => arguments.push_arg(item as f64)?,
            Parameter::RunIndex => arguments.push_arg(scope.run_index)?,
        }
    }
    function.call_arg(arguments)
}

/// The same for every repetition of the same expression for the same item.
fn seed(scope: &Scope, item: usize, key: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (scope.execution.id, scope.node, scope.run_index, item, key).hash(&mut hasher);
    hasher.finish()
}
