// SPDX-License-Identifier: GPL-2.0

//! A VNIC never has an MTU that its link cannot carry, and never one that nobody asked for.

use crate::logic::mtu::{
    effective,
    MIN, //
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn the_lower_device_is_the_limit(wanted: Option<u32>, lower: u32) {
        prop_assert!(effective(wanted, lower) <= lower);
    }

    #[test]
    fn what_was_asked_for_is_had_if_possible(wanted: u32, lower: u32) {
        let mtu = effective(Some(wanted), lower);
        prop_assert_eq!(mtu, if wanted <= lower { wanted } else { lower });
    }

    #[test]
    fn without_a_wish_it_is_the_lower_devices(lower: u32) {
        prop_assert_eq!(effective(None, lower), lower);
    }

    /// The lower device shrinks and grows again: the wish is not forgotten.
    #[test]
    fn it_comes_back(wanted in MIN..=65535u32, low in MIN..=65535u32) {
        let high = wanted.max(low);
        prop_assert_eq!(effective(Some(wanted), high), wanted);
        prop_assert!(effective(Some(wanted), low) <= effective(Some(wanted), high));
    }
}
