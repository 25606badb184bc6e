#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command vnic: what it shows, sets and tells, its words when something is wrong, its exit status.
#
# lab: cpus=1 timeout=300

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
	host set web/eth0 cpus 0 hw-rings auto
	same '0:auto' "$(host show -po cpus,hw_rings web/eth0)" 'CPUs and queues of the NIC, as it shows them'
	same '0 auto' "$(link web eth0 '.linkinfo.info_data | "\(.cpus) \(.hw_rings)"')" 'as ip shows them'
	refused 'has no rules for queues' host set web/eth0 hw-rings on
	refused 'CPU 65535 is not within' host set web/eth0 cpus 65535
	host set web/eth0 cpus any hw-rings off
	same 'null off' "$(host show -j web/eth0 | jq -r '.[0] | "\(.cpus) \(.hw_rings)"')" 'without'
	ip -n host link set dev v0 type vnic cpus 0
	same 0 "$(host show -po cpus v0)" 'as ip set them'
	ip -n host link set dev v0 type vnic cpus any
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
	refused 'cpus is a list like 0-3,8, or any, not "all"' host set v0 cpus all
	refused 'hw-rings is one of off, auto, on, not "1"' host set v0 hw-rings 1
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

t_flows() {
	local text=/tmp/vnic-flows.toml first second
	world
	in_ns host vnic monitor -j --count 3 >"$log.events" &
	# Until it listens.
	until [ -s "$log.events" ]; do
		host flow add web/eth0 probe remote-port 7 protocol udp
		host flow del web/eth0 probe
		pause 0.1
	done
	host flow add web/eth0 probe
	host flow del web/eth0 probe
	wait
	host flow add web/eth0 web rank 10 protocol tcp local-port 80 ring 0
	host flow add web/eth0 dns protocol udp remote-port 53
	host flow add v0 six remote-ip 2001:db8::/32
	host flow show
	same 'web/eth0:web:10:protocol tcp local-port 80:0
web/eth0:dns:0:protocol udp remote-port 53:' "$(host flow show web/eth0 -po vnic,name,rank,match,ring)" 'of a VNIC'
	same 3 "$(host flow -j | jq length)" 'all of them'
	same '0:0:0:0' "$(host flow show v0 -s -po rx_packets,tx_bytes,rx_drops,tx_drops)" 'what it counted'
	same 'new flow probe web/eth0
gone flow probe web/eth0' "$(jq -r '"\(.event) flow \(.flow.name) \(.flow.vnic)"' "$log.events" | sort -ru)" events
	refused 'eth0 has a flow dns already' host flow add web/eth0 dns dscp 1
	refused 'flow dns matches the same' host flow add web/eth0 other protocol udp remote-port 53
	refused 'ports need protocol' host flow add web/eth0 other local-port 53
	refused 'no flow nobody' host flow del web/eth0 dns nobody
	status 2 host flow add web/eth0 other colour blue
	# The owner may look, no more.
	same 'dns' "$(in_ns web vnic flow -po name | tail -n 1)" 'from inside'
	refused 'manager' in_ns web vnic flow add eth0 mine
	status 1 in_ns web vnic flow del eth0 dns
	status 1 host why web/eth0 flows as owner
	refused 'flows' host policy add web/eth0 owner flows
	# A document: they come back, in the order that it has, and nothing else does.
	host export "$text"
	same 'nothing to change' "$(host apply "$text")" 'as it is'
	first=$(host flow show -po vnic,name,rank,match,ring | sort)
	host flow del web/eth0 web dns
	host flow add web/eth0 extra dscp 46
	same '- flow web/eth0 extra dscp 46
+ flow web/eth0 dns protocol udp remote-port 53
+ flow web/eth0 web rank 10 protocol tcp local-port 80 ring 0' "$(host apply "$text")" 'what was done'
	second=$(host flow show -po vnic,name,rank,match,ring | sort)
	same "$first" "$second" 'they are back'
	host del web/eth0
	host apply "$text"
	same "$first" "$(host flow show -po vnic,name,rank,match,ring | sort)" 'with a VNIC that was made'
	host export | cmp - "$text"
	host flow del web/eth0 web dns
	same 1 "$(host flow -j | jq length)" 'one is left'
	rm -f "$text"
}

