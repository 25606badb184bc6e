// SPDX-License-Identifier: GPL-2.0

//! VNICs.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    family::Family,
    limits::{
        self,
        Limits, //
    },
    link::word,
    netns::Names,
    print::Row,
    uapi::{
        self,
        cmd, //
    },
};
use serde::Serialize;
use serde_json::Value;

/// A VNIC.
#[derive(Clone, Debug, Serialize)]
pub struct Vnic {
    /// Its number.
    pub id: u64,
    /// The name of its device.
    pub name: String,
    /// The namespace where it is, if that is not this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// The namespace that the manager gave it to, if it is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The number of the namespace that the manager gave it to; missing if that is this one.
    #[serde(skip)]
    pub home: Option<i32>,
    /// The link, if it is in this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Its VLAN; 0 is none.
    pub vlan: u64,
    /// Its address.
    pub address: String,
    /// Its MTU.
    pub mtu: u64,
    /// up, down or absent.
    pub state: &'static str,
    /// What it receives in promiscuous mode.
    pub promisc: String,
    /// How it gets packets from the wire.
    pub poll: String,
    /// How many packets may wait on each of its rings.
    pub ring_size: u64,
    /// How many rings it has, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rings: Option<u64>,
    /// The pool that the packets it receives are stored in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The CPUs on which its rings are polled, if not any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
    /// Whether it gets a queue of the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw_rings: Option<String>,
    /// The receive queue of the link that is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw_queue: Option<u64>,
    /// Its limits, if the module has any.
    #[serde(flatten)]
    pub limits: Option<Limits>,
    /// Whether only its configuration is there.
    pub absent: bool,
    /// How many requests were denied.
    pub denied: u64,
    /// The address that the manager gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_address: Option<String>,
    /// The MTU that the manager gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_mtu: Option<u64>,
    #[serde(skip)]
    up: bool,
}

impl Vnic {
    /// Of an answer or an event.
    pub fn of(answer: &Answer, names: &Names) -> Self {
        use uapi::vnic::*;
        let (netns, owner) = (answer.signed(NETNS_ID), answer.signed(OWNER_ID));
        let (up, absent) = (answer.truth(UP) == Some(true), answer.has(ABSENT));
        Self {
            id: answer.number(ID).unwrap_or(0),
            name: answer.text(IFNAME).unwrap_or_default(),
            // What is absent is nowhere; it is called by where it was.
            netns: netns
                .or(owner.filter(|id| absent && *id >= 0))
                .map(|id| names.of(id)),
            owner: owner.map(|id| names.of(id)),
            home: owner.or(netns),
            link: answer.text(LINK_NAME),
            vlan: answer.number(VLAN).unwrap_or(0),
            address: answer.mac(ADDRESS).unwrap_or_default(),
            mtu: answer.number(MTU).unwrap_or(0),
            state: match (absent, up) {
                (true, _) => "absent",
                (false, true) => "up",
                (false, false) => "down",
            },
            promisc: word(&uapi::PROMISC, answer.number(PROMISC_MODE)),
            poll: word(&uapi::POLL, answer.number(POLL)),
            ring_size: answer.number(RING_SIZE).unwrap_or(0),
            rings: answer.number(RINGS),
            pool: answer.text(POOL),
            cpus: answer.text(CPUS),
            hw_rings: answer
                .number(HW_RINGS)
                .map(|mode| word(&uapi::HW_RINGS, Some(mode))),
            hw_queue: answer.number(HW_QUEUE),
            limits: Limits::of(answer, &limits::VNIC),
            absent,
            denied: answer.number(DENIED).unwrap_or(0),
            default_address: answer.mac(DEFAULT_ADDRESS),
            default_mtu: answer.number(DEFAULT_MTU),
            up,
        }
    }

    /// Those that this namespace shows.
    pub fn all(family: &Family) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::VNIC_GET, &Request::default())?;
        // Namespaces get their numbers by the answers.
        let names = Names::new();
        Ok(answers
            .iter()
            .map(|answer| Self::of(answer, &names))
            .collect())
    }

    /// Whether it is up, or was when it went.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// NETNS/NAME, or NAME where it is here.
    pub fn full_name(&self) -> String {
        match &self.netns {
            Some(netns) => format!("{netns}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether `name` means it: its number, its name, or both its names.
    fn is_called(&self, name: &str) -> bool {
        name == self.name || name == self.full_name() || name.parse() == Ok(self.id)
    }

    fn find(all: &[Self], name: &str) -> Result<Self, Error> {
        let mut called: Vec<&Self> = all.iter().filter(|vnic| vnic.is_called(name)).collect();
        // One that is there comes before those that are not.
        if called.iter().any(|vnic| !vnic.absent) {
            called.retain(|vnic| !vnic.absent || name.parse() == Ok(vnic.id));
        }
        // One in this namespace comes before others of its name elsewhere.
        let here: Vec<&&Self> = called.iter().filter(|vnic| vnic.netns.is_none()).collect();
        match (called.as_slice(), here.as_slice()) {
            ([one], _) => Ok((*one).clone()),
            (_, [one]) => Ok((**one).clone()),
            ([], _) => Error::usage(format!("no VNIC {name}; vnic show lists them")),
            (several, _) => {
                let names: Vec<String> = several.iter().map(|vnic| vnic.full_name()).collect();
                Error::usage(format!("{name} may be any of {}", names.join(", ")))
            }
        }
    }

    /// The one that is called so.
    pub fn named(family: &Family, name: &str) -> Result<Self, Error> {
        Self::find(&Self::all(family)?, name)
    }

    /// Those that are named, or all.
    pub fn selected(family: &Family, names: &[String]) -> Result<Vec<Self>, Error> {
        let all = Self::all(family)?;
        if names.is_empty() {
            return Ok(all);
        }
        names.iter().map(|name| Self::find(&all, name)).collect()
    }

    /// Changes it.
    pub fn set(&self, family: &Family, settings: Request) -> Result<(), Error> {
        let request = settings.with(uapi::vnic::ID, &self.id.to_ne_bytes());
        family.ask(cmd::VNIC_SET, &request).map(|_| ())
    }
}

impl Row for Vnic {
    const FIELDS: &'static [&'static str] = &[
        "name", "netns", "link", "vlan", "address", "mtu", "state", "promisc", "pool", "limits",
        "id",
    ];

    fn derived(&self, field: &str) -> Option<Value> {
        let words = self.limits.as_ref().map(Limits::words);
        let words = words.filter(|words| field == "limits" && !words.is_empty());
        words.map(Value::from)
    }
}
