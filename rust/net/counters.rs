// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters of a VNIC.

use crate::net::{
    netdev::NetDev,
    rtnl::Rtnl, //
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

/// How many counters there are.
pub(crate) const COUNT: usize = bindings::vnic_counter_VNIC_COUNTERS as usize;

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $c:ident, $name:literal;)*) => {
        /// One counter; what each counts is said in `include/vnic_shim.h`.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub(crate) enum Counter {
            $($(#[$doc])* $variant = bindings::$c,)*
        }

        /// The counters with the names that `ethtool -S` shows.
        pub(crate) const NAMES: [(Counter, &str); COUNT] = [
            $((Counter::$variant, $name),)*
        ];
    };
}

counters! {
    /// Packets received.
    RxPackets = vnic_counter_VNIC_RX_PACKETS, "rx_packets";
    /// Bytes received.
    RxBytes = vnic_counter_VNIC_RX_BYTES, "rx_bytes";
    /// Of these packets, from this host.
    RxLocal = vnic_counter_VNIC_RX_LOCAL, "rx_local";
    /// Of these packets, from the wire and by a ring.
    RxQueued = vnic_counter_VNIC_RX_QUEUED, "rx_queued";
    /// Of these packets, to a group.
    RxGroup = vnic_counter_VNIC_RX_GROUP, "rx_group";
    /// Times that frames from the wire were turned from the inline way to an empty ring.
    RxToRing = vnic_counter_VNIC_RX_TO_RING, "rx_to_ring";
    /// Packets sent.
    TxPackets = vnic_counter_VNIC_TX_PACKETS, "tx_packets";
    /// Bytes sent.
    TxBytes = vnic_counter_VNIC_TX_BYTES, "tx_bytes";
    /// Of these packets, to this host.
    TxLocal = vnic_counter_VNIC_TX_LOCAL, "tx_local";
    /// Of these packets, to a group.
    TxGroup = vnic_counter_VNIC_TX_GROUP, "tx_group";
    /// The VNIC was down.
    RxDropDown = vnic_counter_VNIC_RX_DROP_DOWN, "rx_drop_down";
    /// Longer than its MTU.
    RxDropTooLong = vnic_counter_VNIC_RX_DROP_TOO_LONG, "rx_drop_too_long";
    /// Its ring was full.
    RxDropRing = vnic_counter_VNIC_RX_DROP_RING, "rx_drop_ring";
    /// The CPU's backlog was full.
    RxDropBacklog = vnic_counter_VNIC_RX_DROP_BACKLOG, "rx_drop_backlog";
    /// No memory to receive.
    RxDropNoMemory = vnic_counter_VNIC_RX_DROP_NOMEM, "rx_drop_nomem";
    /// Longer than what its pool can store.
    RxDropPool = vnic_counter_VNIC_RX_DROP_POOL, "rx_drop_pool";
    /// Times that a ring was parked.
    RxParked = vnic_counter_VNIC_RX_PARKED, "rx_parked";
    /// Packets that a limit let wait.
    RxWaited = vnic_counter_VNIC_RX_WAITED, "rx_waited";
    /// A limit would have let them wait for too long.
    RxDropLimit = vnic_counter_VNIC_RX_DROP_LIMIT, "rx_drop_limit";
    /// Packets that a limit let wait.
    TxWaited = vnic_counter_VNIC_TX_WAITED, "tx_waited";
    /// A limit would have let them wait for too long.
    TxDropLimit = vnic_counter_VNIC_TX_DROP_LIMIT, "tx_drop_limit";
    /// The VNIC went down while they waited.
    TxDropDown = vnic_counter_VNIC_TX_DROP_DOWN, "tx_drop_down";
    /// No complete Ethernet header.
    TxDropShort = vnic_counter_VNIC_TX_DROP_SHORT, "tx_drop_short";
    /// No such address, and no wire.
    TxDropMiss = vnic_counter_VNIC_TX_DROP_MISS, "tx_drop_miss";
    /// Refused by the lower device.
    TxDropUplink = vnic_counter_VNIC_TX_DROP_UPLINK, "tx_drop_uplink";
    /// The queue of group frames was full.
    TxDropFanout = vnic_counter_VNIC_TX_DROP_FANOUT, "tx_drop_fanout";
    /// No memory to send.
    TxDropNoMemory = vnic_counter_VNIC_TX_DROP_NOMEM, "tx_drop_nomem";
    /// The local receiver did not take it.
    TxDropRefused = vnic_counter_VNIC_TX_DROP_REFUSED, "tx_drop_refused";
}

