// SPDX-License-Identifier: GPL-2.0

//! Pages that packets are stored in, and that are used again when nobody refers to them any more.
//!
//! A [`Store`] owns pages, each with many references of its own from the start. One of them goes with
//! each packet that is stored in a page; whoever ends up with the packet, or with a part of it, puts
//! it as any page's. How many references there are in all, compared with those that are still the
//! store's, says whether somebody has one, whatever was done with the packet: split, merged, spliced,
//! mapped, queued. There is no callback that could miss a case, and packets may outlive the store.
//!
//! ```text
//!            ┌───── free ◄──── (more in use than allowed) ────┐
//!            ▼                                                │
//!  a ring's cache: ready ─► half full ─► spent ────────────► busy ──► ready, if nobody refers to it
//! ```
//!
//! A page is in one of these lists, or is the half full one: who has its [`Page`] owns it.

use crate::{
    logic::pool::{
        layout,
        Layout,
        MAX_FRAGS,
        SLOT, //
    },
    net::{
        rcu,
        rtnl::{
            Rtnl,
            RtnlCell, //
        },
        skb::Skb, //
    },
};
use core::{
    cell::Cell,
    mem,
    ptr::{
        self,
        NonNull, //
    },
    sync::atomic::{
        AtomicBool,
        AtomicPtr,
        AtomicU32,
        Ordering, //
    },
};
use kernel::{
    alloc::KVVec,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};
use vnic_bindings as bindings;

/// How many references a page gets, and gets again when few are left.
const REFS: u32 = 1 << 20;
const FEW_REFS: u32 = 1 << 10;

/// How many of the pages that have been away for longest, and are still in use, are looked at.
const LOOK_FIRST: u32 = 8;

/// How many of the others are looked at if that was not enough, from where the last look ended.
const LOOK_MORE: u32 = 32;

/// How many are looked at while softirqs wait, in process context.
const LOOK_AT_ONCE: u32 = 1024;

/// The pages that a ring takes at a time are at most so many.
const MOST_BATCH: u32 = 32;

/// A place for a page.
struct Slot {
    /// The page; null if there is none. Written under RTNL, while it is in no list or on the free one.
    page: AtomicPtr<bindings::page>,
    /// Where the page is in memory, likewise.
    address: Cell<*mut u8>,
    /// How many references are the store's. Written by the owner of the [`Page`].
    refs: AtomicU32,
    /// The next in the list. The owner's.
    next: Cell<Option<NonNull<Slot>>>,
}

impl Slot {
    /// Whether nobody else refers to its page, which is the caller's. Then it may be written to.
    fn is_idle(&self) -> bool {
        let page = self.page.load(Ordering::Relaxed);
        // SAFETY: Pages go only while they are nobody's but the store's and in no list.
        unsafe { bindings::vnic_page_refs(page) == self.refs.load(Ordering::Relaxed) }
    }
}

/// A page that is the holder's.
///
/// # Invariants
///
/// The slot has a page, lives, and there is no other `Page` of it. It is in a [`Store`], which all that
/// have a `Page` keep alive.
struct Page(NonNull<Slot>);

// SAFETY: A slot has no ties to a task or CPU, and only the owner touches what is no atomic.
unsafe impl Send for Page {}

impl Page {
    fn slot(&self) -> &Slot {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }

    fn raw(&self) -> *mut bindings::page {
        self.slot().page.load(Ordering::Relaxed)
    }

    /// Sees to it that it has references to give away. It is idle.
    fn refill(&self) {
        let refs = self.slot().refs.load(Ordering::Relaxed);
        if refs < FEW_REFS {
            let more = REFS.saturating_sub(refs);
            // SAFETY: A page, by the type invariant.
            unsafe { bindings::vnic_page_ref_add(self.raw(), more) };
            self.slot().refs.store(REFS, Ordering::Relaxed);
        }
    }

    /// One reference is a packet's from now on.
    fn give_ref(&self) {
        let refs = self.slot().refs.load(Ordering::Relaxed);
        // Two at most since `refill`.
        self.slot()
            .refs
            .store(refs.wrapping_sub(1), Ordering::Relaxed);
    }

