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

int vnic_genl_register(void)
{
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
