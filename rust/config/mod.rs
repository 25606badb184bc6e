// SPDX-License-Identifier: GPL-2.0

//! Configuration by netlink: the family "vnic" (Documentation/netlink/specs/vnic.yaml).

#![deny(unsafe_code)]

mod change;
pub(crate) mod database;
pub(crate) mod events;
mod flows;
mod policy;
mod pools;
pub(crate) mod request;
mod show;
mod transaction;

use crate::{
    net::{
        self,
        genl::{
            Command,
            Dump,
            Handlers,
            Request, //
        },
        netdev::{
            Dev,
            Net,
            NetDev, //
        },
        netlink::{
            Attr,
            Attrs,
            Extack,
            Message, //
        },
        rtnl::Rtnl,
        uapi, //
    },
    switch::Switch,
    vnic::Vnic,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What the operations of the family do.
pub(crate) struct Family;

impl Handlers for Family {
    fn link_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        let switch = named_link(request, rtnl)?;
        request.reply(Command::LinkGet, |message| {
            show::link(&switch, rtnl, message)
        })
    }

    fn link_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
        let viewer = dump.net();
        let [mut place, _] = dump.cursor();
        while let Some(switch) = Switch::next(place, rtnl) {
            place = switch.number(rtnl);
            if switch.lower().net() == viewer
                && !dump.put([place, 0], |message| show::link(&switch, rtnl, message))
            {
                break;
            }
        }
        Ok(())
    }

    fn link_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        let switch = named_link(request, rtnl)?;
        change::link(request, &switch, rtnl)
    }

    fn vnic_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        let viewer = request.net();
        let absent = request
            .attrs()
            .get(uapi::VNIC_A_ID)
            .and_then(|attr| database::absent(attr.uint(), viewer, rtnl));
        if let Some(absent) = absent {
            return request.reply(Command::VnicGet, |message| {
                show::absent(&absent, viewer, message)
            });
        }
        let vnic = named_vnic(request, BY_VNIC, rtnl)?;
        request.reply(Command::VnicGet, |message| {
            show::vnic(vnic, viewer, rtnl, message)
        })
    }

    fn vnic_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
        let viewer = dump.net();
        let only = match dump.attrs().get(uapi::VNIC_A_LINK) {
            Some(attr) => Some(named_device(viewer, &attr, &mut dump.extack(), rtnl)?),
            None => None,
        };
        let wanted =
            |vnic: &Dev<Vnic>| only.is_none_or(|only| core::ptr::eq(only, vnic.data().lower()));
        let place = dump.cursor();
        if place[0] != ABSENT {
            let full = dump_vnics(dump, rtnl, wanted, |vnic, message| {
                show::vnic(vnic, viewer, rtnl, message)
            });
            if full {
                return Ok(());
            }
        }
        dump_absent(dump, only, rtnl)
    }

    fn vnic_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        let vnic = named_vnic(request, BY_VNIC, rtnl)?;
        change::vnic(request, vnic, rtnl)
    }

    fn stats_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        let vnic = named_vnic(request, BY_STATS, rtnl)?;
        request.reply(Command::StatsGet, |message| show::stats(vnic, message))
    }

    fn stats_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
        dump_vnics(dump, rtnl, |_| true, show::stats);
        Ok(())
    }

    fn policy_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
        policy::dump(dump, rtnl)
    }

    fn policy_add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        policy::do_add(request, rtnl)
    }

    fn policy_delete(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        policy::do_delete(request, rtnl)
    }

    fn why(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        policy::why(request, rtnl)
    }

    fn denied_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
        policy::dump_denials(dump, rtnl)
    }

    fn pool_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        pools::get(request, rtnl)
    }

    fn pool_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
        pools::dump(dump, rtnl)
    }

    fn pool_add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        pools::add(request, rtnl)
    }

    fn pool_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        pools::set(request, rtnl)
    }

    fn pool_delete(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        pools::delete(request, rtnl)
    }

    fn flow_get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        flows::get(request, rtnl)
    }

    fn flow_dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
        flows::dump(dump, rtnl)
    }

    fn flow_add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        flows::add(request, rtnl)
    }

    fn flow_set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        flows::set(request, rtnl)
    }

    fn flow_delete(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        flows::delete(request, rtnl)
    }

    fn apply(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
        transaction::apply(request, rtnl)
    }
}

/// The attributes that name a VNIC: by its number, by its device's index.
type By = (u32, u32);
const BY_VNIC: By = (uapi::VNIC_A_ID, uapi::VNIC_A_IFINDEX);
const BY_STATS: By = (uapi::VNIC_A_STATS_ID, uapi::VNIC_A_STATS_IFINDEX);
const BY_REQUEST: By = (uapi::VNIC_A_REQUEST_VNIC, uapi::VNIC_A_REQUEST_IFINDEX);
const BY_FLOW: By = (uapi::VNIC_A_FLOW_VNIC, uapi::VNIC_A_FLOW_IFINDEX);

/// In dumps the place of absent VNICs: behind every switch.
const ABSENT: u64 = u64::MAX;

