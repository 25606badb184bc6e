// SPDX-License-Identifier: GPL-2.0

//! ethtool: what a device of ours tells about itself.
//!
//! The driver's name (the kind of the link), its version (the kernel's) and the link state are the
//! core's own answers.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use crate::net::{
    counters::{
        Counted,
        COUNT,
        NAMES, //
    },
    eopnotsupp,
    netdev::{
        Dev,
        NetDev, //
    },
    netlink::Extack,
    ops::Operations,
    rtnl::Rtnl, //
};
use core::marker::PhantomData;
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*, //
};
use vnic_bindings as bindings;

/// `struct ethtool_ops`.
pub(crate) type Table = bindings::ethtool_ops;

/// Bytes of one name.
const NAME_LEN: usize = bindings::ETH_GSTRING_LEN as usize;

/// What ethtool asks a kind of device.
pub(crate) trait Ethtool: Operations + Counted {
    /// Speed, duplex and the like.
    fn link_settings(dev: &Dev<Self>, settings: &mut LinkSettings<'_>, rtnl: Rtnl<'_>) -> Result;

    /// The largest size of its rings; none if it has no rings.
    const RING_SIZE_MAX: Option<u32> = None;

    /// How many packets may wait on each.
    fn ring_size(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) -> u32 {
        0
    }

    /// Sets that.
    fn set_ring_size(
        _dev: &Dev<Self>,
        _size: u32,
        _extack: &mut Extack<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        Err(eopnotsupp())
    }

    /// Uses `count` queues in each direction, at least one and no more than it has.
    fn set_queues(_dev: &Dev<Self>, _count: u16, _rtnl: Rtnl<'_>) -> Result {
        Err(eopnotsupp())
    }

    /// How many packets and bytes the ring of a queue gave to the stack since the device went up.
    fn given_by_ring(_dev: &Dev<Self>, _queue: usize, _rtnl: Rtnl<'_>) -> (u64, u64) {
        (0, 0)
    }

    /// How packets are time-stamped.
    fn timestamping(dev: &Dev<Self>, info: &mut Timestamping<'_>, rtnl: Rtnl<'_>) -> Result;
}

/// `struct ethtool_link_ksettings`, to be filled; zero at first.
pub(crate) struct LinkSettings<'a>(&'a mut bindings::ethtool_link_ksettings);

impl LinkSettings<'_> {
    /// Those of the device below.
    pub(crate) fn copy(&mut self, lower: &NetDev, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: A live device, under RTNL; the settings are ours to fill.
        to_result(unsafe { bindings::__ethtool_get_link_ksettings(lower.as_ptr(), self.0) })
    }

    /// Of a link that has no wire.
    pub(crate) fn set_unknown(&mut self) {
        self.0.base.speed = bindings::SPEED_UNKNOWN as u32;
        self.0.base.duplex = bindings::DUPLEX_UNKNOWN as u8;
        self.0.base.port = bindings::PORT_OTHER as u8;
    }
}

/// `struct kernel_ethtool_ts_info`, to be filled.
pub(crate) struct Timestamping<'a>(&'a mut bindings::kernel_ethtool_ts_info);

impl Timestamping<'_> {
    /// As the device below does it.
    pub(crate) fn copy(&mut self, lower: &NetDev, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: A live device, under RTNL; the information is ours to fill.
        to_result(unsafe { bindings::ethtool_get_ts_info_by_layer(lower.as_ptr(), self.0) })
    }

    /// By software alone.
    pub(crate) fn set_software(&mut self, dev: &NetDev) -> Result {
        // SAFETY: A live device; the information is ours to fill.
        to_result(unsafe { bindings::ethtool_op_get_ts_info(dev.as_ptr(), self.0) })
    }
}

/// The trampolines from C.
struct Adapter<T>(PhantomData<T>);

/// # Safety
///
/// All of these are called by the core through `ethtool_ops`, under RTNL: devices of ours ask for
/// no instance lock. The device is registered, so its data is there, and what C passes along is
/// valid until they return.
#[expect(clippy::missing_safety_doc)]
impl<T: Ethtool> Adapter<T> {
    unsafe extern "C" fn link_settings(
        dev: *mut bindings::net_device,
        settings: *mut bindings::ethtool_link_ksettings,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (dev, settings, rtnl) =
            unsafe { (Dev::<T>::from_raw(dev), &mut *settings, Rtnl::assume()) };
        from_result(|| T::link_settings(dev, &mut LinkSettings(settings), rtnl).map(|()| 0))
    }

    unsafe extern "C" fn timestamping(
        dev: *mut bindings::net_device,
        info: *mut bindings::kernel_ethtool_ts_info,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (dev, info, rtnl) = unsafe { (Dev::<T>::from_raw(dev), &mut *info, Rtnl::assume()) };
        from_result(|| T::timestamping(dev, &mut Timestamping(info), rtnl).map(|()| 0))
    }

