"""What the PHP buildpack does for Laravel and Symfony, over trees as their skeletons have them."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from php import build, frameworks
from php.project import Project
from pybuild.libcnb.layers import Layer, Types

TEMPLATES = Path(__file__).parents[3] / "buildpacks/php/templates"

# A console that notes how it was called, in the place of PHP.
CONSOLE = """\
#!/bin/sh
echo "$APP_ENV $*" >> "$LOG"
case "$*" in *event:cache*) echo "no database" >&2; exit 1;; esac
"""


@dataclass
class Context:
    app: Path
    exec_env: str = "production"
    settings: dict[str, str] = field(default_factory=dict)

    def setting(self, name: str) -> str:
        return self.settings.get(name, "")


def tree(root: Path, packages: list[str], *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "composer.json").write_text("{}")
    (root / "composer.lock").write_text(json.dumps({"packages": [{"name": name} for name in packages]}))
    return root


def laravel_tree(root: Path) -> Path:
    return tree(
        root,
        ["laravel/framework"],
        "artisan",
        "public/index.php",
        "bootstrap/app.php",
        "bootstrap/cache/config.php",
        "storage/logs/laravel.log",
        "storage/app/private/kept.txt",
        "routes/web.php",
    )


def symfony_tree(root: Path, *packages: str) -> Path:
    return tree(
        root,
        ["symfony/framework-bundle", *packages],
        "bin/console",
        "public/index.php",
        "config/bundles.php",
        "var/cache/dev/x.php",
    )


def find(root: Path, exec_env: str = "production") -> frameworks.Framework | None:
    return frameworks.find(root, Project.read(root, dev=False), exec_env)


def test_a_framework_is_known_by_its_console_and_its_package(tmp_path: Path) -> None:
    laravel = find(laravel_tree(tmp_path / "laravel"))
    symfony = find(symfony_tree(tmp_path / "symfony"))

    assert laravel is not None
    assert laravel.name == "Laravel"
    assert symfony is not None
    assert symfony.name == "Symfony"
    assert find(tree(tmp_path / "lumen", ["laravel/lumen-framework"], "artisan")) is None
    assert find(tree(tmp_path / "other", [], "bin/console")) is None


@pytest.mark.parametrize(
    ("exec_env", "laravel", "symfony"),
    [
        ("production", ("production", "false"), ("prod", "0")),
        ("test", ("testing", "true"), ("test", "1")),
        ("development", ("local", "true"), ("dev", "1")),
    ],
)
def test_the_execution_environment_becomes_the_frameworks(
    exec_env: str, laravel: tuple[str, str], symfony: tuple[str, str]
) -> None:
    for framework, expected in (
        (frameworks.laravel(exec_env), laravel),
        (frameworks.symfony(Project(), exec_env), symfony),
    ):
        assert (framework.environ["APP_ENV"], framework.environ["APP_DEBUG"]) == expected


def test_laravel_has_a_worker_a_scheduler_and_a_migration(tmp_path: Path) -> None:
    layer = Layer(name="php-conf", path=tmp_path / "layer", types=Types(launch=True, build=True))

    found = build.processes(Context(tmp_path), None, frameworks.laravel("production"), layer)  # type: ignore[arg-type] # all it reads

    assert {process.type: process.command[-4:] for process in found} == {
        "worker": ("artisan", "queue:work", "--tries=3", "--max-time=3600"),
        "scheduler": ("-g", "php", "artisan", "schedule:work"),
        "release": ("php", "artisan", "migrate", "--force"),
    }
    assert all(process.command[:3] == ("pybuild-init", "-g", "php") for process in found)


def test_symfony_has_what_its_packages_bring(tmp_path: Path) -> None:
    plain = find(symfony_tree(tmp_path / "plain"))
    full = find(symfony_tree(tmp_path / "full", "symfony/messenger", "doctrine/doctrine-migrations-bundle"))

    assert plain is not None
    assert dict(plain.processes) == {}
    assert full is not None
    assert set(full.processes) == {"worker", "release"}


def test_what_a_developers_machine_left_is_gone_and_folders_are_there(tmp_path: Path) -> None:
    laravel_tree(tmp_path)

    frameworks.prepare(tmp_path, frameworks.laravel("production"))

    assert not (tmp_path / "bootstrap/cache/config.php").exists()
    assert not (tmp_path / "storage/logs/laravel.log").exists()
    assert (tmp_path / "storage/app/private/kept.txt").exists()
    assert (tmp_path / "storage/framework/views").is_dir()


def test_console_steps_run_for_the_image_and_one_that_fails_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = laravel_tree(tmp_path / "app")
    console, log = tmp_path / "php", tmp_path / "log"
    console.write_text(CONSOLE)
    console.chmod(0o755)
    framework = frameworks.laravel("production")
    context = Context(app, settings={"APP_ENV": "staging"})
    frameworks.prepare(app, framework)

    environ = {**frameworks.unset(context, framework), "APP_ENV": "staging", "LOG": str(log)}  # type: ignore[arg-type] # all it reads
    frameworks.finish(context, framework, [str(console)], environ)  # type: ignore[arg-type] # all it reads

    said = capsys.readouterr()
    assert log.read_text().splitlines() == [
        "staging artisan route:cache --no-interaction",
        "staging artisan event:cache --no-interaction",
        "staging artisan view:cache --no-interaction",
    ]
    assert "artisan route:cache\n" in said.out
    assert "artisan event:cache failed, so every start has to do this:\n    no database" in said.err
    assert (app / "public/storage").readlink() == Path("../storage/app/public")


@pytest.mark.parametrize(
    ("serialized", "settings", "kept"),
    [
        ('O:47:"Laravel\\\\SerializableClosure\\\\SerializableClosure":1:{', {}, False),
        ('C:32:"Opis\\\\Closure\\\\SerializableClosure":1:{', {}, False),
        ('O:47:"Laravel\\\\SerializableClosure\\\\SerializableClosure":1:{', {"APP_KEY": "base64:x"}, True),
        ('O:55:"Laravel\\\\SerializableClosure\\\\UnsignedSerializableClosure":1:{', {}, True),
        ("App\\\\Http\\\\Controllers\\\\EntryController@index", {}, True),
    ],
)
def test_cached_routes_that_only_the_key_of_the_build_could_read_are_not_kept(
    tmp_path: Path, serialized: str, settings: dict[str, str], *, kept: bool
) -> None:
    app = laravel_tree(tmp_path)
    cache = app / "bootstrap/cache/routes-v7.php"
    cache.write_text(f"<?php app('router')->setCompiledRoutes(['uses' => '{serialized}']);")
    framework = frameworks.Framework(
        name="Laravel", console="artisan", script="laravel", environ={"APP_ENV": "x"}
    )

    frameworks.finish(Context(app, settings=settings), framework, [], {})  # type: ignore[arg-type] # all it reads

    assert cache.exists() is kept


def test_the_apps_user_may_write_where_the_framework_does_and_nowhere_else(tmp_path: Path) -> None:
    app = laravel_tree(tmp_path)
    for path in app.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    framework = frameworks.Framework(
        name="Laravel", console="artisan", script="laravel", environ={"APP_ENV": "x"}, writable=("storage",)
    )

    frameworks.finish(Context(app), framework, [], {})  # type: ignore[arg-type] # all it reads

    assert (app / "storage/logs").stat().st_mode & 0o777 == 0o775
    assert (app / "storage/app/private/kept.txt").stat().st_mode & 0o777 == 0o664
    assert (app / "routes/web.php").stat().st_mode & 0o777 == 0o644


def launch(script: str, app: Path, root: Path, **variables: str) -> tuple[dict[str, str], str]:
    done = subprocess.run(
        ["bash", "-c", f'bash "{TEMPLATES / script}" 3> "{root}/out"'],
        env={"PATH": os.environ["PATH"], "CNB_APP_DIR": str(app), **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return tomllib.loads((root / "out").read_text()), done.stderr


def test_laravel_writes_into_its_storage_where_it_can(tmp_path: Path) -> None:
    app = laravel_tree(tmp_path / "app")
    frameworks.prepare(app, frameworks.laravel("production"))

    found, said = launch("laravel", app, tmp_path)

    assert found["VIEW_COMPILED_PATH"] == f"{app}/storage/framework/views"
    assert "LARAVEL_STORAGE_PATH" not in found
    assert found["LOG_CHANNEL"] == "stderr"
    assert found["APP_KEY"].startswith("base64:")
    assert "APP_KEY is not set" in said


def test_views_compiled_at_build_count_as_newer_than_their_sources(tmp_path: Path) -> None:
    app = laravel_tree(tmp_path / "app")
    frameworks.prepare(app, frameworks.laravel("production"))
    view = app / "storage/framework/views/0a.php"
    view.write_text("compiled")
    os.utime(view, (315532801, 315532801))

    launch("laravel", app, tmp_path)

    assert view.stat().st_mtime > 315532801


def test_laravel_keeps_what_the_user_has_set(tmp_path: Path) -> None:
    app = laravel_tree(tmp_path / "app")
    frameworks.prepare(app, frameworks.laravel("production"))

    found, said = launch("laravel", app, tmp_path, APP_KEY="base64:x", LOG_CHANNEL="syslog")

    assert set(found) == {"VIEW_COMPILED_PATH"}
    assert said == ""


def test_symfony_keeps_its_folders_where_they_can_be_written(tmp_path: Path) -> None:
    app = symfony_tree(tmp_path / "app")
    for name in ("var/cache/prod", "var/log"):
        (app / name).mkdir(parents=True)

    assert launch("symfony", app, tmp_path) == ({}, "")
