// SPDX-License-Identifier: GPL-2.0

//! What messages say of links and VNICs.

use super::database::{
    self,
    Absent,
    Denial, //
};
use crate::{
    logic::{
        flow::Prefix,
        permission::{
            Asker,
            Entry,
            Permits,
            Scope,
            Subject,
            SubjectName,
            Value, //
        },
    },
    net::{
        counters::Counter,
        flow::Flow,
        netdev::{
            Dev,
            Name,
            Net, //
        },
        netlink::Message,
        rtnl::Rtnl,
        uapi, //
    },
    pool::{
        self,
        Pool, //
    },
    switch::Switch,
    vnic::{
        Kinds,
        Limits,
        RingSettings,
        Vnic, //
    },
};
use kernel::prelude::*;

/// Describes a link, in its own namespace.
pub(super) fn link(switch: &Switch, rtnl: Rtnl<'_>, message: &mut Message<'_>) -> Result {
    let lower = switch.lower();
    let kind = if switch.is_stub() {
        uapi::VNIC_LINK_KIND_ETHERSTUB
    } else {
        uapi::VNIC_LINK_KIND_NIC
    };
    message.put_u32(uapi::VNIC_A_LINK_IFINDEX, lower.ifindex().unsigned_abs())?;
    message.put_name(uapi::VNIC_A_LINK_IFNAME, lower.name())?;
    message.put_u32(uapi::VNIC_A_LINK_KIND, kind)?;
    message.put_u8(uapi::VNIC_A_LINK_HOST, switch.host().into())?;
    message.put_u32(uapi::VNIC_A_LINK_FILTER, switch.filter().into())?;
    message.put_u32(uapi::VNIC_A_LINK_VNICS, switch.vnic_count())?;
    message.put_uint(
        uapi::VNIC_A_LINK_GENERATION,
        database::generation(switch.lower().net(), rtnl),
    )?;
    match switch.maxbw(rtnl) {
        0 => Ok(()),
        bits => message.put_uint(uapi::VNIC_A_LINK_MAXBW, bits),
    }
}

/// Describes a VNIC as the namespace `viewer` sees it.
pub(super) fn vnic(
    dev: &Dev<Vnic>,
    viewer: Net<'_>,
    rtnl: Rtnl<'_>,
    message: &mut Message<'_>,
) -> Result {
    let data = dev.data();
    let lower = data.lower();
    message.put_uint(uapi::VNIC_A_ID, data.id())?;
    if lower.net() == viewer {
        message.put_u32(uapi::VNIC_A_LINK, lower.ifindex().unsigned_abs())?;
        message.put_name(uapi::VNIC_A_LINK_NAME, lower.name())?;
    }
    message.put_u32(uapi::VNIC_A_IFINDEX, dev.ifindex().unsigned_abs())?;
    message.put_name(uapi::VNIC_A_IFNAME, dev.name())?;
    if dev.net() != viewer {
        message.put_i32(uapi::VNIC_A_NETNS_ID, viewer.id_of(dev.net()))?;
    }
    message.put_u16(uapi::VNIC_A_VLAN, data.vid())?;
    message.put_mac(uapi::VNIC_A_ADDRESS, dev.address())?;
    message.put_u32(uapi::VNIC_A_MTU, dev.mtu())?;
    message.put_u8(uapi::VNIC_A_UP, dev.is_up().into())?;
    message.put_u32(
        uapi::VNIC_A_PROMISC_MODE,
        data.promisc().map_or(0, |promisc| promisc as u32),
    )?;
    rings(data.ring_settings(rtnl), message)?;
    limits(data.limits(rtnl), &Kinds::VNIC, message)?;
    message.put_u32(uapi::VNIC_A_RINGS, dev.rx_queues(rtnl))?;
    if let Some(queue) = data.hw_queue(rtnl) {
        message.put_u32(uapi::VNIC_A_HW_QUEUE, queue.into())?;
    }
    if let Some(pool) = data.pool(rtnl) {
        message.put_name(uapi::VNIC_A_POOL, pool.name())?;
    }
    let record = data.record(rtnl);
    if record.owner != dev.net().cookie() {
        message.put_i32(uapi::VNIC_A_OWNER_ID, viewer.id_of_cookie(record.owner))?;
    }
    message.put_uint(uapi::VNIC_A_DENIED, record.denied)?;
    message.put_mac(uapi::VNIC_A_DEFAULT_ADDRESS, record.default_address)?;
    match record.default_mtu {
        Some(mtu) => message.put_u32(uapi::VNIC_A_DEFAULT_MTU, mtu),
        None => Ok(()),
    }
}

