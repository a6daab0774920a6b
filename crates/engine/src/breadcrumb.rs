//! Breadcrumbs: which activations were executing when the process died.
//!
//! A small file, mapped into memory and written without system calls: what stood in it at the moment
//! of a `kill -9` or an abort is read at the next start. (A power cut may lose it; it kills nobody.)
//! An activation found there is a *suspect*: it may have killed the process, or just have been
//! beside. Suspects run alone after that, and only a death alone counts as theirs; after
//! [`SOLO_DEATHS_MAX`] of them the run is poison.
//!
//! The file holds two tables of fixed slots: executing activations, and runs with their deaths. A
//! slot is claimed by writing its words from the last to the first, so that a torn slot reads as
//! free. When all slots are taken, activations simply leave no crumb.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use kernel::{Problem, RunId, codes};
use memmap2::MmapMut;
use uuid::Uuid;

/// Activations that can leave a crumb at the same time.
pub const SLOTS: usize = 1_024;
/// Runs whose deaths are remembered; beyond, the one with the fewest deaths is forgotten.
pub const DEATHS: usize = 256;
/// Deaths of the process with nothing else executing, after which a run is poison.
pub const SOLO_DEATHS_MAX: u32 = 3;

/// 64-bit words of one slot: run (2), node and attempt, path.
const SLOT_WORDS: usize = 4;
/// 64-bit words of one row of deaths: run (2), count.
const DEATH_WORDS: usize = 3;
/// Words before the tables: the file's magic.
const HEAD_WORDS: usize = 1;
const WORDS: usize = HEAD_WORDS + SLOTS * SLOT_WORDS + DEATHS * DEATH_WORDS;
/// `FFCRUMB` and the format's number.
const MAGIC: u64 = u64::from_be_bytes(*b"FFCRUMB\x01");

/// An activation that was executing when the process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its run.
    pub run: RunId,
    /// Index of its node.
    pub node: u32,
    /// Hash of its iteration path and ordinal.
    pub path: u64,
    /// The attempt that was under way.
    pub attempt: u32,
    /// How often the process died while this run alone was executing, this time included.
    pub solo_deaths: u32,
}

impl Suspect {
    /// Whether the run must not be executed again.
    pub fn is_poison(&self) -> bool {
        self.solo_deaths >= SOLO_DEATHS_MAX
    }
}

/// The open file.
pub struct Breadcrumbs {
    map: MmapMut,
    next: AtomicUsize,
}

/// One crumb; dropping it says that the activation came to an end.
#[must_use = "a crumb lies only as long as it is held"]
pub struct Crumb {
    crumbs: Arc<Breadcrumbs>,
    slot: Option<usize>,
}

impl Breadcrumbs {
    /// Opens or makes the file, reads who was executing when the last process died, counts the death
    /// of one that was alone, and clears the slots. A file that is not ours or was cut is begun anew.
    ///
    /// # Errors
    /// `file.unavailable`.
    pub fn open(path: &Path) -> Result<(Arc<Self>, Vec<Suspect>), Problem> {
        let bytes = WORDS * 8;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .and_then(|file| file.set_len(bytes as u64).map(|()| file))
            .map_err(|error| unavailable(path, &error))?;
        #[expect(unsafe_code, reason = "the file lies in our locked directory; only we map it")]
        // SAFETY: no other process changes or shortens the file: it stands in the data directory,
        // whose lock this process holds.
        let map = unsafe { MmapMut::map_mut(&file) }.map_err(|error| unavailable(path, &error))?;
        let crumbs = Self { map, next: AtomicUsize::new(0) };
        let head = &crumbs.words()[0];
        if head.load(Ordering::Relaxed) != MAGIC {
            crumbs.words().iter().for_each(|word| word.store(0, Ordering::Relaxed));
            head.store(MAGIC, Ordering::Relaxed);
        }
        let suspects = crumbs.collect();
        Ok((Arc::new(crumbs), suspects))
    }

