// SPDX-License-Identifier: GPL-2.0
/*
 * A NIC that receives by the clock, for the bench's noisy neighbour.
 *
 * What a real one gets does not wait for the CPU: frames come in at their
 * time, into a ring of descriptors, and those that find it full are gone. A
 * sender on the same CPU cannot do that, since while others run it does not
 * send. Here the time alone tells which frames have come in: whoever looks at
 * the ring first enters what has arrived since somebody looked last. An
 * interrupt (a timer) asks for the poll, the poll makes the frames from their
 * descriptors, as a driver does.
 *
 * Two devices, each the other's wire: wire0 is the NIC, wire1 the world outside,
 * for what needs answers. Flows that come by the clock arrive at wire0 and seem
 * to come from wire1's address. One is started by
 *   echo NUMBER GAP COUNT MAC IP PORT >/sys/module/clocknic/parameters/flows
 * COUNT UDP frames of 60 bytes, GAP nanoseconds from one to the next. The
 * payload is the frame's number and the time at which it arrived
 * (CLOCK_MONOTONIC), 64 bits each, in this machine's byte order. Reading the file
 * gives a line for each flow: how many arrived, how many found the ring full.
 */
#include <linux/etherdevice.h>
#include <linux/hex.h>
#include <linux/hrtimer.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/udp.h>

#define DESCRIPTORS	1024
#define FLOWS		2
/* An interrupt comes so many nanoseconds after the one before, at least. */
#define MODERATION	20000

struct clocknic_payload {
	u64 number;
	u64 arrived;
} __packed;

struct clocknic_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct clocknic_payload payload;
	u8 padding[2];
} __packed;

/* A flow that comes by the clock. */
struct clocknic_flow {
	struct clocknic_frame frame;
	u64 next;		/* when its next frame comes in */
	u32 gap;
	u32 count;
	u32 arrived;
	u32 missed;
};

/* A frame that has come in: of a flow, or sent by the other device. */
struct clocknic_descriptor {
	u64 arrived;
	struct sk_buff *skb;
	struct clocknic_flow *flow;
	u32 number;
};

struct clocknic {
	struct net_device *dev;
	struct clocknic *other;
	struct napi_struct napi;
	struct hrtimer interrupt;
	u64 interrupted;	/* when it was the last time */
	spinlock_t lock;	/* the rest; BH off */
	u32 head, tail;		/* of the ring: next to fill, next to poll */
	u64 missed;
	struct clocknic_flow flows[FLOWS];
	struct clocknic_descriptor ring[DESCRIPTORS];
};

static struct clocknic *wires[2];

static bool clocknic_enter(struct clocknic *nic, struct clocknic_descriptor entry)
{
	if (nic->head - nic->tail == DESCRIPTORS) {
		nic->missed++;
		return false;
	}
	nic->ring[nic->head++ % DESCRIPTORS] = entry;
	return true;
}

/* The flow whose next frame comes in first, if any has one. */
static struct clocknic_flow *clocknic_next(struct clocknic *nic)
{
	struct clocknic_flow *first = NULL;
	unsigned int i;

	for (i = 0; i < FLOWS; i++) {
		struct clocknic_flow *flow = &nic->flows[i];

		if (flow->arrived < flow->count &&
		    (!first || flow->next < first->next))
			first = flow;
	}
	return first;
}

/* Enters what came in until now, in the order of time. */
static void clocknic_advance(struct clocknic *nic, u64 now)
{
	struct clocknic_flow *flow;

	while ((flow = clocknic_next(nic)) && flow->next <= now) {
		struct clocknic_descriptor entry = {
			.arrived = flow->next,
			.flow = flow,
			.number = flow->arrived,
		};

		if (!clocknic_enter(nic, entry))
			flow->missed++;
		flow->arrived++;
		flow->next += flow->gap;
	}
}

/* When there is something to poll, an interrupt asks for it. */
static void clocknic_arm(struct clocknic *nic, u64 now)
{
	struct clocknic_flow *flow = clocknic_next(nic);
	u64 when = now;

	if (nic->head == nic->tail) {
		if (!flow)
			return;
		when = flow->next;
	}
	when = max(when, nic->interrupted + MODERATION);
	hrtimer_start(&nic->interrupt, ns_to_ktime(when), HRTIMER_MODE_ABS);
}

static enum hrtimer_restart clocknic_interrupt(struct hrtimer *timer)
{
	struct clocknic *nic = container_of(timer, struct clocknic, interrupt);

	nic->interrupted = ktime_get_ns();
	napi_schedule_irqoff(&nic->napi);
	return HRTIMER_NORESTART;
}

