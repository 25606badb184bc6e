# SPDX-License-Identifier: GPL-2.0
"""The scenarios of single packets: who sends, from where, to whom, and what one packet costs."""

import contextlib
from dataclasses import dataclass

from . import kinds, pktgen, result, world
from .profile import profile
from .shell import Failed, ip_batch

OUTSIDE = {"mac": kinds.OUTSIDE_MAC, "ip": "10.127.0.1"}


@dataclass
class Options:
    """What the command line decides."""
    count: int = 10000
    targets: int = 8
    shared: bool = False
    # Says where the instructions go; the figures are of no use then.
    profile: bool = False


@dataclass
class Sender:
    """A device, its namespace, and how pktgen hands packets to it."""
    dev: str
    ns: str
    mode: str = "start_xmit"
    delay: int = 0
    burst: int = 1
    size: int = 60


def _counts(options, sender):
    """Packets to warm up, and those that are measured; whole bursts of them."""
    return [-(-count // sender.burst) * sender.burst for count in (max(500, options.count // 10), options.count)]


def once(options, sender, to):
    """Instructions per packet to one receiver, after some packets that warm up."""
    warm, count = _counts(options, sender)
    flow = pktgen.Flow(sender.dev, to["mac"], to["ip"], warm, sender.mode, options.shared or sender.burst > 1,
                       sender.size, sender.delay, sender.burst)
    pktgen.send([flow], sender.ns)
    flow.count = count
    watch = profile(f"{sender.dev} to {to['ip']}, {flow.size} bytes", count) if options.profile else contextlib.nullcontext()
    with watch:
        sent = pktgen.send([flow], sender.ns)[0]
    # Given to the receive path, what the receiver drops is an error; that it arrived is counted there.
    if sent.errors and sender.mode != "netif_receive":
        raise Failed(f"{sender.dev} → {to['mac']}: {sent.errors} errors")
    return sent


def measure(topology, options, routes, received):
    """One figure for each (sender, address) of `routes`; all of the packets must have been received.

    Few routes are measured more than once: what else the CPU does can only add.
    """
    rounds = max(1, 3 // len(routes))
    before = received()
    each = [min(once(options, sender, to).ns_each for _ in range(rounds)) for sender, to in routes]
    expected = rounds * sum(sum(_counts(options, sender)) for sender, _ in routes)
    arrived = received() - before
    if not expected <= arrived <= expected + topology.strays:
        raise Failed(f"{routes[0][0].dev}: {arrived} of {expected} packets arrived")
    return each


def _to_children(topology, options, sender):
    routes = [(sender(i), topology.address(i)) for i in topology.targets(options.targets)]
    return measure(topology, options, routes, lambda: world.dropped("kids"))


def wire_child(topology, options):
    """From the wire to a child."""
    return _to_children(topology, options, lambda i: Sender("wire1", "out"))


def wire_child_slow(topology, options):
    """The same, 10,000 packets a second: what is adaptive is at rest."""
    return _to_children(topology, options, lambda i: Sender("wire1", "out", delay=100000))


def wire_child_burst(topology, options):
    """32 at once, given to the lower device's receive path: what comes in one poll of a NIC. pktgen sends one packet 32 times."""
    return _to_children(topology, options, lambda i: Sender("wire0", None, "netif_receive", burst=32))


def wire_child_large(topology, options):
    """From the wire to a child, packets of 1,500 bytes."""
    return _to_children(topology, options, lambda i: Sender("wire1", "out", size=1500))


def wire_child_burst_large(topology, options):
    """The same, 32 at once."""
    return _to_children(topology, options, lambda i: Sender("wire0", None, "netif_receive", burst=32, size=1500))


def child_child(topology, options):
    """From a child to another child of the same lower device."""
    topology.add_sender()
    return _to_children(topology, options, lambda i: Sender(topology.kind.sender(i), "tx"))


def _to_outside(topology, options, sender):
    topology.drop("out", ["wire1"])
    return measure(topology, options, [(sender, OUTSIDE)], lambda: world.dropped("out"))


def child_wire(topology, options):
    """From a child to the world outside."""
    topology.add_sender()
    return _to_outside(topology, options, Sender("c0", "tx"))


def host_wire(topology, options):
    """From the host's stack to the world outside: through the qdisc layer and its hooks."""
    return _to_outside(topology, options, Sender("wire0", None, "queue_xmit"))


# What one topology with n children is asked, in this order: c0 exists from child-child on.
SCENARIOS = {"wire-child": wire_child, "wire-child-slow": wire_child_slow, "wire-child-burst": wire_child_burst,
             "wire-child-1500": wire_child_large, "wire-child-burst-1500": wire_child_burst_large,
             "child-child": child_child, "child-wire": child_wire, "host-wire": host_wire}


def floors(options):
    """Sending into nothing; the wire's own end as receiver; the host's way out without any child."""
    with world.Wire() as wire:
        ip_batch(["link add dummy1 type dummy", "link set dummy1 up"], "out")
        yield result.Result("floor", "pktgen → dummy", 0, once(options, Sender("dummy1", "out"), OUTSIDE).ns_each)
        yield result.mean("host-wire", "none", 0, host_wire(wire, options))
        wire.drop(None, ["wire0"])
        route = (Sender("wire1", "out"), OUTSIDE)
        yield result.mean("floor", "veth → veth", 0, measure(wire, options, [route], lambda: world.dropped(None)))


def scan(kind, sizes, wanted, options):
    """One kind at all its sizes: one topology that grows."""
    asked = [name for name in SCENARIOS if name in wanted and name in kind.scenarios]
    if not asked:
        return
    with world.World(kind) as topology:
        for size in sorted({min(size, kind.limit) for size in sizes}):
            topology.grow(size)
            for name in asked:
                yield result.mean(name, kind.name, size, SCENARIOS[name](topology, options))
