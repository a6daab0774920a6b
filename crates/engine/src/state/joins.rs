//! Joins: nodes with several input ports, which run once with one arrival of each port.
//!
//! A join is ready when every connected port has delivered or can no longer deliver: when no live
//! activation is left from which items could still come to it.

use std::collections::VecDeque;
use std::sync::Arc;

use expr::Source;
use kernel::Items;
use workflow::Edge;

use super::RunState;

/// Items that arrived at a join and wait for the other ports.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    pub(super) ports: Vec<VecDeque<Arrival>>,
    pub(super) waiting: bool,
}

/// What came in by one connection.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) items: Items,
    pub(super) source: Source,
    pub(super) path: u32,
}

impl RunState {
    /// Hands items to the node at the end of a connection.
    pub(super) fn deliver(&mut self, edge: Edge, arrival: Arrival) {
        let gathered = &mut self.gathered[edge.to];
        if gathered.ports.is_empty() {
            let Arrival { items, source, path } = arrival;
            self.activate(edge.to, Arc::new([items]), Arc::new([Some(source)]), path);
            return;
        }
        gathered.ports[edge.input].push_back(arrival);
        if !gathered.waiting {
            gathered.waiting = true;
            self.waiting_joins += 1;
            self.live[edge.to] += 1;
        }
        if self.missing_ports(edge.to).next().is_none() {
            self.join(edge.to);
        }
    }

    /// Connected ports of a join at which nothing has arrived.
    fn missing_ports(&self, node: usize) -> impl Iterator<Item = usize> {
        let ports = self.plan.joins[node].as_ref().map_or(&[][..], |join| &join.ports);
        let gathered = &self.gathered[node].ports;
        (0..ports.len()).filter(|port| ports[*port].connected && gathered[*port].is_empty())
    }

    /// Lets a join run with what has arrived: one arrival of each port.
    fn join(&mut self, node: usize) {
        let gathered = &mut self.gathered[node];
        let arrivals: Vec<_> = gathered.ports.iter_mut().map(VecDeque::pop_front).collect();
        gathered.waiting = gathered.ports.iter().any(|port| !port.is_empty());
        if !gathered.waiting {
            self.waiting_joins -= 1;
            self.live[node] -= 1;
        }
        let path = arrivals.iter().flatten().map(|arrival| arrival.path).max().unwrap_or(0);
        let sources =
            arrivals.iter().map(|one| one.as_ref().map(|arrival| arrival.source)).collect();
        let inputs = arrivals
            .into_iter()
            .map(|one| one.map_or_else(Items::default, |arrival| arrival.items))
            .collect();
        self.activate(node, inputs, sources, path);
    }

    /// Lets joins run whose missing ports can no longer get anything, or drops what came to them if
    /// they need all ports.
    pub(super) fn settle(&mut self) {
        while let Some(node) = self.joinable() {
            let graph_node = &self.plan.graph.nodes[node];
            if graph_node.prepared.needs_every_input() && !graph_node.disabled {
                self.forgo(node);
            } else {
                self.join(node);
            }
        }
    }

    /// Drops what has arrived at a join that will never be complete.
    fn forgo(&mut self, node: usize) {
        let gathered = &mut self.gathered[node];
        gathered.ports.iter_mut().for_each(VecDeque::clear);
        gathered.waiting = false;
        self.waiting_joins -= 1;
        self.live[node] -= 1;
    }

    fn joinable(&self) -> Option<usize> {
        if self.waiting_joins == 0 || self.status.is_final() || self.fatal.is_some() {
            return None;
        }
        let mut waiting =
            (0..self.gathered.len()).filter(|node| self.gathered[*node].waiting).peekable();
        let first = *waiting.peek()?;
        let ready = waiting.find(|node| {
            let ports = self.plan.joins[*node].as_ref().map_or(&[][..], |join| &join.ports);
            self.missing_ports(*node).all(|port| {
                let plan = &ports[port];
                !(0..self.live.len())
                    .any(|other| self.live[other] > 0 && plan.reachable_from(other))
            })
        });
        // Joins in a loop may wait for each other; the first one in the document goes ahead.
        ready.or_else(|| self.is_exhausted().then_some(first))
    }
}
