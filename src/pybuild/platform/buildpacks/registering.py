"""Packages by way of a buildpack registry: pulled, listed there, and yanked (T2-41, T3-08, T3-09)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild import engine
from pybuild.errors import InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform.builders.builder_inspect import module_info
from pybuild.platform.buildpacks import registry_index
from pybuild.platform.buildpacks.locator import locate
from pybuild.platform.buildpacks.remote import in_registry
from pybuild.spec.builder import json_table
from pybuild.spec.package import METADATA
from pybuild.spec.registry_index import RegistryEntry, RegistryId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.spec.config import IndexRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of it. `result`: a commit's id, or the URL where a person has to go on; then it is not `finished`."""

    text: str
    result: str
    finished: bool


def pull_package(word: str, registry: IndexRegistry, *, environ: Mapping[str, str]) -> str:
    """Pull a package into the engine; returns the image's id."""
    from pybuild.platform.pull import pull

    found = locate(word, folder=Path("/nonexistent"))
    if found.kind == "registry":
        address = registry_index.find(registry, RegistryId.parse(found.rest), environ=environ).address
    elif found.kind == "image":
        address = found.rest
    else:
        raise InvalidInput(
            f"{word} is neither an image nor an id in a buildpack registry", hint=f"docker://{word}"
        )
    with engine.connect(environ) as client:
        return pull(client, Reference.parse(address)).id


def register(
    image: str, registry: IndexRegistry, *, environ: Mapping[str, str], insecure: tuple[str, ...] = ()
) -> Done:
    """Have the image, which must be a package in a registry, listed under its id and version, by its digest."""
    _, found = in_registry(environ, insecure=insecure)(Reference.parse(image))
    if METADATA not in found.labels:
        raise InvalidInput(
            f"the image {image} is no buildpackage: it has no label {METADATA}",
            hint="pybuild buildpack package --publish makes them",
        )
    about = module_info(json_table(found.labels, METADATA))
    wanted = RegistryId.parse(f"{about.id}@{about.version}")
    entry = RegistryEntry(
        namespace=wanted.namespace, name=wanted.name, version=wanted.version, address=found.reference
    )
    return _carry_out(entry, registry, f"Successfully registered '{image}'", environ)


def yank(word: str, registry: IndexRegistry, *, undo: bool, environ: Mapping[str, str]) -> Done:
    """Have a version marked as one that nobody is to use, or no longer."""
    wanted = RegistryId.parse(word)
    if not wanted.version:
        raise InvalidInput(f"invalid buildpack id@version '{word}'", hint=f"{word}@1.0.0")
    entry = RegistryEntry(
        namespace=wanted.namespace, name=wanted.name, version=wanted.version, address="", yanked=not undo
    )
    return _carry_out(entry, registry, f"Successfully {'un' if undo else ''}yanked '{word}'", environ)


def _carry_out(
    entry: RegistryEntry, registry: IndexRegistry, success: str, environ: Mapping[str, str]
) -> Done:
    if registry.type == "github":
        url = registry_index.issue_url(registry, entry)
        return Done(
            text=f"Open this page and submit the form; the registry {registry.name} takes it from there:",
            result=url,
            finished=False,
        )
    return Done(text=success, result=registry_index.commit(registry, entry, environ=environ), finished=True)
