"""What a registry wants to see before it lets us in: its challenge read, and tokens got, kept and renewed.

Specification: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication"; RFC 7235.
"""

from __future__ import annotations

import ipaddress
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode, urlsplit

from pybuild import gojson
from pybuild.errors import InvalidFile, RegistryDenied, RegistryError
from pybuild.events import hide, warn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.stores.keychain import Credential

_PARAMETER = re.compile(r'(?<![A-Za-z_])([A-Za-z_]++)\s*+=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_LIMIT = 1 << 20
_LEAST_SECONDS = 60
"""How long a token without `expires_in` lasts, and the least of what the specification allows."""
_MARGIN = 0.9
_CLIENT = "pybuild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A `WWW-Authenticate` header. `kind`: "basic" or "bearer"; the others only for the latter."""

    kind: str
    realm: str = ""
    service: str = ""
    scope: str = ""

    @classmethod
    def read(cls, header: str) -> Challenge | None:
        """The challenge that we can answer; None when there is none."""
        for kind in ("bearer", "basic"):
            found = re.search(rf"(?:^|,)\s*{kind}(?:\s|$)", header, re.IGNORECASE)
            if found:
                values = {
                    m[1].lower(): m[2] or m[3] or "" for m in _PARAMETER.finditer(header[found.end() :])
                }
                return cls(
                    kind=kind,
                    realm=values.get("realm", ""),
                    service=values.get("service", ""),
                    scope=values.get("scope", ""),
                )
        return None


class Asking(Protocol):
    """Asks a token server; the part of the transport that tokens need."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, /) -> bytes:
        """The answer's body; raises for any status but 200."""
        ...


@dataclass(slots=True)
class Tokens:
    """The `Authorization` header for each set of scopes. `origin`: the registry's own URL."""

    origin: str
    credential: Credential | None
    _challenge: Challenge | None = None
    _kept: dict[tuple[str, ...], tuple[str, float]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def header(self, scopes: Sequence[str], ask: Asking) -> str:
        """What to send now; "" as long as the registry did not ask for anything."""
        with self._lock:
            challenge = self._challenge
            if challenge is None:
                return ""
            if self.credential is not None and self.credential.registry_token:
                return f"Bearer {self.credential.registry_token}"
            if challenge.kind == "basic":
                return self.credential.basic if self.credential else ""
            token, until = self._kept.get(tuple(scopes), ("", 0.0))
            if not token or time.monotonic() >= until:
                token, until = self._fetch(challenge, scopes, ask)
                self._kept[tuple(scopes)] = (token, until)
            return f"Bearer {token}"

    def refused(self, header: str, challenge: Challenge, scopes: Sequence[str], ask: Asking) -> bool:
        """The registry answered 401 to `header`: whether there is something else to try now."""
        with self._lock:
            first = self._challenge is None
            self._challenge = challenge
            token, _ = self._kept.get(tuple(scopes), ("", 0.0))
            # Another thread may have renewed it in the meantime.
            if token and header == f"Bearer {token}":
                del self._kept[tuple(scopes)]
            new = self.header(scopes, ask)
            return bool(new) and (first or new != header)

    def _fetch(self, challenge: Challenge, scopes: Sequence[str], ask: Asking) -> tuple[str, float]:
        realm = _checked_realm(challenge.realm, self.origin)
        wanted = list(dict.fromkeys([*scopes, *challenge.scope.split()])) if not scopes else list(scopes)
        credential = self.credential
        if credential is not None and not may_show(self.origin, realm):
            warn(
                f"{self.origin} sends us to {realm} for a token: credentials are not shown there",
                hint="a token server must share the registry's domain",
            )
            credential = None
        began = time.monotonic()
        fields = [("service", challenge.service)] if challenge.service else []
        if credential is not None and credential.identity_token:
            form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", credential.identity_token),
                ("client_id", _CLIENT),
                *fields,
                ("scope", " ".join(wanted)),
            ]
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = ask("POST", realm, kind, urlencode(form).encode())
        else:
            query = urlencode([*fields, *(("scope", scope) for scope in wanted)])
            url = f"{realm}{'&' if urlsplit(realm).query else '?'}{query}" if query else realm
            basic = credential.basic if credential else ""
            answer = ask("GET", url, {"Authorization": basic} if basic else {}, None)
        return _token(answer, realm, began)


def may_show(origin: str, realm: str) -> bool:
    """Whether a token server may see the registry's credentials: the same host, or a shared domain of two labels."""
    ours, theirs = (urlsplit(url).hostname or "" for url in (origin, realm))
    if ours == theirs:
        return True
    if _is_address(ours) or _is_address(theirs):
        return False
    mine, its = ours.split(".")[::-1], theirs.split(".")[::-1]
    return len(mine) > 1 and mine[:2] == its[:2]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _checked_realm(realm: str, origin: str) -> str:
    try:
        parts = urlsplit(realm)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
        raise RegistryError(
            f"{origin} names {realm[:200]!r} as the place to get a token, which is no such place"
        )
    if parts.scheme == "http" and origin.startswith("https:"):
        raise RegistryError(f"{origin} wants us to get a token without TLS, from {realm[:200]!r}")
    return realm


def _token(answer: bytes, realm: str, began: float) -> tuple[str, float]:
    try:
        table = gojson.loads(answer, where=f"the answer of {realm[:200]}", limit=_LIMIT)
    except InvalidFile as exc:
        raise RegistryError(str(exc)) from exc
    found = table if isinstance(table, dict) else {}
    token = found.get("token") or found.get("access_token")
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise RegistryDenied(f"{realm} gave no token", hint="docker login REGISTRY")
    hide(token)
    seconds = found.get("expires_in")
    # Counted from when we asked, by our own clock: `issued_at` is of a clock that may be wrong (F-10).
    lasts = seconds if isinstance(seconds, int) and seconds > 0 else _LEAST_SECONDS
    return token, began + lasts * _MARGIN
