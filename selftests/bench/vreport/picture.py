# SPDX-License-Identifier: GPL-2.0
"""The results as one picture: panels of horizontal bars, VNICs in blue, peers in grey."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from .bars import PROTECTED
from .svg import Canvas
from .table import PROTECTION, number, short

WIDTH, LEFT, RIGHT = 980, 130, 90
BAR, GAP, GROUP = 13, 2, 9
# From few children to many.
BLUES = ("#9ecbff", "#58a6ff", "#1f6feb", "#0a3069")
GREYS = ("#d8dee4", "#afb8c1", "#8c959f", "#57606a")


@dataclass
class Panel:
    """One diagram. groups: kind → its values, one for each label of `series`; None is left out."""
    title: str
    unit: str
    series: list
    groups: dict
    # (text, value): dashed lines across all bars.
    marks: list = field(default_factory=list)
    # Each power of ten is as wide as the one before; the first value at the left is 1.
    logarithmic: bool = False
    show: Callable = number


class Linear:
    """From a value to a place, 0 at the left."""

    def __init__(self, most):
        self.most = most * 1.02
        # A round distance of about five grid lines.
        raw = self.most / 5
        power = 10 ** math.floor(math.log10(raw))
        self.step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)

    def place(self, value):
        return LEFT + value / self.most * (WIDTH - LEFT - RIGHT)

    def ticks(self):
        return [(i * self.step, f"{i * self.step:,.0f}" if self.step >= 1 else f"{i * self.step:.1f}")
                for i in range(int(self.most / self.step) + 1)]


class Logarithmic:
    """The same, 1 at the left."""

    def __init__(self, most):
        self.most = math.log10(most * 1.2)

    def place(self, value):
        return LEFT + math.log10(max(value, 1)) / self.most * (WIDTH - LEFT - RIGHT)

    def ticks(self):
        return [(10 ** i, f"{10 ** i:,}") for i in range(int(self.most) + 1)]


def _shades(colours, count):
    return colours[-1:] if count == 1 else [colours[round(i * (len(colours) - 1) / (count - 1))] for i in range(count)]


def _legend(canvas, y, series):
    if len(series) < 2:
        return
    x = WIDTH - RIGHT - 130 * len(series)
    for label, blue, grey in zip(series, _shades(BLUES, len(series)), _shades(GREYS, len(series))):
        canvas.rect(x, y - 10, 11, 11, blue)
        canvas.rect(x + 12, y - 10, 11, 11, grey)
        canvas.text(x + 28, y, label, 11)
        x += 130


def _grid(canvas, top, bottom, axis):
    for value, text in axis.ticks():
        x = axis.place(value)
        canvas.line(x, top, x, bottom)
        canvas.text(x, bottom + 14, text, 10, "middle", fill="#57606a")


def _marks(canvas, panel, top, bottom, axis):
    for text, value in panel.marks:
        x = axis.place(value)
        canvas.line(x, top, x, bottom, "#cf222e", "4 3")
        canvas.text(x - 4, top - 2, f"{text} {panel.show(value)}", 10, "end", fill="#cf222e")


def draw(canvas, y, panel):
    """Draws one panel with its top at y; returns where it ends."""
    values = [value for group in panel.groups.values() for value in group if value is not None]
    values += [value for _, value in panel.marks]
    axis = (Logarithmic if panel.logarithmic else Linear)(max(values))
    canvas.text(16, y + 16, panel.title, 15, weight="bold")
    canvas.text(16, y + 33, panel.unit, 11, fill="#57606a")
    _legend(canvas, y + 33, panel.series)
    top = y + 52
    rows = sum(len([v for v in group if v is not None]) for group in panel.groups.values())
    bottom = top + rows * (BAR + GAP) + len(panel.groups) * GROUP
    _grid(canvas, top, bottom, axis)
    at = top + GROUP / 2
    for kind, group in panel.groups.items():
        colours = _shades(BLUES if kind.startswith("vnic") else GREYS, len(panel.series))
        shown = [(value, colour) for value, colour in zip(group, colours) if value is not None]
        canvas.text(LEFT - 8, at + len(shown) * (BAR + GAP) / 2 + 4, kind, 12, "end",
                    "bold" if kind.startswith("vnic") else "normal")
        for value, colour in shown:
            end = axis.place(value)
            canvas.rect(LEFT, at, end - LEFT, BAR, colour)
            canvas.text(end + 5, at + BAR - 2.5, panel.show(value), 11)
            at += BAR + GAP
        at += GROUP
    _marks(canvas, panel, top, bottom, axis)
    return bottom + 36


def _sized(results, scenario, title, marks=()):
    sizes = [size for size in results.sizes(scenario) if size]
    groups = {kind: [results.value(scenario, kind, size) for size in sizes] for kind in results.kinds(scenario) if kind != "none"}
    return Panel(title, results.unit(scenario), [f"{size:,} on the link" for size in sizes], groups, list(marks))


def _plain(results, scenario, title):
    return Panel(title, results.unit(scenario), [""], {kind: [results.any(scenario, kind)] for kind in results.kinds(scenario)})


def _mark(results, scenario, kind, text):
    value = results.any(scenario, kind)
    return [(text, value)] if value else []


def _neighbour(results):
    """What the victim of a noisy neighbour notices."""
    kinds = results.kinds("neighbour-flooded-p99")
    quiet = [results.any("neighbour-quiet-p99", kind) for kind in kinds if kind in PROTECTED]
    budget = results.any("neighbour-load-budget", "none")
    bar = [("bar: quiet + one poll budget", min(quiet) + budget)] if quiet else []
    for name, title, marks, logarithmic in (
            ("received", "Noisy neighbour: packets that arrive at the victim", [], False),
            ("lost", "Noisy neighbour: packets that the victim loses", [], False),
            ("tcp", "Noisy neighbour: the victim's TCP connection", [], False),
            ("p50", "Noisy neighbour: half of the victim's packets arrive within", [], True),
            ("p99", "Noisy neighbour: 99 % of the victim's packets arrive within", bar, True)):
        groups = {PROTECTION.get(kind, kind): [results.any(f"neighbour-{case}-{name}", kind) for case in ("quiet", "flooded")] for kind in kinds}
        if kinds and any(max(group) for group in groups.values()):
            yield Panel(title, results.unit(f"neighbour-flooded-{name}"), ["alone", "neighbour flooded"], groups, marks, logarithmic, short)


def _sizes_and_polls(results):
    """One child, packets of 60 and 1,500 bytes, alone and 32 in a poll: what storing them costs."""
    kinds = results.kinds("wire-child-1500")
    scenarios = ("wire-child", "wire-child-burst", "wire-child-1500", "wire-child-burst-1500")
    if kinds:
        yield Panel("From the wire to a child: alone, and 32 in a poll", results.unit("wire-child-1500"),
                    ["60 bytes", "60, 32 in a poll", "1,500 bytes", "1,500, 32 in a poll"],
                    {kind: [results.any(scenario, kind) for scenario in scenarios] for kind in kinds})


def _flows(results):
    for kind in results.kinds("flows-none"):
        def figures(name, kind=kind):
            return [results.any(f"flows-{name}-{case}", kind) for case in ("missed", "found")]
        yield Panel("From the wire to a child with flows, which have 16 masks", results.unit("flows-none"), ["packet of none", "packet of a flow"],
                    {f"{kind}, no flow": [results.any("flows-none", kind), None], f"{kind}, 16 flows": figures("one-each"),
                     f"{kind}, 10,000": figures("many")})


def panels(results):
    wanted = [
        ("wire-child", "From the wire to a child", _mark(results, "floor", "veth → veth", "floor: veth → veth")),
        ("child-child", "From a child to another child of the same link", []),
        ("child-wire", "From a child to the wire", []),
        ("host-wire", "From the host's stack to the wire", _mark(results, "host-wire", "none", "without children"))]
    wanted += [(name, name, []) for name in results.scenarios() if "CPU" in name]
    for scenario, title, marked in wanted:
        if results.kinds(scenario):
            yield _sized(results, scenario, title, marked)
    yield from _sizes_and_polls(results)
    yield from _flows(results)
    kinds = results.kinds("broadcast-delivered")
    if kinds:
        yield Panel("One broadcast from the wire for 100 children", "instructions per packet",
                    ["sender goes on", "all delivered"],
                    {kind: [results.any(f"broadcast-{what}", kind) for what in ("sent", "delivered")] for kind in kinds})
    yield from _neighbour(results)
    for scenario, title in (("tcp", "One TCP connection between two children"), ("create-time", "Making a child, one of many: time"),
                            ("create-held", "Making a child, one of many: memory")):
        if results.kinds(scenario):
            yield _plain(results, scenario, title)


def picture(results):
    canvas = Canvas(WIDTH)
    emulated = results.about["emulated"] and results.about["options"]["tasks"] == "real"
    canvas.text(16, 30, f"VNICs and their peers, Linux {results.about['kernel']}{' (emulated processor)' * emulated}", 18, weight="bold")
    y = 52
    for panel in panels(results):
        y = draw(canvas, y, panel)
    return canvas.document(y)
