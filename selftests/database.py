#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=1 timeout=250
"""
The configuration database around the permission matrix (policy.py): virtual machines, kernel threads and users as subjects, layers and quotas,
what is kept of VNICs and links that go, transactions, and who is told.
"""
import errno
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
# pylint: disable=wrong-import-position,import-error,no-name-in-module
import roads as r
from askers import mac
from family import NlError, SLOW, SOL_NETLINK, become, cookie, events_of, family, in_child, inside, ip, ip_batch, netns_fd, refused, run_all, same, warned

ADDRESS = "02:00:00:00:00:01"
USER = 1000


class World:
    """Two links; two VNICs of the first in the container web, which has an administrator."""

    def __init__(self):
        self.closing = []
        ip_batch(["netns add web", "netns add other", "link add d0 up type dummy", "link add d1 up type dummy",
                  f"link add link d0 name web0 netns web address {ADDRESS} type vnic", "link add link d0 name web1 netns web type vnic",
                  "link add link d0 name tx0 up type vnic"])
        self.fds = {name: netns_fd(name) for name in ("web", "other")}
        self.link = socket.if_nametoindex("d0")
        self.host, self.denials, self.told = self.open(family()), self.open(family()), self.open(family())
        self.denials.ntf_subscribe("denied")
        self.told.ntf_subscribe("config")
        self.web, self.route = self.open(self.agent("web")), inside(self.fds["web"], r.Route)
        self.cookie = inside(self.fds["web"], cookie)
        self.id, self.second = self.number("web0"), self.number("web1")

    def open(self, one):
        self.closing.append(one)
        return one

    def agent(self, name, user=None):
        def enter():
            os.setns(self.fds[name], os.CLONE_NEWNET)
            if user is not None:
                become(user)
        return r.Agent(enter)

    def number(self, name):
        return next(vnic["id"] for vnic in self.host.dump("vnic-get", {}) if vnic["ifname"] == name and "absent" not in vnic)

    def vnic(self, number=None):
        return self.host.do("vnic-get", {"id": number or self.id})

    def dev(self, number=None):
        vnic = self.vnic(number)
        return vnic["ifname"], vnic["ifindex"]

    def grant(self, **policy):
        """One for the administrator of the container and the first VNIC, unless it says otherwise; its number."""
        scope = {} if {"vnic", "link", "host"} & set(policy) else {"vnic": self.id}
        policy.pop("host", None)
        return self.host.do("policy-add", {**({} if "subject" in policy else {"subject": "owner"}), **scope, **policy})["id"]

    def take(self, number):
        self.host.do("policy-del", {"id": number})

    def policies(self, **of):
        return [policy["id"] for policy in self.host.dump("policy-get", of) if not policy.get("built-in")]

    def denied(self, count=1):
        """What was denied since the last time."""
        return [event["msg"] for event in events_of(self.denials, count, 2 if count else 0)]

    def asks(self, **values):
        """The administrator of the container asks the family; the number of the error."""
        values.setdefault("id", self.id)
        return self.web.status(r.do, "vnic-set", values)

    def close(self):
        with family() as host:
            for policy in host.dump("policy-get", {}):
                if not policy.get("built-in"):
                    host.do("policy-del", {"id": policy["id"]})
            kept = [vnic["id"] for vnic in host.dump("vnic-get", {}) if "absent" in vnic]
            host.do("apply", {"vnic": [{"id": number, "delete": True} for number in kept]})
        for one in self.closing:
            one.close()
        self.route.sock.close()
        for fd in self.fds.values():
            os.close(fd)
        ip_batch([f"netns del {name}" for name in ("web", "other") if os.path.exists(f"/run/netns/{name}")] +
                 [f"link del {name}" for name in ("d0", "d1") if os.path.exists(f"/sys/class/net/{name}")])
        end = time.monotonic() + 5 * SLOW
        while time.monotonic() < end and self.left():
            time.sleep(0.02)

    @staticmethod
    def left():
        with family() as host:
            return [vnic for vnic in host.dump("vnic-get", {}) if "absent" not in vnic]


def same_error(number, got, what):
    same(errno.errorcode[number] if number else 0, errno.errorcode[got] if got else 0, what)


def same_parts(wanted, got, what):
    same(wanted, {key: got.get(key) for key in wanted}, what)


def machine(world):
    """Parameter, a value that is granted, one that is not, the grant, and a value as events tell it."""
    table = [("mtu", 1300, 1200, {"from": 1300, "to": 1400}, {"number": 1200}),
             ("address", mac("02:00:00:00:10:01"), mac("02:00:00:00:20:01"), {"prefix": mac("02:00:00:00:10:00"), "prefix-len": 40},
              {"bytes": mac("02:00:00:00:20:01")}),
             ("up", 1, None, {}, {"number": 1}),
             ("promisc-mode", None, "all", None, {"number": 2})]
    there = world.open(family("web"))
    there.ntf_subscribe("config")

    def ask(values, name="vm1"):
        world.host.do("vnic-set", {"id": world.id, "subject-name": name, **values})

    def is_refused(words, values, name="vm1"):
        refused(errno.EPERM, words, lambda: ask(values, name))

    for param, good, bad, grant, told in table:
        wrong = bad if good is None or bad is not None else good
        before = {**world.vnic(), "denied": 0}
        is_refused([param, "web0"], {param: wrong})
        same(before, {**world.vnic(), "denied": 0}, "after the refusal")
        event, = world.denied()
        same_parts({"vnic": world.id, "param": param, "subject": "name", "name": "vm1", "policy": None, **told}, event, "event")
        if good is None:
            continue
        policy = world.grant(subject="name", name="vm1", param=param, **grant)
        asked = {"vnic": world.id, "param": param, "subject": "name", **({"bytes": good} if isinstance(good, bytes) else {"number": good})}
        same_parts({"allowed": True, "policy": policy}, world.host.do("why", {**asked, "name": "vm1"}), "why")
        same_parts({"allowed": None, "policy": None}, world.host.do("why", {**asked, "name": "vm2"}), "why, for another")
        is_refused([param], {param: good}, "vm2")
        if bad is not None:
            is_refused([param, str(policy)], {param: bad})
        world.denied(2)
        same([], events_of(there, patience=0), "the machine is told of nothing")
        ask({param: good})
        shown = good if not isinstance(good, bytes) else ":".join(f"{byte:02x}" for byte in good)
        same(shown, world.vnic()[param], "database")
        notes = events_of(there, 1)
        same({"vnic-change-ntf"}, {note["name"] for note in notes}, "told to the machine")
        same(shown, notes[-1]["msg"][param], "told to the machine")
        up, attrs = world.route.links(world.dev()[1])[0][1:]
        device = {"mtu": int.from_bytes(attrs[r.IFLA_MTU], "little"), "address": attrs[r.IFLA_ADDRESS], "up": up & r.IFF_UP}
        same(good, device[param], "device")
        world.take(policy)
        events_of(there)
        if param != "up":
            # It asks for what it has, and for what it had.
            ask({param: good})
    same([], world.denied(0), "denied otherwise")
    refused(errno.EPERM, ["manager"], lambda: there.do("vnic-set", {"id": world.id, "subject-name": "vm1", "mtu": 1400}))


