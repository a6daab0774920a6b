//! Pair tracing: which item of an earlier node the current item was made of.
//!
//! The trace starts at the current input item and the activation that delivered it, and steps from
//! each item to the input items it names, through the source of that input. It is a search over a
//! finished past, so it ends; a set of visited places keeps shared ancestors from being walked
//! twice. Any way that reaches the node is enough; ways to different items are an error.

use std::collections::HashSet;

use kernel::Item;
use kernel::item::ItemSource;

use crate::{Scope, Source};

/// One item of one activation's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    source: Source,
    item: u32,
}

/// Index of the node of this name; the error is for the user.
pub(crate) fn node_of(scope: &Scope, name: &str) -> Result<usize, String> {
    scope.data.names.index.get(name).copied().ok_or_else(|| {
        format!("There is no node named '{name}'. Check the name in the expression.")
    })
}

/// The first input port that has items, else the first that was delivered, else port 0.
pub(crate) fn main_input(scope: &Scope) -> usize {
    let with_items = scope.inputs.iter().position(|items| !items.is_empty());
    with_items.or_else(|| scope.sources.iter().position(Option::is_some)).unwrap_or(0)
}

/// The item of node `target` that the item at index `item` of the main input was made of.
pub(crate) fn trace(scope: &Scope, item: usize, target: usize) -> Result<&Item, String> {
    let name = name_of(scope, target);
    if runs_of(scope, target) == 0 {
        return Err(not_run(name));
    }
    let input = main_input(scope);
    let start = scope.inputs.get(input).and_then(|items| items.get(item));
    let Some(start) = start else {
        return Err(format!(
            "There is no input item {item} whose origin in '{name}' could be told."
        ));
    };
    let Some(source) = scope.sources.get(input).copied().flatten() else {
        return Err(no_path(name));
    };
    if source.node as usize == target {
        return Ok(start);
    }
    let mut search = Search { scope, target, found: None, unknown: None };
    search.walk(start, source)?;
    match (search.found, search.unknown) {
        (Some((_, found)), _) => Ok(found),
        (None, Some(node)) => Err(format!(
            "The origin of the item in '{name}' is unknown: node '{}' did not say which of its \
             input items its output was made of. Use $('{name}').first(), .last() or .all()[n].",
            name_of(scope, node)
        )),
        (None, None) => Err(no_path(name)),
    }
}

struct Search<'s> {
    scope: &'s Scope,
    target: usize,
    found: Option<(Place, &'s Item)>,
    /// The first node on the way whose item names no origin.
    unknown: Option<usize>,
}

impl<'s> Search<'s> {
    /// Walks all ways back from `item`, which the activation `source` put out.
    fn walk(&mut self, item: &'s Item, source: Source) -> Result<(), String> {
        let mut next = Some((item, source));
        let mut branches: Vec<Place> = Vec::new();
        let mut visited: HashSet<Place> = HashSet::new();
        loop {
            let (item, source) = match next.take() {
                Some(step) => step,
                None => match branches.pop() {
                    Some(place) => match self.arrive(place)? {
                        Some(step) => step,
                        None => continue,
                    },
                    None => return Ok(()),
                },
            };
            match item.pairing.sources() {
                [] => self.unknown = self.unknown.or(Some(source.node as usize)),
                [one] => {
                    if let Some(place) = self.step(source, *one) {
                        next = self.arrive(place)?;
                    }
                }
                many => {
                    let places = many.iter().rev().filter_map(|one| self.step(source, *one));
                    branches.extend(places.filter(|place| visited.insert(*place)));
                }
            }
        }
    }

    /// From an output item of `source` to the place its input item came from.
    fn step(&self, source: Source, to: ItemSource) -> Option<Place> {
        let run = self.scope.data.nodes.get(source.node as usize)?.runs.get(source.run as usize)?;
        let from = run.sources.get(to.input as usize).copied().flatten()?;
        Some(Place { source: from, item: to.item })
    }

    /// Notes the item when it is one of the target's; else gives it back to walk on from.
    fn arrive(&mut self, place: Place) -> Result<Option<(&'s Item, Source)>, String> {
        let Source { node, run, output } = place.source;
        let runs = self.scope.data.nodes.get(node as usize).map(|node| &node.runs);
        let outputs = runs.and_then(|runs| runs.get(run as usize)).map(|run| &run.outputs);
        let items = outputs.and_then(|outputs| outputs.get(output as usize));
        let Some(item) = items.and_then(|items| items.get(place.item as usize)) else {
            self.unknown = self.unknown.or(Some(node as usize));
            return Ok(None);
        };
        if node as usize != self.target {
            return Ok(Some((item, place.source)));
        }
        match self.found {
            Some((other, _)) if other != place => {
                let name = name_of(self.scope, self.target);
                Err(format!(
                    "The current item was made of several items of '{name}': multiple matches. \
                     Use $('{name}').first(), .last() or .all()[n] to say which."
                ))
            }
            _ => {
                self.found = Some((place, item));
                Ok(None)
            }
        }
    }
}

/// How often the node has put something out.
pub(crate) fn runs_of(scope: &Scope, node: usize) -> usize {
    scope.data.nodes.get(node).map_or(0, |data| data.runs.len())
}

/// Items of one output of the node. `branch` defaults to the output that leads to the current
/// node, `run` to the latest.
pub(crate) fn output_of(
    scope: &Scope,
    node: usize,
    branch: Option<usize>,
    run: Option<usize>,
) -> Result<Option<&kernel::Items>, String> {
    let count = runs_of(scope, node);
    if count == 0 {
        return Err(not_run(name_of(scope, node)));
    }
    let run = run.unwrap_or(count - 1);
    let branch = branch.unwrap_or_else(|| output_towards(scope, node));
    let Some(run_data) = scope.data.nodes[node].runs.get(run) else {
        let name = name_of(scope, node);
        return Err(format!("Node '{name}' ran {count} times: it has no run {run}."));
    };
    Ok(run_data.outputs.get(branch))
}

/// The output of `node` that leads to the current node by the fewest steps, else 0.
pub(crate) fn output_towards(scope: &Scope, node: usize) -> usize {
    let names = &scope.data.names;
    let Some(outputs) = names.targets.get(node) else { return 0 };
    if outputs.len() < 2 {
        return 0;
    }
    let mut visited = vec![usize::MAX; names.targets.len()];
    let mut wave: Vec<(usize, usize)> = Vec::new();
    for (output, targets) in outputs.iter().enumerate() {
        wave.extend(targets.iter().map(|target| (*target, output)));
    }
    while !wave.is_empty() {
        let mut next = Vec::new();
        for (at, output) in wave {
            if at == scope.node {
                return output;
            }
            if visited.get(at).is_none_or(|seen| *seen != usize::MAX) {
                continue;
            }
            visited[at] = output;
            next.extend(names.targets[at].iter().flatten().map(|target| (*target, output)));
        }
        wave = next;
    }
    0
}

fn name_of(scope: &Scope, node: usize) -> &str {
    scope.data.names.names.get(node).map_or("?", |name| name)
}

fn not_run(name: &str) -> String {
    format!(
        "Node '{name}' has not run yet in this run. An expression can only use nodes that ran \
         before; $('{name}').isExecuted tells whether one did."
    )
}

fn no_path(name: &str) -> String {
    format!(
        "There is no path back to '{name}': the current item does not come from it. Use \
         $('{name}').first(), .last() or .all()[n] instead of .item."
    )
}
