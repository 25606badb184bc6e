// SPDX-License-Identifier: GPL-2.0

//! NAPI: work in softirq, a budget at a time.
//!
//! ```text
//! new ─► idle ─start─► running ─stop─► idle ─► dropped
//! ```
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::net::{
    rcu::{
        self,
        Rcu, //
    },
    rtnl::Rtnl, //
};
use core::{
    ptr::{
        self,
        NonNull, //
    },
    sync::atomic::{
        AtomicBool,
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc,
    types::Opaque, //
};
use vnic_bindings as bindings;

/// An object with work for softirq.
pub(crate) trait Poll: Send + Sync + 'static {
    /// Does at most `budget` units of work and returns how many it did. Fewer than `budget` mean
    /// that there is nothing left.
    fn poll(&self, budget: u32, rcu: Rcu<'_>) -> u32;
}

/// A NAPI instance on a device of its own that nobody sees.
///
/// # Invariants
///
/// While running, `owner` is from `Arc::into_raw`.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub(crate) struct Napi<T: Poll> {
    /// First, so that its address is ours.
    #[pin]
    napi: Opaque<bindings::napi_struct>,
    device: NonNull<bindings::net_device>,
    owner: AtomicPtr<T>,
    running: AtomicBool,
}

// SAFETY: Scheduling is safe from any CPU; starting and stopping need RTNL.
unsafe impl<T: Poll> Sync for Napi<T> {}
// SAFETY: It belongs to no task.
unsafe impl<T: Poll> Send for Napi<T> {}

impl<T: Poll> Napi<T> {
    /// Makes an idle instance. May sleep.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // SAFETY: Zero is the state before netif_napi_add().
            napi <- Opaque::ffi_init(|slot: *mut bindings::napi_struct| unsafe {
                ptr::write_bytes(slot, 0, 1)
            }),
            device: {
                // SAFETY: Process context.
                NonNull::new(unsafe { bindings::vnic_netdev_alloc_dummy() }).ok_or(ENOMEM)?
            },
            owner: AtomicPtr::new(ptr::null_mut()),
            running: AtomicBool::new(false),
        }? Error)
    }

    /// Starts polling `owner`, once.
    pub(crate) fn start(&self, owner: Arc<T>, _rtnl: Rtnl<'_>) {
        if self.running.load(Ordering::Relaxed) {
            return;
        }
        // INVARIANT: From `into_raw`.
        self.owner
            .store(Arc::into_raw(owner).cast_mut(), Ordering::Relaxed);
        // SAFETY: Pinned, zeroed, and deleted by `stop`, before the device is freed.
        unsafe { bindings::vnic_napi_add(self.device.as_ptr(), self.napi.get(), Some(Self::poll)) };
        self.running.store(true, Ordering::Release);
    }

    /// Stops it and waits for a poll that runs. It cannot be started again.
    pub(crate) fn stop(&self, _rtnl: Rtnl<'_>) {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner.is_null() {
            return;
        }
        // SAFETY: Added by `start`. After napi_disable() no schedule has an effect any more.
        unsafe { bindings::vnic_napi_del(self.napi.get()) };
        self.owner.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: From `into_raw` in `start`; no poll uses it any more.
        drop(unsafe { Arc::from_raw(owner) });
    }

    /// Asks for a poll on this CPU. Without effect unless it is running.
    pub(crate) fn schedule(&self, _rcu: Rcu<'_>) {
        if self.running.load(Ordering::Acquire) {
            // SAFETY: Added; once disabled, this does nothing.
            unsafe { bindings::vnic_napi_schedule(self.napi.get()) };
        }
    }

    /// # Safety
    ///
    /// Called by NAPI only, on an instance that `start` added.
    unsafe extern "C" fn poll(napi: *mut bindings::napi_struct, budget: c_int) -> c_int {
        // SAFETY: `napi` is the first field of a pinned `Napi<T>` (repr(C), transparent Opaque).
        let this = unsafe { &*napi.cast::<Self>() };
        let budget = u32::try_from(budget).unwrap_or(0);
        let owner = this.owner.load(Ordering::Relaxed);
        // SAFETY: By the type invariant, alive until `stop` has disabled us, which waits.
        let done = rcu::read(|rcu| unsafe { &*owner }.poll(budget, rcu));
        let done = done.min(budget);
        if done < budget {
            // SAFETY: We are in the poll of this instance and below the budget.
            unsafe { bindings::napi_complete_done(napi, done as c_int) };
        }
        done as c_int
    }
}

#[pinned_drop]
impl<T: Poll> PinnedDrop for Napi<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Ours, never registered; whoever started the instance has stopped it, or its
        // owner, which contains it, would still be alive.
        unsafe { bindings::free_netdev(self.device.as_ptr()) };
    }
}
