// SPDX-License-Identifier: GPL-2.0
/* A NIC's receive queues for the frames of one address (ETHTOOL_SRXCLSRLINS). */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/netdev_lock.h>
#include <vnic_shim.h>

/* Whether a device has rules, and they are switched on. RTNL. */
bool vnic_steer_possible(const struct net_device *dev)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;

	return ops && ops->get_rxnfc && ops->set_rxnfc && ops->get_rxfh &&
	       ops->get_rxfh_indir_size && (dev->features & NETIF_F_NTUPLE);
}

/**
 * vnic_steer_spread - which queues get frames that no rule names
 * @dev: device with rules
 * @used: for each queue, whether it does
 * @count: number of queues
 *
 * RTNL; sleeps. Follows ethtool_get_max_rxfh_channel(). Return: 0 or an error.
 */
int vnic_steer_spread(struct net_device *dev, bool *used, u32 count)
{
	struct ethtool_rxfh_param rxfh = {};
	int err;
	u32 i;

	netdev_lock_ops(dev);
	rxfh.indir_size = dev->ethtool_ops->get_rxfh_indir_size(dev);
	err = rxfh.indir_size ? 0 : -EOPNOTSUPP;
	if (!err) {
		rxfh.indir = kvcalloc(rxfh.indir_size, sizeof(*rxfh.indir),
				      GFP_KERNEL);
		err = rxfh.indir ? dev->ethtool_ops->get_rxfh(dev, &rxfh) :
				   -ENOMEM;
	}
	netdev_unlock_ops(dev);
	for (i = 0; !err && i < rxfh.indir_size; i++)
		if (rxfh.indir[i] < count)
			used[rxfh.indir[i]] = true;
	kvfree(rxfh.indir);
	return err;
}

/* A place for one more rule: one that the driver chooses, or the last free. */
static int vnic_steer_place(struct net_device *dev, u32 *location)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct ethtool_rxnfc count = { .cmd = ETHTOOL_GRXCLSRLCNT };
	struct ethtool_rxnfc *all;
	u32 i, room;
	int err;

	err = ops->get_rxnfc(dev, &count, NULL);
	if (err)
		return err;
	if (count.data & RX_CLS_LOC_SPECIAL) {
		*location = RX_CLS_LOC_ANY;
		return 0;
	}
	all = kvzalloc(struct_size(all, rule_locs, count.rule_cnt), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	all->cmd = ETHTOOL_GRXCLSRLALL;
	all->rule_cnt = count.rule_cnt;
	err = ops->get_rxnfc(dev, all, all->rule_locs);
	/* Rules come in the order of their places. */
	room = all->data;
	for (i = min(all->rule_cnt, count.rule_cnt); !err && i && room; i--) {
		if (all->rule_locs[i - 1] < room - 1)
			break;
		room = min(room, all->rule_locs[i - 1]);
	}
	kvfree(all);
	if (!err && !room)
		err = -ENOSPC;
	if (!err)
		*location = room - 1;
	return err;
}

/**
 * vnic_steer_insert - have the frames to an address received by one queue
 * @dev: device with rules
 * @mac: address
 * @queue: receive queue
 * @location: where the rule is
 *
 * RTNL; sleeps. Return: 0 or an error.
 */
int vnic_steer_insert(struct net_device *dev, const u8 *mac, u32 queue,
		      u32 *location)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct ethtool_rxnfc rule = { .cmd = ETHTOOL_SRXCLSRLINS };
	int err;

	rule.fs.flow_type = ETHER_FLOW;
	ether_addr_copy(rule.fs.h_u.ether_spec.h_dest, mac);
	eth_broadcast_addr(rule.fs.m_u.ether_spec.h_dest);
	rule.fs.ring_cookie = queue;
	netdev_lock_ops(dev);
	err = ops->begin ? ops->begin(dev) : 0;
	if (!err) {
		err = vnic_steer_place(dev, &rule.fs.location);
		if (!err)
			err = ops->set_rxnfc(dev, &rule);
		if (ops->complete)
			ops->complete(dev);
	}
	netdev_unlock_ops(dev);
	*location = rule.fs.location;
	return err;
}

/* Takes a rule away. What the driver has forgotten itself is no error. RTNL. */
void vnic_steer_remove(struct net_device *dev, u32 location)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct ethtool_rxnfc rule = {
		.cmd = ETHTOOL_SRXCLSRLDEL,
		.fs.location = location,
	};

	if (!ops || !ops->set_rxnfc)
		return;
	netdev_lock_ops(dev);
	if (!ops->begin || !ops->begin(dev)) {
		ops->set_rxnfc(dev, &rule);
		if (ops->complete)
			ops->complete(dev);
	}
	netdev_unlock_ops(dev);
}
