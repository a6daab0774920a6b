//! The words everything else is written in: ids, items, JSON, time, errors, limits.
//!
//! No I/O and no async. Clock and dice are traits here; the only place that reads the real ones is
//! [`clock::SystemClock`] and [`clock::SystemDice`].

pub mod clock;
pub mod codes;
pub mod duration;
pub mod fault;
pub mod id;
pub mod item;
pub mod json;
pub mod limits;
pub mod problem;
pub mod room;
pub mod secret;
pub mod suggest;

pub use clock::{Clock, Dice};
pub use codes::Code;
pub use id::{
    ApiKeyId, MemberId, PrincipalId, ProjectId, RunId, VersionId, WorkflowId, WorkspaceId,
};
pub use item::{Item, ItemSource, Items, Pairing};
pub use json::{Object, Value};
pub use problem::{Current, FieldProblem, Problem};
pub use secret::Secret;
