"""`pybuild plan`: what a build would do: its group, who needs what of whom, and which layers it would find again."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.build import source_options
from pybuild.cli.build_options import place_options
from pybuild.cli.detect import show_failure
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import NothingDetected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.platform.plan import BuildPlan

_APP = {
    "changed": "changed since the last build",
    "unchanged": "as in the last build",
    "unknown": "no build before to compare it with",
}
_FROM = {"cache": "the cache", "image": "the image", "nothing": "made anew"}


@click.command(
    "plan",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild plan myapp   |   pybuild plan myapp --path ./web --json",
)
@click.argument("image")
@source_options
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON on standard output.")
@output_options
def command(
    image: str,
    *,
    as_json: bool,
    display: Display,
    **words: Any,
) -> int:
    """Say what `pybuild IMAGE` would do: which buildpacks, who needs what of whom, which layers would be used again.

    Nothing is built or kept. Of layers is told what earlier builds left; buildpacks decide in their own time.
    """
    with display.console(brief=not display.verbose):
        from pybuild.platform import config
        from pybuild.platform.plan import plan
        from pybuild.platform.request import build_request

        request = build_request(image, config=config.load(os.environ), caller=os.environ, **words)
        try:
            found = plan(request)
        except NothingDetected as exc:
            show_failure(exc, request.path, image, as_json=as_json)
            raise
    if as_json:
        sys.stdout.write(json.dumps(plan_as_data(found), indent=2) + "\n")
    else:
        for line in _lines(found, image):
            print(line)
    sys.stdout.flush()
    return 0


def plan_as_data(found: BuildPlan) -> dict[str, Any]:
    """The plan for `--json`."""
    from pybuild.cli.show.trail import plan_data

    entries = plan_data(found.detected)
    return {
        "detected": True,
        "builder": found.builder,
        "run_image": found.run_image,
        "previous_image": found.previous or None,
        "buildpacks": [
            {
                "id": item.id,
                "version": item.version,
                "provides": [entry["name"] for entry in entries if str(item) in entry["provided_by"]],
                "requires": [entry["name"] for entry in entries if str(item) in entry["required_by"]],
            }
            for item in found.detected.group.buildpacks
        ],
        "extensions": [{"id": item.id, "version": item.version} for item in found.detected.group.extensions],
        "app": found.app,
        "layers": [
            {
                "buildpack": layer.buildpack,
                "layer": layer.name,
                "types": list(layer.types),
                "size_bytes": layer.size or None,
                "from": layer.source,
                "reason": layer.reason,
            }
            for layer in found.layers
        ],
    }


def _lines(found: BuildPlan, image: str) -> Iterator[str]:
    from pybuild.cli.show.console import human_size
    from pybuild.cli.show.table import line_width, table

    width, data = line_width(), plan_as_data(found)
    yield from table(
        [
            ("builder", found.builder),
            ("run image", found.run_image),
            ("image before", found.previous or "none"),
            ("app", _APP[found.app]),
        ],
        width=width,
    )
    yield ""
    rows = [
        (f"{item['id']}@{item['version']}", ", ".join(item["provides"]), ", ".join(item["requires"]))
        for item in data["buildpacks"]
    ]
    rows += [(f"{item['id']}@{item['version']} (extension)", "", "") for item in data["extensions"]]
    yield from table(rows, header=("BUILDPACK", "PROVIDES", "REQUIRES"), width=width)
    yield ""
    if found.layers:
        yield from table(
            [
                (
                    f"{layer.buildpack}:{layer.name}",
                    "+".join(layer.types),
                    human_size(layer.size) if layer.size else "",
                    f"{_FROM[layer.source]}: {layer.reason}",
                )
                for layer in found.layers
            ],
            header=("LAYER", "FOR", "SIZE", "COMES FROM"),
            width=width,
        )
    else:
        yield "Layers: no earlier build tells which ones there will be."
    yield ""
    yield f"Build it:  pybuild {image}"
