// SPDX-License-Identifier: GPL-2.0

//! Rings: bounded queues of received frames, each with its own NAPI on the device that they are for.
//!
//! ```text
//! new (none) ─open─► polled ─close─► none ─open─► …
//! ```
//!
//! What packets do with a ring is in C (`rust/shim/ring.h`), each step one call.

use crate::{
    logic::cpus::CpuList,
    net::{
        netdev::NetDev,
        rcu::Rcu,
        rtnl::Rtnl,
        shaper::Shaper,
        skb::{
            Segments,
            Skb, //
        },
    },
    pool::Gate,
};
use core::{
    ffi::c_void,
    mem,
    ptr::{
        self,
        NonNull, //
    },
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

/// What became of a packet at a gate.
pub(crate) enum Admission {
    /// It goes on to the stack, this one or another in its place.
    Pass(Skb),
    /// It waits, nobody knows for how long; it is asked for again in so many ns. Meanwhile it charges no
    /// socket.
    Park(Skb, u64),
    /// It is in pieces, each of which is asked for.
    Cut(Segments),
    /// It was dropped.
    Gone,
}

/// Who decides when the packets of a ring go on. One for each ring, which has it to itself.
pub(crate) trait Gatekeeper: Send {
    /// Decides about the first packet of the ring. Called by its NAPI.
    fn admit(&mut self, skb: Skb, rcu: Rcu<'_>) -> Admission;
}

/// The gates of a device's rings: a place for each.
pub(crate) struct Gates(KVec<Option<KBox<Gate>>>);

impl Gates {
    /// For `count` rings.
    pub(crate) fn new(count: u32, make: impl Fn() -> Result<Option<KBox<Gate>>>) -> Result<Self> {
        let mut gates = KVec::with_capacity(usize::try_from(count)?, GFP_KERNEL)?;
        for _ in 0..count {
            gates.push(make()?, GFP_KERNEL)?;
        }
        Ok(Self(gates))
    }
}

/// Gives a gate up to a ring.
fn gate_into_raw(gate: Option<KBox<Gate>>) -> *mut c_void {
    gate.map_or(ptr::null_mut(), |gate| KBox::into_raw(gate).cast())
}

fn shaper_into_raw(shaper: Option<&Shaper>) -> *mut bindings::vnic_shaper {
    shaper.map_or(ptr::null_mut(), Shaper::as_ptr)
}

/// Gets a gate back from a ring.
///
/// # Safety
///
/// `gate` must be from `gate_into_raw`, and nobody may use it any more.
unsafe fn gate_from_raw(gate: *mut c_void) -> Option<KBox<Gate>> {
    // SAFETY: By the safety requirements.
    (!gate.is_null()).then(|| unsafe { KBox::from_raw(gate.cast::<Gate>()) })
}

/// # Safety
///
/// Called by a ring's NAPI only, with its gate and a packet that is given up by what is returned.
#[no_mangle]
unsafe extern "C" fn vnic_gate_admit(gate: *mut c_void, skb: *mut *mut bindings::sk_buff) -> u64 {
    // `VNIC_GATE_…`.
    const PARK: u64 = 1 << 63;
    const CUT: u64 = u64::MAX - 1;
    // SAFETY: The ring's gate, from `gate_into_raw`; only its NAPI uses it, which is here. The packet
    // is ours, and NAPI runs with bottom halves off, which is a read-side section.
    let (gate, packet, rcu) = unsafe {
        (
            &mut *gate.cast::<Gate>(),
            Skb::from_raw(NonNull::new_unchecked(*skb)),
            Rcu::assume(),
        )
    };
    match gate.admit(packet, rcu) {
        Admission::Pass(packet) => {
            // SAFETY: A place for a packet, which is C's from now on.
            unsafe { *skb = packet.into_raw() };
            0
        }
        Admission::Park(packet, wait) => {
            // It is still the one that C knows.
            packet.into_raw();
            wait | PARK
        }
        Admission::Cut(segments) => {
            // SAFETY: A place for packets, which are C's from now on.
            unsafe { *skb = segments.into_raw() };
            CUT
        }
        Admission::Gone => u64::MAX,
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
    /// After how many drops for want of room the crate's chores are called; 0: never.
    pub(crate) threshold: u32,
    /// Where rings are polled, one after the other; empty: where their packets come from.
    pub(crate) cpus: CpuList,
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
    pub(crate) fn open(
        &self,
        dev: &NetDev,
        bounds: Bounds,
        gates: Gates,
        shaper: Option<&Shaper>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let count = u16::try_from(dev.rx_queues(rtnl))?;
        self.publish(dev, NewRings::new(count, rtnl)?, bounds, gates, shaper);
        Ok(())
    }

    /// [`Rings::close`], lets `dev` use `count` queues in each direction, and opens as many rings; returns
    /// how many packets were dropped. A failure changes nothing.
    pub(crate) fn reopen(
        &self,
        dev: &NetDev,
        count: u16,
        bounds: Bounds,
        gates: Gates,
        shaper: Option<&Shaper>,
        rtnl: Rtnl<'_>,
    ) -> Result<u32> {
        let new = NewRings::new(count, rtnl)?;
        let before = u16::try_from(dev.rx_queues(rtnl))?;
        // What fails for want of memory comes first: more queues before there are rings, fewer after.
        if count > before {
            dev.use_queues(count, rtnl)?;
        }
        let dropped = self.close(dev, rtnl);
        self.publish(dev, new, bounds, gates, shaper);
        if count < before {
            // Fewer never fails.
            let _ = dev.use_queues(count, rtnl);
        }
        Ok(dropped)
    }

    fn publish(
        &self,
        dev: &NetDev,
        new: NewRings,
        bounds: Bounds,
        mut gates: Gates,
        shaper: Option<&Shaper>,
    ) {
        let (first, count) = (new.first, new.count);
        mem::forget(new);
        for index in 0..usize::from(count) {
            let gate = gates.0.get_mut(index).and_then(Option::take);
            // SAFETY: Within the array that was just made.
            let ring = unsafe { first.add(index) };
            set_bounds(ring, bounds);
            // SAFETY: A ring that nobody polls, on a device that has as many queues; `close` undoes it
            // before the device goes. The shaper outlives its place on the rings.
            unsafe {
                bindings::vnic_ring_open(
                    dev.as_ptr(),
                    ring,
                    gate_into_raw(gate),
                    shaper_into_raw(shaper),
                )
            };
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
            // SAFETY: Closed, so nobody polls it; its gate is its own.
            let gate = unsafe { mem::replace(&mut (*ring).gate, ptr::null_mut()) };
            // SAFETY: It was given up to this ring.
            drop(unsafe { gate_from_raw(gate) });
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

    /// Puts `gates` between the rings that there are and the stack, in place of those that are there,
    /// which are returned. Sleeps.
    pub(crate) fn exchange_gates(&self, mut gates: Gates, rtnl: Rtnl<'_>) -> Gates {
        for (ring, place) in self.all(rtnl).zip(gates.0.iter_mut()) {
            let gate = gate_into_raw(place.take());
            // SAFETY: An opened ring, and the gate that it had until now.
            *place = unsafe { gate_from_raw(bindings::vnic_ring_set_gate(ring, gate)) };
        }
        gates
    }

    /// Has `shaper` say when what is put on the rings goes on; without one it goes on at once, as what waits
    /// does in any case. Sleeps. One that was there before may be used for a grace period.
    pub(crate) fn set_shaper(&self, shaper: Option<&Shaper>, rtnl: Rtnl<'_>) {
        for ring in self.all(rtnl) {
            // SAFETY: An opened ring; a shaper is freed a grace period after it was taken off the rings.
            unsafe { bindings::vnic_ring_set_shaper(ring, shaper_into_raw(shaper)) };
        }
    }

    /// Calls `f` with the index of each ring that dropped at least `threshold` packets for want of room,
    /// and with their number, which is counted anew then.
    pub(crate) fn take_overflows(
        &self,
        threshold: u32,
        rtnl: Rtnl<'_>,
        mut f: impl FnMut(u16, u32),
    ) {
        if threshold == 0 {
            return;
        }
        for ring in self.all(rtnl) {
            // SAFETY: An opened ring.
            match unsafe { bindings::vnic_ring_overflows(ring, threshold) } {
                0 => {}
                // SAFETY: As above; the index never changes.
                count => f(unsafe { (*ring).index }, count),
            }
        }
    }

    /// How many rings there are.
    pub(crate) fn count(&self, rtnl: Rtnl<'_>) -> u32 {
        self.all(rtnl).fold(0, |count, _| count.saturating_add(1))
    }

    /// How many bytes of memory wait on all rings.
    pub(crate) fn waiting_bytes(&self, rtnl: Rtnl<'_>) -> u64 {
        self.all(rtnl).fold(0u64, |sum, ring| {
            // SAFETY: An opened ring.
            let bytes = unsafe { bindings::vnic_ring_waiting(ring) };
            sum.saturating_add(bytes)
        })
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
            bounds.threshold,
        );
        let cpu = bounds.cpus.nth((*ring).index.into());
        bindings::vnic_ring_place(ring, cpu.map_or(-1, i32::from));
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
