// SPDX-License-Identifier: GPL-2.0
/* Rings: making them, polling them. What packets do with one is in ring.h. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <net/gro.h>
#include <net/netdev_lock.h>
#include <net/netdev_rx_queue.h>
#include <net/rps.h>
#include <vnic_shim.h>
#include "ring.h"
#include "shaper.h"

/* On the CPU of the ring, interrupts off. */
static void vnic_ring_called(void *data)
{
	struct vnic_ring *ring = data;

	/* Before the poll looks for frames: who pushes later calls again. */
	clear_bit(0, &ring->calls);
	smp_mb__after_atomic();
	napi_schedule_irqoff(&ring->napi);
}

/* Has a ring polled on its CPU, or here if that is offline. BH off. */
void vnic_ring_call(struct vnic_ring *ring)
{
	int cpu = READ_ONCE(ring->cpu);

	if (cpu >= 0 && cpu != smp_processor_id()) {
		if (test_and_set_bit(0, &ring->calls))
			return;
		if (!smp_call_function_single_async(cpu, &ring->call))
			return;
		clear_bit(0, &ring->calls);
	}
	napi_schedule(&ring->napi);
}

/*
 * What a ring does with a frame that is not like others. A receiver that does
 * not read, or may not yet, must not hold the sender's socket.
 *
 * Return: 0, or where it is counted that the frame is not taken.
 */
unsigned int vnic_ring_consider(struct vnic_ring *ring, struct sk_buff *skb)
{
	struct vnic_shaper *shaper = READ_ONCE(ring->shaper);

	if (READ_ONCE(ring->pause) == VNIC_RING_PARKED)
		skb_orphan(skb);
	return shaper ? vnic_shaper_stamp(shaper, skb) : 0;
}

/* Says where a ring is polled; -1: where its frames come from. RTNL. */
void vnic_ring_place(struct vnic_ring *ring, int cpu)
{
	if (cpu >= 0)
		ring->called = true;
	WRITE_ONCE(ring->cpu, cpu);
	WRITE_ONCE(ring->placed, cpu >= 0);
}

/* Memory for @count rings; nobody polls them yet. Process context. */
struct vnic_ring *vnic_rings_alloc(unsigned int count)
{
	struct vnic_ring *rings = kvcalloc(count, sizeof(*rings), GFP_KERNEL);
	unsigned int i;

	for (i = 0; rings && i < count; i++) {
		rings[i].index = i;
		rings[i].cpu = -1;
		INIT_CSD(&rings[i].call, vnic_ring_called, &rings[i]);
		rings[i].count = count;
	}
	return rings;
}

/**
 * vnic_ring_limit - set the bounds of a ring, and how it works
 * @ring: ring
 * @packets: how many may wait
 * @bytes: what they may have in memory (truesize)
 * @credit: how many frames from the wire go up inline in each jiffy on each
 *	CPU; 0 none, U32_MAX all, also if the ring is polled by a thread
 * @credit_busy: the same on a CPU that is busy with softirqs
 * @merge: whether frames are merged here (GRO), as nobody else does it
 * @weight: how many frames it gives to the stack before others have their turn
 * @threshold: after how many drops for want of room somebody is told; 0: never
 *
 * What waits already stays. Any context.
 */
void vnic_ring_limit(struct vnic_ring *ring, u32 packets, u32 bytes,
		     u32 credit, u32 credit_busy, bool merge, int weight,
		     u32 threshold)
{
	WRITE_ONCE(ring->max_packets, packets);
	WRITE_ONCE(ring->max_bytes, bytes);
	WRITE_ONCE(ring->credit, credit);
	WRITE_ONCE(ring->credit_busy, credit_busy);
	WRITE_ONCE(ring->merge, merge);
	WRITE_ONCE(ring->weight, weight);
	WRITE_ONCE(ring->napi.weight, weight);
	WRITE_ONCE(ring->threshold, threshold);
}

/* Drops a list of frames. How many they were. */
static unsigned int vnic_ring_purge(struct sk_buff *skb)
{
	unsigned int dropped = 0;
	struct sk_buff *next;

	for (; skb; skb = next, dropped++) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		kfree_skb_reason(skb, SKB_DROP_REASON_QUEUE_PURGE);
	}
	return dropped;
}

static struct sk_buff *vnic_ring_skb(struct llist_node *node)
{
	return node ? llist_entry(node, struct sk_buff, ll_node) : NULL;
}

