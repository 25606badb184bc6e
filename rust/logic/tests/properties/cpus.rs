// SPDX-License-Identifier: GPL-2.0

use super::logic::cpus::{
    CpuList,
    Wrong,
    MAX_RANGES,
    MAX_TEXT, //
};
use proptest::{
    collection::vec,
    prelude::*, //
};
use std::collections::BTreeSet;

fn text(ranges: &[(u16, u16)]) -> String {
    let parts: Vec<String> = ranges
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    parts.join(",")
}

/// How many ranges a set has at least.
fn ranges(set: &BTreeSet<u16>) -> usize {
    set.iter()
        .filter(|cpu| {
            cpu.checked_sub(1)
                .is_none_or(|before| !set.contains(&before))
        })
        .count()
}

proptest! {
    /// A list has the CPUs that its text names, in order, whatever the order of the text.
    #[test]
    fn a_list_is_a_set(parts in vec((0u16..300, 0u16..20), 0..MAX_RANGES)) {
        let parts: Vec<(u16, u16)> =
            parts.into_iter().map(|(first, more)| (first, first + more)).collect();
        let set: BTreeSet<u16> = parts.iter().flat_map(|(first, last)| *first..=*last).collect();
        let list = CpuList::parse(text(&parts).as_bytes()).unwrap();
        let own: Vec<u16> = (0..set.len() as u32).filter_map(|index| list.nth(index)).collect();
        prop_assert_eq!(&own, &set.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(list.last(), set.last().copied());
        prop_assert_eq!(list.is_empty(), set.is_empty());
        if let Some(first) = set.first() {
            prop_assert_eq!(list.nth(set.len() as u32), Some(*first));
        }
        // Its own text is the shortest, and says the same.
        prop_assert_eq!(CpuList::parse(list.to_string().as_bytes()), Ok(list));
        let commas = list.to_string().matches(',').count();
        prop_assert_eq!(ranges(&set), if set.is_empty() { 0 } else { commas + 1 });
        prop_assert!(list.to_string().len() <= MAX_TEXT);
    }

    /// Every text is a list or is refused.
    #[test]
    fn nothing_panics(text in "[0-9,-]{0,100}") {
        let _ = CpuList::parse(text.as_bytes());
    }

    #[test]
    fn nothing_else_is_a_list(bytes in vec(any::<u8>(), 1..20)) {
        let valid = bytes.iter().all(|byte| byte.is_ascii_digit() || b",-".contains(byte));
        prop_assert!(valid || CpuList::parse(&bytes).is_err());
    }
}

#[test]
fn forms() {
    for text in [
        "-", ",", "1,", "1-", "-1", "2-1", "65536", "1 ", "1,,2", "1-2-3", "a",
    ] {
        assert_eq!(CpuList::parse(text.as_bytes()), Err(Wrong::Form), "{text}");
    }
    assert_eq!(CpuList::parse(b"0,2,4,6,8,10,12,14,16"), Err(Wrong::Ranges));
    assert_eq!(CpuList::parse(b"0-65535").unwrap().nth(70000), Some(4464));
    assert_eq!(CpuList::parse(b"3,1,2,0").unwrap().to_string(), "0-3");
    assert_eq!(CpuList::parse(b""), Ok(CpuList::NONE));
    assert_eq!(CpuList::NONE.nth(0), None);
}
