"""Files from the web, kept between uses: asked for again only with the server's own word that they are as they were.

Everything is bounded; a file is in its place only when all of it has come. Specification: RFC 9110, "ETag".
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import platformdirs

from pybuild import __version__
from pybuild.errors import InvalidInput, PybuildError
from pybuild.events import Progress, detail, emit, hide_login, info, redact, warn
from pybuild.stores.scratch import scratch_file
from pybuild.stores.state import read_state, write_state
from pybuild.stores.trust import trust_for

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 2 << 30
_PIECE = 1 << 20
_TIMEOUT = (20, 60)
_MOST_HOPS = 5
_TRIES = 3
_DIGEST = re.compile(r"sha256=[0-9a-f]{64}")


class DownloadFailed(PybuildError):
    """A server does not answer, or not with the file."""

    exit_code = 10
    usual_hint = "try again, or download it yourself and pass the file"


class NotThere(DownloadFailed):
    """The server says that there is no such file."""

    usual_hint = "look at the spelling"


def download(url: str, *, environ: Mapping[str, str], most: int = MOST_BYTES) -> Path:
    """The file behind a URL: a path in our cache. Raises `DownloadFailed`.

    Where the server cannot be reached, a copy from an earlier time is used, with a warning. A URL that ends with
    `#sha256=HEX` is for that content alone.
    """
    hide_login(url)
    url, _, wanted = url.partition("#")
    if wanted and not _DIGEST.fullmatch(wanted):
        raise InvalidInput(
            f"{redact(url)}: after # stands {wanted[:80]!r}, expected sha256= and 64 hexadecimal digits",
            hint="sha256sum FILE tells them",
        )
    file = _current(url, environ, most)
    if wanted:
        _check(file, wanted.removeprefix("sha256="), url)
    return file


def _check(file: Path, wanted: str, url: str) -> None:
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != wanted:
        raise DownloadFailed(
            f"{redact(url)} has the digest {found}, expected {wanted}",
            hint="it is not the file that was meant: see what its makers say",
        )


def _current(url: str, environ: Mapping[str, str], most: int) -> Path:
    folder = cache_folder() / "downloads"
    name = hashlib.sha256(url.encode()).hexdigest()
    file, about = folder / name, folder / f"{name}.json"
    known = _known(about) if file.is_file() else {}
    if urlsplit(url).scheme == "http":
        warn(f"{redact(url)} comes without TLS: anybody on the way can change it")
    try:
        for attempt in range(_TRIES):
            try:
                _fetch(url, file, about, known, environ, most)
                break
            except NotThere:
                raise
            except DownloadFailed as exc:
                if attempt == _TRIES - 1:
                    raise
                detail(f"{exc}; trying again")
    except NotThere:
        raise
    except DownloadFailed as exc:
        if not known:
            raise
        warn(f"{exc}; going on with the copy from an earlier time")
    return file


def cache_folder() -> Path:
    """Where copies of what is elsewhere are kept: `$XDG_CACHE_HOME/pybuild`."""
    return Path(platformdirs.user_cache_path("pybuild"))


def _known(about: Path) -> dict[str, str]:
    """The headers that ask whether our copy is still the file."""
    text = read_state(about, limit=1 << 16)
    try:
        found = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        return {}
    return (
        {key: value for key, value in found.items() if isinstance(value, str)}
        if isinstance(found, dict)
        else {}
    )


def _fetch(
    url: str, file: Path, about: Path, known: Mapping[str, str], environ: Mapping[str, str], most: int
) -> None:
    import requests

    headers = {"User-Agent": f"pybuild/{__version__}"}
    if known.get("etag"):
        headers["If-None-Match"] = known["etag"]
    try:
        with requests.Session() as session, _answer(session, url, headers, environ) as answer:
            if answer.status_code == 304:
                return
            if answer.status_code == 404:
                raise NotThere(f"there is nothing at {redact(url)}")
            if answer.status_code != 200:
                raise DownloadFailed(f"{redact(url)}: the server answered with status {answer.status_code}")
            info(f"Downloading {redact(url)}")
            _keep(answer, url, file, most)
            write_state(about, json.dumps({"etag": answer.headers.get("ETag", "")}).encode())
    except requests.RequestException as exc:
        raise DownloadFailed(f"{redact(url)} cannot be downloaded: {redact(_reason(exc))}") from exc
    except OSError as exc:
        raise DownloadFailed(f"{redact(url)} cannot be kept in {file.parent}: {exc}") from exc


def _answer(session: Any, url: str, headers: Mapping[str, str], environ: Mapping[str, str]) -> Any:
    """The answer to a GET, redirects followed, but never from https to http."""
    for _ in range(_MOST_HOPS + 1):
        parts = urlsplit(url)
        trust = trust_for(parts.netloc.rpartition("@")[2], environ)
        answer = session.get(
            url,
            headers=dict(headers),
            stream=True,
            timeout=_TIMEOUT,
            verify=trust.authorities,
            cert=trust.ours,
            allow_redirects=False,
        )
        if answer.status_code not in {301, 302, 303, 307, 308}:
            return answer
        location = answer.headers.get("Location", "")
        answer.close()
        try:
            target = urljoin(url, location)
        except ValueError:
            target = location
        if parts.scheme == "https" and not target.startswith("https://"):
            raise DownloadFailed(f"{redact(url)} leads to {redact(target)[:200]!r}, which is not https")
        url = target
    raise DownloadFailed(f"{redact(url)[:200]} is one of more than {_MOST_HOPS} redirects")


def _keep(answer: Any, url: str, file: Path, most: int) -> None:
    """Put the body into its place once it is complete."""
    total = int(answer.headers.get("Content-Length") or 0)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = scratch_file(file.parent, ".coming-")
    label, done = f"Downloading {urlsplit(url).path.rpartition('/')[2] or redact(url)}", 0
    try:
        with os.fdopen(handle, "wb") as out:
            for piece in answer.iter_content(_PIECE):
                done += len(piece)
                if done > most:
                    raise DownloadFailed(f"{redact(url)} is larger than {most} bytes")
                out.write(piece)
                emit(Progress(label=label, done=done, total=total))
            if total and done != total and not answer.headers.get("Content-Encoding"):
                raise DownloadFailed(f"{redact(url)} was cut off after {done} of {total} bytes")
            out.flush()
            temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    finally:
        emit(Progress(label=label, done=-1))


def _reason(exc: Exception) -> str:
    """The innermost cause, which says it in the fewest words."""
    cause: BaseException = exc
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return " ".join(str(cause).split())[:300] or type(exc).__name__
