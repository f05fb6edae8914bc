"""The rebaser: the layers of an app image moved onto a newer run image, and report.toml.

Specification: platform.md, "rebaser", "Run Image Resolution".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.cli.phases.analyze import by_id
from pybuild.cli.phases.run import write_file
from pybuild.errors import InvalidInput, PybuildError, RebaseError
from pybuild.events import detail, info
from pybuild.lifecycle.rebase import Rebased, RebaseInputs, plan_rebase, rebase, run_image_names
from pybuild.oci.reference import Reference
from pybuild.stores.api import RebasingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pybuild.cli.phases.run import PhaseRun
    from pybuild.stores.api import ImageStore, StoredImage


def rebaser(run: PhaseRun) -> None:
    """The phase."""
    run = _resolved(run)
    with run.registry_failing_as(RebaseError):
        done = _rebase(run)
    try:
        write_file(run.inputs.report, done.report.write())
    except PybuildError as exc:
        raise RebaseError(f"the image was saved, but {exc}", hint=exc.hint) from exc


def _rebase(run: PhaseRun) -> Rebased:
    words = tuple(dict.fromkeys(run.inputs.images))
    names = [Reference.parse(word) for word in words]
    source = run.inputs.previous_image or run.inputs.images[0]
    candidates: Sequence[str] = (run.inputs.run_image,) if run.inputs.run_image else ()
    if not candidates and not run.inputs.daemon:
        # Which registry the run image is on tells only the app image; credentials for it may be root's alone.
        image = _app_image(_opened(run.image_store()), source)
        candidates = run_image_names(image, source, run.api, names[0].registry)
        run = replace(run, mentioned=(*run.mentioned, *candidates))
    open_store = run.image_store()
    run.drop_privileges()
    store = _opened(open_store)
    # Looked at anew: a registry's store writes only what it has seen itself.
    image = _app_image(store, source)
    # In an engine every run image is taken to be accessible: the first one counts.
    candidates = candidates or run_image_names(image, source, run.api, names[0].registry)[:1]
    run_image_name, run_image = _run_image(store, candidates)
    info(f"Rebasing {source} on run image {run_image_name}")
    plan = plan_rebase(
        RebaseInputs(
            name=source,
            image=image,
            run_image=run_image,
            run_image_name=run_image_name,
            platform_api=run.api,
            force=run.inputs.force,
        )
    )
    return rebase(store, plan, names, tags=words)


def _resolved(run: PhaseRun) -> PhaseRun:
    """`run` with its run image where one is named; `InvalidInput` (3) for words that mean nothing: REB-01, GEN-04."""
    # The rebaser has no layout, whatever the variables say.
    inputs = replace(run.inputs, layout=False)
    if not inputs.images:
        raise InvalidInput("at least one image argument is required", hint="rebaser [FLAGS] IMAGE…")
    if inputs.obsolete_image:
        if inputs.run_image not in ("", run.environ.get("CNB_RUN_IMAGE", "")):
            raise InvalidInput(
                "supply only one of -run-image or (deprecated) -image", hint="leave out -image"
            )
        inputs = replace(inputs, run_image=inputs.obsolete_image)
    names = [Reference.parse(name) for name in inputs.images]
    for name in names:
        if name.digest:
            raise InvalidInput(
                f"{name} has a digest: the new image is named by a tag", hint="leave out @sha256:…"
            )
    registries = {name.registry for name in names}
    if not inputs.daemon and len(registries) > 1:
        raise InvalidInput(
            f"writing to multiple registries is unsupported: {', '.join(sorted(registries))}",
            hint="name tags on the registry of the first image",
        )
    for text in (inputs.previous_image, inputs.run_image):
        if text and not (inputs.daemon and by_id(text) != text):
            Reference.parse(text)
    return replace(run, inputs=inputs)


def _opened(open_store: Callable[[], ImageStore]) -> RebasingStore:
    store = open_store()
    if not isinstance(store, RebasingStore):
        raise InvalidInput("images cannot be rebased there", hint="use -daemon, or images in a registry")
    return store


def _app_image(store: ImageStore, name: str) -> StoredImage:
    found = store.find(by_id(name))
    if found is None:
        raise RebaseError(
            f"the image to rebase, {name}, was not found",
            hint="see whether its name is right, and that you may read it",
        )
    return found


def _run_image(store: ImageStore, names: Sequence[str]) -> tuple[str, StoredImage]:
    """The first of these that is there and may be read: GEN-15."""
    failure: PybuildError | None = None
    for name in names:
        try:
            found = store.find(by_id(name))
        except PybuildError as exc:
            detail(f"the run image {name} cannot be used: {exc}")
            failure = failure or exc
            continue
        if found is not None:
            return name, found
    if failure is not None:
        raise failure
    raise RebaseError(
        f"the run image {', '.join(names)} was not found",
        hint="name another one with -run-image, or pull it first if this is about images in an engine",
    )
