"""A real MariaDB beside an app: its image made once of Debian's packages, a network, and a service binding.

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
from pybuild.platform.bootstrap import default_builder
from pybuild.platform.environment import proxy_environ

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

MARIADB = "pybuild-demo/mariadb:debian-12"
BASE = "pybuild/build:debian-12"
LABEL = "io.pybuild.demo"
INSTALLED = "io.pybuild.demo.installed"
START_SECONDS = 180

_INSTALL = """set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io mariadb-server
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man
install -d -o mysql -g mysql /run/mysqld
"""
_SERVE = ["mariadbd", "--user=mysql", "--bind-address=*", "--skip-name-resolve", "--init-file=/account.sql"]
_BINDING = "bindings/db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A database and who may use it."""

    database: str = "guestbook"
    username: str = "guest"
    password: str

    def sql(self) -> str:
        """One statement a line, as `--init-file` wants them."""
        user = f"{_quoted(self.username)}@'%'"
        return (
            f"CREATE DATABASE IF NOT EXISTS `{self.database}` CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY {_quoted(self.password)};\n"
            f"GRANT ALL ON `{self.database}`.* TO {user};\n"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that answers. `volume` is to be mounted at /bindings of a container in `network`."""

    container: str
    network: str
    volume: str


def mariadb_image(client: docker.APIClient) -> str:
    """The image's name; made within half a minute when the engine does not have it, of the default builder's base."""
    wanted = hashlib.sha256(_INSTALL.encode()).hexdigest()
    if _label(client, MARIADB, INSTALLED) == wanted:
        return MARIADB
    default_builder(client)
    info(f"Making {MARIADB} of Debian's mariadb-server, once")
    with engine.translating("making the database's image"):
        container = str(
            client.create_container(
                BASE, ["sleep", "900"], user="0:0", labels={LABEL: "mariadb", INSTALLED: wanted}
            )["Id"]
        )
        try:
            client.start(container)
            # In an exec and not as the container's own command: the image must not keep the proxies.
            _run(client, container, ["sh", "-c", _INSTALL], environ=proxy_environ(os.environ))
            repository, _, tag = MARIADB.partition(":")
            client.commit(container, repository, tag, changes=f"CMD {json.dumps(_SERVE)}")
        finally:
            client.remove_container(container, force=True, v=True)
    return MARIADB


def start_mariadb(client: docker.APIClient, prefix: str, account: Account) -> Service:
    """A database that answers as `prefix`-mariadb in the network `prefix`, and a volume with its binding."""
    image = mariadb_image(client)
    labels = {LABEL: prefix}
    name = f"{prefix}-mariadb"
    with engine.translating("starting the database"):
        client.create_network(prefix, driver="bridge", labels=labels)
        client.create_volume(f"{prefix}-bindings", labels=labels)
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
        client.put_archive(container, "/", _files(account, host=name))
        client.start(container)
        _await(client, container, account)
    return Service(container=container, network=prefix, volume=f"{prefix}-bindings")


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
        yield start_mariadb(client, prefix, account) if "mariadb" in services else None
    finally:
        remove(client, prefix)


def _files(account: Account, *, host: str) -> bytes:
    """A tar of the database's account and of the binding's files, as servicebinding.io lays them out."""
    binding = {
        "type": "mysql",
        "provider": "mariadb",
        "host": host,
        "port": "3306",
        "username": account.username,
        "password": account.password,
        "database": account.database,
    }
    contents = {f"{_BINDING}/{key}": value for key, value in binding.items()} | {"account.sql": account.sql()}
    folder = tar.TarEntry(name=_BINDING.encode(), kind=tar.DIRECTORY, mode=0o755, uid=0, gid=0)
    entries: list[tuple[tar.TarEntry, bytes]] = [(folder, b"")]
    for name, text in contents.items():
        data = text.encode()
        entries.append((tar.TarEntry(name.encode(), tar.FILE, 0o644, 0, 0, len(data)), data))
    return b"".join(tar.write(iter(entries)))


def _run(client: docker.APIClient, container: str, argv: list[str], *, environ: dict[str, str]) -> None:
    execution = client.exec_create(container, argv, environment=environ)["Id"]
    said = client.exec_start(execution).decode(errors="replace")
    if client.exec_inspect(execution)["ExitCode"] != 0:
        raise PybuildError(f"mariadb-server cannot be installed: {said[-2000:]}")


def _await(client: docker.APIClient, container: str, account: Account) -> None:
    """Return when the account can ask something over the network."""
    until = time.monotonic() + START_SECONDS
    ask = [
        "mariadb",
        "--protocol=tcp",
        "--host=127.0.0.1",
        f"--user={account.username}",
        "--execute=SELECT 1",
        account.database,
    ]
    while True:
        execution = client.exec_create(container, ask, environment={"MYSQL_PWD": account.password})["Id"]
        said = client.exec_start(execution)
        if client.exec_inspect(execution)["ExitCode"] == 0:
            return
        if time.monotonic() > until or not client.inspect_container(container)["State"]["Running"]:
            logs = client.logs(container, tail=20).decode(errors="replace")
            raise PybuildError(f"the database does not answer: {said.decode(errors='replace')}\n{logs}")
        time.sleep(0.2)


def _label(client: Any, image: str, name: str) -> str:
    try:
        with engine.translating(f"looking for {image}"):
            found = client.inspect_image(image)
    except engine.NotFound:
        return ""
    return str((found["Config"].get("Labels") or {}).get(name, ""))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
