#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VNICs on virtio NICs.
#
# lab: cpus=2 timeout=200 nics=virtio

. "$(dirname "$0")/lib/nics.sh"
nics virtio
