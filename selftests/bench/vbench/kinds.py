# SPDX-License-Identifier: GPL-2.0
"""The kinds of children that are compared: one class each, all in KINDS.

A kind knows how to make its children and what to call them; it measures
nothing. Child i is the device c<i>, born in the namespace that the caller
names (None: the host's). The lower device, `wire0`, is in the host's.
"""

import os

from . import bpf, family, ovs
from .shell import have_module, ip_batch, ip_json, modprobe, run, tool_batch

LOWER = "wire0"
# What is measured with large packets, by kinds that packets are compared with which are stored.
LARGE = ("wire-child-1500", "wire-child-burst-1500")
# An address of the world outside.
OUTSIDE_MAC = "02:00:00:00:0f:0f"


def mac(i):
    return f"02:76:6e:00:{i >> 8:02x}:{i & 255:02x}"


def ip(i):
    return f"10.64.{i >> 8}.{i & 255}"


def _in(ns):
    return f"netns {ns} " if ns else ""


class Kind:
    """What all kinds have; the comments say what may be replaced."""

    name = ""
    modules = ()
    # Devices of the host that carry more than one child, and that die last.
    lower = LOWER
    # The most children that it can have, and of how many the creation is measured.
    limit = crowd = 4096
    # Packets of its own that may arrive among those of one measurement.
    strays = 0
    # Has it no hook on any device's way out? Those that have are measured last.
    hookless = True
    # The scenarios that make sense for it.
    scenarios = ("wire-child", "wire-child-slow", "wire-child-burst", "child-child", "child-wire", "host-wire", "broadcast", "tcp",
                 "create", "neighbour")
    # One child sends, any other receives (a switch); else child i has a twin of its own (a cable).
    switch = True

    def load(self):
        modprobe(*self.modules)

    def prepare(self):
        """Once, when the lower device is there and has no children."""

    def add(self, ids, ns=None):
        """Makes children; does not bring them up."""
        ip_batch([self.line(i, ns) for i in ids])

    def line(self, i, ns):
        """The `ip` command that makes one child."""
        raise NotImplementedError

    def up(self, ids, ns=None):
        ip_batch([f"link set c{i} up" for i in ids], ns)

    def reachable(self, ids, ns=None):
        """After `up`: what the kind needs to find its children."""

    def sender(self, i):
        """The device that sends to child i, in the other namespace."""
        return "c0" if self.switch else f"t{i}"

    def mac(self, i):
        return mac(i)

    def close(self):
        """Before the lower device and the namespaces go away."""

    def remove(self, ids):
        """Removes children from the host's namespace in one go."""
        ip_batch([f"link set c{i} group 77" for i in ids] + ["link delete group 77"])


class Macvlan(Kind):
    name = "macvlan"
    modules = ("macvlan",)
    scenarios = Kind.scenarios + LARGE

    def line(self, i, ns):
        return f"link add link {LOWER} name c{i} address {mac(i)} {_in(ns)}type macvlan mode bridge"


class Ipvlan(Kind):
    """Finds its children by IP address; all have the lower's MAC address."""
    name = "ipvlan"
    modules = ("ipvlan",)
    scenarios = Kind.scenarios + LARGE

    def line(self, i, ns):
        return f"link add link {LOWER} name c{i} {_in(ns)}type ipvlan mode l2 bridge"

    def reachable(self, ids, ns=None):
        ip_batch([f"address add {ip(i)}/32 dev c{i}" for i in ids], ns)

    def mac(self, i):
        return ip_json("link", "show", "dev", LOWER)[0]["address"]


class Vnic(Kind):
    """
    On the wire, frames from there inline; the host and its VNICs do not reach each other: no hook on the lower's way out. pktgen sends as
    fast as it can, which with `poll auto` would be beyond a VNIC's credit.
    """
    name = "vnic"
    options = "host off poll inline"
    scenarios = Kind.scenarios + LARGE + ("flows",)

    def load(self):
        have_module(os.environ["VNIC_KO"])

    def line(self, i, ns):
        return f"link add link {self.lower} name c{i} address {mac(i)} {_in(ns)}type vnic {self.options}"


