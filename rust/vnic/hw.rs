// SPDX-License-Identifier: GPL-2.0

//! A receive queue of the NIC for one VNIC, so that its frames are not in anybody's way from the
//! beginning.
//!
//! Only a queue that gets nothing else is given away: one that the NIC spreads no frames to
//! (`ethtool -X NIC equal N` leaves those from N on), and that no other VNIC has.

use super::Vnic;
use crate::{
    logic::addr::MacAddr,
    net::{
        self,
        netdev::Dev,
        netlink::Extack,
        rtnl::Rtnl,
        steer::{
            self,
            Rule, //
        },
        uapi, //
    },
    switch::Switch,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Whether a VNIC gets a queue of the NIC (`enum vnic_hw_rings`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum HwRings {
    /// No.
    Off = uapi::VNIC_HW_RINGS_OFF,
    /// If there is one.
    Auto = uapi::VNIC_HW_RINGS_AUTO,
    /// It does not go up without.
    On = uapi::VNIC_HW_RINGS_ON,
}

impl HwRings {
    /// The mode of that number.
    pub(crate) fn of(value: u8) -> Option<Self> {
        [Self::Off, Self::Auto, Self::On]
            .into_iter()
            .find(|mode| *mode as u8 == value)
    }
}

/// A queue that a VNIC was given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    queue: u16,
    rule: Rule,
}

impl Vnic {
    /// The queue of the NIC that is its own.
    pub(crate) fn hw_queue(&self, rtnl: Rtnl<'_>) -> Option<u16> {
        self.grant.get(rtnl).map(|grant| grant.queue)
    }

    /// A queue that nobody has, for frames to `addr`.
    fn find_queue(&self, addr: MacAddr, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result<Grant> {
        let lower = self.lower();
        if self.switch.is_stub() || !steer::is_possible(lower, rtnl) {
            return Err(extack.refuse(
                net::eopnotsupp(),
                format_args!(
                    "vnic: {} has no rules for queues, or ntuple is off",
                    lower.name()
                ),
            ));
        }
        let mut taken = steer::spread(lower, rtnl)?;
        Switch::find_vnic(rtnl, |vnic| {
            let data = vnic.data();
            if let Some(queue) = data
                .hw_queue(rtnl)
                .filter(|_| Arc::ptr_eq(&data.switch, &self.switch))
            {
                if let Some(place) = taken.get_mut(usize::from(queue)) {
                    *place = true;
                }
            }
            false
        });
        let Some(queue) = taken.iter().position(|taken| !taken) else {
            return Err(extack.refuse(
                EBUSY,
                format_args!(
                    "vnic: {} has no queue to spare of {}",
                    lower.name(),
                    taken.len()
                ),
            ));
        };
        let queue = u16::try_from(queue)?;
        let rule = steer::insert(lower, addr, queue.into(), rtnl).map_err(|error| {
            extack.refuse(
                error,
                format_args!("vnic: {} takes no rule for queue {queue}", lower.name()),
            )
        })?;
        Ok(Grant { queue, rule })
    }

    /// Gets a queue for a VNIC that is up or about to be, unless it has one. With [`HwRings::On`] it fails
    /// if there is none.
    pub(crate) fn grant_queue(
        dev: &Dev<Self>,
        mode: HwRings,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let data = dev.data();
        if mode == HwRings::Off || data.grant.get(rtnl).is_some() {
            return Ok(());
        }
        let result = match mode {
            HwRings::On => data.find_queue(dev.address(), extack, rtnl),
            _ => data.find_queue(dev.address(), &mut Extack::none(), rtnl),
        };
        match result {
            Ok(grant) => data.grant.set(Some(grant), rtnl),
            Err(error) if mode == HwRings::On => return Err(error),
            Err(_) => {}
        }
        Ok(())
    }

    /// Gives it back.
    pub(crate) fn give_queue_back(&self, rtnl: Rtnl<'_>) {
        if let Some(grant) = self.grant.replace(None, rtnl) {
            steer::remove(self.lower(), grant.rule, rtnl);
        }
    }

    /// Has its queue receive frames to another address. If the NIC takes no rule for it, the VNIC is without
    /// one, or, with [`HwRings::On`], nothing is changed.
    pub(super) fn steer_address(&self, addr: MacAddr, rtnl: Rtnl<'_>) -> Result {
        let Some(grant) = self.grant.get(rtnl) else {
            return Ok(());
        };
        let rule = match steer::insert(self.lower(), addr, grant.queue.into(), rtnl) {
            Ok(rule) => rule,
            Err(error) if self.ring_settings(rtnl).hw == HwRings::On => return Err(error),
            Err(_) => {
                self.give_queue_back(rtnl);
                return Ok(());
            }
        };
        steer::remove(self.lower(), grant.rule, rtnl);
        self.grant.set(Some(Grant { rule, ..grant }), rtnl);
        Ok(())
    }
}
