// SPDX-License-Identifier: GPL-2.0
/* IP addresses: those about to be added, and those that come by themselves. */
#include <linux/inetdevice.h>
#include <linux/workqueue.h>
#include <net/addrconf.h>
#include <vnic_shim.h>

struct net_device *vnic_inetaddr_dev(void *ptr)
{
	struct in_validator_info *info = ptr;

	return info->ivi_dev->dev;
}

struct netlink_ext_ack *vnic_inetaddr_extack(void *ptr)
{
	struct in_validator_info *info = ptr;

	return info->extack;
}

/* In network order. */
u32 vnic_inetaddr_get(void *ptr)
{
	struct in_validator_info *info = ptr;

	return (__force u32)info->ivi_addr;
}

struct net_device *vnic_inet6addr_dev(void *ptr)
{
	struct in6_validator_info *info = ptr;

	return info->i6vi_dev->dev;
}

struct netlink_ext_ack *vnic_inet6addr_extack(void *ptr)
{
	struct in6_validator_info *info = ptr;

	return info->extack;
}

/* @addr has 16 bytes. */
void vnic_inet6addr_get(void *ptr, u8 *addr)
{
	struct in6_validator_info *info = ptr;

	memcpy(addr, &info->i6vi_addr, sizeof(info->i6vi_addr));
}

/* How many addresses a device has, IPv6 ones of the link apart. */
u32 vnic_netdev_ip_count(struct net_device *dev)
{
	struct in_device *in_dev = __in_dev_get_rtnl(dev);
	const struct in_ifaddr *ifa;
	u32 count = 0;
#if IS_ENABLED(CONFIG_IPV6)
	struct inet6_dev *idev = __in6_dev_get(dev);
	const struct inet6_ifaddr *ifp;

	if (idev) {
		read_lock_bh(&idev->lock);
		list_for_each_entry(ifp, &idev->addr_list, if_list)
			count += !(ipv6_addr_type(&ifp->addr) &
				   IPV6_ADDR_LINKLOCAL);
		read_unlock_bh(&idev->lock);
	}
#endif
	if (in_dev)
		in_dev_for_each_ifa_rtnl(ifa, in_dev)
			count++;
	return count;
}

/*
 * Addresses that router advertisements bring. Nobody is asked about them, and
 * they come in softirq; what there is to say of one waits for RTNL in a work
 * item, which holds the device.
 */
struct vnic_ra {
	struct work_struct work;
	struct net_device *dev;
	netdevice_tracker tracker;
	struct in6_addr addr;
};

static struct workqueue_struct *vnic_ra_queue;

static void vnic_ra_work(struct work_struct *work)
{
	struct vnic_ra *ra = container_of(work, struct vnic_ra, work);

	rtnl_lock();
	if (ra->dev->reg_state == NETREG_REGISTERED)
		vnic_ra_added(ra->dev, ra->addr.s6_addr);
	rtnl_unlock();
	netdev_put(ra->dev, &ra->tracker);
	kfree(ra);
}

/* Any context; an address that finds no memory is not reported. */
static int vnic_ra_event(struct notifier_block *nb, unsigned long event,
			 void *ptr)
{
	const struct inet6_ifaddr *ifa = ptr;
	struct net_device *dev = ifa->idev->dev;
	struct vnic_ra *ra;

	if (event != NETDEV_UP || ifa->ifa_proto != IFAPROT_KERNEL_RA ||
	    !vnic_ra_concerns(dev))
		return NOTIFY_DONE;
	ra = kzalloc(sizeof(*ra), GFP_ATOMIC);
	if (!ra)
		return NOTIFY_DONE;
	INIT_WORK(&ra->work, vnic_ra_work);
	ra->dev = dev;
	ra->addr = ifa->addr;
	netdev_hold(dev, &ra->tracker, GFP_ATOMIC);
	queue_work(vnic_ra_queue, &ra->work);
	return NOTIFY_DONE;
}

static struct notifier_block vnic_ra_block = {
	.notifier_call = vnic_ra_event,
};

int vnic_ra_register(void)
{
	int err;

	vnic_ra_queue = alloc_workqueue("vnic", WQ_UNBOUND, 0);
	if (!vnic_ra_queue)
		return -ENOMEM;
	err = register_inet6addr_notifier(&vnic_ra_block);
	if (err)
		destroy_workqueue(vnic_ra_queue);
	return err;
}

/* Waits for events and work items that run; sleeps, without RTNL. */
void vnic_ra_unregister(void)
{
	unregister_inet6addr_notifier(&vnic_ra_block);
	destroy_workqueue(vnic_ra_queue);
}
