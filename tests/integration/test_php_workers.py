"""Plain PHP beside its web server: a worker and a clock from the Procfile of `samples/php-orders`, on one PostgreSQL."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from support import services
from support.beside_web import process, until
from support.expectation import Expectation, Request
from support.sample import PASSWORD, SAMPLES, build, forget, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The sample, with a clock that ticks every second and keeps no orders."""
    folder = tmp_path / "app"
    shutil.copytree(SAMPLES / "php-orders", folder)
    for name, find, replace in (
        ("Procfile", "sleep 3600", "sleep 1"),
        ("packages/queue/src/Queue.php", "30 days", "0 days"),
    ):
        text = (folder / name).read_text()
        assert find in text
        (folder / name).write_text(text.replace(find, replace))
    return folder


@pytest.fixture
def image(test_run: str, engine: docker.APIClient) -> Iterator[str]:
    name = f"{test_run}-orders"
    yield name
    forget(engine, name, ())


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(900)
def test_a_worker_and_a_clock_of_the_procfile_do_their_work_in_the_database(
    app: Path, image: str, engine: docker.APIClient, tmp_path: Path
) -> None:
    expected = Expectation.read(app / "expect.toml")

    build(image, app, {}, state=tmp_path)
    account = services.Account(password=PASSWORD)
    with services.started(engine, expected.services, image, account) as service:
        assert service is not None
        with running(engine, image, expected, service) as served:
            form = {"item": "Two lamps"}
            served.check(Request(path="/orders", method="POST", form=form, status=201, headers={}))
            before = json.loads(served.ask(Request(path="/orders", headers={}))[2])
            with process(engine, image, "worker", service, expected) as worker:
                until(served, "/orders", '"done":true')
            with process(engine, image, "cron", service, expected) as cron:
                until(served, "/orders", '"orders":[]')

    assert [order["done"] for order in before["orders"]] == [False]
    assert worker.ended == 0, worker.said
    assert worker.said == "Packing Two lamps\nThe worker has stopped.\n"
    assert cron.ended in {0, 143}, cron.said
    assert "1 old orders removed" in cron.said
