"""What a build needs before its first phase: everything checked, the builder's container started.

The container starts in a thread while this process goes on; nothing that takes time is imported here, so that
the imports of the lifecycle happen in that time too.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pybuild import engine, events
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.container_spec import ContainerSpec
from pybuild.errors import BuilderUnusable, InvalidFile, InvalidInput
from pybuild.oci import tar
from pybuild.oci.reference import Reference
from pybuild.platform import ownership, volumes
from pybuild.platform.app.ignore_files import checked_ignore_file
from pybuild.platform.app.selection import Selection
from pybuild.platform.app.source import open_source
from pybuild.platform.app.source_notes import SourceNotes
from pybuild.platform.builders.builder import check_platform, read_builder, warn_of_emulation, with_versions
from pybuild.platform.caches import forget, state_folder
from pybuild.platform.confided import inside, tmpfs_mounts
from pybuild.platform.config import chosen_registry
from pybuild.platform.environment import user_environ, with_options
from pybuild.platform.known_trust import known_trust, trust_folder, trust_key
from pybuild.platform.order import chosen_order
from pybuild.platform.publish import destination
from pybuild.platform.pull import is_ours, present
from pybuild.platform.request import DEFAULT_WORKSPACE
from pybuild.platform.run_image import mirrors_of, run_image
from pybuild.platform.trust import is_trusted
from pybuild.spec.api import PLATFORM_APIS
from pybuild.spec.order import System
from pybuild.spec.project import Project
from pybuild.stores.scratch import scratch_folder
from pybuild.stores.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import docker

    from pybuild.platform.app.source import Source
    from pybuild.platform.buildpacks.remote import Remote
    from pybuild.platform.choices import Choices
    from pybuild.platform.known_trust import KnownTrust
    from pybuild.platform.lock import Lock
    from pybuild.platform.order import ChosenOrder
    from pybuild.platform.request import BuildRequest
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.builder import Builder
    from pybuild.spec.run_image import RunImageName
    from pybuild.stores.api import OpenStore, StoredImage

LAYERS_DIR = "/layers"
_PROJECT_LIMIT = 1 << 20
_PROJECT_FORMAT = "https://buildpacks.io/docs/reference/config/project-descriptor/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that is known before the container is made."""

    client: docker.APIClient
    request: BuildRequest
    project: Project
    source: Source
    builder: Builder
    run_image: str
    run_image_size: int
    run_image_names: RunImageName
    user: dict[str, str]
    chosen: ChosenOrder
    app_dir: str
    api: ApiVersion
    volume: str
    store: OpenStore
    trust_key: str
    trust: KnownTrust | None


@contextmanager
def prepared(request: BuildRequest) -> Iterator[Prepared]:
    """Check everything that can be checked before a container is made; cheap and local things first."""
    project = read_project(request)
    for warning in project.warnings:
        events.warn(warning)
    asked = user_environ(
        project=project.environ(request.choices.exec_env),
        files=request.env_files,
        words=request.env,
        caller=request.caller,
    )
    user = with_options(asked, locked=request.locked, network=request.network)
    source = app_source(request, project)
    client = engine.connect(request.caller or None)
    volumes.sweep(client)
    target = destination(client, request)
    builder = _builder(client, request, project)
    run_name, run_stored = run_image(
        builder,
        given=request.run_image,
        app=request.places[0].names[0],
        get=lambda name: target.run_image(name, builder),
        own=request.config.mirrors_of,
    )
    _check_names(request, builder.name, run_name)
    if request.locked and (pinned := _lock(request.path)) is not None:
        pinned.check(builder, run_name, run_stored.id)
    if request.verify_key is not None:
        _check_signed(client, request.verify_key, request, builder, (run_name, run_stored))
    app_dir = request.workspace or project.workspace or DEFAULT_WORKSPACE
    _check_volumes(request, app_dir)
    store = target.store(Reference.parse(run_name), builder)
    with closing(store), scratch_folder() as scratch:
        key = f"{builder.name} {builder.uid}:{builder.gid} {app_dir}"
        volume = request.cache.volume or volumes.volume_name(request.image.name, key)
        events.detail(f"Using build cache volume '{volume}'")
        chosen = chosen_order(
            request.buildpacks,
            project,
            builder,
            app=request.path,
            scratch=scratch,
            choices=request.choices,
            remote=partial(_remote, client, request),
        )
        yield Prepared(
            client=client,
            request=request,
            project=project,
            source=source,
            builder=builder,
            run_image=run_name,
            run_image_size=run_stored.size if target.measures(run_stored) else 0,
            run_image_names=mirrors_of(run_name, builder.run_images),
            user=user,
            chosen=chosen,
            app_dir=app_dir,
            api=_platform_api(builder),
            volume=volume,
            store=store,
            trust_key=(trust := trust_key(builder.image_id, request.caller)),
            trust=known_trust(trust, trust_folder()),
        )


