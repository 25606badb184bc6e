#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=2 timeout=900 kernels=debug default=no leaks=yes
"""
Everything that is asked of the module is asked again and again while one memory allocation after the other fails. What is refused has
changed nothing; what is granted is as without a failure, and can be undone; nothing is leaked.

Only allocations with the module in their backtrace fail: the others are not its affair.

    fail-nth.py [WORDS]…   only the cases with one of these in their names; CASES=REGEX likewise
"""
import ctypes
import os
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import rawnl as nl  # pylint: disable=wrong-import-position
# pylint: disable=wrong-import-position
from rawnl import ACK, CREATE, DELNEIGH, GETNEIGH, IFF_ALLMULTI, IFF_PROMISC, IFF_UP, IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK
from rawnl import IFLA_MTU, NEWNEIGH, VNIC_HOST, VNIC_PROMISC, VNIC_VLAN, attr, attrs_of, change, delete, message
# pylint: enable=wrong-import-position

SLOW = float(os.environ.get("SLOW", "4"))
MODULE = os.environ.get("VNIC_KO", "")
FAIL_NTH = "/proc/thread-self/fail-nth"
MAKE_IT_FAIL = "/proc/thread-self/make-it-fail"
DEBUGFS = "/sys/kernel/debug"
KNOBS = [f"{DEBUGFS}/failslab", f"{DEBUGFS}/fail_page_alloc"]
MOST_POINTS = 500

# What changes by itself: statistics, carrier and what follows from it.
VOLATILE_ATTRS = {7, 16, 17, 23, 26, 33, 35, 47, 48}
VOLATILE_FLAGS = 0x40 | 0x10000 | 0x20000
POOL_VOLATILE = {nl.O_HIGH_WATER}
# Namespaces: the one of the links, and a container's.
HOME, BOX = "home", "box"
NAMESPACES = {}


def mac(name):
    """An address for each name, the same in every run."""
    return b"\x02" + name.encode().ljust(5, b"\0")[:5]


libc = ctypes.CDLL(None, use_errno=True)


class Surprise(Exception):
    """Something is not as it has to be."""


# --- asking -----------------------------------------------------------------

class Inside:
    """A request that is made and sent in the container."""

    def __init__(self, make):
        self.make = make


def inside(namespace, action):
    """Does it in another namespace."""
    os.setns(NAMESPACES[namespace], os.CLONE_NEWNET)
    try:
        return action()
    finally:
        os.setns(NAMESPACES[HOME], os.CLONE_NEWNET)


def ask(request, nth=0, lasting=False):
    """Sends a request, its nth allocation failing. What came of it (0 or an errno), and whether there was an nth."""
    if isinstance(request, Inside):
        return inside(BOX, lambda: ask(request.make(), nth, lasting))
    reached = []
    error = nl.ask(request, lambda call: reached.append(armed(nth, call, lasting)[1]))
    return error, reached[0]


def armed(nth, call, lasting=False):
    """What call() returned, and whether its nth allocation failed; if that is lasting, so did those that followed."""
    if not nth:
        return call(), False
    # Opened before: this too takes memory.
    start, look, end, others = (os.open(file, os.O_RDWR) for file in (FAIL_NTH, FAIL_NTH, FAIL_NTH, MAKE_IT_FAIL))
    try:
        os.write(others, b"01"[lasting:lasting + 1])
        os.write(start, b"%d" % nth)
        result = call()
        left = int(os.read(look, 16).split(b"\0")[0])
        os.write(end, b"0")
        os.write(others, b"0")
    finally:
        for fd in (start, look, end, others):
            os.close(fd)
    return result, not left


# --- requests ---------------------------------------------------------------

def add(kind, name, lower=None, data=(), attributes=b""):
    return nl.new_link(kind, name, attr(IFLA_ADDRESS, mac(name)), attributes, lower=lower, data=[attr(*entry) for entry in data])


def option(name, number, value):
    return change(name, attributes=nl.kind_of_link("vnic", attr(number, struct.pack("B", value))))


