# SPDX-License-Identifier: GPL-2.0
"""What is made of the measurements: bars, a Markdown table, a picture."""
