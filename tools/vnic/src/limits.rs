// SPDX-License-Identifier: GPL-2.0

//! Limits of VNICs, flows and links: in words, as tc(8) has them, in attributes, and shown.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    link::word,
    uapi,
    words::Words, //
};
use serde::{
    Serialize,
    Serializer, //
};
use std::ops::RangeInclusive;

/// What can be said of limits, in lines that begin with a line break.
macro_rules! limits_help {
    () => {
        "
  maxbw RATE|none        bits a second in each direction: 50M, 2G, 100mbit; each packet with its Ethernet header
  rx-maxbw, tx-maxbw     the same in one direction
  maxpps N|none          packets a second in each direction
  rx-maxpps, tx-maxpps   the same in one direction
  limit-delay TIME       how long a packet may wait for a limit, 100us to 1s: 5ms"
    };
}
pub(crate) use limits_help;

/// The same of a flow.
macro_rules! flow_limits_help {
    () => {
        concat!(
            $crate::limits::limits_help!(),
            "
  priority high|medium|low|vnic
                         who goes first where a link with a maxbw cannot send all: vnic, as the flow's VNIC"
        )
    };
}
pub(crate) use flow_limits_help;

/// The same of a VNIC.
macro_rules! vnic_limits_help {
    () => {
        concat!(
            $crate::limits::limits_help!(),
            "
  priority high|medium|low
                         who goes first where a link with a maxbw cannot send all
  share 1-1000           its weight where the VNICs of a link with a maxbw want to send more than that"
        )
    };
}
pub(crate) use vnic_limits_help;

/// What says that there is no limit.
pub const NONE: &str = "none";

/// A multiplier, by what is behind a number.
type Units = [(&'static str, u64)];

/// Of rates: bits a second, and bytes a second, whose names end in "ps".
const RATES: [(&str, u64); 9] = [
    ("t", 1_000_000_000_000),
    ("g", 1_000_000_000),
    ("m", 1_000_000),
    ("k", 1000),
    ("ti", 1 << 40),
    ("gi", 1 << 30),
    ("mi", 1 << 20),
    ("ki", 1 << 10),
    ("", 1),
];

/// Of times, in microseconds.
const TIMES: [(&str, u64); 10] = [
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("secs", 1_000_000),
    ("ms", 1000),
    ("msec", 1000),
    ("msecs", 1000),
    ("us", 1),
    ("usec", 1),
    ("usecs", 1),
    ("", 1),
];

/// Units in which they are written, the largest first.
const RATES_WRITTEN: [(&str, u64); 4] = [
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("K", 1000),
];
const TIMES_WRITTEN: [(&str, u64); 2] = [("s", 1_000_000), ("ms", 1000)];

/// A number, perhaps with a point in it, times `unit`; nothing if that is no whole number.
fn times(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return None;
    }
    let all: u128 = format!("{whole}{fraction}").parse().ok()?;
    let part = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = all.checked_mul(unit.into())?;
    match product % part {
        0 => u64::try_from(product / part).ok(),
        _ => None,
    }
}

/// The number in front, and what is behind it in small letters.
fn split(text: &str) -> (&str, String) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    (number, unit.to_ascii_lowercase())
}

fn with_unit(text: &str, units: &Units) -> Option<u64> {
    let (number, unit) = split(text);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    times(number, *factor)
}

fn bits(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    let (prefix, factor) = match unit.strip_suffix("bps") {
        Some(prefix) => (prefix, 8),
        None => (unit.strip_suffix("bit").unwrap_or(&unit), 1),
    };
    let (_, scale) = RATES.iter().find(|(name, _)| *name == prefix)?;
    times(number, scale * factor)
}

fn written(number: u64, units: &Units, rest: &str) -> String {
    let fits = units
        .iter()
        .find(|(_, unit)| number != 0 && number % unit == 0);
    match fits {
        Some((name, unit)) => format!("{}{name}", number / unit),
        None => format!("{number}{rest}"),
    }
}

/// Bits a second: 0 for none.
pub fn rate(word: &str, text: &str) -> Result<u64, Error> {
    let found = match text {
        NONE => Some(0),
        _ => bits(text),
    };
    found
        .filter(|bits| *bits == 0 || uapi::MAXBW.contains(bits))
        .ok_or_else(|| {
            Error::Usage(format!(
                "{word} is a rate from {} to {} bits a second, like 50M or 100mbit, or {NONE}, not \"{text}\"",
                rate_text(*uapi::MAXBW.start()),
                rate_text(*uapi::MAXBW.end())
            ))
        })
}

