"""`pybuild report`: what is worth knowing when something does not work, with nothing in it that is private."""

from __future__ import annotations

import json
import os
import platform
import re
import sys

import click

from pybuild import __version__
from pybuild.cli.options import CONTEXT
from pybuild.cli.show.display import Display, output_options

_PRIVATE = ("default-builder-image", "lifecycle-image", "image", "mirrors", "name", "url")
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


@click.command("report", context_settings=CONTEXT)
@click.option(
    "-e", "--explicit", is_flag=True, help="Show names of images, mirrors and registries as they are."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@output_options
def command(*, explicit: bool, as_json: bool, display: Display) -> int:
    """Print versions and settings, to paste into an issue. Names are left out unless --explicit asks for them."""
    with display.console():
        from pybuild.platform.config import config_path
        from pybuild.spec.api import BUILDPACK_APIS, PLATFORM_APIS

        path = config_path(os.environ)
        try:
            text = path.read_text("utf-8", "backslashreplace")
        except OSError:
            text = ""
    shown = "\n".join(line if explicit else redacted(line) for line in text.rstrip().split("\n"))
    if as_json:
        data = {
            "version": __version__,
            "python": platform.python_version(),
            "os": platform.system().lower(),
            "arch": machine(),
            "platform_apis": list(map(str, PLATFORM_APIS)),
            "buildpack_apis": list(map(str, BUILDPACK_APIS)),
            "config": shown,
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return 0
    print(f"Pybuild:\n  Version:  {__version__}\n  OS/Arch:  {platform.system().lower()}/{machine()}")
    print(f"  Python:   {platform.python_version()}\n")
    print(f"Supported Platform APIs:   {', '.join(map(str, PLATFORM_APIS))}\n")
    print(f"Supported Buildpack APIs:  {', '.join(map(str, BUILDPACK_APIS))}\n")
    print(config_section(shown, str(path)))
    return 0


def config_section(text: str, path: str) -> str:
    """The settings as the report has them."""
    if not text:
        return f"Config:\n(no config file found at {path})"
    return "Config:\n" + "\n".join(f"  {line}".rstrip() for line in text.split("\n"))


def redacted(line: str) -> str:
    """A line of the settings without what is between quotes, where that is the name of something private."""
    stripped = line.strip().lstrip('"')
    if stripped.startswith(_PRIVATE) or (line.startswith("  ") and not stripped.startswith("type")):
        return re.sub(r'"(?:[^"\\]|\\.)*"', '"[REDACTED]"', line)
    return line


def machine() -> str:
    """This machine's architecture in OCI's words."""
    return _ARCH.get(platform.machine(), platform.machine())
