#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=1 timeout=120
"""
Netlink messages with random values, and malformed ones, of every operation of the family "vnic" and for links of the kinds "vnic" and
"etherstub": from containers, from users without rights, from the manager. Whoever may change nothing changes nothing; what the manager
changes leaves everything consistent; the kernel has nothing to report.

    COUNT=N   so many messages, of all senders together (20,000)
    SEED=N    the same messages again, as far as the numbers of what there is are the same
    ROLES=…   only these senders, by their names below

lib/fuzz.c makes the messages; what they can consist of is read from the specification.
"""
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import rawnl as nl  # pylint: disable=wrong-import-position

SPEC = os.path.join(os.path.dirname(HERE), "Documentation/netlink/specs/vnic.yaml")
COUNT = int(os.environ.get("COUNT", "20000"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
# So many messages between two looks at what became of them.
CHUNK = max(200, min(4000, COUNT // 12))
NOBODY = 65534
# Bytes that all pools may have: room for each of the names that messages have.
HOST_POOL = 64 << 20
HOST = os.open("/proc/self/ns/net", os.O_RDONLY)


# --- what messages consist of -----------------------------------------------

POOLS = "vnics links own_links policies cookies fds users generations names kinds macs mtus pids nsids targets limits ethertypes protocols".split()
# Which numbers of a pool an attribute is, by its name and its set.
POOL_OF = {"vnic": "vnics", "link": "links", "ifindex": "links", "netns-cookie": "cookies", "netns-fd": "fds", "user": "users",
           "generation": "generations", "mtu": "mtus", ("vnic", "id"): "vnics", ("vnic-change", "id"): "vnics",
           ("stats", "id"): "vnics", ("policy", "id"): "policies", ("policy-change", "id"): "policies",
           ("pool", "limit"): "limits", "ethertype": "ethertypes", "protocol": "protocols"}
# Of 100 messages so many have it, where half would rarely make sense together.
PERCENT = {"id": 70, "delete": 20, "nothing": 10, "from": 12, "to": 12, "prefix": 12, "prefix-len": 10, "quota": 8, "subject": 92,
           "param": 95, "name": 50, "user": 50, "netns-cookie": 50, "netns-fd": 10, "subject-name": 12, "generation": 10, "number": 40,
           "bytes": 30, "host": 80, ("vnic-change", "id"): 97, ("policy-change", "id"): 30, ("pool", "name"): 90, ("pool", "host"): 5,
           ("pool", "limit"): 90, ("vnic", "pool"): 30, ("vnic-change", "pool"): 20, ("flow", "vnic"): 90, ("flow-change", "vnic"): 97,
           ("flow", "ifindex"): 20, ("flow", "name"): 95, ("flow-change", "name"): 97, "ethertype": 20, "protocol": 40, "local-ip": 15,
           "local-ip-len": 10, "remote-ip": 15, "remote-ip-len": 10, "local-port": 20, "remote-port": 20, "dscp": 15, "ring": 30, "rx-maxbw": 15,
           "tx-maxbw": 15, "rx-maxpps": 15, "tx-maxpps": 15, "limit-delay": 15, "share": 15, "priority": 20, "change": 15}
# Where most that fits would be refused.
RANGES = {"maxbw": (0, 1001 * 10 ** 9), "rx-maxbw": (0, 1001 * 10 ** 9), "tx-maxbw": (7000, 1 << 31), "rx-maxpps": (0, 1000), "limit-delay": (90, 1 << 20),
          "share": (0, 1010)}
REPEATS = 250
WEIGHTS = {"link-get": 2, "vnic-get": 3, "link-set": 4, "vnic-set": 12, "stats-get": 2, "policy-add": 14, "policy-del": 6, "why": 10,
           "apply": 16, "pool-get": 2, "pool-add": 5, "pool-set": 4, "pool-del": 3, "flow-get": 2, "flow-add": 10, "flow-del": 3, "flow-set": 5}
DUMP_WEIGHT = 1
LIMITS = {"s32-max": (1 << 31) - 1}
WIDTHS = {"u8": 8, "u16": 16, "u32": 32, "s32": 32, "uint": 64}

# What requests for links consist of: number, type, percent, pool, least, most, nested.
LINK_SETS = {
    "rt-data": [(1, "U16", 40, None, 0, 4094), (2, "U8", 30, None, 0, 2), (3, "U8", 20, None, 0, 1), (4, "U8", 2, None, 0, 2),
                (5, "U32", 2, None, 0, 9), (6, "U8", 20, None, 0, 2), (7, "U32", 20, None, 64, 65536), (8, "STRING", 10, None), (9, "STRING", 20, None),
                (10, "U8", 20, None, 0, 2), (12, "UINT", 10, None, 0, 1001 * 10 ** 9), (13, "UINT", 10, None, 7000, 1 << 31), (14, "U32", 10, None, 0, 1000),
                (15, "U32", 10, None, 0, 0xffffffff), (16, "U32", 10, None, 90, 1 << 20), (17, "U16", 10, None, 0, 1010), (18, "U8", 10, None, 0, 3)],
    "rt-info": [(1, "STRING", 97, "kinds"), (2, "NEST", 70, None, 0, 0, "rt-data"), (4, "STRING", 1, "kinds")],
    "rt-link": [(1, "BINARY", 30, None, 6, 6), (2, "BINARY", 2, None, 6, 6), (3, "STRING", 50, "names"), (4, "U32", 30, "mtus", 0, 65535),
                (5, "U32", 60, "links", 1, 1 << 31), (10, "U32", 5, "links", 0, 1 << 31), (13, "U32", 10, None, 0, 10000),
                (16, "U8", 2, None, 0, 6), (17, "U8", 2, None, 0, 1), (18, "NEST", 85, None, 0, 0, "rt-info"),
                (19, "U32", 4, "pids", 0, 1 << 31), (20, "STRING", 2, None), (28, "U32", 4, "fds", 0, 100), (31, "U32", 4, None, 0, 64),
                (32, "U32", 4, None, 0, 64), (37, "S32", 10, "nsids", 0, 9), (39, "U8", 2, None, 0, 1), (40, "U32", 2, None, 0, 65535),
                (41, "U32", 2, None, 0, 1 << 19), (46, "S32", 5, "targets", 0, 9), (49, "S32", 2, None, 1 << 16, 1 << 17)],
}


class Specification:
    """The family as lib/fuzz.c wants it."""

    def __init__(self):
        with open(SPEC, encoding="utf-8") as file:
            spec = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.limits = {**LIMITS, **{entry["name"]: entry["value"] for entry in spec["definitions"] if entry["type"] == "const"}}
        self.enums = {entry["name"]: len(entry["entries"]) for entry in spec["definitions"] if entry["type"] == "enum"}
        self.sets = {entry["name"]: entry for entry in spec["attribute-sets"]}
        self.operations = spec["operations"]["list"]

    def attributes(self, name):
        """Number and description of each attribute of a set, by its name."""
        entry = self.sets[name]
        if "subset-of" not in entry:
            return {one["name"]: (number, one) for number, one in enumerate(entry["attributes"], 1)}
        whole = self.attributes(entry["subset-of"])
        return {one["name"]: whole[one["name"]] for one in entry["attributes"]}

    def limit(self, value):
        return self.limits.get(value, value)

    def attribute(self, where, name, number, one):
        """As a C initializer."""
        kind, checks = one["type"], one.get("checks", {})
        pool = POOL_OF.get((where, name), POOL_OF.get(name))
        least, most = 0, 0
        if kind in WIDTHS:
            least = self.limit(checks.get("min", 0))
            most = self.limit(checks.get("max", (1 << WIDTHS[kind]) - 1))
            if "enum" in one:
                most = self.enums[one["enum"]] - 1
            least, most = RANGES.get(name, (least, most))
        elif kind == "binary":
            least, most = checks.get("exact-len", 0), checks.get("exact-len", checks.get("max-len", 16))
        c_type = {"nest": "NEST", "string": "STRING", "binary": "BINARY", "flag": "FLAG"}.get(kind, kind.upper())
        percent = PERCENT.get((where, name), PERCENT.get(name, 40))
        return initializer(number, c_type, percent, pool, least, most, one.get("nested-attributes"), REPEATS if "multi-attr" in one else 1)

    def header(self):
        lines = ["static const char *const pool_names[] = { " + ", ".join(f'"{name}"' for name in POOLS) + " };",
                 "enum { " + ", ".join(f"POOL_{name.upper()}" for name in POOLS) + " };",
                 "#define RTNETLINK_PERCENT 30"]
        sets = {name: [self.attribute(name, key, *value) for key, value in self.attributes(name).items()] for name in self.sets}
        sets.update({name: [initializer(*values) for values in attributes] for name, attributes in LINK_SETS.items()})
        lines += [f"static const struct set {c_name(name)};" for name in sets]
        lines += [define_set(name, members) for name, members in sets.items()]
        operations = []
        for command, operation in enumerate(self.operations, 1):
            where = operation.get("attribute-set")
            for flags, way in ((0, "do"), (nl.DUMP, "dump")):
                if way not in operation:
                    continue
                wanted = operation[way].get("request", {}).get("attributes", [])
                known = self.attributes(where)
                own = [self.attribute(where, key, *known[key]) for key in wanted]
                weight = DUMP_WEIGHT if flags else WEIGHTS[operation["name"]]
                name = operation["name"] + ("-dump" if flags else "")
                operations.append(define_operation(name, command, flags, weight, 1, own, where))
        link = sets["rt-link"]
        operations += [define_operation("newlink", nl.NEWLINK, 0, 14, 0, link, "rt-link"),
                       define_operation("setlink", nl.SETLINK, 0, 8, 0, link, "rt-link")]
        return "\n".join(lines + ["static const struct operation operations[] = {"] + operations + ["};"]) + "\n"


def c_name(name):
    return "set_" + name.replace("-", "_")


def members_of(members):
    return f"(const struct attr[]){{ {', '.join(members)} }}, {len(members)}" if members else "NULL, 0"


def initializer(number, kind, percent, pool, least=0, most=0, nested=None, repeats=1):
    where = f"POOL_{pool.upper()}" if pool else -1
    return f"{{ {number}, {kind}, {percent}, {repeats}, {where}, {least}ull, {most}ull, {'&' + c_name(nested) if nested else 'NULL'} }}"


def define_set(name, members):
    return f"static const struct set {c_name(name)} = {{ {members_of(members)} }};"


def define_operation(name, command, flags, weight, generic, own, where):
    return f'\t{{ "{name}", {command}, {flags}, {weight}, {generic}, {{ {members_of(own)} }}, &{c_name(where)} }},'


def compile_sender(directory):
    with open(f"{directory}/fuzz-spec.h", "w", encoding="ascii") as file:
        file.write(Specification().header())
    program = f"{directory}/fuzz"
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", f"-I{directory}", "-o", program, f"{HERE}/lib/fuzz.c"], check=True)
    return program


# --- the world --------------------------------------------------------------

class Broken(Exception):
    """Something is not as it has to be."""


def inside(namespace, action):
    """Does it in another network namespace."""
    os.setns(namespace, os.CLONE_NEWNET)
    try:
        return action()
    finally:
        os.setns(HOST, os.CLONE_NEWNET)


class Container:
    """A network namespace, with a user namespace of its own or not, that a process keeps."""

    def __init__(self, flags):
        self.flags = flags
        ready, go = os.pipe(), os.pipe()
        self.holder = os.fork()
        if not self.holder:
            os.unshare(flags)
            os.write(ready[1], b".")
            os.read(go[0], 1)
            while True:
                signal.pause()
        os.read(ready[0], 1)
        if flags & os.CLONE_NEWUSER:
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{self.holder}/{name}", "w", encoding="ascii") as file:
                    file.write("0 100000 65536")
        os.write(go[1], b".")
        for fd in ready + go:
            os.close(fd)
        self.net = os.open(f"/proc/{self.holder}/ns/net", os.O_RDONLY)
        self.user = os.open(f"/proc/{self.holder}/ns/user", os.O_RDONLY)
        self.cookie = inside(self.net, own_cookie)
        inside(self.net, nl.no_ipv6)

    def enter(self):
        """For good, with the rights of its administrator."""
        os.setns(self.net, os.CLONE_NEWNET)
        if self.flags & os.CLONE_NEWUSER:
            os.setns(self.user, os.CLONE_NEWUSER)
            os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)

    def close(self):
        os.kill(self.holder, signal.SIGKILL)
        os.waitpid(self.holder, 0)
        os.close(self.net)
        os.close(self.user)


def own_cookie():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, 71, 8), sys.byteorder)


HOST_COOKIE = own_cookie()


def nobody(flags=0):
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if flags:
        os.unshare(flags)


def hide_processes():
    """Goes on in a child that sees no processes but its own."""
    os.unshare(os.CLONE_NEWPID)
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xff)


