#!/usr/bin/env python3
"""`make demo`: build samples/php-guestbook, run it beside a real MariaDB, sign the book over HTTP, read it back.

The app and its database stay, under the names pybuild-demo and pybuild-demo-mariadb, until the next `make demo`
replaces them or `make demo-stop` removes them.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
# The acceptance tests run the same database and ask the same way.
sys.path.insert(0, str(ROOT / "tests"))

from pybuild import engine, events  # noqa: E402
from pybuild.cli.show.console import human_size, human_time  # noqa: E402
from pybuild.errors import PybuildError  # noqa: E402
from support import services  # noqa: E402
from support.expectation import Request  # noqa: E402
from support.sample import Served, free_port  # noqa: E402

if TYPE_CHECKING:
    import docker

    from support.services import Service

NAME = "pybuild-demo"
IMAGE = "pybuild-demo/guestbook"
SAMPLE = "samples/php-guestbook"
PORT = 8080


def main(words: list[str]) -> int:
    """Run or stop the demonstration; print what went wrong in one sentence."""
    try:
        with events.listening(_show):
            client = engine.connect()
            services.remove(client, NAME)
            if words == ["stop"]:
                _say("stopped; the images and the cache stay, so that the next time is quick")
                return 0
            _demonstrate(client)
    except PybuildError as exc:
        _say(f"ERROR: {exc}")
        if exc.hint:
            _say(f"  hint: {exc.hint}")
        return exc.exit_code
    except KeyboardInterrupt:
        _say("stopped; make demo-stop removes what runs")
        return 130
    return 0


def _demonstrate(client: docker.APIClient) -> None:
    start = time.monotonic()
    _say(f"\n$ pybuild {IMAGE} --path {SAMPLE}")
    result = _build()
    _say("\nA database, and a service binding that tells where it is")
    service = services.start(client, NAME, ["mariadb"], services.Account(password=secrets.token_urlsafe(18)))
    port = free_port(PORT)
    _say(f"\n$ {_run_line(port, service)}")
    app = _start(client, service, port)
    _sign_and_read(app)
    _tell(result, port, time.monotonic() - start)


def _build() -> dict[str, Any]:
    """The real command, seen as a user sees it; its JSON for the size."""
    done = subprocess.run(
        [Path(sys.executable).with_name("pybuild"), IMAGE, "--path", SAMPLE, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise PybuildError(f"pybuild ended with {done.returncode}", hint="what it says stands above")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _start(client: docker.APIClient, service: Service, port: int) -> Served:
    with engine.translating("starting the app"):
        container = client.create_container(
            IMAGE,
            name=NAME,
            labels={services.LABEL: NAME},
            ports=[8080],
            host_config=client.create_host_config(
                binds=[f"{service.volume}:/bindings:ro"],
                network_mode=service.network,
                port_bindings={8080: ("127.0.0.1", port)},
                read_only=True,
                tmpfs={"/tmp": ""},
            ),
        )["Id"]
        client.start(container)
    return Served(client=client, container=container, port=port)


def _sign_and_read(app: Served) -> None:
    message = f"Signed by make demo at {time.strftime('%H:%M:%S')}"
    entry = {"name": "Ada Lovelace", "message": message}
    try:
        status, _, _ = app.ask(Request(method="POST", form=entry, headers={}))
        found, _, page = app.ask(Request(headers={}))
    except (OSError, AssertionError) as exc:
        raise PybuildError(f"the app does not answer: {exc}", hint=f"docker logs {NAME}") from exc
    if status != 303 or found != 200 or message.encode() not in page:
        raise PybuildError(
            f"the entry did not arrive: POST was answered with {status}, GET with {found}",
            hint=f"docker logs {NAME}",
        )
    _say(f"POST /  {status}: {entry['name']} wrote: {message}")
    _say(f"GET  /  {found}: the entry is in the book")


def _tell(result: dict[str, Any], port: int, seconds: float) -> None:
    pybuild = Path(sys.executable).with_name("pybuild")
    image, layers = result["image"], result["layers"]
    reused = f"{layers['reused']} of {layers['reused'] + layers['added']} layers reused"
    _say(f"""
  The guestbook runs:  http://localhost:{port}/
  Image:               {image}, {human_size(result["size_bytes"])}, {reused}
  Time:                {human_time(seconds)}

What to try next:
  make demo                                 after an edit of {SAMPLE}: only the change is built
  docker logs {NAME}                  nginx and PHP write there
  docker exec {NAME} launcher php -m  any command in the app's environment
  make demo-stop                            remove app and database
  {pybuild} myapp    in the root of your own app""")


def _run_line(port: int, service: Service) -> str:
    return (
        f"docker run --read-only --tmpfs /tmp -p {port}:8080 --network {service.network}"
        f" -v {service.volume}:/bindings:ro {IMAGE}"
    )


def _show(event: events.Event) -> None:
    if isinstance(event, events.Info):
        _say(event.text)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
