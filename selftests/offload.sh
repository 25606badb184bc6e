#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Large packets stay large and unfinished checksums unfinished where nobody needs them done.
#
# lab: cpus=1 timeout=150

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# Large packets however slow the machine is: without it their size follows the round trip time.
large_segments() { in_ns "$1" sysctl -qw net.ipv4.tcp_tso_rtt_log=30; }

two_on_stub() {
	ns host a b
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	large_segments a
}

on_wire() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n far addr add 10.0.0.9/24 dev wire0
	large_segments a
}

# enters NS DEV FILTER: the headers of what comes in there, in $log.DEV.
enters() { watch "$@" -vv -s 120 -Q in; }

# The largest packet that was watched.
largest() { sed -n 's/.*[, (]length \([0-9]*\).*/\1/p' "$log.$1" | sort -n | tail -n 1; }

larger() { # NUMBER DEV: something larger was watched
	local size
	size=$(largest "$2")
	[ "${size:-0}" -gt "$1" ] || { echo "the largest on $2 was ${size:-none}"; return 1; }
}

t_whole_local() {
	two_on_stub
	enters b vb 'tcp and src 10.0.0.1'
	tcp b 10.0.0.2 a 2000000
	await 3 larger 20000 vb
}

t_whole_local_nic() {
	on_wire
	enters b vb 'tcp and src 10.0.0.1'
	tcp b 10.0.0.2 a 2000000
	await 3 larger 20000 vb
}

t_checksum_left() {
	# tcpdump calls "incorrect" what has not been computed.
	two_on_stub
	watch b vb 'tcp and src 10.0.0.1 and greater 200' -vv -Q in
	tcp b 10.0.0.2 a 200000
	await 3 grep -q 'cksum.*incorrect' "$log.vb"
	no grep -q 'cksum.*(correct)' "$log.vb"
}

t_whole_to_wire() {
	# The other end of a veth takes packets as they are: the VNIC did not cut them.
	on_wire
	enters far wire0 'tcp and src 10.0.0.1'
	tcp far 10.0.0.9 a 2000000
	await 3 larger 20000 wire0
}

t_whole_vlan() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	vnic host eth0 vb b up : vlan 10
	ip -n far link add link wire0 name wire10 up type vlan id 10
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n far addr add 10.0.0.9/24 dev wire10
	large_segments a
	enters far wire10 'tcp and src 10.0.0.1'
	enters b vb 'tcp and src 10.0.0.1'
	tcp far 10.0.0.9 a 2000000
	tcp b 10.0.0.2 a 2000000
	await 3 larger 20000 wire10
	await 3 larger 20000 vb
}

t_gro() {
	# What the link's GRO put together reaches the VNIC whole.
	on_wire
	in_ns far ethtool -K wire0 tso off gso off
	in_ns host ethtool -K eth0 gro on
	enters a va 'tcp and src 10.0.0.9'
	tcp a 10.0.0.1 far 4000000
	await 3 larger 2800 va
}

t_udp_segments() {
	on_wire
	udp() { net udp "$@"; }
	udp b 10.0.0.2 a 1000 40
	udp far 10.0.0.9 a 1000 40
	udp a 10.0.0.1 far 1000 40
	# Whole between VNICs.
	enters b vb 'udp and src 10.0.0.1'
	udp b 10.0.0.2 a 1000 40
	await 3 larger 20000 vb
}

t_big_tcp() {
	two_on_stub
	ip -n a link set va gso_max_size 185000 gso_ipv4_max_size 185000 gro_max_size 185000 gro_ipv4_max_size 185000
	ip -n b link set vb gso_max_size 185000 gso_ipv4_max_size 185000 gro_max_size 185000 gro_ipv4_max_size 185000
	in_ns a sysctl -qw net.ipv4.tcp_wmem='4096 4000000 8000000'
	in_ns b sysctl -qw net.ipv4.tcp_rmem='4096 4000000 8000000'
	watch b vb tcp -e -s 120 -Q in
	in_ns b iperf3 -s -1 -D >/dev/null
	await 5 in_ns b sh -c 'ss -Hltn sport = 5201 | grep -q .'
	# Large writes: small ones make small packets.
	in_ns a iperf3 -c 10.0.0.2 -n 60M >/dev/null
	await 5 grep -qE 'length ([7-9][0-9]{4}|[0-9]{6})' "$log.vb"
}

t_vxlan() {
	on_wire
	ip -n a link add vx0 up type vxlan id 5 remote 10.0.0.2 local 10.0.0.1 dstport 4789
	ip -n b link add vx0 up type vxlan id 5 remote 10.0.0.1 local 10.0.0.2 dstport 4789
	ip -n a link add vx1 up type vxlan id 6 remote 10.0.0.9 local 10.0.0.1 dstport 4789
	ip -n far link add vx1 up type vxlan id 6 remote 10.0.0.1 local 10.0.0.9 dstport 4789
	ip -n a addr add 10.1.0.1/24 dev vx0
	ip -n b addr add 10.1.0.2/24 dev vx0
	ip -n a addr add 10.2.0.1/24 dev vx1
	ip -n far addr add 10.2.0.9/24 dev vx1
	enters b vb 'udp port 4789 and src 10.0.0.1'
	tcp b 10.1.0.2 a 2000000
	tcp far 10.2.0.9 a 2000000
	tcp a 10.2.0.1 far 2000000
	# A tunnelled packet is not cut between VNICs, either.
	await 3 larger 20000 vb
}

t_without() {
	# A receiver that does not want large packets from the wire does not harm.
	on_wire
	in_ns a ethtool -K va gro off rx off
	in_ns host ethtool -K eth0 gro off
	tcp a 10.0.0.1 far 1000000
	tcp a 10.0.0.1 b 1000000
}

t_forwarded() {
	# A router between a VNIC and the wire: large packets go through whole, and
	# are cut where the MTU is smaller.
	ns host far a r
	etherstub host s0
	wire host eth0 far wire0
	vnic host s0 va a up
	vnic host s0 vr0 r up
	vnic host eth0 vr1 r up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n r addr add 10.0.0.254/24 dev vr0
	ip -n r addr add 10.1.0.254/24 dev vr1
	ip -n far addr add 10.1.0.9/24 dev wire0
	ip -n a route add default via 10.0.0.254
	ip -n far route add default via 10.1.0.254
	in_ns r sysctl -qw net.ipv4.ip_forward=1
	large_segments a
	enters far wire0 'tcp and src 10.0.0.1'
	tcp far 10.1.0.9 a 1000000
	tcp a 10.0.0.1 far 1000000
	await 3 larger 10000 wire0
	in_ns r ethtool -K vr1 tso off gso off
	tcp far 10.1.0.9 a 1000000
}

run t_whole_local 'LOOP-5: large TCP packets stay whole from VNIC to VNIC on an etherstub'
run t_whole_local_nic 'LOOP-5: and on a NIC'
run t_checksum_left 'LOOP-5: no checksum is computed between VNICs'
run t_whole_to_wire 'LOOP-5: large packets are left to the link'
run t_whole_vlan 'LOOP-5 SWITCH-5: also in a VLAN'
run t_gro 'LOOP-5: what GRO merged reaches the VNIC whole'
run t_udp_segments 'LOOP-5: UDP segmentation'
run t_big_tcp 'LOOP-5: BIG TCP'
run t_vxlan 'LOOP-5: VXLAN over a VNIC'
run t_without 'LOOP-5: without GRO and checksum offload'
run t_forwarded 'LOOP-5: forwarded by a router between two VNICs'
finish