    /// Undoes `give_ref`, for a packet that was not made.
    fn take_ref(&self) {
        let refs = self.slot().refs.load(Ordering::Relaxed);
        self.slot()
            .refs
            .store(refs.wrapping_add(1), Ordering::Relaxed);
    }

    /// The first or the second half.
    fn half(&self, second: bool) -> *mut u8 {
        let offset = if second { SLOT as usize } else { 0 };
        self.slot().address.get().wrapping_add(offset)
    }
}

/// A list of pages, first in, first out.
///
/// # Invariants
///
/// From `first` on, `len` slots are chained, up to `last`; the list owns the [`Page`] of each.
struct PageList {
    first: Option<NonNull<Slot>>,
    last: Option<NonNull<Slot>>,
    len: u32,
}

// SAFETY: As for `Page`.
unsafe impl Send for PageList {}

impl PageList {
    const fn new() -> Self {
        // INVARIANT: None.
        Self {
            first: None,
            last: None,
            len: 0,
        }
    }

    fn push(&mut self, page: Page) {
        let slot = page.0;
        page.slot().next.set(None);
        match self.last {
            // SAFETY: Of the list, by the type invariant, which therefore owns it.
            Some(last) => unsafe { last.as_ref() }.next.set(Some(slot)),
            None => self.first = Some(slot),
        }
        // INVARIANT: One more, the last; its `Page` is given up here.
        self.last = Some(slot);
        self.len = self.len.wrapping_add(1);
    }

    fn push_front(&mut self, page: Page) {
        page.slot().next.set(self.first);
        if self.first.is_none() {
            self.last = Some(page.0);
        }
        // INVARIANT: One more, the first; its `Page` is given up here.
        self.first = Some(page.0);
        self.len = self.len.wrapping_add(1);
    }

    fn pop(&mut self) -> Option<Page> {
        let slot = self.first?;
        // INVARIANT: One less; its `Page` is the caller's.
        let page = Page(slot);
        self.first = page.slot().next.get();
        if self.first.is_none() {
            self.last = None;
        }
        self.len = self.len.wrapping_sub(1);
        Some(page)
    }

    /// The place behind `before`, or the first.
    fn behind(&self, before: Option<NonNull<Slot>>) -> Option<NonNull<Slot>> {
        match before {
            // SAFETY: Of the list, as the caller says, which therefore owns it.
            Some(before) => unsafe { before.as_ref() }.next.get(),
            None => self.first,
        }
    }

    /// Takes the page behind `before`, or the first, which is in the list.
    fn take_behind(&mut self, before: Option<NonNull<Slot>>) -> Option<Page> {
        let Some(place) = before else {
            return self.pop();
        };
        // SAFETY: Of the list, as the caller says, which therefore owns it.
        let before = unsafe { place.as_ref() };
        // INVARIANT: One less; its `Page` is the caller's.
        let page = Page(before.next.get()?);
        before.next.set(page.slot().next.get());
        if self.last == Some(page.0) {
            self.last = Some(place);
        }
        self.len = self.len.wrapping_sub(1);
        Some(page)
    }

    /// Appends all of `other`.
    fn append(&mut self, other: &mut Self) {
        // INVARIANT: The other list has none any more.
        let other = mem::replace(other, Self::new());
        let Some(first) = other.first else {
            return;
        };
        match self.last {
            // SAFETY: Of the list, by the type invariant, which therefore owns it.
            Some(last) => unsafe { last.as_ref() }.next.set(Some(first)),
            None => self.first = Some(first),
        }
        // INVARIANT: Behind the last one come those of the other list, up to its last, and they are ours.
        self.last = other.last;
        self.len = self.len.wrapping_add(other.len);
    }
}

/// What the lock of a store guards.
struct Lists {
    /// Pages that no ring has, and nobody refers to.
    free: PageList,
    /// Pages that rings gave back, to which somebody may refer.
    busy: PageList,
    /// The page among these at which the last look for idle ones ended.
    looked_at: Option<NonNull<Slot>>,
    /// How many pages are not free.
    out: u32,
    /// How many may be.
    allowed: u32,
    /// How many were at most.
    most: u32,
}

