"""`pybuild size IMAGE`: what makes an image as large as it is."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import insecure_registry_option
from pybuild.cli.show.console import human_size
from pybuild.cli.show.display import Display, output_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.platform.images.size import ImageSize

_WORTH_A_WORD = 1 << 20
_MOST_CLASSES = 3


@click.command(
    "size",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild size myapp   |   pybuild size registry:registry.example.com/myapp --json",
)
@click.argument("image")
@insecure_registry_option
@click.option("--json", "as_json", is_flag=True, help="Print the sizes as JSON on standard output.")
@output_options
def command(
    image: str,
    *,
    insecure_registries: tuple[str, ...],
    as_json: bool,
    display: Display,
) -> int:
    """Show what makes IMAGE as large as it is: layers, their makers, kinds of files, the largest files.

    IMAGE is NAME in the engine, registry:NAME, oci:FOLDER[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME].
    Sizes are those of files' contents, not compressed. With -q only the sum is printed, in bytes.
    """
    with display.console():
        from pybuild.platform.images.size import image_size

        found = image_size(image, environ=os.environ, insecure=insecure_registries)
    if as_json:
        sys.stdout.write(json.dumps(size_as_data(found), indent=2) + "\n")
    elif display.quiet:
        sys.stdout.write(f"{found.size}\n")
    else:
        for line in _lines(found):
            print(line)
    sys.stdout.flush()
    return 0


def size_as_data(found: ImageSize) -> dict[str, Any]:
    """The sizes for `--json`."""
    from pybuild.platform.images.size import maker

    return {
        "image": found.name,
        "id": found.id,
        "size_bytes": found.size,
        "stored_bytes": found.stored or None,
        "layers": [
            {
                "owner": layer.owner,
                "maker": maker(layer.owner),
                "diff_id": layer.diff_id,
                "files": layer.files,
                "size_bytes": layer.size,
                "classes": dict(layer.classes),
            }
            for layer in found.layers
        ],
        "makers": dict(found.by_maker),
        "classes": dict(found.by_class),
        "largest": [
            {"path": each.path, "size_bytes": each.size, "owner": each.owner} for each in found.largest
        ],
        "repeated_bytes": found.repeated,
    }


def _lines(found: ImageSize) -> Iterator[str]:
    from pybuild.cli.show.table import line_width, table
    from pybuild.platform.images.file_classes import SPARE

    width = line_width()
    yield f"{found.name}: {human_size(found.size)} in {len(found.layers)} layers"
    yield ""
    yield from table(
        [
            (
                layer.owner,
                human_size(layer.size),
                str(layer.files),
                ", ".join(
                    f"{name} {human_size(size)}" for name, size in list(layer.classes.items())[:_MOST_CLASSES]
                ),
            )
            for layer in found.layers
        ],
        header=("LAYER", "SIZE", "FILES", "MOSTLY"),
        width=width,
    )
    for header, sizes in (("MADE BY", found.by_maker), ("KIND OF FILE", found.by_class)):
        yield ""
        rows = [(name, human_size(size), f"{_share(size, found.size)}") for name, size in sizes.items()]
        yield from table(rows, header=(header, "SIZE", "SHARE"), width=width)
    yield ""
    rows = [(human_size(each.size), each.owner, f"/{each.path}") for each in found.largest]
    yield from table(rows, header=("LARGEST", "LAYER", "PATH"), width=width)
    spare = {name: size for name, size in found.by_class.items() if name in SPARE and size >= _WORTH_A_WORD}
    if spare or found.repeated >= _WORTH_A_WORD:
        yield ""
    if spare:
        named = ", ".join(f"{name} {human_size(size)}" for name, size in spare.items())
        yield f"An image seldom needs: {named}."
    if found.repeated >= _WORTH_A_WORD:
        yield f"Contents that are in it more than once: {human_size(found.repeated)}."


def _share(size: int, total: int) -> str:
    return f"{size * 100 / total:.0f} %" if total else ""
