/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vnic.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _LINUX_VNIC_GEN_H
#define _LINUX_VNIC_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/vnic.h>
#include <linux/vnic_link.h>

#define VNIC_NAME_LEN	15

/* Common nested types */
extern const struct nla_policy vnic_flow_change_nl_policy[VNIC_A_FLOW_CHANGE + 1];
extern const struct nla_policy vnic_policy_change_nl_policy[VNIC_A_POLICY_DELETE + 1];
extern const struct nla_policy vnic_vnic_change_nl_policy[VNIC_A_PRIORITY + 1];

int vnic_nl_link_get_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_link_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vnic_nl_vnic_get_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_vnic_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vnic_nl_link_set_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_vnic_set_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_stats_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vnic_nl_policy_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vnic_nl_policy_add_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_why_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_denied_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vnic_nl_apply_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_pool_get_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_pool_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vnic_nl_pool_add_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_pool_set_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_pool_del_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_flow_get_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_flow_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vnic_nl_flow_add_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_flow_del_doit(struct sk_buff *skb, struct genl_info *info);
int vnic_nl_flow_set_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	VNIC_NLGRP_CONFIG,
	VNIC_NLGRP_DENIED,
	VNIC_NLGRP_OVERFLOW,
};

extern struct genl_family vnic_nl_family;

#endif /* _LINUX_VNIC_GEN_H */
