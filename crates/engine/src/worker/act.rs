//! Doing what follows: nodes' work now, later or elsewhere; timers; effects.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use expr::{Execution, Scope};
use jiff::{SignedDuration, Timestamp};
use kernel::RunId;
use node::NodeContext;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Worker;
use crate::actor::{self, Work};
use crate::calls;
use crate::cell::Cell;
use crate::command::Command;
use crate::decide::{Action, Input};
use crate::engine::Shared;
use crate::record::{ActivationId, Effect, Times};
use crate::timers::Timer;

/// How soon a lapsed lease is looked at again.
const LEASE_LOOK: SignedDuration = SignedDuration::from_millis(200);

/// What the effects of a window may take together beyond the limit of each.
const EFFECT_GRACE: Duration = Duration::from_secs(1);

impl Worker {
    pub(super) fn act(&mut self, run: RunId, action: Action, inputs: &mut VecDeque<Input>) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        match action {
            Action::Execute { activation } => {
                let work = work(&self.shared, cell, activation, false);
                let slow = work.size() > self.shared.settings.slow_from_items
                    && work.graph.nodes[work.node].prepared.about().effect
                        == node::EffectClass::Pure;
                let (attempt, limit) = (work.attempt, work.cx.timeout);
                let times = Times { began_us: work.began_us, took_us: limit.as_micros() as u64 };
                let future = Box::pin(actor::execute(work));
                let expired = actor::timed_out(activation, attempt, limit, times);
                let cancel = cell.cancel.clone();
                let pending = Pending { limit, expired, cancel, sending: None };
                if slow {
                    let task = self.shared.slow.spawn(future);
                    let future = Box::pin(async move {
                        task.await
                            .unwrap_or_else(|_| actor::timed_out(activation, attempt, limit, times))
                    });
                    self.await_later(run, future, pending);
                } else if let Some(input) = self.try_now(run, future, pending) {
                    inputs.push_back(input);
                }
            }
            Action::Wake { activation, due } => {
                self.timers.add(due, run, Timer::Due(activation));
            }
            Action::Reply { after } => cell.reply_after = cell.reply_after.or(Some(after)),
            Action::End => cell.cancel.cancel(),
            Action::Perform { after, .. } | Action::Call { after, .. } if after > cell.durable => {
                cell.held.push(action);
            }
            // A member whose lease has lapsed starts nothing that others would do again.
            Action::Perform { .. } if !self.shared.may_start_effects() => {
                cell.held.push(action);
                let soon = self.shared.clock.now().saturating_add(LEASE_LOOK);
                self.timers.add(soon.unwrap_or(Timestamp::MAX), run, Timer::Lease);
            }
            Action::Perform { activation, effects, .. } => {
                inputs.extend(self.perform(run, activation, effects));
            }
            Action::Call { activation, workflow, children, wait, .. } => {
                let call = calls::Call { run, activation, workflow, children, wait };
                calls::begin(&self.shared, cell, call, self.commands.clone());
            }
        }
    }

    /// Polls once: most nodes give their result at once and need no task.
    fn try_now(
        &self,
        run: RunId,
        mut future: Pin<Box<dyn Future<Output = Input> + Send>>,
        pending: Pending,
    ) -> Option<Input> {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(input) => Some(input),
            Poll::Pending => {
                self.await_later(run, future, pending);
                None
            }
        }
    }

    fn await_later(
        &self,
        run: RunId,
        future: Pin<Box<dyn Future<Output = Input> + Send>>,
        pending: Pending,
    ) {
        let commands = self.commands.clone();
        let Pending { limit, expired, cancel, sending } = pending;
        tokio::task::spawn_local(async move {
            let input = tokio::select! {
                () = cancel.cancelled() => return,
                result = tokio::time::timeout(limit, future) => result.unwrap_or(expired),
            };
            let _ = commands.send(Command::Input(run, input));
            drop(sending);
        });
    }

    fn perform(
        &mut self,
        run: RunId,
        activation: ActivationId,
        effects: Arc<[Effect]>,
    ) -> Option<Input> {
        let cell = self.cells.get_mut(&run)?;
        if cell.state.activations[activation as usize].phase.is_final() {
            return None;
        }
        let work = work(&self.shared, cell, activation, true);
        // Each effect has its own limit; this one is for a node that does not keep to it.
        let (attempt, limit) = (work.attempt, work.cx.timeout + EFFECT_GRACE);
        let times = Times { began_us: work.began_us, took_us: limit.as_micros() as u64 };
        let expired = actor::timed_out(activation, attempt, limit, times);
        let future = Box::pin(actor::perform(work, effects));
        let sending = Some(self.shared.effects.token());
        let pending = Pending { limit, expired, cancel: cell.cancel.clone(), sending };
        self.try_now(run, future, pending)
    }
}

/// What holds for work whose result is waited for.
struct Pending {
    limit: Duration,
    /// The result when the time is up.
    expired: Input,
    cancel: CancellationToken,
    /// Of effects: a stop waits until their result is on its way to the run.
    sending: Option<TaskTrackerToken>,
}

/// An activation as an actor needs it.
fn work(shared: &Shared, cell: &Cell, id: ActivationId, effect: bool) -> Work {
    let state = &cell.state;
    let activation = &state.activations[id as usize];
    let graph = &state.plan.graph;
    let node = &graph.nodes[activation.node as usize];
    let inputs = Arc::clone(&activation.inputs);
    let open = state.open_items(id);
    let idempotency_key = if effect {
        format!("{}:{}:{}:{}", state.run, activation.node, activation.path, activation.ordinal)
    } else {
        String::new()
    };
    let place = u64::from(activation.path) << 32 | u64::from(activation.ordinal);
    let crumb = shared.breadcrumbs.enter(state.run, activation.node, place, activation.attempt);
    let began = shared.clock.monotonic();
    let now = shared.clock.now();
    Work {
        graph: Arc::clone(graph),
        node: activation.node as usize,
        activation: id,
        open,
        attempt: activation.attempt,
        may_retry: node.retry.is_some_and(|retry| activation.attempt < retry.max_attempts),
        pins: state.start.pins,
        items_max: shared.settings.items_per_output_max,
        window: shared.settings.effects_at_once,
        cx: NodeContext {
            scope: Scope {
                workspace: graph.workspace,
                workflow: Arc::clone(&graph.workflow),
                execution: Execution { id: state.run, test: state.start.test },
                now,
                node: activation.node as usize,
                run_index: activation.ordinal,
                inputs: Arc::clone(&inputs),
                sources: Arc::clone(&activation.sources),
                data: Arc::clone(&state.data),
            },
            services: Arc::clone(&shared.services),
            idempotency_key,
            trace: state.start.trace.as_deref().map(Arc::from),
            cancel: cell.cancel.clone(),
            timeout: node.timeout.unwrap_or(shared.settings.node_timeout),
            only: None,
        },
        inputs,
        _crumb: crumb,
        began_us: began.saturating_sub(cell.began).as_micros() as u64,
        began,
    }
}
