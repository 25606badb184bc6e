// SPDX-License-Identifier: GPL-2.0

//! The document: links, VNICs, pools and policies as TOML. It is what `vnic export` writes and `vnic apply` reads.

use crate::{
    attrs,
    create::check_name,
    error::Error,
    flow::Flow,
    limits::{
        rate,
        rate_text,
        Changes,
        Limits, //
    },
    netns::{
        self,
        Names, //
    },
    policy::{
        Netns,
        Policy,
        Subject, //
    },
    pool,
    settings::{
        cpu_list,
        cpu_word,
        pool_name,
        pool_word,
        ring_size,
        vlan, //
    },
    uapi,
    words::{
        mac,
        position,
        size,
        size_text,
        Words, //
    },
};
use serde::{
    Deserialize,
    Serialize, //
};
use std::collections::{
    BTreeSet,
    HashSet, //
};

/// A document, as it is written.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<String>>,
    #[serde(rename = "host-pool", default, skip_serializing_if = "Option::is_none")]
    host_pool: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pool: Vec<PoolEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    link: Vec<LinkEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    vnic: Vec<VnicEntry>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PoolEntry {
    name: String,
    limit: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    threshold: u32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LinkEntry {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maxbw: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
}

fn is_false(truth: &bool) -> bool {
    !*truth
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct VnicEntry {
    link: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    netns: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    absent: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    vlan: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promisc: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    poll: Option<String>,
    #[serde(rename = "ring-size", default, skip_serializing_if = "Option::is_none")]
    ring_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpus: Option<String>,
    #[serde(rename = "hw-rings", default, skip_serializing_if = "Option::is_none")]
    hw_rings: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flows: Vec<String>,
}

/// A pool, as it is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WantedPool {
    /// Its name.
    pub name: String,
    /// Bytes that it may have.
    pub limit: u64,
    /// After how many packets that a ring dropped events say so; 0 is never.
    pub threshold: u32,
}

/// A link, as it is wanted. What is not said is not compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WantedLink {
    /// The name of the device.
    pub name: String,
    /// Whether it is an etherstub.
    pub etherstub: bool,
    /// Whether host and VNICs reach each other.
    pub host: Option<bool>,
    /// Bits a second that its VNICs may send to the wire; 0 is no limit.
    pub maxbw: Option<u64>,
    /// Its policies: these, and no others.
    pub policies: BTreeSet<Policy>,
}

/// A VNIC, as it is wanted. What is not said is not compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WantedVnic {
    /// The name of the link.
    pub link: String,
    /// The name of its device.
    pub name: String,
    /// The namespace, if not that of the link.
    pub netns: Option<String>,
    /// Whether only its configuration is kept, its namespace being unknown.
    pub absent: bool,
    /// Its VLAN; 0 is none.
    pub vlan: u16,
    /// Its address.
    pub address: Option<[u8; 6]>,
    /// Its MTU.
    pub mtu: Option<u32>,
    /// The number of its promiscuous mode.
    pub promisc: Option<u8>,
    /// The number of its way to get packets from the wire.
    pub poll: Option<u8>,
    /// How many packets may wait on each of its rings.
    pub ring_size: Option<u32>,
    /// The name of its pool; empty for none.
    pub pool: Option<String>,
    /// The CPUs of its rings; empty for any.
    pub cpus: Option<String>,
    /// The number of whether it gets a queue of the link.
    pub hw_rings: Option<u8>,
    /// Its limits: these, and no others.
    pub limits: Option<Limits>,
    /// Whether it is up.
    pub up: Option<bool>,
    /// Its policies: these, and no others.
    pub policies: BTreeSet<Policy>,
    /// Its flows: these, and no others.
    pub flows: BTreeSet<Flow>,
}

impl WantedPool {
    /// All that can be set.
    pub fn settings(&self) -> pool::Settings {
        pool::Settings {
            limit: Some(self.limit),
            threshold: Some(self.threshold),
        }
    }
}

impl WantedVnic {
    /// NETNS/NAME, or NAME.
    pub fn full_name(&self) -> String {
        full_name(self.netns.as_deref(), &self.name)
    }

    /// What of its limits a new one has not by itself.
    pub fn new_limits(&self) -> Changes {
        let limits = self.limits.as_ref();
        limits.map_or_else(Changes::default, |limits| limits.unlike(&Limits::OF_VNIC))
    }
}

