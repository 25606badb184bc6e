// SPDX-License-Identifier: GPL-2.0

//! Shapers: packets wait in them until their time has come.
//!
//! ```text
//! new (closed) ─open─► open ─close─► closed ─open─► …
//!                       │
//!                       └─drain─► empty: all pass ─► dropped
//! ```
//!
//! What packets do with one is in C (`rust/shim/shaper.c`).

use crate::{
    logic::rate::Meter,
    net::{
        counters::Counters,
        ops::Tx,
        rcu::Rcu,
        rtnl::Rtnl,
        skb::Skb, //
    },
    vnic::{
        Rate,
        Vnic, //
    },
};
use core::{
    mem,
    ops::Deref,
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

const _: () = assert!(mem::size_of::<Meter>() == mem::size_of::<bindings::vnic_meter>());
const _: () = assert!(mem::align_of::<Meter>() == mem::align_of::<bindings::vnic_meter>());

/// # Safety
///
/// `meter` must be one, to which the caller has the only access; zeroes are one.
#[no_mangle]
unsafe extern "C" fn vnic_meter_set(
    meter: *mut bindings::vnic_meter,
    bits: u64,
    packets: u32,
    delay: u64,
    now: u64,
) {
    // SAFETY: By the safety requirements; of the same size and alignment, and plain integers.
    unsafe { *meter.cast::<Meter>() = Meter::new(bits, packets, delay, now) };
}

/// # Safety
///
/// As for [`vnic_meter_set`].
#[no_mangle]
unsafe extern "C" fn vnic_meter_admit(
    meter: *mut bindings::vnic_meter,
    now: u64,
    bytes: u32,
    packets: u32,
) -> u64 {
    // SAFETY: As above.
    let meter = unsafe { &mut *meter.cast::<Meter>() };
    // `VNIC_NEVER`.
    meter.admit(now, bytes, packets).unwrap_or(u64::MAX)
}

/// # Safety
///
/// As for [`vnic_meter_set`], but others may read it.
#[no_mangle]
unsafe extern "C" fn vnic_meter_ready(meter: *const bindings::vnic_meter, now: u64) -> u64 {
    // SAFETY: As above.
    unsafe { &*meter.cast::<Meter>() }.ready(now)
}

/// What a packet waits for, and where it goes on from there (`enum vnic_stage`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Stage {
    /// Received by a VNIC. Such a shaper only says when; packets wait on the rings.
    Rx = bindings::vnic_stage_VNIC_STAGE_RX,
    /// Sent by a VNIC: to the switch.
    Tx = bindings::vnic_stage_VNIC_STAGE_TX,
    /// A flow's, received: to the VNIC's rings.
    FlowRx = bindings::vnic_stage_VNIC_STAGE_FLOW_RX,
    /// A flow's, sent: to the VNIC's own limit.
    FlowTx = bindings::vnic_stage_VNIC_STAGE_FLOW_TX,
    /// On its way to the wire: to the lower device.
    Wire = bindings::vnic_stage_VNIC_STAGE_WIRE,
    /// The same, but it was counted already.
    WireCounted = bindings::vnic_stage_VNIC_STAGE_WIRE_COUNTED,
}

impl Stage {
    fn of(stage: bindings::vnic_stage) -> Option<Self> {
        [
            Self::Rx,
            Self::Tx,
            Self::FlowRx,
            Self::FlowTx,
            Self::Wire,
            Self::WireCounted,
        ]
        .into_iter()
        .find(|known| *known as bindings::vnic_stage == stage)
    }
}

/// # Safety
///
/// The packet is consumed; BH is off, under RCU.
#[no_mangle]
unsafe extern "C" fn vnic_shaped(
    stage: bindings::vnic_stage,
    skb: *mut bindings::sk_buff,
    note: u64,
) {
    // SAFETY: By the safety requirements.
    let (skb, rcu) = unsafe { (Skb::from_raw(NonNull::new_unchecked(skb)), Rcu::assume()) };
    if let Some(stage) = Stage::of(stage) {
        Vnic::go_on(stage, skb, note, rcu);
    }
}

/// What became of a packet that was offered to a shaper.
pub(crate) enum Offer {
    /// It goes on now, before anything else is done.
    Pass(Skb),
    /// It waits.
    Waits,
    /// It was dropped, and counted.
    Dropped,
}

