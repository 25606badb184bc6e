// SPDX-License-Identifier: GPL-2.0

//! Generic netlink: the family "vnic".
//!
//! Its operations and the form of their attributes are generated from
//! Documentation/netlink/specs/vnic.yaml (`rust/shim/vnic-nl-gen.c`). Here are the functions that
//! the generated table names; what they do is up to [`Handlers`].
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use crate::{
    net::{
        netdev::Net,
        netlink::{
            Attr,
            Attrs,
            Extack,
            Message,
            Nested, //
        },
        rtnl::{
            self,
            Rtnl, //
        },
    },
    Family, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
};
use vnic_bindings as bindings;

/// What a command is about, as its number in messages.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Command {
    /// A link.
    LinkGet = bindings::VNIC_CMD_LINK_GET as u8,
    /// A VNIC.
    VnicGet = bindings::VNIC_CMD_VNIC_GET as u8,
    /// What a VNIC counted.
    StatsGet = bindings::VNIC_CMD_STATS_GET as u8,
    /// A VNIC is new.
    VnicAdd = bindings::VNIC_CMD_VNIC_ADD_NTF as u8,
    /// A VNIC changed.
    VnicChange = bindings::VNIC_CMD_VNIC_CHANGE_NTF as u8,
    /// A VNIC is gone.
    VnicDelete = bindings::VNIC_CMD_VNIC_DEL_NTF as u8,
    /// A link changed.
    LinkChange = bindings::VNIC_CMD_LINK_CHANGE_NTF as u8,
    /// A policy that the request added.
    PolicyAdded = bindings::VNIC_CMD_POLICY_ADD as u8,
    /// A policy is new.
    PolicyAdd = bindings::VNIC_CMD_POLICY_ADD_NTF as u8,
    /// A policy is gone.
    PolicyDelete = bindings::VNIC_CMD_POLICY_DEL_NTF as u8,
    /// What would become of a request.
    Why = bindings::VNIC_CMD_WHY as u8,
    /// A request was denied.
    Denied = bindings::VNIC_CMD_DENIED_NTF as u8,
    /// A pool.
    PoolGet = bindings::VNIC_CMD_POOL_GET as u8,
    /// A pool is new.
    PoolAdd = bindings::VNIC_CMD_POOL_ADD_NTF as u8,
    /// A pool changed.
    PoolChange = bindings::VNIC_CMD_POOL_CHANGE_NTF as u8,
    /// A pool is gone.
    PoolDelete = bindings::VNIC_CMD_POOL_DEL_NTF as u8,
    /// A ring dropped packets.
    Overflow = bindings::VNIC_CMD_OVERFLOW_NTF as u8,
    /// A flow.
    FlowGet = bindings::VNIC_CMD_FLOW_GET as u8,
    /// A flow is new.
    FlowAdd = bindings::VNIC_CMD_FLOW_ADD_NTF as u8,
    /// The limits of a flow changed.
    FlowChange = bindings::VNIC_CMD_FLOW_CHANGE_NTF as u8,
    /// A flow is gone.
    FlowDelete = bindings::VNIC_CMD_FLOW_DEL_NTF as u8,
}

/// Who is told of something.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Listeners {
    /// Those of changes of the configuration.
    Config = bindings::VNIC_NLGRP_CONFIG,
    /// Those of denied requests.
    Denied = bindings::VNIC_NLGRP_DENIED,
    /// Those of rings that drop packets.
    Overflow = bindings::VNIC_NLGRP_OVERFLOW,
}