def delete_links(kept):
    """Some take others along."""
    while True:
        rest = [index for index, _, _ in nl.links() if index not in kept]
        if not rest:
            return
        for index in rest:
            nl.ask(nl.delete_index(index))


def policies():
    """Those of this namespace: not the built-in ones, and those of the whole host only in its first one."""
    host = own_cookie() == HOST_COOKIE
    return [entry for entry in nl.shown(nl.POLICY_GET)
            if nl.P_BUILT_IN not in entry and (host or {nl.P_VNIC, nl.P_LINK, nl.P_LINK_NAME} & set(entry))]


def pools():
    """Those that have a name."""
    return [entry for entry in nl.shown(nl.POOL_GET) if nl.O_HOST not in entry]


def mac(last):
    return nl.attr(nl.IFLA_ADDRESS, bytes((2, 0, 0, 0, 1, last)))


class World:
    """A dummy and an etherstub with VNICs in the host and in two containers, and policies that grant next to nothing."""

    # What the policies let the owner of a VNIC do.
    MTUS = range(1000, 1011)

    def __init__(self):
        self.kept = {index for index, _, _ in nl.links()}
        self.containers = {"rootful": Container(os.CLONE_NEWNET), "userns": Container(os.CLONE_NEWUSER | os.CLONE_NEWNET)}
        self.number, self.groups = nl.family()
        self.vnics = {}
        self.build()

    def build(self):
        self.size_pools()
        nl.do(nl.new_link("dummy", "d0", mac(0xf0)), nl.new_link("etherstub", "s0"), lambda: nl.change("d0", on=nl.IFF_UP),
              lambda: nl.new_link("vnic", "h0", mac(1), lower="d0"), lambda: nl.new_link("vnic", "h1", mac(2), lower="s0"),
              # That d0 is promiscuous for want of a filter then is no work of the containers, who may bring up theirs.
              lambda: nl.change("h0", on=nl.IFF_UP))
        for at, (name, container) in enumerate(self.containers.items()):
            place = nl.number(nl.IFLA_NET_NS_PID, container.holder)
            nl.do(nl.new_link("vnic", "box", mac(3 + at), place, lower="d0", data=(nl.attr(nl.VNIC_VLAN, b"\x0a\0"),)))
            own = inside(container.net, lambda: nl.shown(nl.VNIC_GET))
            same(["box"], [nl.text(entry[nl.V_IFNAME]) for entry in own], f"VNICs of {name}")
            self.vnics[name] = own[0][nl.V_ID]
        for vnic in self.vnics.values():
            vnic = nl.attr(nl.P_VNIC, vnic)
            subject = nl.number(nl.P_SUBJECT, nl.OWNER)
            self.add_policy(vnic, subject, param("mtu"), nl.number(nl.P_FROM, self.MTUS[0]), nl.number(nl.P_TO, self.MTUS[-1]))
            self.add_policy(vnic, subject, param("promisc"), nl.attr(nl.P_NOTHING, b""))
        self.add_policy(nl.number(nl.P_LINK, socket.if_nametoindex("d0")), nl.number(nl.P_SUBJECT, nl.NAME),
                        nl.attr(nl.P_NAME, b"f1\0"), param("all"))

    def size_pools(self):
        self.request(nl.POOL_SET, nl.attr(nl.O_HOST, b""), nl.number(nl.O_LIMIT, HOST_POOL))

    def add_policy(self, *attributes):
        nl.do(nl.generic(nl.POLICY_ADD, *attributes, number_of_family=self.number))

    def clear(self):
        """Everything is gone, and nothing of it is kept."""
        for container in self.containers.values():
            inside(container.net, lambda: self.clear_here({1}))
        self.clear_here(self.kept)
        for entry in pools():
            self.request(nl.POOL_DEL, nl.attr(nl.O_NAME, entry[nl.O_NAME]))
        left = nl.shown(nl.VNIC_GET) + nl.shown(nl.LINK_GET) + policies() + nl.shown(nl.FLOW_GET) + pools()
        if left:
            raise Broken(f"is left: {left}")

    def clear_here(self, kept):
        delete_links(kept)
        self.forget(0, 0)

    def forget(self, most_absent, most_policies):
        """The oldest absent VNICs and policies beyond a number go."""
        absent = [entry[nl.V_ID] for entry in nl.shown(nl.VNIC_GET) if nl.V_ABSENT in entry]
        for number in absent[:len(absent) - most_absent]:
            self.request(nl.APPLY, nl.nest(nl.T_VNIC, nl.attr(nl.V_ID, number), nl.attr(nl.V_DELETE, b"")))
        present = [entry[nl.P_ID] for entry in policies()]
        for number in present[:max(0, len(present) - most_policies)]:
            self.request(nl.POLICY_DEL, nl.attr(nl.P_ID, number))

    def request(self, command, *attributes):
        error = nl.ask(nl.generic(command, *attributes, number_of_family=self.number))
        if error:
            raise Broken(f"command {command} failed: {os.strerror(error)}")

    def renew(self):
        self.clear()
        self.build()

    def close(self):
        self.clear()
        for container in self.containers.values():
            container.close()


