#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tracepoints and drop reasons.
#
# lab: cpus=1 timeout=100

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

tracing=/sys/kernel/tracing
[ -e $tracing/events ] || mount -t tracefs trace $tracing

# traced EVENT... -- COMMAND...: what these events wrote meanwhile, in $log.trace.
traced() {
	local events=() event
	while [ "$1" != -- ]; do
		events+=("$1")
		shift
	done
	shift
	echo >"$tracing"/trace
	for event in "${events[@]}"; do
		echo 1 >"$tracing/events/$event/enable"
	done
	"$@" || { for event in "${events[@]}"; do echo 0 >"$tracing/events/$event/enable"; done; return 1; }
	for event in "${events[@]}"; do
		echo 0 >"$tracing/events/$event/enable"
	done
	grep -v '^#' "$tracing"/trace >"$log.trace" || true
}

t_there() {
	local event
	for event in vnic_rx vnic_xmit vnic_drop; do
		[ -e "$tracing/events/vnic/$event/format" ]
	done
}

local_frame() {
	frames <<-EOF
		at a a va
		at b b vb
		send a dst=b
		want b=1
	EOF
}

wire_frames() {
	frames <<-EOF
		at a a va
		at far far wire0
		send a dst=far
		send far dst=a
		want far=1 a=1
	EOF
}

missed_frame() {
	frames <<-EOF
		at a a va
		at b b vb
		send a dst=02:00:00:00:99:99
		want
	EOF
}

t_fire() {
	ns host a b far
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	traced vnic/vnic_rx vnic/vnic_xmit vnic/vnic_drop -- local_frame
	same 1 "$(grep -c 'vnic_xmit: .*dev=va' "$log.trace")" 'xmit events'
	same 1 "$(grep -c 'vnic_rx: .*dev=vb' "$log.trace")" 'rx events'
	no grep vnic_drop "$log.trace"
	traced vnic/vnic_drop -- missed_frame
	same 1 "$(grep -c 'vnic_drop: .*dev=va.*reason=tx_miss' "$log.trace")" 'drop events'
	# Switched off they are silent.
	echo >"$tracing"/trace
	local_frame
	no grep vnic "$tracing"/trace
}

t_fire_wire() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	traced vnic/vnic_rx vnic/vnic_xmit -- wire_frames
	same 1 "$(grep -c 'vnic_xmit: .*dev=va other=eth0' "$log.trace")" 'xmit events'
	same 1 "$(grep -c 'vnic_rx: .*dev=va other=eth0' "$log.trace")" 'rx events'
}

t_drop_reason() {
	# Every dropped packet says why, in the core's terms; what arrives does not look dropped.
	ns host a b
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	traced skb/kfree_skb -- missed_frame
	grep -q 'kfree_skb: .*reason: ' "$log.trace"
	no grep 'kfree_skb: .*reason: NOT_SPECIFIED' "$log.trace"
}

run t_there 'SWITCH-1: the tracepoints exist'
run t_fire 'SWITCH-1 SWITCH-3: they fire for a frame between VNICs, and for a miss'
run t_fire_wire 'SWITCH-1: and for frames to and from the wire'
run t_drop_reason 'SWITCH-3: a dropped packet has a reason'
finish
