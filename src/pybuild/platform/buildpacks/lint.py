"""`pybuild buildpack lint`: what is wrong with a buildpack's folder, before anybody else finds out.

Errors are what the specification forbids or what cannot work; warnings are what authors should do, or regret.
Specification: buildpack.md, "buildpack.toml", "Targets", "Deprecations" (BPT-01 to BPT-18).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybuild.errors import PybuildError
from pybuild.spec import toml
from pybuild.spec.api import BUILDPACK_APIS, ApiVersion
from pybuild.spec.buildpack import SBOM_FORMATS, Descriptor
from pybuild.spec.package import check_stacks
from pybuild.spec.target import ARCHITECTURES, SYSTEMS, TargetSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pybuild.platform.buildpacks.modules import Kind
    from pybuild.spec.toml import Table

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_ID = re.compile(r"[A-Za-z0-9./-]+")
_TOP = {"api", "buildpack", "extension", "targets", "stacks", "order", "metadata"}
_ABOUT = {
    "id",
    "version",
    "name",
    "homepage",
    "description",
    "keywords",
    "licenses",
    "clear-env",
    "sbom-formats",
    "exec-env",
}
_MOST_BYTES = 1 << 20
_SECRET_NAMES = (".env", "id_rsa", ".git-credentials", ".npmrc", ".pypirc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to correct. `place`: a file, relative to the folder, with the key or line in it; `id`: of the rule."""

    severity: Literal["error", "warning"]
    id: str
    place: str
    message: str
    hint: str = ""


def lint(folder: Path) -> tuple[Finding, ...]:
    """Everything that is wrong with the buildpack or extension in a folder: errors first, each once."""
    kind: Kind = "extension" if (folder / "extension.toml").exists() else "buildpack"
    found = list(dict.fromkeys(_all(folder, kind)))
    return tuple(sorted(found, key=lambda each: each.severity))


def _all(folder: Path, kind: Kind) -> Iterator[Finding]:
    file = folder / f"{kind}.toml"
    try:
        text = file.read_bytes()
    except OSError as exc:
        yield _error(
            "descriptor", file.name, f"it cannot be read: {exc.strerror}", f"pybuild {kind} new ID makes one"
        )
        return
    try:
        about = Descriptor.read(text, file.name, kind=kind)
        document = toml.load(text, file=file.name)
    except PybuildError as exc:
        yield _error("descriptor", file.name, str(exc), exc.hint)
        return
    yield from _described(about, document)
    yield from _api(about)
    yield from _targets(about, document)
    yield from _programs(folder, about)
    yield from _files(folder)


def _described(about: Descriptor, document: Table) -> Iterator[Finding]:
    where = f"{about.kind}.toml"
    own = document.table(about.kind)
    if not _ID.fullmatch(about.id):
        yield _error(
            "BPT-02", f"{where}: {about.kind}.id", f"{about.id!r} has more than letters, digits and . / -"
        )
    if not _VERSION.fullmatch(about.version):
        yield _error(
            "BPT-05",
            f"{where}: {about.kind}.version",
            f"{about.version!r} is not X.Y.Z: three numbers without leading zeros",
            'version = "1.0.0"',
        )
    for wrong in (each for each in about.sbom_formats if each not in SBOM_FORMATS):
        yield _error(
            "BPT-07", f"{where}: {about.kind}.sbom-formats", f"{wrong!r} is none of {', '.join(SBOM_FORMATS)}"
        )
    for number, license_ in enumerate(about.licenses):
        if not (license_.type or license_.uri):
            yield _error("BPT-06", f"{where}: {about.kind}.licenses[{number}]", "a licence needs type or uri")
    unknown = [
        *(key for key in document if key not in _TOP),
        *(f"{about.kind}.{key}" for key in own if key not in _ABOUT),
    ]
    for key in unknown:
        yield _warning("unknown-key", f"{where}: {key}", "nobody reads this key", "look at its spelling")
    for key in ("name", "description"):
        if not own.text(key):
            yield _warning(
                "BPT-06", f"{where}: {about.kind}.{key}", f"without a {key} people see the id alone"
            )


def _api(about: Descriptor) -> Iterator[Finding]:
    where = f"{about.kind}.toml: api"
    newest = BUILDPACK_APIS[-1]
    if not about.api:
        yield _error("BPT-01", where, "it is missing", f'api = "{newest}"')
        return
    try:
        api = ApiVersion.parse(about.api)
    except PybuildError as exc:
        yield _error("BPT-01", where, str(exc))
        return
    if api not in BUILDPACK_APIS:
        yield _error(
            "BPT-01",
            where,
            f"{api} is none of {BUILDPACK_APIS[0]} to {newest}, which lifecycles of today speak",
        )


def _targets(about: Descriptor, document: Table) -> Iterator[Finding]:
    where = f"{about.kind}.toml"
    try:
        check_stacks(about)
    except PybuildError as exc:
        yield _error("BPT-16", where, str(exc), exc.hint)
    for number, table in enumerate(document.tables("targets")):
        target = TargetSpec.read(table)
        place = f"{where}: targets[{number}]"
        if target.os and target.os not in SYSTEMS:
            yield _error("BPT-12", f"{place}.os", f"{target.os!r} is none of {', '.join(SYSTEMS)}")
        if target.arch and target.arch not in ARCHITECTURES:
            hint = {"x86_64": 'arch = "amd64"', "aarch64": 'arch = "arm64"'}.get(target.arch, "")
            yield _error(
                "BPT-12", f"{place}.arch", f"{target.arch!r} is no architecture in OCI's words", hint
            )
        for key in ("distributions", "distro"):
            if key in table:
                yield _error("BPT-12", f"{place}.{key}", "nobody reads this key", "[[targets.distros]]")
    if about.kind == "buildpack" and not about.order and not about.declared_targets:
        hint = '[[targets]] os = "linux"'
        if about.stacks:
            yield _warning("BPT-18", f"{where}: stacks", "stacks are deprecated; declare targets", hint)
        else:
            yield _warning("BPT-18", f"{where}: targets", "declare what it runs on", hint)


