"""`pybuild inspect IMAGE`: what an app image is made of and how it starts, for people and as data with `pack`'s keys."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import CONTEXT, insecure_registry_option
from pybuild.cli.show.display import Display, output_options
from pybuild.cli.show.structured import HUMAN, output_format_option, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.errors import PybuildError
    from pybuild.platform.images.inspect import AppImage, Inspected, ModuleShown


@click.command(
    "inspect",
    context_settings=CONTEXT,
    epilog="Examples:  pybuild inspect myapp   |   pybuild inspect myapp -o json",
)
@click.argument("image")
@output_format_option
@click.option("--json", "as_json", is_flag=True, help="Short for `--output json`.")
@insecure_registry_option
@output_options
def command(
    image: str, *, form: str, as_json: bool, insecure_registries: tuple[str, ...], display: Display
) -> int:
    """Show buildpacks, processes, run image and rebasability of the app image IMAGE, in the registry and in the engine."""
    with display.console() as shown:
        from pybuild.platform import config
        from pybuild.platform.images.inspect import inspect_image
        from pybuild.platform.pull import checked_registry

        found = inspect_image(
            image,
            config=config.load(os.environ),
            environ=os.environ,
            insecure=tuple(map(checked_registry, insecure_registries)),
        )
        human = form == HUMAN and not as_json
        for where, error in (("registry", found.remote_error), ("Docker Engine", found.local_error)):
            if error is not None and not human:
                shown.line(f"the {where} could not be asked: {error}", level=1)
    if human:
        sys.stdout.write(human_text(found))
    else:
        data = as_data(found)
        write(data if as_json or form != "yaml" else with_lists(data), "json" if as_json else form)
    return 0


def as_data(found: Inspected) -> dict[str, Any]:
    """As `pack` has it, null where there is no image."""
    return {
        "image_name": found.name,
        "remote_info": _image_data(found.remote),
        "local_info": _image_data(found.local),
    }


def human_text(found: Inspected) -> str:
    """As `pack` prints it: the registry first, then the engine."""
    lines = [f"Inspecting image: '{found.name}'", ""]
    for title, image, error in (
        ("REMOTE", found.remote, found.remote_error),
        ("LOCAL", found.local, found.local_error),
    ):
        lines += ["", f"{title}:", "", *_part(image, error)]
    return "\n".join(lines) + "\n"


def _part(image: AppImage | None, error: PybuildError | None) -> list[str]:
    from pybuild.cli.show.console import printable

    if error is not None:
        return [f"(not available: {printable(str(error))})", ""]
    return [line.rstrip() for line in _lines(image)] if image else ["(not present)", ""]


def _lines(image: AppImage) -> Iterator[str]:
    yield f"Stack: {image.stack}"
    yield ""
    yield "Base Image:"
    if image.base_reference:
        yield f"  Reference: {image.base_reference}"
    yield f"  Top Layer: {image.base_top_layer}"
    yield ""
    yield "Run Images:"
    yield from columns(
        [(each.name, "(user-configured)" if each.user_configured else "") for each in image.run_images]
    ) or ["  (none)"]
    yield ""
    yield f"Rebasable: {'true' if image.rebasable else 'false'}"
    yield ""
    yield from _module_lines("Buildpacks", image.buildpacks, "buildpack")
    if image.extensions is not None:
        yield ""
        yield from _module_lines("Extensions", image.extensions, "extension")
    if image.processes:
        yield ""
        yield "Processes:"
        rows = [
            (
                f"{each.type} (default)" if each.default else each.type,
                each.shell,
                each.command,
                " ".join(each.args),
                each.working_dir,
            )
            for each in image.processes
        ]
        yield from columns([("TYPE", "SHELL", "COMMAND", "ARGS", "WORK DIR"), *rows])
    yield ""


def _module_lines(title: str, modules: Sequence[ModuleShown], word: str) -> Iterator[str]:
    yield f"{title}:"
    if not modules:
        yield f"  ({word} metadata not present)"
        return
    rows = [(each.id, each.version, each.homepage or "-") for each in modules]
    yield from columns([("ID", "VERSION", "HOMEPAGE"), *rows])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with every column as wide as it needs, eight blanks between two, as `pack` prints tables."""
    from pybuild.cli.show.console import printable

    clean = [[printable(cell).replace("\n", "\\n") for cell in row] for row in rows]
    widths = [max(map(len, column)) + 8 for column in zip(*clean, strict=True)]
    return [
        "  " + "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in clean
    ]


def _image_data(image: AppImage | None) -> dict[str, Any] | None:
    if image is None:
        return None
    return {
        "stack": image.stack,
        "base_image": {"top_layer": image.base_top_layer, "reference": image.base_reference},
        "run_images": [
            {"name": each.name, **({"user_configured": True} if each.user_configured else {})}
            for each in image.run_images
        ],
        "buildpacks": _module_data(image.buildpacks),
        "extensions": None if image.extensions is None else _module_data(image.extensions),
        "processes": [
            {
                "type": each.type,
                "shell": each.shell,
                "command": each.command,
                "default": each.default,
                "args": list(each.args),
                "working-dir": each.working_dir,
            }
            for each in image.processes
        ],
        "rebasable": image.rebasable,
    }


def _module_data(modules: Sequence[ModuleShown]) -> list[dict[str, str]]:
    return [
        {"id": each.id}
        | ({"version": each.version} if each.version else {})
        | ({"homepage": each.homepage} if each.homepage else {})
        for each in modules
    ]


def with_lists(data: dict[str, Any]) -> dict[str, Any]:
    """The data as `pack` has it in YAML: an empty list of extensions where JSON has null."""
    return {
        key: {**value, "extensions": value["extensions"] or []} if isinstance(value, dict) else value
        for key, value in data.items()
    }
