// SPDX-License-Identifier: GPL-2.0

//! What VNICs do when something happens to the device below them (macvlan_device_event()).

use crate::{
    config::{
        database,
        events,
        request, //
    },
    logic::{
        addr::MacAddr,
        permission::{
            Param,
            Value, //
        },
    },
    net::{
        netdev::{
            Dev,
            NetDev, //
        },
        netlink::Extack,
        notifier::{
            Event,
            Info,
            Notified, //
        },
        rtnl::Rtnl,
        rtnl_link::kill_many,
    },
    switch::Switch,
    vnic::Vnic,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Listens to the events of all devices.
pub(crate) struct Events;

impl Notified for Events {
    fn event(
        event: Event,
        dev: &NetDev,
        info: &Info<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        if let Some(vnic) = dev.downcast::<Vnic>() {
            vnic_event(vnic, event, info, extack, rtnl)?;
        }
        if event == Event::Register {
            database::device_comes(dev, rtnl);
        }
        let switch = Switch::of(dev, rtnl);
        if let Some(switch) = &switch {
            lower_event(switch, event, dev, info, extack, rtnl)?;
        }
        if event == Event::Unregister {
            // Behind its VNICs, of which something may be kept.
            database::device_leaves(dev, switch.is_some_and(|switch| forgets(&switch)), rtnl);
        }
        Ok(())
    }
}

/// What is about to become of a VNIC is judged, what became of it is told.
fn vnic_event(
    dev: &Dev<Vnic>,
    event: Event,
    info: &Info<'_>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    match event {
        Event::PreAddress => Vnic::check_address(dev, info.new_address(), extack, rtnl)?,
        Event::PreUp => Vnic::check_room(dev, extack, rtnl)?,
        _ => {}
    }
    if !dev.data().is_announced(rtnl) {
        return Ok(());
    }
    let mut ask = |param, value| request::ask(dev, param, value, &mut *extack, rtnl);
    match event {
        Event::PreAddress => ask(Param::Address, request::mac(info.new_address()))?,
        Event::PreUp => ask(Param::Up, Value::Number(1))?,
        Event::TxQueueLen => {
            let len = dev.tx_queue_len(rtnl);
            ask(Param::TxQueueLen, Value::Number(len.into()))?;
        }
        Event::Name if dev.name() != dev.data().record(rtnl).name => {
            // If this is refused the core gives the old name back, and says so by the same event.
            ask(Param::Name, Value::Number(1))?;
            let name = dev.name();
            dev.data().update_record(rtnl, |record| record.name = name);
        }
        Event::PreUpper => {
            if info.is_new_master() {
                ask(Param::Master, Value::Number(1))?;
            }
            if let Some(vid) = info.new_vlan() {
                ask(Param::VlanDevice, Value::Number(vid.into()))?;
            }
        }
        _ => {}
    }
    events::device_event(dev, event, rtnl);
    Ok(())
}

fn lower_event(
    switch: &Arc<Switch>,
    event: Event,
    lower: &NetDev,
    info: &Info<'_>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    match event {
        Event::State => switch.for_each_vnic(rtnl, |vnic| Vnic::follow_state(vnic, rtnl)),
        Event::Features => switch.for_each_vnic(rtnl, |vnic| {
            vnic.inherit_limits(lower, rtnl);
            request::authorized(rtnl, || vnic.update_features(rtnl));
            vnic.data().follow_merging(rtnl);
        }),
        Event::Mtu => switch.for_each_vnic(rtnl, |vnic| Vnic::follow_mtu(vnic, lower.mtu(), rtnl)),
        Event::PreAddress => refuse_taken(switch, lower, info.new_address(), extack, rtnl)?,
        Event::Address => {
            // Refused in PreAddress if a VNIC has it, so this can only fail for want of memory.
            if switch
                .set_host_address(Some(lower.address()), rtnl)
                .is_err()
            {
                pr_warn!("{}: VNICs do not find the host any more\n", lower.name());
            }
        }
        Event::Register => switch.hook(rtnl),
        Event::Unregister => lower_leaves(switch, lower, rtnl),
        Event::PreType => {
            return Err(extack.refuse(
                EBUSY,
                format_args!("vnic: {} has VNICs, its type cannot change", lower.name()),
            ))
        }
        Event::PreUpper => refuse_clash(switch, lower, info, extack, rtnl)?,
        // Up to the device below, which is not ours to judge.
        Event::PreUp | Event::TxQueueLen => {}
        // Only a description shows it.
        Event::Name => events::link_changed(switch, rtnl),
        Event::PassOn(event) => switch.for_each_vnic(rtnl, |vnic| vnic.notify(event.into(), rtnl)),
    }
    Ok(())
}

/// Whether what is kept for a link that goes is forgotten: an etherstub that its manager deletes. A NIC
/// may come back.
fn forgets(switch: &Switch) -> bool {
    switch.is_stub() && switch.lower().net().is_managed_by_caller()
}

/// The lower device goes, and takes its VNICs along; or it moves to another namespace, and its
/// egress hook, which belongs to the old one, has to be set anew.
fn lower_leaves(switch: &Arc<Switch>, lower: &NetDev, rtnl: Rtnl<'_>) {
    switch.unhook(rtnl);
    if !lower.is_unregistering() {
        return;
    }
    kill_many(rtnl, |list| {
        let forget = forgets(switch);
        switch.for_each_vnic(rtnl, |vnic: &Dev<Vnic>| {
            Vnic::delete(vnic, forget, list, rtnl)
        });
    });
}

/// The lower device cannot take the address of a VNIC.
fn refuse_taken(
    switch: &Switch,
    lower: &NetDev,
    addr: MacAddr,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    match switch.untagged_holder(addr, rtnl) {
        Some(holder) if !core::ptr::eq(holder, lower) => Err(extack.refuse(
            EEXIST,
            format_args!("vnic: {addr} is the address of {}", holder.name()),
        )),
        _ => Ok(()),
    }
}

/// A VLAN device on the lower would take the frames of VNICs in the same VLAN.
fn refuse_clash(
    switch: &Switch,
    lower: &NetDev,
    info: &Info<'_>,
    extack: &mut Extack<'_>,
    rtnl: Rtnl<'_>,
) -> Result {
    let Some(vid) = info.new_vlan() else {
        return Ok(());
    };
    let mut holder = None;
    switch.for_each_vnic(rtnl, |vnic| {
        if vnic.data().vid() == vid {
            holder = Some(vnic.name());
        }
    });
    match holder {
        Some(holder) => Err(extack.refuse(
            EBUSY,
            format_args!(
                "vnic: VLAN {vid} of {} belongs to the VNIC {holder}",
                lower.name()
            ),
        )),
        None => Ok(()),
    }
}
