#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who gets a frame: from a VNIC, from the wire, on a NIC and on an etherstub.
#
# lab: cpus=1 timeout=200

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# Three VNICs a, b, c in namespaces of these names on one link of "host".
three() { # LOWER
	ns a b c
	vnic host "$1" va a up
	vnic host "$1" vb b up
	vnic host "$1" vc c up
}

on_wire() {
	ns host far
	wire host eth0 far wire0
	three eth0
}

on_stub() {
	ns host
	etherstub host s0
	three s0
}

t_unicast_wire() {
	on_wire
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		at lower host eth0 out
		at far far wire0
		# Between two VNICs: the other one and nobody else, not the wire, not the lower's taps.
		send a dst=b
		want b/host=1
		send b dst=a
		send a dst=c size=1500
		want a/host=1 c/host=1
		# To an address that no VNIC has: the wire, once.
		send a dst=02:00:00:00:99:99
		want lower>=1 far=1
		# From the wire to a VNIC: seen by taps on the lower, then by the VNIC alone.
		send far dst=b
		want lower=1 b/host=1
		# From the wire to nobody.
		send far dst=02:00:00:00:99:99
		want lower=1
		# Many, all of them, in between each other.
		send a dst=b count=50
		send c dst=b count=50
		send far dst=a count=50
		want b=100 a=50 lower=50
	EOF
}

t_unicast_stub() {
	on_stub
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		send a dst=b
		want b/host=1
		send c dst=a count=20
		want a/host=20
		send a dst=02:00:00:00:99:99
		want
	EOF
}

t_miss_counted() {
	on_stub
	local before after
	before=$(ip -n a -s -j link show dev va | jq '.[0].stats64.tx.dropped')
	frames <<-EOF
		at a a va
		at b b vb
		send a dst=02:00:00:00:99:99 count=7
		want
	EOF
	after=$(ip -n a -s -j link show dev va | jq '.[0].stats64.tx.dropped')
	same 7 $((after - before)) 'tx dropped of the sender'
}

t_broadcast_wire() {
	on_wire
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		at far far wire0
		send a
		want b/broadcast=1 c/broadcast=1 far=1
		send far
		want a/broadcast=1 b/broadcast=1 c/broadcast=1
		send b count=20
		want a=20 c=20 far=20
	EOF
}

t_broadcast_stub() {
	on_stub
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		send a
		want b/broadcast=1 c/broadcast=1
	EOF
}

t_down() {
	# A VNIC that is down gets nothing; its address is not looked for elsewhere.
	on_wire
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		at far far wire0
		sh ip -n b link set vb down
		send a
		want c=1 far=1
		send far
		want a=1 c=1
		sh ip -n b link set vb up
		send a dst=b
		want b=1
	EOF
}

t_multicast() {
	on_wire
	ip -n b maddr add 01:00:5e:01:01:01 dev vb
	frames <<-EOF
		mac group 01:00:5e:01:01:01
		mac other 01:00:5e:01:01:02
		# The same bits in most hashes, and one that differs in the last bit.
		mac near 01:00:5e:81:01:01
		at a a va
		at b b vb
		at c c vc
		at far far wire0
		send a dst=group
		want b/multicast=1 far=1
		send a dst=other
		want far=1
		send a dst=near
		want far=1
		send far dst=group
		want b/multicast=1
		send far dst=other
		want
		# The sender does not hear itself.
		send b dst=group
		want far=1
		sh ip -n c maddr add 01:00:5e:01:01:01 dev vc
		send far dst=group
		want b/multicast=1 c/multicast=1
		sh ip -n b maddr del 01:00:5e:01:01:01 dev vb
		send far dst=group
		want c/multicast=1
		sh ip -n c link set vc allmulticast on
		send a dst=other
		want c/multicast=1 far=1
		sh ip -n c link set vc allmulticast off
		send a dst=other
		want far=1
	EOF
}

