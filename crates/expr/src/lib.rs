//! Expressions: `={{ … }}` templates in the parameters of nodes.
//!
//! A string parameter that begins with `=` is a [`Template`]. It is parsed once per workflow
//! version; plain paths (`$json.a.b`) are walked natively, everything else is compiled once per
//! worker thread into a QuickJS function in a frozen context. What an expression can see is a
//! [`Scope`]: plain data, shared by `Arc`, so that a slow evaluation can be repeated on another
//! thread. Deliberately absent: I/O, host objects, state that outlives an evaluation.

mod scope;
mod template;

pub use scope::{Execution, Names, NodeData, NodeRun, RunData, Scope, Source, WorkflowInfo};
pub use template::Template;
