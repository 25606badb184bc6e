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
same 'vnic maxbw 50M | "rx_maxbw":50000000,"tx_maxbw":50000000,' vnic maxbw 50M
same 'vnic rx-maxbw 100M tx-maxbw 8001 | "rx_maxbw":100000000,"tx_maxbw":8001,' vnic rx-maxbw 100mbit tx-maxbw 8001
same 'vnic maxbw 1T | "rx_maxbw":1000000000000,"tx_maxbw":1000000000000,' vnic maxbw 1T
same 'vnic maxbw 1500M | "rx_maxbw":1500000000,"tx_maxbw":1500000000,' vnic maxbw 1.5Gbit
same 'vnic maxbw 100M | "rx_maxbw":100000000,"tx_maxbw":100000000,' vnic maxbw 12.5MBps
same 'vnic maxbw 8192 | "rx_maxbw":8192,"tx_maxbw":8192,' vnic maxbw 1KiBps
same 'vnic | "rx_maxbw":0,"tx_maxbw":0,' vnic maxbw none
same 'vnic | "rx_maxbw":0,' vnic rx-maxbw 0
same 'vnic maxpps 4000000000 | "rx_maxpps":4000000000,"tx_maxpps":4000000000,' vnic maxpps 4000000000
same 'vnic tx-maxpps 7 | "rx_maxpps":0,"tx_maxpps":7,' vnic tx-maxpps 7 rx-maxpps none
same 'vnic limit-delay 20ms share 7 priority high | "limit_delay":20000,"share":7,"priority":"high",' \
	vnic priority high share 7 limit-delay 20ms
same 'vnic limit-delay 100us | "limit_delay":100,' vnic limit-delay 100
same 'vnic limit-delay 1s | "limit_delay":1000000,' vnic limit-delay 1s
same 'vnic | "limit_delay":5000,"share":100,"priority":"medium",' vnic limit-delay 0.005s share 100 priority medium
# As the kernel says it: in four bytes or eight.
same 'vnic rx-maxbw 50M tx-maxbw 1T priority unknown | "rx_maxbw":50000000,"tx_maxbw":1000000000000,"priority":"unknown",' \
	vnic +12:4=50000000 +13:8=1000000000000 +18:1=9
same 'vnic | ' vnic +12:2=1 +13:0=0 +14:3=1 +16:2=1 +17:1=1 +18:0=0
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
refuse 'argument of "maxbw" must be a rate from 8K to 1T bits a second, like 50M or 100mbit, or "none", not "fast"' vnic maxbw fast
refuse 'not "7999"' vnic maxbw 7999
refuse 'not "2T"' vnic tx-maxbw 2T
refuse 'not "-1M"' vnic maxbw -1M
refuse 'not "1.M"' vnic maxbw 1.M
refuse 'not ".5M"' vnic maxbw .5M
refuse 'not "8000.5"' vnic maxbw 8000.5
refuse 'not "1Mbits"' vnic maxbw 1Mbits
refuse 'not "18446744073709551617000"' vnic maxbw 18446744073709551617000
refuse 'not ""' vnic maxbw ''
refuse 'argument of "maxpps" must be a number from 0 to 4000000000, not "4000000001"' vnic maxpps 4000000001
refuse 'argument of "limit-delay" must be a time from 100us to 1s, like 5ms, not "99"' vnic limit-delay 99
refuse 'not "2s"' vnic limit-delay 2s
refuse 'not "5m"' vnic limit-delay 5m
refuse 'argument of "share" must be a number from 1 to 1000, not "0"' vnic share 0
refuse 'must be "high", "medium" or "low", not "1"' vnic priority 1
refuse 'duplicate "rx-maxbw": "2M" is the second value' vnic maxbw 1M rx-maxbw 2M
refuse 'duplicate "maxbw": "1M" is the second value' vnic tx-maxbw 1M maxbw 1M
refuse '"maxbw" needs a value' vnic maxbw
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