impl Offer {
    /// # Safety
    ///
    /// `skb` must be a packet that was offered, and be the caller's if it passes.
    pub(super) unsafe fn of(offer: bindings::vnic_offer, skb: *mut bindings::sk_buff) -> Self {
        match offer {
            bindings::vnic_offer_VNIC_OFFER_PASS => {
                // SAFETY: By the safety requirements; not null.
                Self::Pass(unsafe { Skb::from_raw(NonNull::new_unchecked(skb)) })
            }
            bindings::vnic_offer_VNIC_OFFER_WAITS => Self::Waits,
            _ => Self::Dropped,
        }
    }

    /// How the transmission ends that it is part of: what passes is sent by `send`.
    #[inline(always)]
    pub(crate) fn sent_by(self, send: impl FnOnce(Skb) -> Tx) -> Tx {
        match self {
            Self::Pass(skb) => send(skb),
            Self::Waits => Tx::DONE,
            Self::Dropped => Tx::DROPPED,
        }
    }
}

/// A shaper.
#[repr(transparent)]
pub(crate) struct Shaper(Opaque<bindings::vnic_shaper>);

// SAFETY: It has a lock.
unsafe impl Sync for Shaper {}

impl Shaper {
    /// The C shaper.
    pub(super) fn as_ptr(&self) -> *mut bindings::vnic_shaper {
        self.0.get()
    }

    /// Sets bits and packets a second, 0 for no limit, and how long packets wait at most, in ns. What waits in
    /// it waits anew, or is dropped.
    pub(crate) fn set(&self, bits: u64, packets: u32, delay: u64, _rtnl: Rtnl<'_>) {
        // SAFETY: A live shaper, in process context.
        unsafe { bindings::vnic_shaper_set(self.as_ptr(), bits, packets, delay) };
    }

    /// Lets packets in, which `counters` count: those live as long as packets find the shaper.
    pub(crate) fn open(&self, counters: &Counters, rtnl: Rtnl<'_>) {
        self.open_raw(counters.as_ptr(), rtnl);
    }

    /// The same.
    pub(super) fn open_raw(&self, counters: *mut bindings::vnic_counters, _rtnl: Rtnl<'_>) {
        // SAFETY: As above.
        unsafe { bindings::vnic_shaper_open(self.as_ptr(), counters) };
    }

    /// Drops what waits and what comes. Nothing comes out of it any more when this returns.
    pub(crate) fn close(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: As above.
        unsafe { bindings::vnic_shaper_close(self.as_ptr()) };
    }

    /// Asks whether a packet may go on. Not for [`Stage::Rx`].
    pub(crate) fn offer(&self, skb: Skb, _rcu: Rcu<'_>) -> Offer {
        let skb = skb.into_raw();
        // SAFETY: A packet that is consumed, unless it passes.
        let offer = unsafe { bindings::vnic_shaper_offer(self.as_ptr(), skb, 0) };
        // SAFETY: As that function says.
        unsafe { Offer::of(offer, skb) }
    }
}

impl Waiting for Shaper {
    fn drain(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: A live shaper, in process context.
        unsafe { bindings::vnic_shaper_drain(self.as_ptr()) };
    }

    unsafe fn free(this: NonNull<Self>) {
        // SAFETY: By the safety requirements.
        unsafe { bindings::vnic_shaper_free(this.as_ptr().cast()) };
    }
}

impl Owned<Shaper> {
    /// A closed one without limits.
    pub(crate) fn new(stage: Stage, _rtnl: Rtnl<'_>) -> Result<Self> {
        // SAFETY: No flow.
        unsafe { Self::new_of(stage, ptr::null()) }
    }

    /// The same, of a flow, which counts what it drops.
    ///
    /// # Safety
    ///
    /// RTNL is held; the flow lives as long as packets find the shaper, and a grace period longer.
    pub(super) unsafe fn new_of(stage: Stage, flow: *const bindings::vnic_flow) -> Result<Self> {
        // SAFETY: RTNL is held, so this is process context; the flow by the safety requirements.
        let shaper = unsafe { bindings::vnic_shaper_alloc(stage as bindings::vnic_stage, flow) };
        // INVARIANT: From there, and closed.
        Ok(Self(NonNull::new(shaper.cast()).ok_or(ENOMEM)?))
    }
}

