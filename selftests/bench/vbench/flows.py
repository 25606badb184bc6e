# SPDX-License-Identifier: GPL-2.0
"""What flows cost the packets of their VNIC: none, one for each of 16 masks, 10,000 of the same masks.

From the wire to a child; two packets. One is of no flow, so that it is looked for with every mask. One is of a flow, and
all flows have the same rank, so that a better one is looked for with every mask, too; it is counted besides.
"""

import ipaddress

from . import family, kinds, packets, world
from .clock import settle
from .result import mean
from .shell import Failed

MASKS, MANY = 16, 10000
UDP, TCP = 17, 6
# Where pktgen's packets come from, and a network of flows that none comes from.
SOURCE, ELSEWHERE = "10.127.255.254", "172.16.0.0"


def _packed(address):
    return ipaddress.ip_address(address).packed


def _shapes():
    """Of each mask what is matched besides the remote network; the first is what pktgen's packets have."""
    local = {"local-ip": _packed(kinds.ip(1))}
    local24 = {**local, "local-ip-len": 24}
    return [{"protocol": UDP}, {}, {"dscp": 1}, {"protocol": TCP, "dscp": 1}, {"protocol": TCP, "local-port": 80},
            {"protocol": TCP, "remote-port": 80}, {"protocol": TCP, "local-port": 80, "remote-port": 80},
            {"protocol": TCP, "local-port": 80, "dscp": 1}, local, local24, {**local, "protocol": TCP}, {**local24, "protocol": TCP},
            {**local, "dscp": 1}, {**local24, "dscp": 1}, {**local, "protocol": TCP, "local-port": 80},
            {**local24, "protocol": TCP, "local-port": 80}]


def _flow(vnic, number):
    """Flow `number` of many: so many masks, each match another."""
    network = ipaddress.ip_address(ELSEWHERE) + (number // MASKS << 8)
    return {"vnic": vnic, "name": f"f{number}", "remote-ip": network.packed, "remote-ip-len": 24, **_shapes()[number % MASKS]}


def _hit(vnic):
    """The flow of pktgen's packets, of the first mask."""
    network = ipaddress.ip_network(f"{SOURCE}/24", strict=False).network_address
    return {"vnic": vnic, "name": "hit", "remote-ip": network.packed, "remote-ip-len": 24, **_shapes()[0]}


def _counted(vnic):
    return family.host().do("flow-get", {"vnic": vnic, "name": "hit"})["rx-packets"]


def scan(kind, options):
    """Instructions per packet with ever more flows."""
    with world.World(kind) as topology:
        topology.grow(1)
        vnic = family.numbers()["c1"]
        yield mean("flows-none", kind.name, 1, packets.wire_child(topology, options))
        for name, first, last in (("one-each", 0, MASKS), ("many", MASKS, MANY)):
            family.host().do("apply", {"flow": [_flow(vnic, number) for number in range(first, last)]})
            settle()
            yield mean(f"flows-{name}-missed", kind.name, 1, packets.wire_child(topology, options))
            family.host().do("flow-add", _hit(vnic))
            yield mean(f"flows-{name}-found", kind.name, 1, packets.wire_child(topology, options))
            if not _counted(vnic):
                raise Failed("the flow that the packets are of counted none")
            family.host().do("flow-del", {"vnic": vnic, "name": "hit"})
