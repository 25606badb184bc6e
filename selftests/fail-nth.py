#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=2 timeout=300 kernels=debug default=no leaks=yes
"""
Everything that is asked of the module is asked again and again while one memory allocation after the other fails. What is refused has
changed nothing; what is granted is as without a failure, and can be undone; nothing is leaked.

Only allocations with the module in their backtrace fail: the others are not its affair.
"""
import ctypes
import errno
import os
import socket
import struct
import sys
import time

SLOW = float(os.environ.get("SLOW", "4"))
MODULE = os.environ.get("VNIC_KO", "")
FAIL_NTH = "/proc/thread-self/fail-nth"
DEBUGFS = "/sys/kernel/debug"
KNOBS = [f"{DEBUGFS}/failslab", f"{DEBUGFS}/fail_page_alloc"]
MOST_POINTS = 500

NEWLINK, DELLINK, GETLINK, NEWNEIGH, DELNEIGH, GETNEIGH = 16, 17, 18, 28, 29, 30
REQUEST, ACK, DUMP, CREATE = 0x1, 0x4, 0x300, 0x600
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 5, 18, 28
IFF_UP, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x100, 0x200
# What changes by itself: statistics, carrier and what follows from it.
VOLATILE_ATTRS = {7, 16, 17, 23, 26, 33, 35, 47, 48}
VOLATILE_FLAGS = 0x40 | 0x10000 | 0x20000
VNIC_VLAN, VNIC_PROMISC, VNIC_HOST = 1, 2, 3


def mac(name):
    """An address for each name, the same in every run."""
    return b"\x02" + name.encode().ljust(5, b"\0")[:5]


libc = ctypes.CDLL(None, use_errno=True)


class Surprise(Exception):
    """Something is not as it has to be."""


# --- netlink ----------------------------------------------------------------

def attr(kind, payload):
    length = 4 + len(payload)
    return struct.pack("HH", length, kind) + payload + b"\0" * (-length % 4)


def attrs_of(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, at)
        if length < 4:
            break
        found[kind & 0x3fff] = data[at + 4:at + length]
        at += (length + 3) & ~3
    return found


def message(kind, flags, body):
    return struct.pack("IHHII", 16 + len(body), kind, REQUEST | flags, 1, 0) + body


def rtnetlink():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)


def dump(kind, body):
    """Bodies of the messages of a dump."""
    with rtnetlink() as sock:
        sock.send(message(kind, DUMP, body))
        while True:
            data, at = sock.recv(1 << 18), 0
            while at < len(data):
                length, what = struct.unpack_from("IH", data, at)
                if what == 3:
                    return
                if what == 2:
                    raise Surprise("a dump failed")
                yield data[at + 16:at + length]
                at += (length + 3) & ~3


def ask(request, nth=0):
    """Sends a request, its nth allocation failing. What came of it (0 or an errno), and whether there was an nth."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, getattr(request, "protocol", 0)) as sock:
        reached = armed(nth, lambda: sock.send(request))[1]
        return -struct.unpack_from("i", sock.recv(1 << 16), 16)[0], reached


def armed(nth, call):
    """What call() returned, and whether its nth allocation failed."""
    if not nth:
        return call(), False
    # Opened before: this too takes memory.
    start, look, end = (os.open(FAIL_NTH, os.O_RDWR) for _ in range(3))
    try:
        os.write(start, b"%d" % nth)
        result = call()
        left = int(os.read(look, 16).split(b"\0")[0])
        os.write(end, b"0")
    finally:
        for fd in (start, look, end):
            os.close(fd)
    return result, not left


# --- requests ---------------------------------------------------------------

def add(kind, name, lower=None, **data):
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0")
    body += attr(IFLA_ADDRESS, mac(name))
    if lower:
        body += attr(IFLA_LINK, struct.pack("I", socket.if_nametoindex(lower)))
    info = attr(1, kind.encode())
    if data:
        info += attr(2 | 0x8000, b"".join(attr(number, value) for number, value in data["data"]))
    return message(NEWLINK, ACK | CREATE, body + attr(IFLA_LINKINFO | 0x8000, info))


def change(name, on=0, off=0, attributes=b""):
    body = struct.pack("BxHiII", 0, 0, socket.if_nametoindex(name), on, on | off)
    return message(NEWLINK, ACK, body + attributes)


def option(name, number, value):
    info = attr(1, b"vnic") + attr(2 | 0x8000, attr(number, struct.pack("B", value)))
    return change(name, attributes=attr(IFLA_LINKINFO | 0x8000, info))


def delete(name):
    return message(DELLINK, ACK, struct.pack("BxHiII", 0, 0, socket.if_nametoindex(name), 0, 0))


def address_of(kind, name, addr):
    """Adds or removes a secondary address (bridge fdb … self)."""
    body = struct.pack("BxxxiHBB", 7, socket.if_nametoindex(name), 0x80, 0x2, 0)
    return message(kind, ACK | (CREATE if kind == NEWNEIGH else 0), body + attr(2, addr))


class Generic(bytes):
    """A request to a family of generic netlink."""
    protocol = 16


def family():
    """The number of the family "vnic"."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, Generic.protocol) as sock:
        sock.send(message(0x10, 0, struct.pack("BBxx", 3, 1) + attr(2, b"vnic\0")))
        return struct.unpack("H", attrs_of(sock.recv(1 << 16)[20:])[1])[0]


