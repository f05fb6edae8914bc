"""Downloads from package registries: over HTTPS, of a bounded size, with a digest that they must have, kept between builds.

The build's certificates (SSL_CERT_FILE) and proxies are used. With `BP_OFFLINE`, what a registry said in an earlier
build counts where it cannot be reached.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from pybuild.libcnb import output
from pybuild.libcnb.digest import Digest
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

OFFLINE = "BP_OFFLINE"
MOST_BYTES = 1 << 30
MOST_INDEX_BYTES = 64 << 20
TRIES = 4
SECONDS = 30
"""How long a server may say nothing."""
PIECE = 1 << 18


_T = TypeVar("_T")


class NotThere(Problem):
    """The server answers that there is no such file: 404 or 410."""


class Downloads:
    """Files by their digest, and what registries answered, in a cache layer."""

    def __init__(
        self, folder: Path, *, certificates: str = "", offline: bool = False, pause: float = 1
    ) -> None:
        self._folder = folder
        self._offline = offline
        self._pause = pause
        self._used: set[Path] = set()
        self._away: set[str] = set()
        self._opener = _opener(certificates)

    def file(
        self,
        url: str,
        *,
        digest: str,
        limit: int = MOST_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> Path:
        """The file at `url`, downloaded unless an earlier build has. To be read, not changed or moved.

        `digest`: as `Digest.parse` takes it. `limit`: bytes. `headers` such as `Authorization` go to that host only.
        Raises `Problem`, among them `NotThere`.
        """
        wanted = Digest.parse(digest)
        file = self._folder / "files" / wanted.name
        self._used.add(file)
        if file.is_file():
            return file
        started = time.monotonic()
        partial = file.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)

        def save(answer: http.client.HTTPResponse) -> int:
            with partial.open("wb") as target:
                return _copy(answer, target, limit, url)

        try:
            size = self._ask(url, dict(headers or {}), save)
            if not wanted.matches(partial):
                raise Problem(
                    "A download is not what it should be",
                    f"{_shown(url)} does not have the digest {wanted}.",
                    steps=(
                        "Build again: the download may have been damaged on its way.",
                        "If it happens again, a mirror or proxy changes files, or someone tampers with them.",
                    ),
                )
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
        output.step(f"Downloaded {_last(url)} ({size / 1e6:.1f} MB, {time.monotonic() - started:.1f} s)")
        return file

    def read(
        self, url: str, *, limit: int = MOST_INDEX_BYTES, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """What the registry answers now, such as a list of versions; the answer is sent only when it has changed.

        Where it cannot be reached, with `BP_OFFLINE`: what it answered an earlier build. Raises `Problem`, `NotThere`.
        """
        kept = self._folder / "answers" / hashlib.sha256(url.encode()).hexdigest()
        tag = kept.with_suffix(".etag")
        self._used |= {kept, tag}
        known = kept.is_file()
        asked = dict(headers or {})
        if known and tag.is_file():
            asked["If-None-Match"] = tag.read_text()

        def save(answer: http.client.HTTPResponse) -> bytes:
            if answer.status == http.client.NOT_MODIFIED:
                return kept.read_bytes()
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(".partial")
            with partial.open("wb") as target:
                _copy(answer, target, limit, url)
            partial.rename(kept)
            _write_tag(tag, answer.headers.get("ETag", ""))
            return kept.read_bytes()

        will_do = self._offline and known
        try:
            return self._ask(url, asked, save, tries=1 if will_do else TRIES)
        except NotThere:
            raise
        except Problem:
            if not will_do:
                raise
            if _host(url) not in self._away:
                _say_away(_host(url))
            self._away.add(_host(url))
            return kept.read_bytes()

    def away(self, url: str) -> bool:
        """Whether this server could not be reached, and its answers to an earlier build were used."""
        return _host(url) in self._away

    def forget_unused(self) -> None:
        """Delete what nobody has asked for since this was opened."""
        for file in [*self._folder.glob("files/*"), *self._folder.glob("answers/*")]:
            if file not in self._used:
                file.unlink()

    def _ask(
        self,
        url: str,
        headers: dict[str, str],
        take: Callable[[http.client.HTTPResponse], _T],
        *,
        tries: int = TRIES,
    ) -> _T:
        """Whatever `take` makes of the answer; what may be better next time is tried again."""
        request = _request(url, headers)
        for left in range(tries - 1, -1, -1):
            try:
                with self._opener.open(request, timeout=SECONDS) as answer:
                    return take(answer)
            except urllib.error.HTTPError as exc:
                exc.close()
                if exc.code == http.client.NOT_MODIFIED:
                    return take(exc)  # type: ignore[arg-type]
                if not left or exc.code not in (408, 425, 429, 500, 502, 503, 504):
                    raise _refused(url, exc.code) from exc
            except (OSError, http.client.HTTPException) as exc:
                reason = getattr(exc, "reason", None) or exc
                if not left or isinstance(reason, ssl.SSLCertVerificationError):
                    raise _unreachable(url, reason, offline=self._offline) from exc
            time.sleep(self._pause * 2 ** (tries - 1 - left))
        raise AssertionError("the last try returns or raises")


@contextlib.contextmanager
def opened(context: BuildContext, layer: str = "downloads") -> Iterator[Downloads]:
    """The downloads of this buildpack, kept for the next build in a cache layer of this name.

    What the block has not asked for is deleted at its end.
    """
    kept = context.layers.tool_cache(layer)
    downloads = Downloads(
        kept.path, certificates=context.setting("SSL_CERT_FILE"), offline=context.flag(OFFLINE)
    )
    yield downloads
    downloads.forget_unused()


def reaches(context: BuildContext, url: str) -> bool:
    """Whether the server there answers. With `BP_OFFLINE` only: without it nobody asks. That it does not is said."""
    if not context.flag(OFFLINE):
        return True
    request = _request(url, {})
    request.method = "HEAD"
    try:
        with _opener(context.setting("SSL_CERT_FILE")).open(request, timeout=SECONDS):
            return True
    except urllib.error.HTTPError as exc:
        exc.close()
        # A proxy answers for a server that it does not reach.
        away = exc.code >= http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        away = True
    if away:
        _say_away(_host(url))
    return not away


def _say_away(host: str) -> None:
    output.warning(
        f"{host} cannot be reached, so newer versions cannot be looked up: what it answered an earlier build is used."
    )


def _opener(certificates: str) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=certificates or None)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirects())


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect away from HTTPS, and tells no other host what was meant for the first one."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme != "https" and (old.scheme == "https" or new.scheme != "http"):
            raise urllib.error.URLError(f"it redirects to {new.scheme}://{new.hostname}, which is not HTTPS")
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and (old.scheme, old.netloc) != (new.scheme, new.netloc):
            made.headers = {name: text for name, text in made.headers.items() if name.lower() in _HARMLESS}
        return made


_HARMLESS = ("user-agent", "accept")


def _request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Problem("An address cannot be used", f"{_shown(url)} is no https:// address.")
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", **headers}
    clean = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return urllib.request.Request(clean, headers={"User-Agent": "pybuild", **headers})


def _copy(answer: http.client.HTTPResponse, target: IO[bytes], limit: int, url: str) -> int:
    """Bytes written. A line every five seconds tells how far it is."""
    said = answer.headers.get("Content-Length", "")
    expected = int(said) if said.isdigit() else 0
    done, shown = 0, time.monotonic()
    while piece := answer.read(PIECE):
        done += len(piece)
        if max(done, expected) > limit:
            raise Problem(
                "A download is too large",
                f"{_shown(url)} has {max(done, expected)} bytes or more; {limit} are the most that are taken.",
            )
        target.write(piece)
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            output.step(
                f"  {_last(url)}: {done / 1e6:.0f}" + (f" of {expected / 1e6:.0f} MB" if expected else " MB")
            )
    if expected and done < expected:
        raise ConnectionError(f"it ended after {done} of {expected} bytes")
    return done


def _write_tag(file: Path, tag: str) -> None:
    if tag:
        file.write_text(tag)
    else:
        file.unlink(missing_ok=True)


def _refused(url: str, code: int) -> Problem:
    what = f"{_shown(url)}: the server answers with status {code}."
    if code in (404, 410):
        return NotThere(
            "There is no such file", what, steps=("Check the name and version that are asked for.",)
        )
    if code in (401, 403):
        return Problem(
            "A registry does not let the build in",
            what,
            steps=("Give the build the registry's credentials, as that registry's tool takes them.",),
        )
    return Problem("A registry answers with an error", what, steps=("Build again in a few minutes.",))


def _unreachable(url: str, reason: object, *, offline: bool) -> Problem:
    said = getattr(reason, "verify_message", "") or getattr(reason, "strerror", "") or str(reason)
    authority = "If your network has a certificate authority of its own, tell pybuild: PYBUILD_CA_CERTS=/path/to/ca.pem."
    proxy = "Check that the build can reach the host; set http_proxy and https_proxy if it needs a proxy."
    kept = f"To take what the registry answered an earlier build, set {OFFLINE}=true."
    if offline:
        kept = "No earlier build has kept this: build once with a network, and without --clear-cache."
    steps = (authority,) if isinstance(reason, ssl.SSLCertVerificationError) else (proxy, kept)
    return Problem(f"{_host(url)} cannot be reached", f"{_shown(url)}: {said}", steps=steps)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "The server"


def _shown(url: str) -> str:
    """Without what may be secret: user, password, query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _last(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2] or _host(url)
