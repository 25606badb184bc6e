// SPDX-License-Identifier: GPL-2.0

//! The tables of a switch: address and VLAN to one device, or to a group of devices.
//!
//! Readers are packets, under RCU. Writers hold RTNL. Each entry holds a reference on its device.

use crate::{
    logic::{
        addr::Key,
        table::{
            self,
            Fill, //
        },
    },
    net::{
        netdev::NetDev,
        rcu::{
            NewArray,
            Plain,
            Rcu,
            RcuArray, //
        },
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
    },
};
use core::{
    num::NonZeroUsize,
    ptr,
    sync::atomic::{
        AtomicPtr,
        AtomicU64,
        AtomicUsize,
        Ordering, //
    },
};
use kernel::prelude::*;
use vnic_bindings as bindings;

/// Keys to non-zero words.
struct Table {
    slots: RcuArray<table::Slot>,
    seed: u64,
    fill: RtnlCell<Fill>,
}

impl Table {
    fn new() -> Self {
        Self {
            slots: RcuArray::new(),
            // SAFETY: No requirements.
            seed: unsafe { bindings::vnic_random_u64() },
            fill: RtnlCell::new(Fill::default()),
        }
    }

    #[inline(always)]
    fn find(&self, key: Key, rcu: Rcu<'_>) -> Option<NonZeroUsize> {
        table::find(self.slots.get(rcu), self.seed, key.bits())
    }

    fn find_locked(&self, key: Key, rtnl: Rtnl<'_>) -> Option<NonZeroUsize> {
        // SAFETY: Not used beyond this function.
        let slots = unsafe { self.slots.get_locked(rtnl) };
        table::find(slots, self.seed, key.bits())
    }

    /// Adds a key that is not there.
    fn insert(&self, key: Key, value: NonZeroUsize, rtnl: Rtnl<'_>) -> Result {
        let mut fill = self.fill.get(rtnl);
        // SAFETY: Not used after a `rebuild` below that succeeds.
        let slots = unsafe { self.slots.get_locked(rtnl) };
        let insert = || table::insert(slots, self.seed, key.bits(), value).is_ok();
        if fill.wants_rebuild(slots.len()) {
            // For want of memory the table gets fuller than it should: who goes back to an address
            // that he just had is not refused.
            match self.rebuild(Some((key, value)), rtnl) {
                Err(_) if insert() => {}
                result => return result,
            }
        } else if !insert() {
            return self.rebuild(Some((key, value)), rtnl);
        }
        fill.live = fill.live.saturating_add(1);
        fill.used = fill.used.saturating_add(1);
        self.fill.set(fill, rtnl);
        Ok(())
    }

    /// Copies the entries, and `extra`, into a new array.
    fn rebuild(&self, extra: Option<(Key, NonZeroUsize)>, rtnl: Rtnl<'_>) -> Result {
        let live = self.fill.get(rtnl).live.saturating_add(1);
        let mut room = live;
        let new = loop {
            let new = NewArray::<table::Slot>::new(table::slots_for(room).ok_or(ENOMEM)?)?;
            // SAFETY: Not used after `publish`.
            let old = unsafe { self.slots.get_locked(rtnl) };
            let extra = extra.map(|(key, value)| (key.bits(), value));
            if Iterator::chain(table::entries(old), extra)
                .all(|(key, value)| table::insert(new.items(), self.seed, key, value).is_ok())
            {
                break new;
            }
            // Too many in a row: more room spreads them.
            room = room.checked_mul(2).ok_or(ENOMEM)?;
        };
        self.slots.publish(new, rtnl);
        self.fill.set(Fill { live, used: live }, rtnl);
        Ok(())
    }

    fn remove(&self, key: Key, rtnl: Rtnl<'_>) -> Option<NonZeroUsize> {
        // SAFETY: Not used beyond this line.
        let slots = unsafe { self.slots.get_locked(rtnl) };
        let old = table::remove(slots, self.seed, key.bits())?;
        let mut fill = self.fill.get(rtnl);
        fill.live = fill.live.saturating_sub(1);
        self.fill.set(fill, rtnl);
        Some(old)
    }
}

/// A reference on a device that a table entry holds.
fn hold(dev: &NetDev) -> NonZeroUsize {
    // SAFETY: `dev` is a live device.
    unsafe { bindings::vnic_netdev_hold(dev.as_ptr()) };
    NonZeroUsize::from(ptr::NonNull::from(dev).addr())
}

