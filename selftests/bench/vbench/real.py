# SPDX-License-Identifier: GPL-2.0
"""Real time: packets per second, from one CPU and from all CPUs at once, each to a child of its own."""

import os

from . import pktgen, result, world
from .shell import run

SECONDS = 0.5
ROUNDS = 5
# Packets that are sent to find out how many packets that are.
TRIAL = 10000
UNIT = "packets per second"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")


def emulated():
    """QEMU without KVM says so in the processor's name."""
    return "TCG" in processor()


def _rate(flows, ns):
    """All flows at once; so many packets that it takes SECONDS."""
    for flow in flows:
        flow.count = TRIAL
    slowest = max(sent.elapsed for sent in pktgen.send(flows, ns))
    for flow in flows:
        flow.count = max(TRIAL, int(TRIAL * SECONDS * 1e6 / slowest))
    return sum(sent.per_second for sent in pktgen.send(flows, ns))


def _queues(dev, ns):
    """Queues that the device uses; `ip -d link` shows how many it could."""
    return run("ip", "netns", "exec", ns, "ls", f"/sys/class/net/{dev}/queues").count("tx-")


def _scenarios(topology):
    kind = topology.kind
    if "wire-child" in kind.scenarios:
        yield "wire-child", lambda i: "wire1", "out"
    if "child-child" in kind.scenarios:
        topology.add_sender()
        yield "child-child", kind.sender, "tx"


def scan(kind, sizes):
    """Every scenario at every size, with one sender and with one for each CPU."""
    cpus = os.cpu_count()
    with world.World(kind) as topology:
        for size in sorted({max(1, min(size, kind.limit)) for size in sizes}):
            topology.grow(size)
            for name, sender, ns in _scenarios(topology):
                targets = topology.targets(cpus)
                for senders in sorted({1, cpus}):
                    chosen = [targets[k % len(targets)] for k in range(senders)]
                    flows = [pktgen.Flow(sender(i), queues=_queues(sender(i), ns), **topology.address(i)) for i in chosen]
                    rates = [_rate(flows, ns) for _ in range(ROUNDS)]
                    yield result.median(f"{name}, {senders} CPU{'s'[:senders > 1]}", kind.name, size, rates, UNIT)
