#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftests on vnic, with a peer as control: selftests/upstream/run.
#
# lab: cpus=2 timeout=600 kernels=7.3 nics=virtio mem=2G

exec "$(dirname "$0")/upstream/run" "$@"
