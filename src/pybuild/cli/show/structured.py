"""Data as JSON, YAML or TOML on standard output: `--output`."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

HUMAN = "human-readable"
FORMATS = (HUMAN, "json", "yaml", "toml")

output_format_option = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(FORMATS),
    default=HUMAN,
    show_default=True,
    help="How to print it.",
)


def write(data: Mapping[str, Any], form: str) -> None:
    """Print `data` in one of `FORMATS` but the first."""
    sys.stdout.write(_text(data, form))


def _text(data: Mapping[str, Any], form: str) -> str:
    if form == "yaml":
        from pybuild.cli.show.yaml_text import dumps

        return dumps(data)
    if form == "toml":
        from pybuild.spec import toml

        # A blank line before every table, as pack's writer has it, and people like it.
        return re.sub(r"(?<=[^\n])\n( *\[[^\[\n]+\]\n)", r"\n\n\1", toml.dumps(_ordered(data)))
    return json.dumps(data, indent=2) + "\n"


def _ordered(value: Any) -> Any:
    """The same with keys that keep their order, and without what TOML cannot say."""
    from pybuild.gojson import Struct

    if isinstance(value, dict):
        return Struct({key: _ordered(item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    return value
