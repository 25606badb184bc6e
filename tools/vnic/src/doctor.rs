// SPDX-License-Identifier: GPL-2.0

//! `vnic doctor`: looks for what is wrong, and says how to cure it.

use crate::{
    error::Error,
    family::Family,
    flow::{
        self,
        Shown, //
    },
    limits::Limits,
    link::Link,
    print::{
        Printer,
        Row, //
    },
    vnic::Vnic,
};
use serde::Serialize;
use serde_json::Value;
use std::{
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
};

/// It is there while the module is loaded.
const MODULE: &str = "/sys/module/vnic";
/// So many names are listed.
const LISTED: usize = 8;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Finding {
    /// ok, warn or bad.
    status: &'static str,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Row for Finding {
    const FIELDS: &'static [&'static str] = &["status", "said"];

    fn derived(&self, field: &str) -> Option<Value> {
        match (field, &self.cure) {
            ("said", Some(cure)) => Some(format!("{}; {cure}", self.what).into()),
            ("said", None) => Some(self.what.clone().into()),
            _ => None,
        }
    }
}

fn ok(what: impl Into<String>) -> Finding {
    Finding {
        status: "ok",
        what: what.into(),
        cure: None,
    }
}

fn warn(what: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding {
        status: "warn",
        what: what.into(),
        cure: Some(cure.into()),
    }
}

fn bad(what: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding {
        status: "bad",
        ..warn(what, cure)
    }
}

fn count(vnics: u64) -> String {
    match vnics {
        1 => "1 VNIC".to_owned(),
        _ => format!("{vnics} VNICs"),
    }
}

/// The text of a file of /proc or /sys.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// The configuration of the running kernel.
fn kernel_config(release: &str) -> Option<String> {
    let boot = std::fs::read_to_string(format!("/boot/config-{release}"));
    let packed = || {
        let said = Command::new("zcat").arg("/proc/config.gz").output().ok()?;
        String::from_utf8(said.stdout)
            .ok()
            .filter(|text| !text.is_empty())
    };
    boot.ok().or_else(packed)
}

fn kernel(release: &str, config: Option<&str>, loaded: bool) -> Vec<Finding> {
    let Some(config) = config else {
        if loaded {
            return vec![ok(format!("kernel {release} takes the module"))];
        }
        return vec![warn(
            format!("kernel {release}, whose configuration is not to be found"),
            "it needs CONFIG_RUST=y and CONFIG_NETFILTER_EGRESS=y; look where the kernel is from",
        )];
    };
    let has = |option: &str| config.lines().any(|line| line == format!("{option}=y"));
    let rust = match has("CONFIG_RUST") {
        true => ok(format!("kernel {release} has Rust")),
        false => bad(
            format!("kernel {release} is without CONFIG_RUST"),
            "boot one that has it, such as 7.2 or 7.3 of Debian's backports",
        ),
    };
    let egress = match has("CONFIG_NETFILTER_EGRESS") {
        true => None,
        false => Some(warn(
            format!("kernel {release} is without CONFIG_NETFILTER_EGRESS: the host does not reach its VNICs"),
            "boot one that has it",
        )),
    };
    std::iter::once(rust).chain(egress).collect()
}

fn module() -> Finding {
    let dir = Path::new(MODULE);
    if !dir.exists() {
        return bad(
            "the module vnic is not loaded",
            "modprobe vnic, or insmod vnic.ko",
        );
    }
    let version = ["version", "srcversion"]
        .iter()
        .find_map(|file| text(dir.join(file)).map(|value| format!(", {file} {value}")));
    ok(format!(
        "the module vnic is loaded{}",
        version.unwrap_or_default()
    ))
}

/// Whether a device has a carrier; nothing if it is down.
fn carrier(device: &Value) -> Option<bool> {
    let flags = device.get("flags")?.as_array()?;
    let has = |flag: &str| flags.iter().any(|other| other.as_str() == Some(flag));
    has("UP").then(|| has("LOWER_UP"))
}

