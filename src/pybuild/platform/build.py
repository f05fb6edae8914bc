"""A build as users know it: find what is needed, start the builder's container, run the lifecycle, remember.

Engine access and credentials stay in this process; what happens between container and image store is
`lifecycle.create`. Design: docs/adr/0002-host-driven-lifecycle.md.
"""

from __future__ import annotations

import re
import shlex
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.errors import BuildpackFailed, ExportError, InvalidInput, PybuildError
from pybuild.oci.reference import Reference
from pybuild.platform import sbom_dir
from pybuild.platform.caches import read_index, write_index
from pybuild.platform.confided import confide
from pybuild.platform.elsewhere import opened_elsewhere
from pybuild.platform.environment import home_environ, proxy_environ
from pybuild.platform.outputs import delivered
from pybuild.platform.prepare import LAYERS_DIR, looked_into, opened, prepared
from pybuild.platform.report_dir import make_folder, write_report
from pybuild.platform.trust import trusted_buildpacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pybuild.buildenv.container import ContainerBuildEnv
    from pybuild.lifecycle.analyze import Analysis
    from pybuild.lifecycle.cache import CacheIndex
    from pybuild.lifecycle.create import Created, CreateInputs
    from pybuild.lifecycle.detect import Detected
    from pybuild.lifecycle.resumable import Resumable
    from pybuild.platform.extensions import EngineExtender
    from pybuild.platform.failed import FailedBuild
    from pybuild.platform.outputs import Delivered
    from pybuild.platform.prepare import Prepared
    from pybuild.platform.ready import Readied
    from pybuild.platform.request import BuildRequest
    from pybuild.platform.signing.keys import PrivateKey
    from pybuild.platform.volumes import OpenBuild
    from pybuild.spec.labels import ProjectMetadata
    from pybuild.spec.launch import Process
    from pybuild.spec.order import GroupElement


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """The image, and how it came to be. Sizes in bytes; `seconds` of wall time; `changed` False: it was there.

    `base_size`: of the run image below it, 0 when unknown. `digest`: of the manifest, for an image that is not in an
    engine; its sizes are those of compressed layers. `outputs`: all places where it is; what else is said is said of
    the first one.
    """

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
    base_size: int = 0
    digest: str = ""
    ports: tuple[str, ...] = ()
    outputs: tuple[Delivered, ...] = ()

    @property
    def run_command(self) -> str:
        """What to type next."""
        port = "-p 8080:8080 " if self.default_process == "web" else ""
        found = next((each.output for each in self.outputs if not each.output.dest), self.outputs[0].output)
        name = found.names[0].familiar.removesuffix(":latest")
        match found.kind:
            case "docker-archive":
                return f"docker load -i {shlex.quote(found.dest)} && docker run --rm {port}{name}"
            case "oci" | "oci-archive":
                place = shlex.quote(f"{found.kind}:{found.dest}:{found.names[0].tag}")
                return f"podman run --rm {port}{place}"
            case _:
                return f"docker run --rm {port}{name}"


