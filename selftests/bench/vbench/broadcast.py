# SPDX-License-Identifier: GPL-2.0
"""One broadcast frame from the wire for many children: until the sender can go on, and until every child has its copy.

Kinds that copy later do it in a work queue. So packets are sent in bursts that
fit every queue, and what the CPU did until it was idle again is counted. Two
lengths of burst: their difference has nothing of what is around it.
"""

import statistics
import time

from . import pktgen, result, world
from .clock import Meter
from .shell import Failed

ALL = "ff:ff:ff:ff:ff:ff"
SHORT, LONG, BURSTS = 10, 110, 15


def _burst(count):
    """Sends one burst and waits until all is quiet: (instructions of sending, instructions of everything)."""
    flow = pktgen.Flow("wire1", ALL, "255.255.255.255", count)
    with Meter() as meter:
        sent = pktgen.send([flow], "out")[0]
        time.sleep(0.1)
    return 1000 * sent.working, meter.busy


def _bursts(count):
    """Medians: a timer tick in a burst lets the work queue in before the sender is done."""
    rounds = [_burst(count) for _ in range(BURSTS)]
    return [statistics.median(column) for column in zip(*rounds)]


def scan(kind, children):
    """Two figures for one kind."""
    with world.World(kind) as topology:
        topology.grow(children)
        topology.drop("kids", [f"c{i}" for i in topology.kids])
        _bursts(SHORT)
        before = world.dropped("kids")
        short, long = _bursts(SHORT), _bursts(LONG)
        expected = BURSTS * (SHORT + LONG) * children
        arrived = world.dropped("kids") - before
        if arrived != expected:
            raise Failed(f"broadcast: {arrived} of {expected} copies arrived")
        sending, everything = ((b - a) / (LONG - SHORT) for a, b in zip(short, long))
        yield result.Result("broadcast-sent", kind.name, children, sending)
        yield result.Result("broadcast-delivered", kind.name, children, everything)