def machine_whole(world):
    """All that it asks for, or nothing."""
    for param in ("mtu", "address"):
        world.grant(subject="name", name="vm1", param=param)
    taken = world.vnic(world.second)["address"]
    before = {**world.vnic(), "denied": 0}

    def ask(values):
        world.host.do("vnic-set", {"id": world.id, "subject-name": "vm1", "mtu": 1300, **values})
    refused(errno.EEXIST, [taken, "web1"], lambda: ask({"address": taken}))
    same([], world.denied(0), "that was no denial")
    refused(errno.EPERM, ["up"], lambda: ask({"address": "02:00:00:00:10:01", "up": 1}))
    same(["up"], [event["param"] for event in world.denied()], "events")
    same(before, {**world.vnic(), "denied": 0}, "database")
    for values, number in (({"mtu": 1300, "address": taken}, errno.EEXIST), ({"mtu": 1300, "promisc-mode": "all"}, errno.EPERM)):
        world.grant(param="mtu")
        world.grant(param="address")
        same_error(number, world.asks(**values), "error")
    same(before, {**world.vnic(), "denied": 0}, "database after a container's request")


def manager_tells(world):
    """What the manager changes is told where the VNIC is, as it then is."""
    there = world.open(family("web"))
    there.ntf_subscribe("config")
    for param, value in (("mtu", 1400), ("address", "02:00:00:00:10:01"), ("up", 1), ("promisc-mode", "all")):
        world.host.do("vnic-set", {"id": world.id, param: value})
        notes = events_of(there, 1)
        same({("vnic-change-ntf", world.id)}, {(note["name"], note["msg"]["id"]) for note in notes}, param)
        same((value, value), (notes[-1]["msg"][param], world.vnic()[param]), param)
        same(set(), {"link", "link-name"} & set(notes[-1]["msg"]), "of the link it says nothing")


def returns(world):
    """What the manager gave can always be had again; what was granted once cannot."""
    world.host.do("vnic-set", {"id": world.id, "mtu": 1400})
    same((1400, ADDRESS), (world.vnic()["default-mtu"], world.vnic()["default-address"]), "defaults")
    for param, mine, theirs in (("mtu", 1300, 1400), ("address", "02:00:00:00:10:01", ADDRESS)):
        same_error(errno.EPERM, world.asks(**{param: mine}), "without a grant")
        same_error(0, world.asks(**{param: theirs}), "what it has")
        policy = world.grant(param=param)
        same_error(0, world.asks(**{param: mine}), "granted")
        same((1400, ADDRESS), (world.vnic()["default-mtu"], world.vnic()["default-address"]), "defaults")
        world.take(policy)
        same_error(0, world.asks(**{param: theirs}), "back")
        same(theirs, world.vnic()[param], param)
        same_error(errno.EPERM, world.asks(**{param: mine}), "after the grant was taken away")
        same(theirs, world.vnic()[param], param)
    same(4, len(world.denied(4)), "events")
    # By another road, too.
    world.grant(param="mtu", to=1300)
    world.web(r.rtnl_mtu, world.dev(), 1290)
    world.web(r.ioctl_mtu, world.dev(), 1400)
    same(1400, world.vnic()["mtu"], "mtu")
    # Without an MTU of its own, that of the link.
    number = world.second
    policy = world.grant(vnic=number, param="mtu")
    same_error(0, world.asks(id=number, mtu=1300), "granted")
    world.take(policy)
    same_error(0, world.asks(id=number, mtu=1500), "that of the link")
    same([], world.denied(0), "events")


def thread(world):
    """A failover of a bond in the container is done by a kernel thread, which has the rights of the container."""
    ip("link", "add", "link", "d1", "name", "web2", "netns", "web", "type", "vnic")
    third = world.number("web2")
    ip("-n", "web", "link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", "20", "fail_over_mac", "follow")
    bond = inside(world.fds["web"], lambda: socket.if_nametoindex("bond0"))
    for number in (world.id, third):
        world.route.link(world.dev(number)[1], attrs={r.IFLA_MASTER: bond})
    world.route.link(bond, r.IFF_UP, r.IFF_UP)
    first, second = world.vnic()["address"], world.vnic(third)["address"]
    same([], world.denied(0), "events before")

    def active():
        info = r.attrs_of(r.attrs_of(world.route.links(bond)[0][2][r.IFLA_LINKINFO])[r.INFO_DATA])
        return int.from_bytes(info.get(2, b""), "little")

    def fails_over(lower, to):
        end = time.monotonic() + 5 * SLOW
        ip("link", "set", lower, "down")
        while active() != world.dev(to)[1]:
            same(True, time.monotonic() < end, "failed over")
            time.sleep(0.01)

    fails_over("d0", third)
    event, = world.denied()
    same_parts({"vnic": third, "param": "address", "bytes": mac(first), "kernel": True, "subject": "owner", "netns-cookie": world.cookie,
                "policy": None}, event, "event")
    same((first, second, 1), (world.vnic()["address"], world.vnic(third)["address"], world.vnic(third)["denied"]), "addresses")
    for number in (world.id, third):
        world.grant(vnic=number, param="address")
    ip("link", "set", "d0", "up")
    time.sleep(0.2 * SLOW)
    fails_over("d1", world.id)
    same([], world.denied(0), "events with the grant")
    same((second, first), (world.vnic()["address"], world.vnic(third)["address"]), "addresses swapped")


