//! What `decide` takes: something that happened to a run.

use std::sync::Arc;

use kernel::{Item, Items, Problem};
use node::{Directive, NodeError};

use crate::record::{ActivationId, Effect, Times};
use crate::state::{Phase, RunState};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The run was just let in; [`RunState::new`] has applied its first record.
    Begin,
    /// The run was read back from its journal.
    Resume,
    /// The run was read back although nothing had happened to it: it had been parked.
    Woken,
    /// An activation's node has given its outputs.
    Finished {
        /// Which.
        activation: ActivationId,
        /// Items of each port, paired and complete.
        outputs: Vec<Items>,
        /// When and how long.
        times: Times,
    },
    /// An activation's attempt failed.
    Failed {
        /// Which.
        activation: ActivationId,
        /// Which attempt.
        attempt: u32,
        /// Why.
        error: NodeError,
        /// When and how long.
        times: Times,
    },
    /// An activation is about to change the outside.
    Intend {
        /// Which.
        activation: ActivationId,
        /// What it will send.
        effects: Arc<[Effect]>,
    },
    /// Intended effects were sent.
    Performed {
        /// Which activation.
        activation: ActivationId,
        /// Which attempt.
        attempt: u32,
        /// What became of each item.
        outcomes: Vec<(u32, Result<Vec<Item>, NodeError>)>,
        /// When and how long.
        times: Times,
    },
    /// A node asks for something.
    Steered {
        /// Its activation.
        activation: ActivationId,
        /// What.
        directive: Directive,
        /// When and how long.
        times: Times,
    },
    /// The time an activation waited for has come.
    Due {
        /// Which.
        activation: ActivationId,
    },
    /// A called run ended.
    Returned {
        /// The calling activation.
        activation: ActivationId,
        /// Index among the runs it called.
        child: u32,
        /// What it gave.
        result: Result<Items, Problem>,
    },
    /// A person said what became of an effect that may have run.
    Answered {
        /// The activation that asked.
        activation: ActivationId,
        /// What to do.
        decision: Decision,
    },
    /// Somebody wants the run to end.
    Cancel,
    /// The run's time is up.
    TimedOut,
    /// The run must not go on.
    Abort {
        /// Why.
        problem: Problem,
    },
}

/// What a person may say of an effect that may have run.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Do it (again).
    Retry,
    /// It has happened: go on with the input items.
    Done,
    /// Fail the activation.
    Fail,
}

impl Input {
    /// The activation it is about.
    pub(crate) fn activation(&self) -> Option<ActivationId> {
        match self {
            Self::Finished { activation, .. }
            | Self::Failed { activation, .. }
            | Self::Intend { activation, .. }
            | Self::Performed { activation, .. }
            | Self::Steered { activation, .. }
            | Self::Due { activation }
            | Self::Returned { activation, .. }
            | Self::Answered { activation, .. } => Some(*activation),
            Self::Begin
            | Self::Resume
            | Self::Woken
            | Self::Cancel
            | Self::TimedOut
            | Self::Abort { .. } => None,
        }
    }
}

/// Whether an input is about something that is over: a result may come twice or too late.
pub(crate) fn is_stale(state: &RunState, input: &Input) -> bool {
    let Some(activation) = input.activation() else { return false };
    let one = &state.activations[activation as usize];
    let running = one.phase == Phase::Running;
    match input {
        Input::Finished { .. } | Input::Steered { .. } => !running,
        Input::Intend { .. } => !running || one.intended.is_some(),
        Input::Failed { attempt, .. } => !running || *attempt != one.attempt,
        Input::Performed { attempt, outcomes, .. } => {
            let sent = one.intended.iter().flat_map(|effects| effects.iter());
            let open =
                one.intended.is_none() && outcomes.iter().all(|(_, outcome)| outcome.is_err());
            let known = sent.map(|effect| effect.item).eq(outcomes.iter().map(|(item, _)| *item));
            !running || *attempt != one.attempt || !(known || open)
        }
        Input::Due { .. } | Input::Returned { .. } | Input::Answered { .. } => one.phase.is_final(),
        Input::Begin
        | Input::Resume
        | Input::Woken
        | Input::Cancel
        | Input::TimedOut
        | Input::Abort { .. } => false,
    }
}
