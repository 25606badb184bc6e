#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Making, showing, changing and deleting VNICs and etherstubs.
#
# lab: cpus=1 timeout=200

# shellcheck disable=SC2317 # tests are called by run
. "$(dirname "$0")/lib/vnic.sh"

host() {
	ns host far
	wire host eth0 far wire0
}

t_plain() {
	host
	vnic host eth0 v0 host
	same vnic "$(link host v0 .linkinfo.info_kind)" kind
	same eth0 "$(link host v0 .link)" link
	same "$(link host eth0 .mtu)" "$(link host v0 .mtu)" mtu
	# Random: locally administered, unicast, and marked as such.
	local mac
	mac=$(link host v0 .address)
	(((0x${mac%%:*} & 3) == 2)) || { echo "not a random unicast address: $mac"; false; }
	same 1 "$(ip netns exec host cat /sys/class/net/v0/addr_assign_type)" addr_assign_type
	vnic host eth0 v1 host address 02:00:00:00:00:01
	same 02:00:00:00:00:01 "$(link host v1 .address)" address
	same 3 "$(ip netns exec host cat /sys/class/net/v1/addr_assign_type)" addr_assign_type
	no [ "$(link host v0 .address)" = "$(link host v1 .address)" ]
}

t_options() {
	host
	vnic host eth0 v0 host
	same '0 own true 1' "$(link host v0 '.linkinfo.info_data | "\(.vlan) \(.promisc) \(.host) \(.vnics)"')" defaults
	vnic host eth0 v1 host : vlan 10 promisc all
	same '10 all true 2' "$(link host v1 '.linkinfo.info_data | "\(.vlan) \(.promisc) \(.host) \(.vnics)"')" options
	# "host" belongs to the link: said on one VNIC, it is true of all.
	vnic host eth0 v2 host : promisc off host off
	same 'off false 3' "$(link host v2 '.linkinfo.info_data | "\(.promisc) \(.host) \(.vnics)"')" options
	same false "$(link host v0 .linkinfo.info_data.host)" 'host of the link'
	ip -n host -d link show dev v1 | grep -q 'vnic vlan 10 promisc all host off filter [a-z]* vnics 3'
	etherstub host s0
	same 'true 0' "$(link host s0 '.linkinfo.info_data | "\(.host) \(.vnics)"')" etherstub
	etherstub host s1 : host off
	vnic host s1 v3 host
	same 'false 1' "$(link host s1 '.linkinfo.info_data | "\(.host) \(.vnics)"')" etherstub
	same none "$(link host v3 .linkinfo.info_data.filter)" 'filter on an etherstub'
}

t_change() {
	host
	vnic host eth0 v0 host : vlan 10
	ip -n host link set dev v0 type vnic promisc all
	same all "$(link host v0 .linkinfo.info_data.promisc)" promisc
	ip -n host link set dev v0 type vnic host off
	same 'all false' "$(link host v0 '.linkinfo.info_data | "\(.promisc) \(.host)"')" host
	ip -n host link set dev v0 type vnic promisc own host on
	same 'own true' "$(link host v0 '.linkinfo.info_data | "\(.promisc) \(.host)"')" both
	refused 'vlan' ip -n host link set dev v0 type vnic vlan 11
	refused 'vlan' ip -n host link set dev v0 type vnic vlan 11 promisc all
	same '10 own' "$(link host v0 '.linkinfo.info_data | "\(.vlan) \(.promisc)"')" 'after the refusal'
	# The same value is no change.
	ip -n host link set dev v0 type vnic vlan 10
	etherstub host s0
	ip -n host link set dev s0 type etherstub host off
	same false "$(link host s0 .linkinfo.info_data.host)" 'host of an etherstub'
}

t_namespace() {
	host
	ns web
	vnic host eth0 web0 web address 02:00:00:00:00:02 mtu 1400 up
	no ip -n host link show dev web0
	same '02:00:00:00:00:02 1400' "$(link web web0 '"\(.address) \(.mtu)"')" 'made in its namespace'
	same "$(link host eth0 .ifindex)" "$(link web web0 .link_index)" iflink
	[ "$(link web web0 '.link_netnsid')" != null ]
	# A name taken there, free here.
	vnic host eth0 web0 host
	refused 'exists' vnic host eth0 web0 web
}

t_bad_address() {
	host
	refused 'address' vnic host eth0 v0 host address 01:00:5e:00:00:01
	refused 'address' vnic host eth0 v0 host address ff:ff:ff:ff:ff:ff
	refused 'address' vnic host eth0 v0 host address 00:00:00:00:00:00
	refused 'address|lladdr' vnic host eth0 v0 host address 02:00:00:00
	no ip -n host link show dev v0
}

