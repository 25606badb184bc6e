// SPDX-License-Identifier: GPL-2.0

//! Flows: in words, `NAME [WORD VALUE]…`, and in attributes; shown, added, deleted.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    family::Family,
    limits::{
        self,
        flow_limits_help,
        Changes,
        Limits, //
    },
    policies::Scopes,
    policy::Prefix,
    print::Row,
    settings::once,
    uapi::{
        self,
        cmd,
        flow as attr,
        transaction, //
    },
    vnic::Vnic,
    words::Words,
};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// What can be said of a flow.
pub const HELP: &str = concat!(
    "What is not said is not looked at:
  rank N              of several flows that match, the one with the highest rank has the packet (0)
  ethertype T         ipv4, ipv6, arp, or a number like 0x88cc
  protocol P          tcp, udp, icmp, icmpv6, sctp, dccp, gre, esp, ah, or a number
  local-ip PREFIX     the VNIC's side: destination of what it receives, source of what it sends
  remote-ip PREFIX    the other side
  local-port N        the VNIC's port; needs protocol tcp, udp, sctp or dccp
  remote-port N       the other port
  dscp N              0 to 63
  ring N              received packets go to this ring, modulo the number of rings

Limits, of its packets together:",
    flow_limits_help!()
);

/// What can be changed of a flow.
pub const SET_HELP: &str = concat!("Limits, of its packets together:", flow_limits_help!());

const ETHERTYPES: [(&str, u16); 3] = [("ipv4", 0x0800), ("ipv6", 0x86dd), ("arp", 0x0806)];

const PROTOCOLS: [(&str, u8); 9] = [
    ("tcp", 6),
    ("udp", 17),
    ("icmp", 1),
    ("icmpv6", 58),
    ("sctp", 132),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
];

/// A flow of some VNIC.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Flow {
    /// Its name, unique on the VNIC.
    pub name: String,
    rank: u32,
    ethertype: Option<u16>,
    protocol: Option<u8>,
    local_ip: Option<Prefix>,
    remote_ip: Option<Prefix>,
    local_port: Option<u16>,
    remote_port: Option<u16>,
    dscp: Option<u8>,
    ring: Option<u16>,
    limits: Limits,
}

/// A name, as its number; or a number.
fn named<T: Copy>(
    word: &str,
    words: &mut Words<'_>,
    names: &[(&str, T)],
    number: impl Fn(&str) -> Option<T>,
) -> Result<T, Error> {
    let value = words.value(word)?;
    let known = names.iter().find(|(name, _)| *name == value);
    let found = known.map(|(_, number)| *number).or_else(|| number(value));
    found.ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        Error::Usage(format!(
            "{word} is {} or a number, not \"{value}\"",
            names.join(", ")
        ))
    })
}

fn ethertype(value: &str) -> Option<u16> {
    let number = match value.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u16::from_str_radix(digits, 16).ok(),
        _ => value.parse().ok().filter(|_| !value.starts_with('+')),
    };
    number.filter(|number| *number >= 0x600)
}

fn protocol(value: &str) -> Option<u8> {
    value.parse().ok().filter(|_| !value.starts_with('+'))
}

fn ip_prefix(word: &str, words: &mut Words<'_>) -> Result<Prefix, Error> {
    let text = words.value(word)?;
    let prefix = Prefix::parse(text)?;
    match prefix.is_ip() {
        true => Ok(prefix),
        false => Error::usage(format!(
            "{word} is like 192.0.2.0/24 or 2001:db8::/64, not \"{text}\""
        )),
    }
}

/// Refuses a name that the kernel would refuse.
fn check_name(name: &str) -> Result<&str, Error> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match (1..=uapi::FLOW_NAME_LEN).contains(&name.len()) && name.bytes().all(good) {
        true => Ok(name),
        false => Error::usage(format!(
            "the name of a flow has 1 to {} letters, digits, dots, - and _, not \"{name}\"",
            uapi::FLOW_NAME_LEN
        )),
    }
}

