// SPDX-License-Identifier: GPL-2.0

//! Numbers and words of include/uapi/linux/vnic.h and vnic_link.h; a test compares them.

use std::ops::RangeInclusive;

/// The name of the family.
pub const FAMILY: &str = "vnic";
/// The group of events.
pub const GROUP_CONFIG: &str = "config";
/// The group of denials.
pub const GROUP_DENIED: &str = "denied";
/// The group of rings that dropped packets.
pub const GROUP_OVERFLOW: &str = "overflow";
/// The longest name of a subject.
pub const SUBJECT_NAME_LEN: usize = 31;
/// The longest name of a flow.
pub const FLOW_NAME_LEN: usize = 31;

/// Who asks, or may, in the order of enum vnic_subject.
pub const SUBJECTS: [&str; 4] = ["owner", "netns", "user", "name"];

/// What is asked for, in the order of enum vnic_param.
pub const PARAMS: [&str; 24] = [
    "all",
    "address",
    "mtu",
    "up",
    "name",
    "txqueuelen",
    "master",
    "vlan-device",
    "features",
    "ip",
    "promisc",
    "allmulti",
    "groups",
    "addresses",
    "promisc-mode",
    "host",
    "timestamps",
    "vnics",
    "rings",
    "pool",
    "flows",
    "cpus",
    "hw-rings",
    "limits",
];

/// What VNICs sit on, in the order of enum vnic_link_kind.
pub const KINDS: [&str; 2] = ["nic", "etherstub"];
/// How links filter, in the order of enum vnic_filter.
pub const FILTERS: [&str; 3] = ["none", "exact", "promisc"];
/// What promiscuous mode shows, in the order of enum vnic_promisc.
pub const PROMISC: [&str; 3] = ["off", "own", "all"];
/// How packets come from the wire, in the order of enum vnic_poll.
pub const POLL: [&str; 3] = ["auto", "inline", "ring"];
/// Whether a VNIC gets a queue of the link, in the order of enum vnic_hw_rings.
pub const HW_RINGS: [&str; 3] = ["off", "auto", "on"];
/// Who goes first, in the order of enum vnic_priority.
pub const PRIORITIES: [&str; 3] = ["high", "medium", "low"];
/// The priority that all VNICs have at first.
pub const PRIORITY_DEFAULT: u8 = 1;
/// The same of packets of a flow, in the order of enum vnic_flow_priority.
pub const FLOW_PRIORITIES: [&str; 4] = ["high", "medium", "low", "vnic"];
/// The priority that all flows have at first: their VNIC's.
pub const FLOW_PRIORITY_DEFAULT: u8 = 3;
/// Bits a second that a limit can be.
pub const MAXBW: RangeInclusive<u64> = 8000..=1_000_000_000_000;
/// Packets a second that a limit can be.
pub const MAXPPS: RangeInclusive<u32> = 1..=4_000_000_000;
/// Microseconds that a packet can be let wait.
pub const LIMIT_DELAYS: RangeInclusive<u32> = 100..=1_000_000;
/// So many at first.
pub const LIMIT_DELAY_DEFAULT: u32 = 5000;
/// Weights of VNICs.
pub const SHARES: RangeInclusive<u16> = 1..=1000;
/// What all have at first.
pub const SHARE_DEFAULT: u16 = 100;
/// How many packets a ring can be made to hold.
pub const RING_SIZES: RangeInclusive<u32> = 64..=65536;

macro_rules! numbers {
    ($prefix:literal $type:ty: $($name:ident = $value:literal,)*) => {
        $(pub const $name: $type = $value;)*
        /// All of them, by their names in the header.
        #[cfg(test)]
        pub const ALL: &[(&str, $type)] = &[$((concat!($prefix, stringify!($name)), $value),)*];
    };
}

/// Commands.
pub mod cmd {
    numbers! { "VNIC_CMD_" u8:
        LINK_GET = 1,
        VNIC_GET = 2,
        LINK_SET = 3,
        VNIC_SET = 4,
        STATS_GET = 5,
        VNIC_ADD_NTF = 6,
        VNIC_CHANGE_NTF = 7,
        VNIC_DEL_NTF = 8,
        LINK_CHANGE_NTF = 9,
        POLICY_GET = 10,
        POLICY_ADD = 11,
        POLICY_DEL = 12,
        POLICY_ADD_NTF = 13,
        POLICY_DEL_NTF = 14,
        WHY = 15,
        DENIED_GET = 16,
        DENIED_NTF = 17,
        APPLY = 18,
        POOL_GET = 19,
        POOL_ADD = 20,
        POOL_SET = 21,
        POOL_DEL = 22,
        POOL_ADD_NTF = 23,
        POOL_CHANGE_NTF = 24,
        POOL_DEL_NTF = 25,
        OVERFLOW_NTF = 26,
        FLOW_GET = 27,
        FLOW_ADD = 28,
        FLOW_ADD_NTF = 30,
        FLOW_DEL_NTF = 31,
        FLOW_SET = 32,
        FLOW_CHANGE_NTF = 33,
    }
}

