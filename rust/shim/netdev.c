// SPDX-License-Identifier: GPL-2.0
/* Devices: kernel inlines and macros. Under RTNL unless a comment says more. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/net_namespace.h>
#include <linux/netpoll.h>
#include <linux/nsproxy.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/netdev_lock.h>
#include <vnic_shim.h>
#include "trace.h"

/* What macvlan_common_setup() does, and what ether_setup() begins with. */
void vnic_netdev_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->max_mtu = ETH_MAX_MTU;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->priv_flags |= IFF_UNICAST_FLT | IFF_NO_QUEUE;
	dev->lltx = true;
	dev->change_proto_down = true;
	netif_keep_dst(dev);
}

/*
 * A device above another takes the lower one's locks while holding its own:
 * a lock class of its own, as macvlan's.
 */
void vnic_netdev_set_lockdep_class(struct net_device *dev)
{
	static struct lock_class_key addr_list_lock_key;

	netdev_lockdep_set_classes(dev);
	lockdep_set_class(&dev->addr_list_lock, &addr_list_lock_key);
}

/* Takes over what a device above @lower needs to know of it (macvlan_init()). */
void vnic_netdev_inherit_state(struct net_device *dev,
			       const struct net_device *lower)
{
	const unsigned long mask = BIT(__LINK_STATE_NOCARRIER) |
				   BIT(__LINK_STATE_DORMANT);

	dev->state = (dev->state & ~mask) | (lower->state & mask);
	dev->hard_header_len = lower->hard_header_len;
	dev->needed_headroom = lower->needed_headroom;
	dev->needed_tailroom = lower->needed_tailroom;
}

void vnic_netdev_allow_any_gso(struct net_device *dev)
{
	netif_set_tso_max_size(dev, GSO_MAX_SIZE);
	netif_set_tso_max_segs(dev, GSO_MAX_SEGS);
}