/// The operations. All run in process context under RTNL; requests come from anyone.
pub(crate) trait Handlers {
    /// Answers with one link.
    fn link_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes links, one after the other.
    fn link_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Changes a link.
    fn link_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Answers with one VNIC.
    fn vnic_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes VNICs.
    fn vnic_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Changes a VNIC.
    fn vnic_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Answers with the counters of one VNIC.
    fn stats_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Tells what VNICs counted.
    fn stats_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes policies.
    fn policy_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Adds a policy.
    fn policy_add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Deletes a policy.
    fn policy_delete(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Says what would become of a request.
    fn why(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes the last requests that were denied.
    fn denied_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes a pool.
    fn pool_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes pools.
    fn pool_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Makes a pool.
    fn pool_add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Changes a pool.
    fn pool_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Deletes a pool.
    fn pool_delete(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes a flow.
    fn flow_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Describes flows.
    fn flow_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Adds a flow.
    fn flow_add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Changes a flow.
    fn flow_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Deletes a flow.
    fn flow_delete(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;

    /// Changes many things together.
    fn apply(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result;
}

/// A request for one answer.
pub(crate) struct Request<'a> {
    skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
    max: u32,
    _request: PhantomData<&'a mut ()>,
}

impl<'a> Request<'a> {
    /// The namespace of the socket that it came from.
    pub(crate) fn net(&self) -> Net<'a> {
        // SAFETY: The request's info; its socket keeps the namespace alive.
        unsafe { Net::from_raw(bindings::vnic_genl_net(self.info)) }
    }

    /// What it says.
    pub(crate) fn attrs(&self) -> Attrs<'a> {
        // SAFETY: Null, or the table that the core parsed, of the operation's `maxattr`, `max`.
        unsafe { Attrs::from_raw((*self.info).attrs, self.max) }
    }

    /// Where a refusal's sentence goes.
    pub(crate) fn extack(&self) -> Extack<'a> {
        // SAFETY: Null or valid until the operation returns.
        unsafe { Extack::from_raw((*self.info).extack) }
    }

    /// Whether its sender may administer the namespace of its socket: both who opened the socket
    /// and who sends now have `CAP_NET_ADMIN` over it.
    pub(crate) fn is_capable(&self) -> bool {
        // SAFETY: The request, and a namespace that its socket keeps alive.
        unsafe { bindings::vnic_genl_capable(self.skb, self.net().as_ptr()) }
    }

    /// The user that its sender is in the first user namespace, if he administers a user namespace
    /// and the socket is his own.
    pub(crate) fn user(&self) -> Option<u32> {
        let mut user = 0;
        // SAFETY: The request; this is its sender's task.
        unsafe { bindings::vnic_genl_user(self.skb, &mut user) }.then_some(user)
    }

    /// All attributes of a type, in the order of the request.
    pub(crate) fn all(&self, kind: u32) -> impl Iterator<Item = Attr<'a>> + 'a {
        let (info, mut last) = (self.info.cast_const(), ptr::null());
        core::iter::from_fn(move || {
            // SAFETY: The request's info, and an attribute that the last call found in it; the core
            // checked them all.
            unsafe {
                last = bindings::vnic_genl_next(info, last, kind as c_int);
                Attr::from_raw(last)
            }
        })
        .fuse()
    }

    /// Answers.
    pub(crate) fn reply(
        &mut self,
        command: Command,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result {
        let mut hdr = ptr::null_mut();
        // SAFETY: The request's info.
        let skb = unsafe { bindings::vnic_genl_new(self.info, command as u8, &mut hdr) };
        if skb.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: A message under construction, ours alone.
        if let Err(error) = fill(&mut unsafe { Message::from_raw(skb) }) {
            // SAFETY: Not sent.
            unsafe { bindings::vnic_genl_free(skb) };
            return Err(error);
        }
        // SAFETY: A complete message, which this consumes.
        to_result(unsafe { bindings::vnic_genl_reply(skb, hdr, self.info) })
    }
}

/// A place in a dump: the number of the switch, and that of the VNIC on it.
pub(crate) type Cursor = [u64; 2];

/// The same, and the number of something of that VNIC.
pub(crate) type LongCursor = [u64; 3];

/// A dump, which goes on in as many calls as its reader's buffers need.
pub(crate) struct Dump<'a> {
    skb: *mut bindings::sk_buff,
    callback: *mut bindings::netlink_callback,
    max: u32,
    full: bool,
    _dump: PhantomData<&'a mut ()>,
}

impl<'a> Dump<'a> {
    fn info(&self) -> *const bindings::genl_info {
        // SAFETY: A callback of a dump of ours.
        unsafe { bindings::vnic_genl_dump_info(self.callback) }
    }

    /// The namespace of the socket that asks.
    pub(crate) fn net(&self) -> Net<'a> {
        // SAFETY: As in `Request::net`.
        unsafe { Net::from_raw(bindings::vnic_genl_net(self.info())) }
    }

