// SPDX-License-Identifier: GPL-2.0

//! Policies by netlink: what a request says of one, and who may add and delete them.

use super::{
    database::{
        self,
        Draft, //
    },
    named_device,
    request::{
        self,
        Who, //
    },
    show,
};
use crate::{
    logic::permission::{
        self,
        Asker,
        Bytes,
        Entry,
        Param,
        Permits,
        Policy,
        Scope,
        Subject,
        SubjectName,
        Value, //
    },
    net::{
        genl::{
            self,
            Command,
            Dump,
            Listeners,
            Request, //
        },
        netdev::{
            cookie_of_fd,
            Dev,
            Net,
            NetDev, //
        },
        netlink::{
            Attr,
            Attrs,
            Extack, //
        },
        rtnl::Rtnl,
        uapi, //
    },
    switch::Switch,
    vnic::Vnic,
};
use kernel::prelude::*;

/// The attributes that name a subject.
struct SubjectAttrs {
    kind: u32,
    netns_fd: u32,
    netns_cookie: u32,
    user: u32,
    name: u32,
}

const OF_POLICY: SubjectAttrs = SubjectAttrs {
    kind: uapi::VNIC_A_POLICY_SUBJECT,
    netns_fd: uapi::VNIC_A_POLICY_NETNS_FD,
    netns_cookie: uapi::VNIC_A_POLICY_NETNS_COOKIE,
    user: uapi::VNIC_A_POLICY_USER,
    name: uapi::VNIC_A_POLICY_NAME,
};

const OF_REQUEST: SubjectAttrs = SubjectAttrs {
    kind: uapi::VNIC_A_REQUEST_SUBJECT,
    netns_fd: uapi::VNIC_A_REQUEST_NETNS_FD,
    netns_cookie: uapi::VNIC_A_REQUEST_NETNS_COOKIE,
    user: uapi::VNIC_A_REQUEST_USER,
    name: uapi::VNIC_A_REQUEST_NAME,
};

/// The name of a subject. That it is not too long was checked by the policy of the attribute.
pub(super) fn subject_name(attr: &Attr<'_>, extack: &mut Extack<'_>) -> Result<SubjectName> {
    if attr.text().is_empty() {
        return Err(extack.refuse_attr(
            attr,
            EINVAL,
            format_args!("vnic: the name of a subject is not empty"),
        ));
    }
    let mut name = [0; 32];
    for (place, byte) in name.iter_mut().zip(attr.text()) {
        *place = *byte;
    }
    Ok(name)
}

/// Whom a request means; `None` if it says nothing of it.
fn subject(
    attrs: Attrs<'_>,
    names: &SubjectAttrs,
    extack: &mut Extack<'_>,
) -> Result<Option<Subject>> {
    let Some(kind) = attrs.get(names.kind) else {
        return Ok(None);
    };
    let missing = |extack: &mut Extack<'_>, what: &str| {
        extack.refuse_attr(
            &kind,
            EINVAL,
            format_args!("vnic: such a subject needs {what}"),
        )
    };
    Ok(Some(match kind.u32() {
        uapi::VNIC_SUBJECT_OWNER => Subject::Owner,
        uapi::VNIC_SUBJECT_NETNS => {
            match (attrs.get(names.netns_fd), attrs.get(names.netns_cookie)) {
                (Some(attr), _) => Subject::Netns(cookie_of_fd(attr.u32()).map_err(|error| {
                    let fd = attr.u32();
                    extack.refuse_attr(
                        &attr,
                        error,
                        format_args!("vnic: the open file {fd} is no network namespace"),
                    )
                })?),
                (None, Some(cookie)) => Subject::Netns(cookie.uint()),
                (None, None) => return Err(missing(extack, "netns-fd or netns-cookie")),
            }
        }
        uapi::VNIC_SUBJECT_USER => match attrs.get(names.user) {
            Some(user) => Subject::User(user.u32()),
            None => return Err(missing(extack, "user, a number")),
        },
        _ => match attrs.get(names.name) {
            Some(name) => Subject::Name(subject_name(&name, extack)?),
            None => return Err(missing(extack, "name")),
        },
    }))
}