def users(world):
    """A user with a user namespace of his own, by the family: known by his number in the first one."""
    policy = world.grant(subject="user", user=USER, param="mtu", **{"from": 1280, "to": 1400})
    before = {**world.vnic(), "denied": 0}
    # Without the privilege: no right, and nothing reaches the database.
    plain = world.open(world.agent("web", USER))
    same_error(errno.EPERM, plain.status(r.do, "vnic-set", {"id": world.id, "mtu": 1300}), "without a user namespace")
    same([], world.denied(0), "events")
    there = world.open(world.agent("web", USER))
    there(os.unshare, os.CLONE_NEWUSER)
    same_parts({"allowed": True, "policy": policy}, there(r.do, "why", {"vnic": world.id, "param": "mtu", "number": 1300}), "why")
    same_parts({"allowed": True, "policy": policy},
               world.host.do("why", {"vnic": world.id, "param": "mtu", "number": 1300, "subject": "user", "user": USER}), "why, by the manager")
    same_error(errno.EPERM, there.status(r.do, "vnic-set", {"id": world.id, "mtu": 1200}), "beyond the grant")
    event, = world.denied()
    same_parts({"subject": "user", "user": USER, "netns-cookie": None, "param": "mtu", "number": 1200, "policy": policy}, event, "event")
    same(before, {**world.vnic(), "denied": 0}, "after the refusals")
    same_error(0, there.status(r.do, "vnic-set", {"id": world.id, "mtu": 1300}), "granted")
    same(1300, world.vnic()["mtu"], "mtu")
    # Of the other VNIC he has nothing, nor by another road.
    same_error(errno.EPERM, there.status(r.do, "vnic-set", {"id": world.second, "mtu": 1300}), "of another VNIC")
    same_error(errno.EPERM, there.status(r.rtnl_mtu, world.dev(), 1290), "by rtnetlink")
    another = world.open(world.agent("web", USER + 1))
    another(os.unshare, os.CLONE_NEWUSER)
    same_error(errno.EPERM, another.status(r.do, "vnic-set", {"id": world.id, "mtu": 1290}), "another user")
    same([USER, USER + 1], [event["user"] for event in world.denied(2)], "events")
    world.take(policy)
    same_error(errno.EPERM, there.status(r.do, "vnic-set", {"id": world.id, "mtu": 1290}), "without the grant")


def layers(world):
    """The first layer decides that has a policy for the subject and the parameter."""
    def why(number=None, value=1300):
        answer = world.host.do("why", {"vnic": number or world.id, "param": "mtu", "number": value, "subject": "owner"})
        return answer.get("allowed"), answer.get("policy")

    def fits(wanted, number=None):
        same(wanted, why(number), "why")
        same_error(0 if wanted[0] else errno.EPERM, world.asks(id=number or world.id, mtu=1300), "error")
        world.host.do("vnic-set", {"id": number or world.id, "mtu": 1500})

    fits((None, None))
    host = world.grant(host=True, param="mtu")
    fits((True, host))
    of_link = world.grant(link=world.link, param="mtu", nothing=True)
    fits((None, of_link))
    fits((None, of_link), world.second)
    elsewhere = world.grant(link=socket.if_nametoindex("d1"), param="mtu")
    fits((None, of_link))
    own = world.grant(param="all")
    fits((True, own))
    fits((None, of_link), world.second)
    # One for somebody else hides nothing.
    world.take(own)
    own = world.grant(subject="name", name="vm1", param="mtu")
    fits((None, of_link))
    # Within a layer, one that permits is enough.
    more = world.grant(link=world.link, param="mtu", to=1400)
    fits((True, more))
    # A VNIC that comes later inherits it.
    ip("link", "add", "link", "d0", "name", "late", "netns", "web", "type", "vnic")
    fits((True, more), world.number("late"))
    world.take(of_link)
    world.take(more)
    fits((True, host))
    # Built-in, and hidden.
    asked = {"vnic": world.id, "param": "up", "subject": "owner"}
    same_parts({"allowed": True, "policy": 1}, world.host.do("why", asked), "built in")
    hidden = world.grant(host=True, param="up", nothing=True)
    same_parts({"allowed": None, "policy": hidden}, world.host.do("why", asked), "hidden")
    refused(errno.EPERM, ["1"], lambda: world.host.do("policy-del", {"id": 1}))
    # "all" is not for what only the manager may, nor for making VNICs.
    everything = world.grant(param="all")
    for param in ("promisc-mode", "host", "timestamps", "vnics"):
        answer = world.host.do("why", {"vnic": world.id, "param": param, "subject": "owner"})
        same((None, None), (answer.get("allowed"), answer.get("policy")), param)
    for policy in (host, hidden, everything, own, elsewhere):
        world.take(policy)


