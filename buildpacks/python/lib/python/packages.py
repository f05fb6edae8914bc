"""Which packages at which versions: what the lock file says, or what the index has newest for the requirements."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output
from python import explain, locks
from python.project import FILES, MANIFEST, normal, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.libcnb.context import BuildContext
    from python.layers.runtime import Runtime
    from python.layers.uv import Uv
    from python.locks import Lock
    from python.project import Project

_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)", re.MULTILINE)
_REMOTE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*@\s*([^\s;\\]+)", re.MULTILINE)
_LOCAL = re.compile(r"^(?:-e\s+|--editable[= ])?((?:\.{1,2}(?:/|$)|/|file:)\S*|\.)\s*(?:;.*)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """`text`: a requirements file with every version pinned. `pins`: `name=version`, sorted. `local`: folders of the app.

    `synced`: uv installs from its own lock file, and `text` only tells what that will be.
    """

    text: str
    pins: tuple[str, ...]
    local: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    synced: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The names of all, as PyPI compares them."""
        return frozenset(pin.partition("=")[0] for pin in self.pins)


def decide(context: BuildContext, project: Project, runtime: Runtime, uv: Uv) -> Packages:
    """The packages of the app. Raises a `Problem`."""
    for name in project.unused:
        output.step(f"{name} is not read, because {project.files[-1]} is there")
    found = _found(context, project, runtime, uv)
    if project.files:
        count = f"{len(found.pins)} package" + ("" if len(found.pins) == 1 else "s")
        output.step(
            f"{count}, as {' and '.join(project.files)} say" + ("s" if len(project.files) == 1 else "")
        )
    return found


def _found(context: BuildContext, project: Project, runtime: Runtime, uv: Uv) -> Packages:
    match project.tool:
        case "none":
            return Packages(text="", pins=())
        case "uv":
            return _from_uv(context, runtime, uv)
        case "requirements" | "manifest":
            return _compiled(context, project, runtime, uv)
        case "pipenv":
            return _from_lock(locks.pipenv(FILES.json_object(context.app / "Pipfile.lock"), dev=context.dev))
        case "pdm":
            lock = locks.pdm(read_toml(context.app / "pdm.lock"), dev=context.dev)
            return _with_project(context, project, _from_lock(lock))
        case "poetry":
            lock = locks.poetry(read_toml(context.app / "poetry.lock"), project.manifest, dev=context.dev)
            return _with_project(context, project, _from_lock(lock))


def _with_project(context: BuildContext, project: Project, found: Packages) -> Packages:
    if project.manifest.built and _is_package(context.app, project):
        return replace(found, local=tuple(dict.fromkeys((*found.local, "."))))
    return found


def newest(
    context: BuildContext, wish: str, beside: Packages, runtime: Runtime, uv: Uv, *, name: str
) -> Packages:
    """One package more, in the newest version that goes with the others; kept under `name` for locked builds."""
    with tempfile.TemporaryDirectory(prefix="uv-") as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text(
            "".join(f"{pin.replace('=', '==', 1)}\n" for pin in beside.pins if "@" not in pin)
        )
        source = Path(scratch, "requirements.in")
        source.write_text(f"{wish}\n")
        words = [source, "--constraint", constraints, *_locked(context, Path(scratch), name)]
        text = _compile(context, words, runtime, uv)
    found = Packages(text=text, pins=pins(text))
    context.resolved.choose_all(name, lambda: found.pins)
    return found


def pins(text: str) -> tuple[str, ...]:
    """`name=version` for each pinned requirement, sorted; the address for one that is fetched from elsewhere."""
    found = {normal(name): version for name, version in _PINNED.findall(text)}
    found.update({normal(name): url for name, url in _REMOTE.findall(text)})
    return tuple(f"{name}={version}" for name, version in sorted(found.items()))


def is_locked(text: str) -> bool:
    """Whether requirements are what pip-tools or `uv pip compile` write with hashes: every line is pinned and has one."""
    logical = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    lines = [line for line in logical if line and not line.startswith("#")]
    wishes = [line for line in lines if not line.startswith("-")]
    others = [line for line in lines if line.startswith("-")]
    return (
        bool(wishes)
        and all("==" in line and "--hash=" in line for line in wishes)
        and all(
            line.startswith(("--index-url", "-i ", "--extra-index-url", "--require-hashes"))
            for line in others
        )
    )


