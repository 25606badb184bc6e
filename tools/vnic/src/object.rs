// SPDX-License-Identifier: GPL-2.0

//! What the kernel describes: links, VNICs, counters, events.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    family::Family,
    netns::Names,
    print::Row,
    uapi::{
        self,
        cmd, //
    },
};
use serde::Serialize;

fn one_of(names: &[&str], number: Option<u64>) -> String {
    let name = number.and_then(|number| names.get(usize::try_from(number).ok()?));
    name.map_or_else(|| "?".to_owned(), |name| (*name).to_owned())
}

/// A link with VNICs.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    #[serde(skip)]
    index: u32,
    /// The name of the device.
    pub name: String,
    kind: String,
    host: bool,
    filter: String,
    vnics: u64,
}

impl From<&Answer> for Link {
    fn from(answer: &Answer) -> Self {
        use uapi::link::*;
        Self {
            index: answer.index(IFINDEX).unwrap_or(0),
            name: answer.text(IFNAME).unwrap_or_default(),
            kind: one_of(&["nic", "etherstub"], answer.number(KIND)),
            host: answer.truth(HOST).unwrap_or(false),
            filter: one_of(&["none", "exact", "promisc"], answer.number(FILTER)),
            vnics: answer.number(VNICS).unwrap_or(0),
        }
    }
}

impl Link {
    fn all(family: &Family) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::LINK_GET, Request::default())?;
        Ok(answers.iter().map(Self::from).collect())
    }

    /// The one of that name.
    pub fn named(family: &Family, name: &str) -> Result<Self, Error> {
        let found = Self::all(family)?
            .into_iter()
            .find(|link| link.name == name);
        found.ok_or_else(|| {
            Error::Usage(format!(
                "no link {name} with VNICs in this namespace; vnic link lists them"
            ))
        })
    }

    /// Those that are named, or all.
    pub fn selected(family: &Family, names: &[String]) -> Result<Vec<Self>, Error> {
        if names.is_empty() {
            return Self::all(family);
        }
        names.iter().map(|name| Self::named(family, name)).collect()
    }

    /// Changes it.
    pub fn set(&self, family: &Family, settings: Request) -> Result<(), Error> {
        let request = settings.with(uapi::link::IFINDEX, &self.index.to_ne_bytes());
        family.ask(cmd::LINK_SET, request).map(|_| ())
    }
}

impl Row for Link {
    const FIELDS: &'static [&'static str] = &["name", "kind", "host", "filter", "vnics"];
}

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
    /// The link, if it is in this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    vlan: u64,
    address: String,
    mtu: u64,
    state: &'static str,
    promisc: String,
}

impl Vnic {
    fn of(answer: &Answer, names: &Names) -> Self {
        use uapi::vnic::*;
        // A signed number of four bytes.
        let netns = answer
            .index(NETNS_ID)
            .map(|id| names.of(i64::from(id as i32)));
        Self {
            id: answer.number(ID).unwrap_or(0),
            name: answer.text(IFNAME).unwrap_or_default(),
            netns,
            link: answer.text(LINK_NAME),
            vlan: answer.number(VLAN).unwrap_or(0),
            address: answer.mac(ADDRESS).unwrap_or_default(),
            mtu: answer.number(MTU).unwrap_or(0),
            state: if answer.truth(UP) == Some(true) {
                "up"
            } else {
                "down"
            },
            promisc: one_of(&["off", "own", "all"], answer.number(PROMISC_MODE)),
        }
    }

