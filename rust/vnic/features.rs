// SPDX-License-Identifier: GPL-2.0

//! Offloads of a VNIC: what the lower device has, and what software does anyhow.

use crate::net::netdev::{
    features,
    FeatureSet,
    Features,
    NetDev, //
};

/// Always on: between VNICs nothing is left to do, and for the wire the core does it.
const ALWAYS: Features = features::SG
    | features::HW_CSUM
    | features::GSO_SOFTWARE
    | features::GSO_ENCAP_ALL
    | features::GSO_ROBUST
    | features::HW_VLAN_CTAG_TX;

/// What a VNIC can have: the above, and some of the lower's.
const POSSIBLE: Features = ALWAYS
    | features::HIGHDMA
    | features::FRAGLIST
    | features::LRO
    | features::GRO
    | features::RXCSUM
    | features::HW_VLAN_CTAG_RX
    | features::HW_VLAN_CTAG_FILTER;

/// Of a new VNIC on `lower`.
pub(super) fn of_new(lower: &NetDev) -> FeatureSet {
    FeatureSet {
        features: (lower.features() & POSSIBLE) | ALWAYS | features::HW_VLAN_CTAG_FILTER,
        changeable: features::LRO,
        vlan: (lower.vlan_features() & POSSIBLE) | (ALWAYS & !features::HW_VLAN_CTAG_TX),
    }
}

/// Corrects what was asked for (macvlan_fix_features()).
pub(super) fn fix(lower: &NetDev, wanted: Features) -> Features {
    let wanted = wanted | features::ALL_FOR_ALL;
    let below = lower.features() & (wanted | !features::LRO);
    let merged = features::increment(below, wanted, wanted);
    (merged | ALWAYS | features::HW_VLAN_CTAG_FILTER) & POSSIBLE
}