def param(name):
    return nl.number(nl.P_PARAM, nl.PARAMS.index(name))


# --- looks at it ------------------------------------------------------------

def without(entry, *numbers):
    return {number: value for number, value in entry.items() if number not in numbers}


def configuration(world, own=None):
    """What the manager sees, but for what `own`, a container, may change of its VNIC, and for what is counted."""
    vnics = {}
    for entry in nl.shown(nl.VNIC_GET):
        entry.pop(nl.V_DENIED)
        if own and entry[nl.V_ID] == world.vnics[own]:
            mtu = nl.uint(entry.pop(nl.V_MTU))
            if mtu != 1500 and mtu not in World.MTUS:
                raise Broken(f"the container's VNIC has an MTU of {mtu}")
            entry = without(entry, nl.V_UP, nl.V_IFNAME)
        vnics[nl.uint(entry[nl.V_ID])] = entry
    # Each permitted change is one of the configuration.
    hidden = (nl.LINK_GENERATION,) if own else ()
    links = [without(entry, *hidden) for entry in nl.shown(nl.LINK_GET)]
    devices = {index: (flags & ~0x10040, without(attributes, *CHANGING)) for index, flags, attributes in nl.links()}
    flows = [without(entry, *nl.F_COUNTERS) for entry in nl.shown(nl.FLOW_GET)]
    pools = [without(entry, *nl.O_STATE) for entry in nl.shown(nl.POOL_GET)]
    return vnics, links, nl.shown(nl.POLICY_GET), devices, flows, pools


