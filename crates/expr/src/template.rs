//! Templates: literal text with `{{ … }}` in it.

use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use kernel::{Problem, Value, codes};

use crate::evaluator::{self, Fault};
use crate::limits::limits;
use crate::native::Path;
use crate::purity::Purity;
use crate::{Scope, convert, references, split};

/// A parsed `=…` parameter. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Template {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Arc<str>,
    parts: Vec<Part>,
    references: Vec<Arc<str>>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Path(Path),
    Script(Snippet),
}

/// The script between one pair of braces.
#[derive(Debug)]
pub(crate) struct Snippet {
    /// Its text, which is one whole expression and nothing else.
    pub(crate) text: Arc<str>,
    /// Names the compiled function, together with `text`.
    pub(crate) key: u64,
    /// Whether it may change the items it is given.
    pub(crate) purity: Purity,
}

impl Template {
    /// Parses the text after and including its leading `=`.
    ///
    /// Errors: `expression.invalid` with the place, when a `{{` has no end or the script in it
    /// does not parse.
    pub fn parse(source: &str) -> Result<Self, Problem> {
        let body = source.strip_prefix('=').unwrap_or(source);
        let offset = source.chars().count() - body.chars().count();
        let pieces = split::split(body, offset)?;
        let mut names = Vec::new();
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            parts.push(match piece {
                split::Piece::Text(text) => Part::Text(text),
                split::Piece::Script(text) => {
                    references::collect(&text, &mut names);
                    match Path::parse(&text) {
                        Some(path) => Part::Path(path),
                        None => Part::Script(Snippet::new(&text)),
                    }
                }
            });
        }
        let inner = Inner { source: source.into(), parts, references: names };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The text as written, with its leading `=`.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Names of the nodes it certainly refers to: `$('X')`, `$node["X"]` and `$items("X")` with
    /// literal names.
    pub fn references(&self) -> &[Arc<str>] {
        &self.inner.references
    }

    /// Whether all of it is walked natively: evaluation is then short, whatever the items.
    pub fn is_native(&self) -> bool {
        !self.inner.parts.iter().any(|part| matches!(part, Part::Script(_)))
    }

    /// Evaluates for the item at index `item` of the first connected input.
    ///
    /// A lone `{{ … }}` keeps its type (`undefined` becomes null); mixed text gives a string, in
    /// which null and undefined are empty, objects are JSON and the members of a list are
    /// separated by commas. A TypeError gives null, as in n8n.
    ///
    /// Scripts get [`crate::Limits::inline`] first. One that needs more is repeated from its
    /// beginning with [`crate::Limits::deadline`] on the same thread; a caller that must not block
    /// that long calls [`Template::evaluate_within`] and repeats on another thread (a [`Scope`] is
    /// plain shared data, and `$now` and `Math.random` repeat themselves).
    ///
    /// Errors: `expression.failed|deadline|memory`.
    pub fn evaluate(&self, scope: &Scope, item: usize) -> Result<Value, Problem> {
        match self.evaluate_within(scope, item, limits().inline) {
            Err(problem) if problem.code == codes::EXPRESSION_DEADLINE => {
                self.evaluate_within(scope, item, limits().deadline)
            }
            outcome => outcome,
        }
    }

    /// Like [`Template::evaluate`], once, each script in it stopped after `deadline`.
    pub fn evaluate_within(
        &self,
        scope: &Scope,
        item: usize,
        deadline: Duration,
    ) -> Result<Value, Problem> {
        match self.inner.parts.as_slice() {
            [] => Ok(Value::String(String::new())),
            [Part::Text(text)] => Ok(Value::String(text.clone())),
            [Part::Path(path)] => path
                .evaluate(scope, item)
                .map(Cow::into_owned)
                .map_err(|detail| self.problem(Fault::Failed(detail))),
            [Part::Script(snippet)] => evaluator::value(snippet, scope, item, deadline)
                .map_err(|fault| self.problem(fault)),
            parts => self.text(parts, scope, item, deadline, Splice::Text).map(Value::String),
        }
    }

    /// Whether it is one expression without text around it, whose value keeps its type.
    pub fn is_one_expression(&self) -> bool {
        matches!(self.inner.parts.as_slice(), [Part::Path(_) | Part::Script(_)])
    }

    /// Like [`Template::evaluate_json_text`], but what is spliced between the quotes of a JSON text
    /// is escaped: it cannot end the text.
    pub fn evaluate_json_safely(&self, scope: &Scope, item: usize) -> Result<String, Problem> {
        let splice = Splice::QuotedJsonText;
        let run = |deadline| self.text(&self.inner.parts, scope, item, deadline, splice);
        match run(limits().inline) {
            Err(problem) if problem.code == codes::EXPRESSION_DEADLINE => run(limits().deadline),
            outcome => outcome,
        }
    }

