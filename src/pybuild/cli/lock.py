"""`pybuild lock`: pin the builder and the run image of an app in its `pybuild.lock`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from pybuild.cli.build import source_options
from pybuild.cli.show.display import Display, output_options


@click.command(
    "lock",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Then:  pybuild myapp --locked",
)
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print what was pinned as JSON on standard output.")
@output_options
def command(*, as_json: bool, display: Display, **words: Any) -> int:
    """Write `pybuild.lock` beside the app: the very builder and run image that are used now.

    A build with --locked takes these, or ends with 15. Commit the file with the app.
    """
    with display.console() as shown:
        from pybuild.platform import config
        from pybuild.platform.lock import NAME, lock
        from pybuild.platform.request import build_request

        request = build_request("pybuild-lock", config=config.load(os.environ), caller=os.environ, **words)
        found, changed = lock(request)
        shown.line(f"{request.path / NAME} {'pins' if changed else 'has pinned before:'}")
        for what, pinned in (("builder", found.builder), ("run image", found.run_image)):
            shown.line(f"  {what:10} {pinned.image}  {pinned.pull or pinned.id}")
    if as_json:
        pins = {"builder": found.builder, "run_image": found.run_image}
        data = {
            what: {"image": pin.image, "id": pin.id, "pull": pin.pull or None} for what, pin in pins.items()
        }
        sys.stdout.write(json.dumps({**data, "changed": changed}, indent=2) + "\n")
    return 0
