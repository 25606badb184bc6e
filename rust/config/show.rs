// SPDX-License-Identifier: GPL-2.0

//! What messages say of links and VNICs.

use crate::{
    net::{
        counters::Counter,
        netdev::{
            Dev,
            Net, //
        },
        netlink::Message,
        uapi, //
    },
    switch::Switch,
    vnic::Vnic,
};
use kernel::prelude::*;

/// Describes a link, in its own namespace.
pub(super) fn link(switch: &Switch, message: &mut Message<'_>) -> Result {
    let lower = switch.lower();
    let kind = if switch.is_stub() {
        uapi::VNIC_LINK_KIND_ETHERSTUB
    } else {
        uapi::VNIC_LINK_KIND_NIC
    };
    message.put_u32(uapi::VNIC_A_LINK_IFINDEX, lower.ifindex().unsigned_abs())?;
    message.put_name(uapi::VNIC_A_LINK_IFNAME, lower.name())?;
    message.put_u32(uapi::VNIC_A_LINK_KIND, kind)?;
    message.put_u8(uapi::VNIC_A_LINK_HOST, switch.host().into())?;
    message.put_u32(uapi::VNIC_A_LINK_FILTER, switch.filter().into())?;
    message.put_u32(uapi::VNIC_A_LINK_VNICS, switch.vnic_count())
}

/// Describes a VNIC as the namespace `viewer` sees it.
pub(super) fn vnic(dev: &Dev<Vnic>, viewer: Net<'_>, message: &mut Message<'_>) -> Result {
    let data = dev.data();
    let lower = data.lower();
    message.put_uint(uapi::VNIC_A_ID, data.id())?;
    if lower.net() == viewer {
        message.put_u32(uapi::VNIC_A_LINK, lower.ifindex().unsigned_abs())?;
        message.put_name(uapi::VNIC_A_LINK_NAME, lower.name())?;
    }
    message.put_u32(uapi::VNIC_A_IFINDEX, dev.ifindex().unsigned_abs())?;
    message.put_name(uapi::VNIC_A_IFNAME, dev.name())?;
    if dev.net() != viewer {
        message.put_i32(uapi::VNIC_A_NETNS_ID, viewer.id_of(dev.net()))?;
    }
    message.put_u16(uapi::VNIC_A_VLAN, data.vid())?;
    message.put_mac(uapi::VNIC_A_ADDRESS, dev.address())?;
    message.put_u32(uapi::VNIC_A_MTU, dev.mtu())?;
    message.put_u8(uapi::VNIC_A_UP, dev.is_up().into())?;
    message.put_u32(
        uapi::VNIC_A_PROMISC_MODE,
        data.promisc().map_or(0, |promisc| promisc as u32),
    )
}

/// The attributes that carry a VNIC's counters.
const STATS: [(u32, Counter); 18] = [
    (uapi::VNIC_A_STATS_RX_PACKETS, Counter::RxPackets),
    (uapi::VNIC_A_STATS_RX_BYTES, Counter::RxBytes),
    (uapi::VNIC_A_STATS_RX_LOCAL, Counter::RxLocal),
    (uapi::VNIC_A_STATS_RX_GROUP, Counter::RxGroup),
    (uapi::VNIC_A_STATS_TX_PACKETS, Counter::TxPackets),
    (uapi::VNIC_A_STATS_TX_BYTES, Counter::TxBytes),
    (uapi::VNIC_A_STATS_TX_LOCAL, Counter::TxLocal),
    (uapi::VNIC_A_STATS_TX_GROUP, Counter::TxGroup),
    (uapi::VNIC_A_STATS_RX_DROP_DOWN, Counter::RxDropDown),
    (uapi::VNIC_A_STATS_RX_DROP_TOO_LONG, Counter::RxDropTooLong),
    (uapi::VNIC_A_STATS_RX_DROP_BACKLOG, Counter::RxDropBacklog),
    (uapi::VNIC_A_STATS_RX_DROP_NOMEM, Counter::RxDropNoMemory),
    (uapi::VNIC_A_STATS_TX_DROP_SHORT, Counter::TxDropShort),
    (uapi::VNIC_A_STATS_TX_DROP_MISS, Counter::TxDropMiss),
    (uapi::VNIC_A_STATS_TX_DROP_UPLINK, Counter::TxDropUplink),
    (uapi::VNIC_A_STATS_TX_DROP_FANOUT, Counter::TxDropFanout),
    (uapi::VNIC_A_STATS_TX_DROP_NOMEM, Counter::TxDropNoMemory),
    (uapi::VNIC_A_STATS_TX_DROP_REFUSED, Counter::TxDropRefused),
];

/// Tells what a VNIC counted.
pub(super) fn stats(dev: &Dev<Vnic>, message: &mut Message<'_>) -> Result {
    let sums = dev.data().counters().sums(dev);
    message.put_uint(uapi::VNIC_A_STATS_ID, dev.data().id())?;
    for (attr, counter) in STATS {
        message.put_uint(attr, sums.get(counter))?;
    }
    Ok(())
}
