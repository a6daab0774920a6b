//! A call's place among those that run at once, which it gives up while it only waits.

use futures::future::BoxFuture;

/// A place among the calls that run. Whoever waits for something that is not its own work lets others
/// have it meanwhile.
pub trait Turn: Send + Sync {
    /// Gives the place back.
    fn leave(&self);

    /// Takes a place again, behind those who wait for one already. It is not refused: what was waited
    /// for is there, and little is left to do.
    fn enter(&self) -> BoxFuture<'_, ()>;
}
