# SPDX-License-Identifier: GPL-2.0
"""Time and memory to make many children, to bring them up and to remove them."""

import re

from . import memory, result, world
from .clock import Meter, settle

TRACING = "/sys/kernel/tracing"
PERCPU = "events/percpu/percpu_alloc_percpu"


def _timed(action, *args):
    settle()
    with Meter() as meter:
        action(*args)
    return meter.busy


def _round(kind, ids):
    """One life of all children: (time, memory) of each step; memory is what is held since the beginning."""
    start = memory.snapshot()
    steps = {}
    for name, action in (("create", kind.add), ("up", kind.up)):
        busy = _timed(action, ids)
        steps[name] = busy, memory.snapshot() - start
    steps["remove"] = _timed(kind.remove, ids), memory.snapshot() - start
    return steps


def _traced(name, text):
    with open(f"{TRACING}/{name}", "w", encoding="ascii") as file:
        file.write(text)


def _percpu_bytes(action, ids):
    """Per-CPU memory that is asked for, as the tracepoint of its allocator tells: bytes on each CPU."""
    _traced("trace", "")
    _traced(f"{PERCPU}/enable", "1")
    action(ids)
    _traced(f"{PERCPU}/enable", "0")
    with open(f"{TRACING}/trace", encoding="ascii") as file:
        return sum(int(size) for size in re.findall(r" size=(\d+) ", file.read()))


def scan(kind, children, rounds=3):
    """Several lives; the first warms up: caches of the kernel's allocators, `ip` itself. Other work can only add to time."""
    ids = list(range(1, children + 1))
    some = ids[:100]
    with world.World(kind):
        percpu = {step: _percpu_bytes(action, some) for step, action in (("create", kind.add), ("up", kind.up))}
        kind.remove(some)
        kind.add(ids)
        kind.up(ids)
        kind.remove(ids)
        lives = [_round(kind, ids) for _ in range(rounds)]
    for step in ("create", "up", "remove"):
        busy = [life[step][0] / children for life in lives]
        yield result.least(f"{step}-time", kind.name, children, busy, "instructions per child")
    for step in ("create", "up", "remove"):
        for what in ("held", "objects"):
            held = [getattr(life[step][1], what) / children for life in lives]
            yield result.median(f"{step}-{what}", kind.name, children, held, "bytes per child")
    for step, held in percpu.items():
        yield result.Result(f"{step}-percpu", kind.name, children, held / len(some), "bytes per child and CPU")
