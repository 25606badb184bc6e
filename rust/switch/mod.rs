// SPDX-License-Identifier: GPL-2.0

//! The virtual switch of one link: which VNIC has which address, and what connects them.
//!
//! ```text
//! new ─► idle ─attach─► attached (rx handler, egress hook, NAPI on the lower) ─detach─► dropped
//! ```
//!
//! The switch of a NIC is attached when its first VNIC comes and detached when the last one goes;
//! that of an etherstub lives as long as the stub. VNICs hold it, so a packet in one always has a
//! switch.

#![deny(unsafe_code)]

mod contention;
mod fanout;
mod forward;

use crate::{
    config::events,
    logic::addr::{
        Key,
        KeyVlan,
        MacAddr, //
    },
    net::{
        lower::Lower,
        napi::Napi,
        netdev::{
            Dev,
            DevList,
            NetDev, //
        },
        netfilter,
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
        rx_handler,
        sched::Sched,
        shaper::Place,
        skb::SkbQueue,
        table::{
            DevMap,
            Group,
            GroupMap, //
        },
        uapi, //
    },
    vnic::Vnic,
};
use core::sync::atomic::{
    AtomicBool,
    AtomicU64,
    Ordering, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Group frames of one link that wait for their delivery.
const FANOUT_QUEUE: u32 = 1024;

/// The untagged side of a link, on which the host's own interface is.
const UNTAGGED: KeyVlan = KeyVlan::new(0);

/// The switches that are attached, in the order of their numbers.
static ATTACHED: RtnlCell<KVec<Arc<Switch>>> = RtnlCell::new(KVec::new());

/// The number of the last switch that was attached.
static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

fn with_attached<R>(rtnl: Rtnl<'_>, f: impl FnOnce(&mut KVec<Arc<Switch>>) -> R) -> R {
    let mut all = ATTACHED.take(rtnl);
    let result = f(&mut all);
    // What is in a static when the module goes is never dropped, so an empty list has no memory.
    if !all.is_empty() {
        ATTACHED.set(all, rtnl);
    }
    result
}

/// A virtual switch.
#[pin_data]
pub(crate) struct Switch {
    /// The device below: a NIC, or the etherstub itself.
    #[pin]
    lower: Lower,
    /// Whether there is no wire.
    stub: bool,
    /// Whether frames for the wire go another than the usual way.
    special: AtomicBool,
    /// Whether host and VNICs reach each other.
    host: AtomicBool,
    /// Whether an egress hook may see the frames that VNICs send.
    hooked: AtomicBool,
    /// Address and VLAN → VNIC; and the lower's own address → the lower.
    addresses: DevMap,
    /// Group address and VLAN → VNICs that joined.
    groups: GroupMap,
    /// VNICs that want all group frames.
    wide: Group,
    /// VNICs that want all frames.
    taps: Group,
    /// Group frames on their way to VNICs.
    #[pin]
    queue: SkbQueue,
    #[pin]
    napi: Napi<Switch>,
    /// All VNICs of the link that are not about to go.
    vnics: DevList,
    /// How many VNICs use the switch, those that go included.
    users: RtnlCell<usize>,
    /// The lower's address as it is in `addresses`.
    host_address: RtnlCell<Option<MacAddr>>,
    /// Bits a second that the VNICs may send to the wire; 0: no limit.
    maxbw: RtnlCell<u64>,
    /// Who sends next, if there is a limit.
    sched: Place<Sched>,
    /// Its place among the attached, from when it was attached.
    number: RtnlCell<u64>,
    rx: RtnlCell<Option<rx_handler::Registration<Switch>>>,
    egress: RtnlCell<Option<netfilter::Registration<Switch>>>,
}

impl Switch {
    /// The switch of `lower`, if it has one.
    pub(crate) fn of(lower: &NetDev, rtnl: Rtnl<'_>) -> Option<Arc<Self>> {
        rx_handler::Registration::of(lower, rtnl)
    }

    /// Makes a switch for `lower`, attached to nothing yet.
    pub(crate) fn new(lower: &NetDev, stub: bool) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                lower <- Lower::new(lower),
                special: AtomicBool::new(stub),
                stub,
                sched: Place::new(),
                host: AtomicBool::new(true),
                hooked: AtomicBool::new(false),
                addresses: DevMap::new(),
                groups: GroupMap::new(),
                wide: Group::new(),
                taps: Group::new(),
                queue <- SkbQueue::new(FANOUT_QUEUE),
                napi <- Napi::new(),
                vnics: DevList::new(),
                users: RtnlCell::new(0),
                host_address: RtnlCell::new(None),
                maxbw: RtnlCell::new(0),
                number: RtnlCell::new(0),
                rx: RtnlCell::new(None),
                egress: RtnlCell::new(None),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Puts the switch in front of its lower device. Does nothing if it is there already.
    pub(crate) fn attach(self: &Arc<Self>, rtnl: Rtnl<'_>) -> Result {
        if self.is_attached(rtnl) {
            return Ok(());
        }
        self.set_host_address(Some(self.lower.address()), rtnl)?;
        self.napi.start(self.clone(), rtnl);
        let attached = self.enlist(rtnl).and_then(|()| {
            let rx = rx_handler::Registration::new(&self.lower, self.clone(), rtnl)?;
            self.rx.set(Some(rx), rtnl);
            self.hook(rtnl);
            Ok(())
        });
        attached.inspect_err(|_| self.detach(rtnl))
    }

    fn enlist(self: &Arc<Self>, rtnl: Rtnl<'_>) -> Result {
        let number = LAST_NUMBER.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.number.set(number, rtnl);
        Ok(with_attached(rtnl, |all| {
            all.push(self.clone(), GFP_KERNEL)
        })?)
    }

    /// Its place among the attached switches: it only grows.
    pub(crate) fn number(&self, rtnl: Rtnl<'_>) -> u64 {
        self.number.get(rtnl)
    }

    /// The attached switch with the least number above `number`.
    pub(crate) fn next(number: u64, rtnl: Rtnl<'_>) -> Option<Arc<Self>> {
        with_attached(rtnl, |all| {
            all.iter()
                .find(|switch| switch.number(rtnl) > number)
                .cloned()
        })
    }

    /// The first VNIC of any switch for which `f` is true.
    pub(crate) fn find_vnic<'a>(
        rtnl: Rtnl<'a>,
        mut f: impl FnMut(&'a Dev<Vnic>) -> bool,
    ) -> Option<&'a Dev<Vnic>> {
        let mut number = 0;
        while let Some(switch) = Self::next(number, rtnl) {
            number = switch.number(rtnl);
            let found = switch.find_own(rtnl, &mut f);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The first of its VNICs for which `f` is true.
    pub(crate) fn find_own<'a>(
        &self,
        rtnl: Rtnl<'a>,
        mut f: impl FnMut(&'a Dev<Vnic>) -> bool,
    ) -> Option<&'a Dev<Vnic>> {
        let dev = self
            .vnics
            .find(rtnl, |dev| dev.downcast::<Vnic>().is_some_and(&mut f))?;
        dev.downcast::<Vnic>()
    }

    fn is_attached(&self, rtnl: Rtnl<'_>) -> bool {
        let rx = self.rx.take(rtnl);
        let attached = rx.is_some();
        self.rx.set(rx, rtnl);
        attached
    }

    /// One more VNIC uses the switch.
    pub(crate) fn join(self: &Arc<Self>, vnic: &NetDev, rtnl: Rtnl<'_>) -> Result {
        self.attach(rtnl)?;
        self.users.set(self.users.get(rtnl).saturating_add(1), rtnl);
        self.vnics
            .push(vnic, rtnl)
            .inspect_err(|_| self.leave(vnic, rtnl))
    }

    /// Undoes `join`; the last one takes a NIC's switch down.
    pub(crate) fn leave(&self, vnic: &NetDev, rtnl: Rtnl<'_>) {
        self.vnics.remove(vnic, rtnl);
        let users = self.users.get(rtnl).saturating_sub(1);
        self.users.set(users, rtnl);
        if users == 0 && !self.stub {
            self.detach(rtnl);
        }
    }

    /// Takes the switch off its lower device, for good.
    pub(crate) fn detach(&self, rtnl: Rtnl<'_>) {
        self.unhook(rtnl);
        self.rx.set(None, rtnl);
        with_attached(rtnl, |all| {
            all.retain(|switch| !core::ptr::eq(&**switch, self))
        });
        self.napi.stop(rtnl);
        // No address is left to find, so this cannot fail.
        let _ = self.set_host_address(None, rtnl);
        while let Some(skb) = self.queue.pop() {
            skb.drop_for(&self.lower, None, crate::net::skb::Reason::Purge);
        }
        self.lower.release(rtnl);
    }

    /// Hooks the host's traffic, if it is to reach the VNICs. An etherstub needs no hook.
    pub(crate) fn hook(self: &Arc<Self>, rtnl: Rtnl<'_>) {
        if self.stub || !self.host() || !self.is_attached(rtnl) {
            return;
        }
        // First: a frame of a VNIC must not meet the hook unmarked.
        self.hooked.store(true, Ordering::Relaxed);
        let hook = netfilter::Registration::new(&self.lower, self.clone(), rtnl);
        if hook.is_err() {
            pr_warn!(
                "{}: no egress hook: the host does not reach its VNICs\n",
                self.lower.name()
            );
        }
        self.hooked.store(hook.is_ok(), Ordering::Relaxed);
        self.egress.set(hook.ok(), rtnl);
    }

    /// Takes the egress hook away.
    pub(crate) fn unhook(&self, rtnl: Rtnl<'_>) {
        self.egress.set(None, rtnl);
        self.hooked.store(false, Ordering::Relaxed);
    }

    /// Whether host and VNICs reach each other.
    pub(crate) fn host(&self) -> bool {
        self.host.load(Ordering::Relaxed)
    }

    /// Lets host and VNICs reach each other, or not.
    pub(crate) fn set_host(self: &Arc<Self>, on: bool, rtnl: Rtnl<'_>) {
        if self.host.swap(on, Ordering::Relaxed) == on {
            return;
        }
        if on {
            self.hook(rtnl);
        } else {
            self.unhook(rtnl);
        }
        if self.is_attached(rtnl) {
            events::link_changed(self, rtnl);
        }
    }

    /// Bits a second that the VNICs may send to the wire; 0: no limit.
    pub(crate) fn maxbw(&self, rtnl: Rtnl<'_>) -> u64 {
        self.maxbw.get(rtnl)
    }

    /// Limits what VNICs send to the wire to so many bits a second, or, with 0, no more, and tells. A
    /// failure changes nothing.
    pub(crate) fn set_maxbw(self: &Arc<Self>, bits: u64, rtnl: Rtnl<'_>) -> Result {
        let old = self.maxbw.replace(bits, rtnl);
        if old == bits {
            return Ok(());
        }
        self.follow_maxbw(rtnl)
            .inspect_err(|_| self.maxbw.set(old, rtnl))?;
        if self.is_attached(rtnl) {
            events::link_changed(self, rtnl);
        }
        Ok(())
    }

    /// How the lower device lets the frames of VNICs in (`enum vnic_filter`).
    pub(crate) fn filter(&self) -> u8 {
        if self.stub {
            uapi::VNIC_FILTER_NONE
        } else if self.lower.has_no_unicast_filter() {
            uapi::VNIC_FILTER_PROMISC
        } else {
            uapi::VNIC_FILTER_EXACT
        }
    }

    /// The lower's own address becomes `new`: VNICs find the host there.
    pub(crate) fn set_host_address(&self, new: Option<MacAddr>, rtnl: Rtnl<'_>) -> Result {
        let old = self.host_address.get(rtnl);
        if old == new {
            return Ok(());
        }
        if let Some(new) = new {
            self.addresses
                .insert(Key::new(new, UNTAGGED), &self.lower, rtnl)?;
        }
        if let Some(old) = old {
            self.addresses.remove(Key::new(old, UNTAGGED), rtnl);
        }
        self.host_address.set(new, rtnl);
        Ok(())
    }

    /// How many VNICs there are.
    pub(crate) fn vnic_count(&self) -> u32 {
        self.vnics.count()
    }

    /// Who has an untagged address, the lower device itself included.
    pub(crate) fn untagged_holder<'a>(
        &'a self,
        addr: MacAddr,
        rtnl: Rtnl<'a>,
    ) -> Option<&'a NetDev> {
        self.addresses.holder(Key::new(addr, UNTAGGED), rtnl)
    }

    /// The device below.
    pub(crate) fn lower(&self) -> &NetDev {
        &self.lower
    }

    /// Whether there is no wire.
    pub(crate) fn is_stub(&self) -> bool {
        self.stub
    }

    /// The VNICs.
    pub(crate) fn vnics(&self) -> &DevList {
        &self.vnics
    }

    /// Who has an address.
    pub(crate) fn addresses(&self) -> &DevMap {
        &self.addresses
    }

    /// Who joined which group.
    pub(crate) fn groups(&self) -> &GroupMap {
        &self.groups
    }

    /// VNICs that want all group frames.
    pub(crate) fn wide(&self) -> &Group {
        &self.wide
    }

    /// VNICs that want all frames.
    pub(crate) fn taps(&self) -> &Group {
        &self.taps
    }

    /// Calls `f` for each VNIC.
    pub(crate) fn for_each_vnic<'a>(&self, rtnl: Rtnl<'a>, mut f: impl FnMut(&'a Dev<Vnic>)) {
        self.find_own(rtnl, |vnic| {
            f(vnic);
            false
        });
    }
}
