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
        netdev::{
            Dev,
            NetDev, //
        },
        netfilter::Egress,
        rcu::Rcu,
        rx_handler::{
            RxHandler,
            Verdict, //
        },
        skb::{
            Reason,
            Refusal,
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
    /// The host sends a frame on the lower device.
    fn egress(&self, lower: &NetDev, skb: Skb, rcu: Rcu<'_>) -> Option<Skb> {
        if skb.is_uplink(lower) {
            return Some(skb);
        }
        let Some(key) = skb.destination(UNTAGGED) else {
            return Some(skb);
        };
        if key.is_group() {
            self.fan_out_copy(&skb, lower, key, Origin::host(skb.vid()), None, rcu);
            return Some(skb);
        }
        let vnic = self
            .addresses
            .find(key, rcu)
            .and_then(NetDev::downcast::<Vnic>);
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
        found?.downcast::<Vnic>()
    }

    #[inline(always)]
    fn arrive(vnic: &Dev<Vnic>, skb: Skb, rcu: Rcu<'_>) -> Verdict {
        let data = vnic.data();
        if !vnic.is_up() {
            let count = Some((data.counters(), Counter::RxDropDown));
            skb.drop_for(vnic, count, Reason::DeviceDown);
            return Verdict::Consumed;
        }
        let skb = if skb.is_shared() { skb.unshare() } else { Some(skb) };
        let Some(mut skb) = skb else {
            data.counters().increment(Counter::RxDropNoMemory);
            return Verdict::Consumed;
        };
        if data.vid() != 0 {
            skb.vlan_clear();
        }
        Verdict::Another(skb.arrive(vnic, data.counters(), rcu))
    }

    /// A VNIC sends a frame.
    #[inline(always)]
    pub(crate) fn transmit(&self, vnic: &Dev<Vnic>, skb: Skb, rcu: Rcu<'_>) {
        let data = vnic.data();
        let Some(key) = skb.destination(data.vlan()) else {
            let count = Some((data.counters(), Counter::TxDropShort));
            return skb.drop_for(vnic, count, Reason::HeaderShort);
        };
        if key.is_group() {
            return self.transmit_group(vnic, skb, key, rcu);
        }
        if !self.taps.is_empty() {
            self.tap_sent(&skb, vnic, key, rcu);
        }
        if let Some(dst) = self.addresses.find(key, rcu) {
            if let Some(dst) = dst.downcast::<Vnic>() {
                if Self::deliver(skb, vnic, Some(data.counters()), dst, rcu).is_err() {
                    data.counters().increment(Counter::TxDropRefused);
                }
                return;
            }
            if self.host() {
                return self.transmit_to_host(vnic, skb, rcu);
            }
        }
        self.transmit_to_wire(vnic, skb, Some(data.counters()), rcu);
    }

    /// Hands a frame to a VNIC of this link. What is refused is counted there.
    #[inline(always)]
    fn deliver(
        skb: Skb,
        src: &NetDev,
        tx: Option<&Counters>,
        dst: &Dev<Vnic>,
        rcu: Rcu<'_>,
    ) -> Result<(), ()> {
        let rx = dst.data().counters();
        if !dst.is_up() {
            skb.drop_for(dst, Some((rx, Counter::RxDropDown)), Reason::DeviceDown);
            return Err(());
        }
        skb.hand_over(src, dst, tx, Some(rx), rcu)
            .map_err(|refusal| rx.increment(refused(refusal)))
    }

    #[inline(never)]
    fn transmit_to_host(&self, vnic: &Dev<Vnic>, skb: Skb, rcu: Rcu<'_>) {
        let tx = vnic.data().counters();
        if !self.lower.is_up() {
            return skb.drop_for(vnic, Some((tx, Counter::TxDropRefused)), Reason::DeviceDown);
        }
        let stub = self.lower.downcast::<Etherstub>();
        let rx = stub.map(|stub| stub.data().counters());
        if skb.hand_over(vnic, &self.lower, Some(tx), rx, rcu).is_err() {
            tx.increment(Counter::TxDropRefused);
        }
    }

    /// Sends a frame out, or drops it where there is no wire. `tx` is `None` if it was counted.
    #[inline(always)]
    pub(super) fn transmit_to_wire(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        tx: Option<&Counters>,
        rcu: Rcu<'_>,
    ) {
        let data = vnic.data();
        if self.stub {
            let count = tx.map(|tx| (tx, Counter::TxDropMiss));
            return skb.drop_for(vnic, count, Reason::NoReceiver);
        }
        let skb = if data.vid() == 0 {
            Some(skb)
        } else {
            skb.vlan_push(data.vid())
        };
        match skb {
            Some(skb) => {
                let hooked = self.hooked.load(Ordering::Relaxed);
                skb.uplink(&self.lower, vnic, tx, hooked, rcu);
            }
            None => data.counters().increment(Counter::TxDropNoMemory),
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
        let vnic = self
            .addresses
            .find(key, rcu)
            .and_then(NetDev::downcast::<Vnic>);
        match vnic {
            Some(vnic) => {
                let _ = Self::deliver(skb, &self.lower, None, vnic, rcu);
                Ok(())
            }
            None => Err(skb),
        }
    }
}

/// Where the receiver counts what it did not take.
pub(super) fn refused(refusal: Refusal) -> Counter {
    match refusal {
        Refusal::TooLong => Counter::RxDropTooLong,
        Refusal::NoMemory => Counter::RxDropNoMemory,
        Refusal::Backlog => Counter::RxDropBacklog,
    }
}
