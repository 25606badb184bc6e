#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Counters are what was sent, by every road on which they can be read.
#
# lab: cpus=1 timeout=120

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# counts NS DEV: rx packets, rx bytes, tx packets, tx bytes.
counts() { ip -n "$1" -s -j link show dev "$2" | jq -r '.[0].stats64 | "\(.rx.packets) \(.rx.bytes) \(.tx.packets) \(.tx.bytes)"'; }
of() { ip -n "$1" -s -j link show dev "$2" | jq -r ".[0].stats64.$3"; }

t_link_counters() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b up
	same '0 0 0 0' "$(counts a va)" 'at first'
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a dst=b count=10 size=100
		want b=10
	EOF
	same '0 0 10 1000' "$(counts a va)" 'sender, unicast'
	same '10 1000 0 0' "$(counts b vb)" 'receiver, unicast'
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a dst=far count=10 size=200
		send far dst=a count=5 size=300
		want far=10 a=5
	EOF
	same '5 1500 20 3000' "$(counts a va)" 'with the wire'
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a count=3 size=100
		send far count=4 size=100
		want far=3 a=4 b=7
	EOF
	same '9 1900 23 3300' "$(counts a va)" 'with broadcast'
	same '17 1700 0 0' "$(counts b vb)" 'receiver, with broadcast'
	[ "$(of a va rx.multicast)" -ge 0 ]
}

t_vlan_bytes() {
	# The tag is not counted inside.
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up : vlan 10
	frames <<-EOF
		at a a va
		at far far wire0
		send far dst=a vlan=10 count=10 size=104
		send a dst=far count=10 size=100
		want a=10 far:10=10
	EOF
	same '10 1000 10 1000' "$(counts a va)" 'rx and tx'
}

t_multicast() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	ip -n a maddr add 01:00:5e:01:01:01 dev va
	local before
	before=$(of a va rx.multicast)
	frames <<-EOF
		at a a va
		at far far wire0
		send far dst=01:00:5e:01:01:01 count=6
		want a=6
	EOF
	same 6 "$(($(of a va rx.multicast) - before))" 'rx multicast'
}

t_drops() {
	ns host a b
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	frames <<-EOF
		at a a va
		at b b vb
		send a dst=02:00:00:00:99:99 count=7
		want
	EOF
	same 7 "$(of a va tx.dropped)" 'tx dropped'
	same '0 0 0 0' "$(counts a va)" 'what was dropped is not sent'
}

t_down() {
	# What was for a VNIC that is down, also for one that was never up; local and from the wire.
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up
	vnic host eth0 vb b
	dropped() { echo "$(of b vb rx.dropped) $(in_ns b ethtool -S vb | sed -n 's/^ *rx_drop_down: //p')"; }
	same '0 0' "$(dropped)" 'at first'
	local to
	to=$(link b vb .address)
	frames <<-EOF
		at a a va
		at far far wire0
		send a dst=$to count=3
		send far dst=$to count=2
		want
	EOF
	same '5 5' "$(dropped)" 'before it was ever up'
	ip -n b link set vb up
	frames <<-EOF
		at a a va
		at b b vb
		send a dst=b count=4
		want b=4
	EOF
	same '5 5' "$(dropped)" 'up'
	same '4 240 0 0' "$(counts b vb)" 'received'
	ip -n b link set vb down
	frames <<-EOF
		at a a va
		at far far wire0
		send a dst=$to
		send far dst=$to
		want
	EOF
	same '7 7' "$(dropped)" 'down again'
	same '4 240 0 0' "$(counts b vb)" 'received, down again'
}

t_stub() {
	# The etherstub's own interface counts what passes the host.
	ns host a
	etherstub host s0
	ip -n host link set s0 up
	vnic host s0 va a up
	frames <<-EOF
		at host host s0
		at a a va
		send host dst=a count=4 size=100
		send a dst=host count=5 size=100
		want a=4 host=5
	EOF
	same '5 500 4 400' "$(counts host s0)" 'of the stub'
}


# qstats NS REQUEST
qstats() {
	in_ns "$1" env PYTHONPATH="$KSRC/tools/net/ynl" python3 "$KSRC/tools/net/ynl/pyynl/cli.py" --no-schema --output-json \
		--spec "$KSRC/Documentation/netlink/specs/netdev.yaml" --dump qstats-get --json "$2"
}

t_qstats() {
	[ -n "${KSRC:-}" ] || skip 'no kernel source'
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	frames <<-EOF
		at a a va
		at far far wire0
		send a dst=far count=10 size=100
		send far dst=a count=5 size=100
		want far=10 a=5
	EOF
	local index
	index=$(link a va .ifindex)
	qstats a "{\"ifindex\": $index}" >"$log.sum"
	same '5 500 10 1000' "$(jq -r '.[0] | "\(."rx-packets") \(."rx-bytes") \(."tx-packets") \(."tx-bytes")"' "$log.sum")" 'sum of the queues'
	qstats a "{\"ifindex\": $index, \"scope\": \"queue\"}" >"$log.queues"
	same '5 10' "$(jq -r '"\(map(."rx-packets" // 0) | add) \(map(."tx-packets" // 0) | add)"' "$log.queues")" 'of each queue, summed up'
}

t_same_everywhere() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	frames <<-EOF
		at a a va
		at far far wire0
		send a dst=far count=11 size=100
		want far=11
	EOF
	local line
	read -ra line < <(in_ns a grep va: /proc/net/dev)
	same 11 "${line[10]}" /proc/net/dev
	same 11 "$(ip netns exec a cat /sys/class/net/va/statistics/tx_packets)" sysfs
	same 11 "$(in_ns a ethtool -S va | sed -n 's/^ *tx_packets: //p')" 'ethtool -S'
}

t_pktgen() {
	# A packet that is sent again and again by its owner cannot be handed on: refused.
	need module:pktgen
	ns host a
	etherstub host s0
	vnic host s0 va a up
	in_ns a sh -c 'echo "add_device va" >/proc/net/pktgen/kpktgend_0' 2>/dev/null || skip 'no pktgen here'
	no in_ns a sh -c 'echo "clone_skb 10" >/proc/net/pktgen/va'
	in_ns a sh -c 'echo "rem_device_all" >/proc/net/pktgen/kpktgend_0'
}

run t_link_counters 'SWITCH-1 SWITCH-4: counters of the link'
run t_vlan_bytes 'SWITCH-5: the tag is not counted'
run t_multicast 'SWITCH-4: multicast is counted'
run t_drops 'SWITCH-3: drops are counted'
run t_down 'SWITCH-2: what is for a VNIC that is down is counted'
run t_stub 'SWITCH-8: counters of an etherstub'
run t_qstats 'SWITCH-1: statistics by queue'
run t_same_everywhere 'SWITCH-1: the same on every road'
run t_pktgen 'SWITCH-1: shared packets are refused'
finish
