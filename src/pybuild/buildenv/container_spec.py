"""What a build container is made of, and its making: no capability, no socket, nothing that outlives us.

Specification: platform.md, "Build Environment".
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pybuild import engine, events
from pybuild.buildenv import pipe, wire
from pybuild.buildenv.session import LOOP
from pybuild.errors import PybuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import docker

    from pybuild.buildenv.pipe import Pipe


SWEPT = "the next build removes it"
"""What becomes of a container that an engine was too slow to remove."""
HURRY_SECONDS = 1.5
"""So long the engine may take to remove a container after a signal: Ctrl-C returns within two seconds."""

# Of the variables of the image, and of proxies, programs get those that are for them, and no other: `scripts.run`.
_BARE = (
    'exec env -i HOME="${HOME-}" LC_ALL=C PATH="${PATH:-/usr/bin:/bin}"'
    ' ${LD_LIBRARY_PATH+LD_LIBRARY_PATH="$LD_LIBRARY_PATH"} /bin/sh -c "$0"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """What a build container is made of.

    `binds`: "volume or host path:path[:ro]". `tmpfs`: mount options by path. `network`: "" for the engine's default.
    `mounts`: files and folders of this machine to be read there, by path, if the engine is on it: see `mounted`.
    `memory`: bytes, `cpus`: number of them, `processes`: most at a time; 0 for no limit.
    `host_users`: the machine's user namespace, whatever the engine gives to containers.
    """

    image: str
    uid: int
    gid: int
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[str, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    network: str = ""
    memory: int = 0
    cpus: float = 0
    processes: int = 0
    host_users: bool = False


def make_container(client: docker.APIClient, spec: ContainerSpec, direct: Pipe | None) -> str:
    """The new container's id. Asked for in another thread, so that a signal cannot come between question and answer.

    The engine would make the container all the same, and nobody know of it.
    """
    made: list[str] = []
    failed: list[BaseException] = []
    ended = threading.Event()

    def make() -> None:
        try:
            made.append(_create(client, spec, direct))
        except BaseException as exc:  # noqa: BLE001 - it is raised by who waits for the end
            failed.append(exc)
        finally:
            ended.set()

    maker = threading.Thread(target=make, name="create-container", daemon=True)
    try:
        # Here already: `start` returns when the thread runs, which may be after it has asked.
        maker.start()
        # Not the thread's own `join`: once a signal has interrupted that, it believes that the thread has ended.
        ended.wait()
    except BaseException:
        if not ended.wait(HURRY_SECONDS):
            events.warn("the build container may be left: the engine is still making it", hint=SWEPT)
        for container in made:
            try:
                wire.remove(client, container, seconds=HURRY_SECONDS)
            except PybuildError as failure:
                events.warn(f"the build container {container[:12]} may be left: {failure}", hint=SWEPT)
        raise
    if failed:
        raise failed[0]
    return made[0]


def _create(client: docker.APIClient, spec: ContainerSpec, direct: Pipe | None) -> str:
    with engine.translating("creating the build container"):
        made = client.create_container(
            spec.image,
            name=spec.name or None,
            # The image's own program, directory and health checks have no part in a build.
            entrypoint=["/bin/sh", "-c", _BARE, LOOP],
            command=[],
            working_dir="/",
            healthcheck={"test": ["NONE"]},
            stdin_open=True,
            # Nothing in it wants to say goodbye: an engine that stops, or podman removing it, need not wait ten seconds.
            stop_signal="SIGKILL",
            user=f"{spec.uid}:{spec.gid}",
            labels=dict(spec.labels),
            host_config=_host_config(client, spec, direct),
            use_config_proxy=False,
        )
    return str(made["Id"])


def _host_config(client: docker.APIClient, spec: ContainerSpec, direct: Pipe | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        # With the end of its input the container ends, and with that it is gone: also after kill -9 of us.
        "auto_remove": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "network_mode": spec.network or None,
        "binds": list(spec.binds),
        "mounts": _mounts(direct, spec) if direct else None,
        "tmpfs": dict(spec.tmpfs),
        # What buildpacks write is ours to show; the engine would keep all of it in a file.
        "log_config": {"type": "none", "config": {}},
        "mem_limit": spec.memory or None,
        "nano_cpus": round(spec.cpus * 1e9) or None,
        "pids_limit": spec.processes or None,
        "userns_mode": "host" if spec.host_users else None,
    }
    return client.create_host_config(**{name: value for name, value in options.items() if value is not None})


def _mounts(direct: Pipe, spec: ContainerSpec) -> list[dict[str, Any]]:
    # None of the binds: for those the engine makes a folder where it finds nothing.
    read_only = [
        {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": True}
        for target, source in spec.mounts.items()
    ]
    return [{"Type": "bind", "Source": str(direct.path), "Target": pipe.INSIDE}, *read_only]
