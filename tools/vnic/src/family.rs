// SPDX-License-Identifier: GPL-2.0

//! The netlink family.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    message::{
        received,
        Meaning,
        Message, //
    },
    socket::{
        Protocol,
        Socket, //
    },
    uapi,
};
use nix::libc;

/// Command and version, and two bytes of nothing.
const HEAD: usize = 4;
/// The family that knows the others, and its answer.
const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;
/// Room for events that come faster than they can be printed.
const EVENT_ROOM: usize = 4 * 1024 * 1024;

fn body(command: u8, request: &Request) -> Vec<u8> {
    let mut body = vec![command, 1, 0, 0];
    body.extend(request.bytes());
    body
}

fn answer(payload: &[u8]) -> Answer {
    Answer::of(payload.get(HEAD..).unwrap_or_default())
}

/// A connection to the family, in the namespace of this process.
pub struct Family {
    socket: Socket,
    number: u16,
    /// Groups of events by their names.
    groups: Vec<(String, u32)>,
}

impl Family {
    /// Connects.
    pub fn connect() -> Result<Self, Error> {
        let socket = Socket::connect(Protocol::Generic)?;
        let request = Request::default().text(FAMILY_NAME, uapi::FAMILY);
        let found = socket.ask(Message {
            kind: CONTROL,
            flags: libc::NLM_F_ACK as u16,
            body: body(GET_FAMILY, &request),
        });
        let found = match found {
            Err(Error::Refused { errno, .. }) if errno == libc::ENOENT => {
                return Err(Error::NoModule)
            }
            other => other?,
        };
        let found = answer(found.first().ok_or(Error::NoModule)?);
        let number = found.number(FAMILY_ID).ok_or(Error::NoModule)?;
        let groups = found.inside(GROUPS).map(|groups| {
            let named = |group: Answer| Some((group.text(GROUP_NAME)?, group.index(GROUP_ID)?));
            groups.entries().filter_map(named).collect()
        });
        Ok(Self {
            socket,
            number: u16::try_from(number).map_err(Error::trouble)?,
            groups: groups.unwrap_or_default(),
        })
    }

    /// Sends a request and collects what comes, up to the acknowledgement or the end of the dump.
    fn send(&self, command: u8, flags: i32, request: &Request) -> Result<Vec<Answer>, Error> {
        let answers = self.socket.ask(Message {
            kind: self.number,
            flags: flags as u16,
            body: body(command, request),
        })?;
        Ok(answers.iter().map(|payload| answer(payload)).collect())
    }

    /// Says no warnings of the kernel from now on.
    pub fn be_quiet(&self) {
        self.socket.be_quiet();
    }

    /// Asks for something to be done, or for one answer.
    pub fn ask(&self, command: u8, request: &Request) -> Result<Option<Answer>, Error> {
        Ok(self.send(command, libc::NLM_F_ACK, request)?.pop())
    }

    /// Asks for all there are.
    pub fn dump(&self, command: u8, request: &Request) -> Result<Vec<Answer>, Error> {
        self.send(command, libc::NLM_F_DUMP, request)
    }

    /// What happens from now on: commands and what they say. What is missing in it is the business of `warn`.
    pub fn events(&self, warn: impl Fn(&str) + 'static) -> Result<Events, Error> {
        let socket = Socket::connect(Protocol::Generic)?;
        socket.make_room_to_receive(EVENT_ROOM);
        let group = |name| self.groups.iter().find(|(other, _)| other == name);
        let (_, config) = group(uapi::GROUP_CONFIG).ok_or_else(|| {
            Error::trouble("the module has no group of events \"config\"; is it of this version?")
        })?;
        socket.join(*config).map_err(|errno| match errno {
            nix::Error::EPERM => Error::Refused {
                errno: libc::EPERM,
                sentence: Some("events are shown to who has CAP_NET_ADMIN here".to_owned()),
            },
            other => Error::from(other),
        })?;
        // An older module has no such groups.
        for (name, hidden) in [
            (
                uapi::GROUP_DENIED,
                "requests that are denied are shown to who has CAP_NET_ADMIN only",
            ),
            (
                uapi::GROUP_OVERFLOW,
                "rings that dropped packets are shown to who has CAP_NET_ADMIN only",
            ),
        ] {
            let Some((_, number)) = group(name) else {
                continue;
            };
            match socket.join(*number) {
                Err(nix::Error::EPERM) => warn(hidden),
                other => other?,
            }
        }
        Ok(Events {
            socket,
            warn: Box::new(warn),
            waiting: Vec::new(),
        })
    }
}

/// Events, as they come.
pub struct Events {
    socket: Socket,
    warn: Box<dyn Fn(&str)>,
    /// Received and not given out yet, the last first.
    waiting: Vec<(u8, Answer)>,
}

impl Events {
    fn receive(&mut self) -> Result<(), Error> {
        let mut buffer = Vec::new();
        let bytes = match self.socket.receive(&mut buffer, true) {
            Err(nix::Error::ENOBUFS) => {
                (self.warn)("events were lost, they came faster than they were read");
                return Ok(());
            }
            other => other?,
        };
        for message in received(bytes) {
            if let Meaning::Payload(payload) = message.meaning() {
                let command = payload.first().copied().unwrap_or_default();
                self.waiting.insert(0, (command, answer(payload)));
            }
        }
        Ok(())
    }
}

impl Iterator for Events {
    type Item = Result<(u8, Answer), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.waiting.is_empty() {
            if let Err(error) = self.receive() {
                return Some(Err(error));
            }
        }
        self.waiting.pop().map(Ok)
    }
}
