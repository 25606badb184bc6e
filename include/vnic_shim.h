/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C side of vnic: kernel inlines and macros that Rust cannot call, and the
 * compound per-packet primitives. A call from Rust into C costs 3 to 8
 * instructions on a stock kernel, so each step of a packet is one call. No
 * policy here: which packet goes where is decided in Rust.
 */
#ifndef _VNIC_SHIM_H
#define _VNIC_SHIM_H

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/rtnetlink.h>

struct netlink_ext_ack;
struct netpoll;
struct vnic_ring;
struct vnic_sched;
struct vnic_shaper;

/*
 * Counters of one VNIC, one set for each CPU; each is a u64. The first seven
 * are what a packet that is delivered touches: one cache line with the credit.
 */
enum vnic_counter {
	VNIC_RX_PACKETS,
	VNIC_RX_BYTES,
	VNIC_RX_LOCAL,		/* of rx_packets: from VNICs and the host */
	VNIC_RX_QUEUED,		/* of rx_packets: from the wire, by a ring */
	VNIC_TX_PACKETS,
	VNIC_TX_BYTES,
	VNIC_TX_LOCAL,		/* of tx_packets: to a VNIC or the host */

	VNIC_RX_GROUP,		/* of rx_packets: broadcast, multicast */
	VNIC_TX_GROUP,		/* of tx_packets: broadcast, multicast */
	VNIC_RX_TO_RING,	/* times that frames from the wire were turned
				 * from the inline way to an empty ring
				 */
	VNIC_RX_DROP_DOWN,	/* the VNIC was down */
	VNIC_RX_DROP_TOO_LONG,	/* longer than the VNIC's MTU allows */
	VNIC_RX_DROP_RING,	/* the VNIC's ring was full */
	VNIC_RX_DROP_BACKLOG,	/* the CPU's backlog was full */
	VNIC_RX_DROP_NOMEM,
	VNIC_RX_DROP_POOL,	/* longer than what the VNIC's pool can store */
	VNIC_RX_PARKED,		/* times that a ring was parked: for want of
				 * memory in the pool
				 */
	VNIC_RX_WAITED,		/* packets that a limit let wait */
	VNIC_RX_DROP_LIMIT,	/* would have waited for too long */
	VNIC_TX_WAITED,		/* as for received ones */
	VNIC_TX_DROP_LIMIT,
	VNIC_TX_DROP_DOWN,	/* the VNIC went down while it waited */
	VNIC_TX_DROP_SHORT,	/* no complete Ethernet header */
	VNIC_TX_DROP_MISS,	/* no such address, and no wire to try */
	VNIC_TX_DROP_UPLINK,	/* refused by the lower device or its qdisc */
	VNIC_TX_DROP_FANOUT,	/* the link's queue of group frames was full */
	VNIC_TX_DROP_NOMEM,
	VNIC_TX_DROP_REFUSED,	/* the local receiver did not take it */
	VNIC_COUNTERS,
};

struct vnic_counters {
	/* How many frames may still go up inline in the jiffy credit_at. */
	u32 credit_at;
	u32 credit;
	u64 value[VNIC_COUNTERS];
	/* What the CPU had spent in softirq at credit_at, in ns. */
	u64 softirq;
} ____cacheline_aligned;

/* skb.c: one packet. All of these run in softirq or with BH off, under RCU. */

/* How the delivery of a group frame ended. */
enum vnic_verdict {
	VNIC_DELIVERED,
	VNIC_TOO_LONG,
	VNIC_NO_MEMORY,
	VNIC_NO_ROOM,
};

int vnic_skb_local(struct sk_buff *skb, struct net_device *src,
		   struct net_device *dst,
		   struct vnic_counters __percpu *tx,
		   struct vnic_counters __percpu *rx,
		   struct vnic_ring *ring);
int vnic_skb_local_shaped(struct sk_buff *skb, struct net_device *src,
			  struct net_device *dst,
			  struct vnic_counters __percpu *tx,
			  struct vnic_counters __percpu *rx,
			  struct vnic_ring *ring, struct vnic_shaper *shaper,
			  u64 note);
