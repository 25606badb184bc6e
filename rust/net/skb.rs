// SPDX-License-Identifier: GPL-2.0

//! Packets.
//!
//! An [`Skb`] owns its `sk_buff`: it is consumed by exactly one sink (handed over, sent, given to
//! the stack, dropped with a reason). One that is just dropped by Rust is freed and counted
//! nowhere, so every path of policy code ends in a sink.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use crate::{
    logic::{
        addr::{
            Key,
            KeyVlan, //
        },
        flow, //
    },
    net::{
        counters::{
            Counter,
            Counters, //
        },
        netdev::NetDev,
        ops::Tx,
        rcu::Rcu,
        ring::Ring,
        shaper::Shaper, //
    },
};
use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    types::Opaque, //
};
use vnic_bindings as bindings;

/// Length of an Ethernet header, in bytes.
const ETH_HLEN: u32 = 14;

/// A frame that waits is from this host.
const NOTE_LOCAL: u64 = 1 << 16;

/// `VLAN_VID_MASK`.
const VID_MASK: u16 = 0xfff;

/// Why a packet is dropped, for `kfree_skb_reason()`. The subsystems of drop reasons are closed
/// to modules, so these are the core's that fit best; our own counters tell more.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Reason {
    /// The receiver is down.
    DeviceDown = bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY,
    /// No Ethernet header.
    HeaderShort = bindings::skb_drop_reason_SKB_DROP_REASON_HDR_TRUNC,
    /// Nobody has this address.
    NoReceiver = bindings::skb_drop_reason_SKB_DROP_REASON_UNHANDLED_PROTO,
    /// Longer than what is allowed.
    TooLong = bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG,
    /// No memory.
    NoMemory = bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM,
    /// A queue of ours is full.
    QueueFull = bindings::skb_drop_reason_SKB_DROP_REASON_FULL_RING,
    /// The queue is emptied: its owner goes.
    Purge = bindings::skb_drop_reason_SKB_DROP_REASON_QUEUE_PURGE,
}

/// Why a VNIC did not get a packet; it is gone.
#[derive(Clone, Copy)]
pub(crate) enum Refusal {
    /// Longer than the receiver's MTU allows.
    TooLong,
    /// No room on the ring, which is counted already.
    NoRoom,
    /// No memory.
    NoMemory,
}

/// How a packet of a flow with a limit is received.
#[derive(Clone, Copy)]
pub(crate) struct Shaped<'a> {
    /// The flow's limit.
    pub(crate) shaper: &'a Shaper,
    /// The ring that it goes on then.
    pub(crate) ring: &'a Ring,
    /// The queue that this ring is for, if it goes on later.
    pub(crate) queue: u16,
}

/// An owned list of packets.
///
/// # Invariants
///
/// The pointer is the first of packets that are chained by `next`, and ours.
pub(crate) struct Segments(NonNull<bindings::sk_buff>);

impl Segments {
    /// Gives them up to C.
    pub(crate) fn into_raw(self) -> *mut bindings::sk_buff {
        let first = self.0.as_ptr();
        mem::forget(self);
        first
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody uses them after.
        unsafe { bindings::kfree_skb_list_reason(self.0.as_ptr(), Reason::Purge as u32) };
    }
}

/// An owned packet.
///
/// # Invariants
///
/// The pointer is a valid `sk_buff`, one reference of which is ours.
#[repr(transparent)]
pub(crate) struct Skb(NonNull<bindings::sk_buff>);

// SAFETY: A packet may be finished by any CPU.
unsafe impl Send for Skb {}

impl Drop for Skb {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody uses it after.
        unsafe {
            bindings::vnic_skb_drop(
                self.0.as_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
                0,
                Reason::NoReceiver as u32,
            )
        };
    }
}

