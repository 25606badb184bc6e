// SPDX-License-Identifier: GPL-2.0

//! Which MTU a VNIC has, given what was asked for and what the lower device carries.

/// The smallest MTU of a VNIC, in bytes (`ETH_MIN_MTU`).
pub(crate) const MIN: u32 = 68;

/// The MTU of a VNIC: as asked for, but never above the lower's; the lower's if nothing was.
pub(crate) fn effective(wanted: Option<u32>, lower: u32) -> u32 {
    wanted.map_or(lower, |mtu| mtu.min(lower))
}
