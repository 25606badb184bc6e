#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=1 timeout=250
"""
The netlink family "vnic", by the kernel's own library for specifications (tools/net/ynl): what it shows, to whom, what it changes, what it
refuses, what it tells. Documentation/netlink/specs/vnic.yaml is all that the library knows of it.
"""
import errno
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
# pylint: disable=wrong-import-position,import-error,import-self
from family import SPEC, YNL, as_nobody, events_of, family, ip, ip_batch, link, refused, run_all, same, warned


class World:
    """A dummy and an etherstub, a VNIC in the namespace web and one beside the stub."""

    def __init__(self):
        ip_batch(["netns add web", "netns add other", "link add stub0 type etherstub", "link add d0 address 02:00:00:00:00:f0 up type dummy",
                  "link add link d0 name web0 netns web address 02:00:00:00:00:01 type vnic vlan 10",
                  "link add link stub0 name v1 address 02:00:00:00:00:02 type vnic promisc off"])
        self.host = family()
        by_name = {vnic["ifname"]: vnic for vnic in self.host.dump("vnic-get", {})}
        self.web0, self.v1 = by_name["web0"], by_name["v1"]

    def vnic(self, number):
        return self.host.do("vnic-get", {"id": number})

    def close(self):
        self.host.close()
        ip_batch(["netns del web", "netns del other", "link del d0", "link del stub0"])


def shows(world):
    links = {entry["ifname"]: entry for entry in world.host.dump("link-get", {})}
    same({"d0", "stub0"}, set(links), "links")
    index = link("d0")["ifindex"]
    same({"ifindex": index, "ifname": "d0", "kind": "nic", "host": 1, "filter": "promisc", "vnics": 1,
          "generation": links["d0"]["generation"]}, links["d0"], "d0")
    same("etherstub none", f"{links['stub0']['kind']} {links['stub0']['filter']}", "stub0")
    same(links["d0"], world.host.do("link-get", {"ifindex": index}), "the same by itself")
    data = link("web0", "web")
    netns = json.loads(ip("-j", "netns", "list-id"))
    id_of = {entry.get("name"): entry["nsid"] for entry in netns}
    same({"id": world.web0["id"], "link": index, "link-name": "d0", "ifindex": data["ifindex"], "ifname": "web0", "netns-id": id_of["web"],
          "vlan": 10, "address": "02:00:00:00:00:01", "mtu": 1500, "up": 0, "promisc-mode": "own", "denied": 0,
          "default-address": "02:00:00:00:00:01", "poll": "auto", "ring-size": 1024, "rings": 1, "hw-rings": "off",
          "limit-delay": 5000, "share": 100, "priority": "medium"}, world.web0, "web0")
    same(world.web0, world.vnic(world.web0["id"]), "the same by its id")
    same(world.v1, world.host.do("vnic-get", {"ifindex": link("v1")["ifindex"]}), "v1 by its ifindex")
    same("off", world.v1["promisc-mode"], "mode of v1")
    same([world.v1], world.host.dump("vnic-get", {"link": links["stub0"]["ifindex"]}), "the VNICs of one link")


def views(world):
    with family("web") as web, family("other") as other:
        mine = web.dump("vnic-get", {})
        same(["web0"], [vnic["ifname"] for vnic in mine], "what the container sees")
        same(set(), {"link", "link-name", "netns-id"} & set(mine[0]), "of a link elsewhere it sees nothing")
        same([], web.dump("link-get", {}), "links of the container")
        same([world.web0["id"]], [stats["id"] for stats in web.dump("stats-get", {})], "counters of the container")
        same([], other.dump("vnic-get", {}), "what a stranger sees")
        refused(errno.ENODEV, [str(world.web0["id"])], lambda: other.do("vnic-get", {"id": world.web0["id"]}))
        refused(errno.ENODEV, [], lambda: web.do("vnic-get", {"id": world.v1["id"]}))