impl Flow {
    /// One that all packets are of.
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rank: 0,
            ethertype: None,
            protocol: None,
            local_ip: None,
            remote_ip: None,
            local_port: None,
            remote_port: None,
            dscp: None,
            ring: None,
            limits: Limits::OF_FLOW,
        }
    }

    /// Whether it has a priority of its own.
    pub fn has_priority(&self) -> bool {
        self.limits.has_priority()
    }

    /// What differs of its limits from those of `other`; nothing if more than these differs.
    pub fn limits_unlike(&self, other: &Self) -> Option<Changes> {
        let same = Self {
            limits: other.limits.clone(),
            ..self.clone()
        };
        (same == *other).then(|| self.limits.unlike(&other.limits))
    }

    /// Takes its words.
    pub fn parse(words: &mut Words<'_>) -> Result<Self, Error> {
        let Some(name) = words.next() else {
            return Error::usage("which flow? its name");
        };
        let mut flow = Self::named(check_name(name)?);
        let (mut seen, mut limits) = (Vec::new(), Changes::default());
        while let Some(word) = words.next() {
            once(word, &mut seen)?;
            match word {
                "rank" => flow.rank = words.number(word, "a number up to 4294967295")?,
                "ethertype" => flow.ethertype = Some(named(word, words, &ETHERTYPES, ethertype)?),
                "protocol" => flow.protocol = Some(named(word, words, &PROTOCOLS, protocol)?),
                "local-ip" => flow.local_ip = Some(ip_prefix(word, words)?),
                "remote-ip" => flow.remote_ip = Some(ip_prefix(word, words)?),
                "local-port" => flow.local_port = Some(words.number(word, "a number up to 65535")?),
                "remote-port" => {
                    flow.remote_port = Some(words.number(word, "a number up to 65535")?)
                }
                "dscp" => flow.dscp = Some(dscp(words.number(word, "a number up to 63")?)?),
                "ring" => flow.ring = Some(ring(words.number(word, "a number up to 65534")?)?),
                _ if limits.take_of_flow(word, words)? => {}
                _ => {
                    return Error::usage(format!(
                        "unknown word \"{word}\" of a flow; vnic flow add --help lists them"
                    ))
                }
            }
        }
        flow.limits = flow.limits.with(&limits);
        Ok(flow)
    }

    /// Of an answer.
    pub fn of(answer: &Answer) -> Self {
        fn small<T: TryFrom<u64>>(answer: &Answer, kind: u16) -> Option<T> {
            answer.number(kind)?.try_into().ok()
        }
        let prefix = |ip, len| {
            let bytes = answer.bytes(ip)?.to_vec();
            let all = bytes.len() as u64 * 8;
            let length = answer.number(len).unwrap_or(all);
            Some(Prefix::new(bytes, u8::try_from(length).unwrap_or(u8::MAX)))
        };
        Self {
            name: answer.text(attr::NAME).unwrap_or_default(),
            rank: answer.index(attr::RANK).unwrap_or(0),
            ethertype: small(answer, attr::ETHERTYPE),
            protocol: small(answer, attr::PROTOCOL),
            local_ip: prefix(attr::LOCAL_IP, attr::LOCAL_IP_LEN),
            remote_ip: prefix(attr::REMOTE_IP, attr::REMOTE_IP_LEN),
            local_port: small(answer, attr::LOCAL_PORT),
            remote_port: small(answer, attr::REMOTE_PORT),
            dscp: small(answer, attr::DSCP),
            ring: small(answer, attr::RING),
            // A module without limits says nothing of them.
            limits: Limits::of(answer, &limits::FLOW).unwrap_or(Limits::OF_FLOW),
        }
    }

    /// Adds its attributes.
    pub fn attrs(&self, request: Request) -> Request {
        let (local, remote) = (self.local_ip.as_ref(), self.remote_ip.as_ref());
        self.limits
            .unlike(&Limits::OF_FLOW)
            .attrs(request, &limits::FLOW)
            .text(attr::NAME, &self.name)
            .with(attr::RANK, &self.rank.to_ne_bytes())
            .maybe(attr::ETHERTYPE, self.ethertype.map(u16::to_ne_bytes))
            .maybe(attr::PROTOCOL, self.protocol.map(u8::to_ne_bytes))
            .maybe(attr::LOCAL_IP, local.map(Prefix::bytes))
            .maybe(attr::LOCAL_IP_LEN, local.map(|prefix| [prefix.length()]))
            .maybe(attr::REMOTE_IP, remote.map(Prefix::bytes))
            .maybe(attr::REMOTE_IP_LEN, remote.map(|prefix| [prefix.length()]))
            .maybe(attr::LOCAL_PORT, self.local_port.map(u16::to_ne_bytes))
            .maybe(attr::REMOTE_PORT, self.remote_port.map(u16::to_ne_bytes))
            .maybe(attr::DSCP, self.dscp.map(u8::to_ne_bytes))
            .maybe(attr::RING, self.ring.map(u16::to_ne_bytes))
    }

    /// What it matches, in words.
    fn matching(&self) -> String {
        let name_of = |names: &[(&str, u16)], number: u16| {
            let known = names.iter().find(|(_, other)| *other == number);
            known.map(|(name, _)| (*name).to_owned())
        };
        let protocols = PROTOCOLS.map(|(name, number)| (name, u16::from(number)));
        let words = [
            self.ethertype.map(|number| {
                let name = name_of(&ETHERTYPES, number);
                format!(
                    "ethertype {}",
                    name.unwrap_or_else(|| format!("{number:#06x}"))
                )
            }),
            self.protocol.map(|number| {
                let name = name_of(&protocols, number.into());
                format!("protocol {}", name.unwrap_or_else(|| number.to_string()))
            }),
            self.local_ip.as_ref().map(|ip| format!("local-ip {ip}")),
            self.remote_ip.as_ref().map(|ip| format!("remote-ip {ip}")),
            self.local_port.map(|port| format!("local-port {port}")),
            self.remote_port.map(|port| format!("remote-port {port}")),
            self.dscp.map(|dscp| format!("dscp {dscp}")),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Refuses more than six bits.
fn dscp(number: u8) -> Result<u8, Error> {
    match number {
        0..=63 => Ok(number),
        _ => Error::usage(format!("dscp is a number up to 63, not \"{number}\"")),
    }
}

/// Refuses the number that would stand for none.
fn ring(number: u16) -> Result<u16, Error> {
    match number {
        u16::MAX => Error::usage(format!("ring is a number up to 65534, not \"{number}\"")),
        _ => Ok(number),
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.rank != 0 {
            write!(f, " rank {}", self.rank)?;
        }
        let matching = self.matching();
        if !matching.is_empty() {
            write!(f, " {matching}")?;
        }
        if let Some(ring) = self.ring {
            write!(f, " ring {ring}")?;
        }
        match self.limits.words() {
            words if words.is_empty() => Ok(()),
            words => write!(f, " {words}"),
        }
    }
}

/// A flow that is there.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    vnic: String,
    id: u64,
    name: String,
    rank: u32,
    #[serde(rename = "match")]
    matching: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring: Option<u16>,
    #[serde(flatten)]
    limits: Limits,
    rx_packets: u64,
    rx_bytes: u64,
    tx_packets: u64,
    tx_bytes: u64,
    rx_drops: u64,
    tx_drops: u64,
}

impl Shown {
    /// Of an answer or an event.
    pub fn of(answer: &Answer, scopes: &Scopes<'_>) -> Self {
        let flow = Flow::of(answer);
        let count = |kind| answer.number(kind).unwrap_or(0);
        Self {
            vnic: scopes.vnic(count(attr::VNIC)),
            id: count(attr::ID),
            matching: flow.matching(),
            name: flow.name,
            rank: flow.rank,
            ring: flow.ring,
            limits: flow.limits,
            rx_packets: count(attr::RX_PACKETS),
            rx_bytes: count(attr::RX_BYTES),
            tx_packets: count(attr::TX_PACKETS),
            tx_bytes: count(attr::TX_BYTES),
            rx_drops: count(attr::RX_DROPS),
            tx_drops: count(attr::TX_DROPS),
        }
    }

    /// VNIC and name, if it has a priority of its own and `is_void` says that this changes nothing on the VNIC.
    pub fn void_priority(&self, is_void: impl Fn(&str) -> bool) -> Option<String> {
        let void = self.limits.has_priority() && is_void(&self.vnic);
        void.then(|| format!("{} {}", self.vnic, self.name))
    }

    /// In one line.
    pub fn line(&self) -> String {
        let ring = self.ring.map(|ring| format!("ring {ring}"));
        let words = [
            self.vnic.clone(),
            self.name.clone(),
            format!("rank {}", self.rank),
            self.matching.clone(),
            ring.unwrap_or_default(),
            self.limits.words(),
        ];
        let words = words.into_iter().filter(|words| !words.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Row for Shown {
    const FIELDS: &'static [&'static str] = &["vnic", "name", "rank", "match", "ring", "limits"];

    fn derived(&self, field: &str) -> Option<Value> {
        let words = (field == "limits").then(|| self.limits.words());
        words.filter(|words| !words.is_empty()).map(Value::from)
    }
}

/// The same with what it counted.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Counted(pub Shown);

impl Row for Counted {
    const FIELDS: &'static [&'static str] = &[
        "vnic",
        "name",
        "rank",
        "match",
        "ring",
        "limits",
        "rx_packets",
        "rx_bytes",
        "tx_packets",
        "tx_bytes",
        "rx_drops",
        "tx_drops",
    ];

    fn derived(&self, field: &str) -> Option<Value> {
        self.0.derived(field)
    }
}

/// Those of one VNIC, or all.
pub fn show(family: &Family, vnic: Option<&str>) -> Result<Vec<Shown>, Error> {
    let request = match vnic {
        Some(name) => {
            let id = Vnic::named(family, name)?.id;
            Request::default().with(attr::VNIC, &id.to_ne_bytes())
        }
        None => Request::default(),
    };
    let scopes = Scopes::new(family);
    let answers = family.dump(cmd::FLOW_GET, &request)?;
    Ok(answers
        .iter()
        .map(|answer| Shown::of(answer, &scopes))
        .collect())
}

/// Adds one.
pub fn add(family: &Family, vnic: &str, words: &[String]) -> Result<(), Error> {
    let flow = Flow::parse(&mut Words::of(words))?;
    let id = Vnic::named(family, vnic)?.id;
    let request = flow.attrs(Request::default().with(attr::VNIC, &id.to_ne_bytes()));
    family.ask(cmd::FLOW_ADD, &request).map(|_| ())
}

/// Changes the limits of one.
pub fn set(family: &Family, vnic: &str, name: &str, words: &[String]) -> Result<(), Error> {
    let (mut words, mut changes) = (Words::of(words), Changes::default());
    while let Some(word) = words.next() {
        if !changes.take_of_flow(word, &mut words)? {
            return Error::usage(format!(
                "unknown word \"{word}\" of limits; vnic flow set --help lists them"
            ));
        }
    }
    let id = Vnic::named(family, vnic)?.id;
    let request = changes.attrs(of_name(id, check_name(name)?), &limits::FLOW);
    family.ask(cmd::FLOW_SET, &request).map(|_| ())
}

/// The attributes that name a flow.
fn of_name(vnic: u64, name: &str) -> Request {
    Request::default()
        .with(attr::VNIC, &vnic.to_ne_bytes())
        .text(attr::NAME, name)
}

/// The attribute of a transaction that changes the limits of a flow.
pub fn change(request: Request, vnic: u64, name: &str, to: &Changes) -> Request {
    let one = to.attrs(of_name(vnic, name), &limits::FLOW);
    request.nest(transaction::FLOW, &one.flag(attr::CHANGE))
}

/// The attribute of a transaction that deletes a flow.
pub fn deletion(request: Request, vnic: u64, name: &str) -> Request {
    let one = of_name(vnic, name).flag(attr::DELETE);
    request.nest(transaction::FLOW, &one)
}

/// Deletes some: all, or none.
pub fn delete(family: &Family, vnic: &str, names: &[String]) -> Result<(), Error> {
    let id = Vnic::named(family, vnic)?.id;
    let names = names.iter();
    let request = names.fold(Request::default(), |request, name| {
        deletion(request, id, name)
    });
    family.ask(cmd::APPLY, &request).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Flow, Error> {
        Flow::parse(&mut Words::split(text))
    }

    #[test]
    fn words_stay_what_they_are() {
        for text in [
            "all",
            "web rank 10 protocol tcp local-port 80",
            "v6 ethertype ipv6 local-ip 2001:db8::/64 remote-ip ::1",
            "voice dscp 46 ring 0",
            "lldp ethertype 0x88cc",
            "ospf protocol 89",
            "slow protocol tcp ring 1 rx-maxbw 5M maxpps 100 limit-delay 20ms priority low",
            "x rank 4294967295 ethertype ipv4 protocol udp local-ip 192.0.2.1 remote-ip 198.51.100.0/24 local-port 53 remote-port 0 dscp 0 ring 65534",
        ] {
            let said = parsed(text).map_or_else(|error| error.to_string(), |flow| flow.to_string());
            assert_eq!(text, said);
        }
    }

    #[test]
    fn words_become_those_of_the_kernel() {
        for (text, wanted) in [
            ("a rank 0", "a"),
            (
                "a ethertype 2048 protocol 6",
                "a ethertype ipv4 protocol tcp",
            ),
            ("a ethertype 0x86DD", "a ethertype ipv6"),
            ("a local-ip 192.0.2.77/24", "a local-ip 192.0.2.0/24"),
            ("a ring 1 rank 2", "a rank 2 ring 1"),
        ] {
            let said = parsed(text).map_or_else(|error| error.to_string(), |flow| flow.to_string());
            assert_eq!(wanted, said);
        }
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (text, name) in [
            ("", "which flow"),
            ("a/b", "a/b"),
            ("12345678901234567890123456789012", "31"),
            ("a colour", "colour"),
            ("a rank", "rank"),
            ("a rank -1", "-1"),
            ("a rank 4294967296", "4294967296"),
            ("a rank 1 rank 2", "rank"),
            ("a ethertype 5", "\"5\""),
            ("a ethertype 0x+800", "0x+800"),
            ("a protocol 256", "256"),
            ("a protocol web", "tcp, udp"),
            ("a local-ip 02:00:00:00:00:01", "192.0.2.0/24"),
            ("a local-ip 192.0.2.0/33", "0 to 32"),
            ("a local-port 65536", "65536"),
            ("a dscp 64", "63"),
            ("a dscp 300", "300"),
            ("a ring 65535", "65534"),
            ("a ring 65536", "65534"),
            ("a maxbw 1", "\"1\""),
            ("a maxbw 1M maxbw 1M", "maxbw is one setting too many"),
            ("a share 5", "unknown word \"share\""),
        ] {
            let said = match parsed(text) {
                Err(Error::Usage(sentence)) => sentence,
                other => format!("{other:?}"),
            };
            assert!(said.contains(name), "{text}: {said}");
            assert!(!said.starts_with("Ok"), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        for text in [
            "all",
            "x rank 7 ethertype ipv4 protocol udp local-ip 192.0.2.1 remote-ip 198.51.100.0/24 local-port 53 remote-port 9 dscp 3 ring 2",
            "y remote-ip 2001:db8::/32",
            "z rx-maxbw 1G tx-maxpps 7 limit-delay 1s priority high",
        ] {
            let flow = parsed(text).expect(text);
            let request = flow.attrs(Request::default());
            assert_eq!(flow, Flow::of(&Answer::of(request.bytes())));
        }
    }
}
