// SPDX-License-Identifier: GPL-2.0

//! Network namespaces: their names, which are those of ip(8), and the files by which the kernel is told of them.

use crate::{
    error::Error,
    rtnl::Rtnl, //
};
use std::{
    cell::RefCell,
    collections::HashMap,
    fs::File,
    path::{
        Path,
        PathBuf, //
    },
};

/// Where ip(8) keeps names.
const NAMED: &str = "/run/netns";
/// So many files are open at a time.
const OPEN: usize = 64;

fn path_of(name: &str) -> Option<PathBuf> {
    // A name is no path.
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    plain.then(|| Path::new(NAMED).join(name))
}

/// Opens the namespace of that name.
pub fn open_named(name: &str) -> Result<File, Error> {
    let path = path_of(name).ok_or_else(|| {
        Error::Usage(format!(
            "\"{name}\" is no name of a namespace; ip netns list lists them"
        ))
    })?;
    File::open(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Usage(format!(
            "there is no namespace {name}; ip netns add {name} makes it"
        )),
        _ => Error::Usage(format!("the namespace {name} cannot be opened: {error}")),
    })
}

/// Opens a namespace by its name, or by the number of a process that is in it.
pub fn open(name: &str) -> Result<File, Error> {
    let process = name.parse::<u32>().ok();
    match process.filter(|_| !path_of(name).is_some_and(|path| path.exists())) {
        None => open_named(name),
        Some(number) => File::open(format!("/proc/{number}/ns/net")).map_err(|error| {
            Error::Usage(format!(
                "there is no namespace {name}, and the one of process {number} cannot be opened: {error}"
            ))
        }),
    }
}

/// What is known of names.
#[derive(Default)]
struct Known {
    names: HashMap<i32, String>,
    ids: HashMap<String, i32>,
}

/// The names of namespaces, by the numbers by which this one knows the others.
#[derive(Default)]
pub struct Names {
    /// Without it namespaces have numbers only.
    rtnl: Option<Rtnl>,
    known: RefCell<Option<Known>>,
    /// Whether numbers may go and come again while this is used.
    watched: bool,
}

impl Names {
    /// Looks when it is asked first.
    pub fn new() -> Self {
        Self {
            rtnl: Rtnl::connect().ok(),
            ..Self::default()
        }
    }

    /// For long use: what is known is forgotten when a number goes or comes.
    pub fn watching() -> Self {
        let mut names = Self::new();
        names.watched = match &names.rtnl {
            Some(rtnl) => rtnl.watch_namespaces().is_ok(),
            None => false,
        };
        names
    }

    fn look(&self) -> Known {
        let mut known = Known::default();
        let entries = std::fs::read_dir(NAMED).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        // Of several names of one namespace the first counts.
        names.sort();
        for some in names.chunks(OPEN) {
            let opened = some
                .iter()
                .filter_map(|name| Some((name, open_named(name).ok()?)));
            let (names, files): (Vec<&String>, Vec<File>) = opened.unzip();
            let ids = self.rtnl.as_ref().map(|rtnl| rtnl.namespace_ids(&files));
            let ids = ids.and_then(Result::ok).unwrap_or_default();
            for (name, id) in names.into_iter().zip(ids) {
                let Some(id) = id else { continue };
                known.ids.insert(name.clone(), id);
                known.names.entry(id).or_insert_with(|| name.clone());
            }
        }
        known
    }

    /// Asks what is known; `wanted` says whether that is enough, else it is looked up anew.
    fn with<T>(&self, wanted: impl Fn(&Known) -> Option<T>) -> Option<T> {
        let mut known = self.known.borrow_mut();
        let stale = || self.watched && self.rtnl.as_ref().is_some_and(Rtnl::namespaces_changed);
        if known.is_some() && !stale() {
            if let Some(found) = known.as_ref().and_then(&wanted) {
                return Some(found);
            }
            if !self.watched {
                return None;
            }
        }
        wanted(known.insert(self.look()))
    }

    /// The name of a namespace, if it has one.
    pub fn name(&self, id: i32) -> Option<String> {
        self.with(|known| known.names.get(&id).cloned())
    }

    /// What to call a namespace.
    pub fn of(&self, id: i32) -> String {
        self.name(id).unwrap_or_else(|| match id {
            0.. => format!("nsid {id}"),
            _ => "unknown".to_owned(),
        })
    }

    /// The first of the names of the namespace that has this one.
    pub fn first_of(&self, name: &str) -> String {
        let id = self.with(|known| known.ids.get(name).copied());
        id.and_then(|id| self.name(id))
            .unwrap_or_else(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for name in ["", ".", "..", "../x", "a/b"] {
            assert!(open_named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_missing_has_a_cure() {
        let said = open("nobody-has-this-name").map_err(|error| error.to_string());
        assert!(said.is_err_and(|said| said.contains("ip netns add nobody-has-this-name")));
    }

    #[test]
    fn a_process_has_a_namespace() {
        assert!(open(&std::process::id().to_string()).is_ok());
    }
}
