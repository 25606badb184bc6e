// SPDX-License-Identifier: GPL-2.0

//! Pools: bounded memory for the packets that VNICs receive.
//!
//! The packets of a VNIC in a pool are copied into memory of the pool before the stack gets them. A page
//! counts until nobody refers to it any more: neither a socket that nobody reads, nor a pipe, nor a
//! mapping. Packets for which there is no memory wait on the VNIC's own ring, whose bytes are part of
//! the limit, and beyond that are dropped there.
//!
//! All pools are carved out of the host pool. They are the host's: made in its first namespace, for
//! VNICs on links there.

#![deny(unsafe_code)]

mod gate;

pub(crate) use gate::Gate;

use crate::{
    config::events,
    logic::pool::{
        divide,
        left,
        most_rings,
        Division,
        CHARGE,
        LIMIT_LEAST,
        LIMIT_MOST, //
    },
    net::{
        self, chores, deferred,
        netdev::Name,
        netlink::Extack,
        pages::Store,
        rtnl::{
            self,
            Rtnl,
            RtnlCell, //
        },
    },
    switch::Switch,
    vnic::Vnic,
};
use core::sync::atomic::{
    AtomicU32,
    AtomicU64,
    Ordering, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The pools.
static POOLS: RtnlCell<KVec<Arc<Pool>>> = RtnlCell::new(KVec::new());

/// Pools that were deleted, but to whose pages somebody refers.
static DRAINING: RtnlCell<KVec<Arc<Pool>>> = RtnlCell::new(KVec::new());

/// Bytes that all pools together may have; 0: what [`host_size`] says.
static HOST_SIZE: RtnlCell<u64> = RtnlCell::new(0);

/// How many pools there can be.
const MOST_POOLS: usize = 4096;

/// How often pages are looked at that are to be given up, in ms.
const DRAIN_INTERVAL: u32 = 1000;

/// A named part of the host pool.
pub(crate) struct Pool {
    name: Name,
    store: Arc<Store>,
    /// In bytes.
    limit: RtnlCell<u64>,
    /// The rings of its VNICs that are up.
    rings: RtnlCell<u32>,
    /// What may wait on each of them, in bytes of memory.
    ring_bytes: AtomicU32,
    /// How many VNICs are in it.
    members: AtomicU32,
    /// How many packets a ring drops between notifications; 0: there are none.
    threshold: AtomicU32,
    waits: AtomicU64,
    /// How long rings waited, in ns.
    waited: AtomicU64,
    too_long: AtomicU64,
}

/// How a pool is doing.
pub(crate) struct State {
    /// Bytes, stored and waiting.
    pub(crate) used: u64,
    /// Of these, the ones that wait on rings.
    pub(crate) waiting: u64,
    /// Bytes of stored packets at most.
    pub(crate) most: u64,
    /// How often a ring was parked.
    pub(crate) waits: u64,
    /// How long rings were parked, in ns, those that are now not included.
    pub(crate) waited: u64,
    /// Packets that were longer than what can be stored.
    pub(crate) too_long: u64,
}

fn bytes(pages: u32) -> u64 {
    u64::from(pages).saturating_mul(CHARGE.into())
}

fn division(limit: u64, rings: u32, name: Name, extack: &mut Extack<'_>) -> Result<Division> {
    divide(limit, rings).ok_or_else(|| {
        let most = most_rings(limit);
        extack.refuse(
            ENOSPC,
            format_args!("vnic: {limit} bytes in pool {name} do for {most} rings, not for {rings}"),
        )
    })
}

impl Pool {
    /// Its name.
    pub(crate) fn name(&self) -> Name {
        self.name
    }

    /// Its limit in bytes.
    pub(crate) fn limit(&self, rtnl: Rtnl<'_>) -> u64 {
        self.limit.get(rtnl)
    }

    /// How many VNICs are in it.
    pub(crate) fn members(&self) -> u32 {
        self.members.load(Ordering::Relaxed)
    }

    /// How many packets a ring drops between notifications; 0: there are none.
    pub(crate) fn threshold(&self) -> u32 {
        self.threshold.load(Ordering::Relaxed)
    }

    /// What may wait on each ring, in bytes of memory.
    pub(crate) fn ring_bytes(&self) -> u32 {
        self.ring_bytes.load(Ordering::Relaxed)
    }

    fn count_wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    fn count_waited(&self, time: u64) {
        self.waited.fetch_add(time, Ordering::Relaxed);
    }

    fn count_too_long(&self) {
        self.too_long.fetch_add(1, Ordering::Relaxed);
    }

    /// What it takes from the host pool: its limit, or more while it still has to shrink.
    fn taken(&self, rtnl: Rtnl<'_>) -> u64 {
        self.limit(rtnl).max(bytes(self.store.populated(rtnl)))
    }

    /// How it is doing. It looks at each page and each of the host's VNICs.
    pub(crate) fn state(&self, rtnl: Rtnl<'_>) -> State {
        let usage = self.store.usage(rtnl);
        if usage.in_use != 0 {
            // Who asks again gets an answer without what waits to be freed.
            deferred::flush();
        }
        let mut waiting: u64 = 0;
        if self.rings.get(rtnl) != 0 {
            for_each_member(self, rtnl, |vnic| {
                waiting = waiting.saturating_add(vnic.waiting_bytes(rtnl));
            });
        }
        State {
            used: bytes(usage.in_use).saturating_add(waiting),
            waiting,
            most: bytes(usage.most),
            waits: self.waits.load(Ordering::Relaxed),
            waited: self.waited.load(Ordering::Relaxed),
            too_long: self.too_long.load(Ordering::Relaxed),
        }
    }

    fn apply(&self, parts: Division, rtnl: Rtnl<'_>) {
        let rings = self.rings.get(rtnl);
        self.ring_bytes.store(parts.ring_bytes, Ordering::Relaxed);
        self.store.allow(parts.pages, rings, rtnl);
    }

    /// A VNIC of the pool gets `more` rings. Those of others become smaller.
    pub(crate) fn add_rings(&self, more: u32, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        let parts = self.check_rings(more, extack, rtnl)?;
        let rings = self.rings.get(rtnl).saturating_add(more);
        self.rings.set(rings, rtnl);
        self.apply(parts, rtnl);
        for_each_member(self, rtnl, |vnic| vnic.follow_pool(rtnl));
        Ok(())
    }

    /// How its limit would be divided with `more` rings; refuses more than it can give room to. How large the
    /// pool is, and what others have of it, is told to who manages the host, not to who has a VNIC in it.
    pub(crate) fn check_rings(
        &self,
        more: u32,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Division> {
        let rings = self.rings.get(rtnl).saturating_add(more);
        if net::task_manages_host() {
            return division(self.limit(rtnl), rings, self.name, extack);
        }
        divide(self.limit(rtnl), rings).ok_or_else(|| {
            extack.refuse(
                ENOSPC,
                format_args!("vnic: its pool has no room for {more} more rings"),
            )
        })
    }

    /// Undoes [`Pool::add_rings`].
    pub(crate) fn remove_rings(&self, fewer: u32, rtnl: Rtnl<'_>) {
        let rings = self.rings.get(rtnl).saturating_sub(fewer);
        self.rings.set(rings, rtnl);
        // Fewer always fit.
        if let Some(parts) = divide(self.limit(rtnl), rings) {
            self.apply(parts, rtnl);
        }
        for_each_member(self, rtnl, |vnic| vnic.follow_pool(rtnl));
    }

    /// Frees pages beyond the limit that nobody uses; whether there are others.
    fn fit(&self, rtnl: Rtnl<'_>) -> bool {
        let target = divide(self.limit(rtnl), 0).map_or(0, |parts| parts.pages);
        let surplus = self.store.populated(rtnl).saturating_sub(target);
        surplus != 0 && self.store.shrink(surplus, rtnl) != surplus
    }

    /// Sets its limit.
    fn resize(&self, limit: u64, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        check_limit(limit, extack)?;
        let parts = division(limit, self.rings.get(rtnl), self.name, extack)?;
        let others = allocated(rtnl).saturating_sub(self.taken(rtnl));
        check_room(limit, others, extack, rtnl)?;
        let target = divide(limit, 0).map_or(0, |parts| parts.pages);
        let missing = target.saturating_sub(self.store.populated(rtnl));
        if missing != 0 {
            self.store
                .grow(missing, rtnl)
                .map_err(|error| no_memory(error, limit, extack))?;
        }
        self.limit.set(limit, rtnl);
        self.apply(parts, rtnl);
        if self.fit(rtnl) {
            chores::soon(DRAIN_INTERVAL);
        }
        for_each_member(self, rtnl, |vnic| vnic.follow_pool(rtnl));
        Ok(())
    }

    /// Sets the threshold.
    fn set_threshold(&self, threshold: u32, rtnl: Rtnl<'_>) {
        self.threshold.store(threshold, Ordering::Relaxed);
        for_each_member(self, rtnl, |vnic| vnic.follow_pool(rtnl));
    }
}

fn no_memory(error: Error, limit: u64, extack: &mut Extack<'_>) -> Error {
    extack.refuse(
        error,
        format_args!("vnic: the host has no memory for a pool of {limit} bytes"),
    )
}

/// Runs `f` for the VNICs in a pool.
fn for_each_member(pool: &Pool, rtnl: Rtnl<'_>, mut f: impl FnMut(&Vnic)) {
    if pool.members() == 0 {
        return;
    }
    Switch::find_vnic(rtnl, |vnic| {
        if vnic.data().is_in_pool(pool, rtnl) {
            f(vnic.data());
        }
        false
    });
}

/// That a VNIC is in a pool.
pub(crate) struct Membership(Arc<Pool>);

impl Membership {
    /// Joins.
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        pool.members.fetch_add(1, Ordering::Relaxed);
        Self(pool)
    }

    /// The pool.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.0
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.members.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes that all pools together may have: a quarter of the memory, unless it was set.
pub(crate) fn host_size(rtnl: Rtnl<'_>) -> u64 {
    match HOST_SIZE.get(rtnl) {
        0 => net::total_memory() / 4,
        size => size,
    }
}

fn sum(pools: &KVec<Arc<Pool>>, rtnl: Rtnl<'_>) -> u64 {
    pools
        .iter()
        .fold(0u64, |sum, pool| sum.saturating_add(pool.taken(rtnl)))
}

/// Bytes of pools that were deleted, but to which somebody refers.
pub(crate) fn draining(rtnl: Rtnl<'_>) -> u64 {
    DRAINING.with(rtnl, |pools| {
        pools.iter().fold(0u64, |sum, pool| {
            sum.saturating_add(bytes(pool.store.populated(rtnl)))
        })
    })
}

/// Bytes that pools have, those that were deleted included as long as somebody refers to their pages.
pub(crate) fn allocated(rtnl: Rtnl<'_>) -> u64 {
    POOLS
        .with(rtnl, |pools| sum(pools, rtnl))
        .saturating_add(draining(rtnl))
}

/// Sets how many bytes all pools together may have.
pub(crate) fn set_host_size(size: u64, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
    drain(rtnl);
    let taken = allocated(rtnl);
    let memory = net::total_memory();
    if size < taken {
        return Err(extack.refuse(
            EBUSY,
            format_args!("vnic: {size} bytes are less than the {taken} that pools have"),
        ));
    }
    if size > memory || size == 0 {
        return Err(extack.refuse(
            ERANGE,
            format_args!("vnic: a host pool of {size} bytes is not within 1-{memory}"),
        ));
    }
    HOST_SIZE.set(size, rtnl);
    Ok(())
}

fn check_limit(limit: u64, extack: &mut Extack<'_>) -> Result {
    if (LIMIT_LEAST..=LIMIT_MOST).contains(&limit) {
        return Ok(());
    }
    Err(extack.refuse(
        ERANGE,
        format_args!("vnic: a limit of {limit} bytes is not within {LIMIT_LEAST}-{LIMIT_MOST}"),
    ))
}

/// Refuses what does not fit into the host pool beside `others`.
fn check_room(limit: u64, others: u64, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
    let size = host_size(rtnl);
    let left = left(size, others);
    if limit <= left {
        return Ok(());
    }
    Err(extack.refuse(
        ENOSPC,
        format_args!("vnic: {limit} bytes, but {left} are left of the host pool's {size}"),
    ))
}

/// The pool of that name.
pub(crate) fn find(name: Name, rtnl: Rtnl<'_>) -> Option<Arc<Pool>> {
    POOLS.with(rtnl, |pools| {
        pools.iter().find(|pool| pool.name == name).cloned()
    })
}

/// The first pool whose name comes after `name`.
pub(crate) fn after(name: Name, rtnl: Rtnl<'_>) -> Option<Arc<Pool>> {
    POOLS.with(rtnl, |pools| {
        pools.iter().find(|pool| pool.name > name).cloned()
    })
}

/// How many pools there are.
pub(crate) fn count(rtnl: Rtnl<'_>) -> usize {
    POOLS.with(rtnl, |pools| pools.len())
}

/// Makes a pool.
pub(crate) fn add(
    name: Name,
    limit: u64,
    threshold: u32,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result<Arc<Pool>> {
    if find(name, rtnl).is_some() {
        return Err(extack.refuse(EEXIST, format_args!("vnic: there is a pool {name} already")));
    }
    check_limit(limit, extack)?;
    if count(rtnl) >= MOST_POOLS {
        return Err(extack.refuse(
            ENOSPC,
            format_args!("vnic: there are {MOST_POOLS} pools, more are not possible"),
        ));
    }
    drain(rtnl);
    check_room(limit, allocated(rtnl), extack, rtnl)?;
    let parts = division(limit, 0, name, extack)?;
    let store = Store::new()?;
    store
        .grow(parts.pages, rtnl)
        .map_err(|error| no_memory(error, limit, extack))?;
    let pool = Arc::new(
        Pool {
            name,
            store,
            limit: RtnlCell::new(limit),
            rings: RtnlCell::new(0),
            ring_bytes: AtomicU32::new(0),
            members: AtomicU32::new(0),
            threshold: AtomicU32::new(threshold),
            waits: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            too_long: AtomicU64::new(0),
        },
        GFP_KERNEL,
    )?;
    pool.apply(parts, rtnl);
    enlist(&pool, rtnl)?;
    Ok(pool)
}

/// Puts a pool among the others, in the order of their names. To delete it will need no memory.
fn enlist(pool: &Arc<Pool>, rtnl: Rtnl<'_>) -> Result {
    POOLS.with(rtnl, |pools| {
        let all = pools.len().saturating_add(1);
        DRAINING.with(rtnl, |draining| draining.reserve(all, GFP_KERNEL))?;
        pools.push(pool.clone(), GFP_KERNEL)?;
        crate::logic::sort::by_key(pools, |pool| pool.name);
        Ok(())
    })
}

/// Changes a pool: all, or nothing.
pub(crate) fn set(
    pool: &Pool,
    limit: Option<u64>,
    threshold: Option<u32>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    if let Some(limit) = limit {
        drain(rtnl);
        pool.resize(limit, extack, rtnl)?;
    }
    if let Some(threshold) = threshold {
        pool.set_threshold(threshold, rtnl);
    }
    Ok(())
}

/// Deletes a pool that no VNIC is in.
pub(crate) fn delete(pool: &Arc<Pool>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
    if pool.members() != 0 {
        let mut holder = Name::NONE;
        Switch::find_vnic(rtnl, |vnic| {
            let found = vnic.data().is_in_pool(pool, rtnl);
            if found {
                holder = vnic.name();
            }
            found
        });
        return Err(extack.refuse(
            EBUSY,
            format_args!(
                "vnic: pool {} has {} VNICs, {holder} is one of them",
                pool.name,
                pool.members()
            ),
        ));
    }
    POOLS.with(rtnl, |pools| {
        pools.retain(|other| !Arc::ptr_eq(other, pool))
    });
    pool.limit.set(0, rtnl);
    if pool.fit(rtnl) || pool.store.populated(rtnl) != 0 {
        // There is room since it was made.
        let _ = DRAINING.with(rtnl, |draining| draining.push(pool.clone(), GFP_KERNEL));
        chores::soon(DRAIN_INTERVAL);
    }
    Ok(())
}

/// Frees what nobody uses of pools that were deleted or became smaller; whether something is left.
fn drain(rtnl: Rtnl<'_>) -> bool {
    let deleted = DRAINING.with(rtnl, |pools| {
        pools.retain(|pool| pool.fit(rtnl));
        !pools.is_empty()
    });
    let smaller = POOLS.with(rtnl, |pools| {
        pools
            .iter()
            .fold(false, |left, pool| pool.fit(rtnl) || left)
    });
    let left = deleted || smaller;
    if left {
        deferred::flush();
    }
    left
}

/// Tells of rings that dropped more than the threshold of their pool.
fn tell_overflows(rtnl: Rtnl<'_>) {
    Switch::find_vnic(rtnl, |vnic| {
        if let Some(pool) = vnic.data().pool(rtnl) {
            vnic.data()
                .rings()
                .take_overflows(pool.threshold(), rtnl, |ring, count| {
                    events::overflow(vnic, ring, count, &pool, rtnl);
                });
        }
        false
    });
}

/// What is done for pools now and then.
pub(crate) struct Chores;

impl chores::Chores for Chores {
    fn run() -> u32 {
        rtnl::locked(|rtnl| {
            tell_overflows(rtnl);
            match drain(rtnl) {
                true => DRAIN_INTERVAL,
                false => 0,
            }
        })
    }
}

/// While it lives there can be pools.
pub(crate) struct Guard {
    _deferred: deferred::Guard,
}

impl Guard {
    /// The first thing of all.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            _deferred: deferred::Guard::new()?,
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        chores::stop();
        rtnl::locked(|rtnl| {
            POOLS.set(KVec::new(), rtnl);
            DRAINING.set(KVec::new(), rtnl);
            HOST_SIZE.set(0, rtnl);
        });
    }
}
