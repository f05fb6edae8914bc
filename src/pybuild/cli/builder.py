"""`pybuild builder create|inspect|suggest`: the images that hold buildpacks, a lifecycle and what builds run in."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild import __version__
from pybuild.cli.making import made_data, making_options, registry_option
from pybuild.cli.options import CONTEXT, insecure_registry_option
from pybuild.cli.show.display import Display, output_options
from pybuild.cli.show.structured import HUMAN, output_format_option, write
from pybuild.errors import BuilderUnusable, InvalidFile, InvalidInput

if TYPE_CHECKING:
    from pybuild.platform.builders.builder_inspect import BuilderInfo
    from pybuild.platform.builders.two_places import Look
    from pybuild.spec.config import Config


@click.group("builder", context_settings=CONTEXT)
def command() -> None:
    """Make builders, and look into them: images with buildpacks, a lifecycle and what builds run in."""


@command.command(
    "create",
    context_settings=CONTEXT,
    epilog="Examples:  pybuild builder create my/builder --config builder.toml"
    "   |   pybuild builder create registry.example.com/builder -c builder.toml --publish --target linux/amd64 --target linux/arm64",
)
@click.argument("name")
@click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="builder.toml: what the builder is made of.",
)
@click.option(
    "--flatten",
    multiple=True,
    metavar="ID@VERSION,…",
    help="Put these buildpacks into one layer; repeatable.",
)
@click.option(
    "--made-by", default=f"pybuild@{__version__}", hidden=True, help="Which program it says made it."
)
@registry_option
@making_options
@output_options
def create(
    name: str,
    *,
    config: Path | None,
    flatten: tuple[str, ...],
    made_by: str,
    registry: str | None,
    as_json: bool,
    display: Display,
    **making: Any,
) -> int:
    """Make the builder image NAME as builder.toml says.

    The layers are those that `pack builder create` makes. Without [lifecycle] it gets pybuild's own.
    """
    with display.console() as shown:
        from pybuild.cli.making import chosen_registry, where_of
        from pybuild.platform.builders.builder_create import BuilderRequest, create_builder, flatten_groups
        from pybuild.platform.builders.made import parse_labels, parse_targets
        from pybuild.spec.builder_toml import BuilderToml

        if config is None:
            raise InvalidInput(
                "builder.toml is missing: it says what the builder is made of", hint="--config builder.toml"
            )
        outcome = create_builder(
            BuilderRequest(
                toml=BuilderToml.read(_content(config), str(config)),
                folder=config.absolute().parent,
                where=where_of(name, making),
                labels=parse_labels(making["labels"]),
                flatten=flatten_groups(flatten),
                targets=parse_targets(making["targets"]),
                registry=chosen_registry(registry),
                made_by=(made_by.partition("@")[0], made_by.partition("@")[2]),
            )
        )
        shown.line(f"Successfully created builder image '{name}'", style="32")
        shown.line(f"Tip: Run 'pybuild <image-name> --builder {name}' to use this builder")
    if as_json:
        sys.stdout.write(json.dumps(made_data(name, outcome), indent=2) + "\n")
    elif display.quiet:
        sys.stdout.write(f"{outcome.index or outcome.images[0].image_id}\n")
    return 0


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidFile(f"{path} cannot be read: {exc.strerror}", hint=f"ls -l {path}") from exc


@command.command(
    "inspect",
    context_settings=CONTEXT,
    epilog="Examples:  pybuild builder inspect   |   pybuild builder inspect heroku/builder:24 -o json"
    "   |   pybuild builder inspect --settings",
)
@click.argument("image", required=False)
@click.option(
    "-d",
    "--depth",
    type=int,
    default=-1,
    show_default=True,
    metavar="N",
    help="How deep the detection order is shown; -1: all of it.",
)
@click.option("--settings", is_flag=True, help="List the variables that the buildpacks go by, instead.")
@output_format_option
@click.option("--json", "as_json", is_flag=True, help="Short for `--output json`.")
@insecure_registry_option
@output_options
def inspect(
    image: str | None,
    *,
    depth: int,
    settings: bool,
    form: str,
    as_json: bool,
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Show what a builder has: its lifecycle, run images, buildpacks, and the order they are tried in.

    IMAGE is looked at in the engine and in its registry; without it, the default builder is.
    """
    form = "json" if as_json else form
    with display.console() as shown:
        from pybuild.cli.show.builder_text import Shown
        from pybuild.platform import config
        from pybuild.platform.builders.two_places import in_engine, in_registry
        from pybuild.platform.trust import is_trusted

        known = config.load(os.environ)
        name = image or _default_builder(known)
        local = in_engine(name, os.environ)
        if settings:
            remote = local if local.image else in_registry(name, os.environ, insecure=insecure_registries)
            return _show_settings(name, remote, form)
        remote = in_registry(name, os.environ, insecure=insecure_registries)
        if local.image is None and remote.image is None:
            raise BuilderUnusable(
                f"unable to find builder '{name}' locally or remotely",
                hint=str(
                    remote.error or local.error or "look at its name; pybuild builder suggest lists some"
                ),
            )
        about = Shown(
            name=name,
            default=not image or name == known.default_builder,
            trusted=is_trusted(name, known),
            remote=_info(remote, depth),
            local=_info(local, depth),
            remote_error=remote.error,
            local_error=local.error,
            config=known,
        )
        if form != HUMAN:
            write(about.data(form, mixins=display.verbose), form)
            return 0
        sys.stdout.write("\n".join(about.lines(mixins=display.verbose)) + "\n")
        sys.stdout.flush()
        for text in about.warnings():
            shown.line(f"Warning: {text}")
    return 0


