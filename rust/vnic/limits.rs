// SPDX-License-Identifier: GPL-2.0

//! Limits of what may pass a VNIC or one of its flows, and of what a link sends: what was set.

use super::Vnic;
use crate::net::{
    flow::Flow,
    netdev::Dev,
    netlink::{
        Attr,
        Attrs,
        Extack,
        Message, //
    },
    rtnl::Rtnl,
    uapi, //
};
use core::ops::RangeInclusive;
use kernel::prelude::*;

/// The bits a second that a limit can be.
pub(crate) const BITS: RangeInclusive<u64> = uapi::VNIC_MAXBW_MIN..=uapi::VNIC_MAXBW_MAX;

/// The packets a second that a limit can be.
const PACKETS: RangeInclusive<u64> = uapi::VNIC_MAXPPS_MIN..=uapi::VNIC_MAXPPS_MAX;

/// How long a packet can be let wait, in microseconds.
const DELAYS: RangeInclusive<u64> = uapi::VNIC_LIMIT_DELAY_MIN..=uapi::VNIC_LIMIT_DELAY_MAX;

/// The weights.
const SHARES: RangeInclusive<u64> = uapi::VNIC_SHARE_MIN..=uapi::VNIC_SHARE_MAX;

/// Who goes first where not all can (`enum vnic_priority`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Priority {
    /// Before the others.
    High = uapi::VNIC_PRIORITY_HIGH,
    /// As most.
    Medium = uapi::VNIC_PRIORITY_MEDIUM,
    /// After the others.
    Low = uapi::VNIC_PRIORITY_LOW,
    /// As its VNIC: of flows only (`VNIC_FLOW_PRIORITY_VNIC`).
    Vnic = uapi::VNIC_FLOW_PRIORITY_VNIC,
}

impl Priority {
    /// The priority of that number, of a VNIC or of a flow.
    fn of(value: u64, flow: bool) -> Option<Self> {
        [Self::High, Self::Medium, Self::Low, Self::Vnic]
            .into_iter()
            .filter(|priority| flow || *priority != Self::Vnic)
            .find(|priority| *priority as u64 == value)
    }
}

/// How much may pass in one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Bits a second; 0: no limit.
    pub(crate) bits: u64,
    /// Packets a second; 0: no limit.
    pub(crate) packets: u32,
}

/// What was set of the limits of a VNIC or of a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of what it receives.
    pub(crate) rx: Rate,
    /// Of what it sends.
    pub(crate) tx: Rate,
    /// The longest time that a packet waits, in microseconds.
    pub(crate) delay: u32,
    /// Its weight among the VNICs of a link that want to send more than the link may. Not of flows.
    pub(crate) share: u16,
    /// Whether it goes before others there; a flow may go by its VNIC's.
    pub(crate) priority: Priority,
}

/// The attributes that say limits: those of rates for bits and for packets.
pub(crate) struct Kinds {
    rx: (u32, u32),
    tx: (u32, u32),
    delay: u32,
    priority: u32,
    /// Flows have none.
    share: Option<u32>,
}

impl Kinds {
    /// Of a VNIC in the netlink family.
    pub(crate) const VNIC: Self = Self {
        rx: (uapi::VNIC_A_RX_MAXBW, uapi::VNIC_A_RX_MAXPPS),
        tx: (uapi::VNIC_A_TX_MAXBW, uapi::VNIC_A_TX_MAXPPS),
        delay: uapi::VNIC_A_LIMIT_DELAY,
        priority: uapi::VNIC_A_PRIORITY,
        share: Some(uapi::VNIC_A_SHARE),
    };

    /// Of a flow in the netlink family.
    pub(crate) const FLOW: Self = Self {
        rx: (uapi::VNIC_A_FLOW_RX_MAXBW, uapi::VNIC_A_FLOW_RX_MAXPPS),
        tx: (uapi::VNIC_A_FLOW_TX_MAXBW, uapi::VNIC_A_FLOW_TX_MAXPPS),
        delay: uapi::VNIC_A_FLOW_LIMIT_DELAY,
        priority: uapi::VNIC_A_FLOW_PRIORITY,
        share: None,
    };

