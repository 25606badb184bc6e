// SPDX-License-Identifier: GPL-2.0

//! Links with VNICs.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    family::Family,
    limits::rate_text,
    print::Row,
    uapi::{
        self,
        cmd, //
    },
};
use nix::net::if_::{
    if_indextoname,
    if_nametoindex, //
};
use serde::Serialize;

/// One of several names, by its number.
pub fn word(names: &[&str], number: Option<u64>) -> String {
    let name = number.and_then(|number| names.get(usize::try_from(number).ok()?));
    name.map_or_else(|| "?".to_owned(), |name| (*name).to_owned())
}

/// The index of any device of this namespace.
pub fn index_of(name: &str) -> Result<u32, Error> {
    if_nametoindex(name).map_err(|_| {
        Error::Usage(format!(
            "there is no device {name} in this namespace; ip link lists them"
        ))
    })
}

/// The name of any device of this namespace, or its index.
pub fn name_of(index: u32) -> String {
    let name = if_indextoname(index).ok();
    let name = name.and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| index.to_string())
}

/// A link with VNICs.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// The index of the device.
    #[serde(skip)]
    pub index: u32,
    /// The name of the device.
    pub name: String,
    /// "nic" or "etherstub".
    pub kind: String,
    /// Whether host and VNICs reach each other.
    pub host: bool,
    /// How the device filters.
    pub filter: String,
    /// How many VNICs there are.
    pub vnics: u64,
    /// Bits a second that the VNICs may send to the wire; 0 is no limit.
    pub maxbw: u64,
    /// The state of the configuration of all links.
    #[serde(skip)]
    pub generation: Option<u64>,
}

impl From<&Answer> for Link {
    fn from(answer: &Answer) -> Self {
        use uapi::link::*;
        Self {
            index: answer.index(IFINDEX).unwrap_or(0),
            name: answer.text(IFNAME).unwrap_or_default(),
            kind: word(&uapi::KINDS, answer.number(KIND)),
            host: answer.truth(HOST).unwrap_or(false),
            filter: word(&uapi::FILTERS, answer.number(FILTER)),
            vnics: answer.number(VNICS).unwrap_or(0),
            maxbw: answer.number(MAXBW).unwrap_or(0),
            generation: answer.number(GENERATION),
        }
    }
}

impl Link {
    /// Those of this namespace.
    pub fn all(family: &Family) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::LINK_GET, &Request::default())?;
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
        family.ask(cmd::LINK_SET, &request).map(|_| ())
    }
}

impl Row for Link {
    const FIELDS: &'static [&'static str] = &["name", "kind", "host", "filter", "vnics", "maxbw"];

    fn readable(&self, field: &str) -> Option<String> {
        (field == "maxbw").then(|| rate_text(self.maxbw))
    }
}
