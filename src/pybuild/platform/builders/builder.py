"""Builder images as an engine has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild import engine
from pybuild.errors import BuilderUnusable
from pybuild.events import warn
from pybuild.oci.reference import Reference
from pybuild.spec.builder import Builder
from pybuild.spec.order import System
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import docker

    from pybuild.spec.builder import BuilderModule
    from pybuild.spec.order import ModuleRef
    from pybuild.stores.api import StoredImage


def read_builder(client: docker.APIClient, name: str, image: StoredImage | None = None) -> Builder:
    """The builder image `name` of the engine. Raises `BuilderUnusable` if there is none or it is no builder.

    `image`: what the engine says of it, if it was asked already.
    """
    image = image or DaemonStore(client).find(Reference.parse(name))
    if image is None:
        raise BuilderUnusable(
            f"the Docker Engine has no builder image {name}",
            hint=f"docker pull {name}, or leave out --builder",
        )
    return Builder.read(name, image.id, image.config, image.labels)


def with_versions(builder: Builder) -> Builder:
    """The builder with a version for every module that its order names without one: the only one that it has.

    Raises `BuilderUnusable` where it has several; one that it lacks is told of when its turn comes.
    """
    system = builder.system
    return replace(
        builder,
        order=builder.order
        and tuple(_versioned(group, builder.buildpacks, builder.name) for group in builder.order),
        order_extensions=tuple(
            _versioned(group, builder.extensions, builder.name) for group in builder.order_extensions
        ),
        system=System(
            pre=_versioned(system.pre, builder.buildpacks, builder.name),
            post=_versioned(system.post, builder.buildpacks, builder.name),
        ),
    )


def _versioned(
    group: tuple[ModuleRef, ...], modules: Sequence[BuilderModule], builder: str
) -> tuple[ModuleRef, ...]:
    found = []
    for ref in group:
        versions = [module.version for module in modules if module.id == ref.id]
        if not ref.version and len(versions) > 1:
            raise BuilderUnusable(
                f"the builder {builder} names {ref.id} without a version, and has {', '.join(versions)}",
                hint="its order has to say which one is meant",
            )
        found.append(ref if ref.version or not versions else replace(ref, version=versions[0]))
    return tuple(found)


def check_platform(builder: Builder, asked: str) -> None:
    """Raise `BuilderUnusable` if the builder is for another platform than is `asked` for (`os/arch[/variant]`, or "")."""
    target = builder.target
    if asked and asked not in (target.platform, f"{target.os}/{target.arch}"):
        raise BuilderUnusable(
            f"the builder {builder.name} is for {target.platform}, not for {asked}",
            hint="choose a builder that has an image for it, or leave out --platform",
        )


def warn_of_emulation(builder: Builder, client: docker.APIClient) -> None:
    """Warn of a builder that the engine's machine cannot run by itself: with emulation it works. 20 ms."""
    target = builder.target
    with engine.translating("asking for the engine's platform"):
        version = client.version()
    host = f"{version.get('Os')}/{version.get('Arch')}"
    if f"{target.os}/{target.arch}" != host:
        warn(
            f"the builder {builder.name} is for {target.platform}, the engine's machine is {host}: its programs need emulation",
            hint="docker run --privileged --rm tonistiigi/binfmt --install all",
        )
