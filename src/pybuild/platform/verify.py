"""Whether an app's build is reproducible: built twice from nothing, and the first byte that differs, if any does.

Both builds have images and caches of their own, which are removed at the end. Wish 36; reliability G1.
"""

from __future__ import annotations

import secrets
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from pybuild import events
from pybuild.oci import tar
from pybuild.platform.build import build
from pybuild.platform.images.compare_build import removing
from pybuild.platform.images.compare_stored import compare_stored, opened_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pybuild.platform.images.compare import Comparison
    from pybuild.platform.images.compare_stored import Side
    from pybuild.platform.images.image_facts import OwnedLayer
    from pybuild.platform.request import BuildRequest

_PIECE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstByte:
    """Where two tars of one layer part. `offset`: of the tar; `at`: within the content of `path`, None in its header.

    `a`, `b`: the byte in each, None behind the end of one.
    """

    layer: str
    offset: int
    path: str
    at: int | None
    a: int | None
    b: int | None

    def as_json(self) -> dict[str, Any]:
        """See the class."""
        return {
            "layer": self.layer,
            "offset": self.offset,
            "path": self.path,
            "at": self.at,
            "a": self.a,
            "b": self.b,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What two builds came to. `first`: None if no layer differs."""

    comparison: Comparison
    image_ids: tuple[str, str]
    first: FirstByte | None = None

    @property
    def same(self) -> bool:
        """Whether both made the same image."""
        return self.comparison.same

    def as_json(self) -> dict[str, Any]:
        """The documented shape of `pybuild verify --json`."""
        return {
            "same": self.same,
            "image_ids": list(self.image_ids),
            "first_byte": self.first.as_json() if self.first else None,
            "comparison": self.comparison.as_json(),
        }


def verify(request_for: Callable[[str], BuildRequest], environ: Mapping[str, str]) -> Verified:
    """Build twice, and compare. `request_for`: the request of the image with that name."""
    token = secrets.token_hex(4)
    names = (f"pybuild-compare-{token}/first", f"pybuild-compare-{token}/second")
    with removing(token, names, keep=False), ExitStack() as stack:
        ids = []
        for name, which in zip(names, ("first", "second"), strict=True):
            events.info(f"The {which} of two builds from nothing")
            ids.append(build(request_for(name)).image_id)
        one, other = (opened_image(stack, name, environ, ()) for name in names)
        comparison = compare_stored(one, other)
        pair = next(
            (each for each in comparison.layers if each.a and each.b and each.change == "changed"), None
        )
        first = _first_byte(one, other, pair.a, pair.b) if pair and pair.a and pair.b else None
    return Verified(comparison=comparison, image_ids=(ids[0], ids[1]), first=first)


def _first_byte(one: Side, other: Side, a: OwnedLayer, b: OwnedLayer) -> FirstByte | None:
    with tempfile.TemporaryFile() as left, tempfile.TemporaryFile() as right:
        for file, side, layer in ((left, one, a), (right, other, b)):
            _write(file, side.store.read_layer(side.image, layer.diff_id))
        return first_byte(left, right, layer=a.name)


def _write(file: IO[bytes], pieces: Iterable[bytes]) -> None:
    file.writelines(pieces)
    file.flush()


def first_byte(left: IO[bytes], right: IO[bytes], *, layer: str) -> FirstByte | None:
    """Where two tars part; None for the same bytes."""
    left.seek(0)
    right.seek(0)
    offset = 0
    while True:
        one, other = left.read(_PIECE), right.read(_PIECE)
        if one != other:
            break
        if not one:
            return None
        offset += len(one)
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    path, within = _entry_at(left, offset + at)
    return FirstByte(
        layer=layer,
        offset=offset + at,
        path=path,
        at=within,
        a=one[at] if at < len(one) else None,
        b=other[at] if at < len(other) else None,
    )


def _entry_at(file: IO[bytes], offset: int) -> tuple[str, int | None]:
    """The entry that this byte belongs to, and which byte of its content it is; None of its header."""
    file.seek(0)
    path = ""
    for member, start in tar.extents(file):
        path = member.name.decode("utf-8", "backslashreplace")
        if offset < start:
            return path, None
        if offset < start + member.size:
            return path, offset - start
    return path, None
