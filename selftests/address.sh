#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Addresses: changing them, duplicates, more than one, and what is told to the lower device.
#
# lab: cpus=1 timeout=200

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

# A lower that filters by address: a VLAN device (veth has no filter).
filtering() {
	ns host far
	wire host cable far wire0
	ip -n host link add link cable name eth0 up type vlan id 2
	ip -n far link add link wire0 name wire2 up type vlan id 2
}

# holds NS DEV ADDRESS: whether the device was asked to receive it.
holds() { in_ns "$1" bridge fdb show dev "$2" | grep -qi "^$3 "; }
lacks() { ! holds "$@"; }

t_change() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up address 02:00:00:00:00:01
	vnic host eth0 vb b up
	frames <<-EOF
		mac old 02:00:00:00:00:01
		mac new 02:00:00:00:00:11
		at a a va
		at b b vb
		at far far wire0
		send b dst=old
		send far dst=old
		want a=2
		sh ip -n a link set va address 02:00:00:00:00:11
		send b dst=new
		send far dst=new
		want a/host=2
		send b dst=old
		want far=1
		send far dst=old
		want
	EOF
	same 3 "$(ip netns exec a cat /sys/class/net/va/addr_assign_type)" addr_assign_type
	# Down as well, and the old one is free for another.
	ip -n a link set va down
	ip -n a link set va address 02:00:00:00:00:21
	vnic host eth0 vc b address 02:00:00:00:00:11
	refused 'va' vnic host eth0 vd b address 02:00:00:00:00:21
	ip -n a link set va up
}

t_change_duplicate() {
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up address 02:00:00:00:00:01
	vnic host eth0 vb b address 02:00:00:00:00:02
	refused 'vb' ip -n a link set va address 02:00:00:00:00:02
	refused 'va' ip -n b link set vb address 02:00:00:00:00:01
	refused 'eth0' ip -n a link set va address "$(link host eth0 .address)"
	same 02:00:00:00:00:01 "$(link a va .address)" 'after the refusal'
	frames <<-EOF
		at a a va
		at far far wire0
		send far dst=a
		want a=1
	EOF
	# To what it is already.
	ip -n a link set va address 02:00:00:00:00:01
}

t_change_bad() {
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up address 02:00:00:00:00:01
	no ip -n a link set va address 01:00:5e:00:00:01
	no ip -n a link set va address 00:00:00:00:00:00
	no ip -n a link set va address ff:ff:ff:ff:ff:ff
	same 02:00:00:00:00:01 "$(link a va .address)" 'after the refusal'
}

t_lower_change() {
	# The address of the link changes: not to one that a VNIC has, if that can be told.
	ns host far a b
	wire host eth0 far wire0
	vnic host eth0 va a up address 02:00:00:00:00:01
	ip -n host link set eth0 address 02:00:00:00:00:77
	frames <<-EOF
		mac new 02:00:00:00:00:77
		at a a va
		at far far wire0
		at lower host eth0
		send far dst=a
		want lower=1 a=1
		send far dst=new
		want lower/host=1
	EOF
	refused 'eth0' vnic host eth0 vb b address 02:00:00:00:00:77
}

t_told_to_lower() {
	filtering
	ns a b
	vnic host eth0 va a up address 02:00:00:00:00:01
	vnic host eth0 vb b up address 02:00:00:00:00:02
	await 2 holds host eth0 02:00:00:00:00:01
	await 2 holds host eth0 02:00:00:00:00:02
	same exact "$(link a va .linkinfo.info_data.filter)" filter
	same 0 "$(link host eth0 .promiscuity)" 'promiscuity of the lower'
	ip -n a link set va address 02:00:00:00:00:11
	await 2 holds host eth0 02:00:00:00:00:11
	await 2 lacks host eth0 02:00:00:00:00:01
	ip -n b link del vb
	await 2 lacks host eth0 02:00:00:00:00:02
	frames <<-EOF
		at a a va
		at far far wire2
		at lower host eth0
		send far dst=a
		want lower=1 a=1
	EOF
	same 0 "$(link host eth0 .promiscuity)" 'promiscuity of the lower at last'
}

t_no_filter() {
	# veth has no address filter: the core makes it promiscuous, and it shows.
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	await 2 is promisc a va .linkinfo.info_data.filter
	ip -n host link set eth0 promisc on
	ip -n host link set eth0 promisc off
	frames <<-EOF
		at a a va
		at far far wire0
		send far dst=a
		want a=1
	EOF
}

t_told_promisc() {
	# A lower that filters, but was made promiscuous by somebody: it shows too.
	filtering
	ns a
	vnic host eth0 va a up
	same exact "$(link a va .linkinfo.info_data.filter)" filter
	ip -n host link set eth0 promisc on
	same promisc "$(link a va .linkinfo.info_data.filter)" filter
	ip -n host link set eth0 promisc off
	same exact "$(link a va .linkinfo.info_data.filter)" filter
}

t_extra() {
	# Unicast addresses added to the VNIC are its own.
	filtering
	ns a b
	vnic host eth0 va a up
	vnic host eth0 vb b up
	in_ns a bridge fdb add 02:00:00:00:00:aa dev va self permanent
	await 2 holds host eth0 02:00:00:00:00:aa
	frames <<-EOF
		mac extra 02:00:00:00:00:aa
		at a a va
		at b b vb
		at far far wire2
		send far dst=extra
		want a=1
		send b dst=extra
		want a=1
	EOF
	in_ns a bridge fdb del 02:00:00:00:00:aa dev va self
	await 2 lacks host eth0 02:00:00:00:00:aa
	frames <<-EOF
		mac extra 02:00:00:00:00:aa
		at a a va
		at b b vb
		at far far wire2
		send b dst=extra
		want far=1
	EOF
}