impl Skb {
    /// Takes over a packet.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, and a reference to it the caller's to give.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(skb)
    }

    /// Gives the packet up to C.
    #[inline(always)]
    pub(crate) fn into_raw(self) -> *mut bindings::sk_buff {
        let skb = self.0.as_ptr();
        mem::forget(self);
        skb
    }

    #[inline(always)]
    fn get(&self) -> &bindings::sk_buff {
        // SAFETY: By the type invariant; only fields that nobody else writes are read.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn headers(&self) -> &bindings::sk_buff__bindgen_ty_4__bindgen_ty_1 {
        // SAFETY: The union's two members are the same struct under two names.
        unsafe { self.get().__bindgen_anon_4.__bindgen_anon_1.as_ref() }
    }

    /// Bytes from the data pointer on.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        self.get().len
    }

    /// How many of them are linear.
    #[inline(always)]
    pub(crate) fn head_len(&self) -> u32 {
        self.get().len.wrapping_sub(self.get().data_len)
    }

    /// Cuts a large packet in received form into its segments, which charge no socket; gives it back if
    /// it is none, or there is no memory. Softirq.
    pub(crate) fn cut(self) -> Result<Segments, Self> {
        // SAFETY: By the type invariant; it is consumed unless null is returned.
        match NonNull::new(unsafe { bindings::vnic_skb_cut(self.0.as_ptr()) }) {
            Some(first) => {
                mem::forget(self);
                // INVARIANT: The list is ours.
                Ok(Segments(first))
            }
            None => Err(self),
        }
    }

    /// The device that it is on.
    pub(crate) fn dev<'a>(&self, _rcu: Rcu<'a>) -> &'a NetDev {
        // SAFETY: A packet on its way has a device, which lives as long as the read-side section.
        unsafe {
            NetDev::from_raw(
                self.get()
                    .__bindgen_anon_1
                    .__bindgen_anon_1
                    .__bindgen_anon_1
                    .dev,
            )
        }
    }

    /// Whether others hold references.
    #[inline(always)]
    pub(crate) fn is_shared(&self) -> bool {
        // Not `AtomicI32`: C owns the layout. A racing decrement only makes us copy once more.
        // SAFETY: A live field.
        unsafe { ptr::addr_of!(self.get().users.refs.counter).read_volatile() != 1 }
    }

    /// Whether the Ethernet header of a packet that starts with it is complete and linear, as
    /// nearly always.
    #[inline(always)]
    fn header_is_linear(&self) -> bool {
        let skb = self.get();
        skb.len.wrapping_sub(skb.data_len) >= ETH_HLEN
    }

    /// For a packet that starts with its Ethernet header, as in `ndo_start_xmit`: the key of its
    /// destination, if the header is linear. If not, [`Skb::destination`] makes it so.
    #[inline(always)]
    pub(crate) fn linear_destination(&self, vlan: KeyVlan) -> Option<Key> {
        if !self.header_is_linear() {
            return None;
        }
        // SAFETY: At least 14 linear bytes are at `data`.
        let header = unsafe { self.get().data.cast::<[u8; 8]>().read() };
        Some(Key::of_header(header, vlan))
    }

    /// Whether this is a copy that `dev_loopback_xmit()` made: it has no Ethernet header.
    #[inline(always)]
    pub(crate) fn is_loopback(&self) -> bool {
        u32::from(self.headers().pkt_type()) == bindings::PACKET_LOOPBACK
    }

    /// The VLAN of an 802.1Q tag beside the data; none and priority tags are 0.
    #[inline(always)]
    pub(crate) fn vid(&self) -> u16 {
        // SAFETY: Both views of the union are plain integers.
        unsafe {
            let tag = &self.headers().__bindgen_anon_2;
            if tag.vlan_all == 0 {
                return 0;
            }
            let tag = &tag.__bindgen_anon_1;
            if tag.vlan_proto == (bindings::ETH_P_8021Q as u16).to_be() {
                tag.vlan_tci & VID_MASK
            } else {
                0
            }
        }
    }

    /// What flows look at. `framed`: it starts with its Ethernet header, else it is in received form; `sent`:
    /// by the VNIC whose flows these are.
    #[inline(always)]
    pub(crate) fn flow_key(&self, framed: bool, sent: bool, _rcu: Rcu<'_>) -> flow::Key {
        let mut key = flow::Key::default();
        const { assert!(flow::WORDS == bindings::VNIC_FLOW_WORDS as usize) };
        // SAFETY: A valid packet, of which what is there is read; room for all words.
        unsafe { bindings::vnic_flow_key(self.0.as_ptr(), framed, sent, key.0.as_mut_ptr()) };
        key
    }

    /// As [`Skb::linear_destination`]; the header is made linear. `None` if it is not complete.
    pub(crate) fn destination(&self, vlan: KeyVlan) -> Option<Key> {
        // SAFETY: A valid packet, of which no reference into the data is held.
        if !self.header_is_linear() && !unsafe { bindings::vnic_skb_pull_header(self.0.as_ptr()) } {
            return None;
        }
        self.linear_destination(vlan)
    }

    /// For a packet in an rx handler: the key of its destination.
    #[inline(always)]
    pub(crate) fn received_destination(&self, vlan: KeyVlan) -> Key {
        let mac = usize::from(self.headers().mac_header);
        // SAFETY: In an rx handler the mac header is set and the 14 bytes at it were linear when
        // eth_type_trans() pulled them; packets without (loopback) were sorted out by the caller,
        // for which these would still be bytes within the buffer's headroom or data.
        let first = unsafe { self.get().head.add(mac).cast::<[u8; 8]>().read() };
        Key::of_header(first, vlan)
    }

    /// `skb_share_check()`: the packet, or a clone, so that it is ours alone.
    pub(crate) fn unshare(self) -> Option<Self> {
        // SAFETY: Consumes our reference and returns one.
        let skb = unsafe { bindings::vnic_skb_unshare(self.into_raw()) };
        // INVARIANT: As just said.
        NonNull::new(skb).map(Self)
    }

    /// `skb_clone()`.
    pub(crate) fn try_clone(&self) -> Option<Self> {
        // SAFETY: A valid packet.
        let skb = unsafe { bindings::vnic_skb_clone(self.0.as_ptr()) };
        // INVARIANT: A new packet, ours.
        NonNull::new(skb).map(Self)
    }

    /// Adds an 802.1Q tag (beside the data); one that is there becomes the inner one.
    pub(crate) fn vlan_push(self, vid: u16) -> Option<Self> {
        // SAFETY: Consumes the packet and returns it, or frees it.
        let skb = unsafe { bindings::vnic_skb_vlan_push(self.into_raw(), vid) };
        // INVARIANT: As just said.
        NonNull::new(skb).map(Self)
    }

    /// Takes the tag beside the data off.
    pub(crate) fn vlan_clear(&mut self) {
        // SAFETY: A valid packet; tags are in the `sk_buff`, which is not shared.
        unsafe { bindings::vnic_skb_vlan_clear(self.0.as_ptr()) };
    }

    /// Brings a packet as sent into the form of one as received, and gives up the sender's socket.
    pub(crate) fn into_received(self, dev: &NetDev) -> Result<Self, Self> {
        // SAFETY: A valid packet with a linear Ethernet header, checked by `destination`.
        if unsafe { bindings::vnic_skb_to_received(self.0.as_ptr(), dev.as_ptr()) } == 0 {
            Ok(self)
        } else {
            Err(self)
        }
    }

    /// What its owner wrote into `cb`, while it is in a queue of ours.
    pub(crate) fn note(&self) -> Note {
        const { assert!(mem::size_of::<Note>() <= 48) };
        // SAFETY: `cb` is 48 bytes, 8-aligned, ours while we own the packet; any bytes are a `Note`.
        unsafe { self.get().cb.as_ptr().cast::<Note>().read() }
    }

    /// Writes a note into `cb`.
    pub(crate) fn set_note(&mut self, note: Note) {
        // SAFETY: As in `note`.
        unsafe {
            ptr::addr_of_mut!((*self.0.as_ptr()).cb)
                .cast::<Note>()
                .write(note)
        };
    }

    /// The packet did what it was for (`consume_skb()`): this is no drop.
    pub(crate) fn finish(self) {
        // SAFETY: Consumes the packet.
        unsafe { bindings::consume_skb(self.into_raw()) };
    }

    /// Drops the packet: counts, traces, and tells the core why.
    #[cold]
    pub(crate) fn drop_for(self, dev: &NetDev, to: Option<(&Counters, Counter)>, reason: Reason) {
        let (counters, counter) = match to {
            Some((counters, counter)) => (counters.as_ptr(), counter as u32),
            None => (ptr::null_mut(), 0),
        };
        // SAFETY: Consumes the packet; the counters are live.
        unsafe {
            bindings::vnic_skb_drop(
                self.into_raw(),
                dev.as_ptr(),
                counters,
                counter,
                reason as u32,
            )
        };
    }

    /// Hands the packet to a device of this host, onto its ring or into the CPU's backlog: the
    /// receiver's stack runs later. The packet starts with its linear Ethernet header. A refusal is counted at both.
    #[inline(always)]
    pub(crate) fn hand_over(
        self,
        src: &NetDev,
        dst: &NetDev,
        tx: Option<&Counters>,
        rx: Option<&Counters>,
        ring: Option<&Ring>,
        _rcu: Rcu<'_>,
    ) -> Tx {
        // SAFETY: Consumes the packet; devices, counters and ring live as long as the read side.
        Tx::from_code(unsafe {
            bindings::vnic_skb_local(
                self.into_raw(),
                src.as_ptr(),
                dst.as_ptr(),
                raw(tx),
                raw(rx),
                ring.map_or(ptr::null_mut(), Ring::as_ptr),
            )
        })
    }

    /// Drops the packet because its receiver on this host does not take it; counted at both. The
    /// sender is not told: a wire would not tell either.
    #[cold]
    pub(crate) fn refuse(
        self,
        dst: &NetDev,
        tx: Option<&Counters>,
        rx: Option<&Counters>,
        counter: Counter,
        reason: Reason,
    ) -> Tx {
        // SAFETY: As in `hand_over`.
        unsafe {
            bindings::vnic_skb_refuse(
                self.into_raw(),
                dst.as_ptr(),
                raw(tx),
                raw(rx),
                counter as u32,
                reason as u32,
            )
        };
        Tx::DONE
    }

    /// In an rx handler: makes the packet one received by `dst`. Return it as `Another` if it comes
    /// back; else it went to the ring.
    #[inline(always)]
    pub(crate) fn arrive(
        self,
        dst: &NetDev,
        rx: &Counters,
        ring: &Ring,
        _rcu: Rcu<'_>,
    ) -> Option<Self> {
        let skb = self.into_raw();
        // SAFETY: A valid packet, not shared; device, counters and ring live.
        let inline =
            unsafe { bindings::vnic_skb_wire(skb, dst.as_ptr(), rx.as_ptr(), ring.as_ptr()) };
        // SAFETY: Still ours if it is to go up inline; not null.
        inline.then(|| unsafe { Self::from_raw(NonNull::new_unchecked(skb)) })
    }

    /// As [`Skb::arrive`], if the packet is of a flow with a limit: it goes by a ring, maybe later.
    pub(crate) fn arrive_shaped(self, dst: &NetDev, rx: &Counters, way: Shaped<'_>, _rcu: Rcu<'_>) {
        // SAFETY: Consumes the packet; device, counters, ring and shaper live.
        unsafe {
            bindings::vnic_skb_wire_shaped(
                self.into_raw(),
                dst.as_ptr(),
                rx.as_ptr(),
                way.ring.as_ptr(),
                way.shaper.as_ptr(),
                way.queue.into(),
            )
        };
    }

    /// As [`Skb::hand_over`], likewise.
    pub(crate) fn hand_over_shaped(
        self,
        src: &NetDev,
        dst: &NetDev,
        tx: Option<&Counters>,
        rx: &Counters,
        way: Shaped<'_>,
        _rcu: Rcu<'_>,
    ) -> Tx {
        // SAFETY: Consumes the packet; devices, counters, ring and shaper live.
        Tx::from_code(unsafe {
            bindings::vnic_skb_local_shaped(
                self.into_raw(),
                src.as_ptr(),
                dst.as_ptr(),
                raw(tx),
                rx.as_ptr(),
                way.ring.as_ptr(),
                way.shaper.as_ptr(),
                NOTE_LOCAL | u64::from(way.queue),
            )
        })
    }

    /// Puts a packet on a ring that waited for the limit of its flow; `note` was kept with it.
    pub(crate) fn enqueue(self, rx: &Counters, ring: &Ring, note: u64, _rcu: Rcu<'_>) {
        // SAFETY: Consumes the packet; counters and ring live.
        unsafe { bindings::vnic_skb_enqueue(self.into_raw(), rx.as_ptr(), ring.as_ptr(), note) };
    }

    /// The receive queue of the device below that it came by, of those that were noted.
    #[inline(always)]
    pub(crate) fn rx_queue(&self) -> u16 {
        self.get().queue_mapping.saturating_sub(1)
    }

    /// The transmit queue that was chosen for it.
    #[inline(always)]
    pub(crate) fn tx_queue(&self) -> u16 {
        self.get().queue_mapping
    }

    /// Sends the packet out on `lower` on behalf of `src`. Counted, unless `tx` is `None`. The
    /// link's egress hook, if it is `hooked`, lets it pass.
    #[inline(always)]
    pub(crate) fn uplink(
        self,
        lower: &NetDev,
        src: &NetDev,
        tx: Option<&Counters>,
        hooked: bool,
        _rcu: Rcu<'_>,
    ) -> Tx {
        // SAFETY: Consumes the packet; devices and counters live.
        Tx::from_code(unsafe {
            bindings::vnic_skb_uplink(
                self.into_raw(),
                lower.as_ptr(),
                src.as_ptr(),
                raw(tx),
                hooked,
            )
        })
    }

    /// Gives a packet in received form to the stack of `dst`, inline or by its ring; with the limit of its flow by the
    /// ring for `queue`. NAPI only.
    pub(crate) fn receive(
        self,
        dst: &NetDev,
        from_host: bool,
        rx: &Counters,
        ring: &Ring,
        shaper: Option<(&Shaper, u16)>,
        _rcu: Rcu<'_>,
    ) -> Result<(), Refusal> {
        let local = if from_host { NOTE_LOCAL } else { 0 };
        let (shaper, note) = match shaper {
            Some((shaper, queue)) => (shaper.as_ptr(), local | u64::from(queue)),
            None => (ptr::null_mut(), 0),
        };
        // SAFETY: Consumes the packet; device, counters and ring live; in NAPI.
        let verdict = unsafe {
            bindings::vnic_skb_group(
                self.into_raw(),
                dst.as_ptr(),
                from_host,
                rx.as_ptr(),
                ring.as_ptr(),
                shaper,
                note,
            )
        };
        match verdict as u32 {
            bindings::vnic_verdict_VNIC_DELIVERED => Ok(()),
            bindings::vnic_verdict_VNIC_TOO_LONG => Err(Refusal::TooLong),
            bindings::vnic_verdict_VNIC_NO_ROOM => Err(Refusal::NoRoom),
            _ => Err(Refusal::NoMemory),
        }
    }

    /// Gives a VNIC's packet in received form to the host's own stack, on `lower`. NAPI only.
    pub(crate) fn raise(self, lower: &NetDev, _rcu: Rcu<'_>) {
        // SAFETY: Consumes the packet; the device lives; in NAPI.
        unsafe { bindings::vnic_skb_raise(self.into_raw(), lower.as_ptr()) };
    }

    /// Shows the packet, which leaves the host's stack on `dev`, to packet taps there.
    pub(crate) fn show_taps(&self, dev: &NetDev, _rcu: Rcu<'_>) {
        // SAFETY: A valid packet that starts with its Ethernet header; taps get clones.
        unsafe { bindings::vnic_skb_taps(self.0.as_ptr(), dev.as_ptr()) };
    }

    /// Whether this CPU is just sending the packet out on `lower` for a VNIC.
    #[inline(always)]
    pub(crate) fn is_uplink(&self, lower: &NetDev) -> bool {
        // SAFETY: Compares pointers.
        unsafe { bindings::vnic_skb_is_uplink(self.0.as_ptr(), lower.as_ptr()) }
    }

    /// Whether this CPU is just giving the packet to the host's stack ([`Skb::raise`]).
    #[inline(always)]
    pub(crate) fn is_raised(&self) -> bool {
        // SAFETY: Compares pointers.
        unsafe { bindings::vnic_skb_is_raised(self.0.as_ptr()) }
    }
}