t_multicast_exact() {
	# 300 groups joined by one VNIC: another group still does not reach it.
	on_stub
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		join b 01:00:5e:02:00:00 300
		send a dst=01:00:5e:02:00:05
		send a dst=01:00:5e:02:01:2b
		want b/multicast=2
		send a dst=01:00:5e:02:01:2c
		send a dst=01:00:5e:03:00:05
		send a dst=01:00:5e:02:ff:ff
		want
	EOF
}

t_vlan() {
	ns host far a b c
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	vnic host eth0 vb b up : vlan 10
	vnic host eth0 vc c up : vlan 20
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		at far far wire0
		# Tagged outside, untagged inside.
		send a dst=02:00:00:00:99:99
		want far:10=1
		send far dst=a vlan=10
		want a/host=1
		# Wrong tag, no tag, priority tag, tag in the other protocol: not for it.
		send far dst=a vlan=20
		send far dst=a
		send far dst=a vlan=0
		send far dst=a vlan=11
		want
		# The same VLAN: local, without a tag, not on the wire.
		send a dst=b
		want b/host=1
		# Another VLAN: never, though the address is there; the wire gets it.
		send a dst=c
		want far:10=1
		send c dst=a
		want far:20=1
		send a
		want b/broadcast=1 far:10=1
		send c
		want far:20=1
		send far vlan=10
		want a/broadcast=1 b/broadcast=1
		send far vlan=20
		want c/broadcast=1
		send far vlan=30
		send far
		want
	EOF
}

t_vlan_and_none() {
	# "vlan 10" and no VLAN on one link do not hear each other.
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	vnic host eth0 vb b up
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a
		want far:10=1
		send b
		want far=1
		send a dst=b
		want far:10=1
		send b dst=a
		want far=1
		send far
		want b=1
		# Not even if the one without VLAN tags its frames by itself.
		send b dst=a vlan=10
		want far:10=1
		send b vlan=10
		want far:10=1
	EOF
}

t_vlan_stub() {
	ns host a b c
	etherstub host s0
	vnic host s0 va a up : vlan 10
	vnic host s0 vb b up : vlan 10
	vnic host s0 vc c up : vlan 20
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		send a dst=b
		want b=1
		send a dst=c
		want
		send a
		want b=1
		send c
		want
	EOF
}

t_same_address_two_vlans() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up address 02:00:00:00:00:01 : vlan 10
	vnic host eth0 vb b up address 02:00:00:00:00:01 : vlan 20
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send far dst=02:00:00:00:00:01 vlan=10
		want a/host=1
		send far dst=02:00:00:00:00:01 vlan=20
		want b/host=1
		send far dst=02:00:00:00:00:01 vlan=30
		send far dst=02:00:00:00:00:01
		want
	EOF
}

t_qinq() {
	# Inside the VLAN of a VNIC there may be VLANs again.
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	vnic host eth0 vb b up : vlan 10
	ip -n a link add link va name va.5 up type vlan id 5
	ip -n b link add link vb name vb.5 up type vlan id 5
	frames <<-EOF
		at a a va.5
		at b b vb.5
		at far far wire0
		send a dst=b
		want b/host=1
		send a dst=02:00:00:00:99:99
		want far:10,5=1
		send a
		want b/broadcast=1 far:10,5=1
	EOF
}

t_vlan_on_top() {
	# A VNIC without "vlan" is a trunk: VLAN devices on top of it.
	ns host far a b c
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	vnic host eth0 vc c up
	ip -n a link add link va name va.5 up type vlan id 5
	ip -n b link add link vb name vb.5 up type vlan id 5
	frames <<-EOF
		at a a va.5
		at b b vb.5
		at c c vc
		at far far wire0
		send a dst=b
		want b/host=1
		send a dst=02:00:00:00:99:99
		want far:5=1
		send far dst=a vlan=5
		want a/host=1
		# Group frames: to those who have a device for the VLAN.
		send a
		want b/broadcast=1 far:5=1
		send far vlan=5
		want a/broadcast=1 b/broadcast=1
		send far vlan=6
		want
		sh ip -n c link add link vc name vc.5 up type vlan id 5
		send far vlan=5
		want a/broadcast=1 b/broadcast=1 c:5/broadcast=1
		sh ip -n c link del vc.5
		send far vlan=5
		want a/broadcast=1 b/broadcast=1
	EOF
}