/// Pages for the packets of several rings.
#[pin_data(PinnedDrop)]
pub(crate) struct Store {
    #[pin]
    lists: SpinLock<Lists>,
    /// All slots. Their memory stays where it is as long as the store lives.
    slots: RtnlCell<KVec<KVVec<Slot>>>,
    /// Slots that have a page.
    populated: RtnlCell<u32>,
    /// More pages are out than allowed: rings give back what they have.
    squeezed: AtomicBool,
    /// How many pages a ring takes at a time.
    batch: AtomicU32,
}

// SAFETY: What is no atomic is guarded: by the lock, by RTNL, or by the ownership of `Page`s.
unsafe impl Sync for Store {}
// SAFETY: It owns its pages, and has no ties to a task.
unsafe impl Send for Store {}

/// How many pages of a store are in use.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Pages that somebody refers to.
    pub(crate) in_use: u32,
    /// How many were with rings or packets at most.
    pub(crate) most: u32,
}

impl Store {
    /// One without pages. May sleep.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                lists <- new_spinlock!(Lists {
                    free: PageList::new(),
                    busy: PageList::new(),
                    looked_at: None,
                    out: 0,
                    allowed: 0,
                    most: 0,
                }),
                slots: RtnlCell::new(KVec::new()),
                populated: RtnlCell::new(0),
                squeezed: AtomicBool::new(false),
                batch: AtomicU32::new(1),
            }),
            GFP_KERNEL,
        )
    }

    fn with_lists<R>(&self, f: impl FnOnce(&mut Lists) -> R) -> R {
        // Softirqs take the lock, too.
        rcu::read(|_| f(&mut self.lists.lock()))
    }

    /// How many pages there are.
    pub(crate) fn populated(&self, rtnl: Rtnl<'_>) -> u32 {
        self.populated.get(rtnl)
    }

    /// Adds pages. May sleep for memory; on failure there are as many as before.
    pub(crate) fn grow(&self, count: u32, rtnl: Rtnl<'_>) -> Result {
        let mut slots = KVVec::with_capacity(usize::try_from(count)?, GFP_KERNEL)?;
        for _ in 0..count {
            let Some(slot) = new_slot() else {
                slots.iter().for_each(empty_slot);
                return Err(ENOMEM);
            };
            // Within the capacity, so it does not fail.
            slots.push(slot, GFP_KERNEL)?;
        }
        let first = NonNull::from(slots.as_slice()).cast::<Slot>();
        let mut all = self.slots.take(rtnl);
        let pushed = all.reserve(1, GFP_KERNEL);
        if pushed.is_ok() {
            // Reserved.
            let _ = all.push(slots, GFP_KERNEL);
        } else {
            slots.iter().for_each(empty_slot);
        }
        self.slots.set(all, rtnl);
        pushed?;
        self.populated
            .set(self.populated.get(rtnl).saturating_add(count), rtnl);
        let mut list = PageList::new();
        for index in 0..usize::try_from(count)? {
            // INVARIANT: A new slot with a page, in the store for good; nobody else has a `Page` of it.
            // SAFETY: `index` is below the number of slots, whose memory did not move with the vector.
            list.push(Page(unsafe { first.add(index) }));
        }
        self.with_lists(|lists| lists.free.append(&mut list));
        Ok(())
    }

    /// Frees up to `count` pages, of those that nobody refers to and no ring has; returns how many.
    pub(crate) fn shrink(&self, count: u32, rtnl: Rtnl<'_>) -> u32 {
        let mut gone = PageList::new();
        // All that were busy when it began are looked at once; softirqs do not wait for that.
        let rounds = self.with_lists(|lists| lists.busy.len) / LOOK_AT_ONCE;
        for _ in 0..=rounds {
            self.with_lists(|lists| {
                lists.search(LOOK_AT_ONCE);
                while gone.len < count {
                    let Some(page) = lists.free.pop() else { break };
                    gone.push(page);
                }
            });
            if gone.len == count {
                break;
            }
        }
        let freed = gone.len;
        while let Some(page) = gone.pop() {
            empty_slot(page.slot());
        }
        let left = self.populated.get(rtnl).saturating_sub(freed);
        self.populated.set(left, rtnl);
        // INVARIANT of `Page`: slots without a page have no `Page`.
        self.slots.with(rtnl, |chunks| {
            chunks.retain(|chunk| {
                chunk
                    .iter()
                    .any(|slot| !slot.page.load(Ordering::Relaxed).is_null())
            })
        });
        freed
    }

    /// Sets how many pages may be with rings and packets, and how many a ring takes at a time. What is
    /// out already stays out until nobody refers to it.
    pub(crate) fn allow(&self, pages: u32, rings: u32, _rtnl: Rtnl<'_>) {
        // What rings have without need is a small part.
        let batch = pages / 16 / rings.max(1);
        self.batch
            .store(batch.clamp(1, MOST_BATCH), Ordering::Relaxed);
        let squeezed = self.with_lists(|lists| {
            lists.allowed = pages;
            lists.out > pages
        });
        self.squeezed.store(squeezed, Ordering::Relaxed);
    }

    /// How many pages are in use. It looks at each, so it takes a while; packets do not wait for it.
    pub(crate) fn usage(&self, rtnl: Rtnl<'_>) -> Usage {
        let slots = self.slots.take(rtnl);
        let in_use = slots
            .iter()
            .flat_map(|chunk| chunk.iter())
            .filter(|slot| is_referred_to(slot))
            .count();
        self.slots.set(slots, rtnl);
        Usage {
            in_use: u32::try_from(in_use).unwrap_or(u32::MAX),
            most: self.with_lists(|lists| lists.most),
        }
    }
}