/// The `__percpu` pointer of counters that may not be there.
#[inline(always)]
fn raw(counters: Option<&Counters>) -> *mut bindings::vnic_counters {
    counters.map_or(ptr::null_mut(), Counters::as_ptr)
}

/// What the owner of a queued packet notes in its `cb`.
pub(crate) type Note = [u64; 4];

/// A bounded queue of packets, for any context with bottom halves.
#[pin_data(PinnedDrop)]
pub(crate) struct SkbQueue {
    #[pin]
    head: Opaque<bindings::sk_buff_head>,
    limit: u32,
}

// SAFETY: The queue has a lock.
unsafe impl Sync for SkbQueue {}
// SAFETY: It owns its packets.
unsafe impl Send for SkbQueue {}

impl SkbQueue {
    /// A queue of at most `limit` packets.
    pub(crate) fn new(limit: u32) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: Initializes the memory at its final place.
            head <- Opaque::ffi_init(|slot| unsafe { bindings::vnic_skb_queue_init(slot) }),
            limit,
        })
    }

    /// Appends, or gives the packet back if the queue is full.
    pub(crate) fn push(&self, skb: Skb) -> Result<(), Skb> {
        let raw = skb.into_raw();
        // SAFETY: The queue is initialized; it takes the packet if it returns true.
        if unsafe { bindings::vnic_skb_queue_push(self.head.get(), raw, self.limit) } {
            return Ok(());
        }
        // SAFETY: Not taken, so still ours; not null.
        Err(unsafe { Skb::from_raw(NonNull::new_unchecked(raw)) })
    }

    /// Puts a packet back in front.
    pub(crate) fn unpop(&self, skb: Skb) {
        // SAFETY: The queue is initialized and takes the packet.
        unsafe { bindings::vnic_skb_queue_unpop(self.head.get(), skb.into_raw()) };
    }

    /// Takes the first packet.
    pub(crate) fn pop(&self) -> Option<Skb> {
        // SAFETY: The queue is initialized; what it returns is ours.
        let skb = unsafe { bindings::vnic_skb_queue_pop(self.head.get()) };
        NonNull::new(skb).map(Skb)
    }
}

#[pinned_drop]
impl PinnedDrop for SkbQueue {
    fn drop(self: Pin<&mut Self>) {
        while let Some(skb) = self.pop() {
            drop(skb);
        }
    }
}
