// SPDX-License-Identifier: GPL-2.0

//! VNICs and etherstubs, made and deleted.

use crate::{
    attrs::Request,
    error::Error,
    family::Family,
    link::{
        self,
        Link, //
    },
    netns,
    rtnl::{
        NewVnic,
        Rtnl, //
    },
    settings::Settings,
    uapi::{
        cmd,
        transaction,
        vnic as attr, //
    },
    vnic::Vnic,
};

/// The longest name of a device.
const NAME_LEN: usize = 15;

/// Refuses what the kernel takes for no name, and what only it would take for one.
pub fn check_name(name: &str) -> Result<&str, Error> {
    let plain = !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace());
    match plain && (1..=NAME_LEN).contains(&name.len()) && name != "." && name != ".." {
        true => Ok(name),
        false => Error::usage(format!(
            "the name of a device has 1 to {NAME_LEN} bytes without space, \"/\" and \":\"; \"{name}\" is none"
        )),
    }
}

/// Makes a VNIC.
pub fn add(link: &str, name: &str, words: &[String]) -> Result<(), Error> {
    let settings = Settings::of_new_vnic(words)?;
    let netns = settings.netns.as_deref().map(netns::open).transpose()?;
    let new = NewVnic {
        link: link::index_of(link)?,
        name: check_name(name)?,
        netns: netns.as_ref(),
        vlan: settings.vlan.unwrap_or(0),
        address: settings.address,
        mtu: settings.mtu,
        promisc: settings.promisc,
        poll: settings.poll,
        ring_size: settings.ring_size,
        pool: settings.pool.as_deref(),
        cpus: settings.cpus.as_deref(),
        hw_rings: settings.hw_rings,
        limits: settings.limits,
        host: None,
        up: settings.up == Some(true),
    };
    let outcomes = Rtnl::connect()?.make_vnics(&[new])?;
    for outcome in outcomes {
        outcome.map_err(|error| without_module(error, "vnic"))?;
    }
    Ok(())
}

/// rtnetlink does not know the kind if the module is not loaded and cannot be.
pub fn without_module(error: Error, kind: &str) -> Error {
    match error {
        Error::Refused { errno, .. } if errno == nix::libc::EOPNOTSUPP => {
            match std::path::Path::new("/sys/module/vnic").exists() {
                true => error,
                false => Error::NoModule,
            }
        }
        Error::Refused { errno, .. } if errno == nix::libc::EEXIST => Error::Refused {
            errno,
            sentence: Some(match error.to_string() {
                // Without a word of the module's, it is the name that is taken.
                plain if plain == "File exists" => {
                    format!("the name of the new {kind} is taken; ip link lists devices")
                }
                said => said,
            }),
        },
        other => other,
    }
}

/// The attribute of a transaction that deletes a VNIC.
pub fn deletion(request: Request, id: u64) -> Request {
    let one = Request::default()
        .with(attr::ID, &id.to_ne_bytes())
        .flag(attr::DELETE);
    request.nest(transaction::VNIC, &one)
}

/// Deletes VNICs wherever they are, and what is kept of absent ones: all, or nothing.
pub fn delete(family: &Family, names: &[String]) -> Result<(), Error> {
    let vnics = Vnic::selected(family, names)?;
    let ids = vnics.iter().map(|vnic| vnic.id);
    let request = ids.fold(Request::default(), deletion);
    family.ask(cmd::APPLY, &request).map(|_| ())
}

/// Makes an etherstub.
pub fn add_etherstub(name: &str) -> Result<(), Error> {
    let made = Rtnl::connect()?.make_etherstub(check_name(name)?, None);
    made.map_err(|error| without_module(error, "etherstub"))
}

/// Deletes an etherstub, and the VNICs on it. A NIC is not ours to delete.
pub fn delete_etherstub(family: &Family, name: &str) -> Result<(), Error> {
    let link = Link::named(family, name)?;
    if link.kind != "etherstub" {
        return Error::usage(format!(
            "{name} is no etherstub; vnic del deletes the VNICs on it"
        ));
    }
    Rtnl::connect()?.delete(link.index)
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_of_devices() {
        for name in ["eth0", "123456789012345"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "a:b", "1234567890123456"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
