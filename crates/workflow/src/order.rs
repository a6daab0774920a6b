//! Questions about a graph of numbered nodes: cycles, what is reached from where.

/// Successors of each node.
pub(crate) type Successors = Vec<Vec<usize>>;

/// Cycles told of at most.
const CYCLES_MAX: usize = 10;

/// One cycle for each knot of the graph, as nodes in order; empty when there is none.
pub(crate) fn cycles(successors: &Successors) -> Vec<Vec<usize>> {
    let mut left = successors.clone();
    let mut found = Vec::new();
    while found.len() < CYCLES_MAX {
        let alive = knot(&left);
        let Some(start) = alive.iter().position(|alive| *alive) else { break };
        let cycle = follow(&left, &alive, start);
        for node in &cycle {
            left[*node].clear();
        }
        found.push(cycle);
    }
    found
}

/// Nodes that remain when, again and again, those without predecessor or successor are taken away.
fn knot(successors: &Successors) -> Vec<bool> {
    let mut alive = vec![true; successors.len()];
    let backward = reversed(successors);
    strip(successors, &backward, &mut alive);
    strip(&backward, successors, &mut alive);
    alive
}

/// Takes away nodes that no living node leads to.
fn strip(forward: &Successors, backward: &Successors, alive: &mut [bool]) {
    let living = |list: &[usize], alive: &[bool]| list.iter().filter(|n| alive[**n]).count();
    let mut arrivals: Vec<usize> = backward.iter().map(|list| living(list, alive)).collect();
    let mut free: Vec<usize> =
        (0..forward.len()).filter(|node| alive[*node] && arrivals[*node] == 0).collect();
    while let Some(node) = free.pop() {
        alive[node] = false;
        for next in &forward[node] {
            arrivals[*next] = arrivals[*next].saturating_sub(1);
            if alive[*next] && arrivals[*next] == 0 {
                free.push(*next);
            }
        }
    }
}

/// Walks along living nodes until one comes again; every living node has a living successor.
fn follow(successors: &Successors, alive: &[bool], start: usize) -> Vec<usize> {
    let mut path = vec![start];
    let mut place = vec![None; successors.len()];
    place[start] = Some(0);
    loop {
        let here = path[path.len() - 1];
        let next = successors[here].iter().copied().find(|next| alive[*next]);
        let next = next.expect("a node of a knot leads on inside it");
        if let Some(begin) = place[next] {
            return path.split_off(begin);
        }
        place[next] = Some(path.len());
        path.push(next);
    }
}

/// Every node that can be reached from one of `starts`, these included.
pub(crate) fn reached(
    successors: &Successors,
    starts: impl IntoIterator<Item = usize>,
) -> Vec<bool> {
    let mut seen = vec![false; successors.len()];
    let mut open: Vec<usize> = starts.into_iter().collect();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut seen[node], true) {
            open.extend(successors[node].iter().copied().filter(|next| !seen[*next]));
        }
    }
    seen
}

/// Predecessors of each node.
pub(crate) fn reversed(successors: &Successors) -> Successors {
    let mut backward = vec![Vec::new(); successors.len()];
    for (from, list) in successors.iter().enumerate() {
        for to in list {
            backward[*to].push(from);
        }
    }
    backward
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_found_without_the_paths_that_lead_to_it_and_from_it() {
        // 0 → 1 → 2 → 3 → 1, 3 → 4
        let graph = vec![vec![1], vec![2], vec![3], vec![4, 1], vec![]];
        assert_eq!(cycles(&graph), [vec![1, 2, 3]]);
    }

    #[test]
    fn two_knots_give_two_cycles_and_a_self_loop_is_one() {
        let graph = vec![vec![1], vec![0, 2], vec![3], vec![3]];
        assert_eq!(cycles(&graph), [vec![0, 1], vec![3]]);
        assert!(cycles(&vec![vec![1, 2], vec![2], vec![]]).is_empty());
    }

    #[test]
    fn reaching_goes_through_loops_once() {
        let graph = vec![vec![1], vec![0], vec![0]];
        assert_eq!(reached(&graph, [0]), [true, true, false]);
        assert_eq!(reached(&reversed(&graph), [0]), [true, true, true]);
    }
}
