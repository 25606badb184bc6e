// SPDX-License-Identifier: GPL-2.0
/* Flows: what is known of a packet, and what each flow counts. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <vnic_shim.h>

/* In the first word of a key: see struct Key in rust/logic/flow.rs. */
#define VNIC_FLOW_IS_IP		(1ULL << 30)
#define VNIC_FLOW_HAS_PORTS	(1ULL << 31)

/* So many extension headers of IPv6 are looked at. */
#define VNIC_FLOW_HEADERS	8

/* The protocol and, if it begins with ports, these; they are at @at. */
static __always_inline u64 vnic_flow_transport(const struct sk_buff *skb,
					       int at, u8 protocol, bool sent)
{
	u64 word = VNIC_FLOW_IS_IP | (u64)protocol << 16;
	const __be16 *ports;
	__be16 room[2];

	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_DCCP:
	case IPPROTO_SCTP:
		ports = skb_header_pointer(skb, at, sizeof(room), room);
		if (likely(ports))
			word |= VNIC_FLOW_HAS_PORTS |
				(u64)ntohs(ports[!sent]) << 32 |
				(u64)ntohs(ports[sent]) << 48;
	}
	return word;
}

static __always_inline u64 vnic_flow_ipv4(const struct sk_buff *skb, int at,
					  bool sent, u64 *word)
{
	const struct iphdr *ip;
	struct iphdr room;
	u64 dscp;

	ip = skb_header_pointer(skb, at, sizeof(room), &room);
	if (unlikely(!ip || ip->version != 4 || ip->ihl < 5))
		return 0;
	dscp = (u64)(ip->tos >> 2) << 24;
	word[1] = (__force u32)(sent ? ip->saddr : ip->daddr);
	word[3] = (__force u32)(sent ? ip->daddr : ip->saddr);
	if (unlikely(ip->frag_off & htons(IP_OFFSET)))
		return dscp | VNIC_FLOW_IS_IP | (u64)ip->protocol << 16;
	return dscp | vnic_flow_transport(skb, at + ip->ihl * 4, ip->protocol,
					  sent);
}

/*
 * What follows the extension headers at @at. Behind more than are looked at,
 * behind one that is cut off, and in fragments but the first there are no
 * ports, and the protocol is what the last header that was seen says.
 */
static noinline u64 vnic_flow_extensions(const struct sk_buff *skb, int at,
					 u8 next, bool sent)
{
	const struct frag_hdr *fragment;
	struct frag_hdr room;
	unsigned int i;

	for (i = 0; i < VNIC_FLOW_HEADERS; i++) {
		const u8 *head;
		u8 two[2];

		switch (next) {
		case NEXTHDR_HOP:
		case NEXTHDR_ROUTING:
		case NEXTHDR_DEST:
		case NEXTHDR_AUTH:
			head = skb_header_pointer(skb, at, sizeof(two), two);
			if (!head)
				goto no_ports;
			at += next == NEXTHDR_AUTH ? (head[1] + 2) * 4 :
						     (head[1] + 1) * 8;
			next = head[0];
			break;
		case NEXTHDR_FRAGMENT:
			fragment = skb_header_pointer(skb, at, sizeof(room),
						      &room);
			if (!fragment)
				goto no_ports;
			at += sizeof(room);
			next = fragment->nexthdr;
			if (fragment->frag_off & htons(IP6_OFFSET))
				goto no_ports;
			break;
		default:
			return vnic_flow_transport(skb, at, next, sent);
		}
	}
no_ports:
	return VNIC_FLOW_IS_IP | (u64)next << 16;
}

static __always_inline u64 vnic_flow_ipv6(const struct sk_buff *skb, int at,
					  bool sent, u64 *word)
{
	const struct ipv6hdr *ip;
	struct ipv6hdr room;
	u64 dscp;

	ip = skb_header_pointer(skb, at, sizeof(room), &room);
	if (unlikely(!ip || ip->version != 6))
		return 0;
	dscp = (u64)(ipv6_get_dsfield(ip) >> 2) << 24;
	memcpy(word + 1, sent ? &ip->saddr : &ip->daddr, 16);
	memcpy(word + 3, sent ? &ip->daddr : &ip->saddr, 16);
	at += sizeof(room);
	if (likely(ip->nexthdr == NEXTHDR_TCP || ip->nexthdr == NEXTHDR_UDP))
		return dscp | vnic_flow_transport(skb, at, ip->nexthdr, sent);
	return dscp | vnic_flow_extensions(skb, at, ip->nexthdr, sent);
}