/// Bits a second as [`rate`] takes them.
pub fn rate_text(bits: u64) -> String {
    match bits {
        0 => NONE.to_owned(),
        _ => written(bits, &RATES_WRITTEN, ""),
    }
}

fn packets(word: &str, text: &str) -> Result<u32, Error> {
    let found = match text {
        NONE => Some(0),
        _ => text.parse().ok().filter(|_| !text.starts_with('+')),
    };
    found
        .filter(|number| *number == 0 || uapi::MAXPPS.contains(number))
        .ok_or_else(|| {
            let (least, most) = (uapi::MAXPPS.start(), uapi::MAXPPS.end());
            Error::Usage(format!(
                "{word} is a number from {least} to {most}, or {NONE}, not \"{text}\""
            ))
        })
}

fn packets_text(number: u32) -> String {
    match number {
        0 => NONE.to_owned(),
        _ => number.to_string(),
    }
}

fn delay(word: &str, text: &str) -> Result<u32, Error> {
    let found = with_unit(text, &TIMES).and_then(|time| u32::try_from(time).ok());
    found
        .filter(|time| uapi::LIMIT_DELAYS.contains(time))
        .ok_or_else(|| {
            let (least, most) = (uapi::LIMIT_DELAYS.start(), uapi::LIMIT_DELAYS.end());
            Error::Usage(format!(
                "{word} is a time from {} to {}, like 5ms, not \"{text}\"",
                delay_text(*least),
                delay_text(*most)
            ))
        })
}

fn delay_text(time: u32) -> String {
    written(time.into(), &TIMES_WRITTEN, "us")
}

fn share(words: &mut Words<'_>) -> Result<u16, Error> {
    fn within(number: &u16, range: &RangeInclusive<u16>) -> bool {
        range.contains(number)
    }
    let (least, most) = (uapi::SHARES.start(), uapi::SHARES.end());
    let what = format!("a number from {least} to {most}");
    let number = words.number("share", &what)?;
    match within(&number, &uapi::SHARES) {
        true => Ok(number),
        false => Error::usage(format!("share is {what}, not \"{number}\"")),
    }
}

/// The attributes that say limits.
pub struct Kinds {
    rx_maxbw: u16,
    tx_maxbw: u16,
    rx_maxpps: u16,
    tx_maxpps: u16,
    delay: u16,
    share: u16,
    priority: u16,
    /// Whether the priority has one byte, and not four.
    small: bool,
}

/// Of VNICs.
pub const VNIC: Kinds = {
    use uapi::vnic::*;
    Kinds {
        rx_maxbw: RX_MAXBW,
        tx_maxbw: TX_MAXBW,
        rx_maxpps: RX_MAXPPS,
        tx_maxpps: TX_MAXPPS,
        delay: LIMIT_DELAY,
        share: SHARE,
        priority: PRIORITY,
        small: false,
    }
};

/// Of VNICs that rtnetlink makes.
pub const NEW_VNIC: Kinds = {
    use uapi::new_vnic::*;
    Kinds {
        rx_maxbw: RX_MAXBW,
        tx_maxbw: TX_MAXBW,
        rx_maxpps: RX_MAXPPS,
        tx_maxpps: TX_MAXPPS,
        delay: LIMIT_DELAY,
        share: SHARE,
        priority: PRIORITY,
        small: true,
    }
};

/// Of flows, which have no share.
pub const FLOW: Kinds = {
    use uapi::flow::*;
    Kinds {
        rx_maxbw: RX_MAXBW,
        tx_maxbw: TX_MAXBW,
        rx_maxpps: RX_MAXPPS,
        tx_maxpps: TX_MAXPPS,
        delay: LIMIT_DELAY,
        share: u16::MAX,
        priority: PRIORITY,
        small: false,
    }
};

fn priority_word<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    // Those of VNICs are the first of them.
    serializer.serialize_str(&word(&uapi::FLOW_PRIORITIES, Some((*number).into())))
}

/// The limits of a VNIC or a flow.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Limits {
    /// Bits a second that it may receive; 0 is no limit.
    rx_maxbw: u64,
    /// Bits a second that it may send.
    tx_maxbw: u64,
    /// Packets a second that it may receive; 0 is no limit.
    rx_maxpps: u32,
    /// Packets a second that it may send.
    tx_maxpps: u32,
    /// Microseconds that a packet may wait.
    limit_delay: u32,
    /// Its weight; flows have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<u16>,
    /// The number of its priority.
    #[serde(serialize_with = "priority_word")]
    priority: u8,
}

impl Limits {
    /// Those of a new VNIC.
    pub const OF_VNIC: Self = Self {
        share: Some(uapi::SHARE_DEFAULT),
        priority: uapi::PRIORITY_DEFAULT,
        ..Self::OF_FLOW
    };

