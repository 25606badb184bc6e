// SPDX-License-Identifier: GPL-2.0

//! Devices and namespaces: rtnetlink.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    limits::{
        self,
        Changes, //
    },
    message::Message,
    socket::{
        Outcome,
        Protocol,
        Socket, //
    },
    uapi::{
        new_etherstub,
        new_vnic, //
    },
};
use nix::libc;
use std::{
    fs::File,
    os::fd::AsRawFd, //
};

/// Of a message about a device: family, type, index, flags, which of them change.
const DEVICE_HEAD: usize = 16;
/// Of a message about a namespace: family, and three bytes of nothing.
const NSID_HEAD: usize = 4;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// The group of events about numbers of namespaces.
const GROUP_NSID: u32 = 28;

/// A connection to rtnetlink, in the namespace of this process.
pub struct Rtnl(Socket);

/// A VNIC that is to be made.
#[derive(Clone, Debug, Default)]
pub struct NewVnic<'a> {
    /// The index of the link.
    pub link: u32,
    /// The name of its device.
    pub name: &'a str,
    /// The namespace; without, that of the request.
    pub netns: Option<&'a File>,
    /// Its VLAN; 0 is none.
    pub vlan: u16,
    /// Its address; without, a random one.
    pub address: Option<[u8; 6]>,
    /// Its MTU; without, the link's.
    pub mtu: Option<u32>,
    /// The number of its promiscuous mode.
    pub promisc: Option<u8>,
    /// The number of its way to get packets from the wire.
    pub poll: Option<u8>,
    /// How many packets may wait on each of its rings.
    pub ring_size: Option<u32>,
    /// The name of its pool; empty for none.
    pub pool: Option<&'a str>,
    /// The CPUs of its rings; empty for any.
    pub cpus: Option<&'a str>,
    /// The number of whether it gets a queue of the link.
    pub hw_rings: Option<u8>,
    /// Its limits, as far as they are not those of all.
    pub limits: Changes,
    /// Whether the host reaches the VNICs of the link.
    pub host: Option<bool>,
    /// Whether it is up at once.
    pub up: bool,
}

/// A device, as far as it matters here.
pub struct Device {
    /// Its kind, if the driver has one.
    pub kind: Option<String>,
}

fn device_body(flags: i32, request: &Request) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend(flags.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(request.bytes());
    body
}

fn make(body: Vec<u8>) -> Message {
    Message {
        kind: libc::RTM_NEWLINK,
        flags: (libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16,
        body,
    }
}

impl NewVnic<'_> {
    fn message(&self) -> Message {
        let data = Request::default()
            .with(new_vnic::VLAN, &self.vlan.to_ne_bytes())
            .maybe(new_vnic::PROMISC, self.promisc.map(|mode| [mode]))
            .maybe(new_vnic::HOST, self.host.map(|on| [u8::from(on)]))
            .maybe(new_vnic::POLL, self.poll.map(|way| [way]))
            .maybe(new_vnic::RING_SIZE, self.ring_size.map(u32::to_ne_bytes))
            .maybe(new_vnic::HW_RINGS, self.hw_rings.map(|mode| [mode]));
        let data = match self.pool {
            Some(pool) => data.text(new_vnic::POOL, pool),
            None => data,
        };
        let data = match self.cpus {
            Some(cpus) => data.text(new_vnic::CPUS, cpus),
            None => data,
        };
        let data = self.limits.attrs(data, &limits::NEW_VNIC);
        let info = Request::default()
            .text(libc::IFLA_INFO_KIND, "vnic")
            .nest(libc::IFLA_INFO_DATA, &data);
        let netns = self.netns.map(|file| file.as_raw_fd().to_ne_bytes());
        let request = Request::default()
            .with(libc::IFLA_LINK, &self.link.to_ne_bytes())
            .text(libc::IFLA_IFNAME, self.name)
            .maybe(libc::IFLA_NET_NS_FD, netns)
            .maybe(libc::IFLA_ADDRESS, self.address)
            .maybe(libc::IFLA_MTU, self.mtu.map(u32::to_ne_bytes))
            .nest(libc::IFLA_LINKINFO, &info);
        make(device_body(
            if self.up { libc::IFF_UP } else { 0 },
            &request,
        ))
    }
}

