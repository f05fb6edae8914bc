"""Registries for tests: a small one inside this process that can be told to fail, and Debian's `docker-registry`."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import secrets
import shutil
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pybuild.oci import model
from pybuild.oci.digest import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
USER, PASSWORD = "builder", "correct horse"
# `htpasswd -nbB builder 'correct horse'`
HTPASSWD = "builder:$2y$05$hBrv8Hgx3aw4faCYE7ZTSeVV7Iu21OIdqSbaYiHOQnA4Uh9Y.ytQG"
_PIECE = 1 << 16


@dataclass
class Fault:
    """What goes wrong with requests of this `method` whose path has `path` in it, `times` times, after `skip` good ones.

    `status`: answered instead, with `headers` and `body`. `how`: "reset" (connection broken before an answer), "reset body"
    (after `after` bytes of the request's body, if it has more), "truncate" (half of the body comes), "long" or "short" (wrong
    Content-Length), "hang" (no answer), "slow" (a byte at a time), "wrong" (other content), "lost" (done, but the
    answer is not sent), "endless" (a body without end).
    """

    method: str
    path: str
    status: int = 0
    how: str = ""
    times: int = 1
    skip: int = 0
    after: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seen: int = 0

    def hits(self, method: str, path: str, size: int) -> bool:
        if self.method not in (method, "*") or self.path not in path:
            return False
        # Uploads run side by side: what is to break off in the middle must not be used up by one that is too small.
        if self.how == "reset body" and size <= self.after:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.seen >= self.times:
            return False
        self.seen += 1
        return True


@dataclass
class Seen:
    """A request that came in. `body`: bytes of it that were read."""

    method: str
    path: str
    headers: dict[str, str]
    body: int = 0


@dataclass
class Registry:
    """What a registry has. `auth`: "", "basic" or "bearer"; `token_uses`: requests that a bearer token is good for.

    `referrers`: it knows what refers to an image, as registries do since version 1.1 of the distribution-spec.
    """

    host: str = ""
    auth: str = ""
    token_uses: int = 1_000_000
    denied_push: set[str] = field(default_factory=set)
    mounts: bool = True
    resumes: bool = True
    referrers: bool = False
    realm: str = ""
    upload_host: str = ""
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fail(self, method: str, path: str, **options: Any) -> Fault:
        fault = Fault(method, path, **options)
        self.faults.append(fault)
        return fault

    def put_blob(self, repository: str, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[repository, digest] = content
        return digest

    def put_manifest(self, repository: str, tag: str, media_type: str, value: object) -> str:
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        self.manifests[repository, digest] = self.manifests[repository, tag] = (media_type, text)
        return digest

    def put_image(
        self, repository: str, tag: str, layers: Sequence[bytes], *, oci: bool = False, **manifest: Any
    ) -> str:
        """An image of these tars, compressed; returns its manifest's digest."""
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Labels": {"label": "base"}},
            "history": [],
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
        }
        text = json.dumps(config).encode()
        packed = [gzip.compress(layer, mtime=0) for layer in layers]
        value = {
            "schemaVersion": 2,
            "mediaType": model.OCI_MANIFEST if oci else model.DOCKER_MANIFEST,
            "config": {
                "mediaType": model.OCI_CONFIG if oci else model.DOCKER_CONFIG,
                "size": len(text),
                "digest": self.put_blob(repository, text),
            },
            "layers": [
                {
                    "mediaType": model.DOCKER_LAYER,
                    "size": len(blob),
                    "digest": self.put_blob(repository, blob),
                }
                for blob in packed
            ],
            **manifest,
        }
        return self.put_manifest(repository, tag, str(value["mediaType"]), value)

    def manifest(self, repository: str, tag: str) -> Any:
        return json.loads(self.manifests[repository, tag][1])

    def asked(self, method: str, path: str = "") -> list[str]:
        """The paths of requests that came in, in order."""
        return [seen.path for seen in self.seen if seen.method == method and path in seen.path]

    @property
    def sent(self) -> int:
        """Bytes of blobs that came in."""
        return sum(seen.body for seen in self.seen if "/blobs/uploads/" in seen.path)


