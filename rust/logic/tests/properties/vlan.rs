// SPDX-License-Identifier: GPL-2.0

//! Sets of VLAN identifiers against a set of the standard library.

use crate::logic::vlan::{
    vid_contains,
    vid_insert,
    vid_remove,
    VidWord,
    MAX_VID,
    VID_WORDS, //
};
use proptest::prelude::*;
use std::collections::HashSet;

fn set() -> Vec<VidWord> {
    (0..VID_WORDS).map(|_| VidWord::default()).collect()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u16),
    Remove(u16),
}

/// Identifiers near each other, so that steps meet, or anywhere.
fn vid() -> impl Strategy<Value = u16> {
    prop_oneof![0..130u16, 4030..=MAX_VID, 0..=MAX_VID]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![vid().prop_map(Step::Insert), vid().prop_map(Step::Remove)]
}

proptest! {
    #[test]
    fn it_is_a_set(steps in prop::collection::vec(step(), 0..300)) {
        let set = set();
        let mut model = HashSet::new();
        for step in steps {
            match step {
                Step::Insert(vid) => {
                    vid_insert(&set, vid);
                    model.insert(vid);
                }
                Step::Remove(vid) => {
                    vid_remove(&set, vid);
                    model.remove(&vid);
                }
            }
        }
        for vid in 0..=MAX_VID {
            prop_assert_eq!(vid_contains(&set, vid), model.contains(&vid), "VLAN {}", vid);
        }
    }

    /// What is no VLAN is in no set, and breaks none.
    #[test]
    fn beyond_the_end_is_nothing(vid in 4096u16..) {
        let set = set();
        vid_insert(&set, vid);
        prop_assert!(!vid_contains(&set, vid));
        prop_assert!((0..=4095).all(|vid| !vid_contains(&set, vid)));
        vid_remove(&set, vid);
    }

    #[test]
    fn an_empty_slice_is_the_empty_set(vid: u16) {
        vid_insert(&[], vid);
        vid_remove(&[], vid);
        prop_assert!(!vid_contains(&[], vid));
    }
}
