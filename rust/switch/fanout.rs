// SPDX-License-Identifier: GPL-2.0

//! Frames for more than one: broadcast, multicast, and copies for promiscuous VNICs.
//!
//! Such a frame waits in the link's queue, and NAPI gives clones of it to the stacks of those who
//! want it, at most a budget of clones at a time. The walk keeps its place in the frame's note, so
//! that everybody gets it once, whoever joins or leaves in between.

use super::{
    forward::{
        queue_of,
        refused, //
    },
    Switch,
    UNTAGGED, //
};
use crate::{
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
        napi::Poll,
        netdev::{
            Dev,
            NetDev, //
        },
        ops::Tx,
        rcu::Rcu,
        rx_handler::Verdict,
        skb::{
            Note,
            Reason,
            Skb, //
        },
        table::{
            Cursor,
            Group, //
        },
    },
    vnic::Vnic,
};

/// Who sent a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Wire,
    Vnic,
    Host,
}

/// Where a frame comes from, as far as it decides who gets it.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    source: Source,
    /// The sending VNIC, or 0.
    from: u64,
    /// The VNIC that gets it anyhow, or 0.
    skip: u64,
    /// The VLAN of the link that it is in.
    vid: u16,
    /// The tag that it carries beside the data, or 0.
    tag: u16,
}

impl Origin {
    /// From the wire, with the tag `tag`.
    pub(super) fn wire(tag: u16) -> Self {
        Self {
            source: Source::Wire,
            from: 0,
            skip: 0,
            vid: tag,
            tag,
        }
    }

    /// From the host's own interface.
    pub(super) fn host(tag: u16) -> Self {
        Self {
            source: Source::Host,
            from: 0,
            skip: 0,
            vid: 0,
            tag,
        }
    }

    fn vnic(vnic: &Vnic, tag: u16) -> Self {
        Self {
            source: Source::Vnic,
            from: vnic.id(),
            skip: 0,
            vid: vnic.vid(),
            tag,
        }
    }

    fn skipping(self, vnic: Option<&Dev<Vnic>>) -> Self {
        Self {
            skip: vnic.map_or(0, |vnic| vnic.data().id()),
            ..self
        }
    }
}

/// How a VNIC gets a frame.
enum Take {
    AsIs,
    WithoutTag,
}

/// The parts of a walk, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The host's own stack.
    Host,
    /// Members of the group in the frame's VLAN.
    Members,
    /// Members that are trunks, of a frame with a tag.
    Trunks,
    /// VNICs that want all group frames.
    Wide,
    /// VNICs that want all frames.
    Taps,
    Done,
}

impl Phase {
    fn next(self) -> Self {
        match self {
            Self::Host => Self::Members,
            Self::Members => Self::Trunks,
            Self::Trunks => Self::Wide,
            Self::Wide | Self::Taps | Self::Done => Self::Done,
        }
    }
}

/// The state of a walk: where it began and how far it is.
#[derive(Clone, Copy)]
struct Walk {
    origin: Origin,
    phase: Phase,
    cursor: Cursor,
}

impl Walk {
    fn new(origin: Origin, phase: Phase) -> Self {
        Self {
            origin,
            phase,
            cursor: 0,
        }
    }

    fn to_note(self) -> Note {
        let source: u64 = match self.origin.source {
            Source::Wire => 0,
            Source::Vnic => 1,
            Source::Host => 2,
        };
        let phase: u64 = match self.phase {
            Phase::Host => 0,
            Phase::Members => 1,
            Phase::Trunks => 2,
            Phase::Wide => 3,
            Phase::Taps => 4,
            Phase::Done => 5,
        };
        let small = u64::from(self.origin.vid)
            | u64::from(self.origin.tag) << 16
            | source << 32
            | phase << 40;
        [self.origin.from, self.origin.skip, self.cursor, small]
    }

    fn from_note([from, skip, cursor, small]: Note) -> Self {
        Self {
            origin: Origin {
                source: match (small >> 32) & 0xff {
                    0 => Source::Wire,
                    1 => Source::Vnic,
                    _ => Source::Host,
                },
                from,
                skip,
                vid: small as u16,
                tag: (small >> 16) as u16,
            },
            phase: match (small >> 40) & 0xff {
                0 => Phase::Host,
                1 => Phase::Members,
                2 => Phase::Trunks,
                3 => Phase::Wide,
                4 => Phase::Taps,
                _ => Phase::Done,
            },
            cursor,
        }
    }
}

