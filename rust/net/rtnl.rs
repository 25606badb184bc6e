// SPDX-License-Identifier: GPL-2.0

//! RTNL: evidence that it is held, and cells that it guards.
//!
//! C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)

use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::types::NotThreadSafe;
use vnic_bindings as bindings;

/// Evidence that the current task holds RTNL.
///
/// # Invariants
///
/// RTNL is held at least for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Rtnl<'a>(PhantomData<&'a ()>, NotThreadSafe);

impl Rtnl<'_> {
    /// Asserts that RTNL is held.
    ///
    /// # Safety
    ///
    /// The current task must hold RTNL for the lifetime that the caller chooses.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        // INVARIANT: By the safety requirements.
        Self(PhantomData, NotThreadSafe)
    }
}

/// Runs `f` with RTNL held. Sleeps.
pub(crate) fn locked<R>(f: impl FnOnce(Rtnl<'_>) -> R) -> R {
    // SAFETY: Process context, and the module's own code calls this with nothing held.
    unsafe { bindings::rtnl_lock() };
    // SAFETY: Held until `f` is done with the token, which cannot escape.
    let result = f(unsafe { Rtnl::assume() });
    // SAFETY: Taken above, by this task.
    unsafe { bindings::rtnl_unlock() };
    result
}

/// A value that only the holder of RTNL touches.
///
/// It hands out no references, so code that runs in between (a notifier, say) may use it too.
pub(crate) struct RtnlCell<T>(UnsafeCell<T>);

// SAFETY: Every access needs an `Rtnl`, and only one task at a time has one.
unsafe impl<T: Send> Sync for RtnlCell<T> {}
// SAFETY: It owns its value.
unsafe impl<T: Send> Send for RtnlCell<T> {}

impl<T> RtnlCell<T> {
    /// Makes a cell.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value, of a cell that nobody else has.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    /// Puts `value` in and returns what was there.
    pub(crate) fn replace(&self, value: T, _rtnl: Rtnl<'_>) -> T {
        // SAFETY: RTNL excludes other tasks, and no reference into the cell ever exists.
        unsafe { core::mem::replace(&mut *self.0.get(), value) }
    }

    /// Puts `value` in and drops what was there.
    pub(crate) fn set(&self, value: T, rtnl: Rtnl<'_>) {
        drop(self.replace(value, rtnl));
    }

    /// Takes the value, leaving the default.
    pub(crate) fn take(&self, rtnl: Rtnl<'_>) -> T
    where
        T: Default,
    {
        self.replace(T::default(), rtnl)
    }
}

impl<T: Default> RtnlCell<T> {
    /// Runs `f` on the value, which is out of the cell meanwhile: `f` must not look into the cell.
    pub(crate) fn with<R>(&self, rtnl: Rtnl<'_>, f: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.take(rtnl);
        let result = f(&mut value);
        self.set(value, rtnl);
        result
    }
}

impl<T: Copy> RtnlCell<T> {
    /// A copy of the value.
    pub(crate) fn get(&self, _rtnl: Rtnl<'_>) -> T {
        // SAFETY: As in `replace`.
        unsafe { *self.0.get() }
    }
}
