#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VNICs on igb NICs.
#
# lab: cpus=1 timeout=200 nics=igb

. "$(dirname "$0")/lib/nics.sh"
nics igb
