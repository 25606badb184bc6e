// SPDX-License-Identifier: GPL-2.0

//! The one road: whoever wants to change something of a VNIC, by whichever way into the kernel, is
//! judged here.
//!
//! By `ip`, ioctl, sysfs or ethtool the calling task asks ([`ask`]); by the netlink family who sent
//! the request ([`judge`]), and what is then done to the device is not judged again
//! ([`authorized`]).

use super::{
    database::{
        self,
        Denial, //
    },
    events,
};
use crate::{
    logic::permission::{
        Asker,
        Bytes,
        Param,
        Value,
        Verdict, //
    },
    net::{
        self, inetaddr,
        netdev::{
            Caller,
            Dev,
            NetDev, //
        },
        netlink::Extack,
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
    },
    switch::Switch,
    vnic::Vnic,
};
use kernel::prelude::*;

/// How many calls of [`authorized`] are under way.
static AUTHORIZED: RtnlCell<u32> = RtnlCell::new(0);

/// Runs `f`, whose changes have been allowed already, or follow from others.
pub(crate) fn authorized<R>(rtnl: Rtnl<'_>, f: impl FnOnce() -> R) -> R {
    let depth = AUTHORIZED.get(rtnl);
    AUTHORIZED.set(depth.saturating_add(1), rtnl);
    let result = f();
    AUTHORIZED.set(depth, rtnl);
    result
}

/// Whether changes have been allowed already.
pub(crate) fn is_authorized(rtnl: Rtnl<'_>) -> bool {
    AUTHORIZED.get(rtnl) > 0
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    /// The manager of the link, who need not be judged.
    Manager,
    /// Anyone else.
    Subject(Asker),
}

/// Whoever administers the namespace where the VNIC is.
pub(crate) fn resident(dev: &Dev<Vnic>, rtnl: Rtnl<'_>) -> Asker {
    asker(dev, dev.net().cookie(), rtnl)
}

/// Whoever administers the namespace with a cookie.
pub(crate) fn asker(dev: &Dev<Vnic>, netns: u64, rtnl: Rtnl<'_>) -> Asker {
    Asker {
        netns: Some(netns),
        owner: dev.data().record(rtnl).owner == netns,
        ..Asker::default()
    }
}

/// Who the calling task is to a VNIC.
pub(crate) fn caller(dev: &Dev<Vnic>, rtnl: Rtnl<'_>) -> Who {
    if is_authorized(rtnl) {
        return Who::Manager;
    }
    match dev.data().lower().net().caller() {
        Caller::Manager => Who::Manager,
        Caller::Task(netns) => Who::Subject(asker(dev, netns, rtnl)),
        Caller::Kernel => Who::Subject(Asker {
            kernel: true,
            ..resident(dev, rtnl)
        }),
    }
}

/// The calling task changed something of a VNIC: that counts if it is the manager of its link. What was
/// allowed before ([`authorized`]) is counted where it was, and not for a subject.
pub(crate) fn count_change(dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
    if !is_authorized(rtnl) && matches!(caller(dev, rtnl), Who::Manager) {
        database::touch(dev.data().lower().net(), rtnl);
    }
}

/// Whether `value` is one that everyone may return to: what is, or what the manager gave. Whatever
/// else there was is had by a policy or, when that is gone, not again.
fn is_return(dev: &Dev<Vnic>, param: Param, value: &Value, rtnl: Rtnl<'_>) -> bool {
    let record = dev.data().record(rtnl);
    match (param, value) {
        (Param::Address, Value::Address(bytes)) => {
            let known = [record.address, record.default_address];
            known.iter().any(|addr| addr.bytes() == bytes.bytes())
        }
        (Param::Mtu, Value::Number(mtu)) => {
            let default =
                crate::logic::mtu::effective(record.default_mtu, dev.data().lower().mtu());
            [record.mtu, default]
                .iter()
                .any(|known| u64::from(*known) == *mtu)
        }
        _ => false,
    }
}

/// Decides, and changes and tells nothing. `used` as in `permission::decide`.
pub(crate) fn judge(
    dev: &Dev<Vnic>,
    asker: &Asker,
    (param, value, used): (Param, &Value, u32),
    rtnl: Rtnl<'_>,
) -> Verdict {
    if is_return(dev, param, value, rtnl) {
        return Verdict {
            allowed: true,
            policy: None,
        };
    }
    let link = database::scope_of(dev.data().lower());
    database::decide(
        Some(dev.data().id()),
        link,
        asker,
        (param, value, used),
        rtnl,
    )
}

/// How many there are of what a parameter adds.
pub(crate) fn used(dev: &Dev<Vnic>, param: Param, rtnl: Rtnl<'_>) -> u32 {
    match param {
        Param::Ip => dev.ip_count(rtnl),
        Param::Groups | Param::Addresses => dev.data().secondary_count(param, rtnl),
        _ => 0,
    }
}

/// Judges the calling task.
pub(crate) fn ask(
    dev: &Dev<Vnic>,
    param: Param,
    value: Value,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    ask_as(caller(dev, rtnl), dev, param, value, extack, rtnl)
}