def changes(world):
    number = world.web0["id"]
    world.host.do("vnic-set", {"id": number, "mtu": 1400, "up": 1, "address": "02:00:00:00:00:11", "promisc-mode": "all"})
    now = world.vnic(number)
    same([1400, 1, "02:00:00:00:00:11", "all"], [now[key] for key in ("mtu", "up", "address", "promisc-mode")], "after the change")
    data = link("web0", "web")
    same([1400, True, "02:00:00:00:00:11", "all"],
         [data["mtu"], "UP" in data["flags"], data["address"], data["linkinfo"]["info_data"]["promisc"]], "the device")
    index = link("d0")["ifindex"]
    world.host.do("link-set", {"ifindex": index, "host": 0})
    same(0, world.host.do("link-get", {"ifindex": index})["host"], "host")
    same(False, link("web0", "web")["linkinfo"]["info_data"]["host"], "host as ip shows it")
    world.host.do("vnic-set", {"id": number, "up": 0})
    same(0, world.vnic(number)["up"], "down again")


LIMITS = {"rx-maxbw": 8000, "tx-maxbw": 10 ** 12, "rx-maxpps": 1, "tx-maxpps": 4 * 10 ** 9, "limit-delay": 100, "share": 1000, "priority": "high"}
UNLIMITED = {"limit-delay": 5000, "share": 100, "priority": "medium"}


def limits_of(shown):
    return {key: value for key, value in shown.items() if key in LIMITS}


def limits(world):
    """Limits are set one by one or together, with everything else or not at all; a share that changes nothing is warned of."""
    vnic, index = {"id": world.web0["id"]}, link("d0")["ifindex"]
    same(UNLIMITED, limits_of(world.web0), "at first")
    for key, value in LIMITS.items():
        said = warned(lambda key=key, value=value: world.host.do("vnic-set", {**vnic, key: value}))
        same("vnic: share 1000 of web0 has no effect: d0 has no maxbw" if key in ("share", "priority") else "", said, f"said of {key}")
    same(LIMITS, limits_of(world.vnic(vnic["id"])), "each of them")
    shown = link("web0", "web")["linkinfo"]["info_data"]
    same(LIMITS, {key: shown[key.replace("-", "_")] for key in LIMITS}, "as ip shows them")
    with family("web") as web:
        same(LIMITS, limits_of(web.do("vnic-get", vnic)), "as the container sees them")
        refused(errno.EPERM, ["limits", "web0", "manager of d0"], lambda: web.do("vnic-set", {**vnic, "rx-maxbw": 0}))
    low = {"rx-maxbw": 0, "tx-maxbw": 8001, "rx-maxpps": 0, "tx-maxpps": 2, "limit-delay": 10 ** 6, "share": 1, "priority": "low"}
    world.host.do("link-set", {"ifindex": index, "maxbw": 10 ** 9})
    same("", warned(lambda: world.host.do("apply", {"vnic": [{**vnic, **low, "mtu": 1400}]})), "said with a maxbw")
    same({key: value for key, value in low.items() if value}, limits_of(world.vnic(vnic["id"])), "by a transaction")
    same(10 ** 9, world.host.do("link-get", {"ifindex": index})["maxbw"], "of the link")
    same("vnic: share 1 of web0 has no effect: d0 has no maxbw", warned(lambda: world.host.do("link-set", {"ifindex": index, "maxbw": 0})),
         "said when it is taken away")
    same(False, "maxbw" in world.host.do("link-get", {"ifindex": index}), "of the link, none")
    same("vnic: share 5 of v1 has no effect: stub0 has no wire", warned(lambda: world.host.do("vnic-set", {"id": world.v1["id"], "share": 5})),
         "said on an etherstub")
    same("vnic: share 2 of web0 has no effect: d0 has no maxbw", warned(lambda: world.host.do("apply", {"vnic": [{**vnic, "share": 2}]})),
         "said of a transaction")
    not_limits(world, vnic, index)
    world.host.do("vnic-set", {**vnic, "tx-maxbw": 0, "tx-maxpps": 0, **UNLIMITED})
    same(UNLIMITED, limits_of(world.vnic(vnic["id"])), "at last")


