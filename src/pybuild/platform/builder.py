"""Builder images as an engine has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable
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
