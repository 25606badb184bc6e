// SPDX-License-Identifier: GPL-2.0
/* What the VNICs of a link send to its wire, if that is limited: who is next. */
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <vnic_shim.h>
#include "shaper.h"

/*
 * A VNIC has a lane for each priority that packets of it have: that of their
 * flow, or else the VNIC's. Lanes in which packets wait are in one tree for
 * each priority, in the order of their start tags (rust/logic/share.rs). As in
 * a shaper, a packet passes at once only if nobody waits and none is just being
 * sent on.
 */
struct vnic_sched {
	spinlock_t lock;
	bool releasing;
	bool flushed;		/* nobody has to wait any more */
	bool empty;		/* and nobody will: all pass */
	struct vnic_meter meter;
	u64 virtual[VNIC_PRIORITIES];
	struct rb_root_cached lanes[VNIC_PRIORITIES];
	struct hrtimer timer;
};

static bool vnic_lane_before(struct rb_node *a, const struct rb_node *b)
{
	return vnic_share_before(rb_entry(a, struct vnic_lane, node)->start,
				 rb_entry(b, struct vnic_lane, node)->start);
}

static struct vnic_class *vnic_lane_class(struct vnic_lane *lane)
{
	return container_of(lane - lane->priority, struct vnic_class, lanes[0]);
}

/* Where packets of @flow wait, which may be NULL. Under the lock. */
static struct vnic_lane *vnic_class_lane(struct vnic_class *class,
					 const struct vnic_flow *flow)
{
	bool own = flow && flow->priority < VNIC_PRIORITIES;

	return &class->lanes[own ? flow->priority : class->priority];
}

static void vnic_lane_leave(struct vnic_sched *sched, struct vnic_lane *lane)
{
	rb_erase_cached(&lane->node, &sched->lanes[lane->priority]);
	lane->waits = false;
}

/* Has @lane take its turns if packets wait in it, else not. */
static void vnic_lane_follow(struct vnic_sched *sched, struct vnic_lane *lane)
{
	if (lane->waits && !lane->queue.first) {
		vnic_lane_leave(sched, lane);
	} else if (!lane->waits && lane->queue.first) {
		lane->start = vnic_share_start(sched->virtual[lane->priority],
					       lane->finish);
		rb_add_cached(&lane->node, &sched->lanes[lane->priority],
			      vnic_lane_before);
		lane->waits = true;
	}
}

/* Who is next, or NULL. */
static struct vnic_lane *vnic_sched_next(const struct vnic_sched *sched)
{
	unsigned int i;

	for (i = 0; i < VNIC_PRIORITIES; i++) {
		struct rb_node *node = rb_first_cached(&sched->lanes[i]);

		if (node)
			return rb_entry(node, struct vnic_lane, node);
	}
	return NULL;
}

/* A packet of @bytes goes, of who is first or alone. */
static void vnic_lane_advance(struct vnic_sched *sched, struct vnic_lane *lane,
			      u64 start, u32 bytes)
{
	sched->virtual[lane->priority] = start;
	lane->finish = vnic_share_finish(start, bytes,
					 vnic_lane_class(lane)->share);
}

static void vnic_sched_arm(struct vnic_sched *sched, u64 now)
{
	u64 at = now + NSEC_PER_USEC;

	if (!sched->flushed)
		at = max(vnic_meter_ready(&sched->meter, now),
			 now + VNIC_RELEASE_QUANTUM);
	hrtimer_start(&sched->timer, ns_to_ktime(at),
		      HRTIMER_MODE_ABS_PINNED_SOFT);
}

/* Drops a list of packets of @class. */
static void vnic_class_drop(const struct vnic_class *class,
			    struct sk_buff *skb, unsigned int counter)
{
	struct sk_buff *next;

	for (; skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		vnic_skb_drop(skb, skb->dev, class->counters, counter,
			      SKB_DROP_REASON_QDISC_DROP);
	}
}

/* Takes off what waited for too long: at most as many as came since. */
static struct sk_buff *vnic_lane_expire(struct vnic_lane *lane, u64 now)
{
	struct sk_buff *expired = NULL;

	while (lane->queue.first &&
	       vnic_stamp(lane->queue.first)->departure < now) {
		struct sk_buff *skb = vnic_packets_pop(&lane->queue);

		skb->next = expired;
		expired = skb;
	}
	return expired;
}

