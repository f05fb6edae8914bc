"""The process types: a server in front of the app, the tests, Django's migrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb import output, start
from pybuild.libcnb.launch import Process
from python import errors

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from python.web import Entry

SPEAKS = {"gunicorn": "wsgi", "uvicorn": "asgi"}
USUAL = {"wsgi": "gunicorn", "asgi": "uvicorn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`name`: the server that calls the app. `added`: the app does not ask for it itself."""

    name: str
    added: bool


def server(entry: Entry | None, names: AbstractSet[str], asked: str) -> Server | None:
    """The server for an app that needs one; None for one that needs none. Raises a `Problem`."""
    if entry is None or asked == "none" or entry.kind not in USUAL:
        return None
    if asked and SPEAKS[asked] != entry.kind:
        raise errors.server_refused(entry.kind, asked)
    name = asked or USUAL[entry.kind]
    return Server(name=name, added=name not in names)


def processes(
    context: BuildContext, layer: Layer, entry: Entry | None, server: Server | None, names: AbstractSet[str]
) -> tuple[Process, ...]:
    """All process types, whatever a Procfile says. `names`: the distributions that are installed."""
    found = []
    folder = str(context.app / entry.folder) if entry and entry.django and entry.folder else ""
    if entry and (command := web(context, layer, entry, server)):
        found.append(Process(type="web", command=command, default=True, working_dir=folder))
    if entry and entry.django:
        migrate = start.supervised(layer, "python", "manage.py", "migrate", "--noinput")
        found.append(Process(type="release", command=migrate, working_dir=folder))
    if context.exec_env == "test":
        command = tests(layer, entry, names)
        found.append(
            Process(type="test", command=command, default=not found, working_dir=folder, exec_envs=("test",))
        )
    return tuple(found)


def web(context: BuildContext, layer: Layer, entry: Entry, server: Server | None) -> tuple[str, ...]:
    """The command of the process type `web`; none for an app whose server the user refuses."""
    reload = ["--reload"] if context.exec_env == "development" else []
    match entry.kind:
        case "streamlit":
            return start.supervised(layer, "streamlit", "run", entry.target)
        case "command":
            return start.supervised(layer, entry.target)
        case "script":
            return start.supervised(layer, "python", entry.target)
        case "wsgi" | "asgi":
            return served(entry, server, reload) if server else ()


def served(entry: Entry, server: Server, reload: list[str]) -> tuple[str, ...]:
    """The command of a server that calls the app's object."""
    module, _, name = entry.target.partition(":")
    elsewhere = entry.folder and not entry.django
    # Both servers handle signals themselves, as process 1 too.
    if server.name == "gunicorn":
        path = ["--pythonpath", entry.folder] if elsewhere else []
        return ("gunicorn", *path, *reload, f"{module}:{name}{'()' if entry.factory else ''}")
    path = ["--app-dir", entry.folder] if elsewhere else []
    return ("uvicorn", *path, *reload, *(["--factory"] if entry.factory else []), f"{module}:{name}")


def tests(layer: Layer, entry: Entry | None, names: AbstractSet[str]) -> tuple[str, ...]:
    """The command of the process type `test`."""
    if "pytest" in names:
        return start.supervised(layer, "python", "-m", "pytest")
    if entry and entry.django:
        return start.supervised(layer, "python", "manage.py", "test")
    return start.supervised(layer, "python", "-m", "unittest")


def tell(entry: Entry | None, server: Server | None) -> None:
    """Say what starts the app, and why."""
    if entry is None:
        return
    if server is None:
        output.section(f"Started as {entry.target} (found: {entry.found})")
        return
    output.section(f"Served by {server.name}: {entry.target} (found in {entry.found})")
    if server.added:
        output.step(
            f"{server.name} is added, in its newest version: the app does not ask for it. To choose the version, add "
            f"{server.name} to the app's requirements; BP_PYTHON_SERVER=none leaves it out"
        )