def address_of(kind, name, addr):
    """Adds or removes a secondary address (bridge fdb … self)."""
    body = struct.pack("BxxxiHBB", 7, socket.if_nametoindex(name), 0x80, 0x2, 0)
    return message(kind, ACK | (CREATE if kind == NEWNEIGH else 0), body + attr(2, addr))


def index_of(name):
    return nl.number(nl.V_IFINDEX, socket.if_nametoindex(name))


def vnic_set(name, addr, mtu, promisc, up):
    return nl.generic(nl.VNIC_SET, index_of(name), attr(nl.V_ADDRESS, addr), nl.number(nl.V_MTU, mtu), attr(nl.V_UP, bytes((up,))),
                      nl.number(nl.V_PROMISC_MODE, promisc))


def subject_set(name, addr, mtu):
    return nl.generic(nl.VNIC_SET, index_of(name), attr(nl.V_ADDRESS, addr), nl.number(nl.V_MTU, mtu))


def vnic_id(name):
    """The number of a VNIC, present or absent, as an attribute's payload."""
    return next(entry[nl.V_ID] for entry in nl.shown(nl.VNIC_GET) if nl.text(entry[nl.V_IFNAME]) == name)


def param(name):
    return nl.number(nl.P_PARAM, nl.PARAMS.index(name))


def policy(vnic, *attributes):
    """One of a VNIC, for its owner."""
    return attr(nl.P_VNIC, vnic_id(vnic)), nl.number(nl.P_SUBJECT, nl.OWNER), *attributes


def policy_add(vnic, *attributes):
    return nl.generic(nl.POLICY_ADD, *policy(vnic, *attributes))


def flow(*attributes, name=b"web\0"):
    """One of v0."""
    return attr(nl.F_VNIC, vnic_id("v0")), attr(nl.F_NAME, name), *attributes


def flow_add():
    return nl.generic(nl.FLOW_ADD, *flow(attr(nl.F_PROTOCOL, b"\6"), attr(nl.F_LOCAL_PORT, struct.pack("H", 80)), nl.number(nl.F_RANK, 7)))


def flow_del():
    return nl.generic(nl.FLOW_DEL, *flow())


def flow_other(number):
    """Of the same mask as that of flow_add()."""
    return nl.generic(nl.FLOW_ADD, *flow(attr(nl.F_PROTOCOL, b"\6"), attr(nl.F_LOCAL_PORT, struct.pack("H", number)), name=b"f%d\0" % number))


def flows_apply():
    """One is replaced by another of its match, one goes with its mask, one comes with a mask."""
    return nl.generic(nl.APPLY,
                      nl.nest(nl.T_FLOW, *flow(attr(nl.F_PROTOCOL, b"\6"), attr(nl.F_LOCAL_PORT, struct.pack("H", 80)), attr(nl.F_RING, b"\1\0"))),
                      nl.nest(nl.T_FLOW, *flow(attr(nl.F_DELETE, b""))),
                      nl.nest(nl.T_FLOW, *flow(attr(nl.F_DELETE, b""), name=b"all\0")),
                      nl.nest(nl.T_FLOW, *flow(attr(nl.F_ETHERTYPE, b"\6\10"), name=b"arp\0")))


def limits_set(rate):
    """In both directions, bits and packets."""
    return nl.generic(nl.VNIC_SET, index_of("v0"), *(nl.number(kind, rate) for kind in (nl.V_RX_MAXBW, nl.V_TX_MAXBW, nl.V_RX_MAXPPS, nl.V_TX_MAXPPS)))


