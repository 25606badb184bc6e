#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Carrier and operational state.
#
# lab: cpus=1 timeout=100

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# down NS NAME: without carrier. "LOWERLAYERDOWN" is said only beside the link.
down() { ip -n "$1" -j link show dev "$2" | jq -e '.[0] | (.flags | index("NO-CARRIER")) and (.operstate | test("DOWN"))'; }

t_follow() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb host up
	await 2 is UP a va .operstate
	# The cable is pulled: the far end goes down.
	ip -n far link set wire0 down
	await 2 down a va
	await 2 is LOWERLAYERDOWN host vb .operstate
	ip -n far link set wire0 up
	await 2 is UP a va .operstate
	# The link is set down and up.
	ip -n host link set eth0 down
	await 2 down a va
	ip -n host link set eth0 up
	await 2 is UP a va .operstate
}

t_born_without() {
	ns host far a
	wire host eth0 far wire0
	ip -n far link set wire0 down
	vnic host eth0 va a up
	await 2 down a va
	ip -n far link set wire0 up
	await 2 is UP a va .operstate
}

t_traffic_after() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev wire0
	ping_ok a 10.0.0.9
	ip -n host link set eth0 down
	ping_no a 10.0.0.9
	ip -n host link set eth0 up
	ip -n far neigh flush dev wire0
	await 5 ping_ok a 10.0.0.9
}

t_protodown() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	await 2 is UP a va .operstate
	ip -n a link set va protodown on
	await 2 is DOWN a va .operstate
	# A change of the link does not undo it.
	ip -n far link set wire0 down
	ip -n far link set wire0 up
	await 2 is UP host eth0 .operstate
	pause 0.2
	same DOWN "$(link a va .operstate)" 'operstate, link up again'
	ip -n a link set va protodown_reason 3 on
	no ip -n a link set va protodown off
	ip -n a link set va protodown_reason 3 off
	ip -n a link set va protodown off
	await 2 is UP a va .operstate
}

t_stub() {
	# On an etherstub there is always a carrier, whether or not its own interface is up.
	ns host a
	etherstub host s0
	vnic host s0 va a up
	await 2 is UP a va .operstate
	ip -n host link set s0 up
	ip -n host link set s0 down
	pause 0.2
	same UP "$(link a va .operstate)" 'operstate, stub down'
}

t_dormant() {
	# 802.1X and the like on the link: the VNIC waits too.
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	await 2 is UP a va .operstate
	ip -n host link set eth0 mode dormant
	ip -n host link set eth0 state dormant
	await 2 is DORMANT a va .operstate
	ip -n host link set eth0 state up
	await 2 is UP a va .operstate
}

t_stacked() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va host up
	vnic host va vb a up
	await 2 is UP a vb .operstate
	ip -n far link set wire0 down
	await 2 down a vb
	ip -n far link set wire0 up
	await 2 is UP a vb .operstate
	ip -n host link set va down
	await 2 down a vb
	ip -n host link set va up
	await 2 is UP a vb .operstate
}

run t_follow 'SWITCH-1: carrier and state follow the link'
run t_born_without 'SWITCH-1: born on a link without a carrier'
run t_traffic_after 'SWITCH-1: traffic flows again when the link is back'
run t_protodown 'SWITCH-1: protodown, and its reasons'
run t_stub 'SWITCH-3: an etherstub has a carrier'
run t_dormant 'SWITCH-1: a dormant link'
run t_stacked 'SWITCH-1: through a VNIC on a VNIC'
finish
