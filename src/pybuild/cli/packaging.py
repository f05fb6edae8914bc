"""`package` and `inspect` of buildpacks and extensions: the same but for the word."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.making import chosen_registry, made_data, where_of
from pybuild.errors import InvalidInput
from pybuild.events import warn

if TYPE_CHECKING:
    from pybuild.cli.show.console import Console
    from pybuild.cli.show.json_log import JsonLog
    from pybuild.platform.buildpacks.modules import Kind

CNB = ".cnb"


def package_options(function: Any) -> Any:
    """What goes into the package, and its form."""
    for option in (
        click.option(
            "-f",
            "--format",
            "form",
            type=click.Choice(["image", "file"]),
            default="image",
            show_default=True,
            help="An image, or a .cnb file.",
        ),
        click.option(
            "-p",
            "--path",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="Folder of the module; default here.",
        ),
        click.option(
            "-c",
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="package.toml, instead of --path: what the package is made of.",
        ),
    ):
        function = option(function)
    return function


def make(
    name: str,
    shown: Console | JsonLog,
    *,
    kind: Kind,
    config: Path | None,
    path: Path | None,
    form: str,
    registry: str | None,
    making: dict[str, Any],
    flatten: bool = False,
    apart: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Make a package and say so; returns what was made, as data."""
    from pybuild.platform.builders.made import parse_labels, parse_targets
    from pybuild.platform.buildpacks.package import PackageRequest, make_package

    if config is not None and path is not None:
        raise InvalidInput(
            "--config and --path cannot be used together: package.toml says where the module is",
            hint=f"--config {config}",
        )
    output = _file(name) if form == "file" else None
    if output is not None and making["publish"]:
        raise InvalidInput("a file is not published", hint="leave out --publish or --format file")
    where = where_of("package" if output else name, making)
    outcome = make_package(
        PackageRequest(
            file=config or path or Path(),
            where=where,
            kind=kind,
            output=output,
            labels=parse_labels(making["labels"]),
            targets=parse_targets(making["targets"]),
            flatten=flatten,
            apart=frozenset(part for word in apart for part in word.split(",")),
            registry=chosen_registry(registry),
        )
    )
    done = "published" if making["publish"] else "created"
    where_to = "file" if output else "registry" if making["publish"] else "docker daemon"
    shown.line(f"Successfully {done} package '{output or name}' and saved to {where_to}", style="32")
    return made_data(str(output or name), outcome)


def _file(name: str) -> Path:
    path = Path(name)
    if not path.suffix:
        return path.with_name(path.name + CNB)
    if path.suffix != CNB:
        warn(
            f"'{path.suffix}' is not a valid extension for a packaged buildpack."
            f" Packaged buildpacks must have a '{CNB}' extension"
        )
    return path


def print_made(data: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """The result on standard output, where it is asked for."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    elif quiet:
        sys.stdout.write(f"{data['index'] or data['images'][0]['image_id']}\n")


def show(
    word: str,
    *,
    kind: Kind,
    registry: str | None,
    as_json: bool,
    insecure: tuple[str, ...],
    depth: int = -1,
    mixins: bool = False,
) -> None:
    """Print what a package says of itself."""
    from pybuild.cli.show.package_text import buildpack_lines, data, extension_lines
    from pybuild.platform.buildpacks.package_inspect import Question, inspect

    found = inspect(
        Question(
            word=word,
            environ=os.environ,
            registry=chosen_registry(registry),
            kind=kind,
            depth=depth,
            insecure=insecure,
        )
    )
    if as_json:
        sys.stdout.write(json.dumps({"name": word, "packages": list(map(data, found))}, indent=2) + "\n")
        return
    lines = [f"Inspecting {kind}: '{word}'"]
    for info in found:
        lines += buildpack_lines(info, mixins=mixins) if kind == "buildpack" else extension_lines(info)
    sys.stdout.write("\n".join(lines) + "\n")
