// SPDX-License-Identifier: GPL-2.0

//! Constants of the user-space interface: `include/uapi/linux/vnic_link.h` and the core's.

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
    IFLA_VNIC_VLAN, //
};

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
