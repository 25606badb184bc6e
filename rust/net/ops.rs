// SPDX-License-Identifier: GPL-2.0

//! What a device of ours does: `struct net_device_ops`, in Rust.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::{
    logic::addr::MacAddr,
    net::{
        counters::{
            Counter,
            Sums,
            RX_DROPS,
            TX_DROPS, //
        },
        hwtstamp,
        netdev::{
            Dev,
            Features, //
        },
        netlink::Extack,
        rcu::Rcu,
        rtnl::Rtnl,
        skb::Skb, //
    },
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
};
use vnic_bindings as bindings;

/// `struct net_device_ops`.
pub(crate) type Table = bindings::net_device_ops;

/// What became of a packet in [`Operations::start_xmit`]: `netdev_tx_t` or a `NET_XMIT_*` code.
///
/// Only [`Tx::busy`] leaves the packet with the core, so only it takes the packet.
#[must_use]
#[repr(transparent)]
pub(crate) struct Tx(bindings::netdev_tx_t);

impl Tx {
    /// It is gone; nothing is wrong.
    pub(crate) const DONE: Self = Self(bindings::netdev_tx_NETDEV_TX_OK);

    /// It was dropped for want of memory or room, and the sender is told, as by a full qdisc.
    pub(crate) const DROPPED: Self = Self(bindings::NET_XMIT_DROP as bindings::netdev_tx_t);

    /// Its queue is full; the core keeps it. Only for devices with a qdisc.
    #[expect(dead_code)]
    pub(crate) fn busy(skb: Skb) -> Self {
        // The core still has its pointer.
        skb.into_raw();
        Self(bindings::netdev_tx_NETDEV_TX_BUSY)
    }

    /// A code that a function returned which consumed the packet.
    #[inline(always)]
    pub(crate) fn from_code(code: c_int) -> Self {
        Self(code as bindings::netdev_tx_t)
    }
}

/// `struct rtnl_link_stats64`, as far as we fill it.
#[derive(Default)]
pub(crate) struct LinkStats {
    /// Packets received.
    pub(crate) rx_packets: u64,
    /// Bytes received.
    pub(crate) rx_bytes: u64,
    /// Packets not received.
    pub(crate) rx_dropped: u64,
    /// Of the received, to a group.
    pub(crate) multicast: u64,
    /// Packets sent.
    pub(crate) tx_packets: u64,
    /// Bytes sent.
    pub(crate) tx_bytes: u64,
    /// Packets not sent.
    pub(crate) tx_dropped: u64,
}

impl LinkStats {
    /// From the counters of a device.
    pub(crate) fn of(sums: &Sums) -> Self {
        Self {
            rx_packets: sums.get(Counter::RxPackets),
            rx_bytes: sums.get(Counter::RxBytes),
            rx_dropped: sums.total(&RX_DROPS),
            multicast: sums.get(Counter::RxGroup),
            tx_packets: sums.get(Counter::TxPackets),
            tx_bytes: sums.get(Counter::TxBytes),
            tx_dropped: sums.total(&TX_DROPS),
        }
    }
}

/// A snapshot of a device's secondary addresses.
pub(crate) struct AddrList<'a>(&'a bindings::netdev_hw_addr_list);

impl AddrList<'_> {
    /// All of them, in order. It sleeps for memory.
    pub(crate) fn sorted(&self) -> Result<KVec<MacAddr>> {
        let mut all = KVec::with_capacity(usize::try_from(self.0.count)?, GFP_KERNEL)?;
        let head: *const bindings::list_head = &self.0.list;
        let mut entry = self.0.list.next.cast_const();
        while !ptr::eq(entry, head) {
            // SAFETY: Entries of the list are embedded, as their first member, in `netdev_hw_addr`;
            // a snapshot does not change.
            let addr = unsafe { &*entry.cast::<bindings::netdev_hw_addr>() };
            if let Some(bytes) = addr.addr.first_chunk::<6>() {
                all.push(MacAddr::new(*bytes), GFP_KERNEL)?;
            }
            entry = addr.list.next;
        }
        all.sort_unstable();
        Ok(all)
    }
}

