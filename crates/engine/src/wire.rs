//! How records are written: a JSON array, one element a record, with short keys.
//!
//! An output item that is an input item passed on is written as `[item]` or `[item,input]`
//! instead of being repeated; whoever reads it back must know the activation's
//! inputs, which replay does. Old readers refuse a record they do not know; new readers read all.

use std::sync::Arc;

use kernel::item::ItemSource;
use kernel::{Item, Items, Pairing, Problem, RunId, Value};
use node::{CallMode, Callee, Reply};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};

use crate::door::RunStatus;
use crate::record::{self, ActivationId, Effect, Record, Start, Times};

/// A record that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the journal holds a record that cannot be read: {0}")]
pub struct WireError(String);

/// Appends one record to `out`, which holds the inside of a JSON array.
/// `inputs` are the inputs of the activation the record is about.
pub fn write(record: &Record, inputs: &[Items], out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
    let wire = match record {
        Record::Started(start) => Wire::Started(start),
        Record::Finished { activation, outputs, times } => {
            Wire::Finished(*activation, Ports { outputs, inputs }, *times)
        }
        Record::TakenOver { activation, outputs } => {
            Wire::TakenOver(*activation, Ports { outputs, inputs })
        }
        Record::Edited { activation, inputs } => Wire::Edited(*activation, inputs),
        Record::Failed { activation, problem, times } => Wire::Failed(*activation, problem, *times),
        Record::Retrying { activation, attempt, problem, due } => {
            Wire::Retrying(*activation, *attempt, problem, due.as_microsecond())
        }
        Record::Intended { activation, attempt, effects } => {
            Wire::Intended(*activation, *attempt, effects)
        }
        Record::Performed { activation, outcomes, times } => {
            Wire::Performed(*activation, Outcomes { outcomes, inputs }, *times)
        }
        Record::Waiting { activation, due } => Wire::Waiting(*activation, due.as_microsecond()),
        Record::Calling { activation, workflow, mode, children, wait } => {
            Wire::Calling(*activation, workflow, *mode, children, *wait)
        }
        Record::Returned { activation, child, result } => {
            Wire::Returned(*activation, *child, result)
        }
        Record::Replied { activation, reply, times } => Wire::Replied(*activation, reply, *times),
        Record::Asked { activation } => Wire::Asked(*activation),
        Record::Resumed { at_us } => Wire::Resumed(*at_us),
        Record::Ended { status, problem, at_us } => Wire::Ended(*status, problem, *at_us),
    };
    serde_json::to_writer(&mut *out, &wire).expect("records hold nothing that JSON cannot");
}