void vnic_skb_refuse(struct sk_buff *skb, struct net_device *dst,
		     struct vnic_counters __percpu *tx,
		     struct vnic_counters __percpu *rx, unsigned int counter,
		     u32 reason);
bool vnic_skb_wire(struct sk_buff *skb, struct net_device *dst,
		   struct vnic_counters __percpu *rx,
		   struct vnic_ring *ring);
void vnic_skb_wire_shaped(struct sk_buff *skb, struct net_device *dst,
			  struct vnic_counters __percpu *rx,
			  struct vnic_ring *ring, struct vnic_shaper *shaper,
			  u64 note);
void vnic_skb_enqueue(struct sk_buff *skb, struct vnic_counters __percpu *rx,
		      struct vnic_ring *ring, u64 note);
int vnic_skb_uplink(struct sk_buff *skb, struct net_device *lower,
		    struct net_device *src, struct vnic_counters __percpu *tx,
		    bool hooked);
bool vnic_skb_is_uplink(const struct sk_buff *skb,
			const struct net_device *lower);
bool vnic_skb_is_raised(const struct sk_buff *skb);
int vnic_skb_raise(struct sk_buff *skb, struct net_device *lower);
int vnic_skb_group(struct sk_buff *skb, struct net_device *dst, bool scrub,
		   struct vnic_counters __percpu *rx, struct vnic_ring *ring,
		   struct vnic_shaper *shaper, u64 note);
int vnic_skb_to_received(struct sk_buff *skb, struct net_device *dev);
struct sk_buff *vnic_skb_vlan_push(struct sk_buff *skb, u16 vid);
void vnic_skb_vlan_clear(struct sk_buff *skb);
struct sk_buff *vnic_skb_clone(struct sk_buff *skb);
struct sk_buff *vnic_skb_unshare(struct sk_buff *skb);
bool vnic_skb_pull_header(struct sk_buff *skb);
void vnic_skb_drop(struct sk_buff *skb, struct net_device *dev,
		   struct vnic_counters __percpu *counters,
		   unsigned int counter, u32 reason);
void vnic_skb_count(struct vnic_counters __percpu *counters,
		    unsigned int packets, unsigned int bytes,
		    unsigned int extra, unsigned int len);
void vnic_skb_taps(struct sk_buff *skb, struct net_device *dev);
void vnic_skb_queue_init(struct sk_buff_head *queue);
bool vnic_skb_queue_push(struct sk_buff_head *queue, struct sk_buff *skb,
			 unsigned int limit);
void vnic_skb_queue_unpop(struct sk_buff_head *queue, struct sk_buff *skb);
struct sk_buff *vnic_skb_queue_pop(struct sk_buff_head *queue);

struct vnic_counters __percpu *vnic_counters_none(void);
struct vnic_counters __percpu *vnic_counters_alloc(void);
void vnic_counters_free(struct vnic_counters __percpu *counters);
void vnic_counters_sum(const struct net_device *dev,
		       const struct vnic_counters __percpu *counters,
		       u64 *sums);
void vnic_counters_add(struct vnic_counters __percpu *counters,
		       unsigned int counter, u64 n);

/* ring.c: rings of received frames, each with its own NAPI. */
struct vnic_ring *vnic_rings_alloc(unsigned int count);
void vnic_ring_open(struct net_device *dev, struct vnic_ring *ring, void *gate,
		    struct vnic_shaper *limit);
void vnic_ring_limit(struct vnic_ring *ring, u32 packets, u32 bytes,
		     u32 credit, u32 credit_busy, bool merge, int weight,
		     u32 threshold);
