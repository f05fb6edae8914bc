"""What starts the app: the object that a server calls, found by reading the source and running none of it.

WSGI (PEP 3333) for Flask and its like, ASGI for FastAPI and its like; Django is found by its settings in `django`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from python import django

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from python.project import Manifest

MAX_BYTES = 2 << 20

Kind = Literal["wsgi", "asgi", "streamlit", "script", "command"]

# Class → what calls it, by the module that it comes from.
FRAMEWORKS: Mapping[str, Mapping[str, Kind]] = {
    "flask": {"Flask": "wsgi"},
    "bottle": {"Bottle": "wsgi", "default_app": "wsgi"},
    "falcon": {"App": "wsgi", "API": "wsgi"},
    "falcon.asgi": {"App": "asgi"},
    "fastapi": {"FastAPI": "asgi"},
    "starlette.applications": {"Starlette": "asgi"},
    "litestar": {"Litestar": "asgi"},
    "quart": {"Quart": "asgi"},
    "sanic": {"Sanic": "asgi"},
    "blacksheep": {"Application": "asgi"},
    "fasthtml.common": {"FastHTML": "asgi"},
    "robyn": {},
}
NAMES = ("wsgi", "asgi", "app", "main", "application", "server", "api", "run", "index", "hello")
SCRIPTS = ("main", "app", "run", "server", "start", "bot", "hello", "index", "application", "__main__")
FACTORIES = ("create_app", "make_app", "create_application", "get_app", "build_app")
_NOT_APPS = (
    "test",
    "tests",
    "docs",
    "doc",
    "examples",
    "migrations",
    "node_modules",
    "scripts",
    "venv",
    "env",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`target`: `module:name`, a file, or a command, by its kind. `factory`: the name is to be called for the app.

    `folder`: where the modules are, relative to the app; empty for its root. `found`: the file that says so.
    """

    kind: Kind
    target: str
    found: str
    folder: str = ""
    factory: bool = False
    django: bool = False


def find(app: Path, manifest: Manifest, reference: str) -> Entry | None:
    """What starts the app: as `reference` says, Django, another framework's object, the project's command, a script."""
    if reference:
        module, _, name = reference.partition(":")
        kind = _kind_of(app, module)
        return Entry(
            kind=kind,
            target=f"{module}:{name.removesuffix('()')}",
            found="BP_PYTHON_APP",
            folder=_folder_of(app, module),
            factory=name.endswith("()"),
        )
    if project := django.find(app):
        return Entry(
            kind="asgi" if project.asgi else "wsgi",
            target=project.asgi or project.wsgi,
            found=project.settings_file,
            folder=project.folder,
            django=True,
        )
    for folder, file in candidates(app):
        if entry := _read(app, folder, file):
            return entry
    if len(manifest.scripts) == 1 and manifest.built:
        return Entry(kind="command", target=manifest.scripts[0], found="pyproject.toml (scripts)")
    for name in SCRIPTS:
        if (app / f"{name}.py").is_file():
            return Entry(kind="script", target=f"{name}.py", found=f"{name}.py")
    return None


def candidates(app: Path) -> Iterator[tuple[str, Path]]:
    """Files that may hold the app, likeliest first, each with the folder that its module's name starts from."""
    for top in ("", "src"):
        root = app / top
        if not root.is_dir():
            continue
        if top and (root / "__init__.py").is_file():
            top = ""
        for name in (*NAMES, "streamlit_app"):
            if (file := root / f"{name}.py").is_file():
                yield top, file
        for package in sorted(path for path in root.iterdir() if path.is_dir()):
            if package.name.startswith((".", "_")) or package.name in (*_NOT_APPS, "src"):
                continue
            if package.name.isidentifier():
                for name in ("__init__", *NAMES):
                    if (file := package / f"{name}.py").is_file():
                        yield top, file


def parse(file: Path) -> ast.Module | None:
    """The source as a tree; None for what is no Python of this version, or too large."""
    if file.stat().st_size > MAX_BYTES:
        return None
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def module_name(folder: Path, file: Path) -> str:
    """`pkg.app` for pkg/app.py, `pkg` for pkg/__init__.py."""
    parts = file.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read(app: Path, folder: str, file: Path) -> Entry | None:
    tree = parse(file)
    if tree is None:
        return None
    module, shown = module_name(app / folder, file), str(file.relative_to(app))
    classes, imported = _classes(tree), _imported(tree)
    for name, value in _assigned(tree):
        if kind := _kind(value, classes):
            return Entry(kind=kind, target=f"{module}:{name}", found=shown, folder=folder)
    if "dash" in imported and "server" in dict(_assigned(tree)):
        return Entry(kind="wsgi", target=f"{module}:server", found=shown, folder=folder)
    for name, value in _assigned(tree):
        if name in ("app", "application", "api") and _calls(value) in FACTORIES:
            kind = _kind_of(app, module, folder)
            return Entry(kind=kind, target=f"{module}:{name}", found=shown, folder=folder)
    if name := _factory(tree):
        found = {kind for names in classes.values() for kind in [names]}
        if found:
            kind = "asgi" if "asgi" in found else "wsgi"
            return Entry(kind=kind, target=f"{module}:{name}", found=shown, folder=folder, factory=True)
    if "streamlit" in imported and file.parent == app:
        return Entry(kind="streamlit", target=file.name, found=shown)
    return None


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


def _classes(tree: ast.Module) -> dict[str, Kind]:
    """How this file writes the frameworks' classes → what calls them: `Flask`, `flask.Flask`, `f.Flask`."""
    found: dict[str, Kind] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (kinds := FRAMEWORKS.get(node.module or "")):
            for alias in node.names:
                if alias.name == "*":
                    found.update(kinds)
                elif alias.name in kinds:
                    found[alias.asname or alias.name] = kinds[alias.name]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                for name, kind in FRAMEWORKS.get(alias.name, {}).items():
                    found[f"{alias.asname or alias.name}.{name}"] = kind
    return found


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names at the top of the module with what they are set to, blocks of `if` and `try` included."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value
        elif isinstance(node, ast.Try | ast.With):
            waiting[:0] = node.body
        elif isinstance(node, ast.If) and not _is_main(node.test):
            waiting[:0] = [*node.body, *node.orelse]


def _is_main(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _kind(value: ast.expr, classes: Mapping[str, Kind]) -> Kind | None:
    return classes.get(_calls(value))


def _calls(value: ast.expr) -> str:
    """What a call calls, as it is written; empty for anything else."""
    return ast.unparse(value.func) if isinstance(value, ast.Call) else ""


def _factory(tree: ast.Module) -> str:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in FACTORIES:
            arguments = node.args
            if len(arguments.posonlyargs + arguments.args) <= len(arguments.defaults):
                return node.name
    return ""


def _folder_of(app: Path, module: str) -> str:
    parts = module.split(".")
    inside = (app / "src").joinpath(*parts)
    here = app.joinpath(*parts)
    if here.with_suffix(".py").is_file() or here.is_dir():
        return ""
    return "src" if inside.with_suffix(".py").is_file() or inside.is_dir() else ""


def _kind_of(app: Path, module: str, folder: str | None = None) -> Kind:
    """What calls the app of a module that does not say so itself: ASGI where anything beside it imports a framework of it."""
    root = app / (_folder_of(app, module) if folder is None else folder)
    file = root.joinpath(*module.split(".")).with_suffix(".py")
    files = [file, *(other for _, other in candidates(app))]
    kinds = [
        kind for path in files if path.is_file() and (tree := parse(path)) for kind in _classes(tree).values()
    ]
    return kinds[0] if kinds else "wsgi"
