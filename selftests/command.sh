#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command vnic: what it shows, sets and tells, its words when something is wrong, its exit status.
#
# lab: cpus=1 timeout=200

# shellcheck disable=SC2317 # tests are called by run
# What is built in, and no more.
PERMISSIVE=
. "$(dirname "$0")/lib/vnic.sh"
need vnic

# Two links in a namespace called host, which the command runs in, and a VNIC of the same name in each of two containers.
world() {
	ns host web db
	ip -n host link add name nic0 up type dummy
	etherstub host stub0
	vnic host nic0 eth0 web address 02:00:00:00:00:01 : vlan 10
	vnic host nic0 eth0 db address 02:00:00:00:00:02
	vnic host stub0 v0 host address 02:00:00:00:00:03 : promisc all poll ring ring-size 4096
}

host() { in_ns host vnic "$@"; }

# status WANTED COMMAND…: its exit status.
status() {
	local wanted=$1 got=0
	shift
	"$@" || got=$?
	same "$wanted" "$got" "status of $*"
}

t_show() {
	world
	host show
	same 'eth0 web nic0 10 02:00:00:00:00:01 1500 down own' \
		"$(host show -j web/eth0 | jq -r '.[0] | "\(.name) \(.netns) \(.link) \(.vlan) \(.address) \(.mtu) \(.state) \(.promisc)"')" JSON
	same 'v0 null stub0 all' "$(host show -j v0 | jq -r '.[0] | "\(.name) \(.netns) \(.link) \(.promisc)"')" 'one that is here'
	same 'auto 1024 1' "$(host show -j web/eth0 | jq -r '.[0] | "\(.poll) \(.ring_size) \(.rings)"')" 'rings as they come'
	same 'ring:4096' "$(host show -po poll,ring_size v0)" 'rings as ip made them'
	same "$(host show -j v0)" "$(host show -j "$(host show -j v0 | jq '.[0].id')")" 'by its number'
	same 3 "$(host show -j | jq length)" 'all of them'
	same 2 "$(host show --link nic0 -j | jq length)" 'those of a link'
	same 'web:eth0:02\:00\:00\:00\:00\:01' "$(host show -p -o netns,name,address web/eth0)" 'for scripts'
	same 'v0::stub0:0' "$(host show -po name,netns,link,vlan v0)" 'nothing is empty'
	[[ $(host show v0 | head -n 1) =~ ^NAME\ +NETNS\ +LINK ]]
	same "$(host show -j | jq .)" "$(host show -jp)" 'JSON for the eye'
	# The container's own view.
	same 'eth0 null null' "$(in_ns web vnic show -j | jq -r '.[] | "\(.name) \(.netns) \(.link)"')" 'from inside'
}

t_links() {
	world
	same 'nic0 nic true promisc 2
stub0 etherstub true none 1' "$(host link -j | jq -r '.[] | "\(.name) \(.kind) \(.host) \(.filter) \(.vnics)"' | sort)" links
	host link set nic0 host off
	same 'nic0:off' "$(host link show -po name,host nic0)" host
	same false "$(link web eth0 .linkinfo.info_data.host)" 'as ip shows it'
	host link set nic0 host on
	same on "$(host link show -po host nic0)" 'host again'
}

