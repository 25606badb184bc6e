#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=icount timeout=420 kernels=7.3,7.2
"""
Limits of VNICs, of their flows and of links: that what passes is what they say, both ways and to the wire, how long packets wait, what is
dropped, that nobody else is concerned, who gets how much of a link, and that packets keep their order whatever is set meanwhile.

Rates and times are of virtual time, in which a slow machine is as fast as another: cpus=icount. It runs without, too, but then a bar of a
time may be missed.
"""
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lib"), os.path.join(HERE, "bench")]
# pylint: disable=wrong-import-position,import-error
from family import SLOW, run, run_all, same, family
from wire import ORDER, PACE, Wire, build, finish, received_by
from vbench import pktgen

SIZE = 1250
MBIT = 1000000


def near(wanted, got, part, what):
    if not abs(got - wanted) <= part * wanted:
        raise AssertionError(f"{what}: wanted {wanted:,.6g} within {part:.1%}, got {got:,.6g} ({got / wanted - 1:+.2%})")
    print(f"# {what}: {got:,.6g} ({got / wanted - 1:+.2%})", flush=True)


def below(most, got, what):
    if got > most:
        raise AssertionError(f"{what}: {got:,.0f} is above {most:,.0f}")
    print(f"# {what}: {got:,.0f}", flush=True)


class World(Wire):
    """A wire (out: wire1) to wire0 with VNICs v1 in the namespace kid, v2 in kid2 and v0 in tx; their addresses are known to everyone."""

    where = {"out": ("wire1", "10.1.0.1"), "kid": ("v1", "10.1.0.2"), "tx": ("v0", "10.1.0.3"), "kid2": ("v2", "10.1.0.4")}

    def __init__(self):
        build(PACE, ORDER)
        if not os.path.exists("/sys/module/pktgen"):
            subprocess.run(["modprobe", "pktgen"], check=True)
        super().__init__()
        self.deaf = set()

    def set(self, dev, **settings):
        self.host.do("vnic-set", {"id": self.ids[dev], **{key.replace("_", "-"): value for key, value in settings.items()}})

    def stats(self, dev):
        return self.host.do("stats-get", {"id": self.ids[dev]})

    def change(self, dev, action):
        """How the counters of a VNIC change while that is done."""
        old = self.stats(dev)
        action()
        new = self.stats(dev)
        return {key: new[key] - old[key] for key in new if key != "id"}

    def drop(self, netns):
        """What a device receives from now on goes no farther, and is counted there."""
        dev = self.where[netns][0]
        if netns in self.deaf:
            return
        self.deaf.add(netns)
        run("tc", "qdisc", "add", "dev", dev, "clsact", netns=netns)
        run("tc", "filter", "add", "dev", dev, "ingress", "prio", "1", "handle", "1", "matchall", "action", "drop", netns=netns)

    def dropped(self, netns):
        """How many packets that are."""
        shown = json.loads(run("tc", "-s", "-j", "filter", "show", "dev", self.where[netns][0], "ingress", netns=netns))
        return shown[-1]["options"]["actions"][0]["stats"]["packets"]

    def flood(self, source, to, rate, seconds, size=SIZE):
        """Packets at that rate; how many arrived in a second, while they were sent."""
        self.drop(to)
        flow = pktgen.Flow(self.where[source][0], self.macs[to], self.where[to][1], int(rate * seconds), size=size, delay=int(1e9 / rate))
        before = self.dropped(to)
        sent = pktgen.send([flow], source)[0]
        # What waits goes on for that long.
        time.sleep(0.02)
        return (self.dropped(to) - before) / (sent.elapsed / 1e6 + 0.005)

    def receive(self, netns, port=7000):
        process = self.start(PACE, "receive", str(port), netns=netns)
        same("ready\n", process.stdout.readline(), "receiver")
        process.before = received_by(process)
        return process

    def paced(self, source, to, rate, seconds, payload=SIZE - 42, port=7000):
        """Packets at that rate; what their receiver says of them."""
        receiver = self.receive(to, port)
        run(PACE, "send", self.where[to][1], str(port), str(payload), str(rate), str(int(rate * seconds)), netns=source)
        return finish(receiver)


WAYS = (("from the wire", "out", "kid", "v1", "rx"), ("to the wire", "tx", "out", "v0", "tx"), ("sent to a VNIC", "tx", "kid", "v0", "tx"),
        ("received from a VNIC", "tx", "kid", "v1", "rx"))