/* So many VLAN tags are passed over, in the packet and beside it. */
#define VNIC_FLOW_TAGS		2

/* The type behind the VLAN tags at @at, which is moved there. */
static noinline __be16 vnic_flow_untag(const struct sk_buff *skb, int *at,
				       __be16 type)
{
	unsigned int count = skb_vlan_tag_present(skb);

	for (; count < VNIC_FLOW_TAGS && eth_type_vlan(type); count++) {
		const struct vlan_hdr *tag;
		struct vlan_hdr room;

		tag = skb_header_pointer(skb, *at, sizeof(room), &room);
		if (!tag)
			break;
		type = tag->h_vlan_encapsulated_proto;
		*at += sizeof(room);
	}
	return type;
}

/**
 * vnic_flow_key - what flows look at in a packet
 * @skb: packet
 * @framed: whether it starts with its Ethernet header, else it is in received
 *	form and starts behind it
 * @sent: whether the VNIC sends it, so that its side is the source
 * @word: is filled: the key of rust/logic/flow.rs
 *
 * BH off. Reads nothing that is not there.
 */
void vnic_flow_key(const struct sk_buff *skb, bool framed, bool sent,
		   u64 *word)
{
	__be16 type = skb->protocol;
	int at = 0;

	memset(word, 0, VNIC_FLOW_WORDS * sizeof(*word));
	if (framed) {
		const struct ethhdr *eth;
		struct ethhdr room;

		eth = skb_header_pointer(skb, 0, sizeof(room), &room);
		if (unlikely(!eth))
			return;
		type = eth->h_proto;
		at = ETH_HLEN;
	}
	if (unlikely(eth_type_vlan(type)))
		type = vnic_flow_untag(skb, &at, type);
	if (unlikely(!eth_proto_is_802_3(type)))
		type = htons(ETH_P_802_2);
	word[0] = ntohs(type);
	if (likely(type == htons(ETH_P_IP)))
		word[0] |= vnic_flow_ipv4(skb, at, sent, word);
	else if (type == htons(ETH_P_IPV6))
		word[0] |= vnic_flow_ipv6(skb, at, sent, word);
}

/* Counts a packet of @len bytes. BH off, under RCU. */
void vnic_flow_count(const struct vnic_flow *flow, bool sent, unsigned int len)
{
	struct vnic_flow_stats *stats = this_cpu_ptr(flow->stats);

	stats->packets[sent]++;
	stats->bytes[sent] += len;
}

/* What @flow counted. Process context. */
void vnic_flow_sum(const struct vnic_flow *flow, struct vnic_flow_stats *sum)
{
	int cpu, way;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct vnic_flow_stats *stats;

		stats = per_cpu_ptr(flow->stats, cpu);
		for (way = 0; way < 2; way++) {
			sum->packets[way] += READ_ONCE(stats->packets[way]);
			sum->bytes[way] += READ_ONCE(stats->bytes[way]);
			sum->drops[way] += READ_ONCE(stats->drops[way]);
		}
	}
}

/*
 * Gives @flow, which no packet finds yet, its priority, and counters that are
 * charged to who asks. Process context.
 */
bool vnic_flow_init(struct vnic_flow *flow, u8 priority)
{
	flow->priority = priority;
	flow->stats = alloc_percpu_gfp(struct vnic_flow_stats,
				       GFP_KERNEL_ACCOUNT);
	return flow->stats;
}

static void vnic_flow_free_rcu(struct rcu_head *head)
{
	struct vnic_flow *flow = container_of(head, struct vnic_flow, rcu);

	free_percpu(flow->stats);
	kfree(flow);
}

/* Frees @flow, from kmalloc(), when no packet looks at it any more. */
void vnic_flow_free(struct vnic_flow *flow)
{
	call_rcu(&flow->rcu, vnic_flow_free_rcu);
}

/* Waits until all that were given to vnic_flow_free() are free. Sleeps. */
void vnic_flow_barrier(void)
{
	rcu_barrier();
}
