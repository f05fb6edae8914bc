"""Laravel and Symfony: what they want set, written to, done at build and started. Any other app is plain PHP."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from php.project import Project
    from pybuild.libcnb.context import BuildContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """`environ`: variables by default, at build and at launch. `folders`: made where they are missing. `writable`: what the
    app's user may write, with all below.

    `leftovers`: files of a developer's machine that must not be used. `steps`: console commands that save work at every
    start; one that fails is left out. `processes`: type → words after `php`. `script`: the exec.d template.
    """

    name: str
    console: str
    script: str
    environ: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    processes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_LARAVEL_MODES = {
    "production": ("production", "false"),
    "test": ("testing", "true"),
    "development": ("local", "true"),
}
# A cached route's closure as Laravel serializes it where APP_KEY is to sign it; newer ones have a class for unsigned ones.
_SIGNED_CLOSURE = re.compile(rb'(?:Laravel\\\\SerializableClosure|Opis\\\\Closure)\\\\SerializableClosure"')
_SYMFONY_MODES = {"production": ("prod", "0"), "test": ("test", "1"), "development": ("dev", "1")}


def find(app: Path, project: Project, exec_env: str) -> Framework | None:
    """The framework by its console and its package; both, since others have files of these names."""
    if (app / "artisan").is_file() and "laravel/framework" in project.names:
        return laravel(exec_env)
    if (app / "bin/console").is_file() and "symfony/framework-bundle" in project.names:
        return symfony(project, exec_env)
    return None


def laravel(exec_env: str) -> Framework:
    """Routes, events and views are cached; the configuration is not, since the database is not known yet."""
    mode, debug = _LARAVEL_MODES.get(exec_env, _LARAVEL_MODES["production"])
    return Framework(
        name="Laravel",
        console="artisan",
        script="laravel",
        environ={"APP_ENV": mode, "APP_DEBUG": debug},
        folders=(
            "bootstrap/cache",
            "storage/app/public",
            "storage/framework/cache/data",
            "storage/framework/sessions",
            "storage/framework/views",
            "storage/logs",
        ),
        writable=("bootstrap/cache", "storage"),
        leftovers=("bootstrap/cache/*.php", "storage/framework/views/*.php", "storage/logs/*.log"),
        steps=("route:cache", "event:cache", "view:cache") if exec_env == "production" else (),
        processes={
            "worker": ("artisan", "queue:work", "--tries=3", "--max-time=3600"),
            "scheduler": ("artisan", "schedule:work"),
            "release": ("artisan", "migrate", "--force"),
        },
    )


def symfony(project: Project, exec_env: str) -> Framework:
    """The container and the caches are made at build, for the environment that the image is for."""
    mode, debug = _SYMFONY_MODES.get(exec_env, _SYMFONY_MODES["production"])
    processes = {}
    if "symfony/messenger" in project.names:
        processes["worker"] = ("bin/console", "messenger:consume", "async", "--time-limit=3600")
    if "symfony/scheduler" in project.names:
        processes["scheduler"] = (
            "bin/console",
            "messenger:consume",
            "scheduler_default",
            "--time-limit=3600",
        )
    if "doctrine/doctrine-migrations-bundle" in project.names:
        processes["release"] = ("bin/console", "doctrine:migrations:migrate", "--no-interaction")
    return Framework(
        name="Symfony",
        console="bin/console",
        script="symfony",
        environ={"APP_ENV": mode, "APP_DEBUG": debug},
        folders=("var/cache", "var/log"),
        writable=("var",),
        leftovers=("var/cache/*", "var/log/*.log"),
        steps=("cache:warmup",),
        processes=processes,
    )


def prepare(app: Path, framework: Framework) -> None:
    """Before Composer runs its scripts: what a developer's machine left is gone, and folders are there."""
    for pattern in framework.leftovers:
        for path in app.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for name in framework.folders:
        (app / name).mkdir(parents=True, exist_ok=True)


def finish(
    context: BuildContext, framework: Framework, php: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Run the steps, and let the app's user, who is another one of the same group, write where the framework does."""
    output.section(f"{framework.name}, for {framework.environ['APP_ENV']}")
    for step in framework.steps:
        words = [*php, framework.console, step, "--no-interaction"]
        done = command.capture(words, cwd=context.app, environ=environ)
        if done.code:
            said = (done.stderr or done.stdout).strip().splitlines()
            output.warning(
                "\n".join([f"{framework.console} {step} failed, so every start has to do this:", *said[:6]])
            )
        else:
            output.step(f"{framework.console} {step}")
    if framework.name == "Laravel":
        if not context.setting("APP_KEY"):
            _forget_signed_routes(context.app)
        _link_storage(context.app)
    for name in framework.writable:
        _share(context.app / name)


def _forget_signed_routes(app: Path) -> None:
    """Remove a cache of routes that the app would refuse: a closure in it is not signed, since the key is not known here."""
    for file in app.glob("bootstrap/cache/routes-*.php"):
        if _SIGNED_CLOSURE.search(file.read_bytes()):
            file.unlink()
            output.warning(
                "The routes are not cached: one of them is a closure, which this Laravel signs with APP_KEY, and the build does"
                " not know that.\nHave a controller answer, or a newer Laravel, and they are."
            )


def unset(context: BuildContext, framework: Framework) -> dict[str, str]:
    """The variables for the build that the user has not set: the framework's, and a date, or every build would differ."""
    wanted = {**framework.environ, "SOURCE_DATE_EPOCH": "315532801"}
    return {name: value for name, value in wanted.items() if not context.setting(name)}


def _link_storage(app: Path) -> None:
    """`artisan storage:link`, with a link that holds wherever the app is."""
    link = app / "public/storage"
    if (app / "public").is_dir() and not link.exists() and not link.is_symlink():
        link.symlink_to("../storage/app/public")


def _share(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o070 if path.is_dir() else 0o060 if mode & 0o200 else 0))