# Attributes of devices that change by themselves: statistics, carrier.
CHANGING = (7, 16, 23, 26, 33, 35, 47, 48)


def own_device(world, name):
    """What a container sees of its VNIC, but for what it may change: the device, whatever the database says."""
    vnic = world.vnics[name]
    index = next((nl.uint(entry[nl.V_IFINDEX]) for entry in nl.shown(nl.VNIC_GET) if entry[nl.V_ID] == vnic), None)
    attributes = next((attributes for one, _, attributes in nl.links() if one == index), None)
    if not attributes:
        os.setns(HOST, os.CLONE_NEWNET)
        raise Broken(f"VNIC {vnic} is not in its container any more; what the manager sees: {nl.shown(nl.VNIC_GET)}")
    return (index, nl.attrs_of(attributes[nl.IFLA_LINKINFO]),
            {number: attributes.get(number) for number in (nl.IFLA_ADDRESS, nl.IFLA_LINK, nl.IFLA_MASTER, nl.IFLA_TXQLEN)},
            [entry for entry in policies() if entry.get(nl.P_VNIC) == vnic])


def same(before, after, what):
    if before == after:
        return
    if isinstance(before, dict):
        for key in {**before, **after}:
            same(before.get(key), after.get(key), f"{what}, {key}")
    if isinstance(before, (tuple, list)) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after)):
            same(one, other, f"{what}, {place}")
    raise Broken(f"{what}: was {before!r}, is {after!r}")


