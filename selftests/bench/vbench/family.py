# SPDX-License-Identifier: GPL-2.0
"""The netlink family "vnic", spoken as the suites speak it: selftests/lib/family.py."""

import functools
import os
import socket
import sys

SO_SNDBUFFORCE = 32


@functools.cache
def host():
    """A socket of the family in the host's namespace."""
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lib"))
    # Not before it is asked for: it needs the kernel's source.
    from family import family  # pylint: disable=import-error,import-outside-toplevel
    one = family()
    # A transaction is one message.
    one.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 24)
    return one


def numbers():
    """The name of each VNIC → its number."""
    return {vnic["ifname"]: vnic["id"] for vnic in host().dump("vnic-get", {})}
