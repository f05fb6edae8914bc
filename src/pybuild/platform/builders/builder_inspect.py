"""What stands in a builder image, as values: who made it, its lifecycle, run images, buildpacks, and their order as a tree.

Read from the labels alone, so an image in a registry is not pulled. Labels: BTM-05; pack's `builder inspect` (T1-27).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import BuilderUnusable, InvalidFile
from pybuild.events import detail
from pybuild.spec import builder as labels
from pybuild.spec import toml
from pybuild.spec.builder import json_table, json_tables
from pybuild.spec.buildpack import escape_id
from pybuild.spec.order import ModuleRef, Order, read_order
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pybuild.spec.toml import Table
    from pybuild.stores.api import ImageReader, StoredImage

LABELS = {"buildpack": labels.LAYERS, "extension": labels.EXTENSION_LAYERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleInfo:
    """A module as metadata tell of it."""

    id: str
    version: str = ""
    name: str = ""
    homepage: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """All that is told of it, as it stands there."""

    def __str__(self) -> str:
        return f"{self.id}@{self.version}" if self.version else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A place in a detection order: a module, a group of them, or a composite with one of its groups."""

    ref: ModuleRef | None = None
    cyclic: bool = False
    group: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Apis:
    """Versions of one API."""

    deprecated: tuple[str, ...] = ()
    supported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderInfo:
    """One builder image."""

    description: str
    created_by: tuple[str, str]
    stack: str
    mixins: tuple[str, ...]
    lifecycle: str
    buildpack_apis: Apis
    platform_apis: Apis
    run_images: tuple[RunImageName, ...]
    buildpacks: tuple[ModuleInfo, ...]
    order: tuple[Step, ...]
    extensions: tuple[ModuleInfo, ...]
    order_extensions: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One `[[metadata.configurations]]` of a buildpack: a variable that it goes by. `when`: "build", "launch" or both."""

    name: str
    description: str = ""
    default: str = ""
    when: tuple[str, ...] = ()


def inspect(image: StoredImage, *, depth: int = -1) -> BuilderInfo:
    """What the labels of a builder say. `depth`: how deep composites are followed, -1 without end.

    Raises `BuilderUnusable` for an image that is no builder.
    """
    if labels.METADATA not in image.labels:
        raise BuilderUnusable(
            f"the image is no builder: it has no label {labels.METADATA}",
            hint="pybuild builder create makes one",
        )
    try:
        return _read(image.labels, depth)
    except InvalidFile as exc:
        raise BuilderUnusable(f"the builder's labels cannot be read: {exc}") from exc


def _read(found: Mapping[str, str], depth: int) -> BuilderInfo:
    metadata = json_table(found, labels.METADATA)
    lifecycle = metadata.table("lifecycle")
    created = metadata.table("createdBy")
    layers = orders_of(found)
    return BuilderInfo(
        description=metadata.text("description"),
        created_by=(created.text("name"), created.text("version")),
        stack=found.get(labels.STACK_ID, ""),
        mixins=mixins(found),
        lifecycle=lifecycle.text("version"),
        buildpack_apis=_apis(lifecycle, "buildpack"),
        platform_apis=_apis(lifecycle, "platform"),
        run_images=_run_images(metadata),
        buildpacks=unique(modules_of(metadata, "buildpacks")),
        order=tree(_order(found, labels.ORDER), layers, depth),
        extensions=tuple(modules_of(metadata, "extensions")),
        order_extensions=tuple(
            Step(ref=group[-1]) for group in _order(found, labels.ORDER_EXTENSIONS) if group
        ),
    )


def modules_of(table: Table, key: str) -> list[ModuleInfo]:
    """The modules in a list of metadata."""
    return [module_info(each) for each in table.tables(key)]


def module_info(table: Table) -> ModuleInfo:
    """A module from its object."""
    return ModuleInfo(
        id=table.text("id"),
        version=table.text("version"),
        name=table.text("name"),
        homepage=table.text("homepage"),
        fields=dict(table.raw()),
    )


def unique(modules: list[ModuleInfo]) -> tuple[ModuleInfo, ...]:
    """Each module once, sorted."""
    found = {str(each): each for each in reversed(modules)}
    return tuple(sorted(found.values(), key=lambda each: (each.id, each.version)))


def orders_of(found: Mapping[str, str]) -> dict[str, Order]:
    """The orders of the composites that a builder or package has, by `id@version`, and by id where there is one version."""
    orders: dict[str, Order] = {}
    for module_id, versions in json_table(found, labels.LAYERS).children():
        own = {version: read_order(about) for version, about in versions.children()}
        orders |= {f"{module_id}@{version}": order for version, order in own.items()}
        if len(own) == 1:
            orders[module_id] = next(iter(own.values()))
    return orders


def tree(order: Order, orders: Mapping[str, Order], depth: int) -> tuple[Step, ...]:
    """An order with the composites in it followed, each group a step. What contains itself is `cyclic` and goes no deeper."""
    return _steps(order, None, orders, depth, 0, frozenset())


def _steps(
    order: Order,
    parent: ModuleRef | None,
    orders: Mapping[str, Order],
    most: int,
    depth: int,
    seen: frozenset[str],
) -> tuple[Step, ...]:
    steps = []
    for group in order:
        inner: list[Step] = []
        visited = set(seen)
        for ref in group:
            name = str(ref)
            cyclic = name in visited
            visited.add(name)
            own = orders.get(name, ())
            if own and not cyclic and (most < 0 or depth < most):
                inner += _steps(own, ref, orders, most, depth + 1, frozenset(visited))
            else:
                inner.append(Step(ref=ref, cyclic=cyclic))
        steps.append(Step(ref=parent, group=tuple(inner)))
    return tuple(steps)


def _order(found: Mapping[str, str], label: str) -> Order:
    table = json_tables(found, label)
    return read_order(table) if table is not None else ()


def mixins(found: Mapping[str, str]) -> tuple[str, ...]:
    """What a base of a stack says that it has besides; those of the build image alone come last."""
    value = gojson.loads(found.get(labels.MIXINS) or "null", where=f"label {labels.MIXINS}")
    names = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    build = [each for each in names if each.startswith("build:")]
    return (*(each for each in names if each not in build), *build)


def _apis(lifecycle: Table, kind: str) -> Apis:
    table = lifecycle.table("apis").table(kind)
    found = Apis(deprecated=table.texts("deprecated"), supported=table.texts("supported"))
    old = lifecycle.table("api").text(kind)
    # Builders from before there were several versions name one.
    return found if found.supported or found.deprecated or not old else Apis(supported=(old,))


def _run_images(metadata: Table) -> tuple[RunImageName, ...]:
    images = tuple(RunImageName.read(each) for each in metadata.tables("images"))
    stack = RunImageName.read(metadata.table("stack").table("runImage"))
    if stack.image and all(each.image != stack.image for each in images):
        return (*images, stack)
    return images


def settings(reader: ImageReader, image: StoredImage) -> Iterator[tuple[ModuleInfo, tuple[Setting, ...]]]:
    """The variables that each of the builder's buildpacks goes by, from its buildpack.toml; composites have none."""
    for module in inspect(image).buildpacks:
        path = f"/cnb/buildpacks/{escape_id(module.id)}/{module.version}/buildpack.toml"
        text = reader.read_file(image, path)
        if text is None:
            detail(f"the builder has no {path}")
            continue
        found = tuple(read_settings(toml.load(text, file=path)))
        if found:
            yield module, found


def read_settings(document: Table) -> Iterator[Setting]:
    """The settings that a buildpack.toml lists."""
    for each in document.table("metadata").tables("configurations"):
        when = tuple(key for key in ("build", "launch") if each.flag(key))
        default = each.value("default")
        yield Setting(
            name=each.text("name"),
            description=each.text("description"),
            default="" if default is None else str(default),
            when=when,
        )
