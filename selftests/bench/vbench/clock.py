# SPDX-License-Identifier: GPL-2.0
"""Instructions as time: with -icount one virtual nanosecond is one instruction.

Elapsed time includes waiting. What a CPU did is what all tasks together ran,
interrupts included: the seventh figure of a CPU's line in /proc/schedstat,
in nanoseconds. It is brought up to date at every switch of tasks, so
reading it sleeps for a moment first.
"""

import time

from .shell import say


def busy_ns():
    """Time that this machine's CPUs have spent in tasks."""
    time.sleep(20e-6)
    total = 0
    with open("/proc/schedstat", encoding="ascii") as file:
        for line in file:
            if line.startswith("cpu"):
                total += int(line.split()[7])
    return total


class Meter:
    """with Meter() as meter: …   then meter.elapsed and meter.busy, in nanoseconds."""

    def __enter__(self):
        self.busy = -busy_ns()
        self.elapsed = -time.monotonic_ns()
        return self

    def __exit__(self, *_):
        self.elapsed += time.monotonic_ns()
        self.busy += busy_ns()


# Counted time is exact and its guest alone: wait until it is idle. Real time is neither.
IDLE_SHARE, PATIENCE = 0.005, 60
REAL_SHARE, REAL_PATIENCE = 0.2, 3
real_time = False


def settle():
    """Waits until the machine is idle: no timers, work queues or announcements of what was just set up."""
    share, patience = (REAL_SHARE, REAL_PATIENCE) if real_time else (IDLE_SHARE, PATIENCE)
    quiet = 0
    for _ in range(patience * 10):
        with Meter() as meter:
            time.sleep(0.1)
        quiet = quiet + 1 if meter.busy < share * meter.elapsed else 0
        if quiet == 3:
            return
    say(f"still not idle after {patience} s: {100 * meter.busy / meter.elapsed:.1f} % busy")
