// SPDX-License-Identifier: GPL-2.0

//! Virtual NICs for containers and virtual machines.
//!
//! What the module registers, in the order in which it is taken down.

#![crate_name = "vnic"]

mod config;
mod link;
mod logic;
mod net;
mod pool;
mod switch;
mod vnic;

use crate::net::{
    flow,
    genl,
    inetaddr,
    netns,
    notifier,
    rtnl_link, //
};
use config::{
    database,
    request,
    Family, //
};
use kernel::prelude::*;

module! {
    type: Module,
    name: "vnic",
    authors: ["The vnic developers"],
    description: "Virtual NICs with their own switch, for containers and virtual machines",
    license: "GPL",
    alias: ["rtnl-link-vnic", "rtnl-link-etherstub", "net-pf-16-proto-16-family-vnic"],
}

/// Everything that is registered. Dropped from the first field to the last: the kinds go first and
/// take their devices along, while events are still delivered.
#[pin_data]
struct Module {
    #[pin]
    vnic: rtnl_link::Registration<vnic::Vnic>,
    #[pin]
    etherstub: rtnl_link::Registration<link::etherstub::Etherstub>,
    #[pin]
    validator: inetaddr::Registration<request::Validator>,
    advertised: inetaddr::Advertised,
    #[pin]
    events: notifier::Registration<link::events::Events>,
    family: genl::Registration,
    namespaces: netns::Registration,
    database: database::Guard,
    flows: flow::Guard,
    pools: pool::Guard,
}

impl kernel::InPlaceModule for Module {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // Made in this order: the kinds last, so that no device exists before we hear of events.
        try_pin_init!(Self {
            pools: pool::Guard::new()?,
            flows: flow::Guard,
            database: database::Guard,
            namespaces: netns::Registration::new()?,
            family: genl::Registration::new()?,
            events <- notifier::Registration::new(),
            advertised: inetaddr::Advertised::new()?,
            validator <- inetaddr::Registration::new(),
            etherstub <- rtnl_link::Registration::new(),
            vnic <- rtnl_link::Registration::new(),
        })
    }
}
