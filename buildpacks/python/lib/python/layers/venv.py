"""Layer `venv`: the app's packages in a virtual environment, compiled; kept for as long as the answer stays the same."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output
from pybuild.libcnb.layers import Empty, Types, differences
from python import explain
from python.layers import bytecode, runtime
from python.project import normal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Key, Layer
    from python.layers.runtime import Runtime
    from python.layers.uv import Uv
    from python.packages import Packages

MOST_CACHE_BYTES = 1 << 30

# A package of the app is installed as a link to it; these decide what else is written.
_METADATA = ("pyproject.toml", "setup.py", "setup.cfg")


def install(
    context: BuildContext, python: Runtime, packages: tuple[Packages, ...], uv: Uv, apt: Apt
) -> Layer:
    """Have the packages in the layer. Raises a `Problem`."""
    key = _key(context, python, packages)
    answer = context.layers.cached_layer("venv", Types(launch=True, build=True, cache=True), key=key)
    layer = answer.layer
    if not isinstance(answer, Empty):
        output.step("Layer venv is reused: nothing newer to install")
        return layer
    output.step(
        "Layer venv is made: " + answer.causes[0] if not answer.old else "Layer venv is made again, because"
    )
    if answer.old:
        output.steps([f"  {cause}" for cause in differences(answer.old, key) or answer.causes])
    _make(context, layer, python, uv)
    environ = {**python.environ, **uv.environ, "VIRTUAL_ENV": str(layer.path)}
    # What is compiled must not remember the folder it was compiled in, which has another name each time.
    environ["CFLAGS"] = f"{context.setting('CFLAGS')} -g0".strip()
    with output.timed("Installed the packages"):
        _with_headers(
            lambda more: _fill(context, layer, packages, uv, {**environ, **more}),
            lambda: runtime.headers(context, python, apt),
        )
    with output.timed("Compiled them"):
        bytecode.compile_folder(python.python, site_packages(layer, python), python.environ)
    forget_traces(layer.path, site_packages(layer, python))
    _bound_cache(uv, environ)
    layer.env("VIRTUAL_ENV", str(layer.path))
    return layer


def site_packages(layer: Layer, python: Runtime) -> Path:
    """Where the packages are."""
    return layer.path / f"lib/python{python.series}/site-packages"


def has_control_socket(layer: Layer, python: Runtime) -> bool:
    """Whether the gunicorn in the layer opens a socket of its own in the home folder, which may be read-only."""
    file = site_packages(layer, python) / "gunicorn/config.py"
    return file.is_file() and b"--no-control-socket" in file.read_bytes()


def installed(layer: Layer, python: Runtime) -> frozenset[str]:
    """The names of the distributions in the layer, as PyPI compares them."""
    return frozenset(
        normal(folder.name.removesuffix(".dist-info").rpartition("-")[0])
        for folder in site_packages(layer, python).glob("*.dist-info")
    )


def _key(context: BuildContext, python: Runtime, packages: tuple[Packages, ...]) -> Key:
    # A lock file may name a package twice, for two platforms.
    pins = sorted({pin for part in packages for pin in part.pins})
    digest = hashlib.sha256()
    for part in packages:
        digest.update("".join(line for line in part.text.splitlines(keepends=True) if line.strip()).encode())
        for folder in part.local:
            for name in _METADATA:
                file = context.app / folder / name
                digest.update(file.read_bytes() if file.is_file() else b"-")
    return {
        "buildpack": context.version,
        "arch": context.target.arch,
        "distro": f"{context.target.distro} {context.target.distro_version}".strip(),
        "python": python.version if python.managed else python.series,
        "packages": tuple(pins),
        "local": tuple(folder for part in packages for folder in part.local),
        "requirements": digest.hexdigest()[:16],
        "environment": "with what developers need" if context.dev else "production",
    }


def _make(context: BuildContext, layer: Layer, python: Runtime, uv: Uv) -> None:
    words: list[str | Path] = [
        uv.program,
        "venv",
        "--quiet",
        "--no-project",
        "--allow-existing",
        "--python",
        python.python,
        layer.path,
    ]
    try:
        command.read(words, environ={**python.environ, **uv.environ}, cwd=context.app)
    except command.ToolFailed as exc:
        raise explain.uv_failed(exc) from exc
    conf = layer.path / "pyvenv.cfg"
    # The layer must not change because the installer does.
    lines = [line for line in conf.read_text().splitlines() if not line.startswith("uv =")]
    conf.write_text("".join(f"{line}\n" for line in lines))


def _fill(
    context: BuildContext, layer: Layer, packages: Iterable[Packages], uv: Uv, environ: Mapping[str, str]
) -> None:
    for part in packages:
        if part.synced:
            words: list[str | Path] = [uv.program, "sync", "--locked", "--quiet", "--inexact"]
            words += ["--all-groups"] if context.dev else ["--no-default-groups"]
            command.read(
                [*words, "--python", layer.path / "bin/python"],
                environ={**environ, "UV_PROJECT_ENVIRONMENT": str(layer.path)},
                cwd=context.app,
                timeout=3600,
            )
            continue
        _install(context, part, uv, environ)


def _install(context: BuildContext, part: Packages, uv: Uv, environ: Mapping[str, str]) -> None:
    words: list[str | Path] = [uv.program, "pip", "install", "--quiet", "--no-deps"]
    words += [word for url in part.indexes for word in ("--index", url)]
    if part.indexes:
        # Every file has its digest in the lock, so it does not matter which index has it.
        words += ["--index-strategy", "unsafe-best-match"]
    if part.pins:
        with tempfile.TemporaryDirectory(prefix="uv-") as scratch:
            file = Path(scratch, "requirements.txt")
            file.write_text(part.text)
            command.read([*words, "-r", file], environ=environ, cwd=context.app, timeout=3600)
    local = [word for folder in part.local for word in ("--editable", _folder(folder))]
    if local:
        command.read([*words, *local], environ=environ, cwd=context.app, timeout=3600)


def _folder(path: str) -> str:
    return path if path.startswith(("/", "file:", ".")) else f"./{path}"


def _with_headers(
    work: Callable[[Mapping[str, str]], None], headers: Callable[[], Mapping[str, str]]
) -> None:
    """Do the work; where it fails for want of Python's headers, do it again with them."""
    try:
        try:
            work({})
        except command.ToolFailed as exc:
            more = headers() if explain.needs_headers(exc) else {}
            if not more:
                raise
            output.step("Some packages have no wheel and are compiled")
            work(more)
    except command.ToolFailed as exc:
        raise explain.uv_failed(exc) from exc