void vnic_ring_place(struct vnic_ring *ring, int cpu);
u32 vnic_ring_overflows(struct vnic_ring *ring, u32 threshold);
u64 vnic_ring_waiting(const struct vnic_ring *ring);
unsigned int vnic_ring_close(struct net_device *dev, struct vnic_ring *ring);
void *vnic_ring_set_gate(struct vnic_ring *ring, void *gate);
void vnic_ring_set_shaper(struct vnic_ring *ring, struct vnic_shaper *limit);

/*
 * In Rust: may *@skb, the first frame of a ring, go on to the stack? Softirq;
 * nobody else uses @gate. Another frame may be put in its place.
 *
 * Return: 0 if so; how long to wait before it is asked again, in ns; with
 * VNIC_GATE_PARK if nobody knows how long it will be; VNIC_GATE_GONE if the
 * frame was dropped; VNIC_GATE_CUT if there is a list of frames in its place,
 * which is asked for one by one.
 */
#define VNIC_GATE_PARK (1ULL << 63)
#define VNIC_GATE_GONE U64_MAX
#define VNIC_GATE_CUT (U64_MAX - 1)
u64 vnic_gate_admit(void *gate, struct sk_buff **skb);
void vnic_ring_stats(const struct vnic_ring *ring, u64 *packets, u64 *bytes);

/* shaper.c: packets that wait for their time. */

/* In Rust: what packets are measured by; struct Meter in rust/logic/rate.rs. */
struct vnic_meter {
	u64 words[7];
};

/* No departure. */
#define VNIC_NEVER U64_MAX

/* In Rust: Meter::new(), Meter::admit() and Meter::ready(). Any context. */
void vnic_meter_set(struct vnic_meter *meter, u64 bits, u32 packets, u64 delay,
		    u64 now);
u64 vnic_meter_admit(struct vnic_meter *meter, u64 now, u32 bytes, u32 packets);
u64 vnic_meter_ready(const struct vnic_meter *meter, u64 now);

/* What a packet has waited for in a shaper, and where it goes on from there. */
enum vnic_stage {
	VNIC_STAGE_RX,		/* received by a VNIC: on its rings; never here */
	VNIC_STAGE_TX,		/* sent by a VNIC: to the switch */
	VNIC_STAGE_FLOW_RX,	/* a flow's, received: to the VNIC's rings */
	VNIC_STAGE_FLOW_TX,	/* a flow's, sent: to the VNIC's shaper */
	VNIC_STAGE_WIRE,	/* on its way to the wire: to the lower device */
	VNIC_STAGE_WIRE_COUNTED,	/* the same, but it was counted already */
};

/*
 * What is known of a frame that waits for VNIC_STAGE_FLOW_RX: the queue that
 * says on which ring it goes, and these.
 */
#define VNIC_NOTE_QUEUE 0xffffULL
#define VNIC_NOTE_LOCAL (1ULL << 16)	/* from this host */
#define VNIC_NOTE_GROUP (1ULL << 17)	/* to a group */

/*
 * In Rust: a packet goes on, which is consumed. Its device is the VNIC; @note
 * is what was noted when it was offered. Softirq, or BH off; under RCU.
 */
void vnic_shaped(enum vnic_stage stage, struct sk_buff *skb, u64 note);

/* What became of a packet that was offered. */
enum vnic_offer {
	VNIC_OFFER_PASS,	/* It goes on now, and is still the caller's. */
	VNIC_OFFER_WAITS,
	VNIC_OFFER_DROPPED,
};

struct vnic_flow;

struct vnic_shaper *vnic_shaper_alloc(enum vnic_stage stage,
				      const struct vnic_flow *flow);
void vnic_shaper_free(struct vnic_shaper *shaper);
void vnic_shaper_set(struct vnic_shaper *shaper,
		     u64 bits, u32 packets, u64 delay);
void vnic_shaper_open(struct vnic_shaper *shaper,
		      struct vnic_counters __percpu *counters);
void vnic_shaper_close(struct vnic_shaper *shaper);
void vnic_shaper_drain(struct vnic_shaper *shaper);
enum vnic_offer vnic_shaper_offer(struct vnic_shaper *shaper,
				  struct sk_buff *skb, u64 note);

