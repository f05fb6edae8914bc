"""What Gemfile, Gemfile.lock and .ruby-version say: gems with their versions, platforms, and which Ruby."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pybuild.libcnb.app_files import AppFiles
from ruby import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES = AppFiles(16, errors.too_large)

_SPEC = re.compile(r" {4}(?P<name>[A-Za-z0-9][\w.-]*) \((?P<version>[^()]+)\)")
# `ruby "3.1.2"`, `ruby "~> 3.1", engine: "ruby"`, `ruby('>= 3.0', '< 3.4')`
_RUBY = re.compile(r"^\s*ruby[\s(]+(?P<wanted>['\"][^#\n]*)", re.MULTILINE)
_TEXT = re.compile(r"['\"]([^'\"]*)['\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """`gems`: name → version, of all groups. `compiled`: gems that have to be compiled here, as far as the lock knows.

    `ruby`: requirement → the place that states it, first wins. `digest`: of what decides about the installed gems.
    """

    gems: Mapping[str, str] = field(default_factory=dict)
    compiled: frozenset[str] = frozenset()
    ruby: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""

    def has(self, *names: str) -> str:
        """The first of these gems that the app has, or nothing."""
        return next((name for name in names if name in self.gems), "")

    @classmethod
    def read(cls, app: Path) -> Self:
        """The app's files. Raises a `Problem` when there is no Gemfile, or no lock file."""
        gemfile, lock = app / "Gemfile", app / "Gemfile.lock"
        if not gemfile.is_file():
            raise errors.no_gemfile()
        if not lock.is_file():
            raise errors.no_lock()
        gemfile_text, lock_text = _text(gemfile), _text(lock)
        if re.search(r"^(<{7}|={7}|>{7})", lock_text, re.MULTILINE):
            raise errors.conflict()
        sections = parse(lock_text)
        specs = [
            found
            for name in ("GEM", "GIT", "PATH")
            for line in sections.get(name, ())
            if (found := _spec(line))
        ]
        built = {name for name, _, platform in specs if platform}
        return cls(
            gems={name: version for name, version, _ in specs},
            compiled=frozenset(name for name, _, _ in specs if name not in built),
            ruby=_ruby(gemfile_text, sections, app / ".ruby-version"),
            digest=hashlib.sha256(f"{gemfile_text}\0{lock_text}".encode()).hexdigest(),
        )


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """The sections of a lock file: heading → lines, those of equal headings together."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace():
            lines = found.setdefault(line.strip(), [])
        elif line.strip():
            lines.append(line)
    return {heading: tuple(lines) for heading, lines in found.items()}


def _spec(line: str) -> tuple[str, str, str] | None:
    """Name, version and platform of `    nokogiri (1.16.0-x86_64-linux)`; none for a gem's own dependencies."""
    found = _SPEC.fullmatch(line)
    if not found:
        return None
    version, _, platform = found["version"].partition("-")
    return found["name"], version, platform


def _ruby(gemfile: str, sections: Mapping[str, tuple[str, ...]], file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    if file.is_file():
        text = _text(file).strip().removeprefix("ruby-")
        if re.fullmatch(r"\d+(\.\d+)*(p\d+)?", text):
            found[re.sub(r"p\d+$", "", text)] = ".ruby-version"
        elif text:
            raise errors.not_mri(text, ".ruby-version")
    for line in sections.get("RUBY VERSION", ()):
        if version := re.search(r"ruby (\d+\.\d+\.\d+)", line):
            found.setdefault(version[1], "Gemfile.lock")
    if asked := _RUBY.search(gemfile):
        words = re.split(r",\s*\w+:|,\s*:\w+\s*=>", asked["wanted"])[0]
        if wanted := ", ".join(_TEXT.findall(words)):
            found.setdefault(wanted, "Gemfile")
    return found


def _text(file: Path) -> str:
    return FILES.text(file)
