"""Builder images, made of a build base, buildpacks and an order.

Layers and labels are those of `pack builder create`, so its commands can read ours. Specification: platform.md,
"Builder"; BTM-01 to BTM-05, GO-92, GO-93.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pybuild
from pybuild import gojson
from pybuild.gojson import Struct
from pybuild.oci import model, tar
from pybuild.oci.digest import sha256
from pybuild.platform.modules import BUILDPACKS_DIR
from pybuild.spec import builder as labels
from pybuild.spec.analyzed import RunToml, StackToml
from pybuild.spec.api import BUILDPACK_APIS, PLATFORM_APIS
from pybuild.spec.builder import Builder, BuilderModule, metadata_label
from pybuild.spec.order import Order, OrderFile
from pybuild.spec.run_image import RunImageName
from pybuild.stores.api import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.oci.reference import Reference
    from pybuild.platform.modules import Module
    from pybuild.stores.api import StoredImage
    from pybuild.stores.daemon import DaemonStore

RUN_STATUS = "/cnb/run-image/dpkg-status"
"""The run image's list of packages: what a launch layer need not bring (buildpacks read it)."""

CREATED = "1980-01-01T00:00:01Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a builder is made of. `files`: further files of root's, by absolute path."""

    description: str
    modules: tuple[Module, ...]
    order: Order
    run_images: tuple[RunImageName, ...]
    files: Mapping[str, bytes]
    labels: Mapping[str, str]


def create(store: DaemonStore, base: StoredImage, definition: Definition, name: Reference) -> str:
    """Make a builder on the build image `base` and give it its name; returns the image's id.

    The same inputs give the same image. Raises `BuilderUnusable` for a base that is no build image.
    """
    about = Builder.read(str(name), base.id, base.config, base.labels)
    modules = sorted(definition.modules, key=lambda module: str(module.descriptor))
    contents = [(str(module.descriptor), b"".join(module.tar())) for module in modules]
    layers = [
        _layer(_folders(about.uid, about.gid), "Folders"),
        _layer(_files({"/cnb/lifecycle/lifecycle.toml": _lifecycle_toml()}), "Lifecycle"),
        *(_layer(content, f"Buildpack: {who}") for who, content in contents),
        _layer(_files(_control_files(definition)), "Order and images"),
    ]
    added = _labels(definition, modules, [sha256(content) for _, content in contents])
    written = store.write(base, layers, partial(_config, base, layers, added), (name,), None)
    return written.image_id


def _control_files(definition: Definition) -> dict[str, bytes]:
    images = definition.run_images
    return {
        "/cnb/order.toml": OrderFile(order=definition.order).write(),
        "/cnb/run.toml": RunToml(images=images).write(),
        "/cnb/stack.toml": StackToml(run_image=images[0] if images else RunImageName()).write(),
        **definition.files,
    }


def _layer(content: bytes, created_by: str) -> Layer:
    return Layer(
        diff_id=sha256(content),
        size=len(content),
        open=partial(iter, (content,)),
        created_by=f"pybuild: {created_by}",
    )


def _folders(uid: int, gid: int) -> bytes:
    """The folders of every builder: two for the build user, the others root's (BTM-04)."""
    root = ("/cnb", BUILDPACKS_DIR, "/cnb/build-config", "/cnb/build-config/env", "/cnb/extensions")
    owners = {"/workspace": (uid, gid), "/layers": (uid, gid)} | dict.fromkeys(
        (*root, "/platform", "/platform/env"), (0, 0)
    )
    return b"".join(tar.write((_folder(path, *owner), b"") for path, owner in owners.items()))


def _folder(path: str, uid: int = 0, gid: int = 0) -> tar.TarEntry:
    return tar.TarEntry(name=path.encode(), kind=tar.DIRECTORY, mode=0o755, uid=uid, gid=gid)


def _files(files: Mapping[str, bytes]) -> bytes:
    """A layer of small files of root's, with their folders."""
    entries: dict[str, tuple[tar.TarEntry, bytes]] = {}
    for path, content in sorted(files.items()):
        parts = path.split("/")
        for depth in range(2, len(parts)):
            parent = "/".join(parts[:depth])
            entries.setdefault(parent, (_folder(parent), b""))
        entry = tar.TarEntry(name=path.encode(), kind=tar.FILE, mode=0o644, uid=0, gid=0, size=len(content))
        entries[path] = (entry, content)
    return b"".join(tar.write(entries.values()))


def _apis() -> dict[str, list[str]]:
    return {"buildpack": list(map(str, BUILDPACK_APIS)), "platform": list(map(str, PLATFORM_APIS))}


def _lifecycle_toml() -> bytes:
    """The descriptor of our lifecycle (GO-90). It has no launcher of its own: export writes one for each app."""
    lines = []
    for kind, versions in _apis().items():
        listed = ", ".join(f'"{version}"' for version in versions)
        lines += [f"[apis.{kind}]", "  deprecated = []", f"  supported = [{listed}]", ""]
    lines += ["[lifecycle]", f'  version = "{pybuild.__version__}"', ""]
    return "\n".join(lines).encode()


def _labels(definition: Definition, modules: Sequence[Module], diff_ids: Sequence[str]) -> dict[str, str]:
    apis = {kind: Struct(deprecated=[], supported=versions) for kind, versions in _apis().items()}
    lifecycle = Struct(
        version=pybuild.__version__,
        api=Struct({kind: versions[-1] for kind, versions in _apis().items()}),
        apis=Struct(apis),
    )
    listed = [
        BuilderModule(
            id=each.descriptor.id, version=each.descriptor.version, homepage=each.descriptor.homepage
        )
        for each in modules
    ]
    return {
        **definition.labels,
        labels.METADATA: metadata_label(
            description=definition.description,
            modules=listed,
            run_images=definition.run_images,
            lifecycle=lifecycle,
            created_by=("pybuild", pybuild.__version__),
        ),
        labels.ORDER: gojson.dumps([_group(group) for group in definition.order]),
        labels.LAYERS: gojson.dumps(_layers_label(modules, diff_ids)),
        labels.LIFECYCLE_VERSION: pybuild.__version__,
        labels.LIFECYCLE_APIS: gojson.dumps(Struct(apis)),
    }


def _group(group: Sequence[Any]) -> Struct:
    return Struct(
        group=[
            Struct(id=ref.id, version=ref.version, **({"optional": True} if ref.optional else {}))
            for ref in group
        ]
    )


def _layers_label(modules: Sequence[Module], diff_ids: Sequence[str]) -> dict[str, dict[str, Struct]]:
    found: dict[str, dict[str, Struct]] = {}
    for module, diff_id in zip(modules, diff_ids, strict=True):
        about = module.descriptor
        targets = [
            Struct(
                os=target.os,
                arch=target.arch,
                distros=[Struct(name=distro.name, version=distro.version) for distro in target.distros],
            )
            for target in about.targets
        ]
        entry = Struct(api=about.api)
        if targets:
            entry["targets"] = [
                Struct({key: value for key, value in target.items() if value}) for target in targets
            ]
        if about.order:
            entry["order"] = [_group(group) for group in about.order]
        entry["layerDiffID"] = diff_id
        entry |= {key: value for key, value in (("homepage", about.homepage), ("name", about.name)) if value}
        found.setdefault(about.id, {})[about.version] = entry
    return found


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
