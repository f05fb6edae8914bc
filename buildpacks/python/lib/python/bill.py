"""The bill of materials of installed packages, from what each brings about itself.

Core metadata specification: https://packaging.python.org/en/latest/specifications/core-metadata/
"""

from __future__ import annotations

from email.parser import HeaderParser
from typing import TYPE_CHECKING

from pybuild.libcnb import purl
from pybuild.libcnb.sbom import Component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

MAX_BYTES = 4 << 20
_UNTOLD = ("", "UNKNOWN")


def components(layer: Path, site_packages: Path) -> Iterator[Component]:
    """One component for each distribution below `site_packages`, a folder of the layer."""
    for file in sorted(site_packages.glob("*.dist-info/METADATA")):
        if file.stat().st_size > MAX_BYTES:
            continue
        fields = HeaderParser().parsestr(file.read_text("utf-8", errors="replace"), headersonly=True)
        name, version = str(fields.get("Name", "")), str(fields.get("Version", ""))
        if name and version:
            yield Component(
                name=name,
                version=version,
                purl=purl.pypi(name, version),
                licences=licences(fields),
                description=str(fields.get("Summary") or ""),
                homepage=homepage(fields),
                where=str(file.relative_to(layer)),
            )


def licences(fields: Message) -> tuple[str, ...]:
    """The expression (PEP 639), else the classifiers' last words, else the first line of the free text."""
    expression = str(fields.get("License-Expression") or "").strip()
    if expression not in _UNTOLD:
        return (expression,)
    classified = [
        str(text).rpartition("::")[2].strip()
        for text in fields.get_all("Classifier", [])
        if str(text).startswith("License ::")
    ]
    free = (str(fields.get("License") or "").strip().splitlines() or [""])[0]
    # A short text is mostly an SPDX identifier, and more exact than "BSD License"; a long one is the licence itself.
    if free not in _UNTOLD and len(free) <= 40:
        return (free,)
    return tuple(dict.fromkeys(text for text in classified if text != "OSI Approved"))


def homepage(fields: Message) -> str:
    """The page that says so, or the first that it names."""
    if page := str(fields.get("Home-page") or ""):
        return page if page not in _UNTOLD else ""
    links = [str(text).partition(",") for text in fields.get_all("Project-URL", [])]
    urls = {label.strip().lower(): url.strip() for label, _, url in links}
    return urls.get("homepage") or urls.get("home") or next(iter(urls.values()), "")
