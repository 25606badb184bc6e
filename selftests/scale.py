#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# lab: cpus=1 timeout=120
"""
Many VNICs, and managers who change at the same time: a dump of 4,096 is complete while others come and go, transactions with generation
numbers lose nothing, and one transaction changes 1,000 VNICs with their policies.

    VNICS=N   how many stay during the dump (4,096; on the debug kernel, where deleting so many with their link takes minutes, 512)
"""
import errno
import os
import socket
import struct
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import rawnl as nl  # pylint: disable=wrong-import-position

SLOW = os.path.exists("/proc/lockdep_stats")
VNICS = int(os.environ.get("VNICS", "512" if SLOW else "4096"))
CHANGED = 250 if SLOW else 1000
COMING = 40 if SLOW else 100
INCREMENTS = 150


def same(wanted, got, what):
    if wanted != got:
        raise AssertionError(f"{what}: wanted {wanted!r}, got {got!r}")


def make(names, lower):
    """Many VNICs; the requests of a batch are worked on one after the other."""
    names = list(names)
    with nl.talk() as sock:
        for at in range(0, len(names), 50):
            batch = names[at:at + 50]
            sock.send(b"".join(nl.aligned(nl.new_link("vnic", name, lower=lower)) for name in batch))
            same({0}, set(nl.answers(sock, len(batch))), "answers")


def numbers(lower=None):
    """The number of each VNIC by its name, as a dump shows them; none is shown twice."""
    index = [nl.number(nl.V_LINK, socket.if_nametoindex(lower))] if lower else []
    entries = [entry for entry in nl.shown(nl.VNIC_GET, *index) if nl.V_ABSENT not in entry]
    found = {nl.text(entry[nl.V_IFNAME]): entry[nl.V_ID] for entry in entries}
    same(len(entries), len({entry[nl.V_ID] for entry in entries}), "VNICs in the dump")
    return found


def generation():
    return nl.shown(nl.LINK_GET)[0][nl.LINK_GENERATION]


def in_child(action):
    """A child that does it; wait() for it says whether it succeeded."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 1
        try:
            action()
            status = 0
        except BaseException:  # pylint: disable=broad-exception-caught
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        os._exit(status)
    return child


def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def complete_dump():
    began = time.monotonic()
    staying = {f"v{number}" for number in range(VNICS)}
    make(sorted(staying), "s0")
    print(f"# {VNICS} VNICs made in {time.monotonic() - began:.1f} s")

    began = time.monotonic()
    same(staying, set(numbers()), "all VNICs")
    print(f"# dumped in {time.monotonic() - began:.2f} s")
    ready, stop = os.pipe(), os.pipe()

    def others():
        """Before those that stay, behind them, and on a link before theirs."""
        turn = 0
        os.set_blocking(stop[0], False)
        while True:
            names = [f"t{number}" for number in range(COMING)]
            make(names, "s1" if turn % 2 else "s0")
            for name in names:
                nl.do(lambda name=name: nl.delete(name))
            turn += 1
            os.write(ready[1], b".")
            try:
                os.read(stop[0], 1)
                return
            except BlockingIOError:
                pass

    child = in_child(others)
    dumps, turns, began = 0, 0, time.monotonic()
    os.set_blocking(ready[0], False)
    while turns < 3 or dumps < 3:
        missing = staying - set(numbers())
        same(set(), missing, "VNICs that are missing")
        missing = staying - set(numbers("s0"))
        same(set(), missing, "VNICs of the link that are missing")
        dumps += 2
        try:
            turns += len(os.read(ready[0], 100))
        except BlockingIOError:
            pass
    os.write(stop[1], b".")
    same(0, wait(child), "exit status of who made and deleted others")
    print(f"# {dumps} dumps in {time.monotonic() - began:.1f} s, while {COMING} others came and went {turns} times")
    for fd in ready + stop:
        os.close(fd)


def two_managers():
    """Each adds to what a VNIC's MTU is, and a policy for each step, on what it read."""
    make(["counter"], "s0")
    number = numbers()["counter"]
    nl.do(nl.generic(nl.VNIC_SET, nl.attr(nl.V_ID, number), nl.number(nl.V_MTU, 100)))

    def manager(name):
        again = 0
        for step in range(INCREMENTS):
            while True:
                # What is read between two of the same generation is of that generation.
                at = generation()
                mtu = nl.uint(next(entry for entry in nl.shown(nl.VNIC_GET) if entry[nl.V_ID] == number)[nl.V_MTU])
                error = nl.ask(nl.generic(
                    nl.APPLY, nl.attr(nl.T_GENERATION, at), nl.nest(nl.T_VNIC, nl.attr(nl.V_ID, number), nl.number(nl.V_MTU, mtu + 1)),
                    nl.nest(nl.T_POLICY, nl.attr(nl.P_VNIC, number), nl.number(nl.P_SUBJECT, nl.NAME),
                            nl.attr(nl.P_NAME, f"{name}{step}\0".encode()), nl.number(nl.P_PARAM, nl.PARAMS.index("mtu")))))
                if not error:
                    break
                same("EAGAIN", errno.errorcode[error], "refusal")
                again += 1
        print(f"# {name} tried {again} times again", flush=True)

    began = time.monotonic()
    for child in [in_child(lambda name=name: manager(name)) for name in ("a", "b")]:
        same(0, wait(child), "exit status of a manager")
    print(f"# {2 * INCREMENTS} transactions in {time.monotonic() - began:.1f} s")
    entry = next(entry for entry in nl.shown(nl.VNIC_GET) if entry[nl.V_ID] == number)
    same(100 + 2 * INCREMENTS, nl.uint(entry[nl.V_MTU]), "the sum")
    wanted = sorted(f"{name}{step}" for name in "ab" for step in range(INCREMENTS))
    same(wanted, sorted(nl.text(entry[nl.P_NAME]) for entry in nl.shown(nl.POLICY_GET, nl.attr(nl.P_VNIC, number))), "policies")
    same(errno.EAGAIN, nl.ask(nl.generic(nl.APPLY, nl.attr(nl.T_GENERATION, struct.pack("I", 1)))), "a generation that is past")


