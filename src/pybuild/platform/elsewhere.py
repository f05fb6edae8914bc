"""The cache that a build may have besides its volume: a folder, or an image in a registry, for machines that keep nothing.

It can never make a build fail: one that cannot be used is warned of, and the build goes on without (G4).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pybuild.errors import PybuildError
from pybuild.events import warn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.platform.request import BuildRequest
    from pybuild.stores.api import ImageStore, LayerCache
    from pybuild.stores.tar_cache import TarCache


@contextmanager
def opened_elsewhere(request: BuildRequest, store: ImageStore) -> Iterator[LayerCache | None]:
    """What the request names; None if it names none, or it cannot be used. `store`: the one for the app image."""
    if request.cache.image is not None:
        from pybuild.stores.image_cache import ImageCache
        from pybuild.stores.keychain import Keychain
        from pybuild.stores.registry import RegistryStore

        if isinstance(store, RegistryStore):
            yield ImageCache(store, request.cache.image, prove=True)
            return
        registries = RegistryStore(
            Keychain(request.caller), environ=request.caller, insecure=request.insecure
        )
        try:
            yield ImageCache(registries, request.cache.image, prove=True)
        finally:
            registries.close()
    elif request.cache.folder is not None:
        with _folder(request.cache.folder) as folder:
            yield folder
    else:
        yield None


@contextmanager
def _folder(path: Path) -> Iterator[TarCache | None]:
    """The cache in a folder, alone: two builds would clear away what the other one stages."""
    from pybuild.stores.tar_cache import TarCache

    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        warn(f"the cache {path} is not used: {exc.strerror}")
        yield None
        return
    try:
        cache = _locked(path, lock, TarCache)
        yield cache
    finally:
        os.close(lock)


def _locked(path: Path, lock: int, kind: type[TarCache]) -> TarCache | None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return kind.open(str(path))
    except BlockingIOError:
        warn(f"the cache {path} is not used: another build uses it now")
    except (OSError, PybuildError) as exc:
        warn(f"the cache {path} is not used: {exc}")
    return None
