// SPDX-License-Identifier: GPL-2.0

//! Pure logic: no kernel, no unsafe code.
//!
//! These files are compiled into the module and, unchanged, into a host crate whose tests are
//! property tests (`make check`).

pub(crate) mod addr;
pub(crate) mod cpus;
pub(crate) mod flow;
pub(crate) mod mtu;
pub(crate) mod permission;
pub(crate) mod pool;
pub(crate) mod rate;
pub(crate) mod share;
pub(crate) mod sort;
pub(crate) mod table;
pub(crate) mod vlan;