t_limits() {
	local text=/tmp/vnic-limits.toml limited
	world
	host set web/eth0 maxbw 50M rx-maxpps 1000 limit-delay 10ms priority high
	same 'maxbw 50M rx-maxpps 1000 limit-delay 10ms priority high' "$(host show -po limits web/eth0)" 'as it shows them'
	host show web/eth0 | says 'maxbw 50M rx-maxpps 1000 limit-delay 10ms priority high +[0-9]+$'
	host show v0 | says ' - +[0-9]+$'
	limited='50000000 50000000 1000 0 10000 100 high'
	same "$limited" "$(host show -j web/eth0 | jq -r '.[0] | "\(.rx_maxbw) \(.tx_maxbw) \(.rx_maxpps) \(.tx_maxpps) \(.limit_delay) \(.share) \(.priority)"')" 'plain numbers'
	same '50000000 1000 null 10000 100 high' \
		"$(link web eth0 '.linkinfo.info_data | "\(.tx_maxbw) \(.rx_maxpps) \(.tx_maxpps) \(.limit_delay) \(.share) \(.priority)"')" 'as ip shows them'
	ip -n web -d link show dev eth0 | says 'maxbw 50M rx-maxpps 1000 limit-delay 10ms priority high'
	ip -n host link set dev v0 type vnic rx-maxbw 1.5Gbit maxpps 7 limit-delay 1s
	same '1500000000:0:7:7:1000000:100:medium' "$(host show -po rx_maxbw,tx_maxbw,rx_maxpps,tx_maxpps,limit_delay,share,priority v0)" 'as ip set them'
	# Inside they can be seen, no more.
	same 'maxbw 50M rx-maxpps 1000 limit-delay 10ms priority high' "$(in_ns web vnic show -po limits eth0)" 'from inside'
	refused 'only the manager of nic0 sets limits of eth0' in_ns web vnic set eth0 maxbw none
	refused 'only the manager of nic0 sets limits of eth0' ip -n web link set dev eth0 type vnic maxbw 60M
	same limits:1 "$(host why --last -po param,value web/eth0)" 'what was denied'
	status 1 host why web/eth0 limits as owner
	refused 'limits' host policy add web/eth0 owner limits
	# All or nothing.
	refused '1500' host set web/eth0 maxbw 1M mtu 9000
	refused 'maxbw is a rate from 8K to 1T bits a second, like 50M or 100mbit, or none, not "5"' host set v0 maxbw 5
	refused 'share is a number from 1 to 1000, not "1001"' host set v0 share 1001
	refused 'rx-maxbw is one setting too many' host set v0 maxbw 1M rx-maxbw 2M
	same "$limited" "$(host show -po rx_maxbw,tx_maxbw,rx_maxpps,tx_maxpps,limit_delay,share,priority web/eth0 | tr : ' ')" 'after the refusals'
	host set v0 maxbw none maxpps none limit-delay 5ms
	same '' "$(host show -po limits v0)" 'none'
	# A VNIC is born with them.
	host add stub0 v1 tx-maxbw 8K share 100
	same 'tx-maxbw 8K' "$(host show -po limits v1)" 'of a new one'
	ip -n host link add link stub0 name v2 type vnic maxbw 12.5MBps priority low
	same 'maxbw 100M priority low' "$(host show -po limits v2)" 'of one that ip made'
	host del v1 v2
}

