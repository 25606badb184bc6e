// SPDX-License-Identifier: GPL-2.0

//! `vnic apply`: makes what is there what a document says.
//!
//! Pools are made and changed first, then devices are made, by rtnetlink, down and as yet without policies. Everything else is one
//! transaction, which the kernel carries out or refuses; if it refuses, what was made is deleted again. Pools that are left are deleted last.

use crate::{
    attrs::Request,
    create::{
        deletion,
        without_module, //
    },
    diff::{
        diff,
        is_rest_of,
        Devices,
        Scope,
        Step, //
    },
    document::{
        Wanted,
        WantedPool,
        WantedVnic, //
    },
    error::Error,
    family::Family,
    limits::Limits,
    link::index_of,
    policy::{
        allow_many_files,
        Files, //
    },
    pool,
    print::{
        Printer,
        Row, //
    },
    rtnl::{
        NewVnic,
        Rtnl, //
    },
    socket::warn,
    state::{
        Home,
        State, //
    },
    uapi::{
        self,
        cmd,
        policy,
        transaction,
        vnic, //
    },
};
use nix::libc;
use serde::Serialize;
use std::{
    collections::{
        HashMap,
        HashSet, //
    },
    io::Read,
    path::Path, //
};

/// So many VNICs are made before it is looked whether all could be.
const CHUNK: usize = 256;

/// A step, as it is printed.
#[derive(Serialize)]
struct Line {
    change: &'static str,
    what: String,
}

impl Row for Line {
    const FIELDS: &'static [&'static str] = &["change", "what"];
}

impl From<&Step> for Line {
    fn from(step: &Step) -> Self {
        Self {
            change: step.sign(),
            what: step.to_string(),
        }
    }
}

fn read(file: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let done = match file == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        false => std::fs::read_to_string(file).map(|read| text = read),
    };
    done.map_err(|error| Error::Usage(format!("{}: {error}", file.display())))?;
    Ok(text)
}

/// What is there now under the names that the document has for links.
fn devices(rtnl: &Rtnl, wanted: &Wanted) -> Result<Devices, Error> {
    let mut found = Devices::new();
    for link in &wanted.links {
        if let Some(device) = rtnl.device(&link.name)? {
            found.insert(link.name.clone(), device.kind);
        }
    }
    Ok(found)
}

/// Applies a document, or says what that would do.
pub fn run(printer: &Printer, file: &Path, dry_run: bool, prune: bool) -> Result<(), Error> {
    let text = read(file)?;
    let inside = |error: Error| match error {
        Error::Usage(sentence) => Error::Usage(format!("{}: {sentence}", file.display())),
        other => other,
    };
    let mut wanted = Wanted::parse(&text).map_err(inside)?;
    let family = Family::connect()?;
    let state = State::read(&family)?;
    wanted.settle_namespaces(&state.names).map_err(inside)?;
    let rtnl = Rtnl::connect()?;
    let plan = diff(&wanted, &state, &devices(&rtnl, &wanted)?, prune).map_err(inside)?;
    let lines: Vec<Line> = plan.iter().map(Line::from).collect();
    printer.lines(&lines)?;
    // Of the whole document, and when all of it is done.
    family.be_quiet();
    rtnl.be_quiet();
    warn_of_turns(&wanted, &state);
    if plan.iter().all(|step| matches!(step, Step::Skip { .. })) {
        return printer.remark("nothing to change");
    }
    if dry_run {
        return Ok(());
    }
    allow_many_files();
    let mut work = Work {
        family: &family,
        rtnl,
        wanted,
        plan,
        prune,
        before: state.vnics.iter().map(|vnic| vnic.id).collect(),
        files: Files::default(),
        undo: Vec::new(),
    };
    work.stage(&state)
        .and_then(|()| work.commit())
        .map_err(|error| {
            work.undo();
            meanwhile(error)
        })
}

/// The transaction was refused because it was made for another generation.
fn meanwhile(error: Error) -> Error {
    match error {
        Error::Refused { errno, .. } if errno == libc::EAGAIN => Error::Refused {
            errno,
            sentence: Some("the configuration changed meanwhile; try again".to_owned()),
        },
        other => other,
    }
}

/// Says whom a refusal is about.
fn about(name: &str, error: Error) -> Error {
    match error {
        Error::Refused { errno, .. } => Error::Refused {
            errno,
            sentence: Some(format!("{name}: {error}")),
        },
        other => other,
    }
}

/// What was done before the transaction, and is undone if that is refused.
enum Staged {
    NewPool(String),
    Pool { was: WantedPool },
    HostPool { was: u64 },
    Etherstub(String),
    Vnic(WantedVnic),
    Host { link: u32, was: bool },
    Maxbw { link: u32, was: u64 },
}

