// SPDX-License-Identifier: GPL-2.0

//! A VNIC as a kind of link: creation, change, description.

use super::{
    shaping::Shaping,
    HwRings,
    Kinds,
    Limits,
    Poll,
    Promisc,
    RingSettings,
    Vnic, //
};
use crate::{
    config::{
        database::{
            self,
            Record, //
        },
        events,
        request, //
    },
    link,
    logic::{
        addr::{
            Key,
            KeyVlan, //
        },
        cpus::MAX_TEXT,
        mtu,
        permission::{
            Param,
            Value, //
        },
        vlan, //
    },
    net::{
        self,
        counters::Counters,
        ethtool,
        flow::Flows,
        netdev::{
            Dev,
            Name,
            Net,
            NetDev, //
        },
        netlink::{
            attr_size,
            Attrs,
            Extack,
            Message,
            Policy, //
        },
        netpoll::Netpoll,
        rcu::RcuArray,
        ring::Rings,
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
        rtnl_link::{
            Early,
            KillList,
            LinkOps,
            NewLink, //
        },
        rx_handler,
        uapi, //
    },
    pool::Membership,
    switch::Switch,
};
use core::{
    ffi::CStr,
    sync::atomic::{
        AtomicBool,
        AtomicU64,
        AtomicU8,
        Ordering, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The identity of the last VNIC made.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

impl LinkOps for Vnic {
    const KIND: &'static CStr = c"vnic";
    const POLICY: &'static [Policy] = &[
        Policy::NONE,
        Policy::U16,
        Policy::U8,
        Policy::U8,
        Policy::reject(c"how the lower device filters is up to it"),
        Policy::reject(c"the number of VNICs cannot be set"),
        Policy::U8,
        Policy::U32,
        Policy::NAME,
        Policy::text(MAX_TEXT as u16),
        Policy::U8,
        Policy::reject(c"the queue of the link cannot be set, only whether there is one"),
        Policy::UINT,
        Policy::UINT,
        Policy::U32,
        Policy::U32,
        Policy::U32,
        Policy::U16,
        Policy::U8,
    ];
    const INFO_SIZE: usize = 2 * attr_size(2)
        + 6 * attr_size(1)
        + 6 * attr_size(4)
        + 2 * attr_size(8)
        + attr_size(Name::MAX_LEN + 1)
        + attr_size(MAX_TEXT + 1);
    const ETHTOOL: &'static ethtool::Table = &ethtool::table::<Self>();

    fn validate(attrs: Attrs<'_>, data: Attrs<'_>, extack: &mut Extack<'_>) -> Result {
        link::validate_address(attrs, extack)?;
        vlan_attr(data, extack)?;
        promisc_attr(data, extack)?;
        ring_attrs(RingSettings::DEFAULT, data, extack)?;
        Limits::DEFAULT.with(data, &Kinds::LINK, extack)?;
        link::host_attr(data, uapi::IFLA_VNIC_HOST, extack).map(|_| ())
    }

    // Inlined, so that what it returns is made where it stays, and not copied twice.
    #[inline(always)]
    fn new(early: &Early<'_>, link: &NewLink<'_>, extack: &mut Extack<'_>) -> Result<Self> {
        let lower = find_lower(link, extack)?;
        let creator = request::ask_for_vnic(lower, extack, link.rtnl)?;
        let wanted_mtu = set_mtu(early, link, lower, extack)?;
        if link.attrs.get(uapi::IFLA_ADDRESS).is_none() {
            early.set_random_address();
        }
        let vid = vlan_attr(link.data, extack)?.unwrap_or(0);
        if vid != 0 && lower.has_vlan(vid, link.rtnl) {
            return Err(extack.refuse(
                EBUSY,
                format_args!("vnic: {} has a VLAN device for VLAN {vid}", lower.name()),
            ));
        }
        let switch = switch_of(lower, link.rtnl, extack)?;
        let key = Key::new(early.device().address(), KeyVlan::new(vid));
        refuse_taken(&switch, lower, early, key, extack, link.rtnl)?;
        let promisc = promisc_attr(link.data, extack)?;
        let ring_settings = ring_attrs(RingSettings::DEFAULT, link.data, extack)?;
        ring_settings.check_cpus(&RingSettings::DEFAULT, lower, extack)?;
        let limits = Limits::DEFAULT.with(link.data, &Kinds::LINK, extack)?;
        let host = link::host_attr(link.data, uapi::IFLA_VNIC_HOST, extack)?;
        let pool = match link.data.get(uapi::IFLA_VNIC_POOL) {
            Some(attr) => super::pool::named(&attr, lower, extack, link.rtnl)?,
            None => None,
        };
        if promisc.is_some()
            || host.is_some()
            || pool.is_some()
            || limits.is_some()
            || ring_settings != RingSettings::DEFAULT
        {
            refuse_maker(creator, lower, extack)?;
        }
        if let Some(on) = host {
            switch.set_host(on, link.rtnl);
        }
        Ok(Self {
            switch,
            counters: Counters::new(),
            rings: Rings::new(),
            flows: Flows::new(),
            detour: AtomicBool::new(false),
            shaping: Shaping::new(),
            vlan: KeyVlan::new(vid),
            vid,
            wide: AtomicBool::new(false),
            all: AtomicBool::new(false),
            promisc: AtomicU8::new(promisc.unwrap_or(Promisc::Own) as u8),
            id: LAST_ID.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            vids: RcuArray::new(),
            netpoll: Netpoll::new(),
            wanted_mtu: RtnlCell::new(wanted_mtu),
            following: RtnlCell::new(false),
            address: RtnlCell::new(None),
            unicast: RtnlCell::new(KVec::new()),
            multicast: RtnlCell::new(KVec::new()),
            announced: RtnlCell::new(false),
            asked: RtnlCell::new(super::rx_mode::Asked::default()),
            flags: RtnlCell::new((false, false)),
            refused: RtnlCell::new(KVec::new()),
            record: RtnlCell::new(Record {
                creator,
                ..Record::NEW
            }),
            ring_settings: RtnlCell::new(ring_settings),
            limits: RtnlCell::new(limits.unwrap_or(Limits::DEFAULT)),
            grant: RtnlCell::new(None),
            pool: RtnlCell::new(pool.map(Membership::new)),
        })
    }

    fn registered(dev: &Dev<Self>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        let lower = dev.data().lower();
        dev.data().follow_limits(&Limits::DEFAULT, rtnl)?;
        dev.link_upper(lower, extack, rtnl)?;
        Self::follow_state(dev, rtnl);
        dev.link_event(rtnl);
        let creator = dev.data().record(rtnl).creator;
        let record = Record::of(dev, creator, rtnl);
        dev.data().record.set(record, rtnl);
        dev.data().announced.set(true, rtnl);
        if creator == 0 {
            database::touch(lower.net(), rtnl);
            database::vnic_comes(dev, rtnl);
        }
        events::added(dev, rtnl);
        Self::warn_of_turn(dev, extack, rtnl);
        Ok(())
    }

    fn change(
        dev: &Dev<Self>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let data = dev.data();
        if let Some(vid) = vlan_attr(attrs, extack)? {
            if vid != data.vid {
                return Err(extack.refuse(
                    net::eopnotsupp(),
                    format_args!("vnic: VLAN {} is for life, make another VNIC", data.vid),
                ));
            }
        }
        let promisc = promisc_attr(attrs, extack)?;
        let host = link::host_attr(attrs, uapi::IFLA_VNIC_HOST, extack)?;
        let old_rings = data.ring_settings(rtnl);
        let rings = ring_attrs(old_rings, attrs, extack)?;
        rings.check_cpus(&old_rings, data.lower(), extack)?;
        let limits = data.limits(rtnl).with(attrs, &Kinds::LINK, extack)?;
        let pool = match attrs.get(uapi::IFLA_VNIC_POOL) {
            Some(attr) => {
                request::ask(dev, Param::Pool, Value::Number(1), extack, rtnl)?;
                Some(super::pool::named(&attr, data.lower(), extack, rtnl)?)
            }
            None => None,
        };
        if let Some(promisc) = promisc {
            let value = Value::Number(promisc as u64);
            request::ask(dev, Param::PromiscMode, value, extack, rtnl)?;
        }
        if let Some(on) = host {
            let value = Value::Number(on.into());
            request::ask(dev, Param::Host, value, extack, rtnl)?;
        }
        if limits.is_some() {
            request::ask(dev, Param::Limits, Value::Number(1), extack, rtnl)?;
        }
        let pool = match pool {
            Some(pool) => Some(Self::change_pool(dev, pool, extack, rtnl)?),
            None => None,
        };
        // The last that can fail.
        let limited = Self::change_limits(dev, limits, rtnl);
        let result = limited.and_then(|change| {
            Self::ask_rings(dev, rings, extack, rtnl).inspect_err(|_| {
                if let Some(change) = change {
                    change.undo(dev, rtnl);
                }
            })?;
            Ok(change)
        });
        match result {
            Ok(None) => (),
            Ok(Some(change)) => change.commit(dev, rtnl),
            Err(error) => {
                if let Some(pool) = pool {
                    pool.undo(dev, rtnl);
                }
                return Err(error);
            }
        }
        if let Some(pool) = pool {
            pool.commit(dev, rtnl);
            database::touch(data.lower().net(), rtnl);
        }
        if promisc.is_some() || host.is_some() || limits.is_some() {
            database::touch(data.lower().net(), rtnl);
        }
        if let Some(promisc) = promisc {
            Self::set_promisc(dev, promisc, rtnl);
            events::changed(dev, rtnl);
        }
        if let Some(on) = host {
            data.switch.set_host(on, rtnl);
        }
        if limits.is_some() {
            events::changed(dev, rtnl);
            Self::warn_of_turn(dev, extack, rtnl);
        }
        Ok(())
    }

    fn dellink(dev: &Dev<Self>, list: &mut KillList<'_>, rtnl: Rtnl<'_>) {
        let forget = dev.data().lower().net().is_managed_by_caller();
        Self::delete(dev, forget, list, rtnl);
    }

    fn fill_info(dev: &Dev<Self>, message: &mut Message<'_>, rtnl: Rtnl<'_>) -> Result {
        let data = dev.data();
        message.put_u16(uapi::IFLA_VNIC_VLAN, data.vid)?;
        message.put_u8(
            uapi::IFLA_VNIC_PROMISC,
            data.promisc.load(Ordering::Relaxed),
        )?;
        message.put_u8(uapi::IFLA_VNIC_HOST, data.switch.host().into())?;
        message.put_u8(uapi::IFLA_VNIC_FILTER, data.switch.filter())?;
        message.put_u32(uapi::IFLA_VNIC_COUNT, data.switch.vnic_count())?;
        let rings = data.ring_settings(rtnl);
        message.put_u8(uapi::IFLA_VNIC_POLL, rings.poll as u8)?;
        message.put_u32(uapi::IFLA_VNIC_RING_SIZE, rings.size)?;
        if let Some(pool) = data.pool(rtnl) {
            message.put_name(uapi::IFLA_VNIC_POOL, pool.name())?;
        }
        if !rings.cpus.is_empty() {
            message.put_text(uapi::IFLA_VNIC_CPUS, rings.cpus)?;
        }
        message.put_u8(uapi::IFLA_VNIC_HW_RINGS, rings.hw as u8)?;
        let limits = data.limits(rtnl);
        limits.put(&Kinds::LINK, message)?;
        message.put_u8(Kinds::LINK.priority(), limits.priority as u8)?;
        match data.hw_queue(rtnl) {
            Some(queue) => message.put_u32(uapi::IFLA_VNIC_HW_QUEUE, queue.into()),
            None => Ok(()),
        }
    }

    fn link_net(dev: &Dev<Self>) -> Net<'_> {
        dev.data().lower().net()
    }
}

