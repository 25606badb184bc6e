// SPDX-License-Identifier: GPL-2.0
/* Shapers: what waits for its time, and in which order it goes on. */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <vnic_shim.h>
#include "shaper.h"

enum vnic_shaper_state {
	VNIC_SHAPER_CLOSED,	/* Packets are dropped: the VNIC is down. */
	VNIC_SHAPER_OPEN,
	VNIC_SHAPER_EMPTY,	/* None waits, and none will: all pass. */
};

/*
 * A packet passes at once only if no other waits, and none is just being sent
 * on (@releasing): so none overtakes another. The lock is not held while one is
 * sent on, as that may lead to anywhere.
 */
struct vnic_shaper {
	spinlock_t lock;
	u8 state;
	u8 stage;
	bool releasing;
	bool flushed;		/* nothing has to wait for its departure */
	struct vnic_meter meter;
	struct vnic_packets queue;
	u64 quantum;		/* packets go on in groups of so many ns */
	u32 whole;		/* packets of more bytes are cut */
	u64 secret;
	struct vnic_counters __percpu *counters;
	const struct vnic_flow *flow;	/* of which it is, or NULL */
	struct hrtimer timer;
};

/*
 * The bytes of a packet on the wire, Ethernet headers included, and as how many
 * it goes there. @framed: it starts with its Ethernet header. Follows
 * qdisc_pkt_len_segs_init().
 */
u32 vnic_wire_len(const struct sk_buff *skb, bool framed, u32 *packets)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	u32 len = skb->len + (framed ? 0 : ETH_HLEN);
	u32 headers, segs;
	int at;

	*packets = 1;
	if (likely(!info->gso_size) ||
	    (!skb->encapsulation && !skb_transport_header_was_set(skb)))
		return len;
	at = skb->encapsulation ? skb_inner_transport_offset(skb) :
				  skb_transport_offset(skb);
	/* Nonsense is too large. */
	headers = at + (framed ? 0 : ETH_HLEN);
	if (headers >= len)
		return len;
	if (info->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) {
		const struct tcphdr *tcp;
		struct tcphdr room;

		tcp = skb_header_pointer(skb, at, sizeof(room), &room);
		headers += tcp ? __tcp_hdrlen(tcp) : sizeof(room);
	} else {
		headers += sizeof(struct udphdr);
	}
	if (unlikely(headers >= len))
		return len;
	/* A guest may say anything. */
	segs = DIV_ROUND_UP(len - headers, info->gso_size);
	*packets = segs;
	return len + (segs - 1) * headers;
}

static bool vnic_shaper_receives(const struct vnic_shaper *shaper)
{
	return shaper->stage == VNIC_STAGE_RX ||
	       shaper->stage == VNIC_STAGE_FLOW_RX;
}

static unsigned int vnic_shaper_waited(const struct vnic_shaper *shaper)
{
	return vnic_shaper_receives(shaper) ? VNIC_RX_WAITED : VNIC_TX_WAITED;
}

static unsigned int vnic_shaper_dropped(const struct vnic_shaper *shaper)
{
	return vnic_shaper_receives(shaper) ? VNIC_RX_DROP_LIMIT :
					      VNIC_TX_DROP_LIMIT;
}

static unsigned int vnic_shaper_purged(const struct vnic_shaper *shaper)
{
	return vnic_shaper_receives(shaper) ? VNIC_RX_DROP_DOWN :
					      VNIC_TX_DROP_DOWN;
}

/**
 * vnic_shaper_stamp - tell a frame in received form when it may go on
 * @shaper: for VNIC_STAGE_RX
 * @skb: frame that is about to be put on a ring
 *
 * One that has to wait charges no socket meanwhile.
 *
 * Return: 0, or where it is counted that it is to be dropped.
 */
