// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! [`NetDev`] is any device, [`Dev<T>`] one of ours with its private data `T`. Both are only ever
//! seen as shared references: the private data changes under RTNL ([`RtnlCell`]) or atomically,
//! never through `&mut`.
//!
//! [`RtnlCell`]: crate::net::rtnl::RtnlCell
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::{
    logic::addr::MacAddr,
    net::{
        netlink::Extack,
        ops::Operations,
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
    },
};
use core::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
    sync::atomic::{
        AtomicU32,
        Ordering, //
    },
};
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};
use vnic_bindings as bindings;

/// `netdev_features_t`: bits of `NETIF_F_*`.
pub(crate) type Features = bindings::netdev_features_t;

/// A network device of any driver.
#[repr(transparent)]
pub(crate) struct NetDev(Opaque<bindings::net_device>);

// SAFETY: Every method may be called from any task, within its own rules.
unsafe impl Sync for NetDev {}

impl NetDev {
    /// Makes a reference.
    ///
    /// # Safety
    ///
    /// `dev` must be a device that stays allocated for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(dev: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the safety requirements; transparent over the C type.
        unsafe { &*dev.cast::<Self>() }
    }

    /// The C device.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    #[inline(always)]
    fn flags(&self) -> u32 {
        // SAFETY: A live field; writers hold RTNL and readers tolerate either value, as in C.
        unsafe { ptr::addr_of!((*self.as_ptr()).flags).read_volatile() }
    }

    /// `IFF_UP`. Any context.
    #[inline(always)]
    pub(crate) fn is_up(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_UP != 0
    }

    /// `IFF_PROMISC`.
    pub(crate) fn is_promisc(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_PROMISC != 0
    }

    /// `IFF_ALLMULTI`.
    pub(crate) fn is_allmulti(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_ALLMULTI != 0
    }

    /// `IFF_LOOPBACK`.
    pub(crate) fn is_loopback(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_LOOPBACK != 0
    }

    /// Whether it is an Ethernet device.
    pub(crate) fn is_ethernet(&self) -> bool {
        // SAFETY: Written before registration, or under RTNL.
        unsafe { u32::from((*self.as_ptr()).type_) == bindings::ARPHRD_ETHER }
    }

    fn registration(&self) -> u32 {
        // SAFETY: A live field; a byte, written whole.
        u32::from(unsafe { ptr::addr_of!((*self.as_ptr()).reg_state).read_volatile() })
    }

    /// Whether its removal is done, but for waiting until nobody has a reference any more.
    pub(crate) fn is_unregistered(&self) -> bool {
        matches!(
            self.registration(),
            bindings::netdev_reg_state_NETREG_UNREGISTERED
                | bindings::netdev_reg_state_NETREG_RELEASED
        )
    }

    /// Whether its removal has begun, which a move to another namespace is not.
    pub(crate) fn is_unregistering(&self) -> bool {
        self.registration() == bindings::netdev_reg_state_NETREG_UNREGISTERING
    }

    /// The MTU in bytes.
    #[inline(always)]
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: A live field, written whole.
        unsafe { ptr::addr_of!((*self.as_ptr()).mtu).read_volatile() }
    }

    /// The index in its namespace.
    pub(crate) fn ifindex(&self) -> i32 {
        // SAFETY: A field of a live device, written whole; volatile because a move to another namespace changes it.
        unsafe { ptr::addr_of!((*self.as_ptr()).ifindex).read_volatile() }
    }

    /// The features that are on.
    pub(crate) fn features(&self) -> Features {
        // SAFETY: A field of a live device, written whole under RTNL, which a reader may lack.
        unsafe { ptr::addr_of!((*self.as_ptr()).features).read_volatile() }
    }

    /// The features of VLAN devices above it.
    pub(crate) fn vlan_features(&self) -> Features {
        // SAFETY: Written under RTNL only, which callers hold.
        unsafe { (*self.as_ptr()).vlan_features }
    }

    /// The address. It may change while it is read, unless RTNL is held.
    pub(crate) fn address(&self) -> MacAddr {
        // SAFETY: `dev_addr` points to at least six bytes for the device's life.
        MacAddr::new(unsafe { *(*self.as_ptr()).dev_addr.cast::<[u8; 6]>() })
    }

    /// The namespace it is in. Under RTNL, or where it cannot move.
    pub(crate) fn net(&self) -> Net<'_> {
        // SAFETY: A live device.
        let net = unsafe { bindings::vnic_netdev_net(self.as_ptr()) };
        // SAFETY: Where the device cannot move, its namespace lives as long as it does.
        unsafe { Net::from_raw(net) }
    }

    /// Whether the lower device lets frames of other addresses in because it is promiscuous.
    pub(crate) fn has_no_unicast_filter(&self) -> bool {
        // SAFETY: A live device.
        unsafe { bindings::vnic_netdev_uc_promisc(self.as_ptr()) != 0 }
    }

    /// Whether it is a wireless device.
    pub(crate) fn is_wireless(&self) -> bool {
        // SAFETY: A live device.
        unsafe { bindings::vnic_netdev_is_wireless(self.as_ptr()) }
    }

    /// Whether a VLAN device for `vid` sits on it.
    pub(crate) fn has_vlan(&self, vid: u16, _rtnl: Rtnl<'_>) -> bool {
        // SAFETY: A live device, under RTNL.
        unsafe { bindings::vnic_netdev_has_vlan(self.as_ptr(), vid) }
    }

    /// The private data, if this is a device of `T`.
    #[inline(always)]
    pub(crate) fn downcast<T: Operations>(&self) -> Option<&Dev<T>> {
        // SAFETY: A live field, set before registration.
        let ops = unsafe { (*self.as_ptr()).netdev_ops };
        // SAFETY: Only `rtnl_link::setup::<T>` sets these operations, on devices of `T`; it makes
        // them reachable only after their private data is there.
        ptr::eq(ops, T::OPS).then(|| unsafe { &*ptr::from_ref(self).cast::<Dev<T>>() })
    }

    /// The length of its transmit queue, in packets.
    pub(crate) fn tx_queue_len(&self, _rtnl: Rtnl<'_>) -> u32 {
        // SAFETY: A live device, under RTNL.
        unsafe { bindings::vnic_netdev_tx_queue_len(self.as_ptr()) }
    }

    /// How many receive queues it uses.
    pub(crate) fn rx_queues(&self, _rtnl: Rtnl<'_>) -> u32 {
        // SAFETY: A field of a live device, written under RTNL.
        unsafe { (*self.as_ptr()).real_num_rx_queues }
    }

    /// How many transmit queues it uses.
    pub(crate) fn tx_queues(&self) -> u32 {
        // SAFETY: A field of a live device, written whole.
        unsafe { ptr::addr_of!((*self.as_ptr()).real_num_tx_queues).read_volatile() }
    }

    /// Lets it use `count` of its queues in each direction, as far as it has them.
    pub(crate) fn use_queues(&self, count: u16, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: A live device, under RTNL.
        to_result(unsafe { bindings::vnic_netdev_use_queues(self.as_ptr(), count.into()) })
    }

    /// How many IP addresses it has, IPv6 ones of the link apart.
    pub(crate) fn ip_count(&self, _rtnl: Rtnl<'_>) -> u32 {
        // SAFETY: A live device, under RTNL.
        unsafe { bindings::vnic_netdev_ip_count(self.as_ptr()) }
    }

    /// Copies the name.
    pub(crate) fn name(&self) -> Name {
        // SAFETY: A live field; a name that changes while it is copied is at worst mixed.
        Name::from_raw(unsafe { (*self.as_ptr()).name })
    }

    /// Who holds its rx handler, as far as the device tree tells.
    pub(crate) fn rx_handler_owner(&self, _rtnl: Rtnl<'_>) -> Option<Name> {
        let mut name = [0; 16];
        // SAFETY: A live device, under RTNL; `name` has IFNAMSIZ bytes.
        unsafe { bindings::vnic_netdev_master_name(self.as_ptr(), name.as_mut_ptr()) }
            .then(|| Name::from_raw(name))
    }

    /// `dev_uc_add()`: lets the device receive for another unicast address. Counted.
    pub(crate) fn unicast_add(&self, addr: MacAddr, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: A live Ethernet device; the address has six bytes.
        to_result(unsafe { bindings::dev_uc_add(self.as_ptr(), addr.bytes().as_ptr()) })
    }

    /// `dev_uc_del()`.
    pub(crate) fn unicast_remove(&self, addr: MacAddr, _rtnl: Rtnl<'_>) {
        // SAFETY: A live Ethernet device, whose addresses have six bytes, as this one has; RTNL is held.
        unsafe { bindings::dev_uc_del(self.as_ptr(), addr.bytes().as_ptr()) };
    }

    /// `dev_mc_add()`: lets the device receive for a multicast address. Counted.
    pub(crate) fn multicast_add(&self, addr: MacAddr, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: A live Ethernet device, whose addresses have six bytes, as this one has; RTNL is held.
        to_result(unsafe { bindings::dev_mc_add(self.as_ptr(), addr.bytes().as_ptr()) })
    }

    /// `dev_mc_del()`.
    pub(crate) fn multicast_remove(&self, addr: MacAddr, _rtnl: Rtnl<'_>) {
        // SAFETY: A live Ethernet device, whose addresses have six bytes, as this one has; RTNL is held.
        unsafe { bindings::dev_mc_del(self.as_ptr(), addr.bytes().as_ptr()) };
    }

    /// `dev_set_promiscuity()`, counted: on or off once.
    pub(crate) fn set_promiscuity(&self, on: bool, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: A live device, under RTNL.
        to_result(unsafe { bindings::dev_set_promiscuity(self.as_ptr(), if on { 1 } else { -1 }) })
    }

    /// `dev_set_allmulti()`, counted: on or off once.
    pub(crate) fn set_allmulti(&self, on: bool, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: `self` is a live `net_device`, and the caller holds RTNL, which the core asks for.
        to_result(unsafe { bindings::dev_set_allmulti(self.as_ptr(), if on { 1 } else { -1 }) })
    }

    /// `vlan_vid_add()`: lets the device receive frames of an 802.1Q VLAN. Counted.
    pub(crate) fn vlan_add(&self, vid: u16, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: `self` is a live `net_device`, and the caller holds RTNL, which the VLAN code asks for.
        to_result(unsafe { bindings::vlan_vid_add(self.as_ptr(), ETH_P_8021Q.to_be(), vid) })
    }

    /// `vlan_vid_del()`.
    pub(crate) fn vlan_remove(&self, vid: u16, _rtnl: Rtnl<'_>) {
        // SAFETY: `self` is a live `net_device`, and the caller holds RTNL, which the VLAN code asks for.
        unsafe { bindings::vlan_vid_del(self.as_ptr(), ETH_P_8021Q.to_be(), vid) };
    }

    /// Sets the MTU, telling everyone (`dev_set_mtu()`).
    pub(crate) fn set_mtu(&self, mtu: u32, _rtnl: Rtnl<'_>) -> Result {
        let mtu = c_int::try_from(mtu).map_err(|_| EINVAL)?;
        // SAFETY: `self` is a live `net_device`, and the caller holds RTNL, which the core asks for.
        to_result(unsafe { bindings::dev_set_mtu(self.as_ptr(), mtu) })
    }

    /// Refuses an MTU that is not within the device's limits, with the core's words.
    pub(crate) fn check_mtu(&self, mtu: u32, extack: &mut Extack<'_>, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: Fields of a live device, written under RTNL.
        let (min, max) = unsafe { ((*self.as_ptr()).min_mtu, (*self.as_ptr()).max_mtu) };
        if mtu < min {
            return Err(extack.refuse(
                EINVAL,
                format_args!(
                    "vnic: MTU {mtu} is below {min}, the least of {}",
                    self.name()
                ),
            ));
        }
        if max != 0 && mtu > max {
            return Err(extack.refuse(
                EINVAL,
                format_args!(
                    "vnic: MTU {mtu} is above {max}, the most of {}",
                    self.name()
                ),
            ));
        }
        Ok(())
    }

    /// Sets the address, telling everyone (`dev_set_mac_address()`).
    pub(crate) fn change_address(
        &self,
        addr: MacAddr,
        extack: &mut Extack<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        // SAFETY: `self` is a live Ethernet device, and the caller holds RTNL, which the core asks for.
        to_result(unsafe {
            bindings::vnic_netdev_change_addr(self.as_ptr(), addr.bytes().as_ptr(), extack.as_ptr())
        })
    }

    /// Brings it up or down (`dev_open()`, `dev_close()`).
    pub(crate) fn set_up(&self, up: bool, extack: &mut Extack<'_>, _rtnl: Rtnl<'_>) -> Result {
        if up {
            // SAFETY: `self` is a live `net_device`, and the caller holds RTNL, which the core asks for.
            return to_result(unsafe { bindings::dev_open(self.as_ptr(), extack.as_ptr()) });
        }
        // SAFETY: As above.
        unsafe { bindings::dev_close(self.as_ptr()) };
        Ok(())
    }

    /// Sends a netdevice notifier event about it.
    pub(crate) fn notify(&self, event: u64, _rtnl: Rtnl<'_>) {
        // SAFETY: `self` is a live `net_device`, and the caller holds RTNL, which the notifier chain asks for.
        unsafe { bindings::call_netdevice_notifiers(event as c_ulong, self.as_ptr()) };
    }

    /// Recomputes its features (`netdev_update_features()`).
    pub(crate) fn update_features(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: `self` is a live `net_device`, and the caller holds RTNL, which the core asks for.
        unsafe { bindings::netdev_update_features(self.as_ptr()) };
    }
}

