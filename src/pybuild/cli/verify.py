"""`pybuild verify`: build twice from nothing, and say whether both are the same image, to the byte."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.build import source_options
from pybuild.cli.show.display import Display, output_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.platform.verify import FirstByte, Verified


@click.command(
    "verify",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild verify   |   pybuild verify --path ./web --json",
)
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@output_options
def command(*, as_json: bool, display: Display, **words: Any) -> int:
    """Build the app twice from nothing; show the first byte in which the images differ, and all else that does.

    Exit code: 0 they are the same, 1 they differ, more than 1 they could not be built.
    """
    with display.console(brief=not display.verbose):
        from pybuild.platform import config
        from pybuild.platform.request import build_request
        from pybuild.platform.verify import verify

        settings = config.load(os.environ)
        found = verify(
            lambda name: build_request(name, config=settings, caller=os.environ, **words), os.environ
        )
    if as_json:
        sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n")
    else:
        for line in _lines(found, everything=display.verbose):
            print(line)
    return 0 if found.same else 1


def _lines(found: Verified, *, everything: bool) -> Iterator[str]:
    if found.same:
        yield f"Reproducible: both builds made {found.image_ids[0]}"
        return
    from pybuild.cli.show.compare_table import lines_of
    from pybuild.cli.show.table import line_width

    yield from lines_of(found.comparison, width=line_width(), everything=everything, colour=False)
    yield ""
    if found.first:
        yield f"First byte that differs: {_place(found.first)}"
    yield "Not reproducible: the two builds differ."


def _place(first: FirstByte) -> str:
    from pybuild.cli.show.console import printable

    inside = "in its header" if first.at is None else f"byte {first.at} of its content"
    values = " and ".join("the end" if value is None else f"0x{value:02x}" for value in (first.a, first.b))
    return (
        f"{printable(first.path)} in '{first.layer}', {inside}: {values} (byte {first.offset} of the layer)"
    )
