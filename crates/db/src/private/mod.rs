//! The private PostgreSQL: found on this machine, initialised once, started with the program and
//! ended with it.
//!
//! `<state>/flowforge.lock` says who uses the directory, `<state>/pg/data` is the cluster,
//! `<state>/pg/socket` holds the socket (mode 0700, no TCP), `<state>/pg/postgres.log` its log.
//!
//! Invariants: one program per state directory; a cluster is either whole or absent (it is made
//! beside its place and renamed); fsync and synchronous_commit are on outside of tests; the server
//! ends when the program does, however that ends; nothing is ever downloaded.
//!
//! Absent on purpose: upgrades between major versions (the cluster's version pins the binaries),
//! access over TCP, passwords (the socket's directory is the wall).

mod account;
mod binaries;
mod cluster;
mod lock;
mod process;
mod running;
mod server;
mod socket;

pub use lock::{Holder, Lock};
pub use server::{Durability, Options, PrivateServer};
