# SPDX-License-Identifier: GPL-2.0
"""
Sends and counts single frames, and moves data over TCP, between network
namespaces, from one process.

net.py frames <SCENARIO

  at NAME NETNS DEV [promisc] [out] [mac ADDRESS]
      a place where frames are counted, and from which they are sent. With
      "out" the frames that leave through it are counted as well, as NAME>.
      With "promisc" the device is made promiscuous while the scenario runs.
  mac NAME ADDRESS
      another name for an address
  send NAME [dst=NAME|ADDRESS|all] [src=NAME|ADDRESS] [vlan=VID[,VID]]
            [size=BYTES] [count=N] [type=ETHERTYPE]
      sends from a place. "all" is the broadcast address, src its own one.
  join NAME ADDRESS [COUNT]
      joins a group, or as many in a row, as long as the scenario runs
  sh COMMAND
      runs a command in between
  want [NAME[:VID[,VID]][/KIND][>]=N]...
      what the frames sent since the last "want" must have come to. Whoever
      is not named must have got none. KIND is what the receiver took it for:
      host, broadcast, multicast or otherhost. ":VID" is the tag it carried.

net.py newlink NETNS KIND LOWER NAME [ATTRIBUTE:SIZE=VALUE]...
  asks rtnetlink to make a link, with those attributes in IFLA_INFO_DATA; "-"
  for LOWER is none, "+" before NAME changes a link that exists. Says the
  error and the kernel's sentence.

net.py hwtstamp NETNS DEV [TX-TYPE RX-FILTER]
  SIOCSHWTSTAMP with those numbers, or SIOCGHWTSTAMP; says what there is then,
  or the error. NETNS "-" is this one.

net.py flood NETNS DEV SECONDS
  sends to everybody, to groups, to nobody and to the neighbours whose
  addresses it hears, until the time is up; what fails does not matter.

net.py udp SERVER-NETNS ADDRESS CLIENT-NETNS SEGMENT COUNT
  one send of COUNT datagrams of SEGMENT bytes (UDP_SEGMENT); all must arrive.

net.py tcp SERVER-NETNS ADDRESS CLIENT-NETNS [BYTES]
  opens a connection and moves BYTES (default 200000) both ways through it.

net.py serve LOG SCENARIO
  does any of these, one for each line "SERIAL WORD...", says SERIAL and the
  status of each on standard output, and spares the start of an interpreter. "frames"
  has its scenario in that file; what they print is appended to LOG. One more:
  "no-ipv6 NETNS..." makes the devices to come in those namespaces without IPv6.
"""
import array
import errno
import fcntl
import os
import select
import socket
import struct
import sys
import time
import traceback

SLOW = float(os.environ.get("SLOW", "1"))
QUIET = float(os.environ.get("FRAMES_QUIET", "0.06")) * min(SLOW, 2)
PATIENCE = 2.0 * SLOW
ETH_P_ALL = 3
ETHERTYPE = 0x88B5          # for local experiments
MAGIC = b"vnic-selftest"
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_AUXDATA = 8
PACKET_MR_MULTICAST = 0
PACKET_MR_PROMISC = 1
TP_STATUS_VLAN_VALID = 1 << 4
PKTTYPES = {0: "host", 1: "broadcast", 2: "multicast", 3: "otherhost", 4: "outgoing"}
SIOCGIFHWADDR = 0x8927
BROADCAST = b"\xff" * 6


def enter(netns):
    """Moves this process into a network namespace."""
    fd = os.open("/run/netns/" + netns, os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    os.close(fd)


def to_mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


class Place:
    def __init__(self, name, netns, dev, flags):
        enter(netns)
        self.name = name
        self.out = "out" in flags
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)   # SO_RCVBUFFORCE
        self.sock.bind((dev, ETH_P_ALL))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setblocking(False)
        request = fcntl.ioctl(self.sock, SIOCGIFHWADDR, struct.pack("16s24x", dev.encode()))
        self.mac = request[18:24]
        if "mac" in flags:
            self.mac = to_mac(flags[flags.index("mac") + 1])
        self.index = socket.if_nametoindex(dev)
        if "promisc" in flags:
            self.sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                                 struct.pack("iHH8s", self.index, PACKET_MR_PROMISC, 0, b""))


