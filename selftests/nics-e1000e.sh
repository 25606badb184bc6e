#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VNICs on e1000e NICs.
#
# lab: cpus=1 timeout=200 nics=e1000e

. "$(dirname "$0")/lib/nics.sh"
nics e1000e