t_extra_duplicate() {
	# An address that somebody has: refused where the kernel lets refuse, without effect where not.
	ns host far a b c
	wire host eth0 far wire0
	vnic host eth0 va a up address 02:00:00:00:00:01
	vnic host eth0 vb b up address 02:00:00:00:00:02
	vnic host eth0 vc c up
	refused 'vb' in_ns a bridge fdb add 02:00:00:00:00:02 dev va self permanent
	in_ns a bridge fdb add 02:00:00:00:00:aa dev va self permanent
	pause 0.2
	refused 'va' in_ns b bridge fdb add 02:00:00:00:00:aa dev vb self permanent
	refused 'va' vnic host eth0 vd c address 02:00:00:00:00:aa
	# A macvlan on top says nothing that could be refused.
	ip -n a link add link va name mva up address 02:00:00:00:00:bb type macvlan
	pause 0.2
	ip -n b link add link vb name mvb up address 02:00:00:00:00:bb type macvlan
	pause 0.2
	frames <<-EOF
		mac extra 02:00:00:00:00:aa
		mac top 02:00:00:00:00:bb
		at a a va
		at b b vb
		at c c vc
		send c dst=b
		want b=1
		send c dst=extra
		want a=1
		send c dst=top
		want a=1
	EOF
	# When the first lets go, another can have it.
	ip -n a link del mva
	ip -n b link del mvb
	pause 0.2
	ip -n b link add link vb name mvb up address 02:00:00:00:00:bb type macvlan
	pause 0.2
	frames <<-EOF
		mac top 02:00:00:00:00:bb
		at a a va
		at b b vb
		at c c vc
		send c dst=top
		want b=1
	EOF
}

t_multicast_told() {
	filtering
	ns a b
	vnic host eth0 va a up
	vnic host eth0 vb b up
	ip -n a maddr add 01:00:5e:01:01:01 dev va
	ip -n b maddr add 01:00:5e:01:01:01 dev vb
	await 2 holds host eth0 01:00:5e:01:01:01
	ip -n a maddr del 01:00:5e:01:01:01 dev va
	pause 0.2
	holds host eth0 01:00:5e:01:01:01
	ip -n b maddr del 01:00:5e:01:01:01 dev vb
	await 2 lacks host eth0 01:00:5e:01:01:01
	ip -n a maddr add 01:00:5e:01:01:02 dev va
	await 2 holds host eth0 01:00:5e:01:01:02
	ip -n a link del va
	await 2 lacks host eth0 01:00:5e:01:01:02
	# Allmulti is passed on, and taken back.
	ip -n b link set vb allmulticast on
	await 2 is 1 host eth0 .allmulti
	ip -n b link set vb allmulticast off
	await 2 is 0 host eth0 .allmulti
	same 0 "$(link host eth0 .promiscuity)" 'promiscuity of the lower'
}

t_many() {
	# 200 VNICs: all in the filter of the lower, and gone with them.
	ns host far
	wire host cable far wire0
	ip -n host link add link cable name eth0 up type vlan id 2
	local i
	for i in $(seq 200); do
		printf 'link add link eth0 name v%d up address 02:00:00:01:00:%02x type vnic\n' "$i" "$i"
	done | ip -n host -batch -
	pause 0.3
	same 200 "$(in_ns host bridge fdb show dev eth0 | grep -c '^02:00:00:01:00:' || true)" 'addresses told to the lower'
	for i in $(seq 200); do
		echo "link del v$i"
	done | ip -n host -batch -
	pause 0.3
	same 0 "$(in_ns host bridge fdb show dev eth0 | grep -c '^02:00:00:01:00:' || true)" 'addresses left'
}

t_extra_many() {
	# A thousand extra addresses of one VNIC, then every other one less.
	ns host far a
	wire host eth0 far wire0
	vnic host eth0 va a up
	local i hex=()
	for i in $(seq 1000); do
		printf -v "hex[i]" '02:00:00:02:%02x:%02x' $((i / 256)) $((i % 256))
	done
	printf 'fdb add %s dev va self permanent\n' "${hex[@]}" | in_ns a bridge -batch -
	frames <<-EOF
		at a a va
		at far far wire0
		send far dst=${hex[1]}
		send far dst=${hex[1000]}
		want a=2
	EOF
	for i in $(seq 1 2 999); do echo "fdb del ${hex[i]} dev va self"; done | in_ns a bridge -batch -
	frames <<-EOF
		at a a va
		at far far wire0
		send far dst=${hex[1]}
		send far dst=${hex[999]}
		want
		send far dst=${hex[2]}
		send far dst=${hex[1000]}
		want a=2
	EOF
}

run t_change 'SWITCH-2: the address of a VNIC is changed, up and down'
run t_change_duplicate 'SWITCH-2: not to an address that somebody has; the holder is named'
run t_change_bad 'SWITCH-2: not to a multicast, broadcast or zero address'
run t_lower_change 'SWITCH-8: the address of the lower changes'
run t_told_to_lower 'SWITCH-4: the lower is told the addresses, and is not made promiscuous'
run t_no_filter 'SWITCH-4: a lower without an address filter is promiscuous, and it can be read'
run t_told_promisc 'SWITCH-4: how the lower filters can be read'
run t_extra 'SWITCH-2: extra unicast addresses are the VNIC'"'"'s own'
run t_extra_duplicate 'SWITCH-2: the first holder of an extra address wins'
run t_multicast_told 'SWITCH-4: joins and leaves reach the lower, counted'
run t_many 'SWITCH-2: the addresses of 200 VNICs'
run t_extra_many 'SWITCH-2: a thousand extra addresses of one VNIC'
finish