    /// Those of a new flow.
    pub const OF_FLOW: Self = Self {
        rx_maxbw: 0,
        tx_maxbw: 0,
        rx_maxpps: 0,
        tx_maxpps: 0,
        limit_delay: uapi::LIMIT_DELAY_DEFAULT,
        share: None,
        priority: uapi::FLOW_PRIORITY_DEFAULT,
    };

    /// Of an answer; nothing if the module has no limits.
    pub fn of(answer: &Answer, kinds: &Kinds) -> Option<Self> {
        let small = |kind| u16::try_from(answer.number(kind)?).ok();
        Some(Self {
            rx_maxbw: answer.number(kinds.rx_maxbw).unwrap_or(0),
            tx_maxbw: answer.number(kinds.tx_maxbw).unwrap_or(0),
            rx_maxpps: answer.index(kinds.rx_maxpps).unwrap_or(0),
            tx_maxpps: answer.index(kinds.tx_maxpps).unwrap_or(0),
            limit_delay: answer.index(kinds.delay)?,
            share: small(kinds.share),
            priority: u8::try_from(answer.number(kinds.priority)?).ok()?,
        })
    }

    /// With some that change.
    pub fn with(&self, changes: &Changes) -> Self {
        Self {
            rx_maxbw: changes.rx_maxbw.unwrap_or(self.rx_maxbw),
            tx_maxbw: changes.tx_maxbw.unwrap_or(self.tx_maxbw),
            rx_maxpps: changes.rx_maxpps.unwrap_or(self.rx_maxpps),
            tx_maxpps: changes.tx_maxpps.unwrap_or(self.tx_maxpps),
            limit_delay: changes.delay.unwrap_or(self.limit_delay),
            share: changes.share.or(self.share),
            priority: changes.priority.unwrap_or(self.priority),
        }
    }

    /// What differs from `other`, as it is here.
    pub fn unlike(&self, other: &Self) -> Changes {
        fn differs<T: Copy + PartialEq>(mine: T, other: T) -> Option<T> {
            (mine != other).then_some(mine)
        }
        Changes {
            rx_maxbw: differs(self.rx_maxbw, other.rx_maxbw),
            tx_maxbw: differs(self.tx_maxbw, other.tx_maxbw),
            rx_maxpps: differs(self.rx_maxpps, other.rx_maxpps),
            tx_maxpps: differs(self.tx_maxpps, other.tx_maxpps),
            delay: differs(self.limit_delay, other.limit_delay),
            share: differs(self.share, other.share).flatten(),
            priority: differs(self.priority, other.priority),
        }
    }

    /// What all have at first.
    fn first(&self) -> Self {
        match self.share {
            Some(_) => Self::OF_VNIC,
            None => Self::OF_FLOW,
        }
    }

    /// Whether its priority is not the one that all have at first.
    pub fn has_priority(&self) -> bool {
        self.priority != self.first().priority
    }

    /// In words, but for what is as it is at first; empty if all is.
    pub fn words(&self) -> String {
        self.unlike(&self.first()).words()
    }

    /// What they say of a VNIC's turn on a link that is limited, if that is not what all say at first.
    pub fn turn(&self) -> Option<String> {
        match self.share {
            Some(share) if share != uapi::SHARE_DEFAULT => Some(format!("share {share}")),
            _ => self.has_priority().then(|| "priority".to_owned()),
        }
    }

    /// Of a VNIC, in the words of a document: all of them, what is not said is as it is at first.
    pub fn of_document(text: &str) -> Result<Self, Error> {
        let (mut words, mut changes) = (Words::split(text), Changes::default());
        if words.take(NONE) {
            words.end()?;
        }
        while let Some(word) = words.next() {
            if !changes.take_of_vnic(word, &mut words)? {
                return Error::usage(format!("unknown word \"{word}\" of limits"));
            }
        }
        Ok(Self::OF_VNIC.with(&changes))
    }

    /// The same as [`Limits::of_document`] takes it.
    pub fn document(&self) -> String {
        match self.words() {
            words if words.is_empty() => NONE.to_owned(),
            words => words,
        }
    }
}

/// What changes of limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    rx_maxbw: Option<u64>,
    tx_maxbw: Option<u64>,
    rx_maxpps: Option<u32>,
    tx_maxpps: Option<u32>,
    delay: Option<u32>,
    share: Option<u16>,
    priority: Option<u8>,
}

/// Sets what is not set yet.
fn set<T>(word: &str, place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        Some(_) => Error::usage(format!("{word} is one setting too many")),
        None => Ok(()),
    }
}