/// What packets wait in.
pub(crate) trait Waiting {
    /// Lets all go on that waits, in order, and then everything. Sleeps.
    fn drain(&self, rtnl: Rtnl<'_>);

    /// Frees it, a grace period later.
    ///
    /// # Safety
    ///
    /// It must be one that was allocated, in which nothing waits and will not, and that nobody finds any more.
    unsafe fn free(this: NonNull<Self>);
}

/// One that somebody owns.
///
/// # Invariants
///
/// It was allocated by the C side; nothing waits in it when this is dropped, as it is new, closed or drained.
pub(crate) struct Owned<T: Waiting>(NonNull<T>);

// SAFETY: It belongs to no task.
unsafe impl<T: Waiting + Sync> Send for Owned<T> {}

impl<T: Waiting> Owned<T> {
    /// # Safety
    ///
    /// It must be one that the C side allocated, in which nothing waits, and that nobody else owns.
    pub(super) unsafe fn from_raw(owned: NonNull<T>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(owned)
    }
}

impl<T: Waiting> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Waiting> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; whoever found it is waited for.
        unsafe { T::free(self.0) };
    }
}

/// A place for one, where packets find it.
///
/// # Invariants
///
/// The pointer is null or that of an [`Owned`] which the place owns.
pub(crate) struct Place<T: Waiting>(AtomicPtr<T>);

impl<T: Waiting> Place<T> {
    /// Without one.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Null.
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// What is there, for packets.
    #[inline(always)]
    pub(crate) fn get<'a>(&'a self, _rcu: Rcu<'a>) -> Option<&'a T> {
        // SAFETY: By the type invariant, and it is freed a grace period after it left the place.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// What is there, for who makes changes. It stays as long as it is not removed.
    pub(crate) fn get_locked(&self, _rtnl: Rtnl<'_>) -> Option<&T> {
        // SAFETY: By the type invariant; `remove` needs RTNL, too. No caller removes it while he uses it.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }

    /// Puts one in. There is none yet.
    pub(crate) fn put(&self, owned: Owned<T>, _rtnl: Rtnl<'_>) {
        // INVARIANT: It is given up to the place.
        self.0.store(owned.0.as_ptr(), Ordering::Release);
        mem::forget(owned);
    }

    /// Takes out what is there, after it was drained. Packets keep their order. Sleeps.
    pub(crate) fn remove(&self, rtnl: Rtnl<'_>) {
        if let Some(there) = self.get_locked(rtnl) {
            there.drain(rtnl);
        }
        self.clear();
    }

    fn clear(&self) {
        // INVARIANT: Null.
        let there = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        // By the type invariant it was owned by the place.
        drop(NonNull::new(there).map(Owned));
    }
}

impl Place<Shaper> {
    /// Sets what the shaper here is to limit, which is `new` if there is none yet; without a rate it goes. `open` makes
    /// a new one ready for packets.
    pub(crate) fn follow(
        &self,
        rate: Rate,
        delay: u32,
        new: Option<Owned<Shaper>>,
        open: impl FnOnce(&Shaper),
        rtnl: Rtnl<'_>,
    ) {
        if rate == Rate::NONE {
            return self.remove(rtnl);
        }
        let delay = u64::from(delay).saturating_mul(NSEC_PER_USEC);
        match (new, self.get_locked(rtnl)) {
            (Some(new), None) => {
                new.set(rate.bits, rate.packets, delay, rtnl);
                open(&new);
                self.put(new, rtnl);
            }
            (_, Some(shaper)) => shaper.set(rate.bits, rate.packets, delay, rtnl),
            (None, None) => {}
        }
    }

    /// A shaper for what is to be limited and is not yet, by `make`.
    pub(crate) fn prepare(
        &self,
        rate: Rate,
        make: impl FnOnce() -> Result<Owned<Shaper>>,
        rtnl: Rtnl<'_>,
    ) -> Result<Option<Owned<Shaper>>> {
        match rate != Rate::NONE && self.get_locked(rtnl).is_none() {
            true => make().map(Some),
            false => Ok(None),
        }
    }
}

/// Nanoseconds in a microsecond.
pub(crate) const NSEC_PER_USEC: u64 = 1000;

impl<T: Waiting> Drop for Place<T> {
    fn drop(&mut self) {
        // Whoever drops it has seen to it that nothing waits.
        self.clear();
    }
}
