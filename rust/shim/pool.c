// SPDX-License-Identifier: GPL-2.0
/* Pages that packets are stored in, and what is done now and then. */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/skbuff.h>
#include <linux/skbuff_ref.h>
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

/*
 * Bytes of the slot in front of the packet, if @mac of them are its Ethernet
 * header: as many as it has, if there is room for that, so that its headers are
 * where they were.
 */
static __always_inline u32 vnic_slot_headroom(const struct sk_buff *skb,
					      u32 mac)
{
	u32 least = NET_SKB_PAD + NET_IP_ALIGN + mac;
	u32 most = NET_SKB_PAD + NET_IP_ALIGN + VNIC_SLOT_MAC;
	u32 own = skb_headroom(skb);

	BUILD_BUG_ON(NET_SKB_PAD + NET_IP_ALIGN + VNIC_SLOT_MAC +
		     VNIC_SLOT_DATA > SKB_WITH_OVERHEAD(VNIC_SLOT_SIZE));
	return own >= least && own <= most ? own : least;
}

/* How much in front of the packet is its Ethernet header. */
static __always_inline u32 vnic_slot_mac(const struct sk_buff *skb)
{
	u32 mac = skb->data - skb_mac_header(skb);

	return min3(mac, VNIC_SLOT_MAC, skb_headroom(skb));
}

/*
 * Whether a packet is but its sk_buff and one piece of memory, so that the
 * sk_buff can go on with another. One of a pair would keep the other half.
 */
static __always_inline bool vnic_skb_is_simple(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);

	return !skb->data_len && !info->nr_frags && !info->frag_list &&
	       !info->flags && skb->fclone == SKB_FCLONE_UNAVAILABLE;
}

/* Gives up the memory of a simple packet; follows skb_release_data(). */
static __always_inline void vnic_skb_leave_head(struct sk_buff *skb)
{
	if (!skb_data_unref(skb, skb_shinfo(skb)))
		return;
	if (!skb->head_frag)
		kfree(skb->head);
	else if (!skb->pp_recycle ||
		 !napi_pp_put_page(page_to_netmem(virt_to_page(skb->head))))
		skb_free_frag(skb->head);
}

/**
 * vnic_skb_move - have a packet in received form in other memory
 * @skb: packet, of one owner, not more than VNIC_SLOT_DATA bytes
 * @slot: VNIC_SLOT_SIZE bytes; a reference on their page becomes the packet's
 *
 * NAPI only; follows pskb_expand_head(). To make an sk_buff, and to free
 * one, costs more than all the rest. Return: whether it was possible; if not,
 * nothing changed.
 */
bool vnic_skb_move(struct sk_buff *skb, void *slot)
{
	const struct skb_shared_info *old = skb_shinfo(skb);
	struct skb_shared_info *info;
	u32 mac, headroom, moved;

	if (unlikely(!vnic_skb_is_simple(skb)))
		return false;
	mac = vnic_slot_mac(skb);
	headroom = vnic_slot_headroom(skb, mac);
	moved = headroom - skb_headroom(skb);
	memcpy(slot + headroom - mac, skb->data - mac, mac + skb->len);
	info = slot + SKB_WITH_OVERHEAD(VNIC_SLOT_SIZE);
	memset(info, 0, offsetof(struct skb_shared_info, dataref));
	atomic_set(&info->dataref, 1);
	info->gso_size = old->gso_size;
	info->gso_segs = old->gso_segs;
	info->gso_type = old->gso_type;
	info->hwtstamps = old->hwtstamps;
	/* Whoever is charged is charged for what is given up. */
	skb_orphan(skb);
	vnic_skb_leave_head(skb);

	skb->head = slot;
	skb->data = slot + headroom;
	skb_set_end_offset(skb, SKB_WITH_OVERHEAD(VNIC_SLOT_SIZE));
	skb_set_tail_pointer(skb, skb->len);
	if (moved)
		skb_headers_offset_update(skb, moved);
	skb->truesize = SKB_TRUESIZE(SKB_WITH_OVERHEAD(VNIC_SLOT_SIZE));
	skb->head_frag = 1;
	skb->pp_recycle = 0;
	skb->pfmemalloc = 0;
	skb->cloned = 0;
	skb->nohdr = 0;
	skb->hdr_len = 0;
	/* Deferred frees come back to where the page is looked at again. */
	skb->alloc_cpu = raw_smp_processor_id();
	return true;
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
	u32 mac = vnic_slot_mac(skb);
	u32 size = linear;
	struct sk_buff *copy;
	u32 off, i;
	int err;

	copy = napi_build_skb(slot, VNIC_SLOT_SIZE);
	if (unlikely(!copy))
		return NULL;
	skb_reserve(copy, vnic_slot_headroom(skb, mac));
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
