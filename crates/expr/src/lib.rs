//! Expressions: `={{ … }}` templates in the parameters of nodes.
//!
//! A string parameter that begins with `=` is a [`Template`]. It is parsed once per workflow
//! version; plain paths (`$json.a.b`) are walked natively, everything else is compiled once per
//! worker thread into a QuickJS function in a frozen context. What an expression can see is a
//! [`Scope`]: plain data, shared by `Arc`, so that a slow evaluation can be repeated on another
//! thread. Deliberately absent: I/O, host objects, state that outlives an evaluation.

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
mod scope;
pub mod script;
mod split;
mod template;
pub mod testing;

pub use limits::{Limits, set_limits};
pub use scope::{Execution, Names, NodeData, NodeRun, RunData, Scope, Source, WorkflowInfo};
pub use template::Template;
