"""`pybuild builder create`: from builder.toml to builder images.

Everything is fetched and checked before anything is written. Specification: pack's builder.toml (BTM-06 to BTM-08,
T2-31 to T2-33).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild import __version__
from pybuild.errors import BuilderUnusable, InvalidInput, PybuildError
from pybuild.events import detail, info, warn
from pybuild.oci.reference import Reference
from pybuild.platform.builders import builder_image, lifecycle_archive, made
from pybuild.platform.builders.builder_inspect import mixins
from pybuild.platform.buildpacks.fetch import fetch
from pybuild.platform.buildpacks.locator import locate
from pybuild.platform.buildpacks.remote import Remote
from pybuild.spec.api import ApiVersion
from pybuild.spec.builder import STACK_ID, target_of
from pybuild.spec.config import OFFICIAL_REGISTRY, IndexRegistry
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import matches
from pybuild.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.platform.builders.builder_image import Definition
    from pybuild.platform.builders.lifecycle_archive import Lifecycle
    from pybuild.platform.builders.made import Outcome, Place, Where
    from pybuild.platform.buildpacks.modules import Kind, Module
    from pybuild.spec.builder_toml import BuilderToml, ModuleSource
    from pybuild.spec.buildpack import Descriptor
    from pybuild.spec.target import TargetSpec
    from pybuild.stores.api import StoredImage, Written

_RELEASE = "https://github.com/buildpacks/lifecycle/releases/download/v{version}/lifecycle-v{version}+linux.{arch}.tgz"
_ARCHITECTURES = {"amd64": "x86-64", "arm64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderRequest:
    """One builder to make. `folder`: where the file's relative paths start; `flatten`: modules that share a layer."""

    toml: BuilderToml
    folder: Path
    where: Where
    labels: Mapping[str, str] = field(default_factory=dict)
    flatten: tuple[frozenset[str], ...] = ()
    targets: tuple[TargetSpec, ...] = ()
    registry: IndexRegistry = field(default=OFFICIAL_REGISTRY)
    made_by: tuple[str, str] = ("pybuild", __version__)


def create_builder(request: BuilderRequest) -> Outcome:
    """Make the builder, for each target. Raises `PybuildError` with nothing written."""
    for warning in request.toml.warnings:
        warn(f"builder configuration: {warning}")
    if not (request.toml.lifecycle_uri or request.toml.lifecycle_version):
        info("The builder gets pybuild's own lifecycle, which needs Python 3.11 or later in the build image")
    with scratch_folder() as scratch:
        return made.make(
            request.where,
            request.targets or request.toml.targets,
            lambda place, target: _create(request, place, target, scratch),
            base=Reference.parse(request.toml.build_image),
        )


