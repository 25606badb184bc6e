# SPDX-License-Identifier: GPL-2.0
"""The kernel's packet generator: 60-byte UDP, one packet at a time.

Each packet is a new one that only the receiver owns (flag !SHARED). By default
pktgen keeps a reference; then every receiver that calls skb_share_check()
(macvlan, bridge, Open vSwitch) copies the skb's head, as it never has to for
packets from a NIC.
"""

import os
import re
import time
from dataclasses import dataclass

from .shell import Failed, inside

DIR = "/proc/net/pktgen"


@dataclass
class Flow:
    """What one sending device sends."""
    dev: str
    mac: str
    ip: str = "10.64.0.1"
    count: int = 10000
    mode: str = "start_xmit"
    shared: bool = False
    size: int = 60
    # Nanoseconds from one packet to the next; what is waited is not counted.
    delay: int = 0
    # So many references to one packet, one right after the other.
    burst: int = 1
    # How many the device has to send on.
    queues: int = 1


@dataclass
class Sent:
    """What one sending device reports; times in microseconds."""
    packets: int
    elapsed: int
    working: int
    errors: int

    @property
    def ns_each(self):
        return 1000 * self.working / self.packets

    @property
    def per_second(self):
        return 1e6 * self.packets / self.elapsed


def _write(name, *commands):
    with open(f"{DIR}/{name}", "w", encoding="ascii") as file:
        for command in commands:
            file.write(command + "\n")
            file.flush()


def _configure(flow, cpu):
    """A device may be sent on by several CPUs: pktgen calls them dev@cpu."""
    name = flow.dev if cpu is None else f"{flow.dev}@{cpu}"
    queue = (cpu or 0) % flow.queues
    _write(f"kpktgend_{cpu or 0}", f"add_device {name}")
    _write(name, f"count {flow.count}", f"delay {flow.delay}", "clone_skb 0", "burst 1", f"pkt_size {flow.size}",
           f"flag {'' if flow.shared else '!'}SHARED", f"xmit_mode {flow.mode}", f"burst {flow.burst}",
           f"dst_mac {flow.mac}", f"dst {flow.ip}", "src_min 10.127.255.254", "src_max 10.127.255.254",
           f"queue_map_min {queue}", f"queue_map_max {queue}", "udp_src_min 9", "udp_src_max 9", "udp_dst_min 9", "udp_dst_max 9")
    return name


def _result(name, patience=60):
    """Waits for it: on a slow machine "start" returns before the sending thread has noticed that it is to send."""
    for _ in range(patience * 50):
        with open(f"{DIR}/{name}", encoding="ascii") as file:
            text = file.read()
        found = re.search(r"OK: (\d+)\(c(\d+)\+d\d+\) usec, (\d+) .*\n.*errors: (\d+)", text)
        if found:
            elapsed, working, packets, errors = map(int, found.groups())
            return Sent(packets, elapsed, working, errors)
        time.sleep(0.02)
    raise Failed(f"pktgen on {name}: {text[text.find('Result'):].strip()}")


def send(flows, ns=None):
    """Sends all flows at once, flow i from CPU i if there are several; returns what each device reports."""
    with inside(ns):
        if not os.path.isdir(DIR):
            raise Failed("no /proc/net/pktgen: the pktgen module is not loaded")
        for cpu in range(os.cpu_count()):
            _write(f"kpktgend_{cpu}", "rem_device_all")
        several = len(flows) > 1
        names = [_configure(flow, cpu if several else None) for cpu, flow in enumerate(flows)]
        _write("pgctrl", "start")
        sent = [_result(name) for name in names]
        for cpu in range(os.cpu_count()):
            _write(f"kpktgend_{cpu}", "rem_device_all")
    return sent
