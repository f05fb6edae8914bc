"""Rebase: an app's own layers moved from its old run image to a new one, without a build.

What the new image is follows from two configurations alone (pure: `plan_rebase`); `rebase` has a store write it.
The app's layers stay as they are, those below them are replaced, and the labels that speak of the run image follow.

Specification: platform.md, "Rebase", "rebaser"; what the Go lifecycle does beside it: GO-79.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import InvalidFile, InvalidReference, RebaseError
from pybuild.events import ImageWritten, emit, info, warn
from pybuild.lifecycle.image_config import CREATED
from pybuild.lifecycle.rebase_checks import Failure, Sides, failures
from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.spec.labels import LIFECYCLE_METADATA
from pybuild.spec.rebase_metadata import RebaseMetadata
from pybuild.spec.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pybuild.spec.api import ApiVersion
    from pybuild.spec.run_image import RunImageName
    from pybuild.stores.api import RebasingStore, StoredImage, Written

_FOLLOWING = ("io.buildpacks.stack.", "io.buildpacks.base.")
_BASE_SINCE = 12  # minor version of the Platform API that knows io.buildpacks.base.*
_PLATFORM_KEYS = ("os", "architecture", "os.version")
_SHORT = 19
"""Characters of a digest that people compare: `sha256:` and twelve more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebaseInputs:
    """One app image and what it is to stand on.

    `name`, `run_image_name`: the two as the user wrote them. `platform_api`: the platform's; what is checked of
    targets depends on the one that the app was built with. `force`: go on where a check fails that may be overridden.
    """

    name: str
    image: StoredImage
    run_image: StoredImage
    run_image_name: str
    platform_api: ApiVersion
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that a rebase changes; "" for what is not there before or after."""

    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebasePlan:
    """The image that a rebase makes. `kept`: diff ids of the app's own layers, lowest first; `config`: the file's bytes.

    `overridden`: the checks that failed and were forced. `changes` () says that the image is where it should be
    already: its layers, its platform and what its labels say of the run image.
    """

    name: str
    image: StoredImage
    run_image: StoredImage
    kept: tuple[str, ...]
    config: bytes
    changes: tuple[Change, ...] = ()
    overridden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebased:
    """The image that now exists, and report.toml's value."""

    written: Written
    report: Report


def named_run_image(image: StoredImage, name: str, platform_api: ApiVersion) -> RunImageName:
    """What `image` says of its run image. Raises `RebaseError` for one that has no metadata."""
    return _metadata(image, name).run_image_name(platform_api)


def run_image_names(
    image: StoredImage, name: str, platform_api: ApiVersion, registry: str
) -> tuple[str, ...]:
    """Where `image` says that its run image can be found, best first; those on `registry` before the others.

    REB-04, GEN-15. Raises `RebaseError` if it says nothing, or nothing that could be looked for.
    """
    known = named_run_image(image, name, platform_api)
    names = [each for each in (known.image, *known.mirrors) if _registry_of(each)]
    if not names:
        raise RebaseError(
            f"{name} does not say which run image it stands on: its label {LIFECYCLE_METADATA} names"
            f" {known.image[:80] or 'none'}",
            hint="name the new one with --run-image",
        )
    near = [each for each in names if _registry_of(each) == registry]
    return (*near, *(each for each in names if each not in near))


def plan_rebase(inputs: RebaseInputs) -> RebasePlan:
    """What `inputs` lead to. Raises `RebaseError`, naming the checks that failed with the values of both images."""
    image, base = inputs.image, inputs.run_image
    old = _metadata(image, inputs.name)
    kept = _own_layers(inputs, old)
    failed = _checked(inputs, old)
    new = old.renamed(inputs.run_image_name) if any(check.renames for check in failed) else old
    new = new.standing_on(
        top_layer=base.diff_ids[-1], reference=base.reference or base.id.removeprefix("sha256:")
    )
    labels = _labels(inputs, new.write())
    return RebasePlan(
        name=inputs.name,
        image=image,
        run_image=base,
        kept=kept,
        config=_config(image.config, base.config, (*base.diff_ids, *kept), labels),
        changes=tuple(_changes(inputs, old, new, labels)),
        overridden=tuple(check.text for check in failed),
    )


def rebase(
    store: RebasingStore, plan: RebasePlan, names: Sequence[Reference], *, tags: Sequence[str] = ()
) -> Rebased:
    """Write the image that `plan` says under `names`. What was there before stays until the new one is whole.

    `tags`: what the report calls the names, if not by their complete text.
    """
    for text in plan.overridden:
        warn(f"forced: {text}")
    info(f"Saving {names[0]}...")
    written = store.restack(plan.image, plan.run_image, plan.kept, plan.config, names)
    emit(
        ImageWritten(
            names=tuple(str(name) for name in names),
            image_id=written.image_id,
            changed=written.changed,
            size=written.size,
        )
    )
    report = Report(
        tags=tuple(tags or map(str, names)),
        image_id="" if written.digest else written.image_id.removeprefix("sha256:"),
        digest=written.digest,
        manifest_size=written.manifest_size,
    )
    return Rebased(written=written, report=report)


