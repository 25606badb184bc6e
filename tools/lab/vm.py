# SPDX-License-Identifier: GPL-2.0
"""Runs one command in a virtual machine: starts QEMU, carries the command's output, and decides how the run ended.

Started by tools/lab/run, in the build root. The guest's side is tools/lab/guest/second. Between the two there are three ports: the
command's standard output, its standard error, and one on which the guest asks for something in lines and gets a line back each time.
"""

import argparse
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time

import nics

HERE = os.path.dirname(os.path.abspath(__file__))

# Exit statuses of the lab's own; every other one is the command's.
REPORT = 97
TIMED_OUT = 124
NOT_STARTED = 125

# The whole log goes to the console; drivers make no device that nobody asked for, whether they are modules or built in.
CMDLINE = ("console=ttyS0 ignore_loglevel panic=-1 rdinit=/init mitigations=off "
           "dummy.numdummies=0 ifb.numifbs=0 bonding.max_bonds=0 fb_tunnels=none")

# Bits of /proc/sys/kernel/tainted that tell of a report: bad page, oops, warning, soft lockup.
TAINTED = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 14


def complain(text):
    """A line on standard error that can be told from the command's."""
    sys.stderr.write(f"lab: {text}\n")
    sys.stderr.flush()


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


class Stream:
    """One of the command's two streams; it ends with a token, which is not part of it."""

    def __init__(self, fd, token):
        self.fd = fd
        self.token = token
        self.held = b""
        self.ended = False

    def feed(self, data):
        if self.ended:
            return
        data = self.held + data
        end = data.find(self.token)
        if end >= 0:
            self.ended = True
            self.held = b""
            write_all(self.fd, data[:end])
            return
        # The beginning of a token may be at the end of the data.
        keep = min(len(self.token) - 1, len(data))
        while keep and not self.token.startswith(data[len(data) - keep:]):
            keep -= 1
        self.held = data[len(data) - keep:]
        write_all(self.fd, data[:len(data) - keep])

    def flush(self):
        """The guest is gone: what was held back was output after all."""
        if not self.ended:
            write_all(self.fd, self.held)
            self.held = b""


class Console:
    """The kernel's log, as it comes out of the serial port."""

    def __init__(self, copy):
        self.copy = copy
        self.text = b""

    def feed(self, data):
        self.text += data
        if self.copy is not None:
            write_all(self.copy, data)

    def lines(self):
        return self.text.decode(errors="replace").replace("\r", "").split("\n")

    def report(self):
        """The lines of the first report and what follows it, or nothing."""
        with open(os.path.join(HERE, "reports"), encoding="utf-8") as file:
            patterns = [line.rstrip("\n") for line in file if not line.startswith("#")]
        pattern = re.compile("|".join(patterns))
        lines = self.lines()
        first = next((i for i, line in enumerate(lines) if pattern.search(line)), None)
        return [] if first is None else lines[first:first + 120]


class Qmp:
    """QEMU's monitor. Used only when the guest asks for something, so each command may wait for its answer."""

    def __init__(self, sock):
        self.file = sock.makefile("rw")
        self.ready = False

    def _answer(self, wanted=("return", "error")):
        while True:
            line = self.file.readline()
            if not line:
                raise OSError("the monitor is gone")
            message = json.loads(line)
            if any(key in message for key in wanted):
                return message

    def command(self, request):
        if not self.ready:
            self._answer(("QMP",))
            self.ready = True
            self.command({"execute": "qmp_capabilities"})
        self.file.write(json.dumps(request) + "\n")
        self.file.flush()
        return self._answer()


