// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that were read on another CPU than the one that made them. They wait
 * in a list of the latter for its next round of polls, which may be far, and
 * keep their memory (skb_attempt_defer_free()). Here such rounds are started:
 * with a NAPI for each CPU that has nothing else to do.
 */
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/smp.h>
#include <net/hotdata.h>
#include <vnic_shim.h>

struct vnic_round {
	call_single_data_t csd;
	struct napi_struct napi;
};

static struct vnic_round __percpu *vnic_rounds;
static struct net_device *vnic_rounds_dev;

static int vnic_round_poll(struct napi_struct *napi, int budget)
{
	napi_complete_done(napi, 0);
	return 0;
}

/* On the CPU itself, interrupts off. */
static void vnic_round_start(void *data)
{
	struct vnic_round *round = data;

	napi_schedule_irqoff(&round->napi);
}

/* Once, in process context. Return: 0 or an error. */
int vnic_deferred_init(void)
{
	unsigned int cpu;

	vnic_rounds = alloc_percpu(struct vnic_round);
	if (!vnic_rounds)
		return -ENOMEM;
	vnic_rounds_dev = alloc_netdev_dummy(0);
	if (!vnic_rounds_dev) {
		free_percpu(vnic_rounds);
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		struct vnic_round *round = per_cpu_ptr(vnic_rounds, cpu);

		INIT_CSD(&round->csd, vnic_round_start, round);
		netif_napi_add(vnic_rounds_dev, &round->napi, vnic_round_poll);
		napi_enable(&round->napi);
	}
	return 0;
}

/* Undoes it, when nobody calls vnic_deferred_flush() any more. */
void vnic_deferred_exit(void)
{
	unsigned int cpu;

	/* Calls that are under way are over when each CPU had its turn. */
	kick_all_cpus_sync();
	for_each_possible_cpu(cpu) {
		struct napi_struct *napi = &per_cpu_ptr(vnic_rounds, cpu)->napi;

		napi_disable(napi);
		netif_napi_del(napi);
	}
	free_netdev(vnic_rounds_dev);
	free_percpu(vnic_rounds);
}

static bool vnic_deferred_any(unsigned int cpu)
{
	struct skb_defer_node *nodes;
	unsigned int node;

	nodes = per_cpu_ptr(net_hotdata.skb_defer_nodes, cpu);
	for (node = 0; node < nr_node_ids; node++)
		if (!llist_empty(&nodes[node].defer_list))
			return true;
	return false;
}

/* Has all CPUs free soon what waits in their lists. Softirq or process. */
void vnic_deferred_flush(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (vnic_deferred_any(cpu))
			/* If it is asked already, that will do. */
			smp_call_function_single_async(cpu,
				&per_cpu_ptr(vnic_rounds, cpu)->csd);
}
