# SPDX-License-Identifier: GPL-2.0
"""What runs in the guest: kinds of children, topologies, measuring."""