unsigned int vnic_shaper_stamp(struct vnic_shaper *shaper, struct sk_buff *skb)
{
	struct vnic_stamp *stamp = vnic_stamp(skb);
	u32 packets, bytes;
	u64 departure, now;

	bytes = vnic_wire_len(skb, false, &packets);
	spin_lock(&shaper->lock);
	now = ktime_get_ns();
	departure = vnic_meter_admit(&shaper->meter, now, bytes, packets);
	spin_unlock(&shaper->lock);
	if (departure == VNIC_NEVER)
		return VNIC_RX_DROP_LIMIT;
	stamp->departure = departure;
	stamp->note = departure ^ shaper->secret;
	if (departure > now) {
		skb_orphan(skb);
		this_cpu_inc(shaper->counters->value[VNIC_RX_WAITED]);
	}
	return 0;
}

/* How long a frame on a ring has to wait yet, in ns. NAPI. */
u64 vnic_shaper_wait(const struct vnic_shaper *shaper, struct sk_buff *skb)
{
	const struct vnic_stamp *stamp = vnic_stamp(skb);
	u64 departure = stamp->departure;
	u64 now;

	/* It came when there was no limit. */
	if (unlikely((departure ^ stamp->note) != READ_ONCE(shaper->secret)))
		return 0;
	now = ktime_get_ns();
	if (departure <= now)
		return 0;
	return clamp(departure - now, READ_ONCE(shaper->quantum), NSEC_PER_SEC);
}

/* Has the timer release what is first. Under the lock. */
static void vnic_shaper_arm(struct vnic_shaper *shaper, u64 now)
{
	u64 departure = vnic_stamp(shaper->queue.first)->departure;

	/* The next turn of softirqs, at least. */
	departure = shaper->flushed ? now + NSEC_PER_USEC :
		max(departure, now + shaper->quantum);
	hrtimer_start(&shaper->timer, ns_to_ktime(departure),
		      HRTIMER_MODE_ABS_PINNED_SOFT);
}

/* Sends on what has its time, but at most a budget. */
static void vnic_shaper_release(struct vnic_shaper *shaper)
{
	unsigned int budget = VNIC_RELEASE_BUDGET;
	u64 now = ktime_get_ns();

	spin_lock(&shaper->lock);
	if (shaper->releasing)
		goto out;
	shaper->releasing = true;
	while (shaper->queue.first && budget--) {
		struct sk_buff *skb = shaper->queue.first;

		if (!shaper->flushed && vnic_stamp(skb)->departure > now)
			break;
		vnic_packets_pop(&shaper->queue);
		spin_unlock(&shaper->lock);
		vnic_shaped(shaper->stage, skb, vnic_stamp(skb)->note);
		now = ktime_get_ns();
		spin_lock(&shaper->lock);
	}
	shaper->releasing = false;
	if (shaper->queue.first)
		vnic_shaper_arm(shaper, now);
out:
	spin_unlock(&shaper->lock);
}

static enum hrtimer_restart vnic_shaper_timer(struct hrtimer *timer)
{
	rcu_read_lock();
	vnic_shaper_release(container_of(timer, struct vnic_shaper, timer));
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

/* Drops a packet that would have to wait for too long. */
static void vnic_shaper_refuse(struct vnic_shaper *shaper, struct sk_buff *skb)
{
	unsigned int counter = vnic_shaper_dropped(shaper);

	if (shaper->flow)
		this_cpu_inc(shaper->flow->stats->drops[counter ==
							VNIC_TX_DROP_LIMIT]);
	vnic_skb_drop(skb, skb->dev, shaper->counters, counter,
		      SKB_DROP_REASON_QDISC_DROP);
}

/**
 * vnic_shaper_offer - let a packet through when its time has come
 * @shaper: shaper, not for VNIC_STAGE_RX
 * @skb: packet, on the VNIC
 * @note: what vnic_shaped() gets with it, if it waits
 *
 * Return: enum vnic_offer. One that passes is the caller's, who sends it on
 * before anything else.
 */
enum vnic_offer vnic_shaper_offer(struct vnic_shaper *shaper,
				  struct sk_buff *skb, u64 note)
{
	bool framed = shaper->stage != VNIC_STAGE_FLOW_RX;
	enum vnic_offer offer = VNIC_OFFER_PASS;
	u32 packets, bytes;
	u64 now, departure;

