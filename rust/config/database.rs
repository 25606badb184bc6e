// SPDX-License-Identifier: GPL-2.0

//! The database: policies, VNICs that are absent, and what there is for each namespace.
//!
//! What a VNIC has itself, its default values and its owner, is in its [`Record`]. Everything here
//! is touched under RTNL only, lives as long as the module and is emptied by [`Guard`].

use crate::{
    logic::{
        addr::MacAddr,
        permission::{
            self,
            Asker,
            Entry,
            Param,
            Policy,
            Scope,
            Value,
            Verdict, //
        },
        sort, //
    },
    net::{
        netdev::{
            Dev,
            Name,
            Net,
            NetDev, //
        },
        netlink::Extack,
        rtnl::{
            self,
            Rtnl,
            RtnlCell, //
        },
    },
    switch::Switch,
    vnic::{
        Limits,
        Promisc,
        RingSettings,
        Vnic, //
    },
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// The policies, in the order of their scopes.
static POLICIES: RtnlCell<KVVec<Entry>> = RtnlCell::new(KVVec::new());

/// VNICs whose configuration is kept, in the order of their numbers.
static ABSENT: RtnlCell<KVVec<Absent>> = RtnlCell::new(KVVec::new());

/// The number of the last policy. Those below are the built-in ones'.
static LAST_POLICY: RtnlCell<u64> = RtnlCell::new(15);

/// The number of the last denied request.
static LAST_DENIAL: RtnlCell<u64> = RtnlCell::new(0);

/// How many denied requests are remembered for the manager of a namespace.
const REMEMBERED: usize = 64;

/// How many policies and absent VNICs the links of the first namespace can have.
const MOST: usize = 16384;

/// How many those of any other can have: there, somebody from a container may be the manager.
const MOST_ELSEWHERE: usize = 1024;

/// How many all namespaces but the first can have for which one user of the host answers: making more
/// namespaces brings no more, and takes nothing from other users'.
const MOST_OF_USER: usize = 8192;

/// What is kept for each network namespace: it goes with it.
pub(crate) struct Space {
    /// Changes with what its manager configures.
    generation: RtnlCell<u64>,
    /// The last requests on its links that were denied, the oldest first.
    denied: RtnlCell<KVVec<Denial>>,
}

impl Space {
    /// Of a new namespace.
    pub(crate) const fn new() -> Self {
        Self {
            generation: RtnlCell::new(1),
            denied: RtnlCell::new(KVVec::new()),
        }
    }
}

/// What the database knows of a VNIC that is there.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    /// The namespace that the manager gave it to, by its cookie.
    pub(crate) owner: u64,
    /// Who made it: the namespace of a subject, or 0 for the manager.
    pub(crate) creator: u64,
    /// Its name when it was made.
    pub(crate) first_name: Name,
    /// The name that was agreed on last.
    pub(crate) name: Name,
    /// The address that the manager gave.
    pub(crate) default_address: MacAddr,
    /// The MTU that the manager gave; without, it follows the link.
    pub(crate) default_mtu: Option<u32>,
    /// The address that it has.
    pub(crate) address: MacAddr,
    /// The MTU that it has.
    pub(crate) mtu: u32,
    /// Which changeable offloads are wanted and agreed on.
    pub(crate) features: u64,
    /// Whether what `IFF_PROMISC` brings is permitted.
    pub(crate) promisc: bool,
    /// The same for `IFF_ALLMULTI`.
    pub(crate) allmulti: bool,
    /// How many requests were denied.
    pub(crate) denied: u64,
    /// Whether the manager deletes it, so that nothing of it is kept.
    pub(crate) forget: bool,
}

impl Record {
    /// Of a VNIC that is not registered yet; see [`Record::of`].
    pub(crate) const NEW: Self = Self {
        owner: 0,
        creator: 0,
        first_name: Name::NONE,
        name: Name::NONE,
        default_address: MacAddr::new([0; 6]),
        default_mtu: None,
        address: MacAddr::new([0; 6]),
        mtu: 0,
        features: 0,
        promisc: false,
        allmulti: false,
        denied: 0,
        forget: false,
    };

