// SPDX-License-Identifier: GPL-2.0

//! What happens.

use crate::{
    attrs::Answer,
    error::Error,
    family::Family,
    flow::Shown,
    limits::{
        rate_text,
        Limits, //
    },
    link::Link,
    netns::Names,
    policies::{
        Rule,
        Scopes, //
    },
    pool::{
        HostPool,
        Pool, //
    },
    print::{
        Printer,
        Row, //
    },
    uapi::{
        cmd,
        overflow,
        pool, //
    },
    vnic::Vnic,
    why::Denial,
};
use serde::Serialize;

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
    Vnic(Box<Vnic>),
    Link(Link),
    Policy(Rule),
    Flow(Shown),
    Request(Denial),
    Pool(Pool),
    #[serde(rename = "pool")]
    Host(HostPool),
    Ring(Overflow),
    Unknown(u8),
}

/// A ring that dropped packets.
#[derive(Clone, Debug, Serialize)]
struct Overflow {
    /// The number of the VNIC.
    vnic: u64,
    /// The name of its device.
    name: String,
    /// Which of its rings.
    ring: u64,
    /// How many packets since it was told last.
    packets: u64,
    pool: String,
}

impl From<&Answer> for Overflow {
    fn from(answer: &Answer) -> Self {
        use overflow::*;
        Self {
            vnic: answer.number(VNIC).unwrap_or(0),
            name: answer.text(IFNAME).unwrap_or_default(),
            ring: answer.number(RING).unwrap_or(0),
            packets: answer.number(PACKETS).unwrap_or(0),
            pool: answer.text(POOL).unwrap_or_default(),
        }
    }
}

/// What is known while events are watched.
struct Watch<'a> {
    names: Names,
    scopes: Scopes<'a>,
}

impl Watch<'_> {
    fn event(&self, command: u8, answer: &Answer) -> Event {
        let vnic = || {
            self.scopes.forget();
            About::Vnic(Box::new(Vnic::of(answer, &self.names)))
        };
        let policy = || About::Policy(Rule::of(answer, &self.names, &self.scopes));
        let flow = || About::Flow(Shown::of(answer, &self.scopes));
        let (event, about) = match command {
            cmd::VNIC_ADD_NTF => ("new", vnic()),
            cmd::VNIC_CHANGE_NTF => ("changed", vnic()),
            cmd::VNIC_DEL_NTF => ("gone", vnic()),
            cmd::LINK_CHANGE_NTF => ("changed", About::Link(Link::from(answer))),
            cmd::POLICY_ADD_NTF => ("new", policy()),
            cmd::POLICY_DEL_NTF => ("gone", policy()),
            cmd::FLOW_ADD_NTF => ("new", flow()),
            cmd::FLOW_CHANGE_NTF => ("changed", flow()),
            cmd::FLOW_DEL_NTF => ("gone", flow()),
            cmd::POOL_ADD_NTF => ("new", About::Pool(Pool::from(answer))),
            cmd::POOL_CHANGE_NTF if answer.has(pool::HOST) => {
                ("changed", About::Host(HostPool::from(answer)))
            }
            cmd::POOL_CHANGE_NTF => ("changed", About::Pool(Pool::from(answer))),
            cmd::POOL_DEL_NTF => ("gone", About::Pool(Pool::from(answer))),
            cmd::OVERFLOW_NTF => ("overflow", About::Ring(Overflow::from(answer))),
            cmd::DENIED_NTF => (
                "denied",
                About::Request(Denial::of(answer, &self.names, &self.scopes)),
            ),
            other => ("unknown", About::Unknown(other)),
        };
        Event { event, about }
    }
}

/// Says what happens, until there were `count` events.
pub fn monitor(
    family: &Family,
    printer: &Printer,
    count: Option<usize>,
    quiet: bool,
) -> Result<(), Error> {
    let warn = move |sentence: &str| {
        if !quiet {
            eprintln!("vnic: {sentence}");
        }
    };
    let events = family.events(warn)?;
    let watch = Watch {
        names: Names::watching(),
        scopes: Scopes::new(family),
    };
    for event in events.take(count.unwrap_or(usize::MAX)) {
        let (command, answer) = event?;
        printer.one(&watch.event(command, &answer))?;
    }
    Ok(())
}

fn vnic_line(vnic: &Vnic) -> String {
    let link = vnic.link.as_ref().map(|link| format!(" link {link}"));
    let pool = vnic.pool.as_ref().map(|pool| format!(" pool {pool}"));
    let cpus = vnic.cpus.as_ref().map(|cpus| format!(" cpus {cpus}"));
    let hw_rings = vnic.hw_rings.as_ref().filter(|mode| *mode != "off");
    let hw_rings = hw_rings.map(|mode| format!(" hw-rings {mode}"));
    let hw_queue = vnic.hw_queue.map(|queue| format!(" hw-queue {queue}"));
    let limits = vnic.limits.as_ref().map(Limits::words);
    let limits = limits.filter(|words| !words.is_empty());
    let limits = limits.map(|words| format!(" {words}"));
    format!(
        "vnic {} id {}{} vlan {} address {} mtu {} {} promisc {} poll {} ring-size {}{}{}{}{}{}",
        vnic.full_name(),
        vnic.id,
        link.unwrap_or_default(),
        vnic.vlan,
        vnic.address,
        vnic.mtu,
        vnic.state,
        vnic.promisc,
        vnic.poll,
        vnic.ring_size,
        pool.unwrap_or_default(),
        cpus.unwrap_or_default(),
        hw_rings.unwrap_or_default(),
        hw_queue.unwrap_or_default(),
        limits.unwrap_or_default()
    )
}

fn overflow_line(overflow: &Overflow) -> String {
    format!(
        "vnic {} id {} ring {} packets {} pool {}",
        overflow.name, overflow.vnic, overflow.ring, overflow.packets, overflow.pool
    )
}

fn link_line(link: &Link) -> String {
    let host = if link.host { "on" } else { "off" };
    let maxbw = match link.maxbw {
        0 => String::new(),
        bits => format!(" maxbw {}", rate_text(bits)),
    };
    format!(
        "link {} host {host} filter {} vnics {}{maxbw}",
        link.name, link.filter, link.vnics
    )
}

impl Row for Event {
    const FIELDS: &'static [&'static str] = &["event", "what"];

    fn derived(&self, field: &str) -> Option<serde_json::Value> {
        let said = match (field, &self.about) {
            ("what", About::Vnic(vnic)) => vnic_line(vnic),
            ("what", About::Link(link)) => link_line(link),
            ("what", About::Policy(rule)) => format!("policy {}", rule.line()),
            ("what", About::Flow(flow)) => format!("flow {}", flow.line()),
            ("what", About::Request(denial)) => format!("request {}", denial.line()),
            ("what", About::Pool(pool)) => pool.line(),
            ("what", About::Host(host)) => host.line(),
            ("what", About::Ring(overflow)) => overflow_line(overflow),
            ("what", About::Unknown(command)) => format!("command {command}, of a newer module"),
            _ => return None,
        };
        Some(said.into())
    }
}
