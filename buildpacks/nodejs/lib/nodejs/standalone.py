"""Servers that a build writes with all that they need in one folder: the image then keeps that folder, and no other packages.

Next.js with `output: "standalone"` traces which files its server reads (nextjs.org/docs, "output"); what it does not copy,
`public` and `.next/static`, is put where its server looks. Nuxt's server is self-contained without being asked.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodejs import settings
from nodejs.scripts import Start
from pybuild.libcnb import output, start

if TYPE_CHECKING:
    from pathlib import Path

    from nodejs.manifest import Manifest
    from pybuild.libcnb.context import BuildContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Standalone:
    """`folder`: what the build wrote, relative to the app. `server`: the file in it to start. `started`: other ways to say so.

    `moved`: folders of the app that belong into it, with their places there; `left`: one that nobody needs after the build.
    """

    package: str
    folder: str
    server: str
    started: re.Pattern[str]
    moved: tuple[tuple[str, str], ...] = ()
    left: str = ""

    @property
    def file(self) -> str:
        """The file to start, relative to the app."""
        return f"{self.folder}/{self.server}"


_KINDS = (
    Standalone(
        package="next",
        folder=".next/standalone",
        server="server.js",
        # `next start` says of itself that it does not work with such an output.
        started=re.compile(r"(?:next start|node (?:\./)?\.next/standalone/server\.js)(?:\s+-\S.*)?"),
        moved=(("public", "public"), (".next/static", ".next/static")),
    ),
    Standalone(
        package="nuxt",
        folder=".output",
        server="server/index.mjs",
        started=re.compile(r"node (?:\./)?\.output/server/index\.mjs|nuxt (?:start|preview)"),
        left=".nuxt",
    ),
)


def find(context: BuildContext, manifest: Manifest) -> Standalone | None:
    """What the build wrote, if that is how the app is started, and no Procfile says otherwise."""
    line = manifest.scripts.get("start", "").strip()
    if context.exec_env != "production" or start.procfile_types(context.app):
        return None
    for kind in _KINDS:
        if kind.package in manifest.packages and (context.app / kind.file).is_file():
            return kind if not line or kind.started.fullmatch(line) else None
    return None


def drop_steps(context: BuildContext, manifest: Manifest) -> None:
    """Remove what SvelteKit writes on its way to the server: a second copy of it, and a list of the build's variables."""
    built = "@sveltejs/adapter-node" in manifest.packages and (context.app / "build/index.js").is_file()
    if built and context.exec_env == "production":
        shutil.rmtree(context.app / ".svelte-kit", ignore_errors=True)


def complete(context: BuildContext, found: Standalone) -> Start:
    """Have all in its folder, remove the packages beside it, and return how it is started."""
    app = context.app
    for source, place in found.moved:
        target = app / found.folder / place
        if (app / source).is_dir() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            (app / source).rename(target)
    if settings.wants_pruning(context.environ):
        _leave(app, found)
    return Start(kind="file", line=found.file, found=f"{found.package} has built it")


def _leave(app: Path, found: Standalone) -> None:
    output.section(f"{found.folder} has all that the server needs; the image gets no other packages")
    for name in ("node_modules", *filter(None, [found.left])):
        shutil.rmtree(app / name, ignore_errors=True)
    above = (app / found.folder).parent
    for entry in above.iterdir() if above != app else ():
        if entry != app / found.folder:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
