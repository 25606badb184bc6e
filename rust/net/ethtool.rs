// SPDX-License-Identifier: GPL-2.0

//! ethtool: what a device of ours tells about itself.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use crate::net::ops::Operations;
use vnic_bindings as bindings;

/// `struct ethtool_ops`.
pub(crate) type Table = bindings::ethtool_ops;

/// Makes the C table of `T`.
pub(crate) const fn table<T: Operations>() -> Table {
    // SAFETY: A table of optional functions, pointers and integers: zero is a value.
    let mut ops: Table = unsafe { core::mem::MaybeUninit::zeroed().assume_init() };
    ops.get_link = Some(bindings::ethtool_op_get_link);
    ops
}
