"""A builder image as a value: whom buildpacks run as, what it offers in which order, and which run images fit.

All of it stands in the image's labels and variables. Specification: platform.md, "Build Image" and "Builder";
labels that the specification leaves open are those that pack reads and writes (BTM-05, GO-93).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import BuilderUnusable, InvalidFile, PybuildError
from pybuild.gojson import Struct
from pybuild.spec.api import ApiVersion
from pybuild.spec.names import check_id, check_version
from pybuild.spec.order import Order, System, read_order
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import Distro, Target
from pybuild.spec.toml import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METADATA = "io.buildpacks.builder.metadata"
ORDER = "io.buildpacks.buildpack.order"
ORDER_EXTENSIONS = "io.buildpacks.buildpack.order-extensions"
LAYERS = "io.buildpacks.buildpack.layers"
EXTENSION_LAYERS = "io.buildpacks.extension.layers"
SYSTEM = "io.buildpacks.buildpack.system"
LIFECYCLE_VERSION = "io.buildpacks.lifecycle.version"
LIFECYCLE_APIS = "io.buildpacks.lifecycle.apis"
DISTRO_NAME = "io.buildpacks.base.distro.name"
DISTRO_VERSION = "io.buildpacks.base.distro.version"
STACK_ID = "io.buildpacks.stack.id"
MIXINS = "io.buildpacks.stack.mixins"

_HINT = "choose another one with --builder, or leave it out to use pybuild's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderModule:
    """A buildpack or extension in a builder. `diff_id`: of the layer that brought it, "" when unknown."""

    id: str
    version: str
    api: str = ""
    homepage: str = ""
    name: str = ""
    diff_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """What a platform must know of a builder image before it starts it.

    `name`: as it was asked for; `image_id`: the engine's. `environ`: the image's own variables. `order` is None
    where no label tells it: then /cnb/order.toml does. `platform_apis`: all that its lifecycle speaks, the
    deprecated ones included; empty when unknown. `lifecycle_version` "" when unknown. `run_images`: the first is
    preferred. `created_by`: the tool that made it.
    """

    name: str
    image_id: str
    uid: int
    gid: int
    target: Target
    environ: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    order: Order | None = None
    order_extensions: Order = ()
    system: System = field(default_factory=System)
    buildpacks: tuple[BuilderModule, ...] = ()
    extensions: tuple[BuilderModule, ...] = ()
    run_images: tuple[RunImageName, ...] = ()
    platform_apis: tuple[ApiVersion, ...] = ()
    buildpack_apis: tuple[ApiVersion, ...] = ()
    lifecycle_version: str = ""
    stack_id: str = ""
    description: str = ""
    created_by: str = ""

    @classmethod
    def read(cls, name: str, image_id: str, config: Mapping[str, Any], labels: Mapping[str, str]) -> Self:
        """A builder from its image's configuration file and labels.

        Raises `BuilderUnusable`, which says what is missing or cannot be read.
        """
        environ = _environ(config)
        try:
            return cls(
                name=name,
                image_id=image_id,
                uid=_number(environ, "CNB_USER_ID", name),
                gid=_number(environ, "CNB_GROUP_ID", name),
                target=target_of(config, labels),
                environ=environ,
                labels=labels,
                **_described(labels),
            )
        except InvalidFile as exc:
            raise BuilderUnusable(f"the builder {name} cannot be used: {exc}", hint=_HINT) from exc

    def versions(self, buildpack_id: str) -> tuple[str, ...]:
        """The versions of a buildpack that the builder has; none when it lacks the buildpack."""
        return tuple(module.version for module in self.buildpacks if module.id == buildpack_id)


def target_of(config: Mapping[str, Any], labels: Mapping[str, str]) -> Target:
    """What an image is: from its configuration file, and its distribution from the labels (IMG-03, IMG-04)."""
    distro = Distro(name=labels.get(DISTRO_NAME, ""), version=labels.get(DISTRO_VERSION, ""))
    return Target(
        os=str(config.get("os") or ""),
        arch=str(config.get("architecture") or ""),
        variant=str(config.get("variant") or ""),
        distro=distro if distro.name else None,
        id=labels.get("io.buildpacks.base.id", ""),
    )


def metadata_label(
    *,
    description: str,
    buildpacks: Sequence[Struct],
    extensions: Sequence[Struct],
    stack: RunImageName,
    run_images: tuple[RunImageName, ...],
    lifecycle: Struct,
    created_by: tuple[str, str],
) -> str:
    """The text of `io.buildpacks.builder.metadata`.

    `buildpacks`, `extensions`: what `spec.package.info` says of them; `stack`: the run image of a stack, or an empty
    one; `lifecycle`: version, api, apis; `created_by`: name, version.
    """
    return gojson.dumps(
        Struct(
            description=description,
            buildpacks=buildpacks or None,
            extensions=extensions or None,
            stack=Struct(runImage=_image(stack)),
            lifecycle=lifecycle,
            createdBy=Struct(name=created_by[0], version=created_by[1]),
            images=list(map(_image, run_images)) or None,
        )
    )


def _image(name: RunImageName) -> Struct:
    return Struct(image=name.image, mirrors=list(name.mirrors) or None)


def _described(labels: Mapping[str, str]) -> dict[str, Any]:
    """What the labels of a builder say, by field of `Builder`."""
    metadata = json_table(labels, METADATA)
    lifecycle = metadata.table("lifecycle")
    order, extensions = json_tables(labels, ORDER), json_tables(labels, ORDER_EXTENSIONS)
    return {
        "order": read_order(order) if order is not None else None,
        "order_extensions": read_order(extensions) if extensions is not None else (),
        "system": System.of(json_table(labels, SYSTEM)),
        "buildpacks": _modules(json_table(labels, LAYERS)),
        "extensions": _modules(json_table(labels, EXTENSION_LAYERS)),
        "run_images": _run_images(metadata),
        "platform_apis": _apis(labels, lifecycle, "platform"),
        "buildpack_apis": _apis(labels, lifecycle, "buildpack"),
        "lifecycle_version": labels.get(LIFECYCLE_VERSION, "") or lifecycle.text("version"),
        "stack_id": labels.get(STACK_ID, ""),
        "description": metadata.text("description"),
        "created_by": metadata.table("createdBy").text("name"),
    }


def _environ(config: Mapping[str, Any]) -> dict[str, str]:
    items = (config.get("config") or {}).get("Env") or []
    pairs = (item.partition("=") for item in items if isinstance(item, str))
    return {name: value for name, equals, value in pairs if name and equals}


def _number(environ: Mapping[str, str], variable: str, name: str) -> int:
    text = environ.get(variable, "")
    if not text:
        raise BuilderUnusable(
            f"the image {name} is no builder: it does not set {variable}, whom buildpacks run as", hint=_HINT
        )
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise BuilderUnusable(
            f"the builder {name} sets {variable} to {text!r}: expected a number of a user other than root",
            hint=_HINT,
        )
    return int(text)


def json_table(labels: Mapping[str, str], label: str) -> Table:
    """A label that holds an object, as a table; an empty one where there is none. Raises `InvalidFile`."""
    text = labels.get(label, "")
    value = gojson.loads(text, where=f"label {label}") if text else {}
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise InvalidFile(f"label {label}: expected an object")
    return Table(_without_nulls(value), file=f"label {label}")


def json_tables(labels: Mapping[str, str], label: str) -> Table | None:
    """A label that holds the array of an order, as the table it would be in order.toml; None where there is none."""
    text = labels.get(label, "")
    value = gojson.loads(text, where=f"label {label}") if text else None
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidFile(f"label {label}: expected an array")
    return Table({"order": _without_nulls(value)}, file=f"label {label}")


def _without_nulls(value: Any) -> Any:
    """JSON as TOML could say it: what is null is absent."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value