/// `ETH_P_8021Q` in host order.
const ETH_P_8021Q: u16 = bindings::ETH_P_8021Q as u16;

/// The name of a device: at most 15 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name([u8; 16]);

impl Name {
    /// The bytes of the longest name.
    pub(crate) const MAX_LEN: usize = 15;

    /// Of a text, of which the first 15 bytes count.
    pub(crate) fn from_text(text: &[u8]) -> Self {
        let mut bytes = [0; 16];
        for (place, byte) in bytes.iter_mut().take(Self::MAX_LEN).zip(text) {
            *place = *byte;
        }
        Self(bytes)
    }

    /// No name.
    pub(crate) const NONE: Self = Self([0; 16]);

    const fn from_raw(name: [c_char; 16]) -> Self {
        Self(name)
    }

    /// Of these bytes, filled up with zeroes.
    pub(crate) const fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl Name {
    /// The bytes, filled up with zeroes.
    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As two numbers.
    pub(crate) fn words(&self) -> [u64; 2] {
        let word = |half: &[u8]| {
            half.iter()
                .fold(0, |word: u64, byte| word << 8 | u64::from(*byte))
        };
        let (first, second) = self.0.split_at(8);
        [word(first), word(second)]
    }

    /// Undoes `words`.
    pub(crate) fn of_words([first, second]: [u64; 2]) -> Self {
        let both = u128::from(first) << 64 | u128::from(second);
        Self(both.to_be_bytes())
    }

    /// The bytes up to and with the zero.
    pub(crate) fn with_nul(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(15);
        self.0.get(..=end).unwrap_or(&[])
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(16);
        let bytes = self.0.get(..end).unwrap_or(&[]);
        // Names need not be UTF-8.
        f.write_str(core::str::from_utf8(bytes).unwrap_or("?"))
    }
}

impl kernel::fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A network namespace, alive at least for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Net<'a>(*mut bindings::net, PhantomData<&'a ()>);

