//! How long a failed attempt waits, and the chance in it.

use std::time::Duration;

use workflow::{Backoff, Retry};

use crate::record::ActivationId;

/// The wait after a failed attempt: `initial` doubled for each attempt before, at most `max`; with
/// jitter evenly between half of that and all of it (AWS's "equal jitter").
pub(crate) fn backoff(retry: &Retry, attempt: u32, chance: u64) -> Duration {
    let factor = match retry.backoff {
        Backoff::Exponential => 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX),
        Backoff::Fixed => 1,
    };
    let wait = retry.initial.saturating_mul(factor).min(retry.max);
    if !retry.jitter {
        return wait;
    }
    let share = (chance >> 11) as f64 / (1_u64 << 53) as f64;
    wait / 2 + (wait / 2).mul_f64(share)
}

/// The chance of one attempt: the same on every member and in every replay.
pub(crate) fn chance_of(seed: u64, activation: ActivationId, attempt: u32) -> u64 {
    mix(seed ^ (u64::from(activation) << 32) ^ u64::from(attempt))
}

/// A good 64-bit mix: the finalizer of MurmurHash3 (Austin Appleby).
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}
