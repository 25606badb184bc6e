#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
rt-link.py <rt-link.yaml >OUT: adds the kinds vnic and etherstub to the
kernel's description of rtnetlink links, without which its Python library
refuses to read a dump that has one of them. Attributes as in
include/uapi/linux/vnic_link.h.
"""
import sys

SETS = """\
  -
    name: linkinfo-vnic-attrs
    name-prefix: ifla-vnic-
    attributes:
      -
        name: vlan
        type: u16
      -
        name: promisc
        type: u8
      -
        name: host
        type: u8
      -
        name: filter
        type: u8
      -
        name: count
        type: u32
      -
        name: poll
        type: u8
      -
        name: ring-size
        type: u32
      -
        name: pool
        type: string
      -
        name: cpus
        type: string
      -
        name: hw-rings
        type: u8
      -
        name: hw-queue
        type: u32
      -
        name: rx-maxbw
        type: uint
      -
        name: tx-maxbw
        type: uint
      -
        name: rx-maxpps
        type: u32
      -
        name: tx-maxpps
        type: u32
      -
        name: limit-delay
        type: u32
      -
        name: share
        type: u16
      -
        name: priority
        type: u8
  -
    name: linkinfo-etherstub-attrs
    name-prefix: ifla-etherstub-
    attributes:
      -
        name: host
        type: u8
      -
        name: count
        type: u32
"""
# macvlan too: it is the control of some tests, and not in the file either.
OTHERS = """\
  -
    name: linkinfo-macvlan-attrs
    name-prefix: ifla-macvlan-
    attributes:
      -
        name: mode
        type: u32
      -
        name: flags
        type: u16
      -
        name: macaddr-mode
        type: u32
      -
        name: macaddr
        type: binary
      -
        name: macaddr-data
        type: binary
      -
        name: macaddr-count
        type: u32
      -
        name: bc-queue-len
        type: u32
      -
        name: bc-queue-len-used
        type: u32
      -
        name: bc-cutoff
        type: s32
"""

text = sys.stdin.read()
sets, formats = "", ""
for kind, addition in (("vnic", SETS), ("etherstub", ""), ("macvlan", OTHERS)):
    if "value: %s\n" % kind in text:
        continue
    sets += addition
    formats += "      -\n        value: %s\n        attribute-set: linkinfo-%s-attrs\n" % (kind, kind)
head = "\nsub-messages:\n"
message = "    name: linkinfo-data-msg\n    formats:\n"
if text.count(head) != 1 or text.count(message) != 1:
    sys.exit("rt-link.yaml looks different from what this program knows")
text = text.replace(head, "\n" + sets.rstrip("\n") + "\n" + head)
text = text.replace(message, message + formats)
sys.stdout.write(text)
