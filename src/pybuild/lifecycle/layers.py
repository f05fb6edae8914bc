"""Which entries the layers of the new image have: decided from listings alone, before any content is read.

The order, owners and parents are those of the Go lifecycle, so that layers it made can be reused.

Specification: platform.md, "exporter"; buildpack.md, "Export Process" and "Slice Layers".
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, overload

from pybuild.errors import ExportError
from pybuild.events import warn
from pybuild.lifecycle.slices import cut
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pybuild.buildenv.api import Entry

LAUNCHER = "/cnb/lifecycle/launcher"

_MANY = 50_000
"""So many entries are not kept; fewer are, which is faster."""
_KINDS = {
    "f": tar.FILE,
    "d": tar.DIRECTORY,
    "l": tar.SYMLINK,
    "p": tar.FIFO,
}


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """One entry of a layer. `path`: where its content is in the build environment; "" when it needs none."""

    tar: tar.TarEntry
    path: str = ""


@dataclass(frozen=True, slots=True)
class AppLayer:
    """One layer of the app directory, with its words for the image's history."""

    created_by: str
    entries: Sequence[PlannedEntry]


def dir_layer(
    entries: Sequence[Entry], parents: Sequence[Entry], *, uid: int, gid: int
) -> Sequence[PlannedEntry]:
    """The layer of one directory (a buildpack's layer, SBOM, config) with everything below it.

    `entries`: the listing of the directory; `parents`: what stat says about the directories above it, top
    down and without "/". Parents keep their owners, the rest gets `uid` and `gid`. Directory before children,
    children by the bytes of their names. Sockets and devices are left out. A symlink as directory is one entry.
    """
    ordered = sorted(entries, key=lambda entry: os.fsencode(entry.path).replace(b"/", b"\0"))
    return _planned(parents, ordered, uid, gid)


def app_layers(
    entries: Sequence[Entry],
    parents: Sequence[Entry],
    app_dir: str,
    slices: Sequence[Sequence[str]],
    *,
    uid: int,
    gid: int,
) -> list[AppLayer]:
    """The app directory cut into one layer per slice and one for the rest.

    `slices`: for each slice its patterns (Go's filepath.Match, relative to `app_dir`, or absolute below it).
    A slice that matches nothing is an empty layer. Entries are ordered by the bytes of their whole paths.
    Raises `ExportError` for a malformed pattern.
    """
    if not slices:
        everything = sorted(entries, key=lambda entry: os.fsencode(entry.path))
        planned = _planned(parents, everything, uid, gid) if everything else []
        return [AppLayer("Application Layer", planned)]
    by_path = {entry.path: entry for entry in entries}
    layers = []
    for number, paths in enumerate(cut(entries, app_dir, slices), start=1):
        chosen = [by_path[path] for path in sorted(paths, key=os.fsencode)]
        planned = _planned(parents, chosen, uid, gid) if chosen else []
        layers.append(AppLayer(f"Application Slice: {number}" if slices else "Application Layer", planned))
    return layers


def launcher_layer(size: int) -> list[PlannedEntry]:
    """The launcher, `size` bytes long, at its place. The content's `path` is `LAUNCHER`."""
    launcher = tar.TarEntry(LAUNCHER.encode(), tar.FILE, 0o755, 0, 0, size)
    return [_root_owned("/cnb"), _root_owned("/cnb/lifecycle"), PlannedEntry(launcher, LAUNCHER)]


def process_types_layer(types: Sequence[str]) -> list[PlannedEntry]:
    """A link to the launcher for every process type, in the given order."""
    for type_ in types:
        if not type_ or any(character in "/><:|&\\\0" for character in type_):
            raise ExportError(
                f"the process type {type_!r} cannot name a file: expected some text without / > < : | & \\",
                hint="rename the process in the buildpack's launch.toml",
            )
    links = [
        PlannedEntry(
            tar.TarEntry(os.fsencode(f"/cnb/process/{type_}"), tar.SYMLINK, 0o755, 0, 0, 0, LAUNCHER.encode())
        )
        for type_ in types
    ]
    return [_root_owned("/cnb"), _root_owned("/cnb/process"), *links]


def tar_size(planned: Iterable[PlannedEntry]) -> int:
    """Bytes of the layer's uncompressed tar."""
    return tar.tar_size(entry.tar for entry in planned)


def write_layer(planned: Iterable[PlannedEntry], contents: Mapping[str, bytes]) -> Iterator[bytes]:
    """The tar of a layer whose few contents are at hand, by `PlannedEntry.path`: launcher, links, config."""
    return tar.write((entry.tar, contents[entry.path] if entry.path else b"") for entry in planned)


def _parents(parents: Sequence[Entry]) -> list[PlannedEntry]:
    # stat, not lstat: a symlinked parent is a directory in the layer.
    return [
        PlannedEntry(tar.TarEntry(os.fsencode(entry.path), tar.DIRECTORY, entry.mode, entry.uid, entry.gid))
        for entry in parents
    ]


class _Lazily(Sequence[PlannedEntry]):
    """A plan whose entries are made when they are asked for: kept, those of a large app take more than all else."""

    def __init__(
        self, first: Sequence[PlannedEntry], entries: Sequence[Entry], make: Callable[[Entry], PlannedEntry]
    ) -> None:
        self._first = first
        self._entries = entries
        self._make = make
        self._last = (-1, PlannedEntry(tar.TarEntry(b"", tar.DIRECTORY, 0, 0, 0)))

    def __len__(self) -> int:
        return len(self._first) + len(self._entries)

    def __iter__(self) -> Iterator[PlannedEntry]:
        yield from self._first
        yield from map(self._make, self._entries)

    @overload
    def __getitem__(self, index: int) -> PlannedEntry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PlannedEntry]: ...
    def __getitem__(self, index: int | slice) -> PlannedEntry | Sequence[PlannedEntry]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if self._last[0] != index:
            at = range(len(self))[index] - len(self._first)
            self._last = (index, self._make(self._entries[at]) if at >= 0 else self._first[index])
        return self._last[1]


def _planned(
    parents: Sequence[Entry], entries: Sequence[Entry], uid: int, gid: int
) -> Sequence[PlannedEntry]:
    # S-31: kept, as the Go lifecycle keeps it, but seldom what anyone wants.
    if special := [entry.path for entry in entries if entry.kind == "f" and entry.mode & 0o6000]:
        others = f" and {len(special) - 1} more" if special[1:] else ""
        warn(f"{special[0]}{others} will run with its owner's rights in the image (setuid or setgid)")
    for device in (entry for entry in entries if entry.kind in "cb"):
        # S-08: no unprivileged program makes a device, and no app needs one in its image.
        warn(f"{device.path} is a device and is left out of the image")
    kept = [entry for entry in entries if entry.kind in _KINDS]
    make = partial(_planned_entry, uid, gid)
    if len(kept) < _MANY:
        return [*_parents(parents), *map(make, kept)]
    return _Lazily(_parents(parents), kept, make)


def _planned_entry(uid: int, gid: int, entry: Entry) -> PlannedEntry:
    name = os.fsencode(entry.path)
    if entry.kind == "f":
        return PlannedEntry(
            tar.TarEntry(name, tar.FILE, entry.mode, uid, gid, entry.size), entry.path if entry.size else ""
        )
    target = os.fsencode(entry.target)
    return PlannedEntry(tar.TarEntry(name, _KINDS[entry.kind], entry.mode, uid, gid, 0, target))


def _root_owned(path: str) -> PlannedEntry:
    return PlannedEntry(tar.TarEntry(path.encode(), tar.DIRECTORY, 0o755, 0, 0))
