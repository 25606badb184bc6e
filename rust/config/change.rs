// SPDX-License-Identifier: GPL-2.0

//! Changes by netlink: all that a request names, or nothing.

use super::{
    database::{
        self,
        Record, //
    },
    events, policy,
    request::{
        self,
        mac,
        Who, //
    },
};
use crate::{
    logic::{
        addr::MacAddr,
        cpus::CpuList,
        permission::{
            Asker,
            Param,
            Value, //
        },
    },
    net::{
        self,
        genl::Request,
        netdev::{
            Dev,
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
    pool::Pool,
    switch::Switch,
    vnic::{
        bits,
        named_pool,
        HwRings,
        Kinds,
        Limits,
        LimitsChange,
        Poll,
        PoolChange,
        Promisc,
        RingSettings,
        Vnic, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Whether the sender of a request manages the link of `lower`.
pub(super) fn is_manager(request: &Request<'_>, lower: &NetDev) -> bool {
    lower.net() == request.net() && request.is_capable()
}

/// Who the sender of a request is to a VNIC. Who has no capability anywhere is refused.
pub(super) fn sender(request: &Request<'_>, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) -> Result<Who> {
    let name = request.attrs().get(uapi::VNIC_A_SUBJECT_NAME);
    sender_as(request, dev, name, rtnl)
}

/// [`sender`], who may speak for the subject with a name.
pub(super) fn sender_as(
    request: &Request<'_>,
    dev: &Dev<Vnic>,
    name: Option<Attr<'_>>,
    rtnl: Rtnl<'_>,
) -> Result<Who> {
    if is_manager(request, dev.data().lower()) {
        return Ok(match name {
            None => Who::Manager,
            Some(attr) => Who::Subject(Asker {
                name: Some(policy::subject_name(&attr, &mut request.extack())?),
                ..Asker::default()
            }),
        });
    }
    let mut extack = request.extack();
    if let Some(attr) = name {
        return Err(extack.refuse_attr(
            &attr,
            EPERM,
            format_args!("vnic: only the manager of its link speaks for others"),
        ));
    }
    // Whose VNIC is elsewhere has no right on it here.
    let resident = dev.net() == request.net() && request.is_capable();
    let user = request.user();
    if !resident && user.is_none() {
        return Err(extack.refuse(
            EPERM,
            format_args!(
                "vnic: only who has CAP_NET_ADMIN may ask for a change of {}",
                dev.name()
            ),
        ));
    }
    let mut asker = Asker::default();
    if resident {
        asker = request::asker(dev, request.net().cookie(), rtnl);
    }
    asker.user = user;
    Ok(Who::Subject(asker))
}

/// Changes a link.
pub(super) fn link(request: &Request<'_>, switch: &Arc<Switch>, rtnl: Rtnl<'_>) -> Result {
    let lower = switch.lower();
    if !is_manager(request, lower) {
        return Err(request.extack().refuse(
            EPERM,
            format_args!(
                "vnic: only who has CAP_NET_ADMIN where it is may change {}",
                lower.name()
            ),
        ));
    }
    let (host, maxbw) = (
        request.attrs().get(uapi::VNIC_A_LINK_HOST),
        request.attrs().get(uapi::VNIC_A_LINK_MAXBW),
    );
    if let Some(attr) = &maxbw {
        set_maxbw(switch, attr, &mut request.extack(), rtnl)?;
    }
    if let Some(attr) = &host {
        switch.set_host(attr.u8() != 0, rtnl);
    }
    if host.is_some() || maxbw.is_some() {
        database::touch(lower.net(), rtnl);
    }
    Ok(())
}

/// Limits what the VNICs of a link send to its wire.
fn set_maxbw(
    switch: &Arc<Switch>,
    attr: &Attr<'_>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    if switch.is_stub() {
        return Err(extack.refuse_attr(
            attr,
            net::eopnotsupp(),
            format_args!(
                "vnic: {} has no wire that a maxbw could be of",
                switch.lower().name()
            ),
        ));
    }
    let bits = bits(attr, "maxbw", extack)?;
    switch.set_maxbw(bits, rtnl)?;
    if bits == 0 {
        let void = switch.find_own(rtnl, |vnic| vnic.data().limits(rtnl).has_turn());
        if let Some(vnic) = void {
            Vnic::warn_of_turn(vnic, extack, rtnl);
        } else {
            switch.find_own(rtnl, |vnic| Vnic::warn_of_flows(vnic, extack, rtnl));
        }
    }
    Ok(())
}

/// What may be changed of a VNIC; `None` stays as it is.
#[derive(Clone, Default)]
pub(super) struct Settings {
    address: Option<MacAddr>,
    mtu: Option<u32>,
    up: Option<bool>,
    promisc: Option<Promisc>,
    poll: Option<Poll>,
    ring_size: Option<u32>,
    cpus: Option<CpuList>,
    hw: Option<HwRings>,
    /// All of them, as they are to be.
    limits: Option<Limits>,
    /// `Some(None)`: none.
    pool: Option<Option<Arc<Pool>>>,
}

impl Settings {
    /// What a request asks for `dev`. The form of the attributes was checked by their policy.
    pub(super) fn of(
        attrs: Attrs<'_>,
        dev: &Dev<Vnic>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Self> {
        let pool = match attrs.get(uapi::VNIC_A_POOL) {
            Some(attr) => Some(named_pool(&attr, dev.data().lower(), extack, rtnl)?),
            None => None,
        };
        let cpus = match attrs.get(uapi::VNIC_A_CPUS) {
            Some(attr) => {
                let old = dev.data().ring_settings(rtnl);
                let new = old.with_cpus(&attr, extack)?;
                new.check_cpus(&old, dev.data().lower(), extack)?;
                Some(new.cpus)
            }
            None => None,
        };
        Ok(Self {
            address: attrs.get(uapi::VNIC_A_ADDRESS).and_then(|attr| attr.mac()),
            mtu: attrs.get(uapi::VNIC_A_MTU).map(|attr| attr.u32()),
            up: attrs.get(uapi::VNIC_A_UP).map(|attr| attr.u8() != 0),
            promisc: attrs
                .get(uapi::VNIC_A_PROMISC_MODE)
                .and_then(|attr| Promisc::of(u8::try_from(attr.u32()).ok()?)),
            poll: attrs
                .get(uapi::VNIC_A_POLL)
                .and_then(|attr| Poll::of(u8::try_from(attr.u32()).ok()?)),
            ring_size: attrs.get(uapi::VNIC_A_RING_SIZE).map(|attr| attr.u32()),
            cpus,
            hw: attrs
                .get(uapi::VNIC_A_HW_RINGS)
                .and_then(|attr| HwRings::of(u8::try_from(attr.u32()).ok()?)),
            limits: dev.data().limits(rtnl).with(attrs, &Kinds::VNIC, extack)?,
            pool,
        })
    }

    /// What `dev` has now, of what `self` is about to change.
    fn present(&self, dev: &Dev<Vnic>) -> Self {
        Self {
            address: self.address.map(|_| dev.address()),
            mtu: self.mtu.map(|_| dev.mtu()),
            up: self.up.map(|_| dev.is_up()),
            ..Self::default()
        }
    }

    /// Has every change judged, up to the first that is denied.
    fn ask(&self, who: Who, dev: &Dev<Vnic>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        let mut ask = |param, value| request::ask_as(who, dev, param, value, &mut *extack, rtnl);
        if let Some(addr) = self.address {
            ask(Param::Address, mac(addr))?;
        }
        if let Some(mtu) = self.mtu {
            ask(Param::Mtu, Value::Number(mtu.into()))?;
        }
        if let Some(promisc) = self.promisc {
            ask(Param::PromiscMode, Value::Number(promisc as u64))?;
        }
        if self.poll.is_some() || self.ring_size.is_some() {
            ask(Param::Rings, Value::Number(1))?;
        }
        if self.cpus.is_some() {
            ask(Param::Cpus, Value::Number(1))?;
        }
        if self.hw.is_some() {
            ask(Param::HwRings, Value::Number(1))?;
        }
        if self.limits.is_some() {
            ask(Param::Limits, Value::Number(1))?;
        }
        if self.pool.is_some() {
            ask(Param::Pool, Value::Number(1))?;
        }
        match self.up {
            Some(up) if up != dev.is_up() => ask(Param::Up, Value::Number(up.into())),
            _ => Ok(()),
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

    /// Changes, one after the other, what may fail, up to the first that does.
    fn apply(&self, dev: &Dev<Vnic>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        if let Some(addr) = self.address.filter(|addr| *addr != dev.address()) {
            dev.change_address(addr, extack, rtnl)?;
        }
        if let Some(mtu) = self.mtu {
            dev.set_mtu(mtu, rtnl)?;
        }
        if self.up == Some(true) && !dev.is_up() {
            dev.set_up(true, extack, rtnl)?;
        }
        if let Some(hw) = self.hw.filter(|_| dev.is_up()) {
            Vnic::grant_queue(dev, hw, extack, rtnl)?;
        }
        Ok(())
    }

    /// Changes the rest: what cannot fail, and might not come back if it were undone.
    fn finish(&self, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
        if let Some(promisc) = self.promisc {
            Vnic::set_promisc(dev, promisc, rtnl);
            events::changed(dev, rtnl);
        }
        let old = dev.data().ring_settings(rtnl);
        let rings = RingSettings {
            poll: self.poll.unwrap_or(old.poll),
            size: self.ring_size.unwrap_or(old.size),
            cpus: self.cpus.unwrap_or(old.cpus),
            hw: self.hw.unwrap_or(old.hw),
        };
        if rings != old {
            Vnic::change_rings(dev, rings, rtnl);
        }
        if self.limits.is_some() {
            events::changed(dev, rtnl);
        }
        if self.up == Some(false) && dev.is_up() {
            // Going down is never refused.
            let _ = dev.set_up(false, &mut Extack::none(), rtnl);
        }
    }

    /// [`Settings::check`] and [`Settings::apply`], as `who`. A failure leaves everything as it was;
    /// what is returned has to be committed or undone.
    pub(super) fn change<'a>(
        &self,
        who: Who,
        dev: &'a Dev<Vnic>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result<Change<'a>> {
        self.ask(who, dev, extack, rtnl)?;
        self.check(dev, extack, rtnl)?;
        let mut change = Change {
            dev,
            who,
            wanted: self.clone(),
            pool: None,
            limits: None,
            before: self.present(dev),
            had_queue: dev.data().hw_queue(rtnl).is_some(),
            filter: self
                .address
                .and_then(|_| Vnic::hold_filter(dev, dev.address(), rtnl)),
            address_origin: dev.address_origin(rtnl),
            wanted_mtu: dev.data().wanted_mtu(rtnl),
            record: dev.data().record(rtnl),
        };
        // Before it may go up, with the rings of the pool.
        let pooled = self.pool.as_ref().map_or(Ok(()), |pool| {
            change.pool = Some(Vnic::change_pool(dev, pool.clone(), extack, rtnl)?);
            Ok(())
        });
        let applied = pooled
            .and_then(|()| request::authorized(rtnl, || self.apply(dev, extack, rtnl)))
            .and_then(|()| {
                change.limits = Vnic::change_limits(dev, self.limits, rtnl)?;
                Ok(())
            });
        if let Err(error) = applied {
            change.undo(rtnl);
            return Err(error);
        }
        Ok(change)
    }
}

/// A VNIC that was changed, and how it was before.
#[must_use = "it has to be committed or undone"]
pub(super) struct Change<'a> {
    dev: &'a Dev<Vnic>,
    who: Who,
    wanted: Settings,
    pool: Option<PoolChange>,
    limits: Option<LimitsChange>,
    before: Settings,
    /// Whether it had a queue of the NIC.
    had_queue: bool,
    /// The old address, for which the lower device's filter stays open: going back to it needs no memory.
    filter: Option<MacAddr>,
    address_origin: u8,
    wanted_mtu: Option<u32>,
    record: Record,
}

impl Change<'_> {
    /// Warns of what changes nothing.
    pub(super) fn warn(&self, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) {
        if self.wanted.limits.is_some() {
            Vnic::warn_of_turn(self.dev, extack, rtnl);
        }
    }

    /// Makes it last. Cannot fail.
    pub(super) fn commit(mut self, rtnl: Rtnl<'_>) {
        if let Some(pool) = self.pool.take() {
            pool.commit(self.dev, rtnl);
        }
        if let Some(limits) = self.limits.take() {
            limits.commit(self.dev, rtnl);
        }
        request::authorized(rtnl, || self.wanted.finish(self.dev, rtnl));
        Vnic::release_filter(self.dev, self.filter, rtnl);
        match self.who {
            Who::Manager => database::touch(self.dev.data().lower().net(), rtnl),
            // What a subject was allowed to change is no new default.
            Who::Subject(_) => self.restore_defaults(rtnl),
        }
    }

    /// Makes everything as it was, in the reverse order. Takes no memory of ours.
    pub(super) fn undo(mut self, rtnl: Rtnl<'_>) {
        let dev = self.dev;
        if let Some(limits) = self.limits.take() {
            limits.undo(dev, rtnl);
        }
        let result = request::authorized(rtnl, || {
            if self.before.up == Some(false) && dev.is_up() {
                dev.set_up(false, &mut Extack::none(), rtnl)?;
            }
            let before = Settings {
                up: None,
                ..self.before.clone()
            };
            before.apply(dev, &mut Extack::none(), rtnl)
        });
        if !self.had_queue {
            dev.data().give_queue_back(rtnl);
        }
        if let Some(pool) = self.pool.take() {
            pool.undo(dev, rtnl);
        }
        // Each value was there a moment ago; somebody who refuses it now is beyond us.
        if result.is_err() {
            pr_warn!("{}: not all is again as it was\n", dev.name());
        }
        Vnic::release_filter(dev, self.filter, rtnl);
        dev.set_address_origin(self.address_origin, rtnl);
        dev.data().want_mtu(self.wanted_mtu, rtnl);
        self.restore_defaults(rtnl);
    }

    fn restore_defaults(&self, rtnl: Rtnl<'_>) {
        let old = &self.record;
        self.dev.data().update_record(rtnl, |record| {
            (record.default_address, record.default_mtu) = (old.default_address, old.default_mtu);
        });
    }
}

/// Changes a VNIC.
pub(super) fn vnic(request: &Request<'_>, dev: &Dev<Vnic>, rtnl: Rtnl<'_>) -> Result {
    let who = sender(request, dev, rtnl)?;
    let wanted = Settings::of(request.attrs(), dev, &mut request.extack(), rtnl)?;
    let change = wanted.change(who, dev, &mut request.extack(), rtnl)?;
    change.warn(&mut request.extack(), rtnl);
    change.commit(rtnl);
    Ok(())
}