def vnic_set(name, addr, mtu, promisc, up):
    """VNIC_CMD_VNIC_SET."""
    body = attr(4, struct.pack("I", socket.if_nametoindex(name))) + attr(8, addr) + attr(9, struct.pack("I", mtu))
    body += attr(10, struct.pack("B", up)) + attr(11, struct.pack("I", promisc))
    return Generic(message(family(), ACK, struct.pack("BBxx", 4, 1) + body))


def do(*requests):
    for request in requests:
        error, _ = ask(request() if callable(request) else request)
        if error:
            raise Surprise(f"setting up: {os.strerror(error)}")


# --- state ------------------------------------------------------------------

def links():
    """All devices with all that rtnetlink tells of them, but for what changes by itself; names instead of indices."""
    found, names = {}, dict(socket.if_nameindex())
    for body in dump(GETLINK, struct.pack("BxHiII", 0, 0, 0, 0, 0)):
        flags, = struct.unpack_from("I", body, 8)
        attributes = attrs_of(body[16:])
        name = attributes[IFLA_IFNAME].split(b"\0")[0].decode()
        found[name] = {number: value.hex() for number, value in attributes.items() if number not in VOLATILE_ATTRS}
        found[name]["flags"] = hex(flags & ~VOLATILE_FLAGS)
        if IFLA_LINK in attributes:
            found[name][IFLA_LINK] = names.get(int.from_bytes(attributes[IFLA_LINK], sys.byteorder))
    return found


def filters():
    """Which addresses each device wants to receive."""
    names = {index: name for index, name in socket.if_nameindex()}
    found = set()
    for body in dump(GETNEIGH, struct.pack("BxxxiHBB", 7, 0, 0, 0, 0)):
        index, state, flags = struct.unpack_from("iHB", body, 4)
        found.add((names.get(index), state, flags, attrs_of(body[12:]).get(2, b"").hex()))
    with open("/proc/thread-self/net/dev_mcast", encoding="ascii") as file:
        found.update(tuple(line.split()[1:]) for line in file)
    return found


def state():
    return links(), filters()


def only_links():
    """The filters of a device that goes up are brought in line bit by bit."""
    return links(), set()


