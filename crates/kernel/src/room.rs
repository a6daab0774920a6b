//! How much memory the bodies of all requests under way may take together.
//!
//! What one body may weigh is limited anyway; many at once, each within its limit, are not. Whoever
//! reads or unpacks a body takes room for it first and gives it back by dropping what it holds.
//! Nobody waits for room: whoever waits holds what it has got so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Problem, codes};

/// Room for bodies, of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes_max: usize,
    taken: AtomicUsize,
}

/// What one request holds of the room; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    room: Room,
    bytes: usize,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Inner { bytes_max, taken: AtomicUsize::new(0) }))
    }

    /// Nothing yet, of this room.
    pub fn enter(&self) -> Held {
        Held { room: self.clone(), bytes: 0 }
    }

    /// Bytes that are held now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Holds so many bytes more.
    ///
    /// # Errors
    /// `server.overloaded` when others hold what would be needed.
    pub fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        let Inner { bytes_max, taken } = &*self.room.0;
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| sum <= bytes_max);
        if taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            let detail = format!(
                "The bodies of the requests under way fill the {bytes_max} bytes there are for them; \
                 send this one again shortly, or raise `[server] bodies_bytes_max`."
            );
            let mut problem = Problem::new(codes::SERVER_OVERLOADED, detail);
            problem.retry_after_ms = Some(1_000);
            return Err(problem);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.0.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_refused_to_others_until_it_is_dropped() {
        let room = Room::new(10);
        let (mut one, mut other) = (room.enter(), room.enter());
        one.take(6).unwrap();
        other.take(4).unwrap();
        let refused = other.take(1).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_ms), (codes::SERVER_OVERLOADED, Some(1_000)));
        assert!(one.take(usize::MAX).is_err());
        drop(one);
        other.take(6).unwrap();
        drop(other);
        assert_eq!(room.taken(), 0);
    }
}
