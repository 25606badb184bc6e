// SPDX-License-Identifier: GPL-2.0

//! What ethtool shows of a VNIC: speed and time stamps are those of its link.

use super::Vnic;
use crate::net::{
    ethtool::{
        Ethtool,
        LinkSettings,
        Timestamping, //
    },
    netdev::Dev,
    rtnl::Rtnl, //
};
use kernel::prelude::*;

impl Ethtool for Vnic {
    fn link_settings(dev: &Dev<Self>, settings: &mut LinkSettings<'_>, rtnl: Rtnl<'_>) -> Result {
        settings.copy(dev.data().lower(), rtnl)
    }

    fn timestamping(dev: &Dev<Self>, info: &mut Timestamping<'_>, rtnl: Rtnl<'_>) -> Result {
        info.copy(dev.data().lower(), rtnl)
    }
}
