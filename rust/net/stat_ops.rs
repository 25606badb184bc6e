// SPDX-License-Identifier: GPL-2.0

//! Statistics by queue (`qstats-get` of the netdev family).
//!
//! Counters are kept by CPU, not by queue. So the one queue that a device normally has shows all of
//! them. One that was made with more shows what each ring gave to the stack since the device went up, and
//! all else as belonging to no queue.
//!
//! C header: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)

use crate::net::{
    counters::{
        Counter,
        Sums, //
    },
    ethtool::Ethtool,
    netdev::Dev,
    rtnl::Rtnl, //
};
use core::marker::PhantomData;
use kernel::prelude::*;
use vnic_bindings as bindings;

/// `struct netdev_stat_ops`.
pub(crate) type Table = bindings::netdev_stat_ops;

/// The trampolines from C.
struct Adapter<T>(PhantomData<T>);

/// # Safety
///
/// All of these are called by the core through `netdev_stat_ops`, under RTNL: devices of ours ask
/// for no instance lock. The device is registered, so its data is there, and the statistics are
/// theirs to fill.
#[expect(clippy::missing_safety_doc)]
impl<T: Ethtool> Adapter<T> {
    unsafe extern "C" fn rx(
        dev: *mut bindings::net_device,
        queue: c_int,
        rx: *mut bindings::netdev_queue_stats_rx,
    ) {
        // SAFETY: By the safety requirements.
        let (dev, rx, rtnl) = unsafe { (Dev::<T>::from_raw(dev), &mut *rx, Rtnl::assume()) };
        if dev.rx_queues(rtnl) == 1 {
            return fill_rx(rx, Some(&dev.data().counters().sums(dev)));
        }
        (rx.packets, rx.bytes) = T::given_by_ring(dev, usize::try_from(queue).unwrap_or(0), rtnl);
        rx.alloc_fail = 0;
    }

    unsafe extern "C" fn tx(
        dev: *mut bindings::net_device,
        _queue: c_int,
        tx: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: By the safety requirements.
        let (dev, tx) = unsafe { (Dev::<T>::from_raw(dev), &mut *tx) };
        let sums = dev.data().counters().sums(dev);
        fill_tx(tx, (dev.tx_queues() == 1).then_some(&sums));
    }

    /// What belongs to no queue; the core adds what the queues have.
    unsafe extern "C" fn base(
        dev: *mut bindings::net_device,
        rx: *mut bindings::netdev_queue_stats_rx,
        tx: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: By the safety requirements.
        let (dev, rx, tx, rtnl) = unsafe {
            (
                Dev::<T>::from_raw(dev),
                &mut *rx,
                &mut *tx,
                Rtnl::assume(), //
            )
        };
        let sums = dev.data().counters().sums(dev);
        let queues = dev.rx_queues(rtnl);
        fill_rx(rx, (queues != 1).then_some(&sums));
        if queues != 1 {
            for queue in 0..queues as usize {
                let (packets, bytes) = T::given_by_ring(dev, queue, rtnl);
                rx.packets = rx.packets.saturating_sub(packets);
                rx.bytes = rx.bytes.saturating_sub(bytes);
            }
        }
        fill_tx(tx, (dev.tx_queues() != 1).then_some(&sums));
    }
}

/// Fills in what is known of received packets: the sums, or zeroes.
fn fill_rx(rx: &mut bindings::netdev_queue_stats_rx, sums: Option<&Sums>) {
    let get = |counter| sums.map_or(0, |sums| sums.get(counter));
    rx.packets = get(Counter::RxPackets);
    rx.bytes = get(Counter::RxBytes);
    rx.alloc_fail = get(Counter::RxDropNoMemory);
}

/// Fills in what is known of sent packets.
fn fill_tx(tx: &mut bindings::netdev_queue_stats_tx, sums: Option<&Sums>) {
    let get = |counter| sums.map_or(0, |sums| sums.get(counter));
    tx.packets = get(Counter::TxPackets);
    tx.bytes = get(Counter::TxBytes);
}

/// Makes the C table of `T`.
pub(crate) const fn table<T: Ethtool>() -> Table {
    Table {
        get_queue_stats_rx: Some(Adapter::<T>::rx),
        get_queue_stats_tx: Some(Adapter::<T>::tx),
        get_base_stats: Some(Adapter::<T>::base),
    }
}
