// SPDX-License-Identifier: GPL-2.0

//! Flows of VNICs by netlink. They are for who manages the link.

use super::{
    change,
    database,
    events,
    find_named,
    named_vnic,
    request,
    show,
    shows,
    BY_FLOW, //
};
use crate::{
    logic::{
        flow::{
            Contradiction,
            Match,
            Prefix,
            MAX_FLOWS,
            MAX_MASKS, //
        },
        permission::{
            Param,
            Value, //
        },
    },
    net::{
        flow::{
            Flow,
            FlowName,
            FlowSpec,
            Refusal,
            Staged, //
        },
        genl::{
            Command,
            Dump,
            Request, //
        },
        netdev::Dev,
        netlink::{
            Attr,
            Attrs,
            Extack, //
        },
        rtnl::Rtnl,
        uapi, //
    },
    switch::Switch,
    vnic::{
        Kinds,
        Limits,
        LimitsChange,
        Vnic, //
    },
};
use kernel::prelude::*;

/// The name that a request says.
fn name(attrs: Attrs<'_>, extack: &mut Extack<'_>) -> Result<FlowName> {
    let Some(attr) = attrs.get(uapi::VNIC_A_FLOW_NAME) else {
        return Err(extack.refuse(EINVAL, format_args!("vnic: which flow? give its name")));
    };
    Ok(FlowName::from_text(attr.text()))
}

/// The name of a new flow: nothing that a shell or a listing stumbles over.
fn new_name(attrs: Attrs<'_>, extack: &mut Extack<'_>) -> Result<FlowName> {
    let name = name(attrs, extack)?;
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match name.with_nul().split_last() {
        Some((_, text)) if !text.is_empty() && text.iter().all(good) => Ok(name),
        _ => Err(extack.refuse(
            EINVAL,
            format_args!("vnic: the name of a flow has letters, digits, dots, - and _"),
        )),
    }
}

/// The prefix in two attributes.
fn prefix(
    attrs: Attrs<'_>,
    (ip, len): (u32, u32),
    what: &str,
    extack: &mut Extack<'_>,
) -> Result<Option<Prefix>> {
    let Some(address) = attrs.get(ip) else {
        return match attrs.get(len) {
            Some(attr) => Err(extack.refuse_attr(
                &attr,
                EINVAL,
                format_args!("vnic: a length without {what}"),
            )),
            None => Ok(None),
        };
    };
    let bytes = address.bytes();
    let all = u8::try_from(bytes.len().saturating_mul(8)).unwrap_or(u8::MAX);
    let bits = attrs.get(len).map_or(all, |attr| attr.u8());
    let prefix = Prefix::new(bytes, bits);
    prefix.map(Some).ok_or_else(|| {
        extack.refuse_attr(
            &address,
            EINVAL,
            format_args!("vnic: no {what} has {} bytes and {bits} bits", bytes.len()),
        )
    })
}