def difference(old, new):
    said = []
    for name in sorted(set(old[0]) | set(new[0])):
        a, b = old[0].get(name), new[0].get(name)
        if a is None or b is None:
            said.append(f"{name} {'came' if a is None else 'went'}")
        else:
            said += [f"{name}: attribute {key} was {a.get(key)}, is {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key)]
    said += [f"filter came: {entry}" for entry in new[1] - old[1]] + [f"filter went: {entry}" for entry in old[1] - new[1]]
    return "; ".join(said)


def settles_to(wanted, get=state):
    """Filters are brought in line a bit later."""
    end = time.monotonic() + 1.5 * SLOW
    while True:
        now = get()
        if now == wanted:
            return
        if time.monotonic() > end:
            raise Surprise(difference(wanted, now))
        time.sleep(0.02)


# --- cases ------------------------------------------------------------------

class Case:
    """
    A request, and how it is undone. Between two of them the state is that of `start`, and where `fresh` is set also the history: what
    was allocated once may be there the next time.
    """

    def __init__(self, what, request, undo, start=(), fresh=True):
        self.what = what
        self.request = request
        self.undo = undo if isinstance(undo, tuple) else (undo,)
        self.start = start
        self.fresh = fresh

    def begin(self):
        world()
        do(*self.start)

    def run(self):
        # What is made for sysfs fails once, in the first case.
        not_within(*(range_of("netdev_register_kobject") if self.fresh else (0, 0)))
        self.begin()
        before = state()
        do(self.request)
        done = only_links()
        do(*self.undo)
        settles_to(before)
        refused = 0
        for nth in range(1, MOST_POINTS):
            if self.fresh:
                self.begin()
            error, reached = ask(self.request(), nth)
            try:
                if error:
                    refused += 1
                    settles_to(before)
                else:
                    settles_to(done, only_links)
                    do(*self.undo)
                    settles_to(before)
            except Surprise as surprise:
                raise Surprise(f"point {nth}, {os.strerror(error) if error else 'granted'}: {surprise}") from surprise
            if not reached:
                return f"{nth - 1} points, {refused} refused"
        raise Surprise("no end of it")


V0 = (lambda: add("vnic", "v0", "w0"),)
V0_UP = V0 + (lambda: change("v0", on=IFF_UP),)
STUB = (lambda: add("etherstub", "s0"),)
MANY = [lambda n=n: add("vnic", f"m{n}", "w0") for n in range(7)]

CASES = [
    Case("the first VNIC of a link", lambda: add("vnic", "v0", "w0"), lambda: delete("v0"), fresh=False),
    Case("one of a VLAN, promisc all, host off", lambda: add(
        "vnic", "v0", "w0", data=[(VNIC_VLAN, struct.pack("H", 10)), (VNIC_PROMISC, b"\2"), (VNIC_HOST, b"\0")]), lambda: delete("v0")),
    Case("another VNIC", lambda: add("vnic", "v1", "w0"), lambda: delete("v1"), V0_UP),
    Case("one for which the table has to grow", lambda: add("vnic", "v1", "w0"), lambda: delete("v1"), MANY),
    Case("an etherstub", lambda: add("etherstub", "s0"), lambda: delete("s0")),
    Case("a VNIC on an etherstub", lambda: add("vnic", "v0", "s0"), lambda: delete("v0"), STUB),
    Case("a VNIC on a VNIC", lambda: add("vnic", "v1", "v0"), lambda: delete("v1"), V0_UP),
    Case("up", lambda: change("v0", on=IFF_UP), lambda: change("v0", off=IFF_UP), V0_UP + (lambda: change("v0", off=IFF_UP),)),
    # Once only: what goes down again is not as before (its queueing discipline).
    Case("up for the first time", lambda: change("v0", on=IFF_UP), (lambda: delete("v0"),) + V0, V0),
    Case("another address", lambda: change("v0", attributes=attr(IFLA_ADDRESS, mac("v2"))),
         lambda: change("v0", attributes=attr(IFLA_ADDRESS, mac("v0"))), V0_UP),
    Case("another address of an etherstub", lambda: change("s0", attributes=attr(IFLA_ADDRESS, mac("v2"))),
         lambda: change("s0", attributes=attr(IFLA_ADDRESS, mac("s0"))), STUB + (lambda: change("s0", on=IFF_UP),)),
    Case("another MTU of the link", lambda: change("w0", attributes=attr(IFLA_MTU, struct.pack("I", 1400))),
         lambda: change("w0", attributes=attr(IFLA_MTU, struct.pack("I", 1500))), V0_UP),
    Case("a VLAN device on top", lambda: add("vlan", "v0.20", "v0", data=[(1, struct.pack("H", 20))]), lambda: delete("v0.20"), V0_UP),
    Case("promiscuous", lambda: change("v0", on=IFF_PROMISC), lambda: change("v0", off=IFF_PROMISC), V0_UP),
    Case("promiscuous, seeing all", lambda: option("v0", VNIC_PROMISC, 2), lambda: option("v0", VNIC_PROMISC, 1),
         V0_UP + (lambda: change("v0", on=IFF_PROMISC),)),
    Case("all groups", lambda: change("v0", on=IFF_ALLMULTI), lambda: change("v0", off=IFF_ALLMULTI), V0_UP),
    Case("host on", lambda: option("v0", VNIC_HOST, 1), lambda: option("v0", VNIC_HOST, 0), V0_UP + (lambda: option("v0", VNIC_HOST, 0),)),
    Case("a secondary address", lambda: address_of(NEWNEIGH, "v0", mac("v2")), lambda: address_of(DELNEIGH, "v0", mac("v2")), V0_UP),
    Case("four settings at once by the netlink family", lambda: vnic_set("v0", mac("v2"), 1400, 2, 1), (lambda: delete("v0"),) + V0, V0),
    Case("a VNIC deleted", lambda: delete("v0"), lambda: add("vnic", "v0", "w0"), V0),
    Case("the last device of a link deleted with it", lambda: delete("s0"), lambda: add("etherstub", "s0"), STUB),
]


# --- the module -------------------------------------------------------------

def load():
    fd = os.open("/tmp/fail-nth-vnic.ko", os.O_RDONLY)
    try:
        return 0 if libc.syscall(313, fd, b"", 0) == 0 else ctypes.get_errno()
    finally:
        os.close(fd)


def unload():
    return 0 if libc.syscall(176, b"vnic", os.O_NONBLOCK) == 0 else ctypes.get_errno()


def loaded():
    return os.path.isdir("/sys/module/vnic")


def passes_by():
    """A device that comes, changes and goes: whoever still listens to events from freed memory would be found."""
    do(add("dummy", "d0"), lambda: change("d0", on=IFF_UP), lambda: delete("d0"))


def loading():
    refused = 0
    unload()
    not_within(0, 0)
    only_within(*range_of("do_one_initcall"))
    for nth in range(1, MOST_POINTS):
        error, reached = armed(nth, load)
        if error:
            refused += 1
        if loaded() != (not error):
            raise Surprise(f"point {nth}: error {error}, and it is {'' if loaded() else 'not '}there")
        passes_by()
        if not error:
            do(lambda: add("vnic", "v0", "w0"))
            if unload():
                raise Surprise(f"point {nth}: it does not unload")
        if not reached:
            return f"{nth - 1} points, {refused} refused"
    raise Surprise("no end of it")


def unloading():
    """Goes whatever fails, and takes everything along."""
    before = state()
    for nth in range(1, MOST_POINTS):
        if not loaded() and load():
            raise Surprise("it does not load")
        only_within(*module_range())
        do(*V0_UP, *STUB, lambda: add("vnic", "v1", "s0"), lambda: change("v0", on=IFF_PROMISC))
        error, reached = armed(nth, unload)
        if error or loaded():
            raise Surprise(f"point {nth}: {os.strerror(error)}")
        settles_to(before)
        if not reached:
            return f"{nth - 1} points"
    raise Surprise("no end of it")


# --- which allocations ------------------------------------------------------

def knob(name, value):
    for directory in KNOBS:
        with open(f"{directory}/{name}", "w", encoding="ascii") as file:
            file.write(str(value))


def only_within(start, end):
    """Only allocations with this piece of code in their backtrace fail."""
    knob("require-start", hex(start))
    knob("require-end", hex(end))


def not_within(start, end):
    """Allocations with this piece of code in their backtrace do not."""
    knob("reject-start", hex(start))
    knob("reject-end", hex(end))


def range_of(function):
    with open("/proc/kallsyms", encoding="ascii") as file:
        symbols = sorted((int(line.split()[0], 16), line.split()[2]) for line in file if len(line.split()) == 3)
    start = next(address for address, name in symbols if name == function)
    return start, next(address for address, _ in symbols if address > start)


def module_range():
    with open("/proc/modules", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] == "vnic":
                return int(words[5], 16), int(words[5], 16) + int(words[1])
    raise Surprise("no module")


def leaks():
    """What nothing points to any more; suspected from the second look on, and when it is some seconds old."""
    file = f"{DEBUGFS}/kmemleak"
    if not os.path.exists(file):
        raise Surprise("kmemleak is not on")
    for _ in range(2):
        time.sleep(3)
        with open(file, "w", encoding="ascii") as control:
            control.write("scan")
    with open(file, encoding="ascii") as found:
        text = found.read()
    if text:
        raise Surprise(text)
    return "none"


def prepare():
    if not os.path.exists(FAIL_NTH) or not all(map(os.path.isdir, KNOBS)):
        print("Bail out! no fault injection in this kernel")
        sys.exit(1)
    libc.unshare(0x40000000)    # CLONE_NEWNET
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as file:
        file.write("1")
    for name, value in {"ignore-gfp-wait": "N", "verbose": 0, "stacktrace-depth": 32}.items():
        knob(name, value)
    with open(f"{KNOBS[1]}/min-order", "w", encoding="ascii") as file:
        file.write("0")
    with open(MODULE, "rb") as source, open("/tmp/fail-nth-vnic.ko", "wb") as copy:
        copy.write(source.read())
    if not loaded() and load():
        print("Bail out! vnic.ko does not load")
        sys.exit(1)


def clean():
    """No device is left but the loopback."""
    for _, name in socket.if_nameindex():
        if name != "lo" and name in [name for _, name in socket.if_nameindex()]:
            do(delete(name))


def world():
    """A link to put VNICs on."""
    clean()
    peer = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attr(IFLA_IFNAME, b"w1\0") + attr(IFLA_ADDRESS, mac("w1"))
    do(add("veth", "w0", data=[(1, peer)]), lambda: change("w0", on=IFF_UP), lambda: change("w1", on=IFF_UP))


def main():
    wanted = sys.argv[1:]
    print("TAP version 13")
    prepare()
    tests = [(case.what, case.run) for case in CASES]
    tests += [("loading", loading), ("unloading", unloading), ("memory that is leaked", leaks)]
    failed = number = 0
    for what, run in tests:
        if wanted and not any(word in what for word in wanted):
            continue
        number += 1
        try:
            world()
            if not loaded() and load():
                raise Surprise("it does not load")
            only_within(*module_range())
            print(f"ok {number} - SWITCH-2: {what}: {run()}", flush=True)
        except Surprise as surprise:
            failed += 1
            print(f"not ok {number} - SWITCH-2: {what}\n# " + str(surprise).replace("\n", "\n# "), flush=True)
    clean()
    print(f"1..{number}")
    sys.exit(failed > 0)


main()
