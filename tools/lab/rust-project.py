# SPDX-License-Identifier: GPL-2.0
"""rust-project.py OUT FROM=TO…: makes the kernel's rust-project.json (standard input) one for this module (standard output).

The kernel's generator knows external crates only where the Makefile beside the source names them, and gives them the kernel's crates only.
Here the crates are those of Kbuild, and each may use the ones that are built before it. OUT is where the module was built; FROM=TO replaces
the beginning of paths.
"""

import json
import pathlib
import re
import sys

CHECKOUT = pathlib.Path("/project")


def crate_roots():
    """The Rust sources that Kbuild makes objects of, in its order."""
    kbuild = (CHECKOUT / "Kbuild").read_text(encoding="utf-8")
    names = re.findall(r"\brust/[\w/]+(?=\.o\b)", "\n".join(line for line in kbuild.split("\n") if line.startswith("vnic-y")))
    return [path for path in (CHECKOUT / f"{name}.rs" for name in names) if path.exists()]


def add_crates(project, out):
    crates = project["crates"]
    crates[:] = [crate for crate in crates if not crate["root_module"].startswith(f"{CHECKOUT}/")]
    index = {crate["display_name"]: number for number, crate in enumerate(crates)}
    deps = [{"crate": index[name], "name": name} for name in ("core", "kernel", "pin_init", "zerocopy", "zerocopy_derive") if name in index]
    for path in crate_roots():
        crates.append({
            "display_name": path.stem,
            "root_module": str(path),
            "is_workspace_member": True,
            "is_proc_macro": False,
            "deps": list(deps),
            "cfg": crates[index["kernel"]]["cfg"],
            "edition": "2021",
            "env": {"RUST_MODFILE": "vnic", "VNIC_OBJ": out},
            "source": {"include_dirs": [str(CHECKOUT / "rust"), out], "exclude_dirs": []},
        })
        deps.append({"crate": len(crates) - 1, "name": path.stem})


def replace(value, beginnings):
    """The same value with the beginnings of all paths in it replaced."""
    if isinstance(value, dict):
        return {key: replace(item, beginnings) for key, item in value.items()}
    if isinstance(value, list):
        return [replace(item, beginnings) for item in value]
    if isinstance(value, str):
        for old, new in beginnings:
            if value == old or value.startswith(old + "/"):
                return new + value[len(old):]
    return value


def main():
    out, *pairs = sys.argv[1:]
    project = json.load(sys.stdin)
    add_crates(project, out)
    missing = [crate["root_module"] for crate in project["crates"] if not pathlib.Path(crate["root_module"]).exists()]
    if missing:
        sys.exit("sources that are not there: " + " ".join(missing))
    json.dump(replace(project, [pair.split("=", 1) for pair in pairs]), sys.stdout, indent=4)


main()
