// SPDX-License-Identifier: GPL-2.0

//! The way of one frame: from the wire, from a VNIC, from the host.
//!
//! Unicast frames take no lock and write no memory that CPUs share.

use super::{
    Switch,
    UNTAGGED, //
};
use crate::{
    link::etherstub::Etherstub,
    logic::addr::{
        Key,
        KeyVlan, //
    },
    net::{
        counters::{
            Counter,
            Counters, //
        },
        flow::Flow,
        netdev::{
            Dev,
            NetDev, //
        },
        netfilter::Egress,
        ops::Tx,
        rcu::Rcu,
        rx_handler::{
            RxHandler,
            Verdict, //
        },
        shaper::Offer,
        skb::{
            Reason,
            Refusal,
            Shaped,
            Skb, //
        },
    },
    switch::fanout::Origin,
    vnic::Vnic,
};
use core::sync::atomic::Ordering;

impl RxHandler for Switch {
    /// A frame came in on the lower device.
    #[inline(always)]
    fn receive(&self, lower: &NetDev, skb: Skb, rcu: Rcu<'_>) -> Verdict {
        if skb.is_loopback() {
            return Verdict::Pass(skb);
        }
        let vid = skb.vid();
        let key = skb.received_destination(KeyVlan::new(vid));
        if key.is_group() {
            return self.receive_group(lower, skb, key, vid, rcu);
        }
        if !self.taps.is_empty() {
            self.tap(&skb, key, vid, Origin::wire(vid), rcu);
        }
        match self.find(key, vid, rcu) {
            Some(vnic) => Self::arrive(vnic, skb, rcu),
            None => Verdict::Pass(skb),
        }
    }
}

impl Egress for Switch {
    /// The host sends a frame on the lower device: most go to the wire.
    #[inline(always)]
    fn egress(&self, lower: &NetDev, skb: Skb, rcu: Rcu<'_>) -> Option<Skb> {
        let Some(key) = skb.linear_destination(UNTAGGED) else {
            return Some(skb);
        };
        if !key.is_group() && self.addresses.find(key, rcu).is_none() {
            return Some(skb);
        }
        self.egress_local(lower, skb, key, rcu)
    }
}

impl Switch {
    /// The VNIC that a frame from the wire is for: one of its VLAN, else a trunk.
    #[inline(always)]
    pub(super) fn find<'a>(&'a self, key: Key, vid: u16, rcu: Rcu<'a>) -> Option<&'a Dev<Vnic>> {
        let found = self.addresses.find(key, rcu);
        let found = match found {
            None if vid != 0 => self.addresses.find(key.in_vlan(UNTAGGED), rcu),
            found => found,
        };
        self.vnic(found?)
    }

