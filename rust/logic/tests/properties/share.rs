// SPDX-License-Identifier: GPL-2.0

use super::logic::share;
use proptest::{
    collection::vec,
    prelude::*, //
};

#[derive(Debug)]
struct Queue {
    share: u16,
    sizes: Vec<u32>,
    start: u64,
    finish: u64,
    sent: u64,
    count: usize,
}

/// Serves the queues, none of which is ever empty, until so many bytes went.
fn serve(queues: &mut [Queue], mut virtual_time: u64, bytes: u64) -> u64 {
    for queue in queues.iter_mut() {
        queue.start = share::start(virtual_time, queue.finish);
    }
    let mut sum = 0;
    while sum < bytes {
        let mut best = 0;
        for index in 1..queues.len() {
            if share::before(queues[index].start, queues[best].start) {
                best = index;
            }
        }
        let queue = &mut queues[best];
        virtual_time = queue.start;
        let size = queue.sizes[queue.count % queue.sizes.len()];
        queue.start = share::finish(queue.start, size, queue.share);
        queue.finish = queue.start;
        queue.count += 1;
        queue.sent += u64::from(size);
        sum += u64::from(size);
    }
    virtual_time
}

fn queues() -> impl Strategy<Value = Vec<Queue>> {
    vec((1u16..=1000, vec(60u32..66_000, 1..8)), 2..12).prop_map(|all| {
        let queue = |(share, sizes)| Queue {
            share,
            sizes,
            start: 0,
            finish: 0,
            sent: 0,
            count: 0,
        };
        all.into_iter().map(queue).collect()
    })
}

proptest! {
    /// Who always wants gets what its share says, to a packet of its own and one of each other; also where tags wrap.
    #[test]
    fn by_share(mut queues in queues(), from in prop_oneof![Just(0u64), Just(u64::MAX - (1 << 30)), any::<u64>()]) {
        for queue in queues.iter_mut() {
            queue.finish = from;
        }
        serve(&mut queues, from, 20_000_000);
        let largest = |queue: &Queue| f64::from(*queue.sizes.iter().max().unwrap()) / f64::from(queue.share);
        for a in &queues {
            for b in &queues {
                let (mine, theirs) = (a.sent as f64 / f64::from(a.share), b.sent as f64 / f64::from(b.share));
                // The bound of the method, and what fractions are cut off.
                let bound = largest(a) + largest(b) + mine.max(theirs) / 4000.0;
                prop_assert!((mine - theirs).abs() <= bound, "{mine} {theirs} {bound}");
            }
        }
    }

    /// Who was silent has saved nothing up, and owes nothing but its last packet.
    #[test]
    fn silence(virtual_time in any::<u64>(), behind in 0u64..u64::MAX - (1 << 47), bytes in 60u32..66_000, weight in 1u16..=1000) {
        prop_assert_eq!(share::start(virtual_time, virtual_time.wrapping_sub(behind)), virtual_time);
        let finish = share::finish(virtual_time, bytes, weight);
        prop_assert_eq!(share::start(virtual_time, finish), finish);
        prop_assert!(share::before(virtual_time, finish) && !share::before(finish, virtual_time));
    }
}
