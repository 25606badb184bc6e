// SPDX-License-Identifier: GPL-2.0

//! The hash table of a switch: [`Key`](super::addr::Key) bits to a value, read without locks.
//!
//! Open addressing over a slice of slots, no wrap-around: the slice has a tail, and a probe
//! that runs off its end is a miss. One writer at a time; any number of readers at any time.
//!
//! * A slot's value is written before its key (release), and read after it (acquire): a reader
//!   that sees the key sees the value.
//! * A removed slot stays a tombstone and is never used again, so that a reader that saw the old
//!   key cannot see the value of a new one. Whoever owns the slots makes a new table when
//!   [`Fill`] says so.
//! * The hash is multiply-shift with a secret odd factor: whoever chooses addresses cannot choose
//!   collisions.

use core::num::NonZeroUsize;
use core::sync::atomic::{
    AtomicU64,
    AtomicUsize,
    Ordering, //
};

/// The key of a slot that was never used: ends a probe.
const EMPTY: u64 = 0;

/// The key of a slot whose entry was removed: a probe goes on.
const TOMBSTONE: u64 = 1 << 61;

/// Slots beyond the hashed range, for probes that start near its end.
const TAIL: usize = 16;

/// The smallest hashed range.
const MIN_RANGE: usize = 16;

/// One place of the table. All zeroes is an unused one.
#[derive(Default)]
pub(crate) struct Slot {
    key: AtomicU64,
    value: AtomicUsize,
}

/// No place within the probe's reach: the table has to grow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// How many slots a table of `entries` entries gets: a quarter of them used at first.
pub(crate) fn slots_for(entries: usize) -> Option<usize> {
    entries
        .max(MIN_RANGE / 4)
        .checked_mul(4)?
        .checked_next_power_of_two()?
        .checked_add(TAIL)
}

/// Makes a seed of any random number: multiply-shift wants an odd one.
pub(crate) const fn seed(random: u64) -> u64 {
    random | 1
}

#[inline(always)]
fn start(len: usize, seed: u64, key: u64) -> usize {
    let range = len.saturating_sub(TAIL) as u64;
    // The upper half of the product times the range, upper half again: below `range`.
    let hash = key.wrapping_mul(seed) >> 32;
    (hash.wrapping_mul(range) >> 32) as usize
}

/// The value of `key`. Any context.
#[inline(always)]
pub(crate) fn find(slots: &[Slot], seed: u64, key: u64) -> Option<NonZeroUsize> {
    let probe = slots.get(start(slots.len(), seed, key)..)?;
    for slot in probe {
        let found = slot.key.load(Ordering::Acquire);
        if found == key {
            return NonZeroUsize::new(slot.value.load(Ordering::Relaxed));
        }
        if found == EMPTY {
            return None;
        }
    }
    None
}

/// Adds an entry. The key must not be there yet. Writer only.
pub(crate) fn insert(
    slots: &[Slot],
    seed: u64,
    key: u64,
    value: NonZeroUsize,
) -> Result<(), Full> {
    let probe = slots
        .get(start(slots.len(), seed, key)..)
        .ok_or(Full)?;
    let slot = probe
        .iter()
        .find(|slot| slot.key.load(Ordering::Relaxed) == EMPTY)
        .ok_or(Full)?;
    slot.value.store(value.get(), Ordering::Relaxed);
    slot.key.store(key, Ordering::Release);
    Ok(())
}

/// Removes `key` and returns its value. Writer only.
pub(crate) fn remove(slots: &[Slot], seed: u64, key: u64) -> Option<NonZeroUsize> {
    let slot = place(slots, seed, key)?;
    slot.key.store(TOMBSTONE, Ordering::Relaxed);
    NonZeroUsize::new(slot.value.load(Ordering::Relaxed))
}

fn place(slots: &[Slot], seed: u64, key: u64) -> Option<&Slot> {
    slots
        .get(start(slots.len(), seed, key)..)?
        .iter()
        .take_while(|slot| slot.key.load(Ordering::Relaxed) != EMPTY)
        .find(|slot| slot.key.load(Ordering::Relaxed) == key)
}

/// All entries. Writer only.
pub(crate) fn entries(slots: &[Slot]) -> impl Iterator<Item = (u64, NonZeroUsize)> + '_ {
    slots.iter().filter_map(|slot| {
        let key = slot.key.load(Ordering::Relaxed);
        let value = NonZeroUsize::new(slot.value.load(Ordering::Relaxed))?;
        (key != EMPTY && key != TOMBSTONE).then_some((key, value))
    })
}

/// How full a table is; kept by its writer.
#[derive(Default, Clone, Copy)]
pub(crate) struct Fill {
    /// Entries.
    pub(crate) live: usize,
    /// Entries and tombstones.
    pub(crate) used: usize,
}

impl Fill {
    /// Whether one more entry asks for a new table first: beyond half of `slots`.
    pub(crate) fn wants_rebuild(&self, slots: usize) -> bool {
        self.used >= slots.saturating_sub(TAIL) / 2
    }
}
