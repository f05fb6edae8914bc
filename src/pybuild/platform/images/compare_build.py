"""The same app built with pybuild and with `pack`, on one builder: how long each took, and what differs in the images.

Both run as programs of their own, with images and caches that nobody else has; these are removed at the end.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild import __version__, engine, events
from pybuild.errors import InvalidInput, PybuildError, SourceUnusable
from pybuild.platform import ownership, volumes
from pybuild.platform.caches import forget, state_folder
from pybuild.platform.images.compare_stored import compare
from pybuild.spec.project import Project
from pybuild.stores.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pybuild.platform.images.compare import Comparison

_LAST_LINES = 15
_GRACE_SECONDS = 10
_TAIL = 1 << 14  # bytes of what a tool wrote


_NOTE = (
    "Each tool's first build had an empty cache. They built in turns, pybuild first, after"
    " a `pybuild detect` that fetched what was missing and is not counted."
    " This is one measurement of each: what else the machine does counts, too."
)


class ToolFailed(PybuildError):
    """One of the two tools did not build the app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """One of the tools. `first`: seconds of the build with an empty cache; `rebuild`: of the same build again."""

    tool: str
    version: str
    image: str
    first: float
    rebuild: float

    def as_json(self) -> dict[str, Any]:
        """See the class."""
        return {
            "tool": self.tool,
            "version": self.version,
            "image": self.image,
            "first_seconds": round(self.first, 3),
            "rebuild_seconds": round(self.rebuild, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildComparison:
    """Both tools, ours first, and what differs between their images after the second build.

    `notes`: how the times came about. `kept`: the images are still there.
    """

    app: str
    builder: str
    runs: tuple[ToolRun, ToolRun]
    comparison: Comparison
    kept: bool
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both made the same image."""
        return self.comparison.same

    def as_json(self) -> dict[str, Any]:
        """The documented shape of `pybuild compare --build --json`: keys are added to it, never renamed."""
        return {
            "same": self.same,
            "app": self.app,
            "builder": self.builder,
            "kept": self.kept,
            "tools": [run.as_json() for run in self.runs],
            "comparison": self.comparison.as_json(),
            "notes": list(self.notes),
        }


def compare_builds(
    app: Path, builder: str, *, environ: Mapping[str, str], keep: bool = False, all_layers: bool = False
) -> BuildComparison:
    """Build `app` twice with each tool and compare. `builder` "": the one that its project.toml names.

    Raises `InvalidInput` when there is no pack or no builder that it can use, `ToolFailed` when a build fails.
    """
    pack = find_pack(environ)
    builder = builder or project_builder(app)
    token = secrets.token_hex(4)
    ours, theirs = f"pybuild-compare-{token}/pybuild", f"pybuild-compare-{token}/pack"
    same = ["--path", str(app), "--builder", builder, "--pull-policy", "if-not-present"]
    pybuild = [sys.executable, "-m", "pybuild"]
    environ = {**environ, "PACK_VOLUME_KEY": token}  # else pack would remember a key for this name for ever
    version = _output_of([pack, "version"], environ)
    with removing(token, (ours, theirs), keep=keep) as client:
        events.info("Looking at the app, and fetching the builder where it is missing")
        _run("pybuild", [*pybuild, "detect", ours, *same], environ)
        times: dict[str, list[float]] = {"pybuild": [], "pack": []}
        for what in ("first", "again"):
            for tool, image, words in (
                ("pybuild", ours, [*pybuild, "build", ours, *same, "--no-color"]),
                ("pack", theirs, [pack, "build", theirs, *same, "--trust-builder", "--no-color"]),
            ):
                events.info(f"Building with {tool}{', once more' if what == 'again' else ''}")
                times[tool].append(_run(tool, words, environ))
                # An image that the second build replaces must keep a name, or nobody would know whose it is.
                with engine.translating(f"naming the image {image}"):
                    client.tag(image, image, what)
        found = compare(ours, theirs, environ=environ, all_layers=all_layers)
    runs = (
        ToolRun(
            tool="pybuild",
            version=__version__,
            image=ours,
            first=times["pybuild"][0],
            rebuild=times["pybuild"][1],
        ),
        ToolRun(tool="pack", version=version, image=theirs, first=times["pack"][0], rebuild=times["pack"][1]),
    )
    return BuildComparison(
        app=str(app), builder=builder, runs=runs, comparison=found, kept=keep, notes=(_NOTE,)
    )


def find_pack(environ: Mapping[str, str]) -> str:
    """The program `pack`: the variable PACK, or the first one on PATH. Raises `InvalidInput` if there is none."""
    named = environ.get("PACK", "")
    found = shutil.which(named or "pack", path=environ.get("PATH", os.defpath))
    if found is None:
        where = f"PACK names {named!r}, which is no program" if named else "there is no pack on PATH"
        raise InvalidInput(
            f"{where}: without it there is nothing to compare with",
            hint="install it (https://buildpacks.io/docs/install-pack), or: PACK=/path/to/pack pybuild compare --build .",
        )
    return found


def project_builder(app: Path) -> str:
    """The builder that the app's project.toml names. Raises `InvalidInput` if it names none."""
    if not app.exists():
        raise SourceUnusable(f"{app} does not exist", hint="name the app's folder: --build PATH")
    path = app / "project.toml"
    text = read_state(path) if app.is_dir() else None
    builder = Project.read(text, str(path)).builder if text is not None else ""
    if not builder:
        raise InvalidInput(
            "no builder is named, and pybuild's own has no lifecycle that pack could run",
            hint=f"pybuild compare --build {app} --builder IMAGE",
        )
    return builder


def _run(tool: str, words: Sequence[str], environ: Mapping[str, str]) -> float:
    """Run a tool to its end; seconds of wall time. What it wrote is shown if it fails."""
    with tempfile.TemporaryFile() as log:
        start = time.monotonic()
        process = subprocess.Popen(words, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        seconds = time.monotonic() - start
        if code:
            log.seek(max(log.seek(0, os.SEEK_END) - _TAIL, 0))
            written = log.read().decode("utf-8", "backslashreplace").splitlines()
            for line in written[-_LAST_LINES:]:
                events.info(f"  {tool}: {line}")
            failure = ToolFailed(
                f"{tool} could not build the app: it ended with {code}",
                hint=f"see it all: {' '.join(words)}",
            )
            # What ours says with its code is what this command has to say, too.
            failure.exit_code = code if tool == "pybuild" and code > 0 else failure.exit_code
            raise failure
    return seconds


def _end(process: subprocess.Popen[bytes]) -> None:
    """Both tools remove their containers when they are told to end; one that does not in time is killed."""
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _output_of(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """The first line that a program prints, "" when it fails."""
    try:
        done = subprocess.run(
            words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise InvalidInput(
            f"{words[0]} cannot be run: {exc}", hint="name another one with the variable PACK"
        ) from exc
    return done.stdout.decode("utf-8", "backslashreplace").partition("\n")[0].strip()[:40]


@contextmanager
def removing(token: str, images: Sequence[str], *, keep: bool) -> Iterator[Any]:
    """A client of the engine; when the block ends, what was made under these names is gone, unless it is to be kept."""
    client: Any = engine.connect()
    with client:
        try:
            yield client
        finally:
            if not keep:
                _remove(client, token, images)


def _remove(client: Any, token: str, images: Sequence[str]) -> None:
    for image in images:
        for tag in ("first", "again", "latest"):
            # By name, never by id: an image that is also the user's loses our name only.
            with suppress(engine.NotFound), engine.translating(f"removing the image {image}"):
                client.remove_image(f"{image}:{tag}")
    with engine.translating("removing caches"):
        # Not `volumes.caches`: to tell sizes, too, the engine needs seconds, and Ctrl-C may be waiting for us.
        kept = client.volumes(filters={"label": f"{ownership.KIND}=cache"})["Volumes"] or []
    ours = [
        volume["Name"]
        for volume in kept
        if (volume["Labels"] or {}).get(ownership.IMAGE, "").startswith(f"pybuild-compare-{token}/")
    ]
    for name in volumes.remove(client, ours, state_folder()):
        forget(name)
    with engine.translating("removing the caches of pack"):
        # pack writes `c_o_m` for `com` in their names, which Windows has for ports.
        for volume in client.volumes(filters={"name": token})["Volumes"] or []:
            if volume["Name"].startswith("pack-cache-pybuild-c"):
                client.remove_volume(volume["Name"], force=True)
