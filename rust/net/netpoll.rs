// SPDX-License-Identifier: GPL-2.0

//! Sending with interrupts off, for netconsole and its like.
//!
//! C header: [`include/linux/netpoll.h`](srctree/include/linux/netpoll.h)

use crate::net::{
    netdev::NetDev,
    ops::Tx,
    rtnl::Rtnl,
    skb::Skb, //
};
use core::{
    ptr,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::prelude::*;
use vnic_bindings as bindings;

/// What a device that cannot do it answers.
pub(crate) const UNSUPPORTED: Error = kernel::error::code::EINVAL;

/// The netpoll instance of the device below, while one is set up.
///
/// # Invariants
///
/// Null, or from `vnic_netpoll_attach`.
pub(crate) struct Netpoll(AtomicPtr<bindings::netpoll>);

impl Netpoll {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Sets one up on `lower` (`ndo_netpoll_setup`).
    pub(crate) fn attach(&self, lower: &NetDev, _rtnl: Rtnl<'_>) -> Result {
        let mut error = 0;
        // SAFETY: A live device, under RTNL.
        let netpoll = unsafe { bindings::vnic_netpoll_attach(lower.as_ptr(), &mut error) };
        if netpoll.is_null() {
            return Err(Error::from_errno(error));
        }
        self.0.store(netpoll, Ordering::Release);
        Ok(())
    }

    /// Undoes `attach` (`ndo_netpoll_cleanup`).
    pub(crate) fn detach(&self, _rtnl: Rtnl<'_>) {
        let netpoll = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        if !netpoll.is_null() {
            // SAFETY: From `attach`; freed after a grace period.
            unsafe { bindings::__netpoll_free(netpoll) };
        }
    }

    /// Sends a packet that netpoll gave to the device above. Interrupts may be off.
    #[inline(never)]
    pub(crate) fn send(&self, skb: Skb) -> Tx {
        let netpoll = self.0.load(Ordering::Acquire);
        if netpoll.is_null() {
            return Tx::DROPPED;
        }
        // SAFETY: Alive until a grace period after `detach`; consumes the packet.
        Tx::from_code(unsafe { bindings::vnic_netpoll_send(netpoll, skb.into_raw()) } as c_int)
    }
}
