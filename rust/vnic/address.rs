// SPDX-License-Identifier: GPL-2.0

//! Addresses and VLANs of a VNIC: in the switch's table and in the lower device's filters.

use super::Vnic;
use crate::{
    logic::{
        addr::{
            Key,
            MacAddr, //
        },
        vlan, //
    },
    net::{
        self,
        netdev::Dev,
        netlink::Extack,
        rcu::NewArray,
        rtnl::Rtnl, //
    },
};
use kernel::prelude::*;

impl Vnic {
    pub(super) fn key(&self, addr: MacAddr) -> Key {
        Key::new(addr, self.vlan)
    }

    /// Whether this VNIC may have `addr`; names who has it if not.
    pub(crate) fn check_address(
        dev: &Dev<Self>,
        addr: MacAddr,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let data = dev.data();
        match data.switch.addresses().holder(data.key(addr), rtnl) {
            Some(holder) if !core::ptr::eq(holder, &raw const **dev) => Err(extack.refuse(
                EEXIST,
                format_args!("vnic: {addr} is the address of {}", holder.name()),
            )),
            _ => Ok(()),
        }
    }

    /// Enters the VNIC's own address into the switch's table.
    pub(super) fn claim_address(&self, dev: &Dev<Self>, addr: MacAddr, rtnl: Rtnl<'_>) -> Result {
        self.switch.addresses().insert(self.key(addr), dev, rtnl)?;
        self.address.set(Some(addr), rtnl);
        Ok(())
    }

    /// Undoes `claim_address`.
    pub(super) fn release_address(&self, rtnl: Rtnl<'_>) {
        if let Some(addr) = self.address.take(rtnl) {
            self.switch.addresses().remove(self.key(addr), rtnl);
        }
    }

    /// The VNIC's own address becomes `new`: all or nothing.
    pub(super) fn change_address(&self, dev: &Dev<Self>, new: MacAddr, rtnl: Rtnl<'_>) -> Result {
        if !new.is_unicast() {
            return Err(net::eaddrnotavail());
        }
        let old = self.address.get(rtnl);
        if old == Some(new) {
            return Ok(());
        }
        let addresses = self.switch.addresses();
        if let Some(holder) = addresses.holder(self.key(new), rtnl) {
            // There is no place for a sentence here; where there was one, it was said before.
            if net::ratelimit() {
                pr_info!(
                    "{}: {new} is the address of {}\n",
                    dev.name(),
                    holder.name()
                );
            }
            return Err(EEXIST);
        }
        addresses.insert(self.key(new), dev, rtnl)?;
        let filtered = self.asked.get(rtnl).open && !self.switch.is_stub();
        if filtered {
            if let Err(error) = self.lower().unicast_add(new, rtnl) {
                addresses.remove(self.key(new), rtnl);
                return Err(error);
            }
        }
        if let Err(error) = self.steer_address(new, rtnl) {
            if filtered {
                self.lower().unicast_remove(new, rtnl);
            }
            addresses.remove(self.key(new), rtnl);
            return Err(error);
        }
        dev.set_address(new, rtnl);
        self.address.set(Some(new), rtnl);
        if let Some(old) = old {
            addresses.remove(self.key(old), rtnl);
            if filtered {
                self.lower().unicast_remove(old, rtnl);
            }
        }
        Ok(())
    }

    /// Keeps the lower device's filter open for `addr`, which the VNIC has, whatever becomes of it until
    /// [`Vnic::release_filter`]. Takes no memory: it is one more reference.
    pub(crate) fn hold_filter(dev: &Dev<Self>, addr: MacAddr, rtnl: Rtnl<'_>) -> Option<MacAddr> {
        let data = dev.data();
        let filtered = data.asked.get(rtnl).open && !data.switch.is_stub();
        (filtered && data.lower().unicast_add(addr, rtnl).is_ok()).then_some(addr)
    }

    /// Undoes `hold_filter`.
    pub(crate) fn release_filter(dev: &Dev<Self>, held: Option<MacAddr>, rtnl: Rtnl<'_>) {
        if let Some(addr) = held {
            dev.data().lower().unicast_remove(addr, rtnl);
        }
    }

    /// Lets the frames of the VNIC's own VLAN through the lower device's filter.
    pub(super) fn add_own_vlan(&self, rtnl: Rtnl<'_>) -> Result {
        if self.vid == 0 || self.switch.is_stub() {
            return Ok(());
        }
        self.lower().vlan_add(self.vid, rtnl)?;
        let asked = self.asked.get(rtnl);
        self.asked.set(
            super::rx_mode::Asked {
                own_vlan: true,
                ..asked
            },
            rtnl,
        );
        Ok(())
    }

    /// Undoes `add_own_vlan`.
    pub(super) fn remove_own_vlan(&self, rtnl: Rtnl<'_>) {
        let asked = self.asked.get(rtnl);
        if asked.own_vlan {
            self.lower().vlan_remove(self.vid, rtnl);
            self.asked.set(
                super::rx_mode::Asked {
                    own_vlan: false,
                    ..asked
                },
                rtnl,
            );
        }
    }

    /// A VLAN device is put on top of the VNIC. Behind a VLAN of its own, its tags are inner ones,
    /// which nobody filters.
    pub(super) fn add_vlan(&self, vid: u16, rtnl: Rtnl<'_>) -> Result {
        if self.vid != 0 || vid == 0 {
            return Ok(());
        }
        if !self.switch.is_stub() {
            self.lower().vlan_add(vid, rtnl)?;
        }
        if let Err(error) = self.note_vlan(vid, rtnl) {
            if !self.switch.is_stub() {
                self.lower().vlan_remove(vid, rtnl);
            }
            return Err(error);
        }
        Ok(())
    }

    fn note_vlan(&self, vid: u16, rtnl: Rtnl<'_>) -> Result {
        if !self.vids.is_allocated(rtnl) {
            self.vids.publish(NewArray::new(vlan::VID_WORDS)?, rtnl);
        }
        self.vids.update(rtnl, |set| vlan::vid_insert(set, vid));
        Ok(())
    }

    /// Undoes `add_vlan`.
    pub(super) fn remove_vlan(&self, vid: u16, rtnl: Rtnl<'_>) {
        if self.vid != 0 || vid == 0 {
            return;
        }
        self.vids.update(rtnl, |set| vlan::vid_remove(set, vid));
        if !self.switch.is_stub() {
            self.lower().vlan_remove(vid, rtnl);
        }
    }
}
