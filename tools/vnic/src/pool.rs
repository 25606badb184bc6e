// SPDX-License-Identifier: GPL-2.0

//! Pools: memory for the packets that VNICs receive.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    family::Family,
    print::Row,
    uapi::{
        cmd,
        pool as attr, //
    },
    words::{
        size,
        Words, //
    },
};
use nix::libc;
use serde::Serialize;

/// What can be said of a pool.
pub const HELP: &str = "Settings:
  limit BYTES            from 1M, or 8K, 64M, 1G, 2T: what it may have, with what waits on rings
  threshold PACKETS      after how many that a ring dropped vnic monitor tells so; 0 is never";

/// What the host pool is called, of which all are a part.
pub const HOST: &str = "host";

/// The longest name of a pool.
const NAME_LEN: usize = 15;

/// Refuses what the kernel takes for no name.
pub fn check_name(name: &str) -> Result<&str, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = (1..=NAME_LEN).contains(&name.len()) && name.chars().all(plain);
    match good && name != HOST && name != "none" {
        true => Ok(name),
        false => Error::usage(format!(
            "the name of a pool has 1 to {NAME_LEN} letters, digits, dots, - and _, and is neither host nor none; \"{name}\" is no name"
        )),
    }
}

/// What is to become of a pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Bytes that it may have.
    pub limit: Option<u64>,
    /// After how many packets that a ring dropped events say so.
    pub threshold: Option<u32>,
}

impl Settings {
    /// Words and their values.
    pub fn parse(words: &[String]) -> Result<Self, Error> {
        let (mut settings, mut words) = (Self::default(), Words::of(words));
        while let Some(word) = words.next() {
            let again = match word {
                "limit" => {
                    let limit = size(word, words.value(word)?)?;
                    settings.limit.replace(limit).is_some()
                }
                "threshold" => {
                    let threshold = words.number(word, "a number of packets")?;
                    settings.threshold.replace(threshold).is_some()
                }
                _ => {
                    return Error::usage(format!(
                        "unknown setting \"{word}\" of a pool: limit, threshold"
                    ))
                }
            };
            if again {
                return Error::usage(format!("{word} is one setting too many"));
            }
        }
        Ok(settings)
    }

    fn attrs(&self, request: Request) -> Request {
        request
            .maybe(attr::LIMIT, self.limit.map(u64::to_ne_bytes))
            .maybe(attr::THRESHOLD, self.threshold.map(u32::to_ne_bytes))
    }
}

/// A pool.
#[derive(Clone, Debug, Serialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Bytes that it may have.
    pub limit: u64,
    /// Bytes in use, stored and waiting.
    used: u64,
    /// Of these, the ones that wait on rings.
    waiting: u64,
    /// Bytes of stored packets at most.
    high_water: u64,
    /// Bytes that may wait on each ring.
    ring_bytes: u64,
    /// How often a ring was parked.
    waits: u64,
    /// How long rings were parked, in ns.
    waited: u64,
    /// Packets that were longer than what can be stored.
    too_long: u64,
    /// How many VNICs are in it.
    pub vnics: u64,
    /// After how many packets that a ring dropped events say so; 0 is never.
    pub threshold: u32,
}

impl From<&Answer> for Pool {
    fn from(answer: &Answer) -> Self {
        let number = |kind| answer.number(kind).unwrap_or(0);
        Self {
            name: answer.text(attr::NAME).unwrap_or_default(),
            limit: number(attr::LIMIT),
            used: number(attr::USED),
            waiting: number(attr::WAITING),
            high_water: number(attr::HIGH_WATER),
            ring_bytes: number(attr::RING_BYTES),
            waits: number(attr::WAITS),
            waited: number(attr::WAITED),
            too_long: number(attr::TOO_LONG),
            vnics: number(attr::VNICS),
            threshold: answer.index(attr::THRESHOLD).unwrap_or(0),
        }
    }
}

