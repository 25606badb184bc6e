// SPDX-License-Identifier: GPL-2.0

//! The pool of a VNIC: where the packets that it receives are stored.

use super::Vnic;
use crate::{
    net::{
        netdev::{
            Dev,
            Name,
            NetDev, //
        },
        netlink::{
            Attr,
            Extack, //
        },
        ring::Gates,
        rtnl::Rtnl, //
    },
    pool::{
        self,
        Gate,
        Membership,
        Pool, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The pool that a request names, for a VNIC on `lower`; `None` if the name is empty.
pub(crate) fn named(
    attr: &Attr<'_>,
    lower: &NetDev,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result<Option<Arc<Pool>>> {
    let name = Name::from_text(attr.text());
    if name == Name::NONE {
        return Ok(None);
    }
    // The memory is the host's: not for who manages links in a container.
    if !lower.net().is_init() {
        return Err(extack.refuse_attr(
            attr,
            EPERM,
            format_args!("vnic: pools are for VNICs on links in the first namespace"),
        ));
    }
    match pool::find(name, rtnl) {
        Some(pool) => Ok(Some(pool)),
        None => {
            Err(extack.refuse_attr(attr, ENOENT, format_args!("vnic: there is no pool {name}")))
        }
    }
}

/// A VNIC whose pool was changed, and what it had before.
#[must_use = "it has to be committed or undone"]
pub(crate) struct PoolChange {
    pool: Option<Membership>,
    /// Of the rings that are up.
    gates: Option<Gates>,
}

impl PoolChange {
    /// Makes it last. Cannot fail.
    pub(crate) fn commit(self, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
        crate::config::events::changed(dev, rtnl);
    }

    /// Makes everything as it was. Takes no memory.
    pub(crate) fn undo(self, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
        let data = dev.data();
        let rings = data.rings.count(rtnl);
        let new = data.pool.replace(self.pool, rtnl);
        if let Some(gates) = self.gates {
            drop(data.rings.exchange_gates(gates, rtnl));
            if let Some(new) = &new {
                new.pool().remove_rings(rings, rtnl);
            }
            if let Some(old) = data.pool(rtnl) {
                // They fitted a moment ago.
                let _ = old.add_rings(rings, &mut Extack::none(), rtnl);
            }
        }
        data.follow_pool(rtnl);
    }
}

/// Gates for so many rings of a VNIC in `pool`.
fn gates(pool: Option<&Arc<Pool>>, rings: u32) -> Result<Gates> {
    Gates::new(rings, || pool.map(Gate::new).transpose())
}

impl Vnic {
    /// Its pool.
    pub(crate) fn pool(&self, rtnl: Rtnl<'_>) -> Option<Arc<Pool>> {
        self.pool.with(rtnl, |pool| {
            pool.as_ref().map(|membership| membership.pool().clone())
        })
    }

    /// Whether it is in that pool.
    pub(crate) fn is_in_pool(&self, pool: &Pool, rtnl: Rtnl<'_>) -> bool {
        self.pool(rtnl)
            .is_some_and(|own| core::ptr::eq(&*own, pool))
    }

    /// How many bytes of memory wait on its rings.
    pub(crate) fn waiting_bytes(&self, rtnl: Rtnl<'_>) -> u64 {
        self.rings.waiting_bytes(rtnl)
    }

    /// What its pool lets wait on its rings may have changed.
    pub(crate) fn follow_pool(&self, rtnl: Rtnl<'_>) {
        self.rings.set_bounds(self.bounds(rtnl), rtnl);
    }

    /// Has what it receives from now on stored in `pool`. A failure changes nothing; what is returned has
    /// to be committed or undone.
    pub(crate) fn change_pool(
        dev: &Dev<Self>,
        pool: Option<Arc<Pool>>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<PoolChange> {
        let data = dev.data();
        let rings = data.rings.count(rtnl);
        let old = data.pool(rtnl);
        let same = match (&old, &pool) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        let mut new_gates = None;
        if rings != 0 && !same {
            new_gates = Some(gates(pool.as_ref(), rings)?);
            if let Some(pool) = &pool {
                pool.add_rings(rings, extack, rtnl)?;
            }
        }
        let before = data.pool.replace(pool.map(Membership::new), rtnl);
        // Bounds first: without credit nothing passes the rings any more.
        data.follow_pool(rtnl);
        let gates = new_gates.map(|gates| data.rings.exchange_gates(gates, rtnl));
        if let (Some(old), Some(_)) = (&old, &gates) {
            old.remove_rings(rings, rtnl);
        }
        Ok(PoolChange {
            pool: before,
            gates,
        })
    }

    /// Refuses to go up, with the reason, which `ndo_open` has no way to give, if there is no room in its pool.
    pub(crate) fn check_room(dev: &Dev<Self>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        match dev.data().pool(rtnl) {
            Some(pool) => pool
                .check_rings(dev.rx_queues(rtnl), extack, rtnl)
                .map(drop),
            None => Ok(()),
        }
    }

    /// Gates for `rings` new rings, and room for what waits on them.
    pub(super) fn admit_rings(
        &self,
        rings: u32,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Gates> {
        let pool = self.pool(rtnl);
        let gates = gates(pool.as_ref(), rings)?;
        if let Some(pool) = pool {
            pool.add_rings(rings, extack, rtnl)?;
        }
        Ok(gates)
    }

    /// Undoes the room of [`Vnic::admit_rings`].
    pub(super) fn dismiss_rings(&self, rings: u32, rtnl: Rtnl<'_>) {
        if let Some(pool) = self.pool(rtnl) {
            pool.remove_rings(rings, rtnl);
        }
    }
}