def _metadata(image: StoredImage, name: str) -> RebaseMetadata:
    label = image.labels.get(LIFECYCLE_METADATA)
    if not label:
        raise RebaseError(
            f"{name} was not built from buildpacks: it has no label {LIFECYCLE_METADATA}",
            hint="only images that a buildpacks platform built can be rebased",
        )
    try:
        return RebaseMetadata.read(label)
    except InvalidFile as exc:
        raise RebaseError(
            f"{name} cannot be rebased: its label is malformed: {exc}", hint="build the app again"
        ) from exc


def _own_layers(inputs: RebaseInputs, metadata: RebaseMetadata) -> tuple[str, ...]:
    """The layers above the recorded run image: REB-05."""
    top, diff_ids = metadata.top_layer, inputs.image.diff_ids
    if not inputs.run_image.diff_ids:
        raise RebaseError(
            f"the run image {inputs.run_image_name} has no layers", hint="name another one with --run-image"
        )
    if top not in diff_ids:
        raise RebaseError(
            f"{inputs.name} cannot be rebased: its label {LIFECYCLE_METADATA} says that the run image ends"
            f" with the layer {top or 'none'}, which is none of its {len(diff_ids)} layers",
            hint="build the app again",
        )
    return diff_ids[diff_ids.index(top) + 1 :]


def _checked(inputs: RebaseInputs, metadata: RebaseMetadata) -> tuple[Failure, ...]:
    """The checks that failed and are forced. Raises `RebaseError` for those that are not."""
    failed = failures(
        Sides(
            name=inputs.name,
            image=inputs.image,
            run_image_name=inputs.run_image_name,
            run_image=inputs.run_image,
            known=metadata.known_names() if inputs.platform_api.minor >= _BASE_SINCE else None,
        )
    )
    may_force = all(check.may_force for check in failed)
    if failed and not (inputs.force and may_force):
        raise RebaseError(
            "; ".join(check.text for check in failed),
            hint="--force rebases it all the same, --run-image names another run image"
            if may_force
            else "build the app again on the new run image",
        )
    return failed


def _labels(inputs: RebaseInputs, metadata: str) -> dict[str, str]:
    """REB-06, REB-07: what speaks of the run image comes from the new one, all else stays."""
    prefixes = _FOLLOWING[: 2 if inputs.platform_api.minor >= _BASE_SINCE else 1]
    kept = {key: text for key, text in inputs.image.labels.items() if not key.startswith(prefixes)}
    new = {key: text for key, text in inputs.run_image.labels.items() if key.startswith(prefixes)}
    return {**kept, LIFECYCLE_METADATA: metadata, **new}


def _config(
    app: Mapping[str, object], base: Mapping[str, object], diff_ids: Sequence[str], labels: Mapping[str, str]
) -> bytes:
    """The configuration file. Made from nothing, so author, variant, features and all history are gone (GO-79)."""
    runtime = app.get("config")
    assert runtime is None or isinstance(runtime, dict), "stores give checked configurations"
    return model.encode_config(
        {
            "architecture": base.get("architecture"),
            "os": base.get("os"),
            "os.version": base.get("os.version"),
            "created": CREATED,
            "config": {**(runtime or {}), "Labels": labels},
            "history": [{"created": CREATED}] * len(diff_ids),
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        }
    )


def _changes(
    inputs: RebaseInputs, old: RebaseMetadata, new: RebaseMetadata, labels: Mapping[str, str]
) -> Iterator[Change]:
    image, base = inputs.image, inputs.run_image
    below = image.diff_ids[: image.diff_ids.index(old.top_layer) + 1]
    if below != base.diff_ids:
        yield Change(what="base layers", old=_stack(below), new=_stack(base.diff_ids))
    pairs = {
        "run image reference": (old.reference, new.reference),
        "run image names": (", ".join(old.known_names()), ", ".join(new.known_names())),
        **{key: tuple(str(each.config.get(key) or "") for each in (image, base)) for key in _PLATFORM_KEYS},
        **{
            key: (image.labels.get(key, ""), labels.get(key, ""))
            for key in sorted({*image.labels, *labels} - {LIFECYCLE_METADATA})
        },
    }
    for what, (before, after) in pairs.items():
        if before != after:
            yield Change(what=what, old=before, new=after)


def _stack(diff_ids: Sequence[str]) -> str:
    return f"{len(diff_ids)} layer{'' if len(diff_ids) == 1 else 's'} up to {diff_ids[-1][:_SHORT]}"


def _registry_of(name: str) -> str:
    """ "" for a text that is no name: a mirror in a label may be anything."""
    try:
        return Reference.parse(name).registry
    except InvalidReference:
        return ""
