// SPDX-License-Identifier: GPL-2.0

//! Transactions: VNICs and policies that are changed together, or not at all.
//!
//! Everything that can fail comes first: VNICs are changed, each with what undoes it, while the
//! policies are changed in a draft. Then the draft is put in place, and what is to be deleted goes.

use super::{
    change::{
        self,
        Change,
        Settings, //
    },
    database::{
        self,
        Draft, //
    },
    flows, policy,
    request::Who,
};
use crate::{
    logic::{
        permission::Entry,
        sort, //
    },
    net::{
        genl::{
            self,
            Command,
            Request, //
        },
        netdev::Dev,
        netlink::{
            Attrs,
            Extack, //
        },
        rtnl::Rtnl,
        rtnl_link::kill_many,
        uapi, //
    },
    switch::Switch,
    vnic::Vnic,
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// All VNICs by their numbers, so that none is looked for through all switches.
struct Index<'a>(KVVec<(u64, &'a Dev<Vnic>)>);

impl<'a> Index<'a> {
    fn new(rtnl: Rtnl<'a>) -> Result<Self> {
        let mut all = KVVec::new();
        let mut result = Ok(());
        Switch::find_vnic(rtnl, |vnic| {
            result = all.push((vnic.data().id(), vnic), GFP_KERNEL);
            result.is_err()
        });
        result?;
        sort::by_key(&mut all, |(id, _)| *id);
        Ok(Self(all))
    }

    fn find(&self, id: u64) -> Option<&'a Dev<Vnic>> {
        let place = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.0.get(place).map(|(_, vnic)| *vnic)
    }
}

/// What a transaction did so far.
struct Progress<'a> {
    changes: KVVec<Change<'a>>,
    /// VNICs to delete at the end; those that are absent by their numbers.
    doomed: KVVec<&'a Dev<Vnic>>,
    doomed_absent: KVVec<u64>,
    draft: Draft,
    added: KVVec<Entry>,
    deleted: KVVec<Entry>,
    flows: KVVec<flows::Change<'a>>,
}

/// Refuses if the configuration is not the one that the sender knew.
fn check_generation(request: &Request<'_>, extack: &mut Extack<'_>, rtnl: Rtnl<'_>) -> Result {
    let Some(attr) = request.attrs().get(uapi::VNIC_A_TRANSACTION_GENERATION) else {
        return Ok(());
    };
    let now = database::generation(request.net(), rtnl);
    if attr.uint() == now {
        return Ok(());
    }
    Err(extack.refuse_attr(
        &attr,
        EAGAIN,
        format_args!(
            "vnic: the configuration is at generation {now}, not {}: look again",
            attr.uint()
        ),
    ))
}