t_set() {
	world
	host set web/eth0 mtu 1400 up address 02:00:00:00:00:11 promisc off
	same '1400 02:00:00:00:00:11 off' "$(link web eth0 '"\(.mtu) \(.address) \(.linkinfo.info_data.promisc)"')" 'the device'
	link web eth0 '.flags[]' | grep -qx UP
	host set web/eth0 poll inline ring-size 64
	same 'inline 64' "$(link web eth0 '.linkinfo.info_data | "\(.poll) \(.ring_size)"')" 'rings, as ip shows them'
	same inline:64 "$(host show -po poll,ring_size web/eth0)" 'rings, as it shows them'
	in_ns host ip -d link show dev v0 | grep -q 'poll ring ring-size 4096'
	ip -n host link set dev v0 type vnic poll auto ring-size 65536
	same auto:65536 "$(host show -po poll,ring_size v0)" 'rings, as ip set them'
	in_ns host ethtool -G v0 rx 128
	same 128 "$(host show -po ring_size v0)" 'as ethtool set it'
	same '1400:up' "$(host show -po mtu,state web/eth0)" 'as it shows it'
	host set "$(host show -po id db/eth0)" down mtu 1300
	same 1300 "$(link db eth0 .mtu)" 'by its number'
	# All or nothing.
	local taken
	taken=$(link host nic0 .address)
	refused "$taken is the address of nic0" host set db/eth0 mtu 1200 up address "$taken"
	refused '1500' host set db/eth0 address 02:00:00:00:00:99 mtu 9000
	refused '1500' host set db/eth0 poll ring ring-size 64 mtu 9000
	same '1300 02:00:00:00:00:02 down auto 1024' \
		"$(host show -j db/eth0 | jq -r '.[0] | "\(.mtu) \(.address) \(.state) \(.poll) \(.ring_size)"')" 'after the refusals'
}

t_refusals() {
	world
	refused 'eth0 may be any of web/eth0, db/eth0' host set eth0 up
	refused 'no VNIC nobody' host show nobody
	refused 'no link lo' host link set lo host off
	refused '1500' host set v0 mtu 9000
	refused 'colour' host set v0 colour blue
	refused 'ring-size is a number from 64 to 65536, not "63"' host set v0 ring-size 63
	refused 'poll is one of auto, inline, ring, not "often"' host set v0 poll often
	refused 'CAP_NET_ADMIN|no policy grants' in_ns web vnic set eth0 mtu 1400
	refused 'no field "size"' host show -po size
	status 1 in_ns web vnic set eth0 mtu 1400
	status 2 host set v0 colour blue
	status 2 host set nobody up
	status 2 host --nonsense
	same '' "$(in_ns web vnic set eth0 mtu 1400 2>/dev/null)" 'nothing of it on standard output'
	# Whoever reads no further is no mistake of ours.
	host show | head -n 1 >/dev/null
	same 0 "${PIPESTATUS[0]}" 'status when the reader goes'
}

t_stats() {
	world
	ip -n web link set eth0 up
	ip -n web addr add 192.0.2.1/24 dev eth0
	ping_no web 192.0.2.9
	ip -n web link set eth0 down
	same "$(in_ns web ethtool -S eth0 | sed -n 's/^ *//p' | grep ': ' | sort)" \
		"$(host stats -j web/eth0 | jq -r '.[0] | del(.id, .name, .netns) | to_entries[] | "\(.key): \(.value)"' | sort)" 'as ethtool -S has them'
	(($(host stats -po tx_packets web/eth0) > 0))
	same 3 "$(host stats -j | jq length)" 'of all'
}

t_monitor() {
	local flip=0
	world
	in_ns host vnic monitor -j >"$log.events" &
	# Until it listens.
	until [ -s "$log.events" ]; do
		flip=$((1 - flip))
		host set db/eth0 mtu $((1300 + flip))
		pause 0.1
	done
	host set web/eth0 mtu 1400
	vnic host stub0 v1 host
	ip -n host link del v1
	host link set nic0 host off
	await 5 grep -q '"link":{' "$log.events"
	same 'changed eth0 1400
new v1 1500
gone v1 1500
changed nic0 null' "$(jq -r 'select(.vnic.netns != "db") | "\(.event) \(.vnic.name // .link.name) \(.vnic.mtu)"' "$log.events")" events
}

