// SPDX-License-Identifier: GPL-2.0

//! Flows of a VNIC: how packets find theirs, and what each counts.
//!
//! Packets look under RCU at an array of masks, each with a hash table of flows (`rust/logic/flow.rs`).
//! Writers hold RTNL. A change comes in two steps, so that several are made or none: what is new is *staged*,
//! which may fail, and no packet finds it; what is to go *leaves*, and packets still find it. Then either is
//! made to last, or taken back, which needs no memory.

use crate::{
    logic::{
        flow::{
            self,
            Contradiction,
            Fill,
            Key,
            Match,
            Ranked,
            Secret,
            Slot,
            Tuple, //
        },
        sort, //
    },
    net::{
        counters::Counters,
        rcu::{
            NewArray,
            Plain,
            Rcu,
            RcuArray, //
        },
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
        sched,
        shaper::{
            Owned,
            Place,
            Shaper,
            Stage, //
        },
        skb::Skb, //
    },
    vnic::Limits,
};
use core::{
    cmp::Reverse,
    fmt,
    mem::{
        self,
        ManuallyDrop, //
    },
    num::NonZeroUsize,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        AtomicU32,
        AtomicU64,
        AtomicU8,
        Ordering, //
    },
};
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    types::Opaque, //
};
use vnic_bindings as bindings;

/// The name of a flow, filled up with zeroes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowName([u8; 32]);

impl FlowName {
    /// The bytes of the longest name.
    pub(crate) const MAX_LEN: usize = 31;

    /// Of a text, of which the first 31 bytes count.
    pub(crate) fn from_text(text: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().take(Self::MAX_LEN).zip(text) {
            *place = *byte;
        }
        Self(bytes)
    }

    /// The bytes up to and with the zero.
    pub(crate) fn with_nul(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        self.0.get(..=end.unwrap_or(Self::MAX_LEN)).unwrap_or(&[])
    }
}

impl fmt::Display for FlowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .with_nul()
            .split_last()
            .map_or(&[][..], |(_, text)| text);
        f.write_str(core::str::from_utf8(text).unwrap_or("?"))
    }
}

/// What a flow is to be.
#[derive(Clone, Copy)]
pub(crate) struct FlowSpec {
    /// Its name, unique on the VNIC.
    pub(crate) name: FlowName,
    /// Of flows that match, that with the highest rank gets the packet.
    pub(crate) rank: u32,
    /// What it matches.
    pub(crate) matching: Match,
    /// The ring that received packets go to, modulo the number of rings.
    pub(crate) ring: Option<u16>,
    /// Its first limits.
    pub(crate) limits: Limits,
}

/// Why there cannot be such a flow.
pub(crate) enum Refusal {
    /// There is one of that name.
    Name,
    /// That one matches the same.
    Match(FlowName),
    /// What it is to match makes no sense.
    Contradiction(Contradiction),
    /// There are as many flows as there can be.
    Flows,
    /// There are as many masks as there can be.
    Masks,
    /// Something else: there is no memory.
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// In which state a flow is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// Staged: no packet finds it.
    Staged,
    /// There.
    There,
    /// To be removed, but still there for packets.
    Leaving,
}

/// What a flow counted.
pub(crate) struct FlowStats {
    /// Packets received.
    pub(crate) rx_packets: u64,
    /// Bytes received.
    pub(crate) rx_bytes: u64,
    /// Packets sent.
    pub(crate) tx_packets: u64,
    /// Bytes sent.
    pub(crate) tx_bytes: u64,
    /// Packets that its limits kept from being received.
    pub(crate) rx_drops: u64,
    /// Packets that its limits kept from being sent.
    pub(crate) tx_drops: u64,
}

