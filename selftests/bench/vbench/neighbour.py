# SPDX-License-Identifier: GPL-2.0
"""The noisy neighbour: two children on one NIC, one is flooded; what the other one notices.

  world outside          host                   namespaces
  wire1 ──────────────── wire0 (clocknic) ┬──── kids: c1, flooded
  (TCP)    the clock ──────┘              └──── tx:   c0, the victim

wire0 is no veth here but a NIC whose frames come in at their time, whatever
the CPU does: clocknic.c. The flood is UDP to a socket that nobody reads, behind a
firewall of 64 rules: a frame costs most on the way from the child to that socket,
which the child can be spared, and less in the NIC's poll, which nobody can be. The victim gets a packet each 200 µs, and one
TCP connection, which TCP itself paces. Nothing that is measured waits for a process:
latency is taken from the frame's arrival at the NIC to where the stack reaches the
socket, bytes of TCP are those that the kernel acknowledged.
"""

import contextlib
import os
import socket
import struct
import time

from . import kinds, world
from .clock import settle
from .probe import SO_RCVBUFFORCE, Probe
from .result import PACKET, Result
from .shell import Failed, have_module, inside, ip_batch, ip_json, run

FLOWS = "/sys/module/clocknic/parameters/flows"
FLOODED, VICTIM = 1, 0
OUTSIDE = "10.127.0.1"
# As many flows as clocknic has.
FLOOD_FLOW, VICTIM_FLOW = 0, 1
FLOOD_PORT, VICTIM_PORT, TCP_PORT = 9, 7000, 7001

GAP, PACKETS = 200_000, 5000
TCP_BITS = 50_000_000
# So many times what the CPU drains if it does nothing else.
OVERLOAD = 1.5
# What the NIC's poll alone may take of the CPU; were it more, no receiver could be protected.
MOST_OF_POLL = 0.7
# Rules that the flooded child has each frame pass.
RULES = 64
# Frames that a NIC's poll may take at once, NAPI_POLL_WEIGHT. One poll budget is the time of so many, all the way to a socket.
BUDGET = 64
# Nanoseconds from frame to frame of a flood that certainly fills the ring, and for how long.
FILLING, TRIAL = 500, 100_000_000

LATENCY = "virtual microseconds"

SO_MAX_PACING_RATE, SO_SNDBUFFORCE = 47, 32


def start(flow, gap, count, mac, address, port):
    with open(FLOWS, "w", encoding="ascii") as file:
        file.write(f"{flow} {gap} {count} {mac} {address} {port}")


def arrived():
    """For each flow, how many frames came to the NIC and how many of them found its ring full."""
    with open(FLOWS, encoding="ascii") as file:
        return [tuple(map(int, line.split())) for line in file]


class ClockWorld(world.World):
    """A topology whose wire is a pair of clocknics."""

    def lay(self):
        have_module(os.environ["CLOCKNIC_KO"])
        ip_batch([f"link set wire1 address {kinds.OUTSIDE_MAC} netns out"])

    def pull(self):
        run("rmmod", "clocknic")


class ClockWire(ClockWorld):
    """The same without children."""

    def __init__(self):
        super().__init__(kinds.Kind())


class Load:
    """The flood, the same for all kinds: found out once, with the host's own socket as receiver."""

    def __init__(self):
        self.each = self.poll = None

    def measure(self):
        """Nanoseconds for a frame up to a socket, and up to where the stack finds that it is for nobody here."""
        with ClockWire():
            ip_batch([f"address add {kinds.ip(FLOODED)}/32 dev wire0"])
            own = ip_json("link", "show", "dev", "wire0")[0]["address"]
            with _deaf(kinds.ip(FLOODED)):
                self.each, self.poll = (self._drain(mac) for mac in (own, "02:00:00:00:0e:0e"))
        if self.share_of_poll >= MOST_OF_POLL:
            raise Failed(f"the flood would take {100 * self.share_of_poll:.0f} % of the CPU for the NIC's poll alone")

    @staticmethod
    def _drain(mac):
        start(FLOOD_FLOW, FILLING, TRIAL // FILLING, mac, kinds.ip(FLOODED), FLOOD_PORT)
        time.sleep(2 * TRIAL / 1e9)
        came, missed = arrived()[FLOOD_FLOW]
        if not missed:
            raise Failed("the flood that is to fill the NIC's ring does not")
        return TRIAL / (came - missed)

    @property
    def gap(self):
        """Nanoseconds from one frame of the flood to the next."""
        return round(self.each / OVERLOAD)

    @property
    def share_of_poll(self):
        return self.poll / self.gap

    def results(self):
        for name, value, unit in (("socket", self.each, PACKET), ("poll", self.poll, PACKET), ("gap", self.gap, "virtual nanoseconds"),
                                  ("budget", BUDGET * self.each / 1e3, LATENCY)):
            yield Result(f"neighbour-load-{name}", "none", 0, value, unit)


@contextlib.contextmanager
def _deaf(address, ns=None):
    """The receiver of the flood: a firewall, and a socket that nobody reads."""
    rules = "".join(f"add rule ip bench input ip saddr 192.0.2.{i} drop\n" for i in range(RULES))
    with inside(ns):
        deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        run("nft", "-f", "-", stdin="add table ip bench\nadd chain ip bench input { type filter hook input priority 0; }\n" + rules)
    try:
        deaf.bind((address, FLOOD_PORT))
        yield
    finally:
        deaf.close()
        with inside(ns):
            run("nft", "delete", "table", "ip", "bench")


def _address(topology):
    """Both children and the world outside reach each other without asking."""
    for i, ns in ((FLOODED, "kids"), (VICTIM, "tx")):
        have = [address["local"] for address in ip_json("address", "show", "dev", f"c{i}", ns=ns)[0]["addr_info"]]
        own = [] if kinds.ip(i) in have else [f"address add {kinds.ip(i)}/32 dev c{i}"]
        ip_batch(own + [f"route add 10.0.0.0/8 dev c{i}",
                        f"neighbour replace {OUTSIDE} lladdr {kinds.OUTSIDE_MAC} dev c{i} nud permanent"], ns)
    ip_batch([f"address add {OUTSIDE}/32 dev wire1", "route add 10.0.0.0/8 dev wire1",
              f"neighbour replace {kinds.ip(VICTIM)} lladdr {topology.kind.mac(VICTIM)} dev wire1 nud permanent"], "out")


class Stream:
    """A TCP connection from outside to the victim, which has all its bytes from the beginning: no process sends or reads."""

    def __init__(self, seconds):
        octets = round(seconds * TCP_BITS / 8)
        with inside("tx"):
            listener = socket.socket()
        with inside("out"):
            self.sender = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 * octets)
        listener.bind((kinds.ip(VICTIM), TCP_PORT))
        listener.listen(1)
        self.sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 * octets)
        self.sender.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, TCP_BITS // 8)
        self.sender.settimeout(10)
        self.sender.connect((kinds.ip(VICTIM), TCP_PORT))
        self.receiver = listener.accept()[0]
        listener.close()
        self.sender.sendall(bytes(octets))

    def received(self):
        """Bytes so far: tcpi_bytes_received."""
        return struct.unpack_from("<Q", self.receiver.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 128)[0]

    def sent_again(self):
        """Segments so far: tcpi_total_retrans."""
        return struct.unpack_from("<I", self.sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 100)[0]

    def close(self):
        self.receiver.close()
        self.sender.close()


