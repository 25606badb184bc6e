// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vnic.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "vnic-nl-gen.h"

#include <uapi/linux/vnic.h>
#include <linux/vnic_link.h>

/* Integer value ranges */
static const struct netlink_range_validation vnic_a_link_ifindex_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_link_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_ifindex_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_ring_size_range = {
	.min	= 64ULL,
	.max	= 65536ULL,
};

static const struct netlink_range_validation vnic_a_policy_link_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_request_ifindex_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_request_link_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_stats_ifindex_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_flow_ifindex_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation vnic_a_flow_ring_range = {
	.max	= 65534ULL,
};

/* Common nested types */
const struct nla_policy vnic_flow_change_nl_policy[VNIC_A_FLOW_CHANGE + 1] = {
	[VNIC_A_FLOW_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_FLOW_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_FLOW_NAME_LEN, },
	[VNIC_A_FLOW_RANK] = { .type = NLA_U32, },
	[VNIC_A_FLOW_ETHERTYPE] = NLA_POLICY_MIN(NLA_U16, 1536),
	[VNIC_A_FLOW_PROTOCOL] = { .type = NLA_U8, },
	[VNIC_A_FLOW_LOCAL_IP] = NLA_POLICY_MAX_LEN(16),
	[VNIC_A_FLOW_LOCAL_IP_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[VNIC_A_FLOW_REMOTE_IP] = NLA_POLICY_MAX_LEN(16),
	[VNIC_A_FLOW_REMOTE_IP_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[VNIC_A_FLOW_LOCAL_PORT] = { .type = NLA_U16, },
	[VNIC_A_FLOW_REMOTE_PORT] = { .type = NLA_U16, },
	[VNIC_A_FLOW_DSCP] = NLA_POLICY_MAX(NLA_U8, 63),
	[VNIC_A_FLOW_RING] = NLA_POLICY_FULL_RANGE(NLA_U16, &vnic_a_flow_ring_range),
	[VNIC_A_FLOW_DELETE] = { .type = NLA_FLAG, },
	[VNIC_A_FLOW_RX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_FLOW_TX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_FLOW_RX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_FLOW_TX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_FLOW_LIMIT_DELAY] = { .type = NLA_U32, },
	[VNIC_A_FLOW_PRIORITY] = NLA_POLICY_MAX(NLA_U32, 3),
	[VNIC_A_FLOW_CHANGE] = { .type = NLA_FLAG, },
};

const struct nla_policy vnic_policy_change_nl_policy[VNIC_A_POLICY_DELETE + 1] = {
	[VNIC_A_POLICY_ID] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_POLICY_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_POLICY_LINK] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_policy_link_range),
	[VNIC_A_POLICY_SUBJECT] = NLA_POLICY_MAX(NLA_U32, 3),
	[VNIC_A_POLICY_NETNS_FD] = { .type = NLA_U32, },
	[VNIC_A_POLICY_NETNS_COOKIE] = { .type = NLA_UINT, },
	[VNIC_A_POLICY_USER] = { .type = NLA_U32, },
	[VNIC_A_POLICY_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_SUBJECT_NAME_LEN, },
	[VNIC_A_POLICY_PARAM] = NLA_POLICY_MAX(NLA_U32, 23),
	[VNIC_A_POLICY_NOTHING] = { .type = NLA_FLAG, },
	[VNIC_A_POLICY_FROM] = { .type = NLA_UINT, },
	[VNIC_A_POLICY_TO] = { .type = NLA_UINT, },
	[VNIC_A_POLICY_PREFIX] = NLA_POLICY_MAX_LEN(16),
	[VNIC_A_POLICY_PREFIX_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[VNIC_A_POLICY_QUOTA] = { .type = NLA_U32, },
	[VNIC_A_POLICY_DELETE] = { .type = NLA_FLAG, },
};

const struct nla_policy vnic_vnic_change_nl_policy[VNIC_A_PRIORITY + 1] = {
	[VNIC_A_ID] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_ADDRESS] = NLA_POLICY_EXACT_LEN(6),
	[VNIC_A_MTU] = { .type = NLA_U32, },
	[VNIC_A_UP] = NLA_POLICY_MAX(NLA_U8, 1),
	[VNIC_A_PROMISC_MODE] = NLA_POLICY_MAX(NLA_U32, 2),
	[VNIC_A_DELETE] = { .type = NLA_FLAG, },
	[VNIC_A_POLL] = NLA_POLICY_MAX(NLA_U32, 2),
	[VNIC_A_RING_SIZE] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_ring_size_range),
	[VNIC_A_POOL] = { .type = NLA_NUL_STRING, .len = VNIC_NAME_LEN, },
	[VNIC_A_CPUS] = { .type = NLA_NUL_STRING, .len = 95, },
	[VNIC_A_HW_RINGS] = NLA_POLICY_MAX(NLA_U32, 2),
	[VNIC_A_RX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_TX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_RX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_TX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_LIMIT_DELAY] = { .type = NLA_U32, },
	[VNIC_A_SHARE] = { .type = NLA_U16, },
	[VNIC_A_PRIORITY] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* VNIC_CMD_LINK_GET - do */