	bytes = vnic_wire_len(skb, framed, &packets);
	spin_lock(&shaper->lock);
	if (shaper->state == VNIC_SHAPER_EMPTY)
		goto out;
	if (shaper->state == VNIC_SHAPER_CLOSED) {
		spin_unlock(&shaper->lock);
		vnic_skb_drop(skb, skb->dev, shaper->counters,
			      vnic_shaper_purged(shaper),
			      SKB_DROP_REASON_DEV_READY);
		return VNIC_OFFER_DROPPED;
	}
	now = ktime_get_ns();
	departure = VNIC_NEVER;
	if (!vnic_packets_full(&shaper->queue, skb))
		departure = vnic_meter_admit(&shaper->meter, now, bytes,
					     packets);
	if (departure == VNIC_NEVER) {
		offer = VNIC_OFFER_DROPPED;
	} else if (departure > now || shaper->queue.first ||
		   shaper->releasing) {
		bool first = !shaper->queue.first && !shaper->releasing;

		offer = VNIC_OFFER_WAITS;
		vnic_stamp(skb)->departure = departure;
		vnic_stamp(skb)->note = note;
		/* A receiver that may not yet must not hold the sender's socket. */
		if (!framed)
			skb_orphan(skb);
		vnic_packets_push(&shaper->queue, skb);
		if (first)
			vnic_shaper_arm(shaper, now);
	}
out:
	spin_unlock(&shaper->lock);
	if (offer == VNIC_OFFER_DROPPED)
		vnic_shaper_refuse(shaper, skb);
	else if (offer == VNIC_OFFER_WAITS)
		this_cpu_inc(shaper->counters->value[vnic_shaper_waited(shaper)]);
	return offer;
}

/*
 * A closed shaper that lets everything through at any rate; what it drops is
 * counted by @flow, too, if that is not NULL. May sleep.
 */
struct vnic_shaper *vnic_shaper_alloc(enum vnic_stage stage,
				      const struct vnic_flow *flow)
{
	struct vnic_shaper *shaper = kzalloc(sizeof(*shaper),
					     GFP_KERNEL_ACCOUNT);

	if (!shaper)
		return NULL;
	spin_lock_init(&shaper->lock);
	shaper->state = VNIC_SHAPER_CLOSED;
	shaper->stage = stage;
	shaper->flow = flow;
	shaper->secret = get_random_u64();
	shaper->counters = vnic_counters_none();
	hrtimer_setup(&shaper->timer, vnic_shaper_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED_SOFT);
	return shaper;
}

/* A shaper that nobody finds any more, drained or closed. Process context. */
void vnic_shaper_free(struct vnic_shaper *shaper)
{
	hrtimer_cancel(&shaper->timer);
	vnic_kvfree_rcu(shaper);
}

/*
 * How many bytes go in a quarter of @delay ns. A packet of many segments that
 * takes longer is better lost in part.
 */
static u32 vnic_shaper_whole(u64 bits, u64 delay)
{
	u64 bytes = bits * (delay / (4 * NSEC_PER_USEC)) /
		    (BITS_PER_BYTE * USEC_PER_SEC);

	return bits ? min(bytes, U32_MAX) : U32_MAX;
}

/* Whether a packet is better cut before it waits. BH off, under RCU. */
bool vnic_shaper_cuts(const struct vnic_shaper *shaper,
		      const struct sk_buff *skb)
{
	return skb_is_gso(skb) && skb->len > READ_ONCE(shaper->whole);
}

/* Gives all that wait new departures; those that are refused are returned. */
static struct sk_buff *vnic_shaper_renew(struct vnic_shaper *shaper, u64 now)
{
	struct sk_buff *skb, *next, *refused = NULL;

	for (skb = vnic_packets_take(&shaper->queue); skb; skb = next) {
		u32 packets, bytes;
		u64 departure;

		next = skb->next;
		bytes = vnic_wire_len(skb, shaper->stage != VNIC_STAGE_FLOW_RX,
				      &packets);
		departure = vnic_meter_admit(&shaper->meter, now, bytes,
					     packets);
		if (departure == VNIC_NEVER) {
			skb->next = refused;
			refused = skb;
			continue;
		}
		vnic_stamp(skb)->departure = departure;
		vnic_packets_push(&shaper->queue, skb);
	}
	return refused;
}

static void vnic_shaper_drop_all(struct vnic_shaper *shaper,
				 struct sk_buff *skb, unsigned int counter)
{
	struct sk_buff *next;

