"""Who we are to a registry: CNB_REGISTRY_AUTH first, then Docker's config.json and its helpers, else nobody.

Specification: platform.md, "Registry Authentication" (GEN-12, GEN-13); Docker's config.json and credential helpers.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild import gojson
from pybuild.errors import InvalidFile, InvalidInput
from pybuild.events import hide, warn
from pybuild.oci.reference import DOCKER_HUB
from pybuild.stores.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AUTH_VARIABLE = "CNB_REGISTRY_AUTH"
HELPER_SECONDS = 30
_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io"}
_MOST = 1 << 20
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOKEN_USER = "<token>"  # how a helper says that the secret is an identity token
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One way to show who we are; the first of `registry_token`, `identity_token`, `username` that is not empty counts.

    `registry_token`: sent as it is; `identity_token`: exchanged for tokens (OAuth 2 refresh token).
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header of the kind Basic; "" without a user name."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def hidden(self) -> Credential:
        """The same, all of whose secrets are never shown from now on."""
        for secret in (self.password, self.identity_token, self.registry_token, self.basic[6:]):
            hide(secret)
        return self


class Keychain:
    """Credentials by registry, each looked up once. `environ`: CNB_REGISTRY_AUTH, DOCKER_CONFIG, HOME, PATH."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lock = threading.Lock()
        self._found: dict[str, Credential | None] = {}
        self._given = _given(environ.get(AUTH_VARIABLE, ""))
        self._file: Mapping[str, Any] | None = None

    def settle(self, registries: Iterable[str]) -> None:
        """Look now for what will be asked for later: who gives up rights may not read config.json any more (GO-80)."""
        with self._lock:
            self._config()
        for registry in registries:
            self.credential(registry)

    def credential(self, registry: str) -> Credential | None:
        """What to show to `registry` (`host` or `host:port`); None to be anonymous.

        A helper that fails or hangs is warned of and counts as having nothing.
        """
        key = DOCKER_HUB if registry in _HUB_NAMES else registry
        with self._lock:
            if key not in self._found:
                found = self._given.get(key) or self._configured(key)
                self._found[key] = found.hidden() if found else None
            return self._found[key]

    def _configured(self, registry: str) -> Credential | None:
        config = self._config()
        helpers = _table(config.get("credHelpers"))
        helper = next((name for key, name in helpers.items() if _host(key) == registry), "")
        for name in (helper, config.get("credsStore")):
            if isinstance(name, str) and name:
                found = _ask_helper(name, registry, self._environ)
                if found is not None:
                    return found
        for key, entry in _table(config.get("auths")).items():
            if _host(key) == registry and (found := _entry(_table(entry), key)) is not None:
                return found
        return None

    def _config(self) -> Mapping[str, Any]:
        if self._file is None:
            self._file = _config(self._environ)
        return self._file


def _host(key: str) -> str:
    """The registry that a key of config.json means: `https://index.docker.io/v1/`, `ghcr.io`, `http://r:5000`."""
    host = re.sub(r"^https?://", "", key).partition("/")[0]
    return DOCKER_HUB if host in _HUB_NAMES else host


def _given(text: str) -> dict[str, Credential]:
    """CNB_REGISTRY_AUTH: a JSON object from registry to the value of an Authorization header (GO-80)."""
    if not text:
        return {}
    hide(text)
    try:
        table = gojson.loads(text, where=AUTH_VARIABLE, limit=_MOST)
    except InvalidFile as exc:
        raise _unusable("it is not JSON") from exc
    if not isinstance(table, dict):
        raise _unusable("it is no JSON object")
    return {_host(key): _from_header(value, key) for key, value in table.items()}


def _from_header(value: object, key: str) -> Credential:
    kind, _, rest = value.partition(" ") if isinstance(value, str) else ("", "", "")
    secret = rest.strip()
    match kind.lower() if secret else "":
        case "bearer":
            return Credential(registry_token=secret)
        case "x-identity":
            return Credential(identity_token=secret)
        case "basic":
            if (found := _decoded(secret)) is not None:
                return found
        case _:
            pass
    raise _unusable(f"the value for {key[:200]!r} is not 'Basic …', 'Bearer …' or 'X-Identity …'")


def _unusable(why: str) -> InvalidInput:
    return InvalidInput(
        f"the variable {AUTH_VARIABLE} cannot be used: {why}",
        hint=f"""export {AUTH_VARIABLE}='{{"registry.example.com": "Basic BASE64-OF-USER:PASSWORD"}}'""",
    )


def _decoded(text: str) -> Credential | None:
    """User name and password of their base64 form."""
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return Credential(username=user, password=password.rstrip("\0")) if colon and user else None


def _config(environ: Mapping[str, str]) -> Mapping[str, Any]:
    folder = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME") or "/", ".docker")  # noqa: PTH118
    # Behind links too: secrets are often mounted that way.
    path = (Path(folder) / "config.json").resolve()
    text = read_state(path, limit=_MOST)
    if text is None:
        if path.exists():
            warn(f"{path} cannot be read: registries are asked without credentials")
        return {}
    try:
        return _table(gojson.loads(text, where=str(path)))
    except InvalidFile as exc:
        # The docker command warns about a broken file and goes on without it, too.
        warn(f"registries are asked without credentials: {exc}", hint="docker login REGISTRY")
        return {}


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _entry(entry: Mapping[str, Any], key: str) -> Credential | None:
    words = {name: value for name, value in entry.items() if isinstance(value, str)}
    if words.get("registrytoken") or words.get("identitytoken"):
        return Credential(
            registry_token=words.get("registrytoken", ""), identity_token=words.get("identitytoken", "")
        )
    if words.get("auth"):
        hide(words["auth"])
        found = _decoded(words["auth"])
        if found is None:
            warn(
                f"the credentials for {key} in config.json are not base64 of user:password",
                hint=f"docker login {key}",
            )
        return found
    if words.get("username"):
        return Credential(username=words["username"], password=words.get("password", ""))
    return None


def _ask_helper(name: str, registry: str, environ: Mapping[str, str]) -> Credential | None:
    """What `docker-credential-NAME get` says; None when it has nothing for the registry, or fails."""
    if _HELPER_NAME.fullmatch(name) is None:
        warn(f"config.json names the credential helper {name[:80]!r}, which is no program's name")
        return None
    program = f"docker-credential-{name}"
    server = _HUB_KEY if registry == DOCKER_HUB else registry
    import subprocess  # 2 ms; few have helpers

    try:
        code, said = _run(program, server, environ)
    except OSError as exc:
        warn(f"the credential helper {program} cannot be run: {exc.strerror}", hint=f"install {program}")
        return None
    except subprocess.TimeoutExpired:
        warn(f"the credential helper {program} did not answer within {HELPER_SECONDS} seconds")
        return None
    if code != 0:
        if _NOT_FOUND not in said:
            warn(f"the credential helper {program} failed for {registry} with exit code {code}")
        return None
    try:
        answer = json.loads(said)
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        warn(f"the credential helper {program} answered for {registry} with something else than credentials")
        return None
    if not (isinstance(user, str) and isinstance(secret, str) and secret):
        return None
    return (
        Credential(identity_token=secret)
        if user == _TOKEN_USER
        else Credential(username=user, password=secret)
    )


def _run(program: str, server: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and the first MiB of standard output. Output goes to a file, so that no child of it holds us up."""
    import signal
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as asked:
        asked.write(server.encode())
        asked.seek(0)
        process = subprocess.Popen(
            [program, "get"],
            stdin=asked,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
        try:
            code = process.wait(HELPER_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        output.seek(0)
        return code, output.read(_MOST).decode(errors="replace")
