#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=2 timeout=480 leaks=yes
"""
Limits that change, and VNICs that go, while packets come and wait: packets keep their order, nothing is lost that need not be, nothing stays.
On several processors, where they can overtake each other.
"""
import os
import random
import signal
import subprocess
import time

# pylint: disable=import-error,wrong-import-order
import limits
from limits import MBIT, link_set
from family import SLOW, ip, ip_batch, run, run_all, same, templates
from wire import ORDER, PACE, finish, receive_in_order, received_by
from lib import ynl

# So many changes and so many packets make a test for order; ORDER_SECONDS=600 is for as long as one likes.
SECONDS = int(os.environ.get("ORDER_SECONDS", 0))
CHANGES, PACKETS = (150, 35000) if SLOW == 1 else (100, 2000)
# With pauses only some of the changes meet packets that wait.
CHANGES_PAUSED = 240 if SLOW == 1 else 60
# Up to so many microseconds between some packets of a flow and the next ones: about as many as 5 Mbit/s let through.
PAUSE = 25000
RATES = (0, 8000, 5 * MBIT, 50 * MBIT, 300 * MBIT, 1000 * MBIT, 1000000 * MBIT)
DELAYS = (100, 1000, 5000, 20000)
PRIORITIES = ("high", "medium", "low")


class World(limits.World):
    """The same; and whether what comes to the far end goes through one backlog."""

    one_backlog = False


def in_order(world, source, to, change, pause=0):
    """Four flows, which are floods or have pauses, while something is changed again and again: none gets a packet before an earlier one."""
    # A veth has a backlog for each processor that sends, and a wire keeps its order.
    if not world.one_backlog:
        run("ip", "netns", "exec", "out", "sh", "-c", "mount -t sysfs none /sys; echo 1 > /sys/class/net/wire1/queues/rx-0/rps_cpus")
        world.one_backlog = True
    receiver = receive_in_order(world, 4, to)
    sender = world.start(ORDER, "send", world.where[to][1], "7000", "4", "0", *([str(pause)] if pause else []), netns=source)
    began, count, before = time.monotonic(), 0, received_by(receiver)
    changes, packets = (CHANGES_PAUSED, 0) if pause else (CHANGES, PACKETS)
    while time.monotonic() < began + SECONDS or count < changes or received_by(receiver) < before + packets:
        same(True, time.monotonic() < began + max(SECONDS, 30) * SLOW, f"in time: {count} changes, {received_by(receiver) - before} packets")
        change(count)
        count += 1
        time.sleep(random.uniform(0, pause / 10 ** 6) if pause else random.choice((0, 0.001, 0.01)))
    sender.kill()
    sender.wait()
    got = finish(receiver)
    same(0, got["backwards"], f"out of order after {count} changes: {got}")
    same(True, got["received"] > 1000, f"received: {got}")
    print(f"# {count} changes, {got}", flush=True)


def some(ways):
    """Limits of a VNIC or a flow by chance; every third time none."""
    settings = {"limit-delay": random.choice(DELAYS)}
    for way in ways:
        settings[f"{way}-maxbw"] = random.choice(RATES)
        settings[f"{way}-maxpps"] = random.choice((0, 0, 1000, 100000))
    if random.randrange(3) == 0:
        settings = {key: 0 for key in settings if key != "limit-delay"}
    return settings


def order_received(world):
    for source in ("out", "tx"):
        in_order(world, source, "kid", lambda _: world.set("v1", **some(["rx"])))


def order_sent(world):
    for to in ("out", "kid"):
        in_order(world, "tx", to, lambda _: world.set("v0", **some(["tx"])))


def order_edge(world):
    """Limits near what is sent: packets wait, and pass, and wait again."""
    receiver = receive_in_order(world, 4, "kid")
    sender = world.start(ORDER, "send", "10.1.0.2", "7000", "4", "0", netns="tx")
    time.sleep(0.5 * SLOW)
    before, began = world.stats("v0")["tx-packets"], time.monotonic()
    time.sleep(0.5 * SLOW)
    rate = (world.stats("v0")["tx-packets"] - before) / (time.monotonic() - began)
    sender.kill()
    sender.wait()
    finish(receiver)
    for dev, way in (("v0", "tx"), ("v1", "rx")):
        in_order(world, "tx", "kid", lambda _, dev=dev, way=way: world.set(
            dev, **{f"{way}-maxpps": int(rate * random.uniform(0.7, 1.5)), "limit-delay": random.choice(DELAYS)}))
        world.set(dev, **{f"{way}-maxpps": 0})
    print(f"# near {rate:.0f} packets a second", flush=True)