/// Describes what is kept of a VNIC that is gone, in the namespace of its link.
pub(super) fn absent(absent: &Absent, viewer: Net<'_>, message: &mut Message<'_>) -> Result {
    let record = &absent.record;
    message.put_uint(uapi::VNIC_A_ID, absent.id)?;
    message.put_flag(uapi::VNIC_A_ABSENT)?;
    if absent.link != 0 {
        message.put_u32(uapi::VNIC_A_LINK, absent.link)?;
    }
    message.put_name(uapi::VNIC_A_LINK_NAME, absent.link_name)?;
    message.put_name(uapi::VNIC_A_IFNAME, absent.name)?;
    message.put_i32(uapi::VNIC_A_OWNER_ID, viewer.id_of_cookie(record.owner))?;
    message.put_u16(uapi::VNIC_A_VLAN, absent.vid)?;
    message.put_mac(uapi::VNIC_A_ADDRESS, record.default_address)?;
    message.put_u32(uapi::VNIC_A_MTU, record.mtu)?;
    if let Some(promisc) = absent.promisc {
        message.put_u32(uapi::VNIC_A_PROMISC_MODE, promisc as u32)?;
    }
    rings(absent.rings, message)?;
    limits(absent.limits, &Kinds::VNIC, message)?;
    if absent.pool != Name::NONE {
        message.put_name(uapi::VNIC_A_POOL, absent.pool)?;
    }
    message.put_uint(uapi::VNIC_A_DENIED, record.denied)?;
    message.put_mac(uapi::VNIC_A_DEFAULT_ADDRESS, record.default_address)?;
    match record.default_mtu {
        Some(mtu) => message.put_u32(uapi::VNIC_A_DEFAULT_MTU, mtu),
        None => Ok(()),
    }
}

fn rings(settings: RingSettings, message: &mut Message<'_>) -> Result {
    message.put_u32(uapi::VNIC_A_POLL, settings.poll as u32)?;
    message.put_u32(uapi::VNIC_A_RING_SIZE, settings.size)?;
    if !settings.cpus.is_empty() {
        message.put_text(uapi::VNIC_A_CPUS, settings.cpus)?;
    }
    message.put_u32(uapi::VNIC_A_HW_RINGS, settings.hw as u32)
}

fn limits(limits: Limits, kinds: &Kinds, message: &mut Message<'_>) -> Result {
    limits.put(kinds, message)?;
    message.put_u32(kinds.priority(), limits.priority as u32)
}

/// A subject's name without what fills it up, with the zero at its end.
fn with_nul(name: &SubjectName) -> &[u8] {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(31);
    name.get(..=end).unwrap_or(&[])
}

fn subject(subject: &Subject, viewer: Net<'_>, message: &mut Message<'_>) -> Result {
    const KIND: u32 = uapi::VNIC_A_POLICY_SUBJECT;
    match subject {
        Subject::Owner => message.put_u32(KIND, uapi::VNIC_SUBJECT_OWNER),
        Subject::Netns(cookie) => {
            message.put_u32(KIND, uapi::VNIC_SUBJECT_NETNS)?;
            message.put_uint(uapi::VNIC_A_POLICY_NETNS_COOKIE, *cookie)?;
            message.put_i32(uapi::VNIC_A_POLICY_NETNS_ID, viewer.id_of_cookie(*cookie))
        }
        Subject::User(user) => {
            message.put_u32(KIND, uapi::VNIC_SUBJECT_USER)?;
            message.put_u32(uapi::VNIC_A_POLICY_USER, *user)
        }
        Subject::Name(name) => {
            message.put_u32(KIND, uapi::VNIC_SUBJECT_NAME)?;
            message.put_bytes(uapi::VNIC_A_POLICY_NAME, with_nul(name))
        }
    }
}

