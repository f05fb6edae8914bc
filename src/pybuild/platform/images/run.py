"""An app image run here: one container with its ports, variables and bindings, which is gone when it has ended."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild import engine, events
from pybuild.errors import InvalidInput, PybuildError
from pybuild.platform import ownership
from pybuild.platform.images.image_facts import ImageFacts
from pybuild.platform.limits import Limits
from pybuild.stores.daemon import DaemonStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import docker

    from pybuild.oci.reference import Reference
    from pybuild.stores.api import StoredImage

BINDINGS_DIR = "/bindings"
DEFAULT_PORT = 8080
STOP_SECONDS = 10
"""How long an app may take to end in order."""

_LOCAL = "127.0.0.1"
_TRIED_PORTS = 20
_PORT = re.compile(r"(?:(?:([0-9.]+|\[[0-9a-fA-F:]+\]):)?([0-9]{1,5}):)?([0-9]{1,5})")
_PROCESS_DIR = "/cnb/process"
_ALREADY = "port is already allocated|address already in use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of the app (`inner`) and where it is reached; `outer` 0: wherever there is room."""

    inner: int
    outer: int = 0
    host: str = _LOCAL

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = "localhost" if self.host in (_LOCAL, "0.0.0.0") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.outer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run. `process` "": the image's default. `ports` (): one for an app that serves the web. `bindings`: name and
    folder of each. `volumes`: as for the engine.
    """

    image: Reference
    process: str = ""
    args: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    bindings: tuple[tuple[str, Path], ...] = ()
    volumes: tuple[str, ...] = ()
    network: str = ""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An app under way. `output`: what it writes, standard output and error apart, one of each pair None."""

    container: str
    ports: tuple[Port, ...]
    output: Iterator[tuple[bytes | None, bytes | None]]
    client: Any

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        with engine.translating("waiting for the app"):
            return int(self.client.wait(self.container)["StatusCode"])

    def stop(self) -> None:
        """Ask it to end, and make it after ten seconds."""
        with engine.translating("stopping the app"):
            self.client.stop(self.container, timeout=STOP_SECONDS)

    def tell_when_it_answers(self) -> None:
        """Say so, from another thread, as soon as a connection to the first port is kept open."""
        if self.ports:
            threading.Thread(target=_await_answer, args=(self.ports[0],), daemon=True).start()


def read_port(word: str) -> Port:
    """`[[HOST:]PORT:]PORT`, the last one the app's. Without HOST only this machine reaches it. Raises `InvalidInput`."""
    found = _PORT.fullmatch(word)
    numbers = [int(number) for number in found.groups()[1:] if number] if found else []
    if found is None or not all(0 < number < 1 << 16 for number in numbers):
        raise InvalidInput(f"--port {word!r} is not [[HOST:]PORT:]PORT", hint="--port 3000:8080")
    return Port(inner=int(found[3]), outer=int(found[2] or found[3]), host=(found[1] or _LOCAL).strip("[]"))


@contextmanager
def running(client: docker.APIClient, request: RunRequest) -> Iterator[Running]:
    """The app, started; its container is removed when the block ends, whatever became of it."""
    image = _image(client, request.image)
    process = _checked_process(ImageFacts.of(image, request.image.familiar, complete=False), request)
    wanted = request.ports or _usual_ports(image, process, request)
    env = {**request.env}
    if wanted and process == "web":
        env.setdefault("PORT", str(wanted[0].inner))
    if request.bindings:
        env.setdefault("SERVICE_BINDING_ROOT", BINDINGS_DIR)
    container, ports, output = _started(client, request, env, wanted)
    try:
        yield Running(container=container, ports=ports, output=output, client=client)
    finally:
        _remove(client, container)


def _image(client: docker.APIClient, name: Reference) -> StoredImage:
    found = DaemonStore(client).find(name)
    if found is None:
        raise InvalidInput(
            f"there is no image {name.familiar} in the Docker Engine",
            hint=f"build it: pybuild {name.familiar.removesuffix(':latest')}",
        )
    return found


def _checked_process(facts: ImageFacts, request: RunRequest) -> str:
    """The type of the process that will run; "" for an image that has none of that name and is asked for none."""
    if not request.process:
        return facts.default_process or ("web" if "web" in facts.processes else "")
    if request.process not in facts.processes:
        known = ", ".join(facts.processes) or "none"
        raise InvalidInput(
            f"{request.image.familiar} has no process {request.process!r}: it has {known}",
            hint=f"pybuild run {request.image.familiar.removesuffix(':latest')}",
        )
    return request.process


