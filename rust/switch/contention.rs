// SPDX-License-Identifier: GPL-2.0

//! What VNICs send to the wire together.
//!
//! With a limit, those of a higher priority go first, and of those with the same each gets as much of what is left as
//! its share says. A packet goes by the priority of its flow, if that has one. What the host itself sends is not
//! concerned.

use super::Switch;
use crate::{
    net::{
        counters::Counters,
        flow::Flow,
        netdev::Dev,
        ops::Tx,
        rcu::Rcu,
        rtnl::Rtnl,
        sched::Sched,
        shaper::{
            Owned,
            Stage, //
        },
        skb::Skb, //
    },
    vnic::Vnic,
};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

impl Switch {
    /// Has packets obey the limit that is set. A failure changes nothing.
    pub(super) fn follow_maxbw(&self, rtnl: Rtnl<'_>) -> Result {
        let bits = self.maxbw(rtnl);
        match self.sched.get_locked(rtnl) {
            Some(_) if bits == 0 => self.sched.remove(rtnl),
            Some(sched) => sched.set(bits, rtnl),
            None if bits == 0 => {}
            None => {
                let sched = Owned::new_sched(rtnl)?;
                sched.set(bits, rtnl);
                self.sched.put(sched, rtnl);
            }
        }
        self.special
            .store(self.is_stub() || bits != 0, Ordering::Relaxed);
        Ok(())
    }

    /// Who sends next, if that is limited.
    pub(crate) fn sched(&self, rtnl: Rtnl<'_>) -> Option<&Sched> {
        self.sched.get_locked(rtnl)
    }

    /// Whether what is sent out takes turns.
    pub(crate) fn has_turns(&self, rcu: Rcu<'_>) -> bool {
        self.sched.get(rcu).is_some()
    }

    /// Sends a frame of a flow out, when it is its turn. `tx` is `None` if it was counted already.
    pub(super) fn send_out(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        tx: Option<&Counters>,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let Some(sched) = self.sched.get(rcu) else {
            return self.send_now(vnic, skb, tx, rcu);
        };
        let stage = match tx {
            Some(_) => Stage::Wire,
            None => Stage::WireCounted,
        };
        let offer = sched.offer(vnic.data().class(), flow, skb, stage, rcu);
        offer.sent_by(|skb| self.send_now(vnic, skb, tx, rcu))
    }
}