def consistent(world):
    """What the family shows to the manager is what there is."""
    vnics, links, all_policies = nl.shown(nl.VNIC_GET), nl.shown(nl.LINK_GET), policies()
    numbers = [nl.uint(entry[nl.V_ID]) for entry in vnics]
    if len(set(numbers)) != len(numbers):
        raise Broken(f"a VNIC is shown twice: {numbers}")
    devices = {None: {index: (flags, attributes) for index, flags, attributes in nl.links()}}
    counts = {}
    for entry in vnics:
        if nl.V_ABSENT in entry:
            continue
        where = int.from_bytes(entry[nl.V_NETNS_ID], sys.byteorder, signed=True) if nl.V_NETNS_ID in entry else None
        if where not in devices:
            devices[where] = {index: (flags, attributes) for index, flags, attributes in nl.links(where)}
        index = nl.uint(entry[nl.V_IFINDEX])
        if index not in devices[where]:
            raise Broken(f"the device of {entry} does not exist")
        flags, attributes = devices[where][index]
        shown = [nl.text(entry[nl.V_IFNAME]), entry[nl.V_ADDRESS], entry[nl.V_MTU], entry[nl.V_UP][0]]
        device = [nl.text(attributes[nl.IFLA_IFNAME]), attributes[nl.IFLA_ADDRESS], attributes[nl.IFLA_MTU], flags & nl.IFF_UP]
        same(device, shown, f"VNIC {nl.uint(entry[nl.V_ID])}")
        if nl.V_LINK in entry:
            link = nl.uint(entry[nl.V_LINK])
            counts[link] = counts.get(link, 0) + 1
    for entry in links:
        index = nl.uint(entry[nl.LINK_IFINDEX])
        same(counts.pop(index, 0), nl.uint(entry[nl.LINK_VNICS]), f"VNICs of link {index}")
    same({}, counts, "VNICs of links that are not shown")
    for entry in all_policies:
        if nl.P_VNIC in entry and nl.uint(entry[nl.P_VNIC]) not in numbers:
            raise Broken(f"a policy of no VNIC: {entry}")
        if nl.P_LINK in entry and nl.uint(entry[nl.P_LINK]) not in devices[None]:
            raise Broken(f"a policy of no link: {entry}")
    for entry in nl.shown(nl.FLOW_GET):
        if nl.uint(entry[nl.F_VNIC]) not in numbers:
            raise Broken(f"a flow of no VNIC: {entry}")
    # A link that went to a container took its VNICs, which stay in their pools, out of sight.
    everywhere = [vnics] + [inside(container.net, lambda: nl.shown(nl.VNIC_GET)) for container in world.containers.values()]
    members = list({entry[nl.V_ID]: entry[nl.V_POOL] for shown in everywhere for entry in shown
                    if nl.V_POOL in entry and nl.V_ABSENT not in entry}.values())
    same({entry[nl.O_NAME]: nl.uint(entry[nl.O_VNICS]) for entry in pools()},
         {entry[nl.O_NAME]: members.count(entry[nl.O_NAME]) for entry in pools()}, "VNICs of pools")
    if set(members) - {entry[nl.O_NAME] for entry in pools()}:
        raise Broken(f"pools of VNICs that do not exist: {members}")
    works(world)