def flatten_groups(words: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """`--flatten`: each word names modules, `id@version` with commas between them, that share a layer."""
    groups = []
    for word in words:
        names = [part.strip() for part in word.split(",") if part.strip()]
        for name in names:
            if name.count("@") != 1 or not all(name.split("@")):
                raise InvalidInput(
                    f"invalid format {name}: expected ID@VERSION",
                    hint="--flatten acme/one@1.0.0,acme/two@2.0.0",
                )
        groups.append(frozenset(names))
    return tuple(groups)


def _create(request: BuilderRequest, place: Place, target: TargetSpec, scratch: Path) -> Written:
    config = request.toml
    _, base = place.find(Reference.parse(config.build_image))
    _tell_of_platform(config.build_image, base, target)
    _check_stack(config, config.build_image, base, "build image")
    _check_run_images(request, place)
    remote = Remote(find=place.find, environ=request.where.environ, registry=request.registry)
    lifecycle = _lifecycle(request, base, remote)
    definition = builder_image.Definition(
        description=config.description,
        modules=tuple(_modules(request, config.buildpacks, "buildpack", remote, scratch)),
        extensions=tuple(_modules(request, config.extensions, "extension", remote, scratch)),
        order=config.order,
        order_extensions=config.order_extensions,
        system=config.system,
        run_images=config.run_images,
        stack=config.run_images[0] if config.stack_id else RunImageName(),
        build_env=config.build_env_files(),
        lifecycle=lifecycle,
        labels=request.labels,
        flatten=request.flatten,
        made_by=request.made_by,
    )
    _check(definition, lifecycle, base)
    return builder_image.create(place.store, base, definition, *place.names)


def _tell_of_platform(name: str, base: StoredImage, target: TargetSpec) -> None:
    """Warn of a build image of another platform, which the builder would have, too: several targets would get one image.

    pack says nothing of it; a base that is not marked is no fault, so neither do we refuse it.
    """
    platform = [str(base.config.get(key, "")) for key in ("os", "architecture")]
    wanted = [target.os or platform[0], target.arch or platform[1]]
    if platform != wanted:
        warn(
            f"the build image {name} is for {'/'.join(platform)}, and so is the builder for the target {target}",
            hint="name a build image that has one for each target, or leave the target out",
        )


def _modules(
    request: BuilderRequest, sources: tuple[ModuleSource, ...], kind: Kind, remote: Remote, scratch: Path
) -> list[Module]:
    """Each module in the order of the file, followed by what its package brings, sorted."""
    found: list[Module] = []
    for source in sources:
        detail(f"Looking up {kind} '{source.uri}'")
        fetched = fetch(
            source.uri, folder=request.folder, builder=None, scratch=scratch, remote=remote, kind=kind
        )
        main, *others = fetched.modules
        about = main.descriptor
        for what, expected, got in (("ID", source.id, about.id), ("version", source.version, about.version)):
            if expected and got != expected:
                raise BuilderUnusable(
                    f"{kind} from URI '{source.uri}' has {what} '{got}' which does not match {what} '{expected}' from"
                    " builder config",
                    hint="correct builder.toml",
                )
        found += [main, *sorted(others, key=lambda each: (each.descriptor.id, each.descriptor.version))]
    return found


def _check(definition: Definition, lifecycle: Lifecycle, base: StoredImage) -> None:
    """Raise `BuilderUnusable` for what would fail in every build with this builder."""
    builder_image.check_order(definition, base)
    spoken = {
        ApiVersion.parse(text) for text in (*lifecycle.buildpack.supported, *lifecycle.buildpack.deprecated)
    }
    target = target_of(base.config, base.labels)
    for module in (*definition.modules, *definition.extensions):
        about = module.descriptor
        if ApiVersion.parse(about.api) not in spoken:
            raise BuilderUnusable(
                f"{about.kind} '{about}' (Buildpack API {about.api}) is incompatible with lifecycle"
                f" '{lifecycle.version}' (Buildpack API(s) {', '.join(lifecycle.buildpack.supported)})",
                hint="take another version of one of them",
            )
        if about.api in lifecycle.buildpack.deprecated:
            warn(f"{about.kind} '{about}' is using deprecated Buildpacks API version '{about.api}'")
        if about.kind == "buildpack" and about.stacks:
            _check_module_stack(about, base)
        if (
            about.kind == "buildpack"
            and about.declared_targets
            and not any(matches(each, target) for each in about.declared_targets)
        ):
            wanted = ", ".join(map(str, about.declared_targets))
            distro = f" {target.distro.name} {target.distro.version}" if target.distro else ""
            raise BuilderUnusable(
                f"unable to satisfy target os/arch constraints: buildpack '{about}' is for {wanted}, the build image"
                f" is {target.os}/{target.arch}{distro}",
                hint="take another build image, or another version of the buildpack",
            )


def _check_module_stack(about: Descriptor, base: StoredImage) -> None:
    """Raise `BuilderUnusable` for a buildpack of other stacks, or one that needs mixins which the base lacks (T2-49)."""
    own = base.labels.get(STACK_ID, "")
    stack = next((each for each in about.stacks if each.id in (own, "*")), None)
    if stack is None:
        raise BuilderUnusable(
            f"buildpack '{about}' does not support stack '{own}' of the build image",
            hint="take another build image, or a version of the buildpack that goes by [[targets]]",
        )
    wanted = {each for each in stack.mixins if not each.startswith("run:")}
    missing = sorted(wanted - set(mixins(base.labels)))
    if missing:
        raise BuilderUnusable(
            f"buildpack '{about}' requires missing mixin(s): {', '.join(missing)}",
            hint="take another build image",
        )


def _check_run_images(request: BuilderRequest, place: Place) -> None:
    """A warning for each run image that nobody could build on now; an error for one of another stack."""
    for name in (each for image in request.toml.run_images for each in (image.image, *image.mirrors)):
        try:
            _, image = place.find(Reference.parse(name))
        except PybuildError as exc:
            detail(str(exc))
            warn(f"run image '{name}' is not accessible")
            continue
        _check_stack(request.toml, name, image, "run image")


def _check_stack(config: BuilderToml, name: str, image: StoredImage, what: str) -> None:
    found = image.labels.get(STACK_ID, "")
    if config.stack_id and found != config.stack_id:
        raise BuilderUnusable(
            f"stack '{config.stack_id}' from builder config is incompatible with stack '{found}' from {what} '{name}'",
            hint="leave out [stack] id, which new builders do not need",
        )


def _lifecycle(request: BuilderRequest, base: StoredImage, remote: Remote) -> Lifecycle:
    config = request.toml
    if config.lifecycle_version:
        arch = _ARCHITECTURES.get(str(base.config.get("architecture")), "x86-64")
        url = _RELEASE.format(version=config.lifecycle_version.removeprefix("v"), arch=arch)
        return lifecycle_archive.read(remote.file(url))
    if not config.lifecycle_uri:
        return lifecycle_archive.ours()
    found = locate(config.lifecycle_uri, folder=request.folder)
    if found.kind == "image":
        reader, image = remote.find(Reference.parse(found.rest))
        return lifecycle_archive.from_image(reader, image, found.rest)
    if found.kind == "url":
        return lifecycle_archive.read(remote.file(found.rest))
    return lifecycle_archive.read(request.folder / config.lifecycle_uri.removeprefix("file://"))