	for (; skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		vnic_skb_drop(skb, skb->dev, shaper->counters, counter,
			      SKB_DROP_REASON_QUEUE_PURGE);
	}
}

/**
 * vnic_shaper_set - set the limits of a shaper
 * @shaper: shaper
 * @bits: a second, 0: no limit
 * @packets: a second, 0: no limit
 * @delay: how long packets may wait, in ns
 *
 * What waits in it gets new departures, or is dropped; what waits on rings does
 * not wait any more. Process context.
 */
void vnic_shaper_set(struct vnic_shaper *shaper, u64 bits, u32 packets,
		     u64 delay)
{
	u64 quantum = min(delay / 4, VNIC_RELEASE_QUANTUM);
	struct sk_buff *refused;
	u64 now;

	spin_lock_bh(&shaper->lock);
	now = ktime_get_ns();
	vnic_meter_set(&shaper->meter, bits, packets, delay - quantum, now);
	WRITE_ONCE(shaper->quantum, quantum);
	WRITE_ONCE(shaper->whole, vnic_shaper_whole(bits, delay));
	WRITE_ONCE(shaper->secret, get_random_u64());
	refused = vnic_shaper_renew(shaper, now);
	if (shaper->queue.first && !shaper->releasing)
		vnic_shaper_arm(shaper, now);
	spin_unlock_bh(&shaper->lock);
	vnic_shaper_drop_all(shaper, refused, vnic_shaper_dropped(shaper));
}

/* Lets packets in, which @counters count. Process context. */
void vnic_shaper_open(struct vnic_shaper *shaper,
		      struct vnic_counters __percpu *counters)
{
	spin_lock_bh(&shaper->lock);
	shaper->counters = counters;
	shaper->state = VNIC_SHAPER_OPEN;
	spin_unlock_bh(&shaper->lock);
}

/*
 * Drops what waits, and what comes from now on. Waits for who is just sending
 * on. Process context.
 */
void vnic_shaper_close(struct vnic_shaper *shaper)
{
	struct sk_buff *first;

	spin_lock_bh(&shaper->lock);
	shaper->state = VNIC_SHAPER_CLOSED;
	first = vnic_packets_take(&shaper->queue);
	spin_unlock_bh(&shaper->lock);
	hrtimer_cancel(&shaper->timer);
	vnic_shaper_drop_all(shaper, first, vnic_shaper_purged(shaper));
}

/* Under the lock: whether it is empty, so that all may pass from now on. */
static bool vnic_shaper_is_drained(struct vnic_shaper *shaper)
{
	if (shaper->state == VNIC_SHAPER_CLOSED)
		return true;
	if (shaper->queue.first || shaper->releasing)
		return false;
	shaper->state = VNIC_SHAPER_EMPTY;
	return true;
}

/**
 * vnic_shaper_drain - end a limit: nothing waits any more, nor will
 * @shaper: shaper that packets still find
 *
 * All that wait go on before any that comes, so that the order stays when no
 * packet looks for the shaper any more. RTNL; sleeps.
 */
void vnic_shaper_drain(struct vnic_shaper *shaper)
{
	unsigned long end = jiffies + VNIC_DRAIN_TIME;
	struct sk_buff *dropped;
	bool drained;

	spin_lock_bh(&shaper->lock);
	vnic_meter_set(&shaper->meter, 0, 0, 0, 0);
	shaper->flushed = true;
	spin_unlock_bh(&shaper->lock);
	do {
		local_bh_disable();
		rcu_read_lock();
		vnic_shaper_release(shaper);
		rcu_read_unlock();
		dropped = NULL;
		spin_lock(&shaper->lock);
		/* Others may send as fast as we do. */
		if (time_after(jiffies, end))
			dropped = vnic_packets_take(&shaper->queue);
		drained = vnic_shaper_is_drained(shaper);
		spin_unlock(&shaper->lock);
		local_bh_enable();
		vnic_shaper_drop_all(shaper, dropped,
				     vnic_shaper_dropped(shaper));
		cond_resched();
	} while (!drained);
	hrtimer_cancel(&shaper->timer);
}
