"""Where the phases find and put images: the one table that a new kind of store is entered in.

Specification: platform.md, "analyzer", "exporter" on `<daemon>` and `<layout>`.
"""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pybuild.errors import InvalidReference, PybuildError
from pybuild.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pybuild.cli.phase_run import PhaseRun, StoreOpener
    from pybuild.stores.api import ImageStore
    from pybuild.stores.image_manifest import Platform
    from pybuild.stores.registry import RegistryStore

# How Linux calls machines, and how Go does.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def _daemon(run: PhaseRun) -> Callable[[], ImageStore]:
    """The Docker Engine's images. Its socket is opened now: the build user may not be allowed to."""
    from pybuild import engine
    from pybuild.lifecycle.privileges import Door
    from pybuild.stores.daemon import DaemonStore

    host = engine.find_endpoint(run.environ).host
    path = host.removeprefix("unix://")
    drops = os.geteuid() == 0 and run.inputs.uid != 0
    opener = Door.keep(path).open if drops and path != host else None
    client = engine.connect(run.environ, opener=opener)
    return lambda: DaemonStore(client)


def registry(run: PhaseRun) -> Callable[[], RegistryStore]:
    """The images of registries. Credentials are looked for now: only root may be able to read them (GO-80)."""
    from pybuild.stores.keychain import Keychain

    keychain = Keychain(run.environ)
    keychain.settle(registries_of(run))

    @functools.cache
    def opened() -> RegistryStore:
        from pybuild.stores.registry import RegistryStore

        insecure = [_host(word) for word in run.inputs.insecure_registries]
        return RegistryStore(keychain, environ=run.environ, insecure=insecure, platform=_platform())

    return opened


def registries_of(run: PhaseRun) -> list[str]:
    """The registries that this run will ask, as far as its inputs and the files of earlier phases tell."""
    inputs = run.inputs
    own = () if inputs.daemon or inputs.layout else (*inputs.images, *inputs.tags, inputs.previous_image)
    found: dict[str, None] = {}
    for name in (inputs.cache_image, inputs.run_image, inputs.build_image, *own, *run.mentioned):
        with suppress(InvalidReference):
            found[Reference.parse(name).registry] = None
    return list(found)


def _host(word: str) -> str:
    """`host[:port]` of what may be a URL, or begin an image's name."""
    return word.partition("://")[2].partition("/")[0] if "://" in word else word.partition("/")[0]


def _platform() -> Platform:
    """Of an index, the image for this machine: the phases run in the image that is built on."""
    from pybuild.stores.image_manifest import Platform

    machine = os.uname().machine
    return Platform(arch=_ARCHITECTURES.get(machine, machine))


def _not_yet(what: str) -> StoreOpener:
    def refuse(run: PhaseRun) -> Callable[[], ImageStore]:
        raise PybuildError(
            f"{run.phase}: images in {what} are not supported yet",
            hint="use -daemon, with the Docker Engine's socket mounted",
        )

    return refuse


STORES: Mapping[str, StoreOpener] = {
    "daemon": _daemon,
    "registry": registry,
    "layout": _not_yet("OCI layout format"),
}
