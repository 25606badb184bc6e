// SPDX-License-Identifier: GPL-2.0
/*
 * Hands frames to the far end of the netkit pair that belongs to their
 * destination address. Needs no header of libbpf.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define section(name) __attribute__((section(name), used))
#define map_int(name, value) int (*name)[value]

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*redirect_peer)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect_peer;

struct {
	map_int(type, BPF_MAP_TYPE_HASH);
	map_int(max_entries, 8192);
	map_int(pinning, 1);
	__u64 *key;
	__u32 *value;
} bench_macs section(".maps");

section("tc") int redirect(struct __sk_buff *skb)
{
	const __u16 *mac = (void *)(long)skb->data;
	__u64 key;
	__u32 *ifindex;

	if ((void *)(mac + 7) > (void *)(long)skb->data_end)
		return TC_ACT_OK;
	key = mac[0] | (__u64)mac[1] << 16 | (__u64)mac[2] << 32;
	ifindex = map_lookup(&bench_macs, &key);
	return ifindex ? redirect_peer(*ifindex, 0) : TC_ACT_OK;
}

char gpl[] section("license") = "GPL";
