"""The distribution of a build environment, where the run image's labels do not tell one.

Specification: platform.md, "Target Data": targets that an image does not declare are read from /etc/os-release.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pybuild.spec.target import Distro

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.buildenv.api import Refused

# The first is a symlink to the second nearly everywhere, and `BuildEnv.read_files` follows none.
FILES = ("/etc/os-release", "/usr/lib/os-release")

_LINE = re.compile(r"""^(ID|VERSION_ID)=(["']?)(.*?)\2\s*$""", re.MULTILINE)


def distro(files: Mapping[str, bytes | Refused]) -> Distro | None:
    """What the first readable one of `FILES` says; None when there is none, or it names nothing."""
    for path in FILES:
        content = files.get(path)
        if isinstance(content, bytes):
            values = {key: value for key, _, value in _LINE.findall(content.decode(errors="replace"))}
            found = Distro(name=values.get("ID", ""), version=values.get("VERSION_ID", ""))
            return found if found != Distro() else None
    return None
