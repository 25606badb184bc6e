// SPDX-License-Identifier: GPL-2.0

//! The switch's hash table: against a map of the standard library, against readers that run while
//! it changes, and against the number of slots that a lookup may touch.

use crate::logic::{
    addr::{
        Key,
        KeyVlan,
        MacAddr, //
    },
    table::{
        entries,
        find,
        insert,
        remove,
        slots_for,
        Fill,
        Full,
        Slot,
        REACH, //
    },
};
use proptest::prelude::*;
use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::atomic::{
        AtomicBool,
        Ordering, //
    },
    thread,
};

fn slots(len: usize) -> Vec<Slot> {
    (0..len).map(|_| Slot::default()).collect()
}

fn value(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).unwrap()
}

/// A key as the module makes them.
fn key(addr: u64, vid: u16) -> u64 {
    let [a, b, c, d, e, f, ..] = addr.to_le_bytes();
    Key::new(MacAddr::new([a, b, c, d, e, f]), KeyVlan::new(vid)).bits()
}

/// The owner of a table, which makes new ones as `rust/net/table.rs` does.
struct Owner {
    slots: Vec<Slot>,
    seed: u64,
    fill: Fill,
}

impl Owner {
    fn new(seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            seed,
            fill: Fill::default(),
        }
    }

    fn find(&self, key: u64) -> Option<NonZeroUsize> {
        find(&self.slots, self.seed, key)
    }

    fn insert(&mut self, key: u64, value: NonZeroUsize) {
        if self.fill.wants_rebuild(self.slots.len())
            || insert(&self.slots, self.seed, key, value).is_err()
        {
            return self.rebuild(key, value);
        }
        self.fill.live += 1;
        self.fill.used += 1;
    }

    fn rebuild(&mut self, key: u64, value: NonZeroUsize) {
        let live = self.fill.live + 1;
        let mut room = live;
        let new = loop {
            let new = slots(slots_for(room).unwrap());
            if entries(&self.slots)
                .chain([(key, value)])
                .all(|(key, value)| insert(&new, self.seed, key, value).is_ok())
            {
                break new;
            }
            room *= 2;
        };
        self.slots = new;
        self.fill = Fill { live, used: live };
    }

    fn remove(&mut self, key: u64) -> Option<NonZeroUsize> {
        let old = remove(&self.slots, self.seed, key)?;
        self.fill.live -= 1;
        Some(old)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u64, usize),
    Remove(u64),
}

/// Few keys, so that steps meet, some of them in several VLANs.
fn any_key() -> impl Strategy<Value = u64> {
    (0..60u64, 0..3u16).prop_map(|(addr, vid)| key((addr << 40) | 0x02, vid))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any_key(), 1..usize::MAX).prop_map(|(key, value)| Step::Insert(key, value)),
        3 => any_key().prop_map(Step::Remove),
    ]
}

proptest! {
    #[test]
    fn it_is_a_map(seed: u64, steps in prop::collection::vec(step(), 0..600)) {
        let mut table = Owner::new(seed);
        let mut model = HashMap::new();
        for step in steps {
            match step {
                Step::Insert(key, new) if !model.contains_key(&key) => {
                    table.insert(key, value(new));
                    model.insert(key, value(new));
                }
                // The module asks first.
                Step::Insert(key, _) => prop_assert!(table.find(key).is_some()),
                Step::Remove(key) => prop_assert_eq!(table.remove(key), model.remove(&key)),
            }
            prop_assert_eq!(table.fill.live, model.len());
            prop_assert!(table.fill.used >= table.fill.live);
        }
        for addr in 0..60u64 {
            for vid in 0..3 {
                let key = key((addr << 40) | 0x02, vid);
                prop_assert_eq!(table.find(key), model.get(&key).copied());
            }
        }
        let listed: HashMap<_, _> = entries(&table.slots).collect();
        prop_assert_eq!(entries(&table.slots).count(), model.len());
        prop_assert_eq!(listed, model);
    }

    /// A table of any length takes keys until it is full, and keeps what it took.
    #[test]
    fn full_is_full_and_nothing_else(
        seed: u64,
        len in 0..90usize,
        addrs in prop::collection::hash_set(0..1u64 << 48, 0..120),
    ) {
        let slots = slots(len);
        let mut taken = Vec::new();
        for addr in addrs {
            let key = key(addr, 0);
            match insert(&slots, seed, key, value(addr as usize + 1)) {
                Ok(()) => taken.push((key, value(addr as usize + 1))),
                Err(Full) => prop_assert_eq!(find(&slots, seed, key), None),
            }
        }
        prop_assert!(taken.len() <= len);
        for (key, value) in taken {
            prop_assert_eq!(find(&slots, seed, key), Some(value));
        }
    }

    /// A slot is used once: what a reader finds at a key was never the value of another.
    #[test]
    fn tombstones_stay(seed: u64, count in 1..16u64) {
        let slots = slots(slots_for(4).unwrap());
        let mut used = 0;
        for addr in 0..count {
            if insert(&slots, seed, key(addr, 7), value(1)).is_ok() {
                used += 1;
                prop_assert_eq!(remove(&slots, seed, key(addr, 7)), Some(value(1)));
                prop_assert_eq!(remove(&slots, seed, key(addr, 7)), None);
                prop_assert_eq!(find(&slots, seed, key(addr, 7)), None);
            }
        }
        prop_assert_eq!(entries(&slots).count(), 0);
        // The room that is left is what was there less what was ever used.
        let mut room = 0;
        for addr in 0..10_000u64 {
            room += usize::from(insert(&slots, seed, key(addr << 16, 9), value(1)).is_ok());
        }
        prop_assert!(room + used <= slots.len());
    }

    #[test]
    fn there_is_room_for_what_was_asked(entries in 0..100_000usize) {
        let slots = slots_for(entries).unwrap();
        let fill = Fill { live: entries, used: entries };
        prop_assert!(!fill.wants_rebuild(slots));
        prop_assert!(slots <= 8 * entries.max(4) + REACH);
    }
}

