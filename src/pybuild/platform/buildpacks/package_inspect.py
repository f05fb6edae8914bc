"""What stands in a buildpackage or extension package, as values, read from its labels: nothing is pulled.

Labels: distribution.md, "Buildpackage" (PKG-04, PKG-06); pack's `buildpack inspect` (T2-38, T2-39).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pybuild.errors import BuilderUnusable, InvalidFile, InvalidInput, PybuildError
from pybuild.platform.builders.builder_inspect import ModuleInfo, Step, module_info, orders_of
from pybuild.platform.builders.two_places import in_engine, in_registry
from pybuild.platform.buildpacks import fetch_archive, registry_index
from pybuild.platform.buildpacks.download import download
from pybuild.platform.buildpacks.locator import locate
from pybuild.spec.builder import json_table
from pybuild.spec.buildpack import Stack
from pybuild.spec.order import ModuleRef, Order
from pybuild.spec.package import LAYERS, METADATA
from pybuild.spec.registry_index import RegistryId
from pybuild.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.platform.builders.two_places import Look
    from pybuild.platform.buildpacks.modules import Kind
    from pybuild.spec.config import IndexRegistry

Place = Literal["LOCAL IMAGE", "REMOTE IMAGE", "REGISTRY IMAGE", "LOCAL ARCHIVE", "REMOTE ARCHIVE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInfo:
    """One package. `order`: its main module as a tree, with the composites in it followed."""

    place: Place
    main: ModuleInfo
    stacks: tuple[Stack, ...]
    modules: tuple[ModuleInfo, ...]
    order: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which package is asked for. `depth`: how deep composites are followed, -1 without end."""

    word: str
    environ: Mapping[str, str]
    registry: IndexRegistry
    kind: Kind = "buildpack"
    depth: int = -1
    insecure: tuple[str, ...] = ()


def inspect(question: Question) -> tuple[PackageInfo, ...]:
    """What the package says of itself, where it is: of an image, as the engine and as the registry have it.

    Raises `PybuildError` if it is nowhere.
    """
    word, environ = question.word, question.environ
    found = locate(word, folder=Path())
    match found.kind:
        case "path":
            return (_archive(Path(found.rest), "LOCAL ARCHIVE", question),)
        case "url":
            return (_archive(download(found.rest, environ=environ), "REMOTE ARCHIVE", question),)
        case "registry" if found.rest != word or in_engine(word, environ).image is None:
            entry = registry_index.find(question.registry, RegistryId.parse(found.rest), environ=environ)
            look = in_registry(entry.address, environ, insecure=question.insecure)
            return (_image(look, "REGISTRY IMAGE", question),)
        case "registry" | "image" | "unknown":
            # A bare word may be an id in a registry, and an image that was made here.
            return _images(found.rest, question)
        case "builder" | "whole builder":
            raise InvalidInput(
                f"{word} is in a builder", hint="pybuild builder inspect shows what a builder has"
            )


def _images(name: str, question: Question) -> tuple[PackageInfo, ...]:
    looks: tuple[tuple[Place, Look], ...] = (
        ("LOCAL IMAGE", in_engine(name, question.environ)),
        ("REMOTE IMAGE", in_registry(name, question.environ, insecure=question.insecure)),
    )
    infos, errors = [], []
    for place, look in looks:
        try:
            infos.append(_image(look, place, question))
        except PybuildError as exc:
            errors.append(exc)
    if not infos:
        said = "; ".join(str(each) for each in errors)
        raise BuilderUnusable(f"the package {name} cannot be inspected: {said}", hint="look at its name")
    return tuple(infos)


def _image(look: Look, place: Place, question: Question) -> PackageInfo:
    if look.error is not None:
        raise look.error
    if look.image is None:
        where = "on the engine" if place == "LOCAL IMAGE" else "in its registry"
        raise InvalidInput(f"there is no image {question.word} {where}", hint="look at its name and tag")
    return read(look.image.labels, place, question)


def _archive(path: Path, place: Place, question: Question) -> PackageInfo:
    with scratch_folder() as scratch:
        if path.is_dir():
            raise InvalidInput(
                f"{path} is the folder of a {question.kind}, not a package",
                hint=f"pybuild {question.kind} package makes packages of folders",
            )
        return read(fetch_archive.read_labels(path, scratch), place, question)


def read(labels: Mapping[str, str], place: Place, question: Question) -> PackageInfo:
    """A package from its labels."""
    if METADATA not in labels:
        raise BuilderUnusable(
            f"{question.word} is no {question.kind} package: it has no label {METADATA}",
            hint=f"pybuild {question.kind} package makes them",
        )
    try:
        metadata = json_table(labels, METADATA)
        main = module_info(metadata)
        stacks = tuple(
            Stack(id=each.text("id"), mixins=each.texts("mixins")) for each in metadata.tables("stacks")
        )
        modules = [
            ModuleInfo(
                id=module_id, version=version, name=about.text("name"), homepage=about.text("homepage")
            )
            for module_id, versions in json_table(labels, LAYERS[question.kind]).children()
            for version, about in versions.children()
        ]
        orders = orders_of(labels)
    except InvalidFile as exc:
        raise BuilderUnusable(f"the labels of {question.word} cannot be read: {exc}") from exc
    top: Order = ((ModuleRef(id=main.id, version=main.version),),)
    return PackageInfo(
        place=place,
        main=main,
        stacks=stacks,
        modules=tuple(sorted(modules, key=lambda each: (each.id, each.version))),
        order=groups(top, orders, question.depth),
    )


def groups(
    order: Order, orders: Mapping[str, Order], most: int, depth: int = 0, above: frozenset[str] = frozenset()
) -> tuple[Step, ...]:
    """The groups of an order, each a step; a composite in it has its own groups below it."""
    if 0 <= most <= depth:
        return ()
    return tuple(
        Step(group=tuple(_member(ref, orders, most, depth, above) for ref in group)) for group in order
    )


def _member(
    ref: ModuleRef, orders: Mapping[str, Order], most: int, depth: int, above: frozenset[str]
) -> Step:
    name = str(ref)
    if name in above:
        return Step(ref=ref, cyclic=True)
    return Step(ref=ref, group=groups(orders.get(name, ()), orders, most, depth + 1, above | {name}))
