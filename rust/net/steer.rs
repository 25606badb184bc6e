// SPDX-License-Identifier: GPL-2.0

//! Receive queues of a NIC for the frames of one address: rules of its driver (`ETHTOOL_SRXCLSRLINS`,
//! n-tuple filters).
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use crate::{
    logic::addr::MacAddr,
    net::{
        netdev::NetDev,
        rtnl::Rtnl, //
    },
};
use kernel::{
    error::to_result,
    prelude::*, //
};
use vnic_bindings as bindings;

/// Where a NIC has a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule(u32);

/// Whether a NIC has rules, and they are switched on.
pub(crate) fn is_possible(dev: &NetDev, _rtnl: Rtnl<'_>) -> bool {
    // SAFETY: A live device, under RTNL.
    unsafe { bindings::vnic_steer_possible(dev.as_ptr()) }
}

/// For each receive queue, whether it gets frames that no rule names. [`is_possible`] was asked.
pub(crate) fn spread(dev: &NetDev, rtnl: Rtnl<'_>) -> Result<KVec<bool>> {
    let count = dev.rx_queues(rtnl);
    let mut used = KVec::from_elem(false, usize::try_from(count)?, GFP_KERNEL)?;
    // SAFETY: A live device with the operations, under RTNL; room for so many queues.
    to_result(unsafe { bindings::vnic_steer_spread(dev.as_ptr(), used.as_mut_ptr(), count) })?;
    Ok(used)
}

/// Has the frames to `addr` received by `queue`. [`is_possible`] was asked.
pub(crate) fn insert(dev: &NetDev, addr: MacAddr, queue: u32, _rtnl: Rtnl<'_>) -> Result<Rule> {
    let mut location = 0;
    // SAFETY: A live device with the operations, under RTNL; an address has six bytes.
    to_result(unsafe {
        bindings::vnic_steer_insert(dev.as_ptr(), addr.bytes().as_ptr(), queue, &mut location)
    })?;
    Ok(Rule(location))
}

/// Undoes [`insert`].
pub(crate) fn remove(dev: &NetDev, rule: Rule, _rtnl: Rtnl<'_>) {
    // SAFETY: A live device, under RTNL.
    unsafe { bindings::vnic_steer_remove(dev.as_ptr(), rule.0) };
}
