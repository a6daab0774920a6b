//! A realm: one QuickJS runtime with its context, prelude, limits and the host functions.
//!
//! The prelude (`src/prelude/*.js`) adds `DateTime`, the added methods and the variables; it gets
//! the host functions as an argument, so nothing else ever holds them. For expressions everything
//! reachable is then frozen and the ways out are removed (`walls.js`); scripts of code nodes have a
//! runtime of their own and are only walled.

use std::rc::Rc;
use std::time::Duration;

use rquickjs::function::Func;
use rquickjs::{Context, Ctx, Exception, Function, Object, Persistent, Runtime};

use crate::host::{self, State};
use crate::ration::{Ration, Watch};
use crate::split::line_and_column;

/// What a realm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Many short expressions: everything frozen.
    Expressions,
    /// One script: promises allowed, nothing frozen.
    Script,
}

/// Why a script stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something was thrown.
    Threw(Thrown),
    /// The time was up.
    Deadline,
    /// The memory was used up.
    Memory,
}

/// What was thrown.
#[derive(Debug, Default)]
pub(crate) struct Thrown {
    /// `TypeError`, `Error` and so on; empty when it was no error object.
    pub(crate) name: String,
    /// Its message.
    pub(crate) message: String,
    /// Line and column in the evaluated text, when known.
    pub(crate) place: Option<(usize, usize)>,
}

impl Thrown {
    /// Name and message as one text.
    pub(crate) fn text(&self) -> String {
        match (self.name.as_str(), self.message.as_str()) {
            ("" | "Error", message) => message.to_owned(),
            (name, "") => name.to_owned(),
            (name, message) => format!("{name}: {message}"),
        }
    }
}

/// A runtime ready to evaluate. Not `Send`: it stays on its thread.
pub(crate) struct Realm {
    /// What the host functions read.
    pub(crate) state: Rc<State>,
    /// `text(value)`: a value as it stands in mixed text.
    text: Option<Persistent<Function<'static>>>,
    watch: Rc<Watch>,
    context: Context,
    runtime: Runtime,
}

impl Realm {
    /// A new runtime with prelude and walls.
    pub(crate) fn new(
        purpose: Purpose,
        memory_bytes: usize,
        stack_bytes: usize,
    ) -> Result<Self, Stop> {
        let failed = |_| Stop::Memory;
        let watch = Rc::new(Watch::default());
        let ration = Ration::new(memory_bytes, Rc::clone(&watch));
        let runtime = Runtime::new_with_alloc(ration).map_err(failed)?;
        runtime.set_max_stack_size(stack_bytes);
        let handler = Rc::clone(&watch);
        runtime.set_interrupt_handler(Some(Box::new(move || handler.is_over())));
        let context = Context::full(&runtime).map_err(failed)?;
        let state = Rc::new(State::default());
        let mut realm = Self { state, text: None, watch, context, runtime };
        let text = realm.context.with(|ctx| {
            load(&ctx, &realm, purpose, memory_bytes).map_err(|error| realm.stop(&ctx, &error))
        })?;
        realm.text = Some(text);
        Ok(realm)
    }

    /// Runs `work` in the context; what it throws, and what stops it, becomes a [`Stop`].
    pub(crate) fn run<R>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&Ctx<'_>) -> rquickjs::Result<R>,
    ) -> Result<R, Stop> {
        self.watch.begin(deadline);
        self.context.with(|ctx| {
            let outcome = work(&ctx);
            self.watch.end();
            outcome.map_err(|error| self.stop(&ctx, &error))
        })
    }

    /// Runs the promise jobs that wait; false when there were none.
    pub(crate) fn run_jobs(&self, ctx: &Ctx<'_>) -> bool {
        let mut any = false;
        while !self.watch.has_fired() && ctx.execute_pending_job() {
            any = true;
        }
        any
    }

    /// Whether a promise job waits.
    pub(crate) fn has_jobs(&self) -> bool {
        self.runtime.is_job_pending()
    }

    /// The prelude's `text` function.
    pub(crate) fn text_function<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Function<'js>> {
        self.text.clone().ok_or(rquickjs::Error::Unknown)?.restore(ctx)
    }

    /// What was thrown, unless it was the time or the memory that ended it.
    pub(crate) fn threw(&self, ctx: &Ctx<'_>, error: &rquickjs::Error) -> Option<Thrown> {
        let stopped = self.watch.has_fired() || self.watch.has_refused();
        (!stopped).then(|| thrown(ctx, error))
    }

    fn stop(&self, ctx: &Ctx<'_>, error: &rquickjs::Error) -> Stop {
        let thrown = thrown(ctx, error);
        if self.watch.has_fired() {
            return Stop::Deadline;
        }
        let no_memory = match thrown.name.as_str() {
            // QuickJS throws null where it has no memory left for an error object.
            "" => self.watch.has_refused() && thrown.message == "null",
            "InternalError" => matches!(&*thrown.message, "out of memory" | "string too long"),
            _ => matches!(error, rquickjs::Error::Allocation),
        };
        if no_memory { Stop::Memory } else { Stop::Threw(thrown) }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        // Values must be given back before their runtime ends.
        self.state.clear();
        self.text = None;
        self.runtime.set_interrupt_handler(None);
    }
}

