# SPDX-License-Identifier: GPL-2.0
"""The results as one picture: panels of horizontal bars, VNICs in blue, peers in grey."""

import math
from dataclasses import dataclass, field

from .svg import Canvas
from .table import number

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


def _step(most):
    """A round distance of about five grid lines."""
    raw = most / 5
    power = 10 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)


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


def _grid(canvas, top, bottom, most, scale):
    step = _step(most)
    for i in range(int(most / step) + 1):
        x = LEFT + i * step * scale
        canvas.line(x, top, x, bottom)
        canvas.text(x, bottom + 14, f"{i * step:,.0f}" if step >= 1 else f"{i * step:.1f}", 10, "middle", fill="#57606a")


def _marks(canvas, panel, top, bottom, scale):
    for text, value in panel.marks:
        x = LEFT + value * scale
        canvas.line(x, top, x, bottom, "#cf222e", "4 3")
        canvas.text(x - 4, top - 2, f"{text} {number(value)}", 10, "end", fill="#cf222e")


def draw(canvas, y, panel):
    """Draws one panel with its top at y; returns where it ends."""
    values = [value for group in panel.groups.values() for value in group if value is not None]
    values += [value for _, value in panel.marks]
    most = max(values) * 1.02
    scale = (WIDTH - LEFT - RIGHT) / most
    canvas.text(16, y + 16, panel.title, 15, weight="bold")
    canvas.text(16, y + 33, panel.unit, 11, fill="#57606a")
    _legend(canvas, y + 33, panel.series)
    top = y + 52
    rows = sum(len([v for v in group if v is not None]) for group in panel.groups.values())
    bottom = top + rows * (BAR + GAP) + len(panel.groups) * GROUP
    _grid(canvas, top, bottom, most, scale)
    at = top + GROUP / 2
    for kind, group in panel.groups.items():
        colours = _shades(BLUES if kind.startswith("vnic") else GREYS, len(panel.series))
        shown = [(value, colour) for value, colour in zip(group, colours) if value is not None]
        canvas.text(LEFT - 8, at + len(shown) * (BAR + GAP) / 2 + 4, kind, 12, "end",
                    "bold" if kind.startswith("vnic") else "normal")
        for value, colour in shown:
            canvas.rect(LEFT, at, value * scale, BAR, colour)
            canvas.text(LEFT + value * scale + 5, at + BAR - 2.5, number(value), 11)
            at += BAR + GAP
        at += GROUP
    _marks(canvas, panel, top, bottom, scale)
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
    kinds = results.kinds("broadcast-delivered")
    if kinds:
        yield Panel("One broadcast from the wire for 100 children", "instructions per packet",
                    ["sender goes on", "all delivered"],
                    {kind: [results.any(f"broadcast-{what}", kind) for what in ("sent", "delivered")] for kind in kinds})
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
