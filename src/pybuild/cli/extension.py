"""`pybuild extension …`: image extensions, from an empty folder to a package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.making import making_options, registry_option
from pybuild.cli.options import CONTEXT, insecure_registry_option
from pybuild.cli.packaging import make, package_options, print_made, show
from pybuild.cli.scaffolding import new_options, scaffold
from pybuild.cli.show.display import Display, output_options

if TYPE_CHECKING:
    from pathlib import Path


@click.group("extension", context_settings=CONTEXT)
def command() -> None:
    """Write and package image extensions: they change what apps are built in and run on."""


@command.command("new", context_settings=CONTEXT, epilog="Example:  pybuild extension new acme/curl")
@click.argument("id")
@new_options
@output_options
def new(
    id: str,  # noqa: A002 - the name of the argument
    *,
    path: Path | None,
    api: str,
    version: str,
    targets: tuple[str, ...],
    display: Display,
) -> int:
    """Make the folder of an image extension that works, to write on."""
    with display.console() as shown:
        scaffold(id, shown, kind="extension", lang="sh", path=path, api=api, version=version, targets=targets)
    return 0


@command.command(
    "package",
    context_settings=CONTEXT,
    epilog="Example:  pybuild extension package acme/curl --path ./curl",
)
@click.argument("name")
@package_options
@registry_option
@making_options
@output_options
def package(
    name: str,
    *,
    config: Path | None,
    path: Path | None,
    form: str,
    registry: str | None,
    as_json: bool,
    display: Display,
    **making: Any,
) -> int:
    """Make the package NAME of an extension: an image, or with `--format file` a .cnb file."""
    with display.console() as shown:
        data = make(
            name,
            shown,
            kind="extension",
            config=config,
            path=path,
            form=form,
            registry=registry,
            making=making,
        )
    print_made(data, as_json=as_json, quiet=display.quiet)
    return 0


@command.command("inspect", context_settings=CONTEXT, epilog="Example:  pybuild extension inspect acme/curl")
@click.argument("name")
@registry_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on standard output.")
@insecure_registry_option
@output_options
def inspect(
    name: str,
    *,
    registry: str | None,
    as_json: bool,
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Show what is in the package of an extension: an image, a .cnb file or its URL."""
    with display.console():
        show(name, kind="extension", registry=registry, as_json=as_json, insecure=insecure_registries)
    return 0
