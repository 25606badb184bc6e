# SPDX-License-Identifier: GPL-2.0
"""
The roads into the kernel by which something of a network device is changed: rtnetlink, ioctl, sysfs, packet sockets, ethtool. Each function takes
the device as (name, index) and the value, does it as the calling process, and raises OSError if it is refused.
"""
import ctypes
import errno
import fcntl
import multiprocessing.connection
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import traceback

from family import NlError, family, inside

IFF_UP, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x100, 0x200
NEWLINK, DELLINK, GETLINK, NEWADDR, DELADDR, GETADDR, NEWNEIGH, DELNEIGH = 16, 17, 18, 20, 21, 22, 28, 29
REQUEST, ACK, DUMP, EXCL, CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_TXQLEN = 1, 3, 4, 5, 10, 13
IFLA_LINKINFO, IFLA_LINK_NETNSID = 18, 37
INFO_KIND, INFO_DATA = 1, 2
VNIC_PROMISC, VNIC_HOST, VNIC_RING_SIZE, VNIC_POOL, VNIC_CPUS, VNIC_HW_RINGS, VNIC_RX_MAXBW, VLAN_ID = 2, 3, 7, 8, 9, 10, 12, 1
ETHERTYPE = 0x88B5          # for local experiments
BROADCAST = b"\xff" * 6
GRO = 1 << 14


def u32(value):
    return struct.pack("=I", value)


def attr(number, payload):
    """An attribute; of a dictionary or list of pairs, a nest of them."""
    if isinstance(payload, str):
        payload = payload.encode() + b"\0"
    elif isinstance(payload, int):
        payload = u32(payload)
    elif isinstance(payload, dict):
        payload = b"".join(attr(*item) for item in payload.items())
    return struct.pack("=HH", 4 + len(payload), number) + payload + bytes(-len(payload) % 4)


def attrs_of(data):
    found = {}
    while len(data) >= 4:
        size, number = struct.unpack_from("=HH", data)
        found[number & 0x3fff] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


