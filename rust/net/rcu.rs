// SPDX-License-Identifier: GPL-2.0

//! RCU: evidence of a read side, and arrays that readers see whole.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use crate::net::rtnl::Rtnl;
use core::{
    marker::PhantomData,
    mem, ptr,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};
use vnic_bindings as bindings;

/// Evidence that the current CPU is in an RCU read-side section with bottom halves off, as
/// `ndo_start_xmit`, rx handlers, netfilter hooks and NAPI polls are.
///
/// Unlike [`kernel::sync::rcu::Guard`] it takes no lock: the caller of the callback holds it.
///
/// # Invariants
///
/// The read-side section lasts at least for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Rcu<'a>(PhantomData<&'a ()>, NotThreadSafe);

impl Rcu<'_> {
    /// Asserts that the section is there.
    ///
    /// # Safety
    ///
    /// For the lifetime that the caller chooses, the current CPU must be in an RCU read-side
    /// section and have bottom halves off.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        // INVARIANT: By the safety requirements.
        Self(PhantomData, NotThreadSafe)
    }
}

/// Runs `f` in a read-side section with bottom halves off. Any context but hard interrupt.
pub(crate) fn read<R>(f: impl FnOnce(Rcu<'_>) -> R) -> R {
    // SAFETY: No requirements; undone below.
    unsafe { bindings::vnic_rcu_bh_enter() };
    // SAFETY: Just entered, and left only after `f` is done with the token, which cannot escape.
    let result = f(unsafe { Rcu::assume() });
    // SAFETY: Entered above, on this task.
    unsafe { bindings::vnic_rcu_bh_leave() };
    result
}

/// Waits until all packets that were being processed when it was called are done. Sleeps.
pub(crate) fn synchronize_net() {
    // SAFETY: Process context: this crate calls it from RTNL sections and module exit only.
    unsafe { bindings::synchronize_net() };
}

/// Types of which all-zero bytes are a value, and which need no drop.
///
/// # Safety
///
/// Both must hold.
pub(crate) unsafe trait Plain: Sync {}

// SAFETY: Two atomic integers.
unsafe impl Plain for crate::logic::table::Slot {}
// SAFETY: Two atomic integers.
unsafe impl Plain for crate::logic::flow::Slot {}
// SAFETY: An atomic integer.
unsafe impl Plain for crate::logic::vlan::VidWord {}

#[repr(C)]
struct Block<T> {
    len: usize,
    items: [T; 0],
}

/// An array of atomics that is read under RCU and replaced as a whole under RTNL.
///
/// # Invariants
///
/// The pointer is null or a `kvzalloc`ed block of `len` items, which is freed only after it
/// was replaced and a grace period went by.
pub(crate) struct RcuArray<T: Plain>(AtomicPtr<Block<T>>);

/// A new array, all zeroes, that readers do not see yet.
pub(crate) struct NewArray<T: Plain>(ptr::NonNull<Block<T>>);

impl<T: Plain> NewArray<T> {
    /// Allocates `len` items, charged to who asks. May sleep.
    pub(crate) fn new(len: usize) -> Result<Self> {
        let size = mem::size_of::<T>()
            .checked_mul(len)
            .and_then(|size| size.checked_add(mem::size_of::<Block<T>>()))
            .ok_or(EOVERFLOW)?;
        const { assert!(mem::align_of::<Block<T>>() <= 8) };
        // SAFETY: Process context.
        let block = unsafe { bindings::vnic_kvzalloc(size, ACCOUNT) }.cast::<Block<T>>();
        let block = ptr::NonNull::new(block).ok_or(ENOMEM)?;
        // SAFETY: Ours alone, and large and aligned enough for the header.
        unsafe { (*block.as_ptr()).len = len };
        Ok(Self(block))
    }

    /// The items.
    pub(crate) fn items(&self) -> &[T] {
        // SAFETY: `new` allocated and zeroed `len` items; zeroes are a value (`Plain`).
        unsafe { items(self.0.as_ptr()) }
    }
}

impl<T: Plain> Drop for NewArray<T> {
    fn drop(&mut self) {
        // SAFETY: Never published, so nobody else has it.
        unsafe { bindings::vnic_kvfree(self.0.as_ptr().cast()) };
    }
}

/// `GFP_KERNEL_ACCOUNT` as the plain integer that the shims take.
const ACCOUNT: bindings::gfp_t = kernel::bindings::GFP_KERNEL_ACCOUNT as bindings::gfp_t;

/// # Safety
///
/// `block` must be a block whose `len` items stay allocated for `'a`.
unsafe fn items<'a, T>(block: *const Block<T>) -> &'a [T] {
    // SAFETY: By the safety requirements; the items follow the header.
    unsafe { core::slice::from_raw_parts(ptr::addr_of!((*block).items).cast::<T>(), (*block).len) }
}

impl<T: Plain> RcuArray<T> {
    /// An array of no items.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Null.
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The items, for a reader.
    #[inline(always)]
    pub(crate) fn get<'a>(&'a self, _rcu: Rcu<'a>) -> &'a [T] {
        let block = self.0.load(Ordering::Acquire);
        if block.is_null() {
            return &[];
        }
        // SAFETY: By the type invariant the block outlives the read-side section.
        unsafe { items(block) }
    }

    /// The items, for the writer.
    ///
    /// # Safety
    ///
    /// The caller must not use them after [`RcuArray::publish`].
    pub(crate) unsafe fn get_locked<'a>(&'a self, _rtnl: Rtnl<'a>) -> &'a [T] {
        let block = self.0.load(Ordering::Relaxed);
        if block.is_null() {
            return &[];
        }
        // SAFETY: Only `publish` retires a block: it needs RTNL, and the caller does not use the
        // items after it.
        unsafe { items(block) }
    }

    /// Whether there is an array at all.
    pub(crate) fn is_allocated(&self, _rtnl: Rtnl<'_>) -> bool {
        !self.0.load(Ordering::Relaxed).is_null()
    }

    /// Whether there is no array. Any context.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Takes the array away; it goes after a grace period.
    pub(crate) fn clear(&self, _rtnl: Rtnl<'_>) {
        // INVARIANT: Null.
        let old = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        if !old.is_null() {
            // SAFETY: As in `publish`.
            unsafe { bindings::vnic_kvfree_rcu(old.cast()) };
        }
    }

    /// Lets the writer change items in place.
    pub(crate) fn update(&self, rtnl: Rtnl<'_>, f: impl FnOnce(&[T])) {
        // SAFETY: `f` cannot keep the items, and publishes nothing that it does not own.
        f(unsafe { self.get_locked(rtnl) });
    }

    /// Makes `new` the array; the old one goes after a grace period. May sleep.
    pub(crate) fn publish(&self, new: NewArray<T>, _rtnl: Rtnl<'_>) {
        let block = new.0.as_ptr();
        mem::forget(new);
        // INVARIANT: `block` is a whole block; the old one is freed after a grace period.
        let old = self.0.swap(block, Ordering::Release);
        if !old.is_null() {
            // SAFETY: No new reader finds `old`; the present ones are waited for.
            unsafe { bindings::vnic_kvfree_rcu(old.cast()) };
        }
    }
}

impl<T: Plain> Drop for RcuArray<T> {
    fn drop(&mut self) {
        let old = *self.0.get_mut();
        if !old.is_null() {
            // SAFETY: As in `publish`: readers that still look at it are waited for.
            unsafe { bindings::vnic_kvfree_rcu(old.cast()) };
        }
    }
}
