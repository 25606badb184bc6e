/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vnic

#if !defined(_VNIC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VNIC_TRACE_H

#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tracepoint.h>
#include <vnic_shim.h>

#define VNIC_DROP_NAMES					\
	{ VNIC_RX_DROP_DOWN,		"rx_down" },	\
	{ VNIC_RX_DROP_TOO_LONG,	"rx_too_long" },	\
	{ VNIC_RX_DROP_RING,		"rx_ring" },	\
	{ VNIC_RX_DROP_BACKLOG,		"rx_backlog" },	\
	{ VNIC_RX_DROP_NOMEM,		"rx_nomem" },	\
	{ VNIC_TX_DROP_SHORT,		"tx_short" },	\
	{ VNIC_TX_DROP_MISS,		"tx_miss" },	\
	{ VNIC_TX_DROP_UPLINK,		"tx_uplink" },	\
	{ VNIC_TX_DROP_FANOUT,		"tx_fanout" },	\
	{ VNIC_TX_DROP_NOMEM,		"tx_nomem" },	\
	{ VNIC_TX_DROP_REFUSED,		"tx_refused" }

/* A frame between two devices of a link. */
DECLARE_EVENT_CLASS(vnic_frame,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb,
		 const struct net_device *other),
	TP_ARGS(dev, skb, other),
	TP_STRUCT__entry(
		__field(const void *, skbaddr)
		__field(unsigned int, len)
		__field(u16, vid)
		__string(name, dev->name)
		__string(other, other->name)
	),
	TP_fast_assign(
		__entry->skbaddr = skb;
		__entry->len = skb->len;
		__entry->vid = skb_vlan_tag_present(skb) ?
			       skb_vlan_tag_get_id(skb) : 0;
		__assign_str(name);
		__assign_str(other);
	),
	TP_printk("dev=%s other=%s skbaddr=%p len=%u vid=%u",
		  __get_str(name), __get_str(other), __entry->skbaddr,
		  __entry->len, __entry->vid)
);

/* dev: the receiver; other: the device that it came from. */
DEFINE_EVENT(vnic_frame, vnic_rx,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb,
		 const struct net_device *other),
	TP_ARGS(dev, skb, other)
);

/* dev: the sender; other: the device that it goes to. */
DEFINE_EVENT(vnic_frame, vnic_xmit,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb,
		 const struct net_device *other),
	TP_ARGS(dev, skb, other)
);

TRACE_EVENT(vnic_drop,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb,
		 unsigned int reason),
	TP_ARGS(dev, skb, reason),
	TP_STRUCT__entry(
		__field(const void *, skbaddr)
		__field(unsigned int, len)
		__field(unsigned int, reason)
		__string(name, dev ? dev->name : "")
	),
	TP_fast_assign(
		__entry->skbaddr = skb;
		__entry->len = skb->len;
		__entry->reason = reason;
		__assign_str(name);
	),
	TP_printk("dev=%s skbaddr=%p len=%u reason=%s", __get_str(name),
		  __entry->skbaddr, __entry->len,
		  __print_symbolic(__entry->reason, VNIC_DROP_NAMES))
);

#endif /* _VNIC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
