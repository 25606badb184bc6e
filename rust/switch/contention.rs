// SPDX-License-Identifier: GPL-2.0

//! What VNICs send to the wire together.

use super::Switch;
use crate::net::rtnl::Rtnl;
use kernel::prelude::*;

impl Switch {
    /// Has packets obey the limit that is set. A failure changes nothing.
    pub(super) fn follow_maxbw(&self, _rtnl: Rtnl<'_>) -> Result {
        Ok(())
    }
}