class VnicHost(Vnic):
    """The default: the host reaches its VNICs over the same device."""
    name = "vnic+host"
    hookless = False
    options = "host on poll inline"
    scenarios = Kind.scenarios


class VnicRing(Vnic):
    """Frames from the wire by rings."""
    name = "vnic+ring"
    options = "host off poll ring"
    scenarios = ("wire-child", "wire-child-slow", "wire-child-burst", *LARGE, "broadcast", "neighbour")


class VnicAuto(Vnic):
    """As it is by default: inline up to a credit, else by rings."""
    name = "vnic+auto"
    options = "host off"
    scenarios = ("wire-child", "wire-child-slow", "wire-child-burst", "neighbour")


class VnicPool(Vnic):
    """In a pool: all frames by rings, each stored in the pool's memory."""
    name = "vnic+pool"
    options = "host off"
    # Its rings have a part of the pool each.
    limit = 1
    scenarios = ("wire-child", "wire-child-burst", "wire-child-1500", "wire-child-burst-1500", "child-child", "tcp", "neighbour")
    POOL, BYTES = "bench", 64 << 20

    def prepare(self):
        family.host().do("pool-add", {"name": self.POOL, "limit": self.BYTES})
        self.members = []

    def reachable(self, ids, ns=None):
        ids_of = family.numbers()
        members = [ids_of[f"c{i}"] for i in ids]
        for number in members:
            family.host().do("vnic-set", {"id": number, "pool": self.POOL})
        self.members += members

    def close(self):
        for number in self.members:
            family.host().do("vnic-set", {"id": number, "pool": ""})
        family.host().do("pool-del", {"name": self.POOL})


class VnicLimit(Vnic):
    """With a limit of bandwidth both ways that lets all pass at once: what it costs to have one."""
    name = "vnic+limit"
    options = "host off maxbw 1000G"
    limit = 1
    scenarios = ("wire-child", "wire-child-slow", "wire-child-burst", "child-child", "child-wire")


class VnicStub(Vnic):
    """On an etherstub: no wire."""
    name = "vnic+stub"
    hookless = False
    lower = "stub0"
    options = ""
    scenarios = ("child-child", "tcp", "create")

    def prepare(self):
        run("ip", "link", "add", "stub0", "type", "etherstub")
        run("ip", "link", "set", "stub0", "up")

    def close(self):
        run("ip", "link", "del", "stub0")


class Veth(Kind):
    """A cable: no table, nothing that its number could matter to."""
    name = "veth"
    modules = ("veth",)
    limit = 1
    scenarios = ("child-child", "tcp", "create")
    switch = False

    def line(self, i, ns):
        twin = "netns tx" if ns else ""
        return f"link add name c{i} {_in(ns)}type veth peer name t{i} {twin}"

    def add(self, ids, ns=None):
        super().add(ids, ns)
        if ns:
            ip_batch([f"link set t{i} up" for i in ids], "tx")

    def mac(self, i):
        return ip_json("link", "show", "dev", f"c{i}", ns="kids")[0]["address"]


def netkit_ends():
    """Names of the near ends → names of the far ends, for pairs that are still in the host's namespace."""
    names = {link["ifname"]: link.get("link") for link in ip_json("link", "show", "type", "netkit")}
    return {near: far for near, far in names.items() if near.startswith("h") and far}


def add_netkits(ids, far_ns):
    """`ip -batch` takes "peer name" only once, so the far ends are named afterwards."""
    ip_batch([f"link add name h{i} type netkit" for i in ids])
    ends = netkit_ends()
    ip_batch([f"link set {ends[f'h{i}']} name c{i} {_in(far_ns)}" for i in ids])


class Netkit(Veth):
    """The same cable as netkit, in its default mode, no program attached."""
    name = "netkit"
    modules = ()

    def add(self, ids, ns=None):
        add_netkits(ids, ns)
        near = "netns tx" if ns else ""
        ip_batch([f"link set h{i} name t{i} {near}" for i in ids])
        if ns:
            ip_batch([f"link set t{i} up" for i in ids], "tx")

    def mac(self, i):
        return mac(i)