t_shares() {
	world
	same 'vnic: warning: share 200 of v0 has no effect: stub0 has no wire' "$(host set v0 share 200 2>&1)" 'on an etherstub'
	same 'vnic: warning: share 200 of eth0 has no effect: nic0 has no maxbw' "$(host set web/eth0 share 200 2>&1)" 'without a maxbw'
	same 'vnic: warning: priority of eth0 has no effect: nic0 has no maxbw' "$(host set db/eth0 priority high 2>&1)" 'the same'
	same '' "$(host set db/eth0 priority medium 2>&1)" 'as all have it'
	same 'vnic: warning: share 7 of v1 has no effect: stub0 has no wire' "$(host add stub0 v1 share 7 2>&1)" 'of a new one'
	ip -n host link set dev v1 type vnic share 8 2>&1 | says 'Warning: vnic: share 8 of v1 has no effect: stub0 has no wire'
	ip -n host link add link nic0 name v2 type vnic share 9 2>&1 | says 'Warning: vnic: share 9 of v2 has no effect: nic0 has no maxbw'
	host del v1 v2
	host doctor | says '^warn shares or priorities without effect, nic0 has no maxbw: web/eth0; vnic link set nic0 maxbw RATE$'
	host doctor | says '^warn shares or priorities without effect, stub0 has no wire: v0; vnic set NAME share 100 priority medium$'
	host link set nic0 maxbw 2G
	host link show nic0 | says ' 2G$'
	same 2000000000 "$(host link -j show nic0 | jq '.[0].maxbw')" 'a plain number'
	host link show stub0 | says ' none$'
	same '' "$(host set web/eth0 share 300 2>&1)" 'with a maxbw'
	same '' "$(host set db/eth0 priority low 2>&1)" 'with a maxbw'
	no says 'without effect, nic0' <<<"$(host doctor)"
	same 'vnic: warning: share 300 of eth0 has no effect: nic0 has no maxbw' "$(host link set nic0 maxbw none 2>&1)" 'when it goes'
	refused 'stub0 has no wire that a maxbw could be of' host link set stub0 maxbw 1M
	refused 'maxbw is a rate' host link set nic0 maxbw 1
	refused 'CAP_NET_ADMIN' in_ns host setpriv --bounding-set -all --inh-caps -all --ambient-caps -all --reuid 65534 --clear-groups vnic link set nic0 maxbw 1M
}

t_flow_limits() {
	world
	host flow add web/eth0 web protocol tcp maxbw 5M priority low
	host flow add web/eth0 dns protocol udp
	same 'maxbw 5M priority low
' "$(host flow show web/eth0 -po limits)
" 'as it shows them'
	same 'vnic: warning: priority of flow other has no effect: no maxbw' "$(host flow add web/eth0 other priority high dscp 1 2>&1)" 'a priority'
	host doctor | says '^warn priorities of flows without effect, their links have no maxbw: web/eth0 web, web/eth0 other; vnic link set LINK maxbw RATE, or'
	host link set nic0 maxbw 1G
	same '' "$(host flow set web/eth0 other priority low 2>&1)" 'with a maxbw'
	no says 'priorities of flows without effect' <<<"$(host doctor)"
	host link set nic0 maxbw none
	host flow set web/eth0 other priority vnic
	same '' "$(host flow show web/eth0 -po name,limits | sed -n 's/^other://p')" 'as its VNIC'
	host flow del web/eth0 other
	host flow show web/eth0 | says 'protocol tcp +- +maxbw 5M priority low$'
	same '5000000 5000000 0 0 5000 null low' \
		"$(host flow show web/eth0 -j | jq -r '.[0] | "\(.rx_maxbw) \(.tx_maxbw) \(.rx_maxpps) \(.tx_maxpps) \(.limit_delay) \(.share) \(.priority)"')" 'plain numbers'
	host flow set web/eth0 web rx-maxbw none limit-delay 20ms
	same 'tx-maxbw 5M limit-delay 20ms priority low' "$(host flow show web/eth0 -po limits | head -n 1)" 'changed'
	refused 'no flow nobody' host flow set web/eth0 nobody maxbw none
	refused 'unknown word "share"' host flow set web/eth0 web share 5
	refused 'unknown word "ring"' host flow set web/eth0 web ring 5
	refused 'maxbw is a rate' host flow set web/eth0 web maxbw 1
	refused 'sets flows of eth0' in_ns web vnic flow set eth0 web maxbw none
}

