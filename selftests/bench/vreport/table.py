# SPDX-License-Identifier: GPL-2.0
"""The results as Markdown."""

# Scenario → what it is called. Those of one group share a table.
PACKETS = {
    "wire-child": "wire → child",
    "wire-child-slow": "wire → child, 10,000 packets a second",
    "wire-child-burst": "wire → child, 32 in a poll",
    "wire-child-1500": "wire → child, 1,500 bytes",
    "wire-child-burst-1500": "wire → child, 1,500 bytes, 32 in a poll",
    "child-child": "child → child",
    "child-wire": "child → wire",
    "host-wire": "host → wire",
}
CROWDS = {
    "broadcast-sent": "broadcast from the wire: until the sender goes on",
    "broadcast-delivered": "broadcast from the wire: until every child has its copy",
    "tcp": "one TCP connection, child → child",
}
CREATION = {
    "create-time": "create", "up-time": "bring up", "remove-time": "remove",
    "create-held": "memory: created", "up-held": "memory: up", "up-objects": "of it slab objects",
    "create-percpu": "per-CPU memory: created", "up-percpu": "per-CPU memory: brought up",
}
FLOWS = {
    "flows-none": "no flows",
    "flows-one-each-missed": "one for each of 16 masks, the packet of none", "flows-many-missed": "10,000 of these masks, the packet of none",
    "flows-one-each-found": "one for each, the packet of one", "flows-many-found": "10,000, the packet of one",
}
NEIGHBOUR = {
    "received": "packets that arrive", "lost": "lost", "p50": "latency p50", "p99": "p99", "most": "longest",
    "tcp": "TCP", "again": "TCP sent again", "missed": "lost by the NIC", "flood": "of the flood up to the neighbour's socket",
}
# Kinds by how they protect from neighbours.
PROTECTION = {"vnic": "vnic poll inline", "vnic+ring": "vnic poll ring", "vnic+auto": "vnic (default)", "vnic+pool": "vnic in a pool"}


def number(value):
    if value is None:
        return ""
    return f"{value:,.3f}" if abs(value) < 100 and value else f"{value:,.0f}"


def short(value):
    """Of times, rates and counts the first three places."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def ratio(verdict):
    return "" if verdict.ratio is None else f"{verdict.ratio:.4f}"


def _row(cells):
    return "| " + " | ".join(cells) + " |\n"


def _table(head, rows):
    return _row(head) + _row(["---"] + ["---:"] * (len(head) - 1)) + "".join(_row(row) for row in rows) + "\n"


def _by_size(results, scenario, title):
    sizes = results.sizes(scenario)
    rows = [[kind] + [number(results.value(scenario, kind, size)) for size in sizes] for kind in results.kinds(scenario)]
    heads = [f"{size:,} on the link" if size else "no children" for size in sizes]
    return f"### {title} ({results.unit(scenario)})\n\n" + _table(["kind"] + heads, rows)


def _creation(results):
    """All kinds were asked for the same number, but some cannot do so many."""
    full = max(results.sizes("create-time"), default=0)
    sizes = {kind: results.size("create-time", kind) for kind in results.kinds("create-time")}
    few = {kind: f"{kind} ({size:,} only)" for kind, size in sizes.items() if size < full}
    return _by_scenario(results, CREATION, f"Making {full:,} children", few)


def _by_scenario(results, names, title, labels=None):
    names = {name: text for name, text in names.items() if results.kinds(name)}
    kinds = list(dict.fromkeys(kind for name in names for kind in results.kinds(name)))
    if not kinds:
        return ""
    heads = [f"{text} ({results.unit(name)})" for name, text in names.items()]
    rows = [[(labels or {}).get(kind, kind)] + [number(results.any(name, kind)) for name in names] for kind in kinds]
    return f"### {title}\n\n" + _table(["kind"] + heads, rows)


def _neighbour(results):
    """Two lines for each kind."""
    kinds = results.kinds("neighbour-flooded-p99")
    if not kinds:
        return ""
    load = {name: results.any(f"neighbour-load-{name}", "none") for name in ("socket", "poll", "gap", "budget")}
    heads = [f"{text} ({results.unit(f'neighbour-flooded-{name}')})" for name, text in NEIGHBOUR.items()]
    rows = [[f"{PROTECTION.get(kind, kind)}, {case}"] + [short(results.any(f"neighbour-{case}-{name}", kind)) for name in NEIGHBOUR]
            for kind in kinds for case in ("quiet", "flooded")]
    return "### Noisy neighbour\n\n" + _table(["kind"] + heads, rows) + (
        f"The flood: a frame each {number(load['gap'])} virtual ns. Without children a frame takes {number(load['socket'])} up to a socket, "
        f"{number(load['poll'])} if it is for nobody. One poll budget is {number(load['budget'])} µs.\n\n")


def _verdicts(verdicts):
    if not verdicts:
        return ""
    rows = [[v.bar, v.kind, number(v.value), number(v.limit), ratio(v), f"{v.factor:.3f}", "yes" if v.passed else "**NO**"]
            for v in verdicts]
    return "### Bars\n\n" + _table(["bar", "kind", "figure", "compared with", "ratio", "at most", "reached"], rows)


def markdown(results, verdicts):
    about = results.about
    how = (f"{about['processors']} processors in real time" if "real" in about["options"]["tasks"]
           else "instructions (qemu -icount, one processor)")
    text = f"# Bench: Linux {about['kernel']}, {how}\n\n"
    emulated = " **Emulated: not comparable with any real machine.**" if about["emulated"] and "real" in about["options"]["tasks"] else ""
    text += f"Processor: {about['processor']}.{emulated} "
    text += f"Kernel command line: `{about['command line']}`. Module: {about['module'] or 'none'}.\n\n"
    if about["options"]["tasks"] != "real":
        text += ("One packet: 60 bytes of UDP, one owner. Receivers drop at ingress. "
                 "Kinds: Documentation/bench.md.\n\n")
    text += _verdicts(verdicts)
    floors = results.kinds("floor")
    if floors:
        text += "### Floors (instructions per packet)\n\n" + _table(
            ["path", "figure"], [[kind, number(results.any("floor", kind))] for kind in floors])
    known = {**PACKETS, **{name: name for name in results.scenarios() if "CPU" in name}}
    for scenario, title in known.items():
        if results.kinds(scenario):
            text += _by_size(results, scenario, title)
    text += _by_scenario(results, CROWDS, "Broadcast and TCP")
    text += _by_scenario(results, FLOWS, "Flows of a VNIC, wire → child")
    text += _neighbour(results)
    text += _creation(results)
    for failure in results.failed:
        text += f"**Failed:** {failure['failed']}: {failure['reason']}\n\n"
    return text
