// SPDX-License-Identifier: GPL-2.0
/*
 * One packet: the steps of the data path, each one call from Rust.
 *
 * Every function here runs with bottom halves off and under rcu_read_lock(),
 * as ndo_start_xmit, rx handlers, netfilter hooks and NAPI do, unless its
 * comment says otherwise.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/netfilter_netdev.h>
#include <linux/skbuff.h>
#include <vnic_shim.h>
#include "ring.h"
#include "shaper.h"
#include "trace.h"

/*
 * The frame that this CPU is sending out on a link's lower device just now, so
 * that the link's egress hook leaves it alone; and the frame that it is just
 * handing to the host's stack, so that the link's rx handler lets it pass.
 * Nesting (a VNIC on a VNIC) saves and restores.
 */
struct vnic_in_hand {
	const struct sk_buff *uplink;
	const struct net_device *lower;
	const struct sk_buff *raised;
};

static DEFINE_PER_CPU(struct vnic_in_hand, vnic_in_hand);

/* Instead of counters, until a device has some of its own. */
static DEFINE_PER_CPU(struct vnic_counters, vnic_no_counters);

static __always_inline void vnic_count(struct vnic_counters __percpu *counters,
				       unsigned int packets, unsigned int bytes,
				       unsigned int len)
{
	struct vnic_counters *c = this_cpu_ptr(counters);

	c->value[packets]++;
	c->value[bytes] += len;
}

/*
 * Turns a frame that starts with its Ethernet header into one as received by
 * @dst, whose address is the frame's destination: eth_type_trans() without
 * comparing addresses.
 */
static __always_inline void vnic_skb_receive_unicast(struct sk_buff *skb,
						     struct net_device *dst)
{
	const struct ethhdr *eth = (struct ethhdr *)skb->data;

	if (unlikely(!eth_proto_is_802_3(eth->h_proto))) {
		skb->protocol = eth_type_trans(skb, dst);
	} else {
		skb->dev = dst;
		skb->protocol = eth->h_proto;
		skb_reset_mac_header(skb);
		eth_skb_pull_mac(skb);
	}
	skb_postpull_rcsum(skb, eth_hdr(skb), ETH_HLEN);
}

/*
 * A device without counters of its own was never up, so there is but one
 * reason to drop what is for it; those drops are counted in the device.
 */
static void vnic_count_drop(struct net_device *dev,
			    struct vnic_counters __percpu *counters,
			    unsigned int counter)
{
	if (counters == &vnic_no_counters)
		DEV_STATS_INC(dev, rx_dropped);
	else if (counters)
		this_cpu_inc(counters->value[counter]);
}

static noinline void vnic_count_refusal(struct net_device *dst,
					struct vnic_counters __percpu *tx,
					struct vnic_counters __percpu *rx,
					unsigned int counter)
{
	if (tx)
		this_cpu_inc(tx->value[VNIC_TX_DROP_REFUSED]);
	vnic_count_drop(dst, rx, counter);
}

/**
 * vnic_skb_refuse - drop a frame that its local receiver does not take
 * @skb: frame; consumed
 * @dst: the receiver
 * @tx: counters of the sender, or NULL
 * @rx: counters of the receiver, or NULL
 * @counter: which of the receiver's
 * @reason: enum skb_drop_reason
 */
void vnic_skb_refuse(struct sk_buff *skb, struct net_device *dst,
		    struct vnic_counters __percpu *tx,
		    struct vnic_counters __percpu *rx, unsigned int counter,
		    u32 reason)
{
	trace_vnic_drop(dst, skb, counter);
	vnic_count_refusal(dst, tx, rx, counter);
	kfree_skb_reason(skb, (enum skb_drop_reason)reason);
}

/* Puts a frame in received form on a ring, or drops it. Whether it was taken. */
static noinline bool vnic_skb_queue(struct sk_buff *skb, bool wire,
				    struct vnic_counters __percpu *rx,
				    struct vnic_ring *ring)
{
	struct vnic_counters *c = this_cpu_ptr(rx);
	unsigned int len = skb->len + ETH_HLEN;
	bool idle = READ_ONCE(ring->delivered) ==
		    (u32)atomic64_read(&ring->appended);
	unsigned int refusal = vnic_ring_append(ring, skb);