static const struct nla_policy vnic_link_get_nl_policy[VNIC_A_LINK_IFINDEX + 1] = {
	[VNIC_A_LINK_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_link_ifindex_range),
};

/* VNIC_CMD_VNIC_GET - do */
static const struct nla_policy vnic_vnic_get_do_nl_policy[VNIC_A_IFINDEX + 1] = {
	[VNIC_A_ID] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_ifindex_range),
};

/* VNIC_CMD_VNIC_GET - dump */
static const struct nla_policy vnic_vnic_get_dump_nl_policy[VNIC_A_LINK + 1] = {
	[VNIC_A_LINK] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_link_range),
};

/* VNIC_CMD_LINK_SET - do */
static const struct nla_policy vnic_link_set_nl_policy[VNIC_A_LINK_MAXBW + 1] = {
	[VNIC_A_LINK_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_link_ifindex_range),
	[VNIC_A_LINK_HOST] = NLA_POLICY_MAX(NLA_U8, 1),
	[VNIC_A_LINK_MAXBW] = { .type = NLA_UINT, },
};

/* VNIC_CMD_VNIC_SET - do */
static const struct nla_policy vnic_vnic_set_nl_policy[VNIC_A_PRIORITY + 1] = {
	[VNIC_A_ID] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_ifindex_range),
	[VNIC_A_ADDRESS] = NLA_POLICY_EXACT_LEN(6),
	[VNIC_A_MTU] = { .type = NLA_U32, },
	[VNIC_A_UP] = NLA_POLICY_MAX(NLA_U8, 1),
	[VNIC_A_PROMISC_MODE] = NLA_POLICY_MAX(NLA_U32, 2),
	[VNIC_A_SUBJECT_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_SUBJECT_NAME_LEN, },
	[VNIC_A_POLL] = NLA_POLICY_MAX(NLA_U32, 2),
	[VNIC_A_RING_SIZE] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_ring_size_range),
	[VNIC_A_POOL] = { .type = NLA_NUL_STRING, .len = VNIC_NAME_LEN, },
	[VNIC_A_CPUS] = { .type = NLA_NUL_STRING, .len = 95, },
	[VNIC_A_HW_RINGS] = NLA_POLICY_MAX(NLA_U32, 2),
	[VNIC_A_RX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_TX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_RX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_TX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_LIMIT_DELAY] = { .type = NLA_U32, },
	[VNIC_A_SHARE] = { .type = NLA_U16, },
	[VNIC_A_PRIORITY] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* VNIC_CMD_STATS_GET - do */
static const struct nla_policy vnic_stats_get_nl_policy[VNIC_A_STATS_IFINDEX + 1] = {
	[VNIC_A_STATS_ID] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_STATS_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_stats_ifindex_range),
};

/* VNIC_CMD_POLICY_GET - dump */
static const struct nla_policy vnic_policy_get_nl_policy[VNIC_A_POLICY_LINK + 1] = {
	[VNIC_A_POLICY_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_POLICY_LINK] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_policy_link_range),
};

