# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# What the lab's scripts share: where things are, messages, locks, stamps and the way into the build root.
# Sourced, never run.

set -euo pipefail

lab=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
top=$(readlink -f "$lab/../..")
cache=$(readlink -m "${VNIC_CACHE:-${HOME:-~root}/.cache/vnic}")
root=$cache/root
# The same names of the checkout and of the cache inside the build root, so that nothing built depends on where they are.
in_top=/project
in_cache=/lab
jobs=$(nproc)
# What is built from a checkout is kept apart from what other checkouts build.
checkout=$(basename "$top")-$(printf %s "$top" | sha256sum | cut -c1-8)
modules=$cache/modules/$checkout
# The suite of the build root and of the guest.
suite=trixie
export LC_ALL=C

say() { printf '[lab %3ds] %s\n' "$SECONDS" "$*" >&2; }
die() { printf 'lab: %s\n' "$*" >&2; exit 1; }

# One message for everything that the lab cannot install by itself.
need_host() {
	[ "$(uname -m)" = x86_64 ] || die "the lab builds and boots x86-64 kernels only; this machine is $(uname -m)"
	[ "$(id -u)" = 0 ] || die "run this as root: the lab makes a build root (mmdebstrap, chroot, private mounts)"
	local missing=()
	command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
	command -v unshare >/dev/null || missing+=(util-linux)
	command -v flock >/dev/null || missing+=(util-linux)
	mkdir -p "$cache"
	[ ${#missing[@]} = 0 ] || install_host "${missing[@]}"
}

install_host() {
	command -v apt-get >/dev/null ||
		die "please install: $* (the lab installs them by itself on Debian and its derivatives only)"
	say "installing on this machine: $*"
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$cache/apt.log" 2>&1 ||
		{ tail -n 20 "$cache/apt.log" >&2; die "apt-get could not install: $*"; }
	rm -f "$cache/apt.log"
}

# with_lock NAME COMMAND…: one at a time, whoever comes later finds the work done.
with_lock() {
	local lock=$1 fd; shift
	mkdir -p "$cache/locks"
	exec {fd}>"$cache/locks/$lock"
	flock -n "$fd" || { say "waiting for another run that makes: $lock"; flock "$fd"; }
	"$@" {fd}>&-
	exec {fd}>&-
}

# A thing that was made carries the hash of what it was made from (standard input of hash_of).
hash_of() { sha256sum | cut -c1-16; }
stamped() { [ -e "$1" ] && [ "$(cat "$1.stamp" 2>/dev/null)" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$1.stamp"; }

# logged LOG WHAT COMMAND…: says what is being done, and every minute that it is still being done; keeps the output in LOG and shows the end
# of it when it fails.
logged() {
	local log=$1 what=$2 from=$SECONDS clock; shift 2
	say "$what …"
	mkdir -p "$(dirname "$log")"
	( while sleep 60; do say "… $what: $(wc -l <"$log") lines so far"; done ) &
	clock=$!
	if ! "$@" >"$log" 2>&1 </dev/null; then
		kill "$clock"
		tail -n 40 "$log" >&2
		die "failed: $what (all of it: $log)"
	fi
	kill "$clock"
	say "$what: done in $((SECONDS - from)) s"
}

# in_root COMMAND…: runs it in the build root with the checkout read-only at $in_top and the cache at $in_cache.
in_root() { unshare --mount --propagation private "$lab/enter" "$root" "$top" "$cache" "$@"; }