/// Describes a policy as the namespace `viewer` sees it.
pub(super) fn policy(entry: &Entry, viewer: Net<'_>, message: &mut Message<'_>) -> Result {
    let policy = &entry.policy;
    message.put_uint(uapi::VNIC_A_POLICY_ID, policy.id)?;
    match entry.scope {
        Scope::BuiltIn => message.put_flag(uapi::VNIC_A_POLICY_BUILT_IN)?,
        Scope::Link(_, index) => message.put_u32(uapi::VNIC_A_POLICY_LINK, index)?,
        Scope::Vnic(id) => message.put_uint(uapi::VNIC_A_POLICY_VNIC, id)?,
        Scope::Lost(_, name) => message.put_name(uapi::VNIC_A_POLICY_LINK_NAME, Name::of(name))?,
        Scope::Host | Scope::Moving => {}
    }
    subject(&policy.subject, viewer, message)?;
    message.put_u32(uapi::VNIC_A_POLICY_PARAM, policy.param as u32)?;
    match &policy.permits {
        Permits::Anything => {}
        Permits::Nothing => message.put_flag(uapi::VNIC_A_POLICY_NOTHING)?,
        Permits::Range(min, max) => {
            message.put_uint(uapi::VNIC_A_POLICY_FROM, *min)?;
            message.put_uint(uapi::VNIC_A_POLICY_TO, *max)?;
        }
        Permits::Prefix(prefix, bits) => {
            message.put_bytes(uapi::VNIC_A_POLICY_PREFIX, prefix.bytes())?;
            message.put_u8(uapi::VNIC_A_POLICY_PREFIX_LEN, *bits)?;
        }
    }
    match policy.quota {
        Some(quota) => message.put_u32(uapi::VNIC_A_POLICY_QUOTA, quota),
        None => Ok(()),
    }
}

/// Describes who asked.
fn asker(asker: &Asker, viewer: Net<'_>, message: &mut Message<'_>) -> Result {
    let kind = match asker {
        Asker { name: Some(_), .. } => uapi::VNIC_SUBJECT_NAME,
        Asker { owner: true, .. } => uapi::VNIC_SUBJECT_OWNER,
        Asker { netns: Some(_), .. } => uapi::VNIC_SUBJECT_NETNS,
        _ => uapi::VNIC_SUBJECT_USER,
    };
    message.put_u32(uapi::VNIC_A_REQUEST_SUBJECT, kind)?;
    if asker.kernel {
        message.put_flag(uapi::VNIC_A_REQUEST_KERNEL)?;
    }
    if let Some(cookie) = asker.netns {
        message.put_uint(uapi::VNIC_A_REQUEST_NETNS_COOKIE, cookie)?;
        message.put_i32(uapi::VNIC_A_REQUEST_NETNS_ID, viewer.id_of_cookie(cookie))?;
    }
    if let Some(user) = asker.user {
        message.put_u32(uapi::VNIC_A_REQUEST_USER, user)?;
    }
    match &asker.name {
        Some(name) => message.put_bytes(uapi::VNIC_A_REQUEST_NAME, with_nul(name)),
        None => Ok(()),
    }
}

/// Describes a denied request to the namespace of the link.
pub(super) fn denial(denial: &Denial, viewer: Net<'_>, message: &mut Message<'_>) -> Result {
    message.put_uint(uapi::VNIC_A_REQUEST_SERIAL, denial.serial)?;
    if let Some((id, index, name)) = denial.vnic {
        message.put_uint(uapi::VNIC_A_REQUEST_VNIC, id)?;
        message.put_u32(uapi::VNIC_A_REQUEST_IFINDEX, index)?;
        message.put_name(uapi::VNIC_A_REQUEST_IFNAME, name)?;
    }
    message.put_u32(uapi::VNIC_A_REQUEST_LINK, denial.link)?;
    message.put_u32(uapi::VNIC_A_REQUEST_PARAM, denial.param as u32)?;
    match &denial.value {
        Value::Number(number) => message.put_uint(uapi::VNIC_A_REQUEST_NUMBER, *number)?,
        Value::Address(addr) => message.put_bytes(uapi::VNIC_A_REQUEST_BYTES, addr.bytes())?,
    }
    asker(&denial.asker, viewer, message)?;
    match denial.policy {
        Some(policy) => message.put_uint(uapi::VNIC_A_REQUEST_POLICY, policy),
        None => Ok(()),
    }
}