/// Gives a reference that [`hold`] took back, when no packet can look at the device any more.
fn put(dev: *mut bindings::net_device, _rtnl: Rtnl<'_>) {
    // A device is freed only after rcu_barrier() in netdev_run_todo(), which follows ndo_uninit.
    // Should an entry outlive that (none does), readers have to be waited for here.
    // SAFETY: The reference that is given back below keeps `dev` alive.
    if unsafe { NetDev::from_raw(dev) }.is_unregistered() {
        crate::net::rcu::synchronize_net();
    }
    // SAFETY: The entry's own reference.
    unsafe { bindings::vnic_netdev_put(dev) };
}

/// Key to device: who has an address.
pub(crate) struct DevMap(Table);

impl DevMap {
    /// An empty map.
    pub(crate) fn new() -> Self {
        Self(Table::new())
    }

    /// The device that has `key`.
    #[inline(always)]
    pub(crate) fn find<'a>(&'a self, key: Key, rcu: Rcu<'a>) -> Option<&'a NetDev> {
        let dev = self.0.find(key, rcu)?;
        // SAFETY: Values are addresses of devices on which the entry holds a reference; `put` and
        // netdev_run_todo() wait for readers before the device goes.
        Some(unsafe { NetDev::from_raw(dev.get() as *mut bindings::net_device) })
    }

    /// The device that has `key`, for a writer.
    pub(crate) fn holder<'a>(&'a self, key: Key, rtnl: Rtnl<'a>) -> Option<&'a NetDev> {
        let dev = self.0.find_locked(key, rtnl)?;
        // SAFETY: As in `find`; a device that leaves the map under RTNL is freed after RTNL is
        // released (netdev_run_todo()).
        Some(unsafe { NetDev::from_raw(dev.get() as *mut bindings::net_device) })
    }

    /// Gives `key` to `dev`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if it has a holder, `ENOMEM`.
    pub(crate) fn insert(&self, key: Key, dev: &NetDev, rtnl: Rtnl<'_>) -> Result {
        if self.0.find_locked(key, rtnl).is_some() {
            return Err(EEXIST);
        }
        let value = hold(dev);
        self.0
            .insert(key, value, rtnl)
            .inspect_err(|_| put(dev.as_ptr(), rtnl))
    }

    /// Takes `key` from its holder, if it has one.
    pub(crate) fn remove(&self, key: Key, rtnl: Rtnl<'_>) {
        if let Some(dev) = self.0.remove(key, rtnl) {
            put(dev.get() as *mut bindings::net_device, rtnl);
        }
    }
}

/// A place in a [`Group`]; `seq` zero ends the list, `dev` null is a member that left.
struct Member {
    dev: AtomicPtr<bindings::net_device>,
    seq: AtomicU64,
}

// SAFETY: Two atomics; zero is a null pointer and a zero.
unsafe impl Plain for Member {}

/// Where a walk over a group stands: it goes on behind this place, whatever joined or left.
pub(crate) type Cursor = u64;

/// Devices in the order in which they joined.
pub(crate) struct Group {
    members: RcuArray<Member>,
    live: AtomicUsize,
    seq: RtnlCell<u64>,
}

impl Group {
    /// An empty group.
    pub(crate) const fn new() -> Self {
        Self {
            members: RcuArray::new(),
            live: AtomicUsize::new(0),
            seq: RtnlCell::new(0),
        }
    }