impl Changes {
    /// Takes a word and its value, if it is one of limits that both have.
    fn take(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, Error> {
        match word {
            "maxbw" => {
                let bits = rate(word, words.value(word)?)?;
                set(word, &mut self.rx_maxbw, bits)?;
                set(word, &mut self.tx_maxbw, bits)?;
            }
            "rx-maxbw" => set(word, &mut self.rx_maxbw, rate(word, words.value(word)?)?)?,
            "tx-maxbw" => set(word, &mut self.tx_maxbw, rate(word, words.value(word)?)?)?,
            "maxpps" => {
                let number = packets(word, words.value(word)?)?;
                set(word, &mut self.rx_maxpps, number)?;
                set(word, &mut self.tx_maxpps, number)?;
            }
            "rx-maxpps" => set(
                word,
                &mut self.rx_maxpps,
                packets(word, words.value(word)?)?,
            )?,
            "tx-maxpps" => set(
                word,
                &mut self.tx_maxpps,
                packets(word, words.value(word)?)?,
            )?,
            "limit-delay" => set(word, &mut self.delay, delay(word, words.value(word)?)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_priority(&mut self, words: &mut Words<'_>, names: &[&str]) -> Result<bool, Error> {
        let priority = words.one_of("priority", names)?;
        set("priority", &mut self.priority, priority)?;
        Ok(true)
    }

    /// Takes a word and its value, if it is one of limits of a flow.
    pub fn take_of_flow(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, Error> {
        match word {
            "priority" => self.take_priority(words, &uapi::FLOW_PRIORITIES),
            _ => self.take(word, words),
        }
    }

    /// The same of a VNIC, which has a share.
    pub fn take_of_vnic(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, Error> {
        match word {
            "share" => set(word, &mut self.share, share(words)?)?,
            "priority" => return self.take_priority(words, &uapi::PRIORITIES),
            _ => return self.take(word, words),
        }
        Ok(true)
    }

    /// In words.
    pub fn words(&self) -> String {
        fn both<T: Copy + PartialEq>(
            name: &str,
            (rx, tx): (Option<T>, Option<T>),
            text: impl Fn(T) -> String,
        ) -> Vec<String> {
            match (rx, tx) {
                (Some(rx), Some(tx)) if rx == tx => vec![format!("{name} {}", text(rx))],
                _ => [("rx", rx), ("tx", tx)]
                    .into_iter()
                    .filter_map(|(way, value)| Some(format!("{way}-{name} {}", text(value?))))
                    .collect(),
            }
        }
        let mut words = both("maxbw", (self.rx_maxbw, self.tx_maxbw), rate_text);
        words.extend(both(
            "maxpps",
            (self.rx_maxpps, self.tx_maxpps),
            packets_text,
        ));
        words.extend(
            self.delay
                .map(|time| format!("limit-delay {}", delay_text(time))),
        );
        words.extend(self.share.map(|share| format!("share {share}")));
        words.extend(self.priority.map(|number| {
            let name = word(&uapi::FLOW_PRIORITIES, Some(number.into()));
            format!("priority {name}")
        }));
        words.join(" ")
    }

    /// Adds their attributes.
    pub fn attrs(&self, request: Request, kinds: &Kinds) -> Request {
        let priority = self.priority.map(|number| match kinds.small {
            true => vec![number],
            false => u32::from(number).to_ne_bytes().to_vec(),
        });
        request
            .maybe(kinds.rx_maxbw, self.rx_maxbw.map(u64::to_ne_bytes))
            .maybe(kinds.tx_maxbw, self.tx_maxbw.map(u64::to_ne_bytes))
            .maybe(kinds.rx_maxpps, self.rx_maxpps.map(u32::to_ne_bytes))
            .maybe(kinds.tx_maxpps, self.tx_maxpps.map(u32::to_ne_bytes))
            .maybe(kinds.delay, self.delay.map(u32::to_ne_bytes))
            .maybe(kinds.share, self.share.map(u16::to_ne_bytes))
            .maybe(kinds.priority, priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, bits) in [
            ("none", 0),
            ("0", 0),
            ("8000", 8000),
            ("8K", 8000),
            ("50M", 50_000_000),
            ("50m", 50_000_000),
            ("2G", 2_000_000_000),
            ("1T", 1_000_000_000_000),
            ("100mbit", 100_000_000),
            ("100Mbit", 100_000_000),
            ("9600bit", 9600),
            ("1.5G", 1_500_000_000),
            ("0.25mbit", 250_000),
            ("1kbps", 8000),
            ("12.5MBps", 100_000_000),
            ("1000bps", 8000),
            ("8kibit", 8192),
            ("1Mi", 1 << 20),
        ] {
            assert_eq!(Some(bits), rate("maxbw", text).ok(), "{text}");
        }
        for text in [
            "",
            "M",
            "+1M",
            "-1M",
            "1.M",
            ".5M",
            "1..5M",
            "7999",
            "1001G",
            "2T",
            "1Q",
            "1 M",
            "50Mb",
            "mbit",
            "1e6",
            "8000.5",
            "18446744073709551616",
            "1\u{212a}",
            "any",
        ] {
            assert!(rate("maxbw", text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_written_as_they_are_taken() {
        for (bits, text) in [
            (0, "none"),
            (8000, "8K"),
            (8001, "8001"),
            (1_500_000_000, "1500M"),
            (2_000_000_000, "2G"),
            (1_000_000_000_000, "1T"),
        ] {
            assert_eq!(text, rate_text(bits));
            assert_eq!(Some(bits), rate("maxbw", text).ok(), "{text}");
        }
    }

    #[test]
    fn delays() {
        for (text, time, again) in [
            ("100", 100, "100us"),
            ("5ms", 5000, "5ms"),
            ("5msec", 5000, "5ms"),
            ("1s", 1_000_000, "1s"),
            ("0.5s", 500_000, "500ms"),
            ("1.5ms", 1500, "1500us"),
            ("250usecs", 250, "250us"),
        ] {
            assert_eq!(Some(time), delay("limit-delay", text).ok(), "{text}");
            assert_eq!(again, delay_text(time));
        }
        for text in [
            "", "99", "99us", "1.1s", "2s", "0", "none", "5m", "1.0001ms", "-5ms",
        ] {
            assert!(delay("limit-delay", text).is_err(), "{text}");
        }
    }

    fn limits(text: &str) -> Result<Limits, Error> {
        Limits::of_document(text)
    }

    #[test]
    fn words_stay_what_they_are() {
        for (text, again) in [
            ("none", "none"),
            ("", "none"),
            (
                "maxbw none share 100 priority medium limit-delay 5ms",
                "none",
            ),
            ("maxbw 50M", "maxbw 50M"),
            ("rx-maxbw 50M tx-maxbw 50mbit", "maxbw 50M"),
            ("tx-maxbw 8001 rx-maxpps 7", "tx-maxbw 8001 rx-maxpps 7"),
            (
                "priority low share 7 limit-delay 100us maxpps 4000000000 tx-maxbw 1G rx-maxbw 2G",
                "rx-maxbw 2G tx-maxbw 1G maxpps 4000000000 limit-delay 100us share 7 priority low",
            ),
        ] {
            let said = limits(text).map_or_else(|error| error.to_string(), |is| is.document());
            assert_eq!(again, said);
        }
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (text, name) in [
            ("none maxbw 1M", "\"maxbw\""),
            ("maxbw", "maxbw"),
            (
                "maxbw fast",
                "8K to 1T bits a second, like 50M or 100mbit, or none, not \"fast\"",
            ),
            ("maxbw 1M rx-maxbw 1M", "rx-maxbw is one setting too many"),
            ("tx-maxpps 1 maxpps 1", "maxpps is one setting too many"),
            (
                "maxpps 4000000001",
                "1 to 4000000000, or none, not \"4000000001\"",
            ),
            ("maxpps 1K", "\"1K\""),
            ("limit-delay 1m", "100us to 1s, like 5ms, not \"1m\""),
            ("share 0", "1 to 1000, not \"0\""),
            ("share 1001", "1 to 1000, not \"1001\""),
            ("share all", "1 to 1000, not \"all\""),
            ("share 1 share 1", "share is one setting too many"),
            ("priority urgent", "high, medium, low, not \"urgent\""),
            ("colour 1", "colour"),
        ] {
            let said = match limits(text) {
                Err(Error::Usage(sentence)) => sentence,
                other => format!("{other:?}"),
            };
            assert!(said.contains(name), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let text = "rx-maxbw 1T tx-maxbw 8K rx-maxpps 1 tx-maxpps 2 limit-delay 1s share 1000 priority high";
        let is = limits(text).expect(text);
        for kinds in [&VNIC, &NEW_VNIC] {
            let request = is.unlike(&Limits::OF_VNIC).attrs(Request::default(), kinds);
            assert_eq!(
                Some(&is),
                Limits::of(&Answer::of(request.bytes()), kinds).as_ref()
            );
        }
        assert_eq!(None, Limits::of(&Answer::of(&[]), &VNIC));
    }
}
