#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Netpoll where it cannot work: refused, and nothing breaks. Where it works: lib/nics.sh.
#
# lab: cpus=1 timeout=60

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# console DEV: whether a network console on DEV can be switched on.
console() {
	local target=/sys/kernel/config/netconsole/t1 rc=0
	mkdir "$target"
	echo "$1" >"$target"/dev_name
	echo 10.7.0.1 >"$target"/local_ip
	echo 10.7.0.9 >"$target"/remote_ip
	echo 02:00:00:00:00:99 >"$target"/remote_mac
	echo 1 >"$target"/enabled 2>/dev/null || rc=1
	[ "$rc" = 1 ] || echo '<1>said to nobody' >/dev/kmsg
	rmdir "$target"
	return "$rc"
}

configfs() {
	need module:netconsole
	[ -d /sys/kernel/config/netconsole ] || mount -t configfs config /sys/kernel/config
	[ -d /sys/kernel/config/netconsole ] || skip 'no netconsole to configure'
}

t_stub() {
	configfs
	ip link add s0 type etherstub
	ip link add link s0 name v0 up type vnic
	no console v0
	no console s0
	ip link del s0
}

t_veth() {
	# The link of the VNIC has no netpoll.
	configfs
	ip link add e0 type veth peer name e1
	ip link set e0 up
	ip link set e1 up
	ip link add link e0 name v0 up type vnic
	no console v0
	ip link del e0
}

t_dummy() {
	configfs
	ip link add d0 up type dummy
	ip link add link d0 name v0 up type vnic
	console v0
	# And again, after it was switched off.
	console v0
	ip link del d0
}

run t_stub 'SWITCH-3: not on an etherstub'
run t_veth 'SWITCH-1: not on a link that has none'
run t_dummy 'SWITCH-1: on one that has it'
finish