/* sched.c: what VNICs send to the wire of a link together. */

/* How many priorities there are. */
#define VNIC_PRIORITIES 3

/* In Rust: tags of rust/logic/share.rs. Any context. */
u64 vnic_share_start(u64 virtual_time, u64 finish);
u64 vnic_share_finish(u64 start, u32 bytes, u16 share);
bool vnic_share_before(u64 a, u64 b);

/* A list of packets, chained by their next. */
struct vnic_packets {
	struct sk_buff *first;
	struct sk_buff *last;
	u32 bytes;		/* of memory */
};

/* The packets of one VNIC that have the same priority. */
struct vnic_lane {
	struct rb_node node;
	struct vnic_packets queue;
	u64 start;		/* tag of the first packet */
	u64 finish;		/* tag of the last that went */
	u8 priority;		/* its place in the class */
	bool waits;		/* whether it is in the tree of its priority */
};

/* The packets of one VNIC. Guarded by the scheduler's lock, or RTNL without. */
struct vnic_class {
	struct vnic_lane lanes[VNIC_PRIORITIES];
	u64 delay;		/* how long they wait, in ns */
	u16 share;
	u8 priority;		/* of packets whose flow has none */
	bool closed;		/* the VNIC is down */
	struct vnic_counters __percpu *counters;
};

void vnic_class_set(struct vnic_sched *sched, struct vnic_class *class,
		    u16 share, u8 priority, u64 delay);
void vnic_class_open(struct vnic_sched *sched, struct vnic_class *class,
		     struct vnic_counters __percpu *counters);
void vnic_class_close(struct vnic_sched *sched, struct vnic_class *class);
struct vnic_sched *vnic_sched_alloc(void);
void vnic_sched_free(struct vnic_sched *sched);
void vnic_sched_set(struct vnic_sched *sched, u64 bits);
void vnic_sched_drain(struct vnic_sched *sched);
enum vnic_offer vnic_sched_offer(struct vnic_sched *sched,
				 struct vnic_class *class,
				 const struct vnic_flow *flow,
				 struct sk_buff *skb, enum vnic_stage stage);
void vnic_flow_prioritize(struct vnic_sched *sched, struct vnic_class *class,
			  struct vnic_flow *flow, u8 priority);

/* steer.c: receive queues of a NIC for one address. */
bool vnic_steer_possible(const struct net_device *dev);
int vnic_steer_spread(struct net_device *dev, bool *used, u32 count);
int vnic_steer_insert(struct net_device *dev, const u8 *mac, u32 queue,
		      u32 *location);
void vnic_steer_remove(struct net_device *dev, u32 location);

/* pool.c: memory for packets. */

/* A slot: what packets start in. How much of it is for what. */
#define VNIC_SLOT_SIZE 2048U
#define VNIC_SLOT_MAC 64U
#define VNIC_SLOT_DATA 1600U

struct page *vnic_page_alloc(u32 refs, void **address);
u32 vnic_page_refs(const struct page *page);
void vnic_page_ref_add(struct page *page, u32 refs);
void vnic_page_put(struct page *page, u32 refs);
u64 vnic_now(void);
u32 vnic_cpu_count(void);
u64 vnic_total_pages(void);
bool vnic_skb_move(struct sk_buff *skb, void *slot);
struct sk_buff *vnic_skb_store(struct sk_buff *skb, void *slot, u32 linear,
			       struct page *const *pages);
struct sk_buff *vnic_skb_cut(struct sk_buff *skb);
void vnic_chores_soon(u32 delay);
void vnic_chores_stop(void);

/* deferred.c: packets that wait to be freed. */
int vnic_deferred_init(void);
void vnic_deferred_exit(void);
void vnic_deferred_flush(void);
/* In Rust. Process context. Return: after how many ms it is to be called again, or 0. */
u32 vnic_chores(void);

/* flow.c: flows of a VNIC. */

