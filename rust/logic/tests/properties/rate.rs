// SPDX-License-Identifier: GPL-2.0

use super::logic::rate::{
    Meter,
    BURST, //
};
use proptest::{
    collection::vec,
    prelude::*, //
};

const SECOND: u64 = 1_000_000_000;

fn meter(bits: u64, packets: u32, delay: u64) -> Meter {
    Meter::new(bits, packets, delay, 0)
}

/// Rates of all sizes, each as likely.
fn rates() -> impl Strategy<Value = u64> {
    (0u32..8, 8_000u64..80_000)
        .prop_map(|(tens, base)| (base * 10u64.pow(tens)).min(1_000_000_000_000))
}

proptest! {
    /// Packets that never cease get the rate, exact to a nanosecond and a packet, however many they are.
    #[test]
    fn no_drift(rate in rates(), sizes in vec(60u32..9000, 1..20), count in 1000usize..20_000) {
        let mut meter = meter(rate, 0, u64::MAX);
        let mut sum = 0u128;
        let mut last = 0;
        for size in sizes.iter().cycle().take(count) {
            let departure = meter.admit(SECOND, *size, 1).unwrap();
            // Who waits got exactly what went before, and the burst.
            let wanted = u128::from(SECOND - BURST) + sum * 8 * u128::from(SECOND) / u128::from(rate);
            prop_assert_eq!(u128::from(departure), wanted.max(u128::from(SECOND)));
            prop_assert!(departure >= last);
            last = departure;
            sum += u128::from(*size);
        }
    }

    /// In no span of time goes more than the rates allow and a burst, and departures are in order, whenever packets
    /// come.
    #[test]
    fn never_more(
        bits in rates(), packets in 1u32..10_000_000,
        delay in 100_000u64..1_000_000_000,
        arrivals in vec((0u64..3_000_000, 60u32..66_000, 1u32..50), 1..300),
    ) {
        let mut meter = meter(bits, packets, delay);
        let mut now = 5 * SECOND;
        let mut went: Vec<(u64, u32, u32)> = Vec::new();
        for (gap, bytes, count) in arrivals {
            now += gap;
            let ready = meter.ready(now);
            match meter.admit(now, bytes, count) {
                Some(departure) => {
                    prop_assert_eq!(departure, ready);
                    prop_assert!(departure >= now && departure - now <= delay);
                    prop_assert!(went.last().is_none_or(|last| last.0 <= departure));
                    went.push((departure, bytes, count));
                }
                None => prop_assert!(ready - now > delay),
            }
        }
        for from in 0..went.len() {
            let (mut bytes, mut count) = (0u128, 0u128);
            for to in from + 1..went.len() {
                // The last one of a span only begins at its end.
                bytes += u128::from(went[to - 1].1);
                count += u128::from(went[to - 1].2);
                let time = u128::from(went[to].0 - went[from].0 + BURST + 1);
                prop_assert!(bytes * 8 * u128::from(SECOND) <= time * u128::from(bits) + 8 * u128::from(SECOND));
                prop_assert!(count * u128::from(SECOND) <= time * u128::from(packets) + u128::from(SECOND));
            }
        }
    }

    /// What is refused changes nothing.
    #[test]
    fn refused(rate in rates(), bytes in 60u32..66_000) {
        let mut meter = meter(rate, 0, 0);
        let mut refusals = 0;
        for _ in 0..100 {
            let before = meter.ready(SECOND);
            if meter.admit(SECOND, bytes, 1).is_none() {
                refusals += 1;
                prop_assert_eq!(before, meter.ready(SECOND));
            }
        }
        // The last of 100 only has to wait for those before it, and only for what a silent one has at hand.
        let before = u128::from(bytes) * 8 * 99 * u128::from(SECOND);
        prop_assert!(refusals > 0 || before < u128::from(BURST + 1) * u128::from(rate));
    }

    /// Nothing overflows.
    #[test]
    fn any_numbers(
        bits in any::<u64>(), packets in any::<u32>(), delay in any::<u64>(),
        arrivals in vec((any::<u64>(), any::<u32>(), any::<u32>()), 1..20),
    ) {
        let mut meter = meter(bits, packets, delay);
        for (now, bytes, count) in arrivals {
            let _ = meter.admit(now, bytes, count);
        }
    }
}

/// The lower of two rates counts, whichever it is.
#[test]
fn both() {
    for (bits, packets, wanted) in [
        (8_000_000, 0, 1000),
        (0, 500, 500),
        (8_000_000, 500, 500),
        (8_000_000, 2000, 1000),
    ] {
        let mut meter = meter(bits, packets, u64::MAX);
        let mut count = 0;
        while meter.admit(SECOND, 1000, 1).unwrap() < 11 * SECOND {
            count += 1;
        }
        assert!(
            (wanted * 10..=wanted * 10 + 2).contains(&count),
            "{bits} {packets}: {count}"
        );
    }
}

/// A new meter has saved nothing up.
#[test]
fn new() {
    let mut meter = Meter::new(8_000_000, 0, SECOND, SECOND);
    assert_eq!(meter.admit(SECOND, 1000, 1), Some(SECOND));
    assert_eq!(meter.admit(SECOND, 1000, 1), Some(SECOND + 1_000_000));
}

/// A meter of zeroes lets everything go.
#[test]
fn unlimited() {
    let mut meter = Meter::default();
    for _ in 0..1000 {
        assert_eq!(meter.admit(SECOND, 66_000, 44), Some(SECOND));
    }
}