def groups(world):
    """Beyond the quota a group is not received; what was received stays."""
    inside(world.fds["web"], lambda: r.write("/proc/sys/net/ipv6/conf/web0/addr_gen_mode", "1"))
    world.host.do("vnic-set", {"id": world.id, "up": 1})
    time.sleep(0.1 * SLOW)
    mouth, ear = r.mouth_of("tx0"), r.Ear(world.fds["web"], world.dev())
    kernels = inside(world.fds["web"], lambda: own_groups("web0"))
    policy = world.grant(param="groups", quota=kernels + 2)
    high, mid, low = (mac(f"01:00:5e:0{n}:01:01") for n in (3, 2, 1))

    def hears(wanted):
        end, got = time.monotonic() + 2 * SLOW, None
        while got != wanted:
            got = [ear.hears(mouth, group) for group in (high, mid, low)]
            if time.monotonic() > end:
                break
        same(wanted, got, "groups received")

    world.web(r.packet_group, world.dev(), high)
    world.web(r.packet_group, world.dev(), mid)
    hears([True, True, False])
    same([], world.denied(0), "events within the quota")
    world.web(r.packet_group, world.dev(), low)
    event, = world.denied()
    same_parts({"param": "groups", "bytes": low, "policy": policy, "subject": "owner"}, event, "event")
    hears([True, True, False])
    same([], world.denied(0), "events afterwards")
    # With a greater one, when it is joined anew.
    world.take(policy)
    world.grant(param="groups", quota=kernels + 3)
    world.web(r.release)
    for group in (high, mid, low):
        world.web(r.packet_group, world.dev(), group)
    hears([True, True, True])
    same([], world.denied(0), "events within the new quota")
    mouth.close()
    ear.close()


def own_groups(name):
    """How many groups the kernel joined."""
    with open("/proc/net/dev_mcast", encoding="ascii") as file:
        return sum(line.split()[1] == name for line in file)


def counts(world):
    """IP addresses and secondary addresses are counted, too."""
    dev = world.dev()
    policy = world.grant(param="ip", quota=2)

    def addr(last):
        return bytes((198, 51, 100, last))
    for number, wanted in ((1, 0), (2, 0), (3, errno.EPERM)):
        same_error(wanted, world.web.status(r.rtnl_ip, dev, addr(number)), f"address {number}")
    same([(addr(3), policy)], [(event["bytes"], event["policy"]) for event in world.denied()], "events")
    world.route.address(dev[1], addr(1), r.DELADDR)
    same_error(0, world.web.status(r.rtnl_ip, dev, addr(3)), "after one is gone")
    world.host.do("vnic-set", {"id": world.id, "up": 1})
    policy = world.grant(param="addresses", quota=1)

    def unicast(last):
        return bytes((2, 0, 0, 0, 0x30, last))
    for number, wanted in ((2, 0), (1, errno.EPERM)):
        same_error(wanted, world.web.status(r.rtnl_fdb, dev, unicast(number)), f"secondary address {number}")
        time.sleep(0.05 * SLOW)
    same([(unicast(1), policy)], [(event["bytes"], event["policy"]) for event in world.denied()], "events")


def absent(world):
    """A VNIC that goes without the manager is kept with its policies, for one of its name."""
    policy = world.grant(param="mtu")
    same(0, len([vnic for vnic in world.host.dump("vnic-get", {}) if "absent" in vnic]), "absent before")
    number, address = world.id, world.vnic()["address"]
    limits = {"rx-maxbw": 50_000_000, "tx-maxpps": 1000, "limit-delay": 10_000, "priority": "low"}
    warned(lambda: world.host.do("vnic-set", {"id": number, **limits}))
    # The second one has no policies.
    os.close(world.fds.pop("web"))
    world.web.close()
    world.closing.remove(world.web)
    world.route.sock.close()
    ip("netns", "del", "web")
    end = time.monotonic() + 5 * SLOW
    while "absent" not in (world.vnic() if number in [vnic["id"] for vnic in world.host.dump("vnic-get", {})] else {"absent": 1}):
        same(True, time.monotonic() < end, "gone")
        time.sleep(0.02)
    kept = [vnic for vnic in world.host.dump("vnic-get", {}) if "absent" in vnic]
    same([number], [vnic["id"] for vnic in kept], "what is kept")
    same_parts({"ifname": "web0", "link": world.link, "link-name": "d0", "address": address, "absent": True, "share": 100, **limits}, kept[0], "what is kept")
    same(kept[0], world.vnic(), "by its number")
    same([policy], world.policies(vnic=number), "its policies")
    # One of another name, or on another link, is another one.
    ip(batch="link add link d0 name web9 type vnic\nlink add link d1 name web0 type vnic\n")
    same([policy], world.policies(vnic=number), "still its policies")
    ip("link", "del", "web0")
    ip("link", "add", "link", "d0", "name", "web0", "netns", "other", "type", "vnic")
    new = world.number("web0")
    same(False, new == number, "a number is never used again")
    same([policy], world.policies(vnic=new), "taken over")
    same([], world.policies(vnic=number), "of the old one")
    refused(errno.ENODEV, [str(number)], lambda: world.host.do("vnic-get", {"id": number}))
    # It works for whom the new one was given to.
    other = world.open(world.agent("other"))
    same_error(0, other.status(r.do, "vnic-set", {"id": new, "mtu": 1300}), "granted")
    # Its new owner deletes it: kept again, until the manager says otherwise.
    index = world.dev(new)[1]
    other(delete, index)
    same(True, world.vnic(new).get("absent"), "deleted by its owner")
    world.host.do("apply", {"vnic": [{"id": new, "delete": True}]})
    same(([], []), (world.policies(), [vnic for vnic in world.host.dump("vnic-get", {}) if "absent" in vnic]), "nothing is left")
    world.route = other.route = inside(world.fds["other"], r.Route)


def delete(index):
    r.route().unlink(index)