/// One flow. What packets look at is in front.
#[repr(C)]
pub(crate) struct Flow {
    head: Opaque<bindings::vnic_flow>,
    key: Key,
    id: u64,
    /// A [`State`]; written under RTNL.
    state: AtomicU8,
    spec: FlowSpec,
    mask: Key,
    limits: RtnlCell<Limits>,
    /// Where received and sent packets meet the limits. Dropped with the [`OwnedFlow`].
    rx: ManuallyDrop<Place<Shaper>>,
    tx: ManuallyDrop<Place<Shaper>>,
    /// The counters of the VNIC while it is up, else null.
    counters: RtnlCell<*mut bindings::vnic_counters>,
}

// SAFETY: Nothing but the state changes, which is atomic, what is under RTNL, and counters, which are for each CPU.
unsafe impl Sync for Flow {}
// SAFETY: It owns what it points to.
unsafe impl Send for Flow {}

impl Ranked for Flow {
    #[inline(always)]
    fn key(&self) -> &Key {
        &self.key
    }

    #[inline(always)]
    fn is_active(&self) -> bool {
        self.state.load(Ordering::Relaxed) != State::Staged as u8
    }

    #[inline(always)]
    fn rank(&self) -> (u32, u64) {
        (self.spec.rank, self.id)
    }
}

impl Flow {
    /// What it begins with.
    pub(super) fn as_ptr(&self) -> *mut bindings::vnic_flow {
        self.head.get()
    }

    /// Its number, unique while the module is loaded: later ones are higher.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What it is.
    pub(crate) fn spec(&self) -> &FlowSpec {
        &self.spec
    }

    /// What is set of its limits.
    pub(crate) fn limits(&self, rtnl: Rtnl<'_>) -> Limits {
        self.limits.get(rtnl)
    }

    /// Sets its limits, and has packets obey them, but for the priority. A failure changes nothing.
    pub(crate) fn change_limits(&self, limits: Limits, rtnl: Rtnl<'_>) -> Result {
        let old = self.limits.replace(limits, rtnl);
        if old == limits {
            return Ok(());
        }
        self.follow_limits(rtnl)
            .inspect_err(|_| self.limits.set(old, rtnl))
    }

    /// Has packets obey the limits that are set. A failure changes nothing.
    fn follow_limits(&self, rtnl: Rtnl<'_>) -> Result {
        let limits = self.limits(rtnl);
        let counters = self.counters.get(rtnl);
        // SAFETY: RTNL is held; flow and shaper are freed at the same time.
        let make = |stage| move || unsafe { Owned::new_of(stage, self.head.get()) };
        let rx = self.rx.prepare(limits.rx, make(Stage::FlowRx), rtnl)?;
        let tx = self.tx.prepare(limits.tx, make(Stage::FlowTx), rtnl)?;
        let open = |shaper: &Shaper| {
            if !counters.is_null() {
                shaper.open_raw(counters, rtnl);
            }
        };
        // Nothing fails from here on.
        self.rx.follow(limits.rx, limits.delay, rx, open, rtnl);
        self.tx.follow(limits.tx, limits.delay, tx, open, rtnl);
        Ok(())
    }

    /// What limits received packets.
    pub(crate) fn rx_shaper<'a>(&'a self, rcu: Rcu<'a>) -> Option<&'a Shaper> {
        self.rx.get(rcu)
    }

    /// What limits sent packets.
    pub(crate) fn tx_shaper<'a>(&'a self, rcu: Rcu<'a>) -> Option<&'a Shaper> {
        self.tx.get(rcu)
    }

    /// The VNIC goes up, with these counters, or down, with null: what waits is dropped.
    fn set_up(&self, counters: *mut bindings::vnic_counters, rtnl: Rtnl<'_>) {
        self.counters.set(counters, rtnl);
        for shaper in [&self.rx, &self.tx].map(|place| place.get_locked(rtnl)) {
            match shaper {
                Some(shaper) if counters.is_null() => shaper.close(rtnl),
                Some(shaper) => shaper.open_raw(counters, rtnl),
                None => {}
            }
        }
    }

