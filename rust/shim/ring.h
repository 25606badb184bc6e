/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings: what the data path does with one. BH off, under RCU.
 *
 * A ring is two lists. Producers push to `waiting`, without a lock. The poll
 * takes all that waits at once into `polled`, which is its own. No array: an
 * idle ring costs no memory.
 *
 * Amounts are packets and their bytes in memory in one u64, bytes above, that
 * never runs backwards: the difference of two is what lies between them.
 */
#ifndef _VNIC_RING_H
#define _VNIC_RING_H

#include <linux/hrtimer.h>
#include <linux/kernel_stat.h>
#include <linux/llist.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <vnic_shim.h>

struct vnic_ring {
	/* The producers'. */
	struct llist_head waiting;	/* the newest first */
	atomic64_t appended;	/* amount ever appended */
	u64 known_taken;	/* `taken` when a producer looked last */
	u32 max_packets;
	u32 max_bytes;
	u32 credit;		/* see vnic_ring_renew() */
	u32 credit_busy;
	u32 threshold;		/* drops after which somebody is told; 0: none */
	atomic_t overflows;	/* drops since somebody was told */
	int cpu;		/* where it is polled; -1: where frames come from */
	u16 index;
	u16 count;		/* of the VNIC's rings, which are one array */
	bool merge;		/* whether the lower device merges nothing */
	union {
		struct {
			u8 pause;	/* enum vnic_ring_pause, by the poll */
			bool placed;	/* whether it has a CPU of its own */
			bool shaped;	/* whether it has a shaper */
		};
		u32 special;	/* all, of which most rings have none */
	};

	/* The poll's; the rest reads. */
	struct sk_buff *polled ____cacheline_aligned_in_smp;
	struct sk_buff *held;	/* last of `polled` that charges no socket */
	void *gate;		/* see vnic_gate_admit(); NULL: all may pass */
	/* Of all rings of the VNIC, or NULL; producers', if @shaped. */
	struct vnic_shaper *shaper;
	u64 taken;		/* amount ever taken off */
	/*
	 * The packets in `taken` that went through the stack, and all before
	 * them: what comes later may not overtake those between.
	 */
	u32 delivered;
	u64 packets;		/* as counted elsewhere */
	u64 bytes;
	unsigned long spread_at;	/* jiffies when RPS was seen, or 0 */
	int weight;
	struct hrtimer wake;	/* ends a pause */
	call_single_data_t call;	/* has it polled on its CPU */
	unsigned long calls;	/* bit 0: `call` is under way */
	bool called;		/* there may have been calls */
	struct napi_struct napi;
};

/* Why a ring with frames on it is not polled. */
enum vnic_ring_pause {
	VNIC_RING_POLLED,	/* It is. */
	VNIC_RING_WAITS,	/* for a moment that is known */
	VNIC_RING_PARKED,	/* for somebody else, maybe for long */
};

/* How soon drops are told of, in ms. */
#define VNIC_TELL_MS 20

/* In place of the first of `waiting`: nothing is taken any more. */
#define VNIC_RING_CLOSED ((struct llist_node *)1UL)

static __always_inline u64 vnic_ring_amount(const struct sk_buff *skb)
{
	return ((u64)skb->truesize << 32) + 1;
}

static __always_inline bool vnic_ring_exceeds(const struct vnic_ring *ring,
					      u64 amount)
{
	return (u32)amount > READ_ONCE(ring->max_packets) ||
	       (u32)(amount >> 32) > READ_ONCE(ring->max_bytes);
}

/*
 * Whether a ring is too full, after a look at what was really taken off. That
 * may be more than there was when the caller added his own, so `appended` is
 * read again, and later.
 */
static noinline bool vnic_ring_full(struct vnic_ring *ring)
{
	u64 taken = smp_load_acquire(&ring->taken);

	WRITE_ONCE(ring->known_taken, taken);
	return vnic_ring_exceeds(ring, atomic64_read(&ring->appended) - taken);
}

void vnic_ring_call(struct vnic_ring *ring);

/* A frame was dropped for want of room. */
static noinline void vnic_ring_overflow(struct vnic_ring *ring)
{
	u32 threshold = READ_ONCE(ring->threshold);

	if (threshold && atomic_inc_return(&ring->overflows) == threshold)
		vnic_chores_soon(VNIC_TELL_MS);
}

