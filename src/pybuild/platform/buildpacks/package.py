"""Buildpackages and extension packages: modules as an image, in an engine or a registry, or as a .cnb file.

Every layer is one module's, or all modules' where they are flattened. Layers and labels are those of pack.
Specification: distribution.md, "Buildpackage" (PKG-01 to PKG-08, T2-34 to T2-37).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pybuild import gojson
from pybuild.errors import InvalidFile, InvalidInput
from pybuild.events import info, warn
from pybuild.gojson import Struct
from pybuild.lifecycle.content import spooled_layer
from pybuild.oci import model
from pybuild.platform.builders import made
from pybuild.platform.buildpacks.fetch import fetch
from pybuild.platform.buildpacks.fetch_archive import read as read_archive
from pybuild.platform.buildpacks.locator import locate
from pybuild.platform.buildpacks.modules import from_folder, layer_tar
from pybuild.platform.buildpacks.remote import Remote, in_engine, in_registry
from pybuild.platform.buildpacks.shipped import carried
from pybuild.spec import package
from pybuild.spec.config import OFFICIAL_REGISTRY, IndexRegistry
from pybuild.spec.package_toml import PackageToml
from pybuild.spec.target import TargetSpec
from pybuild.stores.api import StoredImage
from pybuild.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pybuild.oci.reference import Reference
    from pybuild.platform.builders.made import Outcome, Place, Where
    from pybuild.platform.buildpacks.modules import Kind, Module
    from pybuild.platform.buildpacks.remote import Finder
    from pybuild.stores.api import ImageReader, ImageStore, Layer, Written

CREATED = "1980-01-01T00:00:01Z"
_NOTHING = StoredImage(id="", config={}, diff_ids=(), labels={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What goes in: the module itself, and what it needs."""

    main: Module
    others: tuple[Module, ...] = ()

    @property
    def modules(self) -> tuple[Module, ...]:
        """All of them, sorted, each once."""
        found = {str(module.descriptor): module for module in (*self.others, self.main)}
        return tuple(found[name] for name in sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    """One package to make. `file`: package.toml, or a module's folder; `output`: the .cnb file, None for an image.

    `flatten`: all modules share a layer, but for those in `apart` (`id@version`).
    """

    file: Path
    where: Where
    kind: Kind = "buildpack"
    output: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[TargetSpec, ...] = ()
    flatten: bool = False
    apart: frozenset[str] = frozenset()
    registry: IndexRegistry = field(default=OFFICIAL_REGISTRY)


def make_package(request: PackageRequest) -> Outcome:
    """Make the package, for each target. Raises `PybuildError` with nothing written."""
    with scratch_folder() as scratch:
        config, folder = _config(request.file, request.kind)
        targets = request.targets or _targets(config, folder, request.kind)
        if not targets:
            info(
                "Targets are not stated, so the package is for linux; state them with --target or [[targets]]"
            )
        targets = tuple(made.expanded(targets)) or (TargetSpec(os="linux"),)
        _check_dependencies(request, config, folder, targets)
        if locate(config.uri, folder=folder).kind in ("path", "unknown"):
            # What is wrong here is told before an engine or a registry is asked.
            _main(config.uri, folder, scratch, request.kind, None, targets[0])
        for target in targets:
            if target.os == "windows":
                warn(f"the package for {target} has layers as Linux has them")
        if request.output is not None:
            return _files(request, request.output, config, folder, targets, scratch)
        return made.make(request.where, targets, partial(_image, request, config, folder, scratch))


def load(
    file: Path,
    *,
    scratch: Path,
    kind: Kind = "buildpack",
    remote: Remote | None = None,
    target: TargetSpec | None = None,
) -> Package:
    """The modules that `file`, a package.toml or a module's folder, names."""
    config, folder = _config(file, kind)
    return _load(config, folder, scratch, kind, remote, target or TargetSpec(os="linux"))


def write(
    content: Package,
    target: TargetSpec,
    store: ImageStore,
    names: Sequence[Reference],
    *,
    labels: Mapping[str, str] | None = None,
    flatten: bool = False,
    apart: frozenset[str] = frozenset(),
) -> Written:
    """Write the image of a package. Raises `InvalidInput` for modules that make no package (PKG-04, PKG-05, PKG-08)."""
    main = content.main.descriptor
    about = Struct({**package.info(main), "stacks": None})
    if main.kind == "buildpack":
        others = [module.descriptor for module in content.modules if module is not content.main]
        package.check_package(main, others)
        stacks = package.package_stacks(main, others)
        about = Struct({**about, "stacks": [package.stack_tree(stack) for stack in stacks]})
    groups = _groups(content.modules, flatten=flatten, apart=apart)
    layers = [spooled_layer(layer_tar(group), "") for group in groups]
    described = [
        (module.descriptor, str(layer.diff_id))
        for group, layer in zip(groups, layers, strict=True)
        for module in group
    ]
    added = {
        **(labels or {}),
        package.METADATA: gojson.dumps(about),
        package.LAYERS[main.kind]: gojson.dumps(package.layers_label(described)),
    }
    return store.write(_NOTHING, layers, partial(_image_config, target, layers, added), names, None)


def _image(
    request: PackageRequest,
    config: PackageToml,
    folder: Path,
    scratch: Path,
    place: Place,
    target: TargetSpec,
) -> Written:
    remote = Remote(find=place.find, environ=request.where.environ, registry=request.registry)
    content = _load(config, folder, scratch, request.kind, remote, target)
    return write(
        content,
        target,
        place.store,
        place.names,
        labels=request.labels,
        flatten=request.flatten,
        apart=request.apart,
    )


def _files(
    request: PackageRequest,
    output: Path,
    config: PackageToml,
    folder: Path,
    targets: Sequence[TargetSpec],
    scratch: Path,
) -> Outcome:
    """A .cnb file for each target; of several, each has its target in its name."""
    from pybuild.stores.archive_store import ArchiveStore

    done = []
    for target in targets:
        words = "-".join(filter(None, (target.os, target.arch)))
        path = output if len(targets) == 1 else output.with_name(f"{output.stem}-{words}{output.suffix}")
        remote = Remote(find=_either(request.where), environ=request.where.environ, registry=request.registry)
        content = _load(config, folder, scratch, request.kind, remote, target)
        # Whatever was there is replaced: a package is one image.
        path.unlink(missing_ok=True)
        written = write(
            content,
            target,
            ArchiveStore(path),
            (),
            labels=request.labels,
            flatten=request.flatten,
            apart=request.apart,
        )
        done.append(
            made.Made(name=str(path), target=target, image_id=written.config_digest, digest=written.digest)
        )
    return made.Outcome(images=tuple(done))


def _either(where: Where) -> Finder:
    """Images that a file is made of: those of the engine, or where none answers, those of registries."""
    from pybuild import engine
    from pybuild.errors import EngineUnavailable

    def find(name: Reference) -> tuple[ImageReader, StoredImage]:
        try:
            return in_engine(engine.connect(where.environ), where.policy, mirrors=where.mirrors)(name)
        except EngineUnavailable:
            return in_registry(where.environ, insecure=where.insecure)(name)

    return find


def _config(file: Path, kind: Kind) -> tuple[PackageToml, Path]:
    """What package.toml says, or would say of a folder, and where its relative paths start."""
    if file.is_dir():
        beside = file / "package.toml"
        if not beside.is_file():
            return PackageToml(uri=".", extension=kind == "extension"), file
        file = beside
    try:
        config = PackageToml.read(file.read_bytes(), str(file))
    except OSError as exc:
        raise InvalidFile(
            f"{file} cannot be read: {exc.strerror}", hint="name package.toml with --config"
        ) from exc
    if config.extension != (kind == "extension"):
        other = "extension" if config.extension else "buildpack"
        raise InvalidFile(f"{file} names the uri of the other kind, {other}", hint=f"pybuild {other} package")
    return config, file.parent


def _targets(config: PackageToml, folder: Path, kind: Kind) -> tuple[TargetSpec, ...]:
    """Those of package.toml for a composite, else those that the module itself states."""
    root = folder / config.uri
    if config.targets or not (root / f"{kind}.toml").is_file():
        return config.targets
    about = from_folder(root, kind=kind).descriptor
    return () if about.is_composite else about.declared_targets


def _check_dependencies(
    request: PackageRequest, config: PackageToml, folder: Path, targets: Sequence[TargetSpec]
) -> None:
    """Of several targets each needs its own dependencies, which only images have."""
    for uri in config.dependencies if len(targets) > 1 else ():
        if locate(uri, folder=folder).kind in ("path", "url"):
            raise InvalidInput(
                f"uri '{uri}' is not allowed when creating a composite multi-platform buildpack; push your dependencies"
                " to a registry and use 'docker://<image>' instead",
                hint=f"pybuild {request.kind} package IMAGE --publish makes them",
            )


def _load(
    config: PackageToml, folder: Path, scratch: Path, kind: Kind, remote: Remote | None, target: TargetSpec
) -> Package:
    main = _main(config.uri, folder, scratch, kind, remote, target)
    others: list[Module] = []
    for uri in config.dependencies:
        fetched = fetch(uri, folder=folder, builder=None, scratch=scratch, remote=remote, kind=kind)
        others += fetched.modules
    return Package(main=main, others=tuple(others))


def _main(
    uri: str, folder: Path, scratch: Path, kind: Kind, remote: Remote | None, target: TargetSpec
) -> Module:
    """The module itself: of a folder with folders for platforms, the one that is for the target."""
    path = folder / uri.removeprefix("file://")
    if path.is_dir():
        root = platform_folder(path, target)
        extra = carried(path) if kind == "buildpack" else {}
        return from_folder(root, kind=kind, extra=extra, describing=None if root == path else path)
    if path.is_file():
        return read_archive(path, scratch, kind=kind)[0]
    if remote is not None and locate(uri, folder=folder).kind == "url":
        return read_archive(remote.file(uri), scratch, kind=kind)[0]
    raise InvalidInput(f"the {kind} {uri} is neither a folder nor an archive", hint=f"ls -ld {path}")


def platform_folder(root: Path, target: TargetSpec) -> Path:
    """The deepest folder `os/arch/variant/distro@version` below `root` that is there and for the target; else `root`."""
    words = [
        target.os,
        target.arch,
        target.variant,
        *(f"{each.name}@{each.version}" for each in target.distros),
    ]
    found = root
    for word in filter(None, words):
        if not (found / word).is_dir():
            break
        found = found / word
    return found


def _groups(modules: Sequence[Module], *, flatten: bool, apart: frozenset[str]) -> list[list[Module]]:
    """Which modules share a layer."""
    if not flatten:
        return [[module] for module in modules]
    warn("one layer for several buildpacks is not what the specification says; not every platform reads it")
    together = [module for module in modules if str(module.descriptor) not in apart]
    single = [[module] for module in modules if str(module.descriptor) in apart]
    return [*([together] if together else []), *single]


def _image_config(
    target: TargetSpec, layers: Sequence[Layer], labels: Mapping[str, str], diff_ids: Sequence[str]
) -> bytes:
    tree = {
        "architecture": target.arch,
        "os": target.os or "linux",
        "variant": target.variant,
        "created": CREATED,
        "history": [Struct(created=CREATED) for _ in layers],
        "rootfs": Struct(type="layers", diff_ids=list(diff_ids)),
        "config": {"Labels": dict(labels)},
    }
    return model.encode_config(tree)
