// SPDX-License-Identifier: GPL-2.0

//! What a VNIC wants to receive besides its own address: secondary addresses, groups, everything.
//!
//! All of it is withdrawn while the VNIC is down. The lower device is made promiscuous only for a
//! VNIC that sees all; for addresses its filter is used, and what it does when the filter is full
//! or missing is its own affair (`filter` in `ip -d link` tells).

use super::{
    Promisc,
    Vnic, //
};
use crate::{
    config::request,
    logic::{
        addr::MacAddr,
        permission::{
            Param,
            Value, //
        },
    },
    net::{
        self,
        netdev::Dev,
        netlink::Extack,
        ops::AddrList,
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
    },
};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// What was asked of the switch and of the lower device, and has to be undone.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked {
    /// The VNIC is up, its address and broadcast wanted.
    pub(super) open: bool,
    /// Its VLAN passes the lower device's filter.
    pub(super) own_vlan: bool,
    /// It is in the switch's list of those who want all group frames.
    pub(super) wide: bool,
    /// It is in the list of those who want all frames.
    pub(super) all: bool,
    /// The lower device lets all group frames in.
    pub(super) lower_allmulti: bool,
    /// The lower device lets everything in.
    pub(super) lower_promisc: bool,
}

/// The two lists of secondary addresses.
#[derive(Clone, Copy)]
enum Kind {
    Unicast,
    Multicast,
}

impl Kind {
    fn param(self) -> Param {
        match self {
            Self::Unicast => Param::Addresses,
            Self::Multicast => Param::Groups,
        }
    }
}

/// The value of what is just switched on.
const ON: Value = Value::Number(1);

impl Vnic {
    /// The VNIC goes up.
    pub(super) fn open_filters(&self, dev: &Dev<Self>, rtnl: Rtnl<'_>) -> Result {
        let addr = dev.address();
        let broadcast = self.key(MacAddr::BROADCAST);
        self.switch.groups().join(broadcast, dev, rtnl)?;
        if !self.switch.is_stub() {
            if let Err(error) = self.lower().unicast_add(addr, rtnl) {
                self.switch.groups().leave(broadcast, dev, rtnl);
                return Err(error);
            }
        }
        let asked = self.asked.get(rtnl);
        self.asked.set(
            Asked {
                open: true,
                ..asked
            },
            rtnl,
        );
        self.apply_flags(dev, rtnl);
        Ok(())
    }

    /// The VNIC goes down.
    pub(super) fn close_filters(&self, dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        let asked = self.asked.get(rtnl);
        self.asked.set(
            Asked {
                open: false,
                ..asked
            },
            rtnl,
        );
        self.apply_flags(dev, rtnl);
        self.forget_all(Kind::Unicast, dev, rtnl);
        self.forget_all(Kind::Multicast, dev, rtnl);
        let broadcast = self.key(MacAddr::BROADCAST);
        self.switch.groups().leave(broadcast, dev, rtnl);
        if !self.switch.is_stub() {
            self.lower().unicast_remove(dev.address(), rtnl);
        }
    }

    /// Brings switch and lower device in line with the device's flags and its promiscuous mode.
    /// What cannot be had is left out and said.
    pub(super) fn apply_flags(&self, dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        let mut asked = self.asked.get(rtnl);
        let record = self.record.get(rtnl);
        let promisc = match self.promisc() {
            Some(promisc) if dev.is_promisc() && record.promisc && asked.open => promisc,
            _ => Promisc::Off,
        };
        let allmulti = asked.open && dev.is_allmulti() && record.allmulti;
        let wide = allmulti || promisc != Promisc::Off;
        let all = promisc == Promisc::All;
        let mut failed = false;

        if asked.wide != wide {
            let result = if wide {
                self.switch.wide().join(dev, rtnl)
            } else {
                self.switch.wide().leave(dev, rtnl);
                Ok(())
            };
            failed |= result.is_err();
            asked.wide = wide && result.is_ok();
            self.wide.store(asked.wide, Ordering::Relaxed);
        }
        if asked.all != all {
            let result = if all {
                self.switch.taps().join(dev, rtnl)
            } else {
                self.switch.taps().leave(dev, rtnl);
                Ok(())
            };
            failed |= result.is_err();
            asked.all = all && result.is_ok();
            self.all.store(asked.all, Ordering::Relaxed);
        }
        self.asked.set(asked, rtnl);
        if !self.switch.is_stub() {
            failed |= self.apply_lower_flags(allmulti, all, rtnl).is_err();
        }
        if failed {
            pr_warn!(
                "{}: no memory for all that it wants to receive\n",
                dev.name()
            );
        }
    }

