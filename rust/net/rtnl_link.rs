// SPDX-License-Identifier: GPL-2.0

//! Kinds of links: `ip link add … type KIND`.
//!
//! # Life of a device
//!
//! ```text
//! alloc (C, zeroed) → setup → LinkOps::new → private data in place → register_netdevice
//!     → LinkOps::registered ─┬─ error: unregister ──────────────┐
//!                            └─ … in use … → LinkOps::dellink → unregister (ndo_stop, ndo_uninit,
//!                               grace period) → priv_destructor: private data dropped → freed
//! ```
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h)

use crate::net::{
    ethtool::{
        self,
        Ethtool, //
    },
    netdev::{
        private,
        Dev,
        Net,
        NetDev, //
    },
    netlink::{
        Attrs,
        Extack,
        Message,
        Policy, //
    },
    ops::Operations,
    rcu,
    rtnl::Rtnl,
    stat_ops, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    types::Opaque, //
};
use vnic_bindings as bindings;

/// The standard attributes of a request (`IFLA_*`) go up to this one.
const IFLA_MAX: u32 = bindings::__IFLA_MAX - 1;

/// What a request to make a link says.
pub(crate) struct NewLink<'a> {
    /// `IFLA_*`.
    pub(crate) attrs: Attrs<'a>,
    /// The kind's own attributes.
    pub(crate) data: Attrs<'a>,
    /// Where the lower device is looked up.
    pub(crate) link_net: Net<'a>,
    /// Evidence.
    pub(crate) rtnl: Rtnl<'a>,
}

/// Devices to unregister together.
pub(crate) struct KillList<'a>(*mut bindings::list_head, PhantomData<&'a mut ()>);

impl KillList<'_> {
    /// Queues a device. Only for the `dellink` of its own kind.
    pub(crate) fn unregister<T: Operations>(&mut self, dev: &Dev<T>, _rtnl: Rtnl<'_>) {
        // SAFETY: A registered device of ours, under RTNL; a null list means at once.
        unsafe { bindings::unregister_netdevice_queue(dev.as_ptr(), self.0) };
    }
}

/// Runs `f` with an empty list and unregisters what it put there.
pub(crate) fn kill_many(rtnl: Rtnl<'_>, f: impl FnOnce(&mut KillList<'_>)) {
    let _ = rtnl;
    let mut head = bindings::list_head {
        next: ptr::null_mut(),
        prev: ptr::null_mut(),
    };
    let list = &raw mut head;
    // SAFETY: An empty list points to itself; it stays at its place until the end of this function.
    unsafe {
        (*list).next = list;
        (*list).prev = list;
    }
    f(&mut KillList(list, PhantomData));
    // SAFETY: A list of queued devices, under RTNL.
    unsafe { bindings::unregister_netdevice_many(list) };
}

/// A kind of link.
pub(crate) trait LinkOps: Ethtool {
    /// Its name.
    const KIND: &'static core::ffi::CStr;

    /// Its attributes: one policy each, from 0 on.
    const POLICY: &'static [Policy];

    /// Its `ethtool_ops`.
    const ETHTOOL: &'static ethtool::Table;

    /// Checks attributes alone, for creation and change.
    fn validate(attrs: Attrs<'_>, data: Attrs<'_>, extack: &mut Extack<'_>) -> Result;

    /// Makes the private data. The device is not registered; `early` has no data yet.
    fn new(early: &Early<'_>, link: &NewLink<'_>, extack: &mut Extack<'_>) -> Result<Self>;

    /// The device was registered.
    fn registered(dev: &Dev<Self>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Changes attributes.
    fn change(dev: &Dev<Self>, data: Attrs<'_>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result;

    /// The device is to go: undo [`LinkOps::registered`] and queue it.
    fn dellink(dev: &Dev<Self>, list: &mut KillList<'_>, rtnl: Rtnl<'_>);

    /// Room for what `fill_info` writes.
    const INFO_SIZE: usize;

    /// Describes the device.
    fn fill_info(dev: &Dev<Self>, message: &mut Message<'_>, rtnl: Rtnl<'_>) -> Result;

    /// The namespace of the device below it.
    fn link_net(dev: &Dev<Self>) -> Net<'_>;
}

/// A device between allocation and registration: nothing but defaults can be set.
pub(crate) struct Early<'a>(*mut bindings::net_device, PhantomData<&'a ()>);

impl Early<'_> {
    /// As any device.
    pub(crate) fn device(&self) -> &NetDev {
        // SAFETY: Allocated, and at least until we return to C.
        unsafe { NetDev::from_raw(self.0) }
    }

    /// The MTU that was asked for, or the default.
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: Ours alone until it is registered.
        unsafe { (*self.0).mtu }
    }

    /// Sets the MTU.
    pub(crate) fn set_mtu(&self, mtu: u32) {
        // SAFETY: Nobody else has it before it is registered, so a plain write races with nothing.
        unsafe { (*self.0).mtu = mtu };
    }

    /// Sets the bounds that the core enforces on the MTU.
    pub(crate) fn set_mtu_limits(&self, min: u32, max: u32) {
        // SAFETY: Nobody else has it before it is registered, so plain writes race with nothing.
        unsafe {
            (*self.0).min_mtu = min;
            (*self.0).max_mtu = max;
        }
    }

    /// Gives it a random address.
    pub(crate) fn set_random_address(&self) {
        // SAFETY: An Ethernet device that nobody else has before it is registered.
        unsafe { bindings::vnic_netdev_random_addr(self.0) };
    }
}

/// A registered kind. Dropping it removes all its devices.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: LinkOps> {
    #[pin]
    ops: Opaque<bindings::rtnl_link_ops>,
    _kind: PhantomData<T>,
}

