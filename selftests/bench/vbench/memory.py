# SPDX-License-Identifier: GPL-2.0
"""How much memory the kernel holds."""

import glob
import os
from dataclasses import dataclass

from .clock import settle


@dataclass
class Memory:
    """Bytes. `objects`: the slab allocator's objects in use. `pages`: all pages that are neither free nor of an allocator that is counted
    otherwise.

    Not the pages of the slab allocator and of that for per-CPU memory: how full they are depends on what was there before, which is
    worth 1 % with 1,000 children.
    """
    objects: int
    pages: int

    @property
    def held(self):
        return self.objects + self.pages

    def __sub__(self, other):
        return Memory(self.objects - other.objects, self.pages - other.pages)


def _meminfo():
    with open("/proc/meminfo", encoding="ascii") as file:
        return {line.split(":")[0]: 1024 * int(line.split()[1]) for line in file}


def _kept_by_cpus():
    """Free pages on the lists of CPUs are not in MemFree, and there may be many: 1/8 of the memory."""
    pages = 0
    with open("/proc/zoneinfo", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words and words[0] == "count:":
                pages += int(words[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _slab_objects():
    total = 0
    with open("/proc/slabinfo", encoding="ascii") as file:
        for line in file.readlines()[2:]:
            words = line.split()
            total += int(words[1]) * int(words[3])
    return total


def _poke(path, value="1"):
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def snapshot():
    """After everything that can be given back was given back: caches of files, empty slabs."""
    settle()
    os.sync()
    _poke("/proc/sys/vm/drop_caches", "3")
    for path in glob.glob("/sys/kernel/slab/*/shrink"):
        if not os.path.islink(os.path.dirname(path)):
            _poke(path)
    _poke("/proc/sys/vm/stat_refresh")
    info = _meminfo()
    counted = info["Slab"] + info["Percpu"]
    return Memory(_slab_objects(), info["MemTotal"] - info["MemFree"] - _kept_by_cpus() - counted)
