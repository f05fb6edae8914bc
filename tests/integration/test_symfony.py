"""A real Symfony app: kernel, container, routing and Doctrine's DBAL, its script bundled, its database a bound PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pybuild import engine as door
from support import services, symfony
from support.beside_web import process, until
from support.expectation import Expectation, ProcessRun, Request
from support.sample import PASSWORD, SAMPLES, build, check_process, forget, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

EXPECTED = """services = ["postgresql"]
[run]
read-only = true
"""
BUNDLE = "esbuild assets/app.js --bundle --outdir=public/build"


@pytest.fixture
def app(engine: docker.APIClient, tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    symfony.write_app(folder, engine)
    # The bundler, in the versions that a sample has locked.
    package = json.loads((SAMPLES / "ruby-rails/package.json").read_bytes())
    (folder / "package.json").write_text(json.dumps({**package, "scripts": {"build": BUNDLE}}))
    (folder / "package-lock.json").write_bytes((SAMPLES / "ruby-rails/package-lock.json").read_bytes())
    return folder


@pytest.fixture
def image(test_run: str, engine: docker.APIClient) -> Iterator[str]:
    name = f"{test_run}-symfony"
    yield name
    forget(engine, name, ())


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(600)
def test_symfony_is_built_migrated_and_served_from_a_bound_database(
    app: Path, image: str, engine: docker.APIClient, tmp_path: Path
) -> None:
    (tmp_path / "expect.toml").write_text(EXPECTED)
    expected = Expectation.read(tmp_path / "expect.toml")

    built = build(image, app, {}, state=tmp_path)
    account = services.Account(password=PASSWORD)
    with services.started(engine, expected.services, image, account) as service:
        release = ProcessRun(type="release", contains=("The table of notes is made",))
        check_process(engine, image, release, expected, service)
        assert service is not None
        with running(engine, image, expected, service) as served:
            health = json.loads(served.ask(Request(path="/health", headers={}))[2])
            added = served.ask(Request(path="/notes", method="POST", form={"text": "Größe <b>"}, headers={}))
            served.check(Request(path="/notes/1", contains=(r"Gr\u00f6\u00dfe \u003Cb\u003E",), headers={}))
            with process(engine, image, "worker", service, expected) as worker:
                until(served, "/notes/1", '"words":2')
            served.check(Request(path="/notes", method="POST", form={"text": " "}, status=422, headers={}))
            served.check(Request(path="/notes/2", status=404, headers={}))
            served.check(Request(path="/build/app.js", contains=("Notes of ${",), headers={}))
            with pytest.raises(door.NotFound), door.translating("looking for packages"):
                engine.get_archive(served.container, "/workspace/node_modules")

    assert worker.ended == 0, worker.said
    assert 'Consuming messages from transport "async"' in worker.said
    assert "Symfony, for prod" in built.output
    assert "bin/console cache:warmup failed" not in built.output
    assert "neither Node.js nor its packages are in the image" in built.output
    assert health["symfony"].startswith("5.4.")
    assert (health["mode"], health["cache"]) == ("prod", "/tmp/symfony/cache/prod")
    assert (added[0], json.loads(added[2])) == (201, {"id": 1})
