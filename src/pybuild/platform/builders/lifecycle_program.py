"""Our lifecycle as builders have it: one file for all phases, and the archive that `[lifecycle] uri` takes.

The file is a zip archive behind a few lines of sh: called by a phase's name, it is that phase. It needs Python 3.11
or later and nothing else; the Docker SDK, for `-daemon`, is inside. The archive is that of GO-90 and GO-91. Equal
sources give equal bytes.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import py_compile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pybuild
from pybuild.errors import BuilderUnusable
from pybuild.lifecycle.image_layers import PLACEHOLDER
from pybuild.lifecycle.inputs import PHASES, VERSION
from pybuild.oci import tar
from pybuild.platform.builders import stand_ins
from pybuild.spec.api import BUILDPACK_APIS, PLATFORM_APIS
from pybuild.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PACKAGE = Path(pybuild.__file__).parent
_STAND_INS = Path(stand_ins.__file__).parent
# What `-daemon` and registries need beside us.
BUNDLED = ("docker", "idna", "requests", "urllib3")
# The command `pybuild`, which no phase uses.
LEFT_OUT = {"platform", "libcnb", "_shipped", "__main__.py", "api.py"}
PHASE_MODULES = {"__init__.py", "bug.py", "signals.py", "show/__init__.py", "show/console.py"}
_STAMP = (1980, 1, 1, 0, 0, 2)

_HEAD = b"""#!/bin/sh
# pybuild's lifecycle: a Python program in a zip archive behind these lines.
for python in python3 /usr/bin/python3 /usr/local/bin/python3; do
    if command -v "$python" >/dev/null 2>&1; then exec "$python" -I -S "$0" "$@"; fi
done
echo "ERROR: pybuild's lifecycle needs Python 3.11 or later, and there is no python3"
exit 1
"""
# Has to be readable for any Python 3, so that an older one can be told of.
_MAIN = b"""import sys
if sys.version_info < (3, 11):
    sys.exit("ERROR: pybuild's lifecycle needs Python 3.11 or later, this is " + sys.version.split()[0])
from pybuild.cli.phases.programs import main
main()
"""


def program() -> bytes:
    """The file for all phases."""
    data = io.BytesIO()
    data.write(_HEAD)
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN)
        for name, path in sorted(_sources()):
            _add(archive, name, path.read_bytes())
            if path.suffix == ".py":
                _add(archive, f"{name}c", _compiled(path, name))
    return data.getvalue()


def members(file: bytes) -> Iterator[tuple[tar.TarEntry, bytes]]:
    """What the archive holds. `file`: what `program` gives."""
    yield _member("lifecycle.toml", 0o644, _descriptor().encode())
    yield _member("lifecycle/lifecycle", 0o755, file)
    yield _member("lifecycle/launcher", 0o755, PLACEHOLDER)
    for phase in PHASES:
        name = f"lifecycle/{phase}".encode()
        yield tar.TarEntry(name, tar.SYMLINK, 0o777, 0, 0, linkname=b"lifecycle"), b""


def archive(file: bytes) -> bytes:
    """The .tgz. `file`: what `program` gives."""
    return gzip.compress(b"".join(tar.write(members(file))), mtime=0)


def _descriptor() -> str:
    platform, buildpack = (
        ", ".join(f'"{each}"' for each in apis) for apis in (PLATFORM_APIS, BUILDPACK_APIS)
    )
    return (
        f"[apis]\n[apis.buildpack]\n  deprecated = []\n  supported = [{buildpack}]\n"
        f"[apis.platform]\n  deprecated = []\n  supported = [{platform}]\n\n"
        f'[api]\n  platform = "{PLATFORM_APIS[0]}"\n  buildpack = "{BUILDPACK_APIS[0]}"\n\n'
        f'[lifecycle]\n  version = "{VERSION}"\n'
    )


def _sources() -> Iterator[tuple[str, Path]]:
    """Every file to put in: its name in the archive and where it is."""
    for path in _files(_PACKAGE):
        inner = path.relative_to(_PACKAGE)
        own = "/".join(inner.parts[1:])
        is_phase = own in PHASE_MODULES or own.startswith("phases/")
        if inner.parts[0] not in LEFT_OUT and (inner.parts[0] != "cli" or is_phase):
            yield f"pybuild/{inner}", path
    for path in _files(_STAND_INS):
        if path.name != "__init__.py":
            yield path.name, path
    for package in BUNDLED:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise BuilderUnusable(
                f"our lifecycle cannot be made: the Python package {package} is not installed here",
                hint="name another one with [lifecycle] uri, or install pybuild again",
            )
        folder = Path(spec.origin).parent
        for path in _files(folder):
            yield f"{package}/{path.relative_to(folder)}", path


def _files(folder: Path) -> Iterable[Path]:
    """The Python sources below `folder` and the data they read; nothing compiled for one machine."""
    wanted = {".py", ".sh"}
    return (path for path in folder.rglob("*") if path.suffix in wanted and path.is_file())


def _compiled(path: Path, name: str) -> bytes:
    """Code that the Python of this version need not compile at every start; others take the source."""
    with scratch_folder() as scratch:
        file = scratch / "code.pyc"
        py_compile.compile(
            str(path),
            cfile=str(file),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        return file.read_bytes()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _STAMP)
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)


def _member(name: str, mode: int, content: bytes) -> tuple[tar.TarEntry, bytes]:
    return tar.TarEntry(name.encode(), tar.FILE, mode, 0, 0, len(content)), content