/**
 * vnic_ring_close - undo vnic_ring_open(), and drop what is on the ring
 * @dev: its device
 * @ring: ring
 *
 * RTNL. Producers may still look at the ring, but find it closed. Its memory
 * has to stay for a grace period. Return: how many frames were dropped.
 */
unsigned int vnic_ring_close(struct net_device *dev, struct vnic_ring *ring)
{
	struct llist_node *waiting;

	netif_queue_set_napi(dev, ring->index, NETDEV_QUEUE_TYPE_RX, NULL);
	napi_disable(&ring->napi);
	hrtimer_cancel(&ring->wake);
	/* Not before: the poll would mistake the mark for a frame. */
	waiting = xchg(&ring->waiting.first, VNIC_RING_CLOSED);
	if (ring->called) {
		/* Who pushed before may call yet; then calls have their turn. */
		synchronize_net();
		kick_all_cpus_sync();
	}
	__netif_napi_del(&ring->napi);
	return vnic_ring_purge(ring->polled) +
	       vnic_ring_purge(vnic_ring_skb(waiting));
}

/*
 * Takes all that waits, the oldest first. Who pushes to a list that looks empty
 * here asks for a poll, which napi_complete_done() will find.
 */
static __always_inline struct sk_buff *vnic_ring_take(struct vnic_ring *ring)
{
	struct llist_node *node;

	if (!READ_ONCE(ring->waiting.first))
		return NULL;
	node = xchg(&ring->waiting.first, NULL);
	if (unlikely(node->next))
		node = llist_reverse_order(node);
	return vnic_ring_skb(node);
}

/* Whether received packets are handed on to other CPUs. */
static bool vnic_ring_spreads(const struct vnic_ring *ring)
{
#ifdef CONFIG_RPS
	const struct net_device *dev = ring->napi.dev;
	unsigned int i;

	if (!static_branch_unlikely(&rps_needed))
		return false;
	for (i = 0; i < READ_ONCE(dev->real_num_rx_queues); i++) {
		const struct netdev_rx_queue *queue = &dev->_rx[i];

		if (rcu_access_pointer(queue->rps_map) ||
		    READ_ONCE(queue->rps_flow_table))
			return true;
	}
#endif
	return false;
}

/*
 * The ring is empty. Says so, unless packets may still be on their way: in GRO,
 * or in another CPU's backlog, where they can be for a while after RPS was
 * switched off.
 */
static __always_inline void vnic_ring_emptied(struct vnic_ring *ring,
					       bool merging)
{
	if (unlikely(vnic_ring_spreads(ring))) {
		ring->spread_at = jiffies | 1;
		return;
	}
	if (unlikely(ring->spread_at)) {
		if (time_before(jiffies, ring->spread_at + HZ))
			return;
		ring->spread_at = 0;
	}
	if (!merging)
		smp_store_release(&ring->delivered, (u32)ring->taken);
}

/*
 * Whether a frame is worth a try to merge it with others: TCP. For the rest the
 * try costs more than all that a ring does.
 */
static bool vnic_ring_may_merge(const struct vnic_ring *ring,
				const struct sk_buff *skb)
{
	if (!(ring->napi.dev->features & NETIF_F_GRO))
		return false;
	if (skb->protocol == htons(ETH_P_IP))
		return skb_headlen(skb) >= sizeof(struct iphdr) &&
		       ((struct iphdr *)skb->data)->protocol == IPPROTO_TCP;
	return skb->protocol == htons(ETH_P_IPV6) &&
	       skb_headlen(skb) >= sizeof(struct ipv6hdr) &&
	       ((struct ipv6hdr *)skb->data)->nexthdr == IPPROTO_TCP;
}

/*
 * Charges no socket for what waits, so that a receiver that does not read holds
 * up nobody who sends to others. What was pushed by somebody who did not see
 * the pause yet is found when it is prolonged.
 */
static void vnic_ring_hold(struct vnic_ring *ring)
{
	struct sk_buff *last = ring->held, *skb = last ? last->next : ring->polled;

	for (;;) {
		for (; skb; last = skb, skb = skb->next)
			skb_orphan(skb);
		skb = vnic_ring_take(ring);
		if (!skb)
			break;
		/* There is one at least, for which the ring is parked. */
		last->next = skb;
	}
	ring->held = last;
}

/* Puts @skb back in front, and has the ring polled again after @wait. */
static void vnic_ring_stop(struct vnic_ring *ring, struct sk_buff *skb, u64 wait)
{
	bool park = wait & VNIC_GATE_PARK;

	skb->next = ring->polled;
	ring->polled = skb;
	WRITE_ONCE(ring->pause, park ? VNIC_RING_PARKED : VNIC_RING_WAITS);
	if (park)
		vnic_ring_hold(ring);
	hrtimer_start(&ring->wake, ns_to_ktime(wait & ~VNIC_GATE_PARK),
		      HRTIMER_MODE_REL_PINNED_SOFT);
}

