// SPDX-License-Identifier: GPL-2.0

//! Words on the command line, as ip(8) has them, into attributes.

use crate::{
    attrs::Request,
    error::Error,
    uapi, //
};
use std::slice::Iter;

/// What can be said of a VNIC.
pub const HELP: &str = "Settings:
  up, down
  address MAC          not zero, no group address
  mtu BYTES            from 68 to the link's MTU
  promisc off|own|all  what promiscuous mode shows: nothing more, group frames, everything on the link

The kernel changes all of them or none.";

fn usage<T>(sentence: String) -> Result<T, Error> {
    Err(Error::Usage(sentence))
}

/// The value that follows a word.
fn value<'a>(word: &str, words: &mut Iter<'a, String>) -> Result<&'a str, Error> {
    match words.next() {
        Some(value) => Ok(value),
        None => usage(format!("{word} needs a value")),
    }
}

/// One of several names, as its number.
fn one_of(word: &str, value: &str, names: &[&str]) -> Result<u32, Error> {
    match names.iter().position(|name| *name == value) {
        Some(number) => Ok(number as u32),
        None => usage(format!(
            "{word} is one of {}, not \"{value}\"",
            names.join(", ")
        )),
    }
}

/// One byte of an address. The parser of numbers would take a sign.
fn byte(part: &str) -> Option<u8> {
    let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(part, 16).ok())?
}

fn mac(text: &str) -> Result<[u8; 6], Error> {
    let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
    match bytes.and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => Ok(bytes),
        None => usage(format!(
            "an address is six bytes like 02:00:00:00:00:01, not \"{text}\""
        )),
    }
}

/// Refuses a word that is there twice.
fn once(word: &str, seen: &mut Vec<String>) -> Result<(), Error> {
    // up and down are two words for one setting.
    let setting = if word == "down" { "up" } else { word };
    if seen.iter().any(|other| other == setting) {
        return usage(format!("{word} is one setting too many"));
    }
    seen.push(setting.to_owned());
    Ok(())
}

/// What is to become of a VNIC.
pub fn of_vnic(words: &[String]) -> Result<Request, Error> {
    let (mut request, mut words, mut seen) = (Request::default(), words.iter(), Vec::new());
    while let Some(word) = words.next() {
        once(word, &mut seen)?;
        request = match word.as_str() {
            "up" => request.with(uapi::vnic::UP, &[1]),
            "down" => request.with(uapi::vnic::UP, &[0]),
            "address" => request.with(uapi::vnic::ADDRESS, &mac(value(word, &mut words)?)?),
            "mtu" => {
                let text = value(word, &mut words)?;
                match text.parse::<u32>() {
                    Ok(mtu) => request.with(uapi::vnic::MTU, &mtu.to_ne_bytes()),
                    Err(_) => return usage(format!("an MTU is a number of bytes, not \"{text}\"")),
                }
            }
            "promisc" => {
                let mode = one_of(word, value(word, &mut words)?, &["off", "own", "all"])?;
                request.with(uapi::vnic::PROMISC_MODE, &mode.to_ne_bytes())
            }
            _ => {
                return usage(format!(
                    "unknown setting \"{word}\"; vnic set --help lists them"
                ))
            }
        };
    }
    Ok(request)
}

/// What is to become of a link.
pub fn of_link(words: &[String]) -> Result<Request, Error> {
    let (mut request, mut words, mut seen) = (Request::default(), words.iter(), Vec::new());
    while let Some(word) = words.next() {
        once(word, &mut seen)?;
        request = match word.as_str() {
            "host" => {
                let on = one_of(word, value(word, &mut words)?, &["off", "on"])?;
                request.with(uapi::link::HOST, &[on as u8])
            }
            _ => {
                return usage(format!(
                    "unknown setting \"{word}\" of a link: host on, host off"
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

    fn refused(result: Result<Request, Error>) -> String {
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
        ] {
            assert!(of_vnic(&words(text)).is_ok(), "{text}");
        }
        assert!(of_link(&words("host off")).is_ok());
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
            ("address 02:00:00:00:00", "02:00:00:00:00"),
            ("address 02:00:00:00:00:01:02", "02:00:00:00:00:01:02"),
            ("address 02:00:00:00:00:0x1", "0x1"),
            ("address 02:00:00:00:00:+1", "+1"),
            ("address 02:00:00:00:00:", "02:00"),
            ("colour blue", "colour"),
        ] {
            let said = refused(of_vnic(&words(text)));
            assert!(said.contains(name), "{text}: {said}");
        }
        assert!(refused(of_link(&words("host maybe"))).contains("maybe"));
        assert!(refused(of_link(&words("mtu 1"))).contains("mtu"));
    }
}
