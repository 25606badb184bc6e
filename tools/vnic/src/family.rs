// SPDX-License-Identifier: GPL-2.0

//! The socket of the netlink family.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    uapi,
};
use neli::{
    consts::{
        nl::{
            NlmF,
            Nlmsg,
            NlmsgerrAttr, //
        },
        socket::NlFamily,
    },
    err::Nlmsgerr,
    genl::{
        Genlmsghdr,
        GenlmsghdrBuilder,
        NoUserHeader, //
    },
    nl::{
        NlPayload,
        Nlmsghdr,
        NlmsghdrBuilder, //
    },
    router::synchronous::NlRouter,
    socket::synchronous::NlSocketHandle,
    utils::Groups,
};

type Body = Genlmsghdr<u8, u16>;
type Message = Nlmsghdr<u16, Body>;

/// A connection to the family, in the namespace of this process.
pub struct Family {
    socket: NlSocketHandle,
    number: u16,
    group: u32,
}

fn connect() -> Result<NlSocketHandle, Error> {
    NlSocketHandle::connect(NlFamily::Generic, None, Groups::empty()).map_err(Error::trouble)
}

impl Family {
    /// Connects.
    pub fn connect() -> Result<Self, Error> {
        // The router knows how to look families up, and loses the sentences of refusals (neli 0.7.5).
        let (router, _) =
            NlRouter::connect(NlFamily::Generic, None, Groups::empty()).map_err(Error::trouble)?;
        let number = router
            .resolve_genl_family(uapi::FAMILY)
            .map_err(|_| Error::NoModule)?;
        let group = router
            .resolve_nl_mcast_group(uapi::FAMILY, uapi::GROUP_CONFIG)
            .map_err(Error::trouble)?;
        let socket = connect()?;
        socket.enable_ext_ack(true).map_err(Error::trouble)?;
        Ok(Self {
            socket,
            number,
            group,
        })
    }

    /// Sends a request and collects what comes, up to the acknowledgement or the end of the dump.
    fn send(&self, command: u8, flags: NlmF, request: Request) -> Result<Vec<Answer>, Error> {
        let body = GenlmsghdrBuilder::<u8, u16, NoUserHeader>::default()
            .cmd(command)
            .version(1)
            .attrs(request.into_buffer()?)
            .build()
            .map_err(Error::trouble)?;
        let message: Message = NlmsghdrBuilder::default()
            .nl_type(self.number)
            .nl_flags(NlmF::REQUEST | flags)
            .nl_payload(NlPayload::Payload(body))
            .build()
            .map_err(Error::trouble)?;
        self.socket.send(&message).map_err(Error::trouble)?;
        let mut answers = Vec::new();
        loop {
            let (messages, _) = self.socket.recv::<u16, Body>().map_err(Error::trouble)?;
            for message in messages {
                let message = message.map_err(Error::trouble)?;
                match message.nl_payload() {
                    NlPayload::Payload(body) => answers.push(Answer::of(body.attrs())),
                    NlPayload::Err(error) => return Err(refusal(error)),
                    NlPayload::DumpExtAck(end) if *end.error() < 0 => return Err(refusal(end)),
                    NlPayload::Ack(_) => return Ok(answers),
                    _ => {}
                }
                if *message.nl_type() == u16::from(Nlmsg::Done) {
                    return Ok(answers);
                }
            }
        }
    }

    /// Asks for something to be done, or for one answer.
    pub fn ask(&self, command: u8, request: Request) -> Result<Option<Answer>, Error> {
        Ok(self.send(command, NlmF::ACK, request)?.pop())
    }

    /// Asks for all there are.
    pub fn dump(&self, command: u8, request: Request) -> Result<Vec<Answer>, Error> {
        self.send(command, NlmF::DUMP, request)
    }

    /// What happens from now on: commands and what they say.
    pub fn events(&self) -> Result<Events, Error> {
        let socket = connect()?;
        socket
            .add_mcast_membership(Groups::new_groups(&[self.group]))
            .map_err(Error::trouble)?;
        Ok(Events {
            socket,
            waiting: Vec::new(),
        })
    }
}

/// Events, as they come.
pub struct Events {
    socket: NlSocketHandle,
    /// Received and not given out yet, the last first.
    waiting: Vec<(u8, Answer)>,
}

impl Events {
    fn receive(&mut self) -> Result<(), Error> {
        let (messages, _) = self.socket.recv::<u16, Body>().map_err(Error::trouble)?;
        for message in messages {
            if let NlPayload::Payload(body) = message.map_err(Error::trouble)?.nl_payload() {
                self.waiting
                    .insert(0, (*body.cmd(), Answer::of(body.attrs())));
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

/// What the kernel said when it refused.
fn refusal<M>(error: &Nlmsgerr<M>) -> Error {
    let mut attrs = error.ext_ack().iter();
    let said = attrs.find(|attr| *attr.nla_type().nla_type() == NlmsgerrAttr::Msg);
    let sentence = said.map(|attr| {
        let bytes: &[u8] = attr.nla_payload().as_ref();
        String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned()
    });
    Error::Refused {
        errno: error.error().saturating_neg(),
        sentence,
    }
}
