#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=2 timeout=300 leaks=yes
"""
Pools: memory for what VNICs receive. That it is bounded whatever the receiver does with it, that it comes back, and who pays.

POOLS="8 64 192" are the sizes, in MB, with which the flood is tried.
"""
import ctypes
import errno
import fcntl
import gc
import hashlib
import mmap
import os
import random
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
# pylint: disable=wrong-import-position,import-error
from family import SLOW, becomes, events_of, family, inside, ip, ip_batch, link, quiet, refused, run, run_all, same, templates, until
from wire import Wire

from lib import ynl  # pylint: disable=wrong-import-position,import-error,wrong-import-order

MB = 1 << 20
SIZES = [int(size) for size in os.environ.get("POOLS", "8" if SLOW > 1 else "8 64 192").split()]
SO_RCVBUFFORCE, SO_SNDBUFFORCE, SO_TIMESTAMPNS = 33, 32, 35
TCP_ZEROCOPY_RECEIVE = 35
PAYLOAD = 1400
libc = ctypes.CDLL(None, use_errno=True)


class World(Wire):
    """A wire (out: wire1) to wire0 with VNICs v1 in kid, v2 in other and v0 in tx, all of which know each other's addresses."""

    where = {"out": ("wire1", "10.1.0.1"), "kid": ("v1", "10.1.0.2"), "tx": ("v0", "10.1.0.3"), "other": ("v2", "10.1.0.4")}

    def __init__(self):
        super().__init__()
        self.sockets = []

    def pool(self, name="p", limit=8 * MB, **more):
        self.host.do("pool-add", {"name": name, "limit": limit, **more})

    def bind(self, dev="v1", pool="p"):
        self.host.do("vnic-set", {"id": self.ids[dev], "pool": pool})

    def state(self, name="p"):
        return self.host.do("pool-get", {"name": name})

    def stats(self, dev="v1"):
        return self.host.do("stats-get", {"id": self.ids[dev]})

    def socket(self, netns, kind=socket.SOCK_DGRAM, port=None, buffer=1 << 30):
        """A socket in a namespace, with room for everything."""
        def make():
            sock = socket.socket(socket.AF_INET, kind)
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
            sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 * MB)
            if port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("0.0.0.0", port))
            return sock
        sock = inside(self.fds[netns], make)
        self.sockets.append(sock)
        return sock

    def connection(self, sender="tx"):
        """A TCP connection into kid: who sends, who receives."""
        listener = self.socket("kid", socket.SOCK_STREAM, 5001)
        listener.listen()
        client = self.socket(sender, socket.SOCK_STREAM)
        client.settimeout(10 * SLOW)
        client.connect(("10.1.0.2", 5001))
        server, _ = listener.accept()
        self.sockets.append(server)
        listener.close()
        return client, server

    def flood(self, count, sender="out", payload=PAYLOAD, port=9, to="10.1.0.2"):
        sock = self.socket(sender)
        data = bytes(payload)
        for number in range(count):
            sock.sendto(data, (to, port))
            # The receiver's softirq has its turn, as it would with a processor of its own.
            if number % 64 == 63:
                time.sleep(0)
        sock.close()

    def fill(self, sender="out", name="p", patience=30):
        """Floods until the pool is full and its ring parked."""
        before = self.state(name)["waits"]
        end = time.monotonic() + patience * SLOW
        while self.state(name)["waits"] == before or self.state(name)["waiting"] == 0:
            self.flood(500, sender)
            if time.monotonic() > end:
                raise AssertionError(f"the pool does not become full: {self.state(name)}")

    def empty(self, name="p", patience=10.0):
        until(lambda: f"pool {name} empty, but {self.state(name)}", lambda: self.state(name)["used"] == 0, patience)

    def drop_sockets(self):
        for sock in self.sockets:
            sock.close()
        self.sockets = []

    def close(self):
        self.drop_sockets()
        # A VNIC is in its pool until nobody refers to it any more.
        super().close()
        with family() as self.host:
            until("the pools gone", self.without_pools)

    def without_pools(self):
        for pool in self.host.dump("pool-get", {}):
            if "name" in pool and pool["vnics"] == 0:
                self.host.do("pool-del", {"name": pool["name"]})
        return len(self.host.dump("pool-get", {})) == 1 and self.host.do("pool-get", {"host": True})["draining"] == 0


def drain(sock):
    """Reads everything; how many packets there were."""
    sock.setblocking(False)
    count = 0
    try:
        while True:
            sock.recv(1 << 16)
            count += 1
    except BlockingIOError:
        return count
    finally:
        sock.setblocking(True)


def drains(sock, wanted, what):
    """As many packets as are wanted come to be read, and no more."""
    count, end = drain(sock), time.monotonic() + 10 * SLOW
    while count < wanted and time.monotonic() < end:
        time.sleep(0.002)
        count += drain(sock)
    time.sleep(0.01 * SLOW)
    same(wanted, count + drain(sock), what)