class Route:
    """rtnetlink of the namespace where this is made, whoever uses it."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.serial = 0

    def ask(self, kind, body, flags=0):
        """What came before the acknowledgement."""
        self.serial += 1
        self.sock.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK | flags, self.serial, 0) + body)
        answers = []
        while True:
            data = self.sock.recv(1 << 17)
            while data:
                size, kind, _, serial, _ = struct.unpack_from("=IHHII", data)
                payload, data = data[16:size], data[(size + 3) & ~3:]
                if serial != self.serial:
                    continue
                if kind in (2, 3):      # NLMSG_ERROR, NLMSG_DONE
                    code = struct.unpack_from("=i", payload)[0]
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return answers
                answers.append(payload)

    def link(self, index, flags=0, mask=0, attrs=(), create=False):
        body = struct.pack("=BxHiII", 0, 0, index, flags, mask) + attr(0, dict(attrs))[4:]
        self.ask(NEWLINK, body, CREATE | EXCL if create else 0)

    def unlink(self, index):
        self.ask(DELLINK, struct.pack("=BxHiII", 0, 0, index, 0, 0))

    def links(self, index=0):
        """Index, flags and attributes of one link or of all."""
        answers = self.ask(GETLINK, struct.pack("=BxHiII", 0, 0, index, 0, 0), 0 if index else DUMP)
        return [(*struct.unpack_from("=4xiI", answer), attrs_of(answer[16:])) for answer in answers]

    def address(self, index, addr, kind=NEWADDR):
        domain, bits = (2, 24) if len(addr) == 4 else (10, 64)
        values = {2: addr, 1: addr} if len(addr) == 4 else {2: addr}
        # Nobody is asked whether it is taken (IFA_F_NODAD).
        flags = 2 if domain == 10 else 0
        self.ask(kind, struct.pack("=BBBBI", domain, bits, flags, 0, index) + attr(0, values)[4:], CREATE | EXCL if kind == NEWADDR else 0)

    def addresses(self, index):
        """The IP addresses of a link but those that IPv6 makes for itself."""
        found = []
        for answer in self.ask(GETADDR, struct.pack("=BBBBI", 0, 0, 0, 0, 0), DUMP):
            if struct.unpack_from("=I", answer, 4)[0] == index:
                found.append(attrs_of(answer[8:])[1])
        return sorted(addr for addr in found if addr[:2] != b"\xfe\x80")

    def neighbour(self, index, addr, kind=NEWNEIGH):
        # For the device itself (NTF_SELF), NUD_PERMANENT.
        body = struct.pack("=BxHiHBB", socket.AF_BRIDGE, 0, index, 0x80, 2, 0) + attr(2, addr)
        self.ask(kind, body, CREATE | EXCL if kind == NEWNEIGH else 0)


# What an asker has open: his sockets, as a namespace of his own has them.
ours = {}


def route():
    if "route" not in ours:
        ours["route"] = Route()
    return ours["route"]


def sock(domain=socket.AF_INET):
    if domain not in ours:
        ours[domain] = socket.socket(domain, socket.SOCK_DGRAM)
    return ours[domain]


def ioctl(number, name, payload, one=None):
    return fcntl.ioctl(one or sock(), number, struct.pack("16s", name.encode()) + payload.ljust(24, b"\0"))


def hold(one):
    """Keeps a socket until release()."""
    ours.setdefault("held", []).append(one)
    return one


def release(*_):
    for one in ours.pop("held", []):
        one.close()


def rtnl_address(dev, value):
    route().link(dev[1], attrs={IFLA_ADDRESS: value})


def rtnl_mtu(dev, value):
    route().link(dev[1], attrs={IFLA_MTU: value})


def rtnl_up(dev, _):
    route().link(dev[1], IFF_UP, IFF_UP)


def rtnl_name(dev, value):
    route().link(dev[1], attrs={IFLA_IFNAME: value})


def rtnl_txqueuelen(dev, value):
    route().link(dev[1], attrs={IFLA_TXQLEN: value})


def index_of(name):
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        # It has no number.
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


def rtnl_master(dev, value):
    route().link(dev[1], attrs={IFLA_MASTER: index_of(value)})


def rtnl_vlan(dev, value):
    info = {INFO_KIND: "vlan", INFO_DATA: {VLAN_ID: struct.pack("=H", value)}}
    route().link(0, attrs={IFLA_LINK: dev[1], IFLA_IFNAME: f"vlan{value}", IFLA_LINKINFO: info}, create=True)


def rtnl_ip(dev, value):
    route().address(dev[1], value)


def rtnl_promisc(dev, _):
    route().link(dev[1], IFF_PROMISC, IFF_PROMISC)


def rtnl_allmulti(dev, _):
    route().link(dev[1], IFF_ALLMULTI, IFF_ALLMULTI)


def rtnl_fdb(dev, value):
    route().neighbour(dev[1], value)


def rtnl_fdb_off(dev, value):
    route().neighbour(dev[1], value, DELNEIGH)


def rtnl_macvlan(dev, value):
    """A macvlan with that address on top makes its lower device receive it."""
    info = {INFO_KIND: "macvlan", INFO_DATA: {1: 4}}
    route().link(0, attrs={IFLA_LINK: dev[1], IFLA_IFNAME: "top", IFLA_ADDRESS: value, IFLA_LINKINFO: info}, create=True)
    route().link(index_of("top"), IFF_UP, IFF_UP)


def rtnl_promisc_mode(dev, value):
    route().link(dev[1], attrs={IFLA_LINKINFO: {INFO_KIND: "vnic", INFO_DATA: {VNIC_PROMISC: bytes([value])}}})


def rtnl_host(dev, value):
    route().link(dev[1], attrs={IFLA_LINKINFO: {INFO_KIND: "vnic", INFO_DATA: {VNIC_HOST: bytes([value])}}})


def rtnl_ring_size(dev, value):
    route().link(dev[1], attrs={IFLA_LINKINFO: {INFO_KIND: "vnic", INFO_DATA: {VNIC_RING_SIZE: u32(value)}}})


def rtnl_pool(dev, value):
    route().link(dev[1], attrs={IFLA_LINKINFO: {INFO_KIND: "vnic", INFO_DATA: {VNIC_POOL: value}}})


def rtnl_vnic(dev, _):
    """One more VNIC on the link of this one, which is in another namespace."""
    _, _, attrs = route().links(dev[1])[0]
    values = {IFLA_LINK: attrs[IFLA_LINK], IFLA_LINK_NETNSID: attrs[IFLA_LINK_NETNSID], IFLA_LINKINFO: {INFO_KIND: "vnic"}}
    count = ours["count"] = ours.get("count", 0) + 1
    route().link(0, attrs={IFLA_IFNAME: f"own{count}", **values}, create=True)


def ioctl_address(dev, value):
    ioctl(0x8924, dev[0], struct.pack("=H6s", 1, value))    # SIOCSIFHWADDR, ARPHRD_ETHER


def ioctl_mtu(dev, value):
    ioctl(0x8922, dev[0], u32(value))


def change_flags(name, flag):
    flags = struct.unpack_from("=H", ioctl(0x8913, name, b""), 16)[0]
    ioctl(0x8914, name, struct.pack("=H", flags | flag))


def ioctl_up(dev, _):
    change_flags(dev[0], IFF_UP)


def ioctl_promisc(dev, _):
    change_flags(dev[0], IFF_PROMISC)


def ioctl_allmulti(dev, _):
    change_flags(dev[0], IFF_ALLMULTI)


def ioctl_name(dev, value):
    ioctl(0x8923, dev[0], struct.pack("16s", value.encode()))


def ioctl_txqueuelen(dev, value):
    ioctl(0x8943, dev[0], u32(value))


def ioctl_ip(dev, value):
    if len(value) == 4:
        ioctl(0x8916, dev[0], struct.pack("=HH4s", socket.AF_INET, 0, value))
    else:
        fcntl.ioctl(sock(socket.AF_INET6), 0x8916, struct.pack("=16sIi", value, 64, dev[1]))


def ioctl_bridge(dev, value):
    ioctl(0x89A2, value, struct.pack("=i", dev[1]))     # SIOCBRADDIF


def ioctl_bond(dev, value):
    ioctl(0x8990, value, struct.pack("16s", dev[0].encode()))   # SIOCBONDENSLAVE


def ioctl_vlan(dev, value):
    fcntl.ioctl(sock(), 0x8983, struct.pack("=i24si20xh2x", 0, dev[0].encode(), value, 0))      # SIOCSIFVLAN, ADD_VLAN_CMD


def ioctl_group(dev, value):
    ioctl(0x8931, dev[0], struct.pack("=H6s", socket.AF_UNSPEC, value))


def ioctl_group_off(dev, value):
    ioctl(0x8932, dev[0], struct.pack("=H6s", socket.AF_UNSPEC, value))


def ethtool_call(name, data, one=None):
    """SIOCETHTOOL; the buffer afterwards."""
    buffer = ctypes.create_string_buffer(data, len(data))
    ioctl(0x8946, name, struct.pack("=Q", ctypes.addressof(buffer)), one)
    return buffer.raw


def features_of(name, one):
    """The features that are wanted and those that are on, of the first 32."""
    answer = ethtool_call(name, struct.pack("=II32x", 0x3A, 2), one)        # ETHTOOL_GFEATURES
    return struct.unpack_from("=II", answer, 12)


def set_features(name, mask, wanted, one=None):
    ethtool_call(name, struct.pack("=IIIIII", 0x3B, 2, mask, wanted, 0, 0), one)    # ETHTOOL_SFEATURES


def ioctl_gro(dev, _):
    ethtool_call(dev[0], struct.pack("=II", 0x2C, 0))       # ETHTOOL_SGRO


def ioctl_features(dev, _):
    set_features(dev[0], GRO, 0)


def ethtool_features(dev, _):
    """By netlink. What the command says of it is not what matters; that something was refused shows on the device."""
    done = subprocess.run(["ethtool", "-K", dev[0], "gro", "off"], capture_output=True, text=True, check=False)
    for number in (errno.EPERM, errno.ENODEV):
        if os.strerror(number) in done.stderr:
            raise OSError(number, done.stderr)


def ioctl_ring_size(dev, value):
    now = ethtool_call(dev[0], struct.pack("=I32x", 0x10))      # ETHTOOL_GRINGPARAM
    ethtool_call(dev[0], struct.pack("=I", 0x11) + now[4:20] + u32(value) + now[24:])     # ETHTOOL_SRINGPARAM


def ethtool_ring_size(dev, value):
    done = subprocess.run(["ethtool", "-G", dev[0], "rx", str(value)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(next((number for number in (errno.EPERM, errno.ENODEV) if os.strerror(number) in done.stderr), errno.EIO), done.stderr)


def ioctl_timestamps(dev, _):
    config = ctypes.create_string_buffer(struct.pack("=iii", 0, 0, 0), 12)
    ioctl(0x89B0, dev[0], struct.pack("=Q", ctypes.addressof(config)))


def write(path, text):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def sysfs_mtu(dev, value):
    write(f"/sys/class/net/{dev[0]}/mtu", str(value))


def sysfs_txqueuelen(dev, value):
    write(f"/sys/class/net/{dev[0]}/tx_queue_len", str(value))


def sysfs_flag(name, flag):
    with open(f"/sys/class/net/{name}/flags", encoding="ascii") as file:
        flags = int(file.read(), 16)
    write(f"/sys/class/net/{name}/flags", hex(flags | flag))


def sysfs_up(dev, _):
    sysfs_flag(dev[0], IFF_UP)


def sysfs_promisc(dev, _):
    sysfs_flag(dev[0], IFF_PROMISC)


def sysfs_allmulti(dev, _):
    sysfs_flag(dev[0], IFF_ALLMULTI)


def sysfs_bond(dev, value):
    write(f"/sys/class/net/{value}/bonding/slaves", f"+{dev[0]}")


def membership(dev, kind, addr=b""):
    one = hold(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
    one.setsockopt(263, 1, struct.pack("=iHH8s", dev[1], kind, len(addr), addr))    # SOL_PACKET, PACKET_ADD_MEMBERSHIP


def packet_group(dev, value):
    membership(dev, 0, value)


def packet_promisc(dev, _):
    membership(dev, 1)


def packet_allmulti(dev, _):
    membership(dev, 2)


def packet_address(dev, value):
    membership(dev, 3, value)


def join_group(dev, value):
    """IP_ADD_MEMBERSHIP for which IPv4 joins that Ethernet group."""
    one = hold(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    group = bytes([239, *value[3:]])
    one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + bytes(4) + struct.pack("=i", dev[1]))


def join_group6(dev, value):
    """The same for IPv6, which joins 33:33 and the last four bytes."""
    one = hold(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    group = b"\xff\x0e" + bytes(10) + value[2:]
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("=i", dev[1]))


def own_family(*_):
    if "family" not in ours:
        ours["family"] = family()
    return ours["family"]


def vnic_set(dev, value):
    """The family's own road; the value is (parameter, value)."""
    own_family().do("vnic-set", {"ifindex": dev[1], value[0]: value[1]})