/* The frame of a descriptor, as a driver copies a small one. */
static struct sk_buff *clocknic_skb(struct clocknic *nic,
				    const struct clocknic_descriptor *entry)
{
	struct clocknic_frame *frame;
	struct sk_buff *skb;

	if (entry->skb)
		return entry->skb;
	skb = napi_alloc_skb(&nic->napi, sizeof(*frame));
	if (!skb)
		return NULL;
	frame = skb_put_data(skb, &entry->flow->frame, sizeof(*frame));
	frame->payload.number = entry->number;
	frame->payload.arrived = entry->arrived;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return skb;
}

static bool clocknic_take(struct clocknic *nic, struct clocknic_descriptor *entry)
{
	bool any;

	spin_lock(&nic->lock);
	clocknic_advance(nic, ktime_get_ns());
	any = nic->head != nic->tail;
	if (any)
		*entry = nic->ring[nic->tail++ % DESCRIPTORS];
	spin_unlock(&nic->lock);
	return any;
}

static int clocknic_poll(struct napi_struct *napi, int budget)
{
	struct clocknic *nic = container_of(napi, struct clocknic, napi);
	struct clocknic_descriptor entry;
	int done = 0;

	while (done < budget && clocknic_take(nic, &entry)) {
		struct sk_buff *skb = clocknic_skb(nic, &entry);

		done++;
		if (unlikely(!skb)) {
			dev_core_stats_rx_dropped_inc(nic->dev);
			continue;
		}
		dev_sw_netstats_rx_add(nic->dev, skb->len);
		skb->protocol = eth_type_trans(skb, nic->dev);
		napi_gro_receive(napi, skb);
	}
	if (done < budget && napi_complete_done(napi, done)) {
		spin_lock(&nic->lock);
		clocknic_arm(nic, ktime_get_ns());
		spin_unlock(&nic->lock);
	}
	return done;
}

static netdev_tx_t clocknic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct clocknic *nic = *(struct clocknic **)netdev_priv(dev);
	struct clocknic *other = nic->other;
	struct clocknic_descriptor entry = { .skb = skb };
	unsigned int len = skb->len;
	bool entered = false;

	if (skb_orphan_frags(skb, GFP_ATOMIC) || !netif_running(other->dev))
		goto drop;
	skb_scrub_packet(skb, true);
	skb->priority = 0;

	spin_lock(&other->lock);
	entry.arrived = ktime_get_ns();
	clocknic_advance(other, entry.arrived);
	entered = clocknic_enter(other, entry);
	if (entered && !test_bit(NAPI_STATE_SCHED, &other->napi.state))
		clocknic_arm(other, entry.arrived);
	spin_unlock(&other->lock);
drop:
	/* The sender cannot know what becomes of it. */
	dev_sw_netstats_tx_add(dev, 1, len);
	if (!entered)
		kfree_skb(skb);
	return NETDEV_TX_OK;
}

static int clocknic_open(struct net_device *dev)
{
	struct clocknic *nic = *(struct clocknic **)netdev_priv(dev);

	napi_enable(&nic->napi);
	netif_start_queue(dev);
	return 0;
}

/* What is on the ring is lost, and what comes by the clock comes no more. */
static int clocknic_stop(struct net_device *dev)
{
	struct clocknic *nic = *(struct clocknic **)netdev_priv(dev);

	netif_stop_queue(dev);
	/* The poll arms the timer, and the timer asks for the poll. */
	napi_disable(&nic->napi);
	hrtimer_cancel(&nic->interrupt);
	spin_lock_bh(&nic->lock);
	for (; nic->tail != nic->head; nic->tail++)
		kfree_skb(nic->ring[nic->tail % DESCRIPTORS].skb);
	memset(nic->flows, 0, sizeof(nic->flows));
	spin_unlock_bh(&nic->lock);
	return 0;
}

static void clocknic_stats(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct clocknic *nic = *(struct clocknic **)netdev_priv(dev);

	dev_get_tstats64(dev, stats);
	stats->rx_missed_errors = READ_ONCE(nic->missed);
}

