#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a VNIC in promiscuous mode gets, and who may allow it more.
#
# lab: cpus=1 timeout=150

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# a is promiscuous, b and c are its neighbours.
neighbours() { # TYPE-OPTIONS of a
	ns host far a b c
	wire host cable far wire0
	ip -n host link add link cable name eth0 up type vlan id 2
	ip -n far link add link wire0 name wire2 up type vlan id 2
	vnic host eth0 va a up : "$@"
	vnic host eth0 vb b up
	vnic host eth0 vc c up
}

t_own() {
	neighbours promisc own
	frames <<-EOF
		mac group 01:00:5e:01:01:01
		at a a va promisc
		at b b vb
		at c c vc
		at far far wire2
		# Not what others say to each other, nor what the wire says to them.
		send b dst=c
		want c=1
		send b dst=02:00:00:00:99:99
		want far=1
		send far dst=b
		want b=1
		send far dst=02:00:00:00:99:99
		want
		send b dst=far
		want far=1
		# Its own, and every group frame.
		send far dst=a
		want a/host=1
		send b dst=group
		want a/multicast=1 far=1
		send far dst=group
		want a/multicast=1
		send far
		want a=1 b=1 c=1
	EOF
	same 0 "$(link host eth0 .promiscuity)" 'promiscuity of the lower'
}

t_own_lower() {
	# Promiscuous, it does not make the NIC promiscuous; at most allmulti, which is taken back.
	neighbours promisc own
	ip -n a link set va promisc on
	pause 0.2
	same 0 "$(link host eth0 .promiscuity)" 'promiscuity of the lower'
	ip -n a link set va promisc off
	await 2 is 0 host eth0 .allmulti
	same exact "$(link a va .linkinfo.info_data.filter)" filter
}

t_off() {
	neighbours promisc off
	frames <<-EOF
		mac group 01:00:5e:01:01:01
		at a a va promisc
		at b b vb
		at c c vc
		at far far wire2
		send b dst=c
		want c=1
		send b dst=group
		want far=1
		send far dst=group
		want
		send far dst=a
		want a/host=1
		send far
		want a=1 b=1 c=1
	EOF
}

t_all() {
	neighbours promisc all
	frames <<-EOF
		mac group 01:00:5e:01:01:01
		at a a va
		at b b vb
		at c c vc
		at far far wire2
		# Allowed, but not asked for: nothing.
		send b dst=c
		want c=1
	EOF
	frames <<-EOF
		mac group 01:00:5e:01:01:01
		at a a va promisc
		at b b vb
		at c c vc
		at far far wire2
		send b dst=c
		want a/otherhost=1 c/host=1
		send b dst=02:00:00:00:99:99
		want a/otherhost=1 far=1
		send far dst=b
		want a/otherhost=1 b/host=1
		send far dst=02:00:00:00:99:99
		want a/otherhost=1
		send b dst=group
		want a/multicast=1 far=1
		send far
		want a=1 b=1 c=1
		send b
		want a=1 c=1 far=1
		# Its own frames do not come back to it.
		send a dst=b
		want b=1
		send a
		want b=1 c=1 far=1
		send a dst=02:00:00:00:99:99
		want far=1
	EOF
	# The lower hears all as long as it is needed.
	ip -n a link set va promisc on
	await 2 is 1 host eth0 .promiscuity
	ip -n a link set va promisc off
	await 2 is 0 host eth0 .promiscuity
}

t_all_vlan() {
	# Every frame of its VLAN, not of others.
	ns host far a b c
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10 promisc all
	vnic host eth0 vb b up : vlan 10
	vnic host eth0 vc c up : vlan 20
	frames <<-EOF
		at a a va promisc
		at b b vb
		at c c vc
		at far far wire0
		send b dst=02:00:00:00:99:99
		want a/otherhost=1 far:10=1
		send far dst=b vlan=10
		want a/otherhost=1 b=1
		send far dst=02:00:00:00:99:99 vlan=10
		want a/otherhost=1
		send c dst=02:00:00:00:99:99
		want far:20=1
		send far dst=c vlan=20
		want c=1
		send far dst=02:00:00:00:99:99 vlan=20
		send far dst=02:00:00:00:99:99
		want
	EOF
}

t_all_stub() {
	ns host a b c
	etherstub host s0
	vnic host s0 va a up : promisc all
	vnic host s0 vb b up
	vnic host s0 vc c up
	frames <<-EOF
		at a a va promisc
		at b b vb
		at c c vc
		send b dst=02:00:00:00:99:99
		want a/otherhost=1
		send b dst=c
		want a/otherhost=1 c=1
	EOF
}