def forgotten(world):
    """A VNIC that the manager deletes leaves nothing; one without policies neither."""
    world.grant(param="mtu")
    world.route.unlink(world.dev()[1])
    same(([], [world.second]), (world.policies(), [vnic["id"] for vnic in world.host.dump("vnic-get", {}) if vnic["ifname"] != "tx0"]),
         "deleted by the manager where it is")
    world.web(delete, world.dev(world.second)[1])
    same(["tx0"], [vnic["ifname"] for vnic in world.host.dump("vnic-get", {})], "without policies")
    ip("link", "add", "link", "d0", "name", "here", "type", "vnic")
    world.grant(vnic=world.number("here"), param="mtu")
    world.host.do("apply", {"vnic": [{"id": world.number("here"), "delete": True}]})
    same(([], ["tx0"]), (world.policies(), [vnic["ifname"] for vnic in world.host.dump("vnic-get", {})]), "deleted by a transaction")


def link_moves(world):
    """Policies of a link, and of its VNICs, go with it to another namespace, whose administrator has them then."""
    of_link = world.grant(link=world.link, param="mtu", to=1400)
    own = world.grant(param="address")
    ip("link", "set", "d0", "netns", "other")
    there = world.open(family("other"))
    shown = {policy["id"]: policy for policy in there.dump("policy-get", {}) if not policy.get("built-in")}
    index = there.dump("link-get", {})[0]["ifindex"]
    same({of_link: ("link", index), own: ("vnic", world.id)},
         {number: next((key, policy[key]) for key in ("vnic", "link") if key in policy) for number, policy in shown.items()}, "policies there")
    same([], world.policies(), "policies here")
    refused(errno.ENOENT, [str(of_link)], lambda: world.host.do("policy-del", {"id": of_link}))
    refused(errno.ENOENT, [str(own)], lambda: world.host.do("policy-del", {"id": own}))
    same_error(0, world.asks(mtu=1300), "the link's policy")
    same_error(errno.EPERM, world.asks(mtu=1450), "beyond the link's policy")
    same_error(0, world.asks(address="02:00:00:00:10:01"), "the VNIC's policy")
    same([], world.denied(0), "it is not told where the link was")
    there.do("policy-del", {"id": own})
    there.do("policy-del", {"id": of_link})
    same_error(errno.EPERM, world.asks(mtu=1250), "without")


def link_returns(world):
    """A NIC that goes and comes back finds its policies again, and those of its VNICs; an etherstub that is deleted leaves none."""
    of_link, own = world.grant(link=world.link, param="mtu"), world.grant(param="address")
    ip("link", "del", "d0")
    end = time.monotonic() + 5 * SLOW
    while world.left():
        same(True, time.monotonic() < end, "gone")
        time.sleep(0.02)
    same([("d0", None), (None, world.id)],
         [(policy.get("link-name"), policy.get("vnic")) for policy in world.host.dump("policy-get", {}) if not policy.get("built-in")], "kept")
    same(True, world.vnic().get("absent"), "the VNIC is kept, too")
    ip("link", "add", "d0", "up", "type", "dummy")
    index = socket.if_nametoindex("d0")
    same([of_link], world.policies(link=index), "of the link again")
    ip("link", "add", "link", "d0", "name", "web0", "netns", "web", "type", "vnic")
    same([own], world.policies(vnic=world.number("web0")), "of the VNIC again")
    ip("link", "add", "s0", "type", "etherstub")
    stub = world.grant(link=socket.if_nametoindex("s0"), param="mtu")
    same([stub], world.policies(link=socket.if_nametoindex("s0")), "of the etherstub")
    ip("link", "del", "s0")
    same([of_link, own], world.policies(), "after the etherstub")


def nonsense(world):
    """Policies that make no sense are refused with a sentence."""
    base = {"vnic": world.id, "subject": "owner", "param": "mtu"}
    six, four = bytes(6), bytes(4)
    table = [
        ({"param": None}, errno.EINVAL, "which parameter"),
        ({"subject": None}, errno.EINVAL, "who may"),
        ({"param": "promisc-mode"}, errno.EINVAL, "promisc-mode"),
        ({"param": "host"}, errno.EINVAL, "host"),
        ({"param": "timestamps"}, errno.EINVAL, "timestamps"),
        ({"param": "vnics"}, errno.EINVAL, "give link"),
        ({"from": 1400, "to": 1300}, errno.EINVAL, "1400-1300"),
        ({"param": "address", "from": 1}, errno.EINVAL, "address has no numbers"),
        ({"param": "all", "to": 1}, errno.EINVAL, "all has no numbers"),
        ({"prefix": six}, errno.EINVAL, "mtu has no values of 6 bytes"),
        ({"param": "address", "prefix": four}, errno.EINVAL, "address has no values of 4 bytes"),
        ({"param": "ip", "prefix": six}, errno.EINVAL, "ip has no values of 6 bytes"),
        ({"param": "groups", "prefix": bytes(5)}, errno.EINVAL, "5 bytes"),
        ({"param": "address", "prefix": six, "prefix-len": 49}, errno.EINVAL, "49 is above 48"),
        ({"param": "ip", "prefix": four, "prefix-len": 33}, errno.EINVAL, "33 is above 32"),
        ({"nothing": True, "from": 1}, errno.EINVAL, "nothing, or numbers"),
        ({"param": "ip", "prefix": four, "nothing": True}, errno.EINVAL, "nothing, or numbers"),
        ({"quota": 1}, errno.EINVAL, "not counted"),
        ({"param": "address", "quota": 1}, errno.EINVAL, "not counted"),
        ({"link": world.link}, errno.EINVAL, "not for both"),
        ({"vnic": 99999}, errno.ENODEV, "99999"),
        ({"vnic": None, "link": 99999}, errno.ENODEV, "99999"),
        ({"subject": "netns"}, errno.EINVAL, "netns-fd or netns-cookie"),
        ({"subject": "netns", "netns-fd": 0}, errno.EINVAL, "open file 0"),
        ({"subject": "user"}, errno.EINVAL, "user"),
        ({"subject": "name"}, errno.EINVAL, "name"),
        ({"subject": 9}, errno.ERANGE, ""),
        ({"param": 99}, errno.ERANGE, ""),
        ({"subject": "name", "name": "n" * 32}, errno.EINVAL, ""),
        ({"subject": "name", "name": ""}, errno.EINVAL, "not empty"),
        ({"param": "ip", "prefix": bytes(17)}, errno.ERANGE, ""),
        ({"param": "ip", "prefix": bytes(16), "prefix-len": 129}, errno.ERANGE, ""),
    ]
    complaints = []
    for values, number, word in table:
        request = {key: value for key, value in {**base, **values}.items() if value is not None}
        try:
            refused(number, [word], lambda request=request: world.host.do("policy-add", request))
        except AssertionError as error:
            complaints.append(f"{values}: {error}")
    same([], complaints, "complaints")
    same([], world.policies(), "policies")
    refused(errno.ENOENT, ["99999"], lambda: world.host.do("policy-del", {"id": 99999}))
    refused(errno.EINVAL, ["id"], lambda: world.host.do("policy-del", {}))
    refused(errno.EINVAL, ["give an address"], lambda: world.host.do("why", {"vnic": world.id, "param": "address"}))
    # Not for the container, and not for the whole host out of one.
    web = world.open(family("web"))
    same_error(errno.EPERM, world.web.status(r.do, "policy-add", base), "by the container")
    refused(errno.EPERM, ["first namespace"], lambda: web.do("policy-add", {"subject": "owner", "param": "mtu"}))
    same_error(errno.EPERM, world.web.status(r.do, "why", {"vnic": world.id, "param": "mtu", "subject": "owner"}), "why, for others")
    policy = world.grant(param="mtu")
    same_error(errno.ENOENT, world.web.status(r.do, "policy-del", {"id": policy}), "deleted by the container")
    same([], [entry for entry in web.dump("policy-get", {}) if not entry.get("built-in")], "shown to the container")
    plain = world.open(r.Agent(lambda: become(USER)))
    for operation in ("policy-get", "denied-get"):
        same_error(errno.EPERM, plain.status(r.dump, operation, {}), operation)
    for request in (("policy-add", base), ("policy-del", {"id": policy}),
                    ("apply", {"policy": [{"id": policy, "delete": True}]})):
        same_error(errno.EPERM, plain.status(r.do, *request), request[0])
    same([policy], world.policies(), "policies at the end")


