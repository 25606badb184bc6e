#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=1 timeout=250
"""
The permission matrix: every parameter of a VNIC, by every road into the kernel, for everyone who could ask. What is denied changes nothing, is
counted and told once; what is granted works, within its values, as long as the policy is there; and what "why" says of each is what happens.
"""
import errno
import os
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
# pylint: disable=wrong-import-position,import-error,no-name-in-module
import roads as r
from askers import KERNELS_GROUPS, World, mac
from family import NOBODY, SLOW, become, cookie, events_of, inside, run_all, same


FOREIGN = mac("01:00:5e:7f:00:01")     # a group that nobody joins


@dataclass(frozen=True)
class Param:
    """Two values, of which the policy grants the first; base: policies without which everyone might have it already."""
    inside: object = 1
    outside: object = None
    grant: dict = field(default_factory=dict)
    base: tuple = ()
    grantable: bool = True
    number: object = None           # as policies see the value, if not as it is
    up: bool = True                 # how the VNIC has to be
    heard: object = None            # a frame to this address, or to the value, comes only if it is in effect


PARAMS = {
    "address": Param(mac("02:00:00:00:10:01"), mac("02:00:00:00:20:01"), {"prefix": mac("02:00:00:00:10:00"), "prefix-len": 40}),
    "mtu": Param(1300, 1200, {"from": 1280, "to": 1400}),
    "up": Param(base=({"nothing": True},), up=False),
    "name": Param("other0", base=({"nothing": True},), number=1),
    "txqueuelen": Param(500, 5000, {"to": 1000}),
    "master": Param("br0", number=1),
    "vlan-device": Param(7, 8, {"from": 5, "to": 7}),
    "features": Param(),
    "ip": Param(bytes((198, 51, 100, 1)), bytes((203, 0, 113, 1)), {"prefix": bytes((198, 51, 100, 0)), "prefix-len": 24}, ({"nothing": True},)),
    "promisc": Param(heard=FOREIGN),
    "allmulti": Param(heard=FOREIGN),
    "groups": Param(mac("01:00:5e:01:01:01"), mac("01:00:5e:02:02:02"), {"prefix": mac("01:00:5e:01:00:00"), "prefix-len": 32},
                    tuple(KERNELS_GROUPS), heard=True),
    "addresses": Param(mac("02:00:00:00:30:01"), mac("02:00:00:00:40:01"), {"prefix": mac("02:00:00:00:30:00"), "prefix-len": 40}, heard=True),
    "promisc-mode": Param(2, grantable=False),
    "host": Param(0, grantable=False),
    "timestamps": Param(grantable=False),
    "vnics": Param(grant={"quota": 1}),
    "rings": Param(512, number=1),
    "pool": Param("p0", grantable=False, number=1),
    "flows": Param("web", grantable=False, number=1),
    "cpus": Param("0", grantable=False, number=1),
    "hw-rings": Param(1, grantable=False, number=1),
    "limits": Param(50_000_000, grantable=False, number=1),
}
# The same with other values.
IP6 = Param(socket.inet_pton(socket.AF_INET6, "2001:db8:1::1"), socket.inet_pton(socket.AF_INET6, "2001:db8:2::1"),
            {"prefix": socket.inet_pton(socket.AF_INET6, "2001:db8:1::"), "prefix-len": 48}, ({"nothing": True},))
GROUP6 = Param(mac("33:33:01:01:01:01"), mac("33:33:02:02:02:02"), {"prefix": mac("33:33:01:00:00:00"), "prefix-len": 24},
               tuple(KERNELS_GROUPS), heard=True)
BOND = Param("bond0", number=1, up=False)


@dataclass(frozen=True)
class Road:
    name: str
    param: str
    walk: object                    # a function of roads.py
    error: int = errno.EPERM        # what a denial is; 0 where only the effect is withheld
    of: object = None               # a Param, if not the usual one
    wrap: object = staticmethod(lambda value: value)
    off: object = None              # takes back what was asked for
    root: bool = False              # the core lets only the first user namespace by
    anyone: bool = False            # needs no capability
    also: tuple = ((), ())          # what is denied in passing, if it is denied and if it is granted

    @property
    def values(self):
        return self.of or PARAMS[self.param]


def by_family(param):
    return lambda value: (param, value)


