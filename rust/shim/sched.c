// SPDX-License-Identifier: GPL-2.0
/* What the VNICs of a link send to its wire, if that is limited: who is next. */
#include <linux/netdevice.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <vnic_shim.h>
#include "shaper.h"

/*
 * Those who wait are in one tree for each priority, in the order of their start
 * tags (rust/logic/share.rs). As in a shaper, a packet passes at once only if
 * nobody waits and none is just being sent on.
 */
struct vnic_sched {
	spinlock_t lock;
	bool releasing;
	bool flushed;		/* nobody has to wait any more */
	bool empty;		/* and nobody will: all pass */
	struct vnic_meter meter;
	u64 virtual[VNIC_PRIORITIES];
	struct rb_root_cached classes[VNIC_PRIORITIES];
	struct hrtimer timer;
};

static bool vnic_class_before(struct rb_node *a, const struct rb_node *b)
{
	return vnic_share_before(rb_entry(a, struct vnic_class, node)->start,
				 rb_entry(b, struct vnic_class, node)->start);
}

static void vnic_sched_enter(struct vnic_sched *sched, struct vnic_class *class)
{
	rb_add_cached(&class->node, &sched->classes[class->priority],
		      vnic_class_before);
	class->waits = true;
}

static void vnic_sched_leave(struct vnic_sched *sched, struct vnic_class *class)
{
	rb_erase_cached(&class->node, &sched->classes[class->priority]);
	class->waits = false;
}

/* Who is next, or NULL. */
static struct vnic_class *vnic_sched_next(const struct vnic_sched *sched)
{
	unsigned int i;

	for (i = 0; i < VNIC_PRIORITIES; i++) {
		struct rb_node *node = rb_first_cached(&sched->classes[i]);

		if (node)
			return rb_entry(node, struct vnic_class, node);
	}
	return NULL;
}

/* A packet of @bytes goes, of who is first or alone. */
static void vnic_class_advance(struct vnic_sched *sched,
			       struct vnic_class *class, u64 start, u32 bytes)
{
	sched->virtual[class->priority] = start;
	class->finish = vnic_share_finish(start, bytes, class->share);
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
static struct sk_buff *vnic_class_expire(struct vnic_class *class, u64 now)
{
	struct sk_buff *expired = NULL;

	while (class->queue.first &&
	       vnic_stamp(class->queue.first)->departure < now) {
		struct sk_buff *skb = vnic_packets_pop(&class->queue);

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
	struct vnic_class *class = vnic_sched_next(sched);
	u64 now = ktime_get_ns(), start;
	u32 bytes, packets;

	if (!class || (!sched->flushed &&
		       vnic_meter_ready(&sched->meter, now) > now))
		return NULL;
	*skb = NULL;
	*expired = sched->flushed ? NULL : vnic_class_expire(class, now);
	start = class->start;
	vnic_sched_leave(sched, class);
	if (class->queue.first) {
		*skb = vnic_packets_pop(&class->queue);
		bytes = vnic_wire_len(*skb, true, &packets);
		vnic_meter_admit(&sched->meter, now, bytes, packets);
		vnic_class_advance(sched, class, start, bytes);
	}
	if (class->queue.first) {
		class->start = class->finish;
		vnic_sched_enter(sched, class);
	}
	return class;
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
 * @skb: packet, on the VNIC; starts with its Ethernet header
 * @stage: where it goes on
 *
 * Return: enum vnic_offer. One that passes is the caller's, who sends it on
 * before anything else.
 */
enum vnic_offer vnic_sched_offer(struct vnic_sched *sched,
				 struct vnic_class *class, struct sk_buff *skb,
				 enum vnic_stage stage)
{
	enum vnic_offer offer = VNIC_OFFER_PASS;
	struct sk_buff *expired = NULL;
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
	now = ktime_get_ns();
	idle = !sched->releasing && !vnic_sched_next(sched);
	if (idle && vnic_meter_ready(&sched->meter, now) <= now) {
		vnic_meter_admit(&sched->meter, now, bytes, packets);
		vnic_class_advance(sched, class,
				   vnic_share_start(sched->virtual[class->priority],
						    class->finish), bytes);
		goto out;
	}
	expired = vnic_class_expire(class, now);
	if (vnic_packets_full(&class->queue, skb)) {
		offer = VNIC_OFFER_DROPPED;
		goto out;
	}
	offer = VNIC_OFFER_WAITS;
	/* Until when it may wait. */
	vnic_stamp(skb)->departure = now + class->delay;
	vnic_stamp(skb)->note = stage;
	vnic_packets_push(&class->queue, skb);
	if (!class->waits) {
		class->start = vnic_share_start(sched->virtual[class->priority],
						class->finish);
		vnic_sched_enter(sched, class);
	}
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

/* A closed class. Any context. */
void vnic_class_init(struct vnic_class *class)
{
	memset(class, 0, sizeof(*class));
	class->counters = vnic_counters_none();
	class->closed = true;
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

/**
 * vnic_class_set - say what a VNIC's packets are among those of others
 * @sched: scheduler of the link, or NULL
 * @class: the VNIC's
 * @share: its weight, 1 at least
 * @priority: the lower, the sooner
 * @delay: how long they wait at most, in ns
 *
 * What waits keeps its order. RTNL.
 */
void vnic_class_set(struct vnic_sched *sched, struct vnic_class *class,
		    u16 share, u8 priority, u64 delay)
{
	vnic_sched_lock(sched);
	class->share = share;
	class->delay = delay - min(delay / 4, VNIC_RELEASE_QUANTUM);
	if (class->priority != priority) {
		bool waits = class->waits;

		if (waits)
			vnic_sched_leave(sched, class);
		class->priority = priority;
		class->finish = sched ? sched->virtual[priority] : 0;
		class->start = class->finish;
		if (waits)
			vnic_sched_enter(sched, class);
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
	struct sk_buff *first;

	vnic_sched_lock(sched);
	class->closed = true;
	first = vnic_packets_take(&class->queue);
	if (class->waits)
		vnic_sched_leave(sched, class);
	vnic_sched_unlock(sched);
	local_bh_disable();
	vnic_class_drop(class, first, VNIC_TX_DROP_DOWN);
	local_bh_enable();
}

/* A scheduler without a limit, and nobody in it. May sleep. */
struct vnic_sched *vnic_sched_alloc(void)
{
	struct vnic_sched *sched = kzalloc(sizeof(*sched), GFP_KERNEL);

	if (!sched)
		return NULL;
	spin_lock_init(&sched->lock);
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
	struct vnic_class *class = vnic_sched_next(sched);

	if (class) {
		vnic_sched_leave(sched, class);
		*skb = vnic_packets_take(&class->queue);
	}
	return class;
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
