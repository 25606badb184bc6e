// SPDX-License-Identifier: GPL-2.0

//! Which frames of which VLAN a VNIC takes.
//!
//! A VNIC with a VLAN is an access port: its own side is untagged, the wire's is tagged. A VNIC
//! without is a trunk: frames pass as they are. Inside the host, frames never pass between
//! VNICs of different settings, whatever tag a sender puts on them.

use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// The highest VLAN identifier a VNIC can have; 4095 is reserved.
pub(crate) const MAX_VID: u16 = 4094;

/// 64 VLAN identifiers of a set: those for which a VLAN device sits on a VNIC.
///
/// A set is a slice of [`VID_WORDS`] of them; an empty slice is the empty set.
#[derive(Default)]
pub(crate) struct VidWord(AtomicU64);

/// Words in a set.
pub(crate) const VID_WORDS: usize = 64;

fn place(set: &[VidWord], vid: u16) -> Option<(&AtomicU64, u64)> {
    set.get(usize::from(vid >> 6))
        .map(|word| (&word.0, 1 << (vid & 63)))
}

/// Adds `vid`. Writer only.
pub(crate) fn vid_insert(set: &[VidWord], vid: u16) {
    if let Some((word, bit)) = place(set, vid) {
        word.store(word.load(Ordering::Relaxed) | bit, Ordering::Relaxed);
    }
}

/// Takes `vid` out. Writer only.
pub(crate) fn vid_remove(set: &[VidWord], vid: u16) {
    if let Some((word, bit)) = place(set, vid) {
        word.store(word.load(Ordering::Relaxed) & !bit, Ordering::Relaxed);
    }
}

/// Whether `vid` is in the set. Any context.
pub(crate) fn vid_contains(set: &[VidWord], vid: u16) -> bool {
    place(set, vid).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
}
