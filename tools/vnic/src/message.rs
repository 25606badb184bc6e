// SPDX-License-Identifier: GPL-2.0

//! Messages of netlink: their heads, acknowledgements and refusals.

use crate::{
    attrs::{
        aligned,
        Answer, //
    },
    error::Error,
};
use nix::libc;

/// Length, type, flags, sequence number, port.
const HEAD: usize = 16;
/// Types below this are the same in all families.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Of an acknowledgement: the message that it answers is not repeated in it.
const CAPPED: u16 = 0x100;
/// Of an acknowledgement: attributes follow.
const HAS_ATTRS: u16 = 0x200;
/// Attribute of an acknowledgement: the sentence.
const SENTENCE: u16 = 1;

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}

fn two(bytes: &[u8], at: usize) -> Option<[u8; 2]> {
    bytes.get(at..at + 2)?.try_into().ok()
}

/// A request, without its sequence number.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub kind: u16,
    /// Beside NLM_F_REQUEST.
    pub flags: u16,
    /// The family's own head, and attributes.
    pub body: Vec<u8>,
}

impl Message {
    /// Puts it behind others.
    pub fn append_to(&self, buffer: &mut Vec<u8>, sequence: u32) {
        let length = u32::try_from(HEAD + self.body.len()).unwrap_or(u32::MAX);
        buffer.extend(length.to_ne_bytes());
        buffer.extend(self.kind.to_ne_bytes());
        buffer.extend((self.flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        buffer.extend(sequence.to_ne_bytes());
        buffer.extend([0; 4]);
        buffer.extend(&self.body);
        buffer.resize(aligned(buffer.len()), 0);
    }
}

/// What the kernel sent.
#[derive(Debug)]
pub struct Received<'a> {
    /// Of the request that it answers; 0 for events.
    pub sequence: u32,
    kind: u16,
    flags: u16,
    payload: &'a [u8],
}

/// What that means.
pub enum Meaning<'a> {
    /// The family's own head, and attributes.
    Payload(&'a [u8]),
    /// The end of what was asked for, with a warning or without.
    End(Option<String>),
    /// So is this.
    Refused(Error),
}

/// The messages in a buffer, up to the first that is cut off.
pub fn received(mut buffer: &[u8]) -> Vec<Received<'_>> {
    let mut found = Vec::new();
    while let Some((message, length)) = first(buffer) {
        found.push(message);
        buffer = buffer.get(aligned(length)..).unwrap_or_default();
    }
    found
}

fn first(buffer: &[u8]) -> Option<(Received<'_>, usize)> {
    let length = usize::try_from(u32::from_ne_bytes(four(buffer, 0)?)).ok()?;
    let message = Received {
        kind: u16::from_ne_bytes(two(buffer, 4)?),
        flags: u16::from_ne_bytes(two(buffer, 6)?),
        sequence: u32::from_ne_bytes(four(buffer, 8)?),
        payload: buffer.get(HEAD..length)?,
    };
    Some((message, length))
}

impl<'a> Received<'a> {
    /// What it means.
    pub fn meaning(&self) -> Meaning<'a> {
        if self.kind != ERROR && self.kind != DONE {
            return Meaning::Payload(self.payload);
        }
        // The end of a dump need not say that nothing went wrong.
        match four(self.payload, 0).map(i32::from_ne_bytes) {
            None | Some(0..) => Meaning::End(self.sentence()),
            Some(errno) => Meaning::Refused(Error::Refused {
                errno: errno.saturating_neg(),
                sentence: self.sentence(),
            }),
        }
    }

    fn sentence(&self) -> Option<String> {
        if self.kind == DONE {
            return Answer::of(self.payload.get(4..)?).text(SENTENCE);
        }
        if self.flags & HAS_ATTRS == 0 {
            return None;
        }
        // The head of the message that was refused; all of it, unless capped. What succeeded is not repeated.
        let errno = four(self.payload, 0).map(i32::from_ne_bytes)?;
        let refused = match self.flags & CAPPED {
            0 if errno != 0 => usize::try_from(u32::from_ne_bytes(four(self.payload, 4)?)).ok()?,
            _ => HEAD,
        };
        let attrs = self.payload.get(4_usize.checked_add(aligned(refused))?..)?;
        Answer::of(attrs).text(SENTENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attrs::Request;

    fn refusal(flags: u16, repeated: &[u8]) -> Vec<u8> {
        let request = Message {
            kind: 16,
            flags: 0,
            body: repeated.to_vec(),
        };
        let mut body = (-libc::EPERM).to_ne_bytes().to_vec();
        request.append_to(&mut body, 5);
        if flags & CAPPED != 0 {
            body.truncate(4 + HEAD);
        }
        let sentence = Request::default().text(SENTENCE, "vnic: no");
        body.extend(sentence.bytes());
        let message = Message {
            kind: ERROR,
            flags,
            body,
        };
        let mut buffer = Vec::new();
        message.append_to(&mut buffer, 5);
        buffer
    }

    #[test]
    fn the_sentence_is_found() {
        for flags in [HAS_ATTRS, HAS_ATTRS | CAPPED] {
            let buffer = refusal(flags, &[1, 2, 3, 4, 5]);
            let messages = received(&buffer);
            let said: Vec<String> = messages
                .iter()
                .map(|message| match message.meaning() {
                    Meaning::Refused(error) => format!("{} {error}", message.sequence),
                    _ => "no refusal".to_owned(),
                })
                .collect();
            assert_eq!(vec!["5 no"], said);
        }
    }

    #[test]
    fn several_in_a_buffer() {
        let mut buffer = Vec::new();
        for (kind, body) in [(30, vec![1, 2, 3]), (DONE, vec![0; 4]), (ERROR, vec![0; 4])] {
            let message = Message {
                kind,
                flags: 0,
                body,
            };
            message.append_to(&mut buffer, 9);
        }
        let messages = received(&buffer);
        assert_eq!(3, messages.len());
        assert!(matches!(
            messages[0].meaning(),
            Meaning::Payload(&[1, 2, 3])
        ));
        assert!(matches!(messages[1].meaning(), Meaning::End(None)));
        assert!(matches!(messages[2].meaning(), Meaning::End(None)));
        assert_eq!(2, received(&buffer[..buffer.len() - 1]).len());
        assert_eq!(0, received(&[0; 16][..15]).len());
    }

    #[test]
    fn a_length_of_nothing_is_no_message() {
        assert_eq!(0, received(&[0; 64]).len());
    }
}
