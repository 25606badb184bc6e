// SPDX-License-Identifier: GPL-2.0

//! A netlink socket: requests and their answers.

use crate::{
    error::Error,
    message::{
        received,
        Meaning,
        Message, //
    },
};
use nix::{
    libc, setsockopt_impl,
    sys::socket::{
        bind,
        recv,
        send,
        setsockopt,
        socket,
        sockopt,
        AddressFamily,
        MsgFlags,
        NetlinkAddr,
        SetSockOpt,
        SockFlag,
        SockProtocol,
        SockType, //
    },
};
use std::{
    cell::Cell,
    collections::HashMap,
    os::fd::{
        AsRawFd,
        OwnedFd, //
    },
};

/// Refusals have sentences.
#[derive(Clone)]
struct ExtAck;
/// Refusals do not repeat the request, which may be long.
#[derive(Clone)]
struct CapAck;
/// Joins a group of events.
#[derive(Clone)]
struct Join;
setsockopt_impl!(
    ExtAck,
    libc::SOL_NETLINK,
    libc::NETLINK_EXT_ACK,
    bool,
    sockopt::SetBool
);
setsockopt_impl!(
    CapAck,
    libc::SOL_NETLINK,
    libc::NETLINK_CAP_ACK,
    bool,
    sockopt::SetBool
);
setsockopt_impl!(
    Join,
    libc::SOL_NETLINK,
    libc::NETLINK_ADD_MEMBERSHIP,
    u32,
    sockopt::SetStruct<'_, u32>
);

/// The families of netlink.
#[derive(Clone, Copy)]
pub enum Protocol {
    /// Of generic netlink: the family "vnic" and others.
    Generic,
    /// Devices and namespaces.
    Route,
}

/// No message of the kernel is longer: dumps come in pieces of at most 32 KiB.
const BUFFER: usize = 64 * 1024;
/// So many messages go into one call. Their acknowledgements fit the receive buffer of a socket, as large as it is at first.
const BATCH: usize = 64;
/// Larger messages do not fit the send buffer of a socket, as large as it is at first.
const LARGE: usize = 100 * 1024;

/// A netlink socket, in the namespace of this process.
pub struct Socket {
    socket: OwnedFd,
    sequence: Cell<u32>,
    /// Whether warnings are not said.
    quiet: Cell<bool>,
}

/// What a request brought: the messages that answered it.
pub type Outcome = Result<Vec<Vec<u8>>, Error>;

/// Says what is no error.
pub fn warn(sentence: &str) {
    let plain = sentence.strip_prefix("vnic: ").unwrap_or(sentence);
    eprintln!("vnic: warning: {plain}");
}

impl Socket {
    /// Opens one.
    pub fn connect(protocol: Protocol) -> Result<Self, Error> {
        let protocol = match protocol {
            Protocol::Generic => SockProtocol::NetlinkGeneric,
            Protocol::Route => SockProtocol::NetlinkRoute,
        };
        let (netlink, raw) = (AddressFamily::Netlink, SockType::Raw);
        let socket = socket(netlink, raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&socket, ExtAck, &true)?;
        setsockopt(&socket, CapAck, &true)?;
        Ok(Self {
            socket,
            sequence: Cell::new(0),
            quiet: Cell::new(false),
        })
    }

    /// Says no warnings of the kernel from now on: somebody else does.
    pub fn be_quiet(&self) {
        self.quiet.set(true);
    }

    /// Sets the size of a buffer, as far as the kernel allows: beyond its limit only for who has CAP_NET_ADMIN in the first user
    /// namespace. What does not fit fails with a word of its own.
    fn make_room<F, S>(&self, forced: F, asked: S, size: usize)
    where
        F: SetSockOpt<Val = usize>,
        S: SetSockOpt<Val = usize>,
    {
        if setsockopt(&self.socket, forced, &size).is_err() {
            let _ = setsockopt(&self.socket, asked, &size);
        }
    }

    /// Room for events that come faster than they are read.
    pub fn make_room_to_receive(&self, size: usize) {
        self.make_room(sockopt::RcvBufForce, sockopt::RcvBuf, size);
    }

    /// Joins a group of events.
    pub fn join(&self, group: u32) -> nix::Result<()> {
        setsockopt(&self.socket, Join, &group)
    }

    /// What comes next, or `EAGAIN` if it is not to wait for it; `ENOBUFS` if events were lost.
    pub fn receive<'a>(&self, buffer: &'a mut Vec<u8>, wait: bool) -> nix::Result<&'a [u8]> {
        buffer.resize(BUFFER, 0);
        let flags = match wait {
            true => MsgFlags::empty(),
            false => MsgFlags::MSG_DONTWAIT,
        };
        let length = loop {
            match recv(self.socket.as_raw_fd(), buffer, flags) {
                Err(nix::Error::EINTR) => {}
                other => break other?,
            }
        };
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// Sends a request and waits for its end: the acknowledgement, or that of the dump.
    pub fn ask(&self, message: Message) -> Outcome {
        let mut outcomes = self.ask_all(&[message])?;
        outcomes.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Sends requests, many at once, and waits for the end of each. Each has its own outcome, in the order of the requests.
    pub fn ask_all(&self, messages: &[Message]) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::new();
        for batch in messages.chunks(BATCH) {
            outcomes.extend(self.ask_batch(batch)?);
        }
        Ok(outcomes)
    }

    fn ask_batch(&self, batch: &[Message]) -> Result<Vec<Outcome>, Error> {
        let first = self.sequence.get().wrapping_add(1);
        let mut bytes = Vec::new();
        for message in batch {
            self.sequence.set(self.sequence.get().wrapping_add(1));
            message.append_to(&mut bytes, self.sequence.get());
        }
        if bytes.len() > LARGE {
            self.make_room(sockopt::SndBufForce, sockopt::SndBuf, bytes.len() + LARGE);
        }
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut outcomes: Vec<Outcome> = batch.iter().map(|_| Ok(Vec::new())).collect();
        let mut open: HashMap<u32, usize> = (0..batch.len())
            .map(|at| (first.wrapping_add(at as u32), at))
            .collect();
        let mut buffer = Vec::new();
        while !open.is_empty() {
            for message in received(self.receive(&mut buffer, true)?) {
                let Some(at) = open.get(&message.sequence).copied() else {
                    continue;
                };
                let outcome = outcomes.get_mut(at);
                match (message.meaning(), outcome) {
                    (Meaning::Payload(payload), Some(Ok(answers))) => {
                        answers.push(payload.to_vec());
                        continue;
                    }
                    (Meaning::Refused(error), Some(outcome)) => *outcome = Err(error),
                    (Meaning::End(Some(sentence)), _) if !self.quiet.get() => warn(&sentence),
                    _ => {}
                }
                open.remove(&message.sequence);
            }
        }
        Ok(outcomes)
    }
}