/// Judges `who`.
pub(crate) fn ask_as(
    who: Who,
    dev: &Dev<Vnic>,
    param: Param,
    value: Value,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    let Who::Subject(asker) = who else {
        return Ok(());
    };
    let verdict = judge(dev, &asker, (param, &value, used(dev, param, rtnl)), rtnl);
    if verdict.allowed {
        return Ok(());
    }
    deny(dev, asker, (param, value), verdict, rtnl);
    Err(match verdict.policy {
        Some(policy) => extack.refuse(
            EPERM,
            format_args!(
                "vnic: policy {policy} denies this {} to {}",
                param.name(),
                dev.name()
            ),
        ),
        None if !param.is_grantable() => extack.refuse(
            EPERM,
            format_args!(
                "vnic: only the manager of {} sets {} of {}",
                dev.data().lower().name(),
                param.name(),
                dev.name()
            ),
        ),
        None => extack.refuse(
            EPERM,
            format_args!(
                "vnic: no policy grants the {} of {}, its manager may add one",
                param.name(),
                dev.name()
            ),
        ),
    })
}

/// Counts a denied request, and tells the manager.
pub(crate) fn deny(
    dev: &Dev<Vnic>,
    asker: Asker,
    (param, value): (Param, Value),
    verdict: Verdict,
    rtnl: Rtnl<'_>,
) {
    dev.data().update_record(rtnl, |record| {
        record.denied = record.denied.saturating_add(1);
    });
    let vnic = Some((dev.data().id(), dev.ifindex().unsigned_abs(), dev.name()));
    let lower = dev.data().lower();
    report(lower, vnic, asker, (param, value), verdict, rtnl);
    if net::ratelimit() {
        pr_info!("{}: change of {} denied\n", dev.name(), param.name());
    }
}

fn report(
    lower: &NetDev,
    vnic: Option<(u64, u32, net::netdev::Name)>,
    asker: Asker,
    (param, value): (Param, Value),
    verdict: Verdict,
    rtnl: Rtnl<'_>,
) {
    let denial = Denial {
        serial: 0,
        link: lower.ifindex().unsigned_abs(),
        vnic,
        asker,
        param,
        value,
        policy: verdict.policy,
    };
    let denial = database::remember(lower.net(), denial, rtnl);
    events::denied(lower.net(), &denial, rtnl);
}

/// Judges the calling task, which wants to make a VNIC on `lower`; returns the cookie of its
/// namespace if it is a subject, else 0.
pub(crate) fn ask_for_vnic(lower: &NetDev, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result<u64> {
    let netns = match lower.net().caller() {
        Caller::Manager => return Ok(0),
        Caller::Task(netns) => netns,
        Caller::Kernel => return Err(EPERM),
    };
    // Whoever makes a VNIC will own it.
    let asker = Asker {
        netns: Some(netns),
        owner: true,
        ..Asker::default()
    };
    let mut used: u32 = 0;
    if let Some(switch) = Switch::of(lower, rtnl) {
        switch.for_each_vnic(rtnl, |vnic| {
            let made = vnic.data().record(rtnl).creator == netns;
            used = used.saturating_add(made.into());
        });
    }
    let value = Value::Number(1);
    let request = (Param::Vnics, &value, used);
    let verdict = database::decide(None, database::scope_of(lower), &asker, request, rtnl);
    if verdict.allowed {
        return Ok(netns);
    }
    // It owns nothing yet.
    let asker = Asker {
        owner: false,
        ..asker
    };
    report(lower, None, asker, (Param::Vnics, value), verdict, rtnl);
    Err(match verdict.policy {
        Some(policy) => extack.refuse(
            EPERM,
            format_args!("vnic: policy {policy} lets this namespace make no more VNICs on it"),
        ),
        None => extack.refuse(
            EPERM,
            format_args!("vnic: no policy lets this namespace make VNICs on that link"),
        ),
    })
}

/// Judges whoever adds an IP address.
pub(crate) struct Validator;

impl inetaddr::Validator for Validator {
    fn check(dev: &NetDev, addr: &[u8], extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        let Some(vnic) = dev.downcast::<Vnic>() else {
            return Ok(());
        };
        // IPv6 does not work without the address of the link, fe80::/10.
        let of_link =
            matches!(addr, [0xfe, second, ..] if addr.len() == 16 && second & 0xc0 == 0x80);
        match Bytes::new(addr) {
            Some(bytes) if !of_link => ask(vnic, Param::Ip, Value::Address(bytes), extack, rtnl),
            _ => Ok(()),
        }
    }

    fn concerns(dev: &NetDev) -> bool {
        dev.downcast::<Vnic>().is_some()
    }

    fn added(dev: &NetDev, addr: &[u8; 16], rtnl: Rtnl<'_>) {
        let vnic = dev
            .downcast::<Vnic>()
            .filter(|vnic| vnic.net() != vnic.data().lower().net());
        if let (Some(vnic), Some(addr)) = (vnic, Bytes::new(addr)) {
            Self::report(vnic, addr, rtnl);
        }
    }
}

impl Validator {
    /// A router advertised an address that the owner may not have: the manager hears of it.
    fn report(dev: &Dev<Vnic>, addr: Bytes, rtnl: Rtnl<'_>) {
        let asker = Asker {
            kernel: true,
            ..resident(dev, rtnl)
        };
        let value = Value::Address(addr);
        // It is among those that there are already, so it does not count.
        let others = used(dev, Param::Ip, rtnl).saturating_sub(1);
        let verdict = judge(dev, &asker, (Param::Ip, &value, others), rtnl);
        if !verdict.allowed {
            deny(dev, asker, (Param::Ip, value), verdict, rtnl);
        }
    }
}

/// A hardware address as a value.
pub(crate) fn mac(addr: crate::logic::addr::MacAddr) -> Value {
    match Bytes::new(addr.bytes()) {
        Some(bytes) => Value::Address(bytes),
        None => Value::Number(0),
    }
}
