#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=2 timeout=120 leaks=yes
"""
A receive queue of the NIC for a VNIC: given when there is one to spare, used, taken back. The NIC is rulenic, which has rules for queues.
"""
import errno
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
# pylint: disable=wrong-import-position,import-error
from family import SLOW, family, ip, ip_batch, link, refused, run, run_all, same

QUEUES = 4


class World:
    """rule0, a NIC of four queues of which two get what no rule names; on it v1 in kid and v2 in other. rule1, its wire, is in out."""

    def __init__(self):
        subprocess.run(["insmod", os.environ["RULENIC_KO"]], check=True)
        ip_batch(["netns add out", "netns add kid", "netns add other", "link set rule1 netns out up", "link set rule0 up"])
        ip("addr", "add", "10.1.0.1/24", "dev", "rule1", netns="out")
        run("ethtool", "-X", "rule0", "equal", "2")
        ip_batch(["link add link rule0 name v1 netns kid type vnic", "link add link rule0 name v2 netns other type vnic"])
        for number, name in ((1, "kid"), (2, "other")):
            ip_batch([f"addr add 10.1.0.{number + 1}/24 dev v{number}", f"link set v{number} up"], netns=name)
        self.host = family()
        self.ids = {vnic["ifname"]: vnic["id"] for vnic in self.host.dump("vnic-get", {})}

    def set(self, dev="v1", **settings):
        self.host.do("vnic-set", {"id": self.ids[dev], **{key.replace("_", "-"): value for key, value in settings.items()}})

    def queue(self, dev="v1"):
        return self.host.do("vnic-get", {"id": self.ids[dev]}).get("hw-queue")

    @staticmethod
    def rules():
        """The NIC's rules: {address: queue}."""
        text = run("ethtool", "-n", "rule0")
        macs = [address.lower() for address in re.findall(r"Dest MAC addr: (\S+)", text)]
        return dict(zip(macs, map(int, re.findall(r"Action: Direct to queue (\d+)", text))))

    @staticmethod
    def received():
        return [int(count) for count in re.findall(r"rx_queue_\d: (\d+)", run("ethtool", "-S", "rule0"))]

    def close(self):
        self.host.close()
        ip_batch(["netns del kid", "netns del other", "netns del out"])
        end = time.monotonic() + 5 * SLOW
        while subprocess.run(["rmmod", "rulenic"], capture_output=True, check=False).returncode and time.monotonic() < end:
            time.sleep(0.05)


def mac(dev, netns):
    return link(dev, netns)["address"]


def granted(world):
    """A queue is given, used by its VNIC alone, follows the address, and is taken back."""
    same((None, {}), (world.queue(), world.rules()), "none at first")
    world.set(hw_rings="auto")
    same((2, {mac("v1", "kid"): 2}), (world.queue(), world.rules()), "the first to spare")
    world.set("v2", hw_rings="on")
    same((3, {mac("v1", "kid"): 2, mac("v2", "other"): 3}), (world.queue("v2"), world.rules()), "the second")
    before = world.received()
    run("ping", "-q", "-c", "20", "-i", "0.01", "10.1.0.2", netns="out")
    used = [new - old for old, new in zip(before, world.received())]
    same((True, 0), (used[2] >= 20, used[3]), f"frames in each queue, {used}")
    world.set(address="02:00:00:00:00:77")
    same({"02:00:00:00:00:77": 2, mac("v2", "other"): 3}, world.rules(), "another address")
    world.set(up=False)
    same((None, {mac("v2", "other"): 3}), (world.queue(), world.rules()), "down")
    world.set(up=True)
    same((2, 2), (world.queue(), len(world.rules())), "up again")
    world.set(hw_rings="off")
    same((None, 1), (world.queue(), len(world.rules())), "off")
    ip("link", "del", "v2", netns="other")
    same({}, world.rules(), "deleted")


