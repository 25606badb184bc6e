// SPDX-License-Identifier: GPL-2.0

//! Who may change what: policies, and how they decide.
//!
//! A policy lets one subject change one parameter within some values. Policies come in layers: those
//! of a VNIC, of its link, of the host, and the built-in ones. The first layer decides that has any
//! policy for the subject and the parameter; one of these has to permit the value. Where no layer
//! has one, the answer is no.

/// What a request changes, by its number in the netlink family (`enum vnic_param`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Param {
    /// In policies: each of those that can be granted for a VNIC.
    All,
    /// The hardware address.
    Address,
    /// The MTU in bytes.
    Mtu,
    /// Bringing it up.
    Up,
    /// The name of its device.
    Name,
    /// The length of its transmit queue, in packets.
    TxQueueLen,
    /// Making it a port of a bridge, bond or the like.
    Master,
    /// Putting a VLAN device on it.
    VlanDevice,
    /// Switching offloads.
    Features,
    /// Adding an IP address.
    Ip,
    /// What `IFF_PROMISC` brings.
    Promisc,
    /// What `IFF_ALLMULTI` brings.
    AllMulti,
    /// Joining multicast groups.
    Groups,
    /// Secondary unicast addresses.
    Addresses,
    /// The mode that promiscuous means.
    PromiscMode,
    /// Whether host and VNICs reach each other.
    Host,
    /// Hardware time stamps of the link.
    Timestamps,
    /// Making VNICs on a link.
    Vnics,
    /// How its rings are used, and how large they are.
    Rings,
    /// The pool that its packets are stored in.
    Pool,
    /// Its flows.
    Flows,
    /// The CPUs on which its rings are polled.
    Cpus,
    /// Whether it gets a receive queue of the link.
    HwRings,
    /// How much may pass it, its share and its priority.
    Limits,
}

/// Parameters in the order of their numbers, and their names.
const PARAMS: [(Param, &str); 24] = [
    (Param::All, "all"),
    (Param::Address, "address"),
    (Param::Mtu, "mtu"),
    (Param::Up, "up"),
    (Param::Name, "name"),
    (Param::TxQueueLen, "txqueuelen"),
    (Param::Master, "master"),
    (Param::VlanDevice, "vlan-device"),
    (Param::Features, "features"),
    (Param::Ip, "ip"),
    (Param::Promisc, "promisc"),
    (Param::AllMulti, "allmulti"),
    (Param::Groups, "groups"),
    (Param::Addresses, "addresses"),
    (Param::PromiscMode, "promisc-mode"),
    (Param::Host, "host"),
    (Param::Timestamps, "timestamps"),
    (Param::Vnics, "vnics"),
    (Param::Rings, "rings"),
    (Param::Pool, "pool"),
    (Param::Flows, "flows"),
    (Param::Cpus, "cpus"),
    (Param::HwRings, "hw-rings"),
    (Param::Limits, "limits"),
];

impl Param {
    /// The parameter of that number.
    pub(crate) fn of(number: u32) -> Option<Self> {
        let (param, _) = PARAMS.get(usize::try_from(number).ok()?)?;
        Some(*param)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        PARAMS.get(self as usize).map_or("?", |(_, name)| name)
    }

    /// Whether policies can grant it: the rest concerns everyone on the link.
    pub(crate) fn is_grantable(self) -> bool {
        !matches!(
            self,
            Self::PromiscMode
                | Self::Host
                | Self::Timestamps
                | Self::Pool
                | Self::Flows
                | Self::Cpus
                | Self::HwRings
                | Self::Limits
        )
    }

    /// Whether it is about links, not about VNICs.
    pub(crate) fn is_of_links(self) -> bool {
        matches!(self, Self::Host | Self::Vnics)
    }

    /// Whether the values are addresses, of one of these lengths in bytes.
    pub(crate) fn address_lengths(self) -> &'static [usize] {
        match self {
            Self::Address | Self::Groups | Self::Addresses => &[6],
            Self::Ip => &[4, 16],
            _ => &[],
        }
    }

    /// Whether what it adds is counted, so that a quota makes sense.
    pub(crate) fn is_counted(self) -> bool {
        matches!(
            self,
            Self::Ip | Self::Groups | Self::Addresses | Self::Vnics
        )
    }

    fn is_covered_by(self, policy: Self) -> bool {
        policy == self || (policy == Self::All && self.is_grantable() && !self.is_of_links())
    }
}

/// A hardware or IP address: 4, 6 or 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bytes {
    bytes: [u8; 16],
    len: u8,
}

impl Bytes {
    /// Makes one of 4, 6 or 16 bytes.
    pub(crate) fn new(from: &[u8]) -> Option<Self> {
        if !matches!(from.len(), 4 | 6 | 16) {
            return None;
        }
        let mut bytes = [0; 16];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self {
            bytes,
            len: u8::try_from(from.len()).ok()?,
        })
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// What a parameter is to become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// A number, or 1 for "be it so".
    Number(u64),
    /// An address.
    Address(Bytes),
}

/// Which values a policy permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Permits {
    /// Any.
    Anything,
    /// None: the layers below are not asked.
    Nothing,
    /// Numbers from one to another, both included.
    Range(u64, u64),
    /// Addresses whose first bits are those of this one.
    Prefix(Bytes, u8),
}

