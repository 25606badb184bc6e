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
    rcu::Rcu,
    rtnl::{
        Rtnl,
        RtnlCell, //
    },
    sched::Class,
    shaper::{
        Offer,
        Owned,
        Place,
        Shaper,
        Stage, //
    },
    skb::Skb, //
};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// The limits of a VNIC as packets meet them.
pub(crate) struct Shaping {
    rx: Place<Shaper>,
    tx: Place<Shaper>,
    /// What waits for its turn on the wire.
    class: Class,
    /// What was made of which limits.
    made: RtnlCell<Limits>,
}

impl Shaping {
    /// None.
    pub(super) fn new() -> Self {
        Self {
            rx: Place::new(),
            tx: Place::new(),
            class: Class::new(),
            made: RtnlCell::new(Limits::DEFAULT),
        }
    }
}

/// A shaper for what is to be limited and is not yet.
fn needed(
    place: &Place<Shaper>,
    stage: Stage,
    rate: Rate,
    rtnl: Rtnl<'_>,
) -> Result<Option<Owned<Shaper>>> {
    match rate != Rate::NONE && place.get_locked(rtnl).is_none() {
        true => Owned::new(stage, rtnl).map(Some),
        false => Ok(None),
    }
}

/// Microseconds in nanoseconds.
fn nanoseconds(delay: u32) -> u64 {
    u64::from(delay).saturating_mul(1000)
}

impl Vnic {
    /// Has packets obey the limits that are set. A failure changes nothing.
    pub(crate) fn follow_limits(&self, rtnl: Rtnl<'_>) -> Result {
        let new = self.limits(rtnl);
        let old = self.shaping.made.get(rtnl);
        let rx = needed(&self.shaping.rx, Stage::Rx, new.rx, rtnl)?;
        let tx = needed(&self.shaping.tx, Stage::Tx, new.tx, rtnl)?;
        // Nothing fails from here on.
        self.shaping.made.set(new, rtnl);
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
            nanoseconds(new.delay),
            rtnl,
        );
        Ok(())
    }

    fn limit_rx(&self, limits: &Limits, new: Option<Owned<Shaper>>, rtnl: Rtnl<'_>) {
        let place = &self.shaping.rx;
        if let Some(shaper) = new {
            shaper.open(&self.counters, rtnl);
            place.put(shaper, rtnl);
        }
        if let Some(shaper) = place.get_locked(rtnl) {
            let rate = limits.rx;
            shaper.set(
                rate.bits,
                rate.packets,
                nanoseconds(limits.delay),
                rtnl,
            );
        }
        // What waits on the rings goes on from here, and keeps its place there.
        match limits.rx == Rate::NONE {
            true => {
                self.rings.set_shaper(None, rtnl);
                place.remove(rtnl);
            }
            false => self.rings.set_shaper(place.get_locked(rtnl), rtnl),
        }
        self.rings.set_bounds(self.bounds(rtnl), rtnl);
    }

    fn limit_tx(&self, limits: &Limits, new: Option<Owned<Shaper>>, rtnl: Rtnl<'_>) {
        let place = &self.shaping.tx;
        if limits.tx == Rate::NONE {
            place.remove(rtnl);
            return self.follow_detour(rtnl);
        }
        let set = |shaper: &Shaper| {
            let rate = limits.tx;
            shaper.set(
                rate.bits,
                rate.packets,
                nanoseconds(limits.delay),
                rtnl,
            );
        };
        match (new, place.get_locked(rtnl)) {
            (Some(shaper), _) => {
                set(&shaper);
                if self.rings.count(rtnl) != 0 {
                    shaper.open(&self.counters, rtnl);
                }
                place.put(shaper, rtnl);
            }
            (None, Some(shaper)) => set(shaper),
            (None, None) => {}
        }
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
        let sched = self.switch.sched(rtnl);
        self.shaping.class.open(sched, &self.counters, rtnl);
    }

    /// The VNIC goes down: what waits to be sent is dropped. What was received is dropped with the rings.
    pub(super) fn close_shaping(&self, rtnl: Rtnl<'_>) {
        if let Some(shaper) = self.shaping.tx.get_locked(rtnl) {
            shaper.close(rtnl);
        }
        self.shaping.class.close(self.switch.sched(rtnl), rtnl);
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
    pub(crate) fn go_on(stage: Stage, skb: Skb, rcu: Rcu<'_>) {
        let Some(vnic) = skb.dev(rcu).downcast::<Vnic>() else {
            return;
        };
        let data = vnic.data();
        let (switch, tx) = (&data.switch, Some(&data.counters));
        // What becomes of it is counted; its sender does not wait for an answer.
        let _ = match stage {
            Stage::Tx => switch.transmit_any(vnic, skb, rcu),
            Stage::Wire => switch.send_now(vnic, skb, tx, rcu),
            Stage::WireCounted => switch.send_now(vnic, skb, None, rcu),
            // Such packets wait on rings.
            Stage::Rx => return,
        };
    }

    /// Says whether packets that are sent go the usual way.
    pub(super) fn follow_detour(&self, rtnl: Rtnl<'_>) {
        let limited = self.shaping.tx.get_locked(rtnl).is_some();
        self.detour
            .store(limited || self.netpoll.was_used(), Ordering::Relaxed);
    }
}