def scarce(world):
    """Without a queue to spare `auto` does without and `on` is refused; nothing is changed then."""
    world.set(hw_rings="on")
    world.set("v2", hw_rings="on")
    ip("link", "add", "link", "rule0", "name", "v3", "type", "vnic")
    world.ids["v3"] = next(vnic["id"] for vnic in world.host.dump("vnic-get", {}) if vnic["ifname"] == "v3")
    ip("link", "set", "v3", "up")
    world.set("v3", hw_rings="auto")
    same((None, "auto"), (world.queue("v3"), world.host.do("vnic-get", {"id": world.ids["v3"]})["hw-rings"]), "auto")
    refused(errno.EBUSY, ["rule0", "4"], lambda: world.set("v3", hw_rings="on"))
    refused(errno.EBUSY, ["rule0", "4"], lambda: world.set("v3", hw_rings="on", mtu=1400))
    shown = world.host.do("vnic-get", {"id": world.ids["v3"]})
    same(("auto", 1500), (shown["hw-rings"], shown["mtu"]), "unchanged")
    world.set("v2", hw_rings="off")
    world.set("v3", hw_rings="on")
    same(3, world.queue("v3"), "the one that was given back")
    ip("link", "set", "v3", "down")
    world.set("v2", hw_rings="on")
    same((3, None), (world.queue("v2"), world.queue("v3")), "somebody else has it now")
    try:
        ip("link", "set", "v3", "up")
        raise RuntimeError("it went up without its queue")
    except AssertionError:
        pass
    same(False, "UP" in link("v3")["flags"], "up")
    ip("link", "del", "v3")


def refuse(on):
    """Whether the NIC takes no more rules."""
    with open("/sys/module/rulenic/parameters/refuse", "w", encoding="ascii") as file:
        file.write("1" if on else "0")


def unable(world):
    """NICs that have no rules, or take none, and VNICs on an etherstub."""
    refuse(True)
    refused(errno.EINVAL, ["rule0", "2"], lambda: world.set(hw_rings="on"))
    world.set(hw_rings="auto")
    same((None, {}), (world.queue(), world.rules()), "none")
    # An address for which there is no rule: refused with `on`, without a queue with `auto`.
    refuse(False)
    world.set(hw_rings="off")
    world.set(hw_rings="on")
    before = world.rules()
    refuse(True)
    refused(errno.EINVAL, [], lambda: world.set(address="02:00:00:00:00:78"))
    same((2, before), (world.queue(), world.rules()), "unchanged")
    world.set(hw_rings="auto")
    world.set(address="02:00:00:00:00:78")
    same((None, {}), (world.queue(), world.rules()), "without")
    world.set(hw_rings="off")
    run("ethtool", "-K", "rule0", "ntuple", "off")
    refused(errno.EOPNOTSUPP, ["rule0", "ntuple"], lambda: world.set(hw_rings="on"))
    run("ethtool", "-K", "rule0", "ntuple", "on")
    ip("link", "add", "stub0", "type", "etherstub")
    ip("link", "add", "link", "stub0", "name", "s1", "type", "vnic")
    ip("link", "set", "s1", "up")
    number = next(vnic["id"] for vnic in world.host.dump("vnic-get", {}) if vnic["ifname"] == "s1")
    refused(errno.EOPNOTSUPP, ["stub0"], lambda: world.host.do("vnic-set", {"id": number, "hw-rings": "on"}))
    ip("link", "del", "stub0")


def managers(world):
    """A queue of the NIC is the manager's to give."""
    policy = world.host.do("policy-add", {"subject": "owner", "param": "rings"})["id"]
    owner = family("kid")
    refused(errno.EPERM, ["hw-rings", "manager"], lambda: owner.do("vnic-set", {"ifindex": link("v1", "kid")["ifindex"], "hw-rings": "auto"}))
    owner.close()
    world.host.do("policy-del", {"id": policy})
    same({}, world.rules(), "no rule")


def gone(world):
    """NIC and module go with queues given."""
    world.set(hw_rings="on")
    world.set("v2", hw_rings="on")
    run("rmmod", "rulenic")
    same([], [vnic for vnic in world.host.dump("vnic-get", {}) if vnic["ifname"] in ("v1", "v2")], "the VNICs went with it")


run_all([
    (granted, "POOL-1: a VNIC has a queue of the NIC"),
    (scarce, "POOL-1: queues to spare run out"),
    (unable, "POOL-1: NICs without rules"),
    (managers, "CTCFG-2: queues are the manager's to give"),
    (gone, "POOL-1: the NIC goes with queues given"),
], World)
