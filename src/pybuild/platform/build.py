"""A build as users know it: find what is needed, start the builder's container, run the lifecycle, remember.

The container, the upload and the image store are opened here; what happens between them is `lifecycle.create`.
Engine access and credentials stay in this process. Design: docs/adr/0002-host-driven-lifecycle.md.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from pybuild import __version__, engine, events
from pybuild.buildenv.container import ContainerSpec
from pybuild.errors import BuilderUnusable, InvalidFile, PybuildError
from pybuild.lifecycle import image_config
from pybuild.lifecycle.analyze import analyze
from pybuild.lifecycle.cache import CacheIndex
from pybuild.lifecycle.create import CreateInputs, Places, create, detect_inputs, platform_given
from pybuild.lifecycle.detect import Detected, detect
from pybuild.lifecycle.image_layers import LauncherSource
from pybuild.oci.reference import Reference
from pybuild.platform import certificates, ownership, volumes
from pybuild.platform.bootstrap import default_builder
from pybuild.platform.builder import read_builder
from pybuild.platform.environment import proxy_environ, user_environ
from pybuild.platform.order import chosen_order
from pybuild.platform.pull import present
from pybuild.platform.ready import Readied, make_ready
from pybuild.platform.request import DEFAULT_WORKSPACE
from pybuild.platform.run_image import mirrors_of, run_image
from pybuild.platform.selection import Selection
from pybuild.platform.source import open_source
from pybuild.spec.api import PLATFORM_APIS
from pybuild.spec.labels import LauncherIdentity
from pybuild.spec.project import Project
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.state import read_state, remove_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from pybuild.buildenv.container import ContainerBuildEnv
    from pybuild.platform.order import ChosenOrder
    from pybuild.platform.request import BuildRequest
    from pybuild.platform.source import Source
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.builder import Builder
    from pybuild.spec.labels import RunImageName
    from pybuild.spec.launch import Process
    from pybuild.spec.order import GroupElement

REPOSITORY = "github.com/pybuild/pybuild"
_PROJECT_LIMIT = 1 << 20
LAUNCHER_PATH = "/cnb/lifecycle/launcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """The image, and how it came to be. Sizes in bytes; `seconds` of wall time; `changed` False: it was there."""

    names: tuple[str, ...]
    image_id: str
    changed: bool
    size: int
    sent: int
    reused: int
    added: int
    processes: tuple[Process, ...]
    default_process: str
    buildpacks: tuple[GroupElement, ...]
    builder: str
    run_image: str
    seconds: float
    ports: tuple[str, ...] = ()

    @property
    def run_command(self) -> str:
        """What to type next."""
        port = "-p 8080:8080 " if self.default_process == "web" else ""
        return f"docker run --rm {port}{self.names[0].removesuffix(':latest')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """All that is known before the container is made."""

    client: docker.APIClient
    request: BuildRequest
    project: Project
    source: Source
    builder: Builder
    run_image: str
    run_image_names: RunImageName
    user: dict[str, str]
    chosen: ChosenOrder
    app_dir: str
    api: ApiVersion
    volume: str


def build(request: BuildRequest) -> BuildResult:
    """Carry out the request. Every error is a `PybuildError`; after one, image and cache are as they were."""
    start = time.monotonic()
    with _prepared(request) as prepared, _opened(prepared) as (env, readied, private):
        store = DaemonStore(prepared.client, labels=_labels(prepared))
        index = None if request.clear_cache or private else _read_index(prepared.volume)
        inputs = replace(_create_inputs(prepared, readied), cache=index)
        created = create(env, store, _with_launcher(env, prepared, inputs))
        if not private:
            _write_index(prepared.volume, created.exported.index)
    exported = created.exported
    return BuildResult(
        names=exported.names,
        image_id=exported.written.image_id,
        changed=exported.written.changed,
        size=exported.written.size,
        sent=exported.written.sent_bytes,
        reused=exported.reused,
        added=exported.added,
        processes=exported.processes,
        default_process=exported.default_process,
        buildpacks=created.detected.group.buildpacks,
        builder=prepared.builder.name,
        run_image=prepared.run_image,
        seconds=time.monotonic() - start,
    )


def detection(request: BuildRequest) -> Detected:
    """What would be built, and why. `NothingDetected` with the trail if nothing would."""
    with _prepared(request) as prepared, _opened(prepared) as (env, readied, _):
        inputs = _create_inputs(prepared, readied)
        with events.phase("ANALYZING"):
            store = DaemonStore(prepared.client, labels=_labels(prepared))
            analysis = analyze(store, previous=inputs.previous, run_image=inputs.run_image)
        with events.phase("DETECTING"):
            return detect(env, detect_inputs(inputs, analysis, platform_given(env, inputs, analysis)))


@contextmanager
def _prepared(request: BuildRequest) -> Iterator[_Prepared]:
    """Check everything that can be checked before a container is made; cheap and local things first."""
    project = _project(request)
    for warning in project.warnings:
        events.warn(warning)
    user = user_environ(
        project=project.env, files=request.env_files, words=request.env, caller=request.caller
    )
    source = open_source(request.path, Selection.of(include=project.include, exclude=project.exclude))
    client = engine.connect()
    volumes.sweep(client)
    builder = _builder(client, request, project)
    run_name, _ = run_image(
        client, builder, given=request.run_image, app=request.image, policy=request.pull_policy
    )
    with tempfile.TemporaryDirectory(prefix="pybuild-") as scratch:
        app_dir = request.workspace or project.workspace or DEFAULT_WORKSPACE
        key = f"{builder.name} {app_dir}"
        yield _Prepared(
            client=client,
            request=request,
            project=project,
            source=source,
            builder=builder,
            run_image=run_name,
            run_image_names=mirrors_of(run_name, builder.run_images),
            user=user,
            chosen=chosen_order(
                request.buildpacks, project, builder, app=request.path, scratch=Path(scratch)
            ),
            app_dir=app_dir,
            api=_platform_api(builder),
            volume=volumes.volume_name(request.image.name, key),
        )


def _project(request: BuildRequest) -> Project:
    """project.toml of the app, or the file that the user names; an empty one without."""
    path = request.descriptor or request.path / "project.toml"
    if request.descriptor is None and not path.is_file():
        return Project()
    text = read_state(path.resolve(), limit=_PROJECT_LIMIT)
    if text is None:
        raise InvalidFile(f"{path} is no readable file below 1 MiB", hint="pass --descriptor FILE")
    return Project.read(text, str(path))


def _builder(client: docker.APIClient, request: BuildRequest, project: Project) -> Builder:
    name = request.builder or project.builder
    if name:
        present(client, Reference.parse(name), request.pull_policy)
    else:
        name = default_builder(client, refresh=request.pull_policy == "always", environ=request.caller)
    return read_builder(client, name)


def _platform_api(builder: Builder) -> ApiVersion:
    """The newest Platform API that this program and the builder's lifecycle share; ours without a lifecycle."""
    shared = (
        [api for api in PLATFORM_APIS if api in builder.platform_apis]
        if builder.platform_apis
        else PLATFORM_APIS
    )
    if not shared:
        known = ", ".join(map(str, builder.platform_apis))
        raise BuilderUnusable(
            f"the builder {builder.name} speaks Platform API {known}; expected one of"
            f" {PLATFORM_APIS[0]} to {PLATFORM_APIS[-1]}",
            hint="choose a newer builder with --builder",
        )
    return max(shared)