impl Permits {
    /// Whether it permits `value`.
    pub(crate) fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Anything, _) => true,
            (Self::Range(min, max), Value::Number(number)) => (min..=max).contains(&number),
            (Self::Prefix(prefix, bits), Value::Address(address)) => {
                prefix.len == address.len && same_bits(prefix.bytes(), address.bytes(), *bits)
            }
            _ => false,
        }
    }
}

/// Whether two addresses of one length have the same first `bits`; all of them if it has fewer.
fn same_bits(a: &[u8], b: &[u8], bits: u8) -> bool {
    let mut left = u32::from(bits);
    a.iter().zip(b).all(|(a, b)| {
        let looked_at = left.min(8);
        left = left.saturating_sub(8);
        // `looked_at` is at most 8, so the shift is of a type wide enough.
        let mask = !(0xff_u32 >> looked_at) & 0xff;
        (u32::from(*a) ^ u32::from(*b)) & mask == 0
    })
}

/// The name of a virtual machine, filled up with zeroes.
pub(crate) type SubjectName = [u8; 32];

/// Whom a policy is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// Who administers the namespace that the VNIC was given to.
    Owner,
    /// Who administers the namespace with this cookie.
    Netns(u64),
    /// The user of that number in the first user namespace.
    User(u32),
    /// A virtual machine.
    Name(SubjectName),
}

/// Who asks for a change, the manager apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Asker {
    /// The cookie of the namespace that he administers and asks from.
    pub(crate) netns: Option<u64>,
    /// Whether the VNIC was given to this namespace.
    pub(crate) owner: bool,
    /// His number in the first user namespace, if he administers a user namespace.
    pub(crate) user: Option<u32>,
    /// The virtual machine for which the manager asks.
    pub(crate) name: Option<SubjectName>,
    /// A kernel thread asks, for the namespace of the device.
    pub(crate) kernel: bool,
}

impl Asker {
    fn is(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Owner => self.owner,
            Subject::Netns(cookie) => self.netns == Some(*cookie),
            Subject::User(user) => self.user == Some(*user),
            Subject::Name(name) => self.name == Some(*name),
        }
    }
}

/// A policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    /// Its number.
    pub(crate) id: u64,
    /// Whom it is for.
    pub(crate) subject: Subject,
    /// What he may change.
    pub(crate) param: Param,
    /// To which values.
    pub(crate) permits: Permits,
    /// How many there may be.
    pub(crate) quota: Option<u32>,
}

/// What a policy is for. In the order of the table; not in that of the layers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Scope {
    /// Every VNIC, built in.
    BuiltIn,
    /// Every VNIC of the host.
    Host,
    /// Those on the link with this index in the namespace of the entry, by its cookie.
    Link(u64, u32),
    /// The VNIC with this number.
    Vnic(u64),
    /// Those on a link that is gone, whose name it was in that namespace.
    Lost(u64, [u8; 16]),
    /// Those on a link that is just moving to another namespace.
    Moving,
}

/// A policy in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// What it is for.
    pub(crate) scope: Scope,
    /// The cookie of the namespace whose manager put it there.
    pub(crate) net: u64,
    /// The user of the host who answers for that namespace.
    pub(crate) user: u32,
    /// The policy.
    pub(crate) policy: Policy,
}

/// Where the entries of `scope` are in a table that is in the order of scopes: from the first to
/// behind the last.
pub(crate) fn range(table: &[Entry], scope: Scope) -> core::ops::Range<usize> {
    let start = table.partition_point(|entry| entry.scope < scope);
    start..table.partition_point(|entry| entry.scope <= scope)
}

/// How many groups the owner of a VNIC may join unless something else was said.
pub(crate) const DEFAULT_GROUPS: u32 = 64;

const fn built_in(id: u64, param: Param, quota: Option<u32>) -> Entry {
    Entry {
        scope: Scope::BuiltIn,
        net: 0,
        user: 0,
        policy: Policy {
            id,
            subject: Subject::Owner,
            param,
            permits: Permits::Anything,
            quota,
        },
    }
}

/// What the owner of a VNIC may do unless something else was said: use it.
pub(crate) static BUILT_IN: [Entry; 4] = [
    built_in(1, Param::Up, None),
    built_in(2, Param::Name, None),
    built_in(3, Param::Ip, None),
    built_in(4, Param::Groups, Some(DEFAULT_GROUPS)),
];

/// Whether a policy's number is one of a built-in one.
pub(crate) fn is_built_in(id: u64) -> bool {
    BUILT_IN.iter().any(|entry| entry.policy.id == id)
}

/// An answer, and the policy that gave it; of several that refuse, the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    /// Yes or no.
    pub(crate) allowed: bool,
    /// The policy's number; `None` if there is none for the subject and the parameter.
    pub(crate) policy: Option<u64>,
}

/// Decides on one request: `used` is how many there are already of what it adds.
pub(crate) fn decide(
    layers: &[&[Entry]],
    asker: &Asker,
    param: Param,
    value: &Value,
    used: u32,
) -> Verdict {
    for layer in layers {
        let policies = layer.iter().map(|entry| &entry.policy);
        let mut concerned = policies
            .filter(|policy| param.is_covered_by(policy.param) && asker.is(&policy.subject))
            .peekable();
        let Some(first) = concerned.peek().copied() else {
            continue;
        };
        let permitting = concerned.find(|policy| {
            policy.permits.contains(value) && policy.quota.is_none_or(|quota| used < quota)
        });
        return Verdict {
            allowed: permitting.is_some(),
            policy: Some(permitting.unwrap_or(first).id),
        };
    }
    Verdict {
        allowed: false,
        policy: None,
    }
}