/// The operations of a kind of device. `Self` is its private data.
///
/// Callbacks with an [`Rtnl`] run in process context under RTNL, those with an [`Rcu`] with
/// bottom halves off, the rest in any context.
#[vtable]
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// The table that [`table`] makes.
    const OPS: &'static Table;

    /// The device is about to be registered.
    fn init(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes `init`: the device is leaving, its data stays until a grace period is over.
    fn uninit(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The device goes up.
    fn open(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The device goes down.
    fn stop(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sends a packet.
    fn start_xmit(dev: &Dev<Self>, skb: Skb, rcu: Rcu<'_>) -> Tx;

    /// Sets the MTU, which is within the device's limits.
    fn change_mtu(_dev: &Dev<Self>, _mtu: u32, _rtnl: Rtnl<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the address. There is no place for a sentence.
    fn set_address(_dev: &Dev<Self>, _addr: MacAddr, _rtnl: Rtnl<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The flags in `change` (`IFF_ALLMULTI`, `IFF_PROMISC`) changed.
    fn change_rx_flags(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The secondary addresses changed. An error is tried again later.
    fn set_rx_mode(
        _dev: &Dev<Self>,
        _unicast: AddrList<'_>,
        _multicast: AddrList<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Fills statistics. Any context.
    fn get_stats64(_dev: &Dev<Self>) -> LinkStats {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Corrects features that were asked for.
    fn fix_features(_dev: &Dev<Self>, _features: Features, _rtnl: Rtnl<'_>) -> Features {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A VLAN device for `vid` is put on top.
    fn vlan_add(_dev: &Dev<Self>, _vid: u16, _rtnl: Rtnl<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes `vlan_add`.
    fn vlan_remove(_dev: &Dev<Self>, _vid: u16, _rtnl: Rtnl<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The index of the device below, in its namespace. Any context.
    fn iflink(_dev: &Dev<Self>) -> i32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `bridge fdb add ADDR dev DEV self`: one more address.
    fn fdb_add(
        _dev: &Dev<Self>,
        _addr: MacAddr,
        _extack: &mut Extack<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes `fdb_add`.
    fn fdb_remove(_dev: &Dev<Self>, _addr: MacAddr, _rtnl: Rtnl<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Netpoll is to send on this device.
    fn netpoll_setup(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Which packets the device below stamps with the time.
    fn hwtstamp_get(
        _dev: &Dev<Self>,
        _config: &mut hwtstamp::Config<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Asks for time stamps. `config` was checked for sense.
    fn hwtstamp_set(
        _dev: &Dev<Self>,
        _config: &mut hwtstamp::Config<'_>,
        _extack: &mut Extack<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes `netpoll_setup`.
    fn netpoll_cleanup(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The trampolines from C.
struct Adapter<T>(PhantomData<T>);

/// Each callback: the device and evidence of the context that its C caller guarantees.
macro_rules! with {
    ($dev:expr, $rtnl:ident) => {
        // SAFETY: The core calls the operations of a registered device of `T` only; its data is
        // there since before registration.
        (unsafe { Dev::<T>::from_raw($dev) }, unsafe {
            $rtnl::assume()
        })
    };
    ($dev:expr) => {
        // SAFETY: The core calls the operations of a registered device of `T` only.
        unsafe { Dev::<T>::from_raw($dev) }
    };
}

/// # Safety
///
/// All of these are called by the core through `net_device_ops`, each in the context that
/// Documentation/networking/netdevices.rst gives for it.
#[expect(clippy::missing_safety_doc)]
impl<T: Operations> Adapter<T> {
    unsafe extern "C" fn init(dev: *mut bindings::net_device) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        from_result(|| T::init(dev, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn uninit(dev: *mut bindings::net_device) {
        let (dev, rtnl) = with!(dev, Rtnl);
        T::uninit(dev, rtnl);
    }

    unsafe extern "C" fn open(dev: *mut bindings::net_device) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        from_result(|| T::open(dev, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn stop(dev: *mut bindings::net_device) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        T::stop(dev, rtnl);
        0
    }

    unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        let (dev, rcu) = with!(dev, Rcu);
        // SAFETY: The core gives us the packet.
        let skb = unsafe { Skb::from_raw(NonNull::new_unchecked(skb)) };
        T::start_xmit(dev, skb, rcu).0
    }

    unsafe extern "C" fn change_mtu(dev: *mut bindings::net_device, mtu: c_int) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        from_result(|| {
            let mtu = u32::try_from(mtu).map_err(|_| EINVAL)?;
            T::change_mtu(dev, mtu, rtnl).map(|()| 0)
        })
    }

    unsafe extern "C" fn set_address(dev: *mut bindings::net_device, addr: *mut c_void) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        // SAFETY: A `struct sockaddr_storage` whose data, two bytes in, is at least as long as the
        // device's addresses.
        let addr = MacAddr::new(unsafe { *addr.cast::<u8>().add(2).cast::<[u8; 6]>() });
        from_result(|| T::set_address(dev, addr, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn change_rx_flags(dev: *mut bindings::net_device, _change: c_int) {
        let (dev, rtnl) = with!(dev, Rtnl);
        T::change_rx_flags(dev, rtnl);
    }

    unsafe extern "C" fn set_rx_mode(
        dev: *mut bindings::net_device,
        unicast: *mut bindings::netdev_hw_addr_list,
        multicast: *mut bindings::netdev_hw_addr_list,
    ) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        // SAFETY: Snapshots that live until we return.
        let (unicast, multicast) = unsafe { (AddrList(&*unicast), AddrList(&*multicast)) };
        from_result(|| T::set_rx_mode(dev, unicast, multicast, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn get_stats64(
        dev: *mut bindings::net_device,
        stats: *mut bindings::rtnl_link_stats64,
    ) {
        let filled = T::get_stats64(with!(dev));
        // SAFETY: The core gives us zeroed statistics.
        let stats = unsafe { &mut *stats };
        stats.rx_packets = filled.rx_packets;
        stats.rx_bytes = filled.rx_bytes;
        stats.rx_dropped = filled.rx_dropped;
        stats.multicast = filled.multicast;
        stats.tx_packets = filled.tx_packets;
        stats.tx_bytes = filled.tx_bytes;
        stats.tx_dropped = filled.tx_dropped;
    }

    unsafe extern "C" fn fix_features(
        dev: *mut bindings::net_device,
        features: Features,
    ) -> Features {
        let (dev, rtnl) = with!(dev, Rtnl);
        T::fix_features(dev, features, rtnl)
    }

    unsafe extern "C" fn vlan_add(
        dev: *mut bindings::net_device,
        protocol: bindings::__be16,
        vid: u16,
    ) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        if protocol != (bindings::ETH_P_8021Q as u16).to_be() {
            return 0;
        }
        from_result(|| T::vlan_add(dev, vid, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn vlan_remove(
        dev: *mut bindings::net_device,
        protocol: bindings::__be16,
        vid: u16,
    ) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        if protocol == (bindings::ETH_P_8021Q as u16).to_be() {
            T::vlan_remove(dev, vid, rtnl);
        }
        0
    }

    unsafe extern "C" fn iflink(dev: *const bindings::net_device) -> c_int {
        T::iflink(with!(dev.cast_mut()))
    }

    unsafe extern "C" fn fdb_add(
        _ndm: *mut bindings::ndmsg,
        _tb: *mut *mut bindings::nlattr,
        dev: *mut bindings::net_device,
        addr: *const c_uchar,
        _vid: u16,
        flags: u16,
        _notified: *mut bool,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        // SAFETY: The core checked that the address has ETH_ALEN bytes.
        let addr = MacAddr::new(unsafe { *addr.cast::<[u8; 6]>() });
        // SAFETY: Null or valid until we return.
        let mut extack = unsafe { Extack::from_raw(extack) };
        from_result(|| {
            if u32::from(flags) & bindings::NLM_F_REPLACE != 0 {
                return Err(extack.refuse(
                    EINVAL,
                    format_args!("vnic: addresses are added, not replaced"),
                ));
            }
            T::fdb_add(dev, addr, &mut extack, rtnl).map(|()| 0)
        })
    }

    unsafe extern "C" fn fdb_remove(
        _ndm: *mut bindings::ndmsg,
        _tb: *mut *mut bindings::nlattr,
        dev: *mut bindings::net_device,
        addr: *const c_uchar,
        _vid: u16,
        _notified: *mut bool,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        // SAFETY: As in `fdb_add`.
        let addr = MacAddr::new(unsafe { *addr.cast::<[u8; 6]>() });
        from_result(|| T::fdb_remove(dev, addr, rtnl).map(|()| 0))
    }
}

/// # Safety
///
/// As above.
#[expect(clippy::missing_safety_doc)]
impl<T: Operations> Adapter<T> {
    unsafe extern "C" fn hwtstamp_get(
        dev: *mut bindings::net_device,
        config: *mut bindings::kernel_hwtstamp_config,
    ) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        // SAFETY: Valid until we return.
        let mut config = unsafe { hwtstamp::Config::from_raw(config) };
        from_result(|| T::hwtstamp_get(dev, &mut config, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn hwtstamp_set(
        dev: *mut bindings::net_device,
        config: *mut bindings::kernel_hwtstamp_config,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        // SAFETY: Valid until we return.
        let (mut config, mut extack) = unsafe {
            (
                hwtstamp::Config::from_raw(config),
                Extack::from_raw(extack), //
            )
        };
        from_result(|| T::hwtstamp_set(dev, &mut config, &mut extack, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn netpoll_setup(dev: *mut bindings::net_device) -> c_int {
        let (dev, rtnl) = with!(dev, Rtnl);
        from_result(|| T::netpoll_setup(dev, rtnl).map(|()| 0))
    }

    unsafe extern "C" fn netpoll_cleanup(dev: *mut bindings::net_device) {
        let (dev, rtnl) = with!(dev, Rtnl);
        T::netpoll_cleanup(dev, rtnl);
    }

    /// Netpoll polls the device below by itself.
    unsafe extern "C" fn poll_controller(_dev: *mut bindings::net_device) {}
}

/// Makes the C table of `T`.
pub(crate) const fn table<T: Operations>() -> Table {
    // SAFETY: A table of optional functions, pointers and integers: zero is a value.
    let mut ops: Table = unsafe { core::mem::MaybeUninit::zeroed().assume_init() };
    macro_rules! set {
        ($($has:ident: $($field:ident = $function:expr),*;)*) => {
            $(if T::$has { $(ops.$field = Some($function);)* })*
        };
    }
    ops.ndo_start_xmit = Some(Adapter::<T>::start_xmit);
    ops.ndo_validate_addr = Some(bindings::eth_validate_addr);
    ops.ndo_features_check = Some(bindings::passthru_features_check);
    set! {
        HAS_INIT: ndo_init = Adapter::<T>::init;
        HAS_UNINIT: ndo_uninit = Adapter::<T>::uninit;
        HAS_OPEN: ndo_open = Adapter::<T>::open;
        HAS_STOP: ndo_stop = Adapter::<T>::stop;
        HAS_CHANGE_MTU: ndo_change_mtu = Adapter::<T>::change_mtu;
        HAS_SET_ADDRESS: ndo_set_mac_address = Adapter::<T>::set_address;
        HAS_CHANGE_RX_FLAGS: ndo_change_rx_flags = Adapter::<T>::change_rx_flags;
        HAS_SET_RX_MODE: ndo_set_rx_mode_async = Adapter::<T>::set_rx_mode;
        HAS_GET_STATS64: ndo_get_stats64 = Adapter::<T>::get_stats64;
        HAS_FIX_FEATURES: ndo_fix_features = Adapter::<T>::fix_features;
        HAS_VLAN_ADD: ndo_vlan_rx_add_vid = Adapter::<T>::vlan_add;
        HAS_VLAN_REMOVE: ndo_vlan_rx_kill_vid = Adapter::<T>::vlan_remove;
        HAS_IFLINK: ndo_get_iflink = Adapter::<T>::iflink;
        HAS_FDB_ADD: ndo_fdb_add = Adapter::<T>::fdb_add,
            ndo_fdb_dump = bindings::ndo_dflt_fdb_dump;
        HAS_FDB_REMOVE: ndo_fdb_del = Adapter::<T>::fdb_remove;
        HAS_HWTSTAMP_GET: ndo_hwtstamp_get = Adapter::<T>::hwtstamp_get;
        HAS_HWTSTAMP_SET: ndo_hwtstamp_set = Adapter::<T>::hwtstamp_set;
        HAS_NETPOLL_SETUP: ndo_netpoll_setup = Adapter::<T>::netpoll_setup,
            ndo_poll_controller = Adapter::<T>::poll_controller;
        HAS_NETPOLL_CLEANUP: ndo_netpoll_cleanup = Adapter::<T>::netpoll_cleanup;
    }
    ops
}
