#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Multicast as sockets use it: joins and leaves, up to the wire.
#
# lab: cpus=1 timeout=100

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

holds() { in_ns "$1" bridge fdb show dev "$2" | grep -qi "^$3 "; }
lacks() { ! holds "$@"; }

# member NS DEV GROUP: a process that is a member of a group and prints what it
# is sent; its output is in $log.DEV.
member() {
	# Without in_ns, so that $! is socat itself.
	nsenter --net="/run/netns/$1" -- socat -u "UDP4-RECV:5353,ip-add-membership=$3:$2,reuseaddr" - >"$log.$2" 2>/dev/null &
}

# say NS DEV GROUP TEXT
say() { echo "$4" | in_ns "$1" socat -u - "UDP4-DATAGRAM:$3:5353,ip-multicast-if=$(ip -n "$1" -4 -j addr show dev "$2" | jq -r '.[0].addr_info[0].local'),ip-multicast-ttl=4"; }

four() {
	ns host far a b c
	wire host cable far wire0
	# A lower that filters.
	ip -n host link add link cable name eth0 up type vlan id 2
	ip -n far link add link wire0 name wire2 up type vlan id 2
	vnic host eth0 va a up
	vnic host eth0 vb b up
	vnic host eth0 vc c up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n c addr add 10.0.0.3/24 dev vc
	ip -n far addr add 10.0.0.9/24 dev wire2
	ip -n host addr add 10.0.0.254/24 dev eth0
}

t_join_leave() {
	four
	member a va 239.1.2.3
	local va=$!
	await 3 holds host eth0 01:00:5e:01:02:03
	member b vb 239.1.2.3
	local vb=$!
	await 3 holds b vb 01:00:5e:01:02:03
	lacks c vc 01:00:5e:01:02:03
	say far wire2 239.1.2.3 from-far
	await 3 grep -q from-far "$log.va"
	await 3 grep -q from-far "$log.vb"
	say c vc 239.1.2.3 from-c
	await 3 grep -q from-c "$log.va"
	await 3 grep -q from-c "$log.vb"
	say host eth0 239.1.2.3 from-host
	await 3 grep -q from-host "$log.va"
	same 1 "$(grep -c from-far "$log.va")" 'copies from far'
	same 1 "$(grep -c from-c "$log.vb")" 'copies from c'
	kill "$va"
	pause 0.3
	holds host eth0 01:00:5e:01:02:03
	lacks a va 01:00:5e:01:02:03
	kill "$vb"
	await 3 lacks host eth0 01:00:5e:01:02:03
}

t_reports_on_wire() {
	# The router on the wire hears of the membership (IGMP), so do not VNICs that
	# are not routers.
	four
	watch far wire2 igmp
	member a va 239.1.2.4
	await 8 grep -q '10.0.0.1 > 224.0.0.22' "$log.wire2"
}

t_ipv6() {
	# Neighbour discovery is multicast to solicited-node groups.
	with_ipv6
	four
	ip -n a addr add fd00::1/64 dev va nodad
	ip -n b addr add fd00::2/64 dev vb nodad
	ip -n far addr add fd00::9/64 dev wire2 nodad
	await 3 holds host eth0 33:33:ff:00:00:01
	ping_ok far fd00::1
	ping_ok b fd00::1
	ping_ok a fd00::9
	# Not one more than the sender and the groups that a node has.
	lacks c vc 33:33:ff:00:00:01
}

t_dad() {
	# A duplicate IPv6 address on a neighbour is found out: no copy to oneself.
	with_ipv6
	four
	ip -n a addr add fd00::1/64 dev va
	await 5 sh -c '! ip -n a addr show dev va | grep -q tentative'
	no sh -c 'ip -n a addr show dev va | grep dadfailed'
	ip -n b addr add fd00::1/64 dev vb
	await 5 sh -c 'ip -n b addr show dev vb | grep -q dadfailed'
}

run t_join_leave 'SWITCH-4: joins and leaves of sockets reach the lower, counted'
run t_reports_on_wire 'SWITCH-4: membership reports go out'
run t_ipv6 'SWITCH-4: IPv6 neighbour discovery'
run t_dad 'SWITCH-4: IPv6 duplicate address detection'
finish