    /// What the request says.
    pub(crate) fn attrs(&self) -> Attrs<'a> {
        // SAFETY: As in `Request::attrs`.
        unsafe { Attrs::from_raw((*self.info()).attrs, self.max) }
    }

    /// Where a refusal's sentence goes.
    pub(crate) fn extack(&self) -> Extack<'a> {
        // SAFETY: Null or valid until the operation returns.
        unsafe { Extack::from_raw((*self.callback).extack) }
    }

    /// As [`Request::is_capable`].
    pub(crate) fn is_capable(&self) -> bool {
        // SAFETY: The request of the dump, and a namespace that its socket keeps alive.
        unsafe { bindings::vnic_genl_dump_capable(self.callback, self.net().as_ptr()) }
    }

    /// Where the dump stands: zeroes at first, then what [`Dump::put`] was told last.
    pub(crate) fn cursor(&self) -> Cursor {
        self.words()
    }

    /// The same with the number of something of a VNIC, as [`Dump::put_long`] was told.
    pub(crate) fn long_cursor(&self) -> LongCursor {
        self.words()
    }

    fn words<const N: usize>(&self) -> [u64; N] {
        const { assert!(N * 8 <= 48) };
        // SAFETY: The context is the family's, zeroed at first, and large (48 bytes) and aligned enough.
        unsafe {
            ptr::addr_of!((*self.callback).__bindgen_anon_1)
                .cast::<[u64; N]>()
                .read()
        }
    }

    /// Appends one description, and remembers `cursor` as its place. Whether there was room; if
    /// not, the dump goes on in another call.
    pub(crate) fn put(
        &mut self,
        cursor: Cursor,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> bool {
        self.put_words(cursor, fill)
    }

    /// [`Dump::put`] with a longer cursor; a dump has always the same kind.
    pub(crate) fn put_long(
        &mut self,
        cursor: LongCursor,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> bool {
        self.put_words(cursor, fill)
    }

    fn put_words<const N: usize>(
        &mut self,
        cursor: [u64; N],
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> bool {
        // SAFETY: The message and the callback of this call.
        let hdr = unsafe { bindings::vnic_genl_dump_put(self.skb, self.callback) };
        if hdr.is_null() {
            self.full = true;
            return false;
        }
        // SAFETY: A message under construction, nobody else's until we return.
        if fill(&mut unsafe { Message::from_raw(self.skb) }).is_err() {
            // SAFETY: Begun above.
            unsafe { bindings::vnic_genl_cancel(self.skb, hdr) };
            self.full = true;
            return false;
        }
        // SAFETY: Begun above; the context as in `words`.
        unsafe {
            bindings::vnic_genl_end(self.skb, hdr);
            ptr::addr_of_mut!((*self.callback).__bindgen_anon_1)
                .cast::<[u64; N]>()
                .write(cursor);
        }
        true
    }
}

/// The attributes of a VNIC in a transaction.
pub(crate) type VnicChange<'a> = Nested<'a, { bindings::VNIC_A_PRIORITY as usize + 1 }>;

/// The attributes of a policy in a transaction.
pub(crate) type PolicyChange<'a> = Nested<'a, { bindings::VNIC_A_POLICY_DELETE as usize + 1 }>;

/// The attributes of a flow in a transaction.
pub(crate) type FlowChange<'a> = Nested<'a, { bindings::VNIC_A_FLOW_CHANGE as usize + 1 }>;

/// What a transaction says of a VNIC.
pub(crate) fn vnic_change<'a>(attr: &Attr<'a>, extack: &mut Extack<'_>) -> Result<VnicChange<'a>> {
    // SAFETY: The generated table goes up to this attribute.
    unsafe { Nested::parse(attr, bindings::vnic_vnic_change_nl_policy.as_ptr(), extack) }
}

/// What a transaction says of a policy.
pub(crate) fn policy_change<'a>(
    attr: &Attr<'a>,
    extack: &mut Extack<'_>,
) -> Result<PolicyChange<'a>> {
    // SAFETY: The generated table goes up to this attribute.
    unsafe {
        Nested::parse(
            attr,
            bindings::vnic_policy_change_nl_policy.as_ptr(),
            extack,
        )
    }
}

/// What a transaction says of a flow.
pub(crate) fn flow_change<'a>(attr: &Attr<'a>, extack: &mut Extack<'_>) -> Result<FlowChange<'a>> {
    // SAFETY: The generated table goes up to this attribute.
    unsafe { Nested::parse(attr, bindings::vnic_flow_change_nl_policy.as_ptr(), extack) }
}

