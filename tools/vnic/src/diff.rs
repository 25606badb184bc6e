// SPDX-License-Identifier: GPL-2.0

//! What has to be done so that what is there becomes what is wanted. Nothing here asks the kernel.

use crate::{
    attrs,
    document::{
        Wanted,
        WantedLink,
        WantedPool,
        WantedVnic, //
    },
    error::Error,
    flow::Flow,
    limits::{
        rate_text,
        Changes,
        Limits, //
    },
    policy::Policy,
    pool::HOST,
    settings::{
        cpu_word,
        pool_word,
        Settings, //
    },
    state::{
        HasLink,
        HasPools,
        HasVnic,
        Home,
        Numbered,
        State, //
    },
    uapi,
    words::size_text,
};
use std::{
    collections::{
        BTreeSet,
        HashMap,
        HashSet, //
    },
    fmt,
};

/// What a policy is for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// All on the host.
    Host,
    /// A link, by its name.
    Link(String),
    /// A VNIC, by the name of its link and its own.
    Vnic {
        /// The name of the link.
        link: String,
        /// NETNS/NAME, or NAME.
        name: String,
        /// Whether it is not there, one of the same name may be.
        absent: bool,
    },
}

/// One thing that has to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An etherstub has to be made.
    MakeEtherstub {
        /// Its name.
        name: String,
        /// Whether the host reaches its VNICs.
        host: Option<bool>,
    },
    /// What all pools together may have changes.
    HostPool {
        /// Bytes that it will be.
        limit: u64,
        /// Bytes that it was.
        was: u64,
    },
    /// A pool has to be made.
    MakePool {
        /// What it is to be.
        pool: WantedPool,
    },
    /// A pool changes.
    SetPool {
        /// What it will be.
        to: WantedPool,
        /// What it was.
        from: WantedPool,
    },
    /// A pool is deleted.
    DeletePool {
        /// Its name.
        name: String,
    },
    /// A VNIC has to be made.
    MakeVnic {
        /// What it is to be.
        vnic: WantedVnic,
        /// Whether the host reaches the VNICs of its link, if it is the first one there.
        host: Option<bool>,
        /// Whether its configuration is there.
        kept: bool,
    },
    /// Whether host and VNICs of a link reach each other changes.
    Host {
        /// The name of the link.
        link: String,
        /// What it will be.
        on: bool,
    },
    /// What the VNICs of a link may send to the wire changes.
    Maxbw {
        /// The name of the link.
        link: String,
        /// Bits a second; 0 is no limit.
        to: u64,
        /// The same until now.
        was: u64,
    },
    /// A VNIC changes.
    Change {
        /// Its number.
        id: u64,
        /// NETNS/NAME, or NAME.
        name: String,
        /// What changes.
        to: Settings,
        /// What that was before, in words.
        from: String,
    },
    /// A policy is added.
    AddPolicy {
        /// For this.
        scope: Scope,
        /// The policy.
        policy: Policy,
    },
    /// A policy is deleted.
    DeletePolicy {
        /// Its number.
        id: u64,
        /// What it was for.
        scope: Scope,
        /// The policy.
        policy: Policy,
    },
    /// A flow is added to a VNIC.
    AddFlow {
        /// The VNIC.
        scope: Scope,
        /// The flow.
        flow: Flow,
    },
    /// The limits of a flow change.
    SetFlow {
        /// The VNIC.
        scope: Scope,
        /// The name of the flow.
        name: String,
        /// What they become.
        to: Changes,
        /// What they were, in words.
        from: String,
    },
    /// A flow of a VNIC is deleted.
    DeleteFlow {
        /// The VNIC.
        scope: Scope,
        /// The flow.
        flow: Flow,
    },
    /// A VNIC is deleted.
    Delete {
        /// Its number.
        id: u64,
        /// NETNS/NAME, or NAME.
        name: String,
    },
    /// Nothing can be done about it.
    Skip {
        /// Why.
        why: String,
    },
}

impl Step {
    /// The character that it begins with when it is printed.
    pub fn sign(&self) -> &'static str {
        match self {
            Self::MakeEtherstub { .. }
            | Self::MakePool { .. }
            | Self::MakeVnic { .. }
            | Self::AddPolicy { .. }
            | Self::AddFlow { .. } => "+",
            Self::Host { .. }
            | Self::Maxbw { .. }
            | Self::Change { .. }
            | Self::SetFlow { .. }
            | Self::HostPool { .. }
            | Self::SetPool { .. } => "~",
            Self::DeletePolicy { .. }
            | Self::DeleteFlow { .. }
            | Self::Delete { .. }
            | Self::DeletePool { .. } => "-",
            Self::Skip { .. } => "#",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Link(name) => write!(f, "link {name}"),
            Self::Vnic { name, .. } => f.write_str(name),
        }
    }
}

fn on_off(on: bool) -> &'static str {
    if on {
        "on"
    } else {
        "off"
    }
}