    /// Of a VNIC as a kind of link.
    pub(super) const LINK: Self = Self {
        rx: (uapi::IFLA_VNIC_RX_MAXBW, uapi::IFLA_VNIC_RX_MAXPPS),
        tx: (uapi::IFLA_VNIC_TX_MAXBW, uapi::IFLA_VNIC_TX_MAXPPS),
        delay: uapi::IFLA_VNIC_LIMIT_DELAY,
        priority: uapi::IFLA_VNIC_PRIORITY,
        share: Some(uapi::IFLA_VNIC_SHARE),
    };

    /// That of the priority.
    pub(crate) fn priority(&self) -> u32 {
        self.priority
    }

    /// Whether a request has any of them.
    fn any(&self, attrs: Attrs<'_>) -> bool {
        let (rx, tx) = (self.rx, self.tx);
        let kinds = [rx.0, rx.1, tx.0, tx.1, self.delay, self.priority];
        let share = self.share.is_some_and(|kind| attrs.has(kind));
        share || kinds.into_iter().any(|kind| attrs.has(kind))
    }
}

/// The number in an attribute, if it is within `range`.
fn number(
    attr: &Attr<'_>,
    name: &str,
    range: RangeInclusive<u64>,
    extack: &mut Extack<'_>,
) -> Result<u64> {
    let (number, least, most) = (attr.number(), range.start(), range.end());
    if range.contains(&number) {
        return Ok(number);
    }
    Err(extack.refuse_attr(
        attr,
        ERANGE,
        format_args!("vnic: {name} {number} is not within {least}-{most}"),
    ))
}

/// The limit in an attribute, if it is within `range` or 0.
fn limit(
    attr: &Attr<'_>,
    name: &str,
    range: RangeInclusive<u64>,
    extack: &mut Extack<'_>,
) -> Result<u64> {
    let (number, least, most) = (attr.number(), range.start(), range.end());
    if range.contains(&number) || number == 0 {
        return Ok(number);
    }
    Err(extack.refuse_attr(
        attr,
        ERANGE,
        format_args!("vnic: {name} {number} is not within {least}-{most}, nor 0"),
    ))
}

/// The bits a second that an attribute says; 0 is no limit. `ERANGE` for what is out of range.
pub(crate) fn bits(attr: &Attr<'_>, name: &str, extack: &mut Extack<'_>) -> Result<u64> {
    limit(attr, name, BITS, extack)
}

fn priority(attr: &Attr<'_>, flow: bool, extack: &mut Extack<'_>) -> Result<Priority> {
    let number = attr.number();
    let most = match flow {
        true => Priority::Vnic,
        false => Priority::Low,
    };
    Priority::of(number, flow).ok_or_else(|| {
        extack.refuse_attr(
            attr,
            EINVAL,
            format_args!("vnic: priority is 0 to {}, not {number}", most as u8),
        )
    })
}

impl Rate {
    /// No limit.
    pub(crate) const NONE: Self = Self {
        bits: 0,
        packets: 0,
    };

    /// What results of `self` and what a request says in the attributes of bits and of packets.
    fn with(
        self,
        attrs: Attrs<'_>,
        kinds: (u32, u32),
        names: (&str, &str),
        extack: &mut Extack<'_>,
    ) -> Result<Self> {
        let mut new = self;
        if let Some(attr) = attrs.get(kinds.0) {
            new.bits = bits(&attr, names.0, extack)?;
        }
        if let Some(attr) = attrs.get(kinds.1) {
            new.packets = limit(&attr, names.1, PACKETS, extack)?.try_into()?;
        }
        Ok(new)
    }
}

