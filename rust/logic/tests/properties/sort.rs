// SPDX-License-Identifier: GPL-2.0

use crate::logic::sort::by_key;
use proptest::prelude::*;

proptest! {
    #[test]
    fn sorts(mut all in prop::collection::vec((0_u8..20, any::<u32>()), 0..200)) {
        let mut expected = all.clone();
        expected.sort();
        by_key(&mut all, |pair| *pair);
        prop_assert_eq!(all, expected);
    }
}