    /// Of a VNIC that was just registered.
    pub(crate) fn of(dev: &Dev<Vnic>, creator: u64, rtnl: Rtnl<'_>) -> Self {
        Self {
            owner: dev.net().cookie(),
            creator,
            first_name: dev.name(),
            name: dev.name(),
            default_address: dev.address(),
            default_mtu: dev.data().wanted_mtu(rtnl),
            address: dev.address(),
            mtu: dev.mtu(),
            features: dev.wanted_features(rtnl),
            ..Self::NEW
        }
    }
}

/// A VNIC that is gone, but not by the will of the manager.
#[derive(Clone, Copy)]
pub(crate) struct Absent {
    /// Its number.
    pub(crate) id: u64,
    /// The namespace of its link.
    pub(crate) net: u64,
    /// The link's index; 0 if the link is gone, too.
    pub(crate) link: u32,
    /// The link's name.
    pub(crate) link_name: Name,
    /// Its name when it was made.
    pub(crate) name: Name,
    /// Its VLAN.
    pub(crate) vid: u16,
    /// What promiscuous means for it.
    pub(crate) promisc: Option<Promisc>,
    /// What was set of its rings.
    pub(crate) rings: RingSettings,
    /// What was set of its limits.
    pub(crate) limits: Limits,
    /// Its pool.
    pub(crate) pool: Name,
    /// What the database knew.
    pub(crate) record: Record,
}

/// A request that was denied.
#[derive(Clone, Copy)]
pub(crate) struct Denial {
    /// Its number.
    pub(crate) serial: u64,
    /// The link's index.
    pub(crate) link: u32,
    /// The VNIC's number, index and name; nothing for a VNIC that was not made.
    pub(crate) vnic: Option<(u64, u32, Name)>,
    /// Who asked.
    pub(crate) asker: Asker,
    /// What was to change.
    pub(crate) param: Param,
    /// To what.
    pub(crate) value: Value,
    /// The policy that decided.
    pub(crate) policy: Option<u64>,
}

/// The scope of the policies of a link.
pub(crate) fn scope_of(link: &NetDev) -> Scope {
    Scope::Link(link.net().cookie(), link.ifindex().unsigned_abs())
}

/// The manager of links in `net` changed their configuration. What subjects change is not counted: one
/// who does so all the time would keep the manager from any transaction.
pub(crate) fn touch(net: Net<'_>, rtnl: Rtnl<'_>) {
    let space = net.space();
    space
        .generation
        .set(space.generation.get(rtnl).wrapping_add(1), rtnl);
}

/// What changes with the configuration of the links in `net`.
pub(crate) fn generation(net: Net<'_>, rtnl: Rtnl<'_>) -> u64 {
    net.space().generation.get(rtnl)
}

/// Decides by the policies of a VNIC, if there is one, of its link, of the host, and the built-in.
pub(crate) fn decide(
    vnic: Option<u64>,
    link: Scope,
    asker: &Asker,
    (param, value, used): (Param, &Value, u32),
    rtnl: Rtnl<'_>,
) -> Verdict {
    POLICIES.with(rtnl, |all| {
        let layer = |scope| all.get(permission::range(all, scope)).unwrap_or(&[]);
        let own = vnic.map_or(&[][..], |id| layer(Scope::Vnic(id)));
        let layers = [
            own,
            layer(link),
            layer(Scope::Host),
            permission::BUILT_IN.as_slice(),
        ];
        permission::decide(&layers, asker, param, value, used)
    })
}

/// The policies of which `wanted` is true, the built-in ones included, in the order of their numbers.
pub(crate) fn policies(wanted: impl Fn(&Entry) -> bool, rtnl: Rtnl<'_>) -> Result<KVVec<Entry>> {
    let mut found = KVVec::new();
    POLICIES.with(rtnl, |all| {
        for layer in [permission::BUILT_IN.as_slice(), all.as_slice()] {
            for entry in layer.iter().filter(|entry| wanted(entry)) {
                found.push(*entry, GFP_KERNEL)?;
            }
        }
        Ok::<(), Error>(())
    })?;
    sort::by_key(&mut found, |entry| entry.policy.id);
    Ok(found)
}