/// Why packets were not received.
pub(crate) const RX_DROPS: [Counter; 7] = [
    Counter::RxDropDown,
    Counter::RxDropTooLong,
    Counter::RxDropRing,
    Counter::RxDropBacklog,
    Counter::RxDropNoMemory,
    Counter::RxDropPool,
    Counter::RxDropLimit,
];

/// Why packets were not sent.
pub(crate) const TX_DROPS: [Counter; 8] = [
    Counter::TxDropShort,
    Counter::TxDropMiss,
    Counter::TxDropUplink,
    Counter::TxDropFanout,
    Counter::TxDropNoMemory,
    Counter::TxDropRefused,
    Counter::TxDropLimit,
    Counter::TxDropDown,
];

/// The counters of one VNIC, summed over the CPUs.
pub(crate) struct Sums([u64; COUNT]);

impl Sums {
    /// The value of one.
    pub(crate) fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// The sum of several.
    pub(crate) fn total(&self, counters: &[Counter]) -> u64 {
        counters
            .iter()
            .fold(0u64, |sum, counter| sum.wrapping_add(self.get(*counter)))
    }
}

/// Private data of a device that has counters.
pub(crate) trait Counted {
    /// Its counters.
    fn counters(&self) -> &Counters;
}

/// A set of counters for each CPU, from the first time that the device goes up: until then all
/// that can happen to a packet is to be dropped, which is counted elsewhere.
///
/// # Invariants
///
/// The pointer is that of `vnic_counters_none()` or a live per-CPU allocation of our own, and in
/// the latter case changes no more.
pub(crate) struct Counters(AtomicPtr<bindings::vnic_counters>);

impl Counters {
    /// None yet.
    pub(crate) fn new() -> Self {
        // SAFETY: It only takes an address.
        // INVARIANT: The one that stands for none.
        Self(AtomicPtr::new(unsafe { bindings::vnic_counters_none() }))
    }

    /// Allocates them, all zero, if they are not there. Who reads the pointer meanwhile finds
    /// either.
    pub(crate) fn allocate(&self, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: It only takes an address.
        if !ptr::eq(self.as_ptr(), unsafe { bindings::vnic_counters_none() }) {
            return Ok(());
        }
        // SAFETY: RTNL is held, so this is process context.
        let counters = unsafe { bindings::vnic_counters_alloc() };
        if counters.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: Just allocated; under RTNL nobody else came here and did the same.
        self.0.store(counters, Ordering::Release);
        Ok(())
    }

    /// The `__percpu` pointer, for the shims.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut bindings::vnic_counters {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one to a counter. Bottom halves must be off, or the CPU may change between.
    pub(crate) fn increment(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Adds to a counter. Any context.
    pub(crate) fn add(&self, counter: Counter, count: u64) {
        // SAFETY: By the type invariant; `this_cpu_add()` is whole on its own.
        unsafe { bindings::vnic_counters_add(self.as_ptr(), counter as u32, count) };
    }

    /// Counts a packet that the host sent.
    pub(crate) fn sent(&self, len: u32) {
        // SAFETY: By the type invariant.
        unsafe {
            bindings::vnic_skb_count(
                self.as_ptr(),
                Counter::TxPackets as u32,
                Counter::TxBytes as u32,
                Counter::TxLocal as u32,
                len,
            )
        };
    }

    /// Counts a packet sent to a group.
    pub(crate) fn sent_group(&self, len: u32) {
        // SAFETY: By the type invariant.
        unsafe {
            bindings::vnic_skb_count(
                self.as_ptr(),
                Counter::TxPackets as u32,
                Counter::TxBytes as u32,
                Counter::TxGroup as u32,
                len,
            )
        };
    }

    /// The sums over all CPUs of those of `dev`. Any context.
    pub(crate) fn sums(&self, dev: &NetDev) -> Sums {
        let mut sums = [0; COUNT];
        // SAFETY: A live device, by the type invariant live counters, and room for all sums.
        unsafe { bindings::vnic_counters_sum(dev.as_ptr(), self.as_ptr(), sums.as_mut_ptr()) };
        Sums(sums)
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; whoever used them is gone.
        unsafe { bindings::vnic_counters_free(self.as_ptr()) };
    }
}
