// SPDX-License-Identifier: GPL-2.0

//! The policies that are in force: shown, added, deleted.

use crate::{
    attrs::{
        Answer,
        Request, //
    },
    error::Error,
    family::Family,
    link,
    netns::Names,
    policy::{
        Files,
        Policy, //
    },
    print::Row,
    uapi::{
        cmd,
        policy as attr, //
    },
    vnic::Vnic,
    words::Words,
};
use serde::Serialize;
use std::{
    cell::RefCell,
    collections::HashMap, //
};

/// The names of VNICs by their numbers, asked for when one is wanted.
pub struct Scopes<'a> {
    family: &'a Family,
    vnics: RefCell<Option<HashMap<u64, String>>>,
}

impl<'a> Scopes<'a> {
    /// Knows nothing yet.
    pub fn new(family: &'a Family) -> Self {
        Self {
            family,
            vnics: RefCell::new(None),
        }
    }

    /// Names may have changed.
    pub fn forget(&self) {
        self.vnics.replace(None);
    }

    /// The name of a VNIC, or its number if it is gone.
    pub fn vnic(&self, id: u64) -> String {
        let mut vnics = self.vnics.borrow_mut();
        let vnics = vnics.get_or_insert_with(|| {
            // Whoever asks was answered before; if this goes wrong, numbers will do.
            let all = Vnic::all(self.family).unwrap_or_default();
            all.iter().map(|vnic| (vnic.id, vnic.full_name())).collect()
        });
        vnics.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// A policy in force.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// Its number.
    pub id: u64,
    scope: String,
    subject: String,
    param: String,
    permits: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<u32>,
    /// Those with less decide first.
    #[serde(skip)]
    layer: u8,
}

impl Rule {
    /// Of an answer or an event.
    pub fn of(answer: &Answer, names: &Names, scopes: &Scopes<'_>) -> Self {
        let policy = Policy::of(answer, names);
        let layer = match (
            answer.has(attr::VNIC),
            answer.has(attr::LINK) || answer.has(attr::LINK_NAME),
        ) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2 + u8::from(answer.has(attr::BUILT_IN)),
        };
        let scope = match (answer.number(attr::VNIC), answer.index(attr::LINK)) {
            (Some(id), _) => scopes.vnic(id),
            (None, Some(index)) => format!("link {}", link::name_of(index)),
            (None, None) if answer.has(attr::BUILT_IN) => "built-in".to_owned(),
            (None, None) => match answer.text(attr::LINK_NAME) {
                Some(gone) => format!("link {gone}"),
                None => "host".to_owned(),
            },
        };
        Self {
            id: answer.number(attr::ID).unwrap_or(0),
            scope,
            subject: policy.subject.to_string(),
            param: policy.param(),
            permits: policy.values.permits(),
            quota: policy.values.quota,
            layer,
        }
    }

    /// Those that concern one VNIC or link, or all, in the order in which they decide.
    pub fn all(family: &Family, of: &Request) -> Result<Vec<Self>, Error> {
        let answers = family.dump(cmd::POLICY_GET, of)?;
        let (names, scopes) = (Names::new(), Scopes::new(family));
        let rule = |answer| Self::of(answer, &names, &scopes);
        let mut all: Vec<Self> = answers.iter().map(rule).collect();
        all.sort_by_key(|rule| (rule.layer, rule.id));
        Ok(all)
    }

    /// In one line.
    pub fn line(&self) -> String {
        let quota = self.quota.map(|quota| format!(" quota {quota}"));
        format!(
            "{} {} {} {} {}{}",
            self.id,
            self.scope,
            self.subject,
            self.param,
            self.permits,
            quota.unwrap_or_default()
        )
    }
}

impl Row for Rule {
    const FIELDS: &'static [&'static str] =
        &["id", "scope", "subject", "param", "permits", "quota"];
}

/// What a policy is for: a VNIC, which is the first of the words, or a link.
fn scope(family: &Family, link: Option<&str>, words: &mut Words<'_>) -> Result<Request, Error> {
    match (link, words.next()) {
        (Some(link), None) => {
            Ok(Request::default().with(attr::LINK, &link::index_of(link)?.to_ne_bytes()))
        }
        (None, Some(name)) => {
            let id = Vnic::named(family, name)?.id;
            Ok(Request::default().with(attr::VNIC, &id.to_ne_bytes()))
        }
        (None, None) => Ok(Request::default()),
        (Some(link), Some(name)) => {
            Error::usage(format!("either the VNIC {name} or --link {link}, not both"))
        }
    }
}

/// Shows those of one VNIC or link, or all.
pub fn show(family: &Family, link: Option<&str>, vnic: Option<&str>) -> Result<Vec<Rule>, Error> {
    let mut words: Vec<&str> = Vec::new();
    words.extend(vnic);
    let of = scope(family, link, &mut Words::from(words))?;
    Rule::all(family, &of)
}

/// Adds one, and says what was added.
pub fn add(
    family: &Family,
    link: Option<&str>,
    host: bool,
    words: &[String],
) -> Result<Vec<Rule>, Error> {
    let mut words = Words::of(words);
    let name = match link {
        Some(_) => None,
        None if host => None,
        None => match words.next() {
            None => return Error::usage("which VNIC? its name, or --link and the name of a link"),
            name => name,
        },
    };
    let policy = Policy::parse(&mut words)?;
    let request = scope(
        family,
        link,
        &mut Words::from(name.into_iter().collect::<Vec<_>>()),
    )?;
    let mut files = Files::default();
    let request = policy.attrs(request, &mut files)?;
    let answer = family.ask(cmd::POLICY_ADD, &request)?;
    let (names, scopes) = (Names::new(), Scopes::new(family));
    let rule = |answer| Rule::of(&answer, &names, &scopes);
    Ok(answer.map(rule).into_iter().collect())
}

/// Deletes some, up to the first that is refused.
pub fn delete(family: &Family, ids: &[u64]) -> Result<(), Error> {
    for id in ids {
        let request = Request::default().with(attr::ID, &id.to_ne_bytes());
        family.ask(cmd::POLICY_DEL, &request)?;
    }
    Ok(())
}
