// SPDX-License-Identifier: GPL-2.0

//! Who of a link's VNICs sends next, if its wire is limited.
//!
//! What packets do is in C (`rust/shim/sched.c`).

use crate::{
    logic::share,
    net::{
        counters::Counters,
        flow::Flow,
        rcu::Rcu,
        rtnl::Rtnl,
        shaper::{
            Offer,
            Owned,
            Stage,
            Waiting, //
        },
        skb::Skb, //
    },
};
use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    types::Opaque, //
};
use vnic_bindings as bindings;

#[no_mangle]
extern "C" fn vnic_share_start(virtual_time: u64, finish: u64) -> u64 {
    share::start(virtual_time, finish)
}

#[no_mangle]
extern "C" fn vnic_share_finish(start: u64, bytes: u32, weight: u16) -> u64 {
    share::finish(start, bytes, weight)
}

#[no_mangle]
extern "C" fn vnic_share_before(a: u64, b: u64) -> bool {
    share::before(a, b)
}

/// The priority of a flow that has none of its own.
pub(super) const VNICS_OWN: u8 = bindings::VNIC_PRIORITIES as u8;

/// The packets of one VNIC that wait.
///
/// # Invariants
///
/// While a scheduler knows it, it is not moved: it is part of a device's private data.
#[repr(transparent)]
pub(crate) struct Class(Opaque<bindings::vnic_class>);

// SAFETY: Guarded by the scheduler's lock, or by RTNL.
unsafe impl Sync for Class {}
// SAFETY: It belongs to no task.
unsafe impl Send for Class {}

impl Class {
    /// A closed one, in which nothing waits.
    pub(crate) fn new() -> Self {
        // SAFETY: A C structure of integers, booleans and pointers, of each of which all zero is a value.
        let mut class: bindings::vnic_class = unsafe { mem::zeroed() };
        for (lane, priority) in class.lanes.iter_mut().zip(0..) {
            lane.priority = priority;
        }
        // SAFETY: No requirements.
        class.counters = unsafe { bindings::vnic_counters_none() };
        class.closed = true;
        Self(Opaque::new(class))
    }

    /// Its weight, the priority of packets whose flow has none, the lower the sooner, and how long its packets wait,
    /// in ns.
    pub(crate) fn set(
        &self,
        sched: Option<&Sched>,
        weight: share::Share,
        priority: u8,
        delay: u64,
        _rtnl: Rtnl<'_>,
    ) {
        // SAFETY: A live class, and the scheduler of its link.
        unsafe { bindings::vnic_class_set(raw(sched), self.0.get(), weight, priority, delay) };
    }

    /// The priority of packets of one of the VNIC's flows, the lower the sooner; none: the VNIC's.
    pub(crate) fn prioritize(
        &self,
        sched: Option<&Sched>,
        flow: &Flow,
        priority: Option<u8>,
        _rtnl: Rtnl<'_>,
    ) {
        let priority = priority.unwrap_or(VNICS_OWN);
        // SAFETY: As above; a live flow of that VNIC.
        unsafe {
            bindings::vnic_flow_prioritize(raw(sched), self.0.get(), flow.as_ptr(), priority);
        }
    }

    /// Lets packets in, which `counters` count.
    pub(crate) fn open(&self, sched: Option<&Sched>, counters: &Counters, _rtnl: Rtnl<'_>) {
        // SAFETY: As above; the counters live as long as the device.
        unsafe { bindings::vnic_class_open(raw(sched), self.0.get(), counters.as_ptr()) };
    }

    /// Drops what waits and what comes.
    pub(crate) fn close(&self, sched: Option<&Sched>, _rtnl: Rtnl<'_>) {
        // SAFETY: As above.
        unsafe { bindings::vnic_class_close(raw(sched), self.0.get()) };
    }
}

fn raw(sched: Option<&Sched>) -> *mut bindings::vnic_sched {
    sched.map_or(ptr::null_mut(), |sched| sched.0.get())
}

/// The scheduler of a link.
#[repr(transparent)]
pub(crate) struct Sched(Opaque<bindings::vnic_sched>);

// SAFETY: It has a lock.
unsafe impl Sync for Sched {}

impl Sched {
    /// Sets how many bits go to the wire in a second.
    pub(crate) fn set(&self, bits: u64, _rtnl: Rtnl<'_>) {
        // SAFETY: A live scheduler, in process context.
        unsafe { bindings::vnic_sched_set(self.0.get(), bits) };
    }

    /// Asks whether it is the turn of a packet of `class` and `flow`, which goes on at `stage`.
    pub(crate) fn offer(
        &self,
        class: &Class,
        flow: Option<&Flow>,
        skb: Skb,
        stage: Stage,
        _rcu: Rcu<'_>,
    ) -> Offer {
        let skb = skb.into_raw();
        let flow = flow.map_or(ptr::null_mut(), Flow::as_ptr);
        // SAFETY: A packet that is consumed, unless it passes, of a live VNIC and a flow of it.
        let offer = unsafe {
            bindings::vnic_sched_offer(
                self.0.get(),
                class.0.get(),
                flow,
                skb,
                stage as bindings::vnic_stage,
            )
        };
        // SAFETY: As that function says.
        unsafe { Offer::of(offer, skb) }
    }
}

impl Waiting for Sched {
    fn drain(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: A live scheduler, in process context.
        unsafe { bindings::vnic_sched_drain(self.0.get()) };
    }

    unsafe fn free(this: NonNull<Self>) {
        // SAFETY: By the safety requirements.
        unsafe { bindings::vnic_sched_free(this.as_ptr().cast()) };
    }
}

impl Owned<Sched> {
    /// One without a limit.
    pub(crate) fn new_sched(_rtnl: Rtnl<'_>) -> Result<Self> {
        // SAFETY: RTNL is held, so this is process context.
        let sched = unsafe { bindings::vnic_sched_alloc() };
        let sched = NonNull::new(sched.cast()).ok_or(ENOMEM)?;
        // SAFETY: From there, and nothing waits in it.
        Ok(unsafe { Self::from_raw(sched) })
    }
}
