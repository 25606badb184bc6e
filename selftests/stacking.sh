#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VNICs on every kind of link, and as ports of what takes ports.
#
# lab: cpus=1 timeout=200

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# works HOST LOWER FAR FARDEV: VNICs on LOWER reach each other, and FARDEV at the
# other end, which may be "-".
works() {
	local host=$1 lower=$2 far=$3 fardev=$4
	ns a b
	vnic "$host" "$lower" va a up
	vnic "$host" "$lower" vb b up
	ip -n a addr add 10.9.0.1/24 dev va
	ip -n b addr add 10.9.0.2/24 dev vb
	ping_ok a 10.9.0.2
	tcp b 10.9.0.2 a
	[ "$fardev" != - ] || return 0
	ip -n "$far" addr add 10.9.0.9/24 dev "$fardev"
	await 4 ping_ok a 10.9.0.9
	ping_ok b 10.9.0.9 -s 1400
	tcp "$far" 10.9.0.9 a 1000000
	tcp b 10.9.0.2 "$far" 1000000
}

t_dummy() {
	ns host
	ip -n host link add d0 up type dummy
	works host d0 - -
}

t_veth() {
	ns host far
	wire host eth0 far wire0
	works host eth0 far wire0
}

t_vlan() {
	ns host far
	wire host eth0 far wire0
	ip -n host link add link eth0 name eth0.7 up type vlan id 7
	ip -n far link add link wire0 name wire0.7 up type vlan id 7
	works host eth0.7 far wire0.7
}

t_vnic_on_vnic() {
	ns host far
	wire host eth0 far wire0
	vnic host eth0 v0 host up : promisc all
	works host v0 far wire0
	# The one in between has its address, too.
	ip -n host addr add 10.9.0.7/24 dev v0
	ping_ok a 10.9.0.7
}

t_bond() {
	need module:bonding
	ns host far
	wire host eth0 far wire0
	ip -n host link add eth1 type veth peer name wire1 netns far
	ip -n far link set wire1 up
	ip -n host link add bond0 type bond mode active-backup miimon 100
	ip -n host link set eth0 down
	ip -n host link set eth0 master bond0
	ip -n host link set eth1 master bond0
	ip -n host link set bond0 up
	# The far end is a bridge of both cables, as a switch would be.
	ip -n far link add br0 up type bridge
	ip -n far link set wire0 master br0
	ip -n far link set wire1 master br0
	works host bond0 far br0
	# Failover: every VNIC tells the switch its new place.
	local active
	active=$(link host bond0 .linkinfo.info_data.active_slave)
	watch far br0 'arp and arp[6:2] == 1'
	ip -n host link set "$active" down
	await 8 grep -q 'who-has 10.9.0.1 .*tell 10.9.0.1,' "$log.br0"
	await 4 grep -q 'who-has 10.9.0.2 .*tell 10.9.0.2,' "$log.br0"
	await 4 ping_ok a 10.9.0.9
}

t_team() {
	need kind:team teamnl
	ns host far
	wire host eth0 far wire0
	ip -n host link add team0 type team
	# In this mode the team gives its ports its address; in others teamd would have to.
	in_ns host teamnl team0 setoption mode roundrobin
	ip -n host link set eth0 down
	ip -n host link set eth0 master team0
	ip -n host link set eth0 up
	ip -n host link set team0 up
	works host team0 far wire0
}

t_bridge() {
	ns host far
	wire host eth0 far wire0
	ip -n host link add br0 up type bridge
	ip -n host link set eth0 master br0
	works host br0 far wire0
	ip -n host addr add 10.9.0.254/24 dev br0
	ping_ok a 10.9.0.254
	ping_ok far 10.9.0.254
}

t_vxlan() {
	ns host far
	wire host eth0 far wire0
	ip -n host addr add 192.168.0.1/24 dev eth0
	ip -n far addr add 192.168.0.9/24 dev wire0
	ip -n host link add vx0 up type vxlan id 5 remote 192.168.0.9 local 192.168.0.1 dstport 4789
	ip -n far link add vx0 up type vxlan id 5 remote 192.168.0.1 local 192.168.0.9 dstport 4789
	works host vx0 far vx0
}

t_tap() {
	need module:tun
	ns host
	ip -n host tuntap add dev tap0 mode tap
	ip -n host link set tap0 up
	vnic host tap0 va host up
	vnic host tap0 vb host up
	same vnic "$(link host va .linkinfo.info_kind)" kind
}

# port_of COMMAND...: VNIC va on eth0 becomes the port of something named sw0 in
# host, made by COMMAND; who is behind sw0 reaches the wire.
t_bridge_port() {
	ns host far inner
	wire host eth0 far wire0
	vnic host eth0 va host up : promisc all
	ip -n host link add sw0 up type bridge
	ip -n host link set va master sw0
	ip -n host link add p0 type veth peer name in0 netns inner
	ip -n host link set p0 up master sw0
	ip -n inner link set in0 up
	ip -n inner addr add 10.9.0.5/24 dev in0
	ip -n far addr add 10.9.0.9/24 dev wire0
	await 4 ping_ok inner 10.9.0.9
	tcp far 10.9.0.9 inner 1000000
	tcp inner 10.9.0.5 far 1000000
}

