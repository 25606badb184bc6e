# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the suites share. A suite sources this file, defines one function per
# test and ends with
#
#	run t_function 'REQ-1 REQ-2: what the user sees'
#	...
#	finish
#
# A test runs in a shell of its own under "set -e": any command that fails
# fails the test, and its output is shown. What must fail is written
# "no COMMAND" or "refused SENTENCE COMMAND". Namespaces made by ns() go when
# the test ends.
#
# KIND=macvlan runs a suite on macvlan instead (etherstubs become dummies): a
# way to see what a check says about a device that lacks the feature.

KIND=${KIND:-vnic}
SELFTESTS=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
# Everything that waits is told how slow this kernel is.
SLOW=${SLOW:-$(dmesg 2>/dev/null | grep -q KernelAddressSanitizer && echo 4 || echo 1)}
export SLOW
umask 022

tests=0
failures=0
skips=0
log=$(mktemp /tmp/vnic-test.XXXXXX)
made_ns=()

# What a test starts is in a control group of its own, so that nothing of it is left behind.
read -r group </proc/self/cgroup
group=/sys/fs/cgroup${group#0::}
mkdir -p "$group/point"

# Network namespaces of the name NAME..., gone at the end of the test. They
# have no IPv6 (its multicast is noise) except after with_ipv6.
ns() {
	made_ns+=("$@")
	printf 'netns add %s\n' "$@" | ip -batch -
	[ -n "$ipv6" ] || net no-ipv6 "$@"
}

ipv6=
with_ipv6() { ipv6=1; }

# in_ns NS COMMAND...: with the namespace's /proc/sys, but the first one's /sys, which "ip netns exec" would mount anew.
in_ns() { nsenter --net="/run/netns/$1" -- "${@:2}"; }

# wire NS DEV NS DEV [OPTION...]: a cable with a network card at both ends. The
# second one cannot be born up: a veth without its peer is refused that.
wire() {
	local a=$1 adev=$2 b=$3 bdev=$4
	shift 4
	ip link add name "$adev" netns "$a" up "$@" type veth peer name "$bdev" netns "$b" "$@"
	ip -n "$b" link set dev "$bdev" up
}

# vnic NS LOWER NAME NS [LINK-OPTION...] [: TYPE-OPTION...]
# makes the VNIC NAME in the second namespace, on LOWER of the first.
vnic() {
	local host=$1 lower=$2 name=$3 target=$4 common=()
	shift 4
	while [ $# -gt 0 ] && [ "$1" != : ]; do
		common+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	[ "$KIND" = macvlan ] && set -- mode bridge
	ip -n "$host" link add link "$lower" name "$name" netns "$target" "${common[@]}" type "$KIND" "$@"
}

# etherstub NS NAME [LINK-OPTION...] [: TYPE-OPTION...]
etherstub() {
	local host=$1 name=$2 common=()
	shift 2
	while [ $# -gt 0 ] && [ "$1" != : ]; do
		common+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	if [ "$KIND" = vnic ]; then
		ip -n "$host" link add name "$name" "${common[@]}" type etherstub "$@"
	else
		ip -n "$host" link add name "$name" "${common[@]}" up type dummy
	fi
}

# The link NAME of the namespace NS as seen by jq's EXPRESSION.
link() { # NS NAME EXPRESSION
	ip -n "$1" -d -j link show dev "$2" | jq -r ".[0] | $3"
}

# same WANTED GOT [WHAT]
same() {
	[ "$1" = "$2" ] && return
	echo "${3:-value}: wanted \"$1\", got \"$2\""
	return 1
}

# is WANTED NS NAME EXPRESSION: the same of link(); for await.
is() { same "$1" "$(link "$2" "$3" "$4")" "$4 of $3"; }

# no COMMAND...: it must fail.
no() {
	if "$@"; then
		echo "this should have failed: $*"
		return 1
	fi
}

# says REGEX: whether a line of the standard input matches, in upper or lower case; grep -qi without a process.
says() {
	local line found=1
	shopt -s nocasematch
	while [ $found = 1 ] && IFS= read -r line; do [[ ! $line =~ $1 ]] || found=0; done
	shopt -u nocasematch
	return $found
}

# refused REGEX COMMAND...: it must fail and say something that matches.
refused() {
	local regex=$1 said
	shift
	# Without the trap, whose words are those of the command.
	if said=$(trap - ERR; "$@" 2>&1); then
		echo "this should have been refused: $*"
		return 1
	fi
	says "$regex" <<<"$said" && return
	echo "refused, but without a word of /$regex/: $*"
	echo "it said: $said"
	return 1
}

# pause SECONDS: sleeps without a process. Above 128 is the time that is over; anything else is a mistake.
pause() { read -rt "$1" -u "$never" || [ $? -gt 128 ]; }

# await SECONDS COMMAND...: it must succeed within that time.
await() {
	local end=$((SECONDS + $1 * SLOW + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "did not come true: $*"; "$@" || return 1; return; }
		pause 0.05
	done
}

# ping_ok NS ADDRESS [OPTION...]; ping_no NS ADDRESS [OPTION...]
ping_ok() {
	local ns=$1 to=$2
	shift 2
	in_ns "$ns" ping -n -q -c 1 -W $((2 * SLOW)) "$@" "$to"
}

ping_no() {
	local ns=$1 to=$2
	shift 2
	no in_ns "$ns" ping -n -q -c 1 -W 1 "$@" "$to"
}

# net WORD ARGUMENT...: what net.py does; by its server, unless in the background, where it may not be alone.
net() {
	local serial=$EPOCHREALTIME said status scenario
	if [ "$BASHPID" != "$point" ]; then
		python3 -S -E "$SELFTESTS/lib/net.py" "$@"
		return
	fi
	[ "$1" != frames ] || { mapfile scenario; printf %s "${scenario[@]}" >"$log.scenario"; }
	echo "$serial $*" >&"$ask"
	# An answer that came too late for its test is none to this one.
	while read -r -t $((120 * SLOW)) -u "$answer" said status; do
		[ "$said" != "$serial" ] || return "$status"
	done
	echo "no answer to: net $*"
	return 1
}

# frames <<EOF: sends single frames and counts who gets them; see net.py.
frames() { net frames; }

# watch NS DEV FILTER [OPTION...]: from when it returns, what passes there, in $log.DEV as tcpdump tells it.
watch() {
	in_ns "$1" tcpdump -ln -i "$2" "${@:4}" "$3" >"$log.$2" 2>"$log.$2.err" &
	await 5 grep -q listening "$log.$2.err"
}

# tcp SERVER-NS ADDRESS CLIENT-NS [BYTES]: a connection that carries BYTES both ways.
tcp() { net tcp "$@"; }

# flood NS DEV SECONDS: in the background, frames of all kinds, as many as one
# processor makes. Remembered in $flooders; calm ends them all.
flooders=()
flood() {
	net flood "$@" &
	flooders+=($!)
}
calm() {
	[ ${#flooders[@]} -eq 0 ] || kill "${flooders[@]}" 2>/dev/null || true
	flooders=()
	wait
}

# newlink NS KIND LOWER NAME [ATTRIBUTE:SIZE=VALUE...]: what ip would send, and
# what it would not: attributes of any size and value, without the plug-in.
newlink() { net newlink "$@"; }

skip() {
	echo "$*" >"$log.skip"
	exit 4
}

# need COMMAND|kind:KIND...: skips the test where the machine lacks it.
need() {
	local what
	for what; do
		case $what in
		kind:*)
			ip link add name vn-probe type "${what#kind:}" 2>/dev/null || skip "no links of kind ${what#kind:}"
			ip link del vn-probe ;;
		module:*) modprobe -q "${what#module:}" || [ -d "/sys/module/${what#module:}" ] || skip "no module ${what#module:}" ;;
		*) command -v "$what" >/dev/null || skip "no $what" ;;
		esac
	done
}

# Whether nothing runs any more that the test started.
all_ended() { [[ $(<"$group/point/cgroup.events") == *"populated 0"* ]]; }

leave_test() {
	local name
	local -A seen
	echo "$BASHPID" >"$group/cgroup.procs"
	echo 1 >"$group/point/cgroup.kill"
	wait 2>/dev/null || true
	await 10 all_ended
	# A test may have made a name twice.
	for name in "${made_ns[@]}"; do
		[ -z "${seen[$name]:-}" ] && [ -e "/run/netns/$name" ] || continue
		seen[$name]=1
		echo "netns del $name"
	done | ip -batch -
}

# run FUNCTION 'REQUIREMENTS: sentence'
run() {
	local rc file began=${EPOCHREALTIME/[.,]/}
	tests=$((tests + 1))
	# TEST='t_one t_two' runs only these.
	if [ -n "${TEST:-}" ] && [[ " $TEST " != *" $1 "* ]]; then
		skips=$((skips + 1))
		echo "ok $tests - $2 # SKIP not asked for"
		return
	fi
	# Most tests leave nothing but this, which is written anew.
	for file in "$log".*; do [ "$file" = "$log.scenario" ] || [ ! -e "$file" ] || rm -f "$file"; done
	: >"$log"
	(
		set -eE
		point=$BASHPID
		echo "$point" >"$group/point/cgroup.procs"
		trap 'echo "failed: line $LINENO of ${BASH_SOURCE##*/}: $BASH_COMMAND" >&2' ERR
		trap leave_test EXIT
		"$1"
	) >>"$log" 2>&1 </dev/null
	rc=$?
	case $rc in
	0)
		echo "ok $tests - $2"
		sed -n '/^# /p' "$log" ;;
	4)
		skips=$((skips + 1))
		echo "ok $tests - $2 # SKIP $(cat "$log.skip" 2>/dev/null)" ;;
	*)
		failures=$((failures + 1))
		echo "not ok $tests - $2"
		sed 's/^/# /' "$log" ;;
	esac
	printf '# %d.%01d s\n' $(((${EPOCHREALTIME/[.,]/} - began) / 1000000)) $(((${EPOCHREALTIME/[.,]/} - began) / 100000 % 10))
}

finish() {
	echo "1..$tests"
	kill "$server"
	wait
	rmdir "$group/point"
	rm -f "$log" "$log"[.-]*
	[ $failures -eq 0 ] || exit 1
	[ $tests -ne $skips ] || [ -n "${TEST:-}" ] || exit 4
	exit 0
}

# What VNICs do is tested, not what their owners may: these may everything, unless PERMISSIVE is empty.
load_module() {
	[ "$KIND" = vnic ] || return 0
	[ -d /sys/module/vnic ] || insmod "${VNIC_KO:?the module to test}" || return
	[ -n "${PERMISSIVE-1}" ] || return 0
	command vnic policy show -j | says '"scope":"host"' && return
	command vnic policy add --host owner all >/dev/null
	command vnic policy add --host owner vnics >/dev/null
}

# The server of net(), by two pipes.
mkfifo "$log-ask" "$log-answer" "$log-never"
exec {ask}<>"$log-ask" {answer}<>"$log-answer" {never}<>"$log-never"
python3 -S -E "$SELFTESTS/lib/net.py" serve "$log" "$log.scenario" <"$log-ask" >"$log-answer" &
server=$!

echo TAP version 13
load_module || { echo "Bail out! vnic.ko does not load"; exit 1; }