    /// A device of the table as a VNIC of this switch. The lower device is in the table too, and
    /// may itself be a VNIC, of another switch.
    #[inline(always)]
    pub(super) fn vnic<'a>(&self, dev: &'a NetDev) -> Option<&'a Dev<Vnic>> {
        if core::ptr::eq(dev, self.lower()) {
            return None;
        }
        dev.downcast::<Vnic>()
    }

    /// A VNIC gets a frame from the wire. As in [`Switch::transmit`], flows are somewhere else.
    #[inline(always)]
    fn arrive(vnic: &Dev<Vnic>, skb: Skb, rcu: Rcu<'_>) -> Verdict {
        let (skb, queue) = match vnic.data().flows().is_none() {
            true => {
                let queue = skb.rx_queue();
                (skb, queue)
            }
            false => match Self::queue_by_flow(vnic, skb, rcu) {
                Some(found) => found,
                None => return Verdict::Consumed,
            },
        };
        let data = vnic.data();
        let Some(ring) = data.rings().find(queue, rcu) else {
            Self::drop_down(vnic, skb);
            return Verdict::Consumed;
        };
        let Some(skb) = Self::own(vnic, skb) else {
            return Verdict::Consumed;
        };
        match skb.arrive(vnic, data.counters(), ring, rcu) {
            Some(skb) => Verdict::Another(skb),
            None => Verdict::Consumed,
        }
    }

    #[cold]
    fn drop_down(vnic: &Dev<Vnic>, skb: Skb) {
        let count = Some((vnic.data().counters(), Counter::RxDropDown));
        skb.drop_for(vnic, count, Reason::DeviceDown);
    }

    /// A frame from the wire that is the VNIC's alone, without its tag; none for want of memory.
    #[inline(always)]
    fn own(vnic: &Dev<Vnic>, skb: Skb) -> Option<Skb> {
        let data = vnic.data();
        let skb = if skb.is_shared() {
            skb.unshare()
        } else {
            Some(skb)
        };
        let Some(mut skb) = skb else {
            data.counters().increment(Counter::RxDropNoMemory);
            return None;
        };
        if data.vid() != 0 {
            skb.vlan_clear();
        }
        Some(skb)
    }

    /// Where a frame from the wire goes by its flow, or else by its queue; none if it went there: by a ring, as its
    /// flow has a limit.
    #[inline(never)]
    fn queue_by_flow(vnic: &Dev<Vnic>, skb: Skb, rcu: Rcu<'_>) -> Option<(Skb, u16)> {
        let data = vnic.data();
        let flow = data.flows().received(&skb, false, rcu);
        let queue = queue_of(flow, skb.rx_queue());
        let Some(shaper) = flow.and_then(|flow| flow.rx_shaper(rcu)) else {
            return Some((skb, queue));
        };
        match data.rings().find(queue, rcu) {
            Some(ring) => {
                let way = Shaped {
                    shaper,
                    ring,
                    queue,
                };
                Self::own(vnic, skb)?.arrive_shaped(vnic, data.counters(), way, rcu);
            }
            None => Self::drop_down(vnic, skb),
        }
        None
    }

    /// The host sends a frame that VNICs may want, unless it is a VNIC's own on its way out.
    #[inline(never)]
    fn egress_local(&self, lower: &NetDev, skb: Skb, key: Key, rcu: Rcu<'_>) -> Option<Skb> {
        if skb.is_uplink(lower) {
            return Some(skb);
        }
        if key.is_group() {
            self.fan_out_copy(&skb, lower, key, Origin::host(skb.vid()), None, rcu);
            return Some(skb);
        }
        let vnic = self.addresses.find(key, rcu).and_then(|dev| self.vnic(dev));
        match vnic {
            Some(vnic) => {
                skb.show_taps(lower, rcu);
                // A refusal is counted at the VNIC; the host, as with a wire, does not learn of it.
                let _ = Self::deliver(skb, lower, None, vnic, rcu);
                None
            }
            None => Some(skb),
        }
    }

    /// A VNIC sends a frame.
    ///
    /// Everything but plain unicast is somewhere else, and every call is the last thing done, so
    /// that the compiler needs no stack frame here.
    #[inline(always)]
    pub(crate) fn transmit(&self, vnic: &Dev<Vnic>, skb: Skb, rcu: Rcu<'_>) -> Tx {
        if !vnic.data().flows().is_none() {
            return self.transmit_limited(vnic, skb, rcu);
        }
        self.transmit_any(vnic, skb, None, rcu)
    }

    /// As [`Switch::transmit`], where there may be flows, in which the frame is counted, and limits, which may let
    /// it wait or drop it.
    #[inline(never)]
    pub(crate) fn transmit_limited(&self, vnic: &Dev<Vnic>, skb: Skb, rcu: Rcu<'_>) -> Tx {
        let data = vnic.data();
        let flow = match data.flows().is_none() {
            true => None,
            false => data.flows().sent(&skb, rcu),
        };
        let offer = match flow.and_then(|flow| flow.tx_shaper(rcu)) {
            Some(shaper) => shaper.offer(skb, rcu),
            None => Offer::Pass(skb),
        };
        offer.sent_by(|skb| self.transmit_paced(vnic, skb, flow, rcu))
    }

    /// What comes after flows and their limits.
    #[inline(always)]
    pub(crate) fn transmit_paced(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let offer = vnic.data().offer_tx(skb, rcu);
        offer.sent_by(|skb| self.transmit_any(vnic, skb, flow, rcu))
    }

    /// What comes after all limits of the VNIC. The link's goes by the priority of `flow`.
    #[inline(always)]
    pub(crate) fn transmit_any(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        match skb.linear_destination(vnic.data().vlan()) {
            Some(key) if !key.is_group() && self.taps.is_empty() => {
                self.transmit_unicast(vnic, skb, key, flow, rcu)
            }
            _ => self.transmit_special(vnic, skb, flow, rcu),
        }
    }

    /// Group frames, frames that promiscuous VNICs want to see, frames whose header is not linear.
    #[inline(never)]
    fn transmit_special(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let data = vnic.data();
        let Some(key) = skb.destination(data.vlan()) else {
            let count = Some((data.counters(), Counter::TxDropShort));
            skb.drop_for(vnic, count, Reason::HeaderShort);
            return Tx::DROPPED;
        };
        if key.is_group() {
            return self.transmit_group(vnic, skb, key, flow, rcu);
        }
        if !self.taps.is_empty() {
            self.tap_sent(&skb, vnic, key, rcu);
        }
        self.transmit_unicast(vnic, skb, key, flow, rcu)
    }

    #[inline(always)]
    fn transmit_unicast(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        key: Key,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        match self.addresses.find(key, rcu) {
            Some(dst) => match self.vnic(dst) {
                Some(dst) => Self::deliver(skb, vnic, Some(vnic.data().counters()), dst, rcu),
                None => self.transmit_to_host(vnic, skb, flow, rcu),
            },
            None => self.transmit_to_wire(vnic, skb, flow, rcu),
        }
    }

    /// Hands a frame to a VNIC of this link.
    #[inline(always)]
    fn deliver(skb: Skb, src: &NetDev, tx: Option<&Counters>, dst: &Dev<Vnic>, rcu: Rcu<'_>) -> Tx {
        if !dst.data().flows().is_none() {
            return Self::deliver_by_flow(skb, src, tx, dst, rcu);
        }
        let queue = skb.tx_queue();
        Self::deliver_by(queue, skb, src, tx, dst, rcu)
    }

    #[inline(never)]
    fn deliver_by_flow(
        skb: Skb,
        src: &NetDev,
        tx: Option<&Counters>,
        dst: &Dev<Vnic>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let flow = dst.data().flows().received(&skb, true, rcu);
        let queue = queue_of(flow, skb.tx_queue());
        let shaper = flow.and_then(|flow| flow.rx_shaper(rcu));
        let rx = dst.data().counters();
        match (shaper, dst.data().rings().find(queue, rcu)) {
            (Some(shaper), Some(ring)) => {
                let way = Shaped {
                    shaper,
                    ring,
                    queue,
                };
                skb.hand_over_shaped(src, dst, tx, rx, way, rcu)
            }
            _ => Self::deliver_by(queue, skb, src, tx, dst, rcu),
        }
    }

    #[inline(always)]
    fn deliver_by(
        queue: u16,
        skb: Skb,
        src: &NetDev,
        tx: Option<&Counters>,
        dst: &Dev<Vnic>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let rx = Some(dst.data().counters());
        match dst.data().rings().find(queue, rcu) {
            None => skb.refuse(dst, tx, rx, Counter::RxDropDown, Reason::DeviceDown),
            ring => skb.hand_over(src, dst, tx, rx, ring, rcu),
        }
    }

    /// Hands a frame to the host's own interface, if it is to be reached.
    #[inline(never)]
    fn transmit_to_host(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        if !self.host() {
            return self.transmit_to_wire(vnic, skb, flow, rcu);
        }
        let tx = Some(vnic.data().counters());
        let stub = self.lower.downcast::<Etherstub>();
        let rx = stub.map(|stub| stub.data().counters());
        if !self.lower.is_up() {
            return skb.refuse(&self.lower, tx, rx, Counter::RxDropDown, Reason::DeviceDown);
        }
        skb.hand_over(vnic, &self.lower, tx, rx, None, rcu)
    }

    /// Sends a frame out, or drops it where there is no wire.
    #[inline(always)]
    fn transmit_to_wire(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let data = vnic.data();
        if self.special.load(Ordering::Relaxed) || data.vid() != 0 {
            return self.transmit_otherwise(vnic, skb, flow, rcu);
        }
        let hooked = self.hooked.load(Ordering::Relaxed);
        skb.uplink(&self.lower, vnic, Some(data.counters()), hooked, rcu)
    }

    /// The same where that is more than to send it.
    #[inline(never)]
    fn transmit_otherwise(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let data = vnic.data();
        if self.stub {
            let count = Some((data.counters(), Counter::TxDropMiss));
            skb.drop_for(vnic, count, Reason::NoReceiver);
            return Tx::DONE;
        }
        self.send_out(vnic, skb, Some(data.counters()), flow, rcu)
    }

    /// Sends a frame out, with the VNIC's tag. `tx` is `None` if it was counted already.
    pub(crate) fn send_now(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        tx: Option<&Counters>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let data = vnic.data();
        let skb = match data.vid() {
            0 => Some(skb),
            vid => skb.vlan_push(vid),
        };
        match skb {
            Some(skb) => {
                let hooked = self.hooked.load(Ordering::Relaxed);
                skb.uplink(&self.lower, vnic, tx, hooked, rcu)
            }
            None => {
                data.counters().increment(Counter::TxDropNoMemory);
                Tx::DROPPED
            }
        }
    }

    /// The etherstub's own interface, the host's port on it, sends a frame. Whether anyone took it.
    pub(crate) fn transmit_from_stub(&self, skb: Skb, rcu: Rcu<'_>) -> Result<(), Skb> {
        if !self.host() {
            return Err(skb);
        }
        let Some(key) = skb.destination(UNTAGGED) else {
            return Err(skb);
        };
        if key.is_group() {
            self.fan_out_copy(&skb, &self.lower, key, Origin::host(skb.vid()), None, rcu);
            skb.finish();
            return Ok(());
        }
        let vnic = self.addresses.find(key, rcu).and_then(|dev| self.vnic(dev));
        match vnic {
            Some(vnic) => {
                // A refusal is counted at the VNIC.
                let _ = Self::deliver(skb, &self.lower, None, vnic, rcu);
                Ok(())
            }
            None => Err(skb),
        }
    }
}

/// The queue that says on which ring a packet goes: its flow's, or else its own.
pub(super) fn queue_of(flow: Option<&Flow>, own: u16) -> u16 {
    flow.and_then(|flow| flow.spec().ring).unwrap_or(own)
}

/// Where the receiver counts what it did not take, if that is not counted yet.
pub(super) fn refused(refusal: Refusal) -> Option<Counter> {
    match refusal {
        Refusal::TooLong => Some(Counter::RxDropTooLong),
        Refusal::NoMemory => Some(Counter::RxDropNoMemory),
        Refusal::NoRoom => None,
    }
}