/* Ends a pause: producers ask for polls again. */
static void vnic_ring_go_on(struct vnic_ring *ring)
{
	WRITE_ONCE(ring->pause, VNIC_RING_POLLED);
	/* Before the next look for frames; pairs with vnic_ring_append(). */
	smp_mb();
}

static enum hrtimer_restart vnic_ring_wake(struct hrtimer *timer)
{
	struct vnic_ring *ring = container_of(timer, struct vnic_ring, wake);

	/* What it waits for may have been read, but not be free yet. */
	if (READ_ONCE(ring->pause) == VNIC_RING_PARKED)
		vnic_deferred_flush();
	napi_schedule(&ring->napi);
	return HRTIMER_NORESTART;
}

/* Frames that come in place of one that was taken off are on the ring, too. */
static void vnic_ring_put_front(struct vnic_ring *ring, struct sk_buff *skb)
{
	struct sk_buff *last;
	u64 amount = 0;

	for (last = skb;; last = last->next) {
		amount += vnic_ring_amount(last);
		if (!last->next)
			break;
	}
	last->next = ring->polled;
	ring->polled = skb;
	atomic64_add(amount, &ring->appended);
}

/*
 * Asks the gate for a frame that was just taken off. Returns the frame that is
 * to go on, or NULL: it is gone, or, with *@stopped, in front again.
 */
static __always_inline struct sk_buff *
vnic_ring_admit(struct vnic_ring *ring, struct sk_buff *skb, bool *stopped)
{
	struct sk_buff *admitted = skb;
	u64 wait = 0;

	if (ring->shaper)
		wait = vnic_shaper_wait(ring->shaper, skb);
	if (!wait && ring->gate)
		wait = vnic_gate_admit(ring->gate, &admitted);
	if (wait == VNIC_GATE_CUT)
		vnic_ring_put_front(ring, admitted);
	else if (wait && wait != VNIC_GATE_GONE) {
		vnic_ring_stop(ring, skb, wait);
		*stopped = true;
		return NULL;
	}
	if (skb == ring->held)
		ring->held = NULL;
	if (unlikely(ring->pause != VNIC_RING_POLLED))
		vnic_ring_go_on(ring);
	return wait ? NULL : admitted;
}

/*
 * netif_receive_skb(), but for what it has nothing to do for on a VNIC: it looks
 * for a PHY that stamps packets, which takes 45 instructions. The stamps of
 * software, RPS, and frames from the reserve for swapping are its business.
 */
static __always_inline void vnic_ring_deliver(struct sk_buff *skb)
{
#ifdef CONFIG_RPS
	if (static_branch_unlikely(&rps_needed)) {
		netif_receive_skb(skb);
		return;
	}
#endif
	if (static_branch_unlikely(&netstamp_needed_key) ||
	    unlikely(skb_pfmemalloc(skb)))
		netif_receive_skb(skb);
	else
		netif_receive_skb_core(skb);
}

/*
 * Gives frames of a ring to the stack. What only a ring with a gate does is not
 * in the way of others.
 */
static __always_inline int vnic_ring_serve(struct vnic_ring *ring, int budget,
					   bool gated)
{
	struct napi_struct *napi = &ring->napi;
	bool stopped = false;
	struct sk_buff *skb;
	int done = 0;

	while (done < budget) {
		u64 amount;

		skb = ring->polled ?: vnic_ring_take(ring);
		if (!skb)
			break;
		ring->polled = skb->next;
		skb_mark_not_on_list(skb);
		amount = vnic_ring_amount(skb);
		if (gated) {
			skb = vnic_ring_admit(ring, skb, &stopped);
			if (stopped)
				break;
		}
		smp_store_release(&ring->taken, ring->taken + amount);
		if (gated && unlikely(!skb)) {
			done++;
			continue;
		}
		ring->bytes += skb->len + ETH_HLEN;
		/* A frame that is alone has none to be merged with. */
		if (unlikely(READ_ONCE(ring->merge)) && (done || ring->polled) &&
		    vnic_ring_may_merge(ring, skb))
			napi_gro_receive(napi, skb);
		else
			vnic_ring_deliver(skb);
		done++;
	}
	ring->packets += done;
	if (done < budget) {
		bool merging = napi->gro.bitmask;

		if (!gated || likely(!stopped))
			vnic_ring_emptied(ring, merging);
		/* What asks for no interrupt has none to defer. */
		napi_complete_done(napi, unlikely(merging) ? done : 0);
	}
	return done;
}

