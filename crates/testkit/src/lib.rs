//! The test kit: a whole member on a database of its own, with time that tests move.
//!
//! [`TestApp`] is the program as the executable runs it (router, services, engine), served on a
//! loopback port before a real PostgreSQL, in a database cloned for the test. `#[testkit::test]`
//! starts it, runs the body and calls [`TestApp::finish`], which fails on left-over runs, on
//! transactions left open and on ERROR lines that nobody expected.
//!
//! Time: `forge.now()` of the clone can be moved; the member's time follows the database's.
//! [`TestApp::advance`] moves both and lets the engine look at the clock. What waits for real time
//! (timeouts of nodes, the heartbeat) is not moved.
//!
//! Deliberately absent: doubles of any part, and sleeps. Tests wait for signals, or look again and
//! again with [`eventually`].

mod actor;
mod app;
mod log;
mod outside;
mod process;
mod wait;
mod writes;

pub use actor::{Actor, Reply};
pub use app::{Body, TestApp, run};
pub use db::testing::Proxy;
pub use macros::test;
pub use outside::{Call, Outside};
pub use process::{Ended, Process, Start};
pub use wait::{MoreTime, eventually, eventually_within};
pub use writes::Write;