def not_limits(world, vnic, index):
    before = world.vnic(vnic["id"]), world.host.do("link-get", {"ifindex": index})
    for key, value in (("rx-maxbw", 7999), ("tx-maxbw", 10 ** 12 + 1), ("rx-maxbw", (1 << 64) - 1), ("rx-maxpps", 4 * 10 ** 9 + 1),
                       ("limit-delay", 99), ("limit-delay", 10 ** 6 + 1), ("limit-delay", 0), ("share", 0), ("share", 1001)):
        words = [f"vnic: {key} {value} is not within"]
        refused(errno.ERANGE, words, lambda key=key, value=value: world.host.do("vnic-set", {**vnic, "mtu": 1300, key: value}))
        refused(errno.ERANGE, words, lambda key=key, value=value: world.host.do("apply", {"vnic": [{**vnic, "mtu": 1300, key: value}]}))
    refused(errno.ERANGE, [], lambda: world.host.do("vnic-set", {**vnic, "priority": 3}))
    refused(errno.EINVAL, ["9000"], lambda: world.host.do("vnic-set", {**vnic, "mtu": 9000, "rx-maxbw": 8000}))
    refused(errno.ERANGE, ["maxbw 7999 is not within 8000-1000000000000"], lambda: world.host.do("link-set", {"ifindex": index, "host": 0, "maxbw": 7999}))
    refused(errno.EOPNOTSUPP, ["stub0", "wire"], lambda: world.host.do("link-set", {"ifindex": link("stub0")["ifindex"], "maxbw": 8000}))
    # What was done for the first goes back with it.
    refused(errno.EINVAL, ["9000"], lambda: world.host.do("apply", {"vnic": [{**vnic, **LIMITS}, {"id": world.v1["id"], "mtu": 9000}]}))
    same(before[0], world.vnic(vnic["id"]), "after the refusals")
    after = world.host.do("link-get", {"ifindex": index})
    same(before[1], after, "the link after the refusals")


def all_or_nothing(world):
    number = world.web0["id"]
    ip("link", "add", "link", "d0", "name", "rival", "address", "02:00:00:00:00:22", "type", "vnic", "vlan", "10")
    before = world.vnic(number), link("web0", "web")

    def world_set(**values):
        world.host.do("vnic-set", {"id": number, "mtu": 1400, "promisc-mode": "off", "up": 1, **values})

    refused(errno.EEXIST, ["02:00:00:00:00:22", "rival"], lambda: world_set(address="02:00:00:00:00:22"))
    refused(errno.EADDRNOTAVAIL, ["01:00:5e:00:00:01"], lambda: world_set(address="01:00:5e:00:00:01"))
    refused(errno.EINVAL, ["9000", "1500"], lambda: world_set(mtu=9000))
    refused(errno.EINVAL, ["10", "68"], lambda: world_set(mtu=10))
    same(before, (world.vnic(number), link("web0", "web")), "after the refusals")


def strangers(world):
    """Whoever is not the manager, with the capability where he is, or without it where the link is."""
    def state():
        return {**world.vnic(world.web0["id"]), "denied": 0}, link("web0", "web"), link("d0")["linkinfo"]
    before = state()
    index = link("web0", "web")["ifindex"]
    with family("web") as web, family("other") as other:
        refused(errno.EPERM, ["web0"], lambda: web.do("vnic-set", {"ifindex": index, "mtu": 1300}))
        refused(errno.EPERM, ["web0"], lambda: web.do("vnic-set", {"id": world.web0["id"], "mtu": 1300, "up": 1}))
        refused(errno.ENODEV, [], lambda: other.do("vnic-set", {"id": world.web0["id"], "mtu": 1300}))
    as_nobody(lambda: refused(errno.EPERM, ["web0"], lambda: family().do("vnic-set", {"id": world.web0["id"], "mtu": 1300})))
    as_nobody(lambda: refused(errno.EPERM, ["d0"], lambda: family().do("link-set", {"ifindex": link("d0")["ifindex"], "host": 0})))
    # A socket of root's in the hands of somebody else is worth no more.
    as_nobody(lambda: refused(errno.EPERM, ["web0"], lambda: world.host.do("vnic-set", {"id": world.web0["id"], "mtu": 1300})))
    in_user_namespace(world)
    same(before, state(), "after the refusals")


