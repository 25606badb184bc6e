// SPDX-License-Identifier: GPL-2.0
/* IP addresses that are about to be added. Process context, under RTNL. */
#include <linux/inetdevice.h>
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
