// SPDX-License-Identifier: GPL-2.0

//! Policies in words, `SUBJECT PARAM [VALUES]`, and in attributes.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    netns::{
        self,
        Names, //
    },
    uapi::{
        self,
        policy as attr, //
    },
    words::{
        address,
        address_text,
        position,
        Words, //
    },
};
use nix::{
    libc,
    unistd::{
        Uid,
        User, //
    },
};
use std::{
    collections::HashMap,
    fmt,
    fs::File,
    os::fd::AsRawFd, //
};

/// What can be said of a policy.
pub const HELP: &str = "SUBJECT is one of
  owner              who administers the namespace that the VNIC was given to
  netns NAME|PID     who administers this namespace
  user NAME|UID      a user in a user namespace of his own
  name NAME          whom vnic set --as names

PARAM is one of
  all, address, mtu, up, name, txqueuelen, master, vlan-device, features, ip, promisc, allmulti, groups, addresses,
  rings; for links also vnics

VALUES, without which every value is permitted:
  none               no value
  1280-1500, 1400    numbers
  02:00:00:00:00:00/40, 192.0.2.0/24, 2001:db8::/64, 192.0.2.1
                     addresses
  quota N            so many at most, may follow any of these";

/// A network namespace that a policy is for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Netns {
    /// One with a name.
    Named(String),
    /// One without, by its number here.
    Unnamed(i32),
    /// One that is gone, by its cookie.
    Gone(u64),
}

/// Whom a policy is for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// Who administers the namespace that the VNIC was given to.
    Owner,
    /// Who administers a certain namespace.
    Netns(Netns),
    /// A user, by his number.
    User(u32),
    /// A virtual machine.
    Name(String),
    /// One that this command does not know.
    Unknown(u64),
}

/// Addresses that begin with the same bits. The others are zero.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix {
    bytes: Vec<u8>,
    length: u8,
}

/// What a policy permits.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Values {
    nothing: bool,
    min: Option<u64>,
    max: Option<u64>,
    prefix: Option<Prefix>,
    /// How many there may be.
    pub quota: Option<u32>,
}

/// A policy, without its number and what it is for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Policy {
    /// Whom it is for.
    pub subject: Subject,
    param: u8,
    /// What it permits.
    pub values: Values,
}

/// The files of namespaces, each opened once and open for as long as messages name them.
#[derive(Default)]
pub struct Files {
    named: HashMap<String, File>,
}

impl Files {
    /// The namespace of that name, or of a process of that number.
    pub fn open(&mut self, name: &str) -> Result<&File, Error> {
        if !self.named.contains_key(name) {
            self.named.insert(name.to_owned(), netns::open(name)?);
        }
        self.get(name)
    }

    /// The same, opened before.
    pub fn get(&self, name: &str) -> Result<&File, Error> {
        let found = self.named.get(name);
        found.ok_or_else(|| Error::trouble(format!("the namespace {name} is not open")))
    }
}

/// The word of a parameter.
pub fn param_word(number: Option<u64>) -> String {
    let name = number.and_then(|number| uapi::PARAMS.get(usize::try_from(number).ok()?));
    name.map_or_else(|| "?".to_owned(), |name| (*name).to_owned())
}

/// The number of a parameter.
pub fn param_number(word: &str) -> Result<u8, Error> {
    position("a parameter", word, &uapi::PARAMS)
}

fn user_number(word: &str) -> Result<u32, Error> {
    if let Ok(number) = word.parse() {
        return Ok(number);
    }
    match User::from_name(word) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Error::usage(format!(
            "there is no user {word} here; give the number (id -u prints it)"
        )),
    }
}

fn user_word(number: u32) -> String {
    match User::from_uid(Uid::from_raw(number)) {
        Ok(Some(user)) => user.name,
        _ => number.to_string(),
    }
}

impl Subject {
    /// Takes its words.
    pub fn parse(words: &mut Words<'_>) -> Result<Self, Error> {
        let Some(word) = words.next() else {
            return Error::usage("who? owner, netns NAME, user NAME or name NAME");
        };
        Ok(match word {
            "owner" => Self::Owner,
            "netns" => Self::Netns(Netns::Named(words.value(word)?.to_owned())),
            "user" => Self::User(user_number(words.value(word)?)?),
            "name" => {
                let name = words.value(word)?;
                if name.is_empty() || name.len() > uapi::SUBJECT_NAME_LEN {
                    let most = uapi::SUBJECT_NAME_LEN;
                    return Error::usage(format!(
                        "the name of a subject has 1 to {most} bytes, \"{name}\" has {}",
                        name.len()
                    ));
                }
                Self::Name(name.to_owned())
            }
            _ => {
                let names = uapi::SUBJECTS.join(", ");
                return Error::usage(format!("a subject is one of {names}, not \"{word}\""));
            }
        })
    }