def build(request: BuildRequest, *, failed: Callable[[FailedBuild], None] | None = None) -> BuildResult:
    """Carry out the request. Every error is a `PybuildError`; after one, the image is as it was, and so is the cache but
    for what tools keep in theirs (`lifecycle.resumable`).

    `failed`: called when a buildpack fails, while everything is still there.
    """
    start = time.monotonic()
    # Read first: a key that is none must not be found out when the image is published already.
    signing = _signing_key(request)
    if request.choices.report_dir is not None:
        make_folder(request.choices.report_dir)
    if request.choices.sbom_dir is not None:
        sbom_dir.make_folder(request.choices.sbom_dir)
    with (
        prepared(request) as ready,
        opened_elsewhere(request, ready.store) as elsewhere,
        opened(ready, keepable=failed is not None) as held,
    ):
        # Imported while the container starts: the two take about the same time.
        from pybuild.lifecycle.create import analyzed, create

        analysis = analyzed(ready.store, previous=previous_image(request), run_image=ready.run_image)
        index = None if request.clear_cache or held.private else read_index(ready.volume, str(request.image))
        inputs, readied = _create_inputs(held.env, ready, index)
        with _extender(ready, held, readied) as extender:
            inputs = replace(
                inputs,
                elsewhere=elsewhere,
                keep_failed=failed is not None,
                resume=None if held.private else partial(_remember_failed, ready, index),
            )
            try:
                created = create(held.env, ready.store, analysis, inputs, extender)
            except BuildpackFailed as exc:
                if failed is not None:
                    _hand_over(failed, exc, ready, held)
                raise
        if not held.private:
            write_index(ready.volume, created.exported.index)
        if request.choices.report_dir is not None:
            write_report(request.choices.report_dir, created.exported.report, failure=ExportError)
        if request.choices.sbom_dir is not None:
            copied = sbom_dir.copy_sboms(held.env, LAYERS_DIR, request.choices.sbom_dir)
            events.detail(f"{copied} SBOM files copied to {request.choices.sbom_dir}")
    outputs = delivered(request.places, created.exported.written)
    if (request.attest or signing) and any(each.output.kind == "registry" for each in outputs):
        _attest(ready, created, outputs, time.time() - (time.monotonic() - start), signing)
    return _result(ready, created, outputs, seconds=time.monotonic() - start)


def _remember_failed(ready: Prepared, index: CacheIndex | None, found: Resumable) -> None:
    """Let the next build have what a tool's own cache holds, though this one has failed."""
    from pybuild.lifecycle.resumable import with_resumable

    write_index(ready.volume, with_resumable(index, str(ready.request.image), found))


def _signing_key(request: BuildRequest) -> PrivateKey | None:
    if request.sign_key is None:
        return None
    from pybuild.platform.signing import keys

    return keys.read_private(request.sign_key, password=request.caller.get(keys.PASSWORD, ""))


def _hand_over(
    failed: Callable[[FailedBuild], None], exc: BuildpackFailed, ready: Prepared, held: OpenBuild
) -> None:
    """Let somebody look into the failed build. That it is impossible is no news beside the failure."""
    from pybuild.platform.failed import failed_build

    try:
        failed(failed_build(exc, ready, held))
    except PybuildError as why:
        events.warn(str(why), hint=why.hint)


def _result(
    ready: Prepared, created: Created, outputs: tuple[Delivered, ...], *, seconds: float
) -> BuildResult:
    exported, run_image = created.exported, created.analysis.run_image_name
    of_registry = ready.request.places[0].kind == "registry"
    return BuildResult(
        names=exported.names,
        image_id=exported.written.digest if of_registry else outputs[0].image_id,
        changed=exported.written.changed,
        size=exported.written.size,
        sent=exported.written.sent_bytes,
        reused=exported.reused,
        added=exported.added,
        processes=exported.processes,
        default_process=exported.default_process,
        buildpacks=created.detected.group.buildpacks,
        builder=ready.builder.name,
        run_image=run_image,
        seconds=seconds,
        base_size=ready.run_image_size if run_image == ready.run_image else 0,
        digest=exported.written.digest,
        outputs=outputs,
    )


