"""`pybuild rebase`: app images moved onto the newest run image, without a build."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import insecure_registry_option
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import RebaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.cli.show.console import Console
    from pybuild.cli.show.json_log import JsonLog
    from pybuild.platform.images.rebase import RebaseResult

_LONGEST_VALUE = 200


@click.command(
    "rebase",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples:  pybuild rebase myapp   |   pybuild rebase --publish --dry-run reg.example.com/a reg.example.com/b",
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE…")
@click.option(
    "--run-image", metavar="IMAGE", help="Run image to stand on, instead of the one that the image names."
)
@click.option(
    "--previous-image",
    metavar="IMAGE",
    help="Rebase this one (a name, or an id in the engine); IMAGE gets the result.",
)
@click.option("--publish", is_flag=True, help="Rebase in the registry that IMAGE names; needs no engine.")
@insecure_registry_option
@click.option("--force", is_flag=True, help="Go on where the two images do not fit.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option(
    "--pull-policy",
    metavar="WHEN",
    help="When to ask a registry for the run image: always (default), if-not-present, never, hourly, daily, weekly or"
    " interval=… such as interval=12h; an app image in the engine is always taken.",
)
@click.option(
    "--report-output-dir",
    "report_dir",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder for report.toml.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on standard output.")
@output_options
def command(
    images: tuple[str, ...],
    *,
    as_json: bool,
    display: Display,
    **words: Any,
) -> int:
    """Put each IMAGE onto the newest version of its run image. The app's own layers stay as they are.

    Images that are on it already are left alone. Of several images those that fail do not keep the others.
    """
    with display.console() as shown:
        from pybuild.platform import config
        from pybuild.platform.images.rebase import rebase_images, rebase_request

        settings = config.load(os.environ)
        results = rebase_images(rebase_request(images, caller=os.environ, config=settings, **words))
        for result in results:
            _show(shown, result)
    if as_json:
        sys.stdout.write(json.dumps({"images": list(map(_as_data, results))}, indent=2) + "\n")
    elif display.quiet:
        sys.stdout.write("".join(f"{result.image_id}\n" for result in results if result.image_id))
    _raise_failures(results)
    return 0


def _raise_failures(results: Sequence[RebaseResult]) -> None:
    failed = [result for result in results if result.error is not None]
    if failed:
        names = ", ".join(result.name for result in failed)
        raise RebaseError(
            f"{len(failed)} of {len(results)} images were not rebased, they are as they were: {names}",
            hint="the warnings above say why, each with what to do",
        )


def _show(shown: Console | JsonLog, result: RebaseResult) -> None:
    from pybuild.cli.show.table import table

    heads = {
        "rebased": (f"Successfully rebased image '{result.name}'", "32"),
        "unchanged": (f"'{result.name}' stands on the newest {result.run_image} already: nothing to do", ""),
        "planned": (f"'{result.name}' would be rebased", ""),
    }
    if result.state not in heads:
        return
    text, style = heads[result.state]
    shown.line("")
    shown.line(text, style=style)
    if result.state != "unchanged":
        for line in table(list(_rows(result)), width=shown.width, indent="  "):
            shown.line(line)


def _rows(result: RebaseResult) -> Iterator[tuple[str, str]]:
    from pybuild.cli.show.console import human_size, human_time

    yield "run image", result.run_image
    if result.state == "planned":
        for change in result.changes:
            yield change.what, f"{_value(change.old)} → {_value(change.new)}"
        for text in result.overridden:
            yield "forced", text
        return
    if result.digest:
        yield "digest", result.digest
    layers = f"{result.base_layers} of the run image, {result.kept_layers} of the app kept"
    yield "layers", f"{layers}, {human_size(result.sent)} sent"
    yield "time", human_time(result.seconds)


def _value(text: str) -> str:
    """For people: digests as short as they compare them."""
    short = re.sub(r"\b[0-9a-f]{64}\b", lambda found: found[0][:12], text)
    return (short if len(short) <= _LONGEST_VALUE else f"{short[:_LONGEST_VALUE]}…") or "none"


def _as_data(result: RebaseResult) -> dict[str, Any]:
    error = result.error
    return {
        "image": result.name,
        "state": result.state,
        "image_id": result.image_id or None,
        "digest": result.digest or None,
        "run_image": result.run_image or None,
        "layers": {"run_image": result.base_layers, "app": result.kept_layers},
        "sent_bytes": result.sent,
        "changes": [{"what": each.what, "old": each.old, "new": each.new} for each in result.changes],
        "forced": list(result.overridden),
        "error": None
        if error is None
        else {"message": str(error), "hint": error.hint, "exit_code": error.exit_code},
        "seconds": round(result.seconds, 3),
    }
