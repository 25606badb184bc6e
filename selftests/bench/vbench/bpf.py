# SPDX-License-Identifier: GPL-2.0
"""The BPF program that netkit needs to get packets from the wire: compile, attach, fill its table."""

import ctypes
import glob
import os
import struct

from .shell import Failed, run

SOURCE = os.path.join(os.path.dirname(__file__), "redirect.bpf.c")
OBJECT = "/tmp/redirect.bpf.o"
PINNED = "/sys/fs/bpf/**/bench_macs"
SYS_BPF = 321
MAP_UPDATE_ELEM = 2
OBJ_GET = 7


def attach_redirect(dev):
    if not os.path.exists(OBJECT):
        run("clang", "-O2", "-g", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu", "-c", SOURCE, "-o", OBJECT)
    for stale in glob.glob(PINNED, recursive=True):
        os.unlink(stale)
    run("tc", "qdisc", "add", "dev", dev, "ingress")
    run("tc", "filter", "add", "dev", dev, "ingress", "bpf", "direct-action", "object-file", OBJECT, "section", "tc")


def buffer(data):
    """Bytes at an address that stays."""
    return ctypes.create_string_buffer(data, len(data))


def pointer(block):
    return ctypes.addressof(block)


def call(command, attributes):
    """bpf(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    block = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(SYS_BPF, command, block, 128)
    if result < 0:
        raise Failed(f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


def close(number):
    os.close(number)


def fill(ends):
    """MAC address → number of the near end of the pair."""
    path = ctypes.create_string_buffer(glob.glob(PINNED, recursive=True)[0].encode())
    table = call(OBJ_GET, struct.pack("QII", ctypes.addressof(path), 0, 0))
    for mac, ifindex in ends.items():
        key = ctypes.create_string_buffer(bytes.fromhex(mac.replace(":", "")) + b"\0\0", 8)
        value = ctypes.create_string_buffer(struct.pack("I", ifindex), 4)
        call(MAP_UPDATE_ELEM, struct.pack("IIQQQ", table, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
    close(table)