t_limits_document() {
	local text=/tmp/vnic-limits.toml
	world
	host set web/eth0 maxbw 50M rx-maxpps 1000 limit-delay 10ms priority high
	host flow add web/eth0 web protocol tcp maxbw 5M
	host link set nic0 maxbw 2G
	host set web/eth0 share 200
	host export "$text"
	cat "$text"
	grep -qx 'limits = "maxbw 50M rx-maxpps 1000 limit-delay 10ms share 200 priority high"' "$text"
	grep -qx 'limits = "none"' "$text"
	grep -qx 'maxbw = "2G"' "$text"
	same 'nothing to change' "$(host apply --prune "$text" 2>&1)" 'as it is'
	host set web/eth0 maxbw none share 100 tx-maxpps 7
	host set v0 maxbw 1M
	host flow set web/eth0 web maxbw none priority low
	host link set nic0 maxbw 1G
	same '~ link nic0 maxbw 2G, was maxbw 1G
~ vnic web/eth0 maxbw 50M tx-maxpps none share 200, was maxbw none tx-maxpps 7 share 100
~ flow web/eth0 web maxbw 5M priority vnic, was maxbw none priority low
~ vnic v0 maxbw none, was maxbw 1M' "$(host apply "$text" 2>&1)" 'what was done'
	host export | cmp - "$text"
	# They come back with what was deleted, and without a word: the link gets its maxbw, too.
	host del web/eth0 db/eth0
	host apply "$text" >"$log.said" 2>&1
	no grep -q warning "$log.said"
	host export | cmp - "$text"
	# Without that, what has no effect is named; all of it.
	sed 's/maxbw 5M"/maxbw 5M priority low"/; s/^maxbw = "2G"/maxbw = "none"/; s/^limits = "none"/limits = "share 7"/' "$text" >"$text.less"
	host apply "$text.less" 2>"$log.said"
	same 'vnic: warning: share 7 of db/eth0 has no effect: nic0 has no maxbw
vnic: warning: priority of flow web of web/eth0 has no effect: nic0 has no maxbw
vnic: warning: share 200 of web/eth0 has no effect: nic0 has no maxbw
vnic: warning: share 7 of v0 has no effect: stub0 has no wire' "$(cat "$log.said")" 'warnings'
	host export | cmp - "$text.less"
	# All of it or nothing.
	printf '[[vnic]]\nlink = "nic0"\nname = "x0"\nmtu = 9000\n' | cat "$text" - >"$text.bad"
	refused 'x0: MTU 9000 is above 1500' host apply "$text.bad"
	host export | cmp - "$text.less"
	sed 's/^limits = "share 7"/limits = "maxbw 1"/' "$text.less" >"$text.bad"
	refused 'VNIC db/eth0: maxbw is a rate' host apply "$text.bad"
	rm -f "$text" "$text".*
}

# Pools are those of the first namespace, where the links of their VNICs are: this test goes on there.
leave_pools() {
	local name
	[ ! -e /sys/class/net/pnic0 ] || ip link del pnic0
	for name in $(vnic pool show -po name); do vnic pool del "$name"; done
	vnic pool set host limit "$1"
	ip netns del pweb
}

