"""The settings of `pybuild config` that are mirrors: of single run images, and of whole registries."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybuild.cli.options import CONTEXT, listed
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform import config as settings
from pybuild.spec.run_image import RunImageName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pybuild.spec.config import Config

_F = TypeVar("_F", bound="Callable[..., Any]")


def _mirrors_option(text: str) -> Callable[[_F], _F]:
    return click.option("-m", "--mirror", "mirrors", multiple=True, metavar="NAME", help=text)


@listed(
    "run-image-mirrors", "List, add and remove mirrors of run images, preferred to those that builders name."
)
@click.pass_context
def run_image_mirrors(ctx: click.Context) -> None:
    """See `listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(mirrors_list, image=None)


@run_image_mirrors.command("list", context_settings=CONTEXT)
@click.argument("image", required=False)
@output_options
def mirrors_list(image: str | None, *, display: Display) -> int:
    """List the mirrors, of one run image or of all."""
    with display.console():
        found = settings.load(os.environ).run_images
    chosen = [each for each in found if image in (None, each.image)]
    if not chosen:
        print(f"No run image mirrors have been set{f' for {image!r}' if image else ''}")
        return 0
    print("Run Image Mirrors:")
    for each in chosen:
        print("\n".join([f"  '{each.image}':", *(f"    {mirror}" for mirror in each.mirrors)]))
    return 0


@run_image_mirrors.command("add", context_settings=CONTEXT)
@click.argument("image")
@_mirrors_option("Where the run image is, too; repeatable.")
@output_options
def mirrors_add(image: str, *, mirrors: tuple[str, ...], display: Display) -> int:
    """Add mirrors of the run image IMAGE."""
    with display.console() as shown:
        added = _split(mirrors)
        if not added:
            raise InvalidInput(
                "no mirror is named", hint=f"pybuild config run-image-mirrors add {image} -m NAME"
            )
        for name in (image, *added):
            Reference.parse(name)

        def edit(config: Config) -> Config:
            every = tuple(sorted({*config.mirrors_of(image), *added}))
            return replace(config, run_images=_with_mirrors(config.run_images, image, every))

        settings.change(os.environ, edit)
        for mirror in added:
            shown.line(f"Run Image '{image}' configured with mirror '{mirror}'")
    return 0


@run_image_mirrors.command("remove", context_settings=CONTEXT)
@click.argument("image")
@_mirrors_option("The mirror to remove; without any, all of them.")
@output_options
def mirrors_remove(image: str, *, mirrors: tuple[str, ...], display: Display) -> int:
    """Remove mirrors of the run image IMAGE."""
    with display.console() as shown:
        gone = _split(mirrors)
        if not settings.load(os.environ).mirrors_of(image):
            shown.line(f"No run image mirrors have been set for '{image}'")
            return 0

        def edit(config: Config) -> Config:
            left = tuple(each for each in config.mirrors_of(image) if gone and each not in gone)
            return replace(config, run_images=_with_mirrors(config.run_images, image, left))

        settings.change(os.environ, edit)
        shown.line(
            f"Removed mirrors {', '.join(gone)} for '{image}'"
            if gone
            else f"Removed all run image mirrors for '{image}'"
        )
    return 0


@listed(
    "registry-mirrors",
    "List, add and remove registries that are asked instead of others when images are pulled.",
)
@click.pass_context
def registry_mirrors(ctx: click.Context) -> None:
    """See `listed`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(registry_mirrors_list)


@registry_mirrors.command("list", context_settings=CONTEXT)
@output_options
def registry_mirrors_list(*, display: Display) -> int:
    """List the mirrors."""
    with display.console():
        found = settings.load(os.environ).registry_mirrors
    if not found:
        print("No registry mirrors have been set")
        return 0
    print("Registry Mirrors:")
    for name, mirror in sorted(found.items()):
        print(f"  {name}: '{mirror}'")
    return 0


@registry_mirrors.command("add", context_settings=CONTEXT)
@click.argument("registry")
@click.option("-m", "--mirror", required=True, metavar="HOST[:PORT]", help="The registry to ask instead.")
@output_options
def registry_mirrors_add(registry: str, *, mirror: str, display: Display) -> int:
    """Ask another registry instead of REGISTRY, or of all with `*`."""
    from pybuild.platform.pull import checked_mirror

    with display.console() as shown:
        name, host = checked_mirror(registry, mirror)
        settings.change(
            os.environ,
            lambda config: replace(config, registry_mirrors={**config.registry_mirrors, name: host}),
        )
        shown.line(f"Registry '{registry}' configured with mirror '{mirror}'")
    return 0


@registry_mirrors.command("remove", context_settings=CONTEXT)
@click.argument("registry")
@output_options
def registry_mirrors_remove(registry: str, *, display: Display) -> int:
    """Ask REGISTRY itself again."""
    with display.console() as shown:
        if registry not in settings.load(os.environ).registry_mirrors:
            shown.line(f"No registry mirror has been set for '{registry}'")
            return 0

        def edit(config: Config) -> Config:
            left = {name: mirror for name, mirror in config.registry_mirrors.items() if name != registry}
            return replace(config, registry_mirrors=left)

        settings.change(os.environ, edit)
        shown.line(f"Removed mirror for '{registry}'")
    return 0


def _split(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for word in words for part in word.split(",") if part)


def _with_mirrors(
    images: Sequence[RunImageName], image: str, mirrors: tuple[str, ...]
) -> tuple[RunImageName, ...]:
    others = [each for each in images if each.image != image]
    return (*others, RunImageName(image=image, mirrors=mirrors)) if mirrors else tuple(others)


GROUPS = (run_image_mirrors, registry_mirrors)
