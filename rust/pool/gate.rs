// SPDX-License-Identifier: GPL-2.0

//! Admission: what stands between a ring and the stack of a VNIC in a pool.

use super::Pool;
use crate::{
    logic::pool::pause,
    net::{
        counters::Counter,
        now,
        pages::{
            Cache,
            Stored, //
        },
        rcu::Rcu,
        ring::{
            Admission,
            Gatekeeper, //
        },
        skb::{
            Reason,
            Skb, //
        },
    },
    vnic::Vnic,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The gate of one ring: every packet is stored in the pool's memory, or waits.
pub(crate) struct Gate {
    pool: Arc<Pool>,
    cache: Cache,
    /// Since when it is parked, in ns.
    parked: Option<u64>,
}

impl Gate {
    /// The gate of a ring whose VNIC is in `pool`.
    pub(crate) fn new(pool: &Arc<Pool>) -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                pool: pool.clone(),
                cache: Cache::new(pool.store.clone()),
                parked: None,
            },
            GFP_KERNEL,
        )?)
    }

    #[cold]
    fn park(&mut self, skb: Skb, rcu: Rcu<'_>) -> Admission {
        let now = now();
        let since = *self.parked.get_or_insert_with(|| {
            self.pool.count_wait();
            if let Some(vnic) = skb.dev(rcu).downcast::<Vnic>() {
                vnic.data().counters().increment(Counter::RxParked);
            }
            now
        });
        Admission::Park(skb, pause(now.saturating_sub(since)))
    }

    /// A packet of more than a slot and [`MAX_FRAGS`](crate::logic::pool::MAX_FRAGS) pages is stored as
    /// what was merged in it.
    #[cold]
    fn cut(&mut self, skb: Skb, rcu: Rcu<'_>) -> Admission {
        match skb.cut() {
            Ok(segments) => Admission::Cut(segments),
            Err(skb) => {
                self.pool.count_too_long();
                let dev = skb.dev(rcu);
                let count = dev
                    .downcast::<Vnic>()
                    .map(|vnic| (vnic.data().counters(), Counter::RxDropPool));
                skb.drop_for(dev, count, Reason::TooLong);
                Admission::Gone
            }
        }
    }

    #[cold]
    fn resume(&mut self, since: u64) {
        self.pool.count_waited(now().saturating_sub(since));
        self.parked = None;
    }
}

impl Gatekeeper for Gate {
    #[inline(always)]
    fn admit(&mut self, skb: Skb, rcu: Rcu<'_>) -> Admission {
        let admission = match self.cache.store(skb) {
            Stored::Done(skb) => Admission::Pass(skb),
            Stored::NoPages(skb) | Stored::NoMemory(skb) => return self.park(skb, rcu),
            Stored::TooLong(skb) => return self.cut(skb, rcu),
            Stored::Unreadable => Admission::Gone,
        };
        if let Some(since) = self.parked {
            self.resume(since);
        }
        admission
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(since) = self.parked {
            self.resume(since);
        }
    }
}
