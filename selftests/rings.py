#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=2 timeout=240 leaks=yes
"""
Rings of VNICs: which packets go there and which pass them by, what happens when one is full, how many there are, and that no packet overtakes
another of its flow whatever is switched meanwhile.
"""
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
# pylint: disable=wrong-import-position,import-error
from family import SLOW, YnlFamily, becomes, family, inside, ip, ip_batch, link, netns_fd, refused, run, run_all, same
from wire import ORDER, Wire, build, finish, receive_in_order, received_by

NETDEV = os.path.join(os.environ["KSRC"], "Documentation/netlink/specs/netdev.yaml")
# So many packets, while it is switched again and again, make a test for order; ORDER_SECONDS=600 is for as long as one likes.
SECONDS = int(os.environ.get("ORDER_SECONDS", 3 if SLOW == 1 else 0))
PACKETS, SWITCHED = 2000, 8 if SLOW == 1 else 4


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class Sysfs:
    """Files of devices in a namespace, which needs a sysfs of its own: a shell there. To start one takes long while all processors are busy."""

    def __init__(self, netns):
        self.shell = subprocess.Popen(["ip", "netns", "exec", netns, "sh", "-c", "mount -t sysfs none /sys && exec sh"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)

    def write(self, name, path, text):
        print(f"echo {text} > /sys/class/net/{name}/{path} && echo written || echo failed", file=self.shell.stdin, flush=True)
        same("written\n", self.shell.stdout.readline(), f"{path} of {name}")

    def close(self):
        self.shell.communicate()


class World(Wire):
    """A wire (out: wire1) to wire0 with VNICs v1 in the namespace kid and v0 in tx; their addresses are known to everyone."""

    where = {"out": ("wire1", "10.1.0.1"), "kid": ("v1", "10.1.0.2"), "tx": ("v0", "10.1.0.3")}

    def __init__(self):
        build(ORDER)
        super().__init__()
        self.vnic = self.ids["v1"]
        self.policy = self.host.do("policy-add", {"subject": "owner", "param": "rings"})["id"]
        self.fd = self.fds["kid"]
        self.shell, self.senders = None, []

    @property
    def sysfs(self):
        if not self.shell:
            self.shell = Sysfs("kid")
        return self.shell

    def set(self, **settings):
        self.host.do("vnic-set", {"id": self.vnic, **{key.replace("_", "-"): value for key, value in settings.items()}})

    def stats(self):
        return self.host.do("stats-get", {"id": self.vnic})

    def change(self, action):
        """How the counters change while that is done."""
        old = self.stats()
        action()
        new = self.stats()
        return {key: new[key] - old[key] for key in new if key != "id"}

    def burst(self, count):
        """So many packets from the wire to v1, one right after the other: they are held back, and let go at once. Waits for the last."""
        def seen():
            counted = self.stats()
            return counted["rx-packets"] + counted["rx-drop-ring"]

        wanted = seen() + count
        run("tc", "-batch", "-", netns="out", text="qdisc replace dev wire1 root plug limit 1000000\nqdisc change dev wire1 root plug block\n")
        run(ORDER, "send", "10.1.0.2", "9", "1", str(count), netns="out")
        run("tc", "qdisc", "change", "dev", "wire1", "root", "plug", "release_indefinite", netns="out")
        # And none of them comes twice.
        becomes(wanted, seen, "packets received and dropped")

    def ping(self, count, netns="out"):
        run("ping", "-q", "-c", str(count), "-i", "0.01", "-W", str(2 * SLOW), "10.1.0.2", netns=netns)

    def close(self):
        if self.shell:
            self.shell.close()
        self.host.do("policy-del", {"id": self.policy})
        super().close()


def modes(world):
    world.set(poll="ring")
    done = world.change(lambda: world.ping(20))
    same((20, 20), (done["rx-packets"], done["rx-queued"]), "by the ring")
    same(True, done["rx-to-ring"] > 0, "switched to the ring")
    world.set(poll="inline")
    done = world.change(lambda: world.ping(20))
    same((20, 0), (done["rx-packets"], done["rx-queued"]), "inline")
    world.set(poll="auto")
    done = world.change(lambda: world.ping(20))
    same((20, 0), (done["rx-packets"], done["rx-queued"]), "inline as long as they are few")
    done = world.change(lambda: world.ping(20, "tx"))
    same((20, 20, 0), (done["rx-packets"], done["rx-local"], done["rx-queued"]), "from this host")


def credit(world):
    """More at once than may go up inline go to the ring, and then it is inline again."""
    world.set(ring_size=65536)
    done = world.change(lambda: world.burst(900))
    same(900, done["rx-packets"], "received")
    same(True, 0 < done["rx-queued"] < 900, f"{done['rx-queued']} of 900 by the ring")
    same(True, done["rx-to-ring"] >= 1, "switched")
    done = world.change(lambda: world.ping(5))
    same(0, done["rx-queued"], "by the ring afterwards")


def full(world):
    """What finds no room is dropped at this ring, and counted; the rest arrives."""
    write("/proc/sys/net/core/dev_weight", "2000")
    try:
        world.set(poll="ring", ring_size=64)
        done = world.change(lambda: world.burst(500))
        # It is polled in between, if more than one processor is at it.
        got = done["rx-packets"], done["rx-drop-ring"]
        same((500, True), (sum(got), 64 <= got[0] <= 256), f"received and dropped: {got}")
        shown = json.loads(ip("-s", "-j", "link", "show", "dev", "v1", netns="kid"))[0]["stats64"]["rx"]
        same(True, shown["dropped"] >= got[1], "shown by ip")
        world.set(ring_size=1024)
        done = world.change(lambda: world.burst(500))
        same((500, 0), (done["rx-packets"], done["rx-drop-ring"]), "with more room")
    finally:
        write("/proc/sys/net/core/dev_weight", "64")


def bounds(world):
    for value, word in ((63, ""), (65537, "")):
        refused(errno.ERANGE, [word], lambda value=value: world.set(ring_size=value))
    for words in (("ring-size", "63"), ("ring-size", "65537")):
        done = subprocess.run(["vnic", "set", "kid/v1", *words], capture_output=True, text=True, check=False)
        same(True, done.returncode != 0 and words[1] in done.stderr, f"{words}: {done.stderr}")
    done = subprocess.run(["ip", "netns", "exec", "kid", "ethtool", "-G", "v1", "rx", "63"], capture_output=True, text=True, check=False)
    same(True, done.returncode != 0 and "64-65536" in done.stderr, done.stderr)
    run("ethtool", "-G", "v1", "rx", "64", netns="kid")
    same((64, "auto", 1), tuple(world.host.do("vnic-get", {"id": world.vnic})[key] for key in ("ring-size", "poll", "rings")), "shown")
    same(1, len(re.findall(r"RX:\s+64\n", run("ethtool", "-g", "v1", netns="kid"))), "shown by ethtool")


def several(world):
    """With several rings a flow stays on one, and the netdev family shows each with its NAPI."""
    ip("netns", "add", "kid2")
    try:
        both = (("v2", "kid", "10.2.0.2"), ("v3", "kid2", "10.2.0.3"))
        ip_batch(f"link add link wire0 name {name} numrxqueues 4 numtxqueues 4 netns {netns} type vnic" for name, netns, _ in both)
        for name, netns, addr in both:
            ip_batch([f"link set {name} up", f"addr add {addr}/24 dev {name}"], netns=netns)
        # v1 would answer for it, too.
        ip("neigh", "replace", "10.2.0.2", "lladdr", link("v2", "kid")["address"], "dev", "v3", "nud", "permanent", netns="kid2")
        receiver = receive_in_order(world, 8, "kid")
        run(ORDER, "send", "10.2.0.2", "7000", "8", "2000" if SLOW == 1 else "500", netns="kid2")
        got = finish(receiver)
        same(True, got["received"] > 1000, f"received: {got}")
        same(0, got["backwards"], "out of order")
        netdev = inside(world.fd, lambda: YnlFamily(NETDEV, schema=""))
        index = link("v2", "kid")["ifindex"]
        queues = [queue for queue in netdev.dump("queue-get", {"ifindex": index}) if queue["type"] == "rx"]
        napis = {napi["id"] for napi in netdev.dump("napi-get", {"ifindex": index})}
        same(4, len(napis), "NAPI instances")
        same(napis, {queue["napi-id"] for queue in queues}, "of the queues")
        by_queue = [entry for entry in netdev.dump("qstats-get", {"ifindex": index, "scope": {"queue"}})
                    if entry["queue-type"] == "rx"]
        same(4, len(by_queue), "queues with statistics")
        same(True, sum(entry["rx-packets"] > 100 for entry in by_queue) >= 2, f"used: {by_queue}")
        whole, = netdev.dump("qstats-get", {"ifindex": index})
        same(link_packets("v2", "kid"), whole["rx-packets"], "all together")
        netdev.close()

        def switch(number):
            run("ethtool", "-L", "v2", "combined", str((1, 4, 2, 3)[number % 4]), netns="kid")
            time.sleep(0.05)
        order_of(world, switch, (("kid2", "10.2.0.2"),), flows=8)
        run("ethtool", "-L", "v2", "combined", "3", netns="kid")
        shown, = [vnic for vnic in world.host.dump("vnic-get", {}) if vnic["ifname"] == "v2"]
        same(3, shown["rings"], "rings")
    finally:
        ip("netns", "del", "kid2")


def incoming_cpu(world, sender, netns, cpu):
    """Where the packets of a sender, who runs on a CPU, come to a socket of kid."""
    receiver = inside(world.fd, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    receiver.bind(("10.1.0.2", 9))
    receiver.connect((sender, 7))
    source = inside(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    source.bind((sender, 7))
    os.sched_setaffinity(0, {cpu})
    try:
        for _ in range(3):
            source.sendto(b"x", ("10.1.0.2", 9))
            receiver.settimeout(2 * SLOW)
            receiver.recv(10)
        return receiver.getsockopt(socket.SOL_SOCKET, socket.SO_INCOMING_CPU)
    finally:
        os.sched_setaffinity(0, range(os.cpu_count()))
        source.close()
        receiver.close()


def places(world):
    """Rings are polled on the CPUs that are listed, wherever their packets come from."""
    fds = {name: netns_fd(name) for name in ("out", "tx")}
    for poll in ("ring", "auto"):
        for cpus in ("0", "1", ""):
            world.set(poll=poll, cpus=cpus)
            same(cpus or None, world.host.do("vnic-get", {"id": world.vnic}).get("cpus"), "shown")
            for sender, netns in (("10.1.0.1", "out"), ("10.1.0.3", "tx")):
                for cpu in (0, 1):
                    wanted = int(cpus) if cpus else cpu
                    same(wanted, incoming_cpu(world, sender, fds[netns], cpu), f"from CPU {cpu} in {netns}, {poll}, cpus {cpus!r}")
    for fd in fds.values():
        os.close(fd)
    world.set(cpus="1,0")
    same("0-1", world.host.do("vnic-get", {"id": world.vnic})["cpus"], "in its shortest form")
    for text, error, words in (("2", errno.ERANGE, ["2", "0-1"]), ("0-65535", errno.ERANGE, ["65535"]), ("a", errno.EINVAL, ["0-3,8"]), ("1-0", errno.EINVAL, []),
                               ("0,", errno.EINVAL, []), ("0,2,4,6,8,10,12,14,16", errno.E2BIG, ["8"]), ("0," * 60, errno.EINVAL, [])):
        refused(error, words, lambda text=text: world.set(cpus=text))
    same("0-1", world.host.do("vnic-get", {"id": world.vnic})["cpus"], "unchanged")
    # Who may change rings may not say whose CPUs work for them.
    owner = family("kid")
    owner.do("vnic-set", {"ifindex": link("v1", "kid")["ifindex"], "ring-size": 512})
    refused(errno.EPERM, ["cpus", "manager"], lambda: owner.do("vnic-set", {"ifindex": link("v1", "kid")["ifindex"], "cpus": "0"}))
    owner.close()
    # Who manages links of a namespace manages the host, or has no say over its CPUs.
    inside(world.fd, lambda: places_of_own("0"))
    child = os.fork()
    if not child:
        status = 1
        try:
            os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
            write("/proc/self/uid_map", "0 0 1")
            places_of_own(None)
            status = 0
        finally:
            os._exit(status)
    same(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "exit status in the user namespace")
    # Each ring has its own, in turn.
    ip("link", "add", "link", "wire0", "name", "v2", "numrxqueues", "2", "numtxqueues", "2", "type", "vnic")
    ip("link", "set", "v2", "up")
    vnic = next(vnic["id"] for vnic in world.host.dump("vnic-get", {}) if vnic["ifname"] == "v2")
    for cpus in ("1", "0-1", ""):
        world.host.do("vnic-set", {"id": vnic, "cpus": cpus})
    ip("link", "del", "v2")


def places_of_own(cpus):
    """CPUs for a VNIC on a link of this namespace; None: they are refused."""
    ip("link", "add", "own", "type", "etherstub")
    ip("link", "add", "link", "own", "name", "o1", "type", "vnic")
    owner = family()
    vnic = next(vnic for vnic in owner.dump("vnic-get", {}) if vnic["ifname"] == "o1")
    if cpus is None:
        refused(errno.EPERM, ["CAP_NET_ADMIN over the host"], lambda: owner.do("vnic-set", {"id": vnic["id"], "cpus": "0"}))
    else:
        owner.do("vnic-set", {"id": vnic["id"], "cpus": cpus})
        same(cpus, owner.do("vnic-get", {"id": vnic["id"]})["cpus"], "by who manages both")
    owner.do("vnic-set", {"id": vnic["id"], "cpus": ""})
    owner.close()
    ip("link", "del", "own")


def order_places(world):
    """What waits is polled elsewhere from now on."""
    def switch(number):
        world.set(cpus=("0", "1", "", "0-1")[number % 4], poll=("auto", "ring")[number // 4 % 2])
        time.sleep(0.002)
    order_of(world, switch, (("out", "10.1.0.2"), ("tx", "10.1.0.2")))


def link_packets(name, netns):
    return json.loads(ip("-s", "-j", "link", "show", "dev", name, netns=netns))[0]["stats64"]["rx"]["packets"]


def order_of(world, switch, senders=(("out", "10.1.0.2"),), flows=2):
    """Flows to the namespace kid while `switch` is called again and again, with the number of the time."""
    receiver = receive_in_order(world, flows * len(senders), "kid")
    world.senders = [world.start(ORDER, "send", addr, str(7000 + flows * number), str(flows), "0", netns=netns)
                     for number, (netns, addr) in enumerate(senders)]
    began, number = time.monotonic(), 0
    while time.monotonic() < began + SECONDS or number < SWITCHED or received_by(receiver) < receiver.before + PACKETS:
        same(True, time.monotonic() < began + max(SECONDS, 30) * SLOW,
             f"in time: {received_by(receiver) - receiver.before} packets, {number} times switched")
        switch(number)
        number += 1
    for sender in world.senders:
        sender.kill()
    got = finish(receiver)
    same(0, got["backwards"], f"out of order ({got}, {number} times switched)")
    same(True, got["received"] > 1000, f"{got}, {number} times switched")
    print(f"# {got['received']} packets in order, {number} times switched")


def order_modes(world):
    modes_in_turn = ("ring", "auto", "inline")

    def switch(number):
        world.set(poll=modes_in_turn[number % 3])
        time.sleep(0.002)
    done = world.change(lambda: order_of(world, switch))
    same(True, 0 < done["rx-queued"] < done["rx-packets"], f"on both ways: {done}")


def order_rps(world):
    """Packets are spread by RPS on the lower device and on the VNIC, where it is switched on and off."""
    write("/sys/class/net/wire0/queues/rx-0/rps_cpus", "3")

    def switch(number):
        world.set(poll=("auto", "ring")[number % 2])
        if number % 8 == 0:
            # What is with the other CPU is overtaken when it is switched under traffic, whatever the device is.
            for sender in world.senders:
                sender.send_signal(signal.SIGSTOP)
            time.sleep(0.02 * SLOW)
            world.sysfs.write("v1", "queues/rx-0/rps_cpus", "0" if number % 16 else "3")
            for sender in world.senders:
                sender.send_signal(signal.SIGCONT)
        time.sleep(0.01 * SLOW)
    order_of(world, switch)


def order_producers(world):
    """From the wire and from this host at once."""
    def switch(number):
        world.set(poll=("ring", "auto")[number % 2], ring_size=(64, 4096)[number // 2 % 2])
        time.sleep(0.002)
    order_of(world, switch, (("out", "10.1.0.2"), ("tx", "10.1.0.2")))


def threaded(world):
    """With a thread for its NAPI a VNIC has all its packets there, and none passes it."""
    def switch(number):
        world.sysfs.write("v1", "threaded", str(number % 2))
        time.sleep(0.01)
    order_of(world, switch)
    world.sysfs.write("v1", "threaded", "1")
    done = world.change(lambda: world.ping(20))
    same((20, 20), (done["rx-packets"], done["rx-queued"]), "by the ring")
    same(True, "napi/v1" in run("ps", "-eo", "comm"), "a thread")
    world.sysfs.write("v1", "threaded", "0")
    time.sleep(0.1 * SLOW)
    done = world.change(lambda: world.ping(20))
    same(0, done["rx-queued"], "inline again")


def merging(world):
    """TCP from a sender without segmentation offload, through a wire that merges nothing."""
    for netns, dev in (("out", "wire1"),):
        run("ethtool", "-K", dev, "tso", "off", "gso", "off", netns=netns)
    world.set(poll="ring")
    server = world.start("iperf3", "--server", "--one-off", "--forceflush", netns="kid")
    while "listening" not in server.stdout.readline():
        same(None, server.poll(), "the server")
    before = segments()
    done = world.change(lambda: run("iperf3", "-c", "10.1.0.2", "-t", "1", netns="out"))
    got = segments() - before, done["rx-packets"]
    same(True, 10 < got[0] < 0.8 * got[1], f"segments and packets: {got}")
    server.wait(timeout=10 * SLOW)


def segments():
    """TCP segments as the stack in the namespace kid got them."""
    lines = [line.split() for line in run("cat", "/proc/net/snmp", netns="kid").splitlines() if line.startswith("Tcp:")]
    return int(dict(zip(*lines))["InSegs"])


def polled(world):
    """A socket that polls busily finds the VNIC's NAPI."""
    write("/proc/sys/net/core/busy_poll", "50")
    write("/proc/sys/net/core/busy_read", "50")
    try:
        world.set(poll="ring")
        order_of(world, lambda number: time.sleep(0.01))
    finally:
        write("/proc/sys/net/core/busy_poll", "0")
        write("/proc/sys/net/core/busy_read", "0")


def goes(world):
    """A VNIC goes down, comes back, moves, and dies under a flood, with packets on its ring."""
    for netns in ("out", "tx"):
        world.start(ORDER, "send", "10.1.0.2", "7000", "2", "0", netns=netns)
    world.set(poll="ring")
    end = time.monotonic() + (2 if SLOW == 1 else 0)
    turn = 0
    while time.monotonic() < end or turn < 3:
        world.set(cpus=("", "0", "1")[turn % 3])
        turn += 1
        ip_batch(["link set v1 down", "link set v1 up"], netns="kid")
        run("ethtool", "-G", "v1", "rx", "64", netns="kid")
    same(True, world.stats()["rx-packets"] > 0, "received")
    ip("link", "del", "v1", netns="kid")


TESTS = [
    (modes, "POOL-1: packets go up inline or by the ring, as told"),
    (credit, "POOL-7: past its credit a VNIC spends its own budget"),
    (full, "POOL-7 POOL-8: a full ring drops at its tail and counts it"),
    (bounds, "POOL-1: sizes of rings are checked and shown"),
    (several, "POOL-1: several rings, each a queue with its NAPI"),
    (order_modes, "POOL-1: nothing is overtaken while the ways are switched"),
    (order_rps, "POOL-1: nothing is overtaken with RPS below and above"),
    (order_producers, "POOL-1: nothing is overtaken with senders here and out there"),
    (places, "POOL-1: rings are polled on their CPUs"),
    (order_places, "POOL-1: nothing is overtaken while the CPUs change"),
    (threaded, "POOL-1: a thread of its own"),
    (merging, "POOL-1: what waits together is merged"),
    (polled, "POOL-1: busy polling"),
    (goes, "POOL-7: a VNIC goes with packets on its ring"),
]

if __name__ == "__main__":
    run_all(TESTS, World)
