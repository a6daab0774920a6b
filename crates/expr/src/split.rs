//! Splits a template into its texts and scripts, and checks that every script parses.
//!
//! Where a script ends is decided by the parser of QuickJS itself: the first `}}` before which
//! stands one whole expression. So `}}` inside a string, a template literal, a comment or nested
//! braces does no harm. A script must parse both between parentheses and between brackets: what
//! closes the one early does not parse in the other, so it can never end the function that it is
//! wrapped in later.

use std::cell::OnceCell;
use std::ops::Range;

use kernel::{Problem, codes};
use rquickjs::{Context, Ctx, Exception, Runtime, context::intrinsic};

use crate::native::Path;

/// Places of `}}` tried as the end of one script.
const ENDS_MAX: usize = 256;
/// Memory for parsing one script.
const MEMORY_BYTES: usize = 64 << 20;

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Literal text.
    Text(String),
    /// The script between `{{` and `}}`: one whole expression, trimmed.
    Script(String),
}

/// Splits the text after the leading `=`; `offset` is the number of characters before it.
pub(crate) fn split(body: &str, offset: usize) -> Result<Vec<Piece>, Problem> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(open) = body[at..].find("{{").map(|found| at + found) {
        if open > at {
            pieces.push(Piece::Text(body[at..open].to_owned()));
        }
        let start = open + 2;
        let place = offset + body[..open].chars().count() + 1;
        let (script, end) = script_at(&body[start..], place)?;
        pieces.push(Piece::Script(script));
        at = start + end;
    }
    if at < body.len() {
        pieces.push(Piece::Text(body[at..].to_owned()));
    }
    Ok(pieces)
}

/// Where the scripts of a text stand, braces excluded.
pub(crate) fn scripts(body: &str) -> Result<Vec<Range<usize>>, Problem> {
    let mut scripts = Vec::new();
    let mut at = 0;
    while let Some(open) = body[at..].find("{{").map(|found| at + found) {
        let start = open + 2;
        let (_, end) = script_at(&body[start..], 0)?;
        scripts.push(start..start + end - 2);
        at = start + end;
    }
    Ok(scripts)
}

/// The script at the beginning of `rest`, and where the text after its `}}` begins.
fn script_at(rest: &str, place: usize) -> Result<(String, usize), Problem> {
    let mut first_fault = None;
    let mut from = 0;
    for _ in 0..ENDS_MAX {
        let Some(end) = rest[from..].find("}}").map(|found| from + found) else { break };
        match expression(&rest[..end]) {
            Ok(script) => return Ok((script, end + 2)),
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
        from = end + 1;
    }
    Err(match first_fault {
        None => {
            invalid(place, "this `{{` has no `}}`. Close it, or write the braces as {{ '{{' }}")
        }
        Some(fault) => invalid(place + 2 + fault.characters_before, &fault.message),
    })
}

/// How the text of a fault begins that has a place.
const PLACED: &str = "The expression does not parse at character ";

fn invalid(place: usize, what: &str) -> Problem {
    Problem::new(codes::EXPRESSION_INVALID, format!("{PLACED}{place}: {what}"))
}

/// Where a template does not parse: the character of it, from 1. `None` for other faults.
pub fn fault_place(problem: &Problem) -> Option<usize> {
    problem.detail.strip_prefix(PLACED)?.split(':').next()?.parse().ok()
}

/// Why a text is not one expression.
struct SyntaxFault {
    characters_before: usize,
    message: String,
}

/// The text as one expression, without blanks and semicolons around it.
fn expression(text: &str) -> Result<String, SyntaxFault> {
    let script = text.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
    let trimmed = script.trim_start();
    if trimmed.is_empty() {
        return Ok("undefined".to_owned());
    }
    if Path::parse(trimmed).is_some() {
        return Ok(trimmed.to_owned());
    }
    check(script)?;
    Ok(trimmed.to_owned())
}

thread_local! {
    static PARSER: OnceCell<Option<Context>> = const { OnceCell::new() };
}

fn check(script: &str) -> Result<(), SyntaxFault> {
    let fault =
        |message: &str| Err(SyntaxFault { characters_before: 0, message: message.to_owned() });
    if script.contains('\0') {
        return fault("a NUL character");
    }
    PARSER.with(|parser| match parser.get_or_init(|| new_parser().ok()) {
        None => fault("not enough memory to parse it"),
        Some(context) => context.with(|ctx| {
            parses(&ctx, &format!("throw 0;()=>(\n{script}\n)"), script)?;
            parses(&ctx, &format!("throw 0;()=>[\n{script}\n]"), script)
        }),
    })
}

fn new_parser() -> rquickjs::Result<Context> {
    let runtime = Runtime::new()?;
    runtime.set_memory_limit(MEMORY_BYTES);
    Context::custom::<(intrinsic::Eval, intrinsic::RegExpCompiler, intrinsic::RegExp)>(&runtime)
}

/// Compiles a text that begins by throwing 0, so that nothing of it ever runs.
fn parses(ctx: &Ctx<'_>, wrapped: &str, script: &str) -> Result<(), SyntaxFault> {
    if ctx.eval::<(), _>(wrapped).is_ok() {
        return Ok(());
    }
    let thrown = ctx.catch();
    if thrown.as_int() == Some(0) {
        return Ok(());
    }
    let exception = thrown.into_object().and_then(Exception::from_object);
    let message = exception.as_ref().and_then(Exception::message).unwrap_or_default();
    let place = exception.and_then(|exception| line_and_column(&exception.stack()?));
    let (line, column) = place.unwrap_or((2, 1));
    // The script begins on line 2 of what was compiled.
    let lines_before =
        script.split('\n').take(line.saturating_sub(2)).map(|l| l.chars().count() + 1);
    let before = lines_before.sum::<usize>() + column.saturating_sub(1);
    Err(SyntaxFault { characters_before: before.min(script.chars().count()), message })
}

/// From the first line of a QuickJS stack, `    at eval_script:2:7`.
pub(crate) fn line_and_column(stack: &str) -> Option<(usize, usize)> {
    let first = stack.lines().find(|line| line.contains("eval_script:"))?;
    let place = first.rsplit_once("eval_script:")?.1.trim_end_matches(')');
    let (line, column) = place.split_once(':').unwrap_or((place, "1"));
    Some((line.parse().ok()?, column.parse().ok()?))
}