	if (unlikely(refusal)) {
		vnic_skb_drop(skb, skb->dev, rx, refusal,
			      SKB_DROP_REASON_FULL_RING);
		return false;
	}
	c->value[VNIC_RX_PACKETS]++;
	c->value[VNIC_RX_BYTES] += len;
	if (wire) {
		c->value[VNIC_RX_QUEUED]++;
		c->value[VNIC_RX_TO_RING] += idle;
	}
	return true;
}

/* A list of what is to wait for @shaper: a frame, or its segments. */
static struct sk_buff *vnic_skb_portions(struct sk_buff *skb,
					 const struct vnic_shaper *shaper)
{
	struct sk_buff *segs;

	if (vnic_shaper_cuts(shaper, skb)) {
		segs = vnic_skb_cut(skb);
		if (segs)
			return segs;
	}
	skb_mark_not_on_list(skb);
	return skb;
}

/* vnic_skb_queue() of a frame from the wire for a ring that may have a shaper. */
static noinline void vnic_skb_queue_special(struct sk_buff *skb,
					    struct vnic_counters __percpu *rx,
					    struct vnic_ring *ring)
{
	struct vnic_shaper *shaper = READ_ONCE(ring->shaper);
	struct sk_buff *next;

	if (!shaper) {
		vnic_skb_queue(skb, true, rx, ring);
		return;
	}
	for (skb = vnic_skb_portions(skb, shaper); skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		vnic_skb_queue(skb, true, rx, ring);
	}
}

/**
 * vnic_skb_enqueue - put a frame of a flow with a limit on a ring
 * @skb: frame in received form, on its VNIC; consumed
 * @rx: counters of the VNIC
 * @ring: its ring
 * @note: VNIC_NOTE_…
 */
void vnic_skb_enqueue(struct sk_buff *skb, struct vnic_counters __percpu *rx,
		      struct vnic_ring *ring, u64 note)
{
	struct vnic_counters *c = this_cpu_ptr(rx);

	if (!vnic_skb_queue(skb, !(note & VNIC_NOTE_LOCAL), rx, ring))
		return;
	if (note & VNIC_NOTE_LOCAL)
		c->value[VNIC_RX_LOCAL]++;
	if (note & VNIC_NOTE_GROUP)
		c->value[VNIC_RX_GROUP]++;
}

/*
 * A frame of a flow with a limit goes on the ring now or later, or is dropped.
 * Whether it was taken.
 */
static noinline bool vnic_skb_shape(struct sk_buff *skb,
				    struct vnic_counters __percpu *rx,
				    struct vnic_ring *ring,
				    struct vnic_shaper *shaper, u64 note)
{
	enum vnic_offer offer = vnic_shaper_offer(shaper, skb, note);

	if (offer == VNIC_OFFER_PASS)
		vnic_skb_enqueue(skb, rx, ring, note);
	return offer != VNIC_OFFER_DROPPED;
}

/*
 * vnic_skb_local() and vnic_skb_local_shaped(): with @shaper, of the frame's
 * flow, it is given to that, with @note.
 */
static __always_inline int
vnic_skb_hand_over(struct sk_buff *skb, struct net_device *src,
		   struct net_device *dst, struct vnic_counters __percpu *tx,
		   struct vnic_counters __percpu *rx, struct vnic_ring *ring,
		   struct vnic_shaper *shaper, u64 note)
{
	unsigned int len = skb->len;

	if (unlikely(!__is_skb_forwardable(dst, skb, true))) {
		vnic_skb_refuse(skb, dst, tx, rx, VNIC_RX_DROP_TOO_LONG,
				SKB_DROP_REASON_PKT_TOO_BIG);
		return NET_XMIT_SUCCESS;
	}
	if (unlikely(skb_orphan_frags(skb, GFP_ATOMIC))) {
		vnic_skb_refuse(skb, dst, tx, rx, VNIC_RX_DROP_NOMEM,
				SKB_DROP_REASON_NOMEM);
		return NET_XMIT_DROP;
	}