/// Describes a pool.
pub(super) fn pool(pool: &Pool, rtnl: Rtnl<'_>, message: &mut Message<'_>) -> Result {
    let state = pool.state(rtnl);
    message.put_name(uapi::VNIC_A_POOL_NAME, pool.name())?;
    message.put_uint(uapi::VNIC_A_POOL_LIMIT, pool.limit(rtnl))?;
    message.put_u32(uapi::VNIC_A_POOL_THRESHOLD, pool.threshold())?;
    message.put_u32(uapi::VNIC_A_POOL_VNICS, pool.members())?;
    message.put_uint(uapi::VNIC_A_POOL_USED, state.used)?;
    message.put_uint(uapi::VNIC_A_POOL_WAITING, state.waiting)?;
    message.put_uint(uapi::VNIC_A_POOL_HIGH_WATER, state.most)?;
    message.put_u32(uapi::VNIC_A_POOL_RING_BYTES, pool.ring_bytes())?;
    message.put_uint(uapi::VNIC_A_POOL_WAITS, state.waits)?;
    message.put_uint(uapi::VNIC_A_POOL_WAITED, state.waited)?;
    message.put_uint(uapi::VNIC_A_POOL_TOO_LONG, state.too_long)
}

/// Describes the host pool.
pub(super) fn host_pool(rtnl: Rtnl<'_>, message: &mut Message<'_>) -> Result {
    let pools = u32::try_from(pool::count(rtnl))?;
    message.put_flag(uapi::VNIC_A_POOL_HOST)?;
    message.put_uint(uapi::VNIC_A_POOL_LIMIT, pool::host_size(rtnl))?;
    message.put_uint(uapi::VNIC_A_POOL_USED, pool::allocated(rtnl))?;
    message.put_uint(uapi::VNIC_A_POOL_DRAINING, pool::draining(rtnl))?;
    message.put_u32(uapi::VNIC_A_POOL_POOLS, pools)
}

/// Describes what a ring of a VNIC dropped.
pub(super) fn overflow(
    dev: &Dev<Vnic>,
    (ring, packets): (u16, u32),
    pool: &Pool,
    message: &mut Message<'_>,
) -> Result {
    message.put_uint(uapi::VNIC_A_OVERFLOW_VNIC, dev.data().id())?;
    message.put_u32(uapi::VNIC_A_OVERFLOW_IFINDEX, dev.ifindex().unsigned_abs())?;
    message.put_name(uapi::VNIC_A_OVERFLOW_IFNAME, dev.name())?;
    message.put_u32(uapi::VNIC_A_OVERFLOW_RING, ring.into())?;
    message.put_uint(uapi::VNIC_A_OVERFLOW_PACKETS, packets.into())?;
    message.put_name(uapi::VNIC_A_OVERFLOW_POOL, pool.name())
}

fn prefix(prefix: Option<Prefix>, (ip, len): (u32, u32), message: &mut Message<'_>) -> Result {
    match prefix {
        Some(prefix) => {
            message.put_bytes(ip, prefix.address.bytes())?;
            message.put_u8(len, prefix.bits)
        }
        None => Ok(()),
    }
}

/// Describes a flow of a VNIC, and tells what it counted.
pub(super) fn flow(
    dev: &Dev<Vnic>,
    flow: &Flow,
    rtnl: Rtnl<'_>,
    message: &mut Message<'_>,
) -> Result {
    const LOCAL: (u32, u32) = (uapi::VNIC_A_FLOW_LOCAL_IP, uapi::VNIC_A_FLOW_LOCAL_IP_LEN);
    const REMOTE: (u32, u32) = (uapi::VNIC_A_FLOW_REMOTE_IP, uapi::VNIC_A_FLOW_REMOTE_IP_LEN);
    let (spec, stats) = (flow.spec(), flow.stats(rtnl));
    let matching = &spec.matching;
    message.put_uint(uapi::VNIC_A_FLOW_VNIC, dev.data().id())?;
    message.put_uint(uapi::VNIC_A_FLOW_ID, flow.id())?;
    message.put_bytes(uapi::VNIC_A_FLOW_NAME, spec.name.with_nul())?;
    message.put_u32(uapi::VNIC_A_FLOW_RANK, spec.rank)?;
    for (kind, value) in [
        (uapi::VNIC_A_FLOW_ETHERTYPE, matching.ethertype),
        (uapi::VNIC_A_FLOW_LOCAL_PORT, matching.local_port),
        (uapi::VNIC_A_FLOW_REMOTE_PORT, matching.remote_port),
        (uapi::VNIC_A_FLOW_RING, spec.ring),
    ] {
        value.map_or(Ok(()), |value| message.put_u16(kind, value))?;
    }
    for (kind, value) in [
        (uapi::VNIC_A_FLOW_PROTOCOL, matching.protocol),
        (uapi::VNIC_A_FLOW_DSCP, matching.dscp),
    ] {
        value.map_or(Ok(()), |value| message.put_u8(kind, value))?;
    }
    prefix(matching.local_ip, LOCAL, message)?;
    prefix(matching.remote_ip, REMOTE, message)?;
    for (kind, value) in [
        (uapi::VNIC_A_FLOW_RX_PACKETS, stats.rx_packets),
        (uapi::VNIC_A_FLOW_RX_BYTES, stats.rx_bytes),
        (uapi::VNIC_A_FLOW_TX_PACKETS, stats.tx_packets),
        (uapi::VNIC_A_FLOW_TX_BYTES, stats.tx_bytes),
        (uapi::VNIC_A_FLOW_RX_DROPS, stats.rx_drops),
        (uapi::VNIC_A_FLOW_TX_DROPS, stats.tx_drops),
    ] {
        message.put_uint(kind, value)?;
    }
    limits(flow.limits(rtnl), &Kinds::FLOW, message)
}