impl Pool {
    /// All there are, the host pool left out.
    pub fn all(family: &Family) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::POOL_GET, &Request::default())?;
        let pools = answers.iter().filter(|answer| !answer.has(attr::HOST));
        Ok(pools.map(Self::from).collect())
    }

    /// The host pool and all others; nothing if they are not shown to us, or the module has none.
    pub fn all_shown(family: &Family) -> Result<Option<(HostPool, Vec<Self>)>, Error> {
        let answers = match family.dump(cmd::POOL_GET, &Request::default()) {
            Err(Error::Refused { errno, .. })
                if errno == libc::EPERM || errno == libc::EOPNOTSUPP =>
            {
                return Ok(None)
            }
            other => other?,
        };
        let (host, pools): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.has(attr::HOST));
        let host = host.first().map(|answer| HostPool::from(*answer));
        Ok(host.map(|host| (host, pools.into_iter().map(Self::from).collect())))
    }

    /// The one of that name.
    pub fn named(family: &Family, name: &str) -> Result<Self, Error> {
        let request = Request::default().text(attr::NAME, check_name(name)?);
        read(family, &request).map(|answer| Self::from(&answer))
    }

    /// As events show it.
    pub fn line(&self) -> String {
        format!(
            "pool {} limit {} threshold {} vnics {} used {}",
            self.name, self.limit, self.threshold, self.vnics, self.used
        )
    }
}

impl Row for Pool {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "limit",
        "used",
        "waiting",
        "high_water",
        "ring_bytes",
        "waits",
        "waited",
        "too_long",
        "vnics",
        "threshold",
    ];
}

/// The host pool.
#[derive(Clone, Debug, Serialize)]
pub struct HostPool {
    name: &'static str,
    /// Bytes that all pools together may have.
    pub limit: u64,
    /// Bytes that they have.
    used: u64,
    /// Of these, bytes of pools that were deleted.
    draining: u64,
    /// Bytes that new pools can have.
    left: u64,
    /// How many pools there are.
    pools: u64,
}

impl From<&Answer> for HostPool {
    fn from(answer: &Answer) -> Self {
        let number = |kind| answer.number(kind).unwrap_or(0);
        let (limit, used) = (number(attr::LIMIT), number(attr::USED));
        Self {
            name: HOST,
            limit,
            used,
            draining: number(attr::DRAINING),
            left: limit.saturating_sub(used),
            pools: number(attr::POOLS),
        }
    }
}

impl HostPool {
    /// Asks for it.
    pub fn read(family: &Family) -> Result<Self, Error> {
        let request = Request::default().flag(attr::HOST);
        read(family, &request).map(|answer| Self::from(&answer))
    }

    /// As events show it.
    pub fn line(&self) -> String {
        format!("pool {HOST} limit {} used {}", self.limit, self.used)
    }
}

impl Row for HostPool {
    const FIELDS: &'static [&'static str] = &["name", "limit", "used", "draining", "left", "pools"];
}

fn read(family: &Family, request: &Request) -> Result<Answer, Error> {
    family
        .ask(cmd::POOL_GET, request)?
        .ok_or_else(|| Error::trouble("the module did not answer"))
}

/// Makes a pool.
pub fn add(family: &Family, name: &str, settings: &Settings) -> Result<(), Error> {
    let request = Request::default().text(attr::NAME, check_name(name)?);
    family
        .ask(cmd::POOL_ADD, &settings.attrs(request))
        .map(|_| ())
}

/// Changes a pool, or the host pool.
pub fn set(family: &Family, name: &str, settings: &Settings) -> Result<(), Error> {
    let request = match name {
        HOST => Request::default().flag(attr::HOST),
        _ => Request::default().text(attr::NAME, check_name(name)?),
    };
    family
        .ask(cmd::POOL_SET, &settings.attrs(request))
        .map(|_| ())
}

/// Deletes a pool.
pub fn delete(family: &Family, name: &str) -> Result<(), Error> {
    let request = Request::default().text(attr::NAME, check_name(name)?);
    family.ask(cmd::POOL_DEL, &request).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Settings, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Settings::parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_taken() {
        for (text, limit, threshold) in [
            ("limit 1048576", Some(1 << 20), None),
            ("limit 64M threshold 100", Some(64 << 20), Some(100)),
            ("threshold 0", None, Some(0)),
        ] {
            assert_eq!(Ok(Settings { limit, threshold }), parsed(text));
        }
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (text, name) in [
            ("limit", "limit needs a value"),
            ("limit many", "\"many\""),
            ("limit 1M limit 2M", "too many"),
            ("threshold -1", "-1"),
            ("threshold 1K", "1K"),
            ("size 1M", "\"size\""),
        ] {
            let said = parsed(text);
            assert!(said.is_err_and(|said| said.contains(name)), "{text}");
        }
    }

    #[test]
    fn names_of_pools() {
        for name in ["web", "a.b-c_d", "123456789012345"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "host", "none", "a b", "a/b", "ä", "1234567890123456"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