def bandwidth(world):
    for bits, seconds in ((50 * MBIT, 0.5), (200 * MBIT, 0.3), (1000 * MBIT, 0.12)):
        for what, source, to, dev, way in WAYS:
            world.set(dev, **{f"{way}-maxbw": bits})
            packets = bits / 8 / SIZE
            got = []
            done = world.change(dev, lambda: got.append(world.flood(source, to, 1.3 * packets, seconds)))
            near(bits, got[0] * SIZE * 8, 0.02, f"{bits // MBIT} Mbit/s {what}")
            same(True, done[f"{way}-drop-limit"] > 0.2 * packets * seconds, f"dropped {what}: {done}")
            same(True, done[f"{way}-waited"] > 0.9 * packets * seconds, f"waited {what}: {done}")
            world.set(dev, **{f"{way}-maxbw": 0})


def pooled(world):
    """The same of a VNIC whose packets are stored in a pool."""
    world.host.do("pool-add", {"name": "p", "limit": 8 << 20})
    world.set("v1", pool="p")
    bits = 50 * MBIT
    world.set("v1", **{"rx-maxbw": bits})
    for what, source in (("from the wire", "out"), ("from a VNIC", "tx")):
        near(bits, world.flood(source, "kid", 1.3 * bits / 8 / SIZE, 0.4) * SIZE * 8, 0.02, f"50 Mbit/s {what} into a pool")
    world.set("v1", **{"rx-maxbw": 0, "pool": ""})
    world.host.do("pool-del", {"name": "p"})


def packets(world):
    for most, seconds in ((1000, 0.6), (50000, 0.15)):
        for what, source, to, dev, way in WAYS:
            world.set(dev, **{f"{way}-maxpps": most})
            near(most, world.flood(source, to, 1.3 * most, seconds, 60), 0.02, f"{most} packets a second {what}")
            world.set(dev, **{f"{way}-maxpps": 0})


def delay(world):
    for what, source, to, dev, way in WAYS:
        bits, settings = 50 * MBIT, {}
        rate = 1.3 * bits / 8 / SIZE
        without = world.paced(source, to, rate, 0.4)
        for most in (5000, 1000):
            world.set(dev, **{f"{way}-maxbw": bits, "limit-delay": most})
            got = world.paced(source, to, rate, 0.4)
            same(True, got["lost"] > 0.15 * rate * 0.4, f"lost {what}: {got}")
            below(most * 1000, got["p99"] - without["p99"], f"p99 added with {most} us {what} in ns")
            # They do wait.
            same(True, got["median"] - without["median"] > most * 300, f"median {what}: {got} {without}")
        world.set(dev, **{f"{way}-maxbw": 0})


def others(world):
    """A VNIC whose neighbour is flooded beyond its limit."""
    world.set("v1", **{"rx-maxbw": 20 * MBIT})
    without = world.paced("out", "kid2", 1000, 0.3)
    flood = world.start(PACE, "send", "10.1.0.2", "9", "1200", "4000", "100000", netns="out")
    got = world.paced("out", "kid2", 1000, 0.3)
    flood.kill()
    same((300, 0), (got["received"], got["lost"]), "received beside a flood")
    below(without["p99"] + 200000, got["p99"], "p99 beside a flood in ns")


def both(world, sends, seconds, port=7000):
    """Several senders to the outside at once, (namespace, packets a second); the bits a second that come of each."""
    receivers = [world.receive("out", port + i) for i in range(len(sends))]
    senders = [world.start(PACE, "send", "10.1.0.1", str(port + i), str(SIZE - 42), str(rate), str(int(rate * seconds)), netns=netns)
               for i, (netns, rate) in enumerate(sends)]
    for sender in senders:
        sender.wait()
    return [finish(receiver)["received"] * SIZE * 8 / seconds for receiver in receivers]


def link_set(**settings):
    host = family()
    host.do("link-set", {"ifindex": socket.if_nametoindex("wire0"), **settings})
    host.close()


def shares(world):
    link_set(maxbw=20 * MBIT)
    world.set("v0", share=40)
    world.set("v1", share=10)
    full = 20 * MBIT / 8 / SIZE
    # Who is started first has the link for himself for some ms: the one with the largest share.
    got = both(world, [("tx", full), ("kid", full)], 1)
    near(20 * MBIT, sum(got), 0.02, "both")
    near(0.8, got[0] / sum(got), 0.03, "share 40")
    near(0.2, got[1] / sum(got), 0.03, "share 10")
    # Who wants less than his share gets it, and leaves the rest to others.
    world.set("v0", share=10)
    got = both(world, [("tx", full / 10), ("kid", full)], 0.5)
    near(2 * MBIT, got[0], 0.02, "less than its share")
    near(18 * MBIT, got[1], 0.03, "the rest")
    # Three of them, one alone, and none left when it is taken away.
    got = both(world, [("kid2", full), ("tx", full), ("kid", full)], 1.2)
    for part, one in zip((100, 10, 10), got):
        near(part / 120, one / sum(got), 0.04, f"share {part} of 120")
    near(20 * MBIT, both(world, [("tx", 1.5 * full)], 0.5)[0], 0.02, "alone")
    link_set(maxbw=0)
    near(30 * MBIT, both(world, [("tx", 1.5 * full)], 0.3)[0], 0.01, "without a limit")


