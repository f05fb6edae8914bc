"""Builder images, made of a build base, a lifecycle, buildpacks, extensions and an order.

Layers and labels are those of `pack builder create`, so its commands can read ours and equal input gives layers of
equal digests. Two labels are added, which the specification asks for and pack does not write: the lifecycle's version
and APIs. Specification: platform.md, "Builder"; BTM-01 to BTM-05, GO-92, GO-93.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pybuild
from pybuild import gojson
from pybuild.errors import BuilderUnusable
from pybuild.gojson import Struct
from pybuild.lifecycle.content import spooled_layer
from pybuild.oci import model, tar
from pybuild.oci.digest import sha256
from pybuild.platform.builders.lifecycle_archive import Apis, Lifecycle
from pybuild.platform.buildpacks.modules import BUILDPACKS_DIR, EXTENSIONS_DIR, layer_tar
from pybuild.spec import builder as labels
from pybuild.spec import package, toml
from pybuild.spec.analyzed import RunToml, StackToml
from pybuild.spec.api import BUILDPACK_APIS, PLATFORM_APIS
from pybuild.spec.builder import Builder, json_table, metadata_label
from pybuild.spec.order import Order, OrderFile, System, order_tree
from pybuild.spec.run_image import RunImageName
from pybuild.stores.api import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.platform.buildpacks.modules import Module
    from pybuild.spec.builder import BuilderModule
    from pybuild.spec.order import ModuleRef
    from pybuild.stores.api import ImageStore, StoredImage, Written

RUN_STATUS = "/cnb/run-image/dpkg-status"
"""The run image's list of packages: what a launch layer need not bring (buildpacks read it)."""