impl PartialEq for Net<'_> {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }
}

impl<'a> Net<'a> {
    /// Makes a reference.
    ///
    /// # Safety
    ///
    /// `net` must stay alive for `'a`.
    pub(crate) unsafe fn from_raw(net: *mut bindings::net) -> Self {
        Self(net, PhantomData)
    }

    /// The C namespace.
    pub(crate) fn as_ptr(self) -> *mut bindings::net {
        self.0
    }

    /// The first namespace.
    pub(crate) fn first() -> Net<'static> {
        // SAFETY: It is there for ever.
        unsafe { Net::from_raw(bindings::vnic_init_net()) }
    }

    /// Whether this is the first namespace.
    pub(crate) fn is_init(self) -> bool {
        // SAFETY: No requirements.
        ptr::eq(self.0, unsafe { bindings::vnic_init_net() })
    }

    /// The number by which this namespace knows `peer`; made, if there is none. Process context.
    pub(crate) fn id_of(self, peer: Net<'_>) -> i32 {
        // SAFETY: Both namespaces live.
        unsafe { bindings::vnic_net_id(self.0, peer.0) }
    }

    /// The device with `index` in it.
    pub(crate) fn device(self, index: u32, _rtnl: Rtnl<'a>) -> Option<&'a NetDev> {
        let index = c_int::try_from(index).ok()?;
        // SAFETY: The namespace lives and RTNL is held.
        let dev = unsafe { bindings::__dev_get_by_index(self.0, index) };
        // SAFETY: A device found under RTNL stays allocated until RTNL is released.
        (!dev.is_null()).then(|| unsafe { NetDev::from_raw(dev) })
    }

    /// Who the calling task is to links of this namespace. Process context.
    pub(crate) fn caller(self) -> Caller {
        let mut cookie = 0;
        // SAFETY: The namespace lives, and the cookie is written only if there is one.
        match unsafe { bindings::vnic_caller(self.0, &mut cookie) } {
            bindings::vnic_caller_VNIC_CALLER_MANAGER => Caller::Manager,
            bindings::vnic_caller_VNIC_CALLER_TASK => Caller::Task(cookie),
            _ => Caller::Kernel,
        }
    }

    /// Whether the calling task manages links of this namespace: it asks from within it, and has
    /// `CAP_NET_ADMIN` over it. A kernel thread never does. Process context.
    pub(crate) fn is_managed_by_caller(self) -> bool {
        matches!(self.caller(), Caller::Manager)
    }

    /// What no other namespace ever has until the next boot.
    pub(crate) fn cookie(self) -> u64 {
        // SAFETY: The namespace lives.
        unsafe { bindings::vnic_net_cookie(self.0) }
    }

    /// The user of the host who answers for it; 0 for the first user namespace.
    pub(crate) fn user(self) -> u32 {
        // SAFETY: The namespace lives, and holds its user namespace.
        unsafe { bindings::vnic_net_user(self.0) }
    }

    /// The number by which this namespace knows the one with `cookie`, made if there is none;
    /// negative if that is gone. Process context.
    pub(crate) fn id_of_cookie(self, cookie: u64) -> i32 {
        // SAFETY: The namespace lives.
        unsafe { bindings::vnic_net_id_of_cookie(self.0, cookie) }
    }
}