BRIDGED = (("allmulti",), ("allmulti", "promisc"))
ROADS = [
    Road("rtnetlink", "address", r.rtnl_address),
    Road("ioctl", "address", r.ioctl_address),
    Road("family", "address", r.vnic_set, wrap=by_family("address")),
    Road("rtnetlink", "mtu", r.rtnl_mtu),
    Road("ioctl", "mtu", r.ioctl_mtu),
    Road("sysfs", "mtu", r.sysfs_mtu),
    Road("family", "mtu", r.vnic_set, wrap=by_family("mtu")),
    Road("rtnetlink", "up", r.rtnl_up),
    Road("ioctl", "up", r.ioctl_up),
    Road("sysfs", "up", r.sysfs_up),
    Road("family", "up", r.vnic_set, wrap=by_family("up")),
    Road("rtnetlink", "name", r.rtnl_name),
    Road("ioctl", "name", r.ioctl_name),
    Road("rtnetlink", "txqueuelen", r.rtnl_txqueuelen),
    Road("ioctl", "txqueuelen", r.ioctl_txqueuelen, root=True),
    Road("sysfs", "txqueuelen", r.sysfs_txqueuelen, root=True),
    Road("rtnetlink, bridge", "master", r.rtnl_master, also=BRIDGED),
    Road("ioctl, bridge", "master", r.ioctl_bridge, also=BRIDGED),
    Road("rtnetlink, bond", "master", r.rtnl_master, of=BOND),
    Road("ioctl, bond", "master", r.ioctl_bond, of=BOND),
    Road("sysfs, bond", "master", r.sysfs_bond, of=BOND),
    Road("rtnetlink", "vlan-device", r.rtnl_vlan),
    Road("ioctl", "vlan-device", r.ioctl_vlan),
    # The core has no error for these.
    Road("ioctl, one", "features", r.ioctl_gro, error=0),
    Road("ioctl, all", "features", r.ioctl_features, error=0),
    Road("netlink", "features", r.ethtool_features, error=0),
    Road("rtnetlink", "ip", r.rtnl_ip),
    Road("ioctl", "ip", r.ioctl_ip),
    Road("rtnetlink, IPv6", "ip", r.rtnl_ip, of=IP6),
    Road("ioctl, IPv6", "ip", r.ioctl_ip, of=IP6),
    Road("rtnetlink", "promisc", r.rtnl_promisc, error=0),
    Road("ioctl", "promisc", r.ioctl_promisc, error=0),
    Road("sysfs", "promisc", r.sysfs_promisc, error=0),
    Road("packet socket", "promisc", r.packet_promisc, error=0, off=r.release),
    Road("rtnetlink", "allmulti", r.rtnl_allmulti, error=0),
    Road("ioctl", "allmulti", r.ioctl_allmulti, error=0),
    Road("sysfs", "allmulti", r.sysfs_allmulti, error=0),
    Road("packet socket", "allmulti", r.packet_allmulti, error=0, off=r.release),
    Road("packet socket", "groups", r.packet_group, error=0, off=r.release),
    Road("IPv4 socket", "groups", r.join_group, error=0, off=r.release, anyone=True),
    Road("IPv6 socket", "groups", r.join_group6, error=0, of=GROUP6, off=r.release, anyone=True),
    Road("ioctl", "groups", r.ioctl_group, error=0, off=r.ioctl_group_off),
    Road("bridge fdb", "groups", r.rtnl_fdb, off=r.rtnl_fdb_off),
    Road("bridge fdb", "addresses", r.rtnl_fdb, off=r.rtnl_fdb_off),
    Road("packet socket", "addresses", r.packet_address, error=0, off=r.release),
    Road("macvlan on top", "addresses", r.rtnl_macvlan, error=0),
    Road("rtnetlink", "promisc-mode", r.rtnl_promisc_mode),
    Road("family", "promisc-mode", r.vnic_set, wrap=by_family("promisc-mode")),
    Road("rtnetlink", "host", r.rtnl_host),
    # As macvlan says it.
    Road("ioctl", "timestamps", r.ioctl_timestamps, error=errno.EOPNOTSUPP),
    Road("rtnetlink", "vnics", r.rtnl_vnic, root=True),
    Road("rtnetlink", "rings", r.rtnl_ring_size),
    Road("ioctl", "rings", r.ioctl_ring_size),
    Road("netlink", "rings", r.ethtool_ring_size),
    Road("family", "rings", r.vnic_set, wrap=by_family("ring-size")),
    Road("rtnetlink", "pool", r.rtnl_pool),
    Road("family", "pool", r.vnic_set, wrap=by_family("pool")),
    Road("family", "flows", r.flow_add),
    Road("rtnetlink", "cpus", r.rtnl_cpus),
    Road("family", "cpus", r.vnic_set, wrap=by_family("cpus")),
    Road("rtnetlink", "hw-rings", r.rtnl_hw_rings),
    Road("family", "hw-rings", r.vnic_set, wrap=by_family("hw-rings")),
    Road("rtnetlink", "limits", r.rtnl_limits),
    Road("family", "limits", r.vnic_set, wrap=by_family("tx-maxbw")),
]