static const struct net_device_ops clocknic_ops = {
	.ndo_open = clocknic_open,
	.ndo_stop = clocknic_stop,
	.ndo_start_xmit = clocknic_xmit,
	.ndo_get_stats64 = clocknic_stats,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

/* The frame that a flow consists of. */
static void clocknic_fill(struct clocknic_frame *frame, const u8 *from,
			  const u8 *to, __be32 address, u16 port)
{
	u16 udp_len = sizeof(frame->udp) + sizeof(frame->payload) +
		      sizeof(frame->padding);

	memset(frame, 0, sizeof(*frame));
	ether_addr_copy(frame->eth.h_dest, to);
	ether_addr_copy(frame->eth.h_source, from);
	frame->eth.h_proto = htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.tot_len = htons(sizeof(frame->ip) + udp_len);
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_UDP;
	frame->ip.saddr = in_aton("10.127.255.254");
	frame->ip.daddr = address;
	frame->ip.check = ip_fast_csum(&frame->ip, frame->ip.ihl);
	frame->udp.source = htons(9);
	frame->udp.dest = htons(port);
	frame->udp.len = htons(udp_len);
}

static int clocknic_set_flow(const char *text, const struct kernel_param *kp)
{
	struct clocknic *nic = wires[0];
	u32 number, gap, count;
	char mac[18], ip[16];
	u8 to[ETH_ALEN];
	u16 port;

	if (sscanf(text, "%u %u %u %17s %15s %hu", &number, &gap, &count, mac,
		   ip, &port) != 6 || number >= FLOWS || !gap ||
	    !mac_pton(mac, to))
		return -EINVAL;
	if (!nic || !netif_running(nic->dev))
		return -ENETDOWN;

	spin_lock_bh(&nic->lock);
	nic->flows[number] = (struct clocknic_flow) {
		.next = ktime_get_ns() + gap, .gap = gap, .count = count,
	};
	clocknic_fill(&nic->flows[number].frame, nic->other->dev->dev_addr, to,
		      in_aton(ip), port);
	if (!test_bit(NAPI_STATE_SCHED, &nic->napi.state))
		clocknic_arm(nic, ktime_get_ns());
	spin_unlock_bh(&nic->lock);
	return 0;
}

static int clocknic_get_flows(char *text, const struct kernel_param *kp)
{
	struct clocknic *nic = wires[0];
	unsigned int i;
	int len = 0;

	if (!nic)
		return -ENODEV;
	spin_lock_bh(&nic->lock);
	clocknic_advance(nic, ktime_get_ns());
	for (i = 0; i < FLOWS; i++)
		len += sprintf(text + len, "%u %u\n", nic->flows[i].arrived,
			       nic->flows[i].missed);
	spin_unlock_bh(&nic->lock);
	return len;
}

static const struct kernel_param_ops clocknic_flow_ops = {
	.set = clocknic_set_flow,
	.get = clocknic_get_flows,
};
module_param_cb(flows, &clocknic_flow_ops, NULL, 0600);
MODULE_PARM_DESC(flows, "NUMBER GAP COUNT MAC IP PORT starts a flow; reading: arrived and missed of each");

static void clocknic_setup(struct net_device *dev)
{
	ether_setup(dev);
	eth_hw_addr_random(dev);
	dev->netdev_ops = &clocknic_ops;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	/* Frames on the wire are frames: no TSO. */
	dev->features |= NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_HIGHDMA;
	dev->hw_features = dev->features;
}

static void clocknic_remove(struct clocknic *nic)
{
	if (!nic)
		return;
	if (nic->dev->reg_state == NETREG_REGISTERED)
		unregister_netdev(nic->dev);
	free_netdev(nic->dev);
	kvfree(nic);
}

static struct clocknic *clocknic_make(const char *name)
{
	struct clocknic *nic = kvzalloc(sizeof(*nic), GFP_KERNEL);

	if (!nic)
		return NULL;
	nic->dev = alloc_netdev(sizeof(nic), name, NET_NAME_USER, clocknic_setup);
	if (!nic->dev) {
		kvfree(nic);
		return NULL;
	}
	*(struct clocknic **)netdev_priv(nic->dev) = nic;
	spin_lock_init(&nic->lock);
	hrtimer_setup(&nic->interrupt, clocknic_interrupt, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS);
	netif_napi_add(nic->dev, &nic->napi, clocknic_poll);
	return nic;
}

static void __exit clocknic_exit(void)
{
	/* Each may be sending to the other. */
	rtnl_lock();
	dev_close(wires[0]->dev);
	dev_close(wires[1]->dev);
	rtnl_unlock();
	synchronize_net();
	clocknic_remove(wires[0]);
	clocknic_remove(wires[1]);
}

static int __init clocknic_init(void)
{
	int err = -ENOMEM;

	wires[0] = clocknic_make("wire0");
	wires[1] = clocknic_make("wire1");
	if (!wires[0] || !wires[1])
		goto fail;
	wires[0]->other = wires[1];
	wires[1]->other = wires[0];
	err = register_netdev(wires[0]->dev);
	if (!err)
		err = register_netdev(wires[1]->dev);
	if (!err)
		return 0;
fail:
	clocknic_remove(wires[0]);
	clocknic_remove(wires[1]);
	return err;
}

module_init(clocknic_init);
module_exit(clocknic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A NIC that receives by the clock");
