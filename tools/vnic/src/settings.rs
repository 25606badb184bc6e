// SPDX-License-Identifier: GPL-2.0

//! Settings of VNICs and links on the command line, as ip(8) has them, into attributes.

use crate::{
    attrs::Request,
    error::Error,
    limits::{
        self,
        vnic_limits_help,
        Changes, //
    },
    pool, uapi,
    words::{
        mac,
        Words, //
    },
};

/// What can be said of a VNIC.
pub const HELP: &str = concat!(
    "Settings:
  up, down
  address MAC            not zero, no group address
  mtu BYTES              from 68 to the link's MTU
  promisc off|own|all    what promiscuous mode shows: nothing more, group frames, everything on the link
  poll auto|inline|ring  how packets come from the wire: at once up to a credit, at once, by a ring
  ring-size 64-65536     how many packets may wait on each ring
  pool NAME|none         where the packets that it receives are stored
  cpus LIST|any          on which CPUs its rings are polled, one after the other: 0-3,8
  hw-rings off|auto|on   a receive queue of the link of its own: no, if there is one to spare, or not up without",
    vnic_limits_help!(),
    "

The kernel changes all of them or none."
);

/// What can be said of a new VNIC.
pub const NEW_HELP: &str = concat!(
    "Settings:
  netns NAME|PID         where it is born
  vlan 0-4094            0 is none
  address MAC            not zero, no group address
  mtu BYTES              from 68 to the link's MTU
  promisc off|own|all    what promiscuous mode shows: nothing more, group frames, everything on the link
  poll auto|inline|ring  how packets come from the wire: at once up to a credit, at once, by a ring
  ring-size 64-65536     how many packets may wait on each ring
  pool NAME              where the packets that it receives are stored
  cpus LIST              on which CPUs its rings are polled, one after the other: 0-3,8
  hw-rings off|auto|on   a receive queue of the link of its own: no, if there is one to spare, or not up without",
    vnic_limits_help!(),
    "
  up"
);

/// What can be said of a link.
pub const LINK_HELP: &str = "Settings:
  host on|off            whether the host and its VNICs reach each other
  maxbw RATE|none        bits a second that its VNICs may send to the wire together: 50M, 2G, 100mbit";

/// Refuses a word that is there twice.
pub fn once(word: &str, seen: &mut Vec<String>) -> Result<(), Error> {
    // up and down are two words for one setting.
    let setting = if word == "down" { "up" } else { word };
    if seen.iter().any(|other| other == setting) {
        return Error::usage(format!("{word} is one setting too many"));
    }
    seen.push(setting.to_owned());
    Ok(())
}

/// What is to become of a VNIC.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
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
    /// What changes of its limits.
    pub limits: Changes,
    /// Whether it is up.
    pub up: Option<bool>,
    /// Where a new one is born.
    pub netns: Option<String>,
    /// The VLAN of a new one.
    pub vlan: Option<u16>,
}

