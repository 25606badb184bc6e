// SPDX-License-Identifier: GPL-2.0

//! The hash table of a switch: [`Key`](super::addr::Key) bits to a value, read without locks.
//!
//! Open addressing over a slice of slots, no wrap-around. An entry is fewer than [`REACH`] slots
//! from where its hash points, so what is there is found soon, whatever else is; one that finds no
//! place so near asks for a larger table. One writer at a time; any number of readers at any time.
//!
//! * A slot's value is written before its key (release), and read after it (acquire): a reader
//!   that sees the key sees the value.
//! * A removed slot stays a tombstone and is never used again, so that a reader that saw the old
//!   key cannot see the value of a new one. Whoever owns the slots makes a new table when
//!   [`Fill`] says so.
//! * The hash mixes a secret in before it multiplies, and folds the halves of the product: whoever
//!   chooses addresses cannot choose collisions, and addresses in a row spread well under every
//!   secret. (A secret factor would bunch them up in one table out of a hundred.)

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

/// How far a probe for a free slot goes. As many slots follow the hashed range, for those that
/// start near its end.
pub(crate) const REACH: usize = 32;

/// The odd factor of the hash: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The smallest hashed range.
const MIN_RANGE: usize = 16;

/// One place of the table. All zeroes is an unused one.
#[derive(Default)]
pub(crate) struct Slot {
    key: AtomicU64,
    value: AtomicUsize,
}

/// No place within reach: the table has to grow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// How many slots a table of `entries` entries gets: a quarter of them used at first.
pub(crate) fn slots_for(entries: usize) -> Option<usize> {
    entries
        .max(MIN_RANGE / 4)
        .checked_mul(4)?
        .checked_next_power_of_two()?
        .checked_add(REACH)
}

#[inline(always)]
fn start(len: usize, seed: u64, key: u64) -> usize {
    let range = len.saturating_sub(REACH) as u64;
    let product = u128::from(key ^ seed).wrapping_mul(u128::from(FACTOR));
    // Of the folded product the upper half, times the range, upper half again: below `range`.
    let hash = ((product >> 64) as u64 ^ product as u64) >> 32;
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
pub(crate) fn insert(slots: &[Slot], seed: u64, key: u64, value: NonZeroUsize) -> Result<(), Full> {
    let probe = slots.get(start(slots.len(), seed, key)..).ok_or(Full)?;
    let slot = probe
        .iter()
        .take(REACH)
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
        self.used >= slots.saturating_sub(REACH) / 2
    }
}