/// NETNS/NAME, or NAME.
pub fn full_name(netns: Option<&str>, name: &str) -> String {
    match netns {
        Some(netns) => format!("{netns}/{name}"),
        None => name.to_owned(),
    }
}

/// All that is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Policies for all on the host: these, and no others. Not compared if they are not said.
    pub policies: Option<BTreeSet<Policy>>,
    /// Bytes that all pools together may have.
    pub host_pool: Option<u64>,
    /// Pools.
    pub pools: Vec<WantedPool>,
    /// Links.
    pub links: Vec<WantedLink>,
    /// VNICs.
    pub vnics: Vec<WantedVnic>,
}

fn policies(of: &str, lines: &[String]) -> Result<BTreeSet<Policy>, Error> {
    lines
        .iter()
        .map(|line| {
            Policy::parse(&mut Words::split(line))
                .map_err(|error| Error::Usage(format!("policy \"{line}\" of {of}: {error}")))
        })
        .collect()
}

fn flows(of: &str, lines: &[String]) -> Result<BTreeSet<Flow>, Error> {
    let (mut flows, mut names) = (BTreeSet::new(), HashSet::new());
    for line in lines {
        let flow = Flow::parse(&mut Words::split(line))
            .map_err(|error| Error::Usage(format!("flow \"{line}\" of {of}: {error}")))?;
        if !names.insert(flow.name.clone()) {
            return Error::usage(format!("the flow {} of {of} is there twice", flow.name));
        }
        flows.insert(flow);
    }
    Ok(flows)
}

fn written(policies: &BTreeSet<Policy>) -> Vec<String> {
    let mut lines: Vec<String> = policies.iter().map(Policy::to_string).collect();
    lines.sort();
    lines
}

impl PoolEntry {
    fn wanted(self) -> Result<WantedPool, Error> {
        let inside = |error: Error| Error::Usage(format!("pool {}: {error}", self.name));
        Ok(WantedPool {
            limit: size("limit", &self.limit).map_err(inside)?,
            threshold: self.threshold,
            name: pool::check_name(&self.name)?.to_owned(),
        })
    }
}

impl LinkEntry {
    fn wanted(self) -> Result<WantedLink, Error> {
        let kind = match &self.kind {
            Some(kind) => position("the kind of a link", kind, &uapi::KINDS)?,
            None => 0,
        };
        let inside = |error: Error| Error::Usage(format!("link {}: {error}", self.name));
        let maxbw = self.maxbw.as_deref().map(|text| rate("maxbw", text));
        let maxbw = maxbw.transpose().map_err(inside)?;
        if kind == 1 && maxbw.is_some_and(|bits| bits != 0) {
            return Error::usage(format!(
                "link {}: an etherstub has no wire that a maxbw could be of",
                self.name
            ));
        }
        Ok(WantedLink {
            maxbw,
            policies: policies(&self.name, &self.policies)?,
            name: check_name(&self.name)?.to_owned(),
            etherstub: kind == 1,
            host: self.host,
        })
    }
}

impl VnicEntry {
    fn wanted(self) -> Result<WantedVnic, Error> {
        let called = full_name(self.netns.as_deref(), &self.name);
        let inside = |error: Error| Error::Usage(format!("VNIC {called}: {error}"));
        let address = self.address.as_deref().map(mac);
        let promisc = self.promisc.as_deref();
        let promisc = promisc.map(|mode| position("promisc", mode, &uapi::PROMISC));
        let poll = self.poll.as_deref();
        let poll = poll.map(|way| position("poll", way, &uapi::POLL));
        let ring_size = self.ring_size.map(ring_size);
        let pool = self.pool.as_deref().map(pool_name);
        let cpus = self.cpus.as_deref().map(cpu_list);
        let hw_rings = self.hw_rings.as_deref();
        let hw_rings = hw_rings.map(|mode| position("hw-rings", mode, &uapi::HW_RINGS));
        let limits = self.limits.as_deref().map(Limits::of_document);
        Ok(WantedVnic {
            policies: policies(&called, &self.policies)?,
            flows: flows(&called, &self.flows)?,
            link: self.link,
            name: check_name(&self.name).map_err(inside)?.to_owned(),
            netns: self.netns,
            absent: self.absent,
            vlan: vlan(self.vlan).map_err(inside)?,
            address: address.transpose().map_err(inside)?,
            mtu: self.mtu,
            promisc: promisc.transpose().map_err(inside)?,
            poll: poll.transpose().map_err(inside)?,
            ring_size: ring_size.transpose().map_err(inside)?,
            pool: pool.transpose().map_err(inside)?,
            cpus: cpus.transpose().map_err(inside)?,
            hw_rings: hw_rings.transpose().map_err(inside)?,
            limits: limits.transpose().map_err(inside)?,
            up: self.up,
        })
    }
}