def objects(world):
    host = world.host
    whole = host.do("pool-get", {"host": True})
    same((0, 0, 0), (whole["used"], whole["pools"], whole["draining"]), "nothing at first")
    refused(errno.ERANGE, ["100000", "1048576"], lambda: host.do("pool-add", {"name": "a", "limit": 100000}))
    refused(errno.EINVAL, ["letters"], lambda: host.do("pool-add", {"name": "a b", "limit": MB}))
    refused(errno.EINVAL, ["host"], lambda: host.do("pool-add", {"name": "host", "limit": MB}))
    refused(errno.EINVAL, ["limit"], lambda: host.do("pool-add", {"name": "a"}))
    host.do("pool-set", {"host": True, "limit": 10 * MB})
    world.pool("a", 6 * MB)
    refused(errno.EEXIST, ["a"], lambda: host.do("pool-add", {"name": "a", "limit": MB}))
    refused(errno.ENOSPC, [str(5 * MB), str(4 * MB), str(10 * MB)], lambda: host.do("pool-add", {"name": "b", "limit": 5 * MB}))
    world.pool("b", 4 * MB, threshold=7)
    refused(errno.ENOSPC, [str(0)], lambda: host.do("pool-set", {"name": "a", "limit": 7 * MB}))
    refused(errno.EBUSY, [str(9 * MB)], lambda: host.do("pool-set", {"host": True, "limit": 9 * MB}))
    refused(errno.EINVAL, ["threshold"], lambda: host.do("pool-set", {"host": True, "threshold": 3}))
    whole = host.do("pool-get", {"host": True})
    same((10 * MB, 10 * MB, 2), (whole["limit"], whole["used"], whole["pools"]), "the host pool")
    same(["host", "a", "b"], ["host" if one.get("host") else one["name"] for one in host.dump("pool-get", {})], "all, in order")
    same((4 * MB, 7, 0), tuple(world.state("b")[key] for key in ("limit", "threshold", "vnics")), "b")
    refused(errno.ENOENT, ["nosuch"], lambda: world.bind(pool="nosuch"))
    world.bind(pool="a")
    same("a", host.do("vnic-get", {"id": world.ids["v1"]})["pool"], "what the VNIC says")
    refused(errno.EBUSY, ["a", "1", "v1"], lambda: host.do("pool-del", {"name": "a"}))
    host.do("pool-set", {"name": "a", "limit": 5 * MB})
    same(9 * MB, host.do("pool-get", {"host": True})["used"], "smaller")
    world.bind(pool="")
    same(None, host.do("vnic-get", {"id": world.ids["v1"]}).get("pool"), "none")
    elsewhere = family("kid")
    refused(errno.EPERM, ["first"], lambda: elsewhere.do("pool-add", {"name": "c", "limit": MB}))
    refused(errno.EPERM, ["first"], lambda: elsewhere.do("pool-get", {"name": "a"}))
    elsewhere.close()
    for name in ("a", "b"):
        host.do("pool-del", {"name": name})
    refused(errno.ENOENT, ["a"], lambda: host.do("pool-del", {"name": "a"}))
    host.do("pool-set", {"host": True, "limit": 256 * MB})


def permission(world):
    world.pool()
    world.host.do("policy-add", {"subject": "owner", "param": "all"})
    kid = family("kid")
    refused(errno.EPERM, ["pool", "manager"], lambda: kid.do("vnic-set", {"ifindex": link("v1", "kid")["ifindex"], "pool": "p"}))
    kid.close()
    same(0, world.state()["vnics"], "nothing changed")
    for policy in world.host.dump("policy-get", {}):
        if not policy.get("built-in"):
            world.host.do("policy-del", {"id": policy["id"]})


def content(world):
    """What arrives is what was sent, of each size, from the wire and from the host, and nothing is left."""
    world.pool()
    world.bind()
    receiver = world.socket("kid", port=9)
    rng = random.Random(1)
    for sender in ("out", "tx"):
        sock = world.socket(sender)
        for size in (1, 40, 1472, 1473, 1599, 1600, 1601, 4096, 5696, 5697, 20000, 65000):
            data = rng.randbytes(size)
            sock.sendto(data, ("10.1.0.2", 9))
            receiver.settimeout(2 * SLOW)
            same(hashlib.sha1(data).digest(), hashlib.sha1(receiver.recv(1 << 16)).digest(), f"{size} bytes from {sender}")
    for sender in ("out", "tx"):
        client, server = world.connection(sender)
        data = rng.randbytes(3 * MB)
        thread = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        thread.start()
        got = bytearray()
        while piece := server.recv(1 << 18):
            got += piece
        thread.join()
        same(hashlib.sha1(data).digest(), hashlib.sha1(got).digest(), f"a stream from {sender}")
    world.drop_sockets()
    world.empty()
    same(0, world.state()["too-long"], "none too long")


