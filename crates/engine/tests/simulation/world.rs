//! A world around `decide`: it runs actions, makes the journal durable, delays, repeats, reorders
//! and crashes, all from a seed, and watches that nothing promised is broken.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::decide::{Action, Bounds, Decision, Input, decide};
use engine::outcome;
use engine::record::{ActivationId, Effect, Record, Start, Times};
use engine::replay::replay;
use engine::state::{Activation, Phase, RunState};
use engine::{AnswerWhen, RunStatus, wire};
use jiff::Timestamp;
use kernel::item::ItemSource;
use kernel::{Item, Items, Object, Pairing, Problem, RunId, Value, codes};
use node::{CallMode, Directive, NodeError, Reply};
use uuid::Uuid;
use workflow::Labels;

use crate::chance::Chance;
use crate::graphs::{Kind, Simulated};

/// A rule of the engine that a variant breaks, to see that the simulation notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nothing is broken.
    Nothing,
    /// Effects are sent before their intent is durable.
    EffectsBeforeIntent,
    /// The caller is answered before the answer is durable.
    AnswerBeforeCommit,
    /// A flush that failed is taken for done.
    LostFlush,
    /// A repeated call numbers only the runs it repeats.
    CallsNumberedAnew,
}

/// How rough the world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) crashes: usize,
    pub(crate) repeats: bool,
    /// Whether the run is cancelled or its time is up at some moment.
    pub(crate) stops: bool,
    pub(crate) broken: Broken,
}

/// What came of a run.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: RunStatus,
    /// Values each node has put out, by node and port, sorted. Empty for a run that failed: which
    /// branches had come how far by then is a matter of chance.
    pub(crate) outputs: BTreeMap<(u32, usize), Vec<u64>>,
}

/// A called run: who told it to begin, and what it gives.
#[derive(Clone, Debug)]
struct Child {
    activation: ActivationId,
    index: u32,
    result: Result<Items, Problem>,
}

/// An effect's identity: node, path, ordinal, item.
type EffectKey = (u32, u32, u32, u32);

pub(crate) struct World<'a> {
    simulated: &'a Simulated,
    weather: Weather,
    chance: Chance,
    now: Timestamp,
    start: Start,
    state: RunState,
    /// Flush bodies the database has.
    durable: Vec<Vec<u8>>,
    durable_position: u64,
    in_flight: Option<(Vec<u8>, u64)>,
    held: Vec<Action>,
    tasks: Vec<Action>,
    reply_after: Option<u64>,
    answered: bool,
    ended: bool,
    sent: HashMap<EffectKey, u32>,
    /// Called runs the database has: they outlive the process.
    children: HashMap<RunId, Child>,
    /// What is on its way back from them.
    returns: Vec<Input>,
    /// How many items each calling activation had.
    called: HashMap<ActivationId, usize>,
    crashes: usize,
}

const STEPS_MAX: usize = 20_000;

/// Runs a workflow to its end; an error is a broken promise.
pub(crate) fn run(simulated: &Simulated, seed: u64, weather: Weather) -> Result<Outcome, String> {
    let mut world = World::new(simulated, seed, weather);
    world.feed(Input::Begin);
    for _ in 0..STEPS_MAX {
        if world.ended && world.in_flight.is_none() {
            return world.judge();
        }
        world.step()?;
    }
    let phases: Vec<_> = world.state.activations.iter().map(|one| (one.node, &one.phase)).collect();
    let (status, tasks, held) = (world.state.shown_status(), &world.tasks, &world.held);
    Err(format!("{status:?} after {STEPS_MAX} steps: {phases:?}, tasks {tasks:?}, held {held:?}"))
}

impl<'a> World<'a> {
    fn new(simulated: &'a Simulated, seed: u64, weather: Weather) -> Self {
        let items = (0..3).map(|value| item(value, 0)).collect();
        let now = Timestamp::from_second(1_800_000_000).expect("a time in 2027");
        let start = Start {
            trigger: 0,
            items: Arc::new(items),
            at: now,
            seed: 7,
            test: false,
            pins: false,
            answer: AnswerWhen::Replied,
            key: None,
            trace: None,
            labels: Labels::default(),
            origin: None,
            parent: None,
        };
        let mut world = Self {
            simulated,
            weather,
            chance: Chance::new(seed ^ 0x5eed),
            now,
            state: fresh(simulated, &start),
            start,
            durable: Vec::new(),
            durable_position: 0,
            in_flight: None,
            held: Vec::new(),
            tasks: Vec::new(),
            reply_after: None,
            answered: false,
            ended: false,
            sent: HashMap::new(),
            children: HashMap::new(),
            returns: Vec::new(),
            called: HashMap::new(),
            crashes: 0,
        };
        world.write_start();
        world
    }

