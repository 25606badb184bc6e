// SPDX-License-Identifier: GPL-2.0

//! Shares: whose packet is next, if not all can go (start-time fair queueing).
//!
//! Each queue's first packet has a start tag; the least is next, and is the virtual time from then on. The next packet
//! of that queue starts where this one ends, which is its length by the share later. A queue that was empty starts at
//! the virtual time, so it saves nothing up. Tags wrap around.

/// What share of what can go: the sum of all that want is divided by their shares.
pub(crate) type Share = u16;

/// Bits of a fraction in tags: a packet of 60 bytes with a share of 1,000 is right to 1 in 4,000.
const FRACTION: u32 = 16;

/// A queue that was not empty a moment ago is not farther ahead: it is a packet of 1 GB.
const MAX_AHEAD: u64 = 1 << (30 + FRACTION);

/// The start tag of the first packet of a queue that was empty: its last one ended at `finish`.
pub(crate) fn start(virtual_time: u64, finish: u64) -> u64 {
    match finish.wrapping_sub(virtual_time) <= MAX_AHEAD {
        true => finish,
        // It is behind, maybe by so much that the tags wrapped around meanwhile.
        false => virtual_time,
    }
}

/// Where a packet of `bytes` ends that starts at `start`.
pub(crate) fn finish(start: u64, bytes: u32, share: Share) -> u64 {
    let bytes = u64::from(bytes.min(1 << 30));
    let share = u64::from(share).max(1);
    let length = (bytes << FRACTION).checked_div(share).unwrap_or(0);
    start.wrapping_add(length)
}

/// Whether the tag `a` comes before `b`.
pub(crate) fn before(a: u64, b: u64) -> bool {
    // The first bit of the difference.
    a.wrapping_sub(b) >> 63 != 0
}
