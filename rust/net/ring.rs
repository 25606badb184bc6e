// SPDX-License-Identifier: GPL-2.0

//! Rings: bounded queues of received frames, each with its own NAPI on the device that they are for.
//!
//! ```text
//! new (none) ─open─► polled ─close─► none ─open─► …
//! ```
//!
//! What packets do with a ring is in C (`rust/shim/ring.h`), each step one call.

use crate::net::{
    netdev::NetDev,
    rcu::Rcu,
    rtnl::Rtnl, //
};
use core::{
    mem, ptr,
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

/// One ring.
#[repr(transparent)]
pub(crate) struct Ring(Opaque<bindings::vnic_ring>);

impl Ring {
    /// The C ring.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut bindings::vnic_ring {
        self.0.get()
    }
}

/// How much a ring takes, and what passes it by.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// How many packets may wait, 1 at least.
    pub(crate) packets: u32,
    /// How many bytes of memory they may have.
    pub(crate) bytes: u32,
    /// How many frames from the wire go up inline in each jiffy on each CPU, as long as the ring is
    /// empty; `u32::MAX`: all.
    pub(crate) credit: u32,
    /// The same on a CPU that spends half of its time in softirq.
    pub(crate) credit_busy: u32,
    /// Whether frames are merged here (GRO), as the device below does not do it.
    pub(crate) merge: bool,
    /// How many frames a ring gives to the stack before others on the CPU have their turn, 1-64.
    pub(crate) weight: u8,
}

/// The rings of one device, while it is up.
///
/// # Invariants
///
/// The pointer is null or that of an array of `count` opened rings, as its first one says, which is
/// freed only after it was replaced and a grace period went by.
pub(crate) struct Rings(AtomicPtr<bindings::vnic_ring>);

impl Rings {
    /// None.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Null.
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The ring for packets of a queue of whoever sent them; none while the device is down.
    #[inline(always)]
    pub(crate) fn find<'a>(&'a self, queue: u16, _rcu: Rcu<'a>) -> Option<&'a Ring> {
        let first = self.0.load(Ordering::Acquire);
        if first.is_null() {
            return None;
        }
        // SAFETY: By the type invariant it outlives the read-side section; the number never changes.
        let count = unsafe { (*first).count };
        let index = match count {
            0 | 1 => 0,
            count if queue < count => queue,
            count => queue % count,
        };
        // SAFETY: `index` is below `count`, the length of the array; transparent over the C type.
        Some(unsafe { &*first.add(usize::from(index)).cast::<Ring>() })
    }

    /// Makes rings, one for each receive queue that `dev` uses, and has them polled. There are none yet.
    pub(crate) fn open(&self, dev: &NetDev, bounds: Bounds, rtnl: Rtnl<'_>) -> Result {
        let count = u16::try_from(dev.rx_queues(rtnl))?;
        self.publish(dev, NewRings::new(count, rtnl)?, bounds, rtnl);
        Ok(())
    }

    /// [`Rings::close`], lets `dev` use `count` queues in each direction, and opens as many rings; returns
    /// how many packets were dropped. A failure changes nothing.
    pub(crate) fn reopen(
        &self,
        dev: &NetDev,
        count: u16,
        bounds: Bounds,
        rtnl: Rtnl<'_>,
    ) -> Result<u32> {
        let new = NewRings::new(count, rtnl)?;
        let before = u16::try_from(dev.rx_queues(rtnl))?;
        // What fails for want of memory comes first: more queues before there are rings, fewer after.
        if count > before {
            dev.use_queues(count, rtnl)?;
        }
        let dropped = self.close(dev, rtnl);
        self.publish(dev, new, bounds, rtnl);
        if count < before {
            // Fewer never fails.
            let _ = dev.use_queues(count, rtnl);
        }
        Ok(dropped)
    }

