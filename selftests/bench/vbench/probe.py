# SPDX-License-Identifier: GPL-2.0
"""What reaches a UDP socket, and when: a BPF program in place of the socket's filter.

The frames are those of clocknic: the payload is a number and the time of
arrival at the NIC. The program runs where the stack puts a packet into the
socket, before any process is woken, and notes how long it took to come there.
"""

import mmap
import socket
import struct

from . import bpf

MAP_CREATE, PROG_LOAD = 0, 5
ARRAY, MMAPABLE, SOCKET_FILTER = 2, 1 << 10, 1
SO_ATTACH_BPF, SO_RCVBUFFORCE = 50, 33
PSEUDO_MAP_FD = 1
KTIME_GET_NS, MAP_LOOKUP, SKB_LOAD_BYTES = 5, 1, 26
UDP_HEADER = 8


def _op(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, dst | src << 4, off, imm)


def _program(table):
    mov, mov_imm, add_imm, call, load, store = 0xbf, 0xb7, 0x07, 0x85, 0x79, 0x7b
    number, arrived, key = -16, -8, -24
    return b"".join((
        _op(mov, 6, 1),                                     # r6 = packet
        _op(call, imm=KTIME_GET_NS), _op(mov, 7, 0),        # r7 = now
        # number and time of arrival to the stack
        _op(mov, 1, 6), _op(mov_imm, 2, imm=UDP_HEADER), _op(mov, 3, 10), _op(add_imm, 3, imm=number), _op(mov_imm, 4, imm=16),
        _op(call, imm=SKB_LOAD_BYTES), _op(0x55, 0, off=11),    # does not belong here: if (r0) goto end
        _op(load, 1, 10, number), _op(0x63, 10, 1, key),        # key = (u32)number
        # r0 = its place in the table
        _op(0x18, 1, PSEUDO_MAP_FD, imm=table), _op(0), _op(mov, 2, 10), _op(add_imm, 2, imm=key), _op(call, imm=MAP_LOOKUP),
        _op(0x15, 0, off=3), _op(load, 1, 10, arrived),         # if (!r0) goto end
        _op(0x1f, 7, 1), _op(store, 0, 7),                      # *r0 = now - arrived
        _op(mov_imm, 0, imm=-1), _op(0x95)))                    # end: keep all of the packet


class Probe:
    """A UDP socket of this process's namespace that notes the latency of packets 0 to `count` - 1, and holds them all."""

    def __init__(self, address, port, count):
        self.count = count
        self.table = bpf.call(MAP_CREATE, struct.pack("<5I", ARRAY, 4, 8, count, MMAPABLE))
        code, licence = bpf.buffer(_program(self.table)), bpf.buffer(b"GPL\0")
        program = bpf.call(PROG_LOAD, struct.pack("<IIQQ", SOCKET_FILTER, len(code) // 8, bpf.pointer(code), bpf.pointer(licence)))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, program)
        self.socket.bind((address, port))
        self.socket.setblocking(False)
        bpf.close(program)

    def received(self):
        """How many packets can be read, once."""
        for number in range(self.count + 1):
            try:
                self.socket.recv(64)
            except BlockingIOError:
                return number
        return self.count + 1

    def latencies(self):
        """Nanoseconds from the NIC to the socket of the packets that came, the shortest first."""
        with mmap.mmap(self.table, self.count * 8, mmap.MAP_SHARED, mmap.PROT_READ) as table:
            return sorted(latency for (latency,) in struct.iter_unpack("<Q", table[:self.count * 8]) if latency)

    def close(self):
        self.socket.close()
        bpf.close(self.table)