/// Tells everyone in `net` who listens. Process context. For want of memory nobody is told: a
/// listener that must not miss anything dumps now and then.
pub(crate) fn notify(
    net: Net<'_>,
    listeners: Listeners,
    command: Command,
    _rtnl: Rtnl<'_>,
    fill: impl FnOnce(&mut Message<'_>) -> Result,
) {
    let group = listeners as c_uint;
    // SAFETY: A live namespace.
    if !unsafe { bindings::vnic_genl_listened(net.as_ptr(), group) } {
        return;
    }
    let mut hdr = ptr::null_mut();
    // SAFETY: Without a request the message is a notification.
    let skb = unsafe { bindings::vnic_genl_new(ptr::null(), command as u8, &mut hdr) };
    if skb.is_null() {
        return;
    }
    // SAFETY: A message under construction, ours alone.
    match fill(&mut unsafe { Message::from_raw(skb) }) {
        // SAFETY: A complete message, which this consumes.
        Ok(()) => unsafe { bindings::vnic_genl_multicast(skb, hdr, net.as_ptr(), group) },
        // SAFETY: Not sent.
        Err(_) => unsafe { bindings::vnic_genl_free(skb) },
    }
}

/// The registered family.
pub(crate) struct Registration(());

impl Registration {
    /// Registers the family.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Called once, by the module's init; undone by `drop`.
        to_result(unsafe { bindings::vnic_genl_register() })?;
        Ok(Self(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`. Waits for operations and dumps that run.
        unsafe { bindings::vnic_genl_unregister() };
    }
}

/// Runs one operation under RTNL.
///
/// # Safety
///
/// The arguments must be those of an operation of the family.
unsafe fn run(
    skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
    operation: fn(&mut Request<'_>, Rtnl<'_>) -> Result,
) -> c_int {
    let mut request = Request {
        skb,
        info,
        // SAFETY: A request of the family.
        max: unsafe { bindings::vnic_genl_maxattr(info, bindings::GENL_CMD_CAP_DO as u8) },
        _request: PhantomData,
    };
    from_result(|| rtnl::locked(|rtnl| operation(&mut request, rtnl)).map(|()| 0))
}

/// Runs one call of a dump under RTNL.
///
/// # Safety
///
/// As for `run`.
unsafe fn run_dump(
    skb: *mut bindings::sk_buff,
    callback: *mut bindings::netlink_callback,
    operation: fn(&mut Dump<'_>, Rtnl<'_>) -> Result,
) -> c_int {
    // SAFETY: A callback of a dump of the family, and its request.
    let max = unsafe {
        let info = bindings::vnic_genl_dump_info(callback);
        bindings::vnic_genl_maxattr(info, bindings::GENL_CMD_CAP_DUMP as u8)
    };
    let mut dump = Dump {
        skb,
        callback,
        max,
        full: false,
        _dump: PhantomData,
    };
    let result = rtnl::locked(|rtnl| operation(&mut dump, rtnl));
    // SAFETY: The message of this call.
    let len = unsafe { (*skb).len };
    match result {
        Err(error) => error.to_errno(),
        // Not one fits: the reader's buffer is too small.
        Ok(()) if dump.full && len == 0 => EMSGSIZE.to_errno(),
        // More than nothing: it is asked again, until there is nothing more.
        Ok(()) => len as c_int,
    }
}

/// Defines functions that `vnic-nl-gen.c` names: those for one answer, and those of dumps.
macro_rules! operations {
    (do { $($function:ident = $handler:ident;)* } dump { $($dump:ident = $dump_handler:ident;)* }) => {
        $(
            /// # Safety
            ///
            /// Called by the core only, as the generated table says.
            #[no_mangle]
            unsafe extern "C" fn $function(
                skb: *mut bindings::sk_buff,
                info: *mut bindings::genl_info,
            ) -> c_int {
                // SAFETY: The core's arguments.
                unsafe { run(skb, info, <Family as Handlers>::$handler) }
            }
        )*
        $(
            /// # Safety
            ///
            /// Called by the core only, as the generated table says.
            #[no_mangle]
            unsafe extern "C" fn $dump(
                skb: *mut bindings::sk_buff,
                callback: *mut bindings::netlink_callback,
            ) -> c_int {
                // SAFETY: The core's arguments.
                unsafe { run_dump(skb, callback, <Family as Handlers>::$dump_handler) }
            }
        )*
    };
}

operations! {
    do {
        vnic_nl_link_get_doit = link_get;
        vnic_nl_link_set_doit = link_set;
        vnic_nl_vnic_get_doit = vnic_get;
        vnic_nl_vnic_set_doit = vnic_set;
        vnic_nl_stats_get_doit = stats_get;
        vnic_nl_policy_add_doit = policy_add;
        vnic_nl_policy_del_doit = policy_delete;
        vnic_nl_why_doit = why;
        vnic_nl_apply_doit = apply;
        vnic_nl_pool_get_doit = pool_get;
        vnic_nl_pool_add_doit = pool_add;
        vnic_nl_pool_set_doit = pool_set;
        vnic_nl_pool_del_doit = pool_delete;
        vnic_nl_flow_get_doit = flow_get;
        vnic_nl_flow_add_doit = flow_add;
        vnic_nl_flow_del_doit = flow_delete;
        vnic_nl_flow_set_doit = flow_set;
    }
    dump {
        vnic_nl_link_get_dumpit = link_dump;
        vnic_nl_vnic_get_dumpit = vnic_dump;
        vnic_nl_stats_get_dumpit = stats_dump;
        vnic_nl_policy_get_dumpit = policy_dump;
        vnic_nl_denied_get_dumpit = denied_dump;
        vnic_nl_pool_get_dumpit = pool_dump;
        vnic_nl_flow_get_dumpit = flow_dump;
    }
}
