// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over the C networking code, named after what they wrap.
//!
//! All unsafe code of the module is here and in the generated bindings. Callbacks run with
//! evidence of their context ([`rtnl::Rtnl`], [`rcu::Rcu`]); owning types undo in `Drop`.

pub(crate) mod chores;
pub(crate) mod counters;
pub(crate) mod deferred;
pub(crate) mod ethtool;
pub(crate) mod flow;
pub(crate) mod genl;
pub(crate) mod hwtstamp;
pub(crate) mod inetaddr;
pub(crate) mod lower;
pub(crate) mod napi;
pub(crate) mod netdev;
pub(crate) mod netfilter;
pub(crate) mod netlink;
pub(crate) mod netns;
pub(crate) mod netpoll;
pub(crate) mod notifier;
pub(crate) mod ops;
pub(crate) mod pages;
pub(crate) mod rcu;
pub(crate) mod ring;
pub(crate) mod rtnl;
pub(crate) mod rtnl_link;
pub(crate) mod rx_handler;
pub(crate) mod sched;
pub(crate) mod shaper;
pub(crate) mod skb;
pub(crate) mod stat_ops;
pub(crate) mod steer;
pub(crate) mod table;
pub(crate) mod uapi;

/// `EOPNOTSUPP`, which the `kernel` crate of 7.2 lacks.
pub(crate) fn eopnotsupp() -> kernel::error::Error {
    kernel::error::Error::from_errno(-(kernel::bindings::EOPNOTSUPP as i32))
}

/// `EADDRNOTAVAIL`, likewise.
pub(crate) fn eaddrnotavail() -> kernel::error::Error {
    kernel::error::Error::from_errno(-(kernel::bindings::EADDRNOTAVAIL as i32))
}

/// Whether a message about what users do may be printed now (`net_ratelimit()`).
pub(crate) fn ratelimit() -> bool {
    // SAFETY: Any context.
    unsafe { vnic_bindings::net_ratelimit() != 0 }
}

/// Monotonic time in ns. Any context.
pub(crate) fn now() -> u64 {
    // SAFETY: Any context.
    unsafe { vnic_bindings::vnic_now() }
}

/// CPUs have numbers below this.
pub(crate) fn cpu_count() -> u32 {
    // SAFETY: Any context.
    unsafe { vnic_bindings::vnic_cpu_count() }
}

/// Whether the calling task has `CAP_NET_ADMIN` over the host, as who places RPS has to. Process context.
pub(crate) fn task_manages_host() -> bool {
    // SAFETY: Process context, where there is a task that asks.
    unsafe { vnic_bindings::vnic_task_manages_host() }
}

/// Bytes of memory that the host has.
pub(crate) fn total_memory() -> u64 {
    // SAFETY: Any context.
    let pages = unsafe { vnic_bindings::vnic_total_pages() };
    pages.saturating_mul(crate::logic::pool::PAGE.into())
}

// What `pr_info!` and its like ask for.
impl kernel::fmt::Display for crate::logic::addr::MacAddr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
