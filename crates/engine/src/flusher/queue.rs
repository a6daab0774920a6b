//! What waits for a lane's next flush.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kernel::RunId;
use tokio::sync::Notify;

use super::op::FlushOp;

/// Operations offered and not yet gathered, of one lane.
#[derive(Default)]
pub(super) struct Queue {
    offered: Mutex<VecDeque<FlushOp>>,
    wake: Notify,
}

impl Queue {
    pub(super) fn offer(&self, op: FlushOp) {
        let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = offered.is_empty();
        offered.push_back(op);
        drop(offered);
        if was_empty {
            self.wake.notify_one();
        }
    }

    /// Wakes the lane although nothing was offered.
    pub(super) fn nudge(&self) {
        self.wake.notify_one();
    }

    fn take_into(&self, backlog: &mut VecDeque<FlushOp>) {
        let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        if backlog.is_empty() {
            std::mem::swap(&mut *offered, backlog);
        } else {
            backlog.append(&mut offered);
        }
    }

    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }
}

/// How much is anywhere between an offer and its verdict, in all lanes.
#[derive(Default)]
pub(super) struct Load {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Load {
    pub(super) fn add(&self, op: &FlushOp) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(op.op.body().len(), Ordering::Relaxed);
    }

    pub(super) fn remove(&self, ops: &[FlushOp]) {
        self.records.fetch_sub(ops.len(), Ordering::Relaxed);
        let bytes = ops.iter().map(|op| op.op.body().len()).sum();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A lane's side of its queue: what was gathered and did not fit yet.
pub(super) struct Backlog {
    waiting: VecDeque<FlushOp>,
    runs: HashSet<RunId>,
    records_max: usize,
    bytes_max: usize,
}

impl Backlog {
    pub(super) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self { waiting: VecDeque::new(), runs: HashSet::new(), records_max, bytes_max }
    }

    /// The next flush: the oldest operations, at most one of each run, at most so many records and
    /// bytes (a single operation may be larger). Empty when nothing waits.
    pub(super) fn gather(&mut self, queue: &Queue) -> Vec<FlushOp> {
        queue.take_into(&mut self.waiting);
        self.runs.clear();
        let mut batch = Vec::with_capacity(self.waiting.len().min(self.records_max));
        let mut held_back = VecDeque::new();
        let mut bytes = 0;
        while batch.len() < self.records_max
            && let Some(op) = self.waiting.pop_front()
        {
            let size = op.op.body().len();
            if !batch.is_empty() && bytes + size > self.bytes_max {
                held_back.push_back(op);
                break;
            }
            if self.runs.insert(op.run) {
                bytes += size;
                batch.push(op);
            } else {
                held_back.push_back(op);
            }
        }
        if !held_back.is_empty() {
            held_back.append(&mut self.waiting);
            self.waiting = held_back;
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::WorkspaceId;
    use uuid::Uuid;

    use super::*;
    use crate::flusher::{FIRST_EPOCH, Lane, Marks, Op, SinkId};

    fn op(run: u128, token: u64, size: usize) -> FlushOp {
        FlushOp {
            workspace: WorkspaceId(Uuid::nil()),
            run: RunId(Uuid::from_u128(run)),
            epoch: FIRST_EPOCH,
            lane: Lane::Strict,
            sink: SinkId(0),
            token,
            marks: Marks::default(),
            op: Op::Progress { seq: 1, body: Bytes::from(vec![0; size]) },
        }
    }

    fn tokens(batch: &[FlushOp]) -> Vec<u64> {
        batch.iter().map(|op| op.token).collect()
    }

    #[test]
    fn a_run_has_one_operation_a_flush_and_its_others_keep_their_order() {
        let (queue, mut backlog) = (Queue::default(), Backlog::new(10, 100));
        for (run, token) in [(1, 1), (1, 2), (2, 3), (1, 4), (2, 5)] {
            queue.offer(op(run, token, 1));
        }
        assert_eq!(tokens(&backlog.gather(&queue)), [1, 3]);
        queue.offer(op(3, 6, 1));
        assert_eq!(tokens(&backlog.gather(&queue)), [2, 5, 6]);
        assert_eq!(tokens(&backlog.gather(&queue)), [4]);
        assert!(backlog.gather(&queue).is_empty());
    }

    #[test]
    fn a_flush_is_bounded_in_records_and_bytes_but_takes_any_single_operation() {
        let (queue, mut backlog) = (Queue::default(), Backlog::new(3, 100));
        for token in 1..=4 {
            queue.offer(op(u128::from(token), token, 10));
        }
        queue.offer(op(5, 5, 95));
        queue.offer(op(6, 6, 500));
        queue.offer(op(7, 7, 1));
        assert_eq!(tokens(&backlog.gather(&queue)), [1, 2, 3]);
        assert_eq!(tokens(&backlog.gather(&queue)), [4]);
        assert_eq!(tokens(&backlog.gather(&queue)), [5]);
        assert_eq!(tokens(&backlog.gather(&queue)), [6]);
        assert_eq!(tokens(&backlog.gather(&queue)), [7]);
    }

    /// An operation held back because of its size must not be overtaken by a later one of its run.
    #[test]
    fn what_does_not_fit_stays_in_front() {
        let (queue, mut backlog) = (Queue::default(), Backlog::new(10, 100));
        for (run, token, size) in [(1, 1, 60), (2, 2, 60), (2, 3, 1), (1, 4, 1)] {
            queue.offer(op(run, token, size));
        }
        assert_eq!(tokens(&backlog.gather(&queue)), [1]);
        assert_eq!(tokens(&backlog.gather(&queue)), [2, 4]);
        assert_eq!(tokens(&backlog.gather(&queue)), [3]);
    }
}
