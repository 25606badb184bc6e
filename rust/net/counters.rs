// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters of a VNIC.

use core::ptr::NonNull;
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
    /// Of these packets, to a group.
    RxGroup = vnic_counter_VNIC_RX_GROUP, "rx_group";
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
    /// The CPU's backlog was full.
    RxDropBacklog = vnic_counter_VNIC_RX_DROP_BACKLOG, "rx_drop_backlog";
    /// No memory to receive.
    RxDropNoMemory = vnic_counter_VNIC_RX_DROP_NOMEM, "rx_drop_nomem";
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
pub(crate) const RX_DROPS: [Counter; 4] = [
    Counter::RxDropDown,
    Counter::RxDropTooLong,
    Counter::RxDropBacklog,
    Counter::RxDropNoMemory,
];

/// Why packets were not sent.
pub(crate) const TX_DROPS: [Counter; 6] = [
    Counter::TxDropShort,
    Counter::TxDropMiss,
    Counter::TxDropUplink,
    Counter::TxDropFanout,
    Counter::TxDropNoMemory,
    Counter::TxDropRefused,
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

/// A set of counters for each CPU.
///
/// # Invariants
///
/// The pointer is a live per-CPU allocation.
pub(crate) struct Counters(NonNull<bindings::vnic_counters>);

// SAFETY: Each CPU writes its own set; sums are read with READ_ONCE().
unsafe impl Sync for Counters {}
// SAFETY: The allocation belongs to no CPU or task.
unsafe impl Send for Counters {}

impl Counters {
    /// Allocates them, all zero. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Process context.
        let counters = unsafe { bindings::vnic_counters_alloc() };
        // INVARIANT: Just allocated.
        NonNull::new(counters).map(Self).ok_or(ENOMEM)
    }

    /// The `__percpu` pointer, for the shims.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut bindings::vnic_counters {
        self.0.as_ptr()
    }

    /// Adds one to a counter. Bottom halves must be off, or the CPU may change between.
    pub(crate) fn increment(&self, counter: Counter) {
        // SAFETY: By the type invariant; `this_cpu_add()` is whole on its own.
        unsafe { bindings::vnic_counters_add(self.0.as_ptr(), counter as u32, 1) };
    }

    /// Counts a packet that the host sent.
    pub(crate) fn sent(&self, len: u32) {
        // SAFETY: By the type invariant.
        unsafe {
            bindings::vnic_skb_count(
                self.0.as_ptr(),
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
                self.0.as_ptr(),
                Counter::TxPackets as u32,
                Counter::TxBytes as u32,
                Counter::TxGroup as u32,
                len,
            )
        };
    }

    /// The sums over all CPUs. Any context.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = [0; COUNT];
        // SAFETY: `sums` has room for all counters.
        unsafe { bindings::vnic_counters_sum(self.0.as_ptr(), sums.as_mut_ptr()) };
        Sums(sums)
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; whoever used it is gone.
        unsafe { bindings::vnic_counters_free(self.0.as_ptr()) };
    }
}
