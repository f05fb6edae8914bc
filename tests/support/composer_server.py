"""A Composer repository over HTTP, as Satis or Private Packagist are: `packages.json`, the packages' zips, a login if wanted."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.debian_php import Package


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposerServer:
    """`asked`: each request as `STATUS PATH`."""

    host: str
    archives: dict[str, bytes]
    about: dict[str, dict[str, Any]]
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def put(self, package: Package) -> None:
        """Publish a package, or another version of it in place of the one before."""
        self.archives[f"/dist/{package.name}.zip"] = package.archive
        self.about[package.name] = dict(package.about)

    def lock(self) -> str:
        """A `composer.lock` of all that is here."""
        packages = [{**about, "dist": self.dist(name)} for name, about in sorted(self.about.items())]
        return json.dumps({"content-hash": "of the tests", "packages": packages, "packages-dev": []})

    def dist(self, name: str) -> dict[str, str]:
        path = f"/dist/{name}.zip"
        digest = hashlib.sha1(self.archives[path]).hexdigest()  # Composer's format has no other.
        return {"type": "zip", "url": f"{self.url}{path}", "reference": digest, "shasum": digest}

    def answer(self, path: str) -> bytes | None:
        if path == "/packages.json":
            packages = {
                name: {about["version"]: {**about, "dist": self.dist(name)}}
                for name, about in self.about.items()
            }
            return json.dumps({"packages": packages}).encode()
        return self.archives.get(path)


@contextmanager
def serving(packages: Iterable[Package], *, login: str = "") -> Iterator[ComposerServer]:
    """The repository on this machine's loopback; `login` as `user:password`, which everything then needs."""
    wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = not wanted or self.headers.get("Authorization") == wanted
            found = repository.answer(self.path) if known else None
            status = 401 if not known else 200 if found is not None else 404
            repository.asked.append(f"{status} {self.path}")
            self.send_response(status)
            if not known:
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    repository = ComposerServer(
        host=f"127.0.0.1:{server.server_address[1]}",
        archives={},
        about={},
    )
    for each in packages:
        repository.put(each)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield repository
    finally:
        server.shutdown()
        server.server_close()