def order_link(world):
    def change(count):
        if count % 3 == 0:
            link_set(maxbw=random.choice(RATES))
        elif count % 3 == 1:
            link_set(maxbw=random.choice(RATES[1:]))
        else:
            world.set("v0", share=random.randrange(1, 1001), priority=random.choice(PRIORITIES))
    # Somebody else who wants it.
    world.start(ORDER, "send", "10.1.0.1", "9", "1", "0", netns="kid2")
    in_order(world, "tx", "out", change)
    # What waits by an old priority.
    link_set(maxbw=5 * MBIT)
    world.set("v0", **{"share": 100, "limit-delay": DELAYS[-1]})
    in_order(world, "tx", "out", lambda _: world.set("v0", priority=random.choice(PRIORITIES)), PAUSE)
    link_set(maxbw=0)


def order_flow_link(world):
    """On a link, of flows whose priorities change, and their VNIC's."""
    for name, port in (("one", 7000), ("two", 7001)):
        world.host.do("flow-add", {"vnic": world.ids["v0"], "name": name, "ethertype": 0x800, "protocol": 17, "remote-port": port})

    def prioritize(_):
        world.host.do("flow-set", {"vnic": world.ids["v0"], "name": random.choice(("one", "two")), "priority": random.choice((*PRIORITIES, "vnic"))})

    def change(count):
        if count % 8 == 0:
            link_set(maxbw=random.choice(RATES))
        elif count % 8 == 1:
            link_set(maxbw=random.choice(RATES[2:]))
        elif count % 8 == 2:
            world.set("v0", priority=random.choice(PRIORITIES), **{"limit-delay": random.choice(DELAYS)})
        else:
            prioritize(count)
    world.start(ORDER, "send", "10.1.0.1", "9", "1", "0", netns="kid2")
    in_order(world, "tx", "out", change)
    # Some wait for their VNIC before.
    world.set("v0", **{"tx-maxbw": 50 * MBIT})
    in_order(world, "tx", "out", change)
    # What waits by an old priority.
    link_set(maxbw=5 * MBIT)
    world.set("v0", **{"tx-maxbw": 0, "priority": "medium", "limit-delay": DELAYS[-1]})
    in_order(world, "tx", "out", prioritize, PAUSE)
    link_set(maxbw=0)


def order_flow(world):
    """Of a flow, and of its VNIC at the same time."""
    for source, to, dev, way in (("out", "kid", "v1", "rx"), ("tx", "kid", "v1", "rx"), ("tx", "kid", "v0", "tx")):
        port = "local-port" if way == "rx" else "remote-port"
        world.host.do("flow-add", {"vnic": world.ids[dev], "name": "one", "ethertype": 0x800, "protocol": 17, port: 7000})
        world.host.do("flow-add", {"vnic": world.ids[dev], "name": "two", "ethertype": 0x800, "protocol": 17, port: 7001})

        def change(count, dev=dev, way=way):
            if count % 4 == 0:
                world.set(dev, **some([way]))
            else:
                name = random.choice(("one", "two"))
                world.host.do("flow-set", {"vnic": world.ids[dev], "name": name, **some([way])})
        in_order(world, source, to, change)
        for name in ("one", "two"):
            world.host.do("flow-del", {"vnic": world.ids[dev], "name": name})
        world.set(dev, **{f"{way}-maxbw": 0, f"{way}-maxpps": 0})


def order_all(world):
    """Limits of sender, receiver and flow, the way packets are polled, pools' like, and how many rings."""
    world.host.do("flow-add", {"vnic": world.ids["v1"], "name": "one", "ethertype": 0x800, "protocol": 17, "local-port": 7000})

    def change(_):
        what = random.randrange(5)
        if what == 0:
            world.set("v0", **some(["tx", "rx"]))
        elif what == 1:
            world.set("v1", **some(["tx", "rx"]))
        elif what == 2:
            world.host.do("flow-set", {"vnic": world.ids["v1"], "name": "one", **some(["rx", "tx"])})
        else:
            world.set("v1", poll=random.choice(("auto", "inline", "ring")))
    in_order(world, "tx", "kid", change)
    in_order(world, "out", "kid", change)