/// The cookie of a namespace that the calling task has open as `fd`.
pub(crate) fn cookie_of_fd(fd: u32) -> Result<u64> {
    let fd = c_int::try_from(fd).map_err(|_| EBADF)?;
    let mut cookie = 0;
    // SAFETY: Process context; whether the number is good for anything is found out there.
    to_result(unsafe { bindings::vnic_net_cookie_of_fd(fd, &mut cookie) })?;
    Ok(cookie)
}

/// Who asks for a change.
#[derive(Clone, Copy)]
pub(crate) enum Caller {
    /// The manager of the link.
    Manager,
    /// Somebody in the namespace with this cookie.
    Task(u64),
    /// A kernel thread.
    Kernel,
}

/// A device of ours with its private data.
#[repr(transparent)]
pub(crate) struct Dev<T>(NetDev, PhantomData<T>);

impl<T> Deref for Dev<T> {
    type Target = NetDev;

    #[inline(always)]
    fn deref(&self) -> &NetDev {
        &self.0
    }
}

impl<T: Operations> Dev<T> {
    /// Makes a reference.
    ///
    /// # Safety
    ///
    /// `dev` must be a device of `T` whose private data is there and stays for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(dev: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the safety requirements; transparent over the C type.
        unsafe { &*dev.cast::<Self>() }
    }

    /// The private data.
    #[inline(always)]
    pub(crate) fn data(&self) -> &T {
        // SAFETY: Whoever made the reference said that the data is there.
        unsafe { &*private::<T>(self.as_ptr()) }
    }

    /// Sets the hardware address without asking or telling anyone. Under RTNL.
    pub(crate) fn set_address(&self, addr: MacAddr, _rtnl: Rtnl<'_>) {
        // SAFETY: Our device; the address has six bytes.
        unsafe { bindings::vnic_netdev_set_addr(self.as_ptr(), addr.bytes().as_ptr()) };
    }

    /// Where the address comes from (`NET_ADDR_*`).
    pub(crate) fn address_origin(&self, _rtnl: Rtnl<'_>) -> u8 {
        // SAFETY: Written under RTNL only.
        unsafe { (*self.as_ptr()).addr_assign_type }
    }

    /// Says where the address comes from.
    pub(crate) fn set_address_origin(&self, origin: u8, _rtnl: Rtnl<'_>) {
        // SAFETY: Our device; written under RTNL only, a byte, which readers see old or new.
        unsafe { ptr::addr_of_mut!((*self.as_ptr()).addr_assign_type).write_volatile(origin) };
    }

    /// Bounds that the core enforces on the MTU.
    pub(crate) fn set_mtu_limits(&self, min: u32, max: u32, _rtnl: Rtnl<'_>) {
        // SAFETY: Our device; written under RTNL only.
        unsafe {
            (*self.as_ptr()).min_mtu = min;
            (*self.as_ptr()).max_mtu = max;
        }
    }

    /// Writes the MTU: in `change_mtu`, and before registration.
    pub(crate) fn write_mtu(&self, mtu: u32, _rtnl: Rtnl<'_>) {
        // SAFETY: Our device; written under RTNL only, whole.
        unsafe { ptr::addr_of_mut!((*self.as_ptr()).mtu).write_volatile(mtu) };
    }

    /// Adds a secondary address to the device's own lists (`dev_uc_add_excl()` and its twin).
    pub(crate) fn add_secondary(&self, addr: MacAddr, _rtnl: Rtnl<'_>) -> Result {
        let bytes = addr.bytes().as_ptr();
        // SAFETY: A live Ethernet device; the address has six bytes.
        to_result(unsafe {
            if addr.is_group() {
                bindings::dev_mc_add_excl(self.as_ptr(), bytes)
            } else {
                bindings::dev_uc_add_excl(self.as_ptr(), bytes)
            }
        })
    }

    /// Undoes [`Dev::add_secondary`].
    pub(crate) fn remove_secondary(&self, addr: MacAddr, _rtnl: Rtnl<'_>) -> Result {
        let bytes = addr.bytes().as_ptr();
        // SAFETY: A live Ethernet device, whose addresses have six bytes, as this one has; RTNL is held.
        to_result(unsafe {
            if addr.is_group() {
                bindings::dev_mc_del(self.as_ptr(), bytes)
            } else {
                bindings::dev_uc_del(self.as_ptr(), bytes)
            }
        })
    }

    /// Takes over link state, header space and TSO limits of the device below.
    pub(crate) fn inherit_state(&self, lower: &NetDev, rtnl: Rtnl<'_>) {
        // SAFETY: Live devices, under RTNL.
        unsafe { bindings::vnic_netdev_inherit_state(self.as_ptr(), lower.as_ptr()) };
        self.inherit_limits(lower, rtnl);
    }

    /// Takes over header space and TSO limits.
    pub(crate) fn inherit_limits(&self, lower: &NetDev, _rtnl: Rtnl<'_>) {
        // SAFETY: Live devices, under RTNL.
        unsafe {
            bindings::netif_inherit_tso_max(self.as_ptr(), lower.as_ptr());
            (*self.as_ptr()).needed_headroom = (*lower.as_ptr()).needed_headroom;
            (*self.as_ptr()).needed_tailroom = (*lower.as_ptr()).needed_tailroom;
        }
    }

    /// Takes over carrier and operational state (`netif_stacked_transfer_operstate()`).
    pub(crate) fn transfer_operstate(&self, lower: &NetDev, _rtnl: Rtnl<'_>) {
        // SAFETY: Live devices, under RTNL.
        unsafe { bindings::netif_stacked_transfer_operstate(lower.as_ptr(), self.as_ptr()) };
    }

    /// Takes the carrier away.
    pub(crate) fn carrier_off(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: A live device, under RTNL.
        unsafe { bindings::netif_carrier_off(self.as_ptr()) };
    }

    /// Lets senders give it packets as large as the kernel knows (BIG TCP). Before registration.
    pub(crate) fn allow_any_gso(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: Our device, not registered yet.
        unsafe { bindings::vnic_netdev_allow_any_gso(self.as_ptr()) };
    }

    /// Tells the core that the state may have changed.
    pub(crate) fn link_event(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: A live device.
        unsafe { bindings::linkwatch_fire_event(self.as_ptr()) };
    }

    /// Sets its features before registration.
    pub(crate) fn set_features(&self, set: FeatureSet, _rtnl: Rtnl<'_>) {
        // SAFETY: Our device, not registered yet.
        unsafe {
            let dev = self.as_ptr();
            (*dev).features = set.features;
            (*dev).hw_features |= set.changeable;
            (*dev).vlan_features = set.vlan;
            (*dev).hw_enc_features |= set.features;
        }
    }

    /// Gives it lock classes of its own, as a device above another.
    pub(crate) fn set_lockdep_class(&self, _rtnl: Rtnl<'_>) {
        // SAFETY: Our device, not registered yet.
        unsafe { bindings::vnic_netdev_set_lockdep_class(self.as_ptr()) };
    }

    /// The features that users may change, and which of these they want.
    pub(crate) fn wanted_features(&self, _rtnl: Rtnl<'_>) -> Features {
        // SAFETY: Written under RTNL only.
        unsafe { (*self.as_ptr()).wanted_features & (*self.as_ptr()).hw_features }
    }

    /// Takes back what was wanted of them, in `fix_features`, so that it is `agreed` again; returns
    /// `features` with that.
    pub(crate) fn refuse_features(
        &self,
        features: Features,
        agreed: Features,
        _rtnl: Rtnl<'_>,
    ) -> Features {
        // SAFETY: Our device, under RTNL.
        unsafe {
            bindings::vnic_netdev_refuse_features(self.as_ptr(), agreed);
            (features & !(*self.as_ptr()).hw_features) | agreed
        }
    }

    /// Records that this device is above `lower`.
    pub(crate) fn link_upper(
        &self,
        lower: &NetDev,
        extack: &mut Extack<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        // SAFETY: Live registered devices, under RTNL.
        to_result(unsafe {
            bindings::netdev_upper_dev_link(lower.as_ptr(), self.as_ptr(), extack.as_ptr())
        })
    }

    /// Undoes [`Dev::link_upper`].
    pub(crate) fn unlink_upper(&self, lower: &NetDev, _rtnl: Rtnl<'_>) {
        // SAFETY: Both devices are registered, `link_upper` linked them, and RTNL is held.
        unsafe { bindings::netdev_upper_dev_unlink(lower.as_ptr(), self.as_ptr()) };
    }

    /// Whether netpoll is calling `start_xmit`, with interrupts off.
    pub(crate) fn in_netpoll(&self) -> bool {
        // SAFETY: A live device.
        unsafe { bindings::vnic_netdev_tx_from_netpoll(self.as_ptr()) }
    }
}