/// Attributes of links.
pub mod link {
    numbers! { "VNIC_A_LINK_" u16:
        IFINDEX = 1,
        IFNAME = 2,
        KIND = 3,
        HOST = 4,
        FILTER = 5,
        VNICS = 6,
        GENERATION = 7,
        MAXBW = 8,
    }
}

/// Attributes of VNICs.
pub mod vnic {
    numbers! { "VNIC_A_" u16:
        ID = 1,
        LINK_NAME = 3,
        IFNAME = 5,
        NETNS_ID = 6,
        VLAN = 7,
        ADDRESS = 8,
        MTU = 9,
        UP = 10,
        PROMISC_MODE = 11,
        OWNER_ID = 12,
        ABSENT = 13,
        DENIED = 14,
        DEFAULT_ADDRESS = 15,
        DEFAULT_MTU = 16,
        SUBJECT_NAME = 17,
        DELETE = 18,
        POLL = 19,
        RING_SIZE = 20,
        RINGS = 21,
        POOL = 22,
        CPUS = 23,
        HW_RINGS = 24,
        HW_QUEUE = 25,
        RX_MAXBW = 26,
        TX_MAXBW = 27,
        RX_MAXPPS = 28,
        TX_MAXPPS = 29,
        LIMIT_DELAY = 30,
        SHARE = 31,
        PRIORITY = 32,
    }
}

/// Attributes of policies.
pub mod policy {
    numbers! { "VNIC_A_POLICY_" u16:
        ID = 1,
        VNIC = 2,
        LINK = 3,
        BUILT_IN = 4,
        SUBJECT = 5,
        NETNS_FD = 6,
        NETNS_COOKIE = 7,
        NETNS_ID = 8,
        USER = 9,
        NAME = 10,
        PARAM = 11,
        NOTHING = 12,
        FROM = 13,
        TO = 14,
        PREFIX = 15,
        PREFIX_LEN = 16,
        QUOTA = 17,
        DELETE = 18,
        LINK_NAME = 19,
    }
}

/// Attributes of requests.
pub mod request {
    numbers! { "VNIC_A_REQUEST_" u16:
        SERIAL = 1,
        VNIC = 2,
        IFNAME = 4,
        LINK = 5,
        PARAM = 6,
        NUMBER = 7,
        BYTES = 8,
        SUBJECT = 9,
        KERNEL = 10,
        NETNS_FD = 11,
        NETNS_COOKIE = 12,
        NETNS_ID = 13,
        USER = 14,
        NAME = 15,
        ALLOWED = 16,
        POLICY = 17,
    }
}

/// Attributes of transactions.
pub mod transaction {
    numbers! { "VNIC_A_TRANSACTION_" u16:
        GENERATION = 1,
        VNIC = 2,
        POLICY = 3,
        FLOW = 4,
    }
}

/// Attributes of flows.
pub mod flow {
    numbers! { "VNIC_A_FLOW_" u16:
        VNIC = 1,
        NAME = 3,
        ID = 4,
        RANK = 5,
        ETHERTYPE = 6,
        PROTOCOL = 7,
        LOCAL_IP = 8,
        LOCAL_IP_LEN = 9,
        REMOTE_IP = 10,
        REMOTE_IP_LEN = 11,
        LOCAL_PORT = 12,
        REMOTE_PORT = 13,
        DSCP = 14,
        RING = 15,
        RX_PACKETS = 16,
        RX_BYTES = 17,
        TX_PACKETS = 18,
        TX_BYTES = 19,
        DELETE = 20,
        RX_MAXBW = 21,
        TX_MAXBW = 22,
        RX_MAXPPS = 23,
        TX_MAXPPS = 24,
        LIMIT_DELAY = 25,
        PRIORITY = 26,
        CHANGE = 27,
        RX_DROPS = 28,
        TX_DROPS = 29,
    }
}

/// Attributes of pools.
pub mod pool {
    numbers! { "VNIC_A_POOL_" u16:
        NAME = 1,
        HOST = 2,
        LIMIT = 3,
        THRESHOLD = 4,
        VNICS = 5,
        USED = 6,
        WAITING = 7,
        HIGH_WATER = 8,
        RING_BYTES = 9,
        WAITS = 10,
        WAITED = 11,
        TOO_LONG = 12,
        DRAINING = 13,
        POOLS = 14,
    }
}

/// Attributes of rings that dropped packets.
pub mod overflow {
    numbers! { "VNIC_A_OVERFLOW_" u16:
        VNIC = 1,
        IFNAME = 3,
        RING = 4,
        PACKETS = 5,
        POOL = 6,
    }
}

/// Attributes of counters.
pub mod stats {
    /// The VNIC's number.
    pub const ID: u16 = 1;
    /// The counters, from the first attribute that is one.
    pub const FIRST: u16 = 3;
    /// Their names, in the order of their attributes.
    pub const NAMES: [&str; 28] = [
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
        "rx_queued",
        "rx_to_ring",
        "rx_drop_ring",
        "rx_drop_pool",
        "rx_parked",
        "rx_waited",
        "rx_drop_limit",
        "tx_waited",
        "tx_drop_limit",
        "tx_drop_down",
    ];
}