/// The attributes that carry a VNIC's counters.
const STATS: [(u32, Counter); 28] = [
    (uapi::VNIC_A_STATS_RX_PACKETS, Counter::RxPackets),
    (uapi::VNIC_A_STATS_RX_BYTES, Counter::RxBytes),
    (uapi::VNIC_A_STATS_RX_LOCAL, Counter::RxLocal),
    (uapi::VNIC_A_STATS_RX_GROUP, Counter::RxGroup),
    (uapi::VNIC_A_STATS_TX_PACKETS, Counter::TxPackets),
    (uapi::VNIC_A_STATS_TX_BYTES, Counter::TxBytes),
    (uapi::VNIC_A_STATS_TX_LOCAL, Counter::TxLocal),
    (uapi::VNIC_A_STATS_TX_GROUP, Counter::TxGroup),
    (uapi::VNIC_A_STATS_RX_DROP_DOWN, Counter::RxDropDown),
    (uapi::VNIC_A_STATS_RX_DROP_TOO_LONG, Counter::RxDropTooLong),
    (uapi::VNIC_A_STATS_RX_DROP_BACKLOG, Counter::RxDropBacklog),
    (uapi::VNIC_A_STATS_RX_DROP_NOMEM, Counter::RxDropNoMemory),
    (uapi::VNIC_A_STATS_TX_DROP_SHORT, Counter::TxDropShort),
    (uapi::VNIC_A_STATS_TX_DROP_MISS, Counter::TxDropMiss),
    (uapi::VNIC_A_STATS_TX_DROP_UPLINK, Counter::TxDropUplink),
    (uapi::VNIC_A_STATS_TX_DROP_FANOUT, Counter::TxDropFanout),
    (uapi::VNIC_A_STATS_TX_DROP_NOMEM, Counter::TxDropNoMemory),
    (uapi::VNIC_A_STATS_TX_DROP_REFUSED, Counter::TxDropRefused),
    (uapi::VNIC_A_STATS_RX_QUEUED, Counter::RxQueued),
    (uapi::VNIC_A_STATS_RX_TO_RING, Counter::RxToRing),
    (uapi::VNIC_A_STATS_RX_DROP_RING, Counter::RxDropRing),
    (uapi::VNIC_A_STATS_RX_DROP_POOL, Counter::RxDropPool),
    (uapi::VNIC_A_STATS_RX_PARKED, Counter::RxParked),
    (uapi::VNIC_A_STATS_RX_WAITED, Counter::RxWaited),
    (uapi::VNIC_A_STATS_RX_DROP_LIMIT, Counter::RxDropLimit),
    (uapi::VNIC_A_STATS_TX_WAITED, Counter::TxWaited),
    (uapi::VNIC_A_STATS_TX_DROP_LIMIT, Counter::TxDropLimit),
    (uapi::VNIC_A_STATS_TX_DROP_DOWN, Counter::TxDropDown),
];

/// Tells what a VNIC counted.
pub(super) fn stats(dev: &Dev<Vnic>, message: &mut Message<'_>) -> Result {
    let sums = dev.data().counters().sums(dev);
    message.put_uint(uapi::VNIC_A_STATS_ID, dev.data().id())?;
    for (attr, counter) in STATS {
        message.put_uint(attr, sums.get(counter))?;
    }
    Ok(())
}