/// `NETIF_F_*`.
pub(crate) mod features {
    use super::Features;
    use vnic_bindings as bindings;

    macro_rules! bits {
        ($($name:ident = $($bit:ident)|+;)*) => {
            $(pub(crate) const $name: Features = $((1 << bindings::$bit))|+;)*
        };
    }

    bits! {
        SG = NETIF_F_SG_BIT;
        HW_CSUM = NETIF_F_HW_CSUM_BIT;
        HIGHDMA = NETIF_F_HIGHDMA_BIT;
        FRAGLIST = NETIF_F_FRAGLIST_BIT;
        LRO = NETIF_F_LRO_BIT;
        GRO = NETIF_F_GRO_BIT;
        RXCSUM = NETIF_F_RXCSUM_BIT;
        HW_VLAN_CTAG_TX = NETIF_F_HW_VLAN_CTAG_TX_BIT;
        HW_VLAN_CTAG_RX = NETIF_F_HW_VLAN_CTAG_RX_BIT;
        HW_VLAN_CTAG_FILTER = NETIF_F_HW_VLAN_CTAG_FILTER_BIT;
        GSO_ROBUST = NETIF_F_GSO_ROBUST_BIT;
        GSO_SOFTWARE = NETIF_F_GSO_BIT | NETIF_F_TSO_BIT | NETIF_F_TSO6_BIT | NETIF_F_TSO_ECN_BIT
            | NETIF_F_TSO_MANGLEID_BIT | NETIF_F_GSO_SCTP_BIT | NETIF_F_GSO_UDP_L4_BIT
            | NETIF_F_GSO_FRAGLIST_BIT;
        GSO_ENCAP_ALL = NETIF_F_GSO_GRE_BIT | NETIF_F_GSO_GRE_CSUM_BIT | NETIF_F_GSO_IPXIP4_BIT
            | NETIF_F_GSO_IPXIP6_BIT | NETIF_F_GSO_UDP_TUNNEL_BIT
            | NETIF_F_GSO_UDP_TUNNEL_CSUM_BIT;
        ALL_FOR_ALL = NETIF_F_NOCACHE_COPY_BIT | NETIF_F_FCOE_CRC_BIT;
    }

