//! The node framework: one declaration per node type, everything else derived.
//!
//! A node type is one struct of parameters (`#[params]`) with one of four shapes:
//! [`EachItem`] works on one item at a time, [`AllItems`] sees all inputs at once, [`Steer`] asks
//! the engine for something only the engine can do (wait, answer the caller, call a workflow),
//! [`Trigger`] starts runs. From the declaration come validation, JSON Schema, the editor's form,
//! the docs page and `contracts/nodes.json`.
//!
//! Nodes know nothing of the engine, the database or HTTP surfaces; the outside reaches them
//! through [`NodeContext`].

mod about;
mod adapter;
mod check;
mod context;
mod error;
mod example;
mod expression;
mod files;
mod form;
mod hook;
mod hook_content;
mod manual;
mod prepared;
mod registry;
mod search;
mod shape;
#[cfg(feature = "testing")]
pub mod testing;

pub use about::{About, EffectClass, MayHaveRun, PortNames};
pub use context::{
    Blobs, CodeHost, CodeMode, CodeOutcome, CodeRequest, ConsoleLine, FileStream, NodeContext,
    Services,
};
pub use error::NodeError;
pub use example::Example;
pub use expression::Expr;
pub use files::{FileAccess, FileRead};
pub use form::{Choice, Field, Form, Input, NodeForm, Variant, Variants, label};
pub use hook::{
    Hook, HookAuth, HookCors, HookEncoding, HookHash, HookIdempotency, HookKeyFormat, HookOpen,
    HookProof, HookReply, HookSignature, HookTimestamp, SecretRef, parse_network,
};
pub use hook_content::{ContentPart, parse_content};
pub use kernel::FieldProblem;
pub use macros::params;
pub use prepared::{PreparedNode, Raw, Shape, SharedNode};
pub use registry::{NodeType, Registry};
pub use shape::{
    AllItems, CallMode, Callee, Directive, EachItem, ItemOutcome, Params, Reply, ReplyBody, Steer,
    Trigger, TriggerKind,
};