    /// Ends the limits: what waits goes on, before what comes.
    fn unlimit(&self, rtnl: Rtnl<'_>) {
        self.rx.remove(rtnl);
        self.tx.remove(rtnl);
    }

    /// What it counted.
    pub(crate) fn stats(&self, _rtnl: Rtnl<'_>) -> FlowStats {
        let mut sum = bindings::vnic_flow_stats {
            packets: [0; 2],
            bytes: [0; 2],
            drops: [0; 2],
        };
        // SAFETY: A flow with counters, in process context, and room for the sums.
        unsafe { bindings::vnic_flow_sum(self.head.get(), &mut sum) };
        let ([rx_packets, tx_packets], [rx_bytes, tx_bytes]) = (sum.packets, sum.bytes);
        let [rx_drops, tx_drops] = sum.drops;
        FlowStats {
            rx_packets,
            rx_bytes,
            tx_packets,
            tx_bytes,
            rx_drops,
            tx_drops,
        }
    }

    /// Whether it is to be removed.
    pub(crate) fn is_leaving(&self) -> bool {
        self.state.load(Ordering::Relaxed) == State::Leaving as u8
    }

    fn set_state(&self, state: State) {
        // Packets see all of the flow by its tag in a table, which came before or comes after.
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

/// A flow that its VNIC has.
///
/// # Invariants
///
/// From `KBox`, with counters; freed a grace period after this is dropped.
struct OwnedFlow(NonNull<Flow>);

// SAFETY: As a `KBox` of it.
unsafe impl Send for OwnedFlow {}

impl OwnedFlow {
    fn new(spec: &FlowSpec, (key, mask): (Key, Key)) -> Result<Self> {
        let flow = Flow {
            head: Opaque::uninit(),
            key,
            id: LAST_ID.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            state: AtomicU8::new(State::Staged as u8),
            spec: *spec,
            mask,
            limits: RtnlCell::new(spec.limits),
            rx: ManuallyDrop::new(Place::new()),
            tx: ManuallyDrop::new(Place::new()),
            counters: RtnlCell::new(ptr::null_mut()),
        };
        let flow = KBox::new(flow, GFP_KERNEL_ACCOUNT)?;
        let priority = spec.limits.flow_priority().unwrap_or(sched::VNICS_OWN);
        // SAFETY: A flow without counters, in process context: whoever makes flows holds RTNL.
        if !unsafe { bindings::vnic_flow_init(flow.head.get(), priority) } {
            return Err(ENOMEM);
        }
        // INVARIANT: As just made.
        Ok(Self(NonNull::from(KBox::leak(flow))))
    }

    fn value(&self) -> NonZeroUsize {
        NonZeroUsize::from(self.0.addr())
    }
}

impl Deref for OwnedFlow {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for OwnedFlow {
    fn drop(&mut self) {
        const { assert!(mem::offset_of!(Flow, head) == 0 && !mem::needs_drop::<Flow>()) };
        // SAFETY: By the type invariant; no new reader finds it, present ones are waited for. Those find no shaper
        // in its places, or one that is freed with it.
        unsafe {
            ManuallyDrop::drop(&mut (*self.0.as_ptr()).rx);
            ManuallyDrop::drop(&mut (*self.0.as_ptr()).tx);
            bindings::vnic_flow_free((*self.0.as_ptr()).head.get());
        }
    }
}

/// The number of the last flow.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// All flows with the same mask.
struct Table {
    mask: Key,
    slots: RcuArray<Slot>,
    fill: RtnlCell<Fill>,
    /// The highest rank; none in an empty one.
    top: RtnlCell<Option<u32>>,
    /// How many flows are not leaving.
    staying: RtnlCell<usize>,
}

/// The flow that a value in a table stands for.
///
/// # Safety
///
/// It must be one of a live table of flows, and the flow must live for `'a`: under RCU, or while
/// nobody removes it.
#[inline(always)]
unsafe fn flow_of<'a>(value: NonZeroUsize) -> &'a Flow {
    // SAFETY: By the safety requirements.
    unsafe { &*(value.get() as *const Flow) }
}

impl Table {
    /// The flow with this key that is not leaving.
    fn find<'a>(&'a self, secret: &Secret, key: &Key, rtnl: Rtnl<'a>) -> Option<&'a Flow> {
        // SAFETY: Not used beyond this function.
        let slots = unsafe { self.slots.get_locked(rtnl) };
        let found = flow::lookup(slots, secret, key, |value| {
            // SAFETY: In a table, and RTNL is held.
            let flow = unsafe { flow_of(value) };
            flow.key == *key && !flow.is_leaving()
        });
        // SAFETY: As above; removal needs RTNL.
        found.map(|value| unsafe { flow_of(value) })
    }

    /// Enters a flow. A failure changes nothing.
    fn insert(&self, secret: &Secret, flow: &OwnedFlow, rtnl: Rtnl<'_>) -> Result {
        let mut fill = self.fill.get(rtnl);
        // SAFETY: Not used after `publish`.
        let slots = unsafe { self.slots.get_locked(rtnl) };
        if fill.wants_rebuild(slots.len()) {
            let room = flow::slots_for(fill.live.saturating_add(1)).ok_or(ENOMEM)?;
            let new = NewArray::<Slot>::new(room)?;
            let copied = flow::copy(slots, new.items())
                .and_then(|()| flow::add(new.items(), secret, &flow.key, flow.value()));
            copied.map_err(|_| ENOMEM)?;
            self.slots.publish(new, rtnl);
            fill.used = fill.live;
        } else {
            flow::add(slots, secret, &flow.key, flow.value()).map_err(|_| ENOMEM)?;
        }
        fill.live = fill.live.saturating_add(1);
        fill.used = fill.used.saturating_add(1);
        self.fill.set(fill, rtnl);
        Ok(())
    }

    /// Takes out a flow that is in it.
    fn remove(&self, secret: &Secret, flow: &OwnedFlow, rtnl: Rtnl<'_>) {
        // SAFETY: Not used beyond this function, which publishes nothing.
        let slots = unsafe { self.slots.get_locked(rtnl) };
        flow::remove(slots, secret, &flow.key, flow.value());
        let mut fill = self.fill.get(rtnl);
        fill.live = fill.live.saturating_sub(1);
        self.fill.set(fill, rtnl);
    }

    fn count_staying(&self, change: isize, rtnl: Rtnl<'_>) {
        let staying = self.staying.get(rtnl).saturating_add_signed(change);
        self.staying.set(staying, rtnl);
    }
}

/// A table that its VNIC has.
///
/// # Invariants
///
/// From `KBox`; freed a grace period after this is dropped.
struct OwnedTable(NonNull<Table>);

// SAFETY: As a `KBox` of it.
unsafe impl Send for OwnedTable {}

impl OwnedTable {
    fn new(mask: Key) -> Result<Self> {
        let table = Table {
            mask,
            slots: RcuArray::new(),
            fill: RtnlCell::new(Fill::default()),
            top: RtnlCell::new(None),
            staying: RtnlCell::new(0),
        };
        // INVARIANT: As just made.
        Ok(Self(NonNull::from(KBox::leak(KBox::new(
            table,
            GFP_KERNEL_ACCOUNT,
        )?))))
    }

    /// What tells it from other live tables.
    fn number(&self) -> usize {
        self.0.addr().get()
    }
}

impl Deref for OwnedTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for OwnedTable {
    fn drop(&mut self) {
        let table = self.0.as_ptr();
        // SAFETY: No new reader finds it. Its array is freed after a grace period by its own drop, which
        // leaves the array's pointer as it is for present readers.
        unsafe { ptr::drop_in_place(&raw mut (*table).slots) };
        // SAFETY: kmalloc()ed, and present readers are waited for.
        unsafe { bindings::vnic_kvfree_rcu(table.cast()) };
    }
}

/// A mask and its table, as packets see them.
struct Published {
    mask: [AtomicU64; flow::WORDS],
    top: AtomicU32,
    table: AtomicPtr<Table>,
}

// SAFETY: Atomics; zero is a null pointer and zeroes.
unsafe impl Plain for Published {}

impl Tuple for Published {
    #[inline(always)]
    fn mask(&self) -> Key {
        let [a, b, c, d, e] = &self.mask;
        Key([a, b, c, d, e].map(|word| word.load(Ordering::Relaxed)))
    }

    #[inline(always)]
    fn top(&self) -> u32 {
        self.top.load(Ordering::Relaxed)
    }
}

/// The place of a flow among all: of those of a table, the highest rank comes first.
type RankKey = (usize, Reverse<u32>, u64);

/// What only the writer looks at.
#[derive(Default)]
struct Own {
    by_id: RBTree<u64, OwnedFlow>,
    /// Of several of one name, the one that is not leaving.
    by_name: RBTree<FlowName, u64>,
    by_rank: RBTree<RankKey, ()>,
    /// Unless `stale`, in the order in which packets see them.
    tables: KVec<OwnedTable>,
    /// How many flows are not leaving.
    staying: usize,
    /// Whether what packets see is not in order.
    stale: bool,
}

impl Own {
    fn table(&self, mask: &Key) -> Option<&OwnedTable> {
        self.tables.iter().find(|table| table.mask == *mask)
    }

    fn count_staying(&mut self, flow: &Key, change: isize, rtnl: Rtnl<'_>) {
        self.staying = self.staying.saturating_add_signed(change);
        if let Some(table) = self.table(flow) {
            table.count_staying(change, rtnl);
        }
    }

    fn rank_key(&self, flow: &Flow) -> Option<RankKey> {
        let table = self.table(&flow.mask)?;
        Some((table.number(), Reverse(flow.spec.rank), flow.id))
    }

    /// Brings the highest rank of a table in line with its flows.
    fn follow_top(&mut self, mask: &Key, rtnl: Rtnl<'_>) {
        let Some(table) = self.table(mask) else {
            return;
        };
        let first = (table.number(), Reverse(u32::MAX), 0);
        let found = self.by_rank.cursor_lower_bound(&first);
        let top = found.and_then(|place| {
            let (number, Reverse(rank), _) = *place.current().0;
            (number == table.number()).then_some(rank)
        });
        if table.top.replace(top, rtnl) != top {
            self.stale = true;
        }
    }

    /// The table for a mask, which is made if there is none.
    fn make_table(&mut self, mask: &Key, rtnl: Rtnl<'_>) -> Result<&OwnedTable, Refusal> {
        let stays = |table: &&OwnedTable| table.staying.get(rtnl) > 0;
        let known = self.tables.iter().position(|table| table.mask == *mask);
        let is_new = !known
            .and_then(|place| self.tables.get(place))
            .is_some_and(|table| stays(&table));
        if is_new && self.tables.iter().filter(stays).count() >= flow::MAX_MASKS {
            return Err(Refusal::Masks);
        }
        let place = match known {
            Some(place) => place,
            None => {
                let table = OwnedTable::new(*mask)?;
                self.tables
                    .push(table, GFP_KERNEL_ACCOUNT)
                    .map_err(Error::from)?;
                // It is empty, and goes with what comes next.
                self.stale = true;
                self.tables.len().saturating_sub(1)
            }
        };
        self.tables.get(place).ok_or(Refusal::Other(ENOMEM))
    }
}

/// A flow that is staged: it has to be activated or discarded.
#[must_use = "it has to be activated or discarded"]
pub(crate) struct Staged {
    /// Its number.
    pub(crate) id: u64,
    /// The one of the same name, which is leaving.
    replaces: Option<u64>,
}

/// The flows of one VNIC.
pub(crate) struct Flows {
    published: RcuArray<Published>,
    secret: Secret,
    own: RtnlCell<Own>,
    /// Those of the VNIC while it is up, else null.
    counters: RtnlCell<*mut bindings::vnic_counters>,
}

// SAFETY: What is in it may be used by any task; a pointer that is under RTNL changes nothing of that.
unsafe impl Sync for Flows {}
// SAFETY: As above.
unsafe impl Send for Flows {}

impl Flows {
    /// None.
    pub(crate) fn new() -> Self {
        // SAFETY: No requirements.
        let seed = unsafe { bindings::vnic_random_u64() };
        Self {
            published: RcuArray::new(),
            secret: flow::secret(seed),
            own: RtnlCell::new(Own::default()),
            counters: RtnlCell::new(ptr::null_mut()),
        }
    }

    /// Whether there are none, for packets.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.published.is_none()
    }

    /// The flow of a packet. `framed` and `sent` as in [`Skb::flow_key`].
    #[inline(always)]
    fn find<'a>(&'a self, skb: &Skb, framed: bool, sent: bool, rcu: Rcu<'a>) -> Option<&'a Flow> {
        let key = skb.flow_key(framed, sent, rcu);
        flow::classify(
            self.published.get(rcu),
            &self.secret,
            &key,
            |published| {
                let table = published.table.load(Ordering::Relaxed);
                // SAFETY: Of an array that readers see, whose tables are freed a grace period after it
                // was replaced.
                unsafe { (*table).slots.get(rcu) }
            },
            // SAFETY: In a table that readers see, so it is freed a grace period after it left that.
            |value| unsafe { flow_of(value) },
        )
    }

    /// The same, and the packet is counted there.
    #[inline(always)]
    fn of<'a>(&'a self, skb: &Skb, framed: bool, sent: bool, rcu: Rcu<'a>) -> Option<&'a Flow> {
        let found = self.find(skb, framed, sent, rcu)?;
        let len = match framed {
            true => skb.len(),
            false => skb.len().wrapping_add(ETH_HLEN),
        };
        // SAFETY: A flow with counters; bottom halves are off.
        unsafe { bindings::vnic_flow_count(found.head.get(), sent, len) };
        Some(found)
    }

    /// Counts a packet that the VNIC sends, which starts with its Ethernet header; its flow.
    #[inline(never)]
    pub(crate) fn sent<'a>(&'a self, skb: &Skb, rcu: Rcu<'a>) -> Option<&'a Flow> {
        self.of(skb, true, true, rcu)
    }

    /// The flow of a packet that the VNIC sends and that waited since it was counted.
    #[cold]
    pub(crate) fn waited<'a>(&'a self, skb: &Skb, rcu: Rcu<'a>) -> Option<&'a Flow> {
        match self.is_none() {
            true => None,
            false => self.find(skb, true, true, rcu),
        }
    }

    /// Counts a packet for the VNIC, in received form or starting with its Ethernet header; its flow.
    #[inline(never)]
    pub(crate) fn received<'a>(
        &'a self,
        skb: &Skb,
        framed: bool,
        rcu: Rcu<'a>,
    ) -> Option<&'a Flow> {
        self.of(skb, framed, false, rcu)
    }