def app_source(request: BuildRequest, project: Project) -> Source:
    """The app's files, chosen as project.toml and the user say; a warning of what nobody would want in an image."""
    words = (*project.ignore_files, *request.ignore_files)
    where = "project.toml: io.buildpacks.pybuild.ignore-files"
    ignore_files = tuple(dict.fromkeys(checked_ignore_file(word, where) for word in words))
    notes = SourceNotes(confided=frozenset(inside(request.path, request.confided)))
    selection = Selection.of(include=project.include, exclude=project.exclude)
    source = open_source(request.path, selection, ignore_files, notes)
    notes.tell()
    return source


def _remote(client: docker.APIClient, request: BuildRequest) -> Remote:
    from pybuild.platform.buildpacks.remote import Remote, in_engine

    find = in_engine(client, request.pull_policy, mirrors=request.config.registry_mirrors)
    registry = chosen_registry(request.config, request.choices.registry)
    return Remote(find=find, environ=request.caller, registry=registry)


def _check_names(request: BuildRequest, builder: str, run_image_name: str) -> None:
    """Refuse a name that would replace what builds are made with (S-46)."""
    taken = {
        Reference.parse(name).name: what
        for name, what in ((builder, "the builder"), (run_image_name, "the run image"))
    }
    for name in dict.fromkeys(name for output in request.places for name in output.names):
        what = taken.get(name.name, "one of pybuild's own images" if is_ours(name) else "")
        if what:
            raise InvalidInput(
                f"the image cannot be named {name}: that is {what}", hint="choose another name"
            )


def _lock(app: Path) -> Lock | None:
    from pybuild.platform.lock import read_lock

    return read_lock(app)


def _check_signed(
    client: docker.APIClient, key: Path, request: BuildRequest, builder: Builder, run: tuple[str, StoredImage]
) -> None:
    """Of the builder, what is checked is the image that the engine has under the name now, and will start by its id."""
    from pybuild.platform.signing.policy import check_signed
    from pybuild.stores.daemon import DaemonStore

    stored = DaemonStore(client).find(builder.image_id)
    if stored is None:
        raise BuilderUnusable(f"the builder {builder.name} has gone from the engine", hint="build again")
    check_signed(request, key, [(builder.name, stored), run])


def _check_volumes(request: BuildRequest, app_dir: str) -> None:
    for volume in request.volumes:
        target = volume.split(":")[1]
        if target == app_dir or target.startswith(f"{app_dir}/") or app_dir.startswith(f"{target}/"):
            raise InvalidInput(
                f"the volume {volume!r} would hide the app in {app_dir}",
                hint="mount it somewhere else, such as /data",
            )


def read_project(request: BuildRequest) -> Project:
    """project.toml of the app, or the file that the user names; an empty one without."""
    path = request.descriptor or request.path / "project.toml"
    if request.descriptor is None and not os.path.lexists(path):
        return Project()
    # The app may be a stranger's: a link in it could lead to any file of this machine. The user's own word may not.
    text = read_state(path.resolve() if request.descriptor else path, limit=_PROJECT_LIMIT)
    if text is None:
        raise InvalidFile(
            f"{path} is no readable regular file below 1 MiB", hint="name another one with --descriptor FILE"
        )
    try:
        return Project.read(text, str(path))
    except InvalidFile as exc:
        if exc.hint == InvalidFile.usual_hint:
            exc.hint = f"correct it; what it may hold: {_PROJECT_FORMAT}"
        raise


def builder_name(request: BuildRequest) -> str:
    """The builder that the user, project.toml or the settings name, in this order; "" for pybuild's own."""
    return _builder_name(request, read_project(request))


def _builder_name(request: BuildRequest, project: Project) -> str:
    return request.builder or project.builder or request.config.default_builder