    /// `netdev_increment_features()`: merges the features of a device below.
    pub(crate) fn increment(all: Features, one: Features, mask: Features) -> Features {
        // SAFETY: Computes.
        unsafe { bindings::netdev_increment_features(all, one, mask) }
    }
}

/// Features of a new device.
pub(crate) struct FeatureSet {
    /// On, for plain and encapsulated packets.
    pub(crate) features: Features,
    /// What ethtool may change.
    pub(crate) changeable: Features,
    /// On for VLAN devices above it.
    pub(crate) vlan: Features,
}

/// `netdev_priv()`.
#[inline(always)]
pub(crate) fn private<T>(dev: *mut bindings::net_device) -> *mut T {
    const { assert!(core::mem::align_of::<T>() <= 32) };
    // SAFETY: The private area is part of the device's allocation.
    unsafe { ptr::addr_of_mut!((*dev).priv_) }.cast()
}

/// Devices that belong to an object, in the order in which they came; each is held.
pub(crate) struct DevList {
    devices: RtnlCell<KVec<NonNull<bindings::net_device>>>,
    count: AtomicU32,
}

// SAFETY: The list is touched under RTNL only, and devices belong to no task.
unsafe impl Sync for DevList {}
// SAFETY: It owns references to devices, which any task may drop; RTNL guards the list.
unsafe impl Send for DevList {}