def limits_apply():
    """Those of one go, another one gets some, and so does a flow."""
    rate = 1 << 20
    return nl.generic(nl.APPLY,
                      nl.nest(nl.T_VNIC, attr(nl.V_ID, vnic_id("v0")), nl.number(nl.V_RX_MAXBW, 0), nl.number(nl.V_TX_MAXBW, 0)),
                      nl.nest(nl.T_VNIC, attr(nl.V_ID, vnic_id("v1")), nl.number(nl.V_RX_MAXBW, rate), nl.number(nl.V_TX_MAXBW, rate)),
                      nl.nest(nl.T_FLOW, *flow(nl.number(nl.F_RX_MAXBW, rate), nl.number(nl.F_TX_MAXBW, rate), attr(nl.F_CHANGE, b""), name=b"all\0")))


def flow_limits(rate):
    return nl.generic(nl.FLOW_SET, *flow(nl.number(nl.F_RX_MAXBW, rate), nl.number(nl.F_TX_MAXPPS, rate), name=b"all\0"))


def maxbw(rate):
    return nl.generic(nl.LINK_SET, nl.number(nl.LINK_IFINDEX, socket.if_nametoindex("w0")), nl.number(nl.LINK_MAXBW, rate))


def pool_add():
    return nl.generic(nl.POOL_ADD, attr(nl.O_NAME, b"p\0"), attr(nl.O_LIMIT, struct.pack("Q", 1 << 20)))


def pool_del():
    return nl.generic(nl.POOL_DEL, attr(nl.O_NAME, b"p\0"))


def pool_bind(name=b"p\0"):
    return nl.generic(nl.VNIC_SET, index_of("v0"), attr(nl.V_POOL, name))


def policies():
    return [entry for entry in nl.shown(nl.POLICY_GET) if nl.P_BUILT_IN not in entry]


def pools():
    return [entry for entry in nl.shown(nl.POOL_GET) if nl.O_HOST not in entry]


def policy_del():
    """Of the policy that was added last."""
    return nl.generic(nl.POLICY_DEL, attr(nl.P_ID, policies()[-1][nl.P_ID]))


def why(name, what, number):
    return nl.generic(nl.WHY, nl.number(nl.R_IFINDEX, socket.if_nametoindex(name)), nl.number(nl.R_PARAM, nl.PARAMS.index(what)),
                      attr(nl.R_NUMBER, struct.pack("I", number)), nl.number(nl.R_SUBJECT, nl.OWNER))


def transaction():
    """Two VNICs change, three policies come and one goes, and a third VNIC goes."""
    def of(name):
        return attr(nl.V_ID, vnic_id(name))
    return nl.generic(
        nl.APPLY,
        nl.nest(nl.T_VNIC, of("v0"), nl.number(nl.V_MTU, 1400), attr(nl.V_ADDRESS, mac("v9")), attr(nl.V_UP, b"\1")),
        nl.nest(nl.T_VNIC, of("v2"), attr(nl.V_DELETE, b"")),
        nl.nest(nl.T_VNIC, of("v1"), nl.number(nl.V_PROMISC_MODE, 2), nl.number(nl.V_MTU, 1300)),
        nl.nest(nl.T_POLICY, *policy("v0", param("promisc"))),
        nl.nest(nl.T_POLICY, *policy("v1", param("mtu"), attr(nl.P_FROM, struct.pack("I", 1000)))),
        nl.nest(nl.T_POLICY, attr(nl.P_ID, policies()[-1][nl.P_ID]), attr(nl.P_DELETE, b"")),
        nl.nest(nl.T_POLICY, nl.number(nl.P_LINK, socket.if_nametoindex("w0")), nl.number(nl.P_SUBJECT, nl.NAME),
                attr(nl.P_NAME, b"vm\0"), param("all")))


def forget():
    """Deletes policies and what is kept of VNICs."""
    for entry in nl.shown(nl.VNIC_GET):
        if nl.V_ABSENT in entry:
            do(nl.generic(nl.APPLY, nl.nest(nl.T_VNIC, attr(nl.V_ID, entry[nl.V_ID]), attr(nl.V_DELETE, b""))))
    while policies():
        do(policy_del())
    for entry in pools():
        do(nl.generic(nl.POOL_DEL, attr(nl.O_NAME, entry[nl.O_NAME])))


