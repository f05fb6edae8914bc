"""`pybuild buildpack pull|register|yank`: packages of a buildpack registry, taken from it and listed in it."""

from __future__ import annotations

import os
import sys

import click

from pybuild.cli.making import chosen_registry, registry_option
from pybuild.cli.options import CONTEXT, insecure_registry_option
from pybuild.cli.show.display import Display, output_options


@click.command(
    "pull",
    context_settings=CONTEXT,
    epilog="Example:  pybuild buildpack pull heroku/nodejs@3.2.1",
)
@click.argument("name")
@registry_option
@output_options
def pull(name: str, *, registry: str | None, display: Display) -> int:
    """Pull a package into the engine: an image, or an id in a buildpack registry."""
    with display.console() as shown:
        from pybuild.platform.buildpacks.registering import pull_package

        image = pull_package(name, chosen_registry(registry), environ=os.environ)
        shown.line(f"Successfully pulled '{name}'", style="32")
    if display.quiet:
        sys.stdout.write(f"{image}\n")
    return 0


@click.command(
    "register",
    context_settings=CONTEXT,
    epilog="Example:  pybuild buildpack register registry.example.com/acme/web:1.0.0",
)
@click.argument("image")
@registry_option
@insecure_registry_option
@output_options
def register(
    image: str,
    *,
    registry: str | None,
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Have a published package listed in a buildpack registry.

    For an index on GitHub, prints the URL of a form that is filled in; into any other git repository, commits and pushes.
    """
    with display.console() as shown:
        from pybuild.platform.buildpacks.registering import register as add

        done = add(image, chosen_registry(registry), environ=os.environ, insecure=insecure_registries)
        shown.line(done.text, style="32" if done.finished else "")
    sys.stdout.write(f"{done.result}\n")
    return 0


@click.command(
    "yank", context_settings=CONTEXT, epilog="Example:  pybuild buildpack yank acme/web@1.0.0 [--undo]"
)
@click.argument("name", metavar="ID@VERSION")
@click.option("-u", "--undo", is_flag=True, help="Let the version be used again.")
@registry_option
@output_options
def yank(
    name: str,
    *,
    undo: bool,
    registry: str | None,
    display: Display,
) -> int:
    """Have a version of a buildpack marked in a buildpack registry, so that nobody uses it any more."""
    with display.console() as shown:
        from pybuild.platform.buildpacks.registering import yank as mark

        done = mark(name, chosen_registry(registry), undo=undo, environ=os.environ)
        shown.line(done.text, style="32" if done.finished else "")
    sys.stdout.write(f"{done.result}\n")
    return 0


REGISTRY_COMMANDS = (pull, register, yank)
