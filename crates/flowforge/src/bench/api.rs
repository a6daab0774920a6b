//! The workload of the API: one simple query, or one simple mutation, on a workflow of the
//! connection's own; and what a call costs before any of its code runs.

use std::sync::Arc;
use std::time::Duration;

use function::{
    ActionContext, Caller, Host, Permission, Problem, Request, Scopes, Services, action,
};
use identity::Authenticator;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, Value};
use reqwest::Method;

use super::load::Load;
use crate::cli::ApiClass;
use crate::client::Client;
use crate::config::Config;
use crate::keys;
use crate::system::System;

/// Calls of which one is timed: each is far shorter than the clock is exact.
const CALLS: u32 = 20_000;

/// What a call costs besides its own code, in microseconds.
pub(super) struct Overhead {
    /// Checking a key that was seen before.
    pub(super) authenticate_us: f64,
    /// From the caller to a function that does nothing and back.
    pub(super) call_us: f64,
}

/// A workflow of a few nodes, one for each connection.
fn document(number: usize) -> String {
    format!(
        "format: 1\nname: bench-{number}\nnodes:\n  \
         - {{ name: Start, type: core.manual }}\n  \
         - {{ name: Shape, type: core.set, parameters: {{ mode: fields, fields: [ \
         {{ name: total, type: number, value: '={{{{ $json.price * 2 }}}}' }} ] }} }}\n  \
         - {{ name: End, type: core.no_op }}\nconnections: [ Start -> Shape, Shape -> End ]\n"
    )
}

/// Saves a workflow for each connection and gives the load.
///
/// # Errors
/// Those of the API.
pub(super) async fn prepare(
    config: &Config,
    system: &System,
    class: ApiClass,
    connections: usize,
    seconds: u64,
) -> Result<Load, Problem> {
    let key = keys::find(&config.data_dir);
    let client = Client::new(&system.address().to_string(), key.clone())?;
    for number in 0..connections {
        let body = Some(("application/yaml", document(number).into_bytes()));
        client.call(Method::POST, "/v1/workflows", body).await?.value()?;
    }
    let (method, path, body) = match class {
        ApiClass::Query => ("GET", "/v1/workflows/bench-{n}", String::new()),
        ApiClass::Mutation => {
            let saved = client.get("/v1/workflows/bench-0").await?;
            let saved = saved.get("document").map(Value::to_string).unwrap_or_default();
            ("PUT", "/v1/workflows/bench-{n}", saved.replace("bench-0", "bench-{n}"))
        }
    };
    Ok(Load {
        address: system.address(),
        method: method.to_owned(),
        path: path.to_owned(),
        body,
        connections,
        measure_ms: seconds * 1000,
        warm_up_ms: seconds * 200,
        every_ms: 0,
        key: key.map(|key| key.expose().clone()),
    })
}

/// Does nothing.
#[action(POST "/v1/bench/nothing", permission = NOTHING)]
async fn do_nothing(_cx: &ActionContext) -> Result<(), Problem> {
    Ok(())
}

const NOTHING: Permission = Permission("bench.nothing");

/// Times what every call pays.
///
/// # Errors
/// Those of the key.
pub(super) async fn overhead(config: &Config, system: &System) -> Result<Overhead, Problem> {
    let key = keys::find(&config.data_dir).ok_or_else(Problem::internal)?;
    let (clock, dice) = (Arc::new(SystemClock), Arc::new(SystemDice));
    let database = system.database();
    let authenticator = Authenticator::new(database.clone(), clock.clone());
    let caller = authenticator.authenticate(key.expose()).await?;
    let begun = SystemClock.monotonic();
    for _ in 0..CALLS {
        authenticator.authenticate(key.expose()).await?;
    }
    let authenticate_us = each_us(begun);
    let host = Host::new(database.clone(), Services::default(), clock, dice);
    let caller = Caller { scopes: Scopes::new(["*".to_owned()]), ..caller };
    let request = Request::default();
    let begun = SystemClock.monotonic();
    for _ in 0..CALLS {
        host.call(&FUNCTION, &caller, &request).await?;
    }
    Ok(Overhead { authenticate_us, call_us: each_us(begun) })
}

fn each_us(begun: Duration) -> f64 {
    (SystemClock.monotonic() - begun).as_secs_f64() * 1e6 / f64::from(CALLS)
}