impl Vnic {
    /// Queues a VNIC to be removed; with `forget` nothing of it is kept.
    pub(crate) fn delete(dev: &Dev<Self>, forget: bool, list: &mut KillList<'_>, rtnl: Rtnl<'_>) {
        let switch = &dev.data().switch;
        // Once only: a VNIC and its link may be removed in one batch, each on its own and the VNIC
        // once more with the link.
        if switch.vnics().remove(dev, rtnl) {
            dev.data()
                .update_record(rtnl, |record| record.forget = forget);
            dev.unlink_upper(switch.lower(), rtnl);
            list.unregister(dev, rtnl);
        }
    }
}

/// The device below a new VNIC.
fn find_lower<'a>(link: &NewLink<'a>, extack: &mut Extack<'_>) -> Result<&'a NetDev> {
    let Some(attr) = link.attrs.get(uapi::IFLA_LINK) else {
        return Err(extack.refuse(
            EINVAL,
            format_args!("vnic: a VNIC needs a link: ip link add link DEVICE …"),
        ));
    };
    let Some(lower) = link.link_net.device(attr.u32(), link.rtnl) else {
        return Err(extack.refuse_attr(
            &attr,
            ENODEV,
            format_args!(
                "vnic: there is no device with index {} to be the link",
                attr.u32()
            ),
        ));
    };
    if !lower.is_ethernet() || lower.is_loopback() {
        return Err(extack.refuse_attr(
            &attr,
            EINVAL,
            format_args!("vnic: {} is no Ethernet device", lower.name()),
        ));
    }
    if lower.is_wireless() {
        return Err(extack.refuse_attr(
            &attr,
            net::eopnotsupp(),
            format_args!(
                "vnic: {} is wireless and carries one address only",
                lower.name()
            ),
        ));
    }
    Ok(lower)
}