	trace_vnic_xmit(src, skb, dst);
	skb_tx_timestamp(skb);
	skb_scrub_packet(skb, !net_eq(dev_net(src), dev_net(dst)));
	skb->priority = 0;
	nf_skip_egress(skb, false);
	vnic_skb_receive_unicast(skb, dst);
	trace_vnic_rx(dst, skb, src);

	if (shaper) {
		if (!vnic_skb_shape(skb, rx, ring, shaper, note)) {
			if (tx)
				this_cpu_inc(tx->value[VNIC_TX_DROP_REFUSED]);
			return NET_XMIT_DROP;
		}
		/* The receiver counts when it is on a ring. */
		rx = NULL;
	} else if (likely(ring)) {
		unsigned int refusal = vnic_ring_append(ring, skb);

		if (unlikely(refusal)) {
			vnic_skb_refuse(skb, dst, tx, rx, refusal,
					SKB_DROP_REASON_FULL_RING);
			return NET_XMIT_DROP;
		}
	} else if (unlikely(__netif_rx(skb) != NET_RX_SUCCESS)) {
		vnic_count_refusal(dst, tx, rx, VNIC_RX_DROP_BACKLOG);
		return NET_XMIT_DROP;
	}

	if (likely(tx)) {
		vnic_count(tx, VNIC_TX_PACKETS, VNIC_TX_BYTES, len);
		this_cpu_ptr(tx)->value[VNIC_TX_LOCAL]++;
	}
	if (likely(rx)) {
		vnic_count(rx, VNIC_RX_PACKETS, VNIC_RX_BYTES, len);
		this_cpu_ptr(rx)->value[VNIC_RX_LOCAL]++;
	}
	return NET_XMIT_SUCCESS;
}

/**
 * vnic_skb_local - hand a frame to a device of the same host
 * @skb: frame, starts with its linear Ethernet header; consumed
 * @src: device that sends it
 * @dst: device that gets it: a VNIC, or the link's lower device
 * @tx: counters of the sender, or NULL
 * @rx: counters of the receiver, or NULL: a refusal is counted at both
 * @ring: ring of the receiver; NULL: into the CPU's backlog
 *
 * What veth does (veth_forward_skb, ____dev_forward_skb): nothing that belongs
 * to the sender's namespace stays, the socket's charge does. The receiver's
 * stack runs later, from its ring or the CPU's backlog: running it here could
 * deadlock on a socket's lock.
 *
 * Return: what ndo_start_xmit may return. NET_XMIT_DROP for want of memory or
 * room, which the sender should know; NET_XMIT_SUCCESS else, even if the
 * receiver does not take the frame: a wire would not tell either.
 */
int vnic_skb_local(struct sk_buff *skb, struct net_device *src,
		   struct net_device *dst, struct vnic_counters __percpu *tx,
		   struct vnic_counters __percpu *rx, struct vnic_ring *ring)
{
	return vnic_skb_hand_over(skb, src, dst, tx, rx, ring, NULL, 0);
}

/*
 * The same for a frame of a flow with a limit, on its way to a VNIC: @note is
 * VNIC_NOTE_…
 */
int vnic_skb_local_shaped(struct sk_buff *skb, struct net_device *src,
			  struct net_device *dst,
			  struct vnic_counters __percpu *tx,
			  struct vnic_counters __percpu *rx,
			  struct vnic_ring *ring, struct vnic_shaper *shaper,
			  u64 note)
{
	return vnic_skb_hand_over(skb, src, dst, tx, rx, ring, shaper, note);
}

/**
 * vnic_skb_wire - a frame from the wire becomes one received by a VNIC
 * @skb: frame in an rx handler, not shared
 * @dst: the VNIC
 * @rx: its counters
 * @ring: its ring
 *
 * Return: true if the frame is to go up inline: the caller, whose it is still,
 * returns RX_HANDLER_ANOTHER. Else it was consumed.
 */