def _flood_that_went_up(ns="kids"):
    """Frames that came to the flooded child's socket, which nobody reads, and were too many for it."""
    with inside(ns), open("/proc/net/snmp", encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("Udp:"))
    return int(dict(zip(names, values))["RcvbufErrors"])


def _counts(stream):
    """What grows while it is measured: (nanoseconds, bytes of TCP, frames of the flood)."""
    return time.monotonic_ns(), stream.received(), _flood_that_went_up()


def _once(topology, gap):
    """One measurement, with a frame of the flood each `gap` nanoseconds or, None, without."""
    span = GAP * PACKETS
    with inside("tx"):
        probe = Probe(kinds.ip(VICTIM), VICTIM_PORT, PACKETS)
    stream = Stream(1.5 * span / 1e9)
    time.sleep(0.1)
    if gap:
        start(FLOOD_FLOW, gap, round(1.1 * span / gap), topology.kind.mac(FLOODED), kinds.ip(FLOODED), FLOOD_PORT)
        time.sleep(0.05)
    first = _counts(stream)
    start(VICTIM_FLOW, GAP, PACKETS, topology.kind.mac(VICTIM), kinds.ip(VICTIM), VICTIM_PORT)
    time.sleep(0.95 * span / 1e9)
    passed, octets, went_up = (after - before for before, after in zip(first, _counts(stream)))
    again = stream.sent_again()
    time.sleep(0.3 * span / 1e9)
    received, latencies, arrivals = probe.received(), probe.latencies(), arrived()
    probe.close()
    stream.close()
    if received != len(latencies):
        raise Failed(f"{len(latencies)} packets reached the victim's socket, and {received} could be read")
    if arrivals[VICTIM_FLOW][0] != PACKETS or not received:
        raise Failed(f"{received} of {arrivals[VICTIM_FLOW][0]} packets arrived")
    return {"received": (received / (span / 1e9), "packets per second"),
            "lost": (PACKETS - received, f"of {PACKETS:,} packets"),
            "p50": (latencies[len(latencies) // 2] / 1e3, LATENCY),
            "p99": (latencies[len(latencies) * 99 // 100] / 1e3, LATENCY),
            "most": (latencies[-1] / 1e3, LATENCY),
            "tcp": (8e3 * octets / passed, "Mbit/s"),
            "again": (again, "segments"),
            # The first line is that of the flow before, if nothing was started.
            "missed": (sum(missed for _, missed in arrivals) if gap else 0, "frames"),
            "flood": (1e9 * went_up / passed, "frames per second")}


def scan(kind, load):
    """What the victim has, quiet and with a flooded neighbour."""
    if not os.environ.get("CLOCKNIC_KO"):
        raise Failed("there is no clocknic.ko: selftests/bench/run builds it")
    if load.each is None:
        load.measure()
        yield from load.results()
    with ClockWorld(kind) as topology:
        topology.grow(1)
        topology.add_sender()
        _address(topology)
        settle()
        with _deaf(kinds.ip(FLOODED), "kids"):
            for case, gap in (("quiet", None), ("flooded", load.gap)):
                for name, (value, unit) in _once(topology, gap).items():
                    yield Result(f"neighbour-{case}-{name}", kind.name, 2, value, unit)
                settle()