impl Lists {
    /// Takes pages that nobody refers to any more back from the busy ones, `most` at most, from the
    /// beginning on: for those that have been away for longest the chances are best.
    fn collect(&mut self, most: u32) {
        let (mut place, mut in_use) = (None, 0);
        for _ in 0..most {
            match self.look_behind(place) {
                Look::Idle => continue,
                Look::InUse(slot) if in_use < LOOK_FIRST => place = Some(slot),
                _ => break,
            }
            in_use += 1;
        }
    }

    /// Looks at the busy page behind `before`, or the first, and frees it if it is idle.
    fn look_behind(&mut self, before: Option<NonNull<Slot>>) -> Look {
        let Some(slot) = self.busy.behind(before) else {
            return Look::End;
        };
        // SAFETY: Of the list, so it lives, and its page is the list's.
        if !unsafe { slot.as_ref() }.is_idle() {
            return Look::InUse(slot);
        }
        if let Some(page) = self.take_idle(before) {
            self.free_page(page);
        }
        Look::Idle
    }

    /// Takes the busy page behind `before`, or the first, which is idle.
    fn take_idle(&mut self, before: Option<NonNull<Slot>>) -> Option<Page> {
        let page = self.busy.take_behind(before)?;
        if self.looked_at == Some(page.0) {
            self.looked_at = before;
        }
        page.refill();
        Some(page)
    }

    /// The page that has been busy for longest, if it is idle: a ring that returns such pages may have it
    /// at once, as it is out already.
    fn reuse(&mut self) -> Option<Page> {
        let slot = self.busy.first?;
        // SAFETY: Of the list, so it lives, and its page is the list's.
        match unsafe { slot.as_ref() }.is_idle() {
            true => self.take_idle(None),
            false => None,
        }
    }

    /// The page that was used last is used next: it is in the CPU's cache.
    fn free_page(&mut self, page: Page) {
        self.out = self.out.saturating_sub(1);
        self.free.push_front(page);
    }

    /// Gives a page to a ring, if one more may be out.
    fn take(&mut self) -> Option<Page> {
        if self.out >= self.allowed {
            return None;
        }
        let page = self.free.pop()?;
        self.out = self.out.saturating_add(1);
        self.most = self.most.max(self.out);
        Some(page)
    }

    /// Looks for idle pages among all that are busy, wherever they are: at `most` so many, from where the
    /// last look ended.
    fn search(&mut self, most: u32) {
        // Once the end is found instead.
        for _ in 0..most.min(self.busy.len.saturating_add(1)) {
            match self.look_behind(self.looked_at) {
                Look::Idle => {}
                Look::InUse(slot) => self.looked_at = Some(slot),
                Look::End => self.looked_at = None,
            }
        }
    }
}

