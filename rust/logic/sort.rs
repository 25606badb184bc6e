// SPDX-License-Identifier: GPL-2.0

//! Sorting without recursion, memory or a panic: the order of the standard library's sorts may be
//! inconsistent, which they find out and do not return from.

/// Brings `all` in the order of `key`; equals in any order. A heap sort.
pub(crate) fn by_key<T, K: Ord>(all: &mut [T], key: impl Fn(&T) -> K) {
    let len = all.len();
    for top in (0..len / 2).rev() {
        sift(all, top, &key);
    }
    for end in (1..len).rev() {
        all.swap(0, end);
        if let Some(rest) = all.get_mut(..end) {
            sift(rest, 0, &key);
        }
    }
}

/// Makes the tree below `top` a heap again, of which only `top` is not in its place.
fn sift<T, K: Ord>(heap: &mut [T], mut top: usize, key: &impl Fn(&T) -> K) {
    loop {
        // An index is below `isize::MAX`, so this cannot overflow.
        let left = top.saturating_mul(2).saturating_add(1);
        let (Some(first), second) = (heap.get(left), heap.get(left.saturating_add(1))) else {
            return;
        };
        let child = match second {
            Some(second) if key(second) > key(first) => left.saturating_add(1),
            _ => left,
        };
        match (heap.get(top), heap.get(child)) {
            (Some(above), Some(below)) if key(below) > key(above) => heap.swap(top, child),
            _ => return,
        }
        top = child;
    }
}