/// The parameter that a request names.
fn param(attrs: Attrs<'_>, kind: u32, extack: &mut Extack<'_>) -> Result<Param> {
    let attr = attrs.get(kind);
    let known = attr.and_then(|attr| Param::of(attr.u32()));
    known.ok_or_else(|| extack.refuse(EINVAL, format_args!("vnic: which parameter? give param")))
}

/// Which values a policy permits.
fn permits(attrs: Attrs<'_>, param: Param, extack: &mut Extack<'_>) -> Result<Permits> {
    let (min, max) = (
        attrs.get(uapi::VNIC_A_POLICY_FROM),
        attrs.get(uapi::VNIC_A_POLICY_TO),
    );
    let prefix = attrs.get(uapi::VNIC_A_POLICY_PREFIX);
    let nothing = attrs.has(uapi::VNIC_A_POLICY_NOTHING);
    let numbers = min.is_some() || max.is_some();
    if usize::from(nothing) + usize::from(numbers) + usize::from(prefix.is_some()) > 1 {
        return Err(extack.refuse(
            EINVAL,
            format_args!("vnic: a policy permits nothing, or numbers, or a prefix"),
        ));
    }
    if nothing {
        return Ok(Permits::Nothing);
    }
    let lengths = param.address_lengths();
    if numbers {
        let (least, most) = (
            min.map_or(0, |attr| attr.uint()),
            max.as_ref().map_or(u64::MAX, |attr| attr.uint()),
        );
        if !lengths.is_empty() || param == Param::All || least > most {
            return Err(extack.refuse(
                EINVAL,
                format_args!("vnic: {} has no numbers {least}-{most}", param.name()),
            ));
        }
        return Ok(Permits::Range(least, most));
    }
    match prefix {
        Some(attr) => self::prefix(&attr, attrs, param, extack),
        None => Ok(Permits::Anything),
    }
}

fn prefix(
    attr: &Attr<'_>,
    attrs: Attrs<'_>,
    param: Param,
    extack: &mut Extack<'_>,
) -> Result<Permits> {
    let len = attr.bytes().len();
    let known = Bytes::new(attr.bytes()).filter(|_| param.address_lengths().contains(&len));
    let Some(bytes) = known else {
        return Err(extack.refuse_attr(
            attr,
            EINVAL,
            format_args!("vnic: {} has no values of {len} bytes", param.name()),
        ));
    };
    let all = len.saturating_mul(8);
    let bits = attrs.get(uapi::VNIC_A_POLICY_PREFIX_LEN);
    let bits = bits.map_or(all, |attr| usize::from(attr.u8()));
    match u8::try_from(bits) {
        Ok(count) if bits <= all => Ok(Permits::Prefix(bytes, count)),
        _ => Err(extack.refuse_attr(
            attr,
            EINVAL,
            format_args!("vnic: prefix length {bits} is above {all}"),
        )),
    }
}

/// What a request says of a policy, but for what it is for.
fn policy(attrs: Attrs<'_>, extack: &mut Extack<'_>) -> Result<Policy> {
    let param = param(attrs, uapi::VNIC_A_POLICY_PARAM, extack)?;
    if !param.is_grantable() {
        return Err(extack.refuse(
            EINVAL,
            format_args!(
                "vnic: {} is the manager's, no policy grants it",
                param.name()
            ),
        ));
    }
    let Some(subject) = subject(attrs, &OF_POLICY, extack)? else {
        return Err(extack.refuse(EINVAL, format_args!("vnic: who may? give subject")));
    };
    let quota = attrs.get(uapi::VNIC_A_POLICY_QUOTA);
    if let Some(attr) = quota.as_ref().filter(|_| !param.is_counted()) {
        return Err(extack.refuse_attr(
            attr,
            EINVAL,
            format_args!("vnic: {} is not counted and has no quota", param.name()),
        ));
    }
    Ok(Policy {
        id: 0,
        subject,
        param,
        permits: permits(attrs, param, extack)?,
        quota: quota.map(|attr| attr.u32()),
    })
}

