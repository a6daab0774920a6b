//! What the engine works out once about a graph: which ports are connected, and who can reach them.

use std::sync::Arc;

use workflow::Graph;

/// A graph with what its joins need to know.
pub struct Plan {
    /// The graph.
    pub graph: Arc<Graph>,
    /// For each node with several input ports, its join; `None` for the others.
    pub joins: Vec<Option<JoinPlan>>,
}

/// A node with several input ports.
pub struct JoinPlan {
    /// One entry per input port.
    pub ports: Vec<PortPlan>,
}

/// An input port of a join.
pub struct PortPlan {
    /// Whether any connection leads to it.
    pub connected: bool,
    /// Nodes from which items can still come, the join itself excluded: a bit per node.
    pub reached_from: Vec<u64>,
}

impl PortPlan {
    /// Whether items can come from this node.
    pub fn reachable_from(&self, node: usize) -> bool {
        self.reached_from[node / 64] >> (node % 64) & 1 == 1
    }
}

impl Plan {
    /// Works it out: for each port of each join, a walk against the connections.
    pub fn new(graph: Arc<Graph>) -> Self {
        let has_joins = graph.nodes.iter().any(|node| node.inputs.len() > 1);
        let joins =
            if has_joins { plan_joins(&graph) } else { graph.nodes.iter().map(|_| None).collect() };
        Self { graph, joins }
    }
}

fn plan_joins(graph: &Graph) -> Vec<Option<JoinPlan>> {
    // Who leads to a node, loops included: a port can still get items by way of a back edge.
    let mut sources: Vec<Vec<(usize, usize)>> = vec![Vec::new(); graph.nodes.len()];
    for (from, node) in graph.nodes.iter().enumerate() {
        for edge in node.targets.iter().flatten() {
            sources[edge.to].push((from, edge.input));
        }
    }
    let join = |(at, node): (usize, &workflow::GraphNode)| {
        (node.inputs.len() > 1).then(|| JoinPlan {
            ports: (0..node.inputs.len()).map(|port| plan_port(at, port, &sources)).collect(),
        })
    };
    graph.nodes.iter().enumerate().map(join).collect()
}

fn plan_port(join: usize, port: usize, sources: &[Vec<(usize, usize)>]) -> PortPlan {
    let mut reached_from = vec![0_u64; sources.len().div_ceil(64)];
    let mut open: Vec<usize> =
        sources[join].iter().filter(|(_, to)| *to == port).map(|(from, _)| *from).collect();
    let connected = !open.is_empty();
    while let Some(node) = open.pop() {
        let bit = 1_u64 << (node % 64);
        if node == join || reached_from[node / 64] & bit != 0 {
            continue;
        }
        reached_from[node / 64] |= bit;
        open.extend(sources[node].iter().map(|(from, _)| *from));
    }
    PortPlan { connected, reached_from }
}