class _Gone(Exception):
    pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one segment: else each waits 40 ms for the acknowledgement of its head.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None: ...

    def _handle(self) -> None:
        registry = self.server.registry
        seen = Seen(self.command, self.path, {key.lower(): value for key, value in self.headers.items()})
        self._seen = seen
        self._fault: Fault | None = None
        with registry.lock:
            registry.seen.append(seen)
            size = int(self.headers.get("Content-Length", 0))
            self._fault = next((f for f in registry.faults if f.hits(self.command, self.path, size)), None)
        try:
            self._answer(registry)
        except (_Gone, OSError):
            self.close_connection = True

    def _answer(self, registry: Registry) -> None:
        fault = self._fault
        if fault is not None:
            if fault.how == "hang":
                self.server.closing.wait(30)
                raise _Gone
            if fault.how == "reset":
                self._reset()
            if fault.status:
                # With an early answer the rest of the request is never read.
                self.close_connection = True
                self._reply(fault.status, fault.body, dict(fault.headers))
                return
        parts = urlsplit(self.path)
        if parts.path == "/token":
            self._token(registry)
            return
        if not self._may(registry):
            return
        if parts.path == "/v2/":
            self._reply(200, b"{}")
        elif found := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", parts.path):
            self._manifest(registry, found[1], found[2])
        elif registry.referrers and (found := re.fullmatch(r"/v2/(.+)/referrers/(sha256:\w+)", parts.path)):
            self._referrers(registry, found[1], found[2])
        elif found := re.fullmatch(r"/v2/(.+)/blobs/uploads/(.*)", parts.path):
            self._upload(registry, found[1], found[2], parse_qs(parts.query))
        elif found := re.fullmatch(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})", parts.path):
            self._blob(registry, found[1], found[2])
        else:
            self._error(404, "NAME_UNKNOWN")

    def _may(self, registry: Registry) -> bool:
        shown = self.headers.get("Authorization", "")
        if registry.auth == "basic":
            good = shown == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            challenge = 'Basic realm="test"'
        elif registry.auth == "bearer":
            token = shown.removeprefix("Bearer ")
            with registry.lock:
                good = registry.tokens.get(token, 0) > 0
                if good:
                    registry.tokens[token] -= 1
            realm = registry.realm or f"http://{registry.host}/token"
            challenge = f'Bearer realm="{realm}",service="test"'
        else:
            good, challenge = True, ""
        if not good:
            self.close_connection = True
            self._error(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
            return False
        writing = self.command in ("POST", "PUT", "PATCH")
        if writing and any(f"/{name}/" in self.path for name in registry.denied_push):
            self.close_connection = True
            self._error(403, "DENIED")
            return False
        return True

    def _token(self, registry: Registry) -> None:
        shown = self.headers.get("Authorization", "")
        if shown and shown != "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            self._error(401, "UNAUTHORIZED")
            return
        token = secrets.token_hex(16)
        registry.tokens[token] = registry.token_uses
        # A clock that is wrong, and a life that is not told: both are no reason to fail.
        self._reply(200, json.dumps({"token": token, "issued_at": "2001-01-01T00:00:00Z"}).encode())

    def _manifest(self, registry: Registry, repository: str, reference: str) -> None:
        if self.command == "PUT":
            text = self._take()
            value = json.loads(text)
            for item in [value["config"], *value["layers"]] if "config" in value else []:
                if (repository, item["digest"]) not in registry.blobs:
                    self._error(404, "MANIFEST_BLOB_UNKNOWN")
                    return
            digest = registry.put_manifest(repository, reference, self.headers["Content-Type"], text)
            headers = {"Docker-Content-Digest": digest, "Location": self.path}
            if registry.referrers and "subject" in value:
                headers["OCI-Subject"] = value["subject"]["digest"]
            self._reply(201, b"", headers)
            return
        if self.command == "DELETE":
            gone = [key for key in registry.manifests if key[0] == repository]
            for key in gone:
                digest = f"sha256:{hashlib.sha256(registry.manifests[key][1]).hexdigest()}"
                if digest == reference:
                    del registry.manifests[key]
            self._reply(202, b"")
            return
        found = registry.manifests.get((repository, reference))
        if found is None:
            self._error(404, "MANIFEST_UNKNOWN")
            return
        digest = f"sha256:{hashlib.sha256(found[1]).hexdigest()}"
        self._reply(200, found[1], {"Content-Type": found[0], "Docker-Content-Digest": digest})

    def _referrers(self, registry: Registry, repository: str, digest: str) -> None:
        texts = {text for (where, _), (_, text) in registry.manifests.items() if where == repository}
        entries = [
            {
                "mediaType": value["mediaType"],
                "digest": f"sha256:{hashlib.sha256(text).hexdigest()}",
                "size": len(text),
                "artifactType": value.get("artifactType"),
            }
            for text in sorted(texts)
            if (value := json.loads(text)).get("subject", {}).get("digest") == digest
        ]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        self._reply(200, json.dumps(index).encode(), {"Content-Type": OCI_INDEX})

    def _blob(self, registry: Registry, repository: str, digest: str) -> None:
        content = registry.blobs.get((repository, digest))
        if content is None:
            self._error(404, "BLOB_UNKNOWN")
            return
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if found and registry.resumes:
            self._reply(206, content[int(found[1]) :], {"Content-Range": f"bytes {found[1]}-*/*"})
        else:
            self._reply(200, content)

    def _upload(
        self, registry: Registry, repository: str, upload: str, query: Mapping[str, list[str]]
    ) -> None:
        if self.command == "POST":
            digest, source = (query.get(key, [""])[0] for key in ("mount", "from"))
            if registry.mounts and digest and (source, digest) in registry.blobs:
                registry.blobs[repository, digest] = registry.blobs[source, digest]
                self._reply(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}"})
                return
            upload = secrets.token_hex(8)
            registry.uploads[upload] = bytearray()
            self._moved(202, repository, upload)
            return
        got = registry.uploads.get(upload)
        if got is None or (self.command == "GET" and not registry.resumes):
            self._error(404, "BLOB_UPLOAD_UNKNOWN")
            return
        if self.command == "PATCH":
            at = self.headers.get("Content-Range", "")
            if at and int(at.partition("-")[0]) != len(got):
                self._take()
                self._error(416, "RANGE_INVALID")
                return
            self._take(into=got)
            self._moved(202, repository, upload)
        elif self.command == "GET":
            self._moved(204, repository, upload)
        elif self.command == "DELETE":
            del registry.uploads[upload]
            self._reply(204, b"")
        else:
            self._take(into=got)
            digest = query["digest"][0]
            if f"sha256:{hashlib.sha256(got).hexdigest()}" != digest:
                self._error(400, "DIGEST_INVALID")
                return
            registry.blobs[repository, digest] = bytes(registry.uploads.pop(upload))
            self._reply(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}"})

    def _moved(self, status: int, repository: str, upload: str) -> None:
        size = len(self.server.registry.uploads[upload])
        host = self.server.registry.upload_host
        where = f"/v2/{repository}/blobs/uploads/{upload}?_state=x"
        self._reply(
            status,
            b"",
            {"Location": f"http://{host}{where}" if host else where, "Range": f"0-{max(size - 1, 0)}"},
        )

    def _take(self, most: int | None = None, into: bytearray | None = None) -> bytes:
        """The request's body, or `most` bytes of it; kept in `into` as far as it came."""
        left = int(self.headers.get("Content-Length", 0))
        left = left if most is None else min(left, most)
        got = bytearray() if into is None else into
        broken = self._fault if self._fault and self._fault.how == "reset body" else None
        start = len(got)
        while left:
            if broken and len(got) - start >= broken.after:
                self._reset()
            piece = self.rfile.read1(min(left, _PIECE))
            if not piece:
                raise _Gone
            got += piece
            left -= len(piece)
            self._seen.body += len(piece)
        return bytes(got[start:])

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise _Gone

    def _error(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": f"told to say {code.lower()}"}]}).encode()
        self._reply(status, body, dict(headers or {}))

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        how = self._fault.how if self._fault else ""
        if how == "lost":
            self._reset()
        length = len(body)
        if how == "wrong":
            body = bytes(byte ^ 1 for byte in body)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        wrong = {"long": length + 10, "short": length // 2, "endless": None}
        if (said := wrong.get(how, length)) is not None and status != 204:
            self.send_header("Content-Length", str(said))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self._send_body(body, how)

    def _send_body(self, body: bytes, how: str) -> None:
        if how == "endless":
            while True:
                self.wfile.write(bytes(_PIECE))
        if how == "truncate":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._reset()
        if how == "slow":
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.server.closing.wait(0.05):
                    return
        self.wfile.write(body)
        if how in ("long", "short"):
            self.close_connection = True


for _verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
    setattr(Handler, f"do_{_verb}", Handler._handle)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: Registry
    closing: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None: ...


def serve(registry: Registry, address: str = "127.0.0.1") -> _Server:
    """Have the registry answer from now on, until `shutdown` and `server_close`."""
    server = _Server((address, 0), Handler)
    server.registry, server.closing = registry, threading.Event()
    registry.host = f"{address}:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry on this machine, empty and without credentials."""
    yield from _served("127.0.0.1")


@pytest.fixture
def other_registry() -> Iterator[Registry]:
    """One on another host."""
    yield from _served("127.0.0.2")


def _served(address: str) -> Iterator[Registry]:
    made = Registry()
    server = serve(made, address)
    yield made
    server.closing.set()
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class DebianRegistry:
    """A running `docker-registry` that wants USER and PASSWORD. `config`: a folder for DOCKER_CONFIG that has them."""

    host: str
    config: Path
    log: Path

    def writes(self) -> list[str]:
        """Requests so far that changed something, as `METHOD /path`."""
        found = re.findall(r'"(POST|PATCH|PUT|DELETE) ([^ "?]+)', self.log.read_text("utf-8", "replace"))
        return [f"{method} {path}" for method, path in found]


@pytest.fixture(scope="session")
def debian_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRegistry]:
    """Debian's docker-registry with basic authentication; skipped where the program is missing."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry here (apt-get install docker-registry)")
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    (folder / "htpasswd").write_text(HTPASSWD + "\n")
    (folder / "config.yml").write_text(
        "version: 0.1\n"
        "log: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{host}'}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n"
    )
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "serve", folder / "config.yml"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={"OTEL_SDK_DISABLED": "true"},
        )
    try:
        _await(host, process, log)
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (folder / "docker").mkdir()
        (folder / "docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        yield DebianRegistry(host, folder / "docker", log)
    finally:
        process.terminate()
        process.wait(60)


def _await(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            with socket.create_connection(tuple_of(host), timeout=1):
                return
        except OSError:
            assert process.poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < until, "docker-registry does not answer"
            time.sleep(0.05)


def tuple_of(host: str) -> tuple[str, int]:
    """Address and port of `host:port`."""
    name, _, port = host.rpartition(":")
    return name, int(port)
