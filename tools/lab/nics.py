# SPDX-License-Identifier: GPL-2.0
"""The virtual machine's NICs: pairs of one model, wired back to back outside the guest.

e1000e and igb have their queues in the device model, so a hub inside QEMU is wire enough. virtio-net has as many queues as what it is
connected to, and of what QEMU offers without another program only taps have several: two multi-queue taps, joined by a bridge that neither
learns nor filters, in a network namespace which ends with QEMU. Where no tap can be had, virtio-net falls back to the hub and one queue.
"""

import os
import subprocess
import sys

MODELS = ("virtio", "e1000e", "igb")
DRIVER = {"virtio": "virtio-net-pci", "e1000e": "e1000e", "igb": "igb"}
# Every link-local group address but pause frames passes the bridge.
FORWARD_ALL = "0xfffd"


class Nic:
    """One NIC: how QEMU is told to add it, at the start or later."""

    def __init__(self, model, name, mac, queues):
        self.model = model
        self.name = name
        self.device = {"driver": DRIVER[model], "id": name, "mac": mac, "netdev": f"net-{name}", "bus": f"port-{name}", "romfile": ""}
        if queues > 1:
            self.device.update({"mq": True, "vectors": 2 * queues + 2})

    def argument(self):
        return ",".join(f"{key}={'on' if value is True else value}" for key, value in self.device.items())


def _ip(*words):
    subprocess.run(("ip", *words), check=True, stderr=subprocess.PIPE, text=True)


def _wire(number, names):
    """Two taps joined by a bridge that behaves like a cable."""
    bridge = f"wire{number}"
    for when in ("all", "default"):
        path = f"/proc/sys/net/ipv6/conf/{when}/disable_ipv6"
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write("1")
    _ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0", "ageing_time", "0", "stp_state", "0")
    for name in names:
        _ip("tuntap", "add", "dev", name, "mode", "tap", "multi_queue", "vnet_hdr")
        _ip("link", "set", name, "mtu", "9216", "master", bridge, "up")
        _ip("link", "set", name, "type", "bridge_slave", "learning", "off", "group_fwd_mask", FORWARD_ALL)
    _ip("link", "set", bridge, "mtu", "9216", "up")


def add(specs):
    """The NICs that specs ("model" or "model:queues") ask for: QEMU's arguments and the NICs by name."""
    arguments, nics, seen = [], {}, {}
    for number, spec in enumerate(specs):
        model, _, queues = spec.partition(":")
        queues = int(queues or (2 if model == "virtio" else 1))
        pair = seen[model] = seen.get(model, -1) + 1
        names = [f"{model}{pair}{side}" for side in "ab"]
        taps = model == "virtio" and queues > 1
        if taps:
            try:
                _wire(number, names)
            except subprocess.CalledProcessError as error:
                sys.stderr.write(f"lab: no taps here, so virtio-net has one queue: {error.stderr.strip()}\n")
                taps = False
        for side, name in enumerate(names):
            nic = nics[name] = Nic(model, name, f"52:54:00:00:{number + 1:02x}:{side + 1:02x}", queues if taps else 1)
            port = 2 * number + side + 1
            arguments += ["-device", f"pcie-root-port,id=port-{name},chassis={port},slot={port}"]
            if taps:
                arguments += ["-netdev", f"tap,id=net-{name},ifname={name},script=no,downscript=no,queues={queues}"]
            else:
                arguments += ["-netdev", f"hubport,id=net-{name},hubid={number}"]
            arguments += ["-device", nic.argument()]
    return arguments, nics
