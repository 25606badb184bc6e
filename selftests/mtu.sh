#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The MTU of a VNIC: bounded by its link, and following it.
#
# lab: cpus=1 timeout=100

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

host() {
	ns host far a
	wire host eth0 far wire0
}

t_default() {
	host
	ip -n host link set eth0 mtu 1400
	vnic host eth0 va a
	same 1400 "$(link a va .mtu)" mtu
	vnic host eth0 vb a mtu 1300
	same 1300 "$(link a vb .mtu)" mtu
	vnic host eth0 vc a mtu 1400
	same 1400 "$(link a vc .mtu)" mtu
}

t_limit() {
	host
	refused '1500' vnic host eth0 va a mtu 1501
	refused '1500' vnic host eth0 va a mtu 9000
	vnic host eth0 va a
	refused 'greater than|1500' ip -n a link set va mtu 1501
	refused 'less than|min|68' ip -n a link set va mtu 67
	same 1500 "$(link a va .mtu)" 'after the refusal'
	same 1500 "$(link a va .max_mtu)" 'the limit shown'
	ip -n a link set va mtu 68
	ip -n a link set va mtu 1500
	ip -n host link set eth0 mtu 9000
	same 9000 "$(link a va .max_mtu)" 'the limit shown, later'
	refused 'greater than|9000' ip -n a link set va mtu 9001
}

t_follow() {
	host
	vnic host eth0 va a
	vnic host eth0 vb a mtu 1400
	vnic host eth0 vc host mtu 1500
	ip -n host link set eth0 mtu 1300
	same '1300 1300 1300' "$(link a va .mtu) $(link a vb .mtu) $(link host vc .mtu)" 'mtu, lower at 1300'
	ip -n host link set eth0 mtu 1450
	same '1450 1400 1450' "$(link a va .mtu) $(link a vb .mtu) $(link host vc .mtu)" 'mtu, lower at 1450'
	ip -n host link set eth0 mtu 9000
	# What was asked for by number is not exceeded; what was not follows.
	same '9000 1400 1500' "$(link a va .mtu) $(link a vb .mtu) $(link host vc .mtu)" 'mtu, lower at 9000'
	# A number asked for later counts from then on.
	ip -n a link set va mtu 2000
	ip -n host link set eth0 mtu 1500
	ip -n host link set eth0 mtu 9000
	same 2000 "$(link a va .mtu)" 'mtu asked for'
}

t_vlan() {
	host
	vnic host eth0 va a up : vlan 10
	same 1500 "$(link a va .mtu)" mtu
	ip -n far link add link wire0 name wire0.10 up type vlan id 10
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev wire0.10
	ping_ok a 10.0.0.9 -s 1472 -M "do"
	no in_ns a ping -n -q -c 1 -W 1 -s 1473 -M "do" 10.0.0.9
}

t_stub() {
	ns host a b
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	same 1500 "$(link a va .mtu)" mtu
	refused '1500' vnic host s0 vc a mtu 9000
	ip -n host link set s0 mtu 9000
	same 9000 "$(link a va .mtu)" 'mtu, etherstub at 9000'
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ping_ok a 10.0.0.2 -s 8972 -M "do"
	ip -n host link set s0 mtu 1500
	same 1500 "$(link b vb .mtu)" 'mtu, etherstub at 1500'
	ping_ok a 10.0.0.2 -s 1472 -M "do"
}

t_stacked() {
	# A change goes through a VNIC on a VNIC and a VLAN device on top.
	host
	vnic host eth0 va host
	vnic host va vb a
	ip -n a link add link vb name vb.5 type vlan id 5
	ip -n host link set eth0 mtu 1300
	same '1300 1300' "$(link host va .mtu) $(link a vb .mtu)" mtu
	same 1300 "$(link a vb.5 .mtu)" 'mtu of the VLAN device'
	ip -n host link set eth0 mtu 1500
	same '1500 1500' "$(link host va .mtu) $(link a vb .mtu)" 'mtu again'
}

run t_default 'SWITCH-1: a VNIC has the MTU of its link, or the one asked for'
run t_limit 'SWITCH-1: beyond the limit is refused with a sentence'
run t_follow 'SWITCH-1: the MTU follows the link down and up again'
run t_vlan 'SWITCH-5: a VLAN takes nothing from the MTU'
run t_stub 'SWITCH-1: the MTU of an etherstub'
run t_stacked 'SWITCH-1: the MTU of what is stacked'
finish
