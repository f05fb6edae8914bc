"""Layers kept as tar files in a folder: what is good lies in `committed`, what a build adds in `staging`.

The folder may have been on other machines and in other hands: a layer is hashed before a byte of it is used. A
build that fails leaves what was committed as it was. The Go lifecycle's folders can be used, and it can use ours.

Layout: GO-02.
"""

# Paths here are joined from a folder and checked digests.
# ruff: noqa: PTH103, PTH104, PTH108, PTH112, PTH113, PTH114, PTH118

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile, PybuildError
from pybuild.events import info, warn
from pybuild.oci.digest import hashing, is_digest
from pybuild.spec.cache import CACHE_METADATA, CacheMetadata
from pybuild.stores.api import UnusableLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from io import BufferedReader

    from pybuild.stores.api import Layer

_PIECE = 1 << 20
_METADATA_LIMIT = 64 << 20


class TarCache:
    """The layers in one folder, by diff ID. Nothing that is added counts before `commit`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._committed = os.path.join(folder, "committed")
        self._staging = os.path.join(folder, "staging")
        self._backup = os.path.join(folder, "committed-backup")

    @classmethod
    def open(cls, folder: str) -> Self:
        """The cache in `folder`, which must exist; `PybuildError` if it does not or cannot be written (GO-03)."""
        if not os.path.isdir(folder):
            raise PybuildError(
                f"the cache directory {folder} does not exist", hint="make it, or mount a volume there"
            )
        cache = cls(folder)
        try:
            if os.path.lexists(cache._backup) and not os.path.lexists(cache._committed):
                # A commit was killed between its two renames: what it took away is the last good state.
                os.rename(cache._backup, cache._committed)
            _remove(cache._staging)
            _remove(cache._backup)
            os.makedirs(cache._staging)
            os.makedirs(cache._committed, exist_ok=True)
        except OSError as exc:
            raise PybuildError(
                f"the cache directory {folder} cannot be used: {exc.filename}: {exc.strerror}",
                hint="the build user must be able to write there",
            ) from exc
        return cache

    def metadata(self) -> CacheMetadata:
        """What the committed layers are. An empty one, if there is none or it cannot be read: a cache may be lost."""
        path = os.path.join(self._committed, CACHE_METADATA)
        try:
            with _opened(path) as file:
                return CacheMetadata.read(file.read(_METADATA_LIMIT + 1), where=path)
        except (OSError, InvalidFile):
            return CacheMetadata()

    def size(self, diff_id: str) -> int:
        """Bytes of a committed layer; 0 if there is no such one."""
        try:
            found = os.lstat(_tar(self._committed, diff_id))
        except (OSError, UnusableLayer):
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def read(self, diff_id: str) -> Iterator[bytes]:
        """A committed layer, which has been hashed when the first chunk comes. `UnusableLayer` if it is not that one."""
        with self._verified(diff_id) as file:
            while piece := file.read(_PIECE):
                yield piece

    def write(
        self, layers: Sequence[Layer], describe: Callable[[Sequence[str]], CacheMetadata]
    ) -> Sequence[str]:
        """See `LayerCache.write`."""
        diff_ids = [self._kept(layer) or self._added(layer) for layer in layers]
        self.commit(describe(diff_ids))
        return diff_ids

    def _kept(self, layer: Layer) -> str:
        """The diff ID of a layer that is there already; "" if it is not."""
        if layer.diff_id and self.has_staged(layer.diff_id):  # its content has passed on its way to the image
            self._tell_damage(layer)
            info(f"Adding cache layer '{layer.created_by}'")
            return layer.diff_id
        if not layer.diff_id or not self.size(layer.diff_id):
            return ""
        try:
            self.keep(layer.diff_id)
        except UnusableLayer as exc:
            warn(f"Skipping reuse for layer {layer.created_by}: {exc}")
            return ""
        info(f"Reusing cache layer '{layer.created_by}'")
        return layer.diff_id

    def _tell_damage(self, layer: Layer) -> None:
        """Warn if what was kept of a layer cannot be it. Its size shows that, without its being read each time."""
        assert layer.diff_id is not None
        if self.size(layer.diff_id) in (0, os.path.getsize(_tar(self._staging, layer.diff_id))):  # noqa: PTH202
            return
        try:
            self._verified(layer.diff_id).close()
        except UnusableLayer as exc:
            warn(f"Skipping reuse for layer {layer.created_by}: {exc}")

    def _added(self, layer: Layer) -> str:
        info(f"Adding cache layer '{layer.created_by}'")
        return self.add(layer.open())

    def add(self, chunks: Iterable[bytes]) -> str:
        """Stage one layer; return its diff ID. Raises `OSError` if it cannot be written."""
        passing = hashing(chunks).tapped(_Coming(self._staging))
        for _ in passing:
            pass
        return passing.digest

    def copying(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """The same chunks; once all have passed, the layer is staged. A folder that is full ends the copy, not them."""
        try:
            return hashing(chunks).tapped(_Coming(self._staging, may_fail=True))
        except OSError as exc:
            warn(f"a layer cannot be kept in the cache: {exc.strerror}")
            return chunks

    def keep(self, diff_id: str, *, verify: bool = True) -> None:
        """Stage a committed layer once more, without copying.

        `UnusableLayer` if it is not there or, where that is to be verified, not what its name says.
        """
        if self.has_staged(diff_id):
            return
        if verify:
            self._verified(diff_id).close()
        elif not self.size(diff_id):
            raise UnusableLayer(f"the cache has no layer {diff_id}")
        os.link(_tar(self._committed, diff_id), _tar(self._staging, diff_id), follow_symlinks=False)

    def has_staged(self, diff_id: str) -> bool:
        """Whether the layer will be there after `commit`."""
        return os.path.lexists(_tar(self._staging, diff_id))

    def commit(self, metadata: CacheMetadata | None = None) -> None:
        """Let what was staged take the place of what was committed. Raises `OSError` with the old state in place."""
        if metadata is not None:
            with open(os.path.join(self._staging, CACHE_METADATA), "wb") as file:
                file.write(metadata.write() + b"\n")
        os.rename(self._committed, self._backup)
        try:
            os.rename(self._staging, self._committed)
        except OSError:
            os.rename(self._backup, self._committed)
            raise
        with suppress(OSError):
            _remove(self._backup)

    def _verified(self, diff_id: str) -> BufferedReader:
        """The open file of a layer, at its start."""
        path = _tar(self._committed, diff_id)
        try:
            file = _opened(path)
        except OSError as exc:
            why = exc.strerror or "no regular file"
            raise UnusableLayer(f"the cache has no usable layer {diff_id}: {why}") from exc
        try:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            if found != diff_id:
                raise UnusableLayer(f"expected layer contents to have SHA '{diff_id}'; found '{found}'")
            file.seek(0)
        except OSError as exc:
            file.close()
            raise UnusableLayer(f"the cache's layer {diff_id} cannot be read: {exc.strerror}") from exc
        except BaseException:
            file.close()
            raise
        return file


class _Coming:
    """A layer on its way into `staging`, under a name of its own until its digest is known."""

    def __init__(self, staging: str, *, may_fail: bool = False) -> None:
        self._staging = staging
        self._may_fail = may_fail
        descriptor, self._path = tempfile.mkstemp(prefix="coming-", dir=staging)
        self._file = open(descriptor, "wb", buffering=0)  # noqa: SIM115 (closed in `close`)

    def take(self, chunk: bytes) -> None:
        """See `Tap.take`."""
        if not self._file.closed:
            with self._giving_up():
                done = self._file.write(chunk)
                while done < len(chunk):
                    done += self._file.write(chunk[done:])

    def finish(self, digest: str) -> None:
        """See `Tap.finish`."""
        if not self._file.closed:
            with self._giving_up():
                os.fchmod(self._file.fileno(), 0o644)
                self._file.close()
                os.rename(self._path, _tar(self._staging, digest))

    def close(self) -> None:
        """Free what did not come to its end."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            os.unlink(self._path)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Let a fault end the copy for good, if it may fail."""
        try:
            yield
        except OSError as exc:
            if not self._may_fail:
                raise
            warn(f"a layer could not be kept in the cache: {exc.strerror}")
            self.close()


def _tar(folder: str, diff_id: str) -> str:
    if not is_digest(diff_id):
        raise UnusableLayer(f"{diff_id[:80]!r} names no layer: expected sha256: and 64 hexadecimal digits")
    return os.path.join(folder, f"{diff_id}.tar")


def _opened(path: str) -> BufferedReader:
    """A regular file, never through a link and never waiting for a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(None, None, path)
    return open(descriptor, "rb")


def _remove(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.lexists(path):
        shutil.rmtree(path)
