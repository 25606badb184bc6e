// SPDX-License-Identifier: GPL-2.0

//! The arithmetic of packet memory: what a packet needs, and what a limit is worth.
//!
//! A pool has whole pages. What a page is charged with, [`CHARGE`], is what it can hold up at most: the
//! page, and the `sk_buff` of each of the two packets in it.

/// Bytes of a page.
pub(crate) const PAGE: u32 = 4096;

/// Bytes of a slot, of which a page has two; a packet starts with one.
pub(crate) const SLOT: u32 = 2048;

/// How many bytes of a packet, behind its Ethernet header, are in its first slot.
pub(crate) const SLOT_DATA: u32 = 1600;

/// How many pages a packet can have beyond its first slot (`MAX_SKB_FRAGS`).
pub(crate) const MAX_FRAGS: u32 = 17;

/// What a page in use counts, in bytes: itself and two `sk_buff`s of 256 bytes.
pub(crate) const CHARGE: u32 = PAGE + 2 * 256;

/// The least that a ring of a VNIC in a pool may hold, in bytes of memory: one packet of 64 KB.
pub(crate) const RING_LEAST: u32 = 72 << 10;

/// The least limit of a pool, in bytes: half of it holds a packet of 64 KB, the other half rings.
pub(crate) const LIMIT_LEAST: u64 = 1 << 20;

/// The greatest limit of a pool, in bytes.
pub(crate) const LIMIT_MOST: u64 = 1 << 40;

/// The shortest part in front of a packet that can be all of its headers: those of IP.
pub(crate) const HEADERS_LEAST: u32 = 20;

/// Where the bytes of a packet go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// So many go to its first slot.
    pub(crate) linear: u32,
    /// So many pages are filled with the rest.
    pub(crate) frags: u32,
}

/// How a packet of `len` bytes is stored, the first `head` of which were linear; `None` if it cannot be.
///
/// If it is too long for a slot, and what was linear is short, that is its headers: they are all that goes
/// to the slot, so that what a stream carries begins with a page, and can be mapped.
#[inline(always)]
pub(crate) fn layout(len: u32, head: u32) -> Option<Layout> {
    if len <= SLOT_DATA {
        return Some(Layout {
            linear: len,
            frags: 0,
        });
    }
    long_layout(len, head)
}

fn long_layout(len: u32, head: u32) -> Option<Layout> {
    let with = |linear: u32| {
        let frags = len.saturating_sub(linear).div_ceil(PAGE);
        (frags <= MAX_FRAGS).then_some(Layout { linear, frags })
    };
    match head {
        HEADERS_LEAST..SLOT_DATA => with(head).or_else(|| with(SLOT_DATA)),
        _ => with(SLOT_DATA),
    }
}

/// How a pool's limit is divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Division {
    /// How many pages may be in use.
    pub(crate) pages: u32,
    /// How many bytes of memory may wait on each of its rings.
    pub(crate) ring_bytes: u32,
}

/// Divides `limit` bytes between stored packets and those that wait on `rings` rings: an eighth of it is
/// theirs, and more if each of them could not hold a large packet else, but not more than half.
/// `None` if that is not enough.
pub(crate) fn divide(limit: u64, rings: u32) -> Option<Division> {
    let least = u64::from(rings).saturating_mul(RING_LEAST.into());
    let reserve = (limit / 8).max(least);
    if reserve > limit / 2 {
        return None;
    }
    let pages = limit.saturating_sub(reserve) / u64::from(CHARGE);
    let each = reserve.checked_div(rings.into()).unwrap_or(reserve);
    Some(Division {
        pages: u32::try_from(pages).unwrap_or(u32::MAX),
        ring_bytes: u32::try_from(each).unwrap_or(u32::MAX),
    })
}

/// How many rings a pool of `limit` bytes can have.
pub(crate) fn most_rings(limit: u64) -> u32 {
    let most = (limit / 2) / u64::from(RING_LEAST);
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// What is left of `size` bytes for one more allocation.
pub(crate) fn left(size: u64, allocated: u64) -> u64 {
    size.saturating_sub(allocated)
}

/// How long a parked ring waits before it looks again, in ns, if it has been parked for `parked`: half a
/// millisecond for the first second, so that delivery resumes within one; then longer and longer, up
/// to 16 ms.
pub(crate) fn pause(parked: u64) -> u64 {
    const FIRST: u64 = 500_000;
    const SECOND: u64 = 1_000_000_000;
    const MOST: u64 = 16_000_000;
    match parked.checked_sub(SECOND) {
        None => FIRST,
        // Doubles about each second.
        Some(more) => {
            let doublings = (more / SECOND).min(5) + 1;
            (FIRST << doublings).min(MOST)
        }
    }
}
