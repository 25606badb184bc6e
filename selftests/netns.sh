#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VNICs and their lowers in network namespaces: born there, moved, and gone with them.
#
# lab: cpus=1 timeout=150

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

t_move() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va host address 02:00:00:00:00:01
	vnic host eth0 vb b up
	ip -n host link set va netns a
	ip -n a link set va up
	same '02:00:00:00:00:01' "$(link a va .address)" 'address after moving'
	same "$(link host eth0 .ifindex)" "$(link a va .link_index)" 'iflink after moving'
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a dst=b
		send far dst=b
		want b=2
		send b dst=a
		send far dst=a
		want a=2
	EOF
	# Moved while up, with a new name.
	ip -n a link set va netns host name back
	same vnic "$(link host back .linkinfo.info_kind)" kind
	ip -n host link set back up
	frames <<-EOF
		at a host back
		at b b vb
		send b dst=a
		want a=1
	EOF
}

t_netnsid() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a
	[ "$(link a va .link_netnsid)" != null ]
	ip -n a link set va netns host
	same null "$(link host va .link_netnsid)" 'link-netnsid beside its link'
	same eth0 "$(link host va .link)" 'link beside its link'
}

t_dies_with_netns() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up address 02:00:00:00:00:01
	vnic host eth0 vb b up
	same 2 "$(link b vb .linkinfo.info_data.vnics)" vnics
	ip netns del a
	# Its address is free again, its place is gone from the switch.
	await 5 is 1 b vb .linkinfo.info_data.vnics
	vnic host eth0 vc b up address 02:00:00:00:00:01
	frames <<-EOF
		at b b vb
		at c b vc
		at far far wire0
		send far dst=c
		want c=1
		send far
		want b=1 c=1
	EOF
}

t_lower_netns_dies() {
	# The namespace of the link dies: its VNICs in all namespaces die with it.
	ns host far a
	etherstub host s0
	wire host eth0 far wire0
	vnic host s0 va a up
	vnic host eth0 vb a up
	ip netns del host
	await 5 no ip -n a link show dev va
	await 5 no ip -n a link show dev vb
}

t_both_die() {
	# All at once, several times.
	local round i
	for round in 1 2 3; do
		ns "host$round" "a$round" "b$round"
		etherstub "host$round" s0
		for i in 1 2 3 4; do
			vnic "host$round" s0 "va$i" "a$round" up
			vnic "host$round" s0 "vb$i" "b$round" up
		done
		ip netns del "a$round" &
		ip netns del "host$round" &
		ip netns del "b$round" &
		wait
	done
}

t_lower_moves() {
	# The link moves to another namespace; its VNICs stay and go on.
	ns host far a b new
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev wire0
	ping_ok a 10.0.0.9
	ip -n host link set eth0 netns new
	same vnic "$(link a va .linkinfo.info_kind)" kind
	ip -n new link set eth0 up
	await 3 is UP a va .operstate
	ping_ok a 10.0.0.9
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a dst=b
		want b=1
		send far dst=b
		want b=1
		send far
		want a=1 b=1
	EOF
	# The host's side moved too.
	ip -n new addr add 10.0.0.254/24 dev eth0
	ping_ok new 10.0.0.1
	ping_ok a 10.0.0.254
	# And it is managed from there now.
	vnic new eth0 vc new : promisc all
	same 3 "$(link new vc .linkinfo.info_data.vnics)" vnics
}

t_stub_moves() {
	ns host a b new
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	ip -n host link set s0 netns new
	frames <<-EOF
		at a a va
		at b b vb
		send a dst=b
		want b=1
		send b
		want a=1
	EOF
	vnic new s0 vc new
	same 3 "$(link new vc .linkinfo.info_data.vnics)" vnics
}

t_scrub() {
	# Nothing of the sender's side sticks to a packet: mark and priority.
	ns host a b
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	in_ns b nft -f - <<-EOF
		table inet t {
			chain in {
				type filter hook input priority 0;
				meta mark 7 counter drop
				meta priority 1:6 counter drop
			}
		}
	EOF
	ping_ok a 10.0.0.2
	ping_ok a 10.0.0.2 -m 7
	in_ns a nft -f - <<-EOF
		table netdev t {
			chain out {
				type filter hook egress device va priority 0;
				meta priority set 1:6
			}
		}
	EOF
	ping_ok a 10.0.0.2
	# The check itself would see it.
	in_ns b nft add rule inet t in ip protocol icmp counter drop
	ping_no a 10.0.0.2
}

run t_move 'SWITCH-2: a VNIC is moved between namespaces and keeps what it has'
run t_netnsid 'SWITCH-2: link and link-netnsid'
run t_dies_with_netns 'SWITCH-2: a VNIC dies with its namespace'
run t_lower_netns_dies 'SWITCH-2: VNICs die with the namespace of their link'
run t_both_die 'SWITCH-2: both at once'
run t_lower_moves 'SWITCH-1 SWITCH-8: the link moves to another namespace'
run t_stub_moves 'SWITCH-1: an etherstub moves to another namespace'
run t_scrub 'LOOP-2: mark and priority stay on their side'
finish