struct Work<'a> {
    family: &'a Family,
    rtnl: Rtnl,
    wanted: Wanted,
    plan: Vec<Step>,
    prune: bool,
    /// The numbers of the VNICs that were there.
    before: HashSet<u64>,
    files: Files,
    undo: Vec<Staged>,
}

impl Work<'_> {
    /// Makes devices, and changes what is no part of a transaction.
    fn stage(&mut self, state: &State) -> Result<(), Error> {
        self.change_pools()?;
        for step in &self.plan {
            if let Step::MakeEtherstub { name, host } = step {
                let made = self.rtnl.make_etherstub(name, *host);
                made.map_err(|error| about(name, without_module(error, "etherstub")))?;
                self.undo.push(Staged::Etherstub(name.clone()));
            }
        }
        self.make_vnics()?;
        for step in &self.plan {
            if let Step::Host { link, on } = step {
                let was = state.links.iter().find(|other| other.name == *link);
                let was = was.and_then(|link| link.host).unwrap_or(true);
                let index = index_of(link)?;
                set_host(self.family, index, *on)?;
                self.undo.push(Staged::Host { link: index, was });
            }
            if let Step::Maxbw { link, to, was } = step {
                let (index, was) = (index_of(link)?, *was);
                set_maxbw(self.family, index, *to)?;
                self.undo.push(Staged::Maxbw { link: index, was });
            }
        }
        Ok(())
    }

    fn change_pools(&mut self) -> Result<(), Error> {
        for step in &self.plan {
            let (name, done, undo) = match step {
                Step::MakePool { pool } => (
                    pool.name.as_str(),
                    pool::add(self.family, &pool.name, &pool.settings()),
                    Staged::NewPool(pool.name.clone()),
                ),
                Step::SetPool { to, from } => (
                    to.name.as_str(),
                    pool::set(self.family, &to.name, &to.settings()),
                    Staged::Pool { was: from.clone() },
                ),
                Step::HostPool { limit, was } => (
                    pool::HOST,
                    set_host_pool(self.family, *limit),
                    Staged::HostPool { was: *was },
                ),
                _ => continue,
            };
            done.map_err(|error| about(&format!("pool {name}"), error))?;
            self.undo.push(undo);
        }
        Ok(())
    }

    fn make_vnics(&mut self) -> Result<(), Error> {
        let new: Vec<(WantedVnic, Option<bool>)> = self
            .plan
            .iter()
            .filter_map(|step| match step {
                Step::MakeVnic { vnic, host, .. } => Some((vnic.clone(), *host)),
                _ => None,
            })
            .collect();
        let mut links = HashMap::new();
        for (vnic, _) in &new {
            if !links.contains_key(&vnic.link) {
                links.insert(vnic.link.clone(), index_of(&vnic.link)?);
            }
            if let Some(netns) = &vnic.netns {
                self.files.open(netns)?;
            }
        }
        for chunk in new.chunks(CHUNK) {
            let mut messages = Vec::new();
            for (vnic, host) in chunk {
                messages.push(self.message(vnic, *host, &links)?);
            }
            let outcomes = self.rtnl.make_vnics(&messages)?;
            let mut refused = None;
            for ((vnic, _), outcome) in chunk.iter().zip(outcomes) {
                match outcome {
                    Ok(_) => self.undo.push(Staged::Vnic(vnic.clone())),
                    Err(error) => {
                        let error = about(&vnic.full_name(), without_module(error, "VNIC"));
                        refused = refused.or(Some(error));
                    }
                }
            }
            if let Some(error) = refused {
                return Err(error);
            }
        }
        Ok(())
    }

    fn message<'a>(
        &'a self,
        vnic: &'a WantedVnic,
        host: Option<bool>,
        links: &HashMap<String, u32>,
    ) -> Result<NewVnic<'a>, Error> {
        let netns = vnic.netns.as_deref().map(|netns| self.files.get(netns));
        Ok(NewVnic {
            link: links.get(&vnic.link).copied().unwrap_or(0),
            name: &vnic.name,
            netns: netns.transpose()?,
            vlan: vnic.vlan,
            address: vnic.address,
            mtu: vnic.mtu,
            promisc: vnic.promisc,
            poll: vnic.poll,
            ring_size: vnic.ring_size,
            pool: vnic.pool.as_deref().filter(|pool| !pool.is_empty()),
            cpus: vnic.cpus.as_deref().filter(|cpus| !cpus.is_empty()),
            hw_rings: vnic.hw_rings.filter(|mode| *mode != 0),
            limits: vnic.new_limits(),
            host,
            // Not before its policies are there.
            up: false,
        })
    }

    /// Does all the rest at once.
    fn commit(&mut self) -> Result<(), Error> {
        let state = State::read(self.family)?;
        // What was made by us is as it should be; whatever else is new was made by somebody else.
        let devices = devices(&self.rtnl, &self.wanted)?;
        let rest = match diff(&self.wanted, &state, &devices, self.prune) {
            Ok(rest) if is_rest_of(&rest, &self.plan) => rest,
            _ => {
                return Err(Error::Refused {
                    errno: libc::EAGAIN,
                    sentence: None,
                })
            }
        };
        let ids = state.vnics.iter().filter_map(|vnic| {
            let (link, name) = (vnic.link.clone()?, vnic.full_name());
            let absent = vnic.absent;
            Some((Scope::Vnic { link, name, absent }, vnic.id))
        });
        let ids: HashMap<Scope, u64> = ids.collect();
        let generation = state.generation.map(u64::to_ne_bytes);
        let mut request = Request::default().maybe(transaction::GENERATION, generation);
        for step in &rest {
            request = add(request, step, &ids, &mut self.files)?;
        }
        let outside = |step: &Step| matches!(step, Step::Skip { .. } | Step::DeletePool { .. });
        if !rest.iter().all(outside) {
            self.family.ask(cmd::APPLY, &request)?;
        }
        // What is done now stays.
        self.undo.clear();
        for step in &rest {
            if let Step::DeletePool { name } = step {
                pool::delete(self.family, name)?;
            }
        }
        Ok(())
    }

    /// Takes back what was made. What goes wrong here is said, and the rest is done.
    fn undo(&mut self) {
        let failed = |what: &str, error: &Error| {
            eprintln!("vnic: {what} is left as it is now: {error}");
        };
        let (mut vnics, mut others) = (Vec::new(), Vec::new());
        for staged in std::mem::take(&mut self.undo).into_iter().rev() {
            match staged {
                Staged::Vnic(vnic) => vnics.push(vnic),
                other => others.push(other),
            }
        }
        if !vnics.is_empty() {
            if let Err(error) = self.unmake(&vnics) {
                let names: Vec<String> = vnics.iter().map(WantedVnic::full_name).collect();
                failed(&names.join(", "), &error);
            }
        }
        // A link whose last VNIC is gone has no such setting.
        let still = |link: u32, undone: Result<(), Error>| {
            let gone = |error: &Error| matches!(error, Error::Refused { errno, .. } if *errno == libc::ENODEV);
            let name = crate::link::name_of(link);
            match undone {
                Err(error) if gone(&error) => (name, Ok(())),
                other => (name, other),
            }
        };
        for staged in others {
            let (what, undone) = match staged {
                Staged::Host { link, was } => still(link, set_host(self.family, link, was)),
                Staged::Maxbw { link, was } => still(link, set_maxbw(self.family, link, was)),
                Staged::Etherstub(name) => {
                    let undone = index_of(&name).and_then(|index| self.rtnl.delete(index));
                    (name, undone)
                }
                Staged::NewPool(name) => {
                    let undone = pool::delete(self.family, &name);
                    (format!("pool {name}"), undone)
                }
                Staged::Pool { was } => {
                    let undone = pool::set(self.family, &was.name, &was.settings());
                    (format!("pool {}", was.name), undone)
                }
                Staged::HostPool { was } => (
                    format!("pool {}", pool::HOST),
                    set_host_pool(self.family, was),
                ),
                Staged::Vnic(_) => continue,
            };
            if let Err(error) = undone {
                failed(&what, &error);
            }
        }
    }

    /// Deletes VNICs that were made: those of these names that were not there before.
    fn unmake(&self, made: &[WantedVnic]) -> Result<(), Error> {
        let places: HashSet<(&str, Option<&str>, &str)> = made
            .iter()
            .map(|vnic| {
                (
                    vnic.link.as_str(),
                    vnic.netns.as_deref(),
                    vnic.name.as_str(),
                )
            })
            .collect();
        let state = State::read(self.family)?;
        let ids = state.vnics.iter().filter(|vnic| {
            let place = (
                vnic.link.as_deref().unwrap_or_default(),
                vnic.netns(),
                vnic.name.as_str(),
            );
            let known = vnic.home != Home::Unknown;
            known && places.contains(&place) && !self.before.contains(&vnic.id)
        });
        let request = ids.fold(Request::default(), |request, vnic| {
            deletion(request, vnic.id)
        });
        self.family.ask(cmd::APPLY, &request).map(|_| ())
    }
}