# 142 bytes each: one goes, and about seven wait for a second, if they may.
SLOWLY = {"tx-maxbw": 8000, "rx-maxbw": 8000, "limit-delay": 1000000}


def some_wait(world, source, to):
    run(PACE, "send", world.where[to][1], "7000", "100", "1000", "7", netns=source)


def let_go(world):
    """A limit that is taken away loses nothing that waits."""
    for source, to, dev in (("tx", "out", "v0"), ("tx", "kid", "v0"), ("out", "kid", "v1"), ("tx", "kid", "v1")):
        receiver = world.receive(to)
        world.set(dev, **SLOWLY)
        some_wait(world, source, to)
        world.set(dev, **{"tx-maxbw": 0, "rx-maxbw": 0})
        got = finish(receiver, 7)
        same((7, 0, 0), (got["received"], got["lost"], got["backwards"]), f"{source} to {to} by {dev}")
    receiver = world.receive("out")
    world.set("v0", **{"limit-delay": 1000000})
    link_set(maxbw=8000)
    some_wait(world, "tx", "out")
    link_set(maxbw=0)
    same(7, finish(receiver, 7)["received"], "by the link")


def refused_all(world):
    """A transaction that is refused takes no limit away: what waits still does, of a VNIC and of a flow."""
    host = world.host
    host.do("flow-add", {"vnic": world.ids["v0"], "name": "one", "ethertype": 0x800, "protocol": 17, "remote-port": 7000})
    vnic = {"id": world.ids["v0"], "tx-maxbw": 0}
    flow = {"vnic": world.ids["v0"], "name": "one", "tx-maxbw": 0, "change": True}
    # The one after it is refused: of a link that has no such MTU, or has been there before.
    for where, entry, impossible in (("vnic", vnic, {"id": world.ids["v1"], "mtu": 70000}), ("flow", flow, {"vnic": world.ids["v0"], "name": "one"})):
        receiver = world.receive("kid")
        if where == "vnic":
            world.set("v0", **SLOWLY)
        else:
            host.do("flow-set", {"vnic": world.ids["v0"], "name": "one", "tx-maxbw": 8000, "limit-delay": 1000000})
        some_wait(world, "tx", "kid")
        before = received_by(receiver)
        try:
            host.do("apply", {where: [entry, impossible]})
        except ynl.NlError:
            pass
        else:
            raise AssertionError("this should have been refused")
        shown = host.do("vnic-get", {"id": world.ids["v0"]}) if where == "vnic" else host.do("flow-get", {"vnic": world.ids["v0"], "name": "one"})
        same(8000, shown["tx-maxbw"], f"limit of the {where}")
        same(True, received_by(receiver) < receiver.before + 7, f"all at once: {received_by(receiver)} after {before}")
        host.do("apply", {where: [entry]})
        shown = host.do("vnic-get", {"id": world.ids["v0"]}) if where == "vnic" else host.do("flow-get", {"vnic": world.ids["v0"], "name": "one"})
        same(None, shown.get("tx-maxbw"), f"limit of the {where}")
        same(7, finish(receiver, 7)["received"], "when it is gone")
    # Twice in one: the last one is right.
    for settings, wanted in (((5 * MBIT, 0), None), ((0, 6 * MBIT), 6 * MBIT), ((0, 0), None)):
        host.do("apply", {"vnic": [{"id": world.ids["v0"], "tx-maxbw": bits} for bits in settings]})
        same(wanted, host.do("vnic-get", {"id": world.ids["v0"]}).get("tx-maxbw"), f"after {settings}")
    host.do("apply", {"vnic": [{"id": world.ids["v0"], "tx-maxbw": 5 * MBIT, "rx-maxpps": 9}]})
    host.do("apply", {"vnic": [{"id": world.ids["v0"], "tx-maxbw": 0}, {"id": world.ids["v0"], "rx-maxbw": 7 * MBIT}]})
    shown = host.do("vnic-get", {"id": world.ids["v0"]})
    same((None, 7 * MBIT, 9), (shown.get("tx-maxbw"), shown["rx-maxbw"], shown["rx-maxpps"]), "each of its own")