def policies_told(world):
    """Among other things."""
    return [event for event in events_of(world.told, 1) if event["name"].startswith("policy-")]


def shapes(world):
    """What is added is answered, shown and told as it was meant."""
    table = [{"subject": "owner", "param": "all"}, {"subject": "owner", "param": "mtu", "from": 1280, "to": 9000},
             {"subject": "netns", "netns-cookie": world.cookie, "param": "address", "prefix": mac("02:00:00:00:10:00"), "prefix-len": 40},
             {"subject": "user", "user": 4294967294, "param": "up", "nothing": True},
             {"subject": "name", "name": "n" * 31, "param": "ip", "quota": 3},
             {"subject": "owner", "param": "ip", "prefix": bytes(16), "prefix-len": 0}, {"subject": "owner", "param": "mtu", "to": 2 ** 64 - 1}]
    events_of(world.told)
    for values in table:
        for scope in ({"vnic": world.id}, {"link": world.link}, {}):
            answer = world.host.do("policy-add", {**scope, **values})
            wanted = {**scope, **values, **({"from": 0} if set(values) & {"to"} and "from" not in values else {})}
            same_parts(wanted, answer, "answer")
            event, = policies_told(world)
            same(("policy-add-ntf", answer), (event["name"], event["msg"]), "told")
            same([answer], [policy for policy in world.host.dump("policy-get", scope) if policy["id"] == answer["id"]], "shown")
            world.take(answer["id"])
            event, = policies_told(world)
            same(("policy-del-ntf", answer), (event["name"], event["msg"]), "told of its end")
    web = world.open(family("web"))
    web.ntf_subscribe("config")
    by_fd = world.grant(subject="netns", param="mtu", **{"netns-fd": world.fds["web"]})
    same(world.cookie, world.host.dump("policy-get", {"vnic": world.id})[0]["netns-cookie"], "cookie of an open file")
    same([], events_of(web, patience=0.1), "told to the container")
    world.take(by_fd)