def tapped(dev):
    """A packet socket with room for everything."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 30)
    sock.bind((dev, 0))
    return sock


def large(world):
    """What no packet of the pool can hold, more than 71 KB, is stored in segments."""
    world.pool()
    world.bind()
    world.bind("v0", "")
    for name in ("tx", "kid"):
        ip("link", "set", world.where[name][0], "gso_max_size", "180000", "gro_max_size", "180000", "gso_ipv4_max_size", "180000",
           "gro_ipv4_max_size", "180000", netns=name)
    client, server = world.connection()
    # As large as they can be, whatever the round trip is.
    run("sysctl", "-qw", "net.ipv4.tcp_tso_rtt_log=20", netns="tx")
    tap = inside(world.fds["tx"], lambda: tapped("v0"))
    data = random.Random(2).randbytes(8 * MB)
    thread = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    thread.start()
    got = bytearray()
    while piece := server.recv(1 << 20):
        got += piece
    thread.join()
    same(hashlib.sha1(data).digest(), hashlib.sha1(got).digest(), "the stream")
    most = 0
    tap.setblocking(False)
    try:
        while True:
            most = max(most, tap.recv_into(bytearray(64), 0, socket.MSG_TRUNC))
    except BlockingIOError:
        pass
    tap.close()
    print(f"# packets of {most} bytes were sent")
    same(True, most > 80000, f"packets were large: {most}")
    same(0, world.state()["too-long"], "none too long")
    world.drop_sockets()
    world.empty()


def memory():
    """Free pages and what is with processors, and slab that can be freed: in bytes."""
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")
    if os.path.exists("/proc/sys/vm/compact_memory"):
        with open("/proc/sys/vm/compact_memory", "w", encoding="ascii") as file:
            file.write("1")
    words = dict(line.split(":") for line in open("/proc/meminfo", encoding="ascii"))
    free = int(words["MemFree"].split()[0]) * 1024
    slab = int(words["Slab"].split()[0]) * 1024
    return free, slab


def unread(world):
    """
    A receiver that never reads and may keep everything. Its pool holds what it holds, the rest is dropped at its ring; the memory that is gone
    is no more than the limit, and comes back.
    """
    for size in SIZES:
        limit = size * MB
        gc.collect()
        free, _ = memory()
        world.pool(limit=limit)
        world.bind()
        before = world.stats()
        receiver = world.socket("kid", port=9)
        most, packets = 0, limit * 3 // 4096
        step = max(500, packets // 16)
        for _ in range(0, packets, step):
            world.flood(step)
            most = max(most, world.state()["used"])
        until("what was sent is where it goes", lambda: world.stats()["rx-packets"] - before["rx-packets"] > 0)
        quiet(world.stats)
        state = world.state()
        most = max(most, state["used"])
        gone = free - memory()[0]
        after = world.stats()
        same(True, most <= limit, f"{most} of {limit} bytes used")
        same(True, most > limit * 8 // 10, f"{most} of {limit} bytes used, so it is full")
        same(True, state["waits"] > 0 and state["waiting"] > 0, "packets wait")
        dropped = {key: after[key] - before[key] for key in after if "drop" in key and after[key] != before[key]}
        same(["rx-drop-ring"], list(dropped), f"where packets were dropped, {dropped}")
        print(f"# {size} MB: {most / MB:.2f} MB used, {gone / MB:.2f} MB less free, {state['waiting'] / MB:.2f} MB wait, {dropped}")
        # Free memory goes up and down by megabytes for other reasons, and by more with KASAN, which keeps what is freed for a while.
        if SLOW == 1 and size >= 64:
            same(True, gone <= limit + max(2 * MB, limit // 50), f"{gone} bytes less are free with a limit of {limit}")
        # It reads: everything that waits comes, without anybody sending.
        count = drain(receiver)
        until("the rest has come", lambda: world.state()["waiting"] == 0)
        drains(receiver, after["rx-packets"] - before["rx-packets"] - count, "packets that were read besides")
        world.empty()
        receiver.close()
        world.bind(pool="")
        world.host.do("pool-del", {"name": "p"})
        same(0, world.host.do("pool-get", {"host": True})["draining"], "nothing drains")


def resumption(world, receiver):
    """
    How many ns after something was read the next packet of those that waited was given to the socket: the stack stamps it when it takes it off
    the ring.
    """
    waiting = world.state()["waiting"]
    same(True, waiting > 0, "packets wait")
    began = time.clock_gettime_ns(time.CLOCK_REALTIME)
    for _ in range(8):
        receiver.recv(1 << 16)
    until("it goes on", lambda: world.state()["waiting"] < waiting)
    time.sleep(0.01 * SLOW)
    receiver.setblocking(False)
    stamps = []
    try:
        while True:
            _, told, _, _ = receiver.recvmsg(1 << 16, 64)
            seconds, nanoseconds = struct.unpack("qq", told[0][2])
            stamps.append(seconds * 10**9 + nanoseconds - began)
    except BlockingIOError:
        receiver.setblocking(True)
    return min(stamp for stamp in stamps if stamp > 0)


def resume(world):
    """
    Delivery goes on within a millisecond after the receiver read something, in the first second of a park, and within 16 ms later. These are bars
    in virtual time (VIRTUAL=1); else other things are on the processors, too.
    """
    world.pool(limit=MB)
    world.bind()
    receiver = world.socket("kid", port=9)
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    for parked, times, bar in ((0, 8, 1_000_000), (0.5, 2, 1_000_000), (5.5, 1, 16_500_000)):
        delays = []
        for _ in range(times):
            world.fill("tx")
            time.sleep(parked)
            delays.append(resumption(world, receiver))
            drain(receiver)
            until("nothing waits", lambda: world.state()["waiting"] == 0)
        print(f"# parked for {parked} s, went on after {min(delays) / 1e6:.2f} to {max(delays) / 1e6:.2f} ms")
        virtual = "VIRTUAL" in os.environ
        same(True, (max(delays) if virtual else sorted(delays)[times // 2]) <= bar * (1 if virtual else 20 * SLOW), f"{delays} ns")


def too_long_parked(world):
    """A ring that has been parked for long is asked less often, but is not forgotten."""
    world.pool(limit=MB)
    world.bind()
    receiver = world.socket("kid", port=9)
    world.fill()
    time.sleep(2.5)
    waiting = world.state()["waiting"]
    drain(receiver)
    until("it goes on", lambda: world.state()["waiting"] < waiting, 1.0)
    receiver.close()
    until("all is gone", lambda: world.state()["waiting"] == 0)
    world.empty()
    same(True, world.state()["waited"] > 2_000_000_000, f"waited {world.state()['waited']} ns")


def pipes(world):
    """What was spliced to pipes counts, although the socket is gone."""
    world.pool()
    world.bind()
    client, server = world.connection()
    client.setblocking(False)
    try:
        while True:
            client.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    until("something came", lambda: world.state()["used"] > 0)
    ends = []
    for _ in range(8):
        pair = os.pipe()
        ends.append(pair)
        os.splice(server.fileno(), pair[1], 1 << 16, flags=os.SPLICE_F_NONBLOCK)
    world.drop_sockets()
    held = quiet(lambda: world.state()["used"], 0.2)
    same(True, held >= 8 * 15 * 4096, f"{held} bytes are in pipes")
    for pair in ends:
        for end in pair:
            os.close(end)
    world.empty()


def mapped(world):
    """What was mapped by TCP_ZEROCOPY_RECEIVE counts as long as it is mapped."""
    world.pool()
    world.bind()
    client, server = world.connection()
    client.sendall(bytes(512 * 1024))
    size = 512 * 1024
    until("all has come", lambda: struct.unpack("i", fcntl.ioctl(server, termios.FIONREAD, bytes(4)))[0] == size)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    place = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, server.fileno(), 0)
    if place in (None, ctypes.c_void_p(-1).value):
        raise AssertionError(f"mmap: {os.strerror(ctypes.get_errno())}")
    # address, length, recv_skip_hint, inq, err, copybuf_address, copybuf_len, flags, msg_control, msg_controllen, msg_flags, reserved
    pages = 0
    for _ in range(200):
        argument = ctypes.create_string_buffer(struct.pack("=QIIIiQiIQQII", place + pages * 4096, size - pages * 4096, *[0] * 10))
        length = ctypes.c_uint32(len(argument.raw) - 1)
        if libc.getsockopt(server.fileno(), socket.IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, argument, ctypes.byref(length)):
            raise AssertionError(f"TCP_ZEROCOPY_RECEIVE: {os.strerror(ctypes.get_errno())}")
        _, got, skip = struct.unpack_from("=QII", argument.raw)
        pages += got // 4096
        if skip:
            server.setblocking(False)
            try:
                server.recv(skip)
            except BlockingIOError:
                break
        elif not got:
            break
    same(True, pages > 8, f"{pages} pages were mapped")
    client.close()
    server.close()
    world.drop_sockets()
    held = quiet(lambda: world.state()["used"], 0.1)
    same(True, held >= pages * 4096, f"{held} bytes for {pages} mapped pages")
    libc.munmap(ctypes.c_void_p(place), ctypes.c_size_t(size))
    world.empty()


def taps(world):
    """Packet sockets that nobody reads, and a mirror to another device: whoever holds the packet, it counts."""
    world.pool(limit=2 * MB)
    world.bind()

    tap = inside(world.fds["kid"], lambda: tapped("v1"))
    world.fill()
    same(True, world.state()["used"] <= 2 * MB, "within the limit")
    tap.close()
    until("nothing waits", lambda: world.state()["waiting"] == 0)
    world.empty()
    # Mirrored to a device whose queue holds on to it.
    ip("link", "add", "d0", "type", "dummy", netns="kid")
    ip("link", "set", "d0", "up", netns="kid")
    run("tc", "-batch", "-", netns="kid", text="qdisc add dev d0 root plug limit 1000000\nqdisc change dev d0 root plug block\n"
        "qdisc add dev v1 clsact\nfilter add dev v1 ingress matchall action mirred egress mirror dev d0\n")
    world.flood(300)
    until("it is held", lambda: world.state()["used"] >= 300 * 2048)
    ip("link", "del", "d0", netns="kid")
    world.empty()


def queued(world):
    """Packets in NFQUEUE, whose owner gives no verdict."""
    world.pool(limit=2 * MB)
    world.bind()
    run("nft", "-f", "-", netns="kid", text="table ip t { chain c { type filter hook input priority 0; queue num 5; }; }")
    owner = inside(world.fds["kid"], lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))

    def configure(kind, payload):
        # NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG; struct nfgenmsg: AF_UNSPEC, version, queue
        body = struct.pack("=BBH", 0, 0, socket.htons(5)) + struct.pack("=HH", 4 + len(payload), kind) + payload.ljust(-len(payload) % 4 + len(payload), b"\0")
        owner.send(struct.pack("=IHHII", 16 + len(body), 3 << 8 | 2, 5, 1, 0) + body)
        error = struct.unpack_from("=i", owner.recv(4096), 16)[0]
        same(0, error, f"setting {kind} of the queue")
    configure(1, struct.pack(">BBH", 1, 0, 0))              # NFQA_CFG_CMD: bind
    configure(2, struct.pack(">IB", 0, 1))                  # NFQA_CFG_PARAMS: about the packet only
    configure(3, struct.pack(">I", 1 << 20))                # NFQA_CFG_QUEUE_MAXLEN
    owner.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 28)
    world.fill()
    held = world.state()["used"]
    same(True, MB < held <= 2 * MB, f"{held} bytes are held")
    # Who goes gives up what it held.
    owner.close()
    run("nft", "flush", "ruleset", netns="kid")
    until("nothing waits", lambda: world.state()["waiting"] == 0)
    world.empty()


def routed(world):
    """A router whose far side is blocked holds what it forwards, cut into segments, too."""
    world.pool(limit=4 * MB)
    world.bind()
    ip("link", "add", "d0", "type", "dummy", netns="kid")
    run("ethtool", "-K", "d0", "tso", "off", "gso", "off", netns="kid")
    ip_batch(["link set d0 up", "addr add 10.9.0.1/24 dev d0", "neigh replace 10.9.0.2 lladdr 02:00:00:00:00:09 dev d0 nud permanent"], netns="kid")
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", netns="kid")
    run("tc", "-batch", "-", netns="kid", text="qdisc add dev d0 root plug limit 100000000\nqdisc change dev d0 root plug block\n")
    ip("route", "add", "10.9.0.0/24", "via", "10.1.0.2", netns="tx")
    # Large packets that the stack of the router has to cut: UDP_SEGMENT.
    sock = world.socket("tx")
    sock.setsockopt(socket.IPPROTO_UDP, 103, 1400)
    for _ in range(40):
        sock.sendto(bytes(1400 * 40), ("10.9.0.2", 9))
    until("it is held", lambda: world.state()["used"] > 40 * 8 * 4096)
    same(True, world.state()["used"] <= 4 * MB, "within the limit")
    ip("link", "del", "d0", netns="kid")
    world.empty()


def hostage(world):
    """Who sends to a VNIC that is parked can go on sending to others; its namespace can go."""
    world.pool(limit=MB)
    world.bind()
    receiver = world.socket("kid", port=9)
    sock = world.socket("tx")
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 65536)
    sock.setblocking(False)
    world.fill("tx")
    for _ in range(2000):
        try:
            sock.sendto(bytes(PAYLOAD), ("10.1.0.2", 9))
        except (BlockingIOError, OSError):
            time.sleep(0.001)

    def unsent():
        return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
    until("what was sent is taken from the sender", lambda: unsent() == 0)
    other = world.socket("other", port=9)
    for number in range(50):
        sock.sendto(b"%d" % number, ("10.1.0.4", 9))
    other.settimeout(2 * SLOW)
    same(b"0", other.recv(100), "to another")
    becomes(0, unsent, "bytes that the sender is charged with")
    sock.close()
    ip("netns", "del", "tx")
    world.gone("tx")
    until("the sender's VNIC is gone", lambda: all(vnic["ifname"] != "v0" for vnic in world.host.dump("vnic-get", {})))
    receiver.close()
    world.empty()


def neighbour(world):
    """A neighbour with a pool of its own, and one without, lose nothing while a pool is full."""
    world.pool(limit=MB)
    world.pool("q", limit=2 * MB)
    world.bind()
    world.bind("v2", "q")
    world.socket("kid", port=9)
    world.fill()
    other = world.socket("other", port=9)
    before = world.stats("v2")
    for _ in range(20):
        world.flood(20)
        world.flood(20, to="10.1.0.4")
    drains(other, 400, "what the neighbour got")
    after = world.stats("v2")
    same([], [key for key in after if "drop" in key and after[key] != before[key]], "what it lost")


def limited(world):
    """What waits for a limit is on the ring, and what passed is of the pool; neither of them lets more through than the other."""
    def limit(**settings):
        world.host.do("vnic-set", {"id": world.ids["v1"], **settings})

    world.pool(limit=2 * MB)
    world.bind()
    receiver = world.socket("kid", port=9)
    limit(**{"rx-maxpps": 100, "limit-delay": 1000000})
    world.flood(30)
    until("packets wait", lambda: world.stats()["rx-waited"] > 0 and world.state()["waiting"] > 0)
    early = drain(receiver)
    same(True, early < 30, f"not all at once: {early}")
    drains(receiver, 30 - early, "after a while")
    # Parked with a limit, which goes, comes again and goes while nobody reads.
    limit(**{"rx-maxpps": 0, "rx-maxbw": 1000000000, "limit-delay": 5000})
    before = world.stats()["rx-packets"]
    world.fill()
    for settings in ({}, {"rx-maxbw": 0}, {"rx-maxbw": 50000000}, {"rx-maxbw": 0}):
        limit(**settings)
        world.flood(500)
        same(True, world.state()["used"] <= 2 * MB, f"within the pool's limit: {world.state()}")
    got = drain(receiver)
    until("what waited is stored", lambda: world.state()["waiting"] == 0)
    got += drain(receiver)
    same(world.stats()["rx-packets"] - before, got, "all that was not dropped")
    limit(**{"rx-maxbw": 1000000000})
    drain(receiver)
    until("all is delivered", lambda: world.state()["waiting"] == 0)
    drain(receiver)
    world.flood(5)
    drains(receiver, 5, "afterwards")
    receiver.close()
    world.empty()


def shared(world):
    """Two VNICs in one pool share it; what one gives back the other can have."""
    world.pool(limit=2 * MB)
    world.bind()
    world.bind("v2")
    same(2, world.state()["vnics"], "VNICs")
    first, second = world.socket("kid", port=9), world.socket("other", port=9)
    world.fill()
    same(True, world.state()["used"] <= 2 * MB, "within the limit")
    before = world.stats("v2")["rx-packets"]
    world.flood(5, to="10.1.0.4")
    becomes(before + 5, lambda: world.stats("v2")["rx-packets"], "on the ring of the other")
    first.close()
    second.settimeout(2 * SLOW)
    for _ in range(5):
        second.recv(1 << 16)
    until("nothing waits", lambda: world.state()["waiting"] == 0)
    world.empty()


def resized(world):
    """In use, larger and smaller; below what is in use nothing is admitted until it is drained."""
    world.pool(limit=2 * MB)
    world.bind()
    receiver = world.socket("kid", port=9)
    world.fill()
    used = world.state()["used"]
    world.host.do("pool-set", {"name": "p", "limit": 4 * MB})
    until("what waited comes", lambda: world.state()["waiting"] == 0)
    world.fill()
    same(True, used < world.state()["used"] <= 4 * MB, f"more: {world.state()}")
    world.host.do("pool-set", {"name": "p", "limit": MB})
    held = world.state()["used"] - world.state()["waiting"]
    same(True, held > MB, "still held")
    same(True, world.host.do("pool-get", {"host": True})["used"] >= held, "and in the host's sum")
    world.flood(100)
    same(True, world.state()["used"] - world.state()["waiting"] <= held, "nothing more is stored")
    for _ in range(100):
        receiver.recv(1 << 16)
    time.sleep(0.05 * SLOW)
    same(True, world.state()["waiting"] > 0, "too few were read")
    drain(receiver)
    until("it goes on", lambda: world.state()["waiting"] == 0)
    until("the rest is given up", lambda: world.host.do("pool-get", {"host": True})["used"] == MB)
    # Under load.
    stop = threading.Event()
    thread = threading.Thread(target=lambda: [drain(receiver) for _ in iter(stop.is_set, True)])
    thread.start()
    for turn in range(12):
        world.flood(100)
        world.host.do("pool-set", {"name": "p", "limit": (1 + turn * 5 % 7) * MB})
    stop.set()
    thread.join()
    drain(receiver)
    receiver.close()
    world.empty()


def changed(world):
    """Into a pool, out of it and into another while packets come."""
    world.pool(limit=2 * MB)
    world.pool("q", limit=2 * MB)
    receiver = world.socket("kid", port=9)
    for turn in range(20):
        world.bind(pool=("p", "", "q")[turn % 3])
        world.flood(50)
    world.bind(pool="")
    drains(receiver, 1000, "packets")
    for name in ("p", "q"):
        world.empty(name)
        same((0, 0), (world.state(name)["vnics"], world.state(name)["ring-bytes"] and 0), "nobody is in it")
    # All or nothing, with one that fails.
    refused(errno.ENODEV, [], lambda: world.host.do("apply", {"vnic": [{"id": world.ids["v1"], "pool": "p"}, {"id": 1 << 40}]}))
    same(0, world.state("p")["vnics"], "undone")
    world.host.do("apply", {"vnic": [{"id": world.ids["v1"], "pool": "p"}, {"id": world.ids["v2"], "pool": "p"}]})
    same(2, world.state("p")["vnics"], "done")
    world.flood(10)
    drains(receiver, 10, "packets")


def rings(world):
    """More rings than the pool can give room to are refused, and nothing is changed."""
    world.pool(limit=MB)
    ip("link", "add", "link", "wire0", "name", "many", "numrxqueues", "8", "numtxqueues", "8", "type", "vnic", "pool", "p")
    try:
        ip("link", "set", "many", "up")
        raise AssertionError("eight rings with a megabyte came up")
    except AssertionError as error:
        same(True, "do for 7 rings, not for 8" in str(error), f"refused: {error}")
    # Who has but a container is not told how large the pool is.
    with subprocess.Popen(["unshare", "--user", "--map-root-user", "--net", "sleep", "600"]) as container:
        try:
            until("a container", lambda: os.readlink(f"/proc/{container.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
            ip("link", "set", "many", "netns", str(container.pid))
            enter = ["nsenter", "-t", str(container.pid), "--net"]
            up = [*enter, "--user", "--preserve-credentials", "ip", "link", "set", "many", "up"]
            done = subprocess.run(up, capture_output=True, text=True, check=False)
            same((True, True), (done.returncode != 0, "no room for 8 more rings" in done.stderr), f"refused: {done.stderr}")
            subprocess.run([*enter, "ip", "link", "set", "many", "netns", str(os.getpid())], check=True)
        finally:
            container.kill()
    world.host.do("pool-set", {"name": "p", "limit": 2 * MB})
    ip("link", "set", "many", "up")
    same(True, world.state()["ring-bytes"] >= 72 << 10, "room for a large packet on each")
    run("ethtool", "-L", "many", "combined", "2")
    run("ethtool", "-L", "many", "combined", "8")
    refused(errno.ENOSPC, ["7", "8"], lambda: world.host.do("pool-set", {"name": "p", "limit": MB}))
    ip("link", "del", "many")
    world.host.do("pool-set", {"name": "p", "limit": MB})
    same(0, world.state()["vnics"], "nobody is in it")


def spread(world):
    """Two rings with threads, on which senders on the wire and here push at once; groups, too."""
    world.pool(limit=4 * MB)
    ip("link", "add", "link", "wire0", "name", "many", "numrxqueues", "2", "numtxqueues", "2", "netns", "kid", "type", "vnic")
    ip_batch(["link set v1 down", "link set many up", "addr flush dev v1", "addr add 10.1.0.2/24 dev many"], netns="kid")
    mac = link("many", "kid")["address"]
    for name in ("out", "tx"):
        dev = world.where[name][0]
        ip_batch([f"neigh replace 10.1.0.2 lladdr {mac} dev {dev} nud permanent", f"route add 224.0.0.0/4 dev {dev}"], netns=name)
    world.ids["many"] = next(vnic["id"] for vnic in world.host.dump("vnic-get", {}) if vnic["ifname"] == "many")
    world.bind("many")
    run("ip", "netns", "exec", "kid", "sh", "-c", "mount -t sysfs none /sys; echo 1 > /sys/class/net/many/threaded")
    receiver = world.socket("kid", port=9)
    group = inside(world.fds["kid"], lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    world.sockets.append(group)
    group.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 30)
    group.bind(("239.1.2.3", 10))
    group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + struct.pack("=4si", bytes(4), link("many", "kid")["ifindex"]))
    threads = [threading.Thread(target=world.flood, args=(1500, sender, PAYLOAD, port, to))
               for sender in ("out", "tx") for port, to in ((9, "10.1.0.2"), (10, "239.1.2.3"))]
    for thread in threads:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, world.state()["used"])
    for thread in threads:
        thread.join()
    most = max(most, world.state()["used"])
    same(True, 3 * MB < most <= 4 * MB, f"{most} bytes at most")
    counts = [0, 0]
    until("nothing waits", lambda: [counts.__setitem__(at, counts[at] + drain(sock)) for at, sock in enumerate((receiver, group))] and world.state()["waiting"] == 0)
    same(True, min(counts) > 100, f"{counts} packets, to it and to the group")
    world.drop_sockets()
    world.empty()


def told(world):
    """A ring that drops more than the threshold is told of, once for each time that it is passed."""
    world.pool(limit=MB, threshold=50)
    world.bind()
    listener = family()
    listener.ntf_subscribe("overflow")
    receiver = world.socket("kid", port=9)
    world.fill()
    for _ in range(3):
        world.flood(400)
        events = events_of(listener, 1)
        same(True, len(events) >= 1, "told")
        for event in events:
            body = event["msg"]
            same(("v1", "p", 0), (body["ifname"], body["pool"], body["ring"]), "of whom")
            same(True, body["packets"] >= 50, f"{body['packets']} packets")
    time.sleep(0.1 * SLOW)
    events_of(listener, 0, 0.1)
    receiver.close()
    until("nothing waits", lambda: world.state()["waiting"] == 0)
    same([], events_of(listener, 1, 0.2), "without drops nothing is told")
    listener.close()


def deleted(world):
    """A VNIC goes while packets wait and sockets hold them; so does its pool, whose pages stay in the host's sum until they are free."""
    world.pool(limit=2 * MB)
    world.bind()
    receiver = world.socket("kid", port=9)
    world.fill()
    ip("link", "del", "v1", netns="kid")
    same(0, world.state()["vnics"], "nobody is in it")
    held = world.state()["used"]
    same(True, held > MB, f"{held} bytes are held")
    world.host.do("pool-del", {"name": "p"})
    whole = world.host.do("pool-get", {"host": True})
    same(True, whole["draining"] > MB and whole["used"] == whole["draining"], f"draining: {whole}")
    world.pool("p", limit=MB)
    same(whole["draining"] + MB, world.host.do("pool-get", {"host": True})["used"], "the sum")
    same(PAYLOAD, len(receiver.recv(1 << 16)), "still readable")
    drain(receiver)
    until(lambda: f"the host's again: {world.host.do('pool-get', {'host': True})}", lambda: world.host.do("pool-get", {"host": True})["used"] == MB)
    same(0, world.host.do("pool-get", {"host": True})["draining"], "nothing drains")


