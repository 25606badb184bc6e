// SPDX-License-Identifier: GPL-2.0

//! What is kept for each network namespace, and hearing of those that die (`register_pernet_subsys()`).
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use crate::{
    config::database::{
        self,
        Space, //
    },
    net::{
        netdev::Net,
        rtnl::Rtnl, //
    },
};
use core::ffi::c_void;
use kernel::{
    error::to_result,
    prelude::*, //
};
use vnic_bindings as bindings;

/// While it lives, the database hears of namespaces that die. Dropping it says that all do.
pub(crate) struct Registration(());

impl Registration {
    /// Registers.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Called once, by the module's init, without RTNL; undone by `drop`.
        to_result(unsafe { bindings::vnic_net_register() })?;
        Ok(Self(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`; the module's exit does not hold RTNL. Waits for calls that run.
        unsafe { bindings::vnic_net_unregister() };
    }
}

const _: () = assert!(size_of::<Space>() <= size_of::<bindings::vnic_net_space>());
const _: () = assert!(align_of::<Space>() <= align_of::<bindings::vnic_net_space>());

impl<'a> Net<'a> {
    /// What the database keeps for it.
    pub(crate) fn space(self) -> &'a Space {
        // SAFETY: The namespace lives for `'a`. Whoever asks was reached by what is registered after
        // [`Registration`] and goes before it, so the memory is there, filled by `vnic_net_comes`.
        unsafe { &*bindings::vnic_net_space(self.as_ptr()).cast::<Space>() }
    }
}

/// # Safety
///
/// Called by the shim only, with the memory that belongs to a new namespace.
#[no_mangle]
unsafe extern "C" fn vnic_net_comes(space: *mut c_void) {
    // SAFETY: By the safety requirements; large enough and aligned, as asserted above.
    unsafe { space.cast::<Space>().write(Space::new()) };
}

/// # Safety
///
/// Called by the shim only, under RTNL, with the memory that `vnic_net_comes` filled.
#[no_mangle]
unsafe extern "C" fn vnic_net_gone(cookie: u64, space: *mut c_void) {
    // SAFETY: By the safety requirements.
    database::net_leaves(cookie, unsafe { Rtnl::assume() });
    // SAFETY: By the safety requirements; nobody looks at it any more.
    unsafe { core::ptr::drop_in_place(space.cast::<Space>()) };
}
