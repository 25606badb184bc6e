# SPDX-License-Identifier: GPL-2.0
"""What VNICs must reach, checked against the peers of the same boot."""

from dataclasses import dataclass

ON_WIRE = ("vnic", "vnic+host")
# Pages come and go around the measurement: 100 of them are 0.4 KB for each of 1,000 children, of about 46 KB.
MEMORY_RESOLUTION = 0.005
ALL = ("vnic", "vnic+host", "vnic+stub")
# What protects from neighbours: by default, and always. `poll inline` does not.
PROTECTED = ("vnic+auto", "vnic+ring", "vnic+pool")


@dataclass
class Verdict:
    """One bar of one kind; `value` at most `factor` times `limit`, which may be nothing."""
    bar: str
    kind: str
    value: float
    limit: float
    factor: float

    @property
    def ratio(self):
        return self.value / self.limit if self.limit else None

    @property
    def passed(self):
        return self.value <= self.factor * self.limit


def _worst(verdicts):
    """Of one bar at several sizes, the one that is nearest to its limit or beyond it."""
    return max(verdicts, key=lambda verdict: verdict.ratio / verdict.factor, default=None)


def _against(results, bar, scenario, kind, peer, factor):
    """The same scenario of a peer, at every number of children that both have; a peer with one figure has it for all."""
    found = []
    for size in results.sizes(scenario):
        own = results.value(scenario, kind, size)
        theirs = results.value(scenario, peer, size) or (results.any(scenario, peer) if peer in ("veth", "none") else None)
        if own and theirs:
            found.append(Verdict(bar, kind, own, theirs, factor))
    return _worst(found)


def _against_one(results, bar, scenario, kind, size, factor):
    own, one = results.value(scenario, kind, size), results.value(scenario, kind, 1)
    return Verdict(bar, kind, own, one, factor) if own and one else None


def _beyond(results, bar, scenario, kind, peer, factor, more=0.0):
    """At most `factor` times what a peer has, and `more`."""
    own, theirs = results.any(scenario, kind), results.any(scenario, peer)
    if not own or not theirs:
        return None
    return Verdict(bar, kind, own, factor * theirs + more, 1) if more else Verdict(bar, kind, own, theirs, factor)


def _ring(results):
    """What a ring may cost, which a macvlan does not have."""
    yield _beyond(results, "ring, one in a poll: at most 1.05 × macvlan", "wire-child", "vnic+ring", "macvlan", 1.05)
    yield _beyond(results, "ring, 32 in a poll: at most 0.90 × macvlan", "wire-child-burst", "vnic+ring", "macvlan", 0.9)


def _pool(results):
    """What storing may cost: beyond that of a macvlan, which stores nothing."""
    kind, large = "vnic+pool", 1500
    yield _beyond(results, "pool, 60 bytes: at most 1.35 × macvlan", "wire-child", kind, "macvlan", 1.35)
    yield _beyond(results, "pool, 60 bytes, 32 in a poll: at most 1.15 × macvlan", "wire-child-burst", kind, "macvlan", 1.15)
    for scenario, poll in (("wire-child-1500", ""), ("wire-child-burst-1500", ", 32 in a poll")):
        yield _beyond(results, f"pool, 1,500 bytes{poll}: at most 1.35 × macvlan + 1.1 a byte", scenario, kind, "macvlan", 1.35, 1.1 * large)
    yield _beyond(results, "pool, local TCP: at most 1.2 a byte more than without", "tcp", kind, "vnic", 1, 1.2)


def _flows(results, kind):
    for case in ("missed", "found"):
        many, few = (results.any(f"flows-{name}-{case}", kind) for name in ("many", "one-each"))
        if many and few:
            yield Verdict(f"flows, the packet is {case}: 10,000 at most 1.10 × one a mask", kind, many, few, 1.1)


def _neighbour(results, kind):
    """A neighbour is flooded: nothing is lost, and no packet waits longer than for one poll budget."""
    def figure(case, name):
        return results.any(f"neighbour-{case}-{name}", kind)

    if figure("flooded", "p99") is None:
        return
    budget = results.any("neighbour-load-budget", "none")
    yield Verdict("noisy neighbour: packets lost", kind, figure("flooded", "lost"), 0, 1)
    yield Verdict("noisy neighbour: segments of TCP sent again", kind, figure("flooded", "again"), 0, 1)
    yield Verdict("noisy neighbour: TCP when quiet at most 1.01 × flooded", kind, figure("quiet", "tcp"), figure("flooded", "tcp"), 1.01)
    yield Verdict("noisy neighbour: p99 at most quiet + a poll budget", kind, figure("flooded", "p99"), figure("quiet", "p99") + budget, 1)


def check(results):
    """The verdicts of all bars whose figures were measured."""
    verdicts = []
    for kind in ON_WIRE:
        verdicts += [
            _against(results, "wire → VNIC at most ipvlan", "wire-child", kind, "ipvlan", 1),
            _against_one(results, "wire → VNIC: 4,096 VNICs at most 1.03 × one", "wire-child", kind, 4096, 1.03)]
    verdicts += [_against(results, "wire → VNIC at rest: poll auto at most 1.01 × inline", "wire-child-slow", "vnic+auto", "vnic", 1.01)]
    for kind in ALL:
        verdicts += [
            _against(results, "VNIC → VNIC at most 1.01 × veth", "child-child", kind, "veth", 1.01),
            _against_one(results, "VNIC → VNIC: 1,000 VNICs at most 1.03 × one pair", "child-child", kind, 1000, 1.03)]
    for kind in ON_WIRE:
        verdicts += [_against(results, "host → wire at most 1.05 × without VNICs", "host-wire", kind, "none", 1.05)]
    for kind in ALL:
        verdicts += [
            _against(results, "creating: time at most macvlan's", "create-time", kind, "macvlan", 1),
            _against(results, "creating: memory at most macvlan's", "create-held", kind, "macvlan", 1 + MEMORY_RESOLUTION),
            _against(results, "creating: per-CPU memory at most macvlan's", "create-percpu", kind, "macvlan", 1)]
    verdicts += _ring(results)
    verdicts += _pool(results)
    verdicts += _flows(results, "vnic")
    for kind in PROTECTED:
        verdicts += _neighbour(results, kind)
    return [verdict for verdict in verdicts if verdict]