def works(world):
    """A VNIC can be made, seen, changed and deleted."""
    nl.do(nl.new_link("etherstub", "probe0"), lambda: nl.new_link("vnic", "probe1", lower="probe0"))
    index = socket.if_nametoindex("probe1")
    entry = next(entry for entry in nl.shown(nl.VNIC_GET) if entry.get(nl.V_LINK_NAME) == b"probe0\0")
    same(index, nl.uint(entry[nl.V_IFINDEX]), "the new VNIC")
    world.request(nl.VNIC_SET, nl.attr(nl.V_ID, entry[nl.V_ID]), nl.number(nl.V_MTU, 1000))
    nl.do(lambda: nl.delete("probe1"), lambda: nl.delete("probe0"))


def trim(world):
    """What the manager made too much of goes."""
    vnics = [entry for entry in nl.shown(nl.VNIC_GET) if nl.V_ABSENT not in entry]
    for entry in vnics[12:]:
        world.request(nl.APPLY, nl.nest(nl.T_VNIC, nl.attr(nl.V_ID, entry[nl.V_ID]), nl.attr(nl.V_DELETE, b"")))
    # One goes by the will of its container, and what is its own is kept.
    for container in world.containers.values():
        for index, _, _ in inside(container.net, lambda: list(nl.links())):
            if index != 1:
                inside(container.net, lambda index=index: nl.ask(nl.delete_index(index)))
                break
    world.forget(6, 60)
    world.size_pools()
    own = [index for index, _, _ in nl.links() if index not in world.kept]
    for index in own[24:]:
        nl.ask(nl.delete_index(index))