def load(world):
    """Loads the module again, after which the family has another number."""
    subprocess.run(["insmod", os.environ["VNIC_KO"]], check=True)
    templates.clear()
    ynl.GenlProtocol.genl_family_name_to_id = {}
    world.host = family()


def killed(world):
    """The namespace goes while its ring is parked; then the module, while a socket holds packets."""
    world.pool(limit=2 * MB)
    world.pool("q", limit=2 * MB)
    world.bind()
    world.bind("v2", "q")
    world.socket("kid", port=9)
    holder = world.socket("other", port=9)
    world.fill()
    ip("netns", "del", "kid")
    world.gone("kid")
    world.sockets.remove(holder)
    world.drop_sockets()
    until("its VNIC is gone", lambda: world.state()["vnics"] == 0)
    world.empty()
    for _ in range(4):
        world.flood(500, to="10.1.0.4")
    world.host.close()
    run("rmmod", "vnic")
    same(True, drain(holder) > 500, "what was received is readable without the module")
    holder.close()
    load(world)
    whole = world.host.do("pool-get", {"host": True})
    same((0, 0), (whole["used"], whole["draining"]), "nothing is left")


def unloaded(world):
    """The module goes while rings are parked, one of a pool that was made smaller, and while another pool drains."""
    world.pool(limit=2 * MB)
    world.pool("q", limit=2 * MB)
    world.bind()
    world.bind("v2", "q")
    first, second = world.socket("kid", port=9), world.socket("other", port=9)
    world.fill()
    for _ in range(4):
        world.flood(500, to="10.1.0.4")
    world.host.do("pool-set", {"name": "p", "limit": MB})
    world.bind("v2", "")
    world.host.do("pool-del", {"name": "q"})
    same(True, world.state()["waiting"] > 0 and world.host.do("pool-get", {"host": True})["draining"] > 0, "parked and draining")
    world.host.close()
    run("rmmod", "vnic")
    for sock in (first, second):
        same(True, drain(sock) > 300, "what was received is readable without the module")
    load(world)


