# SPDX-License-Identifier: GPL-2.0
"""The scenarios of single packets: who sends, from where, to whom, and what one packet costs."""

from dataclasses import dataclass, field

from . import kinds, pktgen, world
from .shell import Failed, ip_batch

OUTSIDE = {"mac": kinds.OUTSIDE_MAC, "ip": "10.127.0.1"}


@dataclass
class Options:
    """What the command line decides."""
    count: int = 10000
    targets: int = 8
    shared: bool = False


@dataclass
class Result:
    """One figure: the mean over all targets, each of them in `each`."""
    scenario: str
    kind: str
    children: int
    value: float = 0
    unit: str = "instructions per packet"
    each: list = field(default_factory=list)


def measure(options, dev, ns, to, mode="start_xmit", received=None):
    """Instructions per packet of one sender and one receiver; `received` counts what arrived."""
    warm = max(500, options.count // 10)
    flow = pktgen.Flow(dev, to["mac"], to["ip"], warm, mode, options.shared)
    pktgen.send([flow], ns)
    before = received() if received else 0
    flow.count = options.count
    sent = pktgen.send([flow], ns)[0]
    arrived = received() - before if received else sent.packets
    if arrived != options.count or sent.errors:
        raise Failed(f"{dev} → {to['mac']}: {arrived} of {options.count} packets arrived, {sent.errors} errors")
    return sent.ns_each


def _to_children(topology, options, sender, ns):
    each = []
    for i in topology.targets(options.targets):
        each.append(measure(options, sender(i), ns, topology.address(i),
                            received=lambda i=i: world.dropped_at(f"c{i}", "kids")))
    return each


def wire_child(topology, options):
    """From the wire to a child."""
    return _to_children(topology, options, lambda i: "wire1", "out")


def child_child(topology, options):
    """From a child to another child of the same lower device."""
    topology.add_sender()
    return _to_children(topology, options, topology.kind.sender, "tx")


def child_wire(topology, options):
    """From a child to the world outside."""
    topology.add_sender()
    return [measure(options, "c0", "tx", OUTSIDE, received=topology.outside())]


def host_wire(topology, options):
    """From the host's stack to the world outside: through the qdisc layer and its hooks."""
    return [measure(options, "wire0", None, OUTSIDE, "queue_xmit", topology.outside())]


# What one topology with n children is asked, in this order: c0 exists from child-child on.
SCENARIOS = {"wire-child": wire_child, "child-child": child_child, "child-wire": child_wire, "host-wire": host_wire}


def floors(options):
    """Sending into nothing; the wire's own end as receiver; the host's way out without any child."""
    with world.Wire() as wire:
        ip_batch(["link add dummy1 type dummy", "link set dummy1 up"], "out")
        yield Result("floor", "pktgen → dummy", 0, measure(options, "dummy1", "out", OUTSIDE))
        yield Result("host-wire", "none", 0, measure(options, "wire0", None, OUTSIDE, "queue_xmit", wire.outside()))
        world.drop_at(["wire0"])
        yield Result("floor", "veth → veth", 0,
                     measure(options, "wire1", "out", OUTSIDE, received=lambda: world.dropped_at("wire0")))


def scan(kind, sizes, wanted, options):
    """One kind at all its sizes: one topology that grows."""
    asked = [name for name in SCENARIOS if name in wanted and name in kind.scenarios]
    sizes = sorted({min(size, kind.limit) for size in sizes})
    if not asked:
        return
    with world.World(kind) as topology:
        for size in sizes:
            topology.grow(size)
            for name in asked:
                each = SCENARIOS[name](topology, options)
                yield Result(name, kind.name, size, sum(each) / len(each), each=[round(x, 1) for x in each])
