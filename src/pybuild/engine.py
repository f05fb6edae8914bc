"""The one door to the Docker Engine: finds it as the docker command does, and puts its errors in our words.

Nothing else imports `docker`, and this module only does so inside functions: the import costs 0.2 s.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild.errors import (
    DiskFull,
    EngineDenied,
    EngineUnavailable,
    InvalidFile,
    InvalidInput,
    PybuildError,
    causes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

DEFAULT_SOCKET = "/var/run/docker.sock"
GREETING_SECONDS = 20
REQUEST_SECONDS = 300
"""Longest silence in one request; the engine may be busy unpacking layers for that long."""

START_HINT = "start it with: sudo systemctl start docker (or set DOCKER_HOST to the engine you want)"
GROUP_HINT = "join the docker group: sudo usermod -aG docker $USER, then log in again"


class NotFound(PybuildError):
    """The engine has no such image, container or volume."""


class Conflict(PybuildError):
    """The name is taken, or the object is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an engine listens. `ca`, `cert`, `key`: files for TLS, "" for none; `verify` its certificate."""

    host: str
    tls: bool = False
    verify: bool = True
    ca: str = ""
    cert: str = ""
    key: str = ""


def find_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """The engine that the docker command would use: DOCKER_HOST, DOCKER_CONTEXT, the current context, a socket.

    Without any of them the first socket that we may use counts: Docker's, rootless Docker's, Docker
    Desktop's, Podman's.
    """
    config = _config_folder(environ)
    if host := environ.get("DOCKER_HOST", ""):
        return _endpoint_of_variables(host, environ, config)
    context = environ.get("DOCKER_CONTEXT", "") or _current_context(config)
    if context not in ("", "default"):
        return _endpoint_of_context(context, config)
    return Endpoint(host=f"unix://{_usable_socket(environ)}")


def _config_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or "/") / ".docker")


def connect(
    environ: Mapping[str, str] | None = None, *, opener: Callable[[], socket.socket] | None = None
) -> docker.APIClient:
    """A client that has spoken with the engine once, in the newest API version that both know.

    `opener`: gives every connection, for who may not open the engine's socket any more. Raises `EngineDenied` or
    `EngineUnavailable` with a hint; within 20 s when nothing answers.
    """
    endpoint = find_endpoint(os.environ if environ is None else environ)
    if endpoint.host.startswith("ssh://"):
        raise EngineUnavailable(
            f"the Docker Engine at {endpoint.host} is reached by ssh, which pybuild does not speak",
            hint=f"forward its socket: ssh -nNT -L /tmp/docker.sock:{DEFAULT_SOCKET} {endpoint.host[6:]} &"
            " export DOCKER_HOST=unix:///tmp/docker.sock",
        )
    if opener is None:
        knock(endpoint.host)
    import docker.constants
    import docker.errors

    try:
        client = docker.APIClient(
            base_url=endpoint.host,
            tls=_tls_of(endpoint),
            version="auto" if opener is None else docker.constants.MINIMUM_DOCKER_API_VERSION,
            timeout=GREETING_SECONDS,
        )
        if opener is not None:
            _connect_through(client, opener)
    except (docker.errors.DockerException, OSError, ValueError, TypeError) as exc:
        if _raised_in(exc, "docker.auth"):
            raise InvalidFile(
                f"{_config_folder(os.environ) / 'config.json'} has a login that cannot be read: {_reason(exc)}",
                hint="make it anew: docker logout REGISTRY, then docker login REGISTRY",
            ) from exc
        raise _unreachable(exc, endpoint.host) from exc
    client.timeout = REQUEST_SECONDS
    return client


def knock(host: str) -> None:
    """Connect to an engine's socket file once: the common errors come before the long import, and the SDK leaks there.

    Raises as `connect` does. Does nothing for a `host` of another kind.
    """
    path = host.removeprefix("unix://")
    if path != host:
        try:
            open_socket(path).close()
        except OSError as exc:
            raise _unreachable(exc, host) from exc


def open_socket(path: str) -> socket.socket:
    """A connection to a socket file."""
    opened = socket.socket(socket.AF_UNIX)
    try:
        opened.settimeout(GREETING_SECONDS)
        opened.connect(path)
    except BaseException:
        opened.close()
        raise
    return opened


def _raised_in(exc: BaseException, module: str) -> bool:
    """Whether an error came out of a function of this module."""
    trace = exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == module:
            return True
        trace = trace.tb_next
    return False


def _connect_through(client: Any, opener: Callable[[], socket.socket]) -> None:
    """Have `client` send its requests over connections that `opener` gives, and ask which version the engine speaks."""
    from docker.transport import unixconn

    class Connection(unixconn.UnixHTTPConnection):
        def connect(self) -> None:
            connection = opener()
            connection.settimeout(self.timeout)
            self.sock = connection

    class Pool(unixconn.UnixHTTPConnectionPool):
        def _new_conn(self) -> Any:
            timeout: Any = self.timeout
            return Connection(self.base_url, self.socket_path, timeout)

    class Adapter(unixconn.UnixHTTPAdapter):
        def get_connection(self, url: Any, proxies: Any = None) -> Pool:  # noqa: ARG002 - the SDK's signature
            with self.pools.lock:
                if self.pools.get(url) is None:
                    self.pools[url] = Pool(url, self.socket_path, self.timeout, maxsize=self.max_pool_size)
                pool: Pool = self.pools[url]
            return pool

    client.get_adapter(client.base_url).close()
    client._custom_adapter = Adapter("http+unix:///", timeout=REQUEST_SECONDS)  # noqa: SLF001 - no other way in
    client.mount("http+docker://", client._custom_adapter)  # noqa: SLF001
    client._version = client._retrieve_server_version()  # noqa: SLF001


@contextmanager
def translating(doing: str) -> Iterator[None]:
    """Let every error of the engine or the way to it leave the block as a `PybuildError`.

    `doing` completes "lost connection to the Docker Engine during …". Errors that are neither pass unchanged.
    """
    try:
        yield
    except Exception as exc:
        failure = translate(exc, doing)
        if failure is exc:
            raise
        raise failure from exc


def translate(exc: Exception, doing: str) -> Exception:
    """What an exception from the Docker SDK, requests or urllib3 means; `exc` itself when it is not theirs."""
    if isinstance(exc, PybuildError):
        return exc
    import docker.errors
    import requests
    import urllib3

    if isinstance(exc, docker.errors.APIError | requests.HTTPError) and exc.response is not None:
        return _translate_answer(exc.response, doing)
    if _find(exc, OSError, lambda cause: cause.errno == errno.ENOSPC):
        return DiskFull(
            f"no space left on this machine during {doing}", hint="free some space, then try again"
        )
    theirs = (
        docker.errors.DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        ConnectionError,
        TimeoutError,
        json.JSONDecodeError,
    )
    if not isinstance(exc, theirs):
        return exc
    return EngineUnavailable(
        f"lost connection to the Docker Engine during {doing}: {_reason(exc)}",
        hint="see whether it still runs: docker info; then build again",
    )


def _translate_answer(answer: Any, doing: str) -> PybuildError:
    try:
        said = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        said = str(answer.text or answer.reason)
    said = " ".join(said[:2000].split())[:1000]
    if "no space left on device" in said:
        return DiskFull(
            f"the Docker Engine has no space left on its disk during {doing}", hint="docker system prune"
        )
    kind = {404: NotFound, 409: Conflict}.get(answer.status_code, PybuildError)
    if answer.status_code == 500:
        # Podman's way to say the same, the latter of what is removed while it looks.
        words = {"name is already in use": Conflict, "no such container": NotFound}
        kind = next((each for word, each in words.items() if word in said), kind)
    return kind(
        f"the Docker Engine refused {doing}: {said}",
        hint="see whether it is well: pybuild doctor; its own log: journalctl -u docker",
    )


def _unreachable(exc: Exception, host: str) -> PybuildError:
    if _find(exc, PermissionError, lambda _: True):
        return EngineDenied(f"this user may not use the Docker Engine at {host}", hint=GROUP_HINT)
    if _find(exc, FileNotFoundError, lambda _: True):
        return EngineUnavailable(f"there is no Docker Engine at {host}", hint=START_HINT)
    if _find(exc, ConnectionRefusedError, lambda _: True):
        return EngineUnavailable(f"no Docker Engine listens at {host}", hint=START_HINT)
    if _find(exc, TimeoutError, lambda _: True) or "timed out" in str(exc).lower():
        return EngineUnavailable(
            f"the Docker Engine at {host} did not answer within {GREETING_SECONDS} seconds",
            hint="sudo systemctl restart docker",
        )
    return EngineUnavailable(
        f"what listens at {host} does not answer as a Docker Engine: {_reason(exc)}",
        hint="check DOCKER_HOST, DOCKER_CONTEXT and DOCKER_TLS_VERIFY",
    )


def _find(exc: BaseException, kind: type[Any], holds: Any) -> bool:
    return any(isinstance(cause, kind) and holds(cause) for cause in causes(exc))


def _reason(exc: BaseException) -> str:
    deepest = exc
    for cause in causes(exc):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        deepest = cause
    return " ".join(str(deepest).split())[:300] or type(deepest).__name__


def _tls_of(endpoint: Endpoint) -> Any:
    if not endpoint.tls:
        return False
    from docker.tls import TLSConfig

    return TLSConfig(
        client_cert=(endpoint.cert, endpoint.key) if endpoint.cert and endpoint.key else None,
        ca_cert=endpoint.ca or None,
        verify=endpoint.verify,
    )


def _endpoint_of_variables(host: str, environ: Mapping[str, str], config: Path) -> Endpoint:
    verify = bool(environ.get("DOCKER_TLS_VERIFY", ""))
    if not verify and not environ.get("DOCKER_CERT_PATH", ""):
        return Endpoint(host=host)
    folder = Path(environ.get("DOCKER_CERT_PATH") or config)
    return Endpoint(host=host, tls=True, verify=verify, **_certificates(folder))


def _certificates(folder: Path) -> dict[str, str]:
    files = {"ca": folder / "ca.pem", "cert": folder / "cert.pem", "key": folder / "key.pem"}
    return {name: str(path) for name, path in files.items() if path.is_file()}


def _current_context(config: Path) -> str:
    try:
        text = (config / "config.json").read_text(encoding="utf-8")
        found = json.loads(text).get("currentContext", "")
    except (OSError, ValueError, AttributeError, RecursionError):
        # The docker command warns about a broken config.json and goes on without it.
        return ""
    return found if isinstance(found, str) else ""


def _endpoint_of_context(name: str, config: Path) -> Endpoint:
    """The `docker` endpoint of a context: contexts/meta/SHA-256 of its name/meta.json and its TLS files."""
    key = hashlib.sha256(name.encode()).hexdigest()
    file = config / "contexts" / "meta" / key / "meta.json"
    try:
        docker_endpoint = json.loads(file.read_text(encoding="utf-8"))["Endpoints"]["docker"]
        host = docker_endpoint["Host"]
        verify = not docker_endpoint.get("SkipTLSVerify", False)
    except FileNotFoundError as exc:
        raise InvalidInput(
            f"there is no Docker context {name!r}", hint="docker context ls; docker context use default"
        ) from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise InvalidFile(
            f"{file}: expected a Docker context with Endpoints.docker.Host",
            hint=f"docker context inspect {name}",
        ) from exc
    certificates = _certificates(config / "contexts" / "tls" / key / "docker")
    tls = bool(certificates) or (str(host).startswith("tcp://") and str(host).endswith(":2376"))
    return Endpoint(host=str(host), tls=tls, verify=verify, **certificates)


def _usable_socket(environ: Mapping[str, str]) -> str:
    runtime = environ.get("XDG_RUNTIME_DIR", "") or f"/run/user/{os.getuid()}"
    home = environ.get("HOME", "") or "/"
    candidates = (
        DEFAULT_SOCKET,
        f"{runtime}/docker.sock",
        f"{home}/.docker/run/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    )
    present = [path for path in candidates if _is_socket(path)]
    usable = [path for path in present if os.access(path, os.R_OK | os.W_OK)]
    return (usable or present or [DEFAULT_SOCKET])[0]


def _is_socket(path: str) -> bool:
    try:
        return Path(path).is_socket()
    except OSError:
        return False