t_make() {
	ns host web
	ip -n host link add name nic0 up type dummy
	host link add stub0
	host add stub0 v0 address 02:00:00:00:00:03
	host add nic0 eth0 netns web vlan 10 address 02:00:00:00:00:01 mtu 1400 promisc off poll inline ring-size 65536 up
	same 'web:eth0:nic0:10:02\:00\:00\:00\:00\:01:1400:up:off:inline:65536' \
		"$(host show -po netns,name,link,vlan,address,mtu,state,promisc,poll,ring_size web/eth0)" 'one that was made'
	refused 'ip netns add nowhere' host add nic0 v1 netns nowhere
	refused 'no device nic9' host add nic9 v1
	refused 'name of the new vnic is taken' host add stub0 v0
	refused '4095' host add stub0 v1 vlan 4095
	refused 'no etherstub' host link del nic0
	# Also in another namespace; all or none.
	refused 'no VNIC v9' host del web/eth0 v9
	same 2 "$(host show -j | jq length)" 'none was deleted'
	host del web/eth0 v0
	same 0 "$(host show -j | jq length)" 'both were deleted'
	host link del stub0
	no ip -n host link show dev stub0
}

t_policies() {
	local id
	world
	id=$(host policy add -po id web/eth0 owner mtu 1280-1450)
	host policy add web/eth0 netns web ip 192.0.2.0/24 quota 2
	host policy add --link nic0 user 4000000001 vnics quota 4
	same 'web/eth0:owner:mtu:1280-1450:
web/eth0:netns web:ip:192.0.2.0/24:2' "$(host policy show -po scope,subject,param,permits,quota web/eth0)" 'of a VNIC'
	same 'link nic0:user 4000000001:vnics:any:4' "$(host policy show -po scope,subject,param,permits,quota --link nic0)" 'of a link'
	host policy | says '^1 +built-in'
	same allowed "$(host why -po answer web/eth0 mtu 1300 as owner)" 'as owner'
	status 1 host why web/eth0 mtu 1200 as owner
	# Whose status that was.
	same "denied:$id:1280-1450" "$(host why -po answer,id,permits web/eth0 mtu 1200 as owner || true)" 'as owner, too small'
	status 0 host why web/eth0 ip 192.0.2.1 as netns web
	status 1 host why web/eth0 ip 198.51.100.1 as netns web
	status 2 host why web/eth0 colour
	status 1 host why web/eth0 rings 1 as owner
	no in_ns web vnic set eth0 poll ring
	same rings:1 "$(host why --last -po param,value web/eth0)" 'rings, denied'
	host policy add db/eth0 owner rings
	status 0 host why db/eth0 rings 1 as owner
	in_ns db vnic set eth0 poll ring ring-size 128
	ip -n db link set dev eth0 type vnic poll inline
	same inline:128 "$(host show -po poll,ring_size db/eth0)" 'rings, by the owner'
	status 0 host why --link nic0 vnics as user 4000000001
	status 1 in_ns web vnic why eth0 mtu 1200
	refused 'last' host why --link nic0 --last
	# What was denied.
	no ip -n web link set eth0 mtu 1200
	same "web/eth0:mtu:1200:owner:web:$id" "$(host denied -po vnic,param,value,subject,netns,policy | tail -n 1)" 'one request'
	same 1200 "$(host why --last -po value web/eth0)" 'the last one'
	refused 'no request for db/eth0' host why --last db/eth0
	same 2 "$(host show -j web/eth0 | jq '.[0].denied')" 'counted'
	host policy add db/eth0 name vm1 mtu
	host set db/eth0 mtu 1300 --as vm1
	no host set db/eth0 address 02:00:00:00:00:99 --as vm1
	host policy del "$id"
	status 1 host policy del "$id"
	status 1 host why web/eth0 mtu 1300 as owner
}

