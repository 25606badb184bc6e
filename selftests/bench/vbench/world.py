# SPDX-License-Identifier: GPL-2.0
"""One topology: a wire, the children of one kind on it, and who receives.

  namespace out       host             kids                 tx
  wire1 ────────── wire0 ┬──────── c1 … c<n-1>
  (pktgen)               └─────────────────────────── c0 (pktgen)

wire1 and wire0 are a veth pair: wire0 stands for the NIC, wire1 for the world
outside. Receivers drop at ingress. They hold an ingress qdisc, not clsact:
clsact would switch on the hook of the way out for all devices of the host.
IPv6 is off, so that thousands of devices do not talk while others are measured.
"""

import json
import os
import time

from . import kinds
from .clock import settle
from .shell import Failed, inside, ip_batch, modprobe, run, sysctl, tool_batch

SPACES = ("out", "kids", "tx")


def prepare_guest():
    modprobe("pktgen", "veth", "sch_ingress", "cls_matchall", "act_gact", "dummy")
    for scope in ("all", "default"):
        sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", 1)


def drop_at(devices, ns=None):
    """Received packets are dropped at ingress, before any protocol; one action for all devices counts them."""
    tool_batch("tc", [line for dev in devices for line in (
        f"qdisc add dev {dev} ingress",
        f"filter add dev {dev} ingress protocol all prio 1 matchall action gact drop index 1")], ns)


def dropped(ns):
    """How many packets all the devices of drop_at() have dropped in this namespace."""
    where = ["-n", ns] if ns else []
    shown = json.loads(run("tc", *where, "-s", "-j", "actions", "list", "action", "gact"))
    return sum(action["stats"]["packets"] for group in shown for action in group.get("actions", []))


def gone(path, patience=60):
    for _ in range(patience * 20):
        if not os.path.exists(path):
            return
        time.sleep(0.05)
    raise Failed(f"{path} did not go away")


class Wire:
    """The namespaces and the wire, nothing on it."""
    strays = 0

    def __init__(self):
        self.dropping = set()

    def __enter__(self):
        for ns in SPACES:
            run("ip", "netns", "add", ns)
            with inside(ns):
                for scope in ("all", "default"):
                    sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", 1)
        self.lay()
        ip_batch(["link set wire0 up"])
        ip_batch(["link set wire1 up"], "out")
        return self

    def __exit__(self, *_):
        for ns in SPACES:
            run("ip", "netns", "del", ns)
        self.pull()
        gone("/sys/class/net/wire0")
        settle()

    def lay(self):
        """Makes wire0, and wire1 in its namespace."""
        queues = f"numtxqueues {os.cpu_count()} numrxqueues {os.cpu_count()}"
        ip_batch([f"link add wire0 {queues} type veth peer name wire1 {queues} netns out"])

    def pull(self):
        """What is left of the wire when the namespaces are gone: nothing of a veth pair."""

    def drop(self, ns, devices):
        """These drop what they receive from now on."""
        fresh = [dev for dev in devices if (ns, dev) not in self.dropping]
        drop_at(fresh, ns)
        self.dropping.update((ns, dev) for dev in fresh)


class World(Wire):
    """The wire with children of one kind on it; c0 exists once somebody needs a sender."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.strays = kind.strays
        self.kids = []
        self.has_sender = False

    def __enter__(self):
        self.kind.load()
        super().__enter__()
        try:
            self.kind.prepare()
        except BaseException:
            super().__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.kind.close()
        finally:
            super().__exit__()

    def _add(self, ids, ns):
        self.kind.add(ids, ns)
        self.kind.up(ids, ns)
        self.kind.reachable(ids, ns)

    def grow(self, total):
        """Adds children until there are so many."""
        missing = total - len(self.kids) - (1 if self.has_sender else 0)
        if missing > 0:
            first = len(self.kids) + 1
            ids = list(range(first, first + missing))
            self._add(ids, "kids")
            self.kids += ids
            settle()

    def add_sender(self):
        """The child in a namespace of its own; twins of a cable have theirs already."""
        if self.kind.switch and not self.has_sender:
            self._add([0], "tx")
            self.has_sender = True
            settle()

    def targets(self, most):
        """Children spread evenly over all; from now on they drop what they receive."""
        count = min(most, len(self.kids))
        chosen = [self.kids[(2 * k + 1) * len(self.kids) // (2 * count)] for k in range(count)]
        self.drop("kids", [f"c{i}" for i in chosen])
        return chosen

    def address(self, i):
        return {"mac": self.kind.mac(i), "ip": kinds.ip(i)}
