#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What ethtool says of a VNIC.
#
# lab: cpus=1 timeout=100

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

host() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
}

t_driver() {
	host
	in_ns a ethtool -i va | grep -qx 'driver: vnic'
	in_ns a ethtool -i va | grep -q '^version: .'
	etherstub host s0
	in_ns host ethtool -i s0 | grep -qx 'driver: etherstub'
}

t_link() {
	host
	same "$(in_ns host ethtool eth0 | grep -E 'Speed|Duplex')" "$(in_ns a ethtool va | grep -E 'Speed|Duplex')" 'link settings'
	in_ns a ethtool va | grep -q 'Link detected: yes'
	ip -n far link set wire0 down
	await 2 sh -c "nsenter --net=/run/netns/a ethtool va | grep -q 'Link detected: no'"
}

t_timestamps() {
	host
	same "$(in_ns host ethtool -T eth0 | sed 1d)" "$(in_ns a ethtool -T va | sed 1d)" 'time stamping'
	in_ns a ethtool -T va | grep -q software-transmit
	etherstub host s0
	vnic host s0 vs a up
	in_ns a ethtool -T vs | grep -q software-receive
}

# stat NS DEV NAME
stat() { in_ns "$1" ethtool -S "$2" | sed -n "s/^ *$3: //p"; }

t_statistics() {
	host
	ns b
	vnic host eth0 vb b up
	frames <<-EOF
		at a a va
		at b b vb
		at far far wire0
		send a dst=b count=5
		send a dst=far count=3
		send a count=2
		send far dst=a count=4
		send b dst=a count=6
		send far count=1
		want a=11 b=8 far=5
	EOF
	local name
	for name in "rx_packets 11" "rx_local 6" "rx_group 1" "tx_packets 10" "tx_group 2" "rx_drop_down 0" "tx_drop_miss 0"; do
		same "${name#* }" "$(stat a va "${name% *}")" "${name% *}"
	done
	same 660 "$(stat a va rx_bytes)" rx_bytes
	same 600 "$(stat a va tx_bytes)" tx_bytes
	# Names are there once each.
	same '' "$(in_ns a ethtool -S va | sort | uniq -d)" 'names that are there twice'
}

t_statistics_stub() {
	ns host a b
	etherstub host s0
	vnic host s0 va a up
	vnic host s0 vb b up
	frames <<-EOF
		at a a va
		at b b vb
		send a dst=02:00:00:00:99:99 count=7
		want
		send a dst=b count=3
		want b=3
	EOF
	same 7 "$(stat a va tx_drop_miss)" tx_drop_miss
	same 3 "$(stat a va tx_local)" tx_local
	same 3 "$(stat b vb rx_local)" rx_local
}

t_channels() {
	# One ring for each queue that the link receives by: a dummy has one.
	host
	same 1 "$(in_ns a ethtool -l va | sed -n 's/^Combined:[[:space:]]*//p' | tail -n 1)" "of a dummy"
	vnic host eth0 vr a up numrxqueues 4 numtxqueues 4
	same "4 4" "$(in_ns a ethtool -l vr | sed -n 's/^Combined:[[:space:]]*//p' | xargs)" "most and now"
	in_ns a ethtool -L vr combined 2
	same "4 2" "$(in_ns a ethtool -l vr | sed -n 's/^Combined:[[:space:]]*//p' | xargs)" "most and now, fewer"
	if in_ns a ethtool -L vr combined 5; then same refused taken "more than it has"; fi
	in_ns a ethtool -L vr combined 3
	same "4 3" "$(in_ns a ethtool -l vr | sed -n 's/^Combined:[[:space:]]*//p' | xargs)" "most and now, more"
}

run t_driver 'SWITCH-1: who it is'
run t_link 'SWITCH-1: speed and duplex of the link'
run t_timestamps 'SWITCH-1: time stamping of the link'
run t_statistics 'SWITCH-1: statistics by name'
run t_statistics_stub 'SWITCH-3: statistics on an etherstub'
run t_channels 'SWITCH-1: channels'
finish
