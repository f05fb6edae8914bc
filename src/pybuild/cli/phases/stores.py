"""Where the phases find and put images: the one table that a new kind of store is entered in.

Specification: platform.md, "analyzer", "exporter" on `<daemon>` and `<layout>`.
"""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput, InvalidReference
from pybuild.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pybuild.cli.phases.run import PhaseRun, StoreOpener
    from pybuild.stores.api import ImageStore
    from pybuild.stores.image_manifest import Platform
    from pybuild.stores.registry import RegistryStore

# How Linux calls machines, and how Go does.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def _daemon(run: PhaseRun) -> Callable[[], ImageStore]:
    """The Docker Engine's images. Its socket is opened now: the build user may not be allowed to."""
    from pybuild import engine
    from pybuild.stores.daemon import DaemonStore

    host = engine.find_endpoint(run.environ).host
    path = host.removeprefix("unix://")
    if path == host:
        client = engine.connect(run.environ)
        return lambda: DaemonStore(client)
    from pybuild.glance import Glance
    from pybuild.lifecycle.privileges import Door

    engine.knock(host)
    drops = os.geteuid() == 0 and run.inputs.uid != 0
    opener = Door.keep(path).open if drops else functools.partial(engine.open_socket, path)
    glance = Glance(opener, lambda: engine.connect(run.environ, opener=opener))
    return lambda: DaemonStore(glance)


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


def _layout(run: PhaseRun) -> Callable[[], ImageStore]:
    """The images in layouts below one folder (GEN-11)."""
    folder = run.inputs.layout_dir
    if not folder:
        raise InvalidInput(
            "-layout needs the folder in which the images are",
            hint="name it with -layout-dir or CNB_LAYOUT_DIR",
        )

    def opened() -> ImageStore:
        from pybuild.stores.layout_dir import LayoutDirStore

        place = os.path.abspath(folder)  # noqa: PTH100 - links are left as they are
        return LayoutDirStore(Path(place), platform=_platform())

    return opened


STORES: Mapping[str, StoreOpener] = {
    "daemon": _daemon,
    "registry": registry,
    "layout": _layout,
}