# --- the senders ------------------------------------------------------------

class Role:
    """Who sends, and what has to hold afterwards."""

    def __init__(self, name, share, what, container=None):
        self.name = name
        self.share = share
        self.what = what
        self.container = container
        self.sent = self.described = 0
        self.answers = {}

    def become(self, world):
        if self.container:
            world.containers[self.container].enter()
            if self.container == "rootful":
                # The number of a process of the host is one of its namespaces to root; a container knows its own processes.
                hide_processes()
        elif self.name == "nobody":
            nobody()
        elif self.name == "user":
            nobody(os.CLONE_NEWUSER)

    def pools(self, world):
        vnics = [nl.uint(entry[nl.V_ID]) for entry in nl.shown(nl.VNIC_GET)]
        present = [index for index, _, _ in nl.links() if index not in world.kept]
        entries = nl.shown(nl.POLICY_GET)
        found = {
            "vnics": vnics, "links": present, "own_links": present, "policies": [nl.uint(entry[nl.P_ID]) for entry in entries],
            "cookies": [own_cookie()] + [container.cookie for container in world.containers.values()],
            "fds": [], "users": [0, NOBODY, 100000], "generations": [generation()], "mtus": [68, 1000, 1005, 1400, 1500],
            "limits": [1 << 20, 2 << 20, 3 << 20], "ethertypes": [0x0800, 0x86dd, 0x0806], "protocols": [1, 6, 17, 132],
            "nsids": range(4)}
        if self.container:
            own = inside(world.containers[self.container].net, lambda: [index for index, _, _ in nl.links() if index != 1])
            found.update(own_links=own, links=own + present)
            found.update(pids=[1, os.getpid()])
            # Who is root of the host as well may do more with these than with the module.
            if self.container == "userns":
                found.update(targets=range(3))
        if self.name == "manager":
            found.update(fds=[container.net for container in world.containers.values()],
                         pids=[container.holder for container in world.containers.values()])
        return [f"{name}={','.join(map(str, values))}" for name, values in found.items()]

    def send(self, world, program, seed, count):
        """Lets a child of ours send, and adds up what it says."""
        groups = ",".join(str(number) for number in world.groups.values())
        command = [program, str(seed), str(count), str(world.number), "25" if self.name == "manager" else "60", groups] + self.pools(world)
        source, sink = os.pipe()
        sys.stdout.flush()
        child = os.fork()
        if not child:
            try:
                os.dup2(sink, 1)
                for container in world.containers.values():
                    os.set_inheritable(container.net, self.name == "manager")
                self.become(world)
                os.execv(program, command)
            finally:
                os._exit(9)
        os.close(sink)
        with os.fdopen(source, encoding="ascii") as said:
            lines = said.read().split("\n")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            raise Broken(f"{self.name}: the sender ended with {status}")
        self.sent += int(lines[0].split()[1])
        self.described += int(lines[0].split()[3])
        for name, error, times in (line.split() for line in lines[1:] if line):
            key = name, int(error)
            self.answers[key] = self.answers.get(key, 0) + int(times)

    def turn(self, world, program, seed, count):
        if self.name == "manager":
            self.send(world, program, seed, count)
            consistent(world)
            trim(world)
            consistent(world)
            return
        before = configuration(world, self.container)
        device = None
        if self.container:
            net = world.containers[self.container].net
            device = inside(net, lambda: own_device(world, self.container))
        self.send(world, program, seed, count)
        if self.container:
            same(device, inside(net, lambda: own_device(world, self.container)), "the container's VNIC")
            index = device[0]
            inside(net, lambda: world.clear_here({1, index}))
        same(before, configuration(world, self.container), "the configuration")

    def says(self):
        """Answers, by errors; and which operations succeeded."""
        by_error, done = {}, {}
        for (name, error), times in sorted(self.answers.items()):
            by_error[error] = by_error.get(error, 0) + times
            if not error:
                done[name] = times
        words = [f"{name_of(error)} {times}" for error, times in sorted(by_error.items(), key=lambda entry: -entry[1])]
        yield f"{self.sent} messages, {self.described} descriptions; answers: {', '.join(words)}"
        yield "succeeded, of those that asked for an answer: " + ", ".join(f"{name} {times}" for name, times in done.items())


