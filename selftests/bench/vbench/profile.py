# SPDX-License-Identifier: GPL-2.0
"""Where instructions go: with -icount a timer's samples are evenly spread over them.

A software clock of perf_event_open(2) interrupts the CPU and notes where it
was. What runs with interrupts off is noted where they are switched on again.
"""

import bisect
import collections
import contextlib
import ctypes
import itertools
import mmap
import os
import struct

from .shell import Failed, say

PERF_EVENT_OPEN = 298
SOFTWARE, CPU_CLOCK, SAMPLE_IP = 1, 0, 1
DISABLED, EXCLUDE_USER, EXCLUDE_IDLE = 1 << 0, 1 << 4, 1 << 7
ENABLE, DISABLE = 0x2400, 0x2401
SAMPLE = 9
# Nanoseconds from one sample to the next, others each time: none may go with the packets.
PERIODS = itertools.cycle((10007, 8999, 11003))
PAGES = 1024


def _open(period):
    fields = struct.pack("<IIQQQQQ", SOFTWARE, 128, CPU_CLOCK, period, SAMPLE_IP, 0, DISABLED | EXCLUDE_USER | EXCLUDE_IDLE)
    attributes = ctypes.create_string_buffer(fields, 128)
    number = ctypes.CDLL(None, use_errno=True).syscall(PERF_EVENT_OPEN, attributes, -1, 0, -1, 0)
    if number < 0:
        raise Failed(f"perf_event_open: {os.strerror(ctypes.get_errno())}")
    return number


def _addresses(ring):
    """Those of all samples, in the order in which they came."""
    page, size = mmap.PAGESIZE, PAGES * mmap.PAGESIZE
    head, at = struct.unpack_from("<Q", ring, 1024)[0], 0
    if head > size:
        raise Failed("more samples than fit")
    while at < head:
        kind, _, length = struct.unpack_from("<IHH", ring, page + at)
        if kind == SAMPLE:
            yield struct.unpack_from("<Q", ring, page + at + 8)[0]
        at += length


def _functions():
    """Addresses and names, sorted."""
    with open("/proc/kallsyms", encoding="ascii") as file:
        symbols = sorted((int(words[0], 16), words[2]) for words in map(str.split, file) if words[1] in "tTwW")
    return [address for address, _ in symbols], [name for _, name in symbols]


@contextlib.contextmanager
def profile(what, packets, most=80):
    """Says what share of each of `packets` every function has, the largest first."""
    ioctl = ctypes.CDLL(None).ioctl
    period = next(PERIODS)
    event = _open(period)
    with mmap.mmap(event, (PAGES + 1) * mmap.PAGESIZE) as ring:
        ioctl(event, ENABLE, 0)
        yield
        ioctl(event, DISABLE, 0)
        samples = list(_addresses(ring))
    os.close(event)
    addresses, names = _functions()
    counts = collections.Counter(names[bisect.bisect_right(addresses, address) - 1] for address in samples)
    say(f"{what}: {len(samples)} samples")
    for name, count in counts.most_common(most):
        say(f"{count * period / packets:9.1f} {name[:90]}")
