"""`pybuild detect`: what would be built, and why each buildpack passed or failed."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.build import source_options
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import NothingDetected

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.lifecycle.detect import Detected


@click.command(
    "detect",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild detect   |   pybuild detect --path ./web --json",
)
@click.argument("image", default="myapp", required=False)
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@output_options
def command(
    image: str,
    *,
    as_json: bool,
    display: Display,
    **source: Any,
) -> int:
    """Say what would be built, and why each buildpack passed or failed. Nothing is built or kept.

    IMAGE only matters where its registry decides about the run image.
    """
    with display.console(brief=not display.verbose):
        from pybuild.platform import config
        from pybuild.platform.build import detection
        from pybuild.platform.request import build_request

        request = build_request(image, config=config.load(os.environ), caller=os.environ, **source)
        try:
            found = detection(request)
        except NothingDetected as exc:
            show_failure(exc, request.path, image, as_json=as_json)
            raise
    if as_json:
        _print_json(_as_data(found))
    else:
        _print_found(found, image)
    return 0


def show_failure(failure: NothingDetected, path: Path, image: str, *, as_json: bool) -> None:
    """Print what every buildpack said, and give the failure the next step as its hint."""
    from pybuild.cli.show.trail import failure_data, groups_of, next_step

    failure.hint = next_step(failure, path, image)
    if as_json:
        _print_json(failure_data(failure))
    else:
        _print_trail(groups_of(failure))


def _print_trail(groups: Any) -> None:
    from pybuild.cli.show.table import line_width
    from pybuild.cli.show.trail import trail_lines

    for line in trail_lines(groups, width=line_width()):
        print(line)
    sys.stdout.flush()


def _print_found(found: Detected, image: str) -> None:
    from pybuild.cli.show.table import line_width
    from pybuild.cli.show.trail import plan_lines

    _print_trail(found.trail)
    for line in plan_lines(found, width=line_width()):
        print(line)
    print(f"Build it:  pybuild {image}")


def _as_data(found: Detected) -> dict[str, Any]:
    from pybuild.cli.show.trail import plan_data, trail_data

    return {
        "detected": True,
        "buildpacks": [{"id": item.id, "version": item.version} for item in found.group.buildpacks],
        "extensions": [{"id": item.id, "version": item.version} for item in found.group.extensions],
        "plan": plan_data(found),
        "groups": trail_data(found.trail),
    }


def _print_json(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data, indent=2) + "\n")
    sys.stdout.flush()
