// SPDX-License-Identifier: GPL-2.0

//! A VNIC as a network device.

use super::{
    features,
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
        counters::Counter,
        hwtstamp,
        netdev::{
            Dev,
            Features, //
        },
        netlink::Extack,
        ops::{
            self,
            AddrList,
            LinkStats,
            Operations,
            Tx, //
        },
        rcu::Rcu,
        rtnl::Rtnl,
        skb::Skb,
    },
};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

#[vtable]
impl Operations for Vnic {
    const OPS: &'static ops::Table = &ops::table::<Self>();

    fn init(dev: &Dev<Self>, rtnl: Rtnl<'_>) -> Result {
        let data = dev.data();
        let lower = data.lower();
        dev.set_lockdep_class(rtnl);
        dev.inherit_state(lower, rtnl);
        dev.set_features(features::of_new(lower), rtnl);
        data.switch.join(dev, rtnl)?;
        let result = data
            .claim_address(dev, dev.address(), rtnl)
            .and_then(|()| data.add_own_vlan(rtnl));
        result.inspect_err(|_| Self::uninit(dev, rtnl))
    }

    fn uninit(dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        let data = dev.data();
        data.remove_own_vlan(rtnl);
        data.release_address(rtnl);
        data.switch.leave(dev, rtnl);
    }

    fn open(dev: &Dev<Self>, rtnl: Rtnl<'_>) -> Result {
        let data = dev.data();
        data.counters.allocate(rtnl)?;
        data.open_shaping(rtnl);
        data.open_rings(dev, rtnl)
            .inspect_err(|_| data.close_shaping(rtnl))?;
        let hw = data.ring_settings(rtnl).hw;
        Self::grant_queue(dev, hw, &mut Extack::none(), rtnl)
            .and_then(|()| data.open_filters(dev, rtnl))
            .inspect_err(|_| {
                data.give_queue_back(rtnl);
                data.close_rings(dev, rtnl);
                data.close_shaping(rtnl);
            })
    }

    fn stop(dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        dev.data().close_filters(dev, rtnl);
        dev.data().give_queue_back(rtnl);
        dev.data().close_rings(dev, rtnl);
        dev.data().close_shaping(rtnl);
    }

    #[inline(always)]
    fn start_xmit(dev: &Dev<Self>, skb: Skb, rcu: Rcu<'_>) -> Tx {
        let data = dev.data();
        if data.detour.load(Ordering::Relaxed) {
            return Self::xmit_special(dev, skb, rcu);
        }
        data.switch.transmit(dev, skb, rcu)
    }

    fn change_mtu(dev: &Dev<Self>, mtu: u32, rtnl: Rtnl<'_>) -> Result {
        let data = dev.data();
        if data.is_announced(rtnl) {
            let value = Value::Number(mtu.into());
            request::ask(dev, Param::Mtu, value, &mut Extack::none(), rtnl)?;
        }
        // Within the limits that the core checks: the lower device's MTU.
        if !data.following.get(rtnl) {
            data.wanted_mtu.set(Some(mtu), rtnl);
        }
        dev.write_mtu(mtu, rtnl);
        Ok(())
    }

    fn set_address(dev: &Dev<Self>, addr: MacAddr, rtnl: Rtnl<'_>) -> Result {
        dev.data().change_address(dev, addr, rtnl)
    }

    fn change_rx_flags(dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        dev.data().judge_flags(dev, rtnl);
        dev.data().apply_flags(dev, rtnl);
    }

    fn set_rx_mode(
        dev: &Dev<Self>,
        unicast: AddrList<'_>,
        multicast: AddrList<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        dev.data().sync_addresses(dev, &unicast, &multicast, rtnl)
    }

    fn get_stats64(dev: &Dev<Self>) -> LinkStats {
        LinkStats::of(&dev.data().counters.sums(dev))
    }

    fn fix_features(dev: &Dev<Self>, wanted: Features, rtnl: Rtnl<'_>) -> Features {
        let wanted = features::permitted(dev, wanted, rtnl);
        features::fix(dev.data().lower(), wanted)
    }

    fn vlan_add(dev: &Dev<Self>, vid: u16, rtnl: Rtnl<'_>) -> Result {
        dev.data().add_vlan(vid, rtnl)
    }

    fn vlan_remove(dev: &Dev<Self>, vid: u16, rtnl: Rtnl<'_>) {
        dev.data().remove_vlan(vid, rtnl);
    }

    fn iflink(dev: &Dev<Self>) -> i32 {
        dev.data().lower().ifindex()
    }

    fn fdb_add(dev: &Dev<Self>, addr: MacAddr, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        let param = if addr.is_group() {
            Param::Groups
        } else {
            Self::check_address(dev, addr, extack, rtnl)?;
            Param::Addresses
        };
        request::ask(dev, param, request::mac(addr), extack, rtnl)?;
        dev.add_secondary(addr, rtnl)
    }

    fn fdb_remove(dev: &Dev<Self>, addr: MacAddr, rtnl: Rtnl<'_>) -> Result {
        dev.remove_secondary(addr, rtnl)
    }

    fn hwtstamp_get(dev: &Dev<Self>, config: &mut hwtstamp::Config<'_>, rtnl: Rtnl<'_>) -> Result {
        config.get_lower(dev.data().lower(), rtnl)
    }

    fn hwtstamp_set(
        dev: &Dev<Self>,
        config: &mut hwtstamp::Config<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        // It concerns everyone on the link, so it is not for containers (macvlan_hwtstamp_set()). A
        // sentence would go to the kernel's log, too, as often as they like.
        let value = Value::Number(1);
        let asked = request::ask(dev, Param::Timestamps, value, &mut Extack::none(), rtnl);
        if asked.is_err() || !dev.net().is_init() {
            return Err(net::eopnotsupp());
        }
        config.set_lower(dev.data().lower(), extack, rtnl)
    }

    fn netpoll_setup(dev: &Dev<Self>, rtnl: Rtnl<'_>) -> Result {
        if dev.data().switch.is_stub() {
            return Err(net::eopnotsupp());
        }
        dev.data().netpoll.attach(dev.data().lower(), rtnl)?;
        dev.data().follow_detour(rtnl);
        Ok(())
    }

    fn netpoll_cleanup(dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        dev.data().netpoll.detach(rtnl);
    }
}

impl Vnic {
    /// Sends on a device that has a limit, or that netpoll uses, too, whose packets no limit concerns. Apart,
    /// so that the usual way stays short.
    #[inline(never)]
    fn xmit_special(dev: &Dev<Self>, skb: Skb, rcu: Rcu<'_>) -> Tx {
        let data = dev.data();
        if !data.netpoll.was_used() || !dev.in_netpoll() {
            return data.switch.transmit_limited(dev, skb, rcu);
        }
        let skb = match data.vid {
            0 => Some(skb),
            vid => skb.vlan_push(vid),
        };
        match skb {
            Some(skb) => data.netpoll.send(skb, dev, &data.counters),
            None => {
                data.counters.increment(Counter::TxDropNoMemory);
                Tx::DROPPED
            }
        }
    }
}