/// A copy of all policies, to be changed and put in place of them at once.
pub(crate) struct Draft {
    all: KVVec<Entry>,
    last: u64,
}

impl Draft {
    /// Of the policies that there are, with room for `more`.
    pub(crate) fn new(more: usize, rtnl: Rtnl<'_>) -> Result<Self> {
        let all = POLICIES.with(rtnl, |present| {
            let room = present.len().saturating_add(more);
            let mut all = KVVec::with_capacity(room, GFP_KERNEL)?;
            all.extend_from_slice(present, GFP_KERNEL)?;
            Ok::<_, Error>(all)
        })?;
        Ok(Self {
            all,
            last: LAST_POLICY.get(rtnl),
        })
    }

    /// Adds a policy behind those of its scope; returns it with its number.
    pub(crate) fn add(
        &mut self,
        scope: Scope,
        net: Net<'_>,
        policy: Policy,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Entry> {
        self.check_room(net, extack)?;
        self.last = self.last.checked_add(1).ok_or(ENOSPC)?;
        let entry = Entry {
            scope,
            net: net.cookie(),
            user: net.user(),
            policy: Policy {
                id: self.last,
                ..policy
            },
        };
        self.all.reserve(1, GFP_KERNEL)?;
        let place = permission::range(&self.all, scope).end;
        self.all
            .insert_within_capacity(place, entry)
            .map_err(|_| ENOMEM)?;
        self.reserve_absent(rtnl)?;
        Ok(entry)
    }

    /// Refuses what is beyond the limits.
    fn check_room(&self, net: Net<'_>, extack: &mut Extack<'_>) -> Result {
        let (own, user, first) = (net.cookie(), net.user(), Net::first().cookie());
        let count = |concerned: &dyn Fn(&Entry) -> bool| {
            self.all.iter().filter(|entry| concerned(entry)).count()
        };
        let most = if net.is_init() { MOST } else { MOST_ELSEWHERE };
        if count(&|entry| entry.net == own) >= most {
            return Err(extack.refuse(
                ENOSPC,
                format_args!("vnic: this namespace has {most} policies, there is no room for more"),
            ));
        }
        let same_user = |entry: &Entry| entry.user == user && entry.net != first;
        if !net.is_init() && count(&same_user) >= MOST_OF_USER {
            return Err(extack.refuse(
                ENOSPC,
                format_args!(
                    "vnic: the namespaces of user {user} have {MOST_OF_USER} policies, the most"
                ),
            ));
        }
        Ok(())
    }

    /// Makes room for every VNIC that has policies to become absent: a container that deletes its VNIC
    /// while memory is short would get rid of them.
    fn reserve_absent(&self, rtnl: Rtnl<'_>) -> Result {
        let own = self
            .all
            .chunk_by(|a, b| a.scope == b.scope)
            .filter(|scope| {
                let first = scope.first().map(|entry| entry.scope);
                matches!(first, Some(Scope::Vnic(_)))
            });
        let most = own.count().min(MOST);
        ABSENT.with(rtnl, |all| Ok(all.reserve(most, GFP_KERNEL)?))
    }

    /// The policy with a number.
    pub(crate) fn find(&self, id: u64) -> Option<Entry> {
        self.all.iter().find(|entry| entry.policy.id == id).copied()
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, id: u64) {
        self.all.retain(|entry| entry.policy.id != id);
    }

    /// Puts it in place: `net`'s manager wants so.
    pub(crate) fn commit(self, net: Net<'_>, rtnl: Rtnl<'_>) {
        LAST_POLICY.set(self.last, rtnl);
        POLICIES.set(self.all, rtnl);
        touch(net, rtnl);
    }
}

/// Gives the policies of one scope to another. Sorting needs no memory, so it cannot fail. Called for
/// every device that comes or goes, few of which are links with policies.
fn rescope(from: Scope, to: Scope, net: Net<'_>, rtnl: Rtnl<'_>) {
    let (cookie, user) = (net.cookie(), net.user());
    POLICIES.with(rtnl, |all| {
        let place = permission::range(all, from);
        if place.is_empty() {
            return;
        }
        for entry in all.get_mut(place).unwrap_or(&mut []) {
            (entry.scope, entry.net, entry.user) = (to, cookie, user);
        }
        sort::by_key(all, |entry| (entry.scope, entry.policy.id));
    });
}

/// Whether a VNIC has policies of its own.
fn has_own(id: u64, rtnl: Rtnl<'_>) -> bool {
    POLICIES.with(rtnl, |all| {
        !permission::range(all, Scope::Vnic(id)).is_empty()
    })
}

/// A VNIC was deleted: what is its own is forgotten if the manager did that, and kept if not.
pub(crate) fn vnic_leaves(dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
    let data = dev.data();
    if data.record(rtnl).forget {
        touch(data.lower().net(), rtnl);
    }
    if !has_own(data.id(), rtnl) {
        return;
    }
    let lower = data.lower();
    let absent = Absent {
        id: data.id(),
        net: lower.net().cookie(),
        link: lower.ifindex().unsigned_abs(),
        link_name: lower.name(),
        name: data.record(rtnl).first_name,
        vid: data.vid(),
        promisc: data.promisc(),
        rings: data.ring_settings(rtnl),
        limits: data.limits(rtnl),
        pool: data.pool(rtnl).map_or(Name::NONE, |pool| pool.name()),
        record: data.record(rtnl),
    };
    let kept = !absent.record.forget
        && ABSENT.with(rtnl, |all| {
            let kept = all.iter().filter(|other| other.net == absent.net).count();
            kept < MOST && all.push(absent, GFP_KERNEL).is_ok()
        });
    if !kept {
        forget(data.id(), rtnl);
    }
}

/// Forgets an absent VNIC, and the policies of the VNIC with that number. Whoever wants that as a
/// manager says so with [`touch`].
pub(crate) fn forget(id: u64, rtnl: Rtnl<'_>) {
    ABSENT.with(rtnl, |all| all.retain(|absent| absent.id != id));
    POLICIES.with(rtnl, |all| {
        all.retain(|entry| entry.scope != Scope::Vnic(id))
    });
}

/// A VNIC that the manager made takes over what is kept of one of its name on its link, if there is
/// exactly one.
pub(crate) fn vnic_comes(dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
    let lower = dev.data().lower();
    let (net, link) = (lower.net().cookie(), lower.ifindex().unsigned_abs());
    let name = dev.name();
    let found = ABSENT.with(rtnl, |all| {
        let mut same = all
            .iter()
            .filter(|absent| absent.net == net && absent.link == link && absent.name == name);
        match (same.next(), same.next()) {
            (Some(only), None) => Some(only.id),
            _ => None,
        }
    });
    if let Some(id) = found {
        let id_now = Scope::Vnic(dev.data().id());
        rescope(Scope::Vnic(id), id_now, lower.net(), rtnl);
        forget(id, rtnl);
    }
}

/// The absent VNICs with a number above `id`, in the order of their numbers.
pub(crate) fn absent_after(id: u64, rtnl: Rtnl<'_>) -> Result<KVVec<Absent>> {
    let mut found = KVVec::new();
    ABSENT.with(rtnl, |all| {
        for absent in all.iter().filter(|absent| absent.id > id) {
            found.push(*absent, GFP_KERNEL)?;
        }
        Ok::<(), Error>(())
    })?;
    sort::by_key(&mut found, |absent| absent.id);
    Ok(found)
}

/// The absent VNIC with a number, if its link was in `net`.
pub(crate) fn absent(id: u64, net: Net<'_>, rtnl: Rtnl<'_>) -> Option<Absent> {
    let net = net.cookie();
    ABSENT.with(rtnl, |all| {
        all.iter()
            .find(|absent| absent.id == id && absent.net == net)
            .copied()
    })
}

/// A device comes or arrives from another namespace: policies of a link that it is are its again.
pub(crate) fn device_comes(dev: &NetDev, rtnl: Rtnl<'_>) {
    let (net, index, name) = (dev.net().cookie(), dev.ifindex().unsigned_abs(), dev.name());
    let lost = Scope::Lost(net, *name.bytes());
    rescope(Scope::Moving, scope_of(dev), dev.net(), rtnl);
    rescope(lost, scope_of(dev), dev.net(), rtnl);
    ABSENT.with(rtnl, |all| {
        for absent in all.iter_mut() {
            let back = absent.link == 0 && absent.net == net && absent.link_name == name;
            if absent.net == MOVING || back {
                (absent.net, absent.link) = (net, index);
            }
        }
    });
    give_own_policies(dev, rtnl);
}

/// The policies of the VNICs on a link, and of those that are absent, are of the namespace where the
/// link is now.
fn give_own_policies(dev: &NetDev, rtnl: Rtnl<'_>) {
    let (net, index) = (dev.net().cookie(), dev.ifindex().unsigned_abs());
    let user = dev.net().user();
    let give = |id| {
        POLICIES.with(rtnl, |all| {
            let own = permission::range(all, Scope::Vnic(id));
            for entry in all.get_mut(own).unwrap_or(&mut []) {
                (entry.net, entry.user) = (net, user);
            }
        });
    };
    if let Some(switch) = Switch::of(dev, rtnl) {
        switch.for_each_vnic(rtnl, |vnic| give(vnic.data().id()));
    }
    ABSENT.with(rtnl, |all| {
        for absent in all
            .iter()
            .filter(|absent| absent.net == net && absent.link == index)
        {
            give(absent.id);
        }
    });
}

/// The namespace of absent VNICs whose link is just moving; no cookie is 0.
const MOVING: u64 = 0;

/// A device goes, or departs for another namespace. With `forget` nothing is kept for its return.
pub(crate) fn device_leaves(dev: &NetDev, forget: bool, rtnl: Rtnl<'_>) {
    let (net, index, name) = (dev.net().cookie(), dev.ifindex().unsigned_abs(), dev.name());
    let gone = dev.is_unregistering();
    if gone && forget {
        let scope = scope_of(dev);
        POLICIES.with(rtnl, |all| all.retain(|entry| entry.scope != scope));
    }
    let to = if gone {
        Scope::Lost(net, *name.bytes())
    } else {
        Scope::Moving
    };
    rescope(scope_of(dev), to, dev.net(), rtnl);
    ABSENT.with(rtnl, |all| {
        for absent in all.iter_mut() {
            if absent.net == net && absent.link == index {
                (absent.net, absent.link) = if gone { (net, 0) } else { (MOVING, index) };
                absent.link_name = name;
            }
        }
    });
}

/// A namespace is gone, and its devices before it: nobody can manage what was its.
pub(crate) fn net_leaves(net: u64, rtnl: Rtnl<'_>) {
    POLICIES.with(rtnl, |all| all.retain(|entry| entry.net != net));
    ABSENT.with(rtnl, |all| all.retain(|absent| absent.net != net));
}

/// Remembers a denied request on a link of `net`; returns it with its number.
pub(crate) fn remember(net: Net<'_>, denial: Denial, rtnl: Rtnl<'_>) -> Denial {
    let serial = LAST_DENIAL.get(rtnl).wrapping_add(1);
    LAST_DENIAL.set(serial, rtnl);
    let denial = Denial { serial, ..denial };
    net.space().denied.with(rtnl, |all| {
        if all.len() >= REMEMBERED {
            let _ = all.remove(0);
        }
        // For want of memory it is told and counted, but not remembered.
        let _ = all.push(denial, GFP_KERNEL);
    });
    denial
}

/// The remembered requests on links of `net` with a number above `serial`.
pub(crate) fn denials_after(serial: u64, net: Net<'_>, rtnl: Rtnl<'_>) -> Result<KVVec<Denial>> {
    let mut found = KVVec::new();
    net.space().denied.with(rtnl, |all| {
        for denial in all.iter().filter(|denial| denial.serial > serial) {
            found.push(*denial, GFP_KERNEL)?;
        }
        Ok::<(), Error>(())
    })?;
    Ok(found)
}

/// Empties the database when it is dropped: what is in a static when the module goes has no owner.
pub(crate) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        rtnl::locked(|rtnl| {
            POLICIES.set(KVVec::new(), rtnl);
            ABSENT.set(KVVec::new(), rtnl);
        });
    }
}