#[derive(Serialize)]
enum Wire<'a> {
    #[serde(rename = "s")]
    Started(&'a Start),
    #[serde(rename = "f")]
    Finished(ActivationId, Ports<'a>, Times),
    #[serde(rename = "t")]
    TakenOver(ActivationId, Ports<'a>),
    #[serde(rename = "d")]
    Edited(ActivationId, &'a [Items]),
    #[serde(rename = "x")]
    Failed(ActivationId, &'a Problem, Times),
    #[serde(rename = "r")]
    Retrying(ActivationId, u32, &'a Problem, i64),
    #[serde(rename = "i")]
    Intended(ActivationId, u32, &'a Arc<[Effect]>),
    #[serde(rename = "p")]
    Performed(ActivationId, Outcomes<'a>, Times),
    #[serde(rename = "w")]
    Waiting(ActivationId, i64),
    #[serde(rename = "c")]
    Calling(ActivationId, &'a Callee, CallMode, &'a [RunId], bool),
    #[serde(rename = "b")]
    Returned(ActivationId, u32, &'a Result<Items, Problem>),
    #[serde(rename = "a")]
    Replied(ActivationId, &'a Reply, Times),
    #[serde(rename = "q")]
    Asked(ActivationId),
    #[serde(rename = "o")]
    Resumed(u64),
    #[serde(rename = "e")]
    Ended(RunStatus, &'a Option<Problem>, u64),
}

/// Reads a record's JSON. `inputs` gives the inputs of an activation by its id.
pub fn read(
    value: Value,
    inputs: impl Fn(ActivationId) -> Arc<[Items]>,
) -> Result<Record, WireError> {
    let owned: OwnedWire =
        kernel::json::from_value(value).map_err(|error| WireError(error.to_string()))?;
    let time = |micros| {
        jiff::Timestamp::from_microsecond(micros).map_err(|error| WireError(error.to_string()))
    };
    Ok(match owned {
        OwnedWire::Started(start) => Record::Started(Box::new(start)),
        OwnedWire::Finished(activation, ports, times) => {
            let outputs = read_ports(ports, &inputs(activation))?;
            Record::Finished { activation, outputs, times }
        }
        OwnedWire::TakenOver(activation, ports) => {
            let outputs = read_ports(ports, &inputs(activation))?;
            Record::TakenOver { activation, outputs }
        }
        OwnedWire::Edited(activation, inputs) => {
            Record::Edited { activation, inputs: inputs.into() }
        }
        OwnedWire::Failed(activation, problem, times) => {
            Record::Failed { activation, problem, times }
        }
        OwnedWire::Retrying(activation, attempt, problem, due) => {
            Record::Retrying { activation, attempt, problem, due: time(due)? }
        }
        OwnedWire::Intended(activation, attempt, effects) => {
            Record::Intended { activation, attempt, effects: effects.into() }
        }
        OwnedWire::Performed(activation, outcomes, times) => {
            let outcomes = read_outcomes(outcomes, &inputs(activation))?;
            Record::Performed { activation, outcomes, times }
        }
        OwnedWire::Waiting(activation, due) => Record::Waiting { activation, due: time(due)? },
        OwnedWire::Calling(activation, workflow, mode, children, wait) => {
            Record::Calling { activation, workflow, mode, children, wait }
        }
        OwnedWire::Returned(activation, child, result) => {
            Record::Returned { activation, child, result }
        }
        OwnedWire::Replied(activation, reply, times) => {
            Record::Replied { activation, reply, times }
        }
        OwnedWire::Asked(activation) => Record::Asked { activation },
        OwnedWire::Resumed(at_us) => Record::Resumed { at_us },
        OwnedWire::Ended(status, problem, at_us) => Record::Ended { status, problem, at_us },
    })
}

#[derive(Deserialize)]
enum OwnedWire {
    #[serde(rename = "s")]
    Started(Start),
    #[serde(rename = "f")]
    Finished(ActivationId, Vec<Vec<Value>>, Times),
    #[serde(rename = "t")]
    TakenOver(ActivationId, Vec<Vec<Value>>),
    #[serde(rename = "d")]
    Edited(ActivationId, Vec<Items>),
    #[serde(rename = "x")]
    Failed(ActivationId, Problem, Times),
    #[serde(rename = "r")]
    Retrying(ActivationId, u32, Problem, i64),
    #[serde(rename = "i")]
    Intended(ActivationId, u32, Vec<Effect>),
    #[serde(rename = "p")]
    Performed(ActivationId, Vec<(u32, Result<Vec<Value>, Problem>)>, Times),
    #[serde(rename = "w")]
    Waiting(ActivationId, i64),
    #[serde(rename = "c")]
    Calling(ActivationId, Callee, CallMode, Vec<RunId>, bool),
    #[serde(rename = "b")]
    Returned(ActivationId, u32, Result<Items, Problem>),
    #[serde(rename = "a")]
    Replied(ActivationId, Reply, Times),
    #[serde(rename = "q")]
    Asked(ActivationId),
    #[serde(rename = "o")]
    Resumed(u64),
    #[serde(rename = "e")]
    Ended(RunStatus, Option<Problem>, u64),
}

/// Output ports beside the inputs they may repeat.
struct Ports<'a> {
    outputs: &'a [Items],
    inputs: &'a [Items],
}

impl Serialize for Ports<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ports = serializer.serialize_seq(Some(self.outputs.len()))?;
        for items in self.outputs {
            ports.serialize_element(&Port { items, inputs: self.inputs })?;
        }
        ports.end()
    }
}

struct Port<'a> {
    items: &'a [Item],
    inputs: &'a [Items],
}

impl Serialize for Port<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(Some(self.items.len()))?;
        for item in self.items {
            match repeated(item, self.inputs) {
                Some(ItemSource { item, input: 0 }) => items.serialize_element(&[item])?,
                Some(ItemSource { item, input }) => items.serialize_element(&[item, input])?,
                None => items.serialize_element(item)?,
            }
        }
        items.end()
    }
}

/// Outcomes of items beside the inputs they may repeat. They are not paired yet: each is about its own
/// item.
struct Outcomes<'a> {
    outcomes: &'a [(u32, Result<Vec<Item>, Problem>)],
    inputs: &'a [Items],
}

impl Serialize for Outcomes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let input = self.inputs.first().map_or(&[][..], |items| items.as_slice());
        serializer.collect_seq(self.outcomes.iter().map(|(index, outcome)| {
            let own = input.get(*index as usize);
            let outcome = outcome.as_ref().map(|items| {
                let same = |item: &'_ Item| own.is_some_and(|own| same_data(item, own));
                items
                    .iter()
                    .map(|item| if same(item) { Own::Same([*index]) } else { Own::New(item) })
                    .collect::<Vec<_>>()
            });
            (*index, outcome)
        }))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Own<'a> {
    Same([u32; 1]),
    New(&'a Item),
}

fn read_outcomes(
    outcomes: Vec<(u32, Result<Vec<Value>, Problem>)>,
    inputs: &[Items],
) -> Result<record::Outcomes, WireError> {
    let one = |(index, outcome): (u32, Result<Vec<Value>, Problem>)| {
        let outcome = match outcome {
            Ok(items) => Ok(items
                .into_iter()
                .map(|item| read_item(item, inputs))
                .collect::<Result<_, _>>()?),
            Err(problem) => Err(problem),
        };
        Ok((index, outcome))
    };
    outcomes.into_iter().map(one).collect()
}

/// The input item that `item` is, if it is paired with one and shares its data.
fn repeated(item: &Item, inputs: &[Items]) -> Option<ItemSource> {
    let Pairing::One(source) = item.pairing else { return None };
    let input = inputs.get(source.input as usize)?.get(source.item as usize)?;
    same_data(item, input).then_some(source)
}

/// Whether two items share their data: pointers are compared, never contents.
fn same_data(one: &Item, other: &Item) -> bool {
    let same_files = match (&one.binary, &other.binary) {
        (None, None) => true,
        (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
        _ => false,
    };
    Arc::ptr_eq(&one.json, &other.json) && same_files
}

fn read_ports(ports: Vec<Vec<Value>>, inputs: &[Items]) -> Result<Vec<Items>, WireError> {
    let port = |items: Vec<Value>| {
        items
            .into_iter()
            .map(|item| read_item(item, inputs))
            .collect::<Result<_, _>>()
            .map(Arc::new)
    };
    ports.into_iter().map(port).collect()
}

fn read_item(value: Value, inputs: &[Items]) -> Result<Item, WireError> {
    let Value::Array(reference) = value else {
        return kernel::json::from_value(value).map_err(|error| WireError(error.to_string()));
    };
    let number = |at: usize| reference.get(at).and_then(Value::as_u64).unwrap_or(0) as u32;
    let source = ItemSource { item: number(0), input: number(1) };
    let missing = || WireError(format!("item {} of input {}", source.item, source.input));
    let input = inputs.get(source.input as usize).ok_or_else(missing)?;
    let item = input.get(source.item as usize).ok_or_else(missing)?;
    Ok(Item { pairing: Pairing::One(source), ..item.clone() })
}
