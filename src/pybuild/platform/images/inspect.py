"""What an app image is made of and how it starts, by its labels: in the engine, in a registry, or both.

An image may come from anybody: what its labels say is shown, never followed.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild import gojson
from pybuild.errors import InvalidFile, InvalidInput, PybuildError
from pybuild.oci.reference import Reference
from pybuild.platform.pull import is_ours
from pybuild.spec.labels import BUILD_METADATA, LIFECYCLE_METADATA, LifecycleMetadata
from pybuild.spec.run_image import RunImageName
from pybuild.spec.toml import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pybuild.spec.config import Config
    from pybuild.stores.api import ImageReader, StoredImage

_STACK_ID = "io.buildpacks.stack.id"
_REBASABLE = "io.buildpacks.rebasable"
_PROCESS_PREFIX = "/cnb/process/"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImageShown:
    """A name of the run image. `user_configured`: it is a mirror in the user's settings."""

    name: str
    user_configured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleShown:
    """A buildpack or an image extension that took part."""

    id: str
    version: str = ""
    homepage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessShown:
    """A way to start the app. `shell`: "bash" where a shell starts it, else ""."""

    type: str
    command: str
    args: tuple[str, ...]
    working_dir: str
    shell: str = ""
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppImage:
    """An app image. `base_reference`: the run image it was put on; `base_top_layer`: that one's last layer, a diff id.

    `extensions` None: it says nothing of them. Processes: the default one first.
    """

    stack: str
    rebasable: bool
    base_reference: str
    base_top_layer: str
    run_images: tuple[RunImageShown, ...]
    buildpacks: tuple[ModuleShown, ...]
    extensions: tuple[ModuleShown, ...] | None
    processes: tuple[ProcessShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One name in two places; None where there is no such image. `remote_error`: why a registry could not be asked."""

    name: str
    remote: AppImage | None
    local: AppImage | None
    remote_error: PybuildError | None = None
    local_error: PybuildError | None = None


def inspect_image(
    name: str, *, config: Config, environ: Mapping[str, str], insecure: Sequence[str] = ()
) -> Inspected:
    """Look for the image in the engine and in the registry that its name has.

    Raises `InvalidInput` if it is in neither of them, and what went wrong where neither could be asked.
    """
    is_id = re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", name) is not None
    ref = None if is_id else Reference.parse(name)
    with ExitStack() as stack:
        local, local_error = _looked(name, config, lambda: _engine(environ, stack))
        remote, remote_error = None, None
        if ref is not None and not is_ours(ref):
            remote, remote_error = _looked(name, config, lambda: _registry(environ, insecure, stack))
    if local is None and remote is None:
        if local_error is not None and remote_error is not None:
            raise local_error
        raise InvalidInput(
            f"there is no image {name}: " + "; ".join(_reasons(local_error, remote_error, ref)),
            hint="docker images",
        )
    return Inspected(
        name=name, remote=remote, local=local, remote_error=remote_error, local_error=local_error
    )


def app_image(image: StoredImage, config: Config) -> AppImage:
    """What the labels of an image say. Raises `InvalidFile` for one that cannot be read, or an image without any."""
    labels = image.labels
    if LIFECYCLE_METADATA not in labels and BUILD_METADATA not in labels:
        raise InvalidFile(
            f"the image {image.id[:19]} was not built from buildpacks: it has no label {LIFECYCLE_METADATA}",
            hint="pybuild compare shows any two images",
        )
    known = LifecycleMetadata.read(labels.get(LIFECYCLE_METADATA) or "{}")
    build = _label(labels, BUILD_METADATA)
    run_image = known.run_image.name if known.run_image.name.image else known.stack
    return AppImage(
        stack=labels.get(_STACK_ID, ""),
        rebasable=labels.get(_REBASABLE, "true").strip() != "false",
        base_reference=known.run_image.reference,
        base_top_layer=known.run_image.top_layer,
        run_images=_run_images(run_image or RunImageName(), config),
        buildpacks=_modules(build, "buildpacks"),
        extensions=_modules(build, "extensions") if "extensions" in build else None,
        processes=_processes(build, image.config),
    )


def _looked(
    name: str, config: Config, opened: Callable[[], ImageReader]
) -> tuple[AppImage | None, PybuildError | None]:
    try:
        image = opened().find(name)
        return (app_image(image, config) if image else None), None
    except PybuildError as exc:
        return None, exc


def _engine(environ: Mapping[str, str], stack: ExitStack) -> ImageReader:
    from pybuild import engine
    from pybuild.stores.daemon import DaemonStore

    return DaemonStore(stack.enter_context(engine.connect(environ)))


def _registry(environ: Mapping[str, str], insecure: Sequence[str], stack: ExitStack) -> ImageReader:
    from pybuild.stores.keychain import Keychain
    from pybuild.stores.registry import RegistryStore

    store = RegistryStore(Keychain(environ), environ=environ, insecure=insecure)
    return stack.enter_context(closing(store))


def _reasons(local: PybuildError | None, remote: PybuildError | None, ref: Reference | None) -> list[str]:
    found = [str(local) if local else "the Docker Engine has none"]
    if ref is not None and not is_ours(ref):
        found.append(str(remote) if remote else f"{ref.registry} has none")
    return found


def _run_images(run_image: RunImageName, config: Config) -> tuple[RunImageShown, ...]:
    own = [RunImageShown(name=each, user_configured=True) for each in config.mirrors_of(run_image.image)]
    named = [RunImageShown(name=each) for each in (run_image.image, *run_image.mirrors) if each]
    return (*own, *named)


def _modules(build: Table, key: str) -> tuple[ModuleShown, ...]:
    return tuple(
        ModuleShown(id=each.text("id"), version=each.text("version"), homepage=each.text("homepage"))
        for each in build.tables(key)
    )


def _processes(build: Table, config: Mapping[str, object]) -> tuple[ProcessShown, ...]:
    settings = config.get("config")
    settings = settings if isinstance(settings, dict) else {}
    entry = [word for word in settings.get("Entrypoint") or () if isinstance(word, str)]
    default = entry[0].removeprefix(_PROCESS_PREFIX) if entry and entry[0].startswith(_PROCESS_PREFIX) else ""
    folder = str(settings.get("WorkingDir") or "")
    found = [_process(each, default, folder) for each in build.tables("processes")]
    return tuple(sorted(found, key=lambda each: not each.default))


def _process(table: Table, default: str, folder: str) -> ProcessShown:
    # Platform APIs below 0.10 write the command as one word.
    command = table.value("command")
    words = [command] if isinstance(command, str) else list(table.texts("command"))
    return ProcessShown(
        type=table.text("type"),
        command=words[0] if words else "",
        args=(*words[1:], *table.texts("args")),
        working_dir=table.text("working-dir") or folder,
        shell="" if table.flag("direct") else "bash",
        default=table.text("type") == default,
    )


def _label(labels: Mapping[str, str], name: str) -> Table:
    value = gojson.loads(labels.get(name) or "{}", where=f"label {name}")
    if not isinstance(value, dict):
        raise InvalidFile(f"label {name}: expected an object")
    return Table(value, file=f"label {name}")