const PRELUDE: &[(&str, &str)] = &[
    ("walls.js", include_str!("prelude/walls.js")),
    ("guards.js", include_str!("prelude/guards.js")),
    ("dates.js", include_str!("prelude/dates.js")),
    ("date_format.js", include_str!("prelude/date_format.js")),
    ("date_methods.js", include_str!("prelude/date_methods.js")),
    ("date_additions.js", include_str!("prelude/date_additions.js")),
    ("strings.js", include_str!("prelude/strings.js")),
    ("numbers.js", include_str!("prelude/numbers.js")),
    ("arrays.js", include_str!("prelude/arrays.js")),
    ("objects.js", include_str!("prelude/objects.js")),
    ("jmespath.js", include_str!("prelude/jmespath.js")),
    ("variables.js", include_str!("prelude/variables.js")),
    ("seal.js", include_str!("prelude/seal.js")),
];

/// Evaluates the prelude; every file is a function of `(host, kit)` and adds to `kit`.
fn load<'js>(
    ctx: &Ctx<'js>,
    realm: &Realm,
    purpose: Purpose,
    memory_bytes: usize,
) -> rquickjs::Result<Persistent<Function<'static>>> {
    let host = host::functions(ctx, &realm.state)?;
    let watch = Rc::clone(&realm.watch);
    host.set(
        "tick",
        Func::from(move |ctx: Ctx<'js>| match watch.is_over() {
            true => Err(Exception::throw_internal(&ctx, "The time is up.")),
            false => Ok(()),
        }),
    )?;
    host.set("frozen", purpose == Purpose::Expressions)?;
    // A member of a list takes 16 bytes.
    host.set("lengthMax", (memory_bytes / 16) as f64)?;
    let kit = Object::new(ctx.clone())?;
    for (name, text) in PRELUDE {
        let mut options = rquickjs::context::EvalOptions::default();
        options.filename = Some((*name).to_owned());
        let file: Function<'js> = ctx.eval_with_options(*text, options)?;
        file.call::<_, ()>((host.clone(), kit.clone()))?;
    }
    let text: Function<'js> = kit.get("text")?;
    Ok(Persistent::save(ctx, text))
}

/// Takes what was thrown out of the context.
fn thrown(ctx: &Ctx<'_>, error: &rquickjs::Error) -> Thrown {
    if !matches!(error, rquickjs::Error::Exception) {
        let name = if error.is_from_js() { "TypeError" } else { "Error" };
        return Thrown { name: name.to_owned(), message: error.to_string(), place: None };
    }
    let value = ctx.catch();
    let Some(exception) = value.clone().into_object().and_then(Exception::from_object) else {
        // An object of one's own says itself what is wrong, if it has a message.
        let own = value.as_object().map(|object| object.get::<_, String>("message"));
        let text = match own {
            Some(Ok(message)) => Ok(message),
            _ => value.get::<rquickjs::Coerced<String>>().map(|text| text.0),
        };
        let _ = ctx.catch();
        let message = text.unwrap_or_else(|_| "something that has no text".to_owned());
        return Thrown { name: String::new(), message, place: None };
    };
    let name = exception.as_object().get::<_, String>("name").unwrap_or_default();
    let message = exception.message().unwrap_or_default();
    let place = exception.stack().and_then(|stack| line_and_column(&stack));
    let _ = ctx.catch();
    Thrown { name, message, place }
}