def do(*requests):
    for request in requests:
        error, _ = ask(request() if callable(request) else request)
        if error:
            raise Surprise(f"setting up: {os.strerror(error)}")


# --- state ------------------------------------------------------------------

def links(prefix=""):
    """All devices with all that rtnetlink tells of them, but for what changes by itself; names instead of indices."""
    found, names = {}, dict(socket.if_nameindex())
    for _, flags, attributes in nl.links():
        name = prefix + nl.text(attributes[IFLA_IFNAME])
        found[name] = {number: value.hex() for number, value in attributes.items() if number not in VOLATILE_ATTRS}
        found[name]["flags"] = hex(flags & ~VOLATILE_FLAGS)
        if IFLA_LINK in attributes:
            # By an index of the other namespace.
            found[name][IFLA_LINK] = None if prefix else names.get(nl.uint(attributes[IFLA_LINK]))
    return found


def filters(prefix=""):
    """Which addresses each device wants to receive."""
    names = {index: prefix + name for index, name in socket.if_nameindex()}
    found = set()
    for body in nl.dump(GETNEIGH, struct.pack("BxxxiHBB", 7, 0, 0, 0, 0)):
        index, what, flags = struct.unpack_from("iHB", body, 4)
        found.add((names.get(index), what, flags, attrs_of(body[12:]).get(2, b"").hex()))
    with open("/proc/thread-self/net/dev_mcast", encoding="ascii") as file:
        found.update((prefix + line.split()[1], *line.split()[2:]) for line in file)
    return found


def database():
    """VNICs and policies as the family shows them, in the same form as devices; names instead of numbers."""
    names = dict(socket.if_nameindex())
    found, name_of = {}, {}
    for entry in nl.shown(nl.VNIC_GET):
        number, name = entry.pop(nl.V_ID), "vnic " + nl.text(entry[nl.V_IFNAME])
        name_of[number] = name
        # The number of the container's namespace is given once, by whoever asks first.
        found[name] = {key: value.hex() for key, value in entry.items() if key not in (nl.V_LINK, nl.V_IFINDEX)}
    for place, entry in enumerate(policies()):
        entry.pop(nl.P_ID)
        if nl.P_VNIC in entry:
            entry[nl.P_VNIC] = name_of.get(entry[nl.P_VNIC], "nobody").encode()
        if nl.P_LINK in entry:
            entry[nl.P_LINK] = names.get(nl.uint(entry[nl.P_LINK]), "nobody").encode()
        found[f"policy {place}"] = {key: value.hex() for key, value in entry.items()}
    for entry in nl.shown(nl.FLOW_GET):
        entry.pop(nl.F_ID)
        name = f"flow {nl.text(entry[nl.F_NAME])} of {name_of[entry.pop(nl.F_VNIC)]}"
        found[name] = {key: value.hex() for key, value in entry.items()}
    for entry in nl.shown(nl.LINK_GET):
        found["link " + nl.text(entry[nl.LINK_IFNAME])] = {"maxbw": entry.get(nl.LINK_MAXBW, b"").hex()}
    for entry in nl.shown(nl.POOL_GET):
        name = "the host pool" if nl.O_HOST in entry else f"pool {nl.text(entry[nl.O_NAME])}"
        found[name] = {key: value.hex() for key, value in entry.items() if key not in POOL_VOLATILE}
    return found


def only_links():
    """The filters of a device that goes up are brought in line bit by bit."""
    found = links()
    found.update(inside(BOX, lambda: links("box/")))
    if loaded():
        found.update(database())
    return found, set()