impl Limits {
    /// What a new VNIC has.
    pub(crate) const DEFAULT: Self = Self {
        rx: Rate::NONE,
        tx: Rate::NONE,
        delay: uapi::VNIC_LIMIT_DELAY_DEFAULT,
        share: uapi::VNIC_SHARE_DEFAULT,
        priority: Priority::Medium,
    };

    /// What a new flow has.
    pub(crate) const OF_FLOW: Self = Self {
        priority: Priority::Vnic,
        ..Self::DEFAULT
    };

    /// Of a flow: the priority that it has itself, the lower the sooner.
    pub(crate) fn flow_priority(&self) -> Option<u8> {
        (self.priority != Priority::Vnic).then_some(self.priority as u8)
    }

    /// Whether they say something of whose turn it is on a link that is limited.
    pub(crate) fn has_turn(&self) -> bool {
        (self.share, self.priority) != (Self::DEFAULT.share, Self::DEFAULT.priority)
    }

    /// Describes them, but for the priority, whose size differs. A rate that is none is left out.
    pub(crate) fn put(&self, kinds: &Kinds, message: &mut Message<'_>) -> Result {
        for (rate, (bits, packets)) in [(self.rx, kinds.rx), (self.tx, kinds.tx)] {
            if rate.bits != 0 {
                message.put_uint(bits, rate.bits)?;
            }
            if rate.packets != 0 {
                message.put_u32(packets, rate.packets)?;
            }
        }
        message.put_u32(kinds.delay, self.delay)?;
        kinds
            .share
            .map_or(Ok(()), |kind| message.put_u16(kind, self.share))
    }

    /// What results of `self` and what a request says, if that says anything of limits. `ERANGE` for what
    /// is out of range, `EINVAL` for an unknown priority.
    pub(crate) fn with(
        self,
        attrs: Attrs<'_>,
        kinds: &Kinds,
        extack: &mut Extack<'_>,
    ) -> Result<Option<Self>> {
        if !kinds.any(attrs) {
            return Ok(None);
        }
        let mut new = self;
        new.rx = self
            .rx
            .with(attrs, kinds.rx, ("rx-maxbw", "rx-maxpps"), extack)?;
        new.tx = self
            .tx
            .with(attrs, kinds.tx, ("tx-maxbw", "tx-maxpps"), extack)?;
        if let Some(attr) = attrs.get(kinds.delay) {
            new.delay = number(&attr, "limit-delay", DELAYS, extack)?.try_into()?;
        }
        if let Some(attr) = kinds.share.and_then(|kind| attrs.get(kind)) {
            new.share = number(&attr, "share", SHARES, extack)?.try_into()?;
        }
        if let Some(attr) = attrs.get(kinds.priority) {
            new.priority = priority(&attr, kinds.share.is_none(), extack)?;
        }
        Ok(Some(new))
    }
}

/// Limits that are changed, but not for good. One that is to go holds until then, with what waits for it: it might not
/// come back for want of memory.
#[derive(Clone, Copy)]
#[must_use = "it has to be committed or undone"]
pub(crate) struct LimitsChange {
    old: Limits,
    wanted: Limits,
}

impl LimitsChange {
    /// From `old` to `wanted`.
    pub(crate) fn new(old: Limits, wanted: Limits) -> Self {
        Self { old, wanted }
    }

    /// What holds before it is committed or undone.
    pub(crate) fn meanwhile(&self) -> Limits {
        let keep = |wanted, old| match wanted {
            Rate::NONE => old,
            _ => wanted,
        };
        Limits {
            rx: keep(self.wanted.rx, self.old.rx),
            tx: keep(self.wanted.tx, self.old.tx),
            ..self.wanted
        }
    }

    /// What holds for good, where by now `now` does: another change may have come after this one.
    pub(crate) fn committed(&self, now: Limits) -> Limits {
        let last = |now, wanted, old| match wanted {
            Rate::NONE if now == old => wanted,
            _ => now,
        };
        Limits {
            rx: last(now.rx, self.wanted.rx, self.old.rx),
            tx: last(now.tx, self.wanted.tx, self.old.tx),
            ..now
        }
    }