def forget_traces(venv: Path, site: Path) -> None:
    """Drop what only the installer reads, such as the times of the app's files, and other shells than the image has."""
    for name in (".gitignore", ".lock", "CACHEDIR.TAG", "bin/pydoc.bat", "bin/deactivate.bat"):
        (venv / name).unlink(missing_ok=True)
    for file in venv.glob("bin/activate.*"):
        file.unlink()
    for folder in site.glob("*.dist-info"):
        notes = [folder / name for name in ("uv_cache.json", "uv_build.json") if (folder / name).is_file()]
        for note in notes:
            note.unlink()
        if notes and (folder / "RECORD").is_file():
            _unlist(folder / "RECORD", {f"{folder.name}/{note.name}" for note in notes})


def _unlist(record: Path, names: set[str]) -> None:
    """Take files out of the list of a distribution's files (PEP 376), where the digest of each stands, too."""
    lines = record.read_bytes().splitlines(keepends=True)
    record.unlink()  # It may be a link to the one in uv's cache.
    record.write_bytes(b"".join(line for line in lines if line.partition(b",")[0].decode() not in names))


def _bound_cache(uv: Uv, environ: Mapping[str, str]) -> None:
    size = sum(
        file.stat().st_size for file in uv.cache.rglob("*") if file.is_file() and not file.is_symlink()
    )
    if size > MOST_CACHE_BYTES:
        # Wheels that were built here stay: what can be downloaded again goes.
        command.read([uv.program, "cache", "prune", "--quiet", "--ci"], environ=environ)
