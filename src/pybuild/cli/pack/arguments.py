"""What `pack`'s command lines mean: global flags wherever they stand, old names of commands, and which ones there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "build",
    "builder",
    "buildpack",
    "extension",
    "config",
    "inspect",
    "manifest",
    "rebase",
    "sbom",
    "stack",
    "completion",
    "report",
    "version",
    "help",
)
"""The commands of `pack` that there are here, too."""

NO_BUILDER = 2
"""Exit code where nobody has chosen a builder; `pack` calls it a soft error."""

ALIASES = {
    "inspect-image": ("inspect",),
    "inspect-builder": ("builder", "inspect"),
    "builders": ("builder",),
    "buildpacks": ("buildpack",),
    "extensions": ("extension",),
}
"""Other names that `pack` has for them, and says nothing of."""

DEPRECATED = {
    "create-builder": ("builder", "create"),
    "package-buildpack": ("buildpack", "package"),
    "inspect-buildpack": ("buildpack", "inspect"),
    "suggest-builders": ("builder", "suggest"),
    "set-default-builder": ("config", "default-builder"),
    "set-run-image-mirrors": ("config", "run-image-mirrors", "add"),
    "trust-builder": ("config", "trusted-builders", "add"),
    "untrust-builder": ("config", "trusted-builders", "remove"),
    "list-trusted-builders": ("config", "trusted-builders", "list"),
    "add-registry": ("config", "registries", "add"),
    "list-registries": ("config", "registries", "list"),
    "remove-registry": ("config", "registries", "remove"),
    "set-default-registry": ("config", "registries", "default"),
    "register-buildpack": ("buildpack", "register"),
    "yank-buildpack": ("buildpack", "yank"),
}
"""Old names, of which `pack` warns."""

_FLAGS = {
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--no-color": "no_color",
    "--force-color": "force_color",
    "--timestamps": "timestamps",
}
# Options of `pack` that take no part here, and whether a value follows.
_DROPPED = {"--interactive": False, "--sparse": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackCall:
    """A command line of `pack`. `words`: the command and what follows it, without global flags. `deprecated`: its old name."""

    words: tuple[str, ...]
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    force_color: bool = False
    timestamps: bool = False
    deprecated: str = ""
    dropped: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command itself, "" for none."""
        return self.words[0] if self.words else ""

    @property
    def rest(self) -> tuple[str, ...]:
        """What follows it."""
        return self.words[1:]

    @property
    def flags(self) -> list[str]:
        """The global flags as ours."""
        return [
            *(["--quiet"] if self.quiet else []),
            *(["--verbose"] if self.verbose else []),
            *(["--no-color"] if self.no_color else []),
            *(["--timestamps"] if self.timestamps else []),
        ]


def read(args: Sequence[str]) -> PackCall:
    """The call that these words make."""
    given: dict[str, bool] = {}
    words: list[str] = []
    dropped = []
    for at, word in enumerate(args):
        if word == "--":
            words += args[at:]
            break
        name, _, value = word.partition("=")
        if name in _FLAGS and value in ("", "true", "false"):
            given[_FLAGS[name]] = value != "false"
        elif name in _DROPPED:
            dropped.append(name)
        else:
            words.append(word)
    deprecated = words[0] if words and words[0] in DEPRECATED else ""
    if words:
        words[:1] = DEPRECATED.get(words[0]) or ALIASES.get(words[0]) or (words[0],)
    return PackCall(words=tuple(words), deprecated=deprecated, dropped=tuple(dropped), **given)
