"""The services that tests and the demo run beside an app: how each is installed, started, bound and asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CLEAN = "apt-get clean; rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A database and who may use it."""

    database: str = "guestbook"
    username: str = "guest"
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One service. `packages`: Debian's. `setup`: shell, run once as root after the installation.

    `serve`: its container's command. `files`: what it needs to read in `/`. `binding`: keys of its service binding beside
    the host, and the name of its folder. `ask`: words and variables that succeed once the account can use it.
    """

    name: str
    packages: str
    setup: str
    serve: tuple[str, ...]
    files: Callable[[Account], Mapping[str, str]]
    folder: str
    binding: Callable[[Account], Mapping[str, str]]
    ask: Callable[[Account], tuple[list[str], dict[str, str]]]

    @property
    def image(self) -> str:
        """Its image, made on this machine."""
        return f"pybuild-demo/{self.name}:debian-12"

    @property
    def install(self) -> str:
        """The shell script that makes the image of the default builder's base."""
        return (
            "set -e\nexport DEBIAN_FRONTEND=noninteractive\napt-get -qq update\n"
            "apt-get -qq install -y --no-install-recommends -o Dpkg::Use-Pty=0 "
            f"-o Dpkg::Options::=--force-unsafe-io {self.packages}\n{self.setup}\n{_CLEAN}\n"
        )


def _mariadb_sql(account: Account) -> str:
    # One statement a line, as `--init-file` wants them.
    user = f"{_backslashed(account.username)}@'%'"
    return (
        f"CREATE DATABASE IF NOT EXISTS `{account.database}` CHARACTER SET utf8mb4;\n"
        f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY {_backslashed(account.password)};\n"
        f"GRANT ALL ON `{account.database}`.* TO {user};\n"
    )


def _postgresql_sql(account: Account) -> str:
    password = account.password.replace("'", "''")
    return (
        f"CREATE ROLE \"{account.username}\" LOGIN PASSWORD '{password}';\n"
        f'CREATE DATABASE "{account.database}" OWNER "{account.username}";\n'
    )


def _database_binding(kind: str, provider: str, port: int) -> Callable[[Account], Mapping[str, str]]:
    return lambda account: {
        "type": kind,
        "provider": provider,
        "port": str(port),
        "username": account.username,
        "password": account.password,
        "database": account.database,
    }


def _backslashed(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _redis_conf(account: Account) -> str:
    coded = "".join(f"\\x{byte:02x}" for byte in account.password.encode())
    return f'bind * -::*\nprotected-mode no\nsave ""\ndir /tmp\nrequirepass "{coded}"\n'


_AS_POSTGRES = "setpriv --reuid=postgres --regid=postgres --init-groups"
_POSTGRESQL = f"""install -d -o postgres -g postgres /run/postgresql
(until {_AS_POSTGRES} psql -q -f /account.sql postgres 2>/dev/null; do sleep 0.1; done) &
set -- /etc/postgresql/*/main
exec {_AS_POSTGRES} /usr/lib/postgresql/*/bin/postgres -c config_file="$1/postgresql.conf"
"""

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="mariadb",
            packages="mariadb-server",
            setup="install -d -o mysql -g mysql /run/mysqld",
            serve=(
                "mariadbd",
                "--user=mysql",
                "--bind-address=*",
                "--skip-name-resolve",
                "--init-file=/account.sql",
            ),
            files=lambda account: {"account.sql": _mariadb_sql(account)},
            folder="db",
            binding=_database_binding("mysql", "mariadb", 3306),
            ask=lambda account: (
                [
                    *("mariadb", "--protocol=tcp", "--host=127.0.0.1", f"--user={account.username}"),
                    *("--execute=SELECT 1", account.database),
                ],
                {"MYSQL_PWD": account.password},
            ),
        ),
        Kind(
            name="postgresql",
            packages="postgresql",
            setup="cd /etc/postgresql/*/main; echo 'host all all all scram-sha-256' >> pg_hba.conf; "
            "printf \"listen_addresses = '*'\\nssl = off\\nfsync = off\\n\" >> postgresql.conf",
            serve=("sh", "-c", _POSTGRESQL),
            files=lambda account: {"account.sql": _postgresql_sql(account)},
            folder="db",
            binding=_database_binding("postgresql", "postgresql", 5432),
            ask=lambda account: (
                ["psql", "-h", "127.0.0.1", "-U", account.username, "-c", "SELECT 1", account.database],
                {"PGPASSWORD": account.password},
            ),
        ),
        Kind(
            name="redis",
            packages="redis-server",
            setup="true",
            serve=("redis-server", "/redis.conf"),
            files=lambda account: {"redis.conf": _redis_conf(account)},
            folder="cache",
            binding=lambda account: {
                "type": "redis",
                "provider": "redis",
                "port": "6379",
                "password": account.password,
            },
            ask=lambda account: (["redis-cli", "-e", "ping"], {"REDISCLI_AUTH": account.password}),
        ),
    )
}