t_two_switches() {
	ns host far a b c d
	wire host eth0 far wire0
	etherstub host s0
	vnic host eth0 va a up
	vnic host s0 vb b up
	vnic host s0 vc c up
	etherstub host s1
	vnic host s1 vd d up
	frames <<-EOF
		at a a va
		at b b vb
		at c c vc
		at d d vd
		at far far wire0
		send a
		want far=1
		send a dst=b
		want far=1
		send b
		want c=1
		send b dst=a
		send b dst=d
		send d
		want
		send c dst=b
		want b=1
	EOF
}

t_sizes() {
	# From the shortest to the largest frame, and a jumbo frame on a larger MTU.
	ns host far a b
	wire host eth0 far wire0 mtu 9000
	vnic host eth0 va a up
	vnic host eth0 vb b up
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a dst=b size=44
		send a dst=b size=1514
		send a dst=b size=9014
		want b=3
		send a dst=far size=44
		send a dst=far size=9014
		want far=2
		send far dst=a size=44
		send far dst=a size=9014
		want a=2
	EOF
}

t_ip() {
	# With everything that a user would do: ARP, ping, TCP.
	on_wire
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n far addr add 10.0.0.9/24 dev wire0
	ping_ok a 10.0.0.2
	ping_ok a 10.0.0.9
	ping_ok far 10.0.0.2 -s 1472 -M "do"
	tcp a 10.0.0.1 b
	tcp far 10.0.0.9 a
	tcp b 10.0.0.2 far
}

t_ip_vlan() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	vnic host eth0 vb b up : vlan 10
	ip -n far link add link wire0 name wire0.10 up type vlan id 10
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n far addr add 10.0.0.9/24 dev wire0.10
	ping_ok a 10.0.0.9 -s 1472 -M "do"
	ping_ok a 10.0.0.2 -s 1472 -M "do"
	tcp far 10.0.0.9 a
	tcp b 10.0.0.2 far
	tcp b 10.0.0.2 a
}

run t_unicast_wire 'SWITCH-1 SWITCH-3 LOOP-1 LOOP-2: unicast on a NIC goes to its VNIC alone, or out'
run t_unicast_stub 'SWITCH-1 SWITCH-3: unicast on an etherstub goes to its VNIC alone'
run t_miss_counted 'SWITCH-3: an etherstub counts what it has nobody for'
run t_broadcast_wire 'SWITCH-4: broadcast on a NIC: one copy for every member but the sender, one for the wire'
run t_broadcast_stub 'SWITCH-4: broadcast on an etherstub: one copy for every member but the sender'
run t_down 'SWITCH-2 SWITCH-4: a VNIC that is down gets nothing'
run t_multicast 'SWITCH-4: multicast reaches those who joined'
run t_multicast_exact 'SWITCH-4: 300 groups do not let in another one'
run t_vlan 'SWITCH-5: the VLAN of a VNIC is added and stripped, and divides'
run t_vlan_and_none 'SWITCH-5: a VLAN and no VLAN are divided as well'
run t_vlan_stub 'SWITCH-5: VLANs divide an etherstub'
run t_same_address_two_vlans 'SWITCH-2 SWITCH-5: one address in two VLANs is two entries'
run t_qinq 'SWITCH-5: VLANs inside the VLAN of a VNIC'
run t_vlan_on_top 'SWITCH-5: VLAN devices on top of a VNIC'
run t_two_switches 'SWITCH-5: switches are isolated from each other'
run t_sizes 'SWITCH-1: the shortest and the longest frames'
run t_ip 'SWITCH-1 LOOP-2: ping and TCP between VNICs and through the wire'
run t_ip_vlan 'SWITCH-5: ping and TCP in a VLAN, full-sized'
finish
