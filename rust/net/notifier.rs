// SPDX-License-Identifier: GPL-2.0

//! Events of all devices (`register_netdevice_notifier()`).
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::net::{
    netdev::NetDev,
    netlink::Extack,
    rtnl::Rtnl, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};
use vnic_bindings as bindings;

/// What happened; the events that we look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is about to go up. May be refused.
    PreUp,
    /// Up, down, or its state changed.
    State,
    /// Its features changed.
    Features,
    /// Its MTU changed.
    Mtu,
    /// Its address is about to change to the one in the event. May be refused.
    PreAddress,
    /// Its address changed.
    Address,
    /// The length of its transmit queue changed. May be refused.
    TxQueueLen,
    /// Its name changed. May be refused, and then changes back.
    Name,
    /// It is registered: new, or after a move to another namespace.
    Register,
    /// It goes, or moves to another namespace.
    Unregister,
    /// Its type is about to change. May be refused.
    PreType,
    /// An upper device is about to be put on it. May be refused.
    PreUpper,
    /// One that devices above pass on: `NETDEV_NOTIFY_PEERS` and its like.
    PassOn(u32),
}

impl Event {
    fn of(event: u32) -> Option<Self> {
        Some(match event {
            bindings::netdev_cmd_NETDEV_UP
            | bindings::netdev_cmd_NETDEV_DOWN
            | bindings::netdev_cmd_NETDEV_CHANGE => Self::State,
            bindings::netdev_cmd_NETDEV_PRE_UP => Self::PreUp,
            bindings::netdev_cmd_NETDEV_CHANGE_TX_QUEUE_LEN => Self::TxQueueLen,
            bindings::netdev_cmd_NETDEV_FEAT_CHANGE => Self::Features,
            bindings::netdev_cmd_NETDEV_CHANGEMTU => Self::Mtu,
            bindings::netdev_cmd_NETDEV_PRE_CHANGEADDR => Self::PreAddress,
            bindings::netdev_cmd_NETDEV_CHANGEADDR => Self::Address,
            bindings::netdev_cmd_NETDEV_CHANGENAME => Self::Name,
            bindings::netdev_cmd_NETDEV_REGISTER => Self::Register,
            bindings::netdev_cmd_NETDEV_UNREGISTER => Self::Unregister,
            bindings::netdev_cmd_NETDEV_PRE_TYPE_CHANGE => Self::PreType,
            bindings::netdev_cmd_NETDEV_PRECHANGEUPPER => Self::PreUpper,
            bindings::netdev_cmd_NETDEV_NOTIFY_PEERS
            | bindings::netdev_cmd_NETDEV_BONDING_FAILOVER
            | bindings::netdev_cmd_NETDEV_RESEND_IGMP => Self::PassOn(event),
            _ => return None,
        })
    }
}

/// More about an event.
pub(crate) struct Info<'a>(*mut c_void, PhantomData<&'a ()>);

impl Info<'_> {
    /// For [`Event::PreAddress`]: the new address.
    pub(crate) fn new_address(&self) -> crate::logic::addr::MacAddr {
        let info = self
            .0
            .cast::<bindings::netdev_notifier_pre_changeaddr_info>();
        // SAFETY: The event's info; the address is at least ETH_ALEN bytes on Ethernet devices.
        crate::logic::addr::MacAddr::new(unsafe { *(*info).dev_addr.cast::<[u8; 6]>() })
    }

    /// For [`Event::PreUpper`]: whether a master is being added, as a bridge is.
    pub(crate) fn is_new_master(&self) -> bool {
        // SAFETY: The event's info.
        unsafe { bindings::vnic_notifier_new_master(self.0) }
    }

    /// For [`Event::PreUpper`]: the VLAN, if the upper device is an 802.1Q device being added.
    pub(crate) fn new_vlan(&self) -> Option<u16> {
        let mut vid = 0;
        // SAFETY: The event's info.
        unsafe { bindings::vnic_notifier_new_vlan(self.0, &mut vid) }.then_some(vid)
    }
}

/// Who is told of events.
pub(crate) trait Notified: 'static {
    /// Called under RTNL for each event of each device. An error refuses, where that is possible.
    fn event(
        event: Event,
        dev: &NetDev,
        info: &Info<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result;
}

/// A registered notifier. Dropping it replays the removal of every device, which we tolerate.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Notified> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _notified: PhantomData<T>,
}

// SAFETY: The core synchronizes its use of the block.
unsafe impl<T: Notified> Sync for Registration<T> {}
// SAFETY: It may be unregistered by any task.
unsafe impl<T: Notified> Send for Registration<T> {}

impl<T: Notified> Registration<T> {
    /// Registers.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                // SAFETY: `slot` is the block's final place.
                unsafe {
                    slot.write(bindings::notifier_block {
                        notifier_call: Some(Self::call),
                        next: ptr::null_mut(),
                        // After everyone else, who may refuse: what we note then is what is.
                        priority: c_int::MIN,
                    })
                };
                // SAFETY: Complete, pinned, and unregistered by `drop`.
                to_result(unsafe { bindings::register_netdevice_notifier(slot) })
            }),
            _notified: PhantomData,
        }? Error)
    }

    /// # Safety
    ///
    /// Called by the netdevice notifier chain only, under RTNL.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        const DONE: c_int = bindings::NOTIFY_DONE as c_int;
        let Some(event) = u32::try_from(event).ok().and_then(Event::of) else {
            return DONE;
        };
        // SAFETY: The core calls under RTNL, with the info of the event.
        let (dev, mut extack, rtnl) = unsafe {
            (
                NetDev::from_raw(bindings::vnic_notifier_dev(info)),
                Extack::from_raw(bindings::vnic_notifier_extack(info)),
                Rtnl::assume(),
            )
        };
        answer(T::event(
            event,
            dev,
            &Info(info, PhantomData),
            &mut extack,
            rtnl,
        ))
    }
}

/// What a notifier returns (`notifier_from_errno()`): go on, or stop and refuse.
pub(crate) fn answer(result: Result) -> c_int {
    match result {
        Ok(()) => bindings::NOTIFY_DONE as c_int,
        Err(error) => (bindings::NOTIFY_STOP_MASK as c_int) | (1 - error.to_errno()),
    }
}

#[pinned_drop]
impl<T: Notified> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered by `new`.
        unsafe { bindings::unregister_netdevice_notifier(self.block.get()) };
    }
}
