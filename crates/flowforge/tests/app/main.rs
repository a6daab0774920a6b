//! The whole program, through its front door: what callers, operators and workflows may rely on.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod audit;
mod bad_input;
mod branches;
mod calls;
mod disk;
mod documents;
mod effects;
mod expressions;
mod failures;
mod files;
mod floods;
mod found;
mod hooks;
mod inspect;
mod keys;
mod node_types;
mod outages;
mod quakes;
mod repeats;
mod restarts;
mod search;
mod semantics;
mod starts;
mod versions;
mod walks;
