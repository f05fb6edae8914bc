"""`pybuild doctor`: whether builds can work here, and if not, what to do."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from pybuild.cli.show.display import Display, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.platform.doctor import Check


@click.command("doctor", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON on standard output.")
@click.option("--prepare", is_flag=True, hidden=True, help="Make the default builder now, if it is due.")
@output_options
def command(*, as_json: bool, prepare: bool, display: Display) -> int:
    """Check the engine, the builder, certificates and disk space. Exit code 1 if no build can work."""
    with display.console():
        from pybuild.platform.caches import state_folder
        from pybuild.platform.doctor import examine

        if prepare:
            from pybuild import engine
            from pybuild.platform.builders.bootstrap import default_builder

            with engine.connect() as client:
                default_builder(client)
        checks = examine(os.environ, state_folder())
    failed = [check for check in checks if check.status == "fail"]
    if as_json:
        data = [
            {"name": check.name, "status": check.status, "found": check.found, "hint": check.hint}
            for check in checks
        ]
        sys.stdout.write(json.dumps({"ok": not failed, "checks": data}, indent=2) + "\n")
    else:
        _show(failed if display.quiet else checks)
        if not display.quiet:
            print("\nBuilds cannot work here." if failed else "\nBuilds can work here.")
    return 1 if failed else 0


def _show(checks: Sequence[Check]) -> None:
    from pybuild.cli.show.table import line_width, table

    rows = [
        (check.name, check.status, f"{check.found}. Try: {check.hint}" if check.hint else check.found)
        for check in checks
    ]
    for line in table(rows, header=("CHECK", "STATUS", "FOUND") if rows else (), width=line_width()):
        print(line)
