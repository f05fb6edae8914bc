"""One small file of an image that is nothing but layers: looked for from the top one down, links followed.

Specification: OCI image-spec, "layer", for what hides what below it (whiteouts).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_MOST_LINKS = 8
_HIDES = ".wh."
_HIDES_ALL = ".wh..wh..opq"


def read_file(
    diff_ids: Sequence[str], read_layer: Callable[[str], Iterator[bytes]], path: str
) -> bytes | None:
    """The file at the absolute `path`, 1 MiB at most; None when there is none. `diff_ids`: bottom first."""
    wanted = posixpath.normpath(path)
    for _ in range(_MOST_LINKS):
        found = _look(diff_ids, read_layer, wanted)
        if not isinstance(found, str):
            return found
        wanted = found
    return None


def _look(
    diff_ids: Sequence[str], read_layer: Callable[[str], Iterator[bytes]], path: str
) -> bytes | str | None:
    """The content, or the path that a link on the way leads to."""
    above = _above(path)
    hidden = {
        *(
            posixpath.join(posixpath.dirname(each), _HIDES + posixpath.basename(each))
            for each in (path, *above)
        ),
        *(posixpath.join(folder, _HIDES_ALL) for folder in ("/", *above)),
    }
    for diff_id in reversed(diff_ids):
        found, gone = _look_in(read_layer(diff_id), path, above, hidden)
        if found is not None or gone:
            return found
    return None


def _look_in(
    chunks: Iterable[bytes], path: str, above: Sequence[str], hidden: set[str]
) -> tuple[bytes | str | None, bool]:
    """What one layer has there, and whether it hides what lies below it."""
    found: bytes | str | None = None
    gone = False
    for member, body in tar.read(chunks):
        name = posixpath.normpath("/" + member.name.decode(errors="surrogateescape").lstrip("/"))
        gone = gone or name in hidden
        if name != path and name not in above:
            continue
        target = member.linkname.decode(errors="surrogateescape")
        if member.kind == tar.SYMLINK:
            found = posixpath.normpath(posixpath.join(posixpath.dirname(name), target) + path[len(name) :])
        elif name == path:
            gone = True
            found = body.read() if member.kind == tar.FILE else None
            if member.kind == tar.HARD_LINK:
                found = posixpath.normpath("/" + target.lstrip("/"))
    return found, gone


def _above(path: str) -> list[str]:
    """Every folder on the way, without the root."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: number + 1]) for number in range(len(parts))]
