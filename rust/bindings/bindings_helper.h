/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads: the kernel headers that rust/net/ wraps, and the shims. */
#include <linux/compiler_types.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_vlan.h>
#include <linux/net.h>
#include <linux/net_tstamp.h>
#include <linux/netdevice.h>
#include <linux/netfilter_netdev.h>
#include <linux/netpoll.h>
#include <linux/notifier.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/dropreason-core.h>
#include <net/genetlink.h>
#include <net/netdev_queues.h>
#include <net/netlink.h>
#include <net/rtnetlink.h>
#include <vnic_shim.h>
#include <linux/vnic.h>
#include <linux/vnic_link.h>
#include "vnic-nl-gen.h"