class Scenario:
    def __init__(self):
        self.places = {}
        self.macs = {"all": BROADCAST}
        self.serial = 0
        self.sent = set()
        self.seen = {}
        self.failed = False
        self.line = 0

    def mac_of(self, text):
        if text in self.places:
            return self.places[text].mac
        if text in self.macs:
            return self.macs[text]
        return to_mac(text)

    def do_at(self, args):
        self.places[args[0]] = Place(args[0], args[1], args[2], args[3:])

    def do_mac(self, args):
        self.macs[args[0]] = to_mac(args[1])

    def do_join(self, args):
        place = self.places[args[0]]
        first = int.from_bytes(self.mac_of(args[1]), "big")
        for number in range(int(args[2]) if len(args) > 2 else 1):
            group = (first + number).to_bytes(6, "big")
            place.sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                                  struct.pack("iHH8s", place.index, PACKET_MR_MULTICAST, 6, group))
        time.sleep(0.05 * SLOW)

    def do_sh(self, args):
        if os.system(self.rest):
            raise ValueError("failed: " + self.rest)
        # Address lists are brought to the device by a work item.
        time.sleep(0.05 * SLOW)

    def do_send(self, args):
        place = self.places[args[0]]
        options = dict(arg.split("=", 1) for arg in args[1:])
        dst = self.mac_of(options.get("dst", "all"))
        src = self.mac_of(options["src"]) if "src" in options else place.mac
        tags = [int(vid) for vid in options.get("vlan", "").split(",") if vid]
        kind = int(options.get("type", "0x%x" % ETHERTYPE), 0)
        for _ in range(int(options.get("count", "1"))):
            self.serial += 1
            frame = dst + src
            for depth, vid in enumerate(tags):
                tpid = 0x88A8 if depth == 0 and len(tags) > 1 else 0x8100
                frame += struct.pack("!HH", tpid, vid)
            frame += struct.pack("!H", kind) + MAGIC + struct.pack("!QQ", os.getpid(), self.serial)
            frame = frame.ljust(int(options.get("size", "60")), b"\0")
            self.sent.add(self.serial)
            try:
                place.sock.send(frame)
            except OSError as error:
                # Dropped, and the sender told so.
                if error.errno != errno.ENOBUFS:
                    raise

    def receive(self, place):
        while True:
            try:
                data, control, _, address = place.sock.recvmsg(70000, 256)
            except BlockingIOError:
                return
            except OSError as error:
                # Said once, when the device went down.
                if error.errno == errno.ENETDOWN:
                    continue
                raise
            at = data.find(MAGIC, 0, 64)
            if at < 0 or len(data) < at + len(MAGIC) + 16:
                continue
            pid, serial = struct.unpack_from("!QQ", data, at + len(MAGIC))
            if pid != os.getpid() or serial not in self.sent:
                continue
            outgoing = address[2] == 4
            if outgoing and not place.out:
                continue
            tags = []
            for level, kind, value in control:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    status, _, _, _, _, tci, _ = struct.unpack_from("IIIHHHH", value)
                    if status & TP_STATUS_VLAN_VALID:
                        tags.append(tci & 0xFFF)
            offset = 12
            while struct.unpack_from("!H", data, offset)[0] in (0x8100, 0x88A8):
                tags.append(struct.unpack_from("!H", data, offset + 2)[0] & 0xFFF)
                offset += 4
            self.seen.setdefault((place.name, outgoing), []).append(
                (",".join(map(str, tags)), PKTTYPES.get(address[2], "?")))

    def collect(self, until):
        poll = select.poll()
        by_fd = {}
        for place in self.places.values():
            poll.register(place.sock, select.POLLIN)
            by_fd[place.sock.fileno()] = place
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return
            events = poll.poll(max(1, left * 1000))
            if not events:
                return
            for fd, _ in events:
                self.receive(by_fd[fd])

    @staticmethod
    def parse_want(text):
        left, count = text.rsplit("=", 1)
        outgoing = left.endswith(">")
        left = left.rstrip(">")
        left, _, kind = left.partition("/")
        name, _, tags = left.partition(":")
        return (name, outgoing), tags, kind, int(count)

    def do_want(self, args):
        wants = [self.parse_want(arg) for arg in args]
        for (name, outgoing), _, _, _ in wants:
            if name not in self.places or (outgoing and not self.places[name].out):
                raise ValueError("no place counts " + name)
        total = {}
        for key, _, _, count in wants:
            total[key] = total.get(key, 0) + count
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if all(len(self.seen.get(key, [])) >= count for key, count in total.items()):
                break
            self.collect(min(deadline, time.monotonic() + 0.02))
        # Then nothing more may come.
        self.collect(time.monotonic() + (QUIET if any(total.values()) else 2 * QUIET))

        for key in sorted(set(self.seen) | set(total)):
            got = list(self.seen.get(key, []))
            for want_key, tags, kind, count in wants:
                if want_key != key:
                    continue
                match = [frame for frame in got if frame[0] == tags and kind in ("", frame[1])]
                for frame in match[:count]:
                    got.remove(frame)
                if len(match) < count:
                    self.complain(key, "wanted %d, got %d of tag '%s' %s" % (count, len(match), tags, kind))
            for frame in sorted(set(got)):
                self.complain(key, "%d too many: tag '%s', %s" % ((got.count(frame),) + frame))
        self.sent.clear()
        self.seen.clear()

    def complain(self, key, text):
        self.failed = True
        print("line %d, at %s%s: %s" % (self.line, key[0], ">" if key[1] else "", text))

    def run(self, lines):
        for self.line, line in enumerate(lines, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            word, _, self.rest = line.partition(" ")
            getattr(self, "do_" + word)(self.rest.split())
        if self.sent:
            raise ValueError("frames were sent at the end that no 'want' looks at")
        return 1 if self.failed else 0


def tcp(server_ns, address, client_ns, size="200000"):
    """One connection; both sides send and check SIZE bytes at the same time."""
    size = int(size)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    enter(server_ns)
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address.split("%")[0] if family == socket.AF_INET else "::", 0))
    listener.listen(1)
    listener.settimeout(4 * SLOW)
    enter(client_ns)
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(4 * SLOW)
    client.connect((address, listener.getsockname()[1]))
    server, _ = listener.accept()
    pattern = {client: bytes(range(256)) * (size // 256 + 1), server: bytes(range(255, -1, -1)) * (size // 256 + 1)}
    pattern = {sock: data[:size] for sock, data in pattern.items()}
    other = {client: server, server: client}
    got = {client: bytearray(), server: bytearray()}
    done = {client: 0, server: 0}
    for sock in got:
        sock.setblocking(False)
    deadline = time.monotonic() + 20 * SLOW
    while any(len(data) < size for data in got.values()):
        if time.monotonic() > deadline:
            print("TCP stalled: %s" % [len(data) for data in got.values()])
            return 1
        senders = [sock for sock in got if done[sock] < size]
        readable, writable, _ = select.select(list(got), senders, [], 1)
        for sock in writable:
            done[sock] += sock.send(pattern[sock][done[sock]:done[sock] + 65536])
        for sock in readable:
            data = sock.recv(1 << 20)
            if not data:
                print("TCP closed early")
                return 1
            got[sock] += data
    for sock, data in got.items():
        if bytes(data) != pattern[other[sock]]:
            print("TCP carried something else than was sent")
            return 1
    return 0


def newlink_request(netns, kind, lower, name, attributes):
    """An RTM_NEWLINK message and a socket to send it on."""
    def attr(number, payload):
        length = 4 + len(payload)
        return struct.pack("HH", length, number) + payload + b"\0" * (-length % 4)

    enter(netns)
    change = name.startswith("+")
    data = b""
    for text in attributes:
        number, rest = text.split(":")
        size, value = rest.split("=")
        data += attr(int(number), int(value).to_bytes(int(size), sys.byteorder))
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attr(3, name.lstrip("+").encode() + b"\0")
    if lower != "-":
        body += attr(5, struct.pack("I", socket.if_nametoindex(lower)))
    body += attr(18 | 0x8000, attr(1, kind.encode()) + attr(2 | 0x8000, data))
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    sock.setsockopt(270, 11, 1)     # NETLINK_EXT_ACK
    flags = 0x5 if change else 0x605    # REQUEST ACK (CREATE EXCL)
    return struct.pack("IHHII", 16 + len(body), 16, flags, 1, 0) + body, sock


def newlink(netns, kind, lower, name, *attributes):
    """RTM_NEWLINK, and the kernel's answer in words."""
    message, sock = newlink_request(netns, kind, lower, name, attributes)
    sock.send(message)
    answer = sock.recv(65536)
    error, = struct.unpack_from("i", answer, 16)
    if error == 0:
        return 0
    said = ""
    offset = 20 + 16
    if not struct.unpack_from("H", answer, 6)[0] & 0x100:   # not NLM_F_CAPPED
        offset = 20 + struct.unpack_from("I", answer, 20)[0]
    while offset + 4 <= len(answer):
        length, number = struct.unpack_from("HH", answer, offset)
        if length < 4:
            break
        if number & 0x7FFF == 1:
            said = answer[offset + 4:offset + length].rstrip(b"\0").decode()
        offset += (length + 3) & ~3
    print("%s: %s" % (errno.errorcode.get(-error, -error), said))
    return 1


def flood(netns, dev, seconds):
    """Frames of every kind, as fast as they go."""
    enter(netns)
    # What goes on meanwhile has the processors first: the more of it, the more may go wrong.
    os.nice(12)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((dev, ETH_P_ALL))
    sock.setblocking(False)
    own = fcntl.ioctl(sock, SIOCGIFHWADDR, struct.pack("16s24x", dev.encode()))[18:24]
    kinds = [BROADCAST, b"\x01\x00\x5e\x01\x01\x01", b"\x33\x33\x00\x00\x00\x01", b"\x02\x00\x00\x00\x99\x99", own]
    neighbours = []
    tail = own + struct.pack("!H", ETHERTYPE) + b"flood".ljust(200, b"\0")
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for dst in kinds + neighbours:
            try:
                sock.send(dst + tail)
            except OSError as error:
                if error.errno in (errno.ENXIO, errno.ENODEV):
                    return 0
        try:
            src = sock.recv(64)[6:12]
            if src != own and src not in neighbours and len(neighbours) < 8:
                neighbours.append(src)
        except OSError:
            pass
    return 0


def udp(server_ns, address, client_ns, segment, count):
    """Segmentation of UDP: one send, COUNT datagrams."""
    segment, count = int(segment), int(count)
    enter(server_ns)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 0))
    server.settimeout(3 * SLOW)
    enter(client_ns)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(17, 103, segment)     # SOL_UDP, UDP_SEGMENT
    client.sendto(b"first", server.getsockname())
    server.recv(65536)
    client.sendto(b"".join(bytes([number]) * segment for number in range(count)), server.getsockname())
    for number in range(count):
        if server.recv(65536) != bytes([number]) * segment:
            print("datagram %d is another one" % number)
            return 1
    return 0


