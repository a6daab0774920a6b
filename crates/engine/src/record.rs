//! Records: what happened to a run, in order; the journal is made of them.
//!
//! A record is the durable form of an input that changed the state. Replaying the records of a run
//! through [`crate::state::RunState::apply`] gives exactly the state that wrote them.

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Item, Items, Problem, RunId, Value};
use node::{CallMode, Callee, Reply};
use serde::{Deserialize, Serialize};
use workflow::Labels;

use crate::door::{AnswerWhen, RunStatus};

/// Index of an activation in its run, in order of creation.
pub type ActivationId = u32;

/// Output or error of each effect, by the index of its item.
pub type Outcomes = Vec<(u32, Result<Vec<Item>, Problem>)>;

/// One thing that happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The run was let in; always the first record.
    Started(Box<Start>),
    /// An activation ended well.
    Finished {
        /// Which.
        activation: ActivationId,
        /// Items of each output port.
        outputs: Vec<Items>,
        /// When and how long.
        times: Times,
    },
    /// An activation did not run: these are the outputs it had in the run that this one repeats.
    TakenOver {
        /// Which.
        activation: ActivationId,
        /// Items of each output port.
        outputs: Vec<Items>,
    },
    /// An activation is about to run with other inputs than came to it.
    Edited {
        /// Which.
        activation: ActivationId,
        /// Items of each input port.
        inputs: Arc<[Items]>,
    },
    /// An activation failed for good: retries, if any, are used up.
    Failed {
        /// Which.
        activation: ActivationId,
        /// Why.
        problem: Problem,
        /// When and how long.
        times: Times,
    },
    /// An attempt failed and another one is due.
    Retrying {
        /// Which activation.
        activation: ActivationId,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        problem: Problem,
        /// When the next attempt begins.
        due: Timestamp,
    },
    /// Effects are about to be sent: after a crash they may have run.
    Intended {
        /// Which activation.
        activation: ActivationId,
        /// Which attempt, from 1.
        attempt: u32,
        /// The effects; a retry sends these same bytes.
        effects: Arc<[Effect]>,
    },
    /// What became of intended effects of a node that works item by item. (One that sees all items
    /// at once goes straight to `Finished` or `Failed`.)
    Performed {
        /// Which activation.
        activation: ActivationId,
        /// Output or error of each effect's item.
        outcomes: Outcomes,
        /// When and how long.
        times: Times,
    },
    /// An activation waits for a time.
    Waiting {
        /// Which activation.
        activation: ActivationId,
        /// Until when.
        due: Timestamp,
    },
    /// An activation calls other workflows and waits for them.
    Calling {
        /// Which activation.
        activation: ActivationId,
        /// Which workflow, for each run.
        workflow: Callee,
        /// How many runs.
        mode: CallMode,
        /// Ids of the runs, derived from the activation.
        children: Vec<RunId>,
        /// Whether their end is waited for.
        wait: bool,
    },
    /// A called run ended.
    Returned {
        /// The calling activation.
        activation: ActivationId,
        /// Index in `children`.
        child: u32,
        /// Items of its last node, or why it failed.
        result: Result<Items, Problem>,
    },
    /// The caller of the hook is answered; the activation ends with its input items.
    Replied {
        /// The respond node's activation.
        activation: ActivationId,
        /// The answer.
        reply: Reply,
        /// When and how long.
        times: Times,
    },
    /// An effect may have run before a crash and a person has to say.
    Asked {
        /// Which activation.
        activation: ActivationId,
    },
    /// A member read the run back from its journal and went on with it.
    Resumed {
        /// Microseconds since the start.
        at_us: u64,
    },
    /// The run is over.
    Ended {
        /// How.
        status: RunStatus,
        /// Why, unless it succeeded.
        problem: Option<Problem>,
        /// Microseconds since the start.
        at_us: u64,
    },
}

impl Record {
    /// The activation it is about.
    pub fn activation(&self) -> Option<ActivationId> {
        match self {
            Self::Finished { activation, .. }
            | Self::TakenOver { activation, .. }
            | Self::Edited { activation, .. }
            | Self::Failed { activation, .. }
            | Self::Retrying { activation, .. }
            | Self::Intended { activation, .. }
            | Self::Performed { activation, .. }
            | Self::Waiting { activation, .. }
            | Self::Calling { activation, .. }
            | Self::Returned { activation, .. }
            | Self::Replied { activation, .. }
            | Self::Asked { activation } => Some(*activation),
            Self::Started(_) | Self::Resumed { .. } | Self::Ended { .. } => None,
        }
    }
}

/// The first record of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Index of the trigger node.
    pub trigger: u32,
    /// What the trigger put out.
    pub items: Items,
    /// When the run was let in.
    #[serde(with = "micros")]
    pub at: Timestamp,
    /// Seed of the run's chance (jitter).
    pub seed: u64,
    /// See [`crate::StartRun::test`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub test: bool,
    /// See [`crate::StartRun::pins`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub pins: bool,
    /// When the caller is answered.
    pub answer: AnswerWhen,
    /// See [`crate::StartRun::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// See [`crate::StartRun::trace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The run that this one repeats, wholly or from a node on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RunId>,
    /// What the run is found by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The calling activation, for a run called by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// The activation that called a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The calling run.
    pub run: RunId,
    /// Its activation.
    pub activation: ActivationId,
    /// Index among the runs it called.
    pub child: u32,
    /// How deep calls are nested, from 1.
    pub depth: u32,
    /// Whether it waits for the run's end.
    pub wait: bool,
}

/// One effect about to happen: an item and the parameters it will be sent with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Index of the input item; 0 for nodes that see all items at once.
    pub item: u32,
    /// Parameters, expressions resolved.
    pub parameters: Value,
}

/// When an activation's last attempt began, in microseconds since the run's start, and how long it
/// took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Microseconds from the start of the run to the beginning of the attempt.
    #[serde(rename = "b")]
    pub began_us: u64,
    /// Microseconds it took.
    #[serde(rename = "t")]
    pub took_us: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

pub(crate) mod micros {
    //! Times as microseconds since 1970.

    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.as_microsecond())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_microsecond(i64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}