def priorities(world):
    link_set(maxbw=20 * MBIT)
    full = 20 * MBIT / 8 / SIZE
    for name, priority in (("v0", "high"), ("v1", "medium"), ("v2", "low")):
        world.set(name, priority=priority)
    got = both(world, [("tx", 0.4 * full), ("kid", 0.4 * full), ("kid2", full)], 0.5)
    # What waits in the end, and what was free in the beginning, is the lowest's.
    for wanted, one, what in zip((8, 8, 4 + 20 * 0.006 / 0.5), got, ("high", "medium", "low")):
        near(wanted * MBIT, one, 0.03 if what == "low" else 0.005, what)
    got = both(world, [("tx", full), ("kid", 0.4 * full), ("kid2", full)], 0.5)
    below(0.05 * 20 * MBIT, got[1] + got[2], "what the highest leaves")
    # A change takes effect at once, also while they wait.
    world.set("v1", priority="high")
    world.set("v0", priority="low")
    got = both(world, [("tx", full), ("kid", 0.4 * full)], 0.5)
    near(8 * MBIT, got[1], 0.01, "now the highest")


def tcp(world):
    for what, source, to, dev, way in WAYS:
        world.set(dev, **{f"{way}-maxbw": 50 * MBIT})
        server = world.start("iperf3", "--server", "--one-off", "--forceflush", netns=to)
        while "listening" not in server.stdout.readline():
            pass
        said = run("iperf3", "--client", world.where[to][1], "--time", "2", "--json", netns=source)
        got = json.loads(said)["end"]["sum_received"]["bits_per_second"]
        server.wait()
        print(f"# TCP {what}: {got:,.0f}", flush=True)
        same(True, 40 * MBIT < got < 50.5 * MBIT, f"TCP {what}: {got}")
        world.set(dev, **{f"{way}-maxbw": 0})


def groups(world):
    """Copies of a broadcast count for each receiver."""
    world.set("v1", **{"rx-maxpps": 200})
    before = [world.stats(dev) for dev in ("v1", "v2")]
    run(PACE, "send", "10.1.0.255", "9", "100", "1000", "500", netns="out")
    time.sleep(0.05 * SLOW)
    got = [world.stats(dev)["rx-group"] - old["rx-group"] for dev, old in zip(("v1", "v2"), before)]
    near(100, got[0], 0.05, "broadcasts to who is limited")
    same(500, got[1], "broadcasts to the other")
    world.set("v0", **{"tx-maxpps": 200})
    before = world.stats("v2")["rx-group"]
    run(PACE, "send", "10.1.0.255", "9", "100", "1000", "500", netns="tx")
    time.sleep(0.05 * SLOW)
    near(100, world.stats("v2")["rx-group"] - before, 0.05, "broadcasts of who is limited")


def flow_stats(world, dev, name):
    return world.host.do("flow-get", {"vnic": world.ids[dev], "name": name})


def flows(world):
    """Only its own packets wait for a flow's limit, and they are counted."""
    for what, source, to, dev, way in WAYS:
        port = "local-port" if way == "rx" else "remote-port"
        world.host.do("flow-add", {"vnic": world.ids[dev], "name": "slow", "protocol": 17, port: 7001, f"{way}-maxbw": 10 * MBIT,
                                   **({"ethertype": 0x800})})
        full = 10 * MBIT / 8 / SIZE
        receiver = world.receive(to, 7001)
        sender = world.start(PACE, "send", world.where[to][1], "7001", str(SIZE - 42), str(2 * full), str(int(full)), netns=source)
        got = world.paced(source, to, full, 0.4, port=7002)
        sender.wait()
        slow = finish(receiver)
        same((int(full * 0.4), 0), (got["received"], got["lost"]), f"beside the flow {what}")
        below(500000, got["p99"], f"p99 beside the flow {what} in ns")
        near(10 * MBIT, slow["received"] * SIZE * 8 / 0.505, 0.02, f"a flow {what}")
        same(0, slow["backwards"], "out of order")
        stats = flow_stats(world, dev, "slow")
        same(int(full), stats[f"{way}-drops"] + slow["received"], f"dropped by the flow {what}: {stats} {slow}")
        # Both limits count.
        world.set(dev, **{f"{way}-maxbw": 5 * MBIT})
        got = world.paced(source, to, 2 * full, 0.4, port=7001)
        near(5 * MBIT, got["received"] * SIZE * 8 / 0.41, 0.03, f"a flow of a VNIC with less {what}")
        world.set(dev, **{f"{way}-maxbw": 0})
        world.host.do("flow-del", {"vnic": world.ids[dev], "name": "slow"})
        got = world.paced(source, to, 2 * full, 0.2, port=7001)
        same(0, got["lost"], f"without the flow {what}")


