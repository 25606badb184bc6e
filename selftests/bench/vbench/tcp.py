# SPDX-License-Identifier: GPL-2.0
"""One TCP connection between two namespaces: iperf3 for one virtual second, about 300 MB.

Not a number of bytes: then iperf3 spins for the rest of the second.
"""

import json
import subprocess

from . import result, world
from .shell import Failed, ip_batch, run

SERVER, CLIENT = "10.99.0.1", "10.99.0.2"


def _mac(dev, ns):
    return json.loads(run("ip", "-j", "-n", ns, "link", "show", "dev", dev))[0]["address"]


def _configure(client):
    """Addresses, and neighbours that need not be asked for."""
    ends = (("kids", "c1", SERVER, CLIENT, _mac(client, "tx")), ("tx", client, CLIENT, SERVER, _mac("c1", "kids")))
    for ns, dev, own, other, lladdr in ends:
        ip_batch([f"address add {own}/24 dev {dev}", f"neighbour replace {other} lladdr {lladdr} dev {dev} nud permanent"], ns)


def _transfer(duration):
    """Seconds and bytes."""
    server = ["ip", "netns", "exec", "kids", "iperf3", "--server", "--one-off", "--forceflush", "--bind", SERVER]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
        # The server says when it listens.
        while "listening" not in (line := process.stdout.readline()):
            if not line:
                raise Failed("iperf3 --server ended at once")
        said = run("ip", "netns", "exec", "tx", "iperf3", "--client", SERVER, "--time", str(duration), "--json")
        process.stdout.read()
    end = json.loads(said)["end"]
    return end["sum_received"]["seconds"], end["sum_received"]["bytes"]


def scan(kind, duration=1, rounds=2):
    """Instructions per byte: the one CPU is not idle while bytes flow. Waiting for a file can only add, so the least counts."""
    with world.World(kind) as topology:
        topology.grow(1)
        topology.add_sender()
        _configure(kind.sender(1))
        each = []
        for _ in range(rounds):
            seconds, received = _transfer(duration)
            each.append(1e9 * seconds / received)
        yield result.least("tcp", kind.name, 2, each, "instructions per byte")