def down(world):
    """What waits when a VNIC goes down is dropped and counted, and nothing of it comes when it is up again."""
    world.host.do("flow-add", {"vnic": world.ids["v1"], "name": "one", "ethertype": 0x800, "protocol": 17, "local-port": 7000})
    limit = [lambda on: world.set("v0", **(SLOWLY if on else {"tx-maxbw": 0, "rx-maxbw": 0})),
             lambda on: world.set("v1", **(SLOWLY if on else {"tx-maxbw": 0, "rx-maxbw": 0})),
             lambda on: world.host.do("flow-set", {"vnic": world.ids["v1"], "name": "one", **(SLOWLY if on else {"tx-maxbw": 0, "rx-maxbw": 0})}),
             lambda on: link_set(maxbw=8000 if on else 0)]
    world.set("v0", **{"limit-delay": 1000000})
    for way, (source, to, netns, dev, counter) in zip(
            limit, (("tx", "out", "tx", "v0", "tx-drop-down"), ("out", "kid", "kid", "v1", "rx-drop-down"),
                    ("out", "kid", "kid", "v1", "rx-drop-down"), ("tx", "out", "tx", "v0", "tx-drop-down"))):
        # So that nobody is told that there is none.
        receiver = world.receive(to)
        way(True)
        done = world.change(dev, lambda: (some_wait(world, source, to), ip("link", "set", dev, "down", netns=netns)))
        same(True, 1 <= done[counter] <= 7, f"dropped: {done}")
        same(True, done["tx-waited"] + done["rx-waited"] >= done[counter], f"waited: {done}")
        same(True, finish(receiver)["received"] + done[counter] >= 7, f"received or dropped: {done}")
        ip("link", "set", dev, "up", netns=netns)
        done = world.change(dev, lambda: time.sleep(1.2))
        # The stack has group frames of its own to send.
        same((0, 0), tuple(done[f"{way}-packets"] - done[f"{way}-group"] for way in ("rx", "tx")), f"afterwards: {done}")
        way(False)
        receiver, known = world.receive(to), []
        for name, (_, addr) in world.where.items():
            if name != netns:
                known.append(f"neigh replace {addr} lladdr {world.macs[name]} dev {dev} nud permanent")
        ip_batch(known, netns=netns)
        some_wait(world, source, to)
        same(7, finish(receiver, 7)["received"], f"{source} to {to} when all is over")


def removed(world):
    """VNICs, namespaces and the module go while packets wait everywhere."""
    for round_ in range(3):
        for dev in ("v0", "v1", "v2"):
            world.set(dev, **SLOWLY)
        world.host.do("flow-add", {"vnic": world.ids["v1"], "name": "one", "ethertype": 0x800, "protocol": 17, "local-port": 7000, **SLOWLY})
        link_set(maxbw=8000)
        senders = [world.start(ORDER, "send", world.where[to][1], "7000", "2", "0", netns=source)
                   for source, to in (("out", "kid"), ("tx", "kid"), ("kid2", "out"), ("kid", "out"))]
        time.sleep(0.2 * SLOW)
        if round_ == 0:
            for name in ("kid", "tx", "kid2"):
                ip("link", "del", world.where[name][0], netns=name)
        elif round_ == 1:
            world.host.close()
            run("rmmod", "vnic")
        for sender in senders:
            sender.kill()
            sender.wait()
        if round_ == 1:
            subprocess.run(["insmod", os.environ["VNIC_KO"]], check=True)
            # The family has another number.
            templates.clear()
            ynl.GenlProtocol.genl_family_name_to_id = {}
        world.close()
        # pylint: disable=unnecessary-dunder-call
        world.__init__()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    run_all([
        (let_go, "a limit goes while packets wait"),
        (refused_all, "a refused transaction takes no limit away"),
        (down, "a VNIC goes down while packets wait"),
        (removed, "VNICs, namespaces and the module go while packets wait"),
        (order_received, "order of what is received"),
        (order_sent, "order of what is sent"),
        (order_edge, "order with limits near what is sent"),
        (order_link, "order on a link"),
        (order_flow_link, "order on a link of flows with priorities"),
        (order_flow, "order of flows"),
        (order_all, "order while everything changes"),
    ], World)