run_all([
    (objects, "POOL-2: pools are parts of the host pool, and no more than it"),
    (permission, "POOL-2: a pool is the manager's affair"),
    (content, "POOL-4: what is stored is what was sent"),
    (large, "POOL-4: large packets are stored in segments"),
    (unread, "POOL-3 POOL-5 POOL-6 POOL-8: a receiver that never reads holds no more than its pool"),
    (resume, "POOL-5: delivery goes on when something was read"),
    (too_long_parked, "POOL-5: after a long time, too"),
    (pipes, "POOL-6: spliced to pipes"),
    (mapped, "POOL-6: mapped by TCP_ZEROCOPY_RECEIVE"),
    (taps, "POOL-6: packet sockets and mirrors"),
    (queued, "POOL-6: packets in NFQUEUE"),
    (routed, "POOL-6: forwarded and cut into segments"),
    (hostage, "POOL-7: who sends to a parked VNIC is not held up"),
    (neighbour, "POOL-7: neighbours lose nothing"),
    (limited, "POOL-6: a limit and a pool"),
    (shared, "POOL-9: two VNICs share a pool"),
    (resized, "POOL-9: resized in use"),
    (changed, "POOL-9: from pool to pool under traffic, all or nothing"),
    (rings, "POOL-8: rings that do not fit are refused"),
    (spread, "POOL-3 POOL-8: several rings, threads, groups"),
    (told, "POOL-8: overflows are told"),
    (deleted, "POOL-6: VNIC and pool deleted while packets are held"),
    (killed, "POOL-6: namespace and module gone while packets are held"),
    (unloaded, "POOL-6: the module gone while rings are parked and pools drain"),
], World)
