// SPDX-License-Identifier: GPL-2.0

//! Flows: what a flow matches, and the table in which the flow of a packet is found.
//!
//! A packet is a [`Key`] of a few words, a match the same words with a mask. All flows with the same mask
//! are in one hash table (*tuple space search*), so a lookup takes one probe for each mask, however many
//! flows there are. The masks are in the order of the highest rank that is in their tables: a lookup ends
//! where no better one can come.
//!
//! The hash tables use open addressing over a slice of slots, with wrap-around, never more than half full.
//! One writer at a time; any number of readers at any time.
//!
//! * A slot's value is written before its tag (release), and read after it (acquire): a reader that sees
//!   the tag sees the value.
//! * A removed slot stays a tombstone and is never used again, so that a reader that saw the old tag cannot
//!   see the value of a new one. Whoever owns the slots makes a new table when [`Fill`] says so.
//! * The tag is the hash. It mixes secrets in before it multiplies: whoever chooses addresses and ports
//!   cannot choose collisions.

use super::permission::Bytes;
use core::num::NonZeroUsize;
use core::sync::atomic::{
    AtomicU64,
    AtomicUsize,
    Ordering, //
};

/// How many words a key has: ethertype, protocol, DSCP and ports; local address; remote address.
pub(crate) const WORDS: usize = 5;

/// How many masks the flows of a VNIC can have: so many probes a packet may take.
pub(crate) const MAX_MASKS: usize = 64;

/// How many flows a VNIC can have.
pub(crate) const MAX_FLOWS: usize = 16384;

/// `ETH_P_IP` and `ETH_P_IPV6`.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Protocols that begin with two ports: TCP, UDP, DCCP, SCTP.
const WITH_PORTS: [u8; 4] = [6, 17, 33, 132];

/// The bit of a packet that has an IP header, so that protocol 0 and DSCP 0 are not those of others.
const IS_IP: u64 = 1 << 30;

/// The bit of a packet that has ports: fragments other than the first have none.
const HAS_PORTS: u64 = 1 << 31;

/// What is known of a packet (`vnic_flow_key()` in `rust/shim/flow.c` fills one), what a flow wants to be
/// so, or which bits it looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub(crate) struct Key(pub(crate) [u64; WORDS]);

impl Key {
    /// The bits that `mask` has.
    #[inline(always)]
    pub(crate) fn masked(&self, mask: &Self) -> Self {
        let ([a, b, c, d, e], [v, w, x, y, z]) = (self.0, mask.0);
        Self([a & v, b & w, c & x, d & y, e & z])
    }
}

/// What keys are hashed with; random.
pub(crate) type Secret = [u64; 6];

/// The secret that is made of a random number (SplitMix64): six of them would take most of what a VNIC without flows spends on flows.
pub(crate) fn secret(seed: u64) -> Secret {
    let mut state = seed;
    [0; 6].map(|_: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product >> 64) as u64 ^ product as u64
}

/// The tag of a masked key: that of no unused slot.
#[inline(always)]
fn tag(key: &Key, secret: &Secret) -> u64 {
    let ([a, b, c, d, e], [p, q, r, s, t, u]) = (key.0, *secret);
    let hash = fold(a ^ p, b ^ q) ^ fold(c ^ r, d ^ s) ^ fold(e ^ t, u);
    hash | LIVE
}

/// The tag of a slot that was never used: ends a probe.
const EMPTY: u64 = 0;

/// The tag of a slot whose entry was removed: a probe goes on.
const TOMBSTONE: u64 = 1;

/// What every other tag has.
const LIVE: u64 = 2;

/// The smallest table.
const MIN_SLOTS: usize = 8;

/// One place of a table. All zeroes is an unused one.
#[derive(Default)]
pub(crate) struct Slot {
    tag: AtomicU64,
    value: AtomicUsize,
}

/// There is no place: the table has to grow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

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
        self.used >= slots / 2
    }
}

/// How many slots a table of `entries` entries gets: a quarter of them used at first. A power of two.
pub(crate) fn slots_for(entries: usize) -> Option<usize> {
    entries
        .max(MIN_SLOTS / 4)
        .checked_mul(4)?
        .checked_next_power_of_two()
}

/// The slots where `tag` may be, from the first on.
#[inline(always)]
fn probe(slots: &[Slot], tag: u64) -> impl Iterator<Item = &Slot> {
    // A power of two, or nothing at all.
    let last = slots.len().wrapping_sub(1);
    let start = (tag >> 32) as usize;
    (0..slots.len()).filter_map(move |step| slots.get(start.wrapping_add(step) & last))
}

/// The value with `tag` of which `is` is true.
#[inline(always)]
fn find(slots: &[Slot], tag: u64, is: impl Fn(NonZeroUsize) -> bool) -> Option<NonZeroUsize> {
    for slot in probe(slots, tag) {
        let found = slot.tag.load(Ordering::Acquire);
        if found == tag {
            let value = NonZeroUsize::new(slot.value.load(Ordering::Relaxed));
            if let Some(value) = value.filter(|value| is(*value)) {
                return Some(value);
            }
        }
        if found == EMPTY {
            return None;
        }
    }
    None
}