t_document() {
	local text=/tmp/vnic-test.toml
	world
	host policy add web/eth0 owner mtu 1280-1450
	host policy add --link nic0 user 4000000001 vnics quota 4
	host set db/eth0 mtu 1400 poll ring ring-size 2048 up
	host set web/eth0 mtu 1450
	host export "$text"
	cat "$text"
	same 'nothing to change' "$(host apply --prune "$text")" 'as it is'
	# Everything comes back.
	host del db/eth0 web/eth0 v0
	host link del stub0
	host apply --dry-run "$text"
	same 0 "$(host show -j | jq length)" 'nothing was done'
	host apply "$text"
	host export | cmp - "$text"
	same '02\:00\:00\:00\:00\:02:1400:up:ring:2048' "$(host show -po address,mtu,state,poll,ring_size db/eth0)" 'one that came back'
	# Changes, and what is not named.
	vnic host stub0 v1 host
	host set web/eth0 down mtu 1300
	same "~ vnic web/eth0 mtu 1500, was mtu 1300" "$(host apply <(printf '[[link]]\nname = "nic0"\npolicies = ["user 4000000001 vnics quota 4"]\n[[vnic]]\nlink = "nic0"\nname = "eth0"\nnetns = "web"\nvlan = 10\nmtu = 1500\npolicies = ["owner mtu 1280-1450"]\n'))" 'a change'
	host set web/eth0 poll ring ring-size 64
	same '~ vnic web/eth0 mtu 1450 poll auto ring-size 1024, was mtu 1500 poll ring ring-size 64' "$(host apply "$text")" 'rings too'
	host apply --prune "$text"
	refused 'no VNIC v1' host show v1
	# All of it or nothing, made devices too.
	printf '[[vnic]]\nlink = "stub0"\nname = "v2"\n[[vnic]]\nlink = "nic0"\nname = "x0"\nmtu = 9000\n' | cat "$text" - >"$text.bad"
	refused 'x0: MTU 9000 is above 1500' host apply "$text.bad"
	host export | cmp - "$text"
	# What is for life, and what is missing.
	sed 's/vlan = 10/vlan = 11/' "$text" >"$text.bad"
	refused 'VLAN is for life' host apply "$text.bad"
	sed 's/netns = "web"/netns = "nowhere"/' "$text" >"$text.bad"
	refused 'ip netns add nowhere' host apply "$text.bad"
	echo 'colour = 1' >"$text.bad"
	refused 'colour' host apply "$text.bad"
	status 2 host apply "$text.bad"
	rm -f "$text" "$text.bad"
}

t_doctor() {
	world
	ip -n host link set nic0 up
	host doctor
	same ok "$(host doctor -j | jq -r '.[] | select(.what | contains("family answers")) | .status')" 'the family'
	ip -n host link set nic0 down
	refused 'ip link set nic0 up' host doctor
	status 1 host doctor
}

t_pages() {
	env vnic man /tmp
	[ -s /tmp/vnic.1 ]
	[ -s /tmp/vnic-policy-add.1 ]
	[ ! -e /tmp/vnic-man.1 ]
	rm -f /tmp/vnic.1 /tmp/vnic-*.1
	env vnic completions bash >/tmp/vnic.bash
	bash -n /tmp/vnic.bash
}

t_no_module() {
	world
	rmmod vnic
	status 3 env vnic show
	refused 'not loaded' env vnic show
	refused 'not loaded' env vnic doctor
	load_module
}

run t_show 'CTCFG-1: VNICs are shown, wherever they are, as table, JSON and for scripts'
run t_links 'CTCFG-1: links are shown and changed'
run t_set 'CTCFG-4: a VNIC in a container is changed from the host, all or nothing'
run t_refusals 'CTCFG-2: sentences, and an exit status for each kind of trouble'
run t_stats 'SWITCH-1: counters'
run t_monitor 'CTCFG-4: events'
run t_make 'CTCFG-1: VNICs and etherstubs are made and deleted, wherever they are'
run t_policies 'CTCFG-1: policies, why, and what was denied'
run t_document 'CTCFG-1: a document is written and applied, all or nothing'
run t_doctor 'CTCFG-1: what is wrong, and its cure'
run t_pages 'CTCFG-1: manual pages and completions'
run t_no_module 'CTCFG-1: the module is not there'
finish