t_change() {
	# The permission is changed while the VNIC is promiscuous.
	neighbours
	frames <<-EOF
		at a a va promisc
		at b b vb
		at c c vc
		send b dst=c
		want c=1
	EOF
	ip -n a link set va promisc on
	# Its link is in another namespace: from there only.
	ip -n a link set va netns host
	ip -n host link set va type vnic promisc all
	ip -n host link set va up
	frames <<-EOF
		at a host va
		at b b vb
		at c c vc
		send b dst=c
		want a/otherhost=1 c=1
	EOF
	await 2 is 1 host eth0 .promiscuity
	ip -n host link set va type vnic promisc own
	frames <<-EOF
		at a host va
		at b b vb
		at c c vc
		send b dst=c
		want c=1
	EOF
	await 2 is 0 host eth0 .promiscuity
}

t_bridge_port() {
	# Containers behind a bridge of which a VNIC is a port: foreign addresses both ways.
	ns host far a inner
	wire host eth0 far wire0
	vnic host eth0 va a : promisc all
	vnic host eth0 vb host up
	ip -n a link add br0 type bridge
	ip -n a link set va master br0
	ip -n a link set va up
	ip -n a link set br0 up
	ip -n a link add port0 type veth peer name in0 netns inner
	ip -n a link set port0 master br0
	ip -n a link set port0 up
	ip -n inner link set in0 up
	ip -n inner addr add 10.0.0.5/24 dev in0
	ip -n far addr add 10.0.0.9/24 dev wire0
	ip -n host addr add 10.0.0.2/24 dev vb
	ip -n host addr add 10.0.0.254/24 dev eth0
	ping_ok inner 10.0.0.9
	tcp inner 10.0.0.5 far
	tcp far 10.0.0.9 inner
	# And with the neighbour on the same NIC, and the host.
	ping_ok inner 10.0.0.2 -I in0
	# With "own" it is cut off, as it was not meant for it.
	ip -n a link set va nomaster
	ip -n a link set va netns host
	ip -n host link set va type vnic promisc own
	ip -n host link set va netns a
	ip -n a link set va master br0
	ip -n a link set va up
	ip -n inner neigh flush dev in0
	ip -n far neigh flush dev wire0
	ping_no inner 10.0.0.9
}

t_subject() {
	# Root of a container, with and without a user namespace of its own, may not
	# allow itself more, nor cut the host off.
	ns host far rootful
	wire host eth0 far wire0
	vnic host eth0 va rootful up
	refused 'permi|manager|allowed|netns|namespace' in_ns rootful ip link set va type vnic promisc all
	refused 'permi|manager|allowed|netns|namespace' in_ns rootful ip link set va type vnic host off
	same 'own true' "$(link rootful va '.linkinfo.info_data | "\(.promisc) \(.host)"')" 'after the refusal'
	# Not with a new VNIC on the same link, either.
	refused 'permi|manager|allowed|netns|namespace' ip -n rootful link add link-netns host link eth0 name vx type vnic promisc all
	refused 'permi|manager|allowed|netns|namespace' ip -n rootful link add link-netns host link eth0 name vx type vnic host off
	no ip -n rootful link show dev vx
	# The promiscuous flag itself cannot be refused, it has no effect.
	in_ns rootful ip link set va promisc on

	# A container with a user namespace.
	unshare --user --map-root-user --net sleep 1000 &
	local pid=$!
	await 2 [ "/proc/$pid/ns/net" -nt /nonexistent ]
	await 5 sh -c "[ \$(readlink /proc/$pid/ns/net) != \$(readlink /proc/self/ns/net) ]"
	ip -n host link add link eth0 name vu netns "$pid" type vnic
	local enter=(nsenter --target "$pid" --user --net --preserve-credentials)
	"${enter[@]}" ip link set vu up
	refused 'permi|manager|allowed|netns|namespace' "${enter[@]}" ip link set vu type vnic promisc all
	refused 'permi|manager|allowed|netns|namespace' "${enter[@]}" ip link set vu type vnic host off
	"${enter[@]}" ip -d link show dev vu | grep -q 'promisc own host on'
	# Its own VNICs, on a link of its own, it manages itself.
	"${enter[@]}" ip link add s0 type etherstub
	"${enter[@]}" ip link add link s0 name vv type vnic promisc all host off
	"${enter[@]}" ip link set vv type vnic promisc off host on
	# Also on top of the one that it was given.
	"${enter[@]}" ip link add link vu name vw type vnic promisc all
	kill "$pid"
}

run t_own 'SWITCH-6: promiscuous, a VNIC does not see its neighbours'"'"' traffic'
run t_own_lower 'SWITCH-6: promiscuous, it does not make the NIC promiscuous'
run t_off 'SWITCH-6: "promisc off" shows nothing more'
run t_all 'SWITCH-6: "promisc all" shows every frame'
run t_all_vlan 'SWITCH-6 SWITCH-5: "promisc all" stays within its VLAN'
run t_all_stub 'SWITCH-6: "promisc all" on an etherstub'
run t_change 'SWITCH-6: the permission is changed in use'
run t_bridge_port 'SWITCH-6: as the port of a bridge, with "promisc all"'
run t_subject 'SWITCH-6 CTCFG-2: a container cannot allow it to itself'
finish