fn insert(slots: &[Slot], tag: u64, value: NonZeroUsize) -> Result<(), Full> {
    let slot = probe(slots, tag)
        .find(|slot| slot.tag.load(Ordering::Relaxed) == EMPTY)
        .ok_or(Full)?;
    slot.value.store(value.get(), Ordering::Relaxed);
    slot.tag.store(tag, Ordering::Release);
    Ok(())
}

/// The value of the flow that wants `key`, which is masked, and of which `is` is true. Any context.
pub(crate) fn lookup(
    slots: &[Slot],
    secret: &Secret,
    key: &Key,
    is: impl Fn(NonZeroUsize) -> bool,
) -> Option<NonZeroUsize> {
    find(slots, tag(key, secret), is)
}

/// Adds an entry. Writer only.
pub(crate) fn add(
    slots: &[Slot],
    secret: &Secret,
    key: &Key,
    value: NonZeroUsize,
) -> Result<(), Full> {
    insert(slots, tag(key, secret), value)
}

/// Removes an entry. Whether it was there. Writer only.
pub(crate) fn remove(slots: &[Slot], secret: &Secret, key: &Key, value: NonZeroUsize) -> bool {
    let tag = tag(key, secret);
    let found = probe(slots, tag)
        .take_while(|slot| slot.tag.load(Ordering::Relaxed) != EMPTY)
        .find(|slot| {
            slot.tag.load(Ordering::Relaxed) == tag
                && slot.value.load(Ordering::Relaxed) == value.get()
        });
    if let Some(slot) = found {
        slot.tag.store(TOMBSTONE, Ordering::Relaxed);
    }
    found.is_some()
}

fn entries(slots: &[Slot]) -> impl Iterator<Item = (u64, NonZeroUsize)> + '_ {
    slots.iter().filter_map(|slot| {
        let tag = slot.tag.load(Ordering::Relaxed);
        let value = NonZeroUsize::new(slot.value.load(Ordering::Relaxed))?;
        (tag & LIVE != 0).then_some((tag, value))
    })
}

/// Copies all entries into a new table. Writer only.
pub(crate) fn copy(from: &[Slot], to: &[Slot]) -> Result<(), Full> {
    entries(from).try_for_each(|(tag, value)| insert(to, tag, value))
}

/// One mask, as readers see it.
pub(crate) trait Tuple {
    /// The bits that its flows look at.
    fn mask(&self) -> Key;
    /// No flow of it has a higher rank.
    fn top(&self) -> u32;
}

/// A flow, as readers see it.
pub(crate) trait Ranked {
    /// What it wants, masked.
    fn key(&self) -> &Key;
    /// Whether packets are to find it.
    fn is_active(&self) -> bool;
    /// Higher ones come first; of equal ones the first by this number.
    fn rank(&self) -> (u32, u64);
}

/// The flow of a packet: of those that want its key the one with the highest rank; of equal ranks, the
/// one that was first. `tuples` are in the order of their highest ranks, the highest first.
#[inline(always)]
pub(crate) fn classify<'a, T: Tuple + 'a, F: Ranked + 'a>(
    tuples: &'a [T],
    secret: &Secret,
    key: &Key,
    slots: impl Fn(&'a T) -> &'a [Slot],
    flow: impl Fn(NonZeroUsize) -> &'a F,
) -> Option<&'a F> {
    let mut best: Option<&F> = None;
    for tuple in tuples {
        if best.is_some_and(|best| best.rank().0 > tuple.top()) {
            break;
        }
        let wanted = key.masked(&tuple.mask());
        let found = find(slots(tuple), tag(&wanted, secret), |value| {
            let flow = flow(value);
            *flow.key() == wanted && flow.is_active()
        });
        if let Some(found) = found.map(&flow) {
            if best.is_none_or(|best| precedes(found.rank(), best.rank())) {
                best = Some(found);
            }
        }
    }
    best
}

