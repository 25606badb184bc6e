// SPDX-License-Identifier: GPL-2.0

//! VNICs: `ip link add link LOWER name NAME type vnic`.

#![deny(unsafe_code)]

mod address;
mod device;
mod ethtool;
mod features;
mod hw;
mod limits;
mod link;
mod pool;
mod rings;
mod rx_mode;
mod shaping;

pub(crate) use hw::HwRings;
pub(crate) use limits::{
    bits,
    Kinds,
    Limits,
    LimitsChange,
    Rate, //
};
pub(crate) use pool::{
    named as named_pool,
    PoolChange, //
};
pub(crate) use rings::{
    Poll,
    RingSettings, //
};

use crate::{
    config::{
        database::Record,
        request, //
    },
    logic::{
        addr::{
            KeyVlan,
            MacAddr, //
        },
        vlan::{
            self,
            VidWord, //
        },
    },
    net::{
        counters::{
            Counted,
            Counters, //
        },
        flow::Flows,
        netdev::{
            Dev,
            NetDev, //
        },
        netpoll::Netpoll,
        rcu::{
            Rcu,
            RcuArray, //
        },
        ring::Rings,
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
        uapi,
    },
    pool::Membership,
    switch::Switch,
};
use core::sync::atomic::{
    AtomicBool,
    AtomicU8,
    Ordering, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What a VNIC in promiscuous mode receives (`enum vnic_promisc`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Promisc {
    /// Nothing more than without.
    Off = uapi::VNIC_PROMISC_OFF,
    /// Every group frame of its VLAN.
    Own = uapi::VNIC_PROMISC_OWN,
    /// Every frame of its VLAN.
    All = uapi::VNIC_PROMISC_ALL,
}

impl Promisc {
    /// The mode of that number.
    pub(crate) fn of(value: u8) -> Option<Self> {
        [Self::Off, Self::Own, Self::All]
            .into_iter()
            .find(|promisc| *promisc as u8 == value)
    }
}

/// Private data of a VNIC. First what packets look at.
pub(crate) struct Vnic {
    switch: Arc<Switch>,
    counters: Counters,
    rings: Rings,
    flows: Flows,
    /// Whether what it sends goes another than the usual way.
    detour: AtomicBool,
    vlan: KeyVlan,
    /// 0: a trunk.
    vid: u16,
    /// Whether it is in the switch's list of those who want all group frames.
    wide: AtomicBool,
    /// Whether it is in that of those who want all frames.
    all: AtomicBool,
    /// Which mode `IFF_PROMISC` means, a [`Promisc`].
    promisc: AtomicU8,
    /// What is set of its rings.
    ring_settings: RtnlCell<RingSettings>,
    /// What is set of its limits.
    limits: RtnlCell<Limits>,
    /// These as packets meet them.
    shaping: shaping::Shaping,
    /// The queue of the NIC that is its own.
    grant: RtnlCell<Option<hw::Grant>>,
    /// Where its packets are stored; what waits on its rings does so in the shares of the pool.
    pool: RtnlCell<Option<Membership>>,
    /// Unique, never 0.
    id: u64,
    /// VLANs for which a VLAN device sits on a trunk.
    vids: RcuArray<VidWord>,
    netpoll: Netpoll,

    /// The MTU that was asked for, in bytes; without, it follows the lower device.
    wanted_mtu: RtnlCell<Option<u32>>,
    /// Whether the MTU is just following the lower device.
    following: RtnlCell<bool>,
    /// The address that the switch knows.
    address: RtnlCell<Option<MacAddr>>,
    /// Secondary unicast addresses that the switch and the lower device know.
    unicast: RtnlCell<KVec<MacAddr>>,
    /// Multicast addresses likewise.
    multicast: RtnlCell<KVec<MacAddr>>,
    /// Whether it is registered for good and its coming was told.
    announced: RtnlCell<bool>,
    /// What was asked of the switch and of the lower device.
    asked: RtnlCell<rx_mode::Asked>,
    /// `IFF_PROMISC` and `IFF_ALLMULTI` as they were judged last.
    flags: RtnlCell<(bool, bool)>,
    /// Secondary addresses that it may not have, unicast and multicast.
    refused: RtnlCell<KVec<MacAddr>>,
    /// What the database knows of it.
    record: RtnlCell<Record>,
}

impl Counted for Vnic {
    fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Vnic {
    /// Its counters.
    #[inline(always)]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Its rings.
    #[inline(always)]
    pub(crate) fn rings(&self) -> &Rings {
        &self.rings
    }

    /// Its flows.
    #[inline(always)]
    pub(crate) fn flows(&self) -> &Flows {
        &self.flows
    }

    /// Its VLAN, as a part of keys.
    #[inline(always)]
    pub(crate) fn vlan(&self) -> KeyVlan {
        self.vlan
    }

    /// Its VLAN; 0 for a trunk.
    #[inline(always)]
    pub(crate) fn vid(&self) -> u16 {
        self.vid
    }

    /// Its identity: unique while the module is loaded, never 0.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What the database knows of it.
    pub(crate) fn record(&self, rtnl: Rtnl<'_>) -> Record {
        self.record.get(rtnl)
    }

    /// Changes what the database knows of it.
    pub(crate) fn update_record(&self, rtnl: Rtnl<'_>, change: impl FnOnce(&mut Record)) {
        let mut record = self.record.get(rtnl);
        change(&mut record);
        self.record.set(record, rtnl);
    }

    /// Whether its MTU is just following the lower device.
    pub(crate) fn follows(&self, rtnl: Rtnl<'_>) -> bool {
        self.following.get(rtnl)
    }

    /// Whether its coming was told.
    pub(crate) fn is_announced(&self, rtnl: Rtnl<'_>) -> bool {
        self.announced.get(rtnl)
    }

    /// Whether it wants all group frames of its VLAN.
    pub(crate) fn is_wide(&self) -> bool {
        self.wide.load(Ordering::Relaxed)
    }

    /// Whether this trunk wants group frames with a tag: a VLAN device for it sits on top.
    pub(crate) fn takes_tag(&self, vid: u16, rcu: Rcu<'_>) -> bool {
        vlan::vid_contains(self.vids.get(rcu), vid)
    }

    /// Whether it sees every frame on its link.
    pub(crate) fn sees_all(&self) -> bool {
        self.all.load(Ordering::Relaxed)
    }

    /// What promiscuous mode means for it.
    pub(crate) fn promisc(&self) -> Option<Promisc> {
        Promisc::of(self.promisc.load(Ordering::Relaxed))
    }

    /// Sets what promiscuous mode means for it.
    pub(crate) fn set_promisc(dev: &Dev<Self>, promisc: Promisc, rtnl: Rtnl<'_>) {
        dev.data().promisc.store(promisc as u8, Ordering::Relaxed);
        dev.data().apply_flags(dev, rtnl);
    }

    /// The MTU that was asked for; without, it follows the lower device.
    pub(crate) fn wanted_mtu(&self, rtnl: Rtnl<'_>) -> Option<u32> {
        self.wanted_mtu.get(rtnl)
    }

    /// Remembers which MTU was asked for, and changes nothing.
    pub(crate) fn want_mtu(&self, mtu: Option<u32>, rtnl: Rtnl<'_>) {
        self.wanted_mtu.set(mtu, rtnl);
    }

    /// The device below.
    pub(crate) fn lower(&self) -> &NetDev {
        self.switch.lower()
    }

    /// The state of the lower device changed: the VNIC has a carrier if that is up and has one. An
    /// etherstub need not be up: VNICs reach each other without its own interface.
    pub(crate) fn follow_state(dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        let data = dev.data();
        if data.lower().is_up() || data.switch.is_stub() {
            dev.transfer_operstate(data.lower(), rtnl);
        } else {
            dev.carrier_off(rtnl);
        }
    }

    /// The lower device's MTU became `lower`: the VNIC follows, as far as it may.
    pub(crate) fn follow_mtu(dev: &Dev<Self>, lower: u32, rtnl: Rtnl<'_>) {
        let data = dev.data();
        let mtu = crate::logic::mtu::effective(data.wanted_mtu.get(rtnl), lower);
        dev.set_mtu_limits(crate::logic::mtu::MIN, lower, rtnl);
        if mtu == dev.mtu() {
            return;
        }
        data.following.set(true, rtnl);
        let result = request::authorized(rtnl, || dev.set_mtu(mtu, rtnl));
        data.following.set(false, rtnl);
        if result.is_err() {
            pr_warn!("{}: somebody refused the MTU {mtu}\n", dev.name());
        }
    }
}
