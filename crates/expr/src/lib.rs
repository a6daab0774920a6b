//! Expressions: `={{ … }}` templates in the parameters of nodes.
//!
//! A string parameter that begins with `=` is a [`Template`]. It is parsed once per workflow
//! version; plain paths (`$json.a.b`) are walked natively, everything else is compiled once per
//! worker thread and workspace into a QuickJS function in a frozen context. What an expression can
//! see is a [`Scope`]: plain data, shared by `Arc`, so that a slow evaluation can be repeated on
//! another thread.
//!
//! Invariants: nothing an expression does is seen by another one or outlives it; the same
//! expression for the same item of the same activation gives the same value, `$now` and
//! `Math.random` included; an endless loop, a memory bomb or a deep recursion ends in a
//! [`kernel::Problem`], never in a dead process. [`script`] runs the code of code nodes, in a
//! runtime of its own for each run.
//!
//! Deliberately absent: I/O, host objects, code made from text, promises in expressions, `Intl`,
//! `$env` and `$secrets`. A step of JavaScript that is one long native operation without
//! allocation (comparing two texts of megabytes) is only interrupted after it.

mod convert;
mod dates;
mod digest;
mod evaluator;
mod host;
mod limits;
mod native;
mod pairing;
mod purity;
mod ration;
mod realm;
mod references;
pub mod rename;
mod scope;
pub mod script;
mod split;
mod template;
pub mod testing;

pub use limits::{Limits, set_limits};
pub use scope::{Execution, Names, NodeData, NodeRun, RunData, Scope, Source, WorkflowInfo};
pub use split::fault_place;
pub use template::Template;