/// Whether the first of two ranks wins.
fn precedes((rank, first): (u32, u64), (other, second): (u32, u64)) -> bool {
    rank > other || (rank == other && first < second)
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prefix {
    /// The first of them, 4 or 16 bytes.
    pub(crate) address: Bytes,
    /// How many bits count.
    pub(crate) bits: u8,
}

impl Prefix {
    /// Makes one; the bits of `address` that do not count are dropped. `None` if it is no IP address, or
    /// shorter than `bits`.
    pub(crate) fn new(address: &[u8], bits: u8) -> Option<Self> {
        if !matches!(address.len(), 4 | 16) || usize::from(bits) > address.len() * 8 {
            return None;
        }
        let mut bytes = [0_u8; 16];
        for ((place, byte), mask) in bytes.iter_mut().zip(address).zip(mask_bytes(bits)) {
            *place = byte & mask;
        }
        Some(Self {
            address: Bytes::new(bytes.get(..address.len())?)?,
            bits,
        })
    }

    fn ethertype(&self) -> u16 {
        match self.address.bytes().len() {
            4 => IPV4,
            _ => IPV6,
        }
    }

    /// Two words of a key, and of its mask.
    fn words(&self) -> ([u64; 2], [u64; 2]) {
        let mask = mask_bytes(self.bits);
        (
            words(self.address.bytes()),
            match self.ethertype() {
                IPV4 => words(mask.get(..4).unwrap_or(&[])),
                _ => words(&mask),
            },
        )
    }
}

/// Bytes whose first `bits` bits are set.
fn mask_bytes(bits: u8) -> [u8; 16] {
    let mut left = u32::from(bits);
    [0; 16].map(|_: u8| {
        let set = left.min(8);
        left -= set;
        (!(0xff_u32 >> set) & 0xff) as u8
    })
}

/// An address as a key has it: as it is in memory.
fn words(address: &[u8]) -> [u64; 2] {
    if let Ok(four) = <[u8; 4]>::try_from(address) {
        return [u32::from_ne_bytes(four).into(), 0];
    }
    let mut bytes = [0_u8; 16];
    for (place, byte) in bytes.iter_mut().zip(address) {
        *place = *byte;
    }
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}

/// What a flow matches, as it was said: what is not said is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Match {
    /// The type of the frame.
    pub(crate) ethertype: Option<u16>,
    /// The IP protocol, behind extension headers.
    pub(crate) protocol: Option<u8>,
    /// The VNIC's side: destination of what it receives, source of what it sends.
    pub(crate) local_ip: Option<Prefix>,
    /// The other side.
    pub(crate) remote_ip: Option<Prefix>,
    /// The VNIC's port.
    pub(crate) local_port: Option<u16>,
    /// The other port.
    pub(crate) remote_port: Option<u16>,
    /// The six bits of DSCP.
    pub(crate) dscp: Option<u8>,
}

/// What makes a match impossible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Contradiction {
    /// The two addresses are not of the same version.
    Versions,
    /// Something of IP in frames of another type.
    NotIp(u16),
    /// An address of the other version of IP.
    OtherIp(u16),
    /// Ports without a protocol that has some.
    NoPorts,
    /// More than six bits.
    Dscp(u8),
}

impl Match {
    fn has_ports(&self) -> bool {
        self.local_port.is_some() || self.remote_port.is_some()
    }

    fn is_of_ip(&self) -> bool {
        self.protocol.is_some() || self.dscp.is_some() || self.has_ports()
    }

    /// The type of the frames that can match, if that is but one.
    fn implied_ethertype(&self) -> Result<Option<u16>, Contradiction> {
        let local = self.local_ip.map(|prefix| prefix.ethertype());
        let remote = self.remote_ip.map(|prefix| prefix.ethertype());
        if let (Some(local), Some(remote)) = (local, remote) {
            if local != remote {
                return Err(Contradiction::Versions);
            }
        }
        let implied = local.or(remote);
        match (self.ethertype, implied) {
            (Some(said @ (IPV4 | IPV6)), Some(implied)) if said != implied => {
                Err(Contradiction::OtherIp(said))
            }
            (Some(IPV4 | IPV6), _) => Ok(self.ethertype),
            (Some(said), implied) if implied.is_some() || self.is_of_ip() => {
                Err(Contradiction::NotIp(said))
            }
            (said, implied) => Ok(said.or(implied)),
        }
    }

    /// The key and the mask that this is.
    ///
    /// # Errors
    ///
    /// What makes it impossible.
    pub(crate) fn pack(&self) -> Result<(Key, Key), Contradiction> {
        if let Some(dscp) = self.dscp.filter(|dscp| *dscp > 63) {
            return Err(Contradiction::Dscp(dscp));
        }
        let ports = self.protocol.is_some_and(|it| WITH_PORTS.contains(&it));
        if self.has_ports() && !ports {
            return Err(Contradiction::NoPorts);
        }
        let (mut key, mut mask) = (0_u64, 0_u64);
        let mut want = |value: Option<u64>, bits: u64, shift: u32| {
            if let Some(value) = value {
                key |= value << shift;
                mask |= bits << shift;
            }
        };
        want(self.implied_ethertype()?.map(u64::from), 0xffff, 0);
        want(self.protocol.map(u64::from), 0xff, 16);
        want(self.dscp.map(u64::from), 0x3f, 24);
        want(self.is_of_ip().then_some(1), 1, IS_IP.trailing_zeros());
        want(self.has_ports().then_some(1), 1, HAS_PORTS.trailing_zeros());
        want(self.local_port.map(u64::from), 0xffff, 32);
        want(self.remote_port.map(u64::from), 0xffff, 48);
        let address = |prefix: Option<Prefix>| prefix.map_or(([0; 2], [0; 2]), |it| it.words());
        let (local, local_mask) = address(self.local_ip);
        let (remote, remote_mask) = address(self.remote_ip);
        Ok((
            Key([key, local[0], local[1], remote[0], remote[1]]),
            Key([
                mask,
                local_mask[0],
                local_mask[1],
                remote_mask[0],
                remote_mask[1],
            ]),
        ))
    }
}
