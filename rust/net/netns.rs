// SPDX-License-Identifier: GPL-2.0

//! Hearing of network namespaces that die (`register_pernet_subsys()`).
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use crate::{
    config::database,
    net::rtnl::Rtnl, //
};
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

/// # Safety
///
/// Called by the shim only, under RTNL.
#[no_mangle]
unsafe extern "C" fn vnic_net_gone(cookie: u64) {
    // SAFETY: By the safety requirements.
    database::net_leaves(cookie, unsafe { Rtnl::assume() });
}