def in_user_namespace(world):
    """A VNIC of its own, and all capabilities there: that is not enough."""
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
            os.write(ready[1], b".")
            os.read(go[0], 1)
            own = family()
            vnic = own.dump("vnic-get", {})[0]
            refused(errno.EPERM, ["guest"], lambda: own.do("vnic-set", {"id": vnic["id"], "mtu": 1300}))
            status = 0
        finally:
            os._exit(status)
    os.read(ready[0], 1)
    ip("link", "add", "link", "d0", "name", "guest", "netns", str(child), "type", "vnic")
    os.write(go[1], b".")
    same(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "exit status in the user namespace")
    for fd in ready + go:
        os.close(fd)


def nonsense(world):
    host = world.host
    refused(errno.EINVAL, ["ifindex"], lambda: host.do("link-get", {}))
    refused(errno.EINVAL, ["id", "ifindex"], lambda: host.do("vnic-get", {}))
    refused(errno.ENODEV, ["9999"], lambda: host.do("vnic-get", {"id": 9999}))
    refused(errno.ENODEV, ["9999"], lambda: host.do("vnic-get", {"ifindex": 9999}))
    refused(errno.EOPNOTSUPP, ["d0"], lambda: host.do("vnic-get", {"ifindex": link("d0")["ifindex"]}))
    refused(errno.ENODEV, ["lo"], lambda: host.do("link-get", {"ifindex": 1}))
    refused(errno.ENODEV, ["9999"], lambda: host.dump("vnic-get", {"link": 9999}))
    for request in ({"ifindex": 0}, {"id": 0}, {"ifindex": 1 << 31}):
        error = refused(errno.ERANGE, [], lambda request=request: host.do("vnic-get", request))
        same(True, "bad-attr" in error.nl_msg.extack or "bad-attr-offs" in error.nl_msg.extack, f"the attribute at fault is named ({request})")
    for values in ({"up": 2}, {"promisc-mode": 3}):
        refused(errno.ERANGE, [], lambda values=values: host.do("vnic-set", {"id": world.v1["id"], **values}))
    refused(errno.ERANGE, [], lambda: host.do("vnic-set", {"id": world.v1["id"], "address": "02:00:00:00:00"}))


def complete_dump(world):
    """A dump that takes many calls, while VNICs come and go around those that stay."""
    ip(batch="".join(f"link add link stub0 name s{n} type vnic\n" for n in range(300)))
    staying = {f"s{n}" for n in range(300)}
    ip(batch="".join(f"link add link stub0 name t{n} type vnic\n" for n in range(40)))
    child = os.fork()
    if not child:
        try:
            for turn in range(3):
                ip(batch="".join(f"link del t{n}\n" for n in range(40)))
                ip(batch="".join(f"link add link {'d0' if turn % 2 else 'stub0'} name t{n} type vnic\n" for n in range(40)))
        finally:
            os._exit(0)
    dumps = 0
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        seen = [vnic["id"] for vnic in world.host.dump("vnic-get", {})]
        same(len(seen), len(set(seen)), "none twice")
        names = {vnic["ifname"] for vnic in world.host.dump("vnic-get", {})}
        same(set(), staying - names, "none missing")
        dumps += 1
    print(f"# {dumps} dumps of 340 VNICs")
    same(True, dumps > 1, "dumps while VNICs came and went")


