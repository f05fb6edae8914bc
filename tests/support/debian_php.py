"""Composer packages made of what Debian ships: the same sources, unpacked at test time, each with a `composer.json` of its own.

Packagist is not needed. Debian writes into each library's `autoload.php` which files have to be loaded at once.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import docker

_FETCH = """set -e
cd /tmp
apt-get -qq update
apt-get -qq install --download-only -y --no-install-recommends "$@"
for file in /var/cache/apt/archives/php-*.deb; do
    name=$(dpkg-deb -f "$file" Package)
    mkdir -p "/found/$name"
    dpkg-deb -x "$file" /found/tree
    [ ! -d /found/tree/usr/share/php ] || mv /found/tree/usr/share/php "/found/$name/php"
    rm -rf /found/tree
    dpkg-deb -f "$file" Version Depends >"/found/$name/control"
done
"""
_OTHER_NAMES = {
    "php-email-validator": "egulias/email-validator",
    "php-graham-campbell-result-type": "graham-campbell/result-type",
}
_LOADED = re.compile(r"^\s*require_once __DIR__ ?\. ?'/([^']+)';", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One Composer package. `files`: path → content, `composer.json` among them."""

    name: str
    version: str
    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes]

    @property
    def archive(self) -> bytes:
        """A zip of one folder, as code hosts make them; the same at every call."""
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in sorted(self.files.items()):
                entry = zipfile.ZipInfo(f"{self.name.replace('/', '-')}/{path}", (1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
        return data.getvalue()


def package(name: str, version: str, files: Mapping[str, str], **about: object) -> Package:
    """A package of a few texts, its `composer.json` written from `about`."""
    told = {"name": name, "version": version, "type": "library", "license": ["MIT"], **about}
    contents = {path: text.encode() for path, text in files.items()}
    return Package(
        name=name,
        version=version,
        about=told,
        files={**contents, "composer.json": json.dumps(told).encode()},
    )


def debian_packages(client: docker.APIClient, wanted: Sequence[str], scratch: Path) -> tuple[Package, ...]:
    """Debian's `wanted` with all the PHP libraries that they need. Wants the default builder's build image and the archive."""
    return packages_in(fetch(client, _FETCH, wanted, scratch, found="/found"))


def packages_in(found: Path) -> tuple[Package, ...]:
    """The packages that `_FETCH` has left in a folder. Those that are nothing but an extension are left out."""
    grouped: dict[str, list[Path]] = {}
    for folder in sorted(path for path in found.iterdir() if (path / "php").is_dir()):
        grouped.setdefault(composer_name(folder.name), []).append(folder)
    return tuple(_package(name, folders, {*grouped} - {name}) for name, folders in grouped.items())


def composer_name(deb: str) -> str:
    """Laravel's components are one package, as its authors publish them."""
    if deb.startswith("php-illuminate-"):
        return "laravel/framework"
    vendor, _, name = deb.removeprefix("php-").partition("-")
    return _OTHER_NAMES.get(deb) or f"{vendor}/{name or vendor}"


def _package(name: str, debs: Iterable[Path], others: set[str]) -> Package:
    files: dict[str, bytes] = {}
    needed: set[str] = set()
    version = ""
    for deb in debs:
        control = (deb / "control").read_text()
        version = re.split(r"[+~-]", control.removeprefix("Version: "))[0]
        needed |= {composer_name(other) for other in re.findall(r"\bphp-[a-z0-9-]+", control)} & others
        root = deb / "php"
        files |= {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
    about = {
        "name": name,
        "version": version,
        "type": "library",
        "license": ["MIT"],
        "require": dict.fromkeys(sorted(needed), "*"),
        "autoload": {"classmap": [""], "files": sorted({*_loaded(files)})},
    }
    files = {path: content for path, content in files.items() if not path.endswith("/autoload.php")}
    return Package(
        name=name,
        version=version,
        about=about,
        files={**files, "composer.json": json.dumps(about).encode()},
    )


def _loaded(files: Mapping[str, bytes]) -> Iterator[str]:
    """The files that Debian's autoloaders load at once, other packages' autoloaders not among them."""
    for path, content in files.items():
        folder, _, name = path.rpartition("/")
        if name == "autoload.php":
            for match in _LOADED.findall(content.decode()):
                if not match.endswith("autoload.php"):
                    yield f"{folder}/{match}"


def fetch(client: docker.APIClient, script: str, wanted: Sequence[str], scratch: Path, *, found: str) -> Path:
    """Run a script in the default builder's build image, as root, with `wanted` as its words; a copy of its folder `found`."""
    container = client.create_container(
        "pybuild/build:debian-12", ["-c", script, "sh", *wanted], user="0", entrypoint=["sh"]
    )["Id"]
    try:
        client.start(container)
        status = client.wait(container, timeout=300)["StatusCode"]
        assert status == 0, client.logs(container).decode(errors="replace")
        chunks, _ = client.get_archive(container, found)
        file = scratch / "found.tar"
        with file.open("wb") as out:
            for chunk in chunks:
                out.write(chunk)
    finally:
        client.remove_container(container, force=True, v=True)
    subprocess.run(["tar", "-xf", str(file), "-C", str(scratch)], check=True)
    file.unlink()
    return scratch / found.rpartition("/")[2]