    /// What held before.
    pub(crate) fn undone(&self) -> Limits {
        self.old
    }

    /// Makes it last. Needs no memory.
    pub(crate) fn commit(self, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
        Vnic::settle_limits(dev, self.committed(dev.data().limits(rtnl)), rtnl);
    }

    /// Makes everything as it was. Needs no memory.
    pub(crate) fn undo(self, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
        Vnic::settle_limits(dev, self.undone(), rtnl);
    }
}

impl Vnic {
    /// What was set of its limits.
    pub(crate) fn limits(&self, rtnl: Rtnl<'_>) -> Limits {
        self.limits.get(rtnl)
    }

    /// Sets limits, if there are any to set, and has packets obey them, but for good only when that is committed. A
    /// failure changes nothing.
    pub(crate) fn change_limits(
        dev: &Dev<Self>,
        limits: Option<Limits>,
        rtnl: Rtnl<'_>,
    ) -> Result<Option<LimitsChange>> {
        let Some(wanted) = limits else {
            return Ok(None);
        };
        let change = LimitsChange::new(dev.data().limits(rtnl), wanted);
        Self::set_limits(dev, change.meanwhile(), rtnl)?;
        Ok(Some(change))
    }

    fn set_limits(dev: &Dev<Self>, new: Limits, rtnl: Rtnl<'_>) -> Result {
        let data = dev.data();
        let old = data.limits.replace(new, rtnl);
        if new == old {
            return Ok(());
        }
        data.follow_limits(&old, rtnl)
            .inspect_err(|_| data.limits.set(old, rtnl))
    }

    /// Sets limits in each direction in which there are some, or none.
    fn settle_limits(dev: &Dev<Self>, limits: Limits, rtnl: Rtnl<'_>) {
        if Self::set_limits(dev, limits, rtnl).is_err() {
            pr_warn!("{}: limits are not as they should be\n", dev.name());
        }
    }

    /// What its link lacks, so that nobody there takes turns.
    fn lacks_turns(&self, rtnl: Rtnl<'_>) -> Option<&'static str> {
        match self.switch.maxbw(rtnl) {
            0 if self.switch.is_stub() => Some("wire"),
            0 => Some("maxbw"),
            _ => None,
        }
    }

    /// Warns of a flow's priority that changes nothing, likewise.
    pub(crate) fn warn_of_flow(
        dev: &Dev<Self>,
        flow: &Flow,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) {
        let own = flow.limits(rtnl).flow_priority();
        if let Some((lacks, _)) = dev.data().lacks_turns(rtnl).zip(own) {
            let name = flow.spec().name;
            // With the name of the link it could be longer than an answer.
            extack.warn(format_args!(
                "vnic: priority of flow {name} has no effect: no {lacks}"
            ));
        }
    }

    /// Warns of the first flow with a priority that changes nothing, likewise. Whether there is one.
    pub(crate) fn warn_of_flows(dev: &Dev<Self>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> bool {
        !dev.data().flows().all_after(0, rtnl, |flow| {
            let void = flow.limits(rtnl).flow_priority().is_some();
            if void {
                Self::warn_of_flow(dev, flow, extack, rtnl);
            }
            !void
        })
    }

    /// Warns, in the answer to a request that succeeds, of a share or a priority that changes nothing.
    pub(crate) fn warn_of_turn(dev: &Dev<Self>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) {
        let (data, name) = (dev.data(), dev.name());
        let limits = data.limits(rtnl);
        let Some(lacks) = data.lacks_turns(rtnl).filter(|_| limits.has_turn()) else {
            return;
        };
        let lower = data.lower().name();
        if limits.share != Limits::DEFAULT.share {
            let share = limits.share;
            extack.warn(format_args!(
                "vnic: share {share} of {name} has no effect: {lower} has no {lacks}"
            ));
        } else {
            extack.warn(format_args!(
                "vnic: priority of {name} has no effect: {lower} has no {lacks}"
            ));
        }
    }
}