/*
 * Takes the next packet of who is next, and in *@expired what waited there for
 * too long, which may be all. Who that is, or NULL if nobody is, or not yet.
 */
static struct vnic_class *vnic_sched_pop(struct vnic_sched *sched,
					 struct sk_buff **skb,
					 struct sk_buff **expired)
{
	struct vnic_lane *lane = vnic_sched_next(sched);
	u64 now = ktime_get_ns();
	u32 bytes, packets;

	if (!lane || (!sched->flushed &&
		      vnic_meter_ready(&sched->meter, now) > now))
		return NULL;
	*skb = NULL;
	*expired = sched->flushed ? NULL : vnic_lane_expire(lane, now);
	vnic_lane_leave(sched, lane);
	if (lane->queue.first) {
		*skb = vnic_packets_pop(&lane->queue);
		bytes = vnic_wire_len(*skb, true, &packets);
		vnic_meter_admit(&sched->meter, now, bytes, packets);
		vnic_lane_advance(sched, lane, lane->start, bytes);
	}
	vnic_lane_follow(sched, lane);
	return vnic_lane_class(lane);
}

/* Sends on what has its time, but at most a budget. */
static void vnic_sched_release(struct vnic_sched *sched)
{
	unsigned int budget = VNIC_RELEASE_BUDGET;
	struct sk_buff *skb, *expired;
	struct vnic_class *class;

	spin_lock(&sched->lock);
	if (sched->releasing)
		goto out;
	sched->releasing = true;
	while (budget-- && (class = vnic_sched_pop(sched, &skb, &expired))) {
		spin_unlock(&sched->lock);
		vnic_class_drop(class, expired, VNIC_TX_DROP_LIMIT);
		if (skb)
			vnic_shaped(vnic_stamp(skb)->note, skb, 0);
		spin_lock(&sched->lock);
	}
	sched->releasing = false;
	if (vnic_sched_next(sched))
		vnic_sched_arm(sched, ktime_get_ns());
out:
	spin_unlock(&sched->lock);
}

static enum hrtimer_restart vnic_sched_timer(struct hrtimer *timer)
{
	rcu_read_lock();
	vnic_sched_release(container_of(timer, struct vnic_sched, timer));
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

/**
 * vnic_sched_offer - let a packet of a VNIC through when it is its turn
 * @sched: scheduler of the link
 * @class: the VNIC's
 * @flow: the packet's, of that VNIC, or NULL
 * @skb: packet, on the VNIC; starts with its Ethernet header
 * @stage: where it goes on
 *
 * Return: enum vnic_offer. One that passes is the caller's, who sends it on
 * before anything else.
 */
enum vnic_offer vnic_sched_offer(struct vnic_sched *sched,
				 struct vnic_class *class,
				 const struct vnic_flow *flow,
				 struct sk_buff *skb, enum vnic_stage stage)
{
	enum vnic_offer offer = VNIC_OFFER_PASS;
	struct sk_buff *expired = NULL;
	struct vnic_lane *lane;
	u32 packets, bytes;
	bool idle;
	u64 now;

