"""A static site asked over HTTP: who may come in, headers, redirects, and a single page that answers for every address."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from support.expectation import Request
from support.sample import Served, build, forget

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPMessage
    from pathlib import Path

    import docker

# As `htpasswd -B` writes them: "open sesame", and "another" for the second.
ADA = "ada:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW"
BOB = "bob:$2y$05$zyxwvutsrqponmlkjihgfezdNQE8rus.i7VcQVtUyIIcFAwbK5T1e"
SITE = {
    "public/index.html": "<h1>Tides</h1>",
    "public/app-0a1b2c3d.js": "run()",
    "public/docs/index.html": "<h1>How</h1>",
    "public/404.html": "<h1>Washed away</h1>",
    "public/_headers": "/*\n  X-Frame-Options: DENY\n/docs/*\n  X-Docs: yes\n",
    "public/_redirects": "/old/* /docs/:splat 302\n/news https://example.com/tides\n",
    "public/.env": "PASSWORD=1",
}
SETTINGS = {"BP_STATIC_LOGIN": "true", "BP_WEB_SERVER_ENABLE_PUSH_STATE": "true"}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    for name, text in SITE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def image(test_run: str, engine: docker.APIClient) -> Iterator[str]:
    name = f"{test_run}-static"
    yield name
    forget(engine, name, ())


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(600)
def test_a_site_for_known_users_opens_for_them_alone(
    app: Path, image: str, engine: docker.APIClient, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "type").write_text("htpasswd")
    (users / ".htpasswd").write_text(f"{ADA}\n")

    build(image, app, SETTINGS, state=tmp_path)
    with running(engine, image, None) as served:
        status = engine.wait(served.container, timeout=60)["StatusCode"]
        without = (status, served.logs())
    with running(engine, image, users) as served:
        nobody = ask(served, "/")
        wrong = ask(served, "/", "ada:open says me")
        unknown = ask(served, "/app-0a1b2c3d.js", "bob:another")
        known = ask(served, "/", "ada:open sesame")
        (users / ".htpasswd").write_text(f"{BOB}\n")
        added, removed = ask(served, "/", "bob:another"), ask(served, "/", "ada:open sesame")
        logs = served.logs()

    assert without[0] == 2
    assert "this site is for known users only: bind a service of type htpasswd" in without[1]
    for status, headers, text in (nobody, wrong, unknown, removed):
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="Restricted"')
        assert "Tides" not in text
        assert "run()" not in text
    for status, headers, text in (known, added):
        assert (status, text) == (200, "<h1>Tides</h1>")
        assert headers["X-Frame-Options"] == "DENY"
    assert "sesame" not in logs


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(600)
def test_headers_redirects_and_the_single_page_answer_as_they_are_written(
    app: Path, image: str, engine: docker.APIClient, tmp_path: Path
) -> None:
    build(image, app, {"BP_WEB_SERVER_ENABLE_PUSH_STATE": "true"}, state=tmp_path)
    with running(engine, image, None) as served:
        status, headers, text = ask(served, "/docs/")
        assert (status, headers["X-Docs"], headers["X-Frame-Options"]) == (200, "yes", "DENY")
        mark = headers["ETag"]
        assert ask(served, "/docs/", more={"If-None-Match": mark})[0] == 304
        status, headers, text = ask(served, "/app-0a1b2c3d.js")
        assert (status, text, headers["X-Docs"]) == (200, "run()", None)
        assert "max-age=31536000" in headers["Cache-Control"]
        assert "immutable" in headers["Cache-Control"]
        # The page that scripts take over answers, as what it is; a script that is missing does not become a page.
        status, headers, text = ask(served, "/settings/profile?tab=2")
        assert (status, text, headers["X-Frame-Options"]) == (200, "<h1>Tides</h1>", "DENY")
        assert headers["Content-Type"].startswith("text/html")
        assert ask(served, "/app-ffffffff.js")[0] == 404
        status, headers, text = ask(served, "/old/tides?year=1")
        assert (status, headers["Location"]) in {(302, "/docs/tides"), (302, "/docs/tides?year=1")}
        status, headers, text = ask(served, "/news")
        assert (status, headers["Location"]) == (301, "https://example.com/tides")
        status, headers, text = ask(served, "/docs")
        assert (status, headers["Location"]) == (301, "/docs/")
        for path in ("/.env", "/_headers", "/_redirects"):
            assert ask(served, path)[0] == 404


def ask(
    served: Served, path: str, login: str = "", *, more: Mapping[str, str] | None = None
) -> tuple[int, HTTPMessage, str]:
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    status, found, body = served.ask(Request(path=path, headers={**headers, **(more or {})}))
    return status, found, body.decode()


@contextmanager
def running(engine: docker.APIClient, image: str, users: Path | None) -> Iterator[Served]:
    """The site, read-only; `users`: the folder of the binding."""
    host_config = engine.create_host_config(
        port_bindings={8080: ("127.0.0.1", None)},
        read_only=True,
        tmpfs={"/tmp": ""},
        binds=[f"{users}:/platform/bindings/users:ro"] if users else None,
    )
    container = str(engine.create_container(image, ports=[8080], host_config=host_config)["Id"])
    try:
        engine.start(container)
        bound = engine.port(container, 8080)
        yield Served(client=engine, container=container, port=int(bound[0]["HostPort"]) if bound else 0)
    finally:
        engine.remove_container(container, force=True, v=True)
