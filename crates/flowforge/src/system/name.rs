//! The member's name in the cluster: the same over restarts on one data directory, and another one
//! for every other directory.
//!
//! The path alone will not do: machines and containers on one database often keep their data at the
//! same path, and each would take the others for its own earlier life and fence them.

use std::path::Path;

use kernel::{Clock, Dice, MemberId, Problem};

use crate::keys::unwritable;

/// Holds what tells this directory from others at the same path elsewhere.
const FILE: &str = "member-id";

/// The name of the member of this directory, whose lock is ours; made at the first start.
///
/// # Errors
/// `file.unavailable` when the directory cannot be written.
pub(super) fn of(directory: &Path, clock: &dyn Clock, dice: &dyn Dice) -> Result<String, Problem> {
    let path = directory.join(FILE);
    let known = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    let id: MemberId = match known {
        Some(id) => id,
        // Missing, or half written at a crash: who began to write it has not joined yet.
        None => {
            let id = MemberId::new(clock, dice);
            std::fs::write(&path, format!("{id}\n")).map_err(|error| unwritable(&path, &error))?;
            id
        }
    };
    Ok(format!("{} {id}", directory.display()))
}
