//! Work on large data, done apart from the threads that keep every run going.

use kernel::Problem;
use node::NodeError;

/// Below this many bytes work is done where it stands: moving it would take longer.
const BYTES_INLINE: usize = 64 * 1024;

/// Does work on `bytes` bytes of data.
pub(crate) async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    if bytes <= BYTES_INLINE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "a node's work on large data panicked");
            Err(NodeError::Fatal(Problem::internal()))
        }
    }
}
