// SPDX-License-Identifier: GPL-2.0

//! Words on the command line and in documents: what several of them need.

use crate::error::Error;
use std::net::IpAddr;

/// Words, one after the other.
pub struct Words<'a>(std::vec::IntoIter<&'a str>);

impl<'a> From<Vec<&'a str>> for Words<'a> {
    fn from(words: Vec<&'a str>) -> Self {
        Self(words.into_iter())
    }
}

impl<'a> Words<'a> {
    /// Those of a command line.
    pub fn of(words: &'a [String]) -> Self {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Self::from(words)
    }

    /// Those of a text.
    pub fn split(text: &'a str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        Self::from(words)
    }

    /// The next one, if there is one.
    pub fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    /// Takes the next one if it is `word`.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        if found {
            self.0.next();
        }
        found
    }

    /// The next one, which stays.
    pub fn peek(&self) -> Option<&'a str> {
        self.0.as_slice().first().copied()
    }

    /// The value that follows a word.
    pub fn value(&mut self, word: &str) -> Result<&'a str, Error> {
        match self.next() {
            Some(value) => Ok(value),
            None => Error::usage(format!("{word} needs a value")),
        }
    }

    /// A number that follows a word.
    pub fn number<T: std::str::FromStr>(&mut self, word: &str, what: &str) -> Result<T, Error> {
        let text = self.value(word)?;
        match text.parse() {
            // The parser would take a sign.
            Ok(number) if !text.starts_with('+') => Ok(number),
            _ => Error::usage(format!("{word} is {what}, not \"{text}\"")),
        }
    }

    /// One of several names, as its number.
    pub fn one_of(&mut self, word: &str, names: &[&str]) -> Result<u8, Error> {
        let value = self.value(word)?;
        position(word, value, names)
    }

    /// Refuses what is left.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.next() {
            Some(word) => Error::usage(format!("\"{word}\" is one word too many")),
            None => Ok(()),
        }
    }
}

/// One of several names, as its number.
pub fn position(word: &str, value: &str, names: &[&str]) -> Result<u8, Error> {
    let found = names.iter().position(|name| *name == value);
    match found.and_then(|number| u8::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => Error::usage(format!(
            "{word} is one of {}, not \"{value}\"",
            names.join(", ")
        )),
    }
}

/// A number of bytes: plain, or with K, M, G or T behind it, each 1024 of what is before.
pub fn size(word: &str, text: &str) -> Result<u64, Error> {
    let last = text.chars().last().map(|c| c.to_ascii_uppercase());
    let shift = match last {
        Some('K') => 10,
        Some('M') => 20,
        Some('G') => 30,
        Some('T') => 40,
        _ => 0,
    };
    let digits = text
        .get(..text.len() - usize::from(shift != 0))
        .unwrap_or_default();
    // The parser would take a sign.
    let number = digits.parse::<u64>().ok();
    let number = number.filter(|_| !digits.starts_with('+'));
    match number.and_then(|number| number.checked_mul(1 << shift)) {
        Some(bytes) => Ok(bytes),
        None => Error::usage(format!(
            "{word} is a number of bytes like 8388608, 512K, 64M or 1G, not \"{text}\""
        )),
    }
}

/// A number of bytes as [`size`] takes it.
pub fn size_text(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let fits = |(shift, _): &(u32, &str)| bytes != 0 && bytes.trailing_zeros() >= *shift;
    match units.into_iter().find(fits) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// One byte of an address. The parser of numbers would take a sign.
fn byte(part: &str) -> Option<u8> {
    let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(part, 16).ok())?
}

fn six_bytes(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
    bytes?.try_into().ok()
}

/// An Ethernet address.
pub fn mac(text: &str) -> Result<[u8; 6], Error> {
    match six_bytes(text) {
        Some(bytes) => Ok(bytes),
        None => Error::usage(format!(
            "an address is six bytes like 02:00:00:00:00:01, not \"{text}\""
        )),
    }
}

/// An address of 4, 6 or 16 bytes.
pub fn address(text: &str) -> Result<Vec<u8>, Error> {
    if let Some(bytes) = six_bytes(text) {
        return Ok(bytes.to_vec());
    }
    match text.parse() {
        Ok(IpAddr::V4(ip)) => Ok(ip.octets().to_vec()),
        Ok(IpAddr::V6(ip)) => Ok(ip.octets().to_vec()),
        Err(_) => Error::usage(format!(
            "an address is like 02:00:00:00:00:01, 192.0.2.1 or 2001:db8::1, not \"{text}\""
        )),
    }
}

/// An address of 4, 6 or 16 bytes, as people write it.
pub fn address_text(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return IpAddr::from(four).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(sixteen) => IpAddr::from(sixteen).to_string(),
        Err(_) => crate::attrs::mac(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        size,
        size_text, //
    };

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("512K", 512 << 10),
            ("64m", 64 << 20),
            ("1G", 1 << 30),
            ("2T", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(Some(bytes), size("limit", text).ok(), "{text}");
        }
        for text in [
            "",
            "K",
            "+1",
            "-1",
            "+1K",
            "1.5M",
            "1MB",
            "1 M",
            "16777216T",
            "1\u{212a}",
        ] {
            assert!(size("limit", text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_taken() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (3 << 10, "3K"),
            (1536 << 20, "1536M"),
            (1 << 30, "1G"),
            (4 << 40, "4T"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(text, size_text(bytes));
            assert_eq!(Some(bytes), size("limit", text).ok(), "{text}");
        }
    }
}