def events(world):
    # Whoever listens in the host and in the container, from before it happens.
    with family() as host, family("web") as web, family("other") as other:
        for listener in (host, web, other):
            listener.ntf_subscribe("config")
        number = world.web0["id"]

        def told(listener, *wanted):
            keys = ("mtu", "up")
            got = [(event["name"], event["msg"].get("id", 0), *(event["msg"].get(key) for key in keys))
                   for event in events_of(listener, len(wanted))]
            same(list(wanted), got, "events")

        host.do("vnic-set", {"id": number, "mtu": 1300})
        change = ("vnic-change-ntf", number, 1300, 0)
        told(host, change)
        told(web, change)
        ip("link", "add", "link", "stub0", "name", "new", "type", "vnic")
        told(host, ("vnic-add-ntf", number + 2, 1500, 0))
        ip("link", "set", "dev", "new", "netns", "other")
        told(host, ("vnic-change-ntf", number + 2, 1500, 0))
        told(other, ("vnic-add-ntf", number + 2, 1500, 0))
        ip("link", "set", "dev", "new", "netns", "web", netns="other")
        told(other, ("vnic-del-ntf", number + 2, 1500, 0))
        told(web, ("vnic-add-ntf", number + 2, 1500, 0))
        told(host, ("vnic-change-ntf", number + 2, 1500, 0))
        ip("link", "del", "dev", "new", netns="web")
        told(web, ("vnic-del-ntf", number + 2, 1500, 0))
        told(host, ("vnic-del-ntf", number + 2, 1500, 0))
        ip("link", "set", "dev", "v1", "type", "vnic", "promisc", "all")
        told(host, ("vnic-change-ntf", number + 1, 1500, 0))
        host.do("link-set", {"ifindex": link("d0")["ifindex"], "host": 0})
        told(host, ("link-change-ntf", 0, None, None))
        host.do("link-set", {"ifindex": link("d0")["ifindex"], "maxbw": 10 ** 9})
        told(host, ("link-change-ntf", 0, None, None))
        # What it is already is no change.
        host.do("link-set", {"ifindex": link("d0")["ifindex"], "maxbw": 10 ** 9})
        host.do("vnic-set", {"id": number, "rx-maxbw": 8000, "share": 7})
        told(host, ("vnic-change-ntf", number, 1300, 0))
        told(web, ("vnic-change-ntf", number, 1300, 0))
        # A refusal is no change.
        refused(errno.EINVAL, [], lambda: host.do("vnic-set", {"id": number, "mtu": 9000}))
        told(host)


def counters(world):
    ip_batch(["link set dev web0 up", "address add 192.0.2.1/24 dev web0"], netns="web")
    subprocess.run(["nsenter", "--net=/run/netns/web", "ping", "-c", "1", "-W", "1", "192.0.2.9"], capture_output=True, check=False)
    ip("link", "set", "dev", "web0", "down", netns="web")
    stats = world.host.do("stats-get", {"id": world.web0["id"]})
    listed = subprocess.run(["nsenter", "--net=/run/netns/web", "ethtool", "-S", "web0"], capture_output=True, text=True, check=True).stdout
    shown = dict(line.strip().split(": ") for line in listed.splitlines()[1:])
    same({key: int(value) for key, value in shown.items()},
         {key.replace("-", "_"): value for key, value in stats.items() if key != "id"}, "as ethtool shows them")
    same(True, stats["tx-group"] > 0, "something was counted")