/// Refuses whoever does not manage the links of `net`, the namespace of a policy.
fn refuse_stranger(request: &Request<'_>, net: u64, extack: &mut Extack<'_>) -> Result {
    if request.net().cookie() == net && request.is_capable() {
        return Ok(());
    }
    Err(extack.refuse(
        EPERM,
        format_args!("vnic: policies are for who has CAP_NET_ADMIN where the link is"),
    ))
}

/// What a policy is for, and the namespace whose manager may say so.
fn scope<'a>(
    request: &'a Request<'_>,
    attrs: Attrs<'_>,
    param: Param,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'a>,
) -> Result<(Scope, Net<'a>)> {
    let (vnic, link) = (
        attrs.get(uapi::VNIC_A_POLICY_VNIC),
        attrs.get(uapi::VNIC_A_POLICY_LINK),
    );
    match (vnic, link) {
        (Some(attr), None) => {
            if param.is_of_links() {
                return Err(extack.refuse_attr(
                    &attr,
                    EINVAL,
                    format_args!("vnic: {} is of links, give link", param.name()),
                ));
            }
            scope_of_vnic(request, &attr, extack, rtnl)
        }
        (None, Some(attr)) => {
            let lower = named_device(request.net(), &attr, extack, rtnl)?;
            Ok((database::scope_of(lower), lower.net()))
        }
        (None, None) if request.net().is_init() => Ok((Scope::Host, request.net())),
        (None, None) => Err(extack.refuse(
            EPERM,
            format_args!("vnic: policies for the whole host are made in its first namespace"),
        )),
        (Some(attr), Some(_)) => Err(extack.refuse_attr(
            &attr,
            EINVAL,
            format_args!("vnic: a policy is for a VNIC or for a link, not for both"),
        )),
    }
}

fn scope_of_vnic<'a>(
    request: &'a Request<'_>,
    attr: &Attr<'_>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'a>,
) -> Result<(Scope, Net<'a>)> {
    let (id, viewer) = (attr.uint(), request.net());
    let here = Switch::find_vnic(rtnl, |vnic| {
        vnic.data().id() == id && super::shows(viewer, vnic)
    });
    let net = match here {
        Some(vnic) => Some(vnic.data().lower().net()),
        None => database::absent(id, viewer, rtnl).map(|_| viewer),
    };
    let net = net.ok_or_else(|| super::unknown_vnic(attr, extack))?;
    Ok((Scope::Vnic(id), net))
}

/// Adds the policy of `attrs` to a draft.
pub(super) fn add(
    request: &Request<'_>,
    draft: &mut Draft,
    attrs: Attrs<'_>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result<Entry> {
    let policy = policy(attrs, extack)?;
    let (scope, net) = scope(request, attrs, policy.param, extack, rtnl)?;
    refuse_stranger(request, net.cookie(), extack)?;
    draft.add(scope, net, policy, extack, rtnl)
}

/// Takes the policy that `attrs` names out of a draft.
pub(super) fn delete(
    request: &Request<'_>,
    draft: &mut Draft,
    attrs: Attrs<'_>,
    extack: &mut Extack<'_>,
) -> Result<Entry> {
    let Some(attr) = attrs.get(uapi::VNIC_A_POLICY_ID) else {
        return Err(extack.refuse(EINVAL, format_args!("vnic: which policy? give its id")));
    };
    let id = attr.uint();
    // Of those that are none of the requester's business he does not learn.
    let known = draft
        .find(id)
        .filter(|entry| entry.net == request.net().cookie());
    let Some(entry) = known else {
        return Err(if permission::is_built_in(id) {
            extack.refuse_attr(
                &attr,
                EPERM,
                format_args!("vnic: policy {id} is built in; one of a link comes before it"),
            )
        } else {
            extack.refuse_attr(
                &attr,
                ENOENT,
                format_args!("vnic: this namespace has no policy {id}"),
            )
        });
    };
    refuse_stranger(request, entry.net, extack)?;
    draft.remove(id);
    Ok(entry)
}

/// Tells of a policy that came or went, and brings into effect what it changes.
pub(super) fn changed(command: Command, entry: &Entry, net: Net<'_>, rtnl: Rtnl<'_>) {
    genl::notify(net, Listeners::Config, command, rtnl, |message| {
        show::policy(entry, net, message)
    });
}

