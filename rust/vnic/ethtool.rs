// SPDX-License-Identifier: GPL-2.0

//! What ethtool shows of a VNIC: its rings; speed and time stamps are those of its link.

use super::{
    RingSettings,
    Vnic, //
};
use crate::net::{
    ethtool::{
        Ethtool,
        LinkSettings,
        Timestamping, //
    },
    netdev::Dev,
    netlink::Extack,
    rtnl::Rtnl, //
};
use kernel::prelude::*;

impl Ethtool for Vnic {
    fn link_settings(dev: &Dev<Self>, settings: &mut LinkSettings<'_>, rtnl: Rtnl<'_>) -> Result {
        settings.copy(dev.data().lower(), rtnl)
    }

    const RING_SIZE_MAX: Option<u32> = Some(*RingSettings::SIZES.end());

    fn ring_size(dev: &Dev<Self>, rtnl: Rtnl<'_>) -> u32 {
        dev.data().ring_settings(rtnl).size
    }

    fn set_ring_size(
        dev: &Dev<Self>,
        size: u32,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let settings = dev.data().ring_settings(rtnl).with_size(size, extack)?;
        Self::ask_rings(dev, settings, extack, rtnl)
    }

    fn set_queues(dev: &Dev<Self>, count: u16, rtnl: Rtnl<'_>) -> Result {
        // The core has no place for a sentence here.
        Self::ask_ring_count(dev, count, &mut Extack::none(), rtnl)
    }

    fn given_by_ring(dev: &Dev<Self>, queue: usize, rtnl: Rtnl<'_>) -> (u64, u64) {
        dev.data().rings().given(queue, rtnl)
    }

    fn timestamping(dev: &Dev<Self>, info: &mut Timestamping<'_>, rtnl: Rtnl<'_>) -> Result {
        info.copy(dev.data().lower(), rtnl)
    }
}