@contextmanager
def _opened(prepared: _Prepared) -> Iterator[tuple[ContainerBuildEnv, Readied, bool]]:
    """The build container, alone with its cache, everything uploaded; whether the cache is a private one."""
    request, builder = prepared.request, prepared.builder
    if request.clear_cache:
        volumes.remove(prepared.client, _existing(prepared), state_folder())
        remove_state(_index_path(prepared.volume))
    spec = ContainerSpec(
        image=builder.image_id,
        uid=builder.uid,
        gid=builder.gid,
        environ=proxy_environ(request.caller),
        binds=request.volumes,
        network=request.network,
    )
    with volumes.open_build(
        prepared.client,
        spec,
        volume=prepared.volume,
        mount=Places().layers,
        image=request.image.familiar,
        builder=builder.name,
    ) as opened:
        opened.env.start_soon()
        volumes.mark_used(state_folder(), opened.volume)
        readied = make_ready(
            opened.env,
            source=prepared.source,
            app_dir=prepared.app_dir,
            user_environ=prepared.user,
            trusted=certificates.host_certificates(request.caller),
            fetched=prepared.chosen.fetched,
        )
        yield opened.env, readied, opened.private


def _existing(prepared: _Prepared) -> list[str]:
    return [c.name for c in volumes.caches(prepared.client, state_folder()) if c.name == prepared.volume]


