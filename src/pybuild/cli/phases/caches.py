"""The cache that a platform gives to a phase: a folder, an image in a registry, or none.

Specification: platform.md on `<cache-dir>` and `<cache-image>` of restorer, exporter and creator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import RegistryError
from pybuild.events import warn
from pybuild.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from pybuild.cli.phases.run import PhaseRun
    from pybuild.errors import PybuildError
    from pybuild.stores.api import ImageStore, LayerCache


class Caches:
    """The cache of one run. To be made with all rights that the phase was started with, and used as the build user.

    `open_images`: opens the store of this run's images, which serves for the cache image too if it is of registries.
    """

    def __init__(self, run: PhaseRun, open_images: Callable[[], ImageStore] | None = None) -> None:
        self._inputs = run.inputs
        self._open: Callable[[], ImageStore] | None = None
        if run.inputs.cache_image:
            same = open_images if run.store_kind == "registry" else None
            self._open = same or run.stores["registry"](run)

    def open(self) -> LayerCache | None:
        """The cache; an image counts more than a folder."""
        if self._open is not None:
            from pybuild.stores.image_cache import ImageCache
            from pybuild.stores.registry import RegistryStore

            store = self._open()
            assert isinstance(store, RegistryStore)
            return ImageCache(store, Reference.parse(self._inputs.cache_image))
        if self._inputs.cache_dir:
            from pybuild.stores.tar_cache import TarCache

            return TarCache.open(self._inputs.cache_dir)
        return None

    def check(self, kind: type[PybuildError]) -> None:
        """Raise `kind` if there is a cache image that may not be written (ANA-06)."""
        if self._open is not None:
            check_access(self._open(), [self._inputs.cache_image], kind)


def check_access(store: ImageStore, names: list[str], kind: type[PybuildError]) -> None:
    """Raise `kind` if one of these names may not be written to its registry (ANA-06)."""
    from pybuild.stores.registry import RegistryStore

    if not isinstance(store, RegistryStore):
        return
    for name in dict.fromkeys(names):
        try:
            store.check_push([Reference.parse(name)])
        except RegistryError as exc:
            raise kind(
                f"validating registry write access: ensure registry read/write access to {name}: {exc}",
                hint=exc.hint,
            ) from exc


def warn_without_cache(run: PhaseRun) -> None:
    """Say that nothing is kept, where the platform names no cache."""
    if not (run.inputs.cache_dir or run.inputs.cache_image):
        warn("No cached data will be used, no cache specified.")
