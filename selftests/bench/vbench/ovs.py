# SPDX-License-Identifier: GPL-2.0
"""Open vSwitch's kernel datapath, driven as ovs-vswitchd drives it: generic netlink.

Not with ovs-dpctl: each of its commands opens every port anew, which takes
minutes with hundreds of ports.
"""

import socket
import struct

from .netlink import Family, attribute

NEW, DELETE = 1, 2
NAME = 1
# struct ovs_header: the datapath, 0 for the one that is named.
NO_DATAPATH = struct.pack("i", 0)


class Datapath:
    """A datapath that asks nobody: what no flow matches is dropped."""

    def __init__(self, name):
        self.name = name
        self.paths = Family("ovs_datapath", version=2)
        self.vports = Family("ovs_vport")
        self.table = Family("ovs_flow")
        self.paths.call(NEW, [attribute(NAME, name), attribute(2, 0)], NO_DATAPATH)
        self.header = struct.pack("i", socket.if_nametoindex(name))

    def add_port(self, number, name, internal=True):
        self.vports.call(NEW, [attribute(1, number), attribute(2, 2 if internal else 1), attribute(3, name),
                               attribute(5, 0)], self.header)

    def del_port(self, number):
        self.vports.call(DELETE, [attribute(1, number)], self.header)

    def add_flow(self, port, mac, outputs):
        """IPv4 packets that come in by `port` for the address `mac` go to the ports `outputs`."""
        def key(port, mac, ethertype, fragment):
            return [attribute(3, port), attribute(4, bytes(6) + mac), attribute(6, struct.pack(">H", ethertype)),
                    attribute(7, bytes(11) + bytes([fragment]))]
        mac = bytes.fromhex(mac.replace(":", ""))
        self.table.call(NEW, [attribute(1, key(port, mac, 0x0800, 0)),
                              attribute(7, key(0xffffffff, b"\xff" * 6, 0xffff, 0xff)),
                              attribute(2, [attribute(1, output) for output in outputs])], self.header)

    def close(self):
        self.paths.call(DELETE, [attribute(NAME, self.name)], NO_DATAPATH)