    /// Of an answer: the number of the kind, and what belongs to it.
    pub fn of(
        kind: Option<u64>,
        netns: (Option<i32>, Option<u64>),
        user: Option<u32>,
        name: Option<String>,
        names: &Names,
    ) -> Self {
        let kind = kind.unwrap_or(u64::MAX);
        let word = usize::try_from(kind)
            .ok()
            .and_then(|kind| uapi::SUBJECTS.get(kind));
        match word {
            Some(&"owner") => Self::Owner,
            Some(&"netns") => Self::Netns(match netns {
                (Some(id), _) => match names.name(id) {
                    Some(name) => Netns::Named(name),
                    None => Netns::Unnamed(id),
                },
                (None, cookie) => Netns::Gone(cookie.unwrap_or(0)),
            }),
            Some(&"user") => Self::User(user.unwrap_or(u32::MAX)),
            Some(&"name") => Self::Name(name.unwrap_or_default()),
            _ => Self::Unknown(kind),
        }
    }

    /// Its number.
    pub fn kind(&self) -> u32 {
        match self {
            Self::Owner => 0,
            Self::Netns(_) => 1,
            Self::User(_) => 2,
            Self::Name(_) => 3,
            Self::Unknown(kind) => u32::try_from(*kind).unwrap_or(u32::MAX),
        }
    }

    /// Whether a document can speak of it: it means the same after a restart.
    pub fn lasts(&self) -> bool {
        !matches!(
            self,
            Self::Netns(Netns::Unnamed(_) | Netns::Gone(_)) | Self::Unknown(_)
        )
    }

    /// Adds its attributes, whose numbers are: kind, file, cookie, user, name.
    pub fn attrs(
        &self,
        request: Request,
        [kind, fd, cookie, user, name]: [u16; 5],
        files: &mut Files,
    ) -> Result<Request, Error> {
        let request = request.with(kind, &self.kind().to_ne_bytes());
        Ok(match self {
            Self::Netns(Netns::Named(named)) => {
                request.with(fd, &files.open(named)?.as_raw_fd().to_ne_bytes())
            }
            Self::Netns(Netns::Gone(number)) => request.with(cookie, &number.to_ne_bytes()),
            Self::Netns(Netns::Unnamed(_)) | Self::Unknown(_) => {
                return Error::usage(format!("{self} has no name that could be sent"))
            }
            Self::User(number) => request.with(user, &number.to_ne_bytes()),
            Self::Name(text) => request.text(name, text),
            Self::Owner => request,
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Netns(Netns::Named(name)) => write!(f, "netns {name}"),
            Self::Netns(Netns::Unnamed(id)) => write!(f, "netns nsid {id}"),
            Self::Netns(Netns::Gone(cookie)) => write!(f, "netns cookie {cookie}"),
            Self::User(number) => write!(f, "user {}", user_word(*number)),
            Self::Name(name) => write!(f, "name {name}"),
            Self::Unknown(kind) => write!(f, "subject {kind}, of a newer module"),
        }
    }
}

impl Prefix {
    /// Of an address; the bits that do not count are dropped.
    pub fn new(mut bytes: Vec<u8>, length: u8) -> Self {
        let mut left = usize::from(length);
        for byte in &mut bytes {
            let bits = left.min(8);
            *byte &= !(0xff_u16 >> bits) as u8;
            left -= bits;
        }
        Self { bytes, length }
    }

    /// The address that they begin with.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bits count.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether it is one of IP addresses.
    pub fn is_ip(&self) -> bool {
        matches!(self.bytes.len(), 4 | 16)
    }

    /// Takes ADDRESS/LENGTH or ADDRESS.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (start, length) = match text.split_once('/') {
            Some((start, length)) => (start, Some(length)),
            None => (text, None),
        };
        let bytes = address(start)?;
        let all = u8::try_from(bytes.len() * 8).unwrap_or(u8::MAX);
        match length.map(str::parse) {
            None => Ok(Self::new(bytes, all)),
            Some(Ok(length)) if length <= all => Ok(Self::new(bytes, length)),
            _ => Error::usage(format!(
                "the length of a prefix of {start} is 0 to {all}, not as in \"{text}\""
            )),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&address_text(&self.bytes))?;
        match usize::from(self.length) == self.bytes.len() * 8 {
            true => Ok(()),
            false => write!(f, "/{}", self.length),
        }
    }
}

fn range(text: &str) -> Result<(u64, Option<u64>), Error> {
    let number = |part: &str| part.parse().ok().filter(|_| !part.starts_with('+'));
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let range = match (number(least), number(most)) {
        (Some(least), Some(most)) => Some((least, Some(most))),
        (Some(least), None) if most.is_empty() => Some((least, None)),
        _ => None,
    };
    match range {
        Some((least, most)) if most.is_none_or(|most| least <= most) => Ok((least, most)),
        _ => Error::usage(format!(
            "values are none, numbers like 1280-1500, or addresses like 192.0.2.0/24, not \"{text}\""
        )),
    }
}