class Machine:
    """One run of QEMU and the event loop around it."""

    def __init__(self, options, token):
        self.options = options
        self.selector = selectors.DefaultSelector()
        self.fds = []
        self.out = Stream(1, token)
        self.err = Stream(2, token)
        self.console = Console(options.console)
        self.exit = None
        self.answering = b""
        self.qemu = None
        self.control = None
        self.qmp = None
        self.nics = {}
        self.words = tempfile.TemporaryFile()    # QEMU's own messages: of interest when it fails

    def channel(self, name, feed=None):
        """A chardev of QEMU that ends here; returns our end and QEMU's arguments."""
        ours, theirs = socket.socketpair()
        self.fds.append(theirs)
        if feed:
            self.selector.register(ours, selectors.EVENT_READ, feed)
        return ours, ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]

    def arguments(self):
        opts = self.options
        args = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        # An emulated "rep movsb" goes byte by byte, which kernels take for the fastest way to copy where the processor says so. Instructions
        # are counted on a processor that does: it is what the figures in Documentation/bench.md are from.
        model = "host" if opts.kvm else "max" if opts.icount else "max,erms=off,fsrm=off"
        args += ["-M", "q35", "-cpu", model, "-accel", "kvm" if opts.kvm else "tcg", "-m", opts.mem]
        if opts.icount:
            args += ["-smp", "1", "-icount", "shift=0,sleep=off"]
        else:
            args += ["-smp", str(opts.cpus)]
        args += ["-kernel", opts.image, "-initrd", opts.initrd]
        args += ["-append", f"{CMDLINE} {opts.append}"]
        args += ["-virtfs", "local,path=/run/export,mount_tag=lab,security_model=none,multidevs=remap,readonly=on"]
        args += self.channel("console", self.console.feed)[1] + ["-serial", "chardev:console"]
        monitor, more = self.channel("monitor")
        self.qmp = Qmp(monitor)
        args += more + ["-mon", "chardev=monitor,mode=control"]
        more, self.nics = nics.add(opts.nic)
        args += more
        args += ["-device", "virtio-serial-pci,id=serial"]
        args += self.channel("out", self.out.feed)[1] + ["-device", "virtserialport,chardev=out,name=lab.out"]
        args += self.channel("err", self.err.feed)[1] + ["-device", "virtserialport,chardev=err,name=lab.err"]
        self.control, more = self.channel("control", self.requests)
        args += more + ["-device", "virtserialport,chardev=control,name=lab.control"]
        if opts.tty:
            args += ["-chardev", "stdio,id=tty,signal=off", "-device", "virtconsole,chardev=tty"]
        return args

    def requests(self, data):
        self.answering += data
        while b"\n" in self.answering:
            line, self.answering = self.answering.split(b"\n", 1)
            answer = self.request(line.decode(errors="replace").strip())
            self.control.sendall(answer.encode() + b"\n")

    def request(self, line):
        word, _, rest = line.partition(" ")
        if word == "exit":
            self.exit = [int(number) for number in rest.split()]
            return "ok"
        if word == "qmp":
            return self.ask(json.loads(rest))
        if word == "unplug" and rest in self.nics:
            return self.ask({"execute": "device_del", "arguments": {"id": rest}})
        if word == "plug" and rest in self.nics:
            device = self.nics[rest].device
            answer = self.ask({"execute": "device_add", "arguments": device})
            return f"ok {device['mac']}" if answer.startswith("ok") else answer
        return f"error unknown request: {line}"

    def ask(self, command):
        """QEMU's answer as the guest gets it."""
        try:
            answer = self.qmp.command(command)
        except (OSError, ValueError) as error:
            return f"error {error}"
        if "error" in answer:
            return "error " + answer["error"].get("desc", "unknown")
        return "ok " + json.dumps(answer["return"])

    def finished(self):
        return self.exit is not None and (self.options.tty or (self.out.ended and self.err.ended))

    def poll(self, seconds):
        for key, _ in self.selector.select(seconds):
            try:
                data = key.fileobj.recv(1 << 16)
            except ConnectionError:
                data = b""
            if data:
                key.data(data)
            else:
                self.selector.unregister(key.fileobj)

    def run(self, args):
        """Returns the exit status of the whole run."""
        terminal = termios.tcgetattr(0) if self.options.tty and os.isatty(0) else None
        try:
            return self.run_in(args)
        finally:
            if terminal:
                termios.tcsetattr(0, termios.TCSADRAIN, terminal)

    def run_in(self, args):
        deadline = time.monotonic() + self.options.timeout if self.options.timeout else None
        stdin = None if self.options.tty else subprocess.DEVNULL
        # pylint: disable-next=consider-using-with
        self.qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL"] + args, pass_fds=[fd.fileno() for fd in self.fds], stdin=stdin,
                                     stderr=self.words)
        for fd in self.fds:
            fd.close()
        late = False
        while self.selector.get_map() and not self.finished():
            self.poll(0.5)
            if deadline and time.monotonic() > deadline:
                late = True
                break
        self.stop()
        return self.verdict(late)

    def stop(self):
        if self.finished():
            self.poll(0)
        if self.qemu.poll() is None and (self.exit is not None or self.selector.get_map()):
            self.qemu.kill()
        self.qemu.wait()
        while self.selector.get_map():
            self.poll(0.1)
        self.out.flush()
        self.err.flush()

    def verdict(self, late):
        report = self.console.report()
        if report:
            complain("the kernel reported:")
            sys.stderr.write("\n".join(report) + "\n")
        if late:
            if not report:
                sys.stderr.write("\n".join(self.console.lines()[-40:]) + "\n")
            complain(f"not finished after {self.options.timeout} s: stopped")
            return TIMED_OUT
        if self.exit is None:
            if not report:
                sys.stderr.write("\n".join(self.console.lines()[-40:]) + "\n")
            self.words.seek(0)
            sys.stderr.write(self.words.read().decode(errors="replace"))
            complain("the guest ended before the command did")
            return REPORT if report or self.qemu.returncode == 0 else NOT_STARTED
        status, before, after, locks = self.exit
        if not report and (after & ~before & TAINTED or not locks):
            complain(f"the kernel is tainted ({after:#x}, before {before:#x}; lockdep {'on' if locks else 'off'}): its log ends with")
            sys.stderr.write("\n".join(self.console.lines()[-120:]) + "\n")
            report = True
        return (status or REPORT) if report else status


def main():
    parser = argparse.ArgumentParser()
    for name in ("image", "initrd", "mem", "append"):
        parser.add_argument("--" + name, default="")
    for name in ("cpus", "timeout", "console"):
        parser.add_argument("--" + name, type=int)
    parser.add_argument("--nic", action="append", default=[])
    for name in ("kvm", "icount", "tty"):
        parser.add_argument("--" + name, action="store_true")
    options = parser.parse_args()
    token = os.urandom(16).hex()
    machine = Machine(options, token.encode())
    arguments = machine.arguments()
    with open("/run/export/lab/token", "w", encoding="ascii") as file:
        file.write(token)
    with open("/run/export/lab/nics", "w", encoding="ascii") as file:
        file.writelines(f"{nic.model},{nic.name},{nic.device['mac']}\n" for nic in machine.nics.values())

    def stopped(number, _):
        if machine.qemu:
            machine.qemu.kill()
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    sys.exit(machine.run(arguments))


main()