impl<'a> Progress<'a> {
    fn change_vnic(
        &mut self,
        request: &Request<'_>,
        index: &Index<'a>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let Some(attr) = attrs.get(uapi::VNIC_A_ID) else {
            return Err(extack.refuse(EINVAL, format_args!("vnic: which VNIC? give its id")));
        };
        let (id, delete) = (attr.uint(), attrs.has(uapi::VNIC_A_DELETE));
        let known = index
            .find(id)
            .filter(|vnic| super::shows(request.net(), vnic));
        let Some(vnic) = known else {
            let absent = database::absent(id, request.net(), rtnl);
            if !delete || absent.is_none() || !request.is_capable() {
                return Err(super::unknown_vnic(&attr, extack));
            }
            return Ok(self.doomed_absent.push(id, GFP_KERNEL)?);
        };
        if !change::is_manager(request, vnic.data().lower()) {
            return Err(extack.refuse_attr(
                &attr,
                EPERM,
                format_args!("vnic: transactions are for who manages {}", vnic.name()),
            ));
        }
        self.changes.reserve(1, GFP_KERNEL)?;
        if delete {
            return Ok(self.doomed.push(vnic, GFP_KERNEL)?);
        }
        let wanted = Settings::of(attrs, vnic, extack, rtnl)?;
        let change = wanted.change(Who::Manager, vnic, extack, rtnl)?;
        // Reserved above: it cannot be lost for want of memory.
        Ok(self.changes.push(change, GFP_KERNEL)?)
    }

    fn change_flow(
        &mut self,
        request: &Request<'_>,
        index: &Index<'a>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        let Some(attr) = attrs.get(uapi::VNIC_A_FLOW_VNIC) else {
            return Err(extack.refuse(
                EINVAL,
                format_args!("vnic: a flow of which VNIC? give its id"),
            ));
        };
        let known = index
            .find(attr.uint())
            .filter(|vnic| super::shows(request.net(), vnic));
        let vnic = known.ok_or_else(|| super::unknown_vnic(&attr, extack))?;
        if !change::is_manager(request, vnic.data().lower()) {
            return Err(extack.refuse_attr(
                &attr,
                EPERM,
                format_args!("vnic: transactions are for who manages {}", vnic.name()),
            ));
        }
        self.flows.reserve(1, GFP_KERNEL)?;
        let change = flows::Change::of(vnic, attrs, extack, rtnl)?;
        // Reserved above: it cannot be lost for want of memory.
        Ok(self.flows.push(change, GFP_KERNEL)?)
    }

    fn change_policy(
        &mut self,
        request: &Request<'_>,
        attrs: Attrs<'_>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        if attrs.has(uapi::VNIC_A_POLICY_DELETE) {
            let entry = policy::delete(request, &mut self.draft, attrs, extack)?;
            return Ok(self.deleted.push(entry, GFP_KERNEL)?);
        }
        let entry = policy::add(request, &mut self.draft, attrs, extack, rtnl)?;
        Ok(self.added.push(entry, GFP_KERNEL)?)
    }

    fn run(
        &mut self,
        request: &Request<'_>,
        index: &Index<'a>,
        extack: &mut Extack<'_>,
        rtnl: Rtnl<'_>,
    ) -> Result {
        for attr in request.all(uapi::VNIC_A_TRANSACTION_VNIC) {
            let mut nested = genl::vnic_change(&attr, extack)?;
            self.change_vnic(request, index, nested.attrs(), extack, rtnl)?;
        }
        for attr in request.all(uapi::VNIC_A_TRANSACTION_POLICY) {
            let mut nested = genl::policy_change(&attr, extack)?;
            self.change_policy(request, nested.attrs(), extack, rtnl)?;
        }
        // What is deleted first: a flow may be replaced by one of its name, or with its match.
        for deletes in [true, false] {
            for attr in request.all(uapi::VNIC_A_TRANSACTION_FLOW) {
                let mut nested = genl::flow_change(&attr, extack)?;
                let attrs = nested.attrs();
                if attrs.has(uapi::VNIC_A_FLOW_DELETE) == deletes {
                    self.change_flow(request, index, attrs, extack, rtnl)?;
                }
            }
        }
        Ok(())
    }

    /// Cannot fail.
    fn commit(self, request: &Request<'_>, rtnl: Rtnl<'_>) {
        let net = request.net();
        // Without a change the generation stays: who has to look again would look in vain.
        if !self.added.is_empty() || !self.deleted.is_empty() {
            self.draft.commit(net, rtnl);
        }
        for change in self.changes {
            change.commit(rtnl);
        }
        for entry in self.deleted.iter() {
            policy::changed(Command::PolicyDelete, entry, net, rtnl);
            policy::reconsider(entry, rtnl);
        }
        for entry in self.added.iter() {
            policy::changed(Command::PolicyAdd, entry, net, rtnl);
            policy::reconsider(entry, rtnl);
        }
        for id in self.doomed_absent.iter() {
            database::forget(*id, rtnl);
            database::touch(net, rtnl);
        }
        // What replaces a flow is there before that goes: each packet finds one of the two.
        for change in self.flows.iter() {
            change.activate(rtnl);
        }
        // In the order of `run`.
        for change in self.flows {
            change.commit(rtnl);
        }
        kill_many(rtnl, |list| {
            for vnic in self.doomed.iter() {
                Vnic::delete(vnic, true, list, rtnl);
            }
        });
    }
}

pub(super) fn apply(request: &Request<'_>, rtnl: Rtnl<'_>) -> Result {
    let mut extack = request.extack();
    // Before the work that follows, and for a transaction without any change, too.
    if !request.is_capable() {
        return Err(extack.refuse(
            EPERM,
            format_args!("vnic: transactions are for who has CAP_NET_ADMIN here"),
        ));
    }
    check_generation(request, &mut extack, rtnl)?;
    let index = Index::new(rtnl)?;
    let mut progress = Progress {
        changes: KVVec::new(),
        doomed: KVVec::new(),
        doomed_absent: KVVec::new(),
        draft: Draft::new(0, rtnl)?,
        added: KVVec::new(),
        deleted: KVVec::new(),
        flows: KVVec::new(),
    };
    match progress.run(request, &index, &mut extack, rtnl) {
        Ok(()) => {
            for change in progress.changes.iter() {
                change.warn(&mut extack, rtnl);
            }
            for change in progress.flows.iter() {
                change.warn(&mut extack, rtnl);
            }
            progress.commit(request, rtnl);
        }
        Err(error) => {
            while let Some(change) = progress.flows.pop() {
                change.undo(rtnl);
            }
            while let Some(change) = progress.changes.pop() {
                change.undo(rtnl);
            }
            return Err(error);
        }
    }
    Ok(())
}