    fn write_start(&mut self) {
        let record = Record::Started(Box::new(self.start.clone()));
        wire::write(&record, &[], &mut self.state.journal);
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += jiff::SignedDuration::from_millis(20);
        self.answer_questions();
        self.nap()?;
        if self.weather.stops && self.chance.one_in(40) {
            let input = if self.chance.one_in(2) { Input::Cancel } else { Input::TimedOut };
            self.feed(input);
        }
        let may_crash = self.crashes < self.weather.crashes;
        match self.chance.below(10) {
            0 if may_crash && self.chance.one_in(3) => return self.crash(),
            0..=2 => self.begin_flush(),
            3..=5 => self.end_flush(),
            _ if !self.returns.is_empty() && self.chance.one_in(2) => self.hear(),
            _ if self.tasks.is_empty() => {
                self.begin_flush();
                self.end_flush();
            }
            _ => return self.work(),
        }
        Ok(())
    }

    /// A person says that what may have run shall be done again.
    fn answer_questions(&mut self) {
        for id in 0..self.state.activations.len() {
            if self.state.activations[id].phase == Phase::Asked && self.chance.one_in(3) {
                let activation = id as ActivationId;
                self.feed(Input::Answered { activation, decision: Decision::Retry });
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        decide(&mut self.state, input, self.now, Bounds::default(), &mut actions);
        for action in actions {
            match action {
                Action::Perform { .. } | Action::Call { .. }
                    if self.weather.broken != Broken::EffectsBeforeIntent =>
                {
                    self.held.push(action);
                }
                Action::Reply { after } => {
                    self.reply_after.get_or_insert(after);
                }
                Action::End => {}
                action => self.tasks.push(action),
            }
        }
        self.release();
        if self.weather.broken == Broken::AnswerBeforeCommit && self.reply_after.is_some() {
            self.answered = true;
        }
    }

    fn begin_flush(&mut self) {
        if self.in_flight.is_none() && !self.state.journal.is_empty() {
            let body = std::mem::take(&mut self.state.journal);
            self.in_flight = Some((body, self.state.position));
        }
    }

    fn end_flush(&mut self) {
        let Some((body, position)) = self.in_flight.take() else { return };
        if self.weather.broken == Broken::LostFlush && self.chance.one_in(4) {
            // The statement failed and nobody looked.
        } else {
            self.durable.push(body);
        }
        self.durable_position = position;
        self.release();
    }

    fn release(&mut self) {
        let durable = self.durable_position;
        let after = |action: &Action| match action {
            Action::Perform { after, .. } | Action::Call { after, .. } => *after,
            _ => 0,
        };
        let (due, held) = self.held.drain(..).partition(|action| after(action) <= durable);
        self.held = held;
        self.tasks.extend::<Vec<_>>(due);
        if self.reply_after.is_some_and(|after| after <= durable) {
            self.answered = true;
        }
        self.ended = self.state.status.is_final() && durable >= self.state.position;
    }

    /// The process dies. What was on its way may or may not have arrived.
    fn crash(&mut self) -> Result<(), String> {
        self.crashes += 1;
        if self.weather.broken == Broken::Nothing {
            self.compare()?;
        }
        if let Some((body, _)) = self.in_flight.take()
            && self.chance.one_in(2)
        {
            self.durable.push(body);
        }
        self.tasks.clear();
        self.held.clear();
        self.returns.clear();
        self.reply_after = None;
        if self.durable.is_empty() {
            if self.answered {
                return Err("an answered run was lost".to_owned());
            }
            // Never acknowledged: its caller asks again.
            self.state = fresh(self.simulated, &self.start);
            self.durable_position = 0;
            self.write_start();
            self.feed(Input::Begin);
            return Ok(());
        }
        self.state = self.replay()?;
        self.durable_position = self.state.position;
        if self.answered && self.state.reply.is_none() && !self.state.status.is_final() {
            return Err("the answer that was given is not in the journal".to_owned());
        }
        self.feed(Input::Resume);
        self.ended = self.state.status.is_final();
        Ok(())
    }

    /// A run that only sleeps leaves the memory, now and then, and is read back.
    fn nap(&mut self) -> Result<(), String> {
        let rests = self.state.only_waits()
            && self.state.journal.is_empty()
            && self.in_flight.is_none()
            && self.held.is_empty()
            && self.returns.is_empty();
        if !(rests && self.weather.repeats && self.chance.one_in(3)) {
            return Ok(());
        }
        self.tasks.clear();
        self.state = self.replay()?;
        if !self.state.only_waits() {
            return Err("a run that only slept does something else when it is read back".to_owned());
        }
        self.feed(Input::Woken);
        Ok(())
    }

    fn replay(&self) -> Result<RunState, String> {
        let bodies: Vec<_> =
            self.durable.iter().map(|body| [b"[", body.as_slice(), b"]"].concat()).collect();
        let bodies = bodies.iter().map(Vec::as_slice);
        replay(RUN, &self.simulated.plan, bodies).map_err(|error| error.to_string())
    }

    /// What was recorded up to now says the same as what was lived.
    fn compare(&self) -> Result<(), String> {
        let unwritten = self.in_flight.iter().map(|(body, _)| body).chain([&self.state.journal]);
        let bodies: Vec<_> = self
            .durable
            .iter()
            .chain(unwritten)
            .map(|body| [b"[", body.as_slice(), b"]"].concat())
            .collect();
        let recalled = replay(RUN, &self.simulated.plan, bodies.iter().map(Vec::as_slice))
            .map_err(|error| error.to_string())?;
        let same = |(lived, recalled): (&Activation, &Activation)| {
            // That something was begun is not recorded.
            let phase = match (&lived.phase, &recalled.phase) {
                (Phase::Running, Phase::Ready | Phase::Asked) => true,
                (Phase::Running, Phase::Waiting { retry, .. }) => *retry,
                (lived, recalled) => lived == recalled,
            };
            phase
                && (lived.node, lived.path, lived.ordinal, lived.attempt)
                    == (recalled.node, recalled.path, recalled.ordinal, recalled.attempt)
                && (&lived.inputs, &lived.done) == (&recalled.inputs, &recalled.done)
                && (&lived.problem, lived.run_index) == (&recalled.problem, recalled.run_index)
        };
        let (mine, theirs) = (&self.state.activations, &recalled.activations);
        if mine.len() != theirs.len() || !mine.iter().zip(theirs).all(same) {
            return Err(format!("lived: {mine:?}\nrecalled: {theirs:?}"));
        }
        let unbegun = |id: &&ActivationId| self.state.ready.contains(*id);
        if !recalled.ready.iter().filter(unbegun).eq(&self.state.ready)
            || recalled.position != self.state.position
        {
            return Err(format!("ready: {:?}, recalled {:?}", self.state.ready, recalled.ready));
        }
        Ok(())
    }

    /// Does one of the things that are to be done, any of them; sometimes twice.
    fn work(&mut self) -> Result<(), String> {
        let index = self.chance.below(self.tasks.len());
        let task = self.tasks.swap_remove(index);
        let again = self.weather.repeats && self.chance.one_in(8);
        match task {
            Action::Execute { activation } => {
                let inputs = &self.state.activations[activation as usize].inputs;
                if let Some(items) = inputs.first() {
                    self.called.insert(activation, items.len());
                }
                let input = self.execute(activation);
                if let (Some(input), true) = (&input, again) {
                    self.feed(input.clone());
                }
                if let Some(input) = input {
                    self.feed(input);
                }
            }
            Action::Perform { activation, effects, .. } => {
                let input = self.perform(activation, &effects)?;
                if let (Some(input), true) = (&input, again) {
                    self.feed(input.clone());
                }
                if let Some(input) = input {
                    self.feed(input);
                }
            }
            Action::Wake { activation, due } if due <= self.now => {
                self.feed(Input::Due { activation });
            }
            later @ Action::Wake { .. } => self.tasks.push(later),
            Action::Call { activation, children, wait, .. } => {
                self.call(activation, children, wait)?;
            }
            Action::Reply { .. } | Action::End => {}
        }
        Ok(())
    }

    /// Starts what has not been started; what has ended or only had to begin tells its caller.
    fn call(
        &mut self,
        activation: ActivationId,
        children: Vec<(u32, RunId, Items)>,
        wait: bool,
    ) -> Result<(), String> {
        let recalled = self.replay().ok();
        let known = recalled.as_ref().and_then(|state| state.activations.get(activation as usize));
        if !known.is_some_and(|one| matches!(one.phase, Phase::Calling { .. })) {
            return Err(format!("activation {activation} called before that was durable"));
        }
        let node = self.state.activations[activation as usize].node;
        for (at, (index, run, items)) in (0..).zip(children) {
            let anew = self.weather.broken == Broken::CallsNumberedAnew;
            let index = if anew { at } else { index };
            let values: Vec<_> = items.iter().map(value).collect();
            let result = match values.iter().any(|value| mix(*value, node).is_multiple_of(16)) {
                true => Err(Problem::new(codes::RUN_LIMIT, "the called run failed")),
                false => Ok(Arc::new(values.iter().map(|v| item(mix(*v, node), 0)).collect())),
            };
            let child = Child { activation, index, result };
            let child = self.children.entry(run).or_insert(child).clone();
            if (child.activation, child.index) != (activation, index) {
                return Err(format!("run {run} of call {index} was begun as {}", child.index));
            }
            let result = if wait { child.result } else { Ok(Items::default()) };
            let input = Input::Returned { activation, child: index, result };
            if self.weather.repeats && self.chance.one_in(8) {
                self.returns.push(input.clone());
            }
            self.returns.push(input);
        }
        Ok(())
    }

    fn hear(&mut self) {
        let index = self.chance.below(self.returns.len());
        let input = self.returns.swap_remove(index);
        self.feed(input);
    }

    fn execute(&self, activation: ActivationId) -> Option<Input> {
        let one = &self.state.activations[activation as usize];
        if one.phase.is_final() {
            return None;
        }
        let times = Times::default();
        let node = &self.state.plan.graph.nodes[one.node as usize];
        let done = |outputs: Vec<Vec<Item>>| {
            let outputs = outputs.into_iter().map(Arc::new).collect();
            let outputs = outcome::complete(node, &one.inputs, outputs);
            Input::Finished { activation, outputs, times }
        };
        let items = one.inputs.first().map_or(&[][..], |items| items.as_slice());
        Some(match self.simulated.kinds[one.node as usize] {
            Kind::Trigger | Kind::Pure => {
                let change = |(at, old): (usize, &Item)| {
                    item(mix(value(old), one.node), counter(old)).paired(at)
                };
                done(vec![items.iter().enumerate().map(change).collect()])
            }
            Kind::Branch => {
                let mut ports = vec![Vec::new(), Vec::new()];
                for (at, old) in items.iter().enumerate() {
                    let port = (mix(value(old), one.node) % 2) as usize;
                    ports[port].push(old.clone().paired(at));
                }
                done(ports)
            }
            Kind::Join => {
                let all = one.inputs.iter().enumerate().flat_map(|(input, items)| {
                    items.iter().enumerate().map(move |(at, old)| {
                        let source = ItemSource { item: at as u32, input: input as u32 };
                        Item { pairing: Pairing::One(source), ..old.clone() }
                    })
                });
                done(vec![all.collect()])
            }
            Kind::Loop => {
                let turns = items.first().map_or(0, counter) + 1;
                let turned = |(at, old): (usize, &Item)| item(value(old), turns).paired(at);
                let items: Vec<_> = items.iter().enumerate().map(turned).collect();
                done(if turns < 3 { vec![items, Vec::new()] } else { vec![Vec::new(), items] })
            }
            Kind::Wait => {
                let directive = Directive::Wait(std::time::Duration::from_millis(200));
                Input::Steered { activation, directive, times }
            }
            Kind::Respond => {
                let directive = Directive::Respond(Reply::json(Value::Null));
                Input::Steered { activation, directive, times }
            }
            Kind::Call { wait } => {
                let workflow = "called".into();
                let directive = Directive::Call { workflow, mode: CallMode::EachItem, wait };
                Input::Steered { activation, directive, times }
            }
            Kind::External => {
                let open = self.state.open_items(activation);
                let effect = |item: &u32| Effect { item: *item, parameters: Value::Null };
                let effects = open.iter().take(2).map(effect).collect();
                Input::Intend { activation, effects }
            }
        })
    }

    /// Sends effects, having looked whether they may be sent.
    fn perform(
        &mut self,
        activation: ActivationId,
        effects: &[Effect],
    ) -> Result<Option<Input>, String> {
        let one = &self.state.activations[activation as usize];
        if one.phase.is_final() {
            return Ok(None);
        }
        let (node, path, ordinal, attempt) = (one.node, one.path, one.ordinal, one.attempt);
        let recalled = self.replay().ok();
        let intended =
            recalled.as_ref().and_then(|state| state.activations.get(activation as usize));
        if intended.and_then(|one| one.intended.as_deref()) != Some(effects) {
            return Err(format!("an effect of node {node} was sent before its intent was durable"));
        }
        let mut outcomes = Vec::new();
        for effect in effects {
            *self.sent.entry((node, path, ordinal, effect.item)).or_default() += 1;
            let old = &one.inputs[0][effect.item as usize];
            let fate = mix(value(old) ^ u64::from(attempt) << 40, node) % 6;
            outcomes.push((
                effect.item,
                match fate {
                    0 => Err(NodeError::retry(codes::HTTP_FAILED, "later")),
                    1 if attempt == 1 => Err(NodeError::retry(codes::HTTP_TIMEOUT, "slow")),
                    _ => Ok(vec![item(mix(value(old), node), counter(old))]),
                },
            ));
        }
        Ok(Some(Input::Performed { activation, attempt, outcomes, times: Times::default() }))
    }

    /// At the end: what was promised has been kept.
    fn judge(&self) -> Result<Outcome, String> {
        let replayed = self.replay()?;
        if replayed.status != self.state.status || !replayed.status.is_final() {
            return Err(format!(
                "memory says {:?}, journal {:?}",
                self.state.status, replayed.status
            ));
        }
        if self.answered && replayed.reply.is_none() && self.start.answer == AnswerWhen::Replied {
            return Err("the answer that was given is not in the journal".to_owned());
        }
        for (at, one) in replayed.activations.iter().enumerate() {
            let memory =
                self.state.activations.get(at).map(|one| (one.node, one.ordinal, &one.phase));
            if memory != Some((one.node, one.ordinal, &one.phase)) {
                return Err(format!("activation {at} differs between memory and journal"));
            }
        }
        for (key, times) in &self.sent {
            // Three attempts, and one more for each crash that left an intent without a result.
            if *times as usize > 3 + self.crashes {
                return Err(format!("effect {key:?} was sent {times} times"));
            }
        }
        for (at, one) in replayed.activations.iter().enumerate() {
            let called = self.children.values().filter(|child| child.activation == at as u32);
            let Kind::Call { .. } = self.simulated.kinds[one.node as usize] else { continue };
            let (called, items) = (called.count(), self.called.get(&(at as u32)).copied());
            if one.phase == Phase::Succeeded && called != items.unwrap_or(0) {
                return Err(format!("call {at} succeeded with {called} runs for {items:?} items"));
            }
        }
        Ok(outcome_of(&replayed))
    }
}

fn outcome_of(state: &RunState) -> Outcome {
    let mut outputs = BTreeMap::new();
    if state.status != RunStatus::Succeeded {
        return Outcome { status: state.status, outputs };
    }
    for (node, data) in state.data.nodes.iter().enumerate() {
        for run in &data.runs {
            for (port, items) in run.outputs.iter().enumerate() {
                let values: &mut Vec<u64> = outputs.entry((node as u32, port)).or_default();
                values.extend(items.iter().map(value));
            }
        }
    }
    outputs.values_mut().for_each(|values| values.sort_unstable());
    Outcome { status: state.status, outputs }
}

fn fresh(simulated: &Simulated, start: &Start) -> RunState {
    RunState::new(RUN, Arc::clone(&simulated.plan), start.clone())
}

const RUN: RunId = RunId(Uuid::from_u128(1));

fn item(value: u64, counter: u64) -> Item {
    let mut json = Object::new();
    json.insert("v".to_owned(), Value::from(value));
    json.insert("n".to_owned(), Value::from(counter));
    Item::new(json)
}

fn value(item: &Item) -> u64 {
    item.json.get("v").and_then(Value::as_u64).unwrap_or(u64::MAX)
}

fn counter(item: &Item) -> u64 {
    item.json.get("n").and_then(Value::as_u64).unwrap_or(0)
}

fn mix(value: u64, node: u32) -> u64 {
    Chance::new(value.wrapping_mul(31).wrapping_add(u64::from(node))).next() >> 12
}
