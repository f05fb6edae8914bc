"""Layer `node-libraries`: what Node.js is linked to and the run image lacks, from the distribution's packages."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from pybuild.libcnb import apt, debs, output
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

# By the name that the program is linked to. Others belong to every Debian and Ubuntu.
PACKAGES = {b"libatomic.so.1\0": "libatomic1"}


def install(context: BuildContext, program: Path, *, launch: bool) -> dict[str, str]:
    """Have them in a layer, and return the variables by which the rest of this build finds them; none where none are needed."""
    packages = needed(program)
    if not packages:
        return {}
    output.step(f"It is linked to {', '.join(packages)}")
    with apt.opened(context) as sources:
        types = Types(launch=launch, build=True, cache=True)
        made = debs.deb_layer(context, "node-libraries", packages, types, apt=sources)
    folders = debs.library_folders(made.layer)
    if not folders:
        return {}
    made.layer.search_path("LD_LIBRARY_PATH", *folders)
    before = context.environ.get("LD_LIBRARY_PATH", "")
    return {"LD_LIBRARY_PATH": ":".join([*map(str, folders), *([before] if before else [])])}


def needed(program: Path) -> tuple[str, ...]:
    """The packages with libraries that the program names."""
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # Names of libraries stand near the beginning, and end with a zero.
        return tuple(package for name, package in PACKAGES.items() if content.find(name) >= 0)
