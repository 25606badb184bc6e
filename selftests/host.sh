#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host and the VNICs of its NIC reach each other, unless they shall not.
#
# lab: cpus=1 timeout=150

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# The host has 10.0.0.254 on eth0, VNIC va has .1, vb has .2, the wire's far end .9.
host() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	ip -n host addr add 10.0.0.254/24 dev eth0
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n far addr add 10.0.0.9/24 dev wire0
}

t_reach() {
	host
	ping_ok host 10.0.0.1
	ping_ok a 10.0.0.254
	ping_ok far 10.0.0.254
	ping_ok host 10.0.0.9
	tcp a 10.0.0.1 host
	tcp host 10.0.0.254 b
	tcp host 10.0.0.254 far
	tcp far 10.0.0.9 host
	ping_ok host 10.0.0.2 -s 20000
}

t_reach_ipv6() {
	with_ipv6
	host
	ip -n host addr add fd00::254/64 dev eth0 nodad
	ip -n a addr add fd00::1/64 dev va nodad
	ping_ok host fd00::1
	tcp a fd00::1 host
}

t_frames() {
	host
	frames <<-EOF
		at host host eth0
		at a a va
		at b b vb
		at far far wire0
		# From the host: to the VNIC and not to the wire, or to the wire.
		send host dst=a
		want a/host=1
		send host dst=far
		want far/host=1
		send host
		want a/broadcast=1 b/broadcast=1 far/broadcast=1
		# To the host: one copy of everything.
		send a dst=host
		want host/host=1
		send a
		want host/broadcast=1 b/broadcast=1 far/broadcast=1
		send far dst=host
		want host/host=1
		send far
		want host/broadcast=1 a/broadcast=1 b/broadcast=1
	EOF
}

t_multicast() {
	host
	ip -n a maddr add 01:00:5e:01:01:01 dev va
	ip -n host maddr add 01:00:5e:01:01:02 dev eth0
	frames <<-EOF
		mac joined 01:00:5e:01:01:01
		mac hosts 01:00:5e:01:01:02
		at host host eth0
		at a a va
		at b b vb
		at far far wire0
		send host dst=joined
		want a/multicast=1 far=1
		send b dst=hosts
		want host/multicast=1 far=1
	EOF
}

t_off() {
	host
	ping_ok host 10.0.0.1
	vnic host eth0 vc host : host off
	ping_no host 10.0.0.1
	ping_no a 10.0.0.254
	# Only that: the VNICs reach each other and the wire, and so does the host.
	ping_ok a 10.0.0.2
	ping_ok a 10.0.0.9
	ping_ok host 10.0.0.9
	ip -n host neigh flush dev eth0
	frames <<-EOF
		at host host eth0
		at a a va
		at b b vb
		at far far wire0
		send host dst=a
		want far=1
		send host
		want far=1
		send a dst=host
		want far=1
		send a
		want b=1 far=1
	EOF
	ip -n host link set vc type vnic host on
	ping_ok host 10.0.0.1
	ping_ok a 10.0.0.254
}

t_last_vnic_gone() {
	# After the last VNIC the NIC is as it was; with the next one it works again.
	host
	ip -n a link del va
	ip -n b link del vb
	ping_ok host 10.0.0.9
	no ping_ok host 10.0.0.1
	vnic host eth0 va a up
	ip -n host neigh flush dev eth0
	ip -n a addr add 10.0.0.1/24 dev va
	ping_ok host 10.0.0.1
}

t_vlan() {
	# VLAN devices of the host and VNICs that have VLANs do not meet, as VLAN 10 on
	# the host's side cannot exist beside a VNIC of VLAN 10.
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	vnic host eth0 vb b up
	ip -n host link add link eth0 name eth0.20 up type vlan id 20
	ip -n b link add link vb name vb.20 up type vlan id 20
	frames <<-EOF
		at host host eth0
		at host20 host eth0.20
		at a a va
		at b b vb.20
		at far far wire0
		# Untagged from the host: not to VLAN 10.
		send host dst=a
		want far=1
		# Tagged by a VLAN device: to the VLAN device of a VNIC.
		send host20 dst=b
		want b/host=1
		send b dst=host20
		want host20/host=1 host:20=1
	EOF
}