CREATED = "1980-01-01T00:00:01Z"
BUILD_CONFIG_DIR = "/cnb/build-config/env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a builder is made of. `modules`: buildpacks in the order they were asked for, each followed by what it needs.

    `order`: may leave out versions. `files`: further files of root's, by absolute path. `flatten`: modules (`id@version`) that share a layer. `lifecycle` None: only a description of ours. `stack`:
    the run image of a builder that still names a stack. `build_env`: files of the build configuration, by name.
    `made_by`: name and version of the program that it says made it.
    """

    description: str
    modules: tuple[Module, ...]
    order: Order
    run_images: tuple[RunImageName, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    extensions: tuple[Module, ...] = ()
    order_extensions: Order = ()
    system: System = field(default_factory=System)
    stack: RunImageName = field(default_factory=RunImageName)
    build_env: Mapping[str, bytes] = field(default_factory=dict)
    lifecycle: Lifecycle | None = None
    flatten: tuple[frozenset[str], ...] = ()
    made_by: tuple[str, str] = ("pybuild", pybuild.__version__)


def create(store: ImageStore, base: StoredImage, definition: Definition, *names: Reference) -> Written:
    """Make a builder on the build image `base` and give it its names.

    The same inputs give the same image. What the base has of modules, if it is a builder itself, stays. Raises
    `BuilderUnusable` for a base that is no build image.
    """
    about = Builder.read(str(names[0]) if names else base.id, base.id, base.config, base.labels)
    buildpacks = _Installed.of(definition.modules, definition.flatten, about.buildpacks)
    extensions = _Installed.of(definition.extensions, (), about.extensions)
    layers = [
        _layer(_folders(about.uid, about.gid), "Folders"),
        _layer((definition.lifecycle or described_lifecycle()).layer, "Lifecycle"),
        *buildpacks.layers,
        *extensions.layers,
        *_control_layers(definition, about),
    ]
    added = _labels(base, definition, buildpacks, extensions)
    return store.write(base, layers, partial(_config, base, layers, added), names, None)


def check_order(definition: Definition, base: StoredImage) -> None:
    """Raise `BuilderUnusable` for an order that names what is missing, in the base too, or ambiguous."""
    about = Builder.read(base.id, base.id, base.config, base.labels)
    system = (definition.system.pre, definition.system.post)
    buildpacks = _names(about.buildpacks, definition.modules)
    for group in (*definition.order, *system):
        _check_group(group, buildpacks, "buildpacks")
    for group in definition.order_extensions:
        _check_group(group, _names(about.extensions, definition.extensions), "extensions")
    for module in definition.modules:
        for group in module.descriptor.order:
            _check_group(group, buildpacks, "buildpacks", who=str(module.descriptor))


def _names(held: Sequence[BuilderModule], modules: Sequence[Module]) -> list[tuple[str, str]]:
    """Id and version of each."""
    own = [(module.descriptor.id, module.descriptor.version) for module in modules]
    return [*((each.id, each.version) for each in held), *own]


def _check_group(
    group: Sequence[ModuleRef], present: Sequence[tuple[str, str]], key: str, *, who: str = "the order"
) -> None:
    for ref in group:
        versions = dict.fromkeys(version for name, version in present if name == ref.id)
        if not versions or (ref.version and ref.version not in versions):
            known = ", ".join(f"{ref.id}@{each}" for each in versions)
            raise BuilderUnusable(
                f"{who} names {ref}, which is not in the builder",
                hint=f"there is {known}" if known else f"add its place: [[{key}]] uri = …",
            )
        if not ref.version and len(versions) > 1:
            raise BuilderUnusable(
                f"{who} names {ref.id} without a version, and the builder has {', '.join(versions)}",
                hint="add its version to the order",
            )


@dataclass(frozen=True, slots=True)
class _Installed:
    """Modules as layers. `described`: each with the diff id of the layer that has it."""

    layers: list[Layer]
    described: list[tuple[Module, str]]

    @classmethod
    def of(
        cls, modules: Sequence[Module], flatten: Sequence[frozenset[str]], held: Sequence[BuilderModule]
    ) -> _Installed:
        """Flattened layers first, then one layer for each module, sorted. Of equal names the last module counts.

        `held`: what the base has already; the very same is not added again, another one of that name is refused.
        """
        known = {f"{each.id}@{each.version}": each.diff_id for each in held}
        by_name = {str(module.descriptor): module for module in modules}
        groups = [[module for name, module in by_name.items() if name in group] for group in flatten]
        together = {name for group in flatten for name in group}
        groups += [[by_name[name]] for name in sorted(by_name) if name not in together]
        layers, described = [], []
        for group in filter(None, groups):
            names = ", ".join(str(module.descriptor) for module in group)
            layer = spooled_layer(
                layer_tar(group), f"pybuild: {group[0].descriptor.kind.capitalize()}: {names}"
            )
            other = next(
                (name for name in map(_name, group) if known.get(name, layer.diff_id) != layer.diff_id), ""
            )
            if other:
                raise BuilderUnusable(
                    f"the build image has {other} already, with other content", hint="give it another version"
                )
            if not all(_name(module) in known for module in group):
                layers.append(layer)
            described += [(module, str(layer.diff_id)) for module in group]
        return cls(layers, described)

    def label(self, base: StoredImage, label: str) -> str:
        """The text of the label, with what the base has in it."""
        found = dict(json_table(base.labels, label).raw())
        own = package.layers_label((module.descriptor, diff_id) for module, diff_id in self.described)
        merged = {name: {**found.get(name, {}), **versions} for name, versions in own.items()}
        return gojson.dumps({**found, **merged})


def _name(module: Module) -> str:
    return str(module.descriptor)


def _control_layers(definition: Definition, about: Builder) -> list[Layer]:
    """What tells the phases what to do: one layer for each file, and an empty one for `/platform/env`, as pack has them."""
    files = [{path: content} for path, content in _control_files(definition, about).items()]
    if definition.build_env:
        files.append({f"{BUILD_CONFIG_DIR}/{name}": text for name, text in definition.build_env.items()})
    layers = [_layer(_files(each), ", ".join(each)) for each in files]
    layers.append(_layer(tar.TRAILER, "Platform variables"))
    if definition.files:
        layers.append(_layer(_files(definition.files, folders=True), ", ".join(definition.files)))
    return layers


def _control_files(definition: Definition, about: Builder) -> dict[str, bytes]:
    images = definition.run_images
    stack = definition.stack if definition.stack.image else images[0] if images else RunImageName()
    buildpacks = _names(about.buildpacks, definition.modules)
    extensions = _names(about.extensions, definition.extensions)
    order = OrderFile(
        order=tuple(_resolved(group, buildpacks) for group in definition.order),
        order_extensions=tuple(_resolved(group, extensions) for group in definition.order_extensions),
    )
    system = System(
        pre=_resolved(definition.system.pre, buildpacks),
        post=_resolved(definition.system.post, buildpacks),
    )
    return {
        "/cnb/order.toml": order.write(),
        **({"/cnb/system.toml": system.write()} if system.pre or system.post else {}),
        "/cnb/stack.toml": StackToml(run_image=stack).write(),
        "/cnb/run.toml": RunToml(images=images).write(),
    }


def _resolved(group: Sequence[ModuleRef], present: Sequence[tuple[str, str]]) -> tuple[ModuleRef, ...]:
    """The group with the versions that it leaves out."""
    versions = dict(present)
    return tuple(replace(ref, version=ref.version or versions.get(ref.id, "")) for ref in group)


def _layer(content: bytes, created_by: str) -> Layer:
    return Layer(
        diff_id=sha256(content),
        size=len(content),
        open=partial(iter, (content,)),
        created_by=f"pybuild: {created_by}",
    )


def _folders(uid: int, gid: int) -> bytes:
    """The folders of every builder: two for the build user, the others root's (BTM-04)."""
    root = (
        "/cnb",
        BUILDPACKS_DIR,
        EXTENSIONS_DIR,
        "/platform",
        "/platform/env",
        "/cnb/build-config",
        BUILD_CONFIG_DIR,
    )
    owners = {"/workspace": (uid, gid), "/layers": (uid, gid)} | dict.fromkeys(root, (0, 0))
    return b"".join(tar.write((_folder(path, *owner), b"") for path, owner in owners.items()))