impl Switch {
    /// A group frame from the wire: VNICs get clones, the host gets the frame.
    pub(super) fn receive_group(
        &self,
        lower: &NetDev,
        skb: Skb,
        key: Key,
        vid: u16,
        rcu: Rcu<'_>,
    ) -> Verdict {
        let origin = Origin::wire(vid);
        if !skb.is_raised() && self.is_wanted(key, origin, rcu) {
            if let Some(clone) = skb.try_clone() {
                self.enqueue(clone, lower, Walk::new(origin, Phase::Members), None, rcu);
            }
        }
        Verdict::Pass(skb)
    }

    /// A VNIC sends a group frame.
    pub(super) fn transmit_group(
        &self,
        vnic: &Dev<Vnic>,
        skb: Skb,
        key: Key,
        flow: Option<&Flow>,
        rcu: Rcu<'_>,
    ) -> Tx {
        let data = vnic.data();
        let tx = data.counters();
        let origin = Origin::vnic(data, skb.vid());
        self.fan_out_copy(&skb, vnic, key, origin, Some(tx), rcu);
        tx.sent_group(skb.len());
        if self.is_stub() {
            skb.finish();
            Tx::DONE
        } else {
            self.send_out(vnic, skb, None, flow, rcu)
        }
    }

    /// Queues a clone of a frame that is being sent, if anyone wants it.
    pub(super) fn fan_out_copy(
        &self,
        skb: &Skb,
        dev: &NetDev,
        key: Key,
        origin: Origin,
        tx: Option<&Counters>,
        rcu: Rcu<'_>,
    ) {
        if self.is_wanted(key, origin, rcu) {
            self.enqueue_sent(skb, dev, Walk::new(origin, Phase::Host), tx, rcu);
        }
    }

    /// Copies a unicast frame from the wire to those who want all frames.
    #[inline(never)]
    pub(super) fn tap(&self, skb: &Skb, key: Key, vid: u16, origin: Origin, rcu: Rcu<'_>) {
        let origin = origin.skipping(self.find(key, vid, rcu));
        if let Some(clone) = skb.try_clone() {
            self.enqueue(
                clone,
                &self.lower,
                Walk::new(origin, Phase::Taps),
                None,
                rcu,
            );
        }
    }

    /// Copies a unicast frame of a VNIC to those who want all frames.
    #[inline(never)]
    pub(super) fn tap_sent(&self, skb: &Skb, vnic: &Dev<Vnic>, key: Key, rcu: Rcu<'_>) {
        let data = vnic.data();
        let receiver = self.addresses.find(key, rcu).and_then(|dev| self.vnic(dev));
        let origin = Origin::vnic(data, skb.vid()).skipping(receiver);
        let walk = Walk::new(origin, Phase::Taps);
        self.enqueue_sent(skb, vnic, walk, Some(data.counters()), rcu);
    }

    fn enqueue_sent(
        &self,
        skb: &Skb,
        dev: &NetDev,
        walk: Walk,
        tx: Option<&Counters>,
        rcu: Rcu<'_>,
    ) {
        match skb.try_clone().map(|clone| clone.into_received(dev)) {
            Some(Ok(clone)) => self.enqueue(clone, dev, walk, tx, rcu),
            Some(Err(clone)) => {
                let count = tx.map(|tx| (tx, Counter::TxDropNoMemory));
                clone.drop_for(dev, count, Reason::NoMemory);
            }
            None => {
                if let Some(tx) = tx {
                    tx.increment(Counter::TxDropNoMemory);
                }
            }
        }
    }

    fn enqueue(&self, mut skb: Skb, dev: &NetDev, walk: Walk, tx: Option<&Counters>, rcu: Rcu<'_>) {
        skb.set_note(walk.to_note());
        match self.queue.push(skb) {
            Ok(()) => self.napi.schedule(rcu),
            Err(skb) => {
                let count = tx.map(|tx| (tx, Counter::TxDropFanout));
                skb.drop_for(dev, count, Reason::QueueFull);
            }
        }
    }

    /// Whether anybody might want a group frame. May err towards yes.
    fn is_wanted(&self, key: Key, origin: Origin, rcu: Rcu<'_>) -> bool {
        self.is_wanted_by_host(origin)
            || !self.wide.is_empty()
            || self
                .groups
                .find(key.in_vlan(KeyVlan::new(origin.vid)), rcu)
                .is_some()
            || (origin.tag != 0 && self.groups.find(key.in_vlan(UNTAGGED), rcu).is_some())
    }

    fn is_wanted_by_host(&self, origin: Origin) -> bool {
        origin.source == Source::Vnic && origin.vid == 0 && self.host() && self.lower.is_up()
    }

