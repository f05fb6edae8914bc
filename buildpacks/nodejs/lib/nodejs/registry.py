"""The npm registry: which versions of a package there are, and their files, each with its integrity checked.

https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md, the abbreviated form.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from nodejs import errors
from pybuild.libcnb.bindings import of_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.fetch import Downloads

DEFAULT = "https://registry.npmjs.org"
_ACCEPT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Where packages are. `headers`: how to log in there; for that host only."""

    url: str
    headers: Mapping[str, str]
    downloads: Downloads

    def versions(self, package: str) -> dict[str, dict[str, Any]]:
        """Every version of a package with its manifest. Raises a `Problem`."""
        address = f"{self.url}/{quote(package, safe='@')}"
        try:
            found = json.loads(self.downloads.read(address, headers={**self.headers, "Accept": _ACCEPT}))
            return dict(found["versions"])
        except (ValueError, KeyError, TypeError) as exc:
            raise errors.bad_registry(address) from exc

    def tarball(self, package: str, version: str, manifest: Mapping[str, Any]) -> Path:
        """The file of a version, its integrity checked. Raises a `Problem`."""
        dist = manifest.get("dist")
        integrity = dist.get("integrity") if isinstance(dist, dict) else ""
        if not integrity or not isinstance(dist, dict):
            raise errors.no_integrity(package, version)
        return self.downloads.file(
            str(dist["tarball"]), digest=str(integrity), headers=self._for(str(dist["tarball"]))
        )

    def _for(self, url: str) -> Mapping[str, str]:
        return self.headers if urlsplit(url).netloc == urlsplit(self.url).netloc else {}


def open_registry(context: BuildContext, downloads: Downloads) -> Registry:
    """The registry that npm would use: of the environment, of a binding of type `npmrc`, of the app's .npmrc."""
    settings = {**npmrc(context.app / ".npmrc", context.environ), **_bound(context)}
    url = next(
        (
            text.rstrip("/")
            for text in (
                context.setting("npm_config_registry"),
                context.setting("NPM_CONFIG_REGISTRY"),
                settings.get("registry", ""),
            )
            if text
        ),
        DEFAULT,
    )
    return Registry(url=url, headers=login(url, settings), downloads=downloads)


def npmrc(file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of a .npmrc file, `${NAME}` replaced as npm does; none when there is no file."""
    return (
        _settings(file.read_text("utf-8", errors="replace").splitlines(), environ) if file.is_file() else {}
    )


def bound_npmrc(context: BuildContext) -> str:
    """The name of the binding of type `npmrc` that has a file .npmrc; empty when there is none."""
    return next(
        (binding.name for binding in of_type(context.bindings, "npmrc") if ".npmrc" in binding.values), ""
    )


def login(url: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The header by which the registry knows us; none when the settings have no token for it."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    while True:
        prefix = f"//{parts.netloc}{path}/:"
        if token := settings.get(f"{prefix}_authToken"):
            return {"Authorization": f"Bearer {token}"}
        if basic := settings.get(f"{prefix}_auth"):
            return {"Authorization": f"Basic {basic}"}
        if not path:
            return {}
        path = path.rpartition("/")[0]


def _bound(context: BuildContext) -> dict[str, str]:
    for binding in of_type(context.bindings, "npmrc"):
        return _settings(binding.values.get(".npmrc", "").splitlines(), context.environ)
    return {}


def _settings(lines: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", ";")):
            text = re.sub(r"\$\{(\w+)\??\}", lambda match: environ.get(match[1], ""), value.strip())
            found[name.strip()] = text.strip("\"'")
    return found