impl Rtnl {
    /// Connects.
    pub fn connect() -> Result<Self, Error> {
        Socket::connect(Protocol::Route).map(Self)
    }

    /// Says no warnings of the kernel from now on.
    pub fn be_quiet(&self) {
        self.0.be_quiet();
    }

    /// Makes VNICs, and says of each what became of it.
    pub fn make_vnics(&self, vnics: &[NewVnic<'_>]) -> Result<Vec<Outcome>, Error> {
        let messages: Vec<Message> = vnics.iter().map(NewVnic::message).collect();
        self.0.ask_all(&messages)
    }

    /// Makes an etherstub.
    pub fn make_etherstub(&self, name: &str, host: Option<bool>) -> Result<(), Error> {
        let data = Request::default().maybe(new_etherstub::HOST, host.map(|host| [u8::from(host)]));
        let info = Request::default()
            .text(libc::IFLA_INFO_KIND, "etherstub")
            .nest(libc::IFLA_INFO_DATA, &data);
        let request = Request::default()
            .text(libc::IFLA_IFNAME, name)
            .nest(libc::IFLA_LINKINFO, &info);
        self.0.ask(make(device_body(0, &request))).map(|_| ())
    }

    /// The device of that name.
    pub fn device(&self, name: &str) -> Result<Option<Device>, Error> {
        let request = Request::default().text(libc::IFLA_IFNAME, name);
        let answers = self.0.ask(Message {
            kind: libc::RTM_GETLINK,
            flags: libc::NLM_F_ACK as u16,
            body: device_body(0, &request),
        });
        let answers = match answers {
            Err(Error::Refused { errno, .. }) if errno == libc::ENODEV => return Ok(None),
            other => other?,
        };
        Ok(answers.first().and_then(|payload| {
            let attrs = Answer::of(payload.get(DEVICE_HEAD..)?);
            let info = attrs.inside(libc::IFLA_LINKINFO);
            Some(Device {
                kind: info.and_then(|info| info.text(libc::IFLA_INFO_KIND)),
            })
        }))
    }

    /// Deletes a device.
    pub fn delete(&self, index: u32) -> Result<(), Error> {
        let mut body = device_body(0, &Request::default());
        if let Some(field) = body.get_mut(4..8) {
            field.copy_from_slice(&index.to_ne_bytes());
        }
        let message = Message {
            kind: libc::RTM_DELLINK,
            flags: libc::NLM_F_ACK as u16,
            body,
        };
        self.0.ask(message).map(|_| ())
    }

    /// The numbers by which this namespace knows others; `None` for one that it has no number for.
    pub fn namespace_ids(&self, files: &[File]) -> Result<Vec<Option<i32>>, Error> {
        let ask = |file: &File| {
            let mut body = vec![0; NSID_HEAD];
            let request = Request::default().with(NETNSA_FD, &file.as_raw_fd().to_ne_bytes());
            body.extend(request.bytes());
            Message {
                kind: libc::RTM_GETNSID,
                flags: libc::NLM_F_ACK as u16,
                body,
            }
        };
        let messages: Vec<Message> = files.iter().map(ask).collect();
        let id = |outcome: Outcome| {
            let payloads = outcome.ok()?;
            let attrs = Answer::of(payloads.first()?.get(NSID_HEAD..)?);
            attrs.signed(NETNSA_NSID).filter(|id| *id >= 0)
        };
        Ok(self.0.ask_all(&messages)?.into_iter().map(id).collect())
    }

    /// From now on `namespaces_changed` can be asked.
    pub fn watch_namespaces(&self) -> Result<(), Error> {
        Ok(self.0.join(GROUP_NSID)?)
    }

    /// Whether a namespace got or lost its number since this was asked last.
    pub fn namespaces_changed(&self) -> bool {
        let (mut buffer, mut changed) = (Vec::new(), false);
        loop {
            match self.0.receive(&mut buffer, false) {
                Err(nix::Error::EAGAIN) => return changed,
                // Lost ones are changes too.
                Ok(_) | Err(nix::Error::ENOBUFS) => changed = true,
                Err(_) => return true,
            }
        }
    }
}
