// SPDX-License-Identifier: GPL-2.0

//! Constants of the user-space interface: `include/uapi/linux/vnic_link.h`, `vnic.h`, and the core's.

use vnic_bindings as bindings;

pub(crate) use vnic_bindings::{
    IFLA_ADDRESS,
    IFLA_ETHERSTUB_COUNT,
    IFLA_ETHERSTUB_HOST,
    IFLA_LINK,
    IFLA_MTU,
    IFLA_VNIC_COUNT,
    IFLA_VNIC_FILTER,
    IFLA_VNIC_HOST,
    IFLA_VNIC_PROMISC,
    IFLA_VNIC_VLAN,
    VNIC_A_ADDRESS,
    VNIC_A_ID,
    VNIC_A_IFINDEX,
    VNIC_A_IFNAME,
    VNIC_A_LINK,
    VNIC_A_LINK_FILTER,
    VNIC_A_LINK_HOST,
    VNIC_A_LINK_IFINDEX,
    VNIC_A_LINK_IFNAME,
    VNIC_A_LINK_KIND,
    VNIC_A_LINK_NAME,
    VNIC_A_LINK_VNICS,
    VNIC_A_MTU,
    VNIC_A_NETNS_ID,
    VNIC_A_PROMISC_MODE,
    VNIC_A_STATS_ID,
    VNIC_A_STATS_IFINDEX,
    VNIC_A_STATS_RX_BYTES,
    VNIC_A_STATS_RX_DROP_BACKLOG,
    VNIC_A_STATS_RX_DROP_DOWN,
    VNIC_A_STATS_RX_DROP_NOMEM,
    VNIC_A_STATS_RX_DROP_TOO_LONG,
    VNIC_A_STATS_RX_GROUP,
    VNIC_A_STATS_RX_LOCAL,
    VNIC_A_STATS_RX_PACKETS,
    VNIC_A_STATS_TX_BYTES,
    VNIC_A_STATS_TX_DROP_FANOUT,
    VNIC_A_STATS_TX_DROP_MISS,
    VNIC_A_STATS_TX_DROP_NOMEM,
    VNIC_A_STATS_TX_DROP_REFUSED,
    VNIC_A_STATS_TX_DROP_SHORT,
    VNIC_A_STATS_TX_DROP_UPLINK,
    VNIC_A_STATS_TX_GROUP,
    VNIC_A_STATS_TX_LOCAL,
    VNIC_A_STATS_TX_PACKETS,
    VNIC_A_UP,
    VNIC_A_VLAN, //
};

/// `VNIC_LINK_KIND_NIC`.
pub(crate) const VNIC_LINK_KIND_NIC: u32 = bindings::vnic_link_kind_VNIC_LINK_KIND_NIC;
/// `VNIC_LINK_KIND_ETHERSTUB`.
pub(crate) const VNIC_LINK_KIND_ETHERSTUB: u32 = bindings::vnic_link_kind_VNIC_LINK_KIND_ETHERSTUB;

/// `VNIC_PROMISC_OFF`.
pub(crate) const VNIC_PROMISC_OFF: u8 = bindings::vnic_promisc_VNIC_PROMISC_OFF as u8;
/// `VNIC_PROMISC_OWN`.
pub(crate) const VNIC_PROMISC_OWN: u8 = bindings::vnic_promisc_VNIC_PROMISC_OWN as u8;
/// `VNIC_PROMISC_ALL`.
pub(crate) const VNIC_PROMISC_ALL: u8 = bindings::vnic_promisc_VNIC_PROMISC_ALL as u8;

/// `VNIC_FILTER_NONE`.
pub(crate) const VNIC_FILTER_NONE: u8 = bindings::vnic_filter_VNIC_FILTER_NONE as u8;
/// `VNIC_FILTER_EXACT`.
pub(crate) const VNIC_FILTER_EXACT: u8 = bindings::vnic_filter_VNIC_FILTER_EXACT as u8;
/// `VNIC_FILTER_PROMISC`.
pub(crate) const VNIC_FILTER_PROMISC: u8 = bindings::vnic_filter_VNIC_FILTER_PROMISC as u8;