/* How many words a key has. */
#define VNIC_FLOW_WORDS 5

/* What a flow counted on one CPU: received, and sent. */
struct vnic_flow_stats {
	u64 packets[2];
	u64 bytes[2];
	u64 drops[2];	/* by its limits */
};

/* What a flow, which is Rust's, begins with. */
struct vnic_flow {
	struct rcu_head rcu;
	struct vnic_flow_stats __percpu *stats;
	/* VNIC_PRIORITIES: its VNIC's. Guarded as struct vnic_class. */
	u8 priority;
};

void vnic_flow_key(const struct sk_buff *skb, bool framed, bool sent,
		   u64 *word);
void vnic_flow_count(const struct vnic_flow *flow, bool sent,
		     unsigned int len);
void vnic_flow_sum(const struct vnic_flow *flow, struct vnic_flow_stats *sum);
bool vnic_flow_init(struct vnic_flow *flow, u8 priority);
void vnic_flow_free(struct vnic_flow *flow);
void vnic_flow_barrier(void);

/* netdev.c: devices, under RTNL. */
void vnic_netdev_setup(struct net_device *dev);
void vnic_netdev_set_lockdep_class(struct net_device *dev);
void vnic_netdev_inherit_state(struct net_device *dev,
			       const struct net_device *lower);
void vnic_netdev_allow_any_gso(struct net_device *dev);
void vnic_netdev_random_addr(struct net_device *dev);
void vnic_netdev_set_addr(struct net_device *dev, const u8 *addr);
bool vnic_netdev_tx_from_netpoll(struct net_device *dev);
netdev_tx_t vnic_netpoll_send(struct netpoll *np, struct sk_buff *skb,
			      const struct net_device *src,
			      struct vnic_counters __percpu *tx);
struct netpoll *vnic_netpoll_attach(struct net_device *lower, int *err);
bool vnic_netdev_rx_handler_busy(struct net_device *dev);
const void *vnic_netdev_rx_handler_data(const struct net_device *dev);
struct net *vnic_netdev_net(const struct net_device *dev);
bool vnic_netdev_carrier_ok(const struct net_device *dev);
void vnic_netdev_hold(struct net_device *dev);
void vnic_netdev_put(struct net_device *dev);
void vnic_netdev_hold_tracked(struct net_device *dev, netdevice_tracker *t);
void vnic_netdev_put_tracked(struct net_device *dev, netdevice_tracker *t);
struct net_device *vnic_netdev_alloc_dummy(void);
bool vnic_netdev_has_vlan(struct net_device *dev, u16 vid);
bool vnic_netdev_master_name(struct net_device *dev, char *name);
bool vnic_netdev_is_wireless(const struct net_device *dev);
u32 vnic_netdev_uc_promisc(const struct net_device *dev);
void vnic_napi_add(struct net_device *dev, struct napi_struct *napi,
		   int (*poll)(struct napi_struct *, int));
void vnic_napi_del(struct napi_struct *napi);
void vnic_napi_schedule(struct napi_struct *napi);
int vnic_netdev_use_queues(struct net_device *dev, unsigned int count);
unsigned int vnic_link_queues(struct nlattr *const *tb);
int vnic_netdev_change_addr(struct net_device *dev, const u8 *addr,
			    struct netlink_ext_ack *extack);

/* Who the calling task is to a link. */
enum vnic_caller {
	VNIC_CALLER_MANAGER,
	VNIC_CALLER_TASK,
	VNIC_CALLER_KERNEL,
};

enum vnic_caller vnic_caller(const struct net *link_net, u64 *cookie);
struct net_device *vnic_notifier_dev(const void *info);
struct netlink_ext_ack *vnic_notifier_extack(void *info);
bool vnic_notifier_new_vlan(const void *info, u16 *vid);
bool vnic_notifier_new_master(const void *info);
u32 vnic_netdev_tx_queue_len(const struct net_device *dev);
void vnic_netdev_refuse_features(struct net_device *dev,
				 netdev_features_t agreed);