def name_of(error):
    return nl.errno.errorcode.get(error, str(error)) if error else "done"


def generation():
    return next((nl.uint(entry[nl.LINK_GENERATION]) for entry in nl.shown(nl.LINK_GET)), 0)


ROLES = [
    Role("rootful", 1, "CTCFG-2 CTCFG-3: the administrator of a container, root of the host's user namespace", "rootful"),
    Role("userns", 1, "CTCFG-2 CTCFG-3: the administrator of a container with a user namespace", "userns"),
    Role("nobody", 1, "CTCFG-2 CTCFG-3: a user without rights"),
    Role("user", 1, "CTCFG-2 CTCFG-3: a user without rights, in a user namespace of his"),
    Role("manager", 3, "CTCFG-1 CTCFG-4: the manager"),
]


def turns(roles):
    """Who sends, and how many messages, until all are sent."""
    shares = sum(role.share for role in roles)
    left = COUNT
    while left:
        for role in roles:
            for _ in range(role.share):
                count = min(left, CHUNK, max(1, COUNT // shares))
                if count:
                    yield role, count
                left -= count


def run(roles, program):
    world, failures = World(), {}
    dirty = False
    for number, (role, count) in enumerate(turns(roles)):
        if role.name in failures:
            continue
        seed = SEED + number
        try:
            if dirty and role.name != "manager":
                world.renew()
            dirty = role.name == "manager"
            role.turn(world, program, seed, count)
        except Exception:  # pylint: disable=broad-exception-caught
            failures[role.name] = f"turn {number}, seed {seed}, {count} messages\n" + traceback.format_exc().strip()
            print(f"# {role.name}: turn {number} is not as it has to be", flush=True)
            # Others start afresh.
            dirty = True
    world.close()
    return failures


def main():
    wanted = os.environ.get("ROLES", "").split()
    roles = [role for role in ROLES if not wanted or role.name in wanted]
    subprocess.run(["insmod", os.environ["VNIC_KO"]], check=True)
    subprocess.run(["modprobe", "dummy"], check=True)
    # A kind that does not exist must not cost a process each time.
    nl.setting("/proc/sys/kernel/modprobe", "\n")
    nl.no_ipv6()
    print(f"TAP version 13\n# SEED={SEED} COUNT={COUNT}, {CHUNK} at a time", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        program = compile_sender(directory)
        print(f"# ready after {time.monotonic() - began:.1f} s", flush=True)
        failures = run(roles, program)
    for number, role in enumerate(roles, 1):
        print(f"{'not ok' if role.name in failures else 'ok'} {number} - {role.what}")
        for line in list(role.says()) + failures.get(role.name, "").split("\n"):
            if line:
                print(f"# {line}")
    unloaded = subprocess.run(["rmmod", "vnic"], check=False).returncode == 0
    print(f"{'ok' if unloaded else 'not ok'} {len(roles) + 1} - the module can be unloaded")
    print(f"# {time.monotonic() - began:.1f} s\n1..{len(roles) + 1}", flush=True)
    sys.exit(bool(failures) or not unloaded)


main()