/// What rtnetlink is told of a new VNIC.
pub mod new_vnic {
    numbers! { "IFLA_VNIC_" u16:
        VLAN = 1,
        PROMISC = 2,
        HOST = 3,
        POLL = 6,
        RING_SIZE = 7,
        POOL = 8,
        CPUS = 9,
        HW_RINGS = 10,
        RX_MAXBW = 12,
        TX_MAXBW = 13,
        RX_MAXPPS = 14,
        TX_MAXPPS = 15,
        LIMIT_DELAY = 16,
        SHARE = 17,
        PRIORITY = 18,
    }
}

/// What rtnetlink is told of a new etherstub.
pub mod new_etherstub {
    numbers! { "IFLA_ETHERSTUB_" u16:
        HOST = 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn text_of(header: &str) -> String {
        let path = format!(
            "{}/../../include/uapi/linux/{header}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_to_string(path).expect("the header")
    }

    /// The enumerators of a header with their values.
    fn enumerators(header: &str) -> HashMap<String, u64> {
        let text = text_of(header);
        let (mut found, mut next) = (HashMap::new(), 0);
        for line in text.lines().map(str::trim) {
            if line.starts_with("enum") {
                next = 0;
            }
            let Some(name) = line
                .strip_suffix(',')
                .filter(|name| name.starts_with("VNIC_") || name.starts_with("IFLA_"))
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
    fn numbers_are_those_of_the_headers() {
        let header = enumerators("vnic.h");
        let links = enumerators("vnic_link.h");
        for (name, value) in cmd::ALL {
            assert_eq!(Some(&u64::from(*value)), header.get(*name), "{name}");
        }
        for (header, numbers) in [
            (&header, link::ALL),
            (&header, vnic::ALL),
            (&header, policy::ALL),
            (&header, request::ALL),
            (&header, transaction::ALL),
            (&header, flow::ALL),
            (&header, pool::ALL),
            (&header, overflow::ALL),
            (&links, new_vnic::ALL),
            (&links, new_etherstub::ALL),
        ] {
            for (name, value) in numbers {
                assert_eq!(Some(&u64::from(*value)), header.get(*name), "{name}");
            }
        }
        for (number, name) in (stats::FIRST..).zip(stats::NAMES) {
            let name = format!("VNIC_A_STATS_{}", name.to_uppercase());
            assert_eq!(Some(&u64::from(number)), header.get(&name), "{name}");
        }
    }

    /// Words are all that an enumeration has, in its order.
    #[test]
    fn words_are_those_of_the_headers() {
        let header = enumerators("vnic.h");
        let links = enumerators("vnic_link.h");
        for (header, prefix, words) in [
            (&header, "VNIC_SUBJECT_", &SUBJECTS[..]),
            (&header, "VNIC_PARAM_", &PARAMS[..]),
            (&header, "VNIC_LINK_KIND_", &KINDS[..]),
            (&links, "VNIC_FILTER_", &FILTERS[..]),
            (&links, "VNIC_PROMISC_", &PROMISC[..]),
            (&links, "VNIC_POLL_", &POLL[..]),
            (&links, "VNIC_HW_RINGS_", &HW_RINGS[..]),
            (&links, "VNIC_PRIORITY_", &PRIORITIES[..]),
            (&links, "VNIC_FLOW_PRIORITY_", &FLOW_PRIORITIES[..]),
        ] {
            for (number, word) in (0..).zip(words) {
                let name = format!("{prefix}{}", word.to_uppercase().replace('-', "_"));
                assert_eq!(Some(&number), header.get(&name), "{name}");
            }
            let there = header.keys().filter(|name| name.starts_with(prefix));
            let there = there.filter(|name| !name.ends_with("_MAX"));
            assert_eq!(words.len(), there.count(), "{prefix}");
        }
    }

    #[test]
    fn limits_are_those_of_the_headers() {
        let text = text_of("vnic_link.h");
        for (name, value) in [
            ("RING_SIZE_MIN", u64::from(*RING_SIZES.start())),
            ("RING_SIZE_MAX", (*RING_SIZES.end()).into()),
            ("MAXBW_MIN", *MAXBW.start()),
            ("MAXBW_MAX", *MAXBW.end()),
            ("MAXPPS_MIN", (*MAXPPS.start()).into()),
            ("MAXPPS_MAX", (*MAXPPS.end()).into()),
            ("LIMIT_DELAY_MIN", (*LIMIT_DELAYS.start()).into()),
            ("LIMIT_DELAY_MAX", (*LIMIT_DELAYS.end()).into()),
            ("LIMIT_DELAY_DEFAULT", LIMIT_DELAY_DEFAULT.into()),
            ("SHARE_MIN", (*SHARES.start()).into()),
            ("SHARE_MAX", (*SHARES.end()).into()),
            ("SHARE_DEFAULT", SHARE_DEFAULT.into()),
        ] {
            let wanted = format!("#define VNIC_{name} {value}");
            let text = text.replace("ULL\n", "\n").replace("U\n", "\n");
            assert!(text.lines().any(|line| line == wanted), "{wanted}");
        }
    }
}
