#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# check.sh DIR: the plug-ins in DIR parse what they should, refuse the rest
# with a sentence, and print what they are given. TAP.

dir=${1:?directory of the plug-ins}
n=0
failed=0

report() { # ok|bad NAME [GOT]
	n=$((n + 1))
	if [ "$1" = ok ]; then
		echo "ok $n - $2"
	else
		failed=$((failed + 1))
		echo "not ok $n - $2"
		echo "# got: $3"
	fi
}

# same EXPECTED KIND OPTION...
same() {
	want=$1
	shift
	got=$("$dir/check" "$dir/link_$1.so" "$@" 2>&1)
	if [ "$got" = "$want" ]; then report ok "$*"; else report bad "$*" "$got"; fi
}

# refuse SENTENCE KIND OPTION...
refuse() {
	want=$1
	shift
	got=$("$dir/check" "$dir/link_$1.so" "$@" 2>&1)
	rc=$?
	case $rc:$got in
	1:*"$want"*) report ok "refused: $*" ;;
	*) report bad "refused: $*" "$rc: $got" ;;
	esac
}

echo TAP version 13
same 'vnic vlan 10 promisc all host off | "vlan":10,"promisc":"all","host":false,' \
	vnic vlan 10 promisc all host off
same 'vnic | "vlan":0,' vnic vlan 0
same 'vnic vlan 4094 | "vlan":4094,' vnic vlan 4094
same 'vnic promisc off | "promisc":"off",' vnic promisc off
same 'vnic vlan 10 promisc own host on filter exact vnics 3 | "vlan":10,"promisc":"own","host":true,"filter":"exact","vnics":3,' \
	vnic +1:2=10 +2:1=1 +3:1=1 +4:1=1 +5:4=3
same 'vnic promisc unknown filter promisc | "promisc":"unknown","filter":"promisc",' \
	vnic +2:1=77 +4:1=2
same 'vnic poll ring ring-size 4096 | "poll":"ring","ring_size":4096,' vnic ring-size 4096 poll ring
same 'vnic ring-size 64 | "ring_size":64,' vnic ring-size 64
same 'vnic ring-size 65536 | "ring_size":65536,' vnic ring-size 65536
same 'vnic poll auto ring-size 1024 | "poll":"auto","ring_size":1024,' vnic +6:1=0 +7:4=1024
same 'vnic poll unknown | "poll":"unknown",' vnic +6:1=77 +7:2=9
same 'vnic pool web | "pool":"web",' vnic pool web
same 'vnic pool 123456789012345 | "pool":"123456789012345",' vnic pool 123456789012345
same 'vnic | ' vnic pool none
same 'vnic cpus 0-3,8 hw-rings auto | "cpus":"0-3,8","hw_rings":"auto",' vnic hw-rings auto cpus 0-3,8
same 'vnic | ' vnic cpus any
same 'vnic hw-rings on hw-queue 3 | "hw_rings":"on","hw_queue":3,' vnic +10:1=2 +11:4=3
# "web", with its zero and without.
same 'vnic pool web | "pool":"web",' vnic +8:4=6448503
same 'vnic pool web | "pool":"web",' vnic +8:3=6448503
# Attributes too short to hold their value are left out, not read beyond.
same 'vnic | ' vnic +1:1=10 +5:2=3 +2:0=0 +8:0=0
same 'etherstub host off | "host":false,' etherstub host off
same 'etherstub host on vnics 2 | "host":true,"vnics":2,' etherstub +1:1=1 +2:4=2
refuse 'argument of "vlan" must be a number from 0 to 4094, not "4095"' vnic vlan 4095
refuse 'not "-1"' vnic vlan -1
refuse 'not "10x"' vnic vlan 10x
refuse 'not ""' vnic vlan ''
refuse '"vlan" needs a value' vnic vlan
refuse 'must be "off", "own" or "all", not "on"' vnic promisc on
refuse 'must be "off" or "on", not "1"' vnic host 1
refuse 'must be "auto", "inline" or "ring", not "often"' vnic poll often
refuse 'argument of "ring-size" must be a number from 64 to 65536, not "63"' vnic ring-size 63
refuse 'not "65537"' vnic ring-size 65537
refuse '"ring-size" needs a value' vnic ring-size
refuse 'argument of "pool" must be a name of 1 to 15 bytes, not "1234567890123456"' vnic pool 1234567890123456
refuse 'not ""' vnic pool ''
refuse '"pool" needs a value' vnic pool
refuse 'argument of "cpus" must be a list like 0-3,8, or "any", not "all"' vnic cpus all
refuse 'not ""' vnic cpus ''
refuse 'must be "off", "auto" or "on", not "1"' vnic hw-rings 1
refuse 'duplicate "pool": "none" is the second value' vnic pool web pool none
refuse 'duplicate "host": "off" is the second value' vnic host on host off
refuse 'duplicate "vlan": "2" is the second value' vnic vlan 1 vlan 2
refuse 'duplicate "ring-size": "64" is the second value' vnic ring-size 64 ring-size 64
refuse 'unknown option "vid"' vnic vid 10
refuse 'Usage: ... vnic [ vlan VID ]' vnic help
refuse 'unknown option "vlan"' etherstub vlan 10
refuse 'Usage: ... etherstub' etherstub help
echo "1..$n"
[ $failed -eq 0 ]