t_taps() {
	# Whoever listens on the NIC sees what the host sends, also to a VNIC.
	host
	frames <<-EOF
		at host host eth0
		# Another listener: the kernel does not show a sender what it sends.
		at tap host eth0 out
		at a a va
		send host dst=a
		want tap>=1 a=1
		send a dst=host
		want host=1 tap=1
	EOF
}

t_nft_first() {
	# The administrator's rules on the NIC come before.
	host
	ping_ok host 10.0.0.1
	in_ns host nft -f - <<-EOF
		table netdev t {
			chain out {
				type filter hook egress device eth0 priority 0; policy accept;
				ip daddr 10.0.0.1 counter drop
			}
		}
	EOF
	ping_no host 10.0.0.1
	in_ns host nft list table netdev t | grep -q 'packets [1-9]'
	ping_ok host 10.0.0.2
	# Traffic of the VNICs to the wire passes the rules as well, as it did before.
	in_ns host nft add rule netdev t out ip daddr 10.0.0.9 counter drop
	ping_no a 10.0.0.9
	in_ns host nft delete table netdev t
	ping_ok host 10.0.0.1
	ping_ok a 10.0.0.9
}

t_stub() {
	# The etherstub's own interface is the host's port on it.
	ns host a b
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n host addr add 10.0.0.254/24 dev s0
	# VNICs do not need it.
	ping_ok a 10.0.0.2
	ping_no a 10.0.0.254
	ip -n host link set s0 up
	ping_ok host 10.0.0.1
	ping_ok a 10.0.0.254
	tcp host 10.0.0.254 a
	tcp b 10.0.0.2 host
	frames <<-EOF
		at host host s0
		at a a va
		at b b vb
		send a
		want host/broadcast=1 b/broadcast=1
		send host
		want a/broadcast=1 b/broadcast=1
		send host dst=a
		want a/host=1
		send host dst=02:00:00:00:99:99
		want
		send a dst=b
		want b=1
	EOF
	ip -n host link set s0 type etherstub host off
	ping_no a 10.0.0.254
	ping_no host 10.0.0.1
	ping_ok a 10.0.0.2
	frames <<-EOF
		at host host s0
		at a a va
		at b b vb
		send a
		want b=1
		send host
		want
		send host dst=a
		want
		send a dst=host
		want
	EOF
	ip -n host link set s0 type etherstub host on
	ping_ok a 10.0.0.254
	# Down again: the host is gone, the VNICs stay.
	ip -n host link set s0 down
	ping_no a 10.0.0.254
	ping_ok a 10.0.0.2
}

t_forwarding() {
	# The host routes for its VNICs, as for anybody on that wire.
	host
	ip -n host link add out0 type veth peer name in0 netns far
	ip -n host addr add 10.1.0.1/24 dev out0
	ip -n host link set out0 up
	ip -n far addr add 10.1.0.9/24 dev in0
	ip -n far link set in0 up
	in_ns host sysctl -qw net.ipv4.ip_forward=1
	ip -n a route add default via 10.0.0.254
	ip -n far route add 10.0.0.1/32 via 10.1.0.1
	ping_ok a 10.1.0.9
	tcp far 10.1.0.9 a 1000000
}

run t_reach 'SWITCH-8: ping and TCP between the host and its VNICs, both ways'
run t_reach_ipv6 'SWITCH-8: the same with IPv6'
run t_frames 'SWITCH-8 SWITCH-4: every frame once'
run t_multicast 'SWITCH-8 SWITCH-4: multicast between the host and its VNICs'
run t_off 'SWITCH-8: "host off" cuts that and nothing else'
run t_last_vnic_gone 'SWITCH-8: after the last VNIC, and with the next one'
run t_vlan 'SWITCH-8 SWITCH-5: VLANs of the host'
run t_taps 'SWITCH-8: taps on the NIC see what the host sends to a VNIC'
run t_nft_first 'SWITCH-8: nft rules on the egress of the NIC decide first'
run t_stub 'SWITCH-8: the own interface of an etherstub'
run t_forwarding 'SWITCH-8: the host routes for a VNIC'
finish