	bytes = vnic_wire_len(skb, true, &packets);
	spin_lock(&sched->lock);
	if (sched->empty)
		goto out;
	if (class->closed) {
		spin_unlock(&sched->lock);
		vnic_class_drop(class, skb, VNIC_TX_DROP_DOWN);
		return VNIC_OFFER_DROPPED;
	}
	lane = vnic_class_lane(class, flow);
	now = ktime_get_ns();
	idle = !sched->releasing && !vnic_sched_next(sched);
	if (idle && vnic_meter_ready(&sched->meter, now) <= now) {
		vnic_meter_admit(&sched->meter, now, bytes, packets);
		vnic_lane_advance(sched, lane,
				  vnic_share_start(sched->virtual[lane->priority],
						   lane->finish), bytes);
		goto out;
	}
	expired = vnic_lane_expire(lane, now);
	if (vnic_packets_full(&lane->queue, skb)) {
		offer = VNIC_OFFER_DROPPED;
		goto out;
	}
	offer = VNIC_OFFER_WAITS;
	/* Until when it may wait. */
	vnic_stamp(skb)->departure = now + class->delay;
	vnic_stamp(skb)->note = stage;
	vnic_stamp(skb)->flow = flow;
	vnic_stamp(skb)->own = flow && flow->priority < VNIC_PRIORITIES;
	vnic_packets_push(&lane->queue, skb);
	vnic_lane_follow(sched, lane);
	if (idle)
		vnic_sched_arm(sched, now);
out:
	spin_unlock(&sched->lock);
	vnic_class_drop(class, expired, VNIC_TX_DROP_LIMIT);
	if (offer == VNIC_OFFER_DROPPED)
		vnic_class_drop(class, skb, VNIC_TX_DROP_LIMIT);
	else if (offer == VNIC_OFFER_WAITS)
		this_cpu_inc(class->counters->value[VNIC_TX_WAITED]);
	return offer;
}

static void vnic_sched_lock(struct vnic_sched *sched)
{
	if (sched)
		spin_lock_bh(&sched->lock);
}

static void vnic_sched_unlock(struct vnic_sched *sched)
{
	if (sched)
		spin_unlock_bh(&sched->lock);
}

/* Puts two lists together, in the order in which their packets may wait. */
static void vnic_packets_merge(struct vnic_packets *list,
			       struct vnic_packets *other)
{
	struct vnic_packets merged = {};

	while (list->first || other->first) {
		struct vnic_packets *from = list;

		if (!list->first ||
		    (other->first && vnic_stamp(other->first)->departure <
				     vnic_stamp(list->first)->departure))
			from = other;
		vnic_packets_push(&merged, vnic_packets_pop(from));
	}
	*list = merged;
}

/*
 * Moves what waits of @flow, which may be where it is to be, and goes by a
 * priority of its own, or not: @own. NULL: of those that go by the VNIC's. Each
 * keeps its place among those that move.
 */
static void vnic_lane_move(struct vnic_sched *sched, struct vnic_lane *from,
			   struct vnic_lane *to, const struct vnic_flow *flow,
			   bool own)
{
	struct vnic_packets moved = {}, kept = {};

	while (from->queue.first) {
		struct sk_buff *skb = vnic_packets_pop(&from->queue);
		struct vnic_stamp *stamp = vnic_stamp(skb);

		if (flow ? stamp->flow == flow : !stamp->own) {
			stamp->own = own;
			vnic_packets_push(&moved, skb);
		} else {
			vnic_packets_push(&kept, skb);
		}
	}
	from->queue = kept;
	vnic_packets_merge(&to->queue, &moved);
	vnic_lane_follow(sched, from);
	vnic_lane_follow(sched, to);
}

/**
 * vnic_class_set - say what a VNIC's packets are among those of others
 * @sched: scheduler of the link, or NULL
 * @class: the VNIC's
 * @share: its weight, 1 at least
 * @priority: the lower, the sooner; of packets whose flow has none
 * @delay: how long they wait at most, in ns
 *
 * What waits keeps its order. RTNL.
 */
void vnic_class_set(struct vnic_sched *sched, struct vnic_class *class,
		    u16 share, u8 priority, u64 delay)
{
	struct vnic_lane *old;

	vnic_sched_lock(sched);
	class->share = share;
	class->delay = delay - min(delay / 4, VNIC_RELEASE_QUANTUM);
	old = vnic_class_lane(class, NULL);
	class->priority = priority;
	if (sched && old->priority != priority)
		vnic_lane_move(sched, old, vnic_class_lane(class, NULL), NULL,
			       false);
	vnic_sched_unlock(sched);
}

/**
 * vnic_flow_prioritize - say what a flow's packets are among those of others
 * @sched: scheduler of the link, or NULL
 * @class: that of the flow's VNIC
 * @flow: flow
 * @priority: the lower, the sooner; VNIC_PRIORITIES: the VNIC's
 *
 * What waits keeps its order, and is before what comes. RTNL.
 */
void vnic_flow_prioritize(struct vnic_sched *sched, struct vnic_class *class,
			  struct vnic_flow *flow, u8 priority)
{
	struct vnic_lane *old;