bool vnic_skb_wire(struct sk_buff *skb, struct net_device *dst,
		   struct vnic_counters __percpu *rx, struct vnic_ring *ring)
{
	struct vnic_counters *c = this_cpu_ptr(rx);

	trace_vnic_rx(dst, skb, skb->dev);
	skb->dev = dst;
	skb->pkt_type = PACKET_HOST;
	if (unlikely(!vnic_ring_spares(ring, c))) {
		if (unlikely(READ_ONCE(ring->special)))
			vnic_skb_queue_special(skb, rx, ring);
		else
			vnic_skb_queue(skb, true, rx, ring);
		return false;
	}
	c->value[VNIC_RX_PACKETS]++;
	c->value[VNIC_RX_BYTES] += skb->len + ETH_HLEN;
	return true;
}

/* The same for a frame of a flow with a limit: it is consumed. */
void vnic_skb_wire_shaped(struct sk_buff *skb, struct net_device *dst,
			  struct vnic_counters __percpu *rx,
			  struct vnic_ring *ring, struct vnic_shaper *shaper,
			  u64 note)
{
	struct sk_buff *next;

	trace_vnic_rx(dst, skb, skb->dev);
	skb->dev = dst;
	skb->pkt_type = PACKET_HOST;
	for (skb = vnic_skb_portions(skb, shaper); skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		vnic_skb_shape(skb, rx, ring, shaper, note);
	}
}

/**
 * vnic_skb_uplink - send a frame out on the lower device
 * @skb: frame, starts with its Ethernet header; consumed
 * @lower: the lower device
 * @src: the VNIC that sends it
 * @tx: counters of the VNIC; NULL if the frame was counted already
 * @hooked: whether the link has an egress hook, which must not see the frame
 *
 * Return: a NET_XMIT_* code.
 */
int vnic_skb_uplink(struct sk_buff *skb, struct net_device *lower,
		    struct net_device *src, struct vnic_counters __percpu *tx,
		    bool hooked)
{
	struct vnic_in_hand *hand = this_cpu_ptr(&vnic_in_hand);
	unsigned int len = skb->len;
	int ret;

	trace_vnic_xmit(src, skb, lower);
	skb->dev = lower;
	if (hooked) {
		const struct vnic_in_hand old = *hand;

		hand->uplink = skb;
		hand->lower = lower;
		ret = dev_queue_xmit(skb);
		hand->uplink = old.uplink;
		hand->lower = old.lower;
	} else {
		ret = dev_queue_xmit(skb);
	}

	if (tx) {
		if (likely(ret == NET_XMIT_SUCCESS || ret == NET_XMIT_CN))
			vnic_count(tx, VNIC_TX_PACKETS, VNIC_TX_BYTES, len);
		else
			this_cpu_ptr(tx)->value[VNIC_TX_DROP_UPLINK]++;
	}
	return ret;
}

/* Whether @skb is on its way out of @lower from a VNIC of that link. */
bool vnic_skb_is_uplink(const struct sk_buff *skb,
			const struct net_device *lower)
{
	const struct vnic_in_hand *hand = this_cpu_ptr(&vnic_in_hand);

	return hand->uplink == skb && hand->lower == lower;
}

/* Whether @skb is a VNIC's frame on its way up to the host's stack. */
bool vnic_skb_is_raised(const struct sk_buff *skb)
{
	return this_cpu_read(vnic_in_hand.raised) == skb;
}

/**
 * vnic_skb_raise - give a group frame of a VNIC to the host's own stack
 * @skb: frame in received form (vnic_skb_to_received()); consumed
 * @lower: the lower device, on which the host will see it
 *
 * Called from NAPI only. Return: a NET_RX_* code.
 */
int vnic_skb_raise(struct sk_buff *skb, struct net_device *lower)
{
	struct vnic_in_hand *hand = this_cpu_ptr(&vnic_in_hand);
	const struct sk_buff *old = hand->raised;
	int ret;

	skb_scrub_packet(skb, true);
	skb->priority = 0;
	skb->dev = lower;
	eth_skb_pkt_type(skb, lower);
	hand->raised = skb;
	ret = netif_receive_skb(skb);
	hand->raised = old;
	return ret;
}