def _builder(client: docker.APIClient, request: BuildRequest, project: Project) -> Builder:
    name = _builder_name(request, project)
    if name:
        events.detail(f"Builder '{name}' is {'trusted' if is_trusted(name, request.config) else 'untrusted'}")
        image = present(
            client,
            Reference.parse(name),
            request.pull_policy,
            mirrors=request.config.registry_mirrors,
            platform=request.choices.platform,
        )
    else:
        from pybuild.platform.builders.bootstrap import default_builder

        image = None
        name = default_builder(client, refresh=request.pull_policy == "always", environ=request.caller)
    return _chosen(with_versions(read_builder(client, name, image)), request.choices)


def _chosen(builder: Builder, choices: Choices) -> Builder:
    """The builder as the user wants it: for that platform, with that user, without its system buildpacks."""
    check_platform(builder, choices.platform)
    return replace(
        builder,
        uid=builder.uid if choices.uid is None else choices.uid,
        gid=builder.gid if choices.gid is None else choices.gid,
        system=builder.system if choices.system else System(),
    )


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
def opened(prepared: Prepared, *, keepable: bool = False) -> Iterator[volumes.OpenBuild]:
    """The build container, starting, alone with its cache. `keepable`: it may be kept if the build fails."""
    request, builder = prepared.request, prepared.builder
    if request.clear_cache:
        volumes.remove(prepared.client, _existing(prepared), state_folder())
        forget(prepared.volume)
    with volumes.open_build(
        prepared.client,
        container_spec(prepared),
        volume=prepared.volume,
        mount=LAYERS_DIR,
        image=request.image.familiar,
        builder=builder.name,
        kind="kept" if keepable else "build",
    ) as opened:
        start(opened.env, request)
        warn_of_emulation(builder, prepared.client)
        volumes.mark_used(state_folder(), opened.volume)
        yield opened


@contextmanager
def looked_into(prepared: Prepared) -> Iterator[ContainerBuildEnv]:
    """The same container without a cache: to look at an app must neither make a cache nor wait for a build."""
    spec = replace(container_spec(prepared), labels=owner_labels(prepared))
    with ContainerBuildEnv.create(prepared.client, spec) as env:
        start(env, prepared.request)
        warn_of_emulation(prepared.builder, prepared.client)
        yield env


def start(env: ContainerBuildEnv, request: BuildRequest) -> None:
    """Let the container start, and its time run; say how much may be printed."""
    if (request.choices.uid, request.choices.gid) != (None, None):
        # In the image this folder belongs to the builder's own user, and so does a new volume's there.
        own = tar.TarEntry(os.fsencode(LAYERS_DIR.lstrip("/")), tar.DIRECTORY, 0o755, env.uid, env.gid)
        env.unpack("/", tar.write([(own, b"")]))
    env.output_limit = request.limits.log
    if request.timeout:
        env.deadline = time.monotonic() + request.timeout
    env.start_soon()


def container_spec(prepared: Prepared) -> ContainerSpec:
    """What the build container is made of, but for its cache and its labels."""
    request, builder = prepared.request, prepared.builder
    return ContainerSpec(
        image=builder.image_id,
        uid=builder.uid,
        gid=builder.gid,
        binds=request.volumes,
        tmpfs=tmpfs_mounts(request.confided, uid=builder.uid, gid=builder.gid),
        mounts=_mounts(prepared),
        network=request.network,
        host_users=request.choices.host_users,
        memory=request.limits.memory,
        cpus=request.limits.cpus,
        processes=request.limits.processes,
    )


def _mounts(prepared: Prepared) -> Mapping[str, Path]:
    """Known certificates, unless the user puts something of their own there."""
    mounts = prepared.trust.mounts if prepared.trust else {}
    theirs = [volume.split(":")[1] for volume in prepared.request.volumes]
    overlap = any(
        f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
        for one in theirs
        for other in mounts
    )
    return {} if overlap else mounts


def _existing(prepared: Prepared) -> list[str]:
    return [c.name for c in volumes.caches(prepared.client, state_folder()) if c.name == prepared.volume]


def owner_labels(prepared: Prepared) -> dict[str, str]:
    """What every object of this build carries on the engine."""
    return ownership.labels("build", image=prepared.request.image.familiar, builder=prepared.builder.name)