/// What a request says of a new flow.
fn spec(attrs: Attrs<'_>, extack: &mut Extack<'_>) -> Result<FlowSpec> {
    const LOCAL: (u32, u32) = (uapi::VNIC_A_FLOW_LOCAL_IP, uapi::VNIC_A_FLOW_LOCAL_IP_LEN);
    const REMOTE: (u32, u32) = (uapi::VNIC_A_FLOW_REMOTE_IP, uapi::VNIC_A_FLOW_REMOTE_IP_LEN);
    let byte = |kind| attrs.get(kind).map(|attr: Attr<'_>| attr.u8());
    let word = |kind| attrs.get(kind).map(|attr: Attr<'_>| attr.u16());
    Ok(FlowSpec {
        name: new_name(attrs, extack)?,
        rank: attrs
            .get(uapi::VNIC_A_FLOW_RANK)
            .map_or(0, |attr| attr.u32()),
        matching: Match {
            ethertype: word(uapi::VNIC_A_FLOW_ETHERTYPE),
            protocol: byte(uapi::VNIC_A_FLOW_PROTOCOL),
            local_ip: prefix(attrs, LOCAL, "local-ip", extack)?,
            remote_ip: prefix(attrs, REMOTE, "remote-ip", extack)?,
            local_port: word(uapi::VNIC_A_FLOW_LOCAL_PORT),
            remote_port: word(uapi::VNIC_A_FLOW_REMOTE_PORT),
            dscp: byte(uapi::VNIC_A_FLOW_DSCP),
        },
        ring: word(uapi::VNIC_A_FLOW_RING),
        limits: Limits::OF_FLOW
            .with(attrs, &Kinds::FLOW, extack)?
            .unwrap_or(Limits::OF_FLOW),
    })
}

/// Refuses with a sentence.
fn refuse(dev: &Dev<Vnic>, spec: &FlowSpec, why: Refusal, extack: &mut Extack<'_>) -> Error {
    let (vnic, name) = (dev.name(), spec.name);
    match why {
        Refusal::Name => extack.refuse(
            EEXIST,
            format_args!("vnic: {vnic} has a flow {name} already"),
        ),
        Refusal::Match(other) => {
            extack.refuse(EEXIST, format_args!("vnic: flow {other} matches the same"))
        }
        Refusal::Flows => extack.refuse(
            ENOSPC,
            format_args!("vnic: {vnic} has {MAX_FLOWS} flows, the most"),
        ),
        Refusal::Masks => extack.refuse(
            ENOSPC,
            format_args!("vnic: {vnic} has flows of {MAX_MASKS} masks, the most"),
        ),
        Refusal::Contradiction(what) => contradiction(what, extack),
        Refusal::Other(error) => error,
    }
}

fn contradiction(what: Contradiction, extack: &mut Extack<'_>) -> Error {
    match what {
        Contradiction::Versions => extack.refuse(
            EINVAL,
            format_args!("vnic: local-ip and remote-ip are not of the same version of IP"),
        ),
        Contradiction::NotIp(ethertype) => extack.refuse(
            EINVAL,
            format_args!("vnic: ethertype {ethertype:#06x} has no IP, protocol, port or dscp"),
        ),
        Contradiction::OtherIp(ethertype) => extack.refuse(
            EINVAL,
            format_args!("vnic: the addresses are not those of ethertype {ethertype:#06x}"),
        ),
        Contradiction::NoPorts => extack.refuse(
            EINVAL,
            format_args!("vnic: ports need protocol 6 (tcp), 17 (udp), 33 (dccp) or 132 (sctp)"),
        ),
        Contradiction::Dscp(dscp) => {
            extack.refuse(ERANGE, format_args!("vnic: dscp {dscp} is more than 63"))
        }
    }
}

/// A flow that is added, changed or deleted, but not for good.
#[must_use = "it has to be committed or undone"]
pub(super) enum Change<'a> {
    Add(&'a Dev<Vnic>, Staged),
    Set(&'a Dev<Vnic>, u64, LimitsChange),
    Delete(&'a Dev<Vnic>, u64),
}

impl<'a> Change<'a> {
    fn add(
        dev: &'a Dev<Vnic>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Self> {
        let spec = spec(attrs, extack)?;
        let staged = dev.data().flows().stage(&spec, rtnl);
        match staged {
            Ok(staged) => Ok(Self::Add(dev, staged)),
            Err(why) => Err(refuse(dev, &spec, why, extack)),
        }
    }

    fn set(
        dev: &'a Dev<Vnic>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Self> {
        let name = name(attrs, extack)?;
        let flows = dev.data().flows();
        let mut change = |flow: &Flow| {
            let old = flow.limits(rtnl);
            let wanted = old.with(attrs, &Kinds::FLOW, extack)?;
            let change = LimitsChange::new(old, wanted.unwrap_or(old));
            dev.data().change_flow(flow, change.meanwhile(), rtnl)?;
            Ok(Self::Set(dev, flow.id(), change))
        };
        let changed = flows.with_named(&name, rtnl, |flow| {
            (!flow.is_leaving()).then(|| change(flow))
        });
        changed
            .flatten()
            .unwrap_or_else(|| Err(no_flow(dev, &name, extack)))
    }

    fn delete(
        dev: &'a Dev<Vnic>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Self> {
        let name = name(attrs, extack)?;
        match dev.data().flows().leave(&name, rtnl) {
            Some(id) => Ok(Self::Delete(dev, id)),
            None => Err(no_flow(dev, &name, extack)),
        }
    }

    /// What a transaction says of a flow of `dev`.
    pub(super) fn of(
        dev: &'a Dev<Vnic>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Self> {
        if attrs.has(uapi::VNIC_A_FLOW_DELETE) {
            Self::delete(dev, attrs, extack, rtnl)
        } else if attrs.has(uapi::VNIC_A_FLOW_CHANGE) {
            Self::set(dev, attrs, extack, rtnl)
        } else {
            Self::add(dev, attrs, extack, rtnl)
        }
    }

    /// Whether it is deleted.
    pub(super) fn is_delete(&self) -> bool {
        matches!(self, Self::Delete(..))
    }

    /// Warns of a priority that changes nothing.
    pub(super) fn warn(&self, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) {
        let (dev, id) = match self {
            Self::Add(dev, staged) => (dev, staged.id),
            Self::Set(dev, id, _) => (dev, *id),
            Self::Delete(..) => return,
        };
        dev.data().flows().with_id(id, rtnl, |flow| {
            Vnic::warn_of_flow(dev, flow, extack, rtnl);
        });
    }

    /// Shows packets a flow that is added. It has to be committed then. Cannot fail.
    pub(super) fn activate(&self, rtnl: Rtnl<'_>) {
        if let Self::Add(dev, staged) = self {
            dev.data().flows().activate(staged, rtnl);
        }
    }

    /// Makes it last, and tells. Cannot fail.
    pub(super) fn commit(self, rtnl: Rtnl<'_>) {
        let (dev, id, command) = match &self {
            Self::Add(dev, staged) => (*dev, staged.id, Command::FlowAdd),
            Self::Set(dev, id, _) => (*dev, *id, Command::FlowChange),
            Self::Delete(dev, id) => (*dev, *id, Command::FlowDelete),
        };
        let flows = dev.data().flows();
        self.activate(rtnl);
        if let Self::Set(_, _, change) = &self {
            settle(dev, id, |now| change.committed(now), rtnl);
        }
        flows.with_id(id, rtnl, |flow| events::flow(command, dev, flow, rtnl));
        if self.is_delete() {
            flows.remove(id, rtnl);
        }
        database::touch(dev.data().lower().net(), rtnl);
    }

    /// Makes it as if it had not been. Takes no memory of ours.
    pub(super) fn undo(self, rtnl: Rtnl<'_>) {
        match self {
            Self::Add(dev, staged) => dev.data().flows().discard(staged, rtnl),
            Self::Set(dev, id, change) => settle(dev, id, |_| change.undone(), rtnl),
            Self::Delete(dev, id) => dev.data().flows().stay(id, rtnl),
        }
    }
}

/// Sets limits of a flow in each direction in which there are some, or none. Needs no memory.
fn settle(dev: &Dev<Vnic>, id: u64, limits: impl Fn(Limits) -> Limits, rtnl: Rtnl<'_>) {
    let done = dev.data().flows().with_id(id, rtnl, |flow| {
        dev.data()
            .change_flow(flow, limits(flow.limits(rtnl)), rtnl)
    });
    if matches!(done, Some(Err(_))) {
        pr_warn!(
            "{}: limits of a flow are not as they should be\n",
            dev.name()
        );
    }
}

fn no_flow(dev: &Dev<Vnic>, name: &FlowName, extack: &mut Extack<'_>) -> Error {
    extack.refuse(
        ENOENT,
        format_args!("vnic: {} has no flow {name}", dev.name()),
    )
}

/// The VNIC whose flows a request is about to change, if its sender may.
fn permitted<'a>(request: &Request<'a>, rtnl: Rtnl<'a>) -> Result<&'a Dev<Vnic>> {
    let dev = named_vnic(request, BY_FLOW, rtnl)?;
    let who = change::sender_as(request, dev, None, rtnl)?;
    let mut extack = request.extack();
    request::ask_as(who, dev, Param::Flows, Value::Number(1), &mut extack, rtnl)?;
    Ok(dev)
}

/// Adds a flow.
pub(super) fn add(request: &Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let dev = permitted(request, rtnl)?;
    let change = Change::add(dev, request.attrs(), &mut request.extack(), rtnl)?;
    change.warn(&mut request.extack(), rtnl);
    change.commit(rtnl);
    Ok(())
}

/// Changes the limits of a flow.
pub(super) fn set(request: &Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let dev = permitted(request, rtnl)?;
    let change = Change::set(dev, request.attrs(), &mut request.extack(), rtnl)?;
    change.warn(&mut request.extack(), rtnl);
    change.commit(rtnl);
    Ok(())
}

/// Deletes a flow.
pub(super) fn delete(request: &Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let dev = permitted(request, rtnl)?;
    Change::delete(dev, request.attrs(), &mut request.extack(), rtnl)?.commit(rtnl);
    Ok(())
}

/// Answers with one flow.
pub(super) fn get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let dev = named_vnic(request, BY_FLOW, rtnl)?;
    let name = name(request.attrs(), &mut request.extack())?;
    let found = dev.data().flows().with_named(&name, rtnl, |flow| {
        request.reply(Command::FlowGet, |message| {
            show::flow(dev, flow, rtnl, message)
        })
    });
    found.unwrap_or_else(|| Err(no_flow(dev, &name, &mut request.extack())))
}

/// Describes flows: of one VNIC, or of all that the reader's namespace shows. The cursor has the numbers of
/// switch, VNIC and flow; all of them only grow.
pub(super) fn dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
    let viewer = dump.net();
    let only = find_named(viewer, dump.attrs(), BY_FLOW, &mut dump.extack(), rtnl)?;
    let only = only.map(|vnic| vnic.data().id());
    let [mut place, mut last, mut flow] = dump.long_cursor();
    // The switch on which the last call ended comes first, unless it is gone.
    let mut before = place.saturating_sub(1);
    while let Some(switch) = Switch::next(before, rtnl) {
        if switch.number(rtnl) != place {
            (last, flow) = (0, 0);
        }
        place = switch.number(rtnl);
        before = place;
        let full = switch.find_own(rtnl, |vnic| {
            let id = vnic.data().id();
            if id < last || only.is_some_and(|only| only != id) || !shows(viewer, vnic) {
                return false;
            }
            let after = if id == last { flow } else { 0 };
            let done = vnic.data().flows().all_after(after, rtnl, |flow| {
                dump.put_long([place, id, flow.id()], |message| {
                    show::flow(vnic, flow, rtnl, message)
                })
            });
            !done
        });
        if full.is_some() {
            break;
        }
    }
    Ok(())
}
