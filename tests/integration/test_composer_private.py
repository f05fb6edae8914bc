"""Composer packages of a private repository and of the app's own folders: who may fetch them, and where the login is not left.

Reliability: S-45, G7.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support import composer_server
from support.debian_php import package
from support.files import write_files
from support.sample import forget

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from support.composer_server import ComposerServer

USER, PASSWORD = "builds", "PLANTED-5d1f0c77"
PRIVATE = package(
    "acme/greeting",
    "1.2.0",
    {
        "src/Greeting.php": '<?php namespace Acme; class Greeting { static function of($who) { return "Hello $who"; } }'
    },
    autoload={"psr-4": {"Acme\\": "src/"}},
)
LOCAL = {
    "packages/names/composer.json": json.dumps(
        {"name": "tests/names", "version": "0.1.0", "autoload": {"psr-4": {"Names\\": "src/"}}}
    ),
    "packages/names/src/Names.php": "<?php namespace Names; class Names { static function first() { return 'Ada'; } }",
}
MAIN = "<?php require __DIR__ . '/../vendor/autoload.php'; echo Acme\\Greeting::of(Names\\Names::first());"


@pytest.fixture
def server() -> Iterator[ComposerServer]:
    with composer_server.serving([PRIVATE], login=f"{USER}:{PASSWORD}") as found:
        yield found


@pytest.fixture
def app(tmp_path: Path, server: ComposerServer) -> Path:
    manifest = {
        "name": "tests/app",
        "repositories": [
            {"type": "composer", "url": server.url},
            {"type": "path", "url": "packages/*"},
            {"packagist.org": False},
        ],
        "require": {"acme/greeting": "^1.2", "tests/names": "^0.1"},
        "config": {"secure-http": False},
    }
    lock = json.loads(server.lock())
    lock["packages"].append(
        {
            "name": "tests/names",
            "version": "0.1.0",
            "dist": {"type": "path", "url": "packages/names", "reference": "1"},
            "autoload": {"psr-4": {"Names\\": "src/"}},
            "transport-options": {"relative": True},
        }
    )
    texts = {
        **LOCAL,
        "public/index.php": MAIN,
        "composer.json": json.dumps(manifest),
        "composer.lock": json.dumps(lock),
    }
    return write_files(tmp_path / "app", texts)


@pytest.fixture
def image(test_run: str, engine: docker.APIClient) -> Iterator[str]:
    name = f"{test_run}-composer"
    yield name
    forget(engine, name, ())


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(900)
def test_private_packages_are_fetched_with_a_bound_login_that_is_left_nowhere(
    app: Path, image: str, engine: docker.APIClient, server: ComposerServer, tmp_path: Path
) -> None:
    binding = tmp_path / "composer-login"
    binding.mkdir()
    (binding / "type").write_text("composer")
    bound = ("--binding", f"composer={binding}")

    without = pybuild(image, app, tmp_path)
    (binding / "auth.json").write_text(login(server, f"{PASSWORD}-not"))
    refused = pybuild(image, app, tmp_path, *bound)
    assert {each.split()[0] for each in server.asked} == {"401"}
    (binding / "auth.json").write_text(login(server, PASSWORD))
    built = pybuild(image, app, tmp_path, *bound)
    answer = said(engine, image)
    by_variable = pybuild(
        image, app, tmp_path, "--env", "COMPOSER_AUTH", "--clear-cache", COMPOSER_AUTH=login(server, PASSWORD)
    )

    for failed in (without, refused):
        assert failed.returncode == 51, failed.stderr
        assert "Composer could not install the packages" in failed.stderr
        assert "COMPOSER_AUTH as JSON, or a binding of type composer with an auth.json" in failed.stderr
    assert built.returncode == 0, built.stderr
    assert by_variable.returncode == 0, by_variable.stderr
    assert answer == "Hello Ada"
    assert "Installing tests/names (0.1.0): Mirroring from packages/names" in built.stderr
    places = {
        "output": [
            text.encode()
            for run in (without, refused, built, by_variable)
            for text in (run.stdout, run.stderr)
        ],
        "image": [b"".join(engine.get_image(image))],
        "configuration": [json.dumps([engine.inspect_image(image), engine.history(image)]).encode()],
        "cache": [volume(engine, each) for each in caches(engine, image)],
        "kept files": [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()],
    }
    assert all(places.values())
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    assert [
        where
        for where, texts in places.items()
        if any(PASSWORD.encode() in text or encoded in text for text in texts)
    ] == []
    assert any(b"class Greeting" in text for text in (*places["image"], *places["cache"]))


def login(server: ComposerServer, password: str) -> str:
    return json.dumps({"http-basic": {server.host: {"username": USER, "password": password}}})


def pybuild(
    image: str, app: Path, scratch: Path, *words: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).with_name("pybuild"),
            "build",
            image,
            "--json",
            "-v",
            "--network",
            "host",
            *words,
        ],
        cwd=app,
        env={**os.environ, "XDG_STATE_HOME": str(scratch / "state"), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def said(engine: docker.APIClient, image: str) -> str:
    """What the page says, asked of PHP alone."""
    made = engine.create_container(image, entrypoint=["launcher"], command=["php", "public/index.php"])
    try:
        engine.start(made)
        status = engine.wait(made, timeout=60)["StatusCode"]
        text = engine.logs(made).decode()
    finally:
        engine.remove_container(made, force=True, v=True)
    assert status == 0, text
    return str(text)


def caches(engine: docker.APIClient, image: str) -> list[str]:
    found = engine.volumes(filters={"label": f"io.pybuild.image={image}:latest"})["Volumes"] or ()
    return [str(each["Name"]) for each in found]


def volume(engine: docker.APIClient, name: str) -> bytes:
    """All bytes of a volume's files."""
    host: Any = engine.create_host_config(binds={name: {"bind": "/volume", "mode": "ro"}})
    made = engine.create_container("pybuild/run:debian-12", ["true"], host_config=host)
    try:
        pieces, _ = engine.get_archive(made, "/volume")
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as opened:
            members = [opened.extractfile(member) for member in opened if member.isfile()]
            return b"".join(file.read() for file in members if file)
    finally:
        engine.remove_container(made, force=True, v=True)
