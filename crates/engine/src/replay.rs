//! From the journal back to the state.

use std::sync::Arc;

use kernel::{Items, RunId};

use crate::plan::Plan;
use crate::record::{ActivationId, Record};
use crate::state::RunState;
use crate::wire;

/// Why a journal gives no state.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is nothing in it.
    #[error("the journal is empty")]
    Empty,
    /// It is not JSON.
    #[error("the journal is not JSON: {0}")]
    Json(#[from] kernel::json::JsonError),
    /// A record is of a kind or shape this version does not know.
    #[error(transparent)]
    Record(#[from] wire::WireError),
    /// Records are missing or belong to another run.
    #[error("record {0} does not follow from those before it")]
    Gap(u64),
}

/// Replays a run's journal: the texts of JSON arrays of records, in order.
pub fn replay<'a>(
    run: RunId,
    plan: &Arc<Plan>,
    bodies: impl IntoIterator<Item = &'a [u8]>,
) -> Result<RunState, ReplayError> {
    let mut state: Option<RunState> = None;
    for body in bodies {
        let kernel::Value::Array(records) = kernel::json::parse_own(body)?.value else {
            return Err(ReplayError::Gap(state.map_or(0, |state| state.position)));
        };
        for value in records {
            let record = wire::read(value, |id| inputs(state.as_ref(), id))?;
            match (&mut state, record) {
                (None, Record::Started(start)) => {
                    if start.trigger as usize >= plan.graph.nodes.len() {
                        return Err(ReplayError::Gap(0));
                    }
                    state = Some(RunState::new(run, Arc::clone(plan), *start));
                }
                (None, _) => return Err(ReplayError::Gap(0)),
                (Some(state), record) => {
                    let known = record
                        .activation()
                        .is_none_or(|id| (id as usize) < state.activations.len());
                    if !known {
                        return Err(ReplayError::Gap(state.position));
                    }
                    state.apply(record);
                }
            }
        }
        if let Some(state) = &mut state {
            state.bytes += body.len();
        }
    }
    state.ok_or(ReplayError::Empty)
}

fn inputs(state: Option<&RunState>, id: ActivationId) -> Arc<[Items]> {
    let activation = state.and_then(|state| state.activations.get(id as usize));
    activation.map(|activation| Arc::clone(&activation.inputs)).unwrap_or_default()
}
