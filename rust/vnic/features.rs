// SPDX-License-Identifier: GPL-2.0

//! Offloads of a VNIC: what the lower device has, and what software does anyhow. The core lets every
//! device switch GRO.

use super::Vnic;
use crate::{
    config::request,
    logic::permission::{
        Param,
        Value, //
    },
    net::{
        netdev::{
            features,
            Dev,
            FeatureSet,
            Features,
            NetDev, //
        },
        netlink::Extack,
        rtnl::Rtnl, //
    },
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
        features: (lower.features() & POSSIBLE)
            | ALWAYS
            | features::GRO
            | features::HW_VLAN_CTAG_FILTER,
        changeable: features::LRO,
        vlan: (lower.vlan_features() & POSSIBLE) | (ALWAYS & !features::HW_VLAN_CTAG_TX),
    }
}

/// What is asked for, without changes that are denied.
pub(super) fn permitted(dev: &Dev<Vnic>, wanted: Features, rtnl: Rtnl<'_>) -> Features {
    let (data, asked) = (dev.data(), dev.wanted_features(rtnl));
    if !data.is_announced(rtnl) || asked == data.record(rtnl).features {
        return wanted;
    }
    let value = Value::Number(1);
    match request::ask(dev, Param::Features, value, &mut Extack::none(), rtnl) {
        Ok(()) => {
            data.update_record(rtnl, |record| record.features = asked);
            wanted
        }
        Err(_) => dev.refuse_features(wanted, data.record(rtnl).features, rtnl),
    }
}

/// Corrects what was asked for (macvlan_fix_features()).
pub(super) fn fix(lower: &NetDev, wanted: Features) -> Features {
    let wanted = wanted | features::ALL_FOR_ALL;
    let below = lower.features() & (wanted | !features::LRO);
    let merged = features::increment(below, wanted, wanted);
    // What the lower device does not merge, the VNIC's rings do.
    let merging = wanted & features::GRO;
    (merged | ALWAYS | merging | features::HW_VLAN_CTAG_FILTER) & POSSIBLE
}