    /// Evaluates to a text in which objects and lists are JSON: for parameters that hold JSON with
    /// expressions spliced in. Texts are inserted as they are.
    pub fn evaluate_json_text(&self, scope: &Scope, item: usize) -> Result<String, Problem> {
        let run = |deadline| self.text(&self.inner.parts, scope, item, deadline, Splice::JsonText);
        match run(limits().inline) {
            Err(problem) if problem.code == codes::EXPRESSION_DEADLINE => run(limits().deadline),
            outcome => outcome,
        }
    }

    fn text(
        &self,
        parts: &[Part],
        scope: &Scope,
        item: usize,
        deadline: Duration,
        splice: Splice,
    ) -> Result<String, Problem> {
        let mut out = String::with_capacity(self.inner.source.len());
        let mut quotes = Quotes::default();
        for part in parts {
            let value = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Path(path) => path.evaluate(scope, item).map_err(Fault::Failed),
                Part::Script(snippet) => match splice {
                    Splice::Text => evaluator::text(snippet, scope, item, deadline),
                    Splice::JsonText | Splice::QuotedJsonText => {
                        evaluator::value(snippet, scope, item, deadline)
                    }
                }
                .map(Cow::Owned),
            };
            let value = value.map_err(|fault| self.problem(fault))?;
            if splice == Splice::QuotedJsonText && quotes.are_open(&out) {
                let mut spliced = String::new();
                splice.push(&mut spliced, &value);
                let quoted = Value::String(spliced).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            } else {
                splice.push(&mut out, &value);
            }
        }
        Ok(out)
    }

    fn problem(&self, fault: Fault) -> Problem {
        let mut source: String = self.inner.source.chars().take(200).collect();
        if source.len() < self.inner.source.len() {
            source.push('…');
        }
        match fault {
            Fault::Failed(detail) => {
                Problem::new(codes::EXPRESSION_FAILED, format!("{detail} (in `{source}`)"))
            }
            Fault::Deadline(limit) => Problem::new(
                codes::EXPRESSION_DEADLINE,
                format!(
                    "The expression was stopped after {limit:?}. Look for a loop without an end \
                     or a slow regular expression, or use a code node (in `{source}`)"
                ),
            ),
            Fault::Memory => Problem::new(
                codes::EXPRESSION_MEMORY,
                format!(
                    "The expression needed more than {} MiB. Use a code node for so much data \
                     (in `{source}`)",
                    limits().memory_bytes >> 20
                ),
            ),
        }
    }
}

impl Snippet {
    fn new(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { text: text.into(), key: hasher.finish(), purity: Purity::of(text) }
    }
}

/// How values stand in mixed text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Splice {
    Text,
    /// Objects and lists are JSON.
    JsonText,
    /// So they are, and what stands between quotes is escaped.
    QuotedJsonText,
}

impl Splice {
    fn push(self, out: &mut String, value: &Value) {
        match (value, self) {
            (Value::Null, Self::Text) => {}
            (Value::Null, Self::JsonText | Self::QuotedJsonText) => out.push_str("null"),
            (Value::Bool(flag), _) => out.push_str(if *flag { "true" } else { "false" }),
            (Value::Number(number), _) => out.push_str(&number_text(number)),
            (Value::String(text), _) => out.push_str(text),
            (Value::Array(list), Self::Text) => {
                for (index, member) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.push(out, member);
                }
            }
            (Value::Array(_), Self::JsonText | Self::QuotedJsonText) | (Value::Object(_), _) => {
                out.push_str(&value.to_string());
            }
        }
    }
}

/// Whether a JSON text, as far as it is written, ends between quotes.
#[derive(Default)]
struct Quotes {
    inside: bool,
    escaped: bool,
    read: usize,
}

impl Quotes {
    fn are_open(&mut self, json: &str) -> bool {
        for byte in &json.as_bytes()[self.read..] {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = self.inside,
                b'"' => self.inside = !self.inside,
                _ => {}
            }
        }
        self.read = json.len();
        self.inside
    }
}

/// Whole numbers as written, others as JavaScript prints them.
fn number_text(number: &serde_json::Number) -> String {
    let text = number.to_string();
    let whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match number.as_f64() {
        Some(double) if !whole => convert::number_text(double),
        _ => text,
    }
}