def _info(look: Look, depth: int) -> BuilderInfo | None:
    from pybuild.platform.builders.builder_inspect import inspect as read

    return None if look.image is None else read(look.image, depth=depth)


def _default_builder(config: Config) -> str:
    """The builder that builds use when they name none; our own is made now, if it is not there."""
    if config.default_builder:
        return config.default_builder
    from pybuild import engine
    from pybuild.platform.builders.bootstrap import default_builder

    with engine.connect() as client:
        return default_builder(client, environ=os.environ)


def _show_settings(name: str, look: Look, form: str) -> int:
    from pybuild.cli.show.builder_text import settings_data, settings_lines
    from pybuild.cli.show.table import line_width
    from pybuild.platform.builders.builder_inspect import settings as read

    if look.image is None or look.reader is None:
        raise look.error or BuilderUnusable(
            f"unable to find builder '{name}' locally or remotely", hint="pybuild builder suggest lists some"
        )
    found = list(read(look.reader, look.image))
    if form == HUMAN:
        sys.stdout.write("\n".join(settings_lines(found, width=line_width())).rstrip() + "\n")
    else:
        write({"builder_name": name, "buildpacks": settings_data(found)}, form)
    return 0


@command.command("suggest", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print the builders as JSON on standard output.")
@output_options
def suggest(*, as_json: bool, display: Display) -> int:
    """List builders: pybuild's own, which builds use that name none, and those that others make."""
    with display.console():
        from pybuild.cli.show.module_text import columns
        from pybuild.platform.builders.known_builders import KNOWN_BUILDERS, OURS

        found = [each for each in (OURS, *KNOWN_BUILDERS) if each.suggested]
    if as_json:
        data = [
            {"vendor": each.vendor, "image": each.image, "description": each.description} for each in found
        ]
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return 0
    rows = [(f"  {each.vendor}:", f"'{each.image}'", each.description) for each in found]
    print("Suggested builders:", *columns(rows, gap=4), sep="\n")
    print("\nTip: Learn more about a specific builder with:\n  pybuild builder inspect <builder-image>")
    return 0