unsigned int vnic_ring_consider(struct vnic_ring *ring, struct sk_buff *skb);

/**
 * vnic_ring_append - put a received frame on a ring
 * @ring: ring
 * @skb: frame in received form, of one owner; consumed if it is taken
 *
 * Return: 0 if it was taken, else where it is counted (enum vnic_counter).
 */
static __always_inline unsigned int vnic_ring_append(struct vnic_ring *ring,
						     struct sk_buff *skb)
{
	unsigned int refusal = VNIC_RX_DROP_RING;
	u64 amount = vnic_ring_amount(skb);
	struct llist_node *old;
	u64 appended;

	/* Before the frame is there: it must not look as if it were delivered. */
	appended = atomic64_add_return(amount, &ring->appended);
	if (unlikely(vnic_ring_exceeds(ring, appended -
				       READ_ONCE(ring->known_taken))) &&
	    vnic_ring_full(ring)) {
		vnic_ring_overflow(ring);
		goto refuse;
	}
	if (ring->count > 1)
		skb_record_rx_queue(skb, ring->index);
	if (unlikely(READ_ONCE(ring->special))) {
		unsigned int limit = vnic_ring_consider(ring, skb);

		if (unlikely(limit)) {
			refusal = limit;
			goto refuse;
		}
	}
	old = READ_ONCE(ring->waiting.first);
	do {
		if (unlikely(old == VNIC_RING_CLOSED))
			goto refuse;
		skb->ll_node.next = old;
	} while (!try_cmpxchg(&ring->waiting.first, &old, &skb->ll_node));
	/*
	 * If others wait already, the first of them has asked for a poll. In a
	 * pause the timer does; `pause` is read after the frame is there, as
	 * vnic_ring_go_on() looks for frames after `pause` was written.
	 */
	if (old)
		return 0;
	if (likely(!READ_ONCE(ring->special)))
		napi_schedule(&ring->napi);
	else if (READ_ONCE(ring->pause) == VNIC_RING_POLLED)
		vnic_ring_call(ring);
	return 0;

refuse:
	skb_mark_not_on_list(skb);
	atomic64_sub(amount, &ring->appended);
	return refusal;
}

/*
 * A new jiffy: how many frames go up inline in it, on this CPU. Fewer where at
 * least half of the time since the last look was spent in softirq.
 */
static noinline void vnic_ring_renew(const struct vnic_ring *ring,
				     struct vnic_counters *c, u32 now)
{
	u64 softirq = kcpustat_this_cpu->cpustat[CPUTIME_SOFTIRQ];
	u64 spent = softirq - c->softirq, passed = now - c->credit_at;

	c->credit_at = now;
	c->softirq = softirq;
	c->credit = READ_ONCE(ring->credit);
	if (c->credit == U32_MAX)
		return;
	if (unlikely(READ_ONCE(ring->cpu) >= 0 &&
		     ring->cpu != smp_processor_id())) {
		c->credit = 0;
		return;
	}
	if (spent >= passed * (TICK_NSEC / 2))
		c->credit = READ_ONCE(ring->credit_busy);
	/* Who sets a thread wants the work done there. */
	if (test_bit(NAPI_STATE_THREADED, &ring->napi.state))
		c->credit = 0;
}

/**
 * vnic_ring_spares - whether a frame may go up inline, past the ring
 * @ring: ring
 * @c: this CPU's counters
 *
 * Not before everything on the ring went through the stack, or a frame of the
 * same flow could be overtaken. `appended` is read first: what was appended
 * between the two reads is of another flow, or comes later.
 */
static __always_inline bool vnic_ring_spares(const struct vnic_ring *ring,
					     struct vnic_counters *c)
{
	u32 appended = (u32)atomic64_read(&ring->appended);
	u32 now = (u32)jiffies;

	if ((s32)(smp_load_acquire(&ring->delivered) - appended) < 0)
		return false;
	if (unlikely(c->credit_at != now))
		vnic_ring_renew(ring, c, now);
	if (unlikely(!c->credit))
		return false;
	c->credit--;
	return true;
}

#endif
