# SPDX-License-Identifier: GPL-2.0
"""As much generic netlink as Open vSwitch's kernel datapath needs."""

import os
import socket
import struct

from .shell import Failed

NETLINK_GENERIC = 16
NLMSG_ERROR = 2
REQUEST_ACK = 1 | 4
CTRL = 16
CTRL_GETFAMILY = 3
CTRL_FAMILY_ID = 1
CTRL_FAMILY_NAME = 2


def attribute(number, data):
    """One attribute; data is bytes, a string, a number of 32 bits or a list of attributes."""
    if isinstance(data, str):
        data = data.encode() + b"\0"
    elif isinstance(data, int):
        data = struct.pack("I", data)
    elif isinstance(data, list):
        data = b"".join(data)
    return struct.pack("HH", 4 + len(data), number) + data + bytes(-len(data) % 4)


def _attributes(data):
    while data:
        length, number = struct.unpack_from("HH", data)
        yield number, data[4:length]
        data = data[length + 3 & ~3:]


class Family:
    """One family of generic netlink; calls wait for the kernel's answer."""

    def __init__(self, name, version=1):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.version = version
        self.number = CTRL
        answer = self.call(CTRL_GETFAMILY, [attribute(CTRL_FAMILY_NAME, name)])
        self.number = struct.unpack("H", dict(_attributes(answer))[CTRL_FAMILY_ID])[0]
        self.name = name

    def call(self, command, attributes, header=b""):
        body = struct.pack("BBH", command, self.version, 0) + header + b"".join(attributes)
        self.socket.send(struct.pack("IHHII", 16 + len(body), self.number, REQUEST_ACK, 0, 0) + body)
        answer = b""
        while True:
            data = self.socket.recv(65536)
            while data:
                length, kind = struct.unpack_from("IH", data)
                if kind == NLMSG_ERROR:
                    error = -struct.unpack_from("i", data, 16)[0]
                    if error:
                        raise Failed(f"netlink family {self.number}, command {command}: {os.strerror(error)}")
                    return answer
                answer = data[20 + len(header):length]
                data = data[length + 3 & ~3:]