    /// Gives a frame to at most `budget` receivers; gives it back if there are more, its place
    /// noted. How many got it, one at least.
    fn fan_out(&self, mut skb: Skb, budget: u32, rcu: Rcu<'_>) -> (u32, Option<Skb>) {
        let mut walk = Walk::from_note(skb.note());
        let key = skb.received_destination(UNTAGGED);
        let mut done = 0;
        while walk.phase != Phase::Done {
            let group = match walk.phase {
                Phase::Members => {
                    let vlan = KeyVlan::new(walk.origin.vid);
                    self.groups.find(key.in_vlan(vlan), rcu)
                }
                // Without a tag, trunks are among the members.
                Phase::Trunks if walk.origin.source == Source::Wire && walk.origin.vid != 0 => {
                    self.groups.find(key, rcu)
                }
                Phase::Wide => Some(&self.wide),
                Phase::Taps => Some(&self.taps),
                Phase::Host | Phase::Trunks | Phase::Done => None,
            };
            if walk.phase == Phase::Host && self.is_wanted_by_host(walk.origin) {
                if let Some(clone) = skb.try_clone() {
                    clone.raise(&self.lower, rcu);
                    done += 1;
                }
            }
            if let Some(group) = group {
                if !self.serve(&skb, &mut walk, group, budget, &mut done, rcu) {
                    skb.set_note(walk.to_note());
                    return (done.max(1), Some(skb));
                }
            }
            walk.phase = walk.phase.next();
            walk.cursor = 0;
        }
        skb.finish();
        (done.max(1), None)
    }

    /// Gives clones to the rest of a group. Whether it came to the end within the budget.
    fn serve(
        &self,
        skb: &Skb,
        walk: &mut Walk,
        group: &Group,
        budget: u32,
        done: &mut u32,
        rcu: Rcu<'_>,
    ) -> bool {
        let members = matches!(walk.phase, Phase::Members | Phase::Trunks);
        for (cursor, dev) in group.after(walk.cursor, rcu) {
            if *done >= budget {
                return false;
            }
            walk.cursor = cursor;
            let Some(vnic) = dev.downcast::<Vnic>() else {
                continue;
            };
            // Those who want all group frames are served in their own phase.
            if members && vnic.data().is_wide() {
                continue;
            }
            if let Some(take) = takes(vnic, walk.origin, rcu) {
                *done += 1;
                give(skb, vnic, take, walk.origin.source != Source::Wire, rcu);
            }
        }
        true
    }
}

/// Whether and how a VNIC gets a frame that its group gets.
fn takes(vnic: &Dev<Vnic>, origin: Origin, rcu: Rcu<'_>) -> Option<Take> {
    let data = vnic.data();
    if data.id() == origin.from || data.id() == origin.skip || !vnic.is_up() {
        return None;
    }
    if data.vid() != 0 {
        return (data.vid() == origin.vid).then_some(if origin.source == Source::Wire {
            Take::WithoutTag
        } else {
            Take::AsIs
        });
    }
    // A trunk: the wire shows it all VLANs, VNICs of other VLANs do not.
    let same_side = origin.vid == 0 || origin.source == Source::Wire;
    let tag_wanted = origin.tag == 0 || data.takes_tag(origin.tag, rcu) || data.sees_all();
    (same_side && tag_wanted).then_some(Take::AsIs)
}

/// Gives a VNIC a clone.
fn give(skb: &Skb, vnic: &Dev<Vnic>, take: Take, from_host: bool, rcu: Rcu<'_>) {
    let rx = vnic.data().counters();
    let queue = if from_host {
        skb.tx_queue()
    } else {
        skb.rx_queue()
    };
    let flows = vnic.data().flows();
    let flow = match flows.is_none() {
        true => None,
        false => flows.received(skb, false, rcu),
    };
    let queue = queue_of(flow, queue);
    let shaper = flow.and_then(|flow| flow.rx_shaper(rcu));
    // It was up a moment ago.
    let Some(ring) = vnic.data().rings().find(queue, rcu) else {
        return;
    };
    let Some(mut clone) = skb.try_clone() else {
        return rx.increment(Counter::RxDropNoMemory);
    };
    if matches!(take, Take::WithoutTag) {
        clone.vlan_clear();
    }
    let shaper = shaper.map(|shaper| (shaper, queue));
    let given = clone.receive(vnic, from_host, rx, ring, shaper, rcu);
    if let Some(counter) = given.err().and_then(refused) {
        rx.increment(counter);
    }
}

impl Poll for Switch {
    fn poll(&self, budget: u32, rcu: Rcu<'_>) -> u32 {
        let mut done = 0;
        while done < budget {
            let Some(skb) = self.queue.pop() else {
                break;
            };
            let (used, rest) = self.fan_out(skb, budget - done, rcu);
            done = done.saturating_add(used);
            if let Some(skb) = rest {
                self.queue.unpop(skb);
            }
        }
        done.min(budget)
    }
}
