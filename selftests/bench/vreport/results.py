# SPDX-License-Identifier: GPL-2.0
"""The measurements of one run, as the guest printed them."""

import json


class Results:
    """Figures by (scenario, kind, number of children)."""

    def __init__(self, lines):
        self.about = {}
        self.failed = []
        self.rows = []
        for line in lines:
            row = json.loads(line)
            if "about" in row:
                self.about = row["about"]
            elif "failed" in row:
                self.failed.append(row)
            else:
                self.rows.append(row)
        self.values = {(row["scenario"], row["kind"], row["children"]): row["value"] for row in self.rows}

    def value(self, scenario, kind, children):
        return self.values.get((scenario, kind, children))

    def any(self, scenario, kind):
        """The figure of a kind whose number of children does not matter."""
        return next((value for (s, k, _), value in self.values.items() if (s, k) == (scenario, kind)), None)

    def kinds(self, scenario):
        return list(dict.fromkeys(row["kind"] for row in self.rows if row["scenario"] == scenario))

    def sizes(self, scenario):
        return sorted({row["children"] for row in self.rows if row["scenario"] == scenario})

    def size(self, scenario, kind):
        """The largest number of children that a kind was measured with."""
        return max((row["children"] for row in self.rows if (row["scenario"], row["kind"]) == (scenario, kind)), default=0)

    def scenarios(self):
        return list(dict.fromkeys(row["scenario"] for row in self.rows))

    def unit(self, scenario):
        return next((row["unit"] for row in self.rows if row["scenario"] == scenario), "")