    /// Whether nobody is in it.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.live.load(Ordering::Relaxed) == 0
    }

    /// The members behind `cursor`, each with the cursor that stands on it.
    pub(crate) fn after<'a>(
        &'a self,
        cursor: Cursor,
        rcu: Rcu<'a>,
    ) -> impl Iterator<Item = (Cursor, &'a NetDev)> + 'a {
        self.members
            .get(rcu)
            .iter()
            .map(|member| (member.seq.load(Ordering::Acquire), member))
            .take_while(|(seq, _)| *seq != 0)
            .filter(move |(seq, _)| *seq > cursor)
            .filter_map(|(seq, member)| {
                let dev = member.dev.load(Ordering::Relaxed);
                // SAFETY: As in `DevMap::find`.
                (!dev.is_null()).then(|| (seq, unsafe { NetDev::from_raw(dev) }))
            })
    }

    /// Adds `dev`, which is not a member.
    pub(crate) fn join(&self, dev: &NetDev, rtnl: Rtnl<'_>) -> Result {
        let seq = self.seq.get(rtnl).saturating_add(1);
        // SAFETY: Not used after `publish`.
        let old = unsafe { self.members.get_locked(rtnl) };
        let place = old
            .iter()
            .find(|member| member.seq.load(Ordering::Relaxed) == 0);
        let live = self.live.load(Ordering::Relaxed);
        match place {
            Some(place) => Self::fill(place, dev, seq),
            None => {
                let room = live.saturating_add(live / 2).saturating_add(2);
                let new = NewArray::<Member>::new(room)?;
                let mut places = new.items().iter();
                let stay = old
                    .iter()
                    .filter(|member| !member.dev.load(Ordering::Relaxed).is_null());
                for (place, member) in places.by_ref().zip(stay) {
                    place
                        .dev
                        .store(member.dev.load(Ordering::Relaxed), Ordering::Relaxed);
                    place
                        .seq
                        .store(member.seq.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                // `zip` took one place more than it filled, if there was one: find it again.
                let place = new
                    .items()
                    .iter()
                    .find(|place| place.seq.load(Ordering::Relaxed) == 0)
                    .ok_or(ENOMEM)?;
                Self::fill(place, dev, seq);
                self.members.publish(new, rtnl);
            }
        }
        self.seq.set(seq, rtnl);
        self.live.store(live.saturating_add(1), Ordering::Relaxed);
        Ok(())
    }

    fn fill(place: &Member, dev: &NetDev, seq: u64) {
        hold(dev);
        place.dev.store(dev.as_ptr(), Ordering::Relaxed);
        place.seq.store(seq, Ordering::Release);
    }

    /// Takes `dev` out, if it is a member. Cannot fail.
    pub(crate) fn leave(&self, dev: &NetDev, rtnl: Rtnl<'_>) {
        // SAFETY: Not used after `publish`.
        let members = unsafe { self.members.get_locked(rtnl) };
        let Some(member) = members
            .iter()
            .find(|member| ptr::eq(member.dev.load(Ordering::Relaxed), dev.as_ptr()))
        else {
            return;
        };
        member.dev.store(ptr::null_mut(), Ordering::Relaxed);
        let live = self.live.load(Ordering::Relaxed).saturating_sub(1);
        self.live.store(live, Ordering::Relaxed);
        put(dev.as_ptr(), rtnl);
    }
}

/// Key to group: who wants the frames to a multicast address, or broadcasts.
pub(crate) struct GroupMap(Table);

impl GroupMap {
    /// An empty map.
    pub(crate) fn new() -> Self {
        Self(Table::new())
    }

    /// The group of `key`.
    #[inline(always)]
    pub(crate) fn find<'a>(&'a self, key: Key, rcu: Rcu<'a>) -> Option<&'a Group> {
        let group = self.0.find(key, rcu)?;
        // SAFETY: Values are addresses of groups that are freed a grace period after removal.
        Some(unsafe { &*(group.get() as *const Group) })
    }

    /// Makes `dev`, which is not a member, one of `key`.
    pub(crate) fn join(&self, key: Key, dev: &NetDev, rtnl: Rtnl<'_>) -> Result {
        if let Some(group) = self.0.find_locked(key, rtnl) {
            // SAFETY: As in `find`; removal needs RTNL.
            return unsafe { &*(group.get() as *const Group) }.join(dev, rtnl);
        }
        let group = KBox::new(Group::new(), GFP_KERNEL)?;
        group.join(dev, rtnl)?;
        let group = ptr::NonNull::from(KBox::leak(group));
        self.0
            .insert(key, NonZeroUsize::from(group.addr()), rtnl)
            .inspect_err(|_| {
                // SAFETY: Leaked above, and never seen by anyone else.
                let group = unsafe { KBox::from_raw(group.as_ptr()) };
                group.leave(dev, rtnl);
            })
    }

    /// Takes `dev` out of `key`'s group, if it is in it; the last one takes the group with it.
    pub(crate) fn leave(&self, key: Key, dev: &NetDev, rtnl: Rtnl<'_>) {
        let Some(value) = self.0.find_locked(key, rtnl) else {
            return;
        };
        // SAFETY: As in `join`.
        let group = unsafe { &*(value.get() as *const Group) };
        group.leave(dev, rtnl);
        if group.is_empty() {
            self.0.remove(key, rtnl);
            Self::free(value);
        }
    }

    /// Frees a group that no new reader finds.
    fn free(value: NonZeroUsize) {
        let group = value.get() as *mut Group;
        // SAFETY: Ours since it left the table. Its array is freed after a grace period by
        // its own drop, which leaves the array's pointer as it is for present readers.
        unsafe { ptr::drop_in_place(&raw mut (*group).members) };
        // SAFETY: kmalloc()ed, and readers are waited for.
        unsafe { bindings::vnic_kvfree_rcu(group.cast()) };
    }
}