def large_transaction():
    make((f"v{number}" for number in range(CHANGED)), "s0")
    known = sorted(numbers().items(), key=lambda entry: nl.uint(entry[1]))
    param = nl.number(nl.P_PARAM, nl.PARAMS.index("address"))

    def address(place):
        return b"\x02\0\0\1" + struct.pack(">H", place)
    changes = [nl.nest(nl.T_VNIC, nl.attr(nl.V_ID, number), nl.number(nl.V_MTU, 1400), nl.attr(nl.V_ADDRESS, address(place)))
               for place, (_, number) in enumerate(known)]
    added = [nl.nest(nl.T_POLICY, nl.attr(nl.P_VNIC, number), nl.number(nl.P_SUBJECT, nl.OWNER), param,
                     nl.attr(nl.P_PREFIX, address(place)), nl.attr(nl.P_PREFIX_LEN, b"\x28")) for place, (_, number) in enumerate(known)]
    # Policies whose last one is refused: nothing is changed, however much came before.
    wrong = nl.nest(nl.T_POLICY, nl.number(nl.P_SUBJECT, nl.OWNER), param, nl.attr(nl.P_PREFIX, b"\x02\0\0"))
    before = nl.shown(nl.VNIC_GET)
    began = time.monotonic()
    same(errno.EINVAL, nl.ask(nl.generic(nl.APPLY, *changes, *added, wrong)), "a transaction with a mistake")
    print(f"# undone in {time.monotonic() - began:.2f} s")
    same(before, nl.shown(nl.VNIC_GET), "VNICs after a mistake")
    same([], policies(), "policies after a mistake")

    request = nl.generic(nl.APPLY, *changes, *added)
    began = time.monotonic()
    nl.do(request)
    print(f"# {CHANGED} VNICs changed and {CHANGED} policies added in {time.monotonic() - began:.2f} s, {len(request)} bytes")
    after = {entry[nl.V_ID]: entry for entry in nl.shown(nl.VNIC_GET)}
    for place, (name, number) in enumerate(known):
        same((1400, address(place)), (nl.uint(after[number][nl.V_MTU]), after[number][nl.V_ADDRESS]), name)
    same([number for _, number in known], [entry[nl.P_VNIC] for entry in policies()], "VNICs of the policies")

    doomed = [nl.nest(nl.T_VNIC, nl.attr(nl.V_ID, number), nl.attr(nl.V_DELETE, b"")) for _, number in known]
    began = time.monotonic()
    nl.do(nl.generic(nl.APPLY, *doomed))
    print(f"# deleted in {time.monotonic() - began:.2f} s")
    same(([], []), (nl.shown(nl.VNIC_GET), policies()), "what is left")


def policies():
    return [entry for entry in nl.shown(nl.POLICY_GET) if nl.P_BUILT_IN not in entry]


TESTS = [
    (complete_dump, f"CTCFG-1: a dump of {VNICS} VNICs is complete while others come and go"),
    (two_managers, "CTCFG-4: two managers change at the same time and lose nothing"),
    (large_transaction, f"CTCFG-4: {CHANGED} VNICs with policies in one transaction"),
]


def main():
    subprocess.run(["insmod", os.environ["VNIC_KO"]], check=True)
    nl.no_ipv6()
    print("TAP version 13", flush=True)
    failures = 0
    for count, (test, what) in enumerate(TESTS, 1):
        began = time.monotonic()
        nl.do(nl.new_link("etherstub", "s1"), nl.new_link("etherstub", "s0"))
        try:
            test()
            print(f"ok {count} - {what}")
        except Exception:  # pylint: disable=broad-exception-caught
            failures += 1
            print(f"not ok {count} - {what}")
            print("# " + traceback.format_exc().strip().replace("\n", "\n# "))
        nl.do(lambda: nl.delete("s0"), lambda: nl.delete("s1"))
        print(f"# {time.monotonic() - began:.1f} s", flush=True)
    print(f"1..{len(TESTS)}")
    sys.exit(failures > 0)


main()
