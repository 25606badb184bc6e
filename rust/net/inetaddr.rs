// SPDX-License-Identifier: GPL-2.0

//! IP addresses that somebody is about to add to a device
//! (`register_inetaddr_validator_notifier()` and its IPv6 twin).
//!
//! Addresses that the kernel makes out of router advertisements do not come by there
//! (ipv6_add_addr() without `can_block`); they are only heard of, afterwards
//! (`register_inet6addr_notifier()`).
//!
//! C headers: [`include/linux/inetdevice.h`](srctree/include/linux/inetdevice.h),
//! [`include/net/addrconf.h`](srctree/include/net/addrconf.h)

use crate::net::{
    netdev::NetDev,
    netlink::Extack,
    notifier::answer,
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

/// Who is asked before an address is added.
pub(crate) trait Validator: 'static {
    /// Called under RTNL in process context, for every device of every namespace; `addr` has 4 or 16
    /// bytes. An error refuses.
    fn check(dev: &NetDev, addr: &[u8], extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Whether [`Validator::added`] wants to hear of addresses of a device. Any context.
    fn concerns(dev: &NetDev) -> bool;

    /// A router advertisement brought an address of 16 bytes, which cannot be refused.
    fn added(dev: &NetDev, addr: &[u8; 16], rtnl: Rtnl<'_>);
}

/// A registered validator of IPv4 and IPv6 addresses.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Validator> {
    #[pin]
    v4: Opaque<bindings::notifier_block>,
    #[pin]
    v6: Opaque<bindings::notifier_block>,
    _validator: PhantomData<T>,
}

// SAFETY: The core synchronizes its use of the blocks.
unsafe impl<T: Validator> Sync for Registration<T> {}
// SAFETY: It may be unregistered by any task.
unsafe impl<T: Validator> Send for Registration<T> {}

type Callback = unsafe extern "C" fn(*mut bindings::notifier_block, c_ulong, *mut c_void) -> c_int;

fn block(callback: Callback) -> bindings::notifier_block {
    bindings::notifier_block {
        notifier_call: Some(callback),
        next: ptr::null_mut(),
        priority: 0,
    }
}

impl<T: Validator> Registration<T> {
    /// Registers.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            v4 <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                // SAFETY: `slot` is the block's final place; unregistered by `drop`.
                to_result(unsafe {
                    slot.write(block(Self::call_v4));
                    bindings::register_inetaddr_validator_notifier(slot)
                })
            }),
            v6 <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                // SAFETY: As above. A blocking chain takes any block that is not in it yet, so
                // nothing is left to undo for `v4`.
                to_result(unsafe {
                    slot.write(block(Self::call_v6));
                    bindings::register_inet6addr_validator_notifier(slot)
                })
            }),
            _validator: PhantomData,
        }? Error)
    }

    /// # Safety
    ///
    /// Called by the validator chain of IPv4 only, under RTNL.
    unsafe extern "C" fn call_v4(
        _block: *mut bindings::notifier_block,
        _event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        // SAFETY: The chain's info, under RTNL.
        let (dev, mut extack, addr, rtnl) = unsafe {
            (
                NetDev::from_raw(bindings::vnic_inetaddr_dev(info)),
                Extack::from_raw(bindings::vnic_inetaddr_extack(info)),
                bindings::vnic_inetaddr_get(info).to_ne_bytes(),
                Rtnl::assume(),
            )
        };
        answer(T::check(dev, &addr, &mut extack, rtnl))
    }

    /// # Safety
    ///
    /// Called by the validator chain of IPv6 only, under RTNL.
    unsafe extern "C" fn call_v6(
        _block: *mut bindings::notifier_block,
        _event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        let mut addr = [0; 16];
        // SAFETY: The chain's info, under RTNL; there is room for an address.
        let (dev, mut extack, rtnl) = unsafe {
            bindings::vnic_inet6addr_get(info, addr.as_mut_ptr());
            (
                NetDev::from_raw(bindings::vnic_inet6addr_dev(info)),
                Extack::from_raw(bindings::vnic_inet6addr_extack(info)),
                Rtnl::assume(),
            )
        };
        answer(T::check(dev, &addr, &mut extack, rtnl))
    }
}

/// Hearing of addresses that router advertisements bring, by the crate's validator.
pub(crate) struct Advertised(());

impl Advertised {
    /// Registers.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Called once, by the module's init; undone by `drop`.
        to_result(unsafe { bindings::vnic_ra_register() })?;
        Ok(Self(()))
    }
}

impl Drop for Advertised {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`; the module's exit does not hold RTNL.
        unsafe { bindings::vnic_ra_unregister() };
    }
}

/// # Safety
///
/// Called by the shim only, with a live device.
#[no_mangle]
unsafe extern "C" fn vnic_ra_concerns(dev: *mut bindings::net_device) -> bool {
    // SAFETY: By the safety requirements.
    crate::config::request::Validator::concerns(unsafe { NetDev::from_raw(dev) })
}

/// # Safety
///
/// Called by the shim only, with a live device and 16 bytes, under RTNL.
#[no_mangle]
unsafe extern "C" fn vnic_ra_added(dev: *mut bindings::net_device, addr: *const u8) {
    // SAFETY: By the safety requirements.
    let (dev, addr, rtnl) = unsafe {
        (
            NetDev::from_raw(dev),
            &*addr.cast::<[u8; 16]>(),
            Rtnl::assume(),
        )
    };
    crate::config::request::Validator::added(dev, addr, rtnl);
}

#[pinned_drop]
impl<T: Validator> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered by `new`; both wait for calls that run.
        unsafe {
            bindings::unregister_inetaddr_validator_notifier(self.v4.get());
            bindings::unregister_inet6addr_validator_notifier(self.v6.get());
        }
    }
}