t_pools() {
	local text=/tmp/vnic-pools.toml whole flip=0
	# It is taken for the function of the suite.
	unset -f vnic
	whole=$(vnic pool show host -po limit)
	((whole > 64 << 20))
	ip netns add pweb
	# shellcheck disable=SC2064 # now
	trap "leave_pools $whole; leave_test" EXIT
	ip link add name pnic0 up type dummy
	vnic add pnic0 eth0 netns pweb address 02:00:00:00:00:01
	vnic pool set host limit 64M
	vnic pool add web limit 8M threshold 100
	vnic pool add db limit 1024K
	vnic pool show
	same 'db:1048576:0:0
web:8388608:100:0' "$(vnic pool show -po name,limit,threshold,vnics)" pools
	same "host $((64 << 20)) $((9 << 20)) $((55 << 20)) 2 0" \
		"$(vnic pool show host -j | jq -r '.[0] | "\(.name) \(.limit) \(.used) \(.left) \(.pools) \(.draining)"')" 'the host pool'
	# What is refused, by whom it may.
	refused 'there is a pool web already' vnic pool add web limit 1M
	refused '57671680 are left' vnic pool add more limit 1G
	refused 'not within 1048576' vnic pool add more limit 4K
	refused 'limit is a number of bytes' vnic pool add more limit 4Q
	refused 'has no threshold' vnic pool set host threshold 1
	refused 'less than the 9437184' vnic pool set host limit 8M
	refused 'no pool nobody' vnic pool show nobody
	refused 'no pool nobody' vnic pool del nobody
	refused 'no pool nobody' vnic set pweb/eth0 pool nobody
	refused 'a name of|the name of a pool' vnic set pweb/eth0 pool 1234567890123456
	refused 'first namespace' ip netns exec pweb vnic pool show
	refused 'first namespace' ip netns exec pweb vnic pool add mine limit 1M
	status 2 vnic pool add host limit 1M
	status 2 vnic pool add more size 1M
	# VNICs that use them.
	vnic set pweb/eth0 pool web mtu 1400
	same 'web:1400' "$(vnic show -po pool,mtu pweb/eth0)" 'as it shows it'
	same web "$(link pweb eth0 .linkinfo.info_data.pool)" 'as ip shows it'
	ip -n pweb -d link show dev eth0 | says 'pool web'
	same 1 "$(vnic pool show web -po vnics)" 'how many are in it'
	refused 'pool web has 1 VNICs, eth0' vnic pool del web
	status 1 ip netns exec pweb vnic set eth0 pool db
	status 1 vnic why pweb/eth0 pool as owner
	refused 'pool' vnic policy add pweb/eth0 owner pool
	same pool:1 "$(vnic why --last -po param,value pweb/eth0)" 'what was denied'
	ip link add link pnic0 name v1 type vnic pool db
	same db "$(vnic show -po pool v1)" 'made by ip'
	ip link set dev v1 type vnic pool none
	same '' "$(vnic show -po pool v1)" 'taken out by ip'
	same null "$(link_here v1 .linkinfo.info_data.pool)" 'as ip shows none'
	ip link set dev v1 type vnic pool web
	vnic set v1 pool none
	same 1 "$(vnic pool show web -po vnics)" 'one is out again'
	ip link del v1
	# What happens is told.
	vnic monitor -j >"$log.events" &
	until [ -s "$log.events" ]; do
		flip=$((1 - flip))
		vnic set pweb/eth0 mtu $((1300 + flip))
		pause 0.1
	done
	vnic pool add new limit 2M
	vnic pool set new limit 1M threshold 7
	vnic pool set host limit 32M
	vnic pool del new
	await 5 grep -q '"gone"' "$log.events"
	same 'new new 2097152 0
changed new 1048576 7
changed host 33554432 null
gone new 0 7' "$(jq -r 'select(.pool) | "\(.event) \(.pool.name) \(.pool.limit) \(.pool.threshold)"' "$log.events")" events
	# A document: they come back before the VNICs that use them.
	vnic export "$text"
	cat "$text"
	same 'nothing to change' "$(vnic apply --prune "$text")" 'as it is'
	vnic del pweb/eth0
	vnic pool del web
	vnic pool set db limit 3M
	vnic pool add new limit 2M
	vnic pool set host limit 64M
	same '~ pool db limit 1M threshold 0, was limit 3M threshold 0
+ pool web limit 8M threshold 100
~ pool host limit 32M, was limit 64M' "$(vnic apply --dry-run "$text" | grep pool | grep -v vnic)" 'what would be done'
	same 2 "$(vnic pool -j | jq length)" 'nothing was done'
	vnic apply --prune "$text"
	vnic export | cmp - "$text"
	same 'db:1048576 web:8388608' "$(vnic pool -po name,limit | xargs)" 'pools that came back, and no other'
	# One that is left goes with the last VNIC in it.
	sed '/name = "web"/,/threshold/d; s/pool = "web"/pool = "none"/' "$text" | grep -v '^\[\[pool\]\]$' | sed 's/^name = "db"/[[pool]]\n&/' >"$text.less"
	same '~ vnic pweb/eth0 pool none, was pool web
- pool web' "$(vnic apply --prune "$text.less")" 'a pool that nobody is in'
	vnic apply "$text"
	# All of it or nothing: pools, too.
	sed 's/8M/9M/; s/32M/40M/' "$text" >"$text.bad"
	printf '[[pool]]\nname = "more"\nlimit = "1M"\n[[vnic]]\nlink = "pnic0"\nname = "x0"\npool = "more"\nmtu = 9000\n' >>"$text.bad"
	refused 'x0: MTU 9000 is above 1500' vnic apply "$text.bad"
	vnic export | cmp - "$text"
	sed 's/8M/60M/' "$text" >"$text.bad"
	refused 'pool web: 62914560 bytes' vnic apply "$text.bad"
	vnic export | cmp - "$text"
	rm -f "$text" "$text".*
}