fn set_host_pool(family: &Family, limit: u64) -> Result<(), Error> {
    let settings = pool::Settings {
        limit: Some(limit),
        threshold: None,
    };
    pool::set(family, pool::HOST, &settings)
}

fn set_host(family: &Family, link: u32, on: bool) -> Result<(), Error> {
    let request = Request::default()
        .with(uapi::link::IFINDEX, &link.to_ne_bytes())
        .with(uapi::link::HOST, &[u8::from(on)]);
    family.ask(cmd::LINK_SET, &request).map(|_| ())
}

fn set_maxbw(family: &Family, link: u32, bits: u64) -> Result<(), Error> {
    let request = Request::default()
        .with(uapi::link::IFINDEX, &link.to_ne_bytes())
        .with(uapi::link::MAXBW, &bits.to_ne_bytes());
    family.ask(cmd::LINK_SET, &request).map(|_| ())
}

/// Says of shares and priorities that they change nothing, as the kernel does of a single request.
fn warn_of_turns(wanted: &Wanted, state: &State) {
    for vnic in wanted.vnics.iter().filter(|vnic| !vnic.absent) {
        let said = wanted.links.iter().find(|link| link.name == vnic.link);
        let is = state.links.iter().find(|link| link.name == vnic.link);
        let maxbw = said.and_then(|link| link.maxbw);
        if maxbw.unwrap_or_else(|| is.map_or(0, |link| link.maxbw)) != 0 {
            continue;
        }
        let lacks = match said.is_some_and(|link| link.etherstub) {
            true => "wire",
            false => "maxbw",
        };
        let (name, link) = (vnic.full_name(), &vnic.link);
        for flow in vnic.flows.iter().filter(|flow| flow.has_priority()) {
            let flow = &flow.name;
            warn(&format!(
                "priority of flow {flow} of {name} has no effect: {link} has no {lacks}"
            ));
        }
        if let Some(turn) = vnic.limits.as_ref().and_then(Limits::turn) {
            warn(&format!(
                "{turn} of {name} has no effect: {link} has no {lacks}"
            ));
        }
    }
}

