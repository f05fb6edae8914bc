"""Front ends: apps whose build makes files and which need no Node.js afterwards; where those files are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nodejs.manifest import Manifest

MAX_BYTES = 1 << 20
ADAPTER_AUTO = "@sveltejs/adapter-auto"
"""What SvelteKit's starter has: it knows some vendors' platforms, and elsewhere builds nothing that could be served."""
QWIK = ("@builder.io/qwik-city", "@qwik.dev/router")
"""Its integrations are folders of the app; one writes files alone, the others servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """`folders`: where its build may put the files, likeliest first, patterns allowed. `single_page`: index.html answers for all."""

    name: str
    folders: tuple[str, ...]
    single_page: bool


# By package, the more special before what it is built on.
_KINDS: tuple[tuple[str, FrontEnd], ...] = (
    ("astro", FrontEnd(name="Astro", folders=("dist",), single_page=False)),
    ("@docusaurus/core", FrontEnd(name="Docusaurus", folders=("build",), single_page=False)),
    ("gatsby", FrontEnd(name="Gatsby", folders=("public",), single_page=False)),
    ("@11ty/eleventy", FrontEnd(name="Eleventy", folders=("_site", "dist"), single_page=False)),
    ("@sveltejs/adapter-static", FrontEnd(name="SvelteKit", folders=("build",), single_page=False)),
    (ADAPTER_AUTO, FrontEnd(name="SvelteKit", folders=("build",), single_page=False)),
    ("next", FrontEnd(name="Next.js export", folders=("out",), single_page=False)),
    (
        "@angular/core",
        FrontEnd(
            name="Angular", folders=("dist/*/browser", "dist/browser", "dist/*", "dist"), single_page=True
        ),
    ),
    ("react-scripts", FrontEnd(name="Create React App", folders=("build",), single_page=True)),
    ("@vue/cli-service", FrontEnd(name="Vue CLI", folders=("dist",), single_page=True)),
    ("vite", FrontEnd(name="Vite", folders=("dist",), single_page=True)),
    ("parcel", FrontEnd(name="Parcel", folders=("dist",), single_page=True)),
)

# These bring a server of their own, whatever builds their front end.
_SERVERS = (
    "@angular/ssr",
    "@astrojs/node",
    "@hapi/hapi",
    "@nestjs/core",
    "@react-router/serve",
    "@remix-run/serve",
    "@sveltejs/adapter-node",
    "express",
    "fastify",
    "hono",
    "koa",
    "nuxt",
    "restify",
    "socket.io",
)

# What developers start while they work, and no server for visitors.
_DEVELOPER = re.compile(
    r"^(?:(?:npx|npm|pnpm|yarn)\s+(?:exec\s+|run\s+)?)?(?:"
    r"vite(?:\s|$)|ng(?:\s+serve)|react-scripts\s+start|vue-cli-service\s+serve|astro(?:\s+(?:dev|preview|start))?(?:\s|$)|"
    r"gatsby\s+(?:develop|serve|start)|docusaurus\s+(?:start|serve)|eleventy\b.*--serve|parcel(?:\s|$)|webpack(?:-dev-server|\s+serve)|"
    r"next\s+start|serve(?:\s|$)|dev(?:\s|$)|start(?:\s|$)|preview(?:\s|$))"
)


# React Router and Remix before it: with `ssr: false` their build writes files alone, and removes what their server would start.
_ROUTERS = {"@react-router/dev": "React Router", "@remix-run/dev": "Remix"}
_ROUTERS_SERVERS = ("@react-router/serve", "@remix-run/serve")
_ROUTERS_START = re.compile(r"(?:\S+=\S+\s+)*(?:react-router|remix)-serve\s")


def find(app: Path, manifest: Manifest) -> FrontEnd | None:
    """The front end that this app is; None for one that has a server, or that no known tool builds."""
    router = _router(app, manifest)
    servers = {*_SERVERS} - ({*_ROUTERS_SERVERS} if router else set())
    if "build" not in manifest.scripts or manifest.packages & servers:
        return None
    start = manifest.scripts.get("start", "").strip()
    if start and not _DEVELOPER.match(start) and not (router and _ROUTERS_START.match(start)):
        return None
    if router:
        return router
    kind = next((kind for name, kind in _KINDS if name in manifest.packages), None)
    if kind is None or (manifest.packages & {*QWIK} and _has_server(app)):
        return None
    config = "".join(_configs(app))
    if kind.name == "Next.js export" and not re.search(r"""output\s*:\s*["']export["']""", config):
        return None
    if kind.name == "Astro" and re.search(r"""output\s*:\s*["']server["']""", config):
        return None
    if kind.name == "Vite" and (named := re.search(r"""outDir\s*:\s*["']([^"']+)["']""", config)):
        folder = named[1].removeprefix("./").rstrip("/")
        if _is_inside(folder):
            return FrontEnd(name=kind.name, folders=(folder,), single_page=True)
    if kind.name == "Angular":
        return FrontEnd(name=kind.name, folders=(*_angular(app), *kind.folders), single_page=True)
    return kind


def built_folder(app: Path, front_end: FrontEnd) -> str:
    """The folder with the files, relative to the app; empty when the build has made none."""
    for pattern in front_end.folders:
        for folder in sorted(app.glob(pattern)):
            if (folder / "index.html").is_file():
                return str(folder.relative_to(app))
    return ""


def _router(app: Path, manifest: Manifest) -> FrontEnd | None:
    name = next((name for package, name in _ROUTERS.items() if package in manifest.packages), "")
    config = re.sub(r"//[^\n]*|/\*.*?\*/", "", "\n".join(_configs(app)), flags=re.DOTALL)
    if not name or not re.search(r"\bssr\s*:\s*false\b", config):
        return None
    return FrontEnd(name=name, folders=("build/client",), single_page=True)


def _has_server(app: Path) -> bool:
    return any(folder.name != "static" for folder in app.glob("adapters/*") if folder.is_dir())


def _configs(app: Path) -> Iterator[str]:
    for tool in ("vite", "astro", "next", "react-router"):
        for file in sorted(app.glob(f"{tool}.config.*")):
            if file.is_file() and file.stat().st_size <= MAX_BYTES:
                yield file.read_text("utf-8", errors="replace")


def _angular(app: Path) -> tuple[str, ...]:
    """What angular.json says; it has comments at times, and is then left unread."""
    file = app / "angular.json"
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        return ()
    try:
        projects = json.loads(file.read_bytes())["projects"].values()
        paths = [project["architect"]["build"]["options"]["outputPath"] for project in projects]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    bases = [str(path.get("base", "")) if isinstance(path, dict) else str(path) for path in paths]
    return tuple(name for base in bases if base and _is_inside(base) for name in (f"{base}/browser", base))


def _is_inside(folder: str) -> bool:
    return not folder.startswith("/") and ".." not in folder.split("/") and folder not in ("", ".")
