/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Link attributes of the kinds "vnic" and "etherstub": what travels inside
 * IFLA_INFO_DATA of an rtnetlink RTM_NEWLINK message.
 */
#ifndef _UAPI_LINUX_VNIC_LINK_H
#define _UAPI_LINUX_VNIC_LINK_H

/* IFLA_INFO_DATA of kind "vnic". */
enum {
	IFLA_VNIC_UNSPEC,
	/*
	 * u16, 0..4094: the VLAN of the VNIC. 0, the default: none; frames
	 * are passed as they are. Otherwise the tag is added on the way out
	 * and stripped on the way in. Only at creation.
	 */
	IFLA_VNIC_VLAN,
	/* u8, enum vnic_promisc: what promiscuous mode shows. Manager only. */
	IFLA_VNIC_PROMISC,
	/*
	 * u8, 0 or 1: whether the host's own stack and the VNICs of this link
	 * reach each other through the link. A property of the link, shared
	 * by its VNICs; 1 by default. Manager only.
	 */
	IFLA_VNIC_HOST,
	/* u8, enum vnic_filter, read-only: how the lower device filters. */
	IFLA_VNIC_FILTER,
	/* u32, read-only: number of VNICs on this link. */
	IFLA_VNIC_COUNT,
	/* u8, enum vnic_poll: how it gets packets from the wire. */
	IFLA_VNIC_POLL,
	/* u32, 64..65536: how many packets may wait on each of its rings. */
	IFLA_VNIC_RING_SIZE,
	/*
	 * string, at most 15 bytes: the pool in which the packets that it
	 * receives are stored; empty for none. Manager only.
	 */
	IFLA_VNIC_POOL,
	/*
	 * string, at most 95 bytes: on which CPUs its rings are polled, one
	 * after the other, like 0-3,8; empty for where packets come from.
	 */
	IFLA_VNIC_CPUS,
	/* u8, enum vnic_hw_rings: whether it gets a queue of the link. */
	IFLA_VNIC_HW_RINGS,
	/* u32, read-only: the receive queue of the link that is its own. */
	IFLA_VNIC_HW_QUEUE,
	/*
	 * uint, of 4 or 8 bytes: bits a second that it may receive and send,
	 * 0 for no limit, or 8000..1000000000000. Manager only, as are all
	 * that follow.
	 */
	IFLA_VNIC_RX_MAXBW,
	IFLA_VNIC_TX_MAXBW,
	/* u32: packets a second, 0 for no limit, or 1..4000000000. */
	IFLA_VNIC_RX_MAXPPS,
	IFLA_VNIC_TX_MAXPPS,
	/*
	 * u32, 100..1000000, 5000 by default: microseconds that a packet may
	 * wait for a limit.
	 */
	IFLA_VNIC_LIMIT_DELAY,
	/*
	 * u16, 1..1000, 100 by default: its weight where the VNICs of a link
	 * with a maxbw want to send more.
	 */
	IFLA_VNIC_SHARE,
	/* u8, enum vnic_priority: who goes first there. */
	IFLA_VNIC_PRIORITY,
	__IFLA_VNIC_MAX
};
#define IFLA_VNIC_MAX (__IFLA_VNIC_MAX - 1)

/* IFLA_INFO_DATA of kind "etherstub". */
enum {
	IFLA_ETHERSTUB_UNSPEC,
	/* u8, 0 or 1: as IFLA_VNIC_HOST, for the stub's own interface. */
	IFLA_ETHERSTUB_HOST,
	/* u32, read-only: number of VNICs on this stub. */
	IFLA_ETHERSTUB_COUNT,
	__IFLA_ETHERSTUB_MAX
};
#define IFLA_ETHERSTUB_MAX (__IFLA_ETHERSTUB_MAX - 1)

/* What a VNIC in promiscuous mode receives. */
enum vnic_promisc {
	/* Nothing more than without. */
	VNIC_PROMISC_OFF,
	/* Every group frame of its VLAN, and its own unicast. The default. */
	VNIC_PROMISC_OWN,
	/* Every frame of its VLAN on the link: for a VNIC under a bridge. */
	VNIC_PROMISC_ALL,
	__VNIC_PROMISC_MAX
};
#define VNIC_PROMISC_MAX (__VNIC_PROMISC_MAX - 1)

/* How the lower device lets the frames of its VNICs in. */
enum vnic_filter {
	/* No wire: an etherstub. */
	VNIC_FILTER_NONE,
	/* By its address filter. */
	VNIC_FILTER_EXACT,
	/* It is promiscuous: it has no unicast filter, or was told to be. */
	VNIC_FILTER_PROMISC,
};

/* How a VNIC gets packets from the wire. */
enum vnic_poll {
	/* Inline, in the lower device's softirq, up to a credit; else by its
	 * rings. The default.
	 */
	VNIC_POLL_AUTO,
	/* Inline, but for those behind packets that are on a ring. */
	VNIC_POLL_INLINE,
	/* By its rings. */
	VNIC_POLL_RING,
	__VNIC_POLL_MAX
};
#define VNIC_POLL_MAX (__VNIC_POLL_MAX - 1)

enum vnic_hw_rings {
	/* No. The default. */
	VNIC_HW_RINGS_OFF,
	/* If there is one to spare. */
	VNIC_HW_RINGS_AUTO,
	/* It does not go up without. */
	VNIC_HW_RINGS_ON,
	__VNIC_HW_RINGS_MAX
};
#define VNIC_HW_RINGS_MAX (__VNIC_HW_RINGS_MAX - 1)

/* Who goes first where not all can. */
enum vnic_priority {
	/* Before the others. */
	VNIC_PRIORITY_HIGH,
	/* As most. The default. */
	VNIC_PRIORITY_MEDIUM,
	/* After the others. */
	VNIC_PRIORITY_LOW,
	__VNIC_PRIORITY_MAX
};
#define VNIC_PRIORITY_MAX (__VNIC_PRIORITY_MAX - 1)

/* The same of packets of a flow. */
enum vnic_flow_priority {
	/* Before the others. */
	VNIC_FLOW_PRIORITY_HIGH,
	/* As most VNICs. */
	VNIC_FLOW_PRIORITY_MEDIUM,
	/* After the others. */
	VNIC_FLOW_PRIORITY_LOW,
	/* As its VNIC's. The default. */
	VNIC_FLOW_PRIORITY_VNIC,
	__VNIC_FLOW_PRIORITY_MAX
};
#define VNIC_FLOW_PRIORITY_MAX (__VNIC_FLOW_PRIORITY_MAX - 1)

/* Limits: bits and packets a second, microseconds, weights. */
#define VNIC_MAXBW_MIN 8000
#define VNIC_MAXBW_MAX 1000000000000ULL
#define VNIC_MAXPPS_MIN 1
#define VNIC_MAXPPS_MAX 4000000000U
#define VNIC_LIMIT_DELAY_MIN 100
#define VNIC_LIMIT_DELAY_MAX 1000000
#define VNIC_LIMIT_DELAY_DEFAULT 5000
#define VNIC_SHARE_MIN 1
#define VNIC_SHARE_MAX 1000
#define VNIC_SHARE_DEFAULT 100

#define VNIC_RING_SIZE_MIN 64
#define VNIC_RING_SIZE_MAX 65536
#define VNIC_VLAN_MAX 4094

#endif /* _UAPI_LINUX_VNIC_LINK_H */
