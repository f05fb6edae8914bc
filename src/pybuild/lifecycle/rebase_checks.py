"""Whether an app image may stand on another run image: every check that fails, with the values of both (pure).

An app that was built for Platform API 0.12 or later is compared by target data, an older one by stack and mixins.

Specification: platform.md, "rebaser" (`<force>`, target data); before 0.12, its "stack" and "mixins". GO-79.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild import gojson
from pybuild.errors import InvalidFile, InvalidInput, InvalidReference, RebaseError
from pybuild.lifecycle.analyze import image_target
from pybuild.oci.reference import Reference
from pybuild.spec.api import ApiVersion
from pybuild.spec.target import Distro

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.stores.api import StoredImage

REBASABLE_LABEL = "io.buildpacks.rebasable"
STACK_LABEL = "io.buildpacks.stack.id"
MIXINS_LABEL = "io.buildpacks.stack.mixins"
_TARGETS_SINCE = ApiVersion(0, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """An app image and a new run image for it, and how the two are called.

    `known`: the names under which the app knows its run image; None where they do not count.
    """

    name: str
    image: StoredImage
    run_image_name: str
    run_image: StoredImage
    known: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A check that failed: `text` has the values of both images. `renames`: the run image is not a known one."""

    text: str
    may_force: bool = True
    renames: bool = False


def failures(sides: Sides) -> tuple[Failure, ...]:
    """Every check that fails. Raises `RebaseError` for an app whose Platform API nobody knows."""
    built_for = _platform_api(sides)
    if built_for is None or built_for < _TARGETS_SINCE:
        found = [*_stack(sides), *_mixins(sides)]
    else:
        found = [*_rebasable(sides), *_target(sides)]
    return (*found, *_name(sides))


def _platform_api(sides: Sides) -> ApiVersion | None:
    """What the app was built for; None if it does not say."""
    config = sides.image.config.get("config")
    environ = config.get("Env") if isinstance(config, dict) else None
    for item in environ or ():
        name, _, text = item.partition("=")
        if name == "CNB_PLATFORM_API" and text:
            try:
                return ApiVersion.parse(text)
            except InvalidInput as exc:
                raise RebaseError(
                    f"{sides.name} cannot be rebased: its variable CNB_PLATFORM_API is {text[:40]!r},"
                    " which is no version",
                    hint="build the app again",
                ) from exc
    return None


def _rebasable(sides: Sides) -> Iterator[Failure]:
    # REB-03; only the literal text counts (GO-40).
    if sides.image.labels.get(REBASABLE_LABEL) == "false":
        theirs = sides.run_image.labels.get(REBASABLE_LABEL)
        yield Failure(
            text=f"rebasable: {sides.name} says 'false' in its label {REBASABLE_LABEL},"
            f" the run image {sides.run_image_name} {repr(theirs) if theirs else 'nothing'}"
        )


def _target(sides: Sides) -> Iterator[Failure]:
    """REB-08. What the run image leaves open fits; os and architecture are never open."""
    ours, theirs = image_target(sides.image), image_target(sides.run_image)
    our_distro, their_distro = ours.distro or Distro(), theirs.distro or Distro()
    for what, old, new, may_be_open in (
        ("operating system", ours.os, theirs.os, False),
        ("architecture", ours.arch, theirs.arch, False),
        ("variant", ours.variant, theirs.variant, not (ours.variant and theirs.variant)),
        ("distribution", our_distro.name, their_distro.name, not their_distro.name),
        ("distribution's version", our_distro.version, their_distro.version, not their_distro.version),
    ):
        if old != new and not may_be_open:
            yield _differs(sides, what, old, new)


def _stack(sides: Sides) -> Iterator[Failure]:
    """REB-11."""
    ours, theirs = (image.labels.get(STACK_LABEL, "") for image in (sides.image, sides.run_image))
    if not ours or ours != theirs:
        yield _differs(sides, "stack", ours, theirs, may_force=False)


def _mixins(sides: Sides) -> Iterator[Failure]:
    """REB-11: all of the app's must be in the run image; for which stage they were is no matter."""
    ours = _mixins_of(sides.image, sides.name)
    theirs = _mixins_of(sides.run_image, f"the run image {sides.run_image_name}")
    if missing := sorted(ours - theirs):
        yield Failure(
            text=f"mixins: {sides.name} needs {', '.join(missing)}, the run image {sides.run_image_name}"
            f" has {', '.join(sorted(theirs)) or 'none'}",
            may_force=False,
        )


def _mixins_of(image: StoredImage, name: str) -> set[str]:
    text = image.labels.get(MIXINS_LABEL, "")
    if not text:
        return set()
    try:
        mixins = gojson.loads(text, where=MIXINS_LABEL)
    except InvalidFile as exc:
        raise RebaseError(f"{name} has a malformed label: {exc}", hint="build that image again") from exc
    if not isinstance(mixins, list) or not all(isinstance(mixin, str) for mixin in mixins):
        raise RebaseError(
            f"{name} has a malformed label {MIXINS_LABEL}: expected an array of strings, found {text[:80]!r}",
            hint="build that image again",
        )
    return {mixin.partition(":")[2] or mixin for mixin in mixins}


def _name(sides: Sides) -> Iterator[Failure]:
    """REB-08: the run image must be one of those that the app's label lists."""
    if sides.known is None or any(_bare(each) == _bare(sides.run_image_name) for each in sides.known):
        return
    yield Failure(
        text=f"run image: {sides.name} knows {', '.join(sides.known) or 'none'},"
        f" {sides.run_image_name} is none of them",
        renames=True,
    )


def _bare(name: str) -> str:
    """The complete name without a digest, by which two are compared; a text that is no name as it is."""
    try:
        ref = Reference.parse(name.partition("@sha256:")[0])
    except InvalidReference:
        return name
    return ref.name


def _differs(sides: Sides, what: str, old: str, new: str, *, may_force: bool = True) -> Failure:
    return Failure(
        text=f"{what}: {sides.name} has {old or 'none'}, the run image {sides.run_image_name} {new or 'none'}",
        may_force=may_force,
    )
