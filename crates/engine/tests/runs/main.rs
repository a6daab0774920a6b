//! The engine as a whole on a real database: runs that call runs, fail, and outlive their process.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod calls;
mod effects;
mod endings;
mod keeping;
mod nodes;
mod parking;
mod sizes;
mod world;
