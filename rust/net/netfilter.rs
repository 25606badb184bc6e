// SPDX-License-Identifier: GPL-2.0

//! The hook that sees every frame the host sends on a device (`NF_NETDEV_EGRESS`).
//!
//! C header: [`include/linux/netfilter_netdev.h`](srctree/include/linux/netfilter_netdev.h)

use crate::net::{
    netdev::NetDev,
    rcu::{
        self,
        Rcu, //
    },
    rtnl::Rtnl,
    skb::Skb, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};
use vnic_bindings as bindings;

/// An object that looks at frames before they leave.
pub(crate) trait Egress: Send + Sync + 'static {
    /// Looks at one frame, which starts with its Ethernet header; returns it, or keeps it.
    fn egress(&self, dev: &NetDev, skb: Skb, rcu: Rcu<'_>) -> Option<Skb>;
}

/// A hook in place. Dropping it takes it away and waits for packets in it.
pub(crate) struct Registration<T: Egress> {
    ops: KBox<Opaque<bindings::nf_hook_ops>>,
    net: *mut bindings::net,
    data: *const T,
}

// SAFETY: It is registered for all CPUs, and undone by any task that holds RTNL.
unsafe impl<T: Egress> Send for Registration<T> {}

impl<T: Egress> Registration<T> {
    /// Hooks `data` into the egress of `dev`, after everyone else's hooks, so that the host's
    /// own filters decide first. Drop it before `dev` goes or moves to another namespace.
    pub(crate) fn new(dev: &NetDev, data: Arc<T>, _rtnl: Rtnl<'_>) -> Result<Self> {
        // SAFETY: A list head, pointers and integers: zero is a value.
        let mut ops: bindings::nf_hook_ops =
            unsafe { core::mem::MaybeUninit::zeroed().assume_init() };
        ops.hook = Some(Self::hook);
        ops.dev = dev.as_ptr();
        ops.priv_ = Arc::as_ptr(&data).cast_mut().cast();
        ops.pf = bindings::NFPROTO_NETDEV as u8;
        ops.hooknum = bindings::nf_dev_hooks_NF_NETDEV_EGRESS;
        ops.priority = i32::MAX;
        let ops = KBox::new(Opaque::new(ops), GFP_KERNEL)?;
        let net = dev.net().as_ptr();
        // SAFETY: A live device and its namespace; `ops` and `data` live until `drop`.
        to_result(unsafe { bindings::nf_register_net_hook(net, ops.get()) })?;
        Ok(Self {
            ops,
            net,
            data: Arc::into_raw(data),
        })
    }

    /// # Safety
    ///
    /// Called by netfilter only, with the private pointer that `new` registered.
    unsafe extern "C" fn hook(
        data: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: Registered with a live `T`; `drop` waits for us. Egress hooks run under RCU with
        // bottom halves off, for a packet that is theirs to take, on its way out of a live device.
        let (data, dev, skb, rcu) = unsafe {
            (
                &*data.cast::<T>(),
                NetDev::from_raw((*state).out),
                Skb::from_raw(NonNull::new_unchecked(skb)),
                Rcu::assume(),
            )
        };
        match data.egress(dev, skb, rcu) {
            Some(skb) => {
                // The caller still has its pointer.
                skb.into_raw();
                bindings::NF_ACCEPT
            }
            None => bindings::NF_STOLEN,
        }
    }
}

impl<T: Egress> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`.
        unsafe { bindings::nf_unregister_net_hook(self.net, self.ops.get()) };
        // It does not wait for packets that are in the hook.
        rcu::synchronize_net();
        // SAFETY: From `into_raw`; nobody looks at it any more.
        drop(unsafe { Arc::from_raw(self.data) });
    }
}
