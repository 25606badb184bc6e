// SPDX-License-Identifier: GPL-2.0

//! What is there: links of this namespace, their VNICs and all their policies, and the pools of the host; and that as a document.

use crate::{
    attrs::Request,
    document::{
        full_name,
        Wanted,
        WantedLink,
        WantedPool,
        WantedVnic, //
    },
    error::Error,
    family::Family,
    flow::Flow,
    limits::Limits,
    link::{
        name_of,
        Link, //
    },
    netns::Names,
    policy::Policy,
    pool::Pool,
    uapi::{
        self,
        cmd,
        policy as attr, //
    },
    vnic::Vnic,
    words::mac,
};
use nix::libc;
use std::{
    collections::{
        BTreeSet,
        HashMap,
        HashSet, //
    },
    io::Write,
    path::Path, //
};

/// Where the manager put a VNIC.
#[derive(Clone, Debug, PartialEq)]
pub enum Home {
    /// Into this namespace.
    Here,
    /// Into one with a name.
    Named(String),
    /// Into one without a name, or one that is gone.
    Unknown,
}

/// A policy with its number.
pub type Numbered = (u64, Policy);

/// A link that is there.
#[derive(Clone, Debug, Default)]
pub struct HasLink {
    /// Its name.
    pub name: String,
    /// Whether it is an etherstub.
    pub etherstub: bool,
    /// Whether host and VNICs reach each other; nothing without VNICs.
    pub host: Option<bool>,
    /// Bits a second that its VNICs may send to the wire; 0 is no limit.
    pub maxbw: u64,
    /// Its policies.
    pub policies: Vec<Numbered>,
}

/// A pool that is there.
#[derive(Clone, Debug)]
pub struct HasPool {
    /// What it is.
    pub is: WantedPool,
    /// How many VNICs are in it.
    pub vnics: u64,
}

/// The pools of the host.
#[derive(Clone, Debug, Default)]
pub struct HasPools {
    /// Bytes that all together may have; nothing if pools are not shown to us, or the module has none.
    pub limit: Option<u64>,
    /// Each of them.
    pub each: Vec<HasPool>,
}

/// A VNIC that is there, or whose configuration is.
#[derive(Clone, Debug)]
pub struct HasVnic {
    /// Its number.
    pub id: u64,
    /// The name of its device.
    pub name: String,
    /// Where the manager put it.
    pub home: Home,
    /// Its link, if that is here.
    pub link: Option<String>,
    /// Whether only its configuration is there.
    pub absent: bool,
    /// Its VLAN.
    pub vlan: u16,
    /// The address that the manager gave.
    pub address: [u8; 6],
    /// The MTU that the manager gave; without, it follows that of the link.
    pub mtu: Option<u32>,
    /// The MTU that it has.
    pub mtu_now: u32,
    /// The number of its promiscuous mode.
    pub promisc: u8,
    /// The number of its way to get packets from the wire.
    pub poll: u8,
    /// How many packets may wait on each of its rings.
    pub ring_size: u32,
    /// The name of its pool; empty for none.
    pub pool: String,
    /// The CPUs of its rings; empty for any.
    pub cpus: String,
    /// The number of whether it gets a queue of the link, if the module says.
    pub hw_rings: Option<u8>,
    /// Its limits, if the module has any.
    pub limits: Option<Limits>,
    /// Whether it is up.
    pub up: bool,
    /// Its policies.
    pub policies: Vec<Numbered>,
    /// Its flows.
    pub flows: Vec<Flow>,
}

/// All that is there.
#[derive(Default)]
pub struct State {
    /// The number that changes whenever something does.
    pub generation: Option<u64>,
    /// Policies for all on the host.
    pub policies: Vec<Numbered>,
    /// The pools of the host.
    pub pools: HasPools,
    /// Links with VNICs.
    pub links: Vec<HasLink>,
    /// VNICs on these links, and those that are here.
    pub vnics: Vec<HasVnic>,
    /// Names of namespaces.
    pub names: Names,
}