/// Brings switches in line with policies that changed.
pub(super) fn reconsider(entry: &Entry, rtnl: Rtnl<'_>) {
    let concerned = matches!(
        entry.policy.param,
        Param::All | Param::Promisc | Param::AllMulti
    );
    if !concerned {
        return;
    }
    Switch::find_vnic(rtnl, |vnic| {
        let concerned = match entry.scope {
            Scope::Vnic(id) => vnic.data().id() == id,
            Scope::Link(..) => database::scope_of(vnic.data().lower()) == entry.scope,
            _ => true,
        };
        if concerned {
            Vnic::reconsider_flags(vnic, rtnl);
        }
        false
    });
}

pub(super) fn do_add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let mut extack = request.extack();
    // Before the work that follows.
    refuse_stranger(request, request.net().cookie(), &mut extack)?;
    let mut draft = Draft::new(1, rtnl)?;
    let entry = add(request, &mut draft, request.attrs(), &mut extack, rtnl)?;
    let net = request.net();
    // Before it is in place: without an answer nothing is changed.
    request.reply(Command::PolicyAdded, |message| {
        show::policy(&entry, net, message)
    })?;
    draft.commit(net, rtnl);
    changed(Command::PolicyAdd, &entry, net, rtnl);
    reconsider(&entry, rtnl);
    Ok(())
}

pub(super) fn do_delete(request: &Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let mut extack = request.extack();
    refuse_stranger(request, request.net().cookie(), &mut extack)?;
    let mut draft = Draft::new(0, rtnl)?;
    let entry = delete(request, &mut draft, request.attrs(), &mut extack)?;
    draft.commit(request.net(), rtnl);
    changed(Command::PolicyDelete, &entry, request.net(), rtnl);
    reconsider(&entry, rtnl);
    Ok(())
}

pub(super) fn dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
    let viewer = dump.net();
    let mut extack = dump.extack();
    if !dump.is_capable() {
        return Err(extack.refuse(
            EPERM,
            format_args!("vnic: policies are shown to who has CAP_NET_ADMIN here"),
        ));
    }
    let vnic = dump.attrs().get(uapi::VNIC_A_POLICY_VNIC);
    let link = match dump.attrs().get(uapi::VNIC_A_POLICY_LINK) {
        Some(attr) => Some(database::scope_of(named_device(
            viewer,
            &attr,
            &mut extack,
            rtnl,
        )?)),
        None => None,
    };
    let vnic = vnic.map(|attr| Scope::Vnic(attr.uint()));
    let ([last, _], net) = (dump.cursor(), viewer.cookie());
    let wanted = |entry: &Entry| {
        let scope = entry.scope;
        let asked = match (vnic, link) {
            (None, None) => true,
            (vnic, link) => Some(scope) == vnic || Some(scope) == link,
        };
        entry.policy.id > last
            && asked
            && (entry.net == net || matches!(scope, Scope::BuiltIn | Scope::Host))
    };
    for entry in database::policies(wanted, rtnl)?.iter() {
        let place = [entry.policy.id, 0];
        if !dump.put(place, |message| show::policy(entry, viewer, message)) {
            break;
        }
    }
    Ok(())
}

/// The value that a request asks about; 1 if it names none.
fn value(attrs: Attrs<'_>, param: Param, extack: &mut Extack<'_>) -> Result<Value> {
    let lengths = param.address_lengths();
    match attrs.get(uapi::VNIC_A_REQUEST_BYTES) {
        Some(attr) => {
            let len = attr.bytes().len();
            let known = Bytes::new(attr.bytes()).filter(|_| lengths.contains(&len));
            known.map(Value::Address).ok_or_else(|| {
                extack.refuse_attr(
                    &attr,
                    EINVAL,
                    format_args!("vnic: {} has no values of {len} bytes", param.name()),
                )
            })
        }
        None if lengths.is_empty() => {
            let number = attrs.get(uapi::VNIC_A_REQUEST_NUMBER);
            Ok(Value::Number(number.map_or(1, |attr| attr.uint())))
        }
        None => Err(extack.refuse(
            EINVAL,
            format_args!("vnic: which {}? give an address", param.name()),
        )),
    }
}