def rtnl_cpus(dev, value):
    route().link(dev[1], attrs={IFLA_LINKINFO: {INFO_KIND: "vnic", INFO_DATA: {VNIC_CPUS: value}}})


def rtnl_hw_rings(dev, value):
    route().link(dev[1], attrs={IFLA_LINKINFO: {INFO_KIND: "vnic", INFO_DATA: {VNIC_HW_RINGS: bytes([value])}}})


def rtnl_limits(dev, value):
    data = {VNIC_RX_MAXBW: struct.pack("=Q", value)}
    route().link(dev[1], attrs={IFLA_LINKINFO: {INFO_KIND: "vnic", INFO_DATA: data}})


def flow_add(dev, value):
    own_family().do("flow-add", {"ifindex": dev[1], "name": value})


def do(request, values):
    return own_family().do(request, values)


def dump(request, values):
    return own_family().dump(request, values)


def mount_sysfs(*_):
    """As "ip netns exec" does it: the /sys of the namespace that this process is in."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.unshare(os.CLONE_NEWNS)
    for source, target, kind, flags in ((b"none", b"/", None, 0x4000 | (1 << 19)), (b"sysfs", b"/sys", b"sysfs", 0)):
        if libc.mount(source, target, kind, flags, None):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), target)


class Agent:
    """A process with the rights that enter() gives it, in which functions are run."""

    def __init__(self, enter):
        self.pipe, theirs = multiprocessing.connection.Pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self.pipe.close()
            try:
                ours.clear()
                enter()
                theirs.send(("said", None))
                self.serve(theirs)
            except EOFError:
                os._exit(0)
            except BaseException:  # pylint: disable=broad-exception-caught
                theirs.send(("failed", traceback.format_exc()))
            os._exit(1)
        theirs.close()
        self.answer()

    @staticmethod
    def serve(pipe):
        while True:
            function, arguments = pipe.recv()
            try:
                pipe.send(("said", function(*arguments)))
            except NlError as error:
                pipe.send(("refused", abs(error.error), (error.nl_msg.extack or {}).get("msg", "")))
            except OSError as error:
                pipe.send(("refused", error.errno, str(error)))
            except Exception:  # pylint: disable=broad-exception-caught
                pipe.send(("failed", traceback.format_exc()))

    def answer(self):
        word, *rest = self.pipe.recv()
        if word == "said":
            return rest[0]
        if word == "refused":
            raise OSError(*rest)
        raise AssertionError(rest[0])

    def __call__(self, function, *arguments):
        """What it returns; a refusal is an OSError here."""
        self.pipe.send((function, arguments))
        return self.answer()

    def status(self, function, *arguments):
        """0, or the number of the error."""
        try:
            self(function, *arguments)
            return 0
        except OSError as error:
            return error.errno

    def netns(self):
        return os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)

    def close(self):
        self.pipe.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Ear:
    """Hears frames for local experiments on a device, as any program there would."""

    def __init__(self, fd, dev):
        self.sock = inside(fd, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)))
        self.sock.bind((dev[0], ETHERTYPE))
        self.sock.setblocking(False)

    def hears(self, mouth, addr):
        """Whether a frame to that address comes; one to all, which comes always, says that it was its turn."""
        while self.next():
            pass
        source = b"\x02\0\0\0\0\x99"
        for target in (addr, BROADCAST):
            mouth.send(target + source + struct.pack(">H", ETHERTYPE) + bytes(46))
        heard = False
        while select.select([self.sock], [], [], 2)[0]:
            target = self.next()
            if target == BROADCAST:
                return heard
            heard |= target == addr
        raise AssertionError("deaf: a frame to all did not come")

    def next(self):
        """To whom the next frame is, or None."""
        try:
            return self.sock.recv(64)[:6]
        except BlockingIOError:
            return None
        except OSError as error:
            # Said once when the device was down.
            if error.errno != errno.ENETDOWN:
                raise
            return self.next()

    def close(self):
        self.sock.close()


def mouth_of(name):
    """A socket to send frames from a device of this namespace."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    one.bind((name, 0))
    return one
