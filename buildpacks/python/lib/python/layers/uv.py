"""Layer `uv-tool`: the installer, one exact release from its wheel on the package index, its digest known beforehand."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin

from pybuild.libcnb import archive, fetch, output
from pybuild.libcnb.bindings import of_type
from pybuild.libcnb.layers import Empty, Types
from python import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

VERSION = "0.13.9"
PYPI = "https://pypi.org/simple"

# From https://pypi.org/project/uv/: what is called a wheel there holds one static program.
_FILES = "https://files.pythonhosted.org/packages/"
WHEELS = {
    "amd64": (
        "3d/aa/26d64642d808de4a652579ef950d7cd2d37f080a8babf9c67c6b75fc4c3f/",
        "uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    "arm64": (
        "57/15/94b6cd62ac3ff6550288328e8035288875197cbc183f51554b266a69877b/",
        "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """The installer, the variables it is run with, and the folder of its downloads."""

    program: Path
    environ: Mapping[str, str]
    cache: Path


def install(context: BuildContext) -> Uv:
    """Have it in a layer for this build and the next. Raises a `Problem`."""
    arch = context.target.arch
    if arch not in WHEELS:
        raise errors.unknown_architecture(arch, tuple(WHEELS))
    folder, name, digest = WHEELS[arch]
    key = {"buildpack": context.version, "uv": VERSION, "arch": arch}
    # Not `uv`: the layer's uv.toml would be taken for settings of uv.
    answer = context.layers.cached_layer("uv-tool", Types(build=True, cache=True), key=key)
    program = answer.layer.path / "bin/uv"
    index = default_index(context.environ)
    if isinstance(answer, Empty):
        output.section(f"uv {VERSION}")
        with fetch.opened(context) as downloads:
            url = f"{_FILES}{folder}{name}" if index == PYPI else find_link(downloads, index, name)
            wheel = downloads.file(url, digest=f"sha256:{digest}")
            archive.unpack(wheel, program.parent, strip=2, wanted=lambda entry: entry == "uv")
        program.chmod(0o755)
    cache = context.layers.tool_cache("uv-cache")
    environ = _environ(context, cache.path)
    if not fetch.reaches(context, f"{index}/"):
        # What it has is taken for fresh, however old.
        environ["UV_OFFLINE"] = "1"
    return Uv(program=program, environ=environ, cache=cache.path)


def default_index(environ: Mapping[str, str]) -> str:
    """Where packages come from, as uv or pip are told; PyPI when they are not."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if url := environ.get(name, "").strip().rstrip("/"):
            return url
    return PYPI


def find_link(downloads: fetch.Downloads, index: str, name: str) -> str:
    """The address of a file of uv on another index (PEP 503, PEP 691). Raises a `Problem`."""
    page = f"{index}/uv/"
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    text = downloads.read(page, headers={"Accept": accept}).decode(errors="replace")
    if text.lstrip().startswith("{"):
        files = json.loads(text).get("files", [])
        links = [str(file.get("url", "")) for file in files if file.get("filename") == name]
    else:
        found = (html.unescape(link) for link in re.findall(r"""href=["']([^"']+)["']""", text))
        links = [link for link in found if unquote(link.partition("#")[0]).rpartition("/")[2] == name]
    if not links:
        raise errors.no_installer(page, name)
    return urljoin(page, links[0].partition("#")[0])


def _environ(context: BuildContext, cache: Path) -> dict[str, str]:
    found = {
        "UV_CACHE_DIR": str(cache),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        # Cloning files (reflink) is slower than linking them, and copying doubles the layer.
        "UV_LINK_MODE": "hardlink",
        "UV_DEFAULT_INDEX": default_index(context.environ),
        "NO_COLOR": "1",
    }
    more = (
        context.setting("UV_INDEX")
        or context.setting("UV_EXTRA_INDEX_URL")
        or context.setting("PIP_EXTRA_INDEX_URL")
    )
    if more:
        found["UV_INDEX"] = more
    for binding in of_type(context.bindings, "netrc"):
        for name in (".netrc", "netrc"):
            if name in binding.values:
                found["NETRC"] = str(_binding_file(context, binding.name, name))
    return found


def _binding_file(context: BuildContext, binding: str, name: str) -> Path:
    from pathlib import Path

    root = context.setting("SERVICE_BINDING_ROOT")
    return (Path(root) if root else context.platform / "bindings") / binding / name