struct net *vnic_init_net(void);
bool vnic_task_manages_host(void);
u64 vnic_net_cookie(const struct net *net);
int vnic_net_id_of_cookie(struct net *net, u64 cookie);
int vnic_net_register(void);
void vnic_net_unregister(void);
u32 vnic_net_user(const struct net *net);
/* What Rust keeps for each namespace. */
struct vnic_net_space {
	u64 words[4];
};
void *vnic_net_space(const struct net *net);
/* In Rust: fills @space. */
void vnic_net_comes(void *space);
/*
 * In Rust: nobody will ask for the namespace with @cookie any more, nor for
 * its @space. RTNL.
 */
void vnic_net_gone(u64 cookie, void *space);
int vnic_net_cookie_of_fd(int fd, u64 *cookie);
u64 vnic_random_u64(void);
void vnic_rcu_bh_enter(void);
void vnic_rcu_bh_leave(void);
void vnic_kvfree_rcu(void *ptr);
void *vnic_kvzalloc(size_t size, gfp_t flags);
void vnic_kvfree(void *ptr);

/* inetaddr.c: IP addresses that are about to be added. Process context, RTNL. */
struct net_device *vnic_inetaddr_dev(void *info);
struct netlink_ext_ack *vnic_inetaddr_extack(void *info);
u32 vnic_inetaddr_get(void *info);
struct net_device *vnic_inet6addr_dev(void *info);
struct netlink_ext_ack *vnic_inet6addr_extack(void *info);
void vnic_inet6addr_get(void *info, u8 *addr);
u32 vnic_netdev_ip_count(struct net_device *dev);
int vnic_ra_register(void);
void vnic_ra_unregister(void);
/* In Rust: whether an address of @dev is looked at, and that one came. */
bool vnic_ra_concerns(const struct net_device *dev);
void vnic_ra_added(struct net_device *dev, const u8 *addr);

/* netlink.c */
int vnic_nla_put(struct sk_buff *skb, int type, int len, const void *data);
struct net *vnic_newlink_net(struct rtnl_newlink_params *params);
void vnic_extack_set(struct netlink_ext_ack *extack, const char *msg,
		     size_t len);
void vnic_extack_attr(struct netlink_ext_ack *extack,
		      const struct nlattr *attr);

/* genl.c */
struct genl_info;
struct netlink_callback;

struct sk_buff *vnic_genl_new(const struct genl_info *info, u8 cmd, void **hdr);
void vnic_genl_free(struct sk_buff *skb);
int vnic_genl_reply(struct sk_buff *skb, void *hdr, struct genl_info *info);
void vnic_genl_multicast(struct sk_buff *skb, void *hdr, struct net *net,
			 unsigned int group);
bool vnic_genl_listened(struct net *net, unsigned int group);
void *vnic_genl_dump_put(struct sk_buff *skb, struct netlink_callback *cb);
void vnic_genl_end(struct sk_buff *skb, void *hdr);
void vnic_genl_cancel(struct sk_buff *skb, void *hdr);
const struct genl_info *vnic_genl_dump_info(struct netlink_callback *cb);
u32 vnic_genl_maxattr(const struct genl_info *info, u8 kind);
struct net *vnic_genl_net(const struct genl_info *info);
bool vnic_genl_capable(const struct sk_buff *skb, struct net *net);
bool vnic_genl_dump_capable(const struct netlink_callback *cb, struct net *net);
bool vnic_genl_user(const struct sk_buff *skb, u32 *uid);
const struct nlattr *vnic_genl_next(const struct genl_info *info,
				    const struct nlattr *after, int type);
int vnic_nla_parse(struct nlattr **tb, int max, const struct nlattr *attr,
		   const struct nla_policy *policy,
		   struct netlink_ext_ack *extack);
int vnic_genl_register(void);
void vnic_genl_unregister(void);
int vnic_net_id(struct net *net, struct net *peer);

#endif /* _VNIC_SHIM_H */
