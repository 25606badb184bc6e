// SPDX-License-Identifier: GPL-2.0
/* Generic netlink: messages of the family "vnic". Process context. */
#include <net/genetlink.h>
#include <net/sock.h>
#include <vnic_shim.h>
#include "vnic-nl-gen.h"

/* A message of its own with its header, or NULL. @hdr is for the functions below. */
struct sk_buff *vnic_genl_new(const struct genl_info *info, u8 cmd, void **hdr)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);

	if (!skb)
		return NULL;
	*hdr = genlmsg_put(skb, info ? info->snd_portid : 0,
			   info ? info->snd_seq : 0, &vnic_nl_family, 0, cmd);
	if (!*hdr) {
		nlmsg_free(skb);
		return NULL;
	}
	return skb;
}

void vnic_genl_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

/* Sends the answer to a request; consumes @skb. */
int vnic_genl_reply(struct sk_buff *skb, void *hdr, struct genl_info *info)
{
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

/* Tells everyone in @net who listens; consumes @skb. That nobody does is no error. */
void vnic_genl_multicast(struct sk_buff *skb, void *hdr, struct net *net,
			 unsigned int group)
{
	genlmsg_end(skb, hdr);
	genlmsg_multicast_netns(&vnic_nl_family, net, skb, 0, group,
				GFP_KERNEL);
}

bool vnic_genl_listened(struct net *net, unsigned int group)
{
	return genl_has_listeners(&vnic_nl_family, net, group);
}

/* One more message of a dump: its header, or NULL if there is no room. */
void *vnic_genl_dump_put(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);

	return __genlmsg_iput(skb, info, NLM_F_MULTI);
}

void vnic_genl_end(struct sk_buff *skb, void *hdr)
{
	genlmsg_end(skb, hdr);
}

void vnic_genl_cancel(struct sk_buff *skb, void *hdr)
{
	genlmsg_cancel(skb, hdr);
}

const struct genl_info *vnic_genl_dump_info(struct netlink_callback *cb)
{
	return genl_info_dump(cb);
}

struct net *vnic_genl_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

/* Whether the sender of a request may administer @net: socket and task. */
bool vnic_genl_capable(const struct sk_buff *skb, struct net *net)
{
	return netlink_ns_capable(skb, net->user_ns, CAP_NET_ADMIN);
}

/* The same for a dump, whose request the callback has. */
bool vnic_genl_dump_capable(const struct netlink_callback *cb, struct net *net)
{
	return netlink_ns_capable(cb->skb, net->user_ns, CAP_NET_ADMIN);
}

/*
 * Whether the sender of a request administers a user namespace: his own, and
 * his alone the socket, too. @uid: who he is in the first user namespace.
 */
bool vnic_genl_user(const struct sk_buff *skb, u32 *uid)
{
	kuid_t user = current_euid();

	if (!uid_eq(user, sk_uid(NETLINK_CB(skb).sk)) ||
	    !ns_capable(current_user_ns(), CAP_NET_ADMIN))
		return false;
	*uid = from_kuid(&init_user_ns, user);
	return true;
}

/*
 * The next attribute of @type in a request, after @after or from its start;
 * NULL if there is none.
 */
const struct nlattr *vnic_genl_next(const struct genl_info *info,
				    const struct nlattr *after, int type)
{
	const struct nlattr *attr = genlmsg_data(info->genlhdr);
	int left = genlmsg_len(info->genlhdr);

	if (after) {
		left -= (const char *)after - (const char *)attr;
		attr = nla_next(after, &left);
	}
	for (; nla_ok(attr, left); attr = nla_next(attr, &left))
		if (nla_type(attr) == type)
			return attr;
	return NULL;
}

int vnic_nla_parse(struct nlattr **tb, int max, const struct nlattr *attr,
		   const struct nla_policy *policy,
		   struct netlink_ext_ack *extack)
{
	return nla_parse_nested(tb, max, attr, policy, extack);
}

/* The highest attribute that the core parsed for an operation of the family. */
u32 vnic_genl_maxattr(const struct genl_info *info, u8 kind)
{
	unsigned int i;

	for (i = 0; i < vnic_nl_family.n_split_ops; i++) {
		const struct genl_split_ops *op = &vnic_nl_family.split_ops[i];

		if (op->cmd == info->genlhdr->cmd && op->flags & kind)
			return op->maxattr;
	}
	return 0;
}

/*
 * Who listens to the configuration of a namespace administers it. The generator
 * of the family's tables knows no flags of groups.
 */
static struct genl_multicast_group vnic_genl_groups[VNIC_NLGRP_OVERFLOW + 1];

int vnic_genl_register(void)
{
	unsigned int i;

	for (i = 0; i < vnic_nl_family.n_mcgrps; i++) {
		vnic_genl_groups[i] = vnic_nl_family.mcgrps[i];
		vnic_genl_groups[i].flags = GENL_MCAST_CAP_NET_ADMIN;
	}
	vnic_nl_family.mcgrps = vnic_genl_groups;
	return genl_register_family(&vnic_nl_family);
}

void vnic_genl_unregister(void)
{
	genl_unregister_family(&vnic_nl_family);
}

/*
 * The number by which @net knows @peer, made if there is none. -1
 * (NETNSA_NSID_NOT_ASSIGNED) if that is not possible.
 */
int vnic_net_id(struct net *net, struct net *peer)
{
	return peernet2id_alloc(net, peer, GFP_KERNEL);
}
