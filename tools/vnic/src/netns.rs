// SPDX-License-Identifier: GPL-2.0

//! Names of network namespaces.

use serde::Deserialize;
use std::{
    collections::HashMap,
    process::Command, //
};

#[derive(Deserialize)]
struct Listed {
    nsid: i64,
    name: Option<String>,
}

/// The names that ip(8) knows, by the numbers by which this namespace knows the others.
pub struct Names(HashMap<i64, String>);

impl Names {
    /// Asks ip(8). Without it namespaces have numbers only.
    pub fn known() -> Self {
        let said = Command::new("ip").args(["-j", "netns", "list-id"]).output();
        let listed: Vec<Listed> = said
            .ok()
            .and_then(|said| serde_json::from_slice(&said.stdout).ok())
            .unwrap_or_default();
        let named = listed
            .into_iter()
            .filter_map(|entry| Some((entry.nsid, entry.name?)));
        Self(named.collect())
    }

    /// What to call a namespace.
    pub fn of(&self, id: i64) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| match id {
            0.. => format!("nsid {id}"),
            _ => "unknown".to_owned(),
        })
    }
}
