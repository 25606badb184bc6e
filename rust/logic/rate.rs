// SPDX-License-Identifier: GPL-2.0

//! Rates: when a packet may go on, for bits and packets a second together.
//!
//! A meter gives each packet a *departure*. Each rate has the time from which on the next packet has a right to go; what
//! a packet takes of that is exact, as what a division leaves is kept for the next one. So nothing drifts, however long
//! it runs. Who was silent may go on as if up to [`BURST`] had not passed yet.

/// How much time of silence counts, in ns: timers are late, which should not cost anybody his rate.
pub(crate) const BURST: u64 = 1_000_000;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// No packet has more bytes, so that nothing overflows: 8 bits of so many for 1 ns each fit into 63 bits.
const MAX_BYTES: u32 = 1 << 30;

/// One rate, and how far it was used.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Clock {
    /// Units in a second; 0: no limit.
    rate: u64,
    /// When the next packet may go, in ns.
    next: u64,
    /// What was left of the last division: `rest / rate` of a ns that `next` is behind.
    rest: u64,
}

impl Clock {
    /// The earliest time from `now` on.
    fn ready(&self, now: u64) -> u64 {
        match self.rate {
            0 => now,
            _ => self.next.max(now),
        }
    }

    /// `units` go at the time `departure`.
    fn take(&mut self, departure: u64, units: u64) {
        let total = units.saturating_mul(SECOND).saturating_add(self.rest);
        let (Some(time), Some(rest)) = (
            total.checked_div(self.rate),
            total.checked_rem(self.rate), //
        ) else {
            return;
        };
        let from = self.next.max(departure.saturating_sub(BURST));
        self.next = from.saturating_add(time);
        self.rest = rest;
    }
}

/// What bits and packets a second are limited to.
///
/// All zeroes is a meter without a limit.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Meter {
    bits: Clock,
    packets: Clock,
    /// The longest time that a packet waits, in ns.
    delay: u64,
}

impl Meter {
    /// A meter with these rates, 0 for no limit, from `now` on; packets wait for `delay` at most; both in ns.
    pub(crate) fn new(bits: u64, packets: u32, delay: u64, now: u64) -> Self {
        let clock = |rate| Clock {
            rate,
            next: now,
            rest: 0,
        };
        Self {
            bits: clock(bits),
            packets: clock(packets.into()),
            delay,
        }
    }

    /// When the next packet may go, `now` or later, in ns.
    pub(crate) fn ready(&self, now: u64) -> u64 {
        self.bits.ready(now).max(self.packets.ready(now))
    }

    /// When `packets` of together `bytes`, that came `now`, may go, in ns; not before those that were
    /// asked for before. `None`, and nothing changed, if that is too long to wait for.
    pub(crate) fn admit(&mut self, now: u64, bytes: u32, packets: u32) -> Option<u64> {
        let departure = self.ready(now);
        if departure.saturating_sub(now) > self.delay {
            return None;
        }
        let bits = u64::from(bytes.min(MAX_BYTES)).saturating_mul(8);
        self.bits.take(departure, bits);
        self.packets.take(departure, packets.into());
        Some(departure)
    }
}