def _programs(folder: Path, about: Descriptor) -> Iterator[Finding]:
    names = ("detect", "build") if about.kind == "buildpack" else ("detect", "generate")
    present = [name for name in names if os.path.lexists(folder / "bin" / name)]
    if about.order:
        for name in present:
            yield _error(
                "BPT-11", f"bin/{name}", "a composite has no programs of its own: it has an [[order]]"
            )
        for number, group in enumerate(about.order):
            for place, ref in enumerate(group):
                if not ref.version:
                    yield _error(
                        "BPT-09",
                        f"buildpack.toml: order[{number}].group[{place}].version",
                        f"{ref.id} has no version",
                    )
        return
    needed = names if about.kind == "buildpack" else ()
    for name in needed:
        if name not in present:
            yield _error(
                "BPT-11", f"bin/{name}", "it is missing", f"a buildpack has bin/{' and bin/'.join(names)}"
            )
    for name in present:
        yield from _program(folder, f"bin/{name}")


def _program(folder: Path, name: str) -> Iterator[Finding]:
    path = folder / name
    if path.is_symlink() and not path.exists():
        yield _error("program", name, f"it is a link to {path.readlink()}, which is not there")
        return
    if not path.is_file():
        yield _error("program", name, "it is no file")
        return
    if not os.access(path, os.X_OK):
        # Who takes a folder into a builder, a package or a build gives its programs that mode: pybuild, and pack, too.
        yield _warning(
            "executable",
            name,
            "it is not marked as executable; pybuild and pack make up for that, a COPY into a builder does not",
            f"chmod +x {name}",
        )
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES)
    if data.startswith(b"\x7fELF"):
        return
    first = data.partition(b"\n")[0]
    if not first.startswith(b"#!"):
        yield _error("shebang", f"{name}:1", "its first line names no interpreter", "#!/usr/bin/env bash")
    elif first.endswith(b"\r"):
        yield _error(
            "line-ends",
            f"{name}:1",
            "it has Windows line ends, so no system finds its interpreter",
            f"sed -i 's/\\r$//' {name}",
        )
    else:
        yield from _source(path, name, first, data)


def _source(path: Path, name: str, first: bytes, data: bytes) -> Iterator[Finding]:
    """What is wrong with a script, by its interpreter; it is not run."""
    words = first.removeprefix(b"#!").replace(b"/", b" ").split()
    shell = next((each.decode() for each in (b"bash", b"sh") if each in words), "")
    if any(word.startswith(b"python") for word in words):
        yield from _python(name, data)
    elif shell and shutil.which(shell):
        done = subprocess.run([shell, "-n", path], capture_output=True, text=True, timeout=10, check=False)
        if done.returncode != 0:
            said = " ".join(done.stderr.replace(str(path), name).split())[:300]
            yield _error("syntax", name, said, f"{shell} -n {name}")
    # A detect is all conditions; there a command that fails is an answer.
    if shell and name != "bin/detect" and not _stops_at_errors(data):
        yield _warning(
            "errexit",
            name,
            "a shell script without set -e goes on after a command that failed",
            "write below the first line: set -eu",
        )


def _python(name: str, data: bytes) -> Iterator[Finding]:
    try:
        compile(data, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as exc:
        line = exc.lineno if isinstance(exc, SyntaxError) else 1
        said = exc.msg if isinstance(exc, SyntaxError) else exc
        yield _error(
            "syntax", f"{name}:{line}", f"Python {sys.version_info[0]}.{sys.version_info[1]} says: {said}"
        )


def _stops_at_errors(script: bytes) -> bool:
    """Whether a shell script ends at a failure, or is too short for that to matter."""
    lines = [line.strip() for line in script.splitlines()[1:] if line.strip() and not line.startswith(b"#")]
    return len(lines) < 3 or any(re.match(rb"set -[a-z]*e", line) for line in lines)


def _files(folder: Path) -> Iterator[Finding]:
    for root, dirs, names in os.walk(folder):
        dirs[:] = sorted(each for each in dirs if each not in (".git", "__pycache__", "test"))
        for name in sorted(names):
            path = os.path.join(root, name)  # noqa: PTH118 (os.walk)
            place = os.path.relpath(path, folder)
            if name.endswith(".py") and os.path.isfile(path):  # noqa: PTH113
                with open(path, "rb") as file:
                    yield from _python(place, file.read(_MOST_BYTES))
            if name in _SECRET_NAMES:
                yield _warning(
                    "secret", place, "it would go into every package", "keep it outside of the buildpack"
                )
            if os.path.islink(path) and os.readlink(path).startswith("/"):  # noqa: PTH114, PTH115
                yield _warning(
                    "link",
                    place,
                    f"it is a link to {os.readlink(path)}, which builders may not have",  # noqa: PTH115
                )


def _error(rule: str, place: str, message: str, hint: str = "") -> Finding:
    return Finding(severity="error", id=rule, place=place, message=message, hint=hint)


def _warning(rule: str, place: str, message: str, hint: str = "") -> Finding:
    return Finding(severity="warning", id=rule, place=place, message=message, hint=hint)
