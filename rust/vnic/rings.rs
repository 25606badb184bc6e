// SPDX-License-Identifier: GPL-2.0

//! The rings of a VNIC, and which of its packets pass them by.
//!
//! A packet from the wire goes up *inline*, in the lower device's softirq, while the ring has nothing
//! that it could overtake and the VNIC has credit: that is the shortest way. Past it, the packets go to
//! the ring: a flooded VNIC spends the budget of its own NAPI, and drops at its own ring. Packets
//! from this host always go to the ring, as their receiver's stack cannot run in the sender's context.

use super::{
    HwRings,
    Vnic, //
};
use crate::{
    config::{
        events,
        request, //
    },
    logic::{
        cpus::{
            CpuList,
            Wrong,
            MAX_RANGES, //
        },
        permission::{
            Param,
            Value, //
        },
    },
    net::{
        self,
        counters::Counter,
        netdev::{
            features::GRO,
            Dev,
            NetDev, //
        },
        netlink::{
            Attr,
            Extack, //
        },
        ring::Bounds,
        rtnl::Rtnl,
        uapi, //
    },
    pool::Pool,
};
use core::ops::RangeInclusive;
use kernel::prelude::*;

/// How a VNIC gets packets from the wire (`enum vnic_poll`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Poll {
    /// Inline up to a credit, else by its rings.
    Auto = uapi::VNIC_POLL_AUTO,
    /// Inline.
    Inline = uapi::VNIC_POLL_INLINE,
    /// By its rings.
    Ring = uapi::VNIC_POLL_RING,
}

impl Poll {
    /// The mode of that number.
    pub(crate) fn of(value: u8) -> Option<Self> {
        [Self::Auto, Self::Inline, Self::Ring]
            .into_iter()
            .find(|poll| *poll as u8 == value)
    }
}

/// How many frames go up inline in each jiffy on each CPU with [`Poll::Auto`]: with 250 jiffies a second
/// 64,000 a second.
const CREDIT: u32 = 256;

/// The same on a CPU that spends half of its time in softirq: 2,000 a second, which leaves even a slow one
/// to others.
const CREDIT_BUSY: u32 = 8;

/// How many frames a ring gives to the stack in a turn. The NIC has 64: it is emptied before the rings of
/// those are that are flooded, so that these drop, and not the NIC, where it would be anybody's frame.
const WEIGHT: u8 = 16;

/// Bytes of memory that packets on one ring may have.
const RING_BYTES: u32 = 16 << 20;

/// What is set of the rings of a VNIC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RingSettings {
    /// Which packets pass them by.
    pub(crate) poll: Poll,
    /// How many packets may wait on each.
    pub(crate) size: u32,
    /// Where they are polled, one after the other; empty: where their packets come from.
    pub(crate) cpus: CpuList,
    /// Whether it gets a queue of the NIC.
    pub(crate) hw: HwRings,
}

impl RingSettings {
    /// What a new VNIC has.
    pub(crate) const DEFAULT: Self = Self {
        poll: Poll::Auto,
        size: 1024,
        cpus: CpuList::NONE,
        hw: HwRings::Off,
    };

    /// How large rings can be, in packets.
    pub(crate) const SIZES: RangeInclusive<u32> =
        uapi::VNIC_RING_SIZE_MIN..=uapi::VNIC_RING_SIZE_MAX;

    /// With another size.
    pub(crate) fn with_size(self, size: u32, extack: &mut Extack<'_>) -> Result<Self> {
        if Self::SIZES.contains(&size) {
            return Ok(Self { size, ..self });
        }
        let (least, most) = (Self::SIZES.start(), Self::SIZES.end());
        Err(extack.refuse(
            ERANGE,
            format_args!("vnic: a ring of {size} packets is not within {least}-{most}"),
        ))
    }

    /// With the CPUs that an attribute lists.
    pub(crate) fn with_cpus(self, attr: &Attr<'_>, extack: &mut Extack<'_>) -> Result<Self> {
        let cpus = CpuList::parse(attr.text()).map_err(|wrong| match wrong {
            Wrong::Form => extack.refuse_attr(
                attr,
                EINVAL,
                format_args!("vnic: cpus is a list like 0-3,8, or empty"),
            ),
            Wrong::Ranges => extack.refuse_attr(
                attr,
                E2BIG,
                format_args!("vnic: more than {MAX_RANGES} ranges of CPUs are not possible"),
            ),
        })?;
        let count = net::cpu_count();
        match cpus.last() {
            Some(last) if u32::from(last) >= count => Err(extack.refuse_attr(
                attr,
                ERANGE,
                format_args!(
                    "vnic: CPU {last} is not within 0-{}",
                    count.saturating_sub(1)
                ),
            )),
            _ => Ok(Self { cpus, ..self }),
        }
    }

    /// Refuses CPUs, other than `old` has, for VNICs on a link of a container from who does not manage the
    /// host, too. They are the host's, as for RPS.
    pub(crate) fn check_cpus(&self, old: &Self, lower: &NetDev, extack: &mut Extack<'_>) -> Result {
        let same = self.cpus.is_empty() || self.cpus == old.cpus;
        if same || lower.net().is_init() || net::task_manages_host() {
            return Ok(());
        }
        Err(extack.refuse(
            EPERM,
            format_args!("vnic: cpus is for who has CAP_NET_ADMIN over the host"),
        ))
    }

