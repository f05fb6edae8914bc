"""Which run image an app gets: the one the user names, or the builder's, from the nearest registry that has it.

Specification: platform.md, "Run Image Resolution" (GEN-15, GEN-16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import BuilderUnusable, PybuildError, RegistryError
from pybuild.events import detail, info, warn
from pybuild.oci.reference import Reference
from pybuild.platform.pull import PullRefused
from pybuild.spec.builder import STACK_ID
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pybuild.spec.builder import Builder
    from pybuild.stores.api import StoredImage


def candidates(
    images: Sequence[RunImageName], *, registry: str, own: Callable[[str], Sequence[str]] = lambda _: ()
) -> tuple[str, ...]:
    """The names to try, in this order: image and mirrors on `registry` (the app image's), then the others.

    Only the first of the builder's run images counts: the others are for extensions to switch to. `own`: the user's
    mirrors of an image, which come before the image itself.
    """
    if not images:
        return ()
    names = (*own(images[0].image), images[0].image, *images[0].mirrors)
    near = [name for name in names if Reference.parse(name).registry == registry]
    return (*near, *(name for name in names if name not in near))


def mirrors_of(name: str, images: Sequence[RunImageName]) -> RunImageName:
    """What the app image remembers about where its run image may be found again.

    The first of `images` that has `name` as image or mirror, else the first, else `name` alone.
    """
    asked = Reference.parse(name)
    for image in images:
        if any(Reference.parse(each) == asked for each in (image.image, *image.mirrors)):
            return image
    return images[0] if images else RunImageName(image=name)


def choose(names: Sequence[str], get: Callable[[str], StoredImage]) -> tuple[str, StoredImage]:
    """The first name that `get` has an image for. Raises what the first one failed with if none has."""
    first: PybuildError | None = None
    for name in names:
        try:
            return name, get(name)
        except (PullRefused, RegistryError) as exc:
            detail(f"the run image {name} cannot be used: {exc}")
            first = first or exc
    raise first or BuilderUnusable("the builder names no run image", hint="name one with --run-image")


def run_image(
    builder: Builder,
    *,
    given: str,
    app: Reference,
    get: Callable[[Reference], StoredImage],
    own: Callable[[str], Sequence[str]] = lambda _: (),
) -> tuple[str, StoredImage]:
    """The run image's name and the image itself. `given`: the user's choice, or ""; `get`: where to look.

    `own`: the user's mirrors of an image.

    Raises `PybuildError` with a hint when there is none to be had, and `BuilderUnusable` for one of another
    operating system or architecture than the builder.
    """
    names = (given,) if given else candidates(builder.run_images, registry=app.registry, own=own)
    name, image = choose(names, lambda each: get(Reference.parse(each)))
    ours, theirs = builder.target, image.config
    if (theirs.get("os"), theirs.get("architecture")) != (ours.os, ours.arch):
        raise BuilderUnusable(
            f"the run image {name} is for {theirs.get('os')}/{theirs.get('architecture')},"
            f" the builder {builder.name} for {ours.os}/{ours.arch}",
            hint="choose a --run-image of the builder's platform",
        )
    stack = image.labels.get(STACK_ID, "")
    if builder.stack_id and stack != builder.stack_id:
        warn(
            f"deprecated usage of stack: the run image {name} is for {stack!r}, the builder for"
            f" {builder.stack_id!r}"
        )
    if len(names) > 1:
        info(f"Run image {name} ({image.id[7:19]})")
    if given:
        detail(f"Using provided run-image '{name}'")
    else:
        first = builder.run_images[0].image
        tell_choice(name, first, own=own(first))
    return name, image


def tell_choice(name: str, image: str, *, own: Sequence[str]) -> None:
    """Say, to those who want to see every decision, which name of the run image `image` was taken, and whose word it was."""
    if name in own:
        detail(f"Selected run image mirror '{name}' from local config")
    elif name != image:
        detail(f"Selected run image mirror '{name}'")
    else:
        detail(f"Selected run image '{name}'")