void vnic_netdev_random_addr(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

void vnic_netdev_set_addr(struct net_device *dev, const u8 *addr)
{
	eth_hw_addr_set(dev, addr);
}

/* In ndo_start_xmit: whether netpoll is calling, with interrupts off. */
bool vnic_netdev_tx_from_netpoll(struct net_device *dev)
{
	return netpoll_tx_running(dev);
}

/**
 * vnic_netpoll_send - send a frame of netpoll's out on the lower device
 * @np: netpoll of the lower device, or NULL if it was just taken away
 * @skb: frame, starts with its Ethernet header; consumed
 * @src: the VNIC that sends it
 * @tx: counters of the VNIC
 *
 * Interrupts are off.
 *
 * Return: NETDEV_TX_OK or NET_XMIT_DROP.
 */
netdev_tx_t vnic_netpoll_send(struct netpoll *np, struct sk_buff *skb,
			      const struct net_device *src,
			      struct vnic_counters __percpu *tx)
{
#ifdef CONFIG_NET_POLL_CONTROLLER
	unsigned int len = skb->len;
	netdev_tx_t ret;

	trace_vnic_xmit(src, skb, np ? np->dev : src);
	ret = netpoll_send_skb(np, skb);
	if (ret == NETDEV_TX_OK) {
		this_cpu_inc(tx->value[VNIC_TX_PACKETS]);
		this_cpu_add(tx->value[VNIC_TX_BYTES], len);
	} else {
		this_cpu_inc(tx->value[VNIC_TX_DROP_UPLINK]);
	}
	return ret;
#else
	dev_kfree_skb_irq(skb);
	return NET_XMIT_DROP;
#endif
}

/* A netpoll on @lower, or NULL with @err set. Free it by __netpoll_free(). */
struct netpoll *vnic_netpoll_attach(struct net_device *lower, int *err)
{
#ifdef CONFIG_NET_POLL_CONTROLLER
	struct netpoll *np = kzalloc(sizeof(*np), GFP_KERNEL);

	*err = -ENOMEM;
	if (!np)
		return NULL;
	*err = __netpoll_setup(np, lower);
	if (!*err)
		return np;
	kfree(np);
#else
	*err = -EOPNOTSUPP;
#endif
	return NULL;
}

bool vnic_netdev_rx_handler_busy(struct net_device *dev)
{
	return netdev_is_rx_handler_busy(dev);
}

/* Under RTNL, or in the rx handler itself. */
const void *vnic_netdev_rx_handler_data(const struct net_device *dev)
{
	return rcu_dereference_check(dev->rx_handler_data,
				     lockdep_rtnl_is_held());
}

/* Any context that keeps @dev alive. */
struct net *vnic_netdev_net(const struct net_device *dev)
{
	return dev_net(dev);
}

bool vnic_netdev_carrier_ok(const struct net_device *dev)
{
	return netif_carrier_ok(dev);
}

/* Any context. */
void vnic_netdev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

void vnic_netdev_put(struct net_device *dev)
{
	dev_put(dev);
}

void vnic_netdev_hold_tracked(struct net_device *dev, netdevice_tracker *t)
{
	netdev_hold(dev, t, GFP_KERNEL);
}

void vnic_netdev_put_tracked(struct net_device *dev, netdevice_tracker *t)
{
	netdev_put(dev, t);
}

/* A device that is never registered: a home for NAPI. free_netdev() it. */
struct net_device *vnic_netdev_alloc_dummy(void)
{
	return alloc_netdev_dummy(0);
}

/* Whether a VLAN device for @vid sits on @dev already. */
bool vnic_netdev_has_vlan(struct net_device *dev, u16 vid)
{
	bool found;

	rcu_read_lock();
	found = __vlan_find_dev_deep_rcu(dev, htons(ETH_P_8021Q), vid);
	rcu_read_unlock();
	return found;
}

/*
 * Who holds the rx handler of @dev: its master (bridge, bond, team, OVS), else
 * the first device above it (macvlan, ipvlan). @name has IFNAMSIZ bytes.
 */
bool vnic_netdev_master_name(struct net_device *dev, char *name)
{
	struct net_device *upper = netdev_master_upper_dev_get(dev);
	struct list_head *iter = &dev->adj_list.upper;

	if (!upper) {
		rcu_read_lock();
		while ((upper = netdev_upper_get_next_dev_rcu(dev, &iter)))
			if (!is_vlan_dev(upper))
				break;
		rcu_read_unlock();
	}
	if (!upper)
		return false;
	strscpy(name, upper->name, IFNAMSIZ);
	return true;
}

/* Whether @dev is a wireless station, whose access point knows one address. */
bool vnic_netdev_is_wireless(const struct net_device *dev)
{
#if IS_ENABLED(CONFIG_CFG80211)
	return dev->ieee80211_ptr;
#else
	return false;
#endif
}

u32 vnic_netdev_uc_promisc(const struct net_device *dev)
{
	return !(dev->priv_flags & IFF_UNICAST_FLT) || dev->uc_promisc ||
	       dev->promiscuity;
}

/* Process context; the device is a dummy, so nobody else holds its lock. */
void vnic_napi_add(struct net_device *dev, struct napi_struct *napi,
		   int (*poll)(struct napi_struct *, int))
{
	netif_napi_add(dev, napi, poll);
	napi_enable(napi);
}

void vnic_napi_del(struct napi_struct *napi)
{
	napi_disable(napi);
	netif_napi_del(napi);
}

/* Uses @count queues in each direction, as far as there are so many. RTNL. */
int vnic_netdev_use_queues(struct net_device *dev, unsigned int count)
{
	return netif_set_real_num_queues(dev, min(count, dev->num_tx_queues),
					 min(count, dev->num_rx_queues));
}

/*
 * How many queues a new VNIC gets that was not told: as many as its lower device
 * uses to receive, but not more than there are CPUs. The device is looked for
 * where the request comes from. RTNL.
 */
unsigned int vnic_link_queues(struct nlattr *const *tb)
{
	struct net_device *lower = NULL;

	if (tb[IFLA_LINK] && !tb[IFLA_LINK_NETNSID] && current->nsproxy)
		lower = __dev_get_by_index(current->nsproxy->net_ns,
					   nla_get_u32(tb[IFLA_LINK]));
	if (!lower)
		return 1;
	return clamp(lower->real_num_rx_queues, 1U, num_online_cpus());
}

/* Any context with BH off. */
void vnic_napi_schedule(struct napi_struct *napi)
{
	napi_schedule(napi);
}

/* Sets the address as "ip link set" does, telling everyone. RTNL. */
int vnic_netdev_change_addr(struct net_device *dev, const u8 *addr,
			    struct netlink_ext_ack *extack)
{
	struct sockaddr_storage ss = { .ss_family = dev->type };

	memcpy(((struct sockaddr *)&ss)->sa_data, addr, ETH_ALEN);
	return dev_set_mac_address(dev, &ss, extack);
}

/*
 * Who asks. The manager of links of @link_net asks from that namespace and has
 * CAP_NET_ADMIN over it. Any other task speaks for the namespace that it is in,
 * whose cookie is returned; that it is allowed to was checked by the core. A
 * kernel thread speaks for nobody.
 */
enum vnic_caller vnic_caller(const struct net *link_net, u64 *cookie)
{
	if ((current->flags & PF_KTHREAD) || !current->nsproxy)
		return VNIC_CALLER_KERNEL;
	*cookie = current->nsproxy->net_ns->net_cookie;
	if (net_eq(current->nsproxy->net_ns, link_net) &&
	    ns_capable(link_net->user_ns, CAP_NET_ADMIN))
		return VNIC_CALLER_MANAGER;
	return VNIC_CALLER_TASK;
}

/* As rps_cpus_store() asks of who says which CPUs do the work of a device. */
bool vnic_task_manages_host(void)
{
	return capable(CAP_NET_ADMIN);
}

u64 vnic_net_cookie(const struct net *net)
{
	return net->net_cookie;
}

/*
 * The number by which @net knows the namespace with @cookie, made if there is
 * none; NETNSA_NSID_NOT_ASSIGNED if it is gone. Process context.
 */
int vnic_net_id_of_cookie(struct net *net, u64 cookie)
{
	int id = NETNSA_NSID_NOT_ASSIGNED;
	struct net *peer;

	down_read(&net_rwsem);
	for_each_net(peer) {
		if (peer->net_cookie == cookie) {
			id = peernet2id_alloc(net, peer, GFP_KERNEL);
			break;
		}
	}
	up_read(&net_rwsem);
	return id;
}

static unsigned int vnic_net_id_of_space;

/* What is kept for a namespace. Only while vnic_net_register() is in effect. */
void *vnic_net_space(const struct net *net)
{
	return net_generic(net, vnic_net_id_of_space);
}

static int __net_init vnic_net_init(struct net *net)
{
	vnic_net_comes(vnic_net_space(net));
	return 0;
}

/* Namespaces that die, after their devices. Process context. */
static void __net_exit vnic_net_exit_batch(struct list_head *list)
{
	struct net *net;

	rtnl_lock();
	list_for_each_entry(net, list, exit_list)
		vnic_net_gone(net->net_cookie, vnic_net_space(net));
	rtnl_unlock();
}

static struct pernet_operations vnic_net_ops = {
	.init = vnic_net_init,
	.exit_batch = vnic_net_exit_batch,
	.id = &vnic_net_id_of_space,
	.size = sizeof(struct vnic_net_space),
};

/*
 * The user who answers for a namespace: the owner of its user namespace, and
 * of nested ones the owner of the outermost below the first; 0 for the first.
 */
u32 vnic_net_user(const struct net *net)
{
	const struct user_namespace *user_ns = net->user_ns;

	while (user_ns->parent && user_ns->parent != &init_user_ns)
		user_ns = user_ns->parent;
	return __kuid_val(user_ns->owner);
}

int vnic_net_register(void)
{
	return register_pernet_subsys(&vnic_net_ops);
}

/* Says of every namespace that it is gone. Without RTNL. */
void vnic_net_unregister(void)
{
	unregister_pernet_subsys(&vnic_net_ops);
}

/* The cookie of the namespace that the caller has open as @fd. */
int vnic_net_cookie_of_fd(int fd, u64 *cookie)
{
	struct net *net = get_net_ns_by_fd(fd);

	if (IS_ERR(net))
		return PTR_ERR(net);
	*cookie = net->net_cookie;
	put_net(net);
	return 0;
}

/* In a netdevice notifier: the device, and the extack or NULL. */
struct net_device *vnic_notifier_dev(const void *info)
{
	return netdev_notifier_info_to_dev(info);
}

struct netlink_ext_ack *vnic_notifier_extack(void *info)
{
	return netdev_notifier_info_to_extack(info);
}

/*
 * In NETDEV_PRECHANGEUPPER: whether the upper device is an 802.1Q device that
 * is being added, and for which VLAN.
 */
bool vnic_notifier_new_vlan(const void *ptr, u16 *vid)
{
	const struct netdev_notifier_changeupper_info *info = ptr;

	if (!info->linking || !is_vlan_dev(info->upper_dev) ||
	    vlan_dev_vlan_proto(info->upper_dev) != htons(ETH_P_8021Q))
		return false;
	*vid = vlan_dev_vlan_id(info->upper_dev);
	return true;
}

/* In NETDEV_PRECHANGEUPPER: whether a master is being added. */
bool vnic_notifier_new_master(const void *ptr)
{
	const struct netdev_notifier_changeupper_info *info = ptr;

	return info->linking && info->master;
}

/* Under RTNL. */
u32 vnic_netdev_tx_queue_len(const struct net_device *dev)
{
	return dev->tx_queue_len;
}

/*
 * Takes back what was asked for of the features that users may change: of
 * these, @agreed are wanted again. RTNL.
 */
void vnic_netdev_refuse_features(struct net_device *dev,
				 netdev_features_t agreed)
{
	dev->wanted_features = (dev->wanted_features & ~dev->hw_features) |
			       (agreed & dev->hw_features);
}

struct net *vnic_init_net(void)
{
	return &init_net;
}

/* Any context. */
u64 vnic_random_u64(void)
{
	return get_random_u64();
}

void vnic_rcu_bh_enter(void)
{
	local_bh_disable();
	rcu_read_lock();
}

void vnic_rcu_bh_leave(void)
{
	rcu_read_unlock();
	local_bh_enable();
}

/* Sleeps if there is no memory for an RCU callback. */
void vnic_kvfree_rcu(void *ptr)
{
	kvfree_rcu_mightsleep(ptr);
}

void *vnic_kvzalloc(size_t size, gfp_t flags)
{
	return kvzalloc(size, flags);
}

void vnic_kvfree(void *ptr)
{
	kvfree(ptr);
}