	vnic_sched_lock(sched);
	old = vnic_class_lane(class, flow);
	if (flow->priority != priority) {
		flow->priority = priority;
		if (sched)
			vnic_lane_move(sched, old,
				       vnic_class_lane(class, flow), flow,
				       priority < VNIC_PRIORITIES);
	}
	vnic_sched_unlock(sched);
}

/* The VNIC goes up; its packets are counted by @counters. RTNL. */
void vnic_class_open(struct vnic_sched *sched, struct vnic_class *class,
		     struct vnic_counters __percpu *counters)
{
	vnic_sched_lock(sched);
	class->counters = counters;
	class->closed = false;
	vnic_sched_unlock(sched);
}

/* The VNIC goes down: its packets are dropped. RTNL. */
void vnic_class_close(struct vnic_sched *sched, struct vnic_class *class)
{
	struct sk_buff *first[VNIC_PRIORITIES];
	unsigned int i;

	vnic_sched_lock(sched);
	class->closed = true;
	for (i = 0; i < VNIC_PRIORITIES; i++) {
		first[i] = vnic_packets_take(&class->lanes[i].queue);
		/* Without a scheduler none waits. */
		vnic_lane_follow(sched, &class->lanes[i]);
	}
	vnic_sched_unlock(sched);
	local_bh_disable();
	for (i = 0; i < VNIC_PRIORITIES; i++)
		vnic_class_drop(class, first[i], VNIC_TX_DROP_DOWN);
	local_bh_enable();
}

/*
 * A scheduler without a limit, and nobody in it. Time starts somewhere, so that
 * tags that VNICs have of an earlier one are in the past. May sleep.
 */
struct vnic_sched *vnic_sched_alloc(void)
{
	struct vnic_sched *sched = kzalloc(sizeof(*sched), GFP_KERNEL);

	if (!sched)
		return NULL;
	spin_lock_init(&sched->lock);
	get_random_bytes(sched->virtual, sizeof(sched->virtual));
	hrtimer_setup(&sched->timer, vnic_sched_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED_SOFT);
	return sched;
}

/* A scheduler that nobody finds any more, empty. Process context. */
void vnic_sched_free(struct vnic_sched *sched)
{
	hrtimer_cancel(&sched->timer);
	vnic_kvfree_rcu(sched);
}

/* Sets how many bits go to the wire in a second. RTNL. */
void vnic_sched_set(struct vnic_sched *sched, u64 bits)
{
	spin_lock_bh(&sched->lock);
	vnic_meter_set(&sched->meter, bits, 0, 0, ktime_get_ns());
	if (vnic_sched_next(sched) && !sched->releasing)
		vnic_sched_arm(sched, ktime_get_ns());
	spin_unlock_bh(&sched->lock);
}

/* Takes what one of those who wait has, who is returned, or NULL. */
static struct vnic_class *vnic_sched_purge(struct vnic_sched *sched,
					   struct sk_buff **skb)
{
	struct vnic_lane *lane = vnic_sched_next(sched);

	if (!lane)
		return NULL;
	*skb = vnic_packets_take(&lane->queue);
	vnic_lane_follow(sched, lane);
	return vnic_lane_class(lane);
}

/**
 * vnic_sched_drain - end a limit: nobody waits any more, nor will
 * @sched: scheduler that packets still find
 *
 * All that wait go on before any that comes. RTNL; sleeps.
 */
void vnic_sched_drain(struct vnic_sched *sched)
{
	unsigned long end = jiffies + VNIC_DRAIN_TIME;
	struct vnic_class *class;
	struct sk_buff *skb;

	spin_lock_bh(&sched->lock);
	vnic_meter_set(&sched->meter, 0, 0, 0, 0);
	sched->flushed = true;
	spin_unlock_bh(&sched->lock);
	do {
		local_bh_disable();
		rcu_read_lock();
		vnic_sched_release(sched);
		class = NULL;
		spin_lock(&sched->lock);
		/* Others may send as fast as we do. */
		if (time_after(jiffies, end))
			class = vnic_sched_purge(sched, &skb);
		sched->empty = !sched->releasing && !vnic_sched_next(sched);
		spin_unlock(&sched->lock);
		if (class)
			vnic_class_drop(class, skb, VNIC_TX_DROP_LIMIT);
		rcu_read_unlock();
		local_bh_enable();
		cond_resched();
	} while (!sched->empty);
	hrtimer_cancel(&sched->timer);
}
