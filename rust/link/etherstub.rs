// SPDX-License-Identifier: GPL-2.0

//! A switch without a NIC: `ip link add NAME type etherstub`.
//!
//! The device itself is the host's port on the switch, as a bridge's is.

use crate::{
    logic::{
        addr::MacAddr,
        mtu, //
    },
    net::{
        self,
        counters::{
            Counted,
            Counter,
            Counters, //
        },
        ethtool::{
            self,
            Ethtool,
            LinkSettings,
            Timestamping, //
        },
        netdev::{
            Dev,
            Net, //
        },
        netlink::{
            attr_size,
            Attrs,
            Extack,
            Message,
            Policy, //
        },
        ops::{
            self,
            LinkStats,
            Operations,
            Tx, //
        },
        rcu::Rcu,
        rtnl::Rtnl,
        rtnl_link::{
            Early,
            KillList,
            LinkOps,
            NewLink, //
        },
        skb::{
            Reason,
            Skb, //
        },
        uapi,
    },
    switch::Switch,
};
use core::ffi::CStr;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The largest MTU of an etherstub, in bytes: there is no wire to limit it.
const MAX_MTU: u32 = 65535;

/// Private data of an etherstub.
pub(crate) struct Etherstub {
    switch: Arc<Switch>,
    counters: Counters,
}

impl Etherstub {
    /// Its counters.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Counted for Etherstub {
    fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[vtable]
impl Operations for Etherstub {
    const OPS: &'static ops::Table = &ops::table::<Self>();

    fn init(dev: &Dev<Self>, rtnl: Rtnl<'_>) -> Result {
        dev.set_lockdep_class(rtnl);
        dev.allow_any_gso(rtnl);
        dev.data().switch.attach(rtnl)
    }

    fn uninit(dev: &Dev<Self>, rtnl: Rtnl<'_>) {
        dev.data().switch.detach(rtnl);
    }

    fn start_xmit(dev: &Dev<Self>, skb: Skb, rcu: Rcu<'_>) -> Tx {
        let data = dev.data();
        let len = skb.len();
        match data.switch.transmit_from_stub(skb, rcu) {
            Ok(()) => {
                data.counters.sent(len);
                Tx::DONE
            }
            Err(skb) => {
                let count = Some((&data.counters, Counter::TxDropMiss));
                skb.drop_for(dev, count, Reason::NoReceiver);
                Tx::DONE
            }
        }
    }

    fn set_address(dev: &Dev<Self>, addr: MacAddr, rtnl: Rtnl<'_>) -> Result {
        if !addr.is_unicast() {
            return Err(net::eaddrnotavail());
        }
        // That no VNIC has it was checked before, and the switch learns of it after (events.rs).
        dev.set_address(addr, rtnl);
        Ok(())
    }

    fn netpoll_setup(_dev: &Dev<Self>, _rtnl: Rtnl<'_>) -> Result {
        // What is sent here goes to the receivers' backlog, which needs interrupts.
        Err(net::eopnotsupp())
    }

    fn get_stats64(dev: &Dev<Self>) -> LinkStats {
        LinkStats::of(&dev.data().counters.sums(dev))
    }
}

impl Ethtool for Etherstub {
    fn link_settings(_dev: &Dev<Self>, settings: &mut LinkSettings<'_>, _rtnl: Rtnl<'_>) -> Result {
        settings.set_unknown();
        Ok(())
    }

    fn timestamping(dev: &Dev<Self>, info: &mut Timestamping<'_>, _rtnl: Rtnl<'_>) -> Result {
        info.set_software(dev)
    }
}

impl LinkOps for Etherstub {
    const KIND: &'static CStr = c"etherstub";
    const POLICY: &'static [Policy] = &[
        Policy::NONE,
        Policy::U8,
        Policy::reject(c"the number of VNICs cannot be set"),
    ];
    const INFO_SIZE: usize = attr_size(1) + attr_size(4);
    const ETHTOOL: &'static ethtool::Table = &ethtool::table::<Self>();

    fn validate(attrs: Attrs<'_>, data: Attrs<'_>, extack: &mut Extack<'_>) -> Result {
        super::validate_address(attrs, extack)?;
        super::host_attr(data, uapi::IFLA_ETHERSTUB_HOST, extack).map(|_| ())
    }

    fn new(early: &Early<'_>, link: &NewLink<'_>, extack: &mut Extack<'_>) -> Result<Self> {
        if let Some(attr) = link.attrs.get(uapi::IFLA_LINK) {
            return Err(extack.refuse_attr(
                &attr,
                EINVAL,
                format_args!("vnic: an etherstub has no link, it is one"),
            ));
        }
        early.set_mtu_limits(mtu::MIN, MAX_MTU);
        if link.attrs.get(uapi::IFLA_ADDRESS).is_none() {
            early.set_random_address();
        }
        let switch = Switch::new(early.device(), true)?;
        if let Some(on) = super::host_attr(link.data, uapi::IFLA_ETHERSTUB_HOST, extack)? {
            switch.set_host(on, link.rtnl);
        }
        let counters = Counters::new();
        counters.allocate(link.rtnl)?;
        Ok(Self { switch, counters })
    }

    fn registered(_dev: &Dev<Self>, _extack: &mut Extack<'_>, _rtnl: Rtnl<'_>) -> Result {
        Ok(())
    }

    fn change(dev: &Dev<Self>, data: Attrs<'_>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
        if let Some(on) = super::host_attr(data, uapi::IFLA_ETHERSTUB_HOST, extack)? {
            dev.data().switch.set_host(on, rtnl);
        }
        Ok(())
    }

    fn dellink(dev: &Dev<Self>, list: &mut KillList<'_>, rtnl: Rtnl<'_>) {
        // Its VNICs go with it, when the event of its removal comes.
        list.unregister(dev, rtnl);
    }

    fn fill_info(dev: &Dev<Self>, message: &mut Message<'_>, _rtnl: Rtnl<'_>) -> Result {
        let switch = &dev.data().switch;
        message.put_u8(uapi::IFLA_ETHERSTUB_HOST, switch.host().into())?;
        message.put_u32(uapi::IFLA_ETHERSTUB_COUNT, switch.vnic_count())
    }

    fn link_net(dev: &Dev<Self>) -> Net<'_> {
        dev.net()
    }
}