def _create_inputs(prepared: _Prepared, readied: Readied) -> CreateInputs:
    request, builder = prepared.request, prepared.builder
    return CreateInputs(
        names=(request.image, *request.tags),
        previous=request.image,
        run_image=prepared.run_image,
        run_image_names=prepared.run_image_names,
        order=prepared.chosen.order,
        system=builder.system,
        platform_api=prepared.api,
        environ={**builder.environ, **proxy_environ(request.caller)},
        trust=readied.environ,
        places=Places(app=prepared.app_dir),
        default_process=request.default_process,
        created=image_config.created_time(request.created),
        launcher=LauncherSource(),
        launcher_identity=LauncherIdentity(version=__version__, repository=REPOSITORY, commit=""),
        skip_layers=request.clear_cache,
        upload=readied.upload,
    )


def _with_launcher(env: ContainerBuildEnv, prepared: _Prepared, inputs: CreateInputs) -> CreateInputs:
    """The builder's own launcher where it has one; what it says of its version goes into the label."""
    shown = env.script(
        f"[ -f {LAUNCHER_PATH} ] && [ -x {LAUNCHER_PATH} ] || exit 0; echo yes; "
        "/cnb/lifecycle/lifecycle -version 2>/dev/null || true"
    ).decode(errors="replace")
    if not shown:
        return inputs
    said = shown.splitlines()[1:]
    version, _, commit = (said[0] if said else "").partition("+")
    return replace(
        inputs,
        launcher=LauncherSource(path=LAUNCHER_PATH, key=prepared.builder.image_id),
        launcher_identity=LauncherIdentity(
            version=version or prepared.builder.lifecycle_version,
            repository="github.com/buildpacks/lifecycle",
            commit=commit,
        ),
    )


def _labels(prepared: _Prepared) -> dict[str, str]:
    return ownership.labels("build", image=prepared.request.image.familiar, builder=prepared.builder.name)


def state_folder() -> Path:
    """Where we remember caches: `$XDG_STATE_HOME/pybuild` or what the platform has for it."""
    return platformdirs.user_state_path("pybuild")


def _index_path(volume: str) -> Path:
    return state_folder() / f"{volume}.json"


def _read_index(volume: str) -> CacheIndex | None:
    """What the last good build left; None, with a word about it, when that cannot be believed (G4)."""
    path = _index_path(volume)
    text = read_state(path)
    if text is None:
        return None
    try:
        return CacheIndex.read(text, where=str(path))
    except InvalidFile as exc:
        events.warn(f"the cache is not used: {exc}")
        return None


def _write_index(volume: str, index: CacheIndex) -> None:
    try:
        write_state(_index_path(volume), index.write())
    except OSError as exc:
        # The image is made; only the next build is slower.
        events.warn(f"the cache of this build cannot be remembered in {state_folder()}: {exc.strerror}")


def forget(volume: str) -> None:
    """Remove what is remembered of a cache that is gone."""
    try:
        remove_state(_index_path(volume))
    except OSError as exc:
        raise PybuildError(f"{_index_path(volume)} cannot be removed: {exc.strerror}") from exc