/// What came of a look at a busy page.
enum Look {
    /// It was idle, and is free now.
    Idle,
    /// Somebody refers to it.
    InUse(NonNull<Slot>),
    /// There is none.
    End,
}

fn new_slot() -> Option<Slot> {
    let mut address = ptr::null_mut();
    // SAFETY: Process context (RTNL is held by whoever makes slots), and room for the address.
    let page = unsafe { bindings::vnic_page_alloc(REFS, &mut address) };
    if page.is_null() {
        return None;
    }
    Some(Slot {
        page: AtomicPtr::new(page),
        address: Cell::new(address.cast()),
        refs: AtomicU32::new(REFS),
        next: Cell::new(None),
    })
}

/// Gives up the page of a slot, which nobody has a [`Page`] of: it is free, or its users' alone.
fn empty_slot(slot: &Slot) {
    let page = slot.page.swap(ptr::null_mut(), Ordering::Relaxed);
    if !page.is_null() {
        // SAFETY: A page, and so many references are ours.
        unsafe { bindings::vnic_page_put(page, slot.refs.load(Ordering::Relaxed)) };
    }
}

/// Whether somebody has a reference to the page of a slot. While packets come and go it may be wrong
/// for a moment.
fn is_referred_to(slot: &Slot) -> bool {
    let page = slot.page.load(Ordering::Relaxed);
    if page.is_null() {
        return false;
    }
    // SAFETY: A page that the store has references to, which go under RTNL only, as which the caller
    // runs.
    let refs = unsafe { bindings::vnic_page_refs(page) };
    refs != slot.refs.load(Ordering::Relaxed)
}

#[pinned_drop]
impl PinnedDrop for Store {
    fn drop(self: Pin<&mut Self>) {
        // Caches keep the store alive, so no ring has pages. Users of packets keep theirs.
        let this = self.project();
        for chunk in this.slots.get_mut().iter() {
            chunk.iter().for_each(empty_slot);
        }
    }
}

/// What came of storing a packet.
pub(crate) enum Stored {
    /// It is in the store's memory.
    Done(Skb),
    /// Without change: there are no pages for it now.
    NoPages(Skb),
    /// Without change: there was no memory for an `sk_buff`.
    NoMemory(Skb),
    /// It is longer than what can be stored.
    TooLong(Skb),
    /// It could not be read, and is dropped.
    Unreadable,
}

/// The pages that one ring has at hand.
pub(crate) struct Cache {
    store: Arc<Store>,
    /// Nobody refers to these.
    ready: PageList,
    /// One whose second half is not used yet.
    half: Option<Page>,
    /// Given to packets, and not given back to the store yet.
    spent: PageList,
}