def flow_set(world, what, dev, port, **settings):
    """A flow of what a VNIC sends to that port."""
    world.host.do(f"flow-{what}", {"vnic": world.ids[dev], "name": f"to{port}", **settings,
                                   **({"ethertype": 0x800, "protocol": 17, "remote-port": port} if what == "add" else {})})


def beside_bulk(world, rate):
    """What becomes of packets beside more of the same VNIC than the link may send."""
    full = 20 * MBIT / 8 / SIZE
    bulk = world.start(PACE, "send", "10.1.0.1", "7001", str(SIZE - 42), str(1.5 * full), str(int(full)), netns="tx")
    got = world.paced("tx", "out", rate, 0.4, port=7002)
    bulk.wait()
    return got


def flow_priorities(world):
    full = 20 * MBIT / 8 / SIZE
    alone = world.paced("tx", "out", 0.2 * full, 0.4, port=7002)
    link_set(maxbw=20 * MBIT)
    got = beside_bulk(world, 0.2 * full)
    same(True, got["median"] > alone["median"] + 2000000, f"as its VNIC it waits: {got}")
    flow_set(world, "add", "v0", 7002, priority="high")
    got = beside_bulk(world, 0.2 * full)
    same((int(0.2 * full * 0.4), 0, 0), (got["received"], got["lost"], got["backwards"]), f"a flow that goes first: {got}")
    # A packet that has begun has to pass, and those that are due with it.
    below(1200000, got["p99"] - alone["p99"], "p99 added to a flow that goes first in ns")
    flow_set(world, "set", "v0", 7002, priority="vnic")
    got = beside_bulk(world, 0.2 * full)
    same(True, got["median"] > alone["median"] + 2000000, f"again as its VNIC: {got}")
    # A VNIC that goes first has a flow that goes last: after another VNIC, whether it waited for a limit before or not.
    world.set("v0", priority="high")
    flow_set(world, "add", "v0", 7000, priority="low")
    for dev_limit in (0, 15 * MBIT):
        world.set("v0", **{"tx-maxbw": dev_limit})
        got = both(world, [("tx", full), ("kid", 0.8 * full)], 0.5)
        near(16 * MBIT, got[1], 0.01, "before the flow of another VNIC")
    world.set("v0", **{"tx-maxbw": 0})
    flow_set(world, "set", "v0", 7000, **{"tx-maxbw": 15 * MBIT})
    got = both(world, [("tx", full), ("kid", 0.8 * full)], 0.5)
    near(16 * MBIT, got[1], 0.01, "before a flow with a limit")


def flow_shares(world):
    """A VNIC has its share in each priority, however many of its flows are in that."""
    link_set(maxbw=20 * MBIT)
    full = 20 * MBIT / 8 / SIZE
    flow_set(world, "add", "v0", 7001, priority="medium")
    flow_set(world, "add", "v0", 7002, priority="medium")
    got = both(world, [("kid", full), ("tx", full), ("tx", full), ("tx", full)], 0.6)
    near(0.5, got[0] / sum(got), 0.05, "beside three flows of one VNIC")


if __name__ == "__main__":
    run_all([
        (bandwidth, "bandwidth"),
        (pooled, "bandwidth into a pool"),
        (packets, "packets a second"),
        (delay, "packets wait no longer than they may"),
        (others, "nobody else is concerned"),
        (shares, "shares of a link"),
        (priorities, "priorities on a link"),
        (flow_priorities, "priorities of flows on a link"),
        (flow_shares, "a VNIC has one share, whatever its flows"),
        (tcp, "TCP gets most of a limit"),
        (groups, "group frames"),
        (flows, "limits of flows"),
    ], World)