def whole(world):
    """A transaction: all, or nothing."""
    old = world.grant(param="mtu", to=1300)

    def state():
        return [{**vnic, "denied": 0} for vnic in world.host.dump("vnic-get", {})], world.host.dump("policy-get", {})

    def generation():
        return world.host.dump("link-get", {})[0]["generation"]
    taken = world.vnic(world.second)["address"]
    first = {"id": world.id, "mtu": 1400, "address": "02:00:00:00:10:01", "up": 1, "promisc-mode": "all"}
    add = {"vnic": world.id, "subject": "owner", "param": "up"}
    events_of(world.told)
    before = state()
    table = [
        ({"vnic": [first, {"id": world.second, "mtu": 9000}]}, errno.EINVAL, "9000"),
        ({"vnic": [{"id": world.second, "mtu": 1400}, {"id": world.id, "mtu": 1300, "address": taken}]}, errno.EEXIST, taken),
        ({"vnic": [first, {"id": 99999, "mtu": 1400}]}, errno.ENODEV, "99999"),
        ({"vnic": [first, {"mtu": 1400}]}, errno.EINVAL, "which VNIC"),
        ({"vnic": [first, {"id": world.second, "up": 2}]}, errno.ERANGE, ""),
        ({"vnic": [first, {"id": world.second, "delete": True}], "policy": [{**add, "param": "host"}]}, errno.EINVAL, "host"),
        ({"vnic": [first], "policy": [{"id": old, "delete": True}, {"id": 99999, "delete": True}]}, errno.ENOENT, "99999"),
        ({"policy": [add, {"id": old, "delete": True}, {**add, "quota": 1}]}, errno.EINVAL, "quota"),
        ({"policy": [{"id": old, "delete": True}, {"id": old, "delete": True}]}, errno.ENOENT, str(old)),
    ]
    for request, number, word in table:
        refused(number, [word], lambda request=request: world.host.do("apply", request))
        same(before, state(), f"after {request}")
    told = {event["name"] for event in events_of(world.told)}
    same(set(), told - {"vnic-change-ntf"}, "told of what was undone")
    # Generations: two managers, of whom the second has to look again.
    seen = generation()
    world.host.do("apply", {"generation": seen, "vnic": [{"id": world.second, "mtu": 1400}]})
    same(False, seen == generation(), "generation after a change")
    before = state()
    with family() as second:
        refused(errno.EAGAIN, [str(seen)], lambda: second.do("apply", {"generation": seen, "vnic": [first], "policy": [add]}))
        same(before, state(), "after the second manager")
        second.do("apply", {"generation": generation(), "vnic": [first, {"id": world.second, "delete": True}],
                            "policy": [add, {"id": old, "delete": True}]})
    same_parts(first, world.vnic(), "the first VNIC")
    refused(errno.ENODEV, [], lambda: world.vnic(world.second))
    same(["up"], [policy["param"] for policy in world.host.dump("policy-get", {"vnic": world.id})], "policies")
    same({"vnic-change-ntf", "vnic-del-ntf", "policy-add-ntf", "policy-del-ntf"}, {event["name"] for event in events_of(world.told, 4)}, "told")
    # An empty one does nothing, everything else moves the generation.
    changes = {"a policy": lambda: world.grant(param="mtu"), "one less": lambda: world.take(world.policies()[-1]),
               "an MTU": lambda: world.route.link(world.dev()[1], attrs={r.IFLA_MTU: 1300}),
               "host": lambda: world.host.do("link-set", {"ifindex": world.link, "host": 0}),
               "host by rtnetlink": lambda: world.route.link(world.dev()[1], attrs={r.IFLA_LINKINFO: {
                   r.INFO_KIND: "vnic", r.INFO_DATA: {r.VNIC_HOST: b"\x01"}}}),
               "a VNIC": lambda: ip("link", "add", "link", "d0", "name", "new0", "type", "vnic"),
               "its name": lambda: ip("link", "set", "dev", "new0", "name", "new1"), "its end": lambda: ip("link", "del", "new1")}
    for what, change in changes.items():
        seen = generation()
        change()
        same(False, seen == generation(), f"generation after {what}")
    seen = generation()
    same_error(errno.EPERM, world.asks(mtu=1290), "denied")
    same(seen, generation(), "generation after a refusal")
    # What a container may change does not keep the manager from his transaction, nor do other namespaces' managers.
    for up in (0, 1):
        same_error(0, world.asks(up=up), "permitted")
    policy = world.grant(param="mtu")
    seen = generation()
    same_error(0, world.asks(mtu=1290), "permitted by the family")
    same_error(0, world.web.status(r.rtnl_mtu, world.dev(), 1291), "permitted by rtnetlink")
    same(seen, generation(), "generation after changes by the container")
    world.take(policy)
    seen = generation()
    ip("-n", "other", "link", "add", "stub9", "type", "etherstub")
    ip("-n", "other", "link", "del", "stub9")
    same(seen, generation(), "generation after changes by others")
    # Not for the container, not even of its own.
    same_error(errno.EPERM, world.web.status(r.do, "apply", {"vnic": [{"id": world.id, "up": 0}]}), "by the container")
    same_error(errno.EPERM, world.web.status(r.do, "apply", {"policy": [add]}), "policies by the container")


def denials(world):
    """The last requests that were denied, for the manager."""
    for number in range(70):
        same_error(errno.EPERM, world.asks(mtu=1200 + number), "error")
    told = world.denied(70)
    kept = world.host.dump("denied-get", {})
    same(told[-64:], kept, "what is kept is what was told")
    serials = [entry["serial"] for entry in kept]
    same(list(range(serials[0], serials[0] + 64)), serials, "in order")
    same(70, world.vnic()["denied"], "counted")
    same([], world.web(r.dump, "denied-get", {}), "what the container sees")


def audience(world):
    """Denials and policies are shown to the manager, so nobody else is told of them."""
    nobody = world.open(r.Agent(lambda: become(USER)))
    for group in ("config", "denied"):
        same((errno.EPERM, 0), (nobody.status(listen, group), world.web.status(listen, group)), f"listening to {group}")
    policy = world.grant(param="mtu", nothing=True)
    same_error(errno.EPERM, world.asks(mtu=1300), "denied")
    world.take(policy)
    same(1, len(world.denied()), "told to the manager")
    same([], [name for name in world.web(heard) if name == "denied-ntf" or name.startswith("policy-")], "told to the container")


def listen(group):
    own = r.own_family()
    own.sock.setsockopt(SOL_NETLINK, 1, own.nlproto.get_mcast_id(group, own.mcast_groups))      # NETLINK_ADD_MEMBERSHIP


def heard():
    return [event["name"] for event in events_of(r.own_family(), patience=0)]


def flags(world):
    """A flag that shows without effect has it as long as a policy says so."""
    world.host.do("vnic-set", {"id": world.id, "up": 1})
    time.sleep(0.05 * SLOW)
    events_of(world.denials)
    mouth, ear = r.mouth_of("tx0"), r.Ear(world.fds["web"], world.dev())
    foreign = mac("01:00:5e:7f:00:01")
    for param, walk, flag in (("promisc", r.rtnl_promisc, r.IFF_PROMISC), ("allmulti", r.rtnl_allmulti, r.IFF_ALLMULTI)):
        world.web(walk, world.dev(), 1)
        same([param], [event["param"] for event in world.denied()], "events")
        for scope in ({"vnic": world.id}, {"link": world.link}, {"host": True}):
            same(False, ear.hears(mouth, foreign), f"{param} without a grant")
            policy = world.grant(param=param, **scope)
            same(True, ear.hears(mouth, foreign), f"{param} with a grant for {scope}")
            hidden = world.grant(param="all", nothing=True)
            same(scope.get("vnic") == world.id, ear.hears(mouth, foreign), f"{param} with {scope} under a refusal of the VNIC's own")
            world.take(hidden)
            same(True, ear.hears(mouth, foreign), f"{param} with a grant for {scope} again")
            world.take(policy)
        same(False, ear.hears(mouth, foreign), f"{param} after the grants")
        same(flag, world.route.links(world.dev()[1])[0][1] & flag, "the flag")
        world.route.link(world.dev()[1], 0, flag)
    same([], world.denied(0), "events")
    same(2, world.vnic()["denied"], "requests denied")
    mouth.close()
    ear.close()