    /// A flag was set or cleared: whoever set it has to be allowed what it brings. A flag that is not
    /// allowed stays set, for want of a veto, and is without effect.
    pub(super) fn judge_flags(&self, dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        let record = self.record.get(rtnl);
        let judge = |on: bool, permitted: bool, refused: bool, param| {
            let new = on && !permitted && !refused;
            match new {
                true => request::ask(dev, param, ON, &mut Extack::none(), rtnl).is_ok(),
                false => on && permitted,
            }
        };
        let flags = (dev.is_promisc(), dev.is_allmulti());
        let seen = self.flags.get(rtnl);
        self.flags.set(flags, rtnl);
        let promisc = judge(flags.0, record.promisc, seen.0, Param::Promisc);
        let allmulti = judge(flags.1, record.allmulti, seen.1, Param::AllMulti);
        self.update_record(rtnl, |record| {
            (record.promisc, record.allmulti) = (promisc, allmulti);
        });
    }

    /// Policies changed: flags that are set may have an effect now, or none any more. Who set them is
    /// not known any more; whoever administers the namespace of the VNIC could have.
    pub(crate) fn reconsider_flags(dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        let data = dev.data();
        let asker = request::resident(dev, rtnl);
        let manager = dev.net() == data.lower().net();
        let judge = |on, param| {
            on && (manager || request::judge(dev, &asker, (param, &ON, 0), rtnl).allowed)
        };
        let promisc = judge(dev.is_promisc(), Param::Promisc);
        let allmulti = judge(dev.is_allmulti(), Param::AllMulti);
        data.update_record(rtnl, |record| {
            (record.promisc, record.allmulti) = (promisc, allmulti);
        });
        data.apply_flags(dev, rtnl);
    }

    fn apply_lower_flags(&self, allmulti: bool, promisc: bool, rtnl: Rtnl<'_>) -> Result {
        let asked = self.asked.get(rtnl);
        if asked.lower_allmulti != allmulti {
            self.lower().set_allmulti(allmulti, rtnl)?;
            let asked = self.asked.get(rtnl);
            self.asked.set(
                Asked {
                    lower_allmulti: allmulti,
                    ..asked
                },
                rtnl,
            );
        }
        if asked.lower_promisc != promisc {
            self.lower().set_promiscuity(promisc, rtnl)?;
            let asked = self.asked.get(rtnl);
            self.asked.set(
                Asked {
                    lower_promisc: promisc,
                    ..asked
                },
                rtnl,
            );
        }
        Ok(())
    }

    /// Takes over the device's lists of secondary addresses. `Self::list` is in order between calls.
    pub(super) fn sync_addresses(
        &self,
        dev: &Dev<Self>,
        unicast: &AddrList<'_>,
        multicast: &AddrList<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        self.sync(Kind::Unicast, dev, unicast, rtnl)?;
        self.sync(Kind::Multicast, dev, multicast, rtnl)
    }

    fn list(&self, kind: Kind) -> &RtnlCell<KVec<MacAddr>> {
        match kind {
            Kind::Unicast => &self.unicast,
            Kind::Multicast => &self.multicast,
        }
    }

    /// A subject may have thousands of them: no step looks through a list.
    fn sync(&self, kind: Kind, dev: &Dev<Self>, new: &AddrList<'_>, rtnl: Rtnl<'_>) -> Result {
        let mut wanted = new.sorted()?;
        self.withhold(kind, dev, &mut wanted, rtnl)?;
        let mut known = self.list(kind).take(rtnl);
        known.retain(|addr| {
            let stays = wanted.binary_search(addr).is_ok();
            if !stays {
                self.forget(kind, dev, *addr, rtnl);
            }
            stays
        });
        let stayed = known.len();
        let mut result = Ok(());
        for addr in wanted.iter() {
            let is_new = known
                .get(..stayed)
                .is_none_or(|stayed| stayed.binary_search(addr).is_err());
            if is_new && result.is_ok() {
                result = self.learn(kind, dev, *addr, &mut known, rtnl);
            }
        }
        known.sort_unstable();
        self.list(kind).set(known, rtnl);
        result
    }

