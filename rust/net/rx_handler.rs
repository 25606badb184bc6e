// SPDX-License-Identifier: GPL-2.0

//! The hook that sees every frame a device receives (`netdev_rx_handler_register()`).

use crate::net::{
    netdev::NetDev,
    rcu::Rcu,
    rtnl::Rtnl,
    skb::Skb, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};
use vnic_bindings as bindings;

/// What becomes of a frame.
pub(crate) enum Verdict {
    /// It goes on to the device's own stack.
    Pass(Skb),
    /// Its device was changed: process it as received there.
    Another(Skb),
    /// It is gone.
    Consumed,
}

/// An object that handles the frames of a device.
pub(crate) trait RxHandler: Send + Sync + 'static {
    /// Handles one frame; `skb` has its mac header set and pulled.
    fn receive(&self, dev: &NetDev, skb: Skb, rcu: Rcu<'_>) -> Verdict;
}

/// An rx handler in place. Dropping it takes it away and waits for packets in it.
///
/// # Invariants
///
/// `dev` is alive, and its rx handler is ours with `data` as its data.
pub(crate) struct Registration<T: RxHandler> {
    dev: NonNull<bindings::net_device>,
    data: *const T,
}

// SAFETY: It is registered for all CPUs, and undone by any task that holds RTNL.
unsafe impl<T: RxHandler> Send for Registration<T> {}

impl<T: RxHandler> Registration<T> {
    /// Puts `data` in front of the stack of `dev`.
    ///
    /// The caller keeps `dev` referenced as long as the registration lives; `data` is kept here.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the device has a handler or must not have one.
    pub(crate) fn new(dev: &NetDev, data: Arc<T>, _rtnl: Rtnl<'_>) -> Result<Self> {
        let data = Arc::into_raw(data);
        // SAFETY: A live device, under RTNL; `data` lives until `drop` has unregistered.
        let result = to_result(unsafe {
            bindings::netdev_rx_handler_register(
                dev.as_ptr(),
                Some(Self::handler),
                data.cast_mut().cast(),
            )
        });
        if let Err(error) = result {
            // SAFETY: From `into_raw` above, and nobody has it.
            drop(unsafe { Arc::from_raw(data) });
            return Err(error);
        }
        // INVARIANT: Just registered.
        Ok(Self {
            dev: NonNull::from(dev).cast(),
            data,
        })
    }

    /// The object that handles the frames of `dev`, if it is one of `T`.
    pub(crate) fn of(dev: &NetDev, _rtnl: Rtnl<'_>) -> Option<Arc<T>> {
        // SAFETY: A live device; under RTNL handler and data belong together.
        let handler = unsafe { (*dev.as_ptr()).rx_handler }?;
        let ours: unsafe extern "C" fn(*mut *mut bindings::sk_buff) -> _ = Self::handler;
        if !ptr::fn_addr_eq(handler, ours) {
            return None;
        }
        // SAFETY: A live device; under RTNL its handler is ours still, as was just seen.
        let data = unsafe { bindings::vnic_netdev_rx_handler_data(dev.as_ptr()) };
        // SAFETY: Our handler's data is from `Arc::into_raw`, alive while it is registered, hence
        // under this RTNL; the registration keeps its own reference.
        let data = unsafe { ArcBorrow::from_raw(data.cast::<T>()) };
        Some(data.into())
    }

    /// # Safety
    ///
    /// Called by `__netif_receive_skb_core()` only.
    unsafe extern "C" fn handler(pskb: *mut *mut bindings::sk_buff) -> bindings::rx_handler_result {
        // SAFETY: The core gives us a valid packet, which is ours unless we return it.
        let skb = unsafe { NonNull::new_unchecked(*pskb) };
        // SAFETY: A received packet has a device, alive under RCU.
        let dev = unsafe {
            NetDev::from_raw(
                (*skb.as_ptr())
                    .__bindgen_anon_1
                    .__bindgen_anon_1
                    .__bindgen_anon_1
                    .dev,
            )
        };
        // SAFETY: The core read our handler under RCU; its data was set before it and lives at least
        // a grace period longer.
        let data = unsafe { &*(*dev.as_ptr()).rx_handler_data.cast::<T>() };
        // SAFETY: Rx handlers run in softirq under RCU.
        let rcu = unsafe { Rcu::assume() };
        // SAFETY: The packet is ours until a verdict gives it back, see `skb`.
        let verdict = data.receive(dev, unsafe { Skb::from_raw(skb) }, rcu);
        let (skb, result) = match verdict {
            Verdict::Pass(skb) => (skb, bindings::rx_handler_result_RX_HANDLER_PASS),
            Verdict::Another(skb) => (skb, bindings::rx_handler_result_RX_HANDLER_ANOTHER),
            Verdict::Consumed => return bindings::rx_handler_result_RX_HANDLER_CONSUMED,
        };
        // SAFETY: The core takes the packet back through its pointer.
        unsafe { *pskb = skb.into_raw() };
        result
    }
}

impl<T: RxHandler> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type invariant; whoever owns a registration drops it under
        // RTNL. It waits for packets in the handler.
        unsafe { bindings::netdev_rx_handler_unregister(self.dev.as_ptr()) };
        // SAFETY: From `into_raw`; nobody looks at it any more.
        drop(unsafe { Arc::from_raw(self.data) });
    }
}

/// Whether `dev` cannot take a handler now.
pub(crate) fn is_busy(dev: &NetDev, _rtnl: Rtnl<'_>) -> bool {
    // SAFETY: A live device, under RTNL.
    unsafe { bindings::vnic_netdev_rx_handler_busy(dev.as_ptr()) }
}