    /// The VNIC goes up, with these counters.
    pub(crate) fn open(&self, counters: &Counters, rtnl: Rtnl<'_>) {
        self.set_up(counters.as_ptr(), rtnl);
    }

    /// The VNIC goes down: what waits for limits is dropped.
    pub(crate) fn close(&self, rtnl: Rtnl<'_>) {
        self.set_up(ptr::null_mut(), rtnl);
    }

    fn set_up(&self, counters: *mut bindings::vnic_counters, rtnl: Rtnl<'_>) {
        self.counters.set(counters, rtnl);
        self.all_after(0, rtnl, |flow| {
            flow.set_up(counters, rtnl);
            true
        });
    }

    /// Makes a flow that no packet finds yet. A failure changes nothing.
    pub(crate) fn stage(&self, spec: &FlowSpec, rtnl: Rtnl<'_>) -> Result<Staged, Refusal> {
        self.own.with(rtnl, |own| self.stage_in(own, spec, rtnl))
    }

    fn stage_in(&self, own: &mut Own, spec: &FlowSpec, rtnl: Rtnl<'_>) -> Result<Staged, Refusal> {
        let (key, mask) = spec.matching.pack().map_err(Refusal::Contradiction)?;
        let known = own.by_name.get(&spec.name).copied();
        let replaces = match known.and_then(|id| own.by_id.get(&id)) {
            Some(other) if !other.is_leaving() => return Err(Refusal::Name),
            other => other.map(|other| other.id),
        };
        if let Some(table) = own.table(&mask) {
            if let Some(other) = table.find(&self.secret, &key, rtnl) {
                return Err(Refusal::Match(other.spec.name));
            }
        }
        if own.staying >= flow::MAX_FLOWS {
            return Err(Refusal::Flows);
        }
        let by_id = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
        let by_name = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
        let by_rank = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
        let flow = OwnedFlow::new(spec, (key, mask))?;
        flow.counters.set(self.counters.get(rtnl), rtnl);
        flow.follow_limits(rtnl)?;
        let mut entered = own
            .make_table(&mask, rtnl)?
            .insert(&self.secret, &flow, rtnl);
        if let (Ok(()), Some(key)) = (entered, own.rank_key(&flow)) {
            own.by_rank.insert(by_rank.into_node(key, ()));
            own.follow_top(&mask, rtnl);
            entered = self
                .settle(own, rtnl)
                .inspect_err(|_| self.withdraw(own, &flow, rtnl));
        }
        if let Err(error) = entered {
            // Without a new table, if there is memory for that.
            let _ = self.settle(own, rtnl);
            return Err(error.into());
        }
        own.count_staying(&mask, 1, rtnl);
        let id = flow.id;
        own.by_id.insert(by_id.into_node(id, flow));
        own.by_name.insert(by_name.into_node(spec.name, id));
        Ok(Staged { id, replaces })
    }