    /// Takes addresses out of `wanted` that the VNIC may not have, for which there is no veto; those that
    /// are new are told. Those that it has come first, so that a new one takes no other's place in a
    /// quota. Nobody limits who has the VNIC where its link is.
    fn withhold(
        &self,
        kind: Kind,
        dev: &Dev<Self>,
        wanted: &mut KVec<MacAddr>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        if dev.net() == self.lower().net() {
            return Ok(());
        }
        let (asker, param) = (request::resident(dev, rtnl), kind.param());
        let group = matches!(kind, Kind::Multicast);
        let mut refused = self.refused.take(rtnl);
        let result = refused.reserve(wanted.len(), GFP_KERNEL);
        refused.retain(|addr| addr.is_group() != group || wanted.binary_search(addr).is_ok());
        let mut used: u32 = 0;
        let mut admit = |addr: &MacAddr| {
            let value = request::mac(*addr);
            let verdict = request::judge(dev, &asker, (param, &value, used), rtnl);
            used = used.saturating_add(verdict.allowed.into());
            let known = refused.contains(addr);
            if !verdict.allowed && !known && refused.push(*addr, GFP_KERNEL).is_ok() {
                request::deny(dev, asker, (param, value), verdict, rtnl);
            }
            if verdict.allowed && known {
                refused.retain(|refused| refused != addr);
            }
            verdict.allowed
        };
        self.list(kind).with(rtnl, |list| {
            let had = |addr: &MacAddr| list.binary_search(addr).is_ok();
            wanted.retain(|addr| !had(addr) || admit(addr));
            wanted.retain(|addr| had(addr) || admit(addr));
        });
        if !refused.is_empty() {
            self.refused.set(refused, rtnl);
        }
        Ok(result?)
    }

    /// How many secondary addresses of a kind it has.
    pub(crate) fn secondary_count(&self, param: Param, rtnl: Rtnl<'_>) -> u32 {
        let kind = match param {
            Param::Groups => Kind::Multicast,
            _ => Kind::Unicast,
        };
        self.list(kind)
            .with(rtnl, |list| u32::try_from(list.len()).unwrap_or(u32::MAX))
    }

    /// Adds one address. That of another device is not had, which is said.
    fn learn(
        &self,
        kind: Kind,
        dev: &Dev<Self>,
        addr: MacAddr,
        known: &mut KVec<MacAddr>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        known.reserve(1, GFP_KERNEL)?;
        let key = self.key(addr);
        match kind {
            Kind::Unicast => match self.switch.addresses().insert(key, dev, rtnl) {
                Ok(()) => {}
                Err(error) if error == EEXIST => {
                    if net::ratelimit() {
                        pr_info!("{}: {addr} belongs to another device\n", dev.name());
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            Kind::Multicast => self.switch.groups().join(key, dev, rtnl)?,
        }
        if !self.switch.is_stub() {
            let added = match kind {
                Kind::Unicast => self.lower().unicast_add(addr, rtnl),
                Kind::Multicast => self.lower().multicast_add(addr, rtnl),
            };
            if let Err(error) = added {
                self.leave_tables(kind, dev, addr, rtnl);
                return Err(error);
            }
        }
        Ok(known.push(addr, GFP_KERNEL)?)
    }

    fn leave_tables(&self, kind: Kind, dev: &Dev<Self>, addr: MacAddr, rtnl: Rtnl<'_>) {
        let key = self.key(addr);
        match kind {
            Kind::Unicast => self.switch.addresses().remove(key, rtnl),
            Kind::Multicast => self.switch.groups().leave(key, dev, rtnl),
        }
    }

    fn forget(&self, kind: Kind, dev: &Dev<Self>, addr: MacAddr, rtnl: Rtnl<'_>) {
        self.leave_tables(kind, dev, addr, rtnl);
        if !self.switch.is_stub() {
            match kind {
                Kind::Unicast => self.lower().unicast_remove(addr, rtnl),
                Kind::Multicast => self.lower().multicast_remove(addr, rtnl),
            }
        }
    }

    fn forget_all(&self, kind: Kind, dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        for addr in self.list(kind).take(rtnl).iter() {
            self.forget(kind, dev, *addr, rtnl);
        }
    }
}