/// Bounds the MTU by the lower device's; returns what was asked for.
fn set_mtu(
    early: &Early<'_>,
    link: &NewLink<'_>,
    lower: &NetDev,
    extack: &mut Extack<'_>,
) -> Result<Option<u32>> {
    let wanted = link
        .attrs
        .get(uapi::IFLA_MTU)
        .map(|attr| (early.mtu(), attr));
    if let Some((mtu, attr)) = &wanted {
        if *mtu > lower.mtu() {
            return Err(extack.refuse_attr(
                attr,
                EINVAL,
                format_args!(
                    "vnic: MTU {mtu} is above {}, the MTU of {}",
                    lower.mtu(),
                    lower.name()
                ),
            ));
        }
    }
    let wanted = wanted.map(|(mtu, _)| mtu);
    early.set_mtu(mtu::effective(wanted, lower.mtu()));
    early.set_mtu_limits(mtu::MIN, lower.mtu());
    Ok(wanted)
}

/// The switch of `lower`, or a new one that is not attached yet.
fn switch_of(lower: &NetDev, rtnl: Rtnl<'_>, extack: &mut Extack<'_>) -> Result<Arc<Switch>> {
    if let Some(switch) = Switch::of(lower, rtnl) {
        return Ok(switch);
    }
    if rx_handler::is_busy(lower, rtnl) {
        return Err(match lower.rx_handler_owner(rtnl) {
            Some(owner) => extack.refuse(
                EBUSY,
                format_args!("vnic: {} belongs to {owner} already", lower.name()),
            ),
            None => extack.refuse(
                EBUSY,
                format_args!("vnic: {} has another user of its frames", lower.name()),
            ),
        });
    }
    Switch::new(lower, false)
}