    /// Takes a flow out of its table.
    fn withdraw(&self, own: &mut Own, flow: &OwnedFlow, rtnl: Rtnl<'_>) {
        if let Some(key) = own.rank_key(flow) {
            own.by_rank.remove(&key);
        }
        if let Some(table) = own.table(&flow.mask) {
            table.remove(&self.secret, flow, rtnl);
        }
        own.follow_top(&flow.mask, rtnl);
    }

    /// Packets find a staged flow from now on.
    pub(crate) fn activate(&self, staged: &Staged, rtnl: Rtnl<'_>) {
        self.own.with(rtnl, |own| {
            if let Some(flow) = own.by_id.get(&staged.id) {
                flow.set_state(State::There);
            }
        });
    }

    /// Takes a staged flow back.
    pub(crate) fn discard(&self, staged: Staged, rtnl: Rtnl<'_>) {
        self.own.with(rtnl, |own| {
            let Some(flow) = own.by_id.get(&staged.id) else {
                return;
            };
            let (name, mask) = (flow.spec.name, flow.mask);
            own.count_staying(&mask, -1, rtnl);
            if let (Some(other), Some(id)) = (staged.replaces, own.by_name.get_mut(&name)) {
                *id = other;
            }
            self.take_out(own, staged.id, rtnl);
        });
    }