impl From<&WantedPool> for PoolEntry {
    fn from(pool: &WantedPool) -> Self {
        Self {
            name: pool.name.clone(),
            limit: size_text(pool.limit),
            threshold: pool.threshold,
        }
    }
}

impl From<&WantedLink> for LinkEntry {
    fn from(link: &WantedLink) -> Self {
        Self {
            name: link.name.clone(),
            kind: link.etherstub.then(|| "etherstub".to_owned()),
            host: link.host,
            maxbw: link.maxbw.map(rate_text),
            policies: written(&link.policies),
        }
    }
}

impl From<&WantedVnic> for VnicEntry {
    fn from(vnic: &WantedVnic) -> Self {
        let promisc = vnic.promisc.map(usize::from);
        let promisc = promisc.and_then(|mode| uapi::PROMISC.get(mode));
        let poll = vnic.poll.map(usize::from);
        let poll = poll.and_then(|way| uapi::POLL.get(way));
        let hw_rings = vnic.hw_rings.map(usize::from);
        let hw_rings = hw_rings.and_then(|mode| uapi::HW_RINGS.get(mode));
        Self {
            link: vnic.link.clone(),
            name: vnic.name.clone(),
            netns: vnic.netns.clone(),
            absent: vnic.absent,
            vlan: vnic.vlan,
            address: vnic.address.map(|bytes| attrs::mac(&bytes)),
            mtu: vnic.mtu,
            promisc: promisc.map(|mode| (*mode).to_owned()),
            poll: poll.map(|way| (*way).to_owned()),
            ring_size: vnic.ring_size,
            pool: vnic.pool.as_deref().map(|pool| pool_word(pool).to_owned()),
            cpus: vnic.cpus.as_deref().map(|cpus| cpu_word(cpus).to_owned()),
            hw_rings: hw_rings.map(|mode| (*mode).to_owned()),
            limits: vnic.limits.as_ref().map(Limits::document),
            up: vnic.up,
            policies: written(&vnic.policies),
            flows: vnic.flows.iter().map(Flow::to_string).collect(),
        }
    }
}

