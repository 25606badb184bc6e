// SPDX-License-Identifier: GPL-2.0

//! Changes that the manager of a link asks for: all that a request names, or nothing.

use super::events;
use crate::{
    logic::addr::MacAddr,
    net::{
        self,
        genl::Request,
        netdev::{
            Dev,
            NetDev, //
        },
        netlink::Extack,
        rtnl::Rtnl,
        uapi, //
    },
    switch::Switch,
    vnic::{
        Promisc,
        Vnic, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Refuses whoever does not manage the link of `lower`.
fn refuse_subject(request: &Request<'_>, lower: &NetDev, what: &NetDev) -> Result {
    if lower.net() == request.net() && request.is_capable() {
        return Ok(());
    }
    Err(request.extack().refuse(
        EPERM,
        format_args!(
            "vnic: only who has CAP_NET_ADMIN where its link is may change {}",
            what.name()
        ),
    ))
}

/// Changes a link.
pub(super) fn link(request: &Request<'_>, switch: &Arc<Switch>, rtnl: Rtnl<'_>) -> Result {
    refuse_subject(request, switch.lower(), switch.lower())?;
    if let Some(attr) = request.attrs().get(uapi::VNIC_A_LINK_HOST) {
        switch.set_host(attr.u8() != 0, rtnl);
    }
    Ok(())
}

/// What may be changed of a VNIC; `None` stays as it is.
#[derive(Clone, Copy, Default)]
struct Settings {
    address: Option<MacAddr>,
    mtu: Option<u32>,
    up: Option<bool>,
    promisc: Option<Promisc>,
}

impl Settings {
    /// What a request asks for. The form of the attributes was checked by their policy.
    fn of(request: &Request<'_>) -> Self {
        let attrs = request.attrs();
        Self {
            address: attrs.get(uapi::VNIC_A_ADDRESS).and_then(|attr| attr.mac()),
            mtu: attrs.get(uapi::VNIC_A_MTU).map(|attr| attr.u32()),
            up: attrs.get(uapi::VNIC_A_UP).map(|attr| attr.u8() != 0),
            promisc: attrs
                .get(uapi::VNIC_A_PROMISC_MODE)
                .and_then(|attr| Promisc::of(u8::try_from(attr.u32()).ok()?)),
        }
    }

    /// What `dev` has now, of what `self` is about to change.
    fn present(&self, dev: &Dev<Vnic>) -> Self {
        Self {
            address: self.address.map(|_| dev.address()),
            mtu: self.mtu.map(|_| dev.mtu()),
            up: self.up.map(|_| dev.is_up()),
            promisc: self.promisc.and(dev.data().promisc()),
        }
    }

    /// Refuses what is out of range before anything is changed.
    fn check(&self, dev: &Dev<Vnic>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        if let Some(addr) = self.address {
            if !addr.is_unicast() {
                return Err(extack.refuse(
                    net::eaddrnotavail(),
                    format_args!("vnic: {addr} is zero or a group address, no device can have it"),
                ));
            }
            Vnic::check_address(dev, addr, extack, rtnl)?;
        }
        match self.mtu {
            Some(mtu) => dev.check_mtu(mtu, extack, rtnl),
            None => Ok(()),
        }
    }

    /// Changes one after the other, up to the first that fails.
    fn apply(&self, dev: &Dev<Vnic>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        if let Some(addr) = self.address.filter(|addr| *addr != dev.address()) {
            dev.change_address(addr, extack, rtnl)?;
        }
        if let Some(mtu) = self.mtu {
            dev.set_mtu(mtu, rtnl)?;
        }
        if let Some(promisc) = self.promisc {
            Vnic::set_promisc(dev, promisc, rtnl);
        }
        match self.up.filter(|up| *up != dev.is_up()) {
            Some(up) => dev.set_up(up, extack, rtnl),
            None => Ok(()),
        }
    }
}

/// Changes a VNIC.
pub(super) fn vnic(request: &Request<'_>, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) -> Result {
    refuse_subject(request, dev.data().lower(), dev)?;
    let mut extack = request.extack();
    let wanted = Settings::of(request);
    wanted.check(dev, &mut extack, rtnl)?;
    let before = wanted.present(dev);
    let wanted_mtu = dev.data().wanted_mtu(rtnl);
    wanted.apply(dev, &mut extack, rtnl).inspect_err(|_| {
        // Each value was there a moment ago; somebody who refuses it now is beyond us.
        if before.apply(dev, &mut Extack::none(), rtnl).is_err() {
            pr_warn!("{}: not all is again as it was\n", dev.name());
        }
        dev.data().want_mtu(wanted_mtu, rtnl);
    })?;
    if wanted.promisc.is_some() {
        events::changed(dev, rtnl);
    }
    Ok(())
}