    /// The flow of that name is to be removed; its number. Packets still find it.
    pub(crate) fn leave(&self, name: &FlowName, rtnl: Rtnl<'_>) -> Option<u64> {
        self.own.with(rtnl, |own| {
            let flow = own.by_id.get(own.by_name.get(name)?)?;
            if flow.is_leaving() {
                return None;
            }
            flow.set_state(State::Leaving);
            let (id, mask) = (flow.id, flow.mask);
            own.count_staying(&mask, -1, rtnl);
            Some(id)
        })
    }

    /// A flow is not to be removed after all.
    pub(crate) fn stay(&self, id: u64, rtnl: Rtnl<'_>) {
        self.own.with(rtnl, |own| {
            if let Some(flow) = own.by_id.get(&id) {
                flow.set_state(State::There);
                let mask = flow.mask;
                own.count_staying(&mask, 1, rtnl);
            }
        });
    }

    /// Removes a flow that is leaving.
    pub(crate) fn remove(&self, id: u64, rtnl: Rtnl<'_>) {
        self.own.with(rtnl, |own| self.take_out(own, id, rtnl));
    }

    fn take_out(&self, own: &mut Own, id: u64, rtnl: Rtnl<'_>) {
        let Some(flow) = own.by_id.remove(&id) else {
            return;
        };
        flow.unlimit(rtnl);
        flow.set_state(State::Staged);
        if own.by_name.get(&flow.spec.name) == Some(&id) {
            own.by_name.remove(&flow.spec.name);
        }
        self.withdraw(own, &flow, rtnl);
        // For want of memory packets try a mask in vain, or in another order, until the next change.
        let _ = self.settle(own, rtnl);
    }