impl DevList {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self {
            devices: RtnlCell::new(KVec::new()),
            count: AtomicU32::new(0),
        }
    }

    /// How many there are. Any context.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    fn with<R>(
        &self,
        rtnl: Rtnl<'_>,
        f: impl FnOnce(&mut KVec<NonNull<bindings::net_device>>) -> R,
    ) -> R {
        let mut list = self.devices.take(rtnl);
        let result = f(&mut list);
        self.count.store(list.len() as u32, Ordering::Relaxed);
        self.devices.set(list, rtnl);
        result
    }

    /// Appends.
    pub(crate) fn push(&self, dev: &NetDev, rtnl: Rtnl<'_>) -> Result {
        self.with(rtnl, |list| {
            list.push(NonNull::from(dev).cast(), GFP_KERNEL)
        })?;
        // SAFETY: A live device.
        unsafe { bindings::vnic_netdev_hold(dev.as_ptr()) };
        Ok(())
    }

    /// Takes a device out; whether it was in.
    pub(crate) fn remove(&self, dev: &NetDev, rtnl: Rtnl<'_>) -> bool {
        let found = self.with(rtnl, |list| {
            let place = list
                .iter()
                .position(|entry| ptr::eq(entry.as_ptr(), dev.as_ptr()));
            place.is_some_and(|place| list.remove(place).is_ok())
        });
        if found {
            // SAFETY: Held by `push`.
            unsafe { bindings::vnic_netdev_put(dev.as_ptr()) };
        }
        found
    }

    /// Calls `f` for each that is in the list when its turn comes, up to the first for which it is
    /// true; `f` may change the list.
    pub(crate) fn find<'a>(
        &self,
        rtnl: Rtnl<'a>,
        mut f: impl FnMut(&'a NetDev) -> bool,
    ) -> Option<&'a NetDev> {
        let mut next = 0;
        while let Some(entry) = self.with(rtnl, |list| list.get(next).copied()) {
            // SAFETY: Held while in the list; once out, it is freed only after RTNL is released.
            let dev = unsafe { NetDev::from_raw::<'a>(entry.as_ptr()) };
            if f(dev) {
                return Some(dev);
            }
            // If `f` took this one out, the next one is at the same place.
            if self.with(rtnl, |list| list.get(next) == Some(&entry)) {
                next += 1;
            }
        }
        None
    }
}
