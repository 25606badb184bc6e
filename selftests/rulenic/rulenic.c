// SPDX-License-Identifier: GPL-2.0
/*
 * A NIC that puts frames into its receive queues as a real one does: by rules
 * for destination addresses (ethtool -N), else by its table (ethtool -X).
 * rule0 is the NIC, rule1 its wire; what one sends the other receives.
 * The queue is that in skb_get_rx_queue(), and counted by it in ethtool -S.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/netdevice.h>

#define QUEUES	4
#define TABLE	8
#define RULES	4

struct rulenic_rule {
	bool used;
	u8 mac[ETH_ALEN];
	u32 queue;
};

struct rulenic {
	struct net_device *peer;
	u32 table[TABLE];
	struct rulenic_rule rules[RULES];
	u64 received[QUEUES];
};

static bool refuse;
module_param(refuse, bool, 0600);
MODULE_PARM_DESC(refuse, "no rule can be set");

static struct net_device *devices[2];

static u32 rulenic_queue(const struct rulenic *nic, struct sk_buff *skb)
{
	const u8 *mac = skb_mac_header(skb);
	int i;

	for (i = 0; i < RULES; i++)
		if (nic->rules[i].used && ether_addr_equal(nic->rules[i].mac, mac))
			return nic->rules[i].queue;
	return nic->table[skb_get_hash(skb) % TABLE];
}

static netdev_tx_t rulenic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *peer;
	struct rulenic *nic;
	u32 queue;

	peer = READ_ONCE(((struct rulenic *)netdev_priv(dev))->peer);
	if (!peer || !netif_running(peer)) {
		kfree_skb(skb);
		return NETDEV_TX_OK;
	}
	nic = netdev_priv(peer);
	skb_reset_mac_header(skb);
	queue = rulenic_queue(nic, skb);
	skb_record_rx_queue(skb, queue);
	nic->received[queue]++;
	dev_forward_skb(peer, skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops rulenic_ops = {
	.ndo_start_xmit = rulenic_xmit,
	.ndo_set_mac_address = eth_mac_addr,
};

static u32 rulenic_ring_count(struct net_device *dev)
{
	return dev->real_num_rx_queues;
}

static int rulenic_get_rules(struct net_device *dev, struct ethtool_rxnfc *rxnfc,
			     u32 *locations)
{
	struct rulenic *nic = netdev_priv(dev);
	u32 i, count = 0;

	switch (rxnfc->cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		for (i = 0; i < RULES; i++)
			count += nic->rules[i].used;
		rxnfc->rule_cnt = count;
		rxnfc->data = RULES;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		i = rxnfc->fs.location;
		if (i >= RULES || !nic->rules[i].used)
			return -ENOENT;
		rxnfc->fs.flow_type = ETHER_FLOW;
		ether_addr_copy(rxnfc->fs.h_u.ether_spec.h_dest,
				nic->rules[i].mac);
		eth_broadcast_addr(rxnfc->fs.m_u.ether_spec.h_dest);
		rxnfc->fs.ring_cookie = nic->rules[i].queue;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		for (i = 0; i < RULES; i++) {
			if (!nic->rules[i].used)
				continue;
			if (count == rxnfc->rule_cnt)
				return -EMSGSIZE;
			locations[count++] = i;
		}
		rxnfc->rule_cnt = count;
		rxnfc->data = RULES;
		return 0;
	}
	return -EOPNOTSUPP;
}

static int rulenic_set_rules(struct net_device *dev, struct ethtool_rxnfc *rxnfc)
{
	struct rulenic *nic = netdev_priv(dev);
	u32 i = rxnfc->fs.location;

	if (i >= RULES)
		return -EINVAL;
	switch (rxnfc->cmd) {
	case ETHTOOL_SRXCLSRLINS:
		if (refuse || rxnfc->fs.flow_type != ETHER_FLOW ||
		    !is_broadcast_ether_addr(rxnfc->fs.m_u.ether_spec.h_dest) ||
		    rxnfc->fs.ring_cookie >= dev->real_num_rx_queues)
			return -EINVAL;
		ether_addr_copy(nic->rules[i].mac,
				rxnfc->fs.h_u.ether_spec.h_dest);
		nic->rules[i].queue = rxnfc->fs.ring_cookie;
		nic->rules[i].used = true;
		return 0;
	case ETHTOOL_SRXCLSRLDEL:
		if (!nic->rules[i].used)
			return -ENOENT;
		nic->rules[i].used = false;
		return 0;
	}
	return -EOPNOTSUPP;
}

static u32 rulenic_table_size(struct net_device *dev)
{
	return TABLE;
}

static int rulenic_get_table(struct net_device *dev,
			     struct ethtool_rxfh_param *rxfh)
{
	struct rulenic *nic = netdev_priv(dev);

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	if (rxfh->indir)
		memcpy(rxfh->indir, nic->table, sizeof(nic->table));
	return 0;
}

static int rulenic_set_table(struct net_device *dev,
			     struct ethtool_rxfh_param *rxfh,
			     struct netlink_ext_ack *extack)
{
	struct rulenic *nic = netdev_priv(dev);

	if (rxfh->indir)
		memcpy(nic->table, rxfh->indir, sizeof(nic->table));
	return 0;
}

static int rulenic_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? QUEUES : -EOPNOTSUPP;
}

static void rulenic_names(struct net_device *dev, u32 set, u8 *data)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		ethtool_sprintf(&data, "rx_queue_%d", i);
}

static void rulenic_stats(struct net_device *dev, struct ethtool_stats *stats,
			  u64 *data)
{
	struct rulenic *nic = netdev_priv(dev);

	memcpy(data, nic->received, sizeof(nic->received));
}

static const struct ethtool_ops rulenic_ethtool = {
	.get_link = ethtool_op_get_link,
	.get_rx_ring_count = rulenic_ring_count,
	.get_rxnfc = rulenic_get_rules,
	.set_rxnfc = rulenic_set_rules,
	.get_rxfh_indir_size = rulenic_table_size,
	.get_rxfh = rulenic_get_table,
	.set_rxfh = rulenic_set_table,
	.get_sset_count = rulenic_count,
	.get_strings = rulenic_names,
	.get_ethtool_stats = rulenic_stats,
};

static void rulenic_setup(struct net_device *dev)
{
	struct rulenic *nic = netdev_priv(dev);
	int i;

	ether_setup(dev);
	eth_hw_addr_random(dev);
	dev->netdev_ops = &rulenic_ops;
	dev->ethtool_ops = &rulenic_ethtool;
	dev->hw_features |= NETIF_F_NTUPLE;
	dev->features |= NETIF_F_NTUPLE;
	dev->needs_free_netdev = true;
	for (i = 0; i < TABLE; i++)
		nic->table[i] = ethtool_rxfh_indir_default(i, QUEUES);
}

static int __init rulenic_init(void)
{
	int i, err;

	for (i = 0; i < 2; i++) {
		devices[i] = alloc_netdev_mqs(sizeof(struct rulenic), "rule%d",
					      NET_NAME_ENUM, rulenic_setup,
					      QUEUES, QUEUES);
		if (!devices[i]) {
			err = -ENOMEM;
			goto undo;
		}
	}
	for (i = 0; i < 2; i++)
		((struct rulenic *)netdev_priv(devices[i]))->peer = devices[!i];
	for (i = 0; i < 2; i++) {
		err = register_netdev(devices[i]);
		if (err)
			goto unregister;
	}
	return 0;

unregister:
	if (i)
		unregister_netdev(devices[0]);
	else
		free_netdev(devices[0]);
	free_netdev(devices[1]);
	return err;
undo:
	if (i)
		free_netdev(devices[0]);
	return err;
}

static void __exit rulenic_exit(void)
{
	int i;

	for (i = 0; i < 2; i++)
		WRITE_ONCE(((struct rulenic *)netdev_priv(devices[i]))->peer,
			   NULL);
	/* Who still sends sees the other one. */
	synchronize_net();
	for (i = 0; i < 2; i++)
		unregister_netdev(devices[i]);
}

module_init(rulenic_init);
module_exit(rulenic_exit);
MODULE_DESCRIPTION("A NIC with rules for receive queues, for tests");
MODULE_LICENSE("GPL");
