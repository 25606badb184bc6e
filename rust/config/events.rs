// SPDX-License-Identifier: GPL-2.0

//! Who listens is told of changes: where the link is, and where the VNIC is.

use super::show;
use crate::{
    net::{
        genl::{
            self,
            Command, //
        },
        netdev::Dev,
        notifier::Event,
        rtnl::Rtnl, //
    },
    switch::Switch,
    vnic::Vnic,
};

/// Something happened to the device of a VNIC.
pub(crate) fn device_event(dev: &Dev<Vnic>, event: Event, rtnl: Rtnl<'_>) {
    if !dev.data().is_announced(rtnl) {
        return;
    }
    match event {
        Event::Register => {
            // It moved here.
            tell_link(dev, Command::VnicChange, rtnl);
            tell_own(dev, Command::VnicAdd, rtnl);
        }
        Event::Unregister => {
            if dev.is_unregistering() {
                tell_link(dev, Command::VnicDelete, rtnl);
            }
            tell_own(dev, Command::VnicDelete, rtnl);
        }
        Event::State | Event::Mtu | Event::Address | Event::Name => changed(dev, rtnl),
        _ => {}
    }
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
    genl::notify(switch.lower().net(), Command::LinkChange, rtnl, |message| {
        show::link(switch, message)
    });
}

fn tell_link(dev: &Dev<Vnic>, command: Command, rtnl: Rtnl<'_>) {
    let net = dev.data().lower().net();
    genl::notify(net, command, rtnl, |message| show::vnic(dev, net, message));
}

/// Tells the namespace of the VNIC, unless its link is there, too.
fn tell_own(dev: &Dev<Vnic>, command: Command, rtnl: Rtnl<'_>) {
    let net = dev.net();
    if net != dev.data().lower().net() {
        genl::notify(net, command, rtnl, |message| show::vnic(dev, net, message));
    }
}