static int vnic_ring_poll(struct napi_struct *napi, int budget)
{
	return vnic_ring_serve(container_of(napi, struct vnic_ring, napi),
			       budget, false);
}

static int vnic_ring_poll_gated(struct napi_struct *napi, int budget)
{
	return vnic_ring_serve(container_of(napi, struct vnic_ring, napi),
			       budget, true);
}

static void vnic_ring_choose_poll(struct vnic_ring *ring)
{
	ring->napi.poll = ring->gate || ring->shaper ? vnic_ring_poll_gated :
						       vnic_ring_poll;
}

/*
 * Opens a ring as queue @ring->index of @dev, with a gate or NULL, and with a
 * shaper or NULL. RTNL, in ndo_open or later.
 */
void vnic_ring_open(struct net_device *dev, struct vnic_ring *ring, void *gate,
		    struct vnic_shaper *shaper)
{
	ring->gate = gate;
	ring->shaper = shaper;
	ring->shaped = shaper;
	hrtimer_setup(&ring->wake, vnic_ring_wake, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_SOFT);
	netif_napi_add_config(dev, &ring->napi, vnic_ring_poll, ring->index);
	vnic_ring_choose_poll(ring);
	ring->napi.weight = ring->weight;
	/* Packets of the ring that was there before may still be on their way. */
	if (vnic_ring_spreads(ring))
		ring->delivered--;
	napi_enable(&ring->napi);
	netif_queue_set_napi(dev, ring->index, NETDEV_QUEUE_TYPE_RX,
			     &ring->napi);
}

/* Nobody polls the ring. Sleeps. */
static void vnic_ring_halt(struct vnic_ring *ring)
{
	napi_disable(&ring->napi);
	hrtimer_cancel(&ring->wake);
}

/* Undoes it; nothing that waits has to wait any more. */
static void vnic_ring_resume(struct vnic_ring *ring)
{
	vnic_ring_choose_poll(ring);
	WRITE_ONCE(ring->pause, VNIC_RING_POLLED);
	napi_enable(&ring->napi);
	/* For what waits, and what comes while nobody asks for polls. */
	local_bh_disable();
	napi_schedule(&ring->napi);
	local_bh_enable();
}

/**
 * vnic_ring_set_gate - put something between a ring and the stack
 * @ring: ring that is open
 * @gate: what vnic_gate_admit() gets; NULL: nothing
 *
 * RTNL; sleeps. Return: what was there before, which nobody uses any more.
 */
void *vnic_ring_set_gate(struct vnic_ring *ring, void *gate)
{
	void *old;

	vnic_ring_halt(ring);
	old = ring->gate;
	ring->gate = gate;
	vnic_ring_resume(ring);
	return old;
}

/**
 * vnic_ring_set_shaper - limit what a ring gets, or not any more
 * @ring: ring that is open
 * @shaper: for VNIC_STAGE_RX; NULL: none
 *
 * What waits stays in its place, but without a shaper does not wait any more.
 * RTNL; sleeps. Producers may use the shaper that was there before for a grace
 * period.
 */
void vnic_ring_set_shaper(struct vnic_ring *ring, struct vnic_shaper *shaper)
{
	vnic_ring_halt(ring);
	WRITE_ONCE(ring->shaper, shaper);
	WRITE_ONCE(ring->shaped, shaper);
	vnic_ring_resume(ring);
}

/**
 * vnic_ring_overflows - what was dropped for want of room, if that is many
 * @ring: ring
 * @threshold: how many are many, 1 at least
 *
 * Any context. Return: how many, from now on counted anew; 0: fewer.
 */
u32 vnic_ring_overflows(struct vnic_ring *ring, u32 threshold)
{
	if ((u32)atomic_read(&ring->overflows) < threshold)
		return 0;
	return atomic_xchg(&ring->overflows, 0);
}

/* How many bytes of memory wait. Any context. */
u64 vnic_ring_waiting(const struct vnic_ring *ring)
{
	u64 taken = smp_load_acquire(&ring->taken);

	return (u64)(atomic64_read(&ring->appended) - taken) >> 32;
}

/* What was taken off a ring so far. Any context. */
void vnic_ring_stats(const struct vnic_ring *ring, u64 *packets, u64 *bytes)
{
	*packets = READ_ONCE(ring->packets);
	*bytes = READ_ONCE(ring->bytes);
}
