"""Where the bytes of a new layer come from, and how its diff ID is learnt with the least reading.

Three kinds: made by us and at hand; lying in the build environment, read once as it streams to the store;
lying there, and perhaps the same bytes as in the image before: then it is read to be hashed, in a container into a
temporary file, and sent only if it differs. Otherwise everything above it would have to be sent again.
"""

from __future__ import annotations

import errno
import glob
import tempfile
import weakref
from collections import deque
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from pybuild.buildenv.api import FileChanged
from pybuild.errors import DiskFull, ExportError
from pybuild.events import Progress, emit
from pybuild.lifecycle.layers import tar_size, write_layer
from pybuild.lifecycle.reframe import reframe
from pybuild.oci import tar
from pybuild.oci.digest import Hashing, hashing
from pybuild.stores.api import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv, Entry, Listing
    from pybuild.lifecycle.layers import PlannedEntry

_PIECE = 1 << 20
_FEW_FILES, _FEW_BYTES = 400, 4 << 20


def made_layer(planned: Sequence[PlannedEntry], contents: Mapping[str, bytes], created_by: str) -> Layer:
    """A layer whose contents we have in memory, by `PlannedEntry.path`."""
    content = Hashing(write_layer(planned, contents))
    deque(content, maxlen=0)
    return Layer(
        diff_id=content.digest,
        size=content.size,
        open=lambda: write_layer(planned, contents),
        created_by=created_by,
    )


def known_layer(
    env: BuildEnv,
    plan: Callable[[], Sequence[PlannedEntry]],
    listing: Listing,
    *,
    diff_id: str,
    size: int,
    created_by: str,
) -> Layer:
    """A layer that is what it was: planned and read only if the store turns out to need its bytes after all."""
    return Layer(
        diff_id=diff_id,
        size=size,
        open=lambda: _streamed(env, plan(), listing, created_by),
        created_by=created_by,
    )


def new_layer(
    env: BuildEnv,
    planned: Sequence[PlannedEntry],
    listing: Listing,
    created_by: str,
    *,
    maybe: Iterable[tuple[str, int]] = (),
    keep: Callable[[Iterable[bytes]], Iterable[bytes]] | None = None,
) -> Layer:
    """A layer that has to be read. `maybe`: diff IDs and tar sizes (0: unknown) of layers that it may be equal to.

    `keep`: passes on the content that is read now, and keeps it.
    """
    size = tar_size(planned)
    diff_id = None
    if not {known for _, known in maybe}.isdisjoint({0, size}):
        content = _streamed(env, planned, listing, created_by)
        if env.file_reader() is None:
            return spooled_layer(keep(content) if keep else content, created_by)
        # Seldom needed after that, and then read again for less than a copy on disk costs each time.
        passing = hashing(keep(content) if keep else content)
        deque(passing, maxlen=0)
        diff_id = passing.digest
    return Layer(
        diff_id=diff_id,
        size=size,
        open=lambda: _streamed(env, planned, listing, created_by),
        created_by=created_by,
    )


def spooled_layer(content: Iterable[bytes], created_by: str) -> Layer:
    """A layer read into a temporary file at once, because its diff ID or its size has to be known first."""
    spool = _Spool()
    passing = hashing(content)
    try:
        spool.write(passing)
    except OSError as exc:
        if exc.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise DiskFull(
            f"no space left in {tempfile.gettempdir()} for {created_by!r}",
            hint="free some space, or set TMPDIR to a folder on a larger disk",
        ) from exc
    return Layer(diff_id=passing.digest, size=passing.size, open=spool.pieces, created_by=created_by)


class _Spool:
    """A temporary file without a name, which is gone with this object."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with this object)
        weakref.finalize(self, self._file.close)

    def write(self, content: Iterable[bytes]) -> None:
        self._file.writelines(content)
        self._file.flush()

    def pieces(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece


def _streamed(
    env: BuildEnv, planned: Sequence[PlannedEntry], listing: Listing, label: str
) -> Iterator[bytes]:
    total = 0 if _is_small(planned) else tar_size(planned)
    done = 0
    with _content(env, planned, listing) as pieces:
        for piece in pieces:
            yield piece
            done += len(piece)
            if total:
                emit(Progress(label=label, done=done, total=total))
    if total:
        emit(Progress(label=label, done=-1))


@contextmanager
def _content(
    env: BuildEnv, planned: Sequence[PlannedEntry], listing: Listing
) -> Generator[Iterable[bytes], None, None]:
    """The tar of the plan, its contents read in the way that costs the least there."""
    if read := env.file_reader():
        yield tar.gather(_direct(planned, read, listing), least=_PIECE)
    elif _is_small(planned):
        yield _read(env, planned)
    else:
        with env.pack(listing.root) as packed:
            yield reframe(planned, packed, listing)


def _direct(
    planned: Sequence[PlannedEntry], read: Callable[[Entry], Iterable[bytes]], listing: Listing
) -> Iterator[bytes]:
    """The tar of the plan, each content read when its turn comes."""
    listed = {entry.path: entry for entry in listing.entries}
    try:
        for entry in planned:
            yield tar.header(entry.tar)
            if entry.path:
                yield from read(listed[entry.path])
                yield tar.padding(entry.tar.size)
    except FileChanged as exc:
        raise _changed(str(exc)) from exc
    yield tar.TRAILER


def _is_small(planned: Sequence[PlannedEntry]) -> bool:
    """Whether the contents are few enough to come as files; an archive of a container costs more, whatever its size."""
    files = size = 0
    for entry in planned:
        files += bool(entry.path)
        size += entry.tar.size
        if files > _FEW_FILES or size > _FEW_BYTES:
            # Before the plan of a large tree has been made as a whole.
            return False
    return True


def _read(env: BuildEnv, planned: Sequence[PlannedEntry]) -> Iterator[bytes]:
    wanted = {entry.path: entry.tar.size for entry in planned if entry.path}
    found = env.read_files([glob.escape(path) for path in wanted], limit=_FEW_BYTES) if wanted else {}
    contents = {}
    for path, size in wanted.items():
        content = found.get(path)
        if not isinstance(content, bytes) or len(content) != size:
            raise _changed(f"{path!r} changed while it was being read")
        contents[path] = content
    yield from write_layer(planned, contents)


def _changed(what: str) -> ExportError:
    return ExportError(what, hint="a process of a buildpack may still write there: build again")
