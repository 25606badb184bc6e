// SPDX-License-Identifier: GPL-2.0
/* Pages that packets are stored in, and what is done now and then. */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <net/gso.h>
#include <vnic_shim.h>

/**
 * vnic_page_alloc - a page with @refs references, all of them the caller's
 * @refs: how many, 1 at least
 * @address: where it is
 *
 * Process context. Never from the reserves: such a page would be taken for one
 * of a packet that frees memory. Return: the page, or NULL.
 */
struct page *vnic_page_alloc(u32 refs, void **address)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_NOMEMALLOC |
				       __GFP_RETRY_MAYFAIL | __GFP_NOWARN);

	if (!page)
		return NULL;
	page_ref_add(page, refs - 1);
	*address = page_address(page);
	return page;
}

/* How many references there are, the caller's included. Any context. */
u32 vnic_page_refs(const struct page *page)
{
	return page_ref_count(page);
}

/* Takes @refs more. Any context. */
void vnic_page_ref_add(struct page *page, u32 refs)
{
	page_ref_add(page, refs);
}

/* Gives @refs back; without any left the page is free. Any context. */
void vnic_page_put(struct page *page, u32 refs)
{
	__page_frag_cache_drain(page, refs);
}

/* Monotonic time in ns. Any context. */
u64 vnic_now(void)
{
	return ktime_get_ns();
}

/* CPUs have numbers below this. Any context. */
u32 vnic_cpu_count(void)
{
	return nr_cpu_ids;
}

/* Pages that all memory has. */
u64 vnic_total_pages(void)
{
	return totalram_pages();
}

/**
 * vnic_skb_store - copy a packet in received form into other memory
 * @skb: packet; consumed if the return value is not NULL
 * @slot: VNIC_SLOT_SIZE bytes, the head of the copy
 * @linear: how many of its bytes go there, VNIC_SLOT_DATA at most
 * @pages: pages for the others
 *
 * A reference on the page of @slot, and one on each of @pages, becomes the
 * copy's. NAPI only; follows skb_pp_cow_data().
 *
 * Return: the copy; NULL if there is no memory for an sk_buff, ERR_PTR() if the
 * packet could not be read and is gone with the copy.
 */
struct sk_buff *vnic_skb_store(struct sk_buff *skb, void *slot, u32 linear,
			       struct page *const *pages)
{
	u32 mac = skb->data - skb_mac_header(skb);
	u32 size = linear;
	struct sk_buff *copy;
	u32 off, i;
	int err;

	BUILD_BUG_ON(NET_SKB_PAD + NET_IP_ALIGN + VNIC_SLOT_MAC +
		     VNIC_SLOT_DATA > SKB_WITH_OVERHEAD(VNIC_SLOT_SIZE));
	copy = napi_build_skb(slot, VNIC_SLOT_SIZE);
	if (unlikely(!copy))
		return NULL;
	/* What is in front is the Ethernet header. */
	mac = min3(mac, VNIC_SLOT_MAC, skb_headroom(skb));
	skb_reserve(copy, NET_SKB_PAD + NET_IP_ALIGN + mac);
	skb_copy_header(copy, skb);
	*skb_hwtstamps(copy) = *skb_hwtstamps(skb);
	err = skb_copy_bits(skb, -(int)mac, copy->data - mac, mac + size);
	skb_put(copy, size);
	skb_headers_offset_update(copy, skb_headroom(copy) - skb_headroom(skb));
	for (off = size, i = 0; unlikely(off < skb->len); off += size, i++) {
		size = min(skb->len - off, PAGE_SIZE);
		skb_add_rx_frag(copy, i, pages[i], 0, size, PAGE_SIZE);
		err = err ?: skb_copy_bits(skb, off, page_address(pages[i]),
					   size);
	}
	/* The packets of a list were merged by copying. */
	skb_shinfo(copy)->gso_type &= ~SKB_GSO_FRAGLIST;
	consume_skb(skb);
	if (likely(!err))
		return copy;
	kfree_skb_reason(copy, SKB_DROP_REASON_SKB_UCOPY_FAULT);
	return ERR_PTR(err);
}

/**
 * vnic_skb_cut - cut a large packet in received form into its segments
 * @skb: packet; consumed if the return value is not NULL
 *
 * BH off. Return: their list; NULL if it has none, or there is no memory.
 */
struct sk_buff *vnic_skb_cut(struct sk_buff *skb)
{
	u32 mac = skb->data - skb_mac_header(skb);
	struct sk_buff *segs, *seg;

	/* Whose sum nobody knows yet would be written to here. */
	if (!skb_is_gso(skb) || skb->ip_summed == CHECKSUM_NONE)
		return NULL;
	skb_orphan(skb);
	skb_reset_network_header(skb);
	__skb_push(skb, mac);
	segs = __skb_gso_segment(skb, NETIF_F_SG | NETIF_F_HW_CSUM, false);
	if (IS_ERR_OR_NULL(segs)) {
		__skb_pull(skb, mac);
		return NULL;
	}
	consume_skb(skb);
	for (seg = segs; seg; seg = seg->next)
		__skb_pull(seg, mac);
	return segs;
}

/* What is done now and then, in process context. */
static void vnic_chores_run(struct work_struct *work);
static DECLARE_DELAYED_WORK(vnic_chores_work, vnic_chores_run);

static void vnic_chores_run(struct work_struct *work)
{
	u32 again = vnic_chores();

	if (again)
		schedule_delayed_work(&vnic_chores_work,
				      msecs_to_jiffies(again));
}

/* Has vnic_chores() called in @delay ms, or before. Any context. */
void vnic_chores_soon(u32 delay)
{
	schedule_delayed_work(&vnic_chores_work, msecs_to_jiffies(delay));
}

/* It is not called any more. Sleeps, without RTNL. */
void vnic_chores_stop(void)
{
	cancel_delayed_work_sync(&vnic_chores_work);
}
