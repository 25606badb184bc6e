# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: GPL-2.0
#
# VNICs on models of real NICs, wired back to back: $VNIC_NICS has "MODEL:A:B"
# for each pair. A suite for each model sources this file and says "nics MODEL".

. "$(dirname "${BASH_SOURCE[0]}")/vnic.sh"
export FRAMES_QUIET=0.15

# A NIC comes back from a namespace of the test before only when that is gone.
here() { await 10 [ -e "/sys/class/net/$1" ]; }

# take A B: NIC A is in namespace host, NIC B in far, both up.
take() {
	local nic
	ns host far
	for nic; do here "$nic"; done
	ip link set "$1" netns host
	ip link set "$2" netns far
	ip -n host link set "$1" up
	ip -n far link set "$2" up
	await 10 is UP host "$1" .operstate
	await 10 is UP far "$2" .operstate
}

t_traffic() {
	take "$A" "$B"
	ns a b
	vnic host "$A" va a up
	vnic host "$A" vb b up
	await 10 is UP a va .operstate
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n b addr add 10.0.0.2/24 dev vb
	ip -n host addr add 10.0.0.254/24 dev "$A"
	ip -n far addr add 10.0.0.9/24 dev "$B"
	await 5 ping_ok a 10.0.0.9
	ping_ok far 10.0.0.2 -s 1472 -M "do"
	ping_ok a 10.0.0.2
	ping_ok host 10.0.0.1
	ping_ok far 10.0.0.254
	tcp far 10.0.0.9 a 500000
	tcp a 10.0.0.1 far 500000
	tcp b 10.0.0.2 a 500000
	tcp host 10.0.0.254 b 500000
}

t_frames() {
	take "$A" "$B"
	ns a b
	vnic host "$A" va a up
	vnic host "$A" vb b up : vlan 10
	# The NIC filters by address; nobody made it promiscuous.
	same exact "$(link a va .linkinfo.info_data.filter)" filter
	same 0 "$(link host "$A" .promiscuity)" promiscuity
	frames <<-EOF
		at a a va
		at b b vb
		at far far $B promisc
		send a dst=far
		want far=1
		send far dst=a
		want a/host=1
		send b dst=far
		want far:10=1
		send far dst=b vlan=10
		want b/host=1
		# Without a VLAN of its own a VNIC is a trunk.
		send far dst=a vlan=10
		want a:10/host=1
		send far dst=b
		send far dst=02:00:00:00:99:99
		want
		send far
		want a=1
		send far vlan=10
		want b=1
		send a
		want far=1
		send b
		want far:10=1
	EOF
	same 0 "$(link host "$A" .promiscuity)" 'promiscuity at last'
}

t_multicast() {
	take "$A" "$B"
	ns a b
	vnic host "$A" va a up
	vnic host "$A" vb b up
	ip -n a maddr add 01:00:5e:01:01:01 dev va
	sleep 0.2
	frames <<-EOF
		at a a va
		at b b vb
		at host host $A
		at far far $B
		send far dst=01:00:5e:01:01:01
		want a/multicast=1 host=1
		send far dst=02:00:00:00:99:99
		want
		sh ip -n b maddr add 01:00:5e:01:01:01 dev vb
		send far dst=01:00:5e:01:01:01
		want a=1 b=1 host=1
	EOF
}

t_many() {
	# More VNICs than the NIC's filter has places: all of them are reached.
	take "$A" "$B"
	ns a
	local i
	for i in $(seq 24); do
		printf 'link add link %s name v%d netns a address 02:00:00:01:00:%02x up type vnic\n' "$A" "$i" "$i"
	done | ip -n host -batch -
	{
		echo "at far far $B"
		for i in $(seq 24); do echo "at v$i a v$i"; done
		for i in $(seq 24); do echo "send far dst=v$i"; done
		echo want "$(for i in $(seq 24); do echo -n "v$i=1 "; done)"
	} | frames
}

t_mtu() {
	take "$A" "$B"
	ns a
	vnic host "$A" va a up
	ip -n host link set "$A" mtu 4000
	ip -n far link set "$B" mtu 4000
	await 10 is UP host "$A" .operstate
	await 10 is UP far "$B" .operstate
	same 4000 "$(link a va .mtu)" mtu
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev "$B"
	await 10 ping_ok a 10.0.0.9 -s 3972 -M "do"
	ip -n host link set "$A" mtu 1500
	ip -n far link set "$B" mtu 1500
	same 1500 "$(link a va .mtu)" 'mtu again'
	await 10 ping_ok a 10.0.0.9
}

t_carrier() {
	take "$A" "$B"
	ns a
	vnic host "$A" va a up
	await 10 is UP a va .operstate
	ip -n host link set "$A" down
	await 10 sh -c "ip -n a link show dev va | grep -q NO-CARRIER"
	ip -n host link set "$A" up
	await 10 is UP a va .operstate
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev "$B"
	await 10 ping_ok a 10.0.0.9
}

t_timestamps() {
	take "$A" "$B"
	ns a
	vnic host "$A" va a up
	same "$(in_ns host ethtool -T "$A" | sed 1d)" "$(in_ns a ethtool -T va | sed 1d)" 'time stamping'
	same "$(in_ns host ethtool "$A" | grep -E 'Speed|Duplex')" "$(in_ns a ethtool va | grep -E 'Speed|Duplex')" 'link settings'
}

