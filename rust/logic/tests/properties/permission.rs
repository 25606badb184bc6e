// SPDX-License-Identifier: GPL-2.0

use crate::logic::permission::{
    decide, is_built_in, range, Asker, Bytes, Entry, Param, Permits, Policy, Scope, Subject, Value,
    Verdict, BUILT_IN,
};
use proptest::prelude::*;

fn param() -> impl Strategy<Value = Param> {
    (0_u32..21).prop_map(|number| Param::of(number).unwrap())
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        Just(Subject::Owner),
        (1_u64..4).prop_map(Subject::Netns),
        (0_u32..3).prop_map(Subject::User),
        (0_u8..3).prop_map(|letter| Subject::Name([letter; 32])),
    ]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|all| Bytes::new(&all).unwrap()),
        any::<[u8; 6]>().prop_map(|all| Bytes::new(&all).unwrap()),
        any::<[u8; 16]>().prop_map(|all| Bytes::new(&all).unwrap()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_u64..20).prop_map(Value::Number),
        bytes().prop_map(Value::Address)
    ]
}

fn permits() -> impl Strategy<Value = Permits> {
    prop_oneof![
        Just(Permits::Anything),
        Just(Permits::Nothing),
        (0_u64..20, 0_u64..20).prop_map(|(a, b)| Permits::Range(a.min(b), a.max(b))),
        (bytes(), any::<u8>()).prop_map(|(prefix, bits)| Permits::Prefix(prefix, bits)),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (subject(), param(), permits(), prop::option::of(0_u32..4));
    prop::collection::vec(entry, 0..6).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(number, (subject, param, permits, quota))| Entry {
                scope: Scope::Host,
                net: 1,
                user: 0,
                policy: Policy {
                    id: 100 + number as u64,
                    subject,
                    param,
                    permits,
                    quota,
                },
            })
            .collect()
    })
}

fn asker() -> impl Strategy<Value = Asker> {
    let name = prop::option::of((0_u8..3).prop_map(|letter| [letter; 32]));
    (
        prop::option::of(1_u64..4),
        any::<bool>(),
        prop::option::of(0_u32..3),
        name,
    )
        .prop_map(|(netns, owner, user, name)| Asker {
            netns,
            owner,
            user,
            name,
            kernel: false,
        })
}

fn is_for(policy: &Policy, asker: &Asker, param: Param) -> bool {
    let subject = match policy.subject {
        Subject::Owner => asker.owner,
        Subject::Netns(cookie) => asker.netns == Some(cookie),
        Subject::User(user) => asker.user == Some(user),
        Subject::Name(name) => asker.name == Some(name),
    };
    let all = policy.param == Param::All && param.is_grantable() && !param.is_of_links();
    subject && (policy.param == param || all)
}

/// The first bits, one by one.
fn same_start(a: &[u8], b: &[u8], bits: usize) -> bool {
    let bit = |all: &[u8], place: usize| (all[place / 8] >> (7 - place % 8)) & 1;
    a.len() == b.len() && (0..bits.min(a.len() * 8)).all(|place| bit(a, place) == bit(b, place))
}

proptest! {
    #[test]
    fn nobody_may_anything_by_default(asker in asker(), param in param(), value in value()) {
        let denied = Verdict { allowed: false, policy: None };
        prop_assert_eq!(decide(&[], &asker, param, &value, 0), denied);
        prop_assert_eq!(decide(&[&[], &[]], &asker, param, &value, 0), denied);
    }

    #[test]
    fn the_first_layer_that_concerns_decides(
        layers in prop::collection::vec(entries(), 0..4),
        asker in asker(), param in param(), value in value(), used in 0_u32..5,
    ) {
        let slices: Vec<&[Entry]> = layers.iter().map(Vec::as_slice).collect();
        let verdict = decide(&slices, &asker, param, &value, used);
        let concerned = layers.iter().find(|layer| {
            layer.iter().any(|entry| is_for(&entry.policy, &asker, param))
        });
        let permitting = |policy: &Policy| {
            policy.permits.contains(&value) && policy.quota.is_none_or(|quota| used < quota)
        };
        let Some(layer) = concerned else {
            prop_assert_eq!(verdict, Verdict { allowed: false, policy: None });
            return Ok(());
        };
        let all: Vec<&Policy> =
            layer.iter().map(|entry| &entry.policy).filter(|policy| is_for(policy, &asker, param)).collect();
        let expected = all.iter().find(|policy| permitting(policy));
        prop_assert_eq!(verdict.allowed, expected.is_some());
        prop_assert_eq!(verdict.policy, Some(expected.unwrap_or(&all[0]).id));
    }

    #[test]
    fn what_concerns_all_is_never_granted(layer in entries(), asker in asker(), value in value()) {
        // As policy-add refuses them, only "all" is left, which does not cover them.
        let layer: Vec<Entry> =
            layer.into_iter().filter(|entry| entry.policy.param.is_grantable()).collect();
        for param in [Param::PromiscMode, Param::Host, Param::Timestamps, Param::Pool, Param::Flows, Param::Cpus, Param::HwRings, Param::Limits] {
            prop_assert!(!decide(&[&layer, &BUILT_IN], &asker, param, &value, 0).allowed);
        }
    }

    #[test]
    fn prefixes(prefix in bytes(), other in bytes(), bits in any::<u8>(), flip in any::<prop::sample::Index>()) {
        let permits = Permits::Prefix(prefix, bits);
        prop_assert!(permits.contains(&Value::Address(prefix)));
        let near = {
            let mut near = prefix.bytes().to_vec();
            let bit = flip.index(near.len() * 8);
            near[bit / 8] ^= 0x80 >> (bit % 8);
            Bytes::new(&near).unwrap()
        };
        for addr in [other, near] {
            let same = same_start(prefix.bytes(), addr.bytes(), bits.into());
            prop_assert_eq!(permits.contains(&Value::Address(addr)), same);
        }
        prop_assert!(!permits.contains(&Value::Number(1)));
    }

    #[test]
    fn ranges_of_scopes(mut scopes in prop::collection::vec(
        prop_oneof![
            Just(Scope::Host),
            (0_u64..3, 0_u32..3).prop_map(|(net, index)| Scope::Link(net, index)),
            (0_u64..5).prop_map(Scope::Vnic),
        ], 0..20), wanted in (0_u64..6).prop_map(Scope::Vnic)) {
        scopes.sort();
        let entry = |scope| Entry { scope, net: 1, user: 0, policy: BUILT_IN[0].policy };
        let table: Vec<Entry> = scopes.iter().copied().map(entry).collect();
        let found = range(&table, wanted);
        let count = scopes.iter().filter(|scope| **scope == wanted).count();
        prop_assert_eq!(found.len(), count);
        prop_assert!(table[found].iter().all(|entry| entry.scope == wanted));
    }
}

#[test]
fn built_in_policies_are_below_all_others() {
    assert!(BUILT_IN
        .iter()
        .all(|entry| is_built_in(entry.policy.id) && entry.policy.id < 16));
    assert!(!is_built_in(16));
}

#[test]
fn parameters_have_their_numbers() {
    for number in 0..24 {
        assert_eq!(Param::of(number).map(|param| param as u32), Some(number));
    }
    assert_eq!(Param::of(24), None);
}

#[test]
fn addresses_have_4_6_or_16_bytes() {
    for len in 0..20 {
        assert_eq!(
            Bytes::new(&vec![1; len]).is_some(),
            [4, 6, 16].contains(&len)
        );
    }
}
