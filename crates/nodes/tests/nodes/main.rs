//! The node types, run as the engine runs them.

mod conditions;
mod conformance;
mod contract;
mod data;
mod examples;
mod flow;
mod support;
mod webhook;