worlds = []


def the_world():
    if not worlds:
        worlds.append(World())
    world = worlds[0]
    for asker in world.askers.values():
        asker.agent(r.release)
        for policy in world.host.dump("policy-get", {"vnic": asker.id}):
            if not asker.standing or policy["param"] != "groups":
                world.host.do("policy-del", {"id": policy["id"]})
        asker.restore(True)
    events_of(world.denials)
    return world


def unchanged(before, after):
    same({}, {name: (before[name], after[name]) for name in before if before[name] != after[name]}, "changes")


def is_denied(who, road, value, policy, agent=None):
    """He is denied it: nothing changes, it is counted once and told once, to the manager."""
    world, values = who.world, road.values
    number = values.number or value
    same([], events_of(world.denials), "events before")
    for answer in who.why(road, number):
        same((None, policy), (answer.get("allowed"), answer.get("policy")), "what why says")
    before, count = who.state(), who.shown()["denied"]
    got = (agent or who.agent).status(road.walk, who.dev(), road.wrap(value))
    same(road.error, got, "error")
    wanted = [*road.also[0], road.param]
    events = [event["msg"] for event in events_of(world.denials, len(wanted))]
    same(wanted, [event["param"] for event in events], "events")
    event, counted = events[-1], sum("vnic" in event for event in events)
    key = "bytes" if isinstance(number, bytes) else "number"
    expected = {"param": road.param, key: number, "subject": who.kind, "netns-cookie": who.cookie, "link": world.link, "policy": policy}
    if road.param == "vnics":
        expected["subject"] = "netns"
    else:
        expected["vnic"] = who.id
        expected["ifindex"] = who.dev()[1]
    same(expected, {name: event.get(name) for name in expected}, "event")
    same(count + counted, who.shown()["denied"], "requests denied")
    if values.heard and not road.error:
        same(False, who.hears(value if values.heard is True else values.heard, False), "it has effect")
    after = who.state()
    if road.error == 0 and road.param != "features":
        # There is no veto, so that flags show. Nothing of the database may.
        after["flags"] = before["flags"]
        after["links"] = [index for index in after["links"] if index in before["links"]]
    unchanged(before, after)
    take_back(who, road, value, agent)
    same([], events_of(world.denials), "events afterwards")


def take_back(who, road, value, agent=None):
    if road.off and not (road.error and road.off is r.rtnl_fdb_off):
        (agent or who.agent)(road.off, who.dev(), road.wrap(value))
    who.restore(road.values.up)


def is_granted(who, road, value):
    world, values = who.world, road.values
    for answer in who.why(road, values.number or value):
        same(True, answer.get("allowed"), "what why says")
    before, count = who.state(), who.shown()["denied"]
    who.agent(road.walk, who.dev(), road.wrap(value))
    if values.heard:
        same(True, who.hears(value if values.heard is True else values.heard, True), "it has effect")
    else:
        after = who.state()
        same(True, before != after, "something changed")
        check_shown(road.param, value, after)
    events = [event["msg"]["param"] for event in events_of(world.denials)]
    same(list(road.also[1]), events, "events")
    same(count + len(events), who.shown()["denied"], "requests denied")
    if road.param == "vnics":
        # That was the quota; the next is one too many.
        same(errno.EPERM, who.agent.status(road.walk, who.dev(), None), "error beyond the quota")
        same(["vnics"], [event["msg"]["param"] for event in events_of(world.denials, 1)], "events beyond the quota")
    if road.off:
        who.agent(road.off, who.dev(), road.wrap(value))
    who.restore(values.up)


