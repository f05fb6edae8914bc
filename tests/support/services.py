"""Real services beside an app: their images made once of Debian's packages, a network, and their service bindings.

Used by the acceptance tests and by `make demo`. Everything that a `prefix` starts carries the label
`io.pybuild.demo=<prefix>`, which is what `remove` goes by.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybuild import engine
from pybuild.errors import PybuildError
from pybuild.events import info
from pybuild.oci import tar
from pybuild.platform.builders.bootstrap import default_builder
from pybuild.platform.environment import proxy_environ
from support.service_kinds import KINDS, Account, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import docker

BASE = "pybuild/build:debian-12"
LABEL = "io.pybuild.demo"
INSTALLED = "io.pybuild.demo.installed"
START_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Services that answer. `volume` is to be mounted at /bindings of a container in `network`."""

    network: str
    volume: str


def service_image(client: docker.APIClient, kind: Kind) -> str:
    """The image's name; made within half a minute when the engine does not have it, of the default builder's base."""
    wanted = hashlib.sha256(kind.install.encode()).hexdigest()
    if _label(client, kind.image, INSTALLED) == wanted:
        return kind.image
    default_builder(client)
    info(f"Making {kind.image} of Debian's {kind.packages}, once")
    with engine.translating(f"making the image of {kind.name}"):
        labels = {LABEL: kind.name, INSTALLED: wanted}
        container = str(client.create_container(BASE, ["sleep", "900"], user="0:0", labels=labels)["Id"])
        try:
            client.start(container)
            # In an exec and not as the container's own command: the image must not keep the proxies.
            _run(client, container, ["sh", "-c", kind.install], environ=proxy_environ(os.environ))
            repository, _, tag = kind.image.partition(":")
            client.commit(container, repository, tag, changes=f"CMD {json.dumps(kind.serve)}")
        finally:
            client.remove_container(container, force=True, v=True)
    return kind.image


def start(client: docker.APIClient, prefix: str, kinds: Sequence[str], account: Account) -> Service:
    """Services that answer as `prefix`-<kind> in the network `prefix`, and a volume with their bindings."""
    labels = {LABEL: prefix}
    with engine.translating("starting services"):
        client.create_network(prefix, driver="bridge", labels=labels)
        client.create_volume(f"{prefix}-bindings", labels=labels)
    for kind in (KINDS[name] for name in kinds):
        image = service_image(client, kind)
        name = f"{prefix}-{kind.name}"
        with engine.translating(f"starting {kind.name}"):
            container = client.create_container(
                image,
                user="0:0",
                name=name,
                labels=labels,
                host_config=client.create_host_config(
                    # It does nothing with the binding: this is how the files get into the volume on any engine.
                    binds=[f"{prefix}-bindings:/bindings"],
                    network_mode=prefix,
                ),
            )["Id"]
            client.put_archive(container, "/", _files(kind, account, host=name))
            client.start(container)
            _await(client, container, kind, account)
    return Service(network=prefix, volume=f"{prefix}-bindings")


def remove(client: docker.APIClient, prefix: str) -> None:
    """Containers, networks and volumes that were started for `prefix`, in this order."""
    mine = {"label": f"{LABEL}={prefix}"}
    with engine.translating(f"removing what {prefix} had started"):
        for container in client.containers(all=True, filters=mine):
            client.remove_container(container["Id"], force=True, v=True)
        for network in client.networks(filters=mine):
            client.remove_network(network["Id"])
        for volume in client.volumes(filters=mine).get("Volumes") or ():
            client.remove_volume(volume["Name"])


@contextmanager
def started(
    client: docker.APIClient, services: tuple[str, ...], prefix: str, account: Account
) -> Iterator[Service | None]:
    """The services that a sample names, None when it names none; removed when the block ends, however it ends."""
    try:
        yield start(client, prefix, services, account) if services else None
    finally:
        remove(client, prefix)


def _files(kind: Kind, account: Account, *, host: str) -> bytes:
    """A tar of the service's own files and of the binding's, as servicebinding.io lays them out."""
    folder = f"bindings/{kind.folder}"
    binding = {"host": host, **kind.binding(account)}
    contents = {f"{folder}/{key}": value for key, value in binding.items()} | {**kind.files(account)}
    entries: list[tuple[tar.TarEntry, bytes]] = [
        (tar.TarEntry(name=folder.encode(), kind=tar.DIRECTORY, mode=0o755, uid=0, gid=0), b"")
    ]
    for name, text in contents.items():
        data = text.encode()
        entries.append((tar.TarEntry(name.encode(), tar.FILE, 0o644, 0, 0, len(data)), data))
    return b"".join(tar.write(iter(entries)))


def _run(client: docker.APIClient, container: str, argv: list[str], *, environ: dict[str, str]) -> None:
    execution = client.exec_create(container, argv, environment=environ)["Id"]
    said = client.exec_start(execution).decode(errors="replace")
    if client.exec_inspect(execution)["ExitCode"] != 0:
        raise PybuildError(f"the service cannot be installed: {said[-2000:]}")


def _await(client: docker.APIClient, container: str, kind: Kind, account: Account) -> None:
    """Return when the account can ask something."""
    until = time.monotonic() + START_SECONDS
    ask, environ = kind.ask(account)
    while True:
        execution = client.exec_create(container, ask, environment=environ)["Id"]
        said = client.exec_start(execution)
        if client.exec_inspect(execution)["ExitCode"] == 0:
            return
        if time.monotonic() > until or not client.inspect_container(container)["State"]["Running"]:
            logs = client.logs(container, tail=20).decode(errors="replace")
            raise PybuildError(f"{kind.name} does not answer: {said.decode(errors='replace')}\n{logs}")
        time.sleep(0.2)


def _label(client: Any, image: str, name: str) -> str:
    try:
        with engine.translating(f"looking for {image}"):
            found = client.inspect_image(image)
    except engine.NotFound:
        return ""
    return str((found["Config"].get("Labels") or {}).get(name, ""))
