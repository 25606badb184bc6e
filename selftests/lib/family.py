# SPDX-License-Identifier: GPL-2.0
"""
What the suites of the netlink family "vnic" share: sockets of the family by the kernel's own library for specifications (tools/net/ynl), ip(8),
namespaces, children with other rights, and the loop over the tests.
"""
import contextlib
import copy
import errno
import io
import json
import os
import queue
import re
import socket
import subprocess
import sys
import time
import traceback

SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../Documentation/netlink/specs/vnic.yaml")
YNL = os.path.join(os.environ["KSRC"], "tools/net/ynl/pyynl")
SLOW = int(os.environ.get("SLOW", "4" if os.path.exists("/proc/lockdep_stats") else "1"))
sys.path.insert(0, YNL)
from lib import NlError, YnlFamily  # pylint: disable=wrong-import-position,import-error

HOST = os.open("/proc/self/ns/net", os.O_RDONLY)
NOBODY = 65534
SOL_NETLINK, NETLINK_GENERIC = 270, 16
SO_NETNS_COOKIE = 71
templates = []


def ip(*words, netns=None, batch=None):
    """ip(8); what it prints as JSON, if it prints any."""
    return run("ip", *(["-batch", "-"] if batch else []), *words, netns=netns, text=batch)


def ip_batch(lines, netns=None):
    """Many commands of ip(8) by one process, which takes longer to start than any of them; the first that fails is the last."""
    return ip(netns=netns, batch="".join(f"{line}\n" for line in lines))


def run(*command, netns=None, text=None):
    """A command, in a namespace, though with the /sys of this one; what it prints."""
    done = there(netns, lambda: subprocess.run(command, input=text, capture_output=True, text=True, check=False))
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}{f' in {netns}' if netns else ''}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def start(*command, netns=None, **more):
    """A process in a namespace, as run() starts one."""
    return there(netns, lambda: subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more))


def link(name, netns=None):
    return json.loads(ip("-d", "-j", "link", "show", "dev", name, netns=netns))[0]


def netns_fd(name):
    return os.open(f"/run/netns/{name}", os.O_RDONLY)


def inside(fd, action):
    """Runs it in the network namespace that is open as fd; what was made there stays there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        os.setns(fd, os.CLONE_NEWNET)
        try:
            return action()
        finally:
            os.setns(home, os.CLONE_NEWNET)
    finally:
        os.close(home)


def there(netns, action):
    """The same with a namespace by its name, or None for this one."""
    if netns is None:
        return action()
    fd = netns_fd(netns)
    try:
        return inside(fd, action)
    finally:
        os.close(fd)


def cookie():
    """That of the network namespace where this is called."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)


def family(netns=None):
    """A socket of the family, in a namespace by its name or its open file."""
    if netns is not None:
        return inside(netns, family) if isinstance(netns, int) else there(netns, family)
    # To read the specification takes longer than most tests.
    if not templates:
        templates.append(YnlFamily(SPEC, schema=""))
        templates[0].close()
    one = copy.copy(templates[0])
    one.async_msg_queue = queue.Queue()
    one.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    for option in (10, 11, 12):     # NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK
        one.sock.setsockopt(SOL_NETLINK, option, 1)
    return one


def events_of(listener, wanted=0, patience=2.0):
    """What it was told by now; waits for as many as are wanted."""
    got, end = [], time.monotonic() + patience * SLOW
    while True:
        listener.check_ntf()
        while not listener.async_msg_queue.empty():
            got.append(listener.async_msg_queue.get_nowait())
        if len(got) >= wanted or time.monotonic() > end:
            return got
        time.sleep(0.005)


def same(wanted, got, what):
    if wanted != got:
        raise AssertionError(f"{what}: wanted {wanted!r}, got {got!r}")


def until(what, condition, patience=10.0):
    """Waits for it; returns how long that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + patience * SLOW:
            raise AssertionError(f"not within {patience * SLOW} s: {what() if callable(what) else what}")
        time.sleep(0.002)
    return time.monotonic() - began


def becomes(wanted, look, what, patience=10.0):
    """What is seen is that soon, and stays so: nothing comes on top of it."""
    end = time.monotonic() + patience * SLOW
    while look() != wanted and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(0.01 * SLOW)
    same(wanted, look(), what)


def quiet(look, pause=0.05, patience=10.0):
    """Waits until what is seen does not change any more, and returns it."""
    end, now = time.monotonic() + patience * SLOW, look()
    while True:
        time.sleep(pause * SLOW)
        old, now = now, look()
        if old == now or time.monotonic() > end:
            return now


def refused(number, words, request):
    """The request fails with that error and a sentence that has each of the words."""
    try:
        request()
    except NlError as error:
        said = (error.nl_msg.extack or {}).get("msg", "")
        same(errno.errorcode[number], errno.errorcode[abs(error.error)], f"error ({said})")
        for word in words:
            if word not in said:
                raise AssertionError(f"refused without the word {word!r}: {said!r}") from error
        return error
    raise AssertionError("this should have been refused")


def warned(request):
    """What the kernel says of a request that succeeds."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        request()
    return "".join(re.findall(r"'msg': '([^']*)'", said.getvalue()))


def in_child(action):
    """Runs it in a child; what it complains of is complained of here."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            action()
            os._exit(0)
        except BaseException:  # pylint: disable=broad-exception-caught
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            os._exit(1)
    same(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "exit status of the child")


def become(user):
    """Turns this process into one of that user, without a capability."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def as_nobody(action):
    def run():
        become(NOBODY)
        action()
    in_child(run)


def run_all(tests, world):
    """Runs each of (function, name) on a world of its own, made by world(), and ends the program."""
    subprocess.run(["insmod", os.environ["VNIC_KO"]], check=True)
    print("TAP version 13", flush=True)
    failures, only = 0, os.environ.get("TEST", "")
    for count, (test, what) in enumerate(tests, 1):
        if not re.search(only, what):
            print(f"ok {count} - {what} # SKIP not asked for")
            continue
        began, place = time.monotonic(), world()
        try:
            test(place)
            print(f"ok {count} - {what}")
        except Exception:  # pylint: disable=broad-exception-caught
            failures += 1
            print(f"not ok {count} - {what}")
            print("# " + traceback.format_exc().strip().replace("\n", "\n# "))
        print(f"# {time.monotonic() - began:.1f} s", flush=True)
        place.close()
    print(f"1..{len(tests)}")
    sys.exit(failures > 0)
