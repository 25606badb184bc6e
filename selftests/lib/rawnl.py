# SPDX-License-Identifier: GPL-2.0
"""
Raw netlink, for tests that say what others do not: many requests at once, malformed ones, or ones whose allocations fail. Requests to
rtnetlink, and to the family "vnic" by the numbers of its specification.
"""
import atexit
import contextlib
import errno
import os
import socket
import struct

NEWLINK, DELLINK, GETLINK, SETLINK, NEWNEIGH, DELNEIGH, GETNEIGH = 16, 17, 18, 19, 28, 29, 30
REQUEST, ACK, DUMP, CREATE = 0x1, 0x4, 0x300, 0x600
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_TXQLEN, IFLA_LINKINFO = 1, 3, 4, 5, 10, 13, 18
IFLA_NET_NS_PID, IFLA_NET_NS_FD, IFLA_TARGET_NETNSID = 19, 28, 46
IFF_UP, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x100, 0x200
VNIC_VLAN, VNIC_PROMISC, VNIC_HOST, VNIC_POLL, VNIC_RING_SIZE, VNIC_POOL = 1, 2, 3, 6, 7, 8
NEST = 0x8000

# The family: commands, and attributes of VNICs, policies, requests, transactions, pools and flows.
(LINK_GET, VNIC_GET, LINK_SET, VNIC_SET), (POLICY_GET, POLICY_ADD, POLICY_DEL), WHY, APPLY = range(1, 5), range(10, 13), 15, 18
(POOL_GET, POOL_ADD, POOL_SET, POOL_DEL), (FLOW_GET, FLOW_ADD, FLOW_DEL), FLOW_SET = range(19, 23), range(27, 30), 32
LINK_IFINDEX, LINK_IFNAME, LINK_HOST, LINK_VNICS, LINK_GENERATION, LINK_MAXBW = 1, 2, 4, 6, 7, 8
V_ID, V_LINK, V_LINK_NAME, V_IFINDEX, V_IFNAME, V_NETNS_ID, V_VLAN, V_ADDRESS, V_MTU, V_UP, V_PROMISC_MODE = range(1, 12)
V_OWNER_ID, V_ABSENT, V_DENIED, V_DEFAULT_ADDRESS, V_DEFAULT_MTU, V_SUBJECT_NAME, V_DELETE, V_POLL, V_RING_SIZE, V_RINGS, V_POOL = range(12, 23)
V_RX_MAXBW, V_TX_MAXBW, V_RX_MAXPPS, V_TX_MAXPPS, V_LIMIT_DELAY, V_SHARE, V_PRIORITY = range(26, 33)
P_ID, P_VNIC, P_LINK, P_BUILT_IN, P_SUBJECT, P_NETNS_FD, P_NETNS_COOKIE, P_NETNS_ID, P_USER, P_NAME, P_PARAM = range(1, 12)
P_NOTHING, P_FROM, P_TO, P_PREFIX, P_PREFIX_LEN, P_QUOTA, P_DELETE, P_LINK_NAME = range(12, 20)
R_VNIC, R_IFINDEX, R_LINK, R_PARAM, R_NUMBER, R_BYTES, R_SUBJECT = 2, 3, 5, 6, 7, 8, 9
T_GENERATION, T_VNIC, T_POLICY, T_FLOW = range(1, 5)
O_NAME, O_HOST, O_LIMIT, O_THRESHOLD, O_VNICS = range(1, 6)
O_STATE, O_HIGH_WATER = range(6, 14), 8     # what a pool has at the moment, and what it counted
F_VNIC, F_IFINDEX, F_NAME, F_ID, F_RANK, F_ETHERTYPE, F_PROTOCOL, F_LOCAL_IP, F_LOCAL_IP_LEN, F_REMOTE_IP, F_REMOTE_IP_LEN = range(1, 12)
F_LOCAL_PORT, F_REMOTE_PORT, F_DSCP, F_RING = range(12, 16)
F_COUNTERS, F_DELETE = (*range(16, 20), 28, 29), 20
F_RX_MAXBW, F_TX_MAXBW, F_RX_MAXPPS, F_TX_MAXPPS, F_LIMIT_DELAY, F_PRIORITY, F_CHANGE = range(21, 28)
OWNER, NETNS, USER, NAME = range(4)
PARAMS = ("all address mtu up name txqueuelen master vlan-device features ip promisc allmulti groups addresses promisc-mode host timestamps "
          "vnics rings pool flows cpus hw-rings limits").split()


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, error):
        super().__init__(os.strerror(error))
        self.error = error


class Generic(bytes):
    """A request to a family of generic netlink."""
    protocol = 16


# --- attributes and messages ------------------------------------------------

def attr(kind, payload):
    length = 4 + len(payload)
    return struct.pack("HH", length, kind) + payload + b"\0" * (-length % 4)


def nest(kind, *attributes):
    return attr(kind | NEST, b"".join(attributes))


def number(kind, value):
    """An attribute of four bytes."""
    return attr(kind, struct.pack("I", value))


def attrs_of(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, at)
        if length < 4:
            break
        found[kind & 0x3fff] = data[at + 4:at + length]
        at += (length + 3) & ~3
    return found


