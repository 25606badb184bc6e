// SPDX-License-Identifier: GPL-2.0

use super::logic::pool::{
    divide,
    layout,
    most_rings,
    pause,
    CHARGE,
    LIMIT_LEAST,
    LIMIT_MOST,
    MAX_FRAGS,
    PAGE,
    RING_LEAST,
    SLOT_DATA, //
};
use proptest::prelude::*;

/// The longest packet that can be stored at all, in bytes.
const MAX_LEN: u32 = SLOT_DATA + MAX_FRAGS * PAGE;

proptest! {
    /// Slot and pages hold the packet, and with a page less they would not.
    #[test]
    fn a_packet_gets_what_it_needs(len in 0..=2 * MAX_LEN, head in 0..=2 * SLOT_DATA) {
        match layout(len, head) {
            Some(parts) => {
                prop_assert!(parts.frags <= MAX_FRAGS);
                prop_assert!(parts.linear <= SLOT_DATA);
                prop_assert!(parts.linear + parts.frags * PAGE >= len);
                prop_assert!(parts.frags == 0 || parts.linear + (parts.frags - 1) * PAGE < len);
            }
            None => prop_assert!(len > MAX_LEN),
        }
    }

    /// What is behind the headers of a long packet begins with a page, unless pages would not do then.
    #[test]
    fn what_a_stream_carries_begins_with_a_page(len in SLOT_DATA + 1..=MAX_LEN, head in 20..SLOT_DATA) {
        let linear = layout(len, head).map(|parts| parts.linear);
        let fits = len - head <= MAX_FRAGS * PAGE;
        prop_assert_eq!(linear, Some(if fits { head } else { SLOT_DATA }));
    }

    /// Whatever is in use, stored and waiting, is within the limit; every ring holds a large packet, and
    /// so does the store.
    #[test]
    fn the_parts_are_not_more_than_the_whole(
        limit in LIMIT_LEAST..=LIMIT_MOST,
        rings in 0u32..5000,
    ) {
        match divide(limit, rings) {
            Some(parts) => {
                let stored = u64::from(parts.pages) * u64::from(CHARGE);
                let waiting = u64::from(parts.ring_bytes) * u64::from(rings);
                prop_assert!(stored + waiting <= limit);
                prop_assert!(rings == 0 || parts.ring_bytes >= RING_LEAST);
                prop_assert!(parts.pages > MAX_FRAGS + 1);
                prop_assert!(rings <= most_rings(limit));
            }
            None => prop_assert!(rings > most_rings(limit)),
        }
    }

    /// A limit is used: what is divided is nearly all of it.
    #[test]
    fn hardly_anything_is_lost(limit in LIMIT_LEAST..=1u64 << 32, rings in 1u32..200) {
        if let Some(parts) = divide(limit, rings) {
            let used = u64::from(parts.pages) * u64::from(CHARGE)
                + u64::from(parts.ring_bytes) * u64::from(rings);
            prop_assert!(limit - used <= u64::from(CHARGE) + u64::from(rings));
        }
    }

    /// Within a millisecond during the first second, never more than 16 ms, never shorter than before.
    #[test]
    fn pauses_grow(a in 0..60_000_000_000u64, b in 0..60_000_000_000u64) {
        let (early, late) = (a.min(b), a.max(b));
        prop_assert!(pause(early) <= pause(late));
        prop_assert!(pause(late) <= 16_000_000);
        prop_assert!(early >= 1_000_000_000 || pause(early) <= 1_000_000);
    }
}
