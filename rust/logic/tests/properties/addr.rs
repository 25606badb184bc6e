// SPDX-License-Identifier: GPL-2.0

//! Addresses and keys: nothing is lost, nothing is mixed up.

use crate::logic::addr::{
    Key,
    KeyVlan,
    MacAddr, //
};
use proptest::prelude::*;

fn addr() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr::new)
}

fn vid() -> impl Strategy<Value = u16> {
    0..4096u16
}

proptest! {
    #[test]
    fn a_key_holds_address_and_vlan(addr in addr(), vid in vid()) {
        let key = Key::new(addr, KeyVlan::new(vid));
        prop_assert_eq!(key.addr(), addr);
        prop_assert_eq!(key.vid(), vid);
        prop_assert_eq!(key.is_group(), addr.is_group());
    }

    #[test]
    fn other_addresses_and_vlans_are_other_keys(
        a in (addr(), vid()),
        b in (addr(), vid()),
    ) {
        let key = |(addr, vid)| Key::new(addr, KeyVlan::new(vid)).bits();
        prop_assert_eq!(a == b, key(a) == key(b));
    }

    /// What a table relies on: no key looks like an empty slot or a tombstone.
    #[test]
    fn keys_leave_the_high_bits_and_zero_alone(addr in addr(), vid: u16) {
        let bits = Key::new(addr, KeyVlan::new(vid)).bits();
        prop_assert_ne!(bits, 0);
        prop_assert_eq!(bits >> 61, 0);
    }

    #[test]
    fn the_header_makes_the_same_key(addr in addr(), source: [u8; 2], vid in vid()) {
        let [a, b, c, d, e, f] = *addr.bytes();
        let first = [a, b, c, d, e, f, source[0], source[1]];
        let vlan = KeyVlan::new(vid);
        prop_assert_eq!(Key::of_header(first, vlan), Key::new(addr, vlan));
    }

    #[test]
    fn a_key_moves_to_another_vlan(addr in addr(), from in vid(), to in vid()) {
        let key = Key::new(addr, KeyVlan::new(from));
        prop_assert_eq!(key.in_vlan(KeyVlan::new(to)), Key::new(addr, KeyVlan::new(to)));
    }

    #[test]
    fn a_vlan_is_twelve_bits(vid: u16) {
        prop_assert_eq!(KeyVlan::new(vid).vid(), vid & 0xfff);
    }

    #[test]
    fn a_device_has_a_unicast_address(addr in addr()) {
        let zero = addr.bytes().iter().all(|byte| *byte == 0);
        prop_assert_eq!(addr.is_unicast(), !zero && addr.bytes()[0] & 1 == 0);
    }

    #[test]
    fn it_is_written_as_ever(bytes: [u8; 6]) {
        let text = MacAddr::new(bytes).to_string();
        let read: Vec<u8> = text
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        prop_assert_eq!(text.len(), 17);
        prop_assert_eq!(read, bytes);
    }
}

#[test]
fn special_addresses() {
    assert!(MacAddr::BROADCAST.is_group());
    assert!(!MacAddr::BROADCAST.is_unicast());
    assert!(!MacAddr::new([0; 6]).is_unicast());
    assert_eq!(MacAddr::BROADCAST.to_string(), "ff:ff:ff:ff:ff:ff");
}
