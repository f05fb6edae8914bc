"""`new` of buildpacks and extensions: the same but for the word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pybuild.cli.show.console import Console
    from pybuild.cli.show.json_log import JsonLog
    from pybuild.platform.buildpacks.modules import Kind
    from pybuild.platform.buildpacks.scaffold import Language


def new_options(function: Any) -> Any:
    """Where the folder is made, and what its descriptor says."""
    for option in (
        click.option(
            "-t",
            "--targets",
            "targets",
            multiple=True,
            metavar="OS/ARCH",
            help="What it runs on, such as linux/amd64 or linux/arm64:debian@12; default: linux.",
        ),
        click.option(
            "-V", "--version", default="1.0.0", show_default=True, metavar="X.Y.Z", help="Its version."
        ),
        click.option(
            "-a", "--api", default="0.12", show_default=True, metavar="X.Y", help="Its Buildpack API."
        ),
        click.option(
            "-p",
            "--path",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="The folder to make; default: the last part of the id.",
        ),
    ):
        function = option(function)
    return function


def scaffold(
    id: str,  # noqa: A002 - as the specification calls it
    shown: Console | JsonLog,
    *,
    kind: Kind,
    lang: str,
    path: Path | None,
    api: str,
    version: str,
    targets: tuple[str, ...],
) -> None:
    """Make the folder and say what is in it, and what to type next."""
    from pybuild.platform.builders.made import parse_targets
    from pybuild.platform.buildpacks.scaffold import Scaffold, make

    language: Language = "python" if lang == "python" else "sh"
    folder = path or Path(id.rpartition("/")[2])
    files = make(
        Scaffold(
            id=id,
            path=folder,
            kind=kind,
            api=api,
            version=version,
            lang=language,
            targets=parse_targets(targets),
        )
    )
    for name in files:
        shown.line(f"    create  {name}")
    shown.line(f"Successfully created {id}", style="32")
    if kind == "buildpack":
        shown.line(f"Test it:  pybuild buildpack test {folder}")
