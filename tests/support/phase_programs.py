"""Recorded exports and creations, done again by the phase programs, in a root directory of their own.

Every program runs in a child, since it gives up its rights for good; what it did to the image store comes back.
"""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pybuild
from pybuild.cli.phases import programs
from pybuild.cli.phases.stores import STORES
from pybuild.spec.analyzed import Analyzed
from support import phase
from support.chroot import plant
from support.exports import IDENTITY, clear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pybuild.spec.labels import LauncherIdentity
    from pybuild.stores.api import ImageStore

# No module can be found from inside a chroot. Which ones a phase imports late is its own affair.
for name in ("ctypes", "hashlib", "docker.transport.unixconn", "requests.adapters", "urllib3.util.ssl_"):
    importlib.import_module(name)
for each in pkgutil.walk_packages(pybuild.__path__, "pybuild."):
    if (
        not each.name.startswith(("pybuild.cli.", "pybuild.libcnb", "pybuild.platform"))
        or "cli.phases" in each.name
    ):
        importlib.import_module(each.name)
importlib.import_module("pybuild.cli.bug")

Store = TypeVar("Store")


@dataclass(frozen=True)
class Ended(Generic[Store]):
    """How a program ended: its exit code, all that it said, the store as it left it, and files that it wrote."""

    exit_code: int
    output: str
    store: Store
    files: Mapping[str, str]


def call(
    words: Sequence[str],
    environ: Mapping[str, str],
    store: Store,
    *,
    opened: Callable[[Store], ImageStore] | None = None,
    read: Sequence[str] = (),
    uid: int = 0,
    identity: LauncherIdentity = IDENTITY,
) -> Ended[Store]:
    """Run the program `words[0]` with `words`, its images in what `opened(store)` gives, or where they really are.

    `uid`: of the user who starts it, if not root. `identity`: whose launcher it says it has.
    """

    def body() -> Ended[Store]:
        if uid:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        told = io.BytesIO()
        stores = dict(STORES)
        if opened is not None:
            stores |= dict.fromkeys(("daemon", "registry"), lambda _run: lambda: opened(store))
        code = programs.run(words, environ, told, stores=stores, identity=identity)
        return Ended(code, told.getvalue().decode(errors="surrogateescape"), store, {})

    ended: Ended[Store] = phase.in_child(body)
    return replace(ended, files={path: text for path in read if (text := _text(path)) is not None})


def replay(
    case: Mapping[str, Any], store: Store, *, opened: Callable[[Store], ImageStore] | None = None
) -> list[tuple[list[Ended[Store]], Mapping[str, Any]]]:
    """All builds of a case one after the other: how each program ended, and the recorded outcome.

    To be called in a chroot, as root. Without `opened`, `store` is the DOCKER_HOST.
    """
    parameters = case["parameters"]
    environ = {
        "PATH": "/usr/bin:/bin",
        **parameters["env"],
        "CNB_PLATFORM_API": parameters["platform_api"],
        "CNB_USER_ID": str(parameters["uid"]),
        "CNB_GROUP_ID": str(parameters["gid"]),
        **({} if opened else {"DOCKER_HOST": str(store)}),
    }
    daemon = ["-daemon"] if parameters["target"] == "daemon" else []
    names, run_image = parameters["output_images"], ["-run-image", parameters["run_image"]]
    report = ["-report", "/layers/report.toml"]
    done = []
    for build in case["builds"]:
        clear()
        plant(build["tree"])
        if case["kind"] == "creator":
            tags = [word for name in names[1:] for word in ("-tag", name)]
            commands = [["creator", *daemon, *run_image, *report, *tags, *parameters["args"], names[0]]]
        else:
            places = ["-app", "/workspace", "-layers", "/layers"]
            commands = [
                ["analyzer", *daemon, *run_image, names[0]],
                ["exporter", *daemon, *report, *places, *parameters["args"], *names],
            ]
        ended = []
        for words in commands:
            if words[0] == "exporter" and "extend = true" in case.get("note", ""):
                _mark_extended()
            ended.append(call(words, environ, store, opened=opened, read=_FILES))
            store = ended[-1].store
        done.append((ended, build["expected"]))
    return done


_FILES = (
    "/layers/analyzed.toml",
    "/layers/report.toml",
    "/layers/group.toml",
    "/layers/plan.toml",
    "/layers/config/metadata.toml",
)


def _mark_extended() -> None:
    """What the detector does when an extension has a run.Dockerfile."""
    path = Path("/layers/analyzed.toml")
    analyzed = Analyzed.read(path.read_bytes(), str(path))
    assert analyzed.run_image is not None
    path.write_bytes(replace(analyzed, run_image=replace(analyzed.run_image, extend=True)).write())


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return None
