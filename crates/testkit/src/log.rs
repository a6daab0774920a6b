//! What the members of a test process log as an ERROR, which is what wakes a person.
//!
//! The members of one process log to one place. A line that no test expected fails every test that
//! was running when it came: lines do not say whose they are.

use std::fmt::Write as _;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static EXPECTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Starts gathering; shows everything where `RUST_LOG` asks for it.
pub(crate) fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        let shown = std::env::var("RUST_LOG").ok().map(|filter| {
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_filter(tracing_subscriber::EnvFilter::new(filter))
        });
        let subscriber = tracing_subscriber::registry().with(Errors).with(shown);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else gathers");
    });
}

/// How many lines there are so far.
pub(crate) fn mark() -> usize {
    ERRORS.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// Lines that hold this text are part of what is tested.
pub(crate) fn expect(text: &str) {
    EXPECTED.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
}

/// Lines since a mark that nobody expected.
pub(crate) fn unexpected(since: usize) -> Vec<String> {
    let expected = EXPECTED.lock().unwrap_or_else(PoisonError::into_inner);
    let errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_expected = |line: &&String| expected.iter().any(|text| line.contains(text));
    errors[since..].iter().filter(|line| !is_expected(line)).cloned().collect()
}

struct Errors;

impl<S: Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut line = Line(format!("{}:", event.metadata().target()));
        event.record(&mut line);
        ERRORS.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.expect("text takes text");
    }
}
