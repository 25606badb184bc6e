// SPDX-License-Identifier: GPL-2.0

//! Property tests of the module's pure logic, on the host.

// The module uses what no test does, and the other way round.
#[allow(dead_code)]
#[path = "../../mod.rs"]
mod logic;

mod addr;
mod cpus;
mod flow;
mod mtu;
mod permission;
mod pool;
mod rate;
mod share;
mod sort;
mod table;
mod vlan;
