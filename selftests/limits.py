#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=icount timeout=300 kernels=7.3,7.2,debug leaks=yes
"""
Limits of VNICs, of their flows and of links: that what passes is what they say, both ways and to the wire, how long packets wait, what is
dropped, that nobody else is concerned, who gets how much of a link, and that packets keep their order whatever is set meanwhile.

Rates and times are of virtual time, in which a slow machine is as fast as another: cpus=icount. It runs without, too, but then a bar of a
time may be missed.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lib"), os.path.join(HERE, "bench")]
# pylint: disable=wrong-import-position,import-error
from family import SLOW, ip, link, run, run_all, same, family
from vbench import pktgen

PACE = "/tmp/pace"
ORDER = "/tmp/order"
SIZE = 1250
MBIT = 1000000


def near(wanted, got, part, what):
    if not abs(got - wanted) <= part * wanted:
        raise AssertionError(f"{what}: wanted {wanted:,.0f} within {part:.1%}, got {got:,.0f} ({got / wanted - 1:+.2%})")
    print(f"# {what}: {got:,.0f} ({got / wanted - 1:+.2%})", flush=True)


def below(most, got, what):
    if got > most:
        raise AssertionError(f"{what}: {got:,.0f} is above {most:,.0f}")
    print(f"# {what}: {got:,.0f}", flush=True)


class World:
    """A wire (out: wire1) to wire0 with VNICs v1 in the namespace kid, v2 in kid2 and v0 in tx; their addresses are known to everyone."""

    where = {"out": ("wire1", "10.1.0.1"), "kid": ("v1", "10.1.0.2"), "tx": ("v0", "10.1.0.3"), "kid2": ("v2", "10.1.0.4")}

    def __init__(self):
        for program, name in ((PACE, "pace"), (ORDER, "order")):
            if not os.path.exists(program):
                subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, f"{HERE}/lib/{name}.c"], check=True)
        subprocess.run(["modprobe", "pktgen"], check=True)
        for name in self.where:
            ip("netns", "add", name)
        ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1", "netns", "out")
        ip("link", "set", "wire0", "up")
        for name in ("kid", "tx", "kid2"):
            ip("link", "add", "link", "wire0", "name", self.where[name][0], "netns", name, "type", "vnic")
        self.macs = {}
        for name, (dev, addr) in self.where.items():
            ip("link", "set", "lo", "up", netns=name)
            ip("link", "set", dev, "up", netns=name)
            ip("addr", "add", f"{addr}/24", "dev", dev, netns=name)
            self.macs[name] = link(dev, name)["address"]
        for name in self.where:
            lines = [f"neigh replace {addr} lladdr {self.macs[other]} dev {self.where[name][0]} nud permanent"
                     for other, (_, addr) in self.where.items() if name != other]
            ip(netns=name, batch="\n".join(lines))
        self.host = family()
        self.ids = {vnic["ifname"]: vnic["id"] for vnic in self.host.dump("vnic-get", {})}
        self.running, self.deaf = [], set()

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

    def start(self, *command, netns):
        process = subprocess.Popen(["ip", "netns", "exec", netns, *command], stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        return process

    def receive(self, netns, port=7000):
        process = self.start(PACE, "receive", str(port), netns=netns)
        same("ready\n", process.stdout.readline(), "receiver")
        return process

    def paced(self, source, to, rate, seconds, payload=SIZE - 42, port=7000):
        """Packets at that rate; what their receiver says of them."""
        receiver = self.receive(to, port)
        run(PACE, "send", self.where[to][1], str(port), str(payload), str(rate), str(int(rate * seconds)), netns=source)
        time.sleep(0.05 * SLOW)
        return finish(receiver)

    def close(self):
        for process in self.running:
            process.kill()
            process.wait()
        self.host.close()
        for name in self.where:
            ip("netns", "del", name)
        deadline = time.monotonic() + 5 * SLOW
        while "wire0" in os.listdir("/sys/class/net") and time.monotonic() < deadline:
            time.sleep(0.02)


def finish(process):
    """Ends a receiver; the numbers that it says."""
    process.send_signal(signal.SIGTERM)
    words = process.communicate()[0].split()
    return dict(zip(words[::2], map(int, words[1::2])))


WAYS = (("from the wire", "out", "kid", "v1", "rx"), ("to the wire", "tx", "out", "v0", "tx"), ("sent to a VNIC", "tx", "kid", "v0", "tx"),
        ("received from a VNIC", "tx", "kid", "v1", "rx"))


def bandwidth(world):
    for bits, seconds in ((50 * MBIT, 1), (200 * MBIT, 0.5), (1000 * MBIT, 0.3)):
        for what, source, to, dev, way in WAYS:
            world.set(dev, **{f"{way}-maxbw": bits})
            packets = bits / 8 / SIZE
            got = []
            done = world.change(dev, lambda: got.append(world.flood(source, to, 1.3 * packets, seconds)))
            near(bits, got[0] * SIZE * 8, 0.02, f"{bits // MBIT} Mbit/s {what}")
            same(True, done[f"{way}-drop-limit"] > 0.2 * packets * seconds, f"dropped {what}: {done}")
            same(True, done[f"{way}-waited"] > 0.9 * packets * seconds, f"waited {what}: {done}")
            world.set(dev, **{f"{way}-maxbw": 0})


def packets(world):
    for most, seconds in ((1000, 1), (50000, 0.4)):
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


if __name__ == "__main__":
    run_all([
        (bandwidth, "bandwidth"),
        (packets, "packets a second"),
        (delay, "packets wait no longer than they may"),
    ], World)
