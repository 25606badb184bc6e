// SPDX-License-Identifier: GPL-2.0

//! Pools by netlink. They are the host's: for who manages its first namespace.

use super::{
    events,
    show, //
};
use crate::{
    net::{
        genl::{
            Command,
            Dump,
            Request, //
        },
        netdev::Name,
        netlink::{
            Attr,
            Extack, //
        },
        rtnl::Rtnl,
        uapi, //
    },
    pool::{
        self,
        Pool, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What a request is about.
enum Object {
    Host,
    Pool(Arc<Pool>),
}

fn check_manager(capable: bool, first: bool, extack: &mut Extack<'_>) -> Result {
    if capable && first {
        return Ok(());
    }
    Err(extack.refuse(
        EPERM,
        format_args!("vnic: pools are for who has CAP_NET_ADMIN in the first namespace"),
    ))
}

fn check(request: &Request<'_>) -> Result {
    check_manager(
        request.is_capable(),
        request.net().is_init(),
        &mut request.extack(),
    )
}

/// The name in a request: not empty, and nothing that a shell or a listing stumbles over.
fn name(attr: &Attr<'_>, extack: &mut Extack<'_>) -> Result<Name> {
    let text = attr.text();
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !text.is_empty() && text.iter().all(good) && text != b"host" && text != b"none" {
        return Ok(Name::from_text(text));
    }
    Err(extack.refuse_attr(
        attr,
        EINVAL,
        format_args!("vnic: letters, digits, . - and _ name a pool, but not host or none"),
    ))
}

fn object(request: &Request<'_>, rtnl: Rtnl<'_>) -> Result<Object> {
    let mut extack = request.extack();
    if request.attrs().has(uapi::VNIC_A_POOL_HOST) {
        return Ok(Object::Host);
    }
    let Some(attr) = request.attrs().get(uapi::VNIC_A_POOL_NAME) else {
        return Err(extack.refuse(EINVAL, format_args!("vnic: which pool? give its name")));
    };
    let name = Name::from_text(attr.text());
    match pool::find(name, rtnl) {
        Some(pool) => Ok(Object::Pool(pool)),
        None => {
            Err(extack.refuse_attr(&attr, ENOENT, format_args!("vnic: there is no pool {name}")))
        }
    }
}

pub(super) fn get(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
    check(request)?;
    let object = object(request, rtnl)?;
    request.reply(Command::PoolGet, |message| match &object {
        Object::Host => show::host_pool(rtnl, message),
        Object::Pool(pool) => show::pool(pool, rtnl, message),
    })
}

/// In the order of names, as which the cursor holds the last that was described.
pub(super) fn dump(dump: &mut Dump<'_>, rtnl: Rtnl<'_>) -> Result {
    check_manager(dump.is_capable(), dump.net().is_init(), &mut dump.extack())?;
    let mut place = dump.cursor();
    if place == [0, 0] {
        // What no name looks like, and comes before all.
        place = [0, 1];
        if !dump.put(place, |message| show::host_pool(rtnl, message)) {
            return Ok(());
        }
    }
    let mut last = match place {
        [0, 1] => Name::NONE,
        place => Name::of_words(place),
    };
    while let Some(pool) = pool::after(last, rtnl) {
        last = pool.name();
        if !dump.put(last.words(), |message| show::pool(&pool, rtnl, message)) {
            break;
        }
    }
    Ok(())
}

pub(super) fn add(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
    check(request)?;
    let mut extack = request.extack();
    let attrs = request.attrs();
    let (Some(attr), Some(limit)) = (
        attrs.get(uapi::VNIC_A_POOL_NAME),
        attrs.get(uapi::VNIC_A_POOL_LIMIT),
    ) else {
        return Err(extack.refuse(
            EINVAL,
            format_args!("vnic: a new pool needs a name and a limit"),
        ));
    };
    let name = name(&attr, &mut extack)?;
    let threshold = attrs
        .get(uapi::VNIC_A_POOL_THRESHOLD)
        .map_or(0, |attr| attr.u32());
    let pool = pool::add(name, limit.uint(), threshold, &mut extack, rtnl)?;
    events::pool(Command::PoolAdd, &pool, request.net(), rtnl);
    Ok(())
}

pub(super) fn set(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
    check(request)?;
    let mut extack = request.extack();
    let attrs = request.attrs();
    let limit = attrs.get(uapi::VNIC_A_POOL_LIMIT).map(|attr| attr.uint());
    let threshold = attrs.get(uapi::VNIC_A_POOL_THRESHOLD);
    match object(request, rtnl)? {
        Object::Host => {
            if let Some(attr) = threshold {
                return Err(extack.refuse_attr(
                    &attr,
                    EINVAL,
                    format_args!("vnic: the host pool has no threshold, pools have"),
                ));
            }
            if let Some(limit) = limit {
                pool::set_host_size(limit, &mut extack, rtnl)?;
                events::host_pool(request.net(), rtnl);
            }
        }
        Object::Pool(pool) => {
            let threshold = threshold.map(|attr| attr.u32());
            pool::set(&pool, limit, threshold, &mut extack, rtnl)?;
            events::pool(Command::PoolChange, &pool, request.net(), rtnl);
        }
    }
    Ok(())
}

pub(super) fn delete(request: &mut Request<'_>, rtnl: Rtnl<'_>) -> Result {
    check(request)?;
    match object(request, rtnl)? {
        Object::Host => Err(request.extack().refuse(
            EINVAL,
            format_args!("vnic: the host pool cannot be deleted"),
        )),
        Object::Pool(pool) => {
            pool::delete(&pool, &mut request.extack(), rtnl)?;
            events::pool(Command::PoolDelete, &pool, request.net(), rtnl);
            Ok(())
        }
    }
}