def _usual_ports(image: StoredImage, process: str, request: RunRequest) -> tuple[Port, ...]:
    """One for what serves the web; those that the image exposes, if it does."""
    config: Any = image.config.get("config") or {}
    exposed = [int(port.partition("/")[0]) for port in config.get("ExposedPorts") or () if "/udp" not in port]
    inner = request.env.get("PORT", "")
    if process == "web" or exposed:
        first = int(inner) if inner.isdigit() else (exposed or [DEFAULT_PORT])[0]
        return (Port(inner=first),)
    return ()


def _started(
    client: Any, request: RunRequest, env: Mapping[str, str], wanted: Sequence[Port]
) -> tuple[str, tuple[Port, ...], Iterator[tuple[bytes | None, bytes | None]]]:
    """Make the container and start it; where the user has not chosen a port that is taken, another one is tried."""
    for attempt in range(_TRIED_PORTS):
        ports = tuple(
            port if port.outer else Port(inner=port.inner, outer=_free(port.inner, attempt))
            for port in wanted
        )
        container = _made(client, request, env, ports)
        try:
            output = client.attach(container, stdout=True, stderr=True, stream=True, demux=True)
            with engine.translating("starting the app"):
                client.start(container)
        except PybuildError as exc:
            _remove(client, container)
            if not re.search(_ALREADY, str(exc)):
                raise
            if all(port.outer for port in wanted):
                taken = ", ".join(f"{port.host}:{port.outer}" for port in ports)
                raise InvalidInput(
                    f"the port {taken} is taken by another program",
                    hint=f"--port {ports[0].outer + 1}:{ports[0].inner}",
                ) from exc
        except BaseException:
            _remove(client, container)
            raise
        else:
            return container, ports, output
    raise PybuildError(f"no free port was found in {_TRIED_PORTS} attempts", hint="--port 12345:8080")


def _made(client: Any, request: RunRequest, env: Mapping[str, str], ports: Sequence[Port]) -> str:
    options: dict[str, Any] = {
        "port_bindings": {port.inner: (port.host, port.outer) for port in ports},
        "binds": [
            *(f"{folder}:{BINDINGS_DIR}/{name}:ro" for name, folder in request.bindings),
            *request.volumes,
        ],
        "network_mode": request.network or None,
        "mem_limit": request.limits.memory or None,
        "nano_cpus": round(request.limits.cpus * 1e9) or None,
        "pids_limit": request.limits.processes or None,
        "init": False,
    }
    with engine.translating("creating the app's container"):
        made = client.create_container(
            request.image.familiar,
            entrypoint=[f"{_PROCESS_DIR}/{request.process}"] if request.process else None,
            command=list(request.args) or None,
            environment=dict(env),
            ports=[port.inner for port in ports],
            labels=ownership.labels("run", image=request.image.familiar, builder=""),
            host_config=client.create_host_config(
                **{name: value for name, value in options.items() if value is not None}
            ),
        )
    return str(made["Id"])


def _remove(client: Any, container: str) -> None:
    try:
        with engine.translating("removing the app's container"):
            client.remove_container(container, force=True, v=True)
    except engine.NotFound:
        return
    except PybuildError as exc:
        events.warn(
            f"the container {container[:12]} may be left: {exc}", hint=f"docker rm -f {container[:12]}"
        )


def _free(wanted: int, attempt: int) -> int:
    """A port of this machine that nobody listens at now, the app's own number if that may be."""
    first = wanted + attempt if wanted >= 1024 else DEFAULT_PORT + attempt
    for number in (*range(first, min(first + _TRIED_PORTS, 1 << 16)), 0):
        with socket.socket() as trial, suppress(OSError):
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((_LOCAL, number))
            found: int = trial.getsockname()[1]
            return found
    return 0


def _await_answer(port: Port, *, seconds: float = 120) -> None:
    """Engines take a connection before the app does, and hang up when they find that nobody is there yet."""
    until = time.monotonic() + seconds
    host = _LOCAL if port.host == "0.0.0.0" else port.host
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((host, port.outer), timeout=1) as connection:
            connection.settimeout(0.3)
            try:
                open_still = bool(connection.recv(1))
            except TimeoutError:
                open_still = True
            if open_still:
                events.info(f"{port.url} answers")
                return
        time.sleep(0.1)
