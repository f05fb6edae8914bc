"""The links that `update-alternatives` would make: most programs with a plain name, such as convert or vim, are one.

Installation scripts are not run. But these lines of theirs can be read: `update-alternatives --install LINK NAME PATH
PRIORITY [--slave LINK NAME PATH]…`, and loops over plain words around them. A line with other variables is left out.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_INSTALL = re.compile(r"update-alternatives\b[^;&|\n]*?--install\s+(\S+)\s+\S+\s+(\S+)\s+(\d+)([^;&|\n]*)")
_SLAVE = re.compile(r"--slave\s+(\S+)\s+\S+\s+(\S+)")
_LOOP = re.compile(r"\bfor (\w+) in ([\w .+-]+?)\s*(?:;|\n)\s*do\b(.*?)\bdone\b", re.DOTALL)
_PLAIN = re.compile(r"/[A-Za-z0-9+._/-]+")


def link_alternatives(root: Path, scripts: Iterable[str]) -> tuple[str, ...]:
    """Make the links of these installation scripts in `root`, the best one of each name; return what was linked."""
    best: dict[str, tuple[int, str]] = {}
    for script in scripts:
        for link, target, priority in _alternatives(script):
            inside = root / target.lstrip("/")
            if inside.exists() and priority > best.get(link, (-1, ""))[0]:
                best[link] = (priority, target)
    made = []
    for link, (_, target) in sorted(best.items()):
        place = root / link.lstrip("/")
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(os.path.relpath(root / target.lstrip("/"), place.parent))
            made.append(link)
    return tuple(made)


def _alternatives(script: str) -> Iterator[tuple[str, str, int]]:
    """Link, target and priority; manual pages are left out."""
    text = _LOOP.sub(_unrolled, script.replace("\\\n", " "))
    for found in _INSTALL.finditer(text):
        pairs = [(found[1], found[2]), *_SLAVE.findall(found[4])]
        for link, target in pairs:
            plain = all(_PLAIN.fullmatch(path) and ".." not in path.split("/") for path in (link, target))
            if plain and "/man/" not in link:
                yield link, target, int(found[3])


def _unrolled(loop: re.Match[str]) -> str:
    """The body of a loop, once for each word."""
    variable = re.compile(rf"\$(?:{loop[1]}\b|\{{{loop[1]}\}})")
    return "\n".join(variable.sub(lambda _, word=word: word, loop[3]) for word in loop[2].split())