/* VNIC_CMD_POLICY_ADD - do */
static const struct nla_policy vnic_policy_add_nl_policy[VNIC_A_POLICY_QUOTA + 1] = {
	[VNIC_A_POLICY_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_POLICY_LINK] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_policy_link_range),
	[VNIC_A_POLICY_SUBJECT] = NLA_POLICY_MAX(NLA_U32, 3),
	[VNIC_A_POLICY_NETNS_FD] = { .type = NLA_U32, },
	[VNIC_A_POLICY_NETNS_COOKIE] = { .type = NLA_UINT, },
	[VNIC_A_POLICY_USER] = { .type = NLA_U32, },
	[VNIC_A_POLICY_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_SUBJECT_NAME_LEN, },
	[VNIC_A_POLICY_PARAM] = NLA_POLICY_MAX(NLA_U32, 23),
	[VNIC_A_POLICY_NOTHING] = { .type = NLA_FLAG, },
	[VNIC_A_POLICY_FROM] = { .type = NLA_UINT, },
	[VNIC_A_POLICY_TO] = { .type = NLA_UINT, },
	[VNIC_A_POLICY_PREFIX] = NLA_POLICY_MAX_LEN(16),
	[VNIC_A_POLICY_PREFIX_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[VNIC_A_POLICY_QUOTA] = { .type = NLA_U32, },
};

/* VNIC_CMD_POLICY_DEL - do */
static const struct nla_policy vnic_policy_del_nl_policy[VNIC_A_POLICY_ID + 1] = {
	[VNIC_A_POLICY_ID] = NLA_POLICY_MIN(NLA_UINT, 1),
};

/* VNIC_CMD_WHY - do */
static const struct nla_policy vnic_why_nl_policy[VNIC_A_REQUEST_NAME + 1] = {
	[VNIC_A_REQUEST_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_REQUEST_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_request_ifindex_range),
	[VNIC_A_REQUEST_LINK] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_request_link_range),
	[VNIC_A_REQUEST_PARAM] = NLA_POLICY_MAX(NLA_U32, 23),
	[VNIC_A_REQUEST_NUMBER] = { .type = NLA_UINT, },
	[VNIC_A_REQUEST_BYTES] = NLA_POLICY_MAX_LEN(16),
	[VNIC_A_REQUEST_SUBJECT] = NLA_POLICY_MAX(NLA_U32, 3),
	[VNIC_A_REQUEST_NETNS_FD] = { .type = NLA_U32, },
	[VNIC_A_REQUEST_NETNS_COOKIE] = { .type = NLA_UINT, },
	[VNIC_A_REQUEST_USER] = { .type = NLA_U32, },
	[VNIC_A_REQUEST_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_SUBJECT_NAME_LEN, },
};

/* VNIC_CMD_APPLY - do */
static const struct nla_policy vnic_apply_nl_policy[VNIC_A_TRANSACTION_FLOW + 1] = {
	[VNIC_A_TRANSACTION_GENERATION] = { .type = NLA_UINT, },
	[VNIC_A_TRANSACTION_VNIC] = NLA_POLICY_NESTED(vnic_vnic_change_nl_policy),
	[VNIC_A_TRANSACTION_POLICY] = NLA_POLICY_NESTED(vnic_policy_change_nl_policy),
	[VNIC_A_TRANSACTION_FLOW] = NLA_POLICY_NESTED(vnic_flow_change_nl_policy),
};

/* VNIC_CMD_POOL_GET - do */
static const struct nla_policy vnic_pool_get_nl_policy[VNIC_A_POOL_HOST + 1] = {
	[VNIC_A_POOL_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_NAME_LEN, },
	[VNIC_A_POOL_HOST] = { .type = NLA_FLAG, },
};

/* VNIC_CMD_POOL_ADD - do */
static const struct nla_policy vnic_pool_add_nl_policy[VNIC_A_POOL_THRESHOLD + 1] = {
	[VNIC_A_POOL_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_NAME_LEN, },
	[VNIC_A_POOL_LIMIT] = { .type = NLA_UINT, },
	[VNIC_A_POOL_THRESHOLD] = { .type = NLA_U32, },
};

/* VNIC_CMD_POOL_SET - do */
static const struct nla_policy vnic_pool_set_nl_policy[VNIC_A_POOL_THRESHOLD + 1] = {
	[VNIC_A_POOL_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_NAME_LEN, },
	[VNIC_A_POOL_HOST] = { .type = NLA_FLAG, },
	[VNIC_A_POOL_LIMIT] = { .type = NLA_UINT, },
	[VNIC_A_POOL_THRESHOLD] = { .type = NLA_U32, },
};

/* VNIC_CMD_POOL_DEL - do */
static const struct nla_policy vnic_pool_del_nl_policy[VNIC_A_POOL_NAME + 1] = {
	[VNIC_A_POOL_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_NAME_LEN, },
};