t_duplicate() {
	host
	vnic host eth0 first host address 02:00:00:00:00:01
	refused 'first' vnic host eth0 v1 host address 02:00:00:00:00:01
	no ip -n host link show dev v1
	# The holder may be in another namespace; it is named all the same.
	ns web
	vnic host eth0 second web address 02:00:00:00:00:02
	refused 'second' vnic host eth0 v1 host address 02:00:00:00:00:02
	# The address of the link itself is the host's.
	refused 'eth0' vnic host eth0 v1 host address "$(link host eth0 .address)"
	# One entry for each (address, VLAN), on each switch.
	vnic host eth0 v10 host address 02:00:00:00:00:01 : vlan 10
	refused 'v10' vnic host eth0 v11 host address 02:00:00:00:00:01 : vlan 10
	etherstub host s0
	vnic host s0 onstub host address 02:00:00:00:00:01
	# Free again at once.
	ip -n host link del first
	vnic host eth0 again host address 02:00:00:00:00:01
}

t_duplicate_race() {
	# Deleting the holder frees its address before "ip link del" returns.
	host
	local i
	for i in 1 2 3 4 5 6 7 8; do
		vnic host eth0 v0 host address 02:00:00:00:00:01 up
		ip -n host link del v0
	done
}

t_attributes() {
	host
	refused 'ERANGE|EINVAL' newlink host vnic eth0 v0 1:2=4095
	refused 'ERANGE|EINVAL' newlink host vnic eth0 v0 1:2=65535
	refused 'ERANGE|EINVAL' newlink host vnic eth0 v0 1:1=1
	refused 'ERANGE|EINVAL' newlink host vnic eth0 v0 2:1=3
	refused 'ERANGE|EINVAL' newlink host vnic eth0 v0 3:1=2
	# What can only be read.
	refused 'EINVAL: ?.+' newlink host vnic eth0 v0 4:1=1
	refused 'EINVAL: ?.+' newlink host vnic eth0 v0 5:4=1
	no ip -n host link show dev v0
	newlink host vnic eth0 v0 1:2=4094 2:1=0 3:1=1
	same '4094 off true' "$(link host v0 '.linkinfo.info_data | "\(.vlan) \(.promisc) \(.host)"')" data
	refused 'EINVAL: ?.+' newlink host vnic eth0 +v0 5:4=1
	refused 'ERANGE|EINVAL' newlink host vnic eth0 +v0 2:1=3
	refused 'ERANGE|EINVAL' newlink host etherstub - s0 1:1=2
	refused 'EINVAL: ?.+' newlink host etherstub - s0 2:4=2
	newlink host etherstub - s0 1:1=0
	same false "$(link host s0 .linkinfo.info_data.host)" host
}

t_no_link() {
	host
	refused 'link' ip -n host link add v0 type "$KIND"
	refused 'EINVAL: .*link' newlink host "$KIND" - v0
}

t_bad_lower() {
	host
	refused 'lo( |\.).*(loopback|ethernet)|loopback' vnic host lo v0 host
	need module:tun
	ip -n host tuntap add dev tun0 mode tun
	refused 'ethernet' vnic host tun0 v0 host
	no ip -n host link show dev v0
}

t_busy_lower() {
	host
	ip -n host link add br0 type bridge
	ip -n host link set eth0 master br0
	refused 'br0|bridge' vnic host eth0 v0 host
	ip -n host link set eth0 nomaster
	ip -n host link add mv0 link eth0 type macvlan
	refused 'macvlan|mv0' vnic host eth0 v0 host
	ip -n host link del mv0
	need module:bonding
	ip -n host link add bond0 type bond
	ip -n host link set eth0 down
	ip -n host link set eth0 master bond0
	refused 'bond' vnic host eth0 v0 host
	ip -n host link set eth0 nomaster
	# And the other way: who comes later is refused as long as a VNIC is there.
	vnic host eth0 v0 host
	refused 'busy' ip -n host link set eth0 master br0
	ip -n host link del v0
	ip -n host link set eth0 master br0
}

t_vlan_clash() {
	host
	ip -n host link add link eth0 name eth0.10 type vlan id 10
	refused 'eth0\.10|VLAN 10' vnic host eth0 v0 host : vlan 10
	vnic host eth0 v11 host : vlan 11
	refused 'v11|vlan 11|VLAN 11' ip -n host link add link eth0 name eth0.11 type vlan id 11
	# Another VLAN protocol and another number are no clash.
	ip -n host link add link eth0 name eth0.12 type vlan id 12
	ip -n host link add link eth0 name eth0.s11 type vlan proto 802.1ad id 11
	# A VNIC without a VLAN and VLAN devices live side by side.
	vnic host eth0 v0 host
	ip -n host link del v11
	ip -n host link add link eth0 name eth0.11 type vlan id 11
	ip -n host link del eth0.10
	vnic host eth0 v10 host : vlan 10
}