/**
 * vnic_skb_group - give a frame in received form to a VNIC's stack
 * @skb: a clone of its own; consumed
 * @dst: the VNIC
 * @scrub: whether it came from this host, so that traces of the sender go
 * @rx: counters of the VNIC
 * @ring: its ring
 * @shaper: of the frame's flow, or NULL
 * @note: VNIC_NOTE_… for that
 *
 * Called from NAPI only: it runs the receiver's stack.
 *
 * Return: enum vnic_verdict.
 */
int vnic_skb_group(struct sk_buff *skb, struct net_device *dst, bool scrub,
		   struct vnic_counters __percpu *rx, struct vnic_ring *ring,
		   struct vnic_shaper *shaper, u64 note)
{
	bool group = is_multicast_ether_addr(eth_hdr(skb)->h_dest);
	struct vnic_counters *c = this_cpu_ptr(rx);

	if (unlikely(skb->len > dst->mtu + VLAN_HLEN && !skb_is_gso(skb))) {
		kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_BIG);
		return VNIC_TOO_LONG;
	}
	if (unlikely(skb_orphan_frags_rx(skb, GFP_ATOMIC))) {
		kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
		return VNIC_NO_MEMORY;
	}
	if (scrub) {
		skb_scrub_packet(skb, true);
		skb->priority = 0;
	}
	trace_vnic_rx(dst, skb, skb->dev);
	skb->dev = dst;
	skb->pkt_type = PACKET_HOST;
	eth_skb_pkt_type(skb, dst);
	if (shaper) {
		if (group)
			note |= VNIC_NOTE_GROUP;
		if (!vnic_skb_shape(skb, rx, ring, shaper, note))
			return VNIC_NO_ROOM;
		return VNIC_DELIVERED;
	}
	if (vnic_ring_spares(ring, c)) {
		c->value[VNIC_RX_PACKETS]++;
		c->value[VNIC_RX_BYTES] += skb->len + ETH_HLEN;
		netif_receive_skb(skb);
	} else if (!vnic_skb_queue(skb, !scrub, rx, ring)) {
		return VNIC_NO_ROOM;
	}
	if (scrub)
		c->value[VNIC_RX_LOCAL]++;
	if (group)
		c->value[VNIC_RX_GROUP]++;
	return VNIC_DELIVERED;
}

/**
 * vnic_skb_to_received - bring a sent frame into the form of a received one
 * @skb: frame that starts with its linear Ethernet header
 * @dev: any device of the link
 *
 * The socket's charge is given up: the frame may wait.
 *
 * Return: 0, or -ENOMEM with nothing changed.
 */
int vnic_skb_to_received(struct sk_buff *skb, struct net_device *dev)
{
	if (skb_orphan_frags(skb, GFP_ATOMIC))
		return -ENOMEM;
	skb_orphan(skb);
	skb->protocol = eth_type_trans(skb, dev);
	skb_postpull_rcsum(skb, eth_hdr(skb), ETH_HLEN);
	nf_skip_egress(skb, false);
	return 0;
}

/*
 * Adds the 802.1Q tag of @vid; a tag that is there already becomes the inner
 * one. Frees @skb and returns NULL if there is no memory.
 */
struct sk_buff *vnic_skb_vlan_push(struct sk_buff *skb, u16 vid)
{
	if (unlikely(skb_vlan_tag_present(skb))) {
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			return NULL;
	}
	__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), vid);
	return skb;
}

/* Takes the (hardware-accelerated) tag off. */
void vnic_skb_vlan_clear(struct sk_buff *skb)
{
	__vlan_hwaccel_clear_tag(skb);
}

struct sk_buff *vnic_skb_clone(struct sk_buff *skb)
{
	return skb_clone(skb, GFP_ATOMIC);
}