def uint(payload):
    """What is in four or eight bytes."""
    return struct.unpack("I" if len(payload) == 4 else "Q", payload)[0]


def text(payload):
    return payload.split(b"\0")[0].decode(errors="backslashreplace")


def message(kind, flags, body):
    return struct.pack("IHHII", 16 + len(body), kind, REQUEST | flags, 1, 0) + body


# --- asking -----------------------------------------------------------------

def talk(protocol=0):
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)


def messages(data):
    """Kind, flags and body of each message."""
    at = 0
    while at < len(data):
        length, kind, flags = struct.unpack_from("IHH", data, at)
        yield kind, flags, data[at + 16:at + length]
        at += (length + 3) & ~3


def dump(kind, body, protocol=0):
    """Bodies of the messages of a dump."""
    with talk(protocol) as sock:
        sock.send(message(kind, DUMP, body))
        while True:
            for what, flags, answer in messages(sock.recv(1 << 18)):
                if flags & 0x10:    # NLM_F_DUMP_INTR
                    raise Refused(errno.EINTR)
                if what in (2, 3):
                    result = struct.unpack_from("i", answer)[0] if answer else 0
                    if result < 0:
                        raise Refused(-result)
                    return
                yield answer


def aligned(request):
    """As it is with another one behind it."""
    return request + b"\0" * (-len(request) % 4)


def answers(sock, count):
    """The next errors that are answered, or zeroes."""
    found = []
    while len(found) < count:
        found += [-struct.unpack_from("i", body)[0] for kind, _, body in messages(sock.recv(1 << 16)) if kind == 2]
    return found


def ask(request, around=lambda call: call()):
    """Sends a request that wants an answer, by `around`, a function that calls its argument; the error, or 0."""
    with talk(getattr(request, "protocol", 0)) as sock:
        # Transactions are long.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, max(len(request), 1 << 16))
        around(lambda: sock.send(request))
        return answers(sock, 1)[0]


def do(*requests):
    """Each of the requests, or functions that make one, has to succeed."""
    for request in requests:
        error = ask(request() if callable(request) else request)
        if error:
            raise Refused(error)


# --- rtnetlink --------------------------------------------------------------

def ifinfo(index=0, on=0, off=0):
    return struct.pack("BxHiII", 0, 0, index, on, on | off)


def kind_of_link(kind, *data):
    """IFLA_LINKINFO."""
    return nest(IFLA_LINKINFO, attr(1, kind.encode()), *([nest(2, *data)] if data else []))


def new_link(kind, name, *attributes, lower=None, data=()):
    body = ifinfo() + attr(IFLA_IFNAME, name.encode() + b"\0") + b"".join(attributes)
    if lower:
        body += number(IFLA_LINK, socket.if_nametoindex(lower))
    return message(NEWLINK, ACK | CREATE, body + kind_of_link(kind, *data))


def change(name, on=0, off=0, attributes=b""):
    return message(NEWLINK, ACK, ifinfo(socket.if_nametoindex(name), on, off) + attributes)


def delete_index(index):
    return message(DELLINK, ACK, ifinfo(index))


def delete(name):
    return delete_index(socket.if_nametoindex(name))


def links(netns_id=None):
    """Index, flags and attributes of each device, in another namespace by its number here."""
    request = ifinfo() + (attr(IFLA_TARGET_NETNSID, struct.pack("i", netns_id)) if netns_id is not None else b"")
    for body in dump(GETLINK, request):
        index, flags = struct.unpack_from("iI", body, 4)
        yield index, flags, attrs_of(body[16:])


# --- the family -------------------------------------------------------------

def family(name="vnic"):
    """The number of a family, and those of its groups by their names."""
    with talk(Generic.protocol) as sock:
        sock.send(message(0x10, 0, struct.pack("BBxx", 3, 1) + attr(2, name.encode() + b"\0")))
        attributes = attrs_of(sock.recv(1 << 16)[20:])
    groups = {}
    for group in attrs_of(attributes.get(7, b"")).values():
        group = attrs_of(group)
        groups[text(group[1])] = uint(group[2])
    return struct.unpack("H", attributes[1])[0], groups


def generic(command, *attributes, flags=ACK, number_of_family=None):
    """A request to the family "vnic"."""
    kind = number_of_family or family()[0]
    return Generic(message(kind, flags, struct.pack("BBxx", command, 1) + b"".join(attributes)))


def shown(command, *attributes):
    """The attributes of each thing that a dump of the family shows."""
    body = struct.pack("BBxx", command, 1) + b"".join(attributes)
    return [attrs_of(answer[4:]) for answer in dump(family()[0], body, Generic.protocol)]


def setting(path, value):
    """A sysctl of this boot, as it was again at the end: other suites come after this one. The path is opened now, in this namespace."""
    with open(path, encoding="ascii") as file:
        before, owner = file.read(), os.getpid()
    back = os.open(path, os.O_WRONLY)

    def restore():
        if os.getpid() == owner:
            # The namespace may be gone.
            with contextlib.suppress(FileNotFoundError):
                os.write(back, before.encode())

    atexit.register(restore)
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def no_ipv6():
    """What IPv6 does by itself for each new device of this namespace would be in the way, and takes long."""
    setting("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