impl HasVnic {
    fn of(vnic: Vnic, names: &Names) -> Result<Self, Error> {
        let promisc = uapi::PROMISC.iter().position(|mode| *mode == vnic.promisc);
        let poll = uapi::POLL.iter().position(|way| *way == vnic.poll);
        let hw_rings = uapi::HW_RINGS
            .iter()
            .position(|mode| Some(*mode) == vnic.hw_rings.as_deref());
        let address = vnic.default_address.as_ref().unwrap_or(&vnic.address);
        // A module without policies does not say what was given.
        let mtu = match &vnic.default_address {
            Some(_) => vnic.default_mtu,
            None => Some(vnic.mtu),
        };
        Ok(Self {
            home: match vnic.home {
                Some(id) => names.name(id).map_or(Home::Unknown, Home::Named),
                // The namespace of one that is absent may have gone with it.
                None if vnic.absent => Home::Unknown,
                None => Home::Here,
            },
            address: mac(address)?,
            up: vnic.is_up(),
            id: vnic.id,
            name: vnic.name,
            link: vnic.link,
            absent: vnic.absent,
            vlan: u16::try_from(vnic.vlan).map_err(Error::trouble)?,
            mtu_now: u32::try_from(vnic.mtu).map_err(Error::trouble)?,
            mtu: mtu.map(u32::try_from).transpose().map_err(Error::trouble)?,
            promisc: promisc
                .and_then(|mode| mode.try_into().ok())
                .unwrap_or(u8::MAX),
            poll: poll.and_then(|way| way.try_into().ok()).unwrap_or(u8::MAX),
            ring_size: u32::try_from(vnic.ring_size).map_err(Error::trouble)?,
            pool: vnic.pool.unwrap_or_default(),
            cpus: vnic.cpus.unwrap_or_default(),
            hw_rings: hw_rings.and_then(|mode| mode.try_into().ok()),
            limits: vnic.limits,
            policies: Vec::new(),
            flows: Vec::new(),
        })
    }

    /// Its namespace, if that is another one and has a name.
    pub fn netns(&self) -> Option<&str> {
        match &self.home {
            Home::Named(name) => Some(name),
            Home::Here | Home::Unknown => None,
        }
    }

    /// NETNS/NAME, or NAME.
    pub fn full_name(&self) -> String {
        full_name(self.netns(), &self.name)
    }
}

impl HasPools {
    fn read(family: &Family) -> Result<Self, Error> {
        let Some((host, pools)) = Pool::all_shown(family)? else {
            return Ok(Self::default());
        };
        let each = pools.into_iter().map(|pool| HasPool {
            is: WantedPool {
                name: pool.name,
                limit: pool.limit,
                threshold: pool.threshold,
            },
            vnics: pool.vnics,
        });
        Ok(Self {
            limit: Some(host.limit),
            each: each.collect(),
        })
    }

    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&HasPool> {
        self.each.iter().find(|pool| pool.is.name == name)
    }
}

impl State {
    /// Asks for it. The generation is asked for first, so that it is never newer than the rest.
    pub fn read(family: &Family) -> Result<Self, Error> {
        let links = Link::all(family)?;
        let vnics = Vnic::all(family)?;
        let answers = match family.dump(cmd::POLICY_GET, &Request::default()) {
            // A module without policies.
            Err(Error::Refused { errno, .. }) if errno == libc::EOPNOTSUPP => Vec::new(),
            other => other?,
        };
        // Namespaces get their numbers by the answers.
        let names = Names::new();
        let (mut of_vnics, mut of_links) = (HashMap::new(), HashMap::new());
        let mut of_host = Vec::new();
        for answer in &answers {
            let id = answer.number(attr::ID).unwrap_or(0);
            let numbered = (id, Policy::of(answer, &names));
            match (answer.number(attr::VNIC), answer.index(attr::LINK)) {
                (Some(id), _) => of_vnics.entry(id).or_insert_with(Vec::new).push(numbered),
                (None, Some(index)) => of_links
                    .entry(index)
                    .or_insert_with(Vec::new)
                    .push(numbered),
                // Of no use to a document: the link is gone, or it is there anyway.
                (None, None) if answer.has(attr::BUILT_IN) || answer.has(attr::LINK_NAME) => {}
                (None, None) => of_host.push(numbered),
            }
        }
        let mut of_flows = flows(family)?;
        let mut state = Self {
            generation: links.iter().find_map(|link| link.generation),
            policies: of_host,
            pools: HasPools::read(family)?,
            links: Vec::new(),
            vnics: Vec::new(),
            names,
        };
        for vnic in vnics {
            let mut vnic = HasVnic::of(vnic, &state.names)?;
            vnic.policies = of_vnics.remove(&vnic.id).unwrap_or_default();
            vnic.flows = of_flows.remove(&vnic.id).unwrap_or_default();
            state.vnics.push(vnic);
        }
        for link in links {
            state.links.push(HasLink {
                etherstub: link.kind == "etherstub",
                host: Some(link.host),
                maxbw: link.maxbw,
                policies: of_links.remove(&link.index).unwrap_or_default(),
                name: link.name,
            });
        }
        // A link may have policies before it has VNICs.
        for (index, policies) in of_links {
            state.links.push(HasLink {
                name: name_of(index),
                policies,
                ..HasLink::default()
            });
        }
        Ok(state)
    }