t_bond_port() {
	# Two VNICs of two switches as the ports of a bond.
	need module:bonding
	ns host far
	wire host eth0 far wire0
	ip -n host link add eth1 type veth peer name wire1 netns far
	ip -n host link set eth1 up
	ip -n far link set wire1 up
	ip -n far link add br0 up type bridge
	ip -n far link set wire0 master br0
	ip -n far link set wire1 master br0
	ip -n far addr add 10.9.0.9/24 dev br0
	ns a
	vnic host eth0 va a
	vnic host eth1 vb a
	ip -n a link add bond0 type bond mode active-backup miimon 100
	ip -n a link set va master bond0
	ip -n a link set vb master bond0
	ip -n a link set bond0 up
	ip -n a addr add 10.9.0.1/24 dev bond0
	await 4 ping_ok a 10.9.0.9
	if [ "$(link a bond0 .linkinfo.info_data.active_slave)" = va ]; then
		ip -n host link set eth0 down
	else
		ip -n host link set eth1 down
	fi
	await 4 ping_ok a 10.9.0.9
	ip -n a link set va nomaster
	ip -n a link set vb nomaster
}

t_bond_port_one_switch() {
	# On one switch a bond cannot give both the same address: refused with the
	# holder's name, unless it keeps the addresses apart.
	need module:bonding
	ns host
	etherstub host s0
	vnic host s0 va host
	vnic host s0 vb host
	ip -n host link add bond0 type bond mode active-backup
	ip -n host link set va master bond0
	no ip -n host link set vb master bond0
	ip -n host link set va nomaster
	ip -n host link set bond0 type bond fail_over_mac active
	ip -n host link set va master bond0
	ip -n host link set vb master bond0
	ip -n host link set bond0 up
}

t_team_port() {
	need kind:team teamnl
	ns host far
	wire host eth0 far wire0
	vnic host eth0 va host
	ip -n host link add team0 type team
	# In this mode the team gives its ports its address; in others teamd would have to.
	in_ns host teamnl team0 setoption mode roundrobin
	ip -n host link set va master team0
	ip -n host link set va up
	ip -n host link set team0 up
	ip -n host addr add 10.9.0.1/24 dev team0
	ip -n far addr add 10.9.0.9/24 dev wire0
	await 4 ping_ok host 10.9.0.9
}

t_openvswitch() {
	need module:openvswitch ovs-dpctl
	ns host far inner
	wire host eth0 far wire0
	vnic host eth0 va host up : promisc all
	ip -n host link add p0 type veth peer name in0 netns inner
	ip -n host link set p0 up
	ip -n inner link set in0 up
	ip -n inner addr add 10.9.0.5/24 dev in0
	ip -n far addr add 10.9.0.9/24 dev wire0
	in_ns host ovs-dpctl add-dp dp0
	in_ns host ovs-dpctl add-if dp0 va
	in_ns host ovs-dpctl add-if dp0 p0
	local key
	for key in 'eth_type(0x0800),ipv4(frag=no)' 'eth_type(0x0806),arp()'; do
		in_ns host ovs-dpctl add-flow dp0 "in_port(1),eth(),$key" 2
		in_ns host ovs-dpctl add-flow dp0 "in_port(2),eth(),$key" 1
	done
	await 4 ping_ok inner 10.9.0.9
	tcp far 10.9.0.9 inner
	in_ns host ovs-dpctl del-dp dp0
}

t_under_vnic() {
	# On a VNIC there is place for macvlan and ipvlan as on a NIC.
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va host up
	ip -n host link add link va name mv0 netns a up type macvlan mode bridge
	ip -n a addr add 10.9.0.1/24 dev mv0
	ip -n far addr add 10.9.0.9/24 dev wire0
	await 4 ping_ok a 10.9.0.9
	ip -n a link del mv0
	ip -n host link add link va name iv0 netns b up type ipvlan mode l2
	ip -n b addr add 10.9.0.2/24 dev iv0
	await 4 ping_ok b 10.9.0.9
}

t_depth() {
	# Stacked on itself as deep as the kernel allows, and no deeper.
	ns host
	etherstub host s0
	local i last=s0
	for i in 1 2 3 4 5 6; do
		vnic host "$last" "v$i" host up
		last=v$i
	done
	ip -n host link set s0 mtu 1400
	same 1400 "$(link host v6 .mtu)" 'mtu at the top'
	for i in 7 8 9 10 11 12; do
		vnic host "$last" "v$i" host 2>"$log.said" || break
		last=v$i
	done
	[ "$i" -lt 12 ]
	[ -s "$log.said" ]
	ip -n host link del s0
}

run t_dummy 'SWITCH-1: on a dummy'
run t_veth 'SWITCH-1: on a veth'
run t_vlan 'SWITCH-1: on a VLAN device'
run t_vnic_on_vnic 'SWITCH-1: on a VNIC'
run t_bond 'SWITCH-1: on a bond, also after its failover'
run t_team 'SWITCH-1: on a team'
run t_bridge 'SWITCH-1 SWITCH-8: on a bridge'
run t_vxlan 'SWITCH-1: on a VXLAN'
run t_tap 'SWITCH-1: on a tap'
run t_bridge_port 'SWITCH-6: as the port of a bridge'
run t_bond_port 'SWITCH-1: as the port of a bond'
run t_bond_port_one_switch 'SWITCH-2: two ports of a bond on one switch'
run t_team_port 'SWITCH-1: as the port of a team'
run t_openvswitch 'SWITCH-6: as the port of Open vSwitch'
run t_under_vnic 'SWITCH-1: macvlan and ipvlan on a VNIC'
run t_depth 'SWITCH-1: stacked on itself'
finish
