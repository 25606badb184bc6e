// SPDX-License-Identifier: GPL-2.0

//! Flows: the table against a list that is walked, and what a match becomes against its words.

use crate::logic::{
    flow::{
        add,
        classify,
        copy,
        lookup,
        remove,
        secret,
        slots_for,
        Contradiction,
        Fill,
        Key,
        Match,
        Prefix,
        Ranked,
        Secret,
        Slot,
        Tuple, //
    },
    permission::Bytes,
};
use proptest::prelude::*;
use std::{
    cell::Cell,
    collections::BTreeSet,
    num::NonZeroUsize, //
};

const SECRET: Secret = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6c,
];

#[derive(Clone, Debug)]
struct Flow {
    key: Key,
    mask: Key,
    rank: u32,
    id: u64,
    active: bool,
}

impl Ranked for Flow {
    fn key(&self) -> &Key {
        &self.key
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn rank(&self) -> (u32, u64) {
        (self.rank, self.id)
    }
}

struct OneMask {
    mask: Key,
    top: u32,
    slots: Vec<Slot>,
    fill: Fill,
}

impl Tuple for OneMask {
    fn mask(&self) -> Key {
        self.mask
    }

    fn top(&self) -> u32 {
        self.top
    }
}

/// The owner of flows and tables, as `rust/net/flow.rs` is. A value is the place of a flow plus one.
#[derive(Default)]
struct Owner {
    flows: Vec<Option<Flow>>,
    tables: Vec<OneMask>,
}

fn slots(len: usize) -> Vec<Slot> {
    (0..len).map(|_| Slot::default()).collect()
}

impl Owner {
    fn flow(&self, value: NonZeroUsize) -> &Flow {
        self.flows[value.get() - 1].as_ref().unwrap()
    }

    fn table(&self, mask: &Key) -> Option<usize> {
        self.tables.iter().position(|table| table.mask == *mask)
    }

    /// Whether there was none of that match.
    fn add(&mut self, key: Key, mask: Key, rank: u32) -> bool {
        let place = self.table(&mask).unwrap_or_else(|| {
            self.tables.push(OneMask {
                mask,
                top: 0,
                slots: Vec::new(),
                fill: Fill::default(),
            });
            self.tables.len() - 1
        });
        let same = |value| self.flow(value).key == key;
        if lookup(&self.tables[place].slots, &SECRET, &key, same).is_some() {
            return false;
        }
        let value = NonZeroUsize::new(self.flows.len() + 1).unwrap();
        self.flows.push(Some(Flow {
            key,
            mask,
            rank,
            id: value.get() as u64,
            active: true,
        }));
        let table = &mut self.tables[place];
        if table.fill.wants_rebuild(table.slots.len()) {
            let new = slots(slots_for(table.fill.live + 1).unwrap());
            assert_eq!(Ok(()), copy(&table.slots, &new));
            table.slots = new;
            table.fill.used = table.fill.live;
        }
        assert_eq!(Ok(()), add(&table.slots, &SECRET, &key, value));
        table.fill.live += 1;
        table.fill.used += 1;
        table.top = table.top.max(rank);
        self.sort();
        true
    }

    fn remove(&mut self, place: usize) {
        let Some(flow) = self.flows.get_mut(place).and_then(Option::take) else {
            return;
        };
        let value = NonZeroUsize::new(place + 1).unwrap();
        let table = self.table(&flow.mask).unwrap();
        assert!(remove(&self.tables[table].slots, &SECRET, &flow.key, value));
        assert!(!remove(
            &self.tables[table].slots,
            &SECRET,
            &flow.key,
            value
        ));
        self.tables[table].fill.live -= 1;
        let others = self.flows.iter().flatten();
        let ranks = others.filter(|other| other.mask == flow.mask);
        self.tables[table].top = ranks.map(|other| other.rank).max().unwrap_or(0);
        self.sort();
    }

    fn sort(&mut self) {
        self.tables
            .sort_by_key(|table| std::cmp::Reverse(table.top));
    }

    fn classify(&self, key: &Key) -> Option<u64> {
        let found = classify(&self.tables, &SECRET, key, slots_of, |value| {
            self.flow(value)
        });
        found.map(|flow| flow.id)
    }

