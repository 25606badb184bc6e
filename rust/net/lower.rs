// SPDX-License-Identifier: GPL-2.0

//! A device held from above: a reference that the reference tracker knows.

use crate::net::{
    netdev::NetDev,
    rtnl::Rtnl, //
};
use core::{
    ops::Deref,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    prelude::*,
    types::Opaque, //
};
use vnic_bindings as bindings;

/// A reference on a device. The device's removal waits for it, so its owner gives it up early
/// ([`Lower::release`]); from then on this is the blackhole device, as with the core's `dst`.
///
/// # Invariants
///
/// `dev` is a device that `tracker` holds, or the blackhole device.
#[pin_data(PinnedDrop)]
pub(crate) struct Lower {
    dev: AtomicPtr<bindings::net_device>,
    #[pin]
    tracker: Opaque<bindings::netdevice_tracker>,
}

// SAFETY: The reference counts for any task.
unsafe impl Send for Lower {}
// SAFETY: Gives out shared references to a `Sync` type; the tracker is used under RTNL.
unsafe impl Sync for Lower {}

impl Lower {
    /// Takes a reference. May sleep.
    pub(crate) fn new(dev: &NetDev) -> impl PinInit<Self> + '_ {
        let raw = dev.as_ptr();
        pin_init!(Self {
            dev: AtomicPtr::new(raw),
            tracker <- Opaque::ffi_init(|slot: *mut bindings::netdevice_tracker| {
                // SAFETY: `slot` is the tracker's final place; zero is its initial state.
                unsafe { core::ptr::write_bytes(slot, 0, 1) };
                // SAFETY: A live device.
                unsafe { bindings::vnic_netdev_hold_tracked(raw, slot) };
            }),
        })
    }

    /// Gives the reference up, before the device goes.
    pub(crate) fn release(&self, _rtnl: Rtnl<'_>) {
        self.give_up();
    }

    fn give_up(&self) {
        // SAFETY: Set at boot, never changed.
        let blackhole = unsafe { bindings::blackhole_netdev };
        // INVARIANT: The blackhole device is never freed.
        let dev = self.dev.swap(blackhole, Ordering::Relaxed);
        if !core::ptr::eq(dev, blackhole) {
            // SAFETY: The reference that `new` took. Packets that still look at the device are
            // waited for before it is freed (netdev_run_todo()).
            unsafe { bindings::vnic_netdev_put_tracked(dev, self.tracker.get()) };
        }
    }
}

impl Deref for Lower {
    type Target = NetDev;

    #[inline(always)]
    fn deref(&self) -> &NetDev {
        // SAFETY: By the type invariant. Whoever looks does so under RCU or RTNL, and a device
        // that `release` let go is freed after both.
        unsafe { NetDev::from_raw(self.dev.load(Ordering::Relaxed)) }
    }
}

#[pinned_drop]
impl PinnedDrop for Lower {
    fn drop(self: Pin<&mut Self>) {
        self.give_up();
    }
}