    unsafe extern "C" fn ring_size(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        _kernel: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: By the safety requirements.
        let (dev, ring, rtnl) = unsafe { (Dev::<T>::from_raw(dev), &mut *ring, Rtnl::assume()) };
        ring.rx_max_pending = T::RING_SIZE_MAX.unwrap_or(0);
        ring.rx_pending = T::ring_size(dev, rtnl);
    }

    unsafe extern "C" fn set_ring_size(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        _kernel: *mut bindings::kernel_ethtool_ringparam,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: By the safety requirements; the extack is null or valid.
        let (dev, size, mut extack, rtnl) = unsafe {
            (
                Dev::<T>::from_raw(dev),
                (*ring).rx_pending,
                Extack::from_raw(extack),
                Rtnl::assume(),
            )
        };
        from_result(|| T::set_ring_size(dev, size, &mut extack, rtnl).map(|()| 0))
    }

    /// The number of names in a set.
    unsafe extern "C" fn count(_dev: *mut bindings::net_device, set: c_int) -> c_int {
        if set == STATISTICS as c_int {
            COUNT as c_int
        } else {
            eopnotsupp().to_errno()
        }
    }

    unsafe extern "C" fn names(_dev: *mut bindings::net_device, set: u32, data: *mut u8) {
        if set != STATISTICS {
            return;
        }
        // SAFETY: The core made room for as many names as `count` said.
        let places = unsafe { &mut *data.cast::<[[u8; NAME_LEN]; COUNT]>() };
        for (place, (_, name)) in places.iter_mut().zip(NAMES) {
            place.fill(0);
            for (byte, letter) in place.iter_mut().zip(name.bytes()) {
                *byte = letter;
            }
        }
    }

    unsafe extern "C" fn values(
        dev: *mut bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        data: *mut u64,
    ) {
        // SAFETY: By the safety requirements; there is room for as many values as `count` said.
        let (dev, places) = unsafe {
            (
                Dev::<T>::from_raw(dev),
                &mut *data.cast::<[u64; COUNT]>(), //
            )
        };
        let sums = dev.data().counters().sums(dev);
        for (place, (counter, _)) in places.iter_mut().zip(NAMES) {
            *place = sums.get(counter);
        }
    }

    /// A channel is a queue for each direction, as far as there are pairs.
    unsafe extern "C" fn channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) {
        // SAFETY: By the safety requirements; the numbers of queues are written under RTNL.
        let (channels, rx, tx, most) = unsafe {
            (
                &mut *channels,
                (*dev).real_num_rx_queues,
                (*dev).real_num_tx_queues,
                (*dev).num_rx_queues.min((*dev).num_tx_queues),
            )
        };
        let pairs = rx.min(tx);
        channels.combined_count = pairs;
        channels.max_combined = if T::RING_SIZE_MAX.is_some() {
            most
        } else {
            pairs
        };
        channels.max_rx = rx.saturating_sub(pairs);
        channels.rx_count = channels.max_rx;
        channels.max_tx = tx.saturating_sub(pairs);
        channels.tx_count = channels.max_tx;
    }

    unsafe extern "C" fn set_channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) -> c_int {
        // SAFETY: By the safety requirements. The core has compared the numbers with the largest.
        let (dev, count, rtnl) = unsafe {
            (
                Dev::<T>::from_raw(dev),
                (*channels).combined_count,
                Rtnl::assume(),
            )
        };
        from_result(|| {
            let count = u16::try_from(count)?;
            if count == 0 {
                return Err(EINVAL);
            }
            T::set_queues(dev, count, rtnl).map(|()| 0)
        })
    }
}

/// `ETH_SS_STATS`.
const STATISTICS: u32 = bindings::ethtool_stringset_ETH_SS_STATS;

const _: () = {
    let mut i = 0;
    while i < NAMES.len() {
        assert!(NAMES[i].1.len() < NAME_LEN);
        i += 1;
    }
};

/// Makes the C table of `T`.
pub(crate) const fn table<T: Ethtool>() -> Table {
    // SAFETY: A table of optional functions, pointers and integers: zero is a value.
    let mut ops: Table = unsafe { core::mem::MaybeUninit::zeroed().assume_init() };
    ops.get_link = Some(bindings::ethtool_op_get_link);
    ops.get_link_ksettings = Some(Adapter::<T>::link_settings);
    ops.get_ts_info = Some(Adapter::<T>::timestamping);
    ops.get_sset_count = Some(Adapter::<T>::count);
    ops.get_strings = Some(Adapter::<T>::names);
    ops.get_ethtool_stats = Some(Adapter::<T>::values);
    ops.get_channels = Some(Adapter::<T>::channels);
    ops.set_channels = Some(Adapter::<T>::set_channels);
    if T::RING_SIZE_MAX.is_some() {
        ops.get_ringparam = Some(Adapter::<T>::ring_size);
        ops.set_ringparam = Some(Adapter::<T>::set_ring_size);
    }
    ops
}