/// Settings in the words of the command line.
fn settings_words(settings: &Settings) -> String {
    let mode = settings.promisc.map(usize::from);
    let mode = mode.and_then(|mode| uapi::PROMISC.get(mode));
    let way = settings.poll.map(usize::from);
    let way = way.and_then(|way| uapi::POLL.get(way));
    let hw_rings = settings.hw_rings.map(usize::from);
    let hw_rings = hw_rings.and_then(|mode| uapi::HW_RINGS.get(mode));
    let words = [
        settings.vlan.map(|vlan| format!("vlan {vlan}")),
        settings
            .address
            .map(|bytes| format!("address {}", attrs::mac(&bytes))),
        settings.mtu.map(|mtu| format!("mtu {mtu}")),
        mode.map(|mode| format!("promisc {mode}")),
        way.map(|way| format!("poll {way}")),
        settings.ring_size.map(|size| format!("ring-size {size}")),
        settings
            .pool
            .as_deref()
            .map(|pool| format!("pool {}", pool_word(pool))),
        settings
            .cpus
            .as_deref()
            .map(|cpus| format!("cpus {}", cpu_word(cpus))),
        hw_rings.map(|mode| format!("hw-rings {mode}")),
        Some(settings.limits.words()).filter(|words| !words.is_empty()),
        settings
            .up
            .map(|up| if up { "up" } else { "down" }.to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A pool in the words of the command line.
fn pool_words(pool: &WantedPool) -> String {
    let limit = size_text(pool.limit);
    format!("limit {limit} threshold {}", pool.threshold)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |host: Option<bool>| {
            host.map_or_else(String::new, |on| format!(" host {}", on_off(on)))
        };
        match self {
            Self::MakeEtherstub { name, host: on } => write!(f, "etherstub {name}{}", host(*on)),
            Self::MakeVnic {
                vnic,
                host: on,
                kept,
            } => {
                let words = settings_words(&Settings {
                    address: vnic.address,
                    mtu: vnic.mtu,
                    promisc: vnic.promisc,
                    poll: vnic.poll,
                    ring_size: vnic.ring_size,
                    pool: vnic.pool.clone().filter(|pool| !pool.is_empty()),
                    cpus: vnic.cpus.clone().filter(|cpus| !cpus.is_empty()),
                    hw_rings: vnic.hw_rings.filter(|mode| *mode != 0),
                    limits: vnic.new_limits(),
                    up: vnic.up,
                    netns: None,
                    vlan: Some(vnic.vlan).filter(|vlan| *vlan != 0),
                });
                let kept = if *kept { ", absent until now" } else { "" };
                let (name, link) = (vnic.full_name(), &vnic.link);
                let words = if words.is_empty() {
                    words
                } else {
                    format!(" {words}")
                };
                write!(f, "vnic {name} link {link}{}{words}{kept}", host(*on))
            }
            Self::HostPool { limit, was } => {
                let (limit, was) = (size_text(*limit), size_text(*was));
                write!(f, "pool {HOST} limit {limit}, was limit {was}")
            }
            Self::MakePool { pool } => write!(f, "pool {} {}", pool.name, pool_words(pool)),
            Self::SetPool { to, from } => {
                let (name, to, from) = (&to.name, pool_words(to), pool_words(from));
                write!(f, "pool {name} {to}, was {from}")
            }
            Self::DeletePool { name } => write!(f, "pool {name}"),
            Self::Host { link, on } => write!(f, "link {link} host {}", on_off(*on)),
            Self::Maxbw { link, to, was } => {
                let (to, was) = (rate_text(*to), rate_text(*was));
                write!(f, "link {link} maxbw {to}, was maxbw {was}")
            }
            Self::SetFlow {
                scope,
                name,
                to,
                from,
            } => write!(f, "flow {scope} {name} {}, was {from}", to.words()),
            Self::Change { name, to, from, .. } => {
                write!(f, "vnic {name} {}, was {from}", settings_words(to))
            }
            Self::AddPolicy { scope, policy } => write!(f, "policy {scope} {policy}"),
            Self::DeletePolicy { id, scope, policy } => {
                write!(f, "policy {scope} {policy}, number {id}")
            }
            Self::AddFlow { scope, flow } | Self::DeleteFlow { scope, flow } => {
                write!(f, "flow {scope} {flow}")
            }
            Self::Delete { id, name } => write!(f, "vnic {name}, number {id}"),
            Self::Skip { why } => f.write_str(why),
        }
    }
}

/// Devices of this namespace by their names, with their kinds; of the links that a document names.
pub type Devices = HashMap<String, Option<String>>;

/// Where VNICs are that are there, to find them by what a document says.
struct Index<'a> {
    /// By the device's own name, on each link.
    by_link: HashMap<(&'a str, &'a str), Vec<&'a HasVnic>>,
    /// By where they are.
    by_home: HashMap<(Option<&'a str>, &'a str), Vec<&'a HasVnic>>,
}

impl<'a> Index<'a> {
    fn of(state: &'a State) -> Self {
        let (mut by_link, mut by_home) = (HashMap::new(), HashMap::new());
        for vnic in &state.vnics {
            let name = vnic.name.as_str();
            if let Some(link) = &vnic.link {
                by_link
                    .entry((link.as_str(), name))
                    .or_insert_with(Vec::new)
                    .push(vnic);
            }
            if vnic.home != Home::Unknown && !vnic.absent {
                by_home
                    .entry((vnic.netns(), name))
                    .or_insert_with(Vec::new)
                    .push(vnic);
            }
        }
        Self { by_link, by_home }
    }

    fn on_link<'s>(&'s self, wanted: &'s WantedVnic) -> &'s [&'a HasVnic] {
        let key = (wanted.link.as_str(), wanted.name.as_str());
        self.by_link.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The one that a document means: it is where the document has it, or absent.
    fn find(&self, wanted: &WantedVnic) -> Option<&'a HasVnic> {
        let named = self.on_link(wanted).iter().copied();
        let (absent, present): (Vec<_>, Vec<_>) = named.partition(|vnic| vnic.absent);
        if wanted.absent {
            let unknown = |vnic: &&&HasVnic| vnic.home == Home::Unknown;
            return absent.iter().find(unknown).copied();
        }
        let there = |vnic: &&&HasVnic| {
            vnic.home != Home::Unknown && vnic.netns() == wanted.netns.as_deref()
        };
        let found = present.iter().find(there);
        found
            .or_else(|| absent.iter().find(there))
            .or_else(|| absent.iter().find(|vnic| vnic.home == Home::Unknown))
            .copied()
    }

    /// Refuses what would need a VNIC to leave its link or its namespace.
    fn check_new(&self, wanted: &WantedVnic, claimed: &HashSet<u64>) -> Result<(), Error> {
        let called = wanted.full_name();
        let key = (wanted.netns.as_deref(), wanted.name.as_str());
        if let Some(other) = self.by_home.get(&key).and_then(|found| found.first()) {
            let link = other
                .link
                .as_deref()
                .unwrap_or("a link of another namespace");
            return Error::usage(format!(
                "VNIC {called} is on {link} and cannot come to {}: its link is for life; vnic del {called} first",
                wanted.link
            ));
        }
        let moved = self.on_link(wanted).iter().find(|vnic| {
            !vnic.absent && Some(vnic.address) == wanted.address && !claimed.contains(&vnic.id)
        });
        match moved {
            Some(vnic) => {
                let from = match &vnic.home {
                    Home::Here => "this namespace".to_owned(),
                    Home::Named(name) => format!("namespace {name}"),
                    Home::Unknown => "a namespace without a name".to_owned(),
                };
                Error::usage(format!(
                    "VNIC {} (number {}) on {} is in {from}, not where the document has {called}; vnic apply does not move VNICs: vnic del {} first, or change the document",
                    vnic.name, vnic.id, wanted.link, vnic.id
                ))
            }
            None => Ok(()),
        }
    }
}

/// What of the limits differs, from those that are wanted and those that are there.
fn limits(
    wanted: &WantedVnic,
    vnic: &HasVnic,
    differ: impl Fn(&Limits, &Limits) -> Changes,
) -> Changes {
    let both = wanted.limits.as_ref().zip(vnic.limits.as_ref());
    both.map(|(to, from)| differ(to, from)).unwrap_or_default()
}

/// What has to change of a VNIC's settings.
fn change(wanted: &WantedVnic, vnic: &HasVnic) -> Option<Step> {
    fn differs<T: Copy + PartialEq>(wanted: Option<T>, is: T) -> Option<T> {
        wanted.filter(|wanted| *wanted != is)
    }
    let to = Settings {
        address: differs(wanted.address, vnic.address),
        mtu: differs(wanted.mtu, vnic.mtu.unwrap_or(vnic.mtu_now)),
        promisc: differs(wanted.promisc, vnic.promisc),
        poll: differs(wanted.poll, vnic.poll),
        ring_size: differs(wanted.ring_size, vnic.ring_size),
        pool: wanted.pool.clone().filter(|pool| *pool != vnic.pool),
        cpus: wanted.cpus.clone().filter(|cpus| *cpus != vnic.cpus),
        hw_rings: wanted.hw_rings.filter(|mode| Some(*mode) != vnic.hw_rings),
        limits: limits(wanted, vnic, Limits::unlike),
        // What is absent is neither.
        up: differs(wanted.up, vnic.up).filter(|_| !vnic.absent),
        ..Settings::default()
    };
    let from = Settings {
        address: to.address.map(|_| vnic.address),
        mtu: to.mtu.map(|_| vnic.mtu.unwrap_or(vnic.mtu_now)),
        promisc: to.promisc.map(|_| vnic.promisc),
        poll: to.poll.map(|_| vnic.poll),
        ring_size: to.ring_size.map(|_| vnic.ring_size),
        pool: to.pool.as_ref().map(|_| vnic.pool.clone()),
        cpus: to.cpus.as_ref().map(|_| vnic.cpus.clone()),
        hw_rings: to.hw_rings.and(vnic.hw_rings),
        limits: limits(wanted, vnic, |to, from| from.unlike(to)),
        up: to.up.map(|_| vnic.up),
        ..Settings::default()
    };
    (to != Settings::default()).then(|| Step::Change {
        id: vnic.id,
        name: wanted.full_name(),
        from: settings_words(&from),
        to,
    })
}

fn policies(scope: &Scope, wanted: &BTreeSet<Policy>, have: &[Numbered], steps: &mut Vec<Step>) {
    let mut there = HashSet::new();
    for (id, policy) in have {
        // Of two that say the same, one is enough.
        if !wanted.contains(policy) || !there.insert(policy) {
            steps.push(Step::DeletePolicy {
                id: *id,
                scope: scope.clone(),
                policy: policy.clone(),
            });
        }
    }
    for policy in wanted.iter().filter(|policy| !there.contains(policy)) {
        steps.push(Step::AddPolicy {
            scope: scope.clone(),
            policy: policy.clone(),
        });
    }
}

/// One of which anything but its limits changes is another one, of the same name.
fn flows(scope: &Scope, wanted: &BTreeSet<Flow>, have: &[Flow], steps: &mut Vec<Step>) {
    let mut there: HashSet<&Flow> = have.iter().collect();
    let names: HashMap<&str, &Flow> = wanted
        .iter()
        .map(|flow| (flow.name.as_str(), flow))
        .collect();
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    for flow in have.iter().filter(|flow| !wanted.contains(flow)) {
        let to = names.get(flow.name.as_str()).copied();
        match to.and_then(|to| Some((to, to.limits_unlike(flow)?))) {
            Some((to, changes)) => {
                there.insert(to);
                changed.push(Step::SetFlow {
                    scope: scope.clone(),
                    name: flow.name.clone(),
                    from: flow.limits_unlike(to).unwrap_or_default().words(),
                    to: changes,
                });
            }
            None => gone.push(flow),
        }
    }
    steps.extend(changed);
    let gone = gone.into_iter();
    steps.extend(gone.map(|flow| Step::DeleteFlow {
        scope: scope.clone(),
        flow: flow.clone(),
    }));
    let new = wanted.iter().filter(|flow| !there.contains(flow));
    steps.extend(new.map(|flow| Step::AddFlow {
        scope: scope.clone(),
        flow: flow.clone(),
    }));
}

/// Pools that are made or change, in an order in which the host pool has room for each: what is to become smaller does so first, what all
/// together may have comes last if it becomes less.
fn pool_steps(wanted: &Wanted, have: &HasPools, steps: &mut Vec<Step>) {
    let (mut smaller, mut larger, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for pool in &wanted.pools {
        let to = pool.clone();
        match have.named(&pool.name).map(|have| have.is.clone()) {
            None => new.push(Step::MakePool { pool: to }),
            Some(from) if from == to => {}
            Some(from) if to.limit < from.limit => smaller.push(Step::SetPool { to, from }),
            Some(from) => larger.push(Step::SetPool { to, from }),
        }
    }
    // Where pools are not shown the kernel says why.
    let was = have.limit.unwrap_or(0);
    let host = wanted.host_pool.filter(|limit| *limit != was);
    let host = host.map(|limit| Step::HostPool { limit, was });
    let (more, less): (Vec<_>, Vec<_>) = host
        .into_iter()
        .partition(|step| matches!(step, Step::HostPool { limit, was } if limit > was));
    let all = more.into_iter().chain(smaller).chain(larger);
    steps.extend(all.chain(new).chain(less));
}

/// How many VNICs are in a pool when all of `steps` are done.
fn members_after(name: &str, vnics: u64, state: &State, steps: &[Step]) -> u64 {
    let (mut gone, mut moved, mut made) = (HashSet::new(), HashMap::new(), 0);
    for step in steps {
        match step {
            Step::Delete { id, .. } => {
                gone.insert(*id);
            }
            Step::Change { id, to, .. } => {
                if let Some(pool) = &to.pool {
                    moved.insert(*id, pool.as_str());
                }
            }
            Step::MakeVnic { vnic, .. } if vnic.pool.as_deref() == Some(name) => made += 1,
            _ => {}
        }
    }
    // Not all of its VNICs need be shown here.
    let shown = state.vnics.iter();
    let shown = shown.filter(|vnic| !vnic.absent && vnic.pool == name);
    let elsewhere = vnics.saturating_sub(shown.count() as u64);
    // What is absent comes back into its pool.
    let stay = state.vnics.iter().filter(|vnic| {
        let pool = moved.get(&vnic.id).copied().unwrap_or(&vnic.pool);
        pool == name && !gone.contains(&vnic.id)
    });
    elsewhere + stay.count() as u64 + made
}

/// Pools that a document which speaks of pools does not name, and nobody will be in.
fn prune_pools(wanted: &Wanted, state: &State, steps: &mut Vec<Step>) {
    if wanted.pools.is_empty() && wanted.host_pool.is_none() {
        return;
    }
    let named: HashSet<&str> = wanted.pools.iter().map(|pool| pool.name.as_str()).collect();
    let others = state.pools.each.iter();
    let others = others.filter(|pool| !named.contains(pool.is.name.as_str()));
    let pruned = others.map(|pool| {
        let name = pool.is.name.clone();
        match members_after(&name, pool.vnics, state, steps) {
            0 => Step::DeletePool { name },
            _ => Step::Skip {
                why: format!("pool {name} is not deleted: there are VNICs in it"),
            },
        }
    });
    let pruned: Vec<Step> = pruned.collect();
    steps.extend(pruned);
}

/// What VNICs of a link may send to the wire: a setting of what carries VNICs, or will.
fn maxbw(wanted: &WantedLink, have: Option<&HasLink>, used: bool, steps: &mut Vec<Step>) {
    let is = have.filter(|have| have.host.is_some());
    let was = is.map_or(0, |have| have.maxbw);
    let Some(to) = wanted.maxbw.filter(|to| *to != was) else {
        return;
    };
    let link = wanted.name.clone();
    steps.push(match used || is.is_some() {
        true => Step::Maxbw { link, to, was },
        false => Step::Skip {
            why: format!("link {link} gets no maxbw: there are no VNICs on it"),
        },
    });
}

fn link_steps(
    wanted: &WantedLink,
    have: Option<&HasLink>,
    devices: &Devices,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let name = &wanted.name;
    match devices.get(name) {
        None if wanted.etherstub => steps.push(Step::MakeEtherstub {
            name: name.clone(),
            host: wanted.host,
        }),
        None => {
            return Error::usage(format!(
                "there is no device {name} in this namespace, and only etherstubs are made (kind = \"etherstub\")"
            ))
        }
        Some(kind) if (kind.as_deref() == Some("etherstub")) != wanted.etherstub => {
            let (is, wants) = match wanted.etherstub {
                true => ("no etherstub", "one"),
                false => ("an etherstub", "a NIC"),
            };
            return Error::usage(format!(
                "{name} is {is}, the document has {wants} of this name; give it another name"
            ));
        }
        Some(_) => {}
    }
    if let (Some(on), Some(is)) = (wanted.host, have.and_then(|have| have.host)) {
        if on != is {
            steps.push(Step::Host {
                link: name.clone(),
                on,
            });
        }
    }
    let have = have.map_or(&[][..], |have| &have.policies);
    policies(&Scope::Link(name.clone()), &wanted.policies, have, steps);
    Ok(())
}

fn vnic_steps(
    wanted: &WantedVnic,
    have: Option<&HasVnic>,
    host: Option<bool>,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let called = wanted.full_name();
    let scope = Scope::Vnic {
        link: wanted.link.clone(),
        name: called.clone(),
        absent: wanted.absent,
    };
    if let Some(other) = have
        .map(|have| have.vlan)
        .filter(|vlan| *vlan != wanted.vlan)
    {
        return Error::usage(format!(
            "VNIC {called} has VLAN {other} and cannot get {}: its VLAN is for life; vnic del it first",
            wanted.vlan
        ));
    }
    match have {
        None if wanted.absent => {
            steps.push(Step::Skip {
                why: format!(
                    "vnic {called} on {} is not made: it was absent, and its namespace is not known",
                    wanted.link
                ),
            });
            return Ok(());
        }
        Some(have) if !have.absent || wanted.absent => steps.extend(change(wanted, have)),
        _ => steps.push(Step::MakeVnic {
            vnic: wanted.clone(),
            host,
            kept: have.is_some(),
        }),
    }
    let old = have.map_or(&[][..], |have| &have.policies);
    policies(&scope, &wanted.policies, old, steps);
    // What is absent has none.
    if !wanted.absent {
        let old = have.map_or(&[][..], |have| &have.flows);
        flows(&scope, &wanted.flows, old, steps);
    }
    Ok(())
}

/// All that has to be done, in an order in which it can be.
pub fn diff(
    wanted: &Wanted,
    state: &State,
    devices: &Devices,
    prune: bool,
) -> Result<Vec<Step>, Error> {
    let (index, mut steps) = (Index::of(state), Vec::new());
    let links: HashMap<&str, &HasLink> = state
        .links
        .iter()
        .map(|link| (link.name.as_str(), link))
        .collect();
    if let Some(wanted) = &wanted.policies {
        policies(&Scope::Host, wanted, &state.policies, &mut steps);
    }
    pool_steps(wanted, &state.pools, &mut steps);
    let mut first_host = HashMap::new();
    for link in &wanted.links {
        let have = links.get(link.name.as_str()).copied();
        link_steps(link, have, devices, &mut steps)?;
        let ours = |vnic: &WantedVnic| vnic.link == link.name && !vnic.absent;
        maxbw(link, have, wanted.vnics.iter().any(ours), &mut steps);
        // A NIC without VNICs has no such setting yet; it comes with the first one, and on is what it is without.
        let host = link
            .host
            .filter(|on| !on && have.is_none_or(|have| have.host.is_none()) && !link.etherstub);
        first_host.insert(link.name.as_str(), host);
    }
    let found: Vec<Option<&HasVnic>> = wanted.vnics.iter().map(|vnic| index.find(vnic)).collect();
    let claimed: HashSet<u64> = found.iter().flatten().map(|vnic| vnic.id).collect();
    for (vnic, have) in wanted.vnics.iter().zip(&found) {
        if !vnic.absent && have.is_none_or(|have| have.absent) {
            index.check_new(vnic, &claimed)?;
        }
        let host = first_host.get(vnic.link.as_str()).copied().flatten();
        vnic_steps(vnic, *have, host, &mut steps)?;
    }
    if prune {
        let ours = |vnic: &&HasVnic| {
            let link = vnic.link.as_deref();
            link.is_some_and(|link| first_host.contains_key(link)) && !claimed.contains(&vnic.id)
        };
        steps.extend(state.vnics.iter().filter(ours).map(|vnic| Step::Delete {
            id: vnic.id,
            name: vnic.full_name(),
        }));
        prune_pools(wanted, state, &mut steps);
    }
    Ok(steps)
}

/// Whether `rest`, what is to be done after VNICs were made, is what `plan` promised.
pub fn is_rest_of(rest: &[Step], plan: &[Step]) -> bool {
    let made: HashSet<String> = plan
        .iter()
        .filter_map(|step| match step {
            Step::MakeVnic { vnic, .. } => Some(vnic.full_name()),
            _ => None,
        })
        .collect();
    rest.iter().all(|step| match step {
        Step::MakeEtherstub { .. }
        | Step::MakeVnic { .. }
        | Step::Host { .. }
        | Step::Maxbw { .. }
        | Step::HostPool { .. }
        | Step::MakePool { .. }
        | Step::SetPool { .. } => false,
        Step::Change { name, .. } if made.contains(name) => true,
        other => plan.contains(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::HasPool;

    const NIC: &str = "[[link]]\nname = \"nic0\"\nhost = true\n";
    const STUB: &str = "[[link]]\nname = \"stub0\"\nkind = \"etherstub\"\nhost = false\n";
    const VNIC: &str = "[[vnic]]\nlink = \"nic0\"\nname = \"eth0\"\nnetns = \"web\"\nvlan = 10\naddress = \"02:00:00:00:00:01\"\nmtu = 1500\npromisc = \"own\"\npoll = \"auto\"\nring-size = 1024\nup = true\n";

    fn wanted(text: &str) -> Wanted {
        Wanted::parse(text).expect(text)
    }

    fn policy(words: &str) -> Policy {
        Policy::parse(&mut crate::words::Words::split(words)).expect(words)
    }

    fn vnic(id: u64, home: Home) -> HasVnic {
        HasVnic {
            id,
            name: "eth0".to_owned(),
            home,
            link: Some("nic0".to_owned()),
            absent: false,
            vlan: 10,
            address: [2, 0, 0, 0, 0, 1],
            mtu: Some(1500),
            mtu_now: 1500,
            promisc: 1,
            poll: 0,
            ring_size: 1024,
            pool: String::new(),
            cpus: String::new(),
            hw_rings: Some(0),
            limits: Some(Limits::OF_VNIC),
            up: true,
            policies: Vec::new(),
            flows: Vec::new(),
        }
    }

    fn flow(words: &str) -> Flow {
        Flow::parse(&mut crate::words::Words::split(words)).expect(words)
    }

    fn web() -> Home {
        Home::Named("web".to_owned())
    }

    fn state(vnics: Vec<HasVnic>) -> State {
        State {
            links: vec![HasLink {
                name: "nic0".to_owned(),
                host: Some(true),
                ..HasLink::default()
            }],
            vnics,
            ..State::default()
        }
    }

    fn devices() -> Devices {
        Devices::from([("nic0".to_owned(), None)])
    }

    /// The steps as they are printed, or the refusal.
    fn said(text: &str, state: &State, prune: bool) -> Vec<String> {
        match diff(&wanted(text), state, &devices(), prune) {
            Ok(steps) => steps
                .iter()
                .map(|step| format!("{} {step}", step.sign()))
                .collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    fn is_refused(text: &str, state: &State, word: &str) {
        let said = said(text, state, false);
        assert_eq!(1, said.len(), "{said:?}");
        assert!(said[0].contains(word), "{said:?}");
    }

    #[test]
    fn what_is_there_needs_nothing() {
        let state = state(vec![vnic(1, web())]);
        assert_eq!(
            Vec::<String>::new(),
            said(&format!("{NIC}{VNIC}"), &state, true)
        );
        let (own, remarks) = state.wanted();
        let text = own.write(&remarks).expect("a text");
        assert_eq!(Vec::<String>::new(), said(&text, &state, true));
    }

    #[test]
    fn what_is_missing_is_made() {
        let text = format!("{NIC}{STUB}{VNIC}policies = [\"owner all none\"]\n");
        let empty = State::default();
        assert_eq!(
            vec![
                "+ etherstub stub0 host off",
                "+ vnic web/eth0 link nic0 vlan 10 address 02:00:00:00:00:01 mtu 1500 promisc own poll auto ring-size 1024 up",
                "+ policy web/eth0 owner all none",
            ],
            said(&text, &empty, false)
        );
        let off = text.replace("host = true", "host = false");
        assert!(said(&off, &empty, false)[1].contains("link nic0 host off"));
    }

    #[test]
    fn what_differs_is_changed() {
        let mut one = vnic(1, web());
        (one.mtu, one.up) = (Some(1400), false);
        one.policies = vec![(7, policy("owner all")), (8, policy("owner all none"))];
        let text = format!(
            "{NIC}policies = [\"owner vnics quota 4\"]\n{VNIC}policies = [\"owner all none\"]\n"
        );
        let text = text.replace("host = true", "host = false");
        assert_eq!(
            vec![
                "~ link nic0 host off",
                "+ policy link nic0 owner vnics quota 4",
                "~ vnic web/eth0 mtu 1500 up, was mtu 1400 down",
                "- policy web/eth0 owner all, number 7",
            ],
            said(&text, &state(vec![one]), false)
        );
    }

    #[test]
    fn a_flow_that_differs_is_another_one() {
        let mut one = vnic(1, web());
        one.flows = vec![
            flow("web protocol tcp"),
            flow("dns protocol udp"),
            flow("all"),
        ];
        let text = format!(
            "{NIC}{VNIC}flows = [\"dns protocol udp\", \"web rank 2 protocol tcp ring 1\", \"new dscp 1\"]\n"
        );
        assert_eq!(
            vec![
                "- flow web/eth0 web protocol tcp",
                "- flow web/eth0 all",
                "+ flow web/eth0 new dscp 1",
                "+ flow web/eth0 web rank 2 protocol tcp ring 1",
            ],
            said(&text, &state(vec![one]), false)
        );
    }

    #[test]
    fn rings_are_changed_as_far_as_they_are_wanted() {
        let mut one = vnic(1, web());
        (one.poll, one.ring_size) = (2, 4096);
        let state = state(vec![one]);
        assert_eq!(
            vec!["~ vnic web/eth0 poll auto ring-size 1024, was poll ring ring-size 4096"],
            said(&format!("{NIC}{VNIC}"), &state, false)
        );
        let text = format!("{NIC}{VNIC}").replace("poll = \"auto\"\nring-size = 1024\n", "");
        assert_eq!(Vec::<String>::new(), said(&text, &state, false));
    }

    #[test]
    fn limits_are_changed_as_far_as_they_are_wanted() {
        let mut one = vnic(1, web());
        let is = "maxbw 50M share 7";
        one.limits = Some(Limits::of_document(is).expect(is));
        one.flows = vec![flow("dns protocol udp maxbw 1M"), flow("web protocol tcp")];
        let mut state = state(vec![one]);
        let flows = "flows = [\"dns protocol udp maxbw 1M\", \"web protocol tcp\"]\n";
        let text = format!("{NIC}{VNIC}{flows}");
        assert_eq!(Vec::<String>::new(), said(&text, &state, false));
        let (own, remarks) = state.wanted();
        let own = own.write(&remarks).expect("a text");
        assert!(own.contains("limits = \"maxbw 50M share 7\""), "{own}");
        assert_eq!(Vec::<String>::new(), said(&own, &state, true));
        let nic = format!("{NIC}maxbw = \"1G\"\n");
        let flows = "flows = [\"dns protocol udp priority low\", \"web protocol tcp ring 1\"]\n";
        let text = format!("{nic}{VNIC}limits = \"rx-maxbw 8K tx-maxbw 50M\"\n{flows}");
        let wanted = vec![
            "~ link nic0 maxbw 1G, was maxbw none",
            "~ vnic web/eth0 rx-maxbw 8K share 100, was rx-maxbw 50M share 7",
            "~ flow web/eth0 dns maxbw none priority low, was maxbw 1M priority vnic",
            "- flow web/eth0 web protocol tcp",
            "+ flow web/eth0 web protocol tcp ring 1",
        ];
        assert_eq!(wanted, said(&text, &state, false));
        let text = format!("{nic}{VNIC}limits = \"none\"\n");
        state.vnics.clear();
        state.links.clear();
        let steps = said(&text, &state, false);
        assert!(steps[0].starts_with("~ link nic0 maxbw 1G"), "{steps:?}");
        assert!(steps[1].starts_with("+ vnic web/eth0"), "{steps:?}");
        let steps = said(&nic, &state, false);
        assert!(
            steps[0].starts_with("# link nic0 gets no maxbw"),
            "{steps:?}"
        );
    }

    const POOLS: &str = "host-pool = \"1G\"\n[[pool]]\nname = \"db\"\nlimit = \"8M\"\n[[pool]]\nname = \"web\"\nlimit = \"64M\"\nthreshold = 100\n";

    fn pool(name: &str, limit: u64, vnics: u64) -> HasPool {
        HasPool {
            is: WantedPool {
                name: name.to_owned(),
                limit,
                threshold: 0,
            },
            vnics,
        }
    }

    fn with_pools(limit: u64, each: Vec<HasPool>, vnics: Vec<HasVnic>) -> State {
        State {
            pools: HasPools {
                limit: Some(limit),
                each,
            },
            ..state(vnics)
        }
    }

    #[test]
    fn pools_are_made_before_the_vnics_that_use_them() {
        let state = State {
            pools: with_pools(1 << 29, Vec::new(), Vec::new()).pools,
            ..State::default()
        };
        let text = format!("{POOLS}{NIC}{VNIC}pool = \"web\"\n");
        assert_eq!(
            vec![
                "~ pool host limit 1G, was limit 512M",
                "+ pool db limit 8M threshold 0",
                "+ pool web limit 64M threshold 100",
                "+ vnic web/eth0 link nic0 vlan 10 address 02:00:00:00:00:01 mtu 1500 promisc own poll auto ring-size 1024 pool web up",
            ],
            said(&text, &state, true)
        );
    }

    #[test]
    fn pools_are_changed_in_an_order_that_has_room() {
        let have = vec![pool("db", 4 << 20, 0), pool("web", 128 << 20, 0)];
        let state = with_pools(2 << 30, have, Vec::new());
        assert_eq!(
            vec![
                "~ pool web limit 64M threshold 100, was limit 128M threshold 0",
                "~ pool db limit 8M threshold 0, was limit 4M threshold 0",
                "~ pool host limit 1G, was limit 2G",
            ],
            said(POOLS, &state, true)
        );
    }

    #[test]
    fn pools_that_are_there_need_nothing() {
        let mut one = vnic(1, web());
        one.pool = "p".to_owned();
        let state = with_pools(1 << 30, vec![pool("p", 8 << 20, 1)], vec![one]);
        let (own, remarks) = state.wanted();
        assert_eq!(Vec::<String>::new(), remarks);
        let text = own.write(&remarks).expect("a text");
        assert!(text.contains("pool = \"p\""), "{text}");
        assert_eq!(Vec::<String>::new(), said(&text, &state, true));
        // Not said is not compared.
        assert_eq!(
            Vec::<String>::new(),
            said(&format!("{NIC}{VNIC}"), &state, true)
        );
        assert_eq!(
            vec!["~ vnic web/eth0 pool none, was pool p"],
            said(&format!("{NIC}{VNIC}pool = \"none\"\n"), &state, true)
        );
    }

    #[test]
    fn pools_are_pruned_that_nobody_will_be_in() {
        let (mut one, mut two, mut gone) = (vnic(1, web()), vnic(2, web()), vnic(3, web()));
        (one.pool, two.pool, gone.pool) = ("a".to_owned(), "b".to_owned(), "c".to_owned());
        (two.name, gone.name, gone.absent) = ("eth1".to_owned(), "eth2".to_owned(), true);
        let have = vec![
            pool("a", 1 << 20, 1),
            pool("b", 1 << 20, 1),
            pool("c", 1 << 20, 0),
            pool("d", 1 << 20, 0),
            pool("e", 1 << 20, 1),
            pool("web", 64 << 20, 0),
        ];
        let state = with_pools(1 << 30, have, vec![one, two, gone]);
        let pools = "[[pool]]\nname = \"web\"\nlimit = \"64M\"\n";
        let text = format!("{pools}{NIC}{VNIC}pool = \"web\"\n");
        assert_eq!(
            vec!["~ vnic web/eth0 pool web, was pool a"],
            said(&text, &state, false)
        );
        assert_eq!(
            vec![
                "~ vnic web/eth0 pool web, was pool a",
                "- vnic web/eth1, number 2",
                "- vnic web/eth2, number 3",
                "- pool a",
                "- pool b",
                "- pool c",
                "- pool d",
                "# pool e is not deleted: there are VNICs in it",
            ],
            said(&text, &state, true)
        );
        // A VNIC that is made, and one that stays.
        let text = format!("{pools}{NIC}{VNIC}").replace("eth0", "eth9") + "pool = \"d\"\n";
        let said = said(&text, &state, true);
        assert!(
            said.contains(&"# pool d is not deleted: there are VNICs in it".to_owned()),
            "{said:?}"
        );
    }

    #[test]
    fn a_document_without_pools_leaves_them() {
        let state = with_pools(1 << 30, vec![pool("a", 1 << 20, 0)], vec![vnic(1, web())]);
        let text = format!("{NIC}{VNIC}");
        assert_eq!(Vec::<String>::new(), said(&text, &state, true));
    }

    #[test]
    fn pools_that_are_not_shown_are_remarked_where_they_are_used() {
        let mut one = vnic(1, web());
        one.pool = "p".to_owned();
        let (_, remarks) = state(vec![one]).wanted();
        assert_eq!(1, remarks.len(), "{remarks:?}");
        assert!(remarks[0].contains("CAP_NET_ADMIN"), "{remarks:?}");
    }

    #[test]
    fn an_mtu_that_follows_the_link_stays_unless_one_is_wanted() {
        let mut one = vnic(1, web());
        one.mtu = None;
        let state = state(vec![one]);
        let (own, _) = state.wanted();
        let text = own.write(&[]).expect("a text");
        assert!(!text.contains("mtu"));
        assert_eq!(Vec::<String>::new(), said(&text, &state, false));
        let text = format!("{NIC}{VNIC}").replace("mtu = 1500", "mtu = 1400");
        assert_eq!(
            vec!["~ vnic web/eth0 mtu 1400, was mtu 1500"],
            said(&text, &state, false)
        );
    }

    #[test]
    fn what_is_said_twice_is_deleted_once() {
        let mut one = vnic(1, web());
        one.policies = vec![(7, policy("owner all")), (8, policy("owner all any"))];
        let text = format!("{NIC}{VNIC}policies = [\"owner all\"]\n");
        assert_eq!(
            vec!["- policy web/eth0 owner all, number 8"],
            said(&text, &state(vec![one]), false)
        );
    }

    #[test]
    fn what_is_not_named_stays_unless_pruned() {
        let mut elsewhere = vnic(3, Home::Here);
        elsewhere.link = None;
        let state = state(vec![vnic(1, web()), vnic(2, Home::Unknown), elsewhere]);
        assert_eq!(Vec::<String>::new(), said(NIC, &state, false));
        assert_eq!(
            vec!["- vnic web/eth0, number 1", "- vnic eth0, number 2"],
            said(NIC, &state, true)
        );
        assert_eq!(Vec::<String>::new(), said("", &state, true));
    }

    #[test]
    fn what_is_for_life_is_refused() {
        let text = format!("{NIC}{VNIC}");
        let mut one = vnic(1, web());
        one.vlan = 0;
        is_refused(&text, &state(vec![one]), "VLAN is for life");
        let mut one = vnic(1, web());
        one.link = Some("nic1".to_owned());
        is_refused(&text, &state(vec![one]), "link is for life");
        let one = vnic(1, Home::Named("db".to_owned()));
        is_refused(&text, &state(vec![one]), "namespace db");
        // Another of the same name is no reason.
        let mut one = vnic(1, Home::Named("db".to_owned()));
        one.address = [2, 0, 0, 0, 0, 9];
        assert_eq!(1, said(&text, &state(vec![one]), false).len());
    }

    #[test]
    fn links_must_be_what_they_are_called() {
        is_refused(
            "[[link]]\nname = \"nic9\"",
            &State::default(),
            "no device nic9",
        );
        let text = "[[link]]\nname = \"nic0\"\nkind = \"etherstub\"";
        is_refused(text, &State::default(), "no etherstub");
    }

    #[test]
    fn what_is_absent_is_made_where_its_namespace_is_known() {
        let mut one = vnic(1, web());
        one.absent = true;
        one.policies = vec![(7, policy("owner all"))];
        let text = format!("{NIC}{VNIC}policies = [\"owner all\"]\n");
        let steps = said(&text, &state(vec![one.clone()]), false);
        assert_eq!(1, steps.len());
        assert!(steps[0].ends_with("up, absent until now"), "{steps:?}");
        // With its namespace gone, it is what it was.
        one.home = Home::Unknown;
        let state = state(vec![one]);
        let (own, _) = state.wanted();
        let text = own.write(&[]).expect("a text");
        assert!(text.contains("absent = true"));
        assert_eq!(Vec::<String>::new(), said(&text, &state, true));
        // And is not made out of nothing.
        let steps = said(&text, &State::default(), false);
        assert!(
            steps.iter().any(|step| step.starts_with("# vnic eth0")),
            "{steps:?}"
        );
    }

    #[test]
    fn the_rest_is_what_was_promised() {
        let text = format!("{NIC}{VNIC}policies = [\"owner all none\"]\n");
        let plan = diff(&wanted(&text), &State::default(), &devices(), true).expect("a plan");
        let mut made = vnic(1, web());
        made.up = false;
        let rest = |vnics| diff(&wanted(&text), &state(vnics), &devices(), true).expect("a plan");
        let after = rest(vec![made.clone()]);
        assert_eq!(2, after.len());
        assert!(is_rest_of(&after, &plan));
        // Somebody made one meanwhile, or deleted ours.
        let mut other = vnic(2, Home::Here);
        other.address = [2, 0, 0, 0, 0, 9];
        assert!(!is_rest_of(&rest(vec![made, other]), &plan));
        assert!(!is_rest_of(&rest(Vec::new()), &plan));
    }
}
