"""Rebase for users: each app image found, its run image found once for all of them, what failed told one by one.

No container is needed, and no engine either where everything is in registries. A new image takes its name when it is
whole; one that stands on the newest run image already is left alone.

Specification: platform.md, "Rebase", "Run Image Resolution".
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pybuild import events
from pybuild.errors import DiskFull, EngineUnavailable, InvalidInput, PybuildError, RebaseError
from pybuild.events import info, warn
from pybuild.lifecycle.rebase import RebaseInputs, named_run_image, plan_rebase, rebase, run_image_names
from pybuild.oci.reference import Reference
from pybuild.platform.images.rebase_places import opened
from pybuild.platform.pull import checked_policy, checked_registry
from pybuild.platform.report_dir import make_folder, write_report
from pybuild.platform.run_image import choose, tell_choice
from pybuild.spec.api import PLATFORM_APIS
from pybuild.spec.config import Config
from pybuild.spec.report import Report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pybuild.lifecycle.rebase import Change, RebasePlan
    from pybuild.platform.images.rebase_places import Place
    from pybuild.platform.pull import PullPolicy
    from pybuild.stores.api import StoredImage, Written

State = Literal["rebased", "unchanged", "planned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RebaseRequest:
    """Images to rebase, each by itself. `run_image`: "" for the one that each image names.

    `previous_image`: what to rebase instead of `images[0]`, which gets the result. `publish`: the images are in
    registries. `insecure`: registries (`host[:port]`) whose certificate is not checked, or that have none.
    `report_dir`: where report.toml goes. `caller`: the variables pybuild was started with.
    """

    images: tuple[Reference, ...]
    run_image: str = ""
    previous_image: str = ""
    publish: bool = False
    force: bool = False
    dry_run: bool = False
    pull_policy: PullPolicy = "always"
    insecure: tuple[str, ...] = ()
    report_dir: Path | None = None
    config: Config = field(default_factory=Config)
    caller: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RebaseResult:
    """What became of one image. `planned`: it would be rebased; `failed`: see `error`, the image is as it was.

    `base_layers`, `kept_layers`: of the run image and of the app. `sent`: bytes of layers. `digest`: in a registry.
    """

    name: str
    state: State
    seconds: float
    run_image: str = ""
    changes: tuple[Change, ...] = ()
    overridden: tuple[str, ...] = ()
    base_layers: int = 0
    kept_layers: int = 0
    image_id: str = ""
    digest: str = ""
    sent: int = 0
    error: PybuildError | None = None


def rebase_request(
    images: Sequence[str],
    *,
    caller: Mapping[str, str],
    run_image: str | None = None,
    previous_image: str | None = None,
    publish: bool = False,
    force: bool = False,
    dry_run: bool = False,
    pull_policy: str | None = None,
    insecure_registries: Sequence[str] = (),
    report_dir: Path | None = None,
    config: Config | None = None,
) -> RebaseRequest:
    """The request that these words make. Raises `InvalidInput` for the first one that means nothing."""
    names = tuple(dict.fromkeys(map(Reference.parse, images)))
    for name in names:
        if name.digest:
            raise InvalidInput(
                f"{name} has a digest: the new image is named by a tag",
                hint=f"pybuild rebase {name.familiar_repository}:TAG --previous-image {name}",
            )
    for option, given in (("--previous-image", previous_image), ("--report-output-dir", report_dir)):
        if given and len(names) > 1:
            raise InvalidInput(
                f"{option} is about one image, but {len(names)} are named", hint="rebase them one by one"
            )
    if run_image:
        Reference.parse(run_image)
    return RebaseRequest(
        images=names,
        run_image=run_image or "",
        previous_image=previous_image or "",
        publish=publish,
        force=force,
        dry_run=dry_run,
        pull_policy=checked_policy(
            pull_policy if pull_policy is not None else (config or Config()).pull_policy or "always"
        ),
        insecure=tuple(map(checked_registry, insecure_registries)),
        report_dir=report_dir,
        config=config or Config(),
        caller=caller,
    )


def rebase_images(request: RebaseRequest) -> tuple[RebaseResult, ...]:
    """Rebase them all. With one image its error is raised; of several, those that fail do not keep the others.

    A lost engine or a full disk ends it at once.
    """
    if request.report_dir is not None and not request.dry_run:
        make_folder(request.report_dir)
    results = []
    with opened(request) as place, events.phase("REBASING"):
        for name in request.images:
            start = time.monotonic()
            try:
                results.append(_rebase_one(place, request, name))
            except (EngineUnavailable, DiskFull):
                raise
            except PybuildError as exc:
                if len(request.images) == 1:
                    raise
                warn(f"{name} was not rebased: {exc}", hint=exc.hint)
                seconds = time.monotonic() - start
                results.append(RebaseResult(name=str(name), state="failed", seconds=seconds, error=exc))
    return tuple(results)


def _rebase_one(place: Place, request: RebaseRequest, name: Reference) -> RebaseResult:
    start = time.monotonic()
    api = PLATFORM_APIS[-1]
    source = request.previous_image or str(name)
    image = place.app_image(source, name)
    names = _run_image_names(request, image, source, name)
    run_image_name, run_image = choose(names, lambda each: place.run_image(Reference.parse(each), image))
    if not request.run_image:
        known = named_run_image(image, source, api)
        own = [mirror for each in (known.image, *known.mirrors) for mirror in request.config.mirrors_of(each)]
        tell_choice(run_image_name, known.image, own=own)
    plan = plan_rebase(
        RebaseInputs(
            name=source,
            image=image,
            run_image=run_image,
            run_image_name=run_image_name,
            platform_api=api,
            force=request.force,
        )
    )
    in_place = source == str(name)
    written, report = None, _report_of(image, name)
    state: State = "planned" if plan.changes or not in_place else "unchanged"
    if state == "planned" and not request.dry_run:
        info(f"Rebasing '{source}' on run image '{run_image_name}'")
        done = rebase(place.store(Reference.parse(run_image_name), image), plan, [name])
        state, written, report = "rebased", done.written, done.report
    if request.report_dir is not None and not request.dry_run:
        write_report(request.report_dir, report, failure=RebaseError)
    return _result(plan, state, str(name), run_image_name, written, time.monotonic() - start)


def _run_image_names(
    request: RebaseRequest, image: StoredImage, source: str, name: Reference
) -> tuple[str, ...]:
    """The names to try: the user's one, or those that the image gives, after the user's mirrors of them."""
    if request.run_image:
        return (request.run_image,)
    names = run_image_names(image, source, PLATFORM_APIS[-1], name.registry)
    every = [*(mirror for each in names for mirror in request.config.mirrors_of(each)), *names]
    near = [each for each in every if Reference.parse(each).registry == name.registry]
    return tuple(dict.fromkeys((*near, *every)))


def _result(
    plan: RebasePlan, state: State, name: str, run_image: str, written: Written | None, seconds: float
) -> RebaseResult:
    return RebaseResult(
        name=name,
        state=state,
        seconds=seconds,
        run_image=run_image,
        changes=plan.changes,
        overridden=plan.overridden,
        base_layers=len(plan.run_image.diff_ids),
        kept_layers=len(plan.kept),
        image_id=written.image_id if written else plan.image.id if state == "unchanged" else "",
        digest=written.digest
        if written
        else plan.image.id
        if state == "unchanged" and plan.image.reference
        else "",
        sent=written.sent_bytes if written else 0,
    )


def _report_of(image: StoredImage, name: Reference) -> Report:
    """The report of an image that stays as it is."""
    if image.reference:
        return Report(tags=(str(name),), digest=image.id)
    return Report(tags=(str(name),), image_id=image.id.removeprefix("sha256:"))
