"""Scripts of package.json: which of them build the app, which one starts it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nodejs import errors, frontend, settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nodejs.manifest import Manifest

MAIN_FILES = tuple(
    f"{name}.{ending}" for name in ("server", "app", "main", "index") for ending in ("js", "mjs", "cjs")
)

# What frameworks leave behind to be started, where the app has no script for it.
_SERVERS = {
    "nuxt": (".output/server/index.mjs",),
    "@astrojs/node": ("dist/server/entry.mjs",),
    "@sveltejs/adapter-node": ("build/index.js",),
    "@angular/ssr": ("dist/*/server/server.mjs",),
    "@nestjs/core": ("dist/main.js", "dist/src/main.js"),
    **dict.fromkeys(
        frontend.QWIK, tuple(f"server/entry.{kind}.js" for kind in ("node-server", "express", "fastify"))
    ),
}

# What starters call the script for production where `start` is for developers, as that of NestJS.
_PRODUCTION = ("start:prod", "start:production")

# The program that a simple line starts, behind its variables; nothing for a path, or what only a shell knows.
_PROGRAM = re.compile(r"(?:[A-Za-z_]\w*=[^\s;&|<>()$`'\"]*\s+)*(?P<name>[\w@][\w.@-]*)(?=\s|$)")
_BUILTINS = frozenset(
    (
        "cd",
        "echo",
        "eval",
        "exec",
        "export",
        "if",
        "for",
        "node",
        "printf",
        "set",
        "source",
        "test",
        "time",
        "while",
    )
)
_RUNNERS = re.compile(r"(?:^|[\s;&|(])(?:npm|npx|yarn|pnpm|pnpx)(?:\s|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How the app is started. `line`: a line of shell for a script, else a file. `found`: what says so."""

    kind: Literal["line", "file"]
    line: str
    found: str

    @property
    def needs_tool(self) -> bool:
        """Whether it wants npm, Yarn or pnpm beside it."""
        return self.kind == "line" and bool(_RUNNERS.search(self.line))


def to_build(manifest: Manifest, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The scripts that build the app, in their order. Raises a `Problem` for one that is asked for and missing."""
    asked = settings.run_scripts(environ)
    if asked is not None:
        for name in asked:
            if name not in manifest.scripts:
                raise errors.no_such_script(name, tuple(manifest.scripts))
        return asked
    main = "heroku-build" if "heroku-build" in manifest.scripts else "build"
    return tuple(name for name in (main, "heroku-postbuild") if name in manifest.scripts)


def script(manifest: Manifest, tool: str, *names: str) -> Start | None:
    """The first of these scripts, as the line to run without the tool: that one passes no signals on."""
    for name in names:
        if line := manifest.scripts.get(name, "").strip():
            hooked = {f"pre{name}", f"post{name}"} & {*manifest.scripts}
            # What has to run before or after it is for the tool to know.
            return Start(
                kind="line",
                line=f"{tool} run {name}" if hooked else line,
                found=f"package.json (scripts.{name})",
            )
    return None


def start(app: Path, manifest: Manifest, tool: str) -> Start | None:
    """The script `start`, what a framework has built, the field `main`, or a file with a usual name.

    A script whose program is not there, because only developers have it, comes last of all.
    """
    first = script(manifest, tool, "start")
    if first and not lacks(app, first):
        return first
    for name in _PRODUCTION if first else ():
        # One that needs the tool would have needed it in the image before anything was installed.
        found = script(manifest, tool, name)
        if found and not found.needs_tool and not lacks(app, found):
            return found
    return _built(app, manifest) or _file(app, manifest) or first


def lacks(app: Path, found: Start) -> str:
    """The program that a script starts and that is not among the app's packages, nor this machine's; else empty."""
    match = _PROGRAM.match(found.line) if found.kind == "line" and not found.needs_tool else None
    if match is None or match["name"] in _BUILTINS or shutil.which(match["name"]):
        return ""
    return "" if (app / "node_modules/.bin" / match["name"]).exists() else match["name"]


def _built(app: Path, manifest: Manifest) -> Start | None:
    for package, patterns in _SERVERS.items():
        if package in manifest.packages:
            for file in (file for pattern in patterns for file in sorted(app.glob(pattern))):
                return Start(kind="file", line=str(file.relative_to(app)), found=f"{package} has built it")
    return None


def _file(app: Path, manifest: Manifest) -> Start | None:
    if (
        manifest.main
        and (app / manifest.main).is_file()
        and (app / manifest.main).resolve().is_relative_to(app.resolve())
    ):
        return Start(kind="file", line=manifest.main, found="package.json (main)")
    for name in MAIN_FILES:
        if (app / name).is_file():
            return Start(kind="file", line=name, found=name)
    return None