class NetkitRedirect(Kind):
    """From the wire to netkit as Cilium does it: a BPF program at the lower's ingress, a hash table, bpf_redirect_peer()."""
    name = "netkit+bpf"
    scenarios = ("wire-child",)

    def prepare(self):
        bpf.attach_redirect(LOWER)

    def add(self, ids, ns=None):
        add_netkits(ids, ns)

    def up(self, ids, ns=None):
        super().up(ids, ns)
        ip_batch([f"link set h{i} up" for i in ids])

    def reachable(self, ids, ns=None):
        ends = {link["ifname"]: link["ifindex"] for link in ip_json("link", "show", "type", "netkit")}
        bpf.fill({mac(i): ends[f"h{i}"] for i in ids})


class Bridge(Kind):
    """The usual container: a bridge with the wire and one end of a veth pair for each child."""
    name = "bridge+veth"
    modules = ("bridge", "veth")
    # BR_MAX_PORTS is 1,024, the wire is one of them.
    limit = 1000
    # Each port makes the bridge go through all of them: 1,000 took longer than everything else together.
    crowd = 200
    strays = 10

    def prepare(self):
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "link", "set", "br0", "up")
        run("ip", "link", "set", LOWER, "master", "br0")
        run("bridge", "fdb", "add", OUTSIDE_MAC, "dev", LOWER, "master", "static")

    def line(self, i, ns):
        return f"link add name h{i} type veth peer name c{i} address {mac(i)} {_in(ns)}"

    def add(self, ids, ns=None):
        ip_batch([line for i in ids for line in (self.line(i, ns), f"link set h{i} master br0")])

    def up(self, ids, ns=None):
        super().up(ids, ns)
        ip_batch([f"link set h{i} up" for i in ids])

    def reachable(self, ids, ns=None):
        tool_batch("bridge", [f"fdb add {mac(i)} dev h{i} master static" for i in ids])

    def close(self):
        run("ip", "link", "del", "br0")


class OpenVswitch(Kind):
    """The kernel's datapath with internal ports and one flow for each sender and each address: no upcalls."""
    name = "openvswitch"
    modules = ("openvswitch",)
    # Numbers of the ports: the wire, and child 0.
    WIRE, FIRST = 1, 2

    def prepare(self):
        self.path = ovs.Datapath("dp0")
        self.path.add_port(self.WIRE, LOWER, internal=False)
        self.ports = []

    def add(self, ids, ns=None):
        for i in ids:
            self.path.add_port(self.FIRST + i, f"c{i}")
        where = f"netns {ns}" if ns else ""
        ip_batch([f"link set c{i} address {mac(i)} {where}" for i in ids])

    def reachable(self, ids, ns=None):
        old, self.ports = self.ports, self.ports + list(ids)
        for i in ids:
            self.path.add_flow(self.WIRE, mac(i), [self.FIRST + i])
        sending = 0 in self.ports
        for i in self.ports if 0 in ids else ids if sending else ():
            self.path.add_flow(self.FIRST, mac(i), [self.FIRST + i])
        for i in self.ports if 0 in ids else ():
            self.path.add_flow(self.FIRST + i, mac(0), [self.FIRST])
        if 0 in ids:
            self.path.add_flow(self.FIRST, OUTSIDE_MAC, [self.WIRE])
        if not old:
            self.path.add_flow(self.WIRE, "ff:ff:ff:ff:ff:ff", [self.FIRST + i for i in self.ports])

    def close(self):
        self.path.close()

    def remove(self, ids):
        for i in ids:
            self.path.del_port(self.FIRST + i)


# In the order in which they are measured: every peer before the first VNIC with a hook on the lower.
KINDS = {kind.name: kind for kind in (Veth, Netkit, NetkitRedirect, Macvlan, Ipvlan, Bridge, OpenVswitch,
                                      Vnic, VnicRing, VnicAuto, VnicPool, VnicLimit, VnicStub, VnicHost)}
