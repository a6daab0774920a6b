//! The workflows that are measured, as documents.

use std::fmt::Write as _;

use crate::cli::{StepClass, Workload};

/// A workload that is driven by calling a webhook.
pub(crate) struct Called {
    /// The workflow.
    pub(crate) document: String,
    /// Path below `/hooks/default/`.
    pub(crate) path: &'static str,
    /// Body of each call.
    pub(crate) body: &'static str,
    /// What one answered call counts for.
    pub(crate) units: u64,
}

const STEPS: usize = 10;
const BRANCHES: usize = 100;
/// Inputs of one join: as many as a merge may have.
const JOINED: usize = 10;

/// What the webhook is called with, here and by those who measure others beside it.
const WEBHOOK_BODY: &str = include_str!("../../../../bench/webhook.json").trim_ascii_end();

/// Webhook → compute → if → respond: what a synchronous endpoint does.
const WEBHOOK: &str = r#"
format: 1
name: bench webhook
nodes:
  - { name: Call, type: core.webhook, parameters: { path: bench-webhook, method: POST, respond: node } }
  - name: Compute
    type: core.set
    parameters:
      mode: fields
      fields:
        - { name: total, type: number, value: "={{ $json.body.price * $json.body.count }}" }
        - { name: customer, type: string, value: "={{ $json.body.customer.name }}" }
  - name: Large
    type: core.if
    parameters: { conditions: { all: [ { left: "={{ $json.total }}", operator: number.gt, right: 100 } ] } }
  - name: Large order
    type: core.respond
    parameters: { with: json, body: { size: large, total: "={{ $json.total }}", customer: "={{ $json.customer }}" } }
  - name: Small order
    type: core.respond
    parameters: { with: json, body: { size: small, total: "={{ $json.total }}", customer: "={{ $json.customer }}" } }
connections:
  - Call -> Compute
  - Compute -> Large
  - "Large:true -> Large order"
  - "Large:false -> Small order"
"#;

/// A run that does nothing, answered as soon as it is durable.
const START: &str = r#"
format: 1
name: bench start
nodes:
  - { name: Call, type: core.webhook, parameters: { path: bench-start, method: POST, respond: immediately } }
"#;

impl Called {
    /// The workload as a document; `None`: it is not driven by calls.
    pub(crate) fn of(workload: Workload, class: StepClass) -> Option<Self> {
        let small = r#"{"n":1}"#;
        Some(match workload {
            Workload::Webhook => Self {
                document: WEBHOOK.to_owned(),
                path: "bench-webhook",
                body: WEBHOOK_BODY,
                units: 1,
            },
            Workload::Start => {
                Self { document: START.to_owned(), path: "bench-start", body: small, units: 1 }
            }
            Workload::Steps => Self {
                document: steps(class),
                path: "bench-steps",
                body: small,
                units: STEPS as u64,
            },
            Workload::Fanout => {
                Self { document: fan_out(class), path: "bench-fanout", body: small, units: 1 }
            }
            Workload::Queue | Workload::Api => return None,
        })
    }
}

fn step(name: usize, class: StepClass) -> String {
    let class = match class {
        StepClass::External => "external",
        StepClass::Pure => "pure",
    };
    format!("  - {{ name: S{name}, type: bench.step, parameters: {{ class: {class} }} }}\n")
}

/// Ten steps, one after the other.
fn steps(class: StepClass) -> String {
    let mut document = opening("bench steps", "bench-steps");
    (0..STEPS).for_each(|at| document.push_str(&step(at, class)));
    document.push_str("connections:\n  - Call -> S0\n");
    for at in 1..STEPS {
        let _ = writeln!(document, "  - S{} -> S{at}", at - 1);
    }
    document
}

/// A hundred steps beside each other, and their join: ten joins of ten, and one of those.
fn fan_out(class: StepClass) -> String {
    let mut document = opening("bench fanout", "bench-fanout");
    (0..BRANCHES).for_each(|at| document.push_str(&step(at, class)));
    let joins = (0..JOINED).map(|at| format!("J{at}")).chain(["Join".to_owned()]);
    for name in joins {
        let _ = writeln!(
            document,
            "  - {{ name: {name}, type: core.merge, \
             parameters: {{ mode: append, inputs: {JOINED} }} }}"
        );
    }
    document.push_str("connections:\n");
    for at in 0..BRANCHES {
        let (join, input) = (at / JOINED, at % JOINED);
        let _ = writeln!(document, "  - Call -> S{at}\n  - \"S{at} -> J{join}:{input}\"");
    }
    for at in 0..JOINED {
        let _ = writeln!(document, "  - \"J{at} -> Join:{at}\"");
    }
    document
}

fn opening(name: &str, path: &str) -> String {
    format!(
        "format: 1\nname: {name}\nsettings: {{ max_parallel_nodes: {BRANCHES} }}\nnodes:\n  \
         - {{ name: Call, type: core.webhook, parameters: {{ path: {path}, method: POST, respond: last_node }} }}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_workload_is_a_valid_workflow_without_warnings() {
        let types = nodes::NODES.iter().copied().chain([crate::bench::step::NODE]);
        let registry = Arc::new(node::Registry::new(types));
        for workload in [Workload::Webhook, Workload::Start, Workload::Steps, Workload::Fanout] {
            for class in [StepClass::External, StepClass::Pure] {
                let called = Called::of(workload, class).unwrap();
                let document = workflow::Document::from_yaml(&called.document).unwrap();
                assert_eq!(workflow::validate(&document, &registry).unwrap(), []);
            }
        }
    }
}