# The same of a device of this namespace.
link_here() { ip -d -j link show dev "$1" | jq -r ".[0] | $2"; }

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
	host set db/eth0 mtu 1400 poll ring ring-size 2048 cpus 0 hw-rings auto up
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
	same '02\:00\:00\:00\:00\:02:1400:up:ring:2048:0:auto' "$(host show -po address,mtu,state,poll,ring_size,cpus,hw_rings db/eth0)" 'one that came back'
	# Changes, and what is not named.
	vnic host stub0 v1 host
	host set web/eth0 down mtu 1300
	same "~ vnic web/eth0 mtu 1500, was mtu 1300" "$(host apply <(printf '[[link]]\nname = "nic0"\npolicies = ["user 4000000001 vnics quota 4"]\n[[vnic]]\nlink = "nic0"\nname = "eth0"\nnetns = "web"\nvlan = 10\nmtu = 1500\npolicies = ["owner mtu 1280-1450"]\n'))" 'a change'
	host set web/eth0 poll ring ring-size 64 cpus 0 hw-rings auto
	same '~ vnic web/eth0 mtu 1450 poll auto ring-size 1024 cpus any hw-rings off, was mtu 1500 poll ring ring-size 64 cpus 0 hw-rings auto' "$(host apply "$text")" 'rings too'
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
run t_flows 'CTCFG-1: flows are shown, added, deleted, told, and a part of documents'
run t_limits 'CTCFG-1 CTCFG-4: limits of VNICs are set, shown and refused'
run t_shares 'CTCFG-1: maxbw of links, and shares that have no effect without'
run t_flow_limits 'CTCFG-1: limits of flows are set, shown and refused'
run t_limits_document 'CTCFG-1: limits are a part of documents'
run t_pools 'POOL-1 POOL-2: pools are shown, made, changed, deleted, told, and a part of documents'
run t_document 'CTCFG-1: a document is written and applied, all or nothing'
run t_doctor 'CTCFG-1: what is wrong, and its cure'
run t_pages 'CTCFG-1: manual pages and completions'
run t_no_module 'CTCFG-1: the module is not there'
finish
