//! An application of one's own on FlowForge: parcels that are added by an API call, announced by a
//! job, and weighed by a node in workflows.
//!
//!     cargo run --example parcels -- up
//!
//! is FlowForge with `POST /v1/parcels` and `GET /v1/parcels`, the node type `parcels.postage`, and a
//! table of its own.

pub(crate) mod announce;
pub(crate) mod parcels;
pub(crate) mod postage;
mod store;

use std::process::ExitCode;

use flowforge::{App, Migration};

/// The tables, in order. An application with many keeps each in a file and `include_str!`s it.
const MIGRATIONS: &[Migration] = &[Migration {
    number: flowforge::MIGRATIONS_FROM,
    name: "10000__parcels__create_parcels",
    text: "-- oldest-binary: 0.1.0
CREATE TABLE forge.parcels (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    receiver     text        NOT NULL,
    grams        integer     NOT NULL,
    announced_at timestamptz,
    CONSTRAINT parcels_pkey PRIMARY KEY (workspace_id, id)
);
SELECT forge.isolate('parcels');
",
}];

/// FlowForge with everything this application adds.
pub(crate) fn app() -> App {
    App::new()
        .functions(&[parcels::add_parcel::FUNCTION, parcels::list_parcels::FUNCTION])
        .nodes(&[postage::NODE])
        .jobs(&[announce::JOB])
        .migrations(MIGRATIONS)
}

/// The executable.
#[cfg_attr(test, expect(dead_code, reason = "the test starts the application by itself"))]
fn main() -> ExitCode {
    app().serve()
}
