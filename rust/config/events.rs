// SPDX-License-Identifier: GPL-2.0

//! Who listens is told of changes: where the link is, and where the VNIC is.

use super::{
    database::{
        self,
        Denial, //
    },
    request::{
        self,
        Who, //
    },
    show,
};
use crate::{
    net::{
        flow::Flow,
        genl::{
            self,
            Command,
            Listeners, //
        },
        netdev::{
            Dev,
            Net, //
        },
        notifier::Event,
        rtnl::Rtnl, //
    },
    pool::Pool,
    switch::Switch,
    vnic::Vnic,
};

/// Something happened to the device of a VNIC.
pub(crate) fn device_event(dev: &Dev<Vnic>, event: Event, rtnl: Rtnl<'_>) {
    if !dev.data().is_announced(rtnl) {
        return;
    }
    agree(dev, event, rtnl);
    match event {
        Event::Register => {
            // It moved here.
            tell_link(dev, Command::VnicChange, rtnl);
            tell_own(dev, Command::VnicAdd, rtnl);
        }
        Event::Unregister => {
            if dev.is_unregistering() {
                database::vnic_leaves(dev, rtnl);
                tell_link(dev, Command::VnicDelete, rtnl);
            }
            tell_own(dev, Command::VnicDelete, rtnl);
        }
        Event::State | Event::Mtu | Event::Address | Event::Name => changed(dev, rtnl),
        _ => {}
    }
}

/// Enters what became of the device. What the manager does is the default from then on.
fn agree(dev: &Dev<Vnic>, event: Event, rtnl: Rtnl<'_>) {
    let manager = matches!(request::caller(dev, rtnl), Who::Manager);
    let data = dev.data();
    match event {
        Event::Register => {
            // A move may have brought a name along, which no event told.
            let (owner, name) = (dev.net().cookie(), dev.name());
            data.update_record(rtnl, |record| {
                record.name = name;
                if manager {
                    record.owner = owner;
                }
            });
        }
        Event::Mtu => {
            let (mtu, wanted, following) = (dev.mtu(), data.wanted_mtu(rtnl), data.follows(rtnl));
            data.update_record(rtnl, |record| {
                if manager && !following {
                    record.default_mtu = wanted;
                }
                record.mtu = mtu;
            });
        }
        Event::Address => {
            let addr = dev.address();
            data.update_record(rtnl, |record| {
                if manager {
                    record.default_address = addr;
                }
                record.address = addr;
            });
        }
        _ => {}
    }
    if matches!(event, Event::Mtu | Event::Address | Event::Name) {
        request::count_change(dev, rtnl);
    }
}

/// A request on a link of `net` was denied.
pub(super) fn denied(net: Net<'_>, denial: &Denial, rtnl: Rtnl<'_>) {
    genl::notify(net, Listeners::Denied, Command::Denied, rtnl, |message| {
        show::denial(denial, net, message)
    });
}

/// A VNIC is new.
pub(crate) fn added(dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
    tell_link(dev, Command::VnicAdd, rtnl);
    tell_own(dev, Command::VnicAdd, rtnl);
}

/// Something changed that a description of the VNIC shows.
pub(crate) fn changed(dev: &Dev<Vnic>, rtnl: Rtnl<'_>) {
    tell_link(dev, Command::VnicChange, rtnl);
    tell_own(dev, Command::VnicChange, rtnl);
}

/// Something changed that a description of the link shows.
pub(crate) fn link_changed(switch: &Switch, rtnl: Rtnl<'_>) {
    let net = switch.lower().net();
    genl::notify(
        net,
        Listeners::Config,
        Command::LinkChange,
        rtnl,
        |message| show::link(switch, rtnl, message),
    );
}

/// Something happened to a pool; told in the host's first namespace, `net`.
pub(super) fn pool(command: Command, pool: &Pool, net: Net<'_>, rtnl: Rtnl<'_>) {
    genl::notify(net, Listeners::Config, command, rtnl, |message| {
        show::pool(pool, rtnl, message)
    });
}

/// The host pool changed, likewise.
pub(super) fn host_pool(net: Net<'_>, rtnl: Rtnl<'_>) {
    let command = Command::PoolChange;
    genl::notify(net, Listeners::Config, command, rtnl, |message| {
        show::host_pool(rtnl, message)
    });
}

/// A ring of a VNIC in a pool dropped so many packets. Told where the link is: in the first namespace.
pub(crate) fn overflow(dev: &Dev<Vnic>, ring: u16, packets: u32, pool: &Pool, rtnl: Rtnl<'_>) {
    let net = dev.data().lower().net();
    let command = Command::Overflow;
    genl::notify(net, Listeners::Overflow, command, rtnl, |message| {
        show::overflow(dev, (ring, packets), pool, message)
    });
}

/// Something happened to a flow of a VNIC.
pub(super) fn flow(command: Command, dev: &Dev<Vnic>, flow: &Flow, rtnl: Rtnl<'_>) {
    let (link, own) = (dev.data().lower().net(), dev.net());
    let tell = |net| {
        genl::notify(net, Listeners::Config, command, rtnl, |message| {
            show::flow(dev, flow, rtnl, message)
        });
    };
    tell(link);
    if own != link {
        tell(own);
    }
}

fn tell_link(dev: &Dev<Vnic>, command: Command, rtnl: Rtnl<'_>) {
    let net = dev.data().lower().net();
    genl::notify(net, Listeners::Config, command, rtnl, |message| {
        show::vnic(dev, net, rtnl, message)
    });
}

/// Tells the namespace of the VNIC, unless its link is there, too.
fn tell_own(dev: &Dev<Vnic>, command: Command, rtnl: Rtnl<'_>) {
    let net = dev.net();
    if net != dev.data().lower().net() {
        genl::notify(net, Listeners::Config, command, rtnl, |message| {
            show::vnic(dev, net, rtnl, message)
        });
    }
}