impl Settings {
    /// Takes a word and its value, if it is one of those that can be changed.
    fn take(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, Error> {
        match word {
            "up" => self.up = Some(true),
            "down" => self.up = Some(false),
            "address" => self.address = Some(mac(words.value(word)?)?),
            "mtu" => self.mtu = Some(words.number(word, "a number of bytes")?),
            "promisc" => self.promisc = Some(words.one_of(word, &uapi::PROMISC)?),
            "poll" => self.poll = Some(words.one_of(word, &uapi::POLL)?),
            "ring-size" => {
                let size = words.number(word, "a number from 64 to 65536")?;
                self.ring_size = Some(ring_size(size)?);
            }
            "pool" => self.pool = Some(pool_name(words.value(word)?)?),
            "cpus" => self.cpus = Some(cpu_list(words.value(word)?)?),
            "hw-rings" => self.hw_rings = Some(words.one_of(word, &uapi::HW_RINGS)?),
            _ => return self.limits.take_of_vnic(word, words),
        }
        Ok(true)
    }

    /// What is to become of a VNIC.
    pub fn of_vnic(words: &[String]) -> Result<Self, Error> {
        let (mut settings, mut words, mut seen) = (Self::default(), Words::of(words), Vec::new());
        while let Some(word) = words.next() {
            once(word, &mut seen)?;
            if !settings.take(word, &mut words)? {
                return Error::usage(format!(
                    "unknown setting \"{word}\"; vnic set --help lists them"
                ));
            }
        }
        Ok(settings)
    }

    /// What is to become of a new VNIC.
    pub fn of_new_vnic(words: &[String]) -> Result<Self, Error> {
        let (mut settings, mut words, mut seen) = (Self::default(), Words::of(words), Vec::new());
        while let Some(word) = words.next() {
            once(word, &mut seen)?;
            match word {
                "netns" => settings.netns = Some(words.value(word)?.to_owned()),
                "vlan" => settings.vlan = Some(vlan(words.number(word, "a number up to 4094")?)?),
                _ => {
                    if !settings.take(word, &mut words)? {
                        return Error::usage(format!(
                            "unknown setting \"{word}\"; vnic add --help lists them"
                        ));
                    }
                }
            }
        }
        Ok(settings)
    }

    /// Adds what can be changed.
    pub fn attrs(&self, request: Request) -> Request {
        use uapi::vnic::*;
        let request = match &self.pool {
            Some(pool) => request.text(POOL, pool),
            None => request,
        };
        let request = match &self.cpus {
            Some(cpus) => request.text(CPUS, cpus),
            None => request,
        };
        let hw_rings = self.hw_rings.map(u32::from);
        self.limits
            .attrs(request, &limits::VNIC)
            .maybe(HW_RINGS, hw_rings.map(u32::to_ne_bytes))
            .maybe(ADDRESS, self.address)
            .maybe(MTU, self.mtu.map(u32::to_ne_bytes))
            .maybe(
                PROMISC_MODE,
                self.promisc.map(|mode| u32::from(mode).to_ne_bytes()),
            )
            .maybe(POLL, self.poll.map(|way| u32::from(way).to_ne_bytes()))
            .maybe(RING_SIZE, self.ring_size.map(u32::to_ne_bytes))
            .maybe(UP, self.up.map(|up| [u8::from(up)]))
    }
}

/// Refuses what is no VLAN.
pub fn vlan(number: u16) -> Result<u16, Error> {
    match number {
        0..=4094 => Ok(number),
        _ => Error::usage(format!("vlan is a number up to 4094, not \"{number}\"")),
    }
}

/// Refuses what no ring can be made to hold.
pub fn ring_size(packets: u32) -> Result<u32, Error> {
    match uapi::RING_SIZES.contains(&packets) {
        true => Ok(packets),
        false => Error::usage(format!(
            "ring-size is a number from {} to {}, not \"{packets}\"",
            uapi::RING_SIZES.start(),
            uapi::RING_SIZES.end()
        )),
    }
}

/// What says on the command line and in documents that a VNIC is in no pool.
pub const NO_POOL: &str = "none";

/// The name of a pool as the kernel wants it: empty for none.
pub fn pool_name(name: &str) -> Result<String, Error> {
    match name {
        NO_POOL => Ok(String::new()),
        _ => Ok(pool::check_name(name)?.to_owned()),
    }
}

/// The word of a pool as the kernel has it.
pub fn pool_word(pool: &str) -> &str {
    match pool {
        "" => NO_POOL,
        name => name,
    }
}

/// What says on the command line and in documents that rings are polled where packets come from.
pub const ANY_CPU: &str = "any";

/// A list of CPUs as the kernel wants it, which knows the CPUs: empty for any.
pub fn cpu_list(text: &str) -> Result<String, Error> {
    match text {
        ANY_CPU => Ok(String::new()),
        _ if !text.is_empty() && text.bytes().all(|byte| b"0123456789,-".contains(&byte)) => {
            Ok(text.to_owned())
        }
        _ => Error::usage(format!(
            "cpus is a list like 0-3,8, or {ANY_CPU}, not \"{text}\""
        )),
    }
}

/// The word of a list of CPUs as the kernel has it.
pub fn cpu_word(cpus: &str) -> &str {
    match cpus {
        "" => ANY_CPU,
        list => list,
    }
}

/// What is to become of a link.
pub fn of_link(words: &[String]) -> Result<Request, Error> {
    let (mut request, mut words, mut seen) = (Request::default(), Words::of(words), Vec::new());
    while let Some(word) = words.next() {
        once(word, &mut seen)?;
        request = match word {
            "host" => {
                let on = words.one_of(word, &["off", "on"])?;
                request.with(uapi::link::HOST, &[on])
            }
            "maxbw" => {
                let bits = limits::rate(word, words.value(word)?)?;
                request.with(uapi::link::MAXBW, &bits.to_ne_bytes())
            }
            _ => {
                return Error::usage(format!(
                    "unknown setting \"{word}\" of a link; vnic link set --help lists them"
                ))
            }
        };
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn refused<T>(result: Result<T, Error>) -> String {
        match result {
            Err(Error::Usage(sentence)) => sentence,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("taken"),
        }
    }

    #[test]
    fn settings_are_taken() {
        for text in [
            "up",
            "mtu 1400 down",
            "address 2:0:0:0:0:ff promisc all up mtu 68",
            "poll auto ring-size 64",
            "ring-size 65536 poll inline down",
            "pool web",
            "pool none up",
            "cpus 0-3,8 hw-rings auto",
            "cpus any hw-rings off",
            "maxbw 50M maxpps none limit-delay 1ms share 7 priority high up",
            "rx-maxbw 50M tx-maxbw none",
        ] {
            assert!(Settings::of_vnic(&words(text)).is_ok(), "{text}");
        }
        let text = "netns web vlan 10 address 2:0:0:0:0:1 mtu 1400 promisc all poll ring ring-size 4096 pool web.1-a_b up";
        assert!(Settings::of_new_vnic(&words(text)).is_ok());
        assert!(of_link(&words("host off")).is_ok());
        assert!(of_link(&words("maxbw 1G host on")).is_ok());
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (text, name) in [
            ("mtu", "mtu"),
            ("mtu many", "many"),
            ("mtu -1", "-1"),
            ("mtu 4294967296", "4294967296"),
            ("up down", "down"),
            ("mtu 1400 mtu 1500", "mtu"),
            ("promisc some", "some"),
            ("poll", "poll"),
            ("poll often", "often"),
            ("ring-size", "ring-size"),
            ("ring-size many", "64 to 65536, not \"many\""),
            ("ring-size 63", "64 to 65536, not \"63\""),
            ("ring-size 65537", "64 to 65536, not \"65537\""),
            ("ring-size 4294967296", "4294967296"),
            ("ring-size 64 ring-size 64", "too many"),
            ("cpus", "cpus"),
            ("cpus all", "\"all\""),
            ("cpus 0:1", "\"0:1\""),
            ("hw-rings 1", "\"1\""),
            ("maxbw", "maxbw"),
            ("maxbw 5", "\"5\""),
            ("maxbw 1M tx-maxbw 1M", "tx-maxbw is one setting too many"),
            ("maxbw 1M maxbw 1M", "maxbw is one setting too many"),
            ("share 0", "\"0\""),
            ("pool", "pool"),
            ("pool host", "\"host\""),
            ("pool a/b", "\"a/b\""),
            ("pool 1234567890123456", "1234567890123456"),
            ("address 02:00:00:00:00", "02:00:00:00:00"),
            ("address 02:00:00:00:00:01:02", "02:00:00:00:00:01:02"),
            ("address 02:00:00:00:00:0x1", "0x1"),
            ("address 02:00:00:00:00:+1", "+1"),
            ("address 02:00:00:00:00:", "02:00"),
            ("colour blue", "colour"),
        ] {
            let said = refused(Settings::of_vnic(&words(text)));
            assert!(said.contains(name), "{text}: {said}");
        }
        for (text, name) in [
            ("vlan 4095", "4095"),
            ("vlan -1", "-1"),
            ("netns", "netns"),
            ("ring-size 0", "\"0\""),
        ] {
            let said = refused(Settings::of_new_vnic(&words(text)));
            assert!(said.contains(name), "{text}: {said}");
        }
        assert!(refused(of_link(&words("host maybe"))).contains("maybe"));
        assert!(refused(of_link(&words("mtu 1"))).contains("mtu"));
        assert!(refused(of_link(&words("maxbw 1"))).contains("\"1\""));
    }
}
