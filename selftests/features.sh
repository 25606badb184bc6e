#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Offload features and segmentation limits.
#
# lab: cpus=1 timeout=100

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

host() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
}

# feature NS DEV NAME: on, off, with "[fixed]" or not.
feature() { in_ns "$1" ethtool -k "$2" | sed -n "s/^[[:space:]]*$3: //p"; }
has() { same "$1" "$(feature "$2" "$3" "$4" | cut -d ' ' -f 1)" "$4 of $3"; }

t_given() {
	host
	local name
	for name in scatter-gather tx-checksumming tcp-segmentation-offload generic-segmentation-offload highdma; do
		has on a va "$name"
	done
	has off a va large-receive-offload
	etherstub host s0
	vnic host s0 vs a up
	for name in scatter-gather tx-checksumming tcp-segmentation-offload generic-segmentation-offload; do
		has on a vs "$name"
	done
}

t_limits() {
	host
	local limit
	for limit in tso_max_size tso_max_segs; do
		same "$(link host eth0 ".$limit")" "$(link a va ".$limit")" "$limit"
	done
	etherstub host s0
	vnic host s0 vs a up
	# Local frames can be as large as the kernel makes them.
	same 524280 "$(link a vs .tso_max_size)" 'tso_max_size on an etherstub'
}

t_big_tcp() {
	host
	ip -n a link set va gso_max_size 185000 gso_ipv4_max_size 185000 gro_max_size 185000
	same 185000 "$(link a va .gso_max_size)" gso_max_size
	refused 'max|exceed|range|argument' ip -n a link set va gso_max_size 600000
}

t_follow_features() {
	host
	has on a va rx-checksumming
	in_ns host ethtool -K eth0 gro off
	in_ns host ethtool -K eth0 rx off
	await 2 has off a va rx-checksumming
	in_ns host ethtool -K eth0 rx on
	await 2 has on a va rx-checksumming
}

t_own_choice() {
	# What cannot be switched off on the VNIC, because the link does it, is said so; traffic flows.
	host
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev wire0
	in_ns a ethtool -K va tso off gso off tx off sg off gro off rx off || true
	tcp far 10.0.0.9 a 1000000
	in_ns a ethtool -K va tso on gso on tx on sg on gro on rx on || true
	tcp far 10.0.0.9 a 1000000
}

t_lower_without() {
	# The link cannot segment nor checksum: done for the VNIC before it leaves.
	host
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev wire0
	in_ns host ethtool -K eth0 tso off gso off tx off sg off
	watch far wire0 'tcp and src 10.0.0.1 and greater 1000' -vv
	tcp far 10.0.0.9 a 1000000
	await 3 grep -q 'cksum.*(correct)' "$log.wire0"
	no grep 'cksum.*incorrect' "$log.wire0"
	no grep -E 'length (1[6-9]|[2-9][0-9]|[0-9]{3,})[0-9]{2}' "$log.wire0"
}

t_vlan_on_top() {
	host
	ip -n a link add link va name va.5 up type vlan id 5
	local name
	for name in scatter-gather tx-checksumming tcp-segmentation-offload; do
		has on a va.5 "$name"
	done
	ip -n far link add link wire0 name wire0.5 up type vlan id 5
	ip -n a addr add 10.5.0.1/24 dev va.5
	ip -n far addr add 10.5.0.9/24 dev wire0.5
	tcp far 10.5.0.9 a 1000000
}

t_netns() {
	# A VNIC stays in the namespace or moves as its user says: it is not local to one.
	host
	no grep -q 'netns-local: on' <(in_ns a ethtool -k va)
}

run t_given 'LOOP-5: a VNIC offers the offloads that its link and the kernel can do'
run t_limits 'LOOP-5: segmentation limits are those of the link'
run t_big_tcp 'LOOP-5: BIG TCP can be asked for, up to the limit'
run t_follow_features 'LOOP-5: a feature that the link loses and regains'
run t_own_choice 'LOOP-5: features asked for on the VNIC'
run t_lower_without 'LOOP-5: what the link cannot do is done before'
run t_vlan_on_top 'LOOP-5: offloads of a VLAN device on a VNIC'
run t_netns 'LOOP-5: not local to a namespace'
finish