def check_shown(param, value, after):
    """Database and device have it."""
    shown, attrs = after["vnic"], after["link"]
    if param == "address":
        same((value, value), (mac(shown["address"]), attrs[r.IFLA_ADDRESS]), param)
    elif param == "mtu":
        same((value, r.u32(value)), (shown["mtu"], attrs[r.IFLA_MTU]), param)
    elif param == "up":
        same((1, 1), (shown["up"], after["flags"] & r.IFF_UP), param)
    elif param == "name":
        same((value, value.encode() + b"\0"), (shown["ifname"], attrs[r.IFLA_IFNAME]), param)
    elif param == "txqueuelen":
        same(r.u32(value), attrs[r.IFLA_TXQLEN], param)
    elif param == "ip":
        same([value], after["ip"], param)
    elif param == "pool":
        same(value, shown.get("pool"), param)
    elif param == "cpus":
        same(value, shown.get("cpus"), param)
    elif param == "hw-rings":
        same("auto", shown["hw-rings"], param)
    elif param == "limits":
        same([value], [shown[way] for way in ("rx-maxbw", "tx-maxbw") if way in shown], param)
    elif param == "flows":
        same([value], [flow["name"] for flow in after["flows"]], param)
    elif param == "master":
        same(True, attrs[r.IFLA_MASTER] is not None, param)


def cell(who, road):
    """One road of one asker: denied, granted, beyond the grant, denied again."""
    values, host = road.values, who.world.host
    who.restore(values.up)
    base = [] if road.param in who.standing or (who.kind != "owner" and road.param != "groups") else values.base
    base = [who.grant(road, policy) for policy in base]
    first = who.standing.get(road.param, base[0] if base else None)
    if not values.up:
        time.sleep(0.02 * SLOW)
    events_of(who.world.denials)
    is_denied(who, road, values.inside, first)
    if values.grantable:
        grant = who.grant(road, values.grant)
        is_granted(who, road, values.inside)
        if values.outside:
            is_denied(who, road, values.outside, first or grant)
        host.do("policy-del", {"id": grant})
        is_denied(who, road, values.inside, first)
    for policy in base:
        host.do("policy-del", {"id": policy})


def each_road(walk):
    """Tries all of them before it complains."""
    complaints = []
    for road, argument in walk:
        try:
            argument(road)
        except (AssertionError, OSError) as error:
            where = traceback.extract_tb(error.__traceback__)[-2 if isinstance(error, AssertionError) else -1].lineno
            complaints.append(f"{road.name}: line {where}: {type(error).__name__}: {error}")
            the_world()
    if complaints:
        raise AssertionError("\n".join(complaints))


def matrix(name, param):
    def test(world):
        who = world.askers[name]
        walk = []
        for road in ROADS:
            if road.param != param or (name == "lost" and road.of is BOND):
                continue
            if road.root and who.rootless:
                walk.append((road, lambda road: by_the_core(world, who, road, who.agent)))
            else:
                walk.append((road, lambda road: cell(who, road)))
        each_road(walk)
    return test


def by_the_core(world, who, road, agent):
    """The core refuses it, with a grant even, and the module does not hear of it."""
    grant = who.grant(road, {}) if road.values.grantable else None
    before, count = who.state(), who.shown()["denied"]
    number = agent.status(road.walk, who.dev(), road.wrap(road.values.inside))
    same(True, number in (errno.EPERM, errno.EACCES), f"error {number}")
    unchanged(before, who.state())
    same(count, who.shown()["denied"], "requests denied")
    same([], events_of(world.denials), "events")
    if grant:
        world.host.do("policy-del", {"id": grant})


def nobody(world):
    """In the container, without a capability: the core lets only by what everyone may ask for, and that is judged."""
    who = world.askers["rootful"]
    agent = r.Agent(lambda: (world.enter("web"), become(NOBODY)))

    def walk(road):
        if not road.anyone:
            by_the_core(world, who, road, agent)
            return
        base = [who.grant(road, policy) for policy in road.values.base]
        is_denied(who, road, road.values.inside, base[0], agent)
        for policy in base:
            world.host.do("policy-del", {"id": policy})
    each_road([(road, walk) for road in ROADS])
    agent.close()


def elsewhere(world):
    """A grant helps nobody who has not the VNIC where he is."""
    who = world.askers["rootful"]
    agent = r.Agent(lambda: world.enter("other"))
    theirs = inside(world.fds["other"], cookie)
    world.host.do("policy-add", {"vnic": who.id, "subject": "netns", "netns-cookie": theirs, "param": "all"})

    def walk(road):
        before, count = who.state(), who.shown()["denied"]
        same(True, agent.status(road.walk, who.dev(), road.wrap(road.values.inside)) in (errno.ENODEV, errno.ENOENT), "refused")
        unchanged(before, who.state())
        same(count, who.shown()["denied"], "requests denied")
        same([], events_of(world.denials), "events")
    each_road([(road, walk) for road in ROADS])
    same(errno.ENODEV, agent.status(r.do, "vnic-set", {"id": who.id, "mtu": 1300}), "error of the family")
    agent.close()


