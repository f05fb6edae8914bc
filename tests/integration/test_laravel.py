"""A real Laravel: routes and views made ready at build, a guestbook with sessions and a queue in a bound MariaDB, read-only."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from support import composer_server, debian_php, laravel, services
from support.beside_web import process, until
from support.expectation import Expectation, ProcessRun, Request
from support.sample import PASSWORD, build, check_process, forget, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from support.composer_server import ComposerServer
    from support.sample import Served

KEY = "base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CLOSURE = """function () {
    return app(EntryController::class)->counts();
}"""
EXPECTED = f"""services = ["mariadb"]
[run]
read-only = true
env = {{ APP_KEY = "{KEY}" }}
"""


@pytest.fixture
def server(engine: docker.APIClient, tmp_path: Path) -> Iterator[ComposerServer]:
    packages = debian_php.debian_packages(engine, laravel.DEBS, tmp_path)
    with composer_server.serving((*packages, laravel.words("1.0.0"))) as found:
        yield found


@pytest.fixture
def image(test_run: str, engine: docker.APIClient) -> Iterator[str]:
    name = f"{test_run}-laravel-real"
    yield name
    forget(engine, name, ())


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(1500)
def test_laravel_is_built_migrated_served_and_works_off_its_queue_and_schedule(
    server: ComposerServer, image: str, engine: docker.APIClient, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    laravel.write_app(app, server)
    (tmp_path / "expect.toml").write_text(EXPECTED)
    expected = Expectation.read(tmp_path / "expect.toml")
    online = ("--network", "host")

    first = build(image, app, {}, *online, state=tmp_path)
    asked = len(server.asked)
    again = build(image, app, {}, *online, state=tmp_path)
    account = services.Account(password=PASSWORD)
    with services.started(engine, expected.services, image, account) as service:
        assert service is not None
        release = ProcessRun(type="release", contains=("Migrated:  2026_01_01_000000_create_tables",))
        check_process(engine, image, release, expected, service)
        # Its first turn is at the next full minute.
        with (
            process(engine, image, "scheduler", service, expected) as scheduler,
            running(engine, image, expected, service) as served,
        ):
            served.check(Request(path="/robots.txt", headers={}))
            compiled = views(served)
            check_guestbook(served)
            # Those of error pages are compiled when they are wanted.
            assert compiled <= views(served), "a view was compiled again"
            with process(engine, image, "worker", service, expected) as worker:
                entry = until(served, "/entries/1", '"words":4')
            assert worker.ended == 0, worker.said
            assert "Processed:" in worker.said
            until(served, "/counts", "[1]", seconds=90)
        assert scheduler.ended in {0, 143}, scheduler.said
        assert "Running scheduled command: Note how many entries the book has" in scheduler.said

        edit(app / "routes/web.php", CLOSURE, "[EntryController::class, 'counts']")
        changed = build(image, app, {}, *online, state=tmp_path)
        asked_after_edit = len(server.asked)
        server.put(laravel.words("1.1.0"))
        (app / "composer.lock").write_text(server.lock())
        updated = build(image, app, {}, *online, state=tmp_path)
        with running(engine, image, expected, service) as served:
            about = ("with words 1.1.0 for", "routes cached: true")
            served.check(Request(path="/about", contains=about, headers={}))
            served.check(Request(path="/", contains=("Größe &lt;b&gt; of it",), headers={}))
            served.check(Request(path="/counts", contains=("1",), headers={}))

    assert json.loads(entry)["message"] == "Größe <b> of it"
    for step in ("route:cache", "event:cache", "view:cache"):
        assert f"artisan {step}\n" in first.output
    assert "one of them is a closure, which this Laravel signs with APP_KEY" in first.output
    assert again.image_id == first.image_id
    assert "signs with APP_KEY" not in changed.output
    assert {"pybuild/php:php", "pybuild/php:php-conf"} <= {*changed.reused}
    assert asked == asked_after_edit, "packages were asked for again although none had changed"
    assert server.asked[asked:] == ["200 /dist/acme/words.zip"]
    assert "Upgrading acme/words (1.0.0 => 1.1.0)" in updated.output or "words (1.1.0)" in updated.output
    assert "APP_KEY" not in json.dumps(engine.inspect_image(image)["Config"]["Env"])


def edit(file: Path, find: str, replace: str) -> None:
    before = file.read_text()
    assert find in before
    file.write_text(before.replace(find, replace))


def views(served: Served) -> set[str]:
    """The compiled views, each with the time at which it was written."""
    words = ["sh", "-c", "stat -c '%n %Y %i' /tmp/storage/framework/views/*.php"]
    execution = served.client.exec_create(served.container, words)["Id"]
    said = str(served.client.exec_start(execution).decode())
    assert served.client.exec_inspect(execution)["ExitCode"] == 0, said
    return {*said.splitlines()}


def check_guestbook(served: Served) -> None:
    visitor = Visitor(served)
    about = visitor.ask("/about")
    assert "Laravel 8.83." in about
    assert (
        "with words 1.0.0 for production; debug: false;\nroutes cached: false; storage: /tmp/storage;"
        in about
    )
    form = {"name": "Ada", "message": "Größe <b> of it"}

    assert visitor.ask("/entries", form=form, status=419)
    page = visitor.ask("/")
    token = re.findall(r'name="_token" value="(\w{40})"', page)[0]
    visitor.ask("/entries", form={**form, "message": "", "_token": token}, status=302)
    assert "Please fill in the message." in visitor.ask("/")
    visitor.ask("/entries", form={**form, "_token": token}, status=302)
    page = visitor.ask("/")

    assert "Thank you, Ada" in page
    assert "<b>Ada</b>: Größe &lt;b&gt; of it" in page
    assert '"words":null' in visitor.ask("/entries/1")
    assert "Not Found" in visitor.ask("/entries/2", status=404)


@dataclass(slots=True)
class Visitor:
    """A browser: it keeps the cookies."""

    served: Served
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, *, form: dict[str, str] | None = None, status: int = 200) -> str:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        method = "GET" if form is None else "POST"
        found, answered, body = self.served.ask(
            Request(path=path, method=method, form=form, headers=headers if self.cookies else {})
        )
        for cookie in answered.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        text = body.decode()
        assert found == status, f"{method} {path}: {found}\n{text}\n{self.served.logs()}"
        return text
