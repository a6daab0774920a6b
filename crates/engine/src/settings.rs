//! Settings of the engine, each with its unit and default.

use std::time::Duration;

use kernel::limits;

use crate::decide::Bounds;

/// Settings of one member's engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that own runs; default: one per core, at most 8.
    pub workers: usize,
    /// Runs in memory at once; more are refused with `server.overloaded`. Default 20 000.
    pub runs_max: usize,
    /// Bytes that all runs in memory may hold, as their records count; with more, no new ones are let
    /// in (`server.overloaded`). Default 512 MiB; the memory it takes is several times that.
    pub memory_bytes_max: usize,
    /// Bytes that one run may hold. Default 256 MiB.
    pub run_bytes_max: usize,
    /// Bytes that one activation may put out anew. Default 64 MiB: what a response may have.
    pub step_bytes_max: usize,
    /// Activations of one run. Default 1 000 000.
    pub activations_max: u64,
    /// Depth of workflows calling workflows. Default 32.
    pub call_depth_max: u32,
    /// Items on one output of one activation. Default 1 000 000.
    pub items_per_output_max: usize,
    /// Time one attempt of a node may take, unless its document says otherwise. Default 5 minutes.
    pub node_timeout: Duration,
    /// Wall time of a run, unless its document says otherwise. Default 30 days.
    pub run_timeout: Duration,
    /// A run not finished after this long is written, so that it is seen. Default 25 ms.
    pub visible_after: Duration,
    /// A run that only waits, and so long, leaves the memory until its time comes. Default 65 s.
    pub park_after: Duration,
    /// Effects of one activation under way at once. Default 10.
    pub effects_at_once: usize,
    /// Called runs of one activation under way at once; those that only wait for a time or a person
    /// do not count. Default 100.
    pub calls_at_once: usize,
    /// Called runs of this member under way at once; those that only wait do not count. Default
    /// 1 000.
    pub calls_max: usize,
    /// Pure work on more items than this leaves the worker's thread. Default 256.
    pub slow_from_items: usize,
    /// Threads for pure work on many items. Default: one per core.
    pub slow_threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores.min(8),
            runs_max: 20_000,
            memory_bytes_max: 512 * 1024 * 1024,
            run_bytes_max: limits::RUN_BYTES_MAX,
            step_bytes_max: limits::STEP_BYTES_MAX,
            activations_max: limits::ACTIVATIONS_MAX,
            call_depth_max: limits::CALL_DEPTH_MAX,
            items_per_output_max: limits::ITEMS_PER_OUTPUT_MAX,
            node_timeout: Duration::from_secs(300),
            run_timeout: Duration::from_secs(30 * 86_400),
            visible_after: Duration::from_millis(25),
            park_after: Duration::from_secs(65),
            effects_at_once: 10,
            calls_at_once: 100,
            calls_max: 1_000,
            slow_from_items: 256,
            slow_threads: cores,
        }
    }
}

impl Settings {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            activations_max: self.activations_max,
            call_depth_max: self.call_depth_max,
            step_bytes_max: self.step_bytes_max,
            run_bytes_max: self.run_bytes_max,
        }
    }
}