def own_stack(world):
    """A right on one's own stack gives none on another's, and the right of another none on one's own."""
    web, third = world.askers["rootful"], world.askers["lost"]
    road = next(road for road in ROADS if road.param == "mtu")
    mine = web.grant(road, {})
    is_denied(third, road, 1300, None)
    is_granted(web, road, 1300)
    world.host.do("policy-del", {"id": mine})
    for subject in (third.subject, {"subject": "user", "user": 4711}, {"subject": "name", "name": "web"}):
        world.host.do("policy-add", {"vnic": web.id, "param": "mtu", **subject})
    is_denied(web, road, 1300, None)


def no_manager(world):
    """Root of a container is none of what is outside, even with a socket from there."""
    web, manager = world.askers["rootful"], world.askers["manager"]
    before, count = manager.state(), manager.shown()["denied"]
    agent = r.Agent(lambda: (r.route(), r.sock(), world.enter("web")))
    for road in ROADS:
        if road.param in ("address", "mtu", "name", "txqueuelen") and road.name in ("rtnetlink", "ioctl"):
            same(errno.EPERM, agent.status(road.walk, manager.dev(), road.values.inside), f"error of {road.name}")
            events = [event["msg"] for event in events_of(world.denials, 1)]
            same([(road.param, manager.id, "netns", web.cookie)],
                 [(event["param"], event["vnic"], event["subject"], event["netns-cookie"]) for event in events], f"events of {road.name}")
            count += 1
    unchanged(before, manager.state())
    same(count, manager.shown()["denied"], "requests denied")
    agent.close()


def manages(world):
    """Whoever manages the link, with a VNIC beside it: nobody judges him."""
    who = world.askers["manager"]

    def walk(road):
        values = road.values
        who.restore(values.up)
        same(True, world.host.do("why", {"vnic": who.id, "param": road.param, **value_of(values)}).get("allowed"), "what why says")
        before, count = who.state(), who.shown()["denied"]
        wanted = errno.EOPNOTSUPP if road.param == "timestamps" else 0      # the dummy has none
        same(wanted, who.agent.status(road.walk, who.dev(), road.wrap(values.inside)), "error")
        if values.heard:
            same(True, who.hears(values.inside if values.heard is True else values.heard, True), "it has effect")
        elif not wanted:
            after = who.state()
            same(True, before != after, "something changed")
            check_shown(road.param, values.inside, after)
        if road.off:
            who.agent(road.off, who.dev(), road.wrap(values.inside))
        who.restore(values.up)
        same(count, who.shown()["denied"], "requests denied")
        same([], events_of(world.denials), "events")
    each_road([(road, walk) for road in ROADS if road.param != "vnics"])


def value_of(values):
    value = values.number or values.inside
    return {"bytes" if isinstance(value, bytes) else "number": value}


WHO = {"rootful": "who administers a container", "rootless": "who does in a user namespace", "lost": "whose namespace it was not given to"}
IDS = {"rootful": "CTCFG-2 CTCFG-4 CTCFG-5", "rootless": "CTCFG-2 CTCFG-3 CTCFG-4 CTCFG-5", "lost": "CTCFG-2 CTCFG-5"}
TESTS = [(matrix(name, param), f"{IDS[name]}{' SWITCH-6' * (param in ('promisc', 'allmulti'))}: {param}, by {whose}")
         for name, whose in WHO.items() for param in PARAMS] + [
    (nobody, "CTCFG-3 CTCFG-5: without the capability a grant is worth nothing, and what needs none is judged"),
    (elsewhere, "CTCFG-2 CTCFG-5: the administrator of another container, with a grant"),
    (own_stack, "CTCFG-2: a right on one's own stack gives none on another's"),
    (no_manager, "CTCFG-2 CTCFG-3: root of a container manages nothing outside, even with a socket from there"),
    (manages, "CTCFG-4 CTCFG-5: the manager's changes are never judged"),
]

if __name__ == "__main__":
    run_all(TESTS, the_world)
