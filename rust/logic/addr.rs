// SPDX-License-Identifier: GPL-2.0

//! Ethernet addresses and the keys of the switch tables.

use core::fmt;

/// A 48-bit Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct MacAddr([u8; 6]);

impl MacAddr {
    /// The broadcast address.
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);

    /// Makes an address of its six bytes, in the order of transmission.
    #[inline(always)]
    pub(crate) const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// The bytes in the order of transmission.
    #[inline(always)]
    pub(crate) const fn bytes(&self) -> &[u8; 6] {
        &self.0
    }

    /// Whether this is a multicast or the broadcast address.
    #[inline(always)]
    pub(crate) const fn is_group(&self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether a device can have this address: neither zero nor a group.
    pub(crate) fn is_unicast(&self) -> bool {
        !self.is_group() && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The VLAN part of a [`Key`]: bits 48 to 59, and a bit that no empty slot has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KeyVlan(u64);

impl KeyVlan {
    /// Set in every key, so that no key is zero.
    const PRESENT: u64 = 1 << 60;

    /// `vid`: 0 (none) to 4095; higher bits are cut off.
    #[inline(always)]
    pub(crate) const fn new(vid: u16) -> Self {
        Self(Self::PRESENT | (((vid & 0xfff) as u64) << 48))
    }

    /// The VLAN.
    #[inline(always)]
    pub(crate) const fn vid(self) -> u16 {
        ((self.0 >> 48) & 0xfff) as u16
    }
}

/// An address in a VLAN, as one integer: what the tables of a switch are searched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(u64);

impl Key {
    const ADDR: u64 = (1 << 48) - 1;

    /// The key of `addr` in `vlan`.
    #[inline(always)]
    pub(crate) const fn new(addr: MacAddr, vlan: KeyVlan) -> Self {
        let [a, b, c, d, e, f] = addr.0;
        Self(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) | vlan.0)
    }

    /// The key of the destination of an Ethernet header, of which `first` are the first eight
    /// bytes.
    #[inline(always)]
    pub(crate) const fn of_header(first: [u8; 8], vlan: KeyVlan) -> Self {
        Self((u64::from_le_bytes(first) & Self::ADDR) | vlan.0)
    }

    /// The same address in another VLAN.
    #[inline(always)]
    pub(crate) const fn in_vlan(self, vlan: KeyVlan) -> Self {
        Self((self.0 & Self::ADDR) | vlan.0)
    }

    /// Whether the address is a multicast or the broadcast address.
    #[inline(always)]
    pub(crate) const fn is_group(self) -> bool {
        self.0 & 1 != 0
    }

    /// The address.
    pub(crate) const fn addr(self) -> MacAddr {
        let [a, b, c, d, e, f, _, _] = self.0.to_le_bytes();
        MacAddr([a, b, c, d, e, f])
    }

    /// The VLAN.
    pub(crate) const fn vid(self) -> u16 {
        KeyVlan(self.0).vid()
    }

    /// As an integer: never zero, bits 61 to 63 clear.
    #[inline(always)]
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }
}
