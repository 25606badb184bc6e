// SPDX-License-Identifier: GPL-2.0

//! Work that is done now and then, in process context (`schedule_delayed_work()`).
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use vnic_bindings as bindings;

/// What is done.
pub(crate) trait Chores {
    /// Process context, without RTNL. Returns after how many ms it is called again; 0: not by itself.
    fn run() -> u32;
}

/// Has the crate's chores done in `delay` ms, or before. Any context.
pub(crate) fn soon(delay: u32) {
    // SAFETY: Any context; `stop` comes last.
    unsafe { bindings::vnic_chores_soon(delay) };
}

/// They are not done any more. Nobody calls [`soon`] later. Sleeps, without RTNL.
pub(crate) fn stop() {
    // SAFETY: The module's exit, without RTNL.
    unsafe { bindings::vnic_chores_stop() };
}

/// # Safety
///
/// Called by the shim only, in process context without RTNL.
#[no_mangle]
unsafe extern "C" fn vnic_chores() -> u32 {
    <crate::pool::Chores as Chores>::run()
}