/// For whom a request asks.
fn asked_for(
    request: &Request<'_>,
    vnic: Option<&Dev<Vnic>>,
    lower: &NetDev,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result<Who> {
    let manager = lower.net() == request.net() && request.is_capable();
    let owner = vnic.map(|vnic| vnic.data().record(rtnl).owner);
    let netns = |cookie| Asker {
        netns: Some(cookie),
        // Of a VNIC that is to be made, whoever makes it.
        owner: owner.is_none_or(|owner| owner == cookie),
        ..Asker::default()
    };
    match subject(request.attrs(), &OF_REQUEST, extack)? {
        None if manager => Ok(Who::Manager),
        None => match vnic {
            Some(vnic) => super::change::sender(request, vnic, rtnl),
            None => Ok(Who::Subject(netns(request.net().cookie()))),
        },
        Some(_) if !manager => Err(extack.refuse(
            EPERM,
            format_args!("vnic: only the manager of the link may ask for others"),
        )),
        Some(Subject::Owner) => Ok(Who::Subject(owner.map(netns).unwrap_or(Asker {
            owner: true,
            ..Asker::default()
        }))),
        Some(Subject::Netns(cookie)) => Ok(Who::Subject(netns(cookie))),
        Some(Subject::User(user)) => Ok(Who::Subject(Asker {
            user: Some(user),
            ..Asker::default()
        })),
        Some(Subject::Name(name)) => Ok(Who::Subject(Asker {
            name: Some(name),
            ..Asker::default()
        })),
    }
}

pub(super) fn why(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let (attrs, mut extack) = (request.attrs(), request.extack());
    let param = param(attrs, uapi::VNIC_A_REQUEST_PARAM, &mut extack)?;
    let value = value(attrs, param, &mut extack)?;
    let link = attrs.get(uapi::VNIC_A_REQUEST_LINK);
    let (vnic, lower) = match link.filter(|_| param.is_of_links()) {
        Some(attr) => (None, named_device(request.net(), &attr, &mut extack, rtnl)?),
        None => {
            let vnic = super::named_vnic(request, super::BY_REQUEST, rtnl)?;
            (Some(vnic), vnic.data().lower())
        }
    };
    let who = asked_for(request, vnic, lower, &mut extack, rtnl)?;
    let (allowed, policy) = match who {
        Who::Manager => (true, None),
        Who::Subject(asker) => {
            let used = vnic.map_or(0, |vnic| request::used(vnic, param, rtnl));
            let asked = (param, &value, used);
            let verdict = match vnic {
                Some(vnic) => request::judge(vnic, &asker, asked, rtnl),
                None => database::decide(None, database::scope_of(lower), &asker, asked, rtnl),
            };
            (verdict.allowed, verdict.policy)
        }
    };
    let id = vnic.map(|vnic| vnic.data().id());
    request.reply(Command::Why, |message| {
        if let Some(id) = id {
            message.put_uint(uapi::VNIC_A_REQUEST_VNIC, id)?;
        }
        message.put_u32(uapi::VNIC_A_REQUEST_PARAM, param as u32)?;
        if allowed {
            message.put_flag(uapi::VNIC_A_REQUEST_ALLOWED)?;
        }
        match policy {
            Some(policy) => message.put_uint(uapi::VNIC_A_REQUEST_POLICY, policy),
            None => Ok(()),
        }
    })
}

/// Describes the last requests that were denied.
pub(super) fn dump_denials(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
    let viewer = dump.net();
    if !dump.is_capable() {
        return Err(dump.extack().refuse(
            EPERM,
            format_args!("vnic: denied requests are shown to who has CAP_NET_ADMIN here"),
        ));
    }
    let [last, _] = dump.cursor();
    for denial in database::denials_after(last, viewer, rtnl)?.iter() {
        let place = [denial.serial, 0];
        if !dump.put(place, |message| show::denial(denial, viewer, message)) {
            break;
        }
    }
    Ok(())
}