    fn all(family: &Family) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::VNIC_GET, Request::default())?;
        let names = Names::known();
        Ok(answers
            .iter()
            .map(|answer| Self::of(answer, &names))
            .collect())
    }

    /// NETNS/NAME, or NAME where it is here.
    fn full_name(&self) -> String {
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
        let called: Vec<&Self> = all.iter().filter(|vnic| vnic.is_called(name)).collect();
        // One in this namespace comes before others of its name elsewhere.
        let here: Vec<&&Self> = called.iter().filter(|vnic| vnic.netns.is_none()).collect();
        match (called.as_slice(), here.as_slice()) {
            ([one], _) => Ok((*one).clone()),
            (_, [one]) => Ok((**one).clone()),
            ([], _) => Err(Error::Usage(format!(
                "no VNIC {name}; vnic show lists them"
            ))),
            (several, _) => {
                let names: Vec<String> = several.iter().map(|vnic| vnic.full_name()).collect();
                Err(Error::Usage(format!(
                    "{name} may be any of {}",
                    names.join(", ")
                )))
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
        family.ask(cmd::VNIC_SET, request).map(|_| ())
    }
}

impl Row for Vnic {
    const FIELDS: &'static [&'static str] = &[
        "name", "netns", "link", "vlan", "address", "mtu", "state", "promisc", "id",
    ];
}

/// What a VNIC counted.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    id: u64,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<String>,
    #[serde(flatten)]
    counters: serde_json::Map<String, serde_json::Value>,
}

impl Stats {
    /// Of each of these; one that is gone meanwhile is left out.
    pub fn of(family: &Family, vnics: &[Vnic]) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::STATS_GET, Request::default())?;
        let of_one = |vnic: &Vnic| {
            let id = Some(vnic.id);
            let answer = answers
                .iter()
                .find(|answer| answer.number(uapi::stats::ID) == id)?;
            let counters = (uapi::stats::FIRST..)
                .zip(uapi::stats::NAMES)
                .map(|(kind, name)| (name.to_owned(), answer.number(kind).unwrap_or(0).into()));
            Some(Self {
                id: vnic.id,
                name: vnic.name.clone(),
                netns: vnic.netns.clone(),
                counters: counters.collect(),
            })
        };
        Ok(vnics.iter().filter_map(of_one).collect())
    }
}

impl Row for Stats {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "netns",
        "rx_packets",
        "rx_bytes",
        "rx_dropped",
        "tx_packets",
        "tx_bytes",
        "tx_dropped",
        "id",
    ];

    fn derived(&self, field: &str) -> Option<serde_json::Value> {
        let prefix = match field {
            "rx_dropped" => "rx_drop_",
            "tx_dropped" => "tx_drop_",
            _ => return None,
        };
        let drops = self
            .counters
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        Some(
            drops
                .filter_map(|(_, value)| value.as_u64())
                .sum::<u64>()
                .into(),
        )
    }
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    event: &'static str,
    #[serde(flatten)]
    about: About,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum About {
    Vnic(Vnic),
    Link(Link),
    Unknown(u8),
}

impl From<(u8, Answer)> for Event {
    fn from((command, answer): (u8, Answer)) -> Self {
        let vnic = |answer| About::Vnic(Vnic::of(answer, &Names::known()));
        let (event, about) = match command {
            cmd::VNIC_ADD_NTF => ("new", vnic(&answer)),
            cmd::VNIC_CHANGE_NTF => ("changed", vnic(&answer)),
            cmd::VNIC_DEL_NTF => ("gone", vnic(&answer)),
            cmd::LINK_CHANGE_NTF => ("changed", About::Link(Link::from(&answer))),
            other => ("unknown", About::Unknown(other)),
        };
        Self { event, about }
    }
}

impl Row for Event {
    const FIELDS: &'static [&'static str] = &["event", "what"];

    fn derived(&self, field: &str) -> Option<serde_json::Value> {
        let said = match (field, &self.about) {
            ("what", About::Vnic(vnic)) => format!(
                "vnic {} id {}{} vlan {} address {} mtu {} {} promisc {}",
                vnic.full_name(),
                vnic.id,
                vnic.link
                    .as_ref()
                    .map(|link| format!(" link {link}"))
                    .unwrap_or_default(),
                vnic.vlan,
                vnic.address,
                vnic.mtu,
                vnic.state,
                vnic.promisc
            ),
            ("what", About::Link(link)) => format!(
                "link {} host {} filter {} vnics {}",
                link.name,
                if link.host { "on" } else { "off" },
                link.filter,
                link.vnics
            ),
            ("what", About::Unknown(command)) => format!("command {command}, of a newer module"),
            _ => return None,
        };
        Some(said.into())
    }
}