/// The number of a VNIC.
fn vnic_id(scope: &Scope, ids: &HashMap<Scope, u64>) -> Result<u64, Error> {
    let id = ids.get(scope).copied();
    id.ok_or_else(|| Error::Usage(format!("the VNIC {scope} went meanwhile; try again")))
}

/// The attribute of a policy that says what it is for.
fn scope_attr(scope: &Scope, ids: &HashMap<Scope, u64>) -> Result<Request, Error> {
    let request = Request::default();
    Ok(match scope {
        Scope::Host => request,
        Scope::Link(name) => request.with(policy::LINK, &index_of(name)?.to_ne_bytes()),
        Scope::Vnic { .. } => request.with(policy::VNIC, &vnic_id(scope, ids)?.to_ne_bytes()),
    })
}

/// Adds a step to a transaction.
fn add(
    request: Request,
    step: &Step,
    ids: &HashMap<Scope, u64>,
    files: &mut Files,
) -> Result<Request, Error> {
    Ok(match step {
        Step::Change { id, to, .. } => {
            let one = Request::default().with(vnic::ID, &id.to_ne_bytes());
            request.nest(transaction::VNIC, &to.attrs(one))
        }
        Step::Delete { id, .. } => deletion(request, *id),
        Step::AddPolicy { scope, policy } => {
            let one = policy.attrs(scope_attr(scope, ids)?, files)?;
            request.nest(transaction::POLICY, &one)
        }
        Step::DeletePolicy { id, .. } => {
            let one = Request::default()
                .with(policy::ID, &id.to_ne_bytes())
                .flag(policy::DELETE);
            request.nest(transaction::POLICY, &one)
        }
        Step::AddFlow { scope, flow } => {
            let one =
                Request::default().with(uapi::flow::VNIC, &vnic_id(scope, ids)?.to_ne_bytes());
            request.nest(transaction::FLOW, &flow.attrs(one))
        }
        Step::SetFlow {
            scope, name, to, ..
        } => crate::flow::change(request, vnic_id(scope, ids)?, name, to),
        Step::DeleteFlow { scope, flow } => {
            crate::flow::deletion(request, vnic_id(scope, ids)?, &flow.name)
        }
        Step::MakeEtherstub { .. }
        | Step::MakeVnic { .. }
        | Step::Host { .. }
        | Step::Maxbw { .. }
        | Step::HostPool { .. }
        | Step::MakePool { .. }
        | Step::SetPool { .. }
        | Step::DeletePool { .. }
        | Step::Skip { .. } => request,
    })
}