impl Values {
    fn parse(words: &mut Words<'_>) -> Result<Self, Error> {
        let mut values = Self::default();
        match words.peek() {
            None | Some("quota") => {}
            Some("any") => drop(words.next()),
            Some("none") => {
                words.next();
                values.nothing = true;
            }
            Some(text) if text.contains([':', '.']) => {
                words.next();
                values.prefix = Some(Prefix::parse(text)?);
            }
            Some(text) => {
                words.next();
                let (least, most) = range(text)?;
                (values.min, values.max) = (Some(least), most);
            }
        }
        if words.take("quota") {
            values.quota = Some(words.number("quota", "a number")?);
        }
        Ok(values)
    }

    fn of(answer: &Answer) -> Self {
        let max = answer.number(attr::TO);
        let bytes = answer.bytes(attr::PREFIX).map(<[u8]>::to_vec);
        Self {
            nothing: answer.has(attr::NOTHING),
            // A limit above without one below is one from 0.
            min: answer.number(attr::FROM).or(max.map(|_| 0)),
            max,
            prefix: bytes.map(|bytes| {
                let all = bytes.len() as u64 * 8;
                let length = answer.number(attr::PREFIX_LEN).unwrap_or(all);
                Prefix::new(bytes, u8::try_from(length).unwrap_or(u8::MAX))
            }),
            quota: answer.index(attr::QUOTA),
        }
    }

    fn attrs(&self, request: Request) -> Request {
        let request = match self.nothing {
            true => request.flag(attr::NOTHING),
            false => request,
        };
        let prefix = self.prefix.as_ref();
        request
            .maybe(attr::FROM, self.min.map(u64::to_ne_bytes))
            .maybe(attr::TO, self.max.map(u64::to_ne_bytes))
            .maybe(attr::PREFIX, prefix.map(|prefix| &prefix.bytes))
            .maybe(attr::PREFIX_LEN, prefix.map(|prefix| [prefix.length]))
            .maybe(attr::QUOTA, self.quota.map(u32::to_ne_bytes))
    }

    /// In words, without the quota.
    pub fn permits(&self) -> String {
        let range = match (self.min, self.max) {
            (Some(least), Some(most)) if least == most => Some(least.to_string()),
            (Some(least), Some(most)) => Some(format!("{least}-{most}")),
            (Some(least), None) => Some(format!("{least}-")),
            (None, _) => None,
        };
        let prefix = self.prefix.as_ref().map(Prefix::to_string);
        match (self.nothing, range, prefix) {
            (true, _, _) => "none".to_owned(),
            (false, None, None) => "any".to_owned(),
            (false, Some(range), Some(prefix)) => format!("{range} {prefix}"),
            (false, range, prefix) => range.or(prefix).unwrap_or_default(),
        }
    }

    /// Refuses values that no request for this parameter can have.
    fn check(&self, param: &str) -> Result<(), Error> {
        let takes: &[usize] = match param {
            "all" => return Ok(()),
            "address" | "groups" | "addresses" => &[6],
            "ip" => &[4, 16],
            _ => &[],
        };
        let size = self.prefix.as_ref().map(|prefix| prefix.bytes.len());
        let fits = match size {
            Some(size) => takes.contains(&size),
            None => takes.is_empty() || self.min.is_none(),
        };
        let like = match takes {
            [] => "numbers like 1280-1500",
            [6] => "addresses like 02:00:00:00:00:00/40",
            _ => "addresses like 192.0.2.0/24 or 2001:db8::/64",
        };
        match fits {
            true => Ok(()),
            false => Error::usage(format!("{param} takes {like}, not \"{}\"", self.permits())),
        }
    }
}

/// The numbers of a policy's attributes about its subject.
const SUBJECT: [u16; 5] = [
    attr::SUBJECT,
    attr::NETNS_FD,
    attr::NETNS_COOKIE,
    attr::USER,
    attr::NAME,
];

impl Policy {
    /// Takes its words.
    pub fn parse(words: &mut Words<'_>) -> Result<Self, Error> {
        let subject = Subject::parse(words)?;
        let Some(word) = words.next() else {
            let names = uapi::PARAMS.join(", ");
            return Error::usage(format!("may change what? one of {names}"));
        };
        let param = param_number(word)?;
        let values = Values::parse(words)?;
        words.end()?;
        values.check(word)?;
        Ok(Self {
            subject,
            param,
            values,
        })
    }