# Hardware time stamps: the VNIC asks its NIC, on the host only. 1 12: packets sent, and PTP v2 events received.
t_hwtstamp() {
	[ "$model" != virtio ] || skip 'virtio has none'
	here "$A"
	ip link set "$A" up
	ip link add link "$A" name vhost up type "$KIND"
	net hwtstamp - vhost 1 12
	same '1 12' "$(net hwtstamp - "$A")" 'of the NIC'
	same '1 12' "$(net hwtstamp - vhost)" 'of the VNIC'
	# Not a matter of a container.
	ns a
	ip link set vhost netns a
	refused 'ENOTSUP|EOPNOTSUPP' net hwtstamp a vhost 0 0
	same '1 12' "$(net hwtstamp a vhost)" 'of the VNIC in a container'
	net hwtstamp - "$A" 0 0
	ip -n a link del vhost
}

t_unplugged() {
	take "$A" "$B"
	ns a b
	vnic host "$A" va a up
	vnic host "$A" vb b up : vlan 10
	vnic a va vc a up
	flood a va 4
	flood far "$B" 4
	sleep 1
	lab-unplug "$A"
	await 10 no ip -n a link show dev va
	no ip -n a link show dev vc
	no ip -n b link show dev vb
	calm
	# What comes back is a new NIC, and takes new VNICs.
	ip netns del host
	lab-plug "$A"
	await 10 [ -e "/sys/class/net/$A" ]
	ns host
	ip link set "$A" netns host
	ip -n host link set "$A" up
	await 10 is UP host "$A" .operstate
	vnic host "$A" va a up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev "$B"
	await 10 ping_ok a 10.0.0.9
}

t_queues() {
	# Every queue of the NIC delivers.
	[ "$model" = virtio ] || skip 'one queue'
	take "$A" "$B"
	local queues
	queues=$(ip netns exec host sh -c "ls -d /sys/class/net/$A/queues/rx-* | wc -l")
	[ "$queues" -gt 1 ] || skip 'one queue'
	ns a
	vnic host "$A" va a up
	ip -n a addr add 10.0.0.1/24 dev va
	ip -n far addr add 10.0.0.9/24 dev "$B"
	await 5 ping_ok a 10.0.0.9
	local i
	for i in 1 2 3 4 5 6; do
		tcp a 10.0.0.1 far 200000 &
	done
	wait
	for i in $(jobs -p); do wait "$i"; done
}

# A console over the network, in interrupts off: the kernel's log leaves by a VNIC, of the VLAN $1.
t_netconsole() {
	local vlan=${1:-} there=$B
	need module:netconsole nc
	[ -d /sys/kernel/config/netconsole ] || mount -t configfs config /sys/kernel/config
	[ -d /sys/kernel/config/netconsole ] || skip 'no netconsole to configure'
	ns far
	here "$A"
	here "$B"
	ip link set "$B" netns far
	ip -n far link set "$B" up
	ip link set "$A" up
	# shellcheck disable=SC2086
	ip link add link "$A" name vcon up type "$KIND" ${vlan:+vlan $vlan}
	[ -z "$vlan" ] || { there=far10; ip -n far link add link "$B" name far10 up type vlan id "$vlan"; }
	await 10 grep -q up /sys/class/net/vcon/operstate
	ip addr add 10.7.0.1/24 dev vcon
	ip -n far addr add 10.7.0.9/24 dev "$there"
	await 10 ping -n -q -c 1 -W 1 10.7.0.9
	in_ns far nc -u -l 10.7.0.9 6666 >"$log.console" &
	await 10 in_ns far grep -q ':1A0A ' /proc/net/udp
	local target=/sys/kernel/config/netconsole/t1
	mkdir "$target"
	echo vcon >"$target"/dev_name
	echo 10.7.0.1 >"$target"/local_ip
	echo 10.7.0.9 >"$target"/remote_ip
	echo 6666 >"$target"/remote_port
	ip netns exec far cat "/sys/class/net/$B/address" >"$target"/remote_mac
	echo 1 >"$target"/enabled || { rmdir "$target"; ip link del vcon; false; }
	echo '<1>over the network' >/dev/kmsg
	local rc=0
	await 5 grep -q 'over the network' "$log.console" || rc=1
	# The VNIC goes while the console is on it.
	ip link del vcon
	same 0 "$(cat "$target"/enabled)" 'enabled, its device gone' || rc=1
	rmdir "$target"
	return "$rc"
}

t_netconsole_vlan() { t_netconsole 10; }

# nics MODEL: the tests of the pairs of one model.
nics() {
	local pair
	for pair in ${VNIC_NICS:-}; do
		IFS=: read -r model A B <<<"$pair"
		[ "$model" = "$1" ] || continue
		run t_traffic "SWITCH-1 SWITCH-8: $model: ping and TCP, by the wire, local and with the host"
		run t_frames "SWITCH-1 SWITCH-5: $model: who gets a frame, VLAN tags on the wire"
		run t_multicast "SWITCH-4: $model: multicast filter"
		run t_many "SWITCH-2: $model: more VNICs than the filter has places"
		run t_mtu "SWITCH-1: $model: MTU"
		run t_carrier "SWITCH-1: $model: carrier"
		run t_timestamps "SWITCH-1: $model: time stamping and link settings"
		run t_hwtstamp "SWITCH-1: $model: hardware time stamps"
		run t_queues "SWITCH-1: $model: several queues"
		run t_netconsole "SWITCH-1: $model: netconsole by a VNIC"
		run t_netconsole_vlan "SWITCH-5: $model: netconsole by a VNIC of a VLAN"
		run t_unplugged "SWITCH-2: $model: unplugged under traffic, and plugged in again"
	done
	[ "$tests" -gt 0 ] || { echo '1..0 # SKIP no such NICs in VNIC_NICS'; exit 4; }
	finish
}