    fn publish(&self, dev: &NetDev, new: NewRings, bounds: Bounds, _rtnl: Rtnl<'_>) {
        let (first, count) = (new.first, new.count);
        mem::forget(new);
        for index in 0..usize::from(count) {
            // SAFETY: Within the array that was just made.
            let ring = unsafe { first.add(index) };
            set_bounds(ring, bounds);
            // SAFETY: A ring that nobody polls, on a device that has as many queues; `close` undoes it
            // before the device goes.
            unsafe { bindings::vnic_ring_open(dev.as_ptr(), ring) };
        }
        // INVARIANT: `count` opened rings; there were none before.
        self.0.store(first, Ordering::Release);
    }

    fn all(&self, _rtnl: Rtnl<'_>) -> impl Iterator<Item = *mut bindings::vnic_ring> {
        let first = self.0.load(Ordering::Relaxed);
        let count = match first.is_null() {
            true => 0,
            // SAFETY: By the type invariant; it is replaced under RTNL only.
            false => unsafe { (*first).count },
        };
        // SAFETY: Within the array.
        (0..usize::from(count)).map(move |index| unsafe { first.add(index) })
    }

    /// Sets the bounds of all rings that there are. What waits stays.
    pub(crate) fn set_bounds(&self, bounds: Bounds, rtnl: Rtnl<'_>) {
        for ring in self.all(rtnl) {
            set_bounds(ring, bounds);
        }
    }

    /// Drops what is on the rings, and the rings; returns how many packets that were.
    pub(crate) fn close(&self, dev: &NetDev, rtnl: Rtnl<'_>) -> u32 {
        let mut dropped = 0u32;
        for ring in self.all(rtnl) {
            // SAFETY: An opened ring of `dev`, closed once: the array is given up below.
            let count = unsafe { bindings::vnic_ring_close(dev.as_ptr(), ring) };
            dropped = dropped.saturating_add(count);
        }
        // INVARIANT: Null.
        let first = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        if !first.is_null() {
            // SAFETY: No new reader finds the array; present ones, and who found a NAPI of it, are
            // waited for.
            unsafe { bindings::vnic_kvfree_rcu(first.cast()) };
        }
        dropped
    }

    /// How many packets and bytes the ring of a queue gave to the stack since the device went up.
    pub(crate) fn given(&self, queue: usize, rtnl: Rtnl<'_>) -> (u64, u64) {
        let (mut packets, mut bytes) = (0, 0);
        if let Some(ring) = self.all(rtnl).nth(queue) {
            // SAFETY: An opened ring, by the type invariant, and room for both numbers.
            unsafe { bindings::vnic_ring_stats(ring, &mut packets, &mut bytes) };
        }
        (packets, bytes)
    }
}

fn set_bounds(ring: *mut bindings::vnic_ring, bounds: Bounds) {
    // SAFETY: Called for rings of live arrays only, in this file; whoever looks at the bounds meanwhile
    // finds old or new ones.
    unsafe {
        bindings::vnic_ring_limit(
            ring,
            bounds.packets,
            bounds.bytes,
            bounds.credit,
            bounds.credit_busy,
            bounds.merge,
            bounds.weight.into(),
        )
    };
}

/// Memory for rings that nobody sees yet.
struct NewRings {
    first: *mut bindings::vnic_ring,
    count: u16,
}

impl NewRings {
    fn new(count: u16, _rtnl: Rtnl<'_>) -> Result<Self> {
        // SAFETY: RTNL is held, so this is process context.
        let first = unsafe { bindings::vnic_rings_alloc(count.into()) };
        if first.is_null() {
            return Err(ENOMEM);
        }
        Ok(Self { first, count })
    }
}

impl Drop for NewRings {
    fn drop(&mut self) {
        // SAFETY: From `vnic_rings_alloc()`, and nobody else has it.
        unsafe { bindings::vnic_kvfree(self.first.cast()) };
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        // A device is closed before its data goes, so there is nothing left.
        debug_assert!(self.0.get_mut().is_null());
    }
}
