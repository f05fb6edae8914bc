"""Buildpack registries: which image is `namespace/name@version`, and how a version gets in or is yanked.

An index on GitHub is asked for the one file that matters; any other git repository is cloned, without history, into
our cache; a folder is read where it is. Specification: extensions/buildpack-registry.md (REG-01 to REG-04, T3-07).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pybuild.errors import InvalidFile, InvalidInput, PybuildError
from pybuild.events import detail, redact
from pybuild.platform.buildpacks.download import NotThere, cache_folder, download
from pybuild.spec.registry_index import RegistryEntry, RegistryId, choose, read_entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.spec.config import IndexRegistry

_MOST_BYTES = 4 << 20
_GIT_SECONDS = 300
_RAW = "https://raw.githubusercontent.com"


class IndexUnavailable(PybuildError):
    """A registry's index cannot be read or written."""

    exit_code = 10
    usual_hint = "see whether its URL is right: pybuild config registries list"


def find(registry: IndexRegistry, wanted: RegistryId, *, environ: Mapping[str, str]) -> RegistryEntry:
    """The version that is meant, with the image's address. Raises `InvalidInput` if the registry has none."""
    text = _read(registry, wanted, environ)
    if text is None:
        raise InvalidInput(
            f"the buildpack registry {registry.name} ({registry.url}) has no buildpack"
            f" {wanted.namespace}/{wanted.name}",
            hint="look at the spelling; another registry: --buildpack-registry NAME",
        )
    return choose(
        read_entries(text, f"{registry.url}: {wanted.path}"), wanted, f"the registry {registry.name}"
    )


def _read(registry: IndexRegistry, wanted: RegistryId, environ: Mapping[str, str]) -> bytes | None:
    """The index file; None where there is none."""
    github = _github(registry.url) if registry.type == "github" else ""
    if github:
        try:
            path = download(f"{_RAW}/{github}/HEAD/{wanted.path}", environ=environ, most=_MOST_BYTES)
        except NotThere:
            return None
        return path.read_bytes()
    return _file(_checkout(registry.url, environ) / wanted.path)


def _file(path: Path) -> bytes | None:
    if not path.is_file() or path.is_symlink():
        return None
    if path.stat().st_size > _MOST_BYTES:
        raise InvalidFile(f"{path} is larger than {_MOST_BYTES} bytes")
    return path.read_bytes()


def _github(url: str) -> str:
    """`owner/repository` of a URL at GitHub; else ""."""
    parts = urlsplit(url)
    path = parts.path.strip("/").removesuffix(".git")
    return path if parts.hostname == "github.com" and path.count("/") == 1 else ""


def _checkout(url: str, environ: Mapping[str, str]) -> Path:
    """A folder with the index as it is now."""
    local = Path(url.removeprefix("file://"))
    if local.is_dir() and not (local / ".git").exists() and not (local / "HEAD").exists():
        return local
    folder = cache_folder() / "registries" / hashlib.sha256(url.encode()).hexdigest()[:32]
    if (folder / ".git").is_dir():
        try:
            _git(["fetch", "--quiet", "--depth", "1", "origin", "HEAD"], environ, folder)
            _git(["reset", "--quiet", "--hard", "FETCH_HEAD"], environ, folder)
        except IndexUnavailable as exc:
            detail(f"{exc}; the registry is cloned anew")
            shutil.rmtree(folder)
        else:
            return folder
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _git(["clone", "--quiet", "--depth", "1", "--no-tags", "--", url, str(folder)], environ, folder.parent)
    return folder


def _git(words: Sequence[str], environ: Mapping[str, str], folder: Path) -> str:
    """What git printed. It never asks anybody anything, and runs no program that a URL names."""
    env = {
        **environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as exc:
        raise IndexUnavailable(
            "a buildpack registry of this kind needs git, and there is no git here", hint="apt install git"
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise IndexUnavailable(f"git {words[0]} took longer than {_GIT_SECONDS} s") from exc
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-300:]
        raise IndexUnavailable(f"git {words[0]} failed: {redact(said)}")
    return done.stdout


def issue_url(registry: IndexRegistry, entry: RegistryEntry) -> str:
    """Where a person asks for a version to be added to an index on GitHub, or to be yanked: a form, filled in."""
    title = f"{'YANK' if entry.yanked else 'ADD'} {entry.namespace}/{entry.name}@{entry.version}"
    lines = [f'id = "{entry.namespace}/{entry.name}"', f'version = "{entry.version}"']
    if not entry.yanked and entry.address:
        lines.append(f'addr = "{entry.address}"')
    template = "yank-buildpack.md" if entry.yanked else "add-buildpack.md"
    body = "\n" + "\n".join(lines) + "\n"
    url = registry.url.rstrip("/").removesuffix(".git")
    return f"{url}/issues/new?body={quote(body, safe='')}&template={template}&title={quote(title, safe='')}"


def commit(registry: IndexRegistry, entry: RegistryEntry, *, environ: Mapping[str, str]) -> str:
    """Add a version to an index in a git repository, or yank it, and push that; returns the commit's id.

    A yanked version keeps its line, marked. Raises `InvalidInput` for a version that is there already, or is not.
    """
    folder = _checkout(registry.url, environ)
    if not (folder / ".git").is_dir():
        raise InvalidInput(f"{registry.url} is no git repository, so nothing can be registered there")
    wanted = RegistryId.parse(f"{entry.namespace}/{entry.name}")
    path = folder / wanted.path
    old = read_entries(_file(path) or b"", wanted.path)
    new = _marked(old, entry) if not entry.address else _added(old, entry, registry)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(each.write() for each in new), "utf-8")
    what = f"{'YANK' if entry.yanked else 'ADD'} {entry.namespace}/{entry.name}@{entry.version}"
    _git(["add", "--", wanted.path], environ, folder)
    who = environ.get("USER") or "pybuild"
    user = ["-c", f"user.name={who}", "-c", f"user.email={who}@{os.uname().nodename}"]
    known = _configured(folder, environ)
    _git([*([] if known else user), "commit", "--quiet", "--message", what], environ, folder)
    branch = _git(["rev-parse", "--abbrev-ref", "HEAD"], environ, folder).strip()
    _git(["push", "--quiet", "origin", f"HEAD:{branch}"], environ, folder)
    return _git(["rev-parse", "HEAD"], environ, folder).strip()


def _configured(folder: Path, environ: Mapping[str, str]) -> bool:
    """Whether git knows who commits."""
    try:
        return bool(_git(["config", "user.email"], environ, folder).strip())
    except IndexUnavailable:
        return False


def _added(
    old: Sequence[RegistryEntry], entry: RegistryEntry, registry: IndexRegistry
) -> tuple[RegistryEntry, ...]:
    if any(each.version == entry.version for each in old):
        raise InvalidInput(
            f"the registry {registry.name} has {entry.namespace}/{entry.name}@{entry.version} already",
            hint="a version never changes: give the buildpack another one",
        )
    return (*old, entry)


def _marked(old: Sequence[RegistryEntry], entry: RegistryEntry) -> tuple[RegistryEntry, ...]:
    if not any(each.version == entry.version for each in old):
        raise InvalidInput(
            f"there is no {entry.namespace}/{entry.name}@{entry.version} to yank",
            hint=f"there is {', '.join(each.version for each in old)}" if old else "look at its name",
        )
    return tuple(
        replace(each, yanked=entry.yanked) if each.version == entry.version else each for each in old
    )
