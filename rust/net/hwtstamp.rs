// SPDX-License-Identifier: GPL-2.0

//! Time stamping by hardware: how a NIC is asked for it (`ndo_hwtstamp_get()`, `…_set()`).
//!
//! C header: [`include/linux/net_tstamp.h`](srctree/include/linux/net_tstamp.h)

use crate::net::{
    netdev::NetDev,
    netlink::Extack,
    rtnl::Rtnl, //
};
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*, //
};
use vnic_bindings as bindings;

/// A configuration that is asked for, or to be filled in (`struct kernel_hwtstamp_config`).
pub(crate) struct Config<'a>(
    *mut bindings::kernel_hwtstamp_config,
    PhantomData<&'a mut ()>,
);

impl Config<'_> {
    /// Wraps the C pointer.
    ///
    /// # Safety
    ///
    /// `config` must be valid and nobody else's for as long as the caller chooses.
    pub(crate) unsafe fn from_raw(config: *mut bindings::kernel_hwtstamp_config) -> Self {
        Self(config, PhantomData)
    }

    /// Fills in that of the device below.
    pub(crate) fn get_lower(&mut self, lower: &NetDev, _rtnl: Rtnl<'_>) -> Result {
        // SAFETY: A live device, under RTNL, and a valid configuration.
        to_result(unsafe { bindings::generic_hwtstamp_get_lower(lower.as_ptr(), self.0) })
    }

    /// Makes it that of the device below; filled in with what came of it.
    pub(crate) fn set_lower(
        &mut self,
        lower: &NetDev,
        extack: &mut Extack<'_>,
        _rtnl: Rtnl<'_>,
    ) -> Result {
        // SAFETY: A live device, under RTNL; `self.0` is the core's configuration for this call, and the
        // extack is the core's too, which the device below may write to.
        to_result(unsafe {
            bindings::generic_hwtstamp_set_lower(lower.as_ptr(), self.0, extack.as_ptr())
        })
    }
}