def ynl_as_command(words):
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def ynl_in_child(words):
    """The same program, without the start of an interpreter, which takes longer than all that it does."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaints:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            status = 1
            try:
                sys.argv, sys.stdout, sys.stderr = words, out, complaints
                runpy.run_path(words[0], run_name="__main__")
                status = 0
            except SystemExit as over:
                status = over.code or 0
            except BaseException:  # pylint: disable=broad-exception-caught
                traceback.print_exc()
            finally:
                out.flush()
                complaints.flush()
                os._exit(status if isinstance(status, int) else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for file in (out, complaints):
            file.seek(0)
        return status, out.read(), complaints.read()


def command(world):
    """The kernel's command for specifications is what people have; its library, which it shares with the tests above, does the rest."""
    def ynl(*words, run=ynl_in_child):
        status, out, complaints = run([f"{YNL}/cli.py", "--spec", SPEC, "--no-schema", "--output-json", *words])
        same("", complaints.strip(), f"what ynl complains of ({words})")
        same(0, status, f"status of ynl {words}")
        return json.loads(out) if out.strip() else None

    vnic, lower = {"id": world.web0["id"]}, {"ifindex": link("d0")["ifindex"]}
    asked = [("pool-add", {"name": "p", "limit": 1 << 20}), ("pool-set", {"name": "p", "threshold": 5}), ("vnic-set", {**vnic, "pool": "p"}),
             ("vnic-set", {**vnic, "mtu": 1280}), ("link-set", {**lower, "host": 0}), ("vnic-get", vnic), ("link-get", lower), ("stats-get", vnic),
             ("policy-add", {"vnic": vnic["id"], "subject": "owner", "param": "mtu", "from": 1280, "to": 1400}),
             ("why", {"vnic": vnic["id"], "subject": "owner", "param": "mtu", "number": 1450}), ("apply", {"vnic": [{**vnic, "up": 0}]}),
             ("pool-get", {"name": "p"}), ("flow-add", {"vnic": vnic["id"], "name": "f", "dscp": 46}),
             ("flow-get", {"vnic": vnic["id"], "name": "f"}), ("flow-set", {"vnic": vnic["id"], "name": "f", "limit-delay": 5000})]
    got = ynl(*(word for operation, values in asked for word in ("--multi", operation, json.dumps(values))), run=ynl_as_command)
    policy = got[8]
    same([None, None, None, None, None, world.vnic(world.web0["id"]), {**world.host.do("link-get", lower), "generation": got[6]["generation"]},
          world.host.do("stats-get", vnic), policy, {"vnic": vnic["id"], "param": "mtu", "policy": policy["id"]}, None,
          world.host.do("pool-get", {"name": "p"}), None, world.host.do("flow-get", {"vnic": vnic["id"], "name": "f"}), None], got, "answers")
    same([1280, 0], [got[5]["mtu"], got[6]["host"]], "changes")
    same(["p", 1], [world.vnic(world.web0["id"])["pool"], world.host.do("pool-get", {"name": "p"})["vnics"]], "its pool")
    dumps = ("vnic-get", "link-get", "stats-get", "policy-get", "denied-get", "pool-get", "flow-get")
    for operation in dumps:
        same(world.host.dump(operation, {}), ynl("--dump", operation), operation)
    world.host.do("vnic-set", {**vnic, "pool": ""})
    gone = [("policy-del", {"id": policy["id"]}), ("flow-del", {"vnic": vnic["id"], "name": "f"}), ("pool-del", {"name": "p"})]
    same([None, None, None], ynl(*(word for operation, values in gone for word in ("--multi", operation, json.dumps(values)))), "deleted")
    same([], [entry for entry in world.host.dump("policy-get", {}) if entry["id"] == policy["id"]], "policies")
    same([[], ["host"]], [world.host.dump("flow-get", {}), [entry.get("name", "host") for entry in world.host.dump("pool-get", {})]], "the others")
    # None was forgotten.
    with open(SPEC, encoding="utf-8") as file:
        operations = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["operations"]["list"]
    same([{entry["name"] for entry in operations if way in entry} for way in ("do", "dump")],
         [{operation for operation, _ in asked + gone}, set(dumps)], "operations")


TESTS = [
    (shows, "CTCFG-1: links and VNICs are shown as they are"),
    (views, "CTCFG-1: a namespace sees its links, their VNICs and the VNICs in it, nothing else"),
    (changes, "CTCFG-4: the manager changes a VNIC in a container, and a link"),
    (limits, "CTCFG-1 CTCFG-4: limits of VNICs and links"),
    (all_or_nothing, "CTCFG-4: all that a request asks for, or nothing"),
    (strangers, "CTCFG-2 CTCFG-3: everyone else is refused, and nothing changes"),
    (nonsense, "CTCFG-1: what makes no sense is refused with a sentence or the attribute"),
    (complete_dump, "CTCFG-1: a dump is complete while VNICs come and go"),
    (events, "CTCFG-4: who listens is told, where the link is and where the VNIC is"),
    (counters, "SWITCH-1: counters are those of ethtool"),
    (command, "CTCFG-1: ynl drives every operation"),
]


run_all(TESTS, World)