    /// What a list would say.
    fn walk(&self, key: &Key) -> Option<u64> {
        let mut best: Option<&Flow> = None;
        for flow in self.flows.iter().flatten().filter(|flow| flow.active) {
            if key.masked(&flow.mask) == flow.key && best.is_none_or(|best| flow.rank > best.rank) {
                best = Some(flow);
            }
        }
        best.map(|flow| flow.id)
    }
}

fn slots_of(table: &OneMask) -> &[Slot] {
    &table.slots
}

/// Masks and keys of few different bits, so that much matches and much is the same.
fn mask() -> impl Strategy<Value = Key> {
    (0_u64..4, 0_u64..4, 0_u64..2).prop_map(|(a, b, c)| Key([a, b, 0, c, c]))
}

fn key() -> impl Strategy<Value = Key> {
    (0_u64..4, 0_u64..4, 0_u64..2).prop_map(|(a, b, c)| Key([a, b, 7, c, c]))
}

#[derive(Clone, Debug)]
enum Step {
    Add(Key, Key, u32),
    Remove(usize),
    Hide(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (key(), mask(), 0_u32..3).prop_map(|(key, mask, rank)| Step::Add(key, mask, rank)),
        2 => (0_usize..64).prop_map(Step::Remove),
        1 => (0_usize..64, any::<bool>()).prop_map(|(place, show)| Step::Hide(place, show)),
    ]
}

proptest! {
    #[test]
    fn secrets_and_their_words_differ(seed: u64, other: u64) {
        let different: BTreeSet<u64> = secret(seed).into_iter().collect();
        prop_assert_eq!(different.len(), 6);
        prop_assert_eq!(secret(seed) == secret(other), seed == other);
    }

    #[test]
    fn finds_what_a_list_finds(
        steps in prop::collection::vec(step(), 0..120),
        packets in prop::collection::vec(key(), 1..20),
    ) {
        let mut owner = Owner::default();
        for step in steps {
            match step {
                Step::Add(key, mask, rank) => {
                    owner.add(key.masked(&mask), mask, rank);
                }
                Step::Remove(place) => owner.remove(place),
                Step::Hide(place, show) => {
                    if let Some(flow) = owner.flows.get_mut(place).and_then(Option::as_mut) {
                        flow.active = show;
                    }
                }
            }
            for key in &packets {
                prop_assert_eq!(owner.walk(key), owner.classify(key));
            }
        }
    }

    /// However many flows: few of them are looked at, and no mask behind the one that wins.
    #[test]
    fn a_lookup_is_short(first in any::<u64>(), step in 1_u64..1000) {
        let mut owner = Owner::default();
        let mask = Key([0, u64::MAX, 0, 0, 0]);
        for number in 0..2000_u64 {
            let key = Key([0, first.wrapping_add(number.wrapping_mul(step)), 0, 0, 0]);
            prop_assert!(owner.add(key, mask, 5));
        }
        owner.add(Key::default(), Key::default(), 1);
        let looked = Cell::new(0);
        for number in 0..2000_u64 {
            let key = Key([9, first.wrapping_add(number.wrapping_mul(step)), 9, 9, 9]);
            let found = classify(
                &owner.tables,
                &SECRET,
                &key,
                slots_of,
                |value| {
                    looked.set(looked.get() + 1);
                    owner.flow(value)
                },
            );
            prop_assert_eq!(Some(5), found.map(|flow| flow.rank));
        }
        // Each is looked at twice: when it is compared, and when it is returned.
        prop_assert_eq!(4000, looked.get());
    }

    #[test]
    fn a_prefix_is_that_of_its_bits(bytes in any::<[u8; 16]>(), other in any::<[u8; 16]>(), bits in 0_u8..=128) {
        let all = u128::from_be_bytes(bytes);
        let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
        let prefix = Prefix::new(&bytes, bits).unwrap();
        prop_assert_eq!(prefix.address, Bytes::new(&(all & mask).to_be_bytes()).unwrap());
        let matching = Match { remote_ip: Some(prefix), ..Match::default() };
        let (key, mask_words) = matching.pack().unwrap();
        let packet = packet_v6(other);
        let same = (u128::from_be_bytes(other) ^ all) & mask == 0;
        prop_assert_eq!(same, packet.masked(&mask_words) == key);
        prop_assert_eq!(key, key.masked(&mask_words));
    }

    #[test]
    fn a_prefix_of_four_bytes(bytes in any::<[u8; 4]>(), other in any::<[u8; 4]>(), bits in 0_u8..=32) {
        let all = u32::from_be_bytes(bytes);
        let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        let prefix = Prefix::new(&bytes, bits).unwrap();
        let matching = Match { local_ip: Some(prefix), ..Match::default() };
        let (key, mask_words) = matching.pack().unwrap();
        let packet = Key([0x0800, u32::from_ne_bytes(other).into(), 0, 77, 0]);
        let same = (u32::from_be_bytes(other) ^ all) & mask == 0;
        prop_assert_eq!(same, packet.masked(&mask_words) == key);
        prop_assert_eq!(None, Prefix::new(&bytes, 33));
    }

    /// Whatever is said, a packet that has it all is one, and one that differs anywhere is not.
    #[test]
    fn each_field_counts(
        protocol in prop::sample::select(vec![6_u8, 17, 33, 132]),
        local_port in any::<u16>(),
        remote_port in any::<u16>(),
        dscp in 0_u8..64,
        bit in 0_u32..64,
    ) {
        let matching = Match {
            ethertype: Some(0x86dd),
            protocol: Some(protocol),
            local_port: Some(local_port),
            remote_port: Some(remote_port),
            dscp: Some(dscp),
            ..Match::default()
        };
        let (key, mask) = matching.pack().unwrap();
        let word = 0x86dd
            | (u64::from(protocol) << 16)
            | (u64::from(dscp) << 24)
            | (3 << 30)
            | (u64::from(local_port) << 32)
            | (u64::from(remote_port) << 48);
        prop_assert_eq!(Key([word, 0, 0, 0, 0]), key);
        prop_assert_eq!(Key([u64::MAX, 0, 0, 0, 0]), mask);
        prop_assert!(Key([word ^ (1 << bit), 1, 2, 3, 4]).masked(&mask) != key);
        prop_assert!(Key([word, 1, 2, 3, 4]).masked(&mask) == key);
    }
}

fn packet_v6(remote: [u8; 16]) -> Key {
    let half =
        |range: std::ops::Range<usize>| u64::from_ne_bytes(remote[range].try_into().unwrap());
    Key([0x86dd | (1 << 30), 1, 2, half(0..8), half(8..16)])
}

#[test]
fn contradictions_are_found() {
    let (four, six) = (Prefix::new(&[10, 0, 0, 0], 8), Prefix::new(&[0x20; 16], 64));
    let none = Match::default();
    for (matching, wanted) in [
        (
            Match {
                local_ip: four,
                remote_ip: six,
                ..none
            },
            Contradiction::Versions,
        ),
        (
            Match {
                ethertype: Some(0x0806),
                local_ip: four,
                ..none
            },
            Contradiction::NotIp(0x0806),
        ),
        (
            Match {
                ethertype: Some(0x0806),
                dscp: Some(0),
                ..none
            },
            Contradiction::NotIp(0x0806),
        ),
        (
            Match {
                ethertype: Some(0x86dd),
                local_ip: four,
                ..none
            },
            Contradiction::OtherIp(0x86dd),
        ),
        (
            Match {
                protocol: Some(1),
                local_port: Some(80),
                ..none
            },
            Contradiction::NoPorts,
        ),
        (
            Match {
                remote_port: Some(80),
                ..none
            },
            Contradiction::NoPorts,
        ),
        (
            Match {
                dscp: Some(64),
                ..none
            },
            Contradiction::Dscp(64),
        ),
    ] {
        assert_eq!(Err(wanted), matching.pack(), "{matching:?}");
    }
    assert_eq!(Ok((Key::default(), Key::default())), none.pack());
}

/// Protocol 0 and DSCP 0 are not those of a packet that is not IP.
#[test]
fn what_is_not_ip_has_no_protocol() {
    let arp = Key([0x0806, 0, 0, 0, 0]);
    for matching in [
        Match {
            protocol: Some(0),
            ..Match::default()
        },
        Match {
            dscp: Some(0),
            ..Match::default()
        },
    ] {
        let (key, mask) = matching.pack().unwrap();
        assert_ne!(key, arp.masked(&mask));
    }
}
