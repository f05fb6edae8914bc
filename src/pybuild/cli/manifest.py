"""`pybuild manifest`: images of several platforms put under one name, on this machine first, then in a registry."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from pybuild.cli.options import CONTEXT, insecure_registry_option
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.platform.images.manifest_lists import Lists

_format_option = click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["oci", "docker"]),
    help="Media type of the index; default oci.",
)
_insecure_option = click.option(
    "--insecure", is_flag=True, help="The registry's certificate is not checked, or it has none."
)


@click.group("manifest", context_settings=CONTEXT)
def command() -> None:
    """Put images of several platforms under one name: make a list on this machine, then push it."""


@command.command("create", context_settings=CONTEXT)
@click.argument("name")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE…")
@_format_option
@click.option("--publish", is_flag=True, help="Push the list at once, and keep nothing here.")
@_insecure_option
@insecure_registry_option
@output_options
def create(
    name: str,
    images: tuple[str, ...],
    *,
    form: str | None,
    publish: bool,
    insecure: bool,
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Make the list NAME of images in registries."""
    with display.console() as shown:
        if insecure and not publish:
            raise InvalidInput("--insecure is about a push", hint="add --publish, or leave it out")
        lists = _lists(name if insecure else "", insecure_registries)
        digest = lists.create(name, images, form=form or "oci", publish=publish)
        done = (
            f"Successfully pushed manifest list '{name}' to registry"
            if publish
            else f"Successfully created manifest list '{name}'"
        )
        shown.line(done)
    if digest:
        sys.stdout.write(f"{digest}\n")
    return 0


@command.command("add", context_settings=CONTEXT)
@click.argument("name")
@click.argument("image")
@insecure_registry_option
@output_options
def add(name: str, image: str, *, insecure_registries: tuple[str, ...], display: Display) -> int:
    """Add an image, or all those of another index, to the list NAME."""
    with display.console() as shown:
        _lists("", insecure_registries).add(name, image)
        shown.line(f"Successfully added image '{image}' to index")
    return 0


@command.command("annotate", context_settings=CONTEXT)
@click.argument("name")
@click.argument("image")
@click.option("--os", "system", metavar="OS", help="Its operating system.")
@click.option("--arch", metavar="ARCH", help="Its architecture.")
@click.option("--variant", metavar="VARIANT", help="Its architecture's variant.")
@click.option(
    "--annotations", multiple=True, metavar="KEY=VALUE", help="An annotation; repeatable, or with commas."
)
@insecure_registry_option
@output_options
def annotate(
    name: str,
    image: str,
    *,
    system: str | None,
    arch: str | None,
    variant: str | None,
    annotations: tuple[str, ...],
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Say more of an image of the list NAME: its platform, or annotations."""
    with display.console() as shown:
        given = {"os": system, "architecture": arch, "variant": variant}
        platform = {key: value for key, value in given.items() if value}
        notes = _pairs(annotations)
        if not platform and not notes:
            raise InvalidInput(
                "nothing is said of the image", hint="one of --os, --arch, --variant and --annotations"
            )
        _lists("", insecure_registries).annotate(name, image, platform=platform, annotations=notes)
        shown.line(f"Successfully annotated image '{image}' in index '{name}'")
    return 0


@command.command("inspect", context_settings=CONTEXT)
@click.argument("name")
@output_options
def inspect(name: str, *, display: Display) -> int:
    """Print the list NAME as it would be pushed."""
    with display.console():
        known = _lists("", ()).load(name)
    sys.stdout.write(json.dumps(json.loads(known.index.write()), indent=2) + "\n")
    return 0


@command.command("push", context_settings=CONTEXT)
@click.argument("name")
@_format_option
@click.option("--purge", is_flag=True, help="Forget the list when it is pushed.")
@_insecure_option
@insecure_registry_option
@output_options
def push(
    name: str,
    *,
    form: str | None,
    purge: bool,
    insecure: bool,
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Push the list NAME, with those of its images that are in other repositories, and print its digest."""
    with display.console() as shown:
        digest = _lists(name if insecure else "", insecure_registries).push(name, form=form, purge=purge)
        shown.line(f"Successfully pushed manifest list '{name}' to registry")
    sys.stdout.write(f"{digest}\n")
    return 0


@command.command("remove", context_settings=CONTEXT)
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@output_options
def remove(names: tuple[str, ...], *, display: Display) -> int:
    """Forget lists of this machine."""
    with display.console() as shown:
        _lists("", ()).remove(names)
        shown.line("Successfully deleted manifest list(s) from local storage")
    return 0


@command.command("rm", context_settings=CONTEXT)
@click.argument("name")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE…")
@insecure_registry_option
@output_options
def rm(name: str, images: tuple[str, ...], *, insecure_registries: tuple[str, ...], display: Display) -> int:
    """Take images out of the list NAME."""
    with display.console() as shown:
        _lists("", insecure_registries).take_out(name, images)
        shown.line(f"Successfully removed image(s) from index: '{name}'")
    return 0


def _lists(insecure_name: str, insecure: Sequence[str]) -> Lists:
    from pybuild.oci.reference import Reference
    from pybuild.platform.images.manifest_lists import Lists
    from pybuild.platform.pull import checked_registry

    hosts = [Reference.parse(insecure_name).registry] if insecure_name else []
    return Lists(environ=os.environ, insecure=[*hosts, *map(checked_registry, insecure)])


def _pairs(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in (part for each in words for part in each.split(",")):
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise InvalidInput(f"the annotation {word!r} is not KEY=VALUE", hint="--annotations owner=team")
        found[key] = value
    return found