    /// Of an answer.
    pub fn of(answer: &Answer, names: &Names) -> Self {
        let netns = (
            answer.signed(attr::NETNS_ID),
            answer.number(attr::NETNS_COOKIE),
        );
        let subject = Subject::of(
            answer.number(attr::SUBJECT),
            netns,
            answer.index(attr::USER),
            answer.text(attr::NAME),
            names,
        );
        let param = answer.number(attr::PARAM);
        Self {
            subject,
            param: param
                .and_then(|param| param.try_into().ok())
                .unwrap_or(u8::MAX),
            values: Values::of(answer),
        }
    }

    /// Adds its attributes.
    pub fn attrs(&self, request: Request, files: &mut Files) -> Result<Request, Error> {
        let request = self.subject.attrs(request, SUBJECT, files)?;
        let request = request.with(attr::PARAM, &u32::from(self.param).to_ne_bytes());
        Ok(self.values.attrs(request))
    }

    /// The word of its parameter.
    pub fn param(&self) -> String {
        param_word(Some(self.param.into()))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, self.param())?;
        let permits = self.values.permits();
        if permits != "any" {
            write!(f, " {permits}")?;
        }
        match self.values.quota {
            Some(quota) => write!(f, " quota {quota}"),
            None => Ok(()),
        }
    }
}

/// How many files may be open at once, as far as the system allows: a transaction names each namespace by one.
pub fn allow_many_files() {
    use nix::sys::resource::{
        getrlimit,
        setrlimit,
        Resource, //
    };
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it fails, opening says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Whether an error means that policies are not shown to us.
pub fn is_hidden(error: &Error) -> bool {
    matches!(error, Error::Refused { errno, .. } if *errno == libc::EPERM || *errno == libc::EOPNOTSUPP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Policy, Error> {
        Policy::parse(&mut Words::split(text))
    }

    #[test]
    fn words_stay_what_they_are() {
        for text in [
            "owner all",
            "owner all none",
            "owner mtu 1280-1500",
            "owner mtu 1400",
            "owner mtu 1280-",
            "owner vlan-device 10-20 quota 3",
            "netns web address 02:00:00:00:00:00/40",
            "netns web address 02:00:00:00:00:01",
            "user 4000000001 ip 192.0.2.0/24",
            "name vm1 ip 2001:db8::/64 quota 16",
            "name vm1 groups quota 8",
            "owner rings",
            "owner rings none",
            "user 4000000001 vnics quota 4",
        ] {
            let said = parsed(text).map_or_else(|error| error.to_string(), |own| own.to_string());
            assert_eq!(text, said);
        }
    }

    #[test]
    fn words_become_those_of_the_kernel() {
        for (text, wanted) in [
            ("owner all any", "owner all"),
            ("owner mtu 0-0", "owner mtu 0"),
            ("owner ip 192.0.2.77/24", "owner ip 192.0.2.0/24"),
            ("owner ip 192.0.2.1/32", "owner ip 192.0.2.1"),
            ("owner ip 192.0.2.1/0", "owner ip 0.0.0.0/0"),
            (
                "owner address 2:0:0:0:0:ff/44",
                "owner address 02:00:00:00:00:f0/44",
            ),
            ("user root all", "user root all"),
            ("user 0 all", "user root all"),
        ] {
            let said = parsed(text).map_or_else(|error| error.to_string(), |own| own.to_string());
            assert_eq!(wanted, said);
        }
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (text, name) in [
            ("", "owner"),
            ("someone all", "someone"),
            ("netns", "netns"),
            ("owner", "what"),
            ("owner colour", "colour"),
            ("owner mtu many", "many"),
            ("owner mtu 1500-1280", "1500-1280"),
            ("owner mtu -5", "-5"),
            ("owner mtu 5 6", "6"),
            ("owner mtu 192.0.2.0/24", "numbers"),
            ("owner address 1-2", "addresses"),
            ("owner rings 192.0.2.1", "numbers"),
            ("owner address 192.0.2.1", "02:00"),
            ("owner ip 02:00:00:00:00:00/8", "192.0.2.0/24"),
            ("owner ip 192.0.2.0/33", "0 to 32"),
            ("owner ip 192.0.2.0/x", "/x"),
            ("owner ip 192.0.2", "192.0.2"),
            ("owner mtu quota", "quota"),
            ("owner mtu quota -1", "-1"),
            ("user nobody-has-this-name all", "nobody-has-this-name"),
            ("name 12345678901234567890123456789012 all", "31"),
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
            "owner all none",
            "owner mtu 1280-1500",
            "owner mtu 1280-",
            "name vm1 ip 2001:db8::/64 quota 16",
            "user 7 address 02:00:00:00:00:01",
        ] {
            let policy = parsed(text).expect(text);
            let request = policy
                .attrs(Request::default(), &mut Files::default())
                .expect(text);
            let read = Policy::of(&Answer::of(request.bytes()), &Names::default());
            assert_eq!(policy, read);
        }
    }
}