def many(world):
    """A dump that takes many calls."""
    added = [{"vnic": world.id, "subject": "name", "name": f"vm{number}", "param": "mtu"} for number in range(1500)]
    for start in range(0, len(added), 500):
        world.host.do("apply", {"policy": added[start:start + 500]})
    shown = [policy for policy in world.host.dump("policy-get", {}) if not policy.get("built-in")]
    same([policy["name"] for policy in added], [policy["name"] for policy in shown], "names")
    same(sorted(policy["id"] for policy in shown), [policy["id"] for policy in shown], "order")
    world.host.do("apply", {"policy": [{"id": policy["id"], "delete": True} for policy in shown]})
    same([], world.policies(), "deleted")


def hoards(world):
    """
    Anyone can be the manager of namespaces of his own, as many as he likes, and add policies there. There is a limit to that, and it is
    free again when they are gone: more than one user can have together are added here, one namespace after the other.
    """
    link = {"link": 1, "subject": "owner", "param": "mtu"}

    def hoard():
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
        own, end = family(), time.monotonic() + 20 * SLOW
        while True:
            try:
                own.do("apply", {"policy": [link] * 1024})
                break
            except NlError as error:
                # The namespaces before are cleaned up a while after their ends.
                if abs(error.error) != errno.ENOSPC or time.monotonic() > end:
                    raise
                time.sleep(0.1)
        refused(errno.ENOSPC, ["1024"], lambda: own.do("policy-add", link))

    for _ in range(12):
        in_child(hoard)
    world.take(world.grant(param="mtu"))


def greedy(world):
    """Whoever fills as many namespaces as he likes takes room from himself only."""
    link = {"link": 1, "subject": "owner", "param": "mtu"}

    def own(user=0):
        def begin():
            if user:
                become(user)
            os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
        return world.open(r.Agent(begin))
    for _ in range(8):
        same_error(0, own().status(r.do, "apply", {"policy": [link] * 1024}), "filling one")
    same_error(errno.ENOSPC, own().status(r.do, "policy-add", link), "one more")
    same_error(0, own(USER).status(r.do, "policy-add", link), "another user's")
    world.take(world.grant(param="mtu"))


def names(world):
    """A VNIC that got another name when it was moved: that name is the agreed one."""
    ip("-n", "other", "link", "add", "web0", "type", "dummy")
    fd = world.fds["other"]
    # With the name in use there, the core renames it in passing.
    world.route.link(world.dev()[1], attrs={28: fd, r.IFLA_IFNAME: "moved"})
    same("moved", world.vnic()["ifname"], "name")
    there = world.open(world.agent("other"))
    there(delete, inside(fd, lambda: socket.if_nametoindex("web0")))
    world.grant(param="name", nothing=True)
    for name in ("again", "web0"):
        same_error(errno.EPERM, there.status(r.rtnl_name, world.dev(), name), f"error of {name}")
        same((1, "moved"), (len(world.denied()), world.vnic()["ifname"]), f"events and name after {name}")
    same([], world.denied(0), "events at the end")
    same(2, world.vnic()["denied"], "requests denied")


TESTS = [
    (machine, "VMCFG-1 VMCFG-2 VMCFG-3 VMCFG-4: a virtual machine changes its VNIC as far as it is granted, and is told"),
    (machine_whole, "VMCFG-3 CTCFG-4: all that a subject asks for, or nothing"),
    (manager_tells, "VMCFG-5 CTCFG-4: what the manager changes is told where the VNIC is"),
    (returns, "CTCFG-2: what the manager gave can always be had again, what was granted once cannot"),
    (thread, "CTCFG-2 CTCFG-5: a kernel thread has the rights of the container for which it works"),
    (users, "CTCFG-2 CTCFG-3: a user as subject, by the family"),
    (layers, "SWITCH-7 CTCFG-2: a VNIC's policies come before its link's, these before the host's and the built-in ones"),
    (groups, "SWITCH-6 CTCFG-4: beyond the quota a group is not received, and what was received stays"),
    (counts, "CTCFG-2: quotas of addresses"),
    (flags, "SWITCH-6 CTCFG-4: a flag whose effect is withheld has it while a policy grants it"),
    (absent, "CTCFG-1: what is kept of a VNIC that dies with its namespace, or by its owner"),
    (forgotten, "CTCFG-1: nothing is kept of a VNIC that the manager deletes"),
    (link_moves, "SWITCH-7 CTCFG-1: policies go with their link to another namespace"),
    (link_returns, "SWITCH-7 CTCFG-1: a link that comes back has its policies"),
    (nonsense, "CTCFG-2: policies that make no sense are refused with a sentence, and strangers"),
    (shapes, "CTCFG-2: policies are answered, shown and told as they are"),
    (whole, "CTCFG-4: transactions are whole, and two managers do not undo each other's work"),
    (denials, "CTCFG-4 VMCFG-4: the last denied requests are kept for the manager"),
    (audience, "CTCFG-4: of denials and policies only the manager is told"),
    (many, "CTCFG-2: many policies are shown, each once"),
    (hoards, "CTCFG-2: policies of namespaces that are gone take no room"),
    (greedy, "CTCFG-2: whoever fills many namespaces takes room from no other user"),
    (names, "CTCFG-4: a name that came with a move is agreed on, and a denied one is told once"),
]

if __name__ == "__main__":
    run_all(TESTS, World)