def state():
    return only_links()[0], filters() | inside(BOX, lambda: filters("box/"))


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
    was allocated once may be there the next time. Without `undo` it is undone by beginning anew. `lasting`: once more, and what follows
    on the failure fails, too, as where memory that cannot be had in one piece is asked for in many. `reload`: the module is loaded anew
    each time, as what it keeps for itself stays allocated.
    """

    def __init__(self, what, request, undo=(), start=(), *, fresh=True, lasting=False, reload=False):
        self.what = what
        self.request = request
        self.undo = undo if isinstance(undo, tuple) else (undo,)
        self.start = start
        self.fresh = fresh
        self.lasting = lasting
        self.reload = reload

    def begin(self):
        if self.reload:
            clean()
            if unload() or load():
                raise Surprise("it cannot be loaded anew")
            only_within(*module_range())
        world()
        do(*self.start)

    def again(self):
        if self.undo:
            do(*self.undo)
        else:
            self.begin()

    def run(self):
        # What is made for sysfs fails once, in the first case.
        not_within(*(range_of("netdev_register_kobject") if self.fresh else (0, 0)))
        self.begin()
        before = state()
        do(self.request)
        done = only_links()
        self.again()
        settles_to(before)
        said = self.points(before, done, False)
        return said + (", lasting: " + self.points(before, done, True) if self.lasting else "")

    def points(self, before, done, lasting):
        refused = 0
        for nth in range(1, MOST_POINTS):
            if self.fresh:
                self.begin()
            error, reached = ask(self.request(), nth, lasting)
            try:
                if error:
                    refused += 1
                    settles_to(before)
                else:
                    settles_to(done, only_links)
                    self.again()
                    settles_to(before)
            except Surprise as surprise:
                what = f"point {nth}{', lasting' if lasting else ''}, {os.strerror(error) if error else 'granted'}"
                raise Surprise(f"{what}: {surprise}") from surprise
            if not reached:
                return f"{nth - 1} points, {refused} refused"
        raise Surprise("no end of it")


V0 = (lambda: add("vnic", "v0", "w0"),)
V0_UP = V0 + (lambda: change("v0", on=IFF_UP),)
STUB = (lambda: add("etherstub", "s0"),)
BOXED = (lambda: add("vnic", "v0", "w0", attributes=nl.number(nl.IFLA_NET_NS_FD, NAMESPACES[BOX])),)
# v0 was up before: the first time changes its queueing discipline for good.
THREE = V0_UP + (lambda: change("v0", off=IFF_UP), lambda: add("vnic", "v1", "w0"), lambda: add("vnic", "v2", "w0"), lambda: policy_add("v2", param("mtu")))
# What is kept of v0 after its container deleted it.
ABSENT = BOXED + (lambda: policy_add("v0", param("mtu")), lambda: policy_add("v0", param("promisc"), attr(nl.P_NOTHING, b"")),
                  lambda: Inside(lambda: delete("v0")))
# The next one of this mask needs another table.
FLOWS = V0_UP + tuple(lambda number=number: flow_other(number) for number in range(4))
ANY = V0_UP + (lambda: nl.generic(nl.FLOW_ADD, *flow(name=b"all\0")),)
ALL = ANY + (flow_add,)
POOL = V0_UP + (pool_add,)
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
    Case("a policy added", lambda: policy_add("v0", param("all")), policy_del, V0_UP, lasting=True),
    Case("a policy deleted", policy_del, lambda: policy_add("v0", param("mtu")), V0_UP + (lambda: policy_add("v0", param("mtu")),),
         lasting=True),
    Case("two settings by a subject", lambda: Inside(lambda: subject_set("v0", mac("v2"), 1400)),
         lambda: Inside(lambda: subject_set("v0", mac("v0"), 1500)),
         BOXED + (lambda: policy_add("v0", param("mtu")), lambda: policy_add("v0", param("address"))), lasting=True),
    Case("why, asked", lambda: why("v0", "mtu", 1400), lambda: why("v0", "up", 1), V0_UP, lasting=True),
    Case("a transaction", transaction, start=THREE, lasting=True),
    Case("an absent VNIC taken over", lambda: add("vnic", "v0", "w0"), start=ABSENT, lasting=True),
    Case("a VNIC deleted by its container, and kept", ABSENT[-1], start=ABSENT[:-1], lasting=True, reload=True),
    Case("promiscuous by permission", lambda: Inside(lambda: change("v0", on=IFF_PROMISC)),
         lambda: Inside(lambda: change("v0", off=IFF_PROMISC)),
         BOXED + (lambda: policy_add("v0", param("promisc")), lambda: Inside(lambda: change("v0", on=IFF_UP))), lasting=True),
    Case("a flow is added", flow_add, flow_del, V0_UP, lasting=True),
    Case("a flow is added for which its table has to grow", flow_add, flow_del, FLOWS, lasting=True),
    Case("a flow is added with another mask", flow_add, flow_del, ANY, lasting=True),
    Case("a flow is deleted", flow_del, flow_add, ALL, lasting=True),
    Case("flows are replaced by a transaction", flows_apply, start=ALL, lasting=True),
    Case("a VNIC gets limits", lambda: limits_set(1 << 20), lambda: limits_set(0), V0_UP, lasting=True),
    Case("a flow gets limits", lambda: flow_limits(1 << 20), lambda: flow_limits(0), ANY, lasting=True),
    Case("limits go and come by a transaction", limits_apply,
         start=ANY + (lambda: limits_set(1 << 20), lambda: add("vnic", "v1", "w0"), lambda: change("v1", on=IFF_UP)), lasting=True),
    Case("a link gets a maxbw", lambda: maxbw(1 << 20), lambda: maxbw(0), V0_UP, lasting=True),
    # It gets its pages at once, two hundred.
    Case("a pool is added", pool_add, pool_del, V0_UP, fresh=False),
    Case("a VNIC is bound to a pool", pool_bind, lambda: pool_bind(b"\0"), POOL, lasting=True),
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
    error = unload()
    if error:
        raise Surprise(f"it does not unload: {os.strerror(error)}")
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
    # The links are in the first namespace: only there are pools.
    NAMESPACES[HOME] = os.open("/proc/self/ns/net", os.O_RDONLY)
    nl.no_ipv6()
    os.unshare(os.CLONE_NEWNET)
    NAMESPACES[BOX] = os.open("/proc/self/ns/net", os.O_RDONLY)
    nl.no_ipv6()
    os.setns(NAMESPACES[HOME], os.CLONE_NEWNET)
    # What is certain to fail fails only while MAKE_IT_FAIL is on.
    for name, value in {"ignore-gfp-wait": "N", "verbose": 0, "stacktrace-depth": 32, "task-filter": "Y", "probability": 100,
                        "times": -1}.items():
        knob(name, value)
    for name, value in {"min-order": "0", "ignore-gfp-highmem": "N"}.items():
        with open(f"{KNOBS[1]}/{name}", "w", encoding="ascii") as file:
            file.write(value)
    with open(MODULE, "rb") as source, open("/tmp/fail-nth-vnic.ko", "wb") as copy:
        copy.write(source.read())
    if not loaded() and load():
        print("Bail out! vnic.ko does not load")
        sys.exit(1)


def clean():
    """No device is left but the loopback, and nothing is kept of one."""
    for _, name in socket.if_nameindex():
        if name != "lo" and name in [name for _, name in socket.if_nameindex()]:
            do(delete(name))
    if loaded():
        forget()


def world():
    """A link to put VNICs on."""
    clean()
    peer = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attr(IFLA_IFNAME, b"w1\0") + attr(IFLA_ADDRESS, mac("w1"))
    do(add("veth", "w0", data=[(1, peer)]), lambda: change("w0", on=IFF_UP), lambda: change("w1", on=IFF_UP))


def main():
    wanted = sys.argv[1:] or [os.environ.get("CASES", "")]
    print("TAP version 13")
    prepare()
    tests = [(case.what, case.run) for case in CASES]
    tests += [("loading", loading), ("unloading", unloading), ("memory that is leaked", leaks)]
    failed = number = 0
    for what, run in tests:
        if not any(re.search(word, what) for word in wanted):
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