    /// What follows from it, and from the pool.
    fn bounds(self, merge: bool, pool: Option<&Pool>, limited: bool) -> Bounds {
        let (credit, credit_busy) = match self.poll {
            // What is stored is stored by the ring, and what waits waits there.
            _ if pool.is_some() || limited => (0, 0),
            Poll::Auto => (CREDIT, CREDIT_BUSY),
            Poll::Inline => (u32::MAX, u32::MAX),
            Poll::Ring => (0, 0),
        };
        Bounds {
            packets: self.size,
            bytes: pool.map_or(RING_BYTES, |pool| pool.ring_bytes().min(RING_BYTES)),
            credit,
            credit_busy,
            merge,
            weight: WEIGHT,
            threshold: pool.map_or(0, Pool::threshold),
            cpus: self.cpus,
        }
    }
}

impl Vnic {
    /// What is set of its rings.
    pub(crate) fn ring_settings(&self, rtnl: Rtnl<'_>) -> RingSettings {
        self.ring_settings.get(rtnl)
    }

    pub(super) fn bounds(&self, rtnl: Rtnl<'_>) -> Bounds {
        let merged_below = self.switch.is_stub() || self.lower().features() & GRO != 0;
        let pool = self.pool(rtnl);
        self.ring_settings(rtnl)
            .bounds(!merged_below, pool.as_deref(), self.limits_rx(rtnl))
    }

    /// What the lower device merges may have changed.
    pub(crate) fn follow_merging(&self, rtnl: Rtnl<'_>) {
        self.rings.set_bounds(self.bounds(rtnl), rtnl);
    }

    /// Sets it, for packets from now on, and tells.
    pub(crate) fn change_rings(dev: &Dev<Self>, settings: RingSettings, rtnl: Rtnl<'_>) {
        let data = dev.data();
        data.ring_settings.set(settings, rtnl);
        if settings.hw == HwRings::Off {
            data.give_queue_back(rtnl);
        }
        data.rings.set_bounds(data.bounds(rtnl), rtnl);
        events::changed(dev, rtnl);
    }

    /// [`Vnic::change_rings`] for the calling task, if that is permitted.
    pub(super) fn ask_rings(
        dev: &Dev<Self>,
        settings: RingSettings,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let old = dev.data().ring_settings(rtnl);
        if settings == old {
            return Ok(());
        }
        if settings.cpus != old.cpus {
            request::ask(dev, Param::Cpus, Value::Number(1), extack, rtnl)?;
        }
        if (settings.poll, settings.size) != (old.poll, old.size) {
            request::ask(dev, Param::Rings, Value::Number(1), extack, rtnl)?;
        }
        if settings.hw != old.hw {
            request::ask(dev, Param::HwRings, Value::Number(1), extack, rtnl)?;
            if dev.is_up() {
                Self::grant_queue(dev, settings.hw, extack, rtnl)?;
            }
        }
        request::count_change(dev, rtnl);
        Self::change_rings(dev, settings, rtnl);
        Ok(())
    }

    /// The VNIC gets so many rings, if the calling task may say so.
    pub(super) fn ask_ring_count(
        dev: &Dev<Self>,
        count: u16,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        request::ask(dev, Param::Rings, Value::Number(1), extack, rtnl)?;
        let data = dev.data();
        if dev.is_up() {
            let before = data.rings.count(rtnl);
            let gates = data.admit_rings(count.into(), extack, rtnl)?;
            let dropped = data
                .rings
                .reopen(
                    dev,
                    count,
                    data.bounds(rtnl),
                    gates,
                    data.rx_shaper(rtnl),
                    rtnl,
                )
                .inspect_err(|_| data.dismiss_rings(count.into(), rtnl))?;
            data.dismiss_rings(before, rtnl);
            data.counters.add(Counter::RxDropDown, dropped.into());
        } else {
            dev.use_queues(count, rtnl)?;
        }
        request::count_change(dev, rtnl);
        events::changed(dev, rtnl);
        Ok(())
    }

    /// The VNIC goes up: one ring for each of its receive queues.
    pub(super) fn open_rings(&self, dev: &Dev<Self>, rtnl: Rtnl<'_>) -> Result {
        let count = dev.rx_queues(rtnl);
        let gates = self.admit_rings(count, &mut Extack::none(), rtnl)?;
        self.rings
            .open(dev, self.bounds(rtnl), gates, self.rx_shaper(rtnl), rtnl)
            .inspect_err(|_| self.dismiss_rings(count, rtnl))
    }

    /// The VNIC goes down: what waits is dropped.
    pub(super) fn close_rings(&self, dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        let rings = self.rings.count(rtnl);
        let dropped = self.rings.close(dev, rtnl);
        self.dismiss_rings(rings, rtnl);
        self.counters.add(Counter::RxDropDown, dropped.into());
    }
}