def split_local(text: str) -> tuple[str, tuple[str, ...]]:
    """Requirements without the folders of the app among them, and these."""
    kept, local = [], []
    for line in text.splitlines():
        if found := _LOCAL.match(line.strip()):
            local.append(found[1])
        else:
            kept.append(line)
    return "\n".join(kept) + "\n", tuple(local)


def _from_uv(context: BuildContext, runtime: Runtime, uv: Uv) -> Packages:
    words: list[str | Path] = [
        uv.program,
        "export",
        "--locked",
        "--quiet",
        "--no-header",
        "--no-annotate",
        "--no-hashes",
    ]
    words += ["--format", "requirements-txt", "--python", runtime.python]
    words += ["--all-groups"] if context.dev else ["--no-default-groups"]
    try:
        text = command.read(words, environ={**runtime.environ, **uv.environ}, cwd=context.app)
    except command.ToolFailed as exc:
        raise explain.uv_failed(exc) from exc
    text, local = split_local(text)
    return Packages(text=text, pins=pins(text), local=local, synced=True)


def _from_lock(lock: Lock) -> Packages:
    text = "".join(f"{line}\n" for line in lock.lines)
    return Packages(text=text, pins=pins(text), local=lock.local, indexes=lock.indexes)


def _compiled(context: BuildContext, project: Project, runtime: Runtime, uv: Uv) -> Packages:
    texts = {name: (context.app / name).read_text("utf-8-sig", errors="replace") for name in project.files}
    if project.tool == "requirements" and all(is_locked(text) for text in texts.values()):
        text = "\n".join(texts.values())
        return Packages(text=text, pins=pins(text))
    groups: list[str] = []
    if project.tool == "manifest" and context.dev:
        groups = [word for name in project.manifest.groups for word in ("--group", name)]
        groups += [word for name in project.manifest.extras for word in ("--extra", name)]
    with tempfile.TemporaryDirectory(prefix="uv-") as scratch:
        words = [*project.files, *groups, *_locked(context, Path(scratch), "packages")]
        text = _compile(context, words, runtime, uv)
    text, local = split_local(text)
    found = Packages(text=text, pins=pins(text), local=local)
    if project.files == (MANIFEST,):
        found = _with_project(context, project, found)
    context.resolved.choose_all("packages", lambda: found.pins)
    return found


def _locked(context: BuildContext, scratch: Path, name: str) -> list[str | Path]:
    """Words that hold the versions of the last build, when the build is locked."""
    if not context.resolved.locked:
        return []
    before = context.resolved.choose_all(name, tuple)
    file = scratch / "locked.txt"
    file.write_text("".join(f"{pin.replace('=', '==', 1)}\n" for pin in before if "://" not in pin))
    return ["--constraint", file]


def _compile(context: BuildContext, words: Iterable[str | Path], runtime: Runtime, uv: Uv) -> str:
    argv: Sequence[str | Path] = [uv.program, "pip", "compile", "--quiet", "--generate-hashes", *words]
    argv = [*argv, "--no-header", "--no-annotate", "--python", runtime.python]
    argv = [*argv, "--emit-index-url", "--emit-find-links", "--emit-build-options"]
    environ: Mapping[str, str] = {**runtime.environ, **uv.environ}
    try:
        return command.read(argv, environ=environ, cwd=context.app, timeout=1800)
    except command.ToolFailed as exc:
        raise explain.uv_failed(exc) from exc


def _is_package(app: Path, project: Project) -> bool:
    """Whether the project itself is to be installed: as its tool does, unless it says that it is no package."""
    if project.manifest.poetry.get("package-mode") is False:
        return False
    name = project.manifest.name.replace("-", "_").replace(".", "_")
    declared = "packages" in project.manifest.poetry
    return declared or any(
        (app / top / name).exists() or (app / top / f"{name}.py").is_file() for top in ("", "src")
    )