def _folder(path: str, uid: int = 0, gid: int = 0) -> tar.TarEntry:
    return tar.TarEntry(name=path.encode(), kind=tar.DIRECTORY, mode=0o755, uid=uid, gid=gid)


def _files(files: Mapping[str, bytes], *, folders: bool = False) -> bytes:
    """A layer of small files of root's, with the `folders` they are in where no other layer has them."""
    entries: dict[str, tuple[tar.TarEntry, bytes]] = {}
    for path, content in files.items():
        parts = path.split("/")
        for depth in range(2, len(parts)) if folders else ():
            parent = "/".join(parts[:depth])
            entries.setdefault(parent, (_folder(parent), b""))
        entry = tar.TarEntry(name=path.encode(), kind=tar.FILE, mode=0o644, uid=0, gid=0, size=len(content))
        entries[path] = (entry, content)
    return b"".join(tar.write(entries.values()))


def described_lifecycle() -> Lifecycle:
    """Our lifecycle for builders that only pybuild uses: without programs, for the phases run outside of the builder.

    Its layer holds the description of the lifecycle alone (GO-90): export writes a launcher for each app.
    """
    apis = {
        kind: Apis(supported=tuple(map(str, versions)))
        for kind, versions in (("buildpack", BUILDPACK_APIS), ("platform", PLATFORM_APIS))
    }
    tree = Struct(
        apis={kind: Struct(deprecated=[], supported=list(each.supported)) for kind, each in apis.items()},
        lifecycle=Struct(version=pybuild.__version__),
    )
    layer = _files({"/cnb/lifecycle/lifecycle.toml": toml.dumps(tree).encode()}, folders=True)
    return Lifecycle(version=pybuild.__version__, layer=layer, **apis)


def _labels(
    base: StoredImage, definition: Definition, buildpacks: _Installed, extensions: _Installed
) -> dict[str, str]:
    lifecycle = definition.lifecycle or described_lifecycle()
    order, extension_order = order_tree(definition.order), order_tree(definition.order_extensions)
    system = definition.system
    return {
        **definition.labels,
        labels.METADATA: metadata_label(
            description=definition.description,
            buildpacks=_infos(base, "buildpacks", definition.modules),
            extensions=_infos(base, "extensions", definition.extensions),
            stack=definition.stack,
            run_images=definition.run_images,
            lifecycle=lifecycle.tree(),
            created_by=definition.made_by,
        ),
        labels.LAYERS: buildpacks.label(base, labels.LAYERS),
        labels.EXTENSION_LAYERS: extensions.label(base, labels.EXTENSION_LAYERS),
        # As they were written: what leaves out a version says that there is only one.
        labels.ORDER: gojson.dumps(order or None),
        labels.ORDER_EXTENSIONS: gojson.dumps(extension_order or None),
        **({labels.SYSTEM: gojson.dumps(system.tree())} if system.pre or system.post else {}),
        labels.MIXINS: base.labels.get(labels.MIXINS) or "null",
        labels.LIFECYCLE_VERSION: lifecycle.version,
        labels.LIFECYCLE_APIS: gojson.dumps(lifecycle.apis()),
    }


def _infos(base: StoredImage, key: str, modules: Sequence[Module]) -> list[Struct]:
    """Who the modules are, those of the base first."""
    held = json_table(base.labels, labels.METADATA).tables(key)
    return [*(Struct(each.raw()) for each in held), *(package.info(module.descriptor) for module in modules)]


def _config(
    base: StoredImage, layers: Sequence[Layer], added: Mapping[str, str], diff_ids: Sequence[str]
) -> bytes:
    """The builder's configuration: the base's, its variables included (BTM-01), with our labels."""
    given: dict[str, Any] = dict(base.config)
    config = dict(given.get("config") or {})
    config["Labels"] = {**base.labels, **added}
    config["WorkingDir"] = "/layers"
    below = [Struct(created=CREATED) for _ in base.diff_ids]
    history = [*below, *(Struct(created=CREATED, created_by=layer.created_by) for layer in layers)]
    rootfs = Struct(type="layers", diff_ids=list(diff_ids))
    return model.encode_config(
        {**given, "created": CREATED, "config": config, "history": history, "rootfs": rootfs}
    )