def hwtstamp(netns, dev, *wanted):
    if netns != "-":
        enter(netns)
    config = array.array("i", [0] + [int(number) for number in wanted or (0, 0)])
    request = struct.pack("16sQ", dev.encode(), config.buffer_info()[0])
    try:
        fcntl.ioctl(socket.socket(), 0x89B0 if wanted else 0x89B1, request)
    except OSError as error:
        print(errno.errorcode[error.errno])
        return 1
    print("%d %d" % tuple(config[1:]))
    return 0


def frames(scenario=None):
    if scenario is None:
        return Scenario().run(sys.stdin.read().splitlines())
    with open(scenario, encoding="utf-8") as file:
        return Scenario().run(file.read().splitlines())


def no_ipv6(*names):
    """Without a process of its own: the first namespace is the one to come back to."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        for name in names:
            enter(name)
            with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as file:
                file.write("1")
    except OSError:
        return 1
    finally:
        os.setns(home, os.CLONE_NEWNET)
        os.close(home)
    return 0


COMMANDS = {"newlink": newlink, "flood": flood, "udp": udp, "frames": frames, "tcp": tcp,
            "hwtstamp": hwtstamp}


def in_child(log, command, arguments):
    """Runs a command in a process that leaves nothing behind in this one; returns its status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        status = command(*arguments)
    except BaseException:           # pylint: disable=broad-exception-caught
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def serve(log, scenario):
    for line in sys.stdin:
        serial, word, *arguments = line.split()
        if word == "no-ipv6":
            status = no_ipv6(*arguments)
        else:
            status = in_child(log, COMMANDS[word], [scenario] if word == "frames" else arguments)
        os.write(1, b"%s %d\n" % (serial.encode(), status))
    return 0


def main():
    command = serve if sys.argv[1] == "serve" else COMMANDS[sys.argv[1]]
    return command(*sys.argv[2:])


sys.exit(main())