    /// Shows packets the tables as they are now. If that fails, all that they see is still there.
    fn settle(&self, own: &mut Own, rtnl: Rtnl<'_>) -> Result {
        if !own.stale {
            return Ok(());
        }
        // Empty ones come last.
        sort::by_key(&mut own.tables, |table| Reverse(table.top.get(rtnl)));
        let full = own
            .tables
            .iter()
            .filter_map(|table| Some((table, table.top.get(rtnl)?)));
        let count = full.clone().count();
        if count == 0 {
            self.published.clear(rtnl);
        } else {
            let new = NewArray::<Published>::new(count)?;
            for (place, (table, top)) in new.items().iter().zip(full) {
                for (word, value) in place.mask.iter().zip(table.mask.0) {
                    word.store(value, Ordering::Relaxed);
                }
                place.top.store(top, Ordering::Relaxed);
                place.table.store(table.0.as_ptr(), Ordering::Relaxed);
            }
            self.published.publish(new, rtnl);
        }
        own.tables.truncate(count);
        own.stale = false;
        Ok(())
    }

    /// Shows `f` the flow of that name, if there is one.
    pub(crate) fn with_named<R>(
        &self,
        name: &FlowName,
        rtnl: Rtnl<'_>,
        f: impl FnOnce(&Flow) -> R,
    ) -> Option<R> {
        self.own.with(rtnl, |own| {
            let flow = own.by_id.get(own.by_name.get(name)?)?;
            Some(f(flow))
        })
    }

    /// Shows `f` the flow with that number, likewise.
    pub(crate) fn with_id<R>(
        &self,
        id: u64,
        rtnl: Rtnl<'_>,
        f: impl FnOnce(&Flow) -> R,
    ) -> Option<R> {
        self.own
            .with(rtnl, |own| own.by_id.get(&id).map(|flow| f(flow)))
    }

    /// Shows `f` the flows with a number above `id`, in the order of their numbers, until it returns false.
    /// Whether it did not.
    pub(crate) fn all_after(
        &self,
        id: u64,
        rtnl: Rtnl<'_>,
        mut f: impl FnMut(&Flow) -> bool,
    ) -> bool {
        self.own.with(rtnl, |own| {
            let mut cursor = own.by_id.cursor_lower_bound_mut(&id.saturating_add(1));
            while let Some(place) = cursor {
                if !f(place.current().1) {
                    return false;
                }
                cursor = place.move_next();
            }
            true
        })
    }
}

/// Length of an Ethernet header, in bytes.
const ETH_HLEN: u32 = 14;

/// Waits, when it is dropped, until flows that were removed are free: that runs code of the module.
pub(crate) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: The module's exit, without RTNL.
        unsafe { bindings::vnic_flow_barrier() };
    }
}
