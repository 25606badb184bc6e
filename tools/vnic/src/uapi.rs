// SPDX-License-Identifier: GPL-2.0

//! Numbers of include/uapi/linux/vnic.h; a test compares them.

/// The name of the family.
pub const FAMILY: &str = "vnic";
/// The group of events.
pub const GROUP_CONFIG: &str = "config";

macro_rules! numbers {
    ($type:ty: $($name:ident = $value:literal,)*) => {
        $(pub const $name: $type = $value;)*
    };
}

/// Commands.
pub mod cmd {
    numbers! { u8:
        LINK_GET = 1,
        VNIC_GET = 2,
        LINK_SET = 3,
        VNIC_SET = 4,
        STATS_GET = 5,
        VNIC_ADD_NTF = 6,
        VNIC_CHANGE_NTF = 7,
        VNIC_DEL_NTF = 8,
        LINK_CHANGE_NTF = 9,
    }
}

/// Attributes of links.
pub mod link {
    numbers! { u16:
        IFINDEX = 1,
        IFNAME = 2,
        KIND = 3,
        HOST = 4,
        FILTER = 5,
        VNICS = 6,
    }
}

/// Attributes of VNICs.
pub mod vnic {
    numbers! { u16:
        ID = 1,
        LINK_NAME = 3,
        IFNAME = 5,
        NETNS_ID = 6,
        VLAN = 7,
        ADDRESS = 8,
        MTU = 9,
        UP = 10,
        PROMISC_MODE = 11,
    }
}

/// Attributes of counters.
pub mod stats {
    /// The VNIC's number.
    pub const ID: u16 = 1;
    /// The counters, from the first attribute that is one.
    pub const FIRST: u16 = 3;
    /// Their names, in the order of their attributes.
    pub const NAMES: [&str; 18] = [
        "rx_packets",
        "rx_bytes",
        "rx_local",
        "rx_group",
        "tx_packets",
        "tx_bytes",
        "tx_local",
        "tx_group",
        "rx_drop_down",
        "rx_drop_too_long",
        "rx_drop_backlog",
        "rx_drop_nomem",
        "tx_drop_short",
        "tx_drop_miss",
        "tx_drop_uplink",
        "tx_drop_fanout",
        "tx_drop_nomem",
        "tx_drop_refused",
    ];
}

#[cfg(test)]
mod tests {
    use super::{cmd, link, stats, vnic};
    use std::collections::HashMap;

    /// The enumerators of the header with their values.
    fn header() -> HashMap<String, u64> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../include/uapi/linux/vnic.h"
        );
        let text = std::fs::read_to_string(path).expect("the header");
        let (mut found, mut next) = (HashMap::new(), 0);
        for line in text.lines().map(str::trim) {
            if line.starts_with("enum") {
                next = 0;
            }
            let Some(name) = line
                .strip_suffix(',')
                .filter(|name| name.starts_with("VNIC_"))
            else {
                continue;
            };
            let (name, value) = name.split_once(" = ").unwrap_or((name, ""));
            next = value.parse().unwrap_or(next);
            found.insert(name.to_owned(), next);
            next += 1;
        }
        found
    }

    #[test]
    fn numbers_are_those_of_the_header() {
        let header = header();
        macro_rules! same {
            ($prefix:literal, $module:ident: $($name:ident)*) => {
                $(assert_eq!(
                    Some(&u64::from($module::$name)),
                    header.get(concat!($prefix, stringify!($name))),
                    "{}", stringify!($name)
                );)*
            };
        }
        same!("VNIC_CMD_", cmd: LINK_GET VNIC_GET LINK_SET VNIC_SET STATS_GET VNIC_ADD_NTF VNIC_CHANGE_NTF VNIC_DEL_NTF LINK_CHANGE_NTF);
        same!("VNIC_A_LINK_", link: IFINDEX IFNAME KIND HOST FILTER VNICS);
        same!("VNIC_A_", vnic: ID LINK_NAME IFNAME NETNS_ID VLAN ADDRESS MTU UP PROMISC_MODE);
        same!("VNIC_A_STATS_", stats: ID);
        for (number, name) in (stats::FIRST..).zip(stats::NAMES) {
            let name = format!("VNIC_A_STATS_{}", name.to_uppercase());
            assert_eq!(Some(&u64::from(number)), header.get(&name), "{name}");
        }
    }
}
