# SPDX-License-Identifier: GPL-2.0
"""A few shapes of SVG."""

from xml.sax.saxutils import escape, quoteattr


class Canvas:
    """Collects shapes from top to bottom; its height is known at the end."""

    def __init__(self, width):
        self.width = width
        self.shapes = []

    def rect(self, x, y, width, height, fill):
        self.shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" fill="{fill}"/>')

    def line(self, x1, y1, x2, y2, stroke="#d0d4d8", dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.shapes.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{dashes}/>')

    def text(self, x, y, text, size=12, anchor="start", weight="normal", fill="#24292f"):
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
                           f'font-weight={quoteattr(weight)} fill="{fill}">{escape(text)}</text>')

    def document(self, height):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{height:.0f}" '
                f'viewBox="0 0 {self.width} {height:.0f}" font-family="Helvetica, Arial, sans-serif">')
        return "\n".join([head, f'<rect width="{self.width}" height="{height:.0f}" fill="#ffffff"/>', *self.shapes, "</svg>"]) + "\n"
