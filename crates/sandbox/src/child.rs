//! The child's side: read an order, run the script, reply.

use std::io::{self, Stdin, Stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use expr::script::{self, FailureKind, Limits, Mode, Prepared, Script};
use kernel::{Problem, codes};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::frame;
use crate::wall;
use crate::wire::{Order, Reply};

/// Bytes of console output kept of one run.
const CONSOLE_BYTES: usize = 64 * 1024;

/// The whole life of a code process: builds the wall, then serves orders from standard input until
/// the parent closes it or leaves the process idle for long. Call it first thing in `main`.
pub fn child_main() -> ExitCode {
    match serve(&mut io::stdin(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads a message here; the parent reports the exit status.
        Err(_) => ExitCode::from(70),
    }
}

fn serve(from: &mut Stdin, to: &mut Stdout) -> io::Result<()> {
    wall::build()?;
    let mut prepared = None;
    while let Some(text) = frame::read(from)? {
        let order = kernel::json::parse_own(&text).map_err(io::Error::other)?.value;
        drop(text);
        let order: Order = kernel::json::from_value(order).map_err(io::Error::other)?;
        let (idle, memory) = (Duration::from_millis(order.idle_ms), order.memory());
        wall::limit_processor(order.timeout_ms.div_ceil(1_000))?;
        let reply = serde_json::to_vec(&run(order, prepared.take())).map_err(io::Error::other)?;
        frame::write(to, &reply)?;
        drop(reply);
        // While nobody waits: the next order finds a runtime ready.
        prepared = Prepared::new(memory).ok();
        if !readable_within(from, idle)? {
            break;
        }
    }
    Ok(())
}

fn run(order: Order, prepared: Option<Prepared>) -> Reply {
    let (items, scope, memory_bytes) = (order.items(), order.scope(), order.memory());
    let script = Script {
        mode: match (order.each_item, order.apart) {
            (false, _) => Mode::AllItems,
            (true, false) => Mode::EachItem,
            (true, true) => Mode::EachItemApart,
        },
        items,
        globals: order.globals,
        scope,
        limits: Limits {
            memory_bytes,
            deadline: Duration::from_millis(order.timeout_ms),
            console_bytes: CONSOLE_BYTES,
        },
        code: order.code,
    };
    let outcome = match prepared {
        Some(prepared) => prepared.run(&script),
        None => script::run(&script),
    };
    match outcome {
        Ok(outcome) => {
            let told =
                |failure: &script::Failure| Some((failure.item?, problem(failure, &script.limits)));
            Reply {
                value: Some(outcome.value),
                problem: None,
                failures: outcome.failures.iter().filter_map(told).collect(),
                console: lines(outcome.console),
            }
        }
        Err(failure) => Reply {
            value: None,
            problem: Some(problem(&failure, &script.limits)),
            failures: Vec::new(),
            console: lines(failure.console),
        },
    }
}

fn lines(console: Vec<script::ConsoleLine>) -> Vec<(String, String)> {
    console.into_iter().map(|line| (line.level, line.text)).collect()
}

fn problem(failure: &script::Failure, limits: &Limits) -> Problem {
    let mut place = failure.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    if let Some(item) = failure.item {
        place.push_str(&format!(" (item {item})"));
    }
    let message = &failure.message;
    let (code, detail) = match failure.kind {
        FailureKind::Invalid => {
            (codes::CODE_INVALID, format!("The code does not parse: {message}{place}."))
        }
        FailureKind::Threw => (codes::CODE_THREW, format!("The code threw {message}{place}.")),
        FailureKind::Deadline => (codes::CODE_TIMEOUT, timeout_text(limits.deadline)),
        FailureKind::Memory => {
            let megabytes = limits.memory_bytes / (1024 * 1024);
            let detail = format!(
                "The code used more than {megabytes} MiB{place}. Work on fewer items at a time, or \
                 raise code.memory_bytes_max."
            );
            (codes::CODE_MEMORY, detail)
        }
    };
    Problem::new(code, detail)
}

/// What the user reads when the deadline has passed.
pub(crate) fn timeout_text(deadline: Duration) -> String {
    format!(
        "The code ran longer than {} ms. Look for a loop without end, work on fewer items, or set \
         a longer \"timeout\" among the code node's parameters (and a longer one for the node itself, where it has \
         a shorter one).",
        deadline.as_millis()
    )
}

fn readable_within(from: &Stdin, idle: Duration) -> io::Result<bool> {
    let millis = i32::try_from(idle.as_millis()).unwrap_or(i32::MAX);
    let timeout = PollTimeout::try_from(millis).map_err(io::Error::other)?;
    let mut wanted = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut wanted, timeout)? > 0)
}