t_without_plugin() {
	host
	export IP_LIB_DIR=/nonexistent
	ip -n host link add link eth0 name v0 type vnic
	ip -n host link add name s0 type etherstub
	ip -n host link add link s0 name v1 netns far address 02:00:00:00:00:03 mtu 1300 type vnic
	ip -n host -d link show dev v0 | grep -qw vnic
	ip -n far -d link show dev v1 | grep -qw vnic
	ip -n host -d link show dev s0 | grep -qw etherstub
	ip -n host -d -s link show >/dev/null
	refused 'unknown|garbage' ip -n host link add link eth0 name v2 type vnic vlan 10
	ip -n far link set v1 netns host
	ip -n host link del v1
	ip -n host link del s0
	ip -n host link del v0
}

t_delete() {
	host
	ns web
	vnic host eth0 v0 host up
	vnic host eth0 v1 web up
	ip -n host link del v0
	no ip -n host link show dev v0
	ip -n web link del v1
	# Nothing stays on the lower: no handler, no addresses.
	ip -n host link add br0 type bridge
	ip -n host link set eth0 master br0
	ip -n host link set eth0 nomaster
	# The lower takes its VNICs with it, wherever they are.
	etherstub host s0
	vnic host s0 v2 web up
	vnic host s0 v3 host up
	ip -n host link del s0
	no ip -n web link show dev v2
	no ip -n host link show dev v3
}

t_rename() {
	host
	vnic host eth0 v0 host up
	ip -n host link set dev v0 down
	ip -n host link set dev v0 name web0
	same vnic "$(link host web0 .linkinfo.info_kind)" kind
	ip -n host link set dev web0 up
	ip -n host link set dev eth0 down
	ip -n host link set dev eth0 name lan0
	same lan0 "$(link host web0 .link)" 'link after its renaming'
	refused 'web0' vnic host lan0 v1 host address "$(link host web0 .address)"
}

t_many() {
	ns host
	etherstub host s0
	local i
	for i in $(seq 400); do
		echo "link add link s0 name v$i type vnic"
	done | ip -n host -batch -
	same 400 "$(link host s0 .linkinfo.info_data.vnics)" vnics
	same 400 "$(ip -n host -o link show type vnic | wc -l)" 'devices shown'
	# Every random address is another one.
	same 400 "$(ip -n host -j link show type vnic | jq -r '.[].address' | sort -u | wc -l)" addresses
	for i in $(seq 1 2 400); do
		echo "link del v$i"
	done | ip -n host -batch -
	same 200 "$(link host s0 .linkinfo.info_data.vnics)" 'vnics after deleting half'
	ip -n host link del s0
	same 0 "$(ip -n host -o link show type vnic | wc -l)" 'devices left'
}

t_group_delete() {
	# One request that deletes lowers and VNICs together, in any order.
	ns host
	etherstub host s0 group 7
	vnic host s0 v0 host group 7 up
	vnic host s0 v1 host group 7 up
	ip -n host link del group 7
	same 1 "$(ip -n host -o link show | wc -l)" 'devices left besides lo'
}

run t_plain 'SWITCH-2: a VNIC is made with two words; its defaults'
run t_options 'SWITCH-5 SWITCH-6 SWITCH-8: options at creation are shown as given'
run t_change 'SWITCH-6 SWITCH-8: options are changed later, all but the VLAN'
run t_namespace 'SWITCH-2: a VNIC is born in another namespace'
run t_bad_address 'SWITCH-2: multicast, zero and short addresses are refused'
run t_duplicate 'SWITCH-2: a duplicate address is refused, its holder named'
run t_duplicate_race 'SWITCH-2: an address is free as soon as its VNIC is deleted'
run t_attributes 'SWITCH-2: attributes out of range, read-only or unknown are refused'
run t_no_link 'SWITCH-1: a VNIC without a link is refused with a sentence'
run t_bad_lower 'SWITCH-1: loopback and non-Ethernet lowers are refused with a sentence'
run t_busy_lower 'SWITCH-1: a lower that has an owner is refused, its owner named'
run t_vlan_clash 'SWITCH-5: a VLAN device and a VNIC of one VLAN exclude each other'
run t_without_plugin 'SWITCH-2: ip without the plug-in makes, shows, moves and deletes'
run t_delete 'SWITCH-2: deleting leaves nothing; a lower takes its VNICs with it'
run t_rename 'SWITCH-2: VNIC and lower are renamed'
run t_many 'SWITCH-2: 400 VNICs on one switch'
run t_group_delete 'SWITCH-2: lowers and VNICs deleted by one request'
finish
