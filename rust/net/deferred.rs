// SPDX-License-Identifier: GPL-2.0

//! Packets that wait to be freed: read on another CPU than the one that made them, they are in a list of
//! the latter until it polls devices again (`skb_attempt_defer_free()`), and keep their memory.

use kernel::{
    error::to_result,
    prelude::*, //
};
use vnic_bindings as bindings;

/// Has all CPUs free what waits in their lists soon. Softirq or process context.
pub(crate) fn flush() {
    // SAFETY: There is a guard while anything of the module runs.
    unsafe { bindings::vnic_deferred_flush() };
}

/// While it lives [`flush`] may be called.
pub(crate) struct Guard(());

impl Guard {
    /// The only one. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The module makes one.
        to_result(unsafe { bindings::vnic_deferred_init() })?;
        Ok(Self(()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: Nobody calls `flush` any more: rings and chores are gone.
        unsafe { bindings::vnic_deferred_exit() };
    }
}
