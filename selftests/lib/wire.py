# SPDX-License-Identifier: GPL-2.0
"""
A wire to a link with VNICs, each of them, and the far end, in a namespace of its own: where most suites that send packets do it. And programs
that send and receive there.
"""
import os
import re
import signal
import subprocess
import time

from family import SLOW, family, inside, ip_batch, netns_fd, quiet, same, start, until

HERE = os.path.dirname(os.path.abspath(__file__))
ORDER, PACE = "/tmp/order", "/tmp/pace"


def build(*programs):
    """The C programs of this directory, each as /tmp/NAME."""
    for program in programs:
        if not os.path.exists(program):
            source = f"{HERE}/{os.path.basename(program)}.c"
            subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, source], check=True)


def silence(dev, on):
    """Makes a device of this namespace, or those to come, do without IPv6."""
    with open(f"/proc/sys/net/ipv6/conf/{dev}/disable_ipv6", "w", encoding="ascii") as file:
        file.write(str(on))


class Wire:
    """A wire (out: wire1) to wire0, and the VNICs of wire0 each in its namespace. Their addresses are known to everyone."""

    # The namespace, and in it the device and its IPv4 address, if it gets one.
    where = {}
    # What ip(8) is told of a device when it is made.
    options = {}

    def __init__(self):
        # Nothing is sent but what tests send: without IPv6.
        silence("default", 1)
        vnics = {name: dev for name, (dev, _) in self.where.items() if name != "out"}
        ip_batch([*(f"netns add {name}" for name in self.where),
                  "link add wire0 up type veth peer name wire1 address 02:00:00:00:01:01 netns out",
                  *(f"link add link wire0 name {dev} netns {name} {self.options.get(dev, '')} type vnic" for name, dev in vnics.items())])
        silence("default", 0)
        self.host = family()
        shown = {vnic["ifname"]: vnic for vnic in self.host.dump("vnic-get", {})}
        self.ids = {dev: vnic["id"] for dev, vnic in shown.items()}
        self.macs = {"out": "02:00:00:00:01:01", **{name: shown[dev]["address"] for name, dev in vnics.items()}}
        self.fds = {name: netns_fd(name) for name in self.where}
        self.running = []
        for name, (dev, _) in self.where.items():
            inside(self.fds[name], lambda dev=dev: silence(dev, 1))
            ip_batch(self.commands(name), netns=name)

    def commands(self, netns):
        """What makes the device in a namespace ready."""
        dev, own = self.where[netns]
        known = [f"neigh replace {addr} lladdr {self.macs[other]} dev {dev} nud permanent"
                 for other, (_, addr) in self.where.items() if addr and other != netns]
        return ["link set lo up", f"link set {dev} up", *([f"addr add {own}/24 dev {dev}", *known] if own else [])]

    def start(self, *command, netns):
        process = start(*command, netns=netns)
        self.running.append(process)
        return process

    def gone(self, netns):
        """Closes what is open of a namespace that was deleted."""
        os.close(self.fds.pop(netns))

    def close(self):
        for process in self.running:
            process.kill()
            process.wait()
        self.host.close()
        for netns in list(self.fds):
            self.gone(netns)
        ip_batch([f"netns del {name}" for name in self.where if os.path.exists(f"/run/netns/{name}")])
        until("the wire gone", lambda: "wire0" not in os.listdir("/sys/class/net"))


def ports_of(process):
    """The UDP ports on which somebody listens in the namespace of a process."""
    with open(f"/proc/{process.pid}/net/udp", encoding="ascii") as file:
        return [int(line.split()[1].partition(":")[2], 16) for line in file.readlines()[1:]]


def received_by(process):
    """How many datagrams programs received in the namespace of a process, since that is there."""
    with open(f"/proc/{process.pid}/net/snmp", encoding="ascii") as file:
        names, values = [line.split() for line in file if line.startswith("Udp:")]
    return int(values[names.index("InDatagrams")])


def receive_in_order(world, flows, netns, port=7000):
    """A receiver of flows whose order matters, on that port and those after it, which listens to all of them."""
    receiver = world.start(ORDER, "receive", str(port), str(flows), netns=netns)
    until("receivers", lambda: set(range(port, port + flows)) <= set(ports_of(receiver)))
    receiver.before = received_by(receiver)
    return receiver


def finish(receiver, wanted=0):
    """Ends a receiver when as many as are wanted have come, if they do, and nothing comes any more; the numbers that it says."""
    patience = time.monotonic() + 10 * SLOW
    while received_by(receiver) < receiver.before + wanted and time.monotonic() < patience:
        time.sleep(0.002)
    quiet(lambda: received_by(receiver))
    receiver.send_signal(signal.SIGTERM)
    said = receiver.communicate()[0]
    found = dict(re.findall(r"([a-z]\w*) (\d+)", said))
    same(True, {"received", "lost", "backwards"} <= set(found), f"the receiver's report: {said!r}")
    return {name: int(number) for name, number in found.items()}