// SAFETY: The core synchronizes its use of the operations.
unsafe impl<T: LinkOps> Sync for Registration<T> {}
// SAFETY: It may be unregistered by any task.
unsafe impl<T: LinkOps> Send for Registration<T> {}

impl<T: LinkOps> Registration<T> {
    const STAT_OPS: &'static stat_ops::Table = &stat_ops::table::<T>();

    /// Registers the kind.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ops <- Opaque::try_ffi_init(|slot: *mut bindings::rtnl_link_ops| {
                // SAFETY: `slot` is the final place; zero is "not there" for every operation.
                let ops = unsafe {
                    ptr::write_bytes(slot, 0, 1);
                    &mut *slot
                };
                ops.kind = T::KIND.as_char_ptr();
                ops.priv_size = core::mem::size_of::<T>();
                ops.setup = Some(Self::setup);
                if T::RING_SIZE_MAX.is_some() {
                    ops.alloc = Some(Self::alloc);
                }
                ops.maxtype = (T::POLICY.len() - 1) as u32;
                ops.policy = T::POLICY.as_ptr().cast();
                ops.validate = Some(Self::validate);
                ops.newlink = Some(Self::newlink);
                ops.changelink = Some(Self::changelink);
                ops.dellink = Some(Self::dellink);
                ops.get_size = Some(Self::get_size);
                ops.fill_info = Some(Self::fill_info);
                ops.get_link_net = Some(Self::get_link_net);
                // SAFETY: Complete, pinned, and unregistered by `drop`.
                to_result(unsafe { bindings::rtnl_link_register(slot) })
            }),
            _kind: PhantomData,
        }? Error)
    }

    /// # Safety
    ///
    /// Called by the core only, with a device that it just allocated.
    unsafe extern "C" fn setup(dev: *mut bindings::net_device) {
        // SAFETY: A device that is just being allocated.
        unsafe {
            bindings::vnic_netdev_setup(dev);
            (*dev).netdev_ops = T::OPS;
            (*dev).ethtool_ops = T::ETHTOOL;
            (*dev).stat_ops = Self::STAT_OPS;
        }
    }

    /// # Safety
    ///
    /// Called by the core only, under RTNL, with a request's table of attributes.
    unsafe extern "C" fn alloc(
        tb: *mut *mut bindings::nlattr,
        name: *const c_char,
        name_kind: u8,
        tx_queues: c_uint,
        rx_queues: c_uint,
    ) -> *mut bindings::net_device {
        // SAFETY: By the safety requirements: the table is valid up to IFLA_MAX.
        let (default, tx_given, rx_given) = unsafe {
            (
                bindings::vnic_link_queues(tb),
                !(*tb.add(bindings::IFLA_NUM_TX_QUEUES as usize)).is_null(),
                !(*tb.add(bindings::IFLA_NUM_RX_QUEUES as usize)).is_null(),
            )
        };
        // SAFETY: A name as the core has it for any kind; `setup` prepares what is allocated.
        unsafe {
            bindings::alloc_netdev_mqs(
                core::mem::size_of::<T>() as c_int,
                name,
                name_kind,
                Some(Self::setup),
                if tx_given { tx_queues } else { default },
                if rx_given { rx_queues } else { default },
            )
        }
    }

    /// # Safety
    ///
    /// Called by the core only, with the attribute tables of a request.
    unsafe extern "C" fn validate(
        tb: *mut *mut bindings::nlattr,
        data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The core's tables, of these sizes; the extack is null or valid.
        let (attrs, data, mut extack) = unsafe {
            (
                Attrs::from_raw(tb, IFLA_MAX),
                Self::own_attrs(data),
                Extack::from_raw(extack),
            )
        };
        from_result(|| T::validate(attrs, data, &mut extack).map(|()| 0))
    }

    /// # Safety
    ///
    /// `data` must be the kind's attributes as the core passes them.
    unsafe fn own_attrs<'a>(data: *mut *mut bindings::nlattr) -> Attrs<'a> {
        // SAFETY: The core's table has an entry for each attribute up to `maxtype`, which is this number.
        unsafe { Attrs::from_raw(data, (T::POLICY.len() - 1) as u32) }
    }

    /// # Safety
    ///
    /// Called by the core only, with a device that `setup` prepared, under RTNL.
    unsafe extern "C" fn newlink(
        dev: *mut bindings::net_device,
        params: *mut bindings::rtnl_newlink_params,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: rtnl_newlink() calls with RTNL held and valid arguments.
        let (link, mut extack) = unsafe {
            (
                NewLink {
                    attrs: Attrs::from_raw((*params).tb, IFLA_MAX),
                    data: Self::own_attrs((*params).data),
                    link_net: Net::from_raw(bindings::vnic_newlink_net(params)),
                    rtnl: Rtnl::assume(),
                },
                Extack::from_raw(extack),
            )
        };
        from_result(|| Self::create(dev, &link, &mut extack).map(|()| 0))
    }

    fn create(
        dev: *mut bindings::net_device,
        link: &NewLink<'_>,
        extack: &mut Extack<'_>,
    ) -> Result {
        let data = T::new(&Early(dev, PhantomData), link, extack)?;
        let place = private::<T>(dev);
        // SAFETY: The private area has room for a `T` (priv_size) and holds none.
        unsafe { place.write(data) };
        // SAFETY: Set up, not registered, under RTNL.
        if let Err(error) = to_result(unsafe { bindings::register_netdevice(dev) }) {
            // It may have been visible: whoever looks at the data is waited for.
            rcu::synchronize_net();
            // SAFETY: Written above; the caller frees the device, without a destructor.
            unsafe { place.drop_in_place() };
            return Err(error);
        }
        // Only now: had it failed, register_netdevice() would have called the destructor.
        // SAFETY: Our device, under RTNL.
        unsafe {
            (*dev).needs_free_netdev = true;
            (*dev).priv_destructor = Some(Self::destructor);
        }
        // SAFETY: Registered, with its data in place.
        let registered = unsafe { Dev::<T>::from_raw(dev) };
        T::registered(registered, extack, link.rtnl).inspect_err(|_| {
            // SAFETY: Registered, under RTNL.
            unsafe { bindings::unregister_netdevice_queue(dev, ptr::null_mut()) };
        })
    }

    /// # Safety
    ///
    /// Called by the core only, with an unregistered device of the kind, once.
    unsafe extern "C" fn destructor(dev: *mut bindings::net_device) {
        // SAFETY: The core calls this once, after the device was unregistered and nobody uses it.
        unsafe { private::<T>(dev).drop_in_place() };
    }

    /// # Safety
    ///
    /// Called by the core only, with a registered device of the kind, under RTNL.
    unsafe extern "C" fn changelink(
        dev: *mut bindings::net_device,
        _tb: *mut *mut bindings::nlattr,
        data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: A registered device of this kind, under RTNL, and valid arguments.
        let (dev, data, mut extack, rtnl) = unsafe {
            (
                Dev::<T>::from_raw(dev),
                Self::own_attrs(data),
                Extack::from_raw(extack),
                Rtnl::assume(),
            )
        };
        from_result(|| T::change(dev, data, &mut extack, rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the core only, with a registered device of the kind, under RTNL.
    unsafe extern "C" fn dellink(dev: *mut bindings::net_device, head: *mut bindings::list_head) {
        // SAFETY: The core calls this for a registered device of `T`, under RTNL.
        let (dev, rtnl) = unsafe { (Dev::<T>::from_raw(dev), Rtnl::assume()) };
        T::dellink(dev, &mut KillList(head, PhantomData), rtnl);
    }

    /// # Safety
    ///
    /// Called by the core only, with a registered device of the kind.
    unsafe extern "C" fn get_size(_dev: *const bindings::net_device) -> usize {
        T::INFO_SIZE
    }

    /// # Safety
    ///
    /// Called by the core only, with a registered device of the kind and a message under construction.
    unsafe extern "C" fn fill_info(
        skb: *mut bindings::sk_buff,
        dev: *const bindings::net_device,
    ) -> c_int {
        // SAFETY: A registered device of this kind and a message under construction, under RTNL
        // (rtnl_fill_ifinfo()).
        let (dev, mut message, rtnl) = unsafe {
            (
                Dev::<T>::from_raw(dev.cast_mut()),
                Message::from_raw(skb),
                Rtnl::assume(),
            )
        };
        from_result(|| T::fill_info(dev, &mut message, rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the core only, with a registered device of the kind.
    unsafe extern "C" fn get_link_net(dev: *const bindings::net_device) -> *mut bindings::net {
        // SAFETY: A registered device of this kind.
        T::link_net(unsafe { Dev::<T>::from_raw(dev.cast_mut()) }).as_ptr()
    }
}

#[pinned_drop]
impl<T: LinkOps> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered by `new`. Removes all devices of the kind and waits until they are
        // freed.
        unsafe { bindings::rtnl_link_unregister(self.ops.get()) };
    }
}
