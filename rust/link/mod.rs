// SPDX-License-Identifier: GPL-2.0

//! Links: what VNICs sit on, a lower device or an etherstub.

#![deny(unsafe_code)]

pub(crate) mod etherstub;
pub(crate) mod events;

use crate::net::{
    self,
    netlink::{
        Attrs,
        Extack, //
    },
    uapi,
};
use kernel::prelude::*;

/// Checks the address of a new or changed device, if the request has one.
pub(crate) fn validate_address(attrs: Attrs<'_>, extack: &mut Extack<'_>) -> Result {
    let Some(attr) = attrs.get(uapi::IFLA_ADDRESS) else {
        return Ok(());
    };
    match attr.mac() {
        None => Err(extack.refuse_attr(
            &attr,
            EINVAL,
            format_args!("vnic: an Ethernet address has 6 bytes"),
        )),
        Some(addr) if !addr.is_unicast() => Err(extack.refuse_attr(
            &attr,
            net::eaddrnotavail(),
            format_args!("vnic: {addr} is zero or a group address, no device can have it"),
        )),
        Some(_) => Ok(()),
    }
}

/// The value of a `host` attribute, if the request has one.
pub(crate) fn host_attr(
    data: Attrs<'_>,
    kind: u32,
    extack: &mut Extack<'_>,
) -> Result<Option<bool>> {
    let Some(attr) = data.get(kind) else {
        return Ok(None);
    };
    match attr.u8() {
        0 => Ok(Some(false)),
        1 => Ok(Some(true)),
        other => Err(extack.refuse_attr(
            &attr,
            EINVAL,
            format_args!("vnic: host is 0 (off) or 1 (on), not {other}"),
        )),
    }
}
