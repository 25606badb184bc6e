/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shapers: each packet gets a departure, and waits for it. BH off, under RCU.
 *
 * One for VNIC_STAGE_RX gives departures only: packets wait on the rings. The
 * others have a queue of their own.
 */
#ifndef _VNIC_SHAPER_H
#define _VNIC_SHAPER_H

#include <linux/hrtimer.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <net/dst.h>
#include <vnic_shim.h>

/* So many packets are sent on before others have their turn. */
#define VNIC_RELEASE_BUDGET 64

/*
 * Packets that are due within so many ns go on together: a timer for each is
 * dear. A meter forgives that they are late.
 */
#define VNIC_RELEASE_QUANTUM (50 * NSEC_PER_USEC)

/* After so long a drain drops what still comes, in jiffies. */
#define VNIC_DRAIN_TIME HZ

/* They have no more memory than that. */
#define VNIC_PACKETS_BYTES (16U << 20)

static inline bool vnic_packets_full(const struct vnic_packets *list,
				     const struct sk_buff *skb)
{
	return list->first && list->bytes + skb->truesize > VNIC_PACKETS_BYTES;
}

static inline void vnic_packets_push(struct vnic_packets *list,
				     struct sk_buff *skb)
{
	/* What it refers to may go without RCU. */
	skb_dst_force(skb);
	skb->next = NULL;
	if (list->first)
		list->last->next = skb;
	else
		list->first = skb;
	list->last = skb;
	list->bytes += skb->truesize;
}

static inline struct sk_buff *vnic_packets_pop(struct vnic_packets *list)
{
	struct sk_buff *skb = list->first;

	list->first = skb->next;
	list->bytes -= skb->truesize;
	skb_mark_not_on_list(skb);
	return skb;
}

static inline struct sk_buff *vnic_packets_take(struct vnic_packets *list)
{
	struct sk_buff *first = list->first;

	memset(list, 0, sizeof(*list));
	return first;
}

/* What is noted in a packet that waits. */
struct vnic_stamp {
	u64 departure;		/* in ns */
	/*
	 * On a ring: says that the rest is no junk. One that was left from an
	 * earlier turn is in the past. Elsewhere what vnic_shaped() gets.
	 */
	u64 note;
	/* In a scheduler: of which it is. It may be gone: for comparisons. */
	const void *flow;
	bool own;		/* whether that has a priority of its own */
};

static inline struct vnic_stamp *vnic_stamp(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct vnic_stamp) > sizeof(skb->cb));
	return (struct vnic_stamp *)skb->cb;
}

u32 vnic_wire_len(const struct sk_buff *skb, bool framed, u32 *packets);
unsigned int vnic_shaper_stamp(struct vnic_shaper *shaper, struct sk_buff *skb);
bool vnic_shaper_cuts(const struct vnic_shaper *shaper,
		      const struct sk_buff *skb);
u64 vnic_shaper_wait(const struct vnic_shaper *shaper, struct sk_buff *skb);

#endif
