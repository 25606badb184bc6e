#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything that is set up and torn down, while traffic runs. The kernel's
# reports are what tells, so most of it is for the debug kernel.
#
# lab: cpus=2 timeout=300 leaks=yes

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# Seconds that each test makes noise.
time=${STRESS_SECONDS:-$((3 + SLOW))}

# until_over COMMAND...: again and again until the time is up; counts the rounds.
until_over() {
	local end=$((SECONDS + time)) rounds=0
	while [ "$SECONDS" -lt "$end" ] || [ "$rounds" -lt 2 ]; do
		"$@"
		rounds=$((rounds + 1))
	done
	echo "# $rounds rounds"
}

# A switch with a wire, and traffic on two VNICs and from the wire.
noisy() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n far addr add 10.0.0.9/24 dev wire0
	ip -n host addr add 10.0.0.254/24 dev eth0
	flood a va $((time + 2))
	flood b vb $((time + 2))
	flood far wire0 $((time + 2))
}

# The two still talk to each other and to the wire.
still_well() {
	calm
	await 5 ping_ok a 10.0.0.2
	await 5 ping_ok a 10.0.0.9
	await 5 ping_ok host 10.0.0.1
}

create_delete() {
	vnic host eth0 vx host up
	vnic host eth0 vy host up : vlan 10
	ip -n host link del vx
	ip -n host link del vy
}
t_create_delete() { noisy; until_over create_delete; still_well; }

create_move_delete() {
	vnic host eth0 vx b up
	ip -n b link set vx netns a
	ip -n a link set vx up
	ip -n a link set vx netns host
	ip -n host link del vx
}
# b gives it to a, who is not its owner by that.
t_create_move_delete() { noisy; command vnic policy add --host netns a up >/dev/null; until_over create_move_delete; still_well; }

change() {
	local last
	n=$((n % 200 + 1))
	printf -v last %02x "$n"
	ip -n a link set va address "02:00:00:00:10:$last"
	ip -n host link set eth0 mtu $((1300 + n))
	ip -n a link set va promisc on
	ip -n a link set va allmulticast on
	ip -n a maddr add 01:00:5e:01:01:01 dev va
	ip -n a link set va promisc off
	ip -n a link set va allmulticast off
	ip -n a maddr del 01:00:5e:01:01:01 dev va
}
t_change() { n=0; noisy; until_over change; still_well; }

up_down() {
	ip -n a link set va down
	ip -n a link set va up
	ip -n host link set eth0 down
	ip -n host link set eth0 up
}
t_up_down() { noisy; until_over up_down; still_well; }

first_last() {
	# The only VNIC of a link comes and goes: handler and hooks with it.
	ip -n host link add link cable name vx up type vnic
	ip -n host link del vx
}
t_first_last() {
	ns host far
	wire host cable far wire0
	ip -n host addr add 10.0.0.254/24 dev cable
	ip -n far addr add 10.0.0.9/24 dev wire0
	flood far wire0 $((time + 2))
	flood host cable $((time + 2))
	until_over first_last
	calm
	await 5 ping_ok host 10.0.0.9
}

host_on_off() {
	ip -n host link set vx type vnic host off
	ip -n host link set vx type vnic host on promisc all
	ip -n host link set vx type vnic promisc off
}
t_host_on_off() {
	noisy
	flood host eth0 $((time + 2))
	vnic host eth0 vx host up
	ip -n host link set vx promisc on
	until_over host_on_off
	still_well
}

dying_netns() {
	ip netns add dying
	vnic host eth0 vx dying up
	vnic host eth0 vy dying up : vlan 10
	flood dying vx 1
	ip netns del dying
}
t_dying_netns() { noisy; until_over dying_netns; sleep 1; still_well; }

dying_link() {
	ns host1
	etherstub host1 s0
	vnic host1 s0 vx a up
	vnic host1 s0 vy b up
	flood a vx 1
	flood b vy 1
	pause 0.3
	if [ $((n++ % 2)) = 0 ]; then
		ip -n host1 link del s0
		ip netns del host1
	else
		ip netns del host1
	fi
	await 5 no ip -n a link show dev vx
}
t_dying_link() { n=0; ns a b; until_over dying_link; calm; }

t_deleted_under_tcp() {
	# The link goes in the middle of a transfer.
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	tcp b 10.0.0.2 a 100000000 >"$log.tcp" 2>&1 &
	local pid=$!
	pause 1.5
	kill -0 "$pid" || { cat "$log.tcp"; false; }
	ip -n host link del eth0
	no ip -n a link show dev va
	# It waits for its peer, or was told that there is no way any more and has ended.
	kill "$pid" 2>/dev/null || [ -s "$log.tcp" ]
	wait
}

t_unload() {
	# rmmod while everything runs, and while somebody makes devices.
	[ "$KIND" = vnic ] || skip 'the module of another kind'
	local round
	ns host far a b
	wire host eth0 far wire0
	for round in 1 2 3; do
		load_module
		vnic host eth0 va a up
		vnic host eth0 vb b up : vlan "$((round - 1))"
		etherstub host s0
		vnic host s0 vc a up
		flood a va 3
		flood b vb 3
		flood far wire0 3
		flood host eth0 3
		(while ip -n host link add link eth0 name vx type vnic && ip -n host link del vx; do :; done) 2>/dev/null &
		local maker=$!
		pause 0.7
		rmmod vnic
		no ip -n a link show dev va
		kill "$maker" 2>/dev/null || true
		calm
	done
	load_module
}

t_many_under_traffic() {
	# Many VNICs come and go at once beside two that talk.
	noisy
	local i count=$((200 / SLOW))
	for i in $(seq "$count"); do
		echo "link add link eth0 name m$i up type vnic"
	done | ip -n host -batch -
	same $((count + 2)) "$(link a va .linkinfo.info_data.vnics)" vnics
	for i in $(seq "$count"); do
		echo "link del m$i"
	done | ip -n host -batch -
	echo "# $count VNICs"
	still_well
}

run t_create_delete 'SWITCH-2: made and deleted under traffic'
run t_create_move_delete 'SWITCH-2: made, moved and deleted under traffic'
run t_change 'SWITCH-2: address, MTU, flags and groups changed under traffic'
run t_up_down 'SWITCH-2: up and down under traffic'
run t_first_last 'SWITCH-1: the first and the last VNIC of a link under traffic'
run t_host_on_off 'SWITCH-6 SWITCH-8: options changed under traffic'
run t_dying_netns 'SWITCH-2: a namespace dies under traffic'
run t_dying_link 'SWITCH-2: the link dies under traffic'
run t_deleted_under_tcp 'SWITCH-2: the link is deleted in the middle of a TCP transfer'
run t_many_under_traffic 'SWITCH-2: many VNICs come and go under traffic'
run t_unload 'SWITCH-2: the module is unloaded under traffic'
finish
