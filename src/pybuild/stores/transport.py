"""HTTP as a registry needs it: credentials for it alone, everything bounded, every wait limited, single faults survived.

`urllib3` is imported inside functions: that takes 0.1 s, which only builds that publish should pay.

Specification: OCI distribution-spec; RFC 9110. Promises: reliability G2, G3, G6, G8; F-07 to F-12, S-40 to S-43.
"""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from pybuild import __version__
from pybuild.errors import PybuildError, RegistryDenied, RegistryError
from pybuild.events import redact
from pybuild.oci.reference import DOCKER_HUB
from pybuild.stores.connections import Connections, speaks_tls
from pybuild.stores.exchange import (
    Answer,
    Broken,
    Content,
    Found,
    NoTls,
    Passing,
    Patience,
    Refused,
    Tries,
    in_time,
    retry_after,
    translated,
)
from pybuild.stores.image_manifest import MAX_MANIFEST
from pybuild.stores.tokens import Challenge, Tokens
from pybuild.stores.trust import trust_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pybuild.stores.keychain import Keychain

HUB_HOST = "registry-1.docker.io"
_MAX_TOKEN = 1 << 20
_MOST_HOPS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that may be gone at the next try, whatever the body says (F-07, F-08)."""
_ABROAD = {"accept", "range", "user-agent", "content-type", "content-length"}
"""What may go to another host; the last two only speak of a body."""


@dataclass(slots=True)
class Transport:
    """The way to one registry (`host` or `host:port`). May be used by several threads.

    `insecure`: its certificate is not checked, and without TLS it is spoken to plainly. Loopback addresses may be
    spoken to plainly in any case: nothing leaves this machine. `stop` set: waits end, nothing is tried again.
    """

    registry: str
    keychain: Keychain
    environ: Mapping[str, str]
    insecure: bool = False
    patience: Patience = field(default_factory=Patience)
    stop: threading.Event = field(default_factory=threading.Event)
    _tokens: Tokens | None = None
    _connections: Connections = field(default_factory=Connections)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def ask(
        self,
        method: str,
        path: str,
        *,
        scopes: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | Content | None = None,
        expect: Collection[int] = (200,),
        limit: int = MAX_MANIFEST,
        retry: bool = True,
    ) -> Answer:
        """Send one request and read its answer, `limit` bytes at most. `path`: below the registry, or a whole URL.

        Any status but those in `expect` raises: `Broken` after the last try for what may pass, `RegistryDenied` for
        401 and 403, else `RegistryError`. Without `retry` the first fault is the last.
        """
        tries = Tries(self.patience, self.stop)
        while True:
            try:
                with self._exchange(method, path, scopes, headers or {}, body, expect) as found:
                    return found.whole(limit)
            except Broken as exc:
                if not retry:
                    raise
                tries.again(exc)

    def stream(
        self, path: str, *, scopes: Sequence[str], headers: Mapping[str, str], expect: Collection[int]
    ) -> Found:
        """A GET whose body is read piece by piece, with nothing tried again once the body has begun."""
        return self._exchange("GET", path, scopes, headers, None, expect)

    def close(self) -> None:
        """End all connections."""
        self.stop.set()
        self._connections.close()

    @property
    def origin(self) -> str:
        """Scheme and host; asks the registry, the first time, whether it speaks TLS."""
        return self._ready().origin

    def _ready(self) -> Tokens:
        with self._lock:
            if self._tokens is None:
                self._tokens = self._greet()
            return self._tokens

    def _greet(self) -> Tokens:
        """Find out how the registry wants to be spoken to: GET /v2/, with TLS, and without it only where that is allowed."""
        host = HUB_HOST if self.registry == DOCKER_HUB else self.registry
        credential = self.keychain.credential(self.registry)
        plain = self.insecure or _is_loopback(host)
        tries = Tries(self.patience, self.stop)
        near = _is_loopback(host) and not self.insecure
        while not near or speaks_tls(host, self.patience.connect):
            try:
                return self._greeted(f"https://{host}", credential)
            except Broken as exc:
                if plain and not isinstance(exc, Passing):
                    break
                if isinstance(exc, NoTls):
                    raise exc.final() from exc
                tries.made += not isinstance(
                    exc, Passing
                )  # who is not there now is seldom there a moment later
                tries.again(exc)
        while True:
            try:
                return self._greeted(f"http://{host}", credential)
            except Broken as exc:
                tries.again(exc)

    def _greeted(self, origin: str, credential: Any) -> Tokens:
        tokens = Tokens(origin, credential)
        with self._send("GET", f"{origin}/v2/", {}, None) as found:
            if found.status in _PASSING:
                raise self._fault(found, "GET /v2/")
            if found.status == 401 and (
                challenge := Challenge.read(found.headers.get("www-authenticate", ""))
            ):
                tokens._challenge = challenge  # noqa: SLF001 - it is being made here
            found.whole(MAX_MANIFEST)
        return tokens

    def _exchange(
        self,
        method: str,
        path: str,
        scopes: Sequence[str],
        headers: Mapping[str, str],
        body: bytes | Content | None,
        expect: Collection[int],
    ) -> Found:
        """The answer to one request, its body unread; credentials are renewed when they are refused."""
        tokens = self._ready()
        url = urljoin(f"{tokens.origin}/", path)
        what = f"{method} {urlsplit(url).path}"
        for attempt in range(3):
            shown = tokens.header(scopes, self._ask_for_token)
            found = self._follow(method, url, headers, body, shown)
            if found.status in expect:
                return found
            with found:
                challenge = Challenge.read(found.headers.get("www-authenticate", ""))
                if (
                    found.status == 401
                    and attempt < 2
                    and challenge is not None
                    and _origin(found.url) == tokens.origin
                    and tokens.refused(shown, challenge, scopes, self._ask_for_token)
                ):
                    continue
                raise self._fault(found, what)
        raise AssertionError("the last attempt returns or raises")

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Content | None, shown: str
    ) -> Found:
        """Send, and go where the registry sends us; our credentials go to the registry alone (S-40)."""
        origin = self._ready().origin
        for _ in range(_MOST_HOPS + 1):
            found = self._send(method, url, self._headers_for(url, origin, headers, shown), body)
            location = found.headers.get("location", "")
            if found.status not in _REDIRECTS or not location:
                return found
            found.close()
            if method not in ("GET", "HEAD") and found.status not in (307, 308):
                raise RegistryError(f"{self.registry} redirects a {method} with status {found.status}")
            url = self.checked(url, location)
        raise RegistryError(f"{self.registry} redirects more than {_MOST_HOPS} times")

    def checked(self, here: str, location: str) -> str:
        """Where `location` leads from `here`, if we may go there on the registry's word.

        No downgrade to plain HTTP, no way into private networks.
        """
        origin = self._ready().origin
        try:
            url = urljoin(here, location)
            parts = urlsplit(url)
        except ValueError as exc:
            raise RegistryError(
                f"{self.registry} sends us to {redact(location)[:200]!r}, which is no address"
            ) from exc
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise RegistryError(f"{self.registry} sends us to {redact(url)[:200]!r}, which is no address")
        if parts.scheme == "http" and origin.startswith("https:"):
            raise RegistryError(f"{self.registry} sends us from https to {redact(url)[:200]!r}")
        if _is_private(host) and not (_is_private(urlsplit(origin).hostname or "") or _origin(url) == origin):
            raise RegistryError(f"{self.registry} sends us to {host}, an address of a private network")
        return url

    def _headers_for(self, url: str, origin: str, headers: Mapping[str, str], shown: str) -> dict[str, str]:
        ours = {**headers, "Authorization": shown} if shown else dict(headers)
        if _origin(url) != origin:
            ours = {name: value for name, value in ours.items() if name.lower() in _ABROAD}
        return ours

    def _ask_for_token(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, /
    ) -> bytes:
        tries = Tries(self.patience, self.stop)
        while True:
            try:
                with self._send(method, url, headers, body) as found:
                    if found.status != 200:
                        raise self._fault(found, f"a token of {_origin(url)}")
                    return found.whole(_MAX_TOKEN).body
            except Broken as exc:
                tries.again(exc)

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Content | None,
    ) -> Found:
        """One request, nothing followed or tried again: its answer with the body unread."""
        sent = {"User-Agent": f"pybuild/{__version__}", **headers}
        left = threading.Event()
        if isinstance(body, Content) or (body is None and method in ("POST", "PUT", "PATCH")):
            sent["Content-Length"] = str(len(body or b""))
        data = body.until(left) if isinstance(body, Content) else body
        seconds = self.patience.for_size(len(body) if body is not None else 0)
        asked = urlsplit(url)
        what = f"{method} {asked.path} at {'http://' if asked.scheme == 'http' else ''}{asked.netloc}"
        trust = trust_for(asked.netloc, self.environ)
        if self.insecure and asked.hostname == urlsplit(f"//{self.registry}").hostname:
            trust = replace(trust, checked=False)

        def deliver() -> Any:
            import urllib3

            try:
                return self._connections.send(method, url, sent, data, trust, self.patience)
            except (urllib3.exceptions.HTTPError, OSError) as exc:
                raise translated(exc, url, what) from exc

        return Found(in_time(deliver, seconds, what, left), method, url, what, self.patience)

    def _fault(self, found: Found, what: str) -> PybuildError:
        said = found.complaint()
        message = f"{self.registry} answered {what} with status {found.status}{f': {said}' if said else ''}"
        if found.status in _PASSING:
            return Passing(message, after=retry_after(found.headers.get("retry-after", "")))
        if found.status in (401, 403):
            return RegistryDenied(message, hint=f"docker login {self.registry}")
        return Refused(message, status=found.status)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return not address.is_global
