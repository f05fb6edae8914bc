"""Texts of `pack` that have no counterpart here: its report, its list of stacks, where it puts completion scripts."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.cli import completion
from pybuild.cli.report import config_section, machine, redacted
from pybuild.errors import InvalidInput, PybuildError
from pybuild.platform import config as settings
from pybuild.platform.builders.known_builders import KNOWN_BUILDERS

if TYPE_CHECKING:
    from pybuild.spec.config import Config

_LIFECYCLE = "0.21.0"
_PLATFORM_APIS = "0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.10, 0.11, 0.12, 0.13, 0.14, 0.15"
_LAYOUT_FOLDER = "layout-repo-dir"
_FILES = {"bash": "sh", "fish": "fish", "powershell": "ps1", "zsh": "zsh"}

STACKS = """\
Stacks maintained by the community:

    Stack ID: Deprecation Notice
    Description: Stacks are deprecated: builders name a build image and run images directly.
    Maintainer: CNB
"""


def no_builder() -> str:
    """What `pack build` says when nobody has chosen a builder."""
    vendors = [(each.vendor, each.image) for each in KNOWN_BUILDERS if each.suggested]
    width = max(len(vendor) for vendor, _ in vendors) + 1
    return "\n".join(
        [
            "Please select a default builder with:",
            "",
            "\tpack config default-builder <builder-image>",
            "",
            "Suggested builders:",
            *(f"\t{vendor + ':':<{width}}     '{name}'" for vendor, name in vendors),
            "",
            "Tip: Learn more about a specific builder with:",
            "\tpack builder inspect <builder-image>",
        ]
    )


def report(version: str, *, explicit: bool) -> str:
    """The report as `pack` has it, line for line."""
    path = settings.config_path(os.environ)
    try:
        text = path.read_text("utf-8", "backslashreplace").rstrip()
    except OSError:
        text = ""
    shown = "\n".join(line if explicit else redacted(line) for line in text.split("\n"))
    return "\n".join(
        [
            "Pack:",
            f"  Version:  {version}",
            f"  OS/Arch:  {platform.system().lower()}/{machine()}",
            "",
            f"Default Lifecycle Version:  {_LIFECYCLE}",
            "",
            f"Supported Platform APIs:  {_PLATFORM_APIS}",
            "",
            config_section(shown, str(path)),
        ]
    )


def write_completion(shell: str) -> str:
    """Write the script of a shell beside `pack`'s settings, for `pybuild`; return its path."""
    if shell not in _FILES:
        raise InvalidInput(f"{shell} is unsupported shell", hint="bash, fish, powershell or zsh")
    path = settings.config_path(os.environ).parent / f"completion.{_FILES[shell]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(completion.script(shell), "utf-8")
    except OSError as exc:
        raise PybuildError(f"{path} cannot be written: {exc.strerror}") from exc
    return str(path)


def settle_layout_folder() -> None:
    """Where `experimental` is on, `pack` also says in its settings where it keeps run images of layouts."""

    def edit(config: Config) -> Config:
        other = {key: value for key, value in config.other.items() if key != _LAYOUT_FOLDER}
        if config.experimental:
            other[_LAYOUT_FOLDER] = str(settings.config_path(os.environ).parent / "layout-repo")
        return replace(config, other=other)

    settings.change(os.environ, edit)
