"""An app of Laravel's shape, its framework a package of the repository: prepared at build, started read-only or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.expectation import Request
from support.files import write_files
from support.sample import Served, build, forget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

MANIFEST = {
    "name": "x/app",
    "repositories": [{"type": "path", "url": "packages/*"}, {"packagist.org": False}],
    "require": {"laravel/framework": "^11.0"},
    "scripts": {"post-autoload-dump": ["@php artisan package:discover"]},
}
LOCKED = {
    "name": "laravel/framework",
    "version": "11.0.0",
    "dist": {"type": "path", "url": "packages/framework", "reference": "1"},
    "type": "library",
    "transport-options": {"relative": True},
}
ARTISAN = """\
<?php
$cache = __DIR__ . '/bootstrap/cache';
switch ($argv[1] ?? '') {
case 'package:discover': file_put_contents("$cache/packages.php", '<?php'); exit('discovered in ' . getenv('APP_ENV') . "\\n");
case 'route:cache': file_put_contents("$cache/routes.php", '<?php'); exit;
case 'event:cache': fwrite(STDERR, "needs a database\\n"); exit(1);
case 'queue:work': exit('working in ' . getenv('APP_ENV') . "\\n");
}
"""
INDEX = """\
<?php
$views = getenv('VIEW_COMPILED_PATH');
file_put_contents("$views/page.php", 'x');
echo json_encode(['mode' => getenv('APP_ENV'), 'views' => $views, 'log' => getenv('LOG_CHANNEL'),
    'routes' => is_file('../bootstrap/cache/routes.php'), 'left' => is_file('../bootstrap/cache/config.php')]);
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    texts = {
        "composer.json": json.dumps(MANIFEST),
        "composer.lock": json.dumps({"content-hash": "x", "packages": [LOCKED], "packages-dev": []}),
        "packages/framework/composer.json": json.dumps({"name": "laravel/framework", "version": "11.0.0"}),
        "artisan": ARTISAN,
        "public/index.php": INDEX,
        "bootstrap/cache/config.php": "<?php exit('of a developer');",
        "storage/framework/views/.gitignore": "*\n",
    }
    return write_files(tmp_path / "app", texts)


@pytest.fixture
def image(test_run: str, engine: docker.APIClient) -> Iterator[str]:
    name = f"{test_run}-laravel"
    yield name
    forget(engine, name, ())


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(600)
def test_laravel_is_prepared_at_build_and_writes_where_it_can(
    app: Path, image: str, engine: docker.APIClient, tmp_path: Path
) -> None:
    built = build(image, app, {}, state=tmp_path)
    stuck = answer(engine, image, read_only=True)
    free = answer(engine, image, read_only=False)
    worker = said(engine, image, entrypoint=["worker"])

    assert "discovered in production" in built.output
    assert "artisan event:cache failed" in built.output
    common = {"mode": "production", "log": "stderr", "routes": True, "left": False}
    assert stuck == {**common, "views": "/tmp/storage/framework/views"}
    assert free == {**common, "views": "/workspace/storage/framework/views"}
    assert "working in production" in worker


def answer(engine: docker.APIClient, image: str, *, read_only: bool) -> object:
    """What the page says of itself."""
    host_config = engine.create_host_config(
        port_bindings={8080: ("127.0.0.1", None)},
        read_only=read_only,
        tmpfs={"/tmp": ""} if read_only else None,
    )
    container = str(engine.create_container(image, ports=[8080], host_config=host_config)["Id"])
    try:
        engine.start(container)
        port = int(engine.port(container, 8080)[0]["HostPort"])
        served = Served(client=engine, container=container, port=port)
        status, _, body = served.ask(Request(headers={}))
        assert status == 200, served.logs()
        return json.loads(body)
    finally:
        engine.remove_container(container, force=True)


def said(engine: docker.APIClient, image: str, *, entrypoint: list[str]) -> str:
    container = str(engine.create_container(image, entrypoint=entrypoint)["Id"])
    try:
        engine.start(container)
        engine.wait(container, timeout=60)
        return engine.logs(container).decode()
    finally:
        engine.remove_container(container, force=True)
