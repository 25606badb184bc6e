// SPDX-License-Identifier: GPL-2.0

//! Sending with interrupts off, for netconsole and its like.
//!
//! Netpoll calls `ndo_start_xmit` with hard interrupts off, where neither the backlog nor a qdisc may
//! be used. So such packets go straight to the netpoll of the device below, without a look at the
//! switch, as macvlan's do.
//!
//! C header: [`include/linux/netpoll.h`](srctree/include/linux/netpoll.h)

use crate::net::{
    counters::Counters,
    netdev::NetDev,
    ops::Tx,
    rtnl::Rtnl,
    skb::Skb, //
};
use core::{
    ptr,
    sync::atomic::{
        AtomicBool,
        AtomicPtr,
        Ordering, //
    },
};
use kernel::prelude::*;
use vnic_bindings as bindings;

/// The netpoll instance of the device below, while one is set up.
///
/// # Invariants
///
/// The pointer is null or from `vnic_netpoll_attach`.
pub(crate) struct Netpoll {
    below: AtomicPtr<bindings::netpoll>,
    /// Whether there ever was one. Not whether there is one now: netpoll may still be sending when
    /// it is taken away.
    used: AtomicBool,
}

impl Netpoll {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            below: AtomicPtr::new(ptr::null_mut()),
            used: AtomicBool::new(false),
        }
    }

    /// Sets one up on `lower` (`ndo_netpoll_setup`).
    pub(crate) fn attach(&self, lower: &NetDev, _rtnl: Rtnl<'_>) -> Result {
        let mut error = 0;
        // SAFETY: A live device, under RTNL.
        let netpoll = unsafe { bindings::vnic_netpoll_attach(lower.as_ptr(), &mut error) };
        if netpoll.is_null() {
            return Err(Error::from_errno(error));
        }
        // INVARIANT: From `vnic_netpoll_attach`.
        self.below.store(netpoll, Ordering::Release);
        self.used.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Undoes `attach` (`ndo_netpoll_cleanup`).
    pub(crate) fn detach(&self, _rtnl: Rtnl<'_>) {
        // INVARIANT: Null.
        let netpoll = self.below.swap(ptr::null_mut(), Ordering::Relaxed);
        if !netpoll.is_null() {
            // SAFETY: From `attach`. It waits for packets in `send`, which run under RCU, and frees.
            unsafe { bindings::__netpoll_free(netpoll) };
        }
    }

    /// Whether `start_xmit` has to reckon with netpoll: only then it may be called with interrupts
    /// off.
    #[inline(always)]
    pub(crate) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Sends a packet that netpoll gave to `dev`, on the device below. Interrupts are off.
    pub(crate) fn send(&self, skb: Skb, dev: &NetDev, tx: &Counters) -> Tx {
        let netpoll = self.below.load(Ordering::Acquire);
        // SAFETY: Null, or alive until `detach` has waited for us; consumes the packet. Device and
        // counters live.
        Tx::from_code(unsafe {
            bindings::vnic_netpoll_send(netpoll, skb.into_raw(), dev.as_ptr(), tx.as_ptr())
        } as c_int)
    }
}