fn link(link: &Link, device: Option<&Value>) -> Vec<Finding> {
    let name = &link.name;
    let (mut found, vnics) = (Vec::new(), count(link.vnics));
    let mtu = device.and_then(|device| device.get("mtu")?.as_u64());
    let mtu = mtu.map_or_else(String::new, |mtu| format!(", MTU {mtu}"));
    found.push(match device.map(carrier) {
        None => ok(format!("link {name}, {vnics}")),
        Some(Some(true)) => ok(format!("link {name}, {vnics}{mtu}")),
        Some(Some(false)) => warn(
            format!("link {name} has no carrier"),
            "plug the cable in; VNICs on it reach each other all the same",
        ),
        // The switch of an etherstub works while its own device is down.
        Some(None) if link.kind == "etherstub" => ok(format!(
            "etherstub {name}, {vnics}{mtu}, the host's port is down"
        )),
        Some(None) => bad(
            format!("link {name} is down"),
            format!("ip link set {name} up"),
        ),
    });
    if link.filter == "promisc" {
        found.push(warn(
            format!("link {name} is promiscuous: every frame of the wire is looked at"),
            "its address filter is missing or full, or a VNIC or a program wants it; ip -d link shows promiscuity",
        ));
    }
    if !link.host {
        found.push(ok(format!(
            "link {name} keeps host and VNICs apart, host is off"
        )));
    }
    found
}

fn field<'a>(device: &'a Value, path: &str) -> Option<&'a str> {
    device.pointer(path)?.as_str()
}

fn kind(device: &Value) -> Option<&str> {
    field(device, "/linkinfo/info_kind")
}

/// Who keeps a device from carrying VNICs: only one can have its receive handler.
fn holder<'a>(device: &'a Value, all: &'a [Value]) -> Option<String> {
    let name = field(device, "/ifname")?;
    let port = field(device, "/linkinfo/info_slave_kind");
    if let (Some(master), Some(port)) = (field(device, "/master"), port) {
        if ["bridge", "bond", "team", "openvswitch"].contains(&port) {
            return Some(format!("it is a port of the {port} {master}"));
        }
    }
    let on_top = all.iter().find(|other| {
        let kind = kind(other).unwrap_or_default();
        field(other, "/link") == Some(name)
            && ["macvlan", "macvtap", "ipvlan", "ipvtap"].contains(&kind)
    });
    on_top.map(|other| {
        let (kind, other) = (kind(other), field(other, "/ifname"));
        format!(
            "the {} {} is on it",
            kind.unwrap_or_default(),
            other.unwrap_or_default()
        )
    })
}

/// NICs that have no VNICs yet.
fn others(all: &[Value], links: &[Link], is_wireless: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for device in all {
        let Some(name) = field(device, "/ifname") else {
            continue;
        };
        let ethernet = field(device, "/link_type") == Some("ether");
        // What is made to sit on something else is rarely meant.
        let upper = [
            "vnic",
            "etherstub",
            "macvlan",
            "macvtap",
            "ipvlan",
            "ipvtap",
        ];
        let meant = !kind(device).is_some_and(|kind| upper.contains(&kind));
        if !ethernet || !meant || links.iter().any(|link| link.name == name) {
            continue;
        }
        if is_wireless(name) {
            found.push(warn(
                format!(
                    "{name} is wireless: most access points take frames of its own address only"
                ),
                "put VNICs on an etherstub and route",
            ));
        } else if let Some(holder) = holder(device, all) {
            found.push(warn(
                format!("{name} cannot carry VNICs, {holder}"),
                "put them on what holds it, or take that away",
            ));
        }
    }
    found
}

/// VLAN devices of the host: the kernel gives them all frames of their VLAN.
fn vlan_devices(all: &[Value], links: &[Link], vnics: &[Vnic]) -> Vec<Finding> {
    let mut found = Vec::new();
    for device in all.iter().filter(|device| kind(device) == Some("vlan")) {
        let (Some(name), Some(lower)) = (field(device, "/ifname"), field(device, "/link")) else {
            continue;
        };
        let id = device
            .pointer("/linkinfo/info_data/id")
            .and_then(Value::as_u64);
        let (Some(id), true) = (id, links.iter().any(|link| link.name == lower)) else {
            continue;
        };
        let clash = vnics
            .iter()
            .find(|vnic| vnic.link.as_deref() == Some(lower) && vnic.vlan == id);
        found.push(match clash {
            Some(vnic) => bad(
                format!(
                    "{name} takes the frames of VLAN {id} from {}",
                    vnic.full_name()
                ),
                format!("ip link del {name}"),
            ),
            None => ok(format!(
                "{name} has VLAN {id} of {lower}, which VNICs there cannot have"
            )),
        });
    }
    found
}

