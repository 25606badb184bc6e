# SPDX-License-Identifier: GPL-2.0
"""One figure of the bench; what is printed as a line of JSON."""

from dataclasses import dataclass, field

PACKET = "instructions per packet"


@dataclass
class Result:
    """`value` is the mean, the median or the least of `each`."""
    scenario: str
    kind: str
    children: int
    value: float
    unit: str = PACKET
    each: list = field(default_factory=list)


def mean(scenario, kind, children, each, unit=PACKET):
    return Result(scenario, kind, children, sum(each) / len(each), unit, [round(x, 2) for x in each])


def median(scenario, kind, children, each, unit=PACKET):
    return Result(scenario, kind, children, sorted(each)[len(each) // 2], unit, [round(x, 2) for x in each])


def least(scenario, kind, children, each, unit=PACKET):
    return Result(scenario, kind, children, min(each), unit, [round(x, 3) for x in each])