/* skb_share_check(): a frame of our own, or NULL with @skb given up. */
struct sk_buff *vnic_skb_unshare(struct sk_buff *skb)
{
	return skb_share_check(skb, GFP_ATOMIC);
}

/* Whether the Ethernet header is there; makes it linear. */
bool vnic_skb_pull_header(struct sk_buff *skb)
{
	return pskb_may_pull(skb, ETH_HLEN);
}

/**
 * vnic_skb_drop - drop a frame, count and trace why
 * @skb: frame; consumed
 * @dev: device on whose behalf; may be NULL if @counters is
 * @counters: where to count, or NULL
 * @counter: which
 * @reason: enum skb_drop_reason
 */
void vnic_skb_drop(struct sk_buff *skb, struct net_device *dev,
		   struct vnic_counters __percpu *counters,
		   unsigned int counter, u32 reason)
{
	trace_vnic_drop(dev, skb, counter);
	vnic_count_drop(dev, counters, counter);
	kfree_skb_reason(skb, (enum skb_drop_reason)reason);
}

/* Counts a frame of @len bytes in three counters. */
void vnic_skb_count(struct vnic_counters __percpu *counters,
		    unsigned int packets, unsigned int bytes,
		    unsigned int extra, unsigned int len)
{
	vnic_count(counters, packets, bytes, len);
	this_cpu_ptr(counters)->value[extra]++;
}

/* Shows a frame that leaves the host's stack on @dev to packet taps. */
void vnic_skb_taps(struct sk_buff *skb, struct net_device *dev)
{
	if (dev_nit_active_rcu(dev))
		dev_queue_xmit_nit(skb, dev);
}

void vnic_skb_queue_init(struct sk_buff_head *queue)
{
	skb_queue_head_init(queue);
}

/* Appends @skb if fewer than @limit wait. The lock is taken with BH off. */
bool vnic_skb_queue_push(struct sk_buff_head *queue, struct sk_buff *skb,
			 unsigned int limit)
{
	bool room;

	spin_lock_bh(&queue->lock);
	room = skb_queue_len(queue) < limit;
	if (room)
		__skb_queue_tail(queue, skb);
	spin_unlock_bh(&queue->lock);
	return room;
}

/* Puts @skb back in front. */
void vnic_skb_queue_unpop(struct sk_buff_head *queue, struct sk_buff *skb)
{
	spin_lock_bh(&queue->lock);
	__skb_queue_head(queue, skb);
	spin_unlock_bh(&queue->lock);
}

struct sk_buff *vnic_skb_queue_pop(struct sk_buff_head *queue)
{
	struct sk_buff *skb;

	spin_lock_bh(&queue->lock);
	skb = __skb_dequeue(queue);
	spin_unlock_bh(&queue->lock);
	return skb;
}

/* Stands for no counters: written to, never read. */
struct vnic_counters __percpu *vnic_counters_none(void)
{
	return &vnic_no_counters;
}

/* Process context. */
struct vnic_counters __percpu *vnic_counters_alloc(void)
{
	return alloc_percpu(struct vnic_counters);
}

void vnic_counters_free(struct vnic_counters __percpu *counters)
{
	if (counters != &vnic_no_counters)
		free_percpu(counters);
}

/* Any context. @sums has VNIC_COUNTERS entries. */
void vnic_counters_sum(const struct net_device *dev,
		       const struct vnic_counters __percpu *counters,
		       u64 *sums)
{
	unsigned int i;
	int cpu;

	memset(sums, 0, VNIC_COUNTERS * sizeof(*sums));
	sums[VNIC_RX_DROP_DOWN] = DEV_STATS_READ(dev, rx_dropped);
	if (counters == &vnic_no_counters)
		return;
	for_each_possible_cpu(cpu) {
		const struct vnic_counters *c = per_cpu_ptr(counters, cpu);

		for (i = 0; i < VNIC_COUNTERS; i++)
			sums[i] += READ_ONCE(c->value[i]);
	}
}

void vnic_counters_add(struct vnic_counters __percpu *counters,
		       unsigned int counter, u64 n)
{
	this_cpu_add(counters->value[counter], n);
}