/// A new VNIC cannot have an address that is taken.
fn refuse_taken(
    switch: &Switch,
    lower: &NetDev,
    _early: &Early<'_>,
    key: Key,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    let addr = key.addr();
    let holder = match switch.addresses().holder(key, rtnl) {
        Some(holder) => holder,
        // A switch that is not attached yet does not know the host's address.
        None if key.vid() == 0 && lower.address() == addr => lower,
        None => return Ok(()),
    };
    Err(extack.refuse(
        EEXIST,
        format_args!("vnic: {addr} is the address of {}", holder.name()),
    ))
}

/// Some attributes of a new VNIC are for the manager of the link alone.
fn refuse_maker(creator: u64, lower: &NetDev, extack: &mut Extack<'_>) -> Result {
    if creator == 0 {
        return Ok(());
    }
    Err(extack.refuse(
        EPERM,
        format_args!(
            "vnic: settings other than vlan are for the manager of {}",
            lower.name()
        ),
    ))
}

fn vlan_attr(data: Attrs<'_>, extack: &mut Extack<'_>) -> Result<Option<u16>> {
    let Some(attr) = data.get(uapi::IFLA_VNIC_VLAN) else {
        return Ok(None);
    };
    match attr.u16() {
        vid if vid <= vlan::MAX_VID => Ok(Some(vid)),
        vid => Err(extack.refuse_attr(
            &attr,
            ERANGE,
            format_args!("vnic: VLAN {vid} is above {}", vlan::MAX_VID),
        )),
    }
}

/// The settings of rings that result from `old` and what a request says.
fn ring_attrs(old: RingSettings, data: Attrs<'_>, extack: &mut Extack<'_>) -> Result<RingSettings> {
    let mut new = old;
    if let Some(attr) = data.get(uapi::IFLA_VNIC_POLL) {
        let Some(poll) = Poll::of(attr.u8()) else {
            return Err(extack.refuse_attr(
                &attr,
                EINVAL,
                format_args!("vnic: poll is 0, 1 or 2, not {}", attr.u8()),
            ));
        };
        new.poll = poll;
    }
    if let Some(attr) = data.get(uapi::IFLA_VNIC_RING_SIZE) {
        new = new.with_size(attr.u32(), extack)?;
    }
    if let Some(attr) = data.get(uapi::IFLA_VNIC_CPUS) {
        new = new.with_cpus(&attr, extack)?;
    }
    if let Some(attr) = data.get(uapi::IFLA_VNIC_HW_RINGS) {
        let Some(hw) = HwRings::of(attr.u8()) else {
            return Err(extack.refuse_attr(
                &attr,
                EINVAL,
                format_args!("vnic: hw-rings is 0, 1 or 2, not {}", attr.u8()),
            ));
        };
        new.hw = hw;
    }
    Ok(new)
}

fn promisc_attr(data: Attrs<'_>, extack: &mut Extack<'_>) -> Result<Option<Promisc>> {
    let Some(attr) = data.get(uapi::IFLA_VNIC_PROMISC) else {
        return Ok(None);
    };
    match Promisc::of(attr.u8()) {
        Some(promisc) => Ok(Some(promisc)),
        None => Err(extack.refuse_attr(
            &attr,
            EINVAL,
            format_args!("vnic: promisc is 0, 1 or 2, not {}", attr.u8()),
        )),
    }
}
