"""Django: where its settings are, which callable they name, and whether it has static files to collect."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output
from python import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STATIC_FILES = "django.contrib.staticfiles"
SETTINGS = "DJANGO_SETTINGS_MODULE"
MAX_BYTES = 2 << 20

# Settings read these from the environment, and a build has no secret: any value does to collect files.
SECRETS = ("SECRET_KEY", "DJANGO_SECRET_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Django:
    """`wsgi` and `asgi`: `module:name`, empty where there is none. `folder`: where manage.py is, relative to the app.

    `static_files`: the app for them is installed; `static_root`: there is a folder to collect them in.
    """

    settings_file: str
    wsgi: str
    asgi: str
    folder: str = ""
    static_files: bool = False
    static_root: bool = False


def find(app: Path) -> Django | None:
    """The project that manage.py belongs to, in the root of the app or one folder below; None when there is none."""
    for manage in (app / "manage.py", *sorted(app.glob("[!.]*/manage.py"))):
        if manage.is_file() and (module := _settings_module(manage)):
            return _read(app, manage.parent, module)
    return None


def _read(app: Path, root: Path, module: str) -> Django | None:
    path = root.joinpath(*module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    # Settings may be spread over a folder: what any of them says counts.
    family = [file, *sorted(file.parent.glob("*.py"))] if file.parent.name == "settings" else [file]
    values: dict[str, str] = {}
    text = ""
    for member in family:
        if member.is_file() and member.stat().st_size <= MAX_BYTES:
            source = member.read_text("utf-8", errors="replace")
            text += source
            values = {**_texts(source), **values}
    package = module.split(".")[0]
    wsgi = _callable(root, values.get("WSGI_APPLICATION", ""), f"{package}.wsgi")
    # Every new project has an asgi.py; only one that is named in the settings is meant to be used.
    asgi = _callable(root, values.get("ASGI_APPLICATION", ""), "" if wsgi else f"{package}.asgi")
    return Django(
        settings_file=str((file if file.is_file() else root / "manage.py").relative_to(app)),
        wsgi=wsgi,
        asgi=asgi,
        folder=str(root.relative_to(app)) if root != app else "",
        static_files=STATIC_FILES in text,
        static_root="STATIC_ROOT" in text,
    )


def _settings_module(manage: Path) -> str:
    """What manage.py sets `DJANGO_SETTINGS_MODULE` to, empty when it does not."""
    for node in _nodes(manage.read_text("utf-8", errors="replace")):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "os.environ.setdefault",
            "environ.setdefault",
        ):
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if len(words) == 2 and words[0] == SETTINGS and isinstance(words[1], str):
                return words[1]
    return ""


def _callable(root: Path, dotted: str, usual: str) -> str:
    """`pkg.wsgi.application` as `pkg.wsgi:application`; the usual module where the settings name none and it is there."""
    if dotted:
        module, _, name = dotted.rpartition(".")
        return f"{module}:{name}"
    there = usual and root.joinpath(*usual.split(".")).with_suffix(".py").is_file()
    return f"{usual}:application" if there else ""


def _texts(source: str) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in _nodes(source)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _nodes(source: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def collect(root: Path, environ: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Run collectstatic in the folder of manage.py. `given`: the user's variables. Raises a `Problem`."""
    secrets = {name: "only-for-collectstatic" for name in SECRETS if not given.get(name)}
    words = ["python", "manage.py", "collectstatic", "--noinput", "--verbosity=1"]
    try:
        said = command.read(words, environ={**secrets, **environ, "PYTHONDONTWRITEBYTECODE": "1"}, cwd=root)
    except command.ToolFailed as exc:
        raise errors.collectstatic_failed(exc.output) from exc
    output.step((said.strip().splitlines() or ["Nothing to collect"])[-1].replace(f"{root}/", ""))
