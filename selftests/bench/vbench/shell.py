# SPDX-License-Identifier: GPL-2.0
"""Running programs, batches of `ip`, network namespaces, messages."""

import contextlib
import json
import os
import subprocess
import sys
import time

START = time.monotonic()


def say(text):
    """Progress, for the person who waits: standard error, never in the results."""
    print(f"[bench {time.monotonic() - START:7.2f} s] {text}", file=sys.stderr, flush=True)


class Failed(Exception):
    """A program failed; the message holds what it said."""


def run(*cmd, stdin=None):
    """Runs a program and returns its standard output."""
    done = subprocess.run(cmd, input=stdin, text=True, capture_output=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise Failed(f"{' '.join(cmd[:8])}: exit status {done.returncode}: {said}")
    return done.stdout


def tool_batch(tool, lines, ns=None):
    """One process of `ip`, `bridge` or `tc` for many commands."""
    if not lines:
        return
    where = ["-n", ns] if ns else []
    run(tool, *where, "-batch", "-", stdin="\n".join(lines) + "\n")


def ip_batch(lines, ns=None):
    tool_batch("ip", lines, ns)


def ip_json(*args, ns=None):
    where = ["-n", ns] if ns else []
    return json.loads(run("ip", "-j", *where, *args))


def modprobe(*names):
    for name in names:
        run("modprobe", name)


def have_module(path):
    """Loads a module from a file, unless it is loaded."""
    name = os.path.basename(path).removesuffix(".ko").replace("-", "_")
    if not os.path.isdir(f"/sys/module/{name}"):
        run("insmod", path)


def sysctl(name, value, ns=None):
    with inside(ns), open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


@contextlib.contextmanager
def inside(ns):
    """This process in another network namespace, for as long as the block runs."""
    if not ns:
        yield
        return
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{ns}", "rb") as there:
        os.setns(there.fileno(), os.CLONE_NEWNET)
        try:
            yield
        finally:
            os.setns(home.fileno(), os.CLONE_NEWNET)