def _attest(
    ready: Prepared, created: Created, outputs: tuple[Delivered, ...], started: float, key: PrivateKey | None
) -> None:
    from pybuild.platform.signing.attest import attest, materials
    from pybuild.platform.signing.provenance import Provenance

    run_image, group = created.analysis.run_image, created.detected.group.buildpacks
    name = created.analysis.run_image_name
    provenance = Provenance(
        builder=ready.builder.name,
        run_image=name,
        default_process=created.exported.default_process,
        variables=tuple(sorted(ready.user)),
        materials=materials(ready.request, ready.builder, group, name, run_image.id),
        started=started,
        finished=time.time(),
    )
    attest(ready.request, outputs, provenance, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """All that is known once detection has ended, and nothing has been made."""

    ready: Prepared
    inputs: CreateInputs
    analysis: Analysis
    detected: Detected


@contextmanager
def looked_at(request: BuildRequest) -> Iterator[Looked]:
    """The first two phases of a build, in a container without a cache. `NothingDetected` with the trail if nothing fits."""
    with prepared(request) as ready, looked_into(ready) as env:
        from pybuild.lifecycle.create import analyzed, detect_inputs, platform_given
        from pybuild.lifecycle.detect import detect

        analysis = analyzed(ready.store, previous=previous_image(request), run_image=ready.run_image)
        inputs, _ = _create_inputs(env, ready, None)
        with events.phase("DETECTING"):
            detected = detect(env, detect_inputs(inputs, analysis, platform_given(env, inputs, analysis)))
        yield Looked(ready=ready, inputs=inputs, analysis=analysis, detected=detected)


def detection(request: BuildRequest) -> Detected:
    """What would be built, and why. `NothingDetected` with the trail if nothing would."""
    with looked_at(request) as looked:
        return looked.detected


@contextmanager
def _extender(ready: Prepared, held: OpenBuild, readied: Readied) -> Iterator[EngineExtender | None]:
    """What extends images, for a builder that has extensions."""
    if not ready.chosen.order.order_extensions:
        yield None
        return
    from pybuild.platform.extensions import EngineExtender

    with EngineExtender(ready, held, readied) as extender:
        yield extender


def _create_inputs(
    env: ContainerBuildEnv, ready: Prepared, index: CacheIndex | None
) -> tuple[CreateInputs, Readied]:
    """Upload everything, and say what is asked for. `index`: what is known of the cache."""
    from pybuild.lifecycle import image_config
    from pybuild.lifecycle.create import CreateInputs, Places
    from pybuild.platform.builders.builder_launcher import builder_launcher
    from pybuild.platform.certificates import host_certificates
    from pybuild.platform.known_trust import remember_trust, trust_folder
    from pybuild.platform.ready import make_ready

    request, builder = ready.request, ready.builder
    trusted = () if ready.trust else host_certificates(request.caller)
    sending = make_ready(
        env,
        source=ready.source,
        app_dir=ready.app_dir,
        user_environ=ready.user,
        trusted=trusted,
        fetched=ready.chosen.fetched,
        delivery=ready.trust.delivery if ready.trust else None,
        mounted=env.mounted,
    )
    launcher, identity = builder_launcher(env, builder, index)
    confide(env, request.confided)
    readied = sending.finish()
    if trusted:
        remember_trust(ready.trust_key, readied.delivery, trust_folder())
    inputs = CreateInputs(
        names=request.places[0].names,
        run_image_names=ready.run_image_names,
        order=ready.chosen.order,
        system=builder.system,
        platform_api=ready.api,
        environ={**home_environ(env), **builder.environ, **proxy_environ(request.caller)},
        trust=readied.delivery.environ,
        places=Places(layers=LAYERS_DIR, app=ready.app_dir),
        default_process=request.default_process,
        created=image_config.created_time(request.created),
        launcher=launcher,
        launcher_identity=identity,
        cache=index,
        skip_layers=request.clear_cache,
        upload=readied.upload,
        run_images=builder.run_images,
        exec_env=request.choices.exec_env,
        project=_source_of(ready),
        labels=request.labels,
        trusts=trusted_buildpacks(builder.name, request.config, request.choices, ready.chosen.fetched),
    )
    return inputs, readied


def _source_of(ready: Prepared) -> ProjectMetadata:
    """Where the source came from, as project.toml says; `pack` writes it only with `experimental`, and so do we."""
    from pybuild.spec.labels import ProjectMetadata

    project = ready.project
    if not ready.request.config.experimental or not (project.version or project.source_url):
        return ProjectMetadata()
    return ProjectMetadata(
        source=True,
        type="project",
        version={"declared": project.version} if project.version else {},
        metadata={"url": project.source_url} if project.source_url else {},
    )


def previous_image(request: BuildRequest) -> Reference | str:
    """The image whose layers may serve again: a name, or an id in the engine."""
    own, chosen = request.places[0].names[0], request.choices.previous_image
    if not chosen:
        return own
    if re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", chosen):
        return chosen
    previous = Reference.parse(chosen)
    if request.places[0].kind == "registry" and previous.registry != own.registry:
        raise InvalidInput(
            f"the previous image {previous} is on {previous.registry}, the image on {own.registry}",
            hint="with --publish both must be on one registry",
        )
    return previous