    /// As a document wants it, and remarks about what it cannot say.
    pub fn wanted(&self) -> (Wanted, Vec<String>) {
        let mut remarks = Vec::new();
        let links = self.links.iter().map(|link| WantedLink {
            name: link.name.clone(),
            etherstub: link.etherstub,
            host: link.host,
            // There is none to speak of without VNICs, or without a wire.
            maxbw: link.host.filter(|_| !link.etherstub).map(|_| link.maxbw),
            policies: lasting(&format!("link {}", link.name), &link.policies, &mut remarks),
        });
        let links: Vec<WantedLink> = links.collect();
        let (mut vnics, mut seen) = (Vec::new(), HashSet::new());
        for vnic in &self.vnics {
            let Some(link) = &vnic.link else { continue };
            let called = vnic.full_name();
            if vnic.home == Home::Unknown && !vnic.absent {
                remarks.push(format!(
                    "left out: VNIC {} (number {}) on {link}, whose namespace has no name; ip netns attach gives it one",
                    vnic.name, vnic.id
                ));
                continue;
            }
            if vnic.absent && !seen.insert((link, called.clone())) {
                remarks.push(format!(
                    "left out: VNIC {called} (number {}) on {link}, absent like another of its name",
                    vnic.id
                ));
                continue;
            }
            vnics.push(WantedVnic {
                link: link.clone(),
                name: vnic.name.clone(),
                netns: vnic.netns().map(str::to_owned),
                absent: vnic.home == Home::Unknown,
                vlan: vnic.vlan,
                address: Some(vnic.address),
                mtu: vnic.mtu,
                promisc: Some(vnic.promisc),
                poll: Some(vnic.poll),
                // A module without rings does not say how large they are.
                ring_size: Some(vnic.ring_size).filter(|size| *size != 0),
                pool: Some(vnic.pool.clone()),
                // A module that does not say the one knows nothing of the other.
                cpus: vnic.hw_rings.map(|_| vnic.cpus.clone()),
                hw_rings: vnic.hw_rings,
                limits: vnic.limits.clone(),
                up: Some(vnic.up),
                policies: lasting(&format!("VNIC {called}"), &vnic.policies, &mut remarks),
                flows: vnic.flows.iter().cloned().collect(),
            });
        }
        let policies = lasting("the host", &self.policies, &mut remarks);
        let used = vnics
            .iter()
            .any(|vnic: &WantedVnic| vnic.pool.as_ref().is_some_and(|pool| !pool.is_empty()));
        if used && self.pools.limit.is_none() {
            remarks.push("left out: pools, which are shown in the first namespace to who has CAP_NET_ADMIN there".to_owned());
        }
        remarks.sort();
        let wanted = Wanted {
            policies: Some(policies).filter(|policies| !policies.is_empty()),
            // Without pools it says nothing.
            host_pool: self.pools.limit.filter(|_| !self.pools.each.is_empty()),
            pools: self.pools.each.iter().map(|pool| pool.is.clone()).collect(),
            links,
            vnics,
        };
        (wanted, remarks)
    }
}

/// All flows, by the numbers of their VNICs.
fn flows(family: &Family) -> Result<HashMap<u64, Vec<Flow>>, Error> {
    let answers = match family.dump(cmd::FLOW_GET, &Request::default()) {
        // A module without flows.
        Err(Error::Refused { errno, .. }) if errno == libc::EOPNOTSUPP => Vec::new(),
        other => other?,
    };
    let mut found = HashMap::new();
    for answer in &answers {
        let vnic = answer.number(uapi::flow::VNIC).unwrap_or(0);
        found
            .entry(vnic)
            .or_insert_with(Vec::new)
            .push(Flow::of(answer));
    }
    Ok(found)
}

/// The policies that a document can speak of.
fn lasting(of: &str, policies: &[Numbered], remarks: &mut Vec<String>) -> BTreeSet<Policy> {
    let (lasting, others): (Vec<_>, Vec<_>) = policies
        .iter()
        .partition(|(_, policy)| policy.subject.lasts());
    for (_, policy) in others {
        remarks.push(format!(
            "left out: policy \"{policy}\" of {of}, whose namespace has no name"
        ));
    }
    lasting
        .into_iter()
        .map(|(_, policy)| policy.clone())
        .collect()
}

/// Writes a document into a file, or on standard output.
pub fn export(family: &Family, file: Option<&Path>) -> Result<(), Error> {
    let (wanted, remarks) = State::read(family)?.wanted();
    let text = wanted.write(&remarks)?;
    for remark in &remarks {
        eprintln!("vnic: {remark}");
    }
    match file.filter(|file| *file != Path::new("-")) {
        Some(file) => replace(file, &text)
            .map_err(|error| Error::trouble(format!("{}: {error}", file.display()))),
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

/// Writes a file: all of it is new, or all of it is old.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    // A device or a pipe is written to, not replaced.
    if file.metadata().is_ok_and(|found| !found.is_file()) {
        return std::fs::write(file, text);
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, file)
}