def _modules(table: Table) -> tuple[BuilderModule, ...]:
    return tuple(
        BuilderModule(
            id=check_id(module_id, table.place()),
            version=check_version(version, table.place(module_id)),
            api=about.text("api"),
            homepage=about.text("homepage"),
            name=about.text("name"),
            diff_id=about.text("layerDiffID"),
        )
        for module_id, versions in table.children()
        for version, about in versions.children()
    )


def _run_images(metadata: Table) -> tuple[RunImageName, ...]:
    tables = metadata.tables("images") or metadata.tables("runImages")
    stack = metadata.table("stack").table("runImage")
    if not tables and stack.text("image"):
        tables = (stack,)
    return tuple(
        RunImageName(image=table.needed("image"), mirrors=table.texts("mirrors")) for table in tables
    )


def _apis(labels: Mapping[str, str], lifecycle: Table, kind: str) -> tuple[ApiVersion, ...]:
    table = json_table(labels, LIFECYCLE_APIS).optional_table(kind) or lifecycle.table("apis").table(kind)
    texts = {*table.texts("supported"), *table.texts("deprecated")}
    found = set()
    for text in texts:
        try:
            found.add(ApiVersion.parse(text))
        except PybuildError as exc:
            raise InvalidFile(f"{table.place()}: {exc}") from exc
    return tuple(sorted(found))
