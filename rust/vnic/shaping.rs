// SPDX-License-Identifier: GPL-2.0

//! Limits of VNICs, made effective.
//!
//! What a VNIC receives waits on its rings, what it sends in a queue of its own. Whoever waits stays in his place,
//! whatever is changed.

use super::{
    limits::{
        Limits,
        Rate, //
    },
    Vnic,
};
use crate::net::{
    counters::Counter,
    flow::Flow,
    netdev::Dev,
    rcu::Rcu,
    rtnl::Rtnl,
    sched::Class,
    shaper::{
        Offer,
        Owned,
        Place,
        Shaper,
        Stage,
        NSEC_PER_USEC, //
    },
    skb::{
        Reason,
        Skb, //
    },
};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// The limits of a VNIC as packets meet them.
pub(crate) struct Shaping {
    rx: Place<Shaper>,
    tx: Place<Shaper>,
    /// What waits for its turn on the wire.
    class: Class,
}

impl Shaping {
    /// None.
    pub(super) fn new() -> Self {
        Self {
            rx: Place::new(),
            tx: Place::new(),
            class: Class::new(),
        }
    }
}

impl Vnic {
    /// Has packets obey the limits that are set, which were `old`. A failure changes nothing.
    pub(super) fn follow_limits(&self, old: &Limits, rtnl: Rtnl<'_>) -> Result {
        let new = self.limits(rtnl);
        let make = |stage| move || Owned::new(stage, rtnl);
        let rx = self.shaping.rx.prepare(new.rx, make(Stage::Rx), rtnl)?;
        let tx = self.shaping.tx.prepare(new.tx, make(Stage::Tx), rtnl)?;
        // Nothing fails from here on.
        if (new.rx, new.delay) != (old.rx, old.delay) {
            self.limit_rx(&new, rx, rtnl);
        }
        if (new.tx, new.delay) != (old.tx, old.delay) {
            self.limit_tx(&new, tx, rtnl);
        }
        self.shaping.class.set(
            self.switch.sched(rtnl),
            new.share,
            new.priority as u8,
            u64::from(new.delay).saturating_mul(NSEC_PER_USEC),
            rtnl,
        );
        Ok(())
    }

    fn limit_rx(&self, limits: &Limits, new: Option<Owned<Shaper>>, rtnl: Rtnl<'_>) {
        let place = &self.shaping.rx;
        if limits.rx == Rate::NONE {
            // What waits on the rings goes on, in its place.
            self.rings.set_shaper(None, rtnl);
        }
        let open = |shaper: &Shaper| shaper.open(&self.counters, rtnl);
        place.follow(limits.rx, limits.delay, new, open, rtnl);
        if limits.rx != Rate::NONE {
            self.rings.set_shaper(place.get_locked(rtnl), rtnl);
        }
        self.rings.set_bounds(self.bounds(rtnl), rtnl);
    }

    fn limit_tx(&self, limits: &Limits, new: Option<Owned<Shaper>>, rtnl: Rtnl<'_>) {
        let open = |shaper: &Shaper| {
            if self.rings.count(rtnl) != 0 {
                shaper.open(&self.counters, rtnl);
            }
        };
        self.shaping
            .tx
            .follow(limits.tx, limits.delay, new, open, rtnl);
        self.follow_detour(rtnl);
    }

    /// Whether what it receives is limited.
    pub(super) fn limits_rx(&self, rtnl: Rtnl<'_>) -> bool {
        self.rx_shaper(rtnl).is_some()
    }

    /// What says when received packets go on.
    pub(super) fn rx_shaper(&self, rtnl: Rtnl<'_>) -> Option<&Shaper> {
        self.shaping.rx.get_locked(rtnl)
    }

    /// The VNIC goes up.
    pub(super) fn open_shaping(&self, rtnl: Rtnl<'_>) {
        for place in [&self.shaping.rx, &self.shaping.tx] {
            if let Some(shaper) = place.get_locked(rtnl) {
                shaper.open(&self.counters, rtnl);
            }
        }
        self.flows.open(&self.counters, rtnl);
        let sched = self.switch.sched(rtnl);
        self.shaping.class.open(sched, &self.counters, rtnl);
    }

    /// The VNIC goes down: what waits to be sent is dropped. What was received is dropped with the rings.
    pub(super) fn close_shaping(&self, rtnl: Rtnl<'_>) {
        self.flows.close(rtnl);
        if let Some(shaper) = self.shaping.tx.get_locked(rtnl) {
            shaper.close(rtnl);
        }
        self.shaping.class.close(self.switch.sched(rtnl), rtnl);
    }

    /// Sets limits and priority of one of its flows and has packets obey them. A failure changes nothing.
    pub(crate) fn change_flow(&self, flow: &Flow, limits: Limits, rtnl: Rtnl<'_>) -> Result {
        flow.change_limits(limits, rtnl)?;
        let sched = self.switch.sched(rtnl);
        let priority = limits.flow_priority();
        self.shaping.class.prioritize(sched, flow, priority, rtnl);
        Ok(())
    }

    /// Its place among those who send to the wire.
    pub(crate) fn class(&self) -> &Class {
        &self.shaping.class
    }

    /// What is to be limited before it is sent.
    #[inline(always)]
    pub(crate) fn offer_tx(&self, skb: Skb, rcu: Rcu<'_>) -> Offer {
        match self.shaping.tx.get(rcu) {
            Some(shaper) => shaper.offer(skb, rcu),
            None => Offer::Pass(skb),
        }
    }

    /// A packet goes on that waited.
    pub(crate) fn go_on(stage: Stage, skb: Skb, note: u64, rcu: Rcu<'_>) {
        let Some(vnic) = skb.dev(rcu).downcast::<Vnic>() else {
            return;
        };
        let data = vnic.data();
        let (switch, tx) = (&data.switch, Some(&data.counters));
        let flow = || match switch.has_turns(rcu) {
            // Flows may have come and gone meanwhile.
            true => data.flows.waited(&skb, rcu),
            false => None,
        };
        // What becomes of it is counted; its sender does not wait for an answer.
        let _ = match stage {
            Stage::FlowRx => return Self::receive_shaped(vnic, skb, note, rcu),
            Stage::FlowTx => {
                let flow = flow();
                switch.transmit_paced(vnic, skb, flow, rcu)
            }
            Stage::Tx => {
                let flow = flow();
                switch.transmit_any(vnic, skb, flow, rcu)
            }
            Stage::Wire => switch.send_now(vnic, skb, tx, rcu),
            Stage::WireCounted => switch.send_now(vnic, skb, None, rcu),
            // Such packets wait on rings.
            Stage::Rx => return,
        };
    }

    /// A packet goes on to its ring that waited for the limit of its flow.
    fn receive_shaped(vnic: &Dev<Self>, skb: Skb, note: u64, rcu: Rcu<'_>) {
        let data = vnic.data();
        // The queue is in the last 16 bits.
        match data.rings.find(note as u16, rcu) {
            Some(ring) => skb.enqueue(&data.counters, ring, note, rcu),
            None => {
                let count = Some((&data.counters, Counter::RxDropDown));
                skb.drop_for(vnic, count, Reason::DeviceDown);
            }
        }
    }

    /// Says whether packets that are sent go the usual way.
    pub(super) fn follow_detour(&self, rtnl: Rtnl<'_>) {
        let limited = self.shaping.tx.get_locked(rtnl).is_some();
        self.detour
            .store(limited || self.netpoll.was_used(), Ordering::Relaxed);
    }
}