    /// Leaves a crumb for an activation that begins to execute.
    pub fn enter(self: &Arc<Self>, run: RunId, node: u32, path: u64, attempt: u32) -> Crumb {
        let (high, low) = run.0.as_u64_pair();
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let free = (0..SLOTS).map(|step| (start + step) % SLOTS).find(|slot| {
            // Taking the first word with a value that is no run's reserves the slot.
            self.slot(*slot)[0]
                .compare_exchange(0, RESERVED, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        });
        if let Some(slot) = free {
            let [w0, w1, w2, w3] = self.slot(slot);
            w3.store(path, Ordering::Relaxed);
            w2.store(u64::from(node) << 32 | u64::from(attempt), Ordering::Relaxed);
            w1.store(low, Ordering::Relaxed);
            w0.store(high, Ordering::Release);
        }
        Crumb { crumbs: self.clone(), slot: free }
    }

    /// Forgets the deaths of a run that has done well or was given up.
    pub fn absolve(&self, run: RunId) {
        let (high, low) = run.0.as_u64_pair();
        for row in self.deaths() {
            if row[0].load(Ordering::Relaxed) == high && row[1].load(Ordering::Relaxed) == low {
                row.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            }
        }
    }

    /// Reads and clears the slots, counting the death of a run that was alone.
    fn collect(&self) -> Vec<Suspect> {
        let mut suspects = Vec::new();
        for slot in 0..SLOTS {
            let [w0, w1, w2, w3] =
                self.slot(slot).each_ref().map(|word| word.load(Ordering::Relaxed));
            if w0 != 0 && w0 != RESERVED {
                suspects.push(Suspect {
                    run: RunId(Uuid::from_u64_pair(w0, w1)),
                    node: (w2 >> 32) as u32,
                    path: w3,
                    attempt: w2 as u32,
                    solo_deaths: 0,
                });
            }
        }
        if let Some(first) = suspects.first().map(|suspect| suspect.run)
            && suspects.iter().all(|suspect| suspect.run == first)
        {
            self.count_death(first);
        }
        for suspect in &mut suspects {
            suspect.solo_deaths = self.solo_deaths(suspect.run);
        }
        // Only now: dying in the middle of this counts a death twice rather than never.
        for slot in 0..SLOTS {
            self.slot(slot).iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        suspects
    }

    fn solo_deaths(&self, run: RunId) -> u32 {
        let (high, low) = run.0.as_u64_pair();
        self.deaths()
            .find(|row| {
                row[0].load(Ordering::Relaxed) == high && row[1].load(Ordering::Relaxed) == low
            })
            .map_or(0, |row| row[2].load(Ordering::Relaxed) as u32)
    }

    fn count_death(&self, run: RunId) {
        let (high, low) = run.0.as_u64_pair();
        let known = self.deaths().find(|row| {
            row[0].load(Ordering::Relaxed) == high && row[1].load(Ordering::Relaxed) == low
        });
        if let Some(row) = known {
            row[2].fetch_add(1, Ordering::Relaxed);
            return;
        }
        let row = self
            .deaths()
            .min_by_key(|row| row[2].load(Ordering::Relaxed))
            .expect("the table has rows");
        row[2].store(1, Ordering::Relaxed);
        row[1].store(low, Ordering::Relaxed);
        row[0].store(high, Ordering::Relaxed);
    }

    fn words(&self) -> &[AtomicU64] {
        #[expect(unsafe_code, reason = "the map is made of words that are only touched as atomics")]
        // SAFETY: the map is page-aligned and WORDS words long, lives as long as `self`, and is
        // reached by nothing but these atomics.
        unsafe {
            std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), WORDS)
        }
    }

    fn slot(&self, index: usize) -> &[AtomicU64; SLOT_WORDS] {
        let start = HEAD_WORDS + index * SLOT_WORDS;
        self.words()[start..].first_chunk().expect("the tables are as long as their constants say")
    }