/// 4,096 addresses as people choose them.
fn crowds() -> Vec<(&'static str, Vec<u64>)> {
    // The last byte of an address is the highest of the six.
    let address = |n: u64| (0x0200_0000_0000 + n).swap_bytes() >> 16;
    let mut random = 0x853c_49e6_748f_ea9b_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        random >> 16
    };
    let all = 0..4096u64;
    vec![
        (
            "in a row",
            all.clone().map(|n| key(address(n), 0)).collect(),
        ),
        (
            "every 256th",
            all.clone().map(|n| key(address(n << 8), 0)).collect(),
        ),
        (
            "one per vendor",
            all.clone().map(|n| key(address(n << 24), 0)).collect(),
        ),
        (
            "one in all VLANs",
            all.clone().map(|n| key(address(1), n as u16)).collect(),
        ),
        ("at random", all.map(|_| key(next(), 0)).collect()),
    ]
}

/// Whatever the secret, 4,096 VNICs make no table larger than their number asks for: all are within
/// reach at the load at which a table is made. (One that fills up may be made anew a bit earlier.)
#[test]
fn crowds_are_within_reach() {
    for (name, keys) in crowds() {
        for round in 0..200u64 {
            let seed = round.wrapping_mul(0xd134_2543_de82_ef95).rotate_left(17);
            let slots = slots(slots_for(keys.len()).unwrap());
            for key in &keys {
                assert_eq!(
                    insert(&slots, seed, *key, value(1)),
                    Ok(()),
                    "{name}, secret {seed:#x}"
                );
            }
        }
    }
}

/// They come one by one, too, without a table that is much too large.
#[test]
fn crowds_grow() {
    for (name, keys) in crowds() {
        for seed in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let mut table = Owner::new(seed);
            for (n, key) in keys.iter().enumerate() {
                table.insert(*key, value(n + 1));
            }
            for (n, key) in keys.iter().enumerate() {
                assert_eq!(
                    table.find(*key),
                    Some(value(n + 1)),
                    "{name}, secret {seed:#x}"
                );
            }
            assert!(
                table.slots.len() <= 8 * keys.len() + REACH,
                "{name}: {}",
                table.slots.len()
            );
        }
    }
}

#[test]
fn too_many_entries_have_no_table() {
    assert_eq!(slots_for(usize::MAX), None);
    assert_eq!(slots_for(usize::MAX / 4), None);
}

/// Readers look while a writer adds and removes: what stays is always found, with its own value,
/// and what comes and goes is found with its own value or not at all.
#[test]
fn readers_see_whole_entries() {
    const STAYING: u64 = 64;
    const MOVING: u64 = 64;
    const STEPS: u64 = 5_000;
    let stays = |n: u64| key((n << 40) | 0x02, 0);
    let moves = |n: u64| key((n << 40) | 0x06, 0);
    let of = |key: u64| value((key ^ 0x5555) as usize);

    for seed in [1, 0x9e37_79b9_7f4a_7c15, 0xdead_beef_1234_5679] {
        // Each step of the writer uses up a slot.
        let slots = slots(slots_for((STAYING + STEPS) as usize).unwrap());
        for n in 0..STAYING {
            insert(&slots, seed, stays(n), of(stays(n))).unwrap();
        }
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut seen = 0u64;
                        while !done.load(Ordering::Relaxed) {
                            for n in 0..STAYING {
                                assert_eq!(find(&slots, seed, stays(n)), Some(of(stays(n))));
                            }
                            for n in 0..MOVING {
                                if let Some(found) = find(&slots, seed, moves(n)) {
                                    assert_eq!(found, of(moves(n)));
                                    seen += 1;
                                }
                            }
                        }
                        seen
                    })
                })
                .collect();
            for step in 0..STEPS {
                let key = moves((step * 7) % MOVING);
                if remove(&slots, seed, key).is_none() {
                    // A key whose slots are all used up simply does not come back.
                    let _ = insert(&slots, seed, key, of(key));
                }
            }
            done.store(true, Ordering::Relaxed);
            for reader in readers {
                reader.join().unwrap();
            }
        });
    }
}