impl Wanted {
    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let document: Document = toml::from_str(text)
            .map_err(|error| Error::Usage(error.to_string().trim_end().to_owned()))?;
        let (links, vnics) = (document.link.into_iter(), document.vnic.into_iter());
        let host = document.policies.map(|lines| policies("the host", &lines));
        let host_pool = document.host_pool.map(|text| size("host-pool", &text));
        let pools = document.pool.into_iter();
        let wanted = Self {
            policies: host.transpose()?,
            host_pool: host_pool.transpose()?,
            pools: pools.map(PoolEntry::wanted).collect::<Result<_, _>>()?,
            links: links.map(LinkEntry::wanted).collect::<Result<_, _>>()?,
            vnics: vnics.map(VnicEntry::wanted).collect::<Result<_, _>>()?,
        };
        wanted.check()?;
        Ok(wanted)
    }

    /// Refuses what is there twice, and VNICs on links that are not there.
    fn check(&self) -> Result<(), Error> {
        let mut pools = HashSet::new();
        for pool in &self.pools {
            if !pools.insert(pool.name.as_str()) {
                return Error::usage(format!("the pool {} is there twice", pool.name));
            }
        }
        let mut links = HashSet::new();
        for link in &self.links {
            if !links.insert(link.name.as_str()) {
                return Error::usage(format!("the link {} is there twice", link.name));
            }
        }
        let mut vnics = HashSet::new();
        for vnic in &self.vnics {
            let called = vnic.full_name();
            if !links.contains(vnic.link.as_str()) {
                return Error::usage(format!(
                    "VNIC {called} is on {}, which the document has no [[link]] for; add one with name = \"{}\"",
                    vnic.link, vnic.link
                ));
            }
            // Devices that are not there may have the same name on several links.
            let place = vnic.absent.then_some(vnic.link.as_str());
            if !vnics.insert((place, called.clone())) {
                return Error::usage(format!("the VNIC {called} is there twice"));
            }
        }
        Ok(())
    }

    /// Calls namespaces as the kernel's answers are shown here, and refuses those that are not there.
    pub fn settle_namespaces(&mut self, names: &Names) -> Result<(), Error> {
        let mut known = HashSet::new();
        let mut settled = |name: &str| -> Result<String, Error> {
            if known.insert(name.to_owned()) {
                netns::open_named(name)?;
            }
            Ok(names.first_of(name))
        };
        for name in self.vnics.iter_mut().filter_map(|vnic| vnic.netns.as_mut()) {
            *name = settled(name)?;
        }
        let links = self.links.iter_mut().map(|link| &mut link.policies);
        let vnics = self.vnics.iter_mut().map(|vnic| &mut vnic.policies);
        for policies in self.policies.iter_mut().chain(links).chain(vnics) {
            let old = std::mem::take(policies);
            for mut policy in old {
                if let Subject::Netns(Netns::Named(name)) = &mut policy.subject {
                    *name = settled(name)?;
                }
                policies.insert(policy);
            }
        }
        Ok(())
    }

    /// Writes a document. What it says depends on nothing but what is there: the order is always the same.
    pub fn write(&self, remarks: &[String]) -> Result<String, Error> {
        let mut document = Document {
            policies: self.policies.as_ref().map(written),
            host_pool: self.host_pool.map(size_text),
            pool: self.pools.iter().map(PoolEntry::from).collect(),
            link: self.links.iter().map(LinkEntry::from).collect(),
            vnic: self.vnics.iter().map(VnicEntry::from).collect(),
        };
        document
            .pool
            .sort_by(|one, other| one.name.cmp(&other.name));
        document
            .link
            .sort_by(|one, other| one.name.cmp(&other.name));
        document.vnic.sort_by(|one, other| {
            let key = |vnic: &VnicEntry| {
                let place = (vnic.link.clone(), vnic.netns.clone(), vnic.name.clone());
                (place, vnic.absent, vnic.vlan, vnic.address.clone())
            };
            key(one).cmp(&key(other))
        });
        let body = toml::to_string_pretty(&document).map_err(Error::trouble)?;
        let mut text = "# VNICs and their links, as vnic apply takes them.\n".to_owned();
        for remark in remarks {
            text.push_str(&format!("# {remark}\n"));
        }
        if !body.is_empty() {
            text.push('\n');
            text.push_str(&body);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# VNICs and their links, as vnic apply takes them.

policies = [\"user 4000000001 vnics none\"]
host-pool = \"1G\"

[[pool]]
name = \"db\"
limit = \"1048577\"

[[pool]]
name = \"web\"
limit = \"64M\"
threshold = 100

[[link]]
name = \"nic0\"
host = true
maxbw = \"1G\"
policies = [\"owner vnics quota 4\"]

[[link]]
name = \"stub0\"
kind = \"etherstub\"
host = false

[[vnic]]
link = \"nic0\"
name = \"gone0\"
absent = true
address = \"02:00:00:00:00:04\"
mtu = 1500
promisc = \"own\"
poll = \"ring\"
ring-size = 64
pool = \"none\"
limits = \"none\"
up = false

[[vnic]]
link = \"nic0\"
name = \"eth0\"
netns = \"web\"
vlan = 10
address = \"02:00:00:00:00:01\"
mtu = 1500
promisc = \"own\"
poll = \"auto\"
ring-size = 1024
pool = \"web\"
limits = \"maxbw 50M tx-maxpps 1000 share 200\"
up = true
policies = [
    \"name vm1 ip 192.0.2.0/24 quota 2\",
    \"owner all none\",
    \"owner mtu 1280-1500\",
]
flows = [
    \"dns protocol udp remote-port 53 ring 1\",
    \"web rank 10 protocol tcp local-ip 192.0.2.0/24 local-port 80\",
]

[[vnic]]
link = \"stub0\"
name = \"v0\"
";

    #[test]
    fn a_document_comes_back_as_it_was() {
        let wanted = Wanted::parse(DOCUMENT).expect("a document");
        assert_eq!(DOCUMENT, wanted.write(&[]).expect("a text"));
    }

    #[test]
    fn the_order_is_always_the_same() {
        let mut wanted = Wanted::parse(DOCUMENT).expect("a document");
        wanted.pools.reverse();
        wanted.links.reverse();
        wanted.vnics.reverse();
        assert_eq!(DOCUMENT, wanted.write(&[]).expect("a text"));
    }

    #[test]
    fn nothing_is_a_document() {
        let text = Wanted::default()
            .write(&["a remark".to_owned()])
            .expect("a text");
        assert!(text.ends_with("# a remark\n"));
        assert_eq!(Wanted::default(), Wanted::parse(&text).expect("a document"));
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        let link = "[[link]]\nname = \"nic0\"\n";
        let vnic = "[[vnic]]\nlink = \"nic0\"\nname = \"v0\"\n";
        let pool = "[[pool]]\nname = \"p\"\nlimit = \"1M\"\n";
        for (text, name) in [
            ("host-pool = \"much\"".to_owned(), "\"much\""),
            ("host_pool = \"1G\"".to_owned(), "host_pool"),
            ("[[pool]]\nname = \"p\"".to_owned(), "limit"),
            (pool.replace("1M", "1Q"), "pool p: limit"),
            (pool.replace("\"p\"", "\"host\""), "\"host\""),
            (format!("{pool}colour = 1"), "colour"),
            (format!("{pool}threshold = -1"), "threshold"),
            (format!("{pool}{pool}"), "the pool p is there twice"),
            (format!("{link}{vnic}pool = \"a b\""), "VNIC v0"),
            ("colour = 1".to_owned(), "colour"),
            (format!("{link}colour = 1"), "colour"),
            (format!("{link}maxbw = \"1\""), "link nic0: maxbw"),
            (
                format!("{link}kind = \"etherstub\"\nmaxbw = \"1M\""),
                "no wire",
            ),
            (
                format!("{link}{vnic}limits = \"maxbw x\""),
                "VNIC v0: maxbw",
            ),
            (format!("{link}{vnic}limits = \"colour\""), "colour"),
            (format!("{link}kind = \"wire\""), "wire"),
            (format!("{link}policies = [\"owner colour\"]"), "colour"),
            (format!("{link}{link}"), "nic0 is there twice"),
            (vnic.to_owned(), "[[link]]"),
            (format!("{link}{vnic}{vnic}"), "v0 is there twice"),
            (format!("{link}{vnic}vlan = 4095"), "4095"),
            (format!("{link}{vnic}address = \"x\""), "\"x\""),
            (format!("{link}{vnic}promisc = \"x\""), "\"x\""),
            (format!("{link}{vnic}poll = \"x\""), "\"x\""),
            (format!("{link}{vnic}ring-size = 63"), "65536, not \"63\""),
            (format!("{link}{vnic}ring_size = 64"), "ring_size"),
            (format!("{link}{vnic}mtu = -1"), "mtu"),
            (format!("{link}{vnic}flows = [\"web colour\"]"), "colour"),
            (
                format!("{link}{vnic}flows = [\"web\", \"web rank 1\"]"),
                "web of v0 is there twice",
            ),
            (
                format!("{link}[[vnic]]\nlink = \"nic0\"\nname = \"a b\""),
                "a b",
            ),
        ] {
            let said = Wanted::parse(&text).map_err(|error| error.to_string());
            assert!(said.is_err_and(|said| said.contains(name)), "{text}");
        }
    }

    #[test]
    fn a_namespace_that_is_missing_has_a_cure() {
        let missing = "nobody-has-this-name";
        for more in [
            format!("netns = \"{missing}\""),
            format!("policies = [\"netns {missing} all\"]"),
        ] {
            let text = format!(
                "[[link]]\nname = \"nic0\"\n[[vnic]]\nlink = \"nic0\"\nname = \"v0\"\n{more}"
            );
            let mut wanted = Wanted::parse(&text).expect("a document");
            let said = wanted.settle_namespaces(&Names::default());
            let said = said.map_err(|error| error.to_string());
            assert!(
                said.is_err_and(|said| said.contains("ip netns add")),
                "{more}"
            );
        }
    }
}