/// Names, but not too many.
fn list(names: &[String]) -> String {
    let shown = names.get(..LISTED).unwrap_or(names);
    let more = names.len() - shown.len();
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

fn vnics(vnics: &[Vnic]) -> Vec<Finding> {
    let names = |wanted: fn(&Vnic) -> bool| -> Vec<String> {
        let wanted = vnics.iter().filter(|vnic| wanted(vnic));
        wanted.map(Vnic::full_name).collect()
    };
    let mut found = Vec::new();
    let down = names(|vnic| vnic.state == "down");
    if !down.is_empty() {
        found.push(warn(format!("down: {}", list(&down)), "vnic set NAME up"));
    }
    let absent = names(|vnic| vnic.absent);
    if !absent.is_empty() {
        found.push(warn(
            format!("absent, only the configuration is kept: {}", list(&absent)),
            "make them again, or vnic del NUMBER",
        ));
    }
    let denied = names(|vnic| vnic.denied > 0);
    if !denied.is_empty() {
        found.push(warn(
            format!("requests were denied of: {}", list(&denied)),
            "vnic why --last NAME",
        ));
    }
    if found.is_empty() {
        found.push(ok(format!(
            "{}, none down, absent or denied",
            count(vnics.len() as u64)
        )));
    }
    found
}

/// Shares and priorities that change nothing.
fn turns(links: &[Link], vnics: &[Vnic]) -> Vec<Finding> {
    let mut found = Vec::new();
    for link in links.iter().filter(|link| link.maxbw == 0) {
        let void = |vnic: &&Vnic| {
            let limits = vnic.limits.as_ref();
            vnic.link.as_ref() == Some(&link.name) && limits.and_then(Limits::turn).is_some()
        };
        let names: Vec<String> = vnics.iter().filter(void).map(Vnic::full_name).collect();
        if names.is_empty() {
            continue;
        }
        let (lacks, cure) = match link.kind.as_str() {
            "etherstub" => ("wire", "vnic set NAME share 100 priority medium".to_owned()),
            _ => ("maxbw", format!("vnic link set {} maxbw RATE", link.name)),
        };
        found.push(warn(
            format!(
                "shares or priorities without effect, {} has no {lacks}: {}",
                link.name,
                list(&names)
            ),
            cure,
        ));
    }
    found
}

/// Priorities of flows that change nothing.
fn flow_turns(links: &[Link], vnics: &[Vnic], flows: &[Shown]) -> Option<Finding> {
    let is_void = |name: &str| {
        let vnic = vnics.iter().find(|vnic| vnic.full_name() == name);
        let of = vnic.and_then(|vnic| vnic.link.as_ref());
        let mut links = links.iter();
        links.any(|link| Some(&link.name) == of && link.maxbw == 0)
    };
    let names = flows.iter().filter_map(|flow| flow.void_priority(is_void));
    let names: Vec<String> = names.collect();
    (!names.is_empty()).then(|| {
        warn(
            format!(
                "priorities of flows without effect, their links have no maxbw: {}",
                list(&names)
            ),
            "vnic link set LINK maxbw RATE, or vnic flow set VNIC NAME priority vnic",
        )
    })
}

fn bridge_netfilter() -> Option<Finding> {
    let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    (text(file)? == "1").then(|| {
        warn(
            "br_netfilter is on: what bridges forward goes through iptables, also between VNICs under a bridge",
            "sysctl net.bridge.bridge-nf-call-iptables=0, if that is not meant",
        )
    })
}

/// Where ip(8) looks for plug-ins.
fn plugin_dirs() -> Vec<PathBuf> {
    if let Some(dir) = std::env::var_os("IP_LIB_DIR") {
        return vec![PathBuf::from(dir)];
    }
    let libs = ["/usr/lib", "/usr/lib64", "/lib"];
    let multiarch = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    let multiarch = multiarch
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    let all = libs.iter().map(PathBuf::from).chain(multiarch);
    all.map(|dir| dir.join("ip")).collect()
}

fn plugin(dirs: &[PathBuf]) -> Finding {
    match dirs.iter().find(|dir| dir.join("link_vnic.so").exists()) {
        Some(dir) => ok(format!("ip has its plug-in, in {}", dir.display())),
        None => warn(
            "ip has no plug-in: it does not know the words after \"type vnic\"",
            "make -C tools/iproute2 install",
        ),
    }
}

/// What ip(8) says of the devices here.
fn ip_links() -> Option<Vec<Value>> {
    let said = Command::new("ip")
        .args(["-j", "-d", "link", "show"])
        .output();
    serde_json::from_slice(&said.ok()?.stdout).ok()
}

/// What can only be found out if the family answers.
fn of_family(all: &[Value]) -> Vec<Finding> {
    let family = match Family::connect() {
        Ok(family) => family,
        // Said of the module already.
        Err(Error::NoModule) => return others(all, &[], is_wireless),
        Err(error) => {
            return vec![bad(
                format!("the netlink family does not answer: {error}"),
                "rmmod vnic and load it again",
            )]
        }
    };
    let asked = Link::all(&family).and_then(|links| Ok((links, Vnic::all(&family)?)));
    let (links, known) = match asked {
        Ok(both) => both,
        Err(error) => {
            return vec![bad(
                format!("the netlink family refuses to say what is there: {error}"),
                "is the module of the same version as this command?",
            )]
        }
    };
    let mut found = vec![ok("the netlink family answers")];
    for one in &links {
        let mut devices = all.iter();
        let device = devices.find(|device| field(device, "/ifname") == Some(&one.name));
        found.extend(link(one, device));
    }
    found.extend(others(all, &links, is_wireless));
    found.extend(vlan_devices(all, &links, &known));
    found.extend(vnics(&known));
    found.extend(turns(&links, &known));
    let flows = flow::show(&family, None).unwrap_or_default();
    found.extend(flow_turns(&links, &known, &flows));
    found
}

fn is_wireless(name: &str) -> bool {
    let dir = Path::new("/sys/class/net").join(name);
    dir.join("wireless").exists() || dir.join("phy80211").exists()
}

/// Looks at everything.
pub fn run(printer: &Printer) -> Result<(), Error> {
    let release = text("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned());
    let config = kernel_config(&release);
    let mut found = kernel(&release, config.as_deref(), Path::new(MODULE).exists());
    found.push(module());
    let devices = ip_links();
    found.extend(of_family(devices.as_deref().unwrap_or_default()));
    found.extend(bridge_netfilter());
    found.push(match devices {
        Some(_) => plugin(&plugin_dirs()),
        None => warn(
            "ip does not say what devices there are, so they were not looked at",
            "install iproute2",
        ),
    });
    printer.lines(&found)?;
    match found.iter().any(|finding| finding.status == "bad") {
        true => Err(Error::No),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(found: &[Finding]) -> Vec<String> {
        found
            .iter()
            .map(|finding| format!("{} {}", finding.status, finding.what))
            .collect()
    }

    #[test]
    fn what_holds_a_nic_is_named() {
        let all = [
            json!({"ifname": "lo", "link_type": "loopback"}),
            json!({"ifname": "a", "link_type": "ether", "master": "br0",
                "linkinfo": {"info_slave_kind": "bridge"}}),
            json!({"ifname": "b", "link_type": "ether"}),
            json!({"ifname": "m", "link_type": "ether", "link": "b", "linkinfo": {"info_kind": "macvlan"}}),
            json!({"ifname": "c", "link_type": "ether"}),
            json!({"ifname": "w", "link_type": "ether"}),
            json!({"ifname": "v", "link_type": "ether", "master": "vrf0",
                "linkinfo": {"info_slave_kind": "vrf"}}),
        ];
        let found = said(&others(&all, &[], |name| name == "w"));
        assert_eq!(3, found.len(), "{found:?}");
        assert!(found[0].contains("port of the bridge br0"));
        assert!(found[1].contains("the macvlan m is on it"));
        assert!(found[2].contains("w is wireless"));
    }

    #[test]
    fn the_kernel_needs_rust() {
        let both = "CONFIG_RUST=y\nCONFIG_NETFILTER_EGRESS=y\n";
        assert_eq!(
            vec!["ok kernel 7.3 has Rust"],
            said(&kernel("7.3", Some(both), false))
        );
        let found = said(&kernel("6.12", Some("# CONFIG_RUST is not set\n"), false));
        assert!(found[0].starts_with("bad"));
        assert!(found[1].starts_with("warn"));
        assert!(said(&kernel("6.12", None, false))[0].starts_with("warn"));
        assert!(said(&kernel("7.3", None, true))[0].starts_with("ok"));
    }

    #[test]
    fn links_need_a_carrier() {
        let device = |flags: &[&str]| json!({"ifname": "a", "mtu": 1500, "flags": flags});
        assert_eq!(None, carrier(&device(&["BROADCAST"])));
        assert_eq!(Some(false), carrier(&device(&["NO-CARRIER", "UP"])));
        assert_eq!(Some(true), carrier(&device(&["UP", "LOWER_UP"])));
    }

    #[test]
    fn lists_end() {
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!("0, 1, 2, 3, 4, 5, 6, 7 and 12 more", list(&names));
        assert_eq!("0, 1", list(&names[..2]));
    }
}
