#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What happens to VNICs when something happens to their link, or to the module.
#
# lab: cpus=1 timeout=100

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

t_deleted() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	vnic a va vc a up
	ip -n host link del eth0
	no ip -n a link show dev va
	no ip -n a link show dev vc
	no ip -n b link show dev vb
}

t_deleted_from_afar() {
	# The other end of the cable is deleted, and takes the link with it.
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	ip -n far link del wire0
	no ip -n host link show dev eth0
	no ip -n a link show dev va
}

t_type_change() {
	# A bond with VNICs does not turn into something that is no Ethernet.
	need module:bonding module:ipip
	ns host
	ip -n host link add bond0 type bond mode active-backup
	ip -n host link add tunnel0 type ipip local 10.0.0.1 remote 10.0.0.2
	vnic host bond0 va host
	no ip -n host link set tunnel0 master bond0
	same ether "$(link host bond0 .link_type)" 'type of the bond'
	ip -n host link del va
	ip -n host link set tunnel0 master bond0
}

t_module_with_devices() {
	# The module can be unloaded while there are devices, and loaded again.
	[ "$KIND" = vnic ] || skip 'the module of another kind'
	ns host far a
	wire host eth0 far wire0
	etherstub host s0
	vnic host eth0 va a up
	vnic host eth0 vb host up : vlan 10
	vnic host s0 vc a up
	ip -n host link add link eth0 name eth0.11 up type vlan id 11
	rmmod vnic
	no ip -n a link show dev va
	no ip -n host link show dev vb
	no ip -n a link show dev vc
	no ip -n host link show dev s0
	# The link is as it was.
	same 0 "$(link host eth0 .allmulti)" 'allmulti of the link'
	ip -n host addr add 10.0.0.254/24 dev eth0
	ip -n far addr add 10.0.0.9/24 dev wire0
	ping_ok host 10.0.0.9
	ip -n host link add br0 type bridge
	ip -n host link set eth0 master br0
	ip -n host link set eth0 nomaster
	load_module
	vnic host eth0 va a up
	vnic host eth0 vb host up : vlan 10
	same 2 "$(link a va .linkinfo.info_data.vnics)" vnics
}

t_module_rounds() {
	[ "$KIND" = vnic ] || skip 'the module of another kind'
	ns host a
	for _ in 1 2 3 4 5; do
		etherstub host s0
		vnic host s0 va a up
		rmmod vnic
		load_module
	done
	no ip -n a link show dev va
}

t_handler_given_back() {
	# With the last VNIC the link is free for a bridge, with the first of several not.
	ns host far
	wire host eth0 far wire0
	vnic host eth0 va host up
	vnic host eth0 vb host up
	ip -n host link add br0 type bridge
	ip -n host link del va
	refused busy ip -n host link set eth0 master br0
	ip -n host link del vb
	ip -n host link set eth0 master br0
	refused 'bridge|br0' vnic host eth0 va host
}

t_lower_lists() {
	# Whatever a VNIC told its link is taken back when it goes, also when it was up.
	ns host far
	wire host eth0 far wire0
	local before after
	before=$(in_ns host bridge fdb show dev eth0 | sort; link host eth0 '"\(.promiscuity) \(.allmulti)"')
	vnic host eth0 va host up : promisc all
	ip -n host link set va promisc on allmulticast on
	ip -n host maddr add 01:00:5e:01:01:01 dev va
	in_ns host bridge fdb add 02:00:00:00:00:aa dev va self permanent
	ip -n host link add link va name va.5 up type vlan id 5
	pause 0.3
	no [ "$before" = "$(in_ns host bridge fdb show dev eth0 | sort; link host eth0 '"\(.promiscuity) \(.allmulti)"')" ]
	ip -n host link del va
	pause 0.3
	after=$(in_ns host bridge fdb show dev eth0 | sort; link host eth0 '"\(.promiscuity) \(.allmulti)"')
	same "$before" "$after" 'what the link was told'
}

t_lower_lists_down_up() {
	# The link down and up again: VNICs receive as before.
	ns host far a
	wire host cable far wire0
	ip -n host link add link cable name eth0 up type vlan id 2
	ip -n far link add link wire0 name wire2 up type vlan id 2
	vnic host eth0 va a up
	ip -n a maddr add 01:00:5e:01:01:01 dev va
	ip -n host link set eth0 down
	ip -n host link set eth0 up
	await 3 is UP a va .operstate
	frames <<-EOF
		at a a va
		at far far wire2
		send far dst=a
		send far dst=01:00:5e:01:01:01
		want a=2
	EOF
}

run t_deleted 'SWITCH-2: the link is deleted'
run t_deleted_from_afar 'SWITCH-2: the link goes with the other end of its cable'
run t_type_change 'SWITCH-1: the link is not to become something else'
run t_module_with_devices 'SWITCH-2: the module is unloaded with devices, and loaded again'
run t_module_rounds 'SWITCH-2: five times'
run t_handler_given_back 'SWITCH-1: the link is free again after its last VNIC'
run t_lower_lists 'SWITCH-4: nothing that the link was told stays'
run t_lower_lists_down_up 'SWITCH-4: the link is told again when it comes up'
finish
