"""Builder images as an engine has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild import engine
from pybuild.errors import BuilderUnusable
from pybuild.events import warn
from pybuild.oci.reference import Reference
from pybuild.spec.builder import Builder
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    import docker


def read_builder(client: docker.APIClient, name: str) -> Builder:
    """The builder image `name` of the engine. Raises `BuilderUnusable` if there is none or it is no builder."""
    image = DaemonStore(client).find(Reference.parse(name))
    if image is None:
        raise BuilderUnusable(
            f"the Docker Engine has no builder image {name}",
            hint=f"docker pull {name}, or leave out --builder",
        )
    return Builder.read(name, image.id, image.config, image.labels)


def check_platform(builder: Builder, client: docker.APIClient, asked: str) -> None:
    """Raise `BuilderUnusable` if the builder is for another platform than is `asked` for (`os/arch[/variant]`, or "").

    One that the engine's machine cannot run by itself is warned of: with emulation it works.
    """
    target = builder.target
    found = "/".join(filter(None, (target.os, target.arch, target.variant)))
    if asked and found != asked and f"{target.os}/{target.arch}" != asked:
        raise BuilderUnusable(
            f"the builder {builder.name} is for {found}, not for {asked}",
            hint="choose a builder that has an image for it, or leave out --platform",
        )
    with engine.translating("asking for the engine's platform"):
        version = client.version()
    host = f"{version.get('Os')}/{version.get('Arch')}"
    if f"{target.os}/{target.arch}" != host:
        warn(
            f"the builder {builder.name} is for {found}, the engine's machine is {host}: its programs need emulation",
            hint="docker run --privileged --rm tonistiigi/binfmt --install all",
        )