/* VNIC_CMD_FLOW_GET - do */
static const struct nla_policy vnic_flow_get_do_nl_policy[VNIC_A_FLOW_NAME + 1] = {
	[VNIC_A_FLOW_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_FLOW_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_flow_ifindex_range),
	[VNIC_A_FLOW_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_FLOW_NAME_LEN, },
};

/* VNIC_CMD_FLOW_GET - dump */
static const struct nla_policy vnic_flow_get_dump_nl_policy[VNIC_A_FLOW_IFINDEX + 1] = {
	[VNIC_A_FLOW_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_FLOW_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_flow_ifindex_range),
};

/* VNIC_CMD_FLOW_ADD - do */
static const struct nla_policy vnic_flow_add_nl_policy[VNIC_A_FLOW_PRIORITY + 1] = {
	[VNIC_A_FLOW_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_FLOW_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_flow_ifindex_range),
	[VNIC_A_FLOW_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_FLOW_NAME_LEN, },
	[VNIC_A_FLOW_RANK] = { .type = NLA_U32, },
	[VNIC_A_FLOW_ETHERTYPE] = NLA_POLICY_MIN(NLA_U16, 1536),
	[VNIC_A_FLOW_PROTOCOL] = { .type = NLA_U8, },
	[VNIC_A_FLOW_LOCAL_IP] = NLA_POLICY_MAX_LEN(16),
	[VNIC_A_FLOW_LOCAL_IP_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[VNIC_A_FLOW_REMOTE_IP] = NLA_POLICY_MAX_LEN(16),
	[VNIC_A_FLOW_REMOTE_IP_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[VNIC_A_FLOW_LOCAL_PORT] = { .type = NLA_U16, },
	[VNIC_A_FLOW_REMOTE_PORT] = { .type = NLA_U16, },
	[VNIC_A_FLOW_DSCP] = NLA_POLICY_MAX(NLA_U8, 63),
	[VNIC_A_FLOW_RING] = NLA_POLICY_FULL_RANGE(NLA_U16, &vnic_a_flow_ring_range),
	[VNIC_A_FLOW_RX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_FLOW_TX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_FLOW_RX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_FLOW_TX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_FLOW_LIMIT_DELAY] = { .type = NLA_U32, },
	[VNIC_A_FLOW_PRIORITY] = NLA_POLICY_MAX(NLA_U32, 3),
};

/* VNIC_CMD_FLOW_DEL - do */
static const struct nla_policy vnic_flow_del_nl_policy[VNIC_A_FLOW_NAME + 1] = {
	[VNIC_A_FLOW_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_FLOW_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_flow_ifindex_range),
	[VNIC_A_FLOW_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_FLOW_NAME_LEN, },
};

/* VNIC_CMD_FLOW_SET - do */
static const struct nla_policy vnic_flow_set_nl_policy[VNIC_A_FLOW_PRIORITY + 1] = {
	[VNIC_A_FLOW_VNIC] = NLA_POLICY_MIN(NLA_UINT, 1),
	[VNIC_A_FLOW_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &vnic_a_flow_ifindex_range),
	[VNIC_A_FLOW_NAME] = { .type = NLA_NUL_STRING, .len = VNIC_FLOW_NAME_LEN, },
	[VNIC_A_FLOW_RX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_FLOW_TX_MAXBW] = { .type = NLA_UINT, },
	[VNIC_A_FLOW_RX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_FLOW_TX_MAXPPS] = { .type = NLA_U32, },
	[VNIC_A_FLOW_LIMIT_DELAY] = { .type = NLA_U32, },
	[VNIC_A_FLOW_PRIORITY] = NLA_POLICY_MAX(NLA_U32, 3),
};

/* Ops table for vnic */
static const struct genl_split_ops vnic_nl_ops[] = {
	{
		.cmd		= VNIC_CMD_LINK_GET,
		.doit		= vnic_nl_link_get_doit,
		.policy		= vnic_link_get_nl_policy,
		.maxattr	= VNIC_A_LINK_IFINDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VNIC_CMD_LINK_GET,
		.dumpit	= vnic_nl_link_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VNIC_CMD_VNIC_GET,
		.doit		= vnic_nl_vnic_get_doit,
		.policy		= vnic_vnic_get_do_nl_policy,
		.maxattr	= VNIC_A_IFINDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_VNIC_GET,
		.dumpit		= vnic_nl_vnic_get_dumpit,
		.policy		= vnic_vnic_get_dump_nl_policy,
		.maxattr	= VNIC_A_LINK,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VNIC_CMD_LINK_SET,
		.doit		= vnic_nl_link_set_doit,
		.policy		= vnic_link_set_nl_policy,
		.maxattr	= VNIC_A_LINK_MAXBW,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_VNIC_SET,
		.doit		= vnic_nl_vnic_set_doit,
		.policy		= vnic_vnic_set_nl_policy,
		.maxattr	= VNIC_A_PRIORITY,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_STATS_GET,
		.doit		= vnic_nl_stats_get_doit,
		.policy		= vnic_stats_get_nl_policy,
		.maxattr	= VNIC_A_STATS_IFINDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VNIC_CMD_STATS_GET,
		.dumpit	= vnic_nl_stats_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VNIC_CMD_POLICY_GET,
		.dumpit		= vnic_nl_policy_get_dumpit,
		.policy		= vnic_policy_get_nl_policy,
		.maxattr	= VNIC_A_POLICY_LINK,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VNIC_CMD_POLICY_ADD,
		.doit		= vnic_nl_policy_add_doit,
		.policy		= vnic_policy_add_nl_policy,
		.maxattr	= VNIC_A_POLICY_QUOTA,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_POLICY_DEL,
		.doit		= vnic_nl_policy_del_doit,
		.policy		= vnic_policy_del_nl_policy,
		.maxattr	= VNIC_A_POLICY_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_WHY,
		.doit		= vnic_nl_why_doit,
		.policy		= vnic_why_nl_policy,
		.maxattr	= VNIC_A_REQUEST_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VNIC_CMD_DENIED_GET,
		.dumpit	= vnic_nl_denied_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VNIC_CMD_APPLY,
		.doit		= vnic_nl_apply_doit,
		.policy		= vnic_apply_nl_policy,
		.maxattr	= VNIC_A_TRANSACTION_FLOW,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_POOL_GET,
		.doit		= vnic_nl_pool_get_doit,
		.policy		= vnic_pool_get_nl_policy,
		.maxattr	= VNIC_A_POOL_HOST,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VNIC_CMD_POOL_GET,
		.dumpit	= vnic_nl_pool_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VNIC_CMD_POOL_ADD,
		.doit		= vnic_nl_pool_add_doit,
		.policy		= vnic_pool_add_nl_policy,
		.maxattr	= VNIC_A_POOL_THRESHOLD,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_POOL_SET,
		.doit		= vnic_nl_pool_set_doit,
		.policy		= vnic_pool_set_nl_policy,
		.maxattr	= VNIC_A_POOL_THRESHOLD,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_POOL_DEL,
		.doit		= vnic_nl_pool_del_doit,
		.policy		= vnic_pool_del_nl_policy,
		.maxattr	= VNIC_A_POOL_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_FLOW_GET,
		.doit		= vnic_nl_flow_get_doit,
		.policy		= vnic_flow_get_do_nl_policy,
		.maxattr	= VNIC_A_FLOW_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_FLOW_GET,
		.dumpit		= vnic_nl_flow_get_dumpit,
		.policy		= vnic_flow_get_dump_nl_policy,
		.maxattr	= VNIC_A_FLOW_IFINDEX,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VNIC_CMD_FLOW_ADD,
		.doit		= vnic_nl_flow_add_doit,
		.policy		= vnic_flow_add_nl_policy,
		.maxattr	= VNIC_A_FLOW_PRIORITY,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_FLOW_DEL,
		.doit		= vnic_nl_flow_del_doit,
		.policy		= vnic_flow_del_nl_policy,
		.maxattr	= VNIC_A_FLOW_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VNIC_CMD_FLOW_SET,
		.doit		= vnic_nl_flow_set_doit,
		.policy		= vnic_flow_set_nl_policy,
		.maxattr	= VNIC_A_FLOW_PRIORITY,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group vnic_nl_mcgrps[] = {
	[VNIC_NLGRP_CONFIG] = { "config", },
	[VNIC_NLGRP_DENIED] = { "denied", },
	[VNIC_NLGRP_OVERFLOW] = { "overflow", },
};

struct genl_family vnic_nl_family __ro_after_init = {
	.name		= VNIC_FAMILY_NAME,
	.version	= VNIC_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= vnic_nl_ops,
	.n_split_ops	= ARRAY_SIZE(vnic_nl_ops),
	.mcgrps		= vnic_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(vnic_nl_mcgrps),
};
