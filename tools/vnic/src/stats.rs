// SPDX-License-Identifier: GPL-2.0

//! What VNICs counted.

use crate::{
    attrs::Request,
    error::Error,
    family::Family,
    print::Row,
    uapi::{
        self,
        cmd, //
    },
    vnic::Vnic,
};
use serde::Serialize;

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
        let answers = family.dump(cmd::STATS_GET, &Request::default())?;
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