    fn deaths(&self) -> impl Iterator<Item = &[AtomicU64; DEATH_WORDS]> {
        let start = HEAD_WORDS + SLOTS * SLOT_WORDS;
        self.words()[start..].as_chunks().0.iter()
    }
}

/// Marks a slot that is being written: the first word of no UUIDv7 of the next millennia.
const RESERVED: u64 = u64::MAX;

impl Drop for Crumb {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.crumbs.slot(slot)[0].store(0, Ordering::Release);
        }
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(
        codes::FILE_UNAVAILABLE,
        format!("The file {} cannot be used: {error}. Check its directory.", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of its own, removed with the test.
    struct Place(std::path::PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let file = format!("flowforge-crumbs-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(file);
            let _absent = std::fs::remove_file(&path);
            Self(path)
        }

        /// The process dies: crumbs stay where they are.
        fn die_while(&self, executing: &[(RunId, u32)]) -> Vec<Suspect> {
            let (crumbs, suspects) = Breadcrumbs::open(&self.0).unwrap();
            for (run, node) in executing {
                std::mem::forget(crumbs.enter(*run, *node, 7, 2));
            }
            suspects
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _absent = std::fs::remove_file(&self.0);
        }
    }

    const ADA: RunId = RunId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
    const BOB: RunId = RunId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002));

    #[test]
    fn what_was_executing_at_death_is_suspect_and_what_had_ended_is_not() {
        let place = Place::new("suspects");
        {
            let (crumbs, suspects) = Breadcrumbs::open(&place.0).unwrap();
            assert_eq!(suspects, []);
            drop(crumbs.enter(BOB, 1, 0, 1));
            std::mem::forget(crumbs.enter(ADA, 3, 7, 2));
        }
        let expected = Suspect { run: ADA, node: 3, path: 7, attempt: 2, solo_deaths: 1 };
        assert_eq!(place.die_while(&[]), [expected]);
        assert_eq!(place.die_while(&[]), []);
    }

    #[test]
    fn only_deaths_alone_count_and_the_third_makes_a_run_poison() {
        let place = Place::new("poison");
        place.die_while(&[(ADA, 1), (BOB, 1)]);
        let both = place.die_while(&[(ADA, 1)]);
        assert_eq!(both.iter().map(|suspect| suspect.solo_deaths).sum::<u32>(), 0);
        for deaths in 1..=3 {
            let suspects = place.die_while(&[(ADA, 1), (ADA, 2)]);
            assert!(suspects.iter().all(|suspect| suspect.solo_deaths == deaths), "{suspects:?}");
            assert_eq!(suspects[0].is_poison(), deaths == 3);
        }
        let (crumbs, _) = Breadcrumbs::open(&place.0).unwrap();
        crumbs.absolve(ADA);
        assert_eq!(crumbs.solo_deaths(ADA), 0);
    }

    #[test]
    fn a_foreign_or_cut_file_is_begun_anew() {
        let place = Place::new("foreign");
        std::fs::write(&place.0, [0xab; 5_000]).unwrap();
        assert_eq!(place.die_while(&[(ADA, 1)]), []);
        assert_eq!(place.die_while(&[]).len(), 1);
        std::fs::write(&place.0, []).unwrap();
        assert_eq!(place.die_while(&[]), []);
    }

    #[test]
    fn more_activations_than_slots_leave_no_crumb_and_do_no_harm() {
        let place = Place::new("full");
        let (crumbs, _) = Breadcrumbs::open(&place.0).unwrap();
        let held: Vec<_> = (0..SLOTS as u32 + 5).map(|n| crumbs.enter(ADA, n, 0, 1)).collect();
        assert_eq!(held.iter().filter(|crumb| crumb.slot.is_none()).count(), 5);
        drop(held);
        assert!(crumbs.enter(BOB, 1, 0, 1).slot.is_some());
    }
}
