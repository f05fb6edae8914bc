"""Where an image goes: engine, registry, layout or archive, or several; and where its run image is looked for.

With a registry, credentials stay in this process, and whether we may write there is asked before anything is made.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Protocol

from pybuild import engine
from pybuild.oci.reference import DOCKER_HUB
from pybuild.platform import ownership
from pybuild.platform.pull import PullRefused, is_ours, mirror_of, present
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import docker

    from pybuild.oci.reference import Reference
    from pybuild.platform.outputs import Output
    from pybuild.platform.request import BuildRequest
    from pybuild.spec.builder import Builder
    from pybuild.spec.config import Config
    from pybuild.stores.api import OpenStore, StoredImage
    from pybuild.stores.image_manifest import Platform
    from pybuild.stores.registry import RegistryStore


class Destination(Protocol):
    """A kind of place for the new image."""

    def run_image(self, name: Reference, builder: Builder) -> StoredImage:
        """The run image of that name. Raises `PullRefused` or `RegistryError` if there is none to be had."""
        ...

    def store(self, run_image: Reference, builder: Builder) -> OpenStore:
        """The store to write into, which finds the run image, too."""
        ...

    def measures(self, run_image: StoredImage) -> bool:
        """Whether its size is comparable with that of an image written there."""
        ...


def destination(client: docker.APIClient, request: BuildRequest) -> Destination:
    """What the request asks for. Raises `RegistryDenied` if this user may not push there (F-11)."""
    found = [_destination(client, request, output) for output in request.places]
    return found[0] if len(found) == 1 else _Several(request.places, found)


def _destination(client: docker.APIClient, request: BuildRequest, output: Output) -> Destination:
    if output.kind == "docker":
        return _Engine(client, request)
    if output.kind != "registry":
        return _OnDisk(client, request, output)
    from pybuild.stores.keychain import Keychain
    from pybuild.stores.registry import RegistryStore

    store = RegistryStore(
        Keychain(request.caller),
        environ=request.caller,
        insecure=request.insecure,
        mirrors=functools.cache(lambda: _mirrors(client, request.config)),
        annotations=dict(request.annotations),
    )
    store.check_push(output.names)
    return _Registry(client, request, store)


def _mirrors(client: docker.APIClient, config: Config) -> tuple[str, ...]:
    """The mirrors of Docker Hub: the user's own, then those in the engine's daemon.json."""
    own = mirror_of(DOCKER_HUB, config.registry_mirrors)
    with engine.translating("asking for mirrors"):
        theirs = (client.info().get("RegistryConfig") or {}).get("Mirrors") or ()
    return (*([own] if own else []), *(mirror for mirror in theirs if isinstance(mirror, str)))


class _Engine:
    def __init__(self, client: docker.APIClient, request: BuildRequest) -> None:
        self._client, self._request = client, request

    def run_image(self, name: Reference, builder: Builder) -> StoredImage:  # noqa: ARG002
        return present(
            self._client, name, self._request.pull_policy, mirrors=self._request.config.registry_mirrors
        )

    def store(self, run_image: Reference, builder: Builder) -> OpenStore:  # noqa: ARG002
        return _daemon(self._client, self._request, builder)

    def measures(self, run_image: StoredImage) -> bool:  # noqa: ARG002
        return True


class _Registry:
    """Run images that pybuild made itself are in no registry: the engine lends them, and they go along."""

    def __init__(self, client: docker.APIClient, request: BuildRequest, store: RegistryStore) -> None:
        self._client, self._request, self._store = client, request, store

    def run_image(self, name: Reference, builder: Builder) -> StoredImage:
        found = self.store(name, builder).find(name)
        if found is None:
            where = "on this machine" if is_ours(name) else f"on {name.registry}"
            raise PullRefused(
                f"the run image {name} was not found {where}",
                hint="docker push it there, or name another one with --run-image",
            )
        return found

    def store(self, run_image: Reference, builder: Builder) -> RegistryStore:
        lent = [run_image] if is_ours(run_image) else []
        return self._store.lending(_platform(builder), _daemon(self._client, self._request, builder), lent)

    def measures(self, run_image: StoredImage) -> bool:
        # The engine tells the size of files, a registry that of compressed layers.
        return bool(run_image.reference)


class _OnDisk(_Engine):
    """A layout or an archive. All images but its own are the engine's."""

    def __init__(self, client: docker.APIClient, request: BuildRequest, output: Output) -> None:
        super().__init__(client, request)
        self._output = output

    def store(self, run_image: Reference, builder: Builder) -> OpenStore:  # noqa: ARG002
        from pybuild.stores.archive_store import ArchiveStore
        from pybuild.stores.assemble import Form
        from pybuild.stores.layout import LayoutStore

        output, own = self._output, frozenset(self._output.names)
        platform = _platform(builder)
        lender = _daemon(self._client, self._request, builder)
        form = Form(annotations=dict(self._request.annotations))

        def lends(name: Reference | None) -> bool:
            return name not in own

        if output.kind == "oci":
            return LayoutStore(output.path, platform=platform, lender=lender, lends=lends, form=form)
        docker = output.kind == "docker-archive"
        return ArchiveStore(
            output.path, docker=docker, platform=platform, lender=lender, lends=lends, form=form
        )

    def measures(self, run_image: StoredImage) -> bool:  # noqa: ARG002
        return False


class _Several:
    """The first place counts: its run image is built on, and what it has is used again."""

    def __init__(self, outputs: Sequence[Output], places: Sequence[Destination]) -> None:
        self._outputs, self._places = outputs, places

    def run_image(self, name: Reference, builder: Builder) -> StoredImage:
        return self._places[0].run_image(name, builder)

    def store(self, run_image: Reference, builder: Builder) -> OpenStore:
        from pybuild.stores.several import Place, SeveralStores

        first, *others = (
            Place(
                where=output.where,
                store=place.store(run_image, builder),
                names=output.names,
                base=None if output.dest else run_image,
            )
            for output, place in zip(self._outputs, self._places, strict=True)
        )
        return SeveralStores(first, others)

    def measures(self, run_image: StoredImage) -> bool:
        return self._places[0].measures(run_image)


def _platform(builder: Builder) -> Platform:
    from pybuild.stores.image_manifest import Platform

    target = builder.target
    return Platform(os=target.os, arch=target.arch, variant=target.variant)


def _daemon(client: docker.APIClient, request: BuildRequest, builder: Builder) -> DaemonStore:
    labels = ownership.labels("build", image=request.image.familiar, builder=builder.name)
    return DaemonStore(client, labels=labels)
