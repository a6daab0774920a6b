//! The engine: how runs are executed, recorded and survive.

pub mod flusher;