/// The device whose index an attribute is.
fn named_device<'a>(
    viewer: Net<'a>,
    attr: &Attr<'_>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'a>,
) -> Result<&'a NetDev> {
    let index = attr.u32();
    viewer.device(index, rtnl).ok_or_else(|| {
        extack.refuse_attr(
            attr,
            ENODEV,
            format_args!("vnic: there is no device {index} in this namespace"),
        )
    })
}

/// The link that a request names.
fn named_link(request: &Request<'_>, rtnl: Rtnl<'_>) -> Result<Arc<Switch>> {
    let mut extack = request.extack();
    let Some(attr) = request.attrs().get(uapi::VNIC_A_LINK_IFINDEX) else {
        return Err(extack.refuse(EINVAL, format_args!("vnic: which link? give its ifindex")));
    };
    let lower = named_device(request.net(), &attr, &mut extack, rtnl)?;
    Switch::of(lower, rtnl).ok_or_else(|| {
        extack.refuse_attr(
            &attr,
            ENODEV,
            format_args!("vnic: {} has no VNICs", lower.name()),
        )
    })
}

/// Whether a namespace shows a VNIC: the VNIC or its link is there.
fn shows(viewer: Net<'_>, vnic: &Dev<Vnic>) -> bool {
    vnic.net() == viewer || vnic.data().lower().net() == viewer
}

/// Refuses the number of a VNIC that the namespace of the request does not show.
fn unknown_vnic(attr: &Attr<'_>, extack: &mut Extack<'_>) -> Error {
    let id = attr.uint();
    extack.refuse_attr(
        attr,
        ENODEV,
        format_args!("vnic: this namespace knows no VNIC {id}"),
    )
}

/// The VNIC that a request names.
fn named_vnic<'a>(request: &Request<'a>, by: By, rtnl: Rtnl<'a>) -> Result<&'a Dev<Vnic>> {
    let mut extack = request.extack();
    find_named(request.net(), request.attrs(), by, &mut extack, rtnl)?.ok_or_else(|| {
        extack.refuse(
            EINVAL,
            format_args!("vnic: which VNIC? give its id or its ifindex"),
        )
    })
}

/// The VNIC that attributes name, if they name one.
fn find_named<'a>(
    viewer: Net<'a>,
    attrs: Attrs<'_>,
    (id, index): By,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'a>,
) -> Result<Option<&'a Dev<Vnic>>> {
    if let Some(attr) = attrs.get(id) {
        let id = attr.uint();
        let found = Switch::find_vnic(rtnl, |vnic| vnic.data().id() == id && shows(viewer, vnic));
        return found
            .map(Some)
            .ok_or_else(|| unknown_vnic(&attr, &mut *extack));
    }
    let Some(attr) = attrs.get(index) else {
        return Ok(None);
    };
    let dev = named_device(viewer, &attr, extack, rtnl)?;
    dev.downcast::<Vnic>().map(Some).ok_or_else(|| {
        extack.refuse_attr(
            &attr,
            net::eopnotsupp(),
            format_args!("vnic: {} is no VNIC", dev.name()),
        )
    })
}

/// Describes the VNICs that the reader's namespace shows, in the order of their switches and of
/// their numbers, which only grow: however many calls it takes, none that stays is missed. Whether
/// there are more than there was room for.
fn dump_vnics(
    dump: &mut Dump<'_>,
    rtnl: Rtnl<'_>,
    wanted: impl Fn(&Dev<Vnic>) -> bool,
    fill: impl Fn(&Dev<Vnic>, &mut Message<'_>) -> Result,
) -> bool {
    let viewer = dump.net();
    let [mut place, mut last] = dump.cursor();
    // The switch on which the last call ended comes first, unless it is gone.
    let mut before = place.saturating_sub(1);
    while let Some(switch) = Switch::next(before, rtnl) {
        if switch.number(rtnl) != place {
            last = 0;
        }
        place = switch.number(rtnl);
        before = place;
        let full = switch.find_own(rtnl, |vnic| {
            let id = vnic.data().id();
            id > last
                && shows(viewer, vnic)
                && wanted(vnic)
                && !dump.put([place, id], |message| fill(vnic, message))
        });
        if full.is_some() {
            return true;
        }
    }
    false
}

/// Describes what is kept of VNICs that are gone, of those on the link `only` if there is one.
fn dump_absent(dump: &mut Dump<'_>, only: Option<&NetDev>, rtnl: Rtnl<'_>) -> Result {
    let viewer = dump.net();
    let last = match dump.cursor() {
        [ABSENT, last] => last,
        _ => 0,
    };
    for absent in database::absent_after(last, rtnl)?.iter() {
        let concerned = absent.net == viewer.cookie()
            && only.is_none_or(|only| only.ifindex().unsigned_abs() == absent.link);
        let place = [ABSENT, absent.id];
        if concerned && !dump.put(place, |message| show::absent(absent, viewer, message)) {
            break;
        }
    }
    Ok(())
}