impl Cache {
    /// None at first.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            ready: PageList::new(),
            half: None,
            spent: PageList::new(),
        }
    }

    /// Stores a packet in received form. NAPI only.
    #[inline]
    pub(crate) fn store(&mut self, skb: Skb) -> Stored {
        let Some(parts) = layout(skb.len(), skb.head_len()) else {
            return Stored::TooLong(skb);
        };
        let first = u32::from(self.half.is_none());
        let need = parts.frags.wrapping_add(first);
        if (self.ready.len < need || self.store.squeezed.load(Ordering::Relaxed))
            && !self.provide(need)
        {
            return Stored::NoPages(skb);
        }
        match parts.frags {
            0 => self.fill(skb, parts.linear, &[], PageList::new()),
            _ => self.fill_large(skb, parts),
        }
    }

    /// Stores a packet that has no room in one slot; there are pages enough.
    #[inline(never)]
    fn fill_large(&mut self, skb: Skb, parts: Layout) -> Stored {
        let mut pages = [ptr::null_mut(); MAX_FRAGS as usize];
        let mut taken = PageList::new();
        for place in pages.iter_mut().take(parts.frags as usize) {
            let Some(page) = self.ready.pop() else { break };
            *place = page.raw();
            page.give_ref();
            taken.push(page);
        }
        self.fill(skb, parts.linear, &pages, taken)
    }

    /// Stores a packet: its first `linear` bytes in a slot, which there is, the rest in `pages`, which are
    /// those that were `taken`.
    #[inline(always)]
    fn fill(
        &mut self,
        skb: Skb,
        linear: u32,
        pages: &[*mut bindings::page],
        mut taken: PageList,
    ) -> Stored {
        let second = self.half.is_some();
        let Some(head) = self.half.take().or_else(|| self.ready.pop()) else {
            self.untake(taken);
            return Stored::NoPages(skb);
        };
        head.give_ref();
        let slot = head.half(second).cast();
        let raw = skb.into_raw();
        // SAFETY: In NAPI; half a page that nobody else uses, with a reference on it, and a packet that is
        // ours, without need for pages.
        if pages.is_empty() && unsafe { bindings::vnic_skb_move(raw, slot) } {
            self.used(head, second);
            // SAFETY: Still ours, in other memory.
            return Stored::Done(unsafe { Skb::from_raw(NonNull::new_unchecked(raw)) });
        }
        // SAFETY: As above, and pages enough for what is not linear, with a reference on each. It consumes
        // the packet unless it returns null.
        let stored = unsafe { bindings::vnic_skb_store(raw, slot, linear, pages.as_ptr()) };
        if stored.is_null() {
            head.take_ref();
            // What was half full stays so; a new one is ready again.
            match second {
                true => self.half = Some(head),
                false => self.ready.push(head),
            }
            self.untake(taken);
            // SAFETY: Not consumed, so still ours.
            return Stored::NoMemory(unsafe { Skb::from_raw(NonNull::new_unchecked(raw)) });
        }
        self.used(head, second);
        self.spent.append(&mut taken);
        match kernel::error::from_err_ptr(stored) {
            // SAFETY: The packet that is stored, ours; not null.
            Ok(stored) => Stored::Done(unsafe { Skb::from_raw(NonNull::new_unchecked(stored)) }),
            Err(_) => Stored::Unreadable,
        }
    }

    /// A page whose first or second half is a packet's now.
    #[inline(always)]
    fn used(&mut self, page: Page, second: bool) {
        match second {
            true => self.spent.push(page),
            false => self.half = Some(page),
        }
    }

    /// Pages whose references were given to a packet that was not made.
    fn untake(&mut self, mut taken: PageList) {
        while let Some(page) = taken.pop() {
            page.take_ref();
            self.ready.push(page);
        }
    }

    /// Sees to it that at least `need` pages are ready. Gives what is spent to the store, and, if there
    /// is too much in use, the rest, too.
    #[cold]
    #[inline(never)]
    fn provide(&mut self, need: u32) -> bool {
        let want = need.max(self.store.batch.load(Ordering::Relaxed));
        // Softirq: nothing else on this CPU takes the lock.
        let mut lists = self.store.lists.lock();
        lists.busy.append(&mut self.spent);
        if lists.out > lists.allowed {
            while let Some(page) = self.ready.pop() {
                lists.free_page(page);
            }
        } else {
            while self.ready.len < want {
                let Some(page) = lists.reuse() else { break };
                self.ready.push(page);
            }
        }
        // Some more than are needed, so that after a time with many the same few are used again and again.
        let missing = want.saturating_sub(self.ready.len);
        lists.collect(missing.saturating_add(LOOK_FIRST));
        let mut searched = false;
        while self.ready.len < want {
            match lists.take() {
                Some(page) => self.ready.push(page),
                None if searched || self.ready.len >= need => break,
                None => {
                    lists.search(LOOK_MORE);
                    searched = true;
                }
            }
        }
        let squeezed = lists.out > lists.allowed;
        self.store.squeezed.store(squeezed, Ordering::Relaxed);
        self.ready.len >= need
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let (ready, spent, half) = (&mut self.ready, &mut self.spent, self.half.take());
        self.store.with_lists(|lists| {
            while let Some(page) = ready.pop() {
                lists.free_page(page);
            }
            lists.busy.append(spent);
            if let Some(page) = half {
                lists.busy.push(page);
            }
        });
    }
}
