// SPDX-License-Identifier: GPL-2.0
/* Netlink: attributes, extended acknowledgements. Process context. */
#include <linux/netlink.h>
#include <net/netlink.h>
#include <net/rtnetlink.h>
#include <vnic_shim.h>

int vnic_nla_put(struct sk_buff *skb, int type, int len, const void *data)
{
	return nla_put(skb, type, len, data);
}

/* The namespace in which a new link's lower device is looked up. */
struct net *vnic_newlink_net(struct rtnl_newlink_params *params)
{
	return rtnl_newlink_link_net(params);
}

/* Sets the sentence; cut at the message buffer's length. @extack may be NULL. */
void vnic_extack_set(struct netlink_ext_ack *extack, const char *msg,
		     size_t len)
{
	if (extack)
		NL_SET_ERR_MSG_FMT(extack, "%.*s", (int)len, msg);
}

/* Names the attribute that the error is about. Both may be NULL. */
void vnic_extack_attr(struct netlink_ext_ack *extack,
		      const struct nlattr *attr)
{
	if (extack && attr)
		NL_SET_BAD_ATTR(extack, attr);
}
