"""A sample put to the test: built by the real command, run, asked over HTTP, built again, changed, built again."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pybuild import engine
from pybuild.oci import tar
from pybuild.oci.validate import image_faults
from support import bills, services
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import docker

    from support.expectation import Change, Expectation, ProcessRun, Request
    from support.services import Service

SAMPLES = Path(__file__).parents[2] / "samples"
BUILD_SECONDS = 600
ANSWER_SECONDS = 60
"""How long a container may take until it first answers, and each answer."""

# Everything that shells, SQL, URLs and php-fpm's configuration treat in a way of their own.
PASSWORD = "p'a\"s\\s $HOME%41{r};#&=<>@:/?!`(*)[~]|+,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One build: what it showed, and its result as `--json` tells it."""

    output: str
    result: Mapping[str, Any]

    @property
    def image_id(self) -> str:
        return str(self.result["image_id"])

    @property
    def reused(self) -> tuple[str, ...]:
        """The layers taken over, as `buildpack-id:layer`."""
        return tuple(re.findall(r"^Reusing layer '([^']+)'", self.output, re.MULTILINE))


def check(
    sample: Path, expected: Expectation, client: docker.APIClient, *, prefix: str, scratch: Path
) -> None:
    """Do everything that samples/README.md says about the expectation; `AssertionError` where it does not hold."""
    app = scratch / "app"
    shutil.copytree(sample, app)
    made: list[str] = []
    try:
        with services.started(
            client, expected.services, prefix, services.Account(password=PASSWORD)
        ) as service:
            trial = _Trial(client, prefix, expected, service, app, scratch, made)
            first = trial.first_build()
            trial.rebuild(first)
            if expected.rebase is not None:
                trial.rebase(first, expected.rebase)
            if expected.change is not None:
                first = trial.change(expected.change, first)
            if expected.dependency is not None:
                trial.change(expected.dependency, first)
    finally:
        forget(client, prefix, made)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One sample under test. `app`: a copy of it. `made`: the IDs of all images that were built."""

    client: docker.APIClient
    image: str
    expected: Expectation
    service: Service | None
    app: Path
    scratch: Path
    made: list[str]

    def first_build(self) -> Built:
        built = self._build()
        check_build(built, self.expected)
        assert faults(self.client, built.image_id, self.scratch) == []
        self._run_processes(first=True)
        with running(self.client, self.image, self.expected, self.service) as served:
            for request in self.expected.requests:
                served.check(request)
            served.check_logs(self.expected.run_logs)
            served.check_stop(self.expected.run_stop_seconds)
        if self.expected.sbom:
            check_sbom(self.image, self.expected.sbom, self.scratch)
        self._run_processes(first=False)
        return built

    def rebuild(self, first: Built) -> None:
        words = ("--network", "none") if self.expected.rebuild_offline else ()
        check_rebuild(self._build(*words), first, self.expected)
        if self.expected.rebuild_locked:
            locked = self._build("--locked")
            assert locked.image_id == first.image_id, f"--locked made another image:\n{locked.output}"

    def rebase(self, first: Built, requests: Sequence[Request]) -> None:
        """Onto a run image with one more layer: another image, which still answers; then back to how it was."""
        newer = f"{self.image}-run"
        made = engine_image_with_a_file(self.client, first.result["run_image"], newer)
        try:
            # The app knows its run image by another name, hence the force.
            words = ["rebase", self.image, "--run-image", newer, "--pull-policy", "never", "--force"]
            pybuild(words, state=self.scratch)
            rebased = self.client.inspect_image(self.image)
            self.made.append(rebased["Id"])
            assert rebased["RootFS"]["Layers"][: len(made)] == made
            with running(self.client, self.image, self.expected, self.service) as served:
                for request in requests:
                    served.check(request)
        finally:
            self.client.remove_image(newer, force=True)

    def change(self, change: Change, first: Built) -> Built:
        for edit in change.edits:
            _edit(self.app / edit.file, edit.find, edit.replace)
        changed = self._build()
        assert changed.image_id != first.image_id, "the edit made no other image"
        for text in change.output:
            assert text in changed.output, (
                f"{text!r} is not in the output of the build after the edit:\n{changed.output}"
            )
        _has(changed.reused, change.reused, "layers reused after the edit")
        assert faults(self.client, changed.image_id, self.scratch) == []
        with running(self.client, self.image, self.expected, self.service) as served:
            for request in change.requests:
                served.check(request)
        return changed

    def _run_processes(self, *, first: bool) -> None:
        for process in self.expected.processes:
            if process.first == first:
                check_process(self.client, self.image, process, self.expected, self.service)

    def _build(self, *words: str) -> Built:
        built = build(self.image, self.app, self.expected.build_env, *words, state=self.scratch)
        self.made.append(built.image_id)
        return built


def build(image: str, app: Path, environ: Mapping[str, str], *options: str, state: Path) -> Built:
    """Run `pybuild build` in the app's folder, as a user would; its own state folder keeps the tests apart."""
    words = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
    done = pybuild(["build", image, "--json", *words, *options], cwd=app, state=state)
    return Built(output=done.stderr.decode(errors="replace"), result=json.loads(done.stdout))


def pybuild(
    words: Sequence[str], *, cwd: Path | None = None, state: Path
) -> subprocess.CompletedProcess[bytes]:
    """The real command, which must succeed."""
    done = subprocess.run(
        [Path(sys.executable).with_name("pybuild"), *words],
        cwd=cwd,
        env={**os.environ, "XDG_STATE_HOME": str(state / "state")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"pybuild {words[0]} ended with {done.returncode}:\n{said}"
    return done


def check_build(built: Built, expected: Expectation) -> None:
    """The first build: its output, the buildpacks that took part, the image's processes and size."""
    for text in expected.build_output:
        assert text in built.output, f"{text!r} is not in the build's output:\n{built.output}"
    if expected.build_buildpacks:
        found = tuple(buildpack["id"] for buildpack in built.result["buildpacks"])
        assert found == expected.build_buildpacks
    if expected.build_processes:
        types = {process["type"] for process in built.result["processes"]}
        default = [process["type"] for process in built.result["processes"] if process["default"]]
        assert (types, default) == ({*expected.build_processes}, [expected.build_processes[0]])

    if expected.max_bytes:
        size = built.result["above_run_image_bytes"]
        assert size <= expected.max_bytes, (
            f"{size / 1e6:.1f} MB above the run image, {expected.max_bytes / 1e6:.0f} allowed"
        )


def check_sbom(image: str, wanted: Sequence[str], scratch: Path) -> None:
    """All three formats have the same packages, those that are wanted too, in documents that are valid; merged, too."""
    folder = scratch / "sbom"
    pybuild(["sbom", "download", image, "--output-dir", str(folder)], state=scratch)
    merged = {
        form: pybuild(["sbom", "show", image, "--format", form], state=scratch).stdout.decode()
        for form in ("cyclonedx", "spdx")
    }
    bills.check_bills(folder, merged, wanted)


def check_rebuild(built: Built, first: Built, expected: Expectation) -> None:
    """A build with nothing changed: the very same image, and said so."""
    assert built.image_id == first.image_id, f"nothing changed, yet another image was made:\n{built.output}"
    assert built.result["changed"] is False
    assert built.result["sent_bytes"] == 0
    for text in expected.rebuild_output:
        assert text in built.output, f"{text!r} is not in the second build's output:\n{built.output}"
    _has(built.reused, expected.rebuild_reused, "layers reused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The image's default process in a container, at a free port of this machine."""

    client: docker.APIClient
    container: str
    port: int

    def check(self, request: Request) -> None:
        """Ask, and compare the answer."""
        status, headers, body = self.ask(request)
        text = body.decode(errors="replace")
        told = f"{request.method} {request.path}: {status}\n{text}\n--- its container says:\n{self.logs()}"
        assert status == request.status, told
        for wanted in request.contains:
            assert wanted in text, f"no {wanted!r} in the answer to {told}"
        for unwanted in request.lacks:
            assert unwanted not in text, f"{unwanted!r} in the answer to {told}"
        assert headers.get("Content-Type", "").startswith(request.type), told

    def ask(self, request: Request) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body. Tries again only while nothing in the container listens yet."""
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
            try:
                body = None if request.form is None else urllib.parse.urlencode(request.form).encode()
                kind = {} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}
                connection.request(request.method, request.path, body, {**kind, **request.headers})
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except ConnectionError:
                if time.monotonic() > until:
                    raise
            finally:
                connection.close()
            state = self.client.inspect_container(self.container)["State"]
            assert state["Running"], f"ended with {state['ExitCode']}:\n{self.logs()}"
            time.sleep(0.05)

    def logs(self) -> str:
        return self.client.logs(self.container).decode(errors="replace")

    def check_logs(self, wanted: Sequence[str]) -> None:
        """Every text is there, a moment allowed for it to arrive."""
        until = time.monotonic() + 30
        while any(text not in self.logs() for text in wanted) and time.monotonic() < until:
            time.sleep(0.1)
        for text in wanted:
            assert text in self.logs(), f"{text!r} is not in the logs:\n{self.logs()}"

    def check_stop(self, seconds: int) -> None:
        """SIGTERM ends the container in time, as something that was asked to end."""
        start = time.monotonic()
        self.client.kill(self.container, signal="SIGTERM")
        status = self.client.wait(self.container, timeout=60)["StatusCode"]
        took = time.monotonic() - start
        assert status in {0, 143}, f"ended with {status} after SIGTERM:\n{self.logs()}"
        assert took <= allowed(seconds), f"needed {took:.1f} s to end after SIGTERM, not {seconds}"


@contextmanager
def running(
    client: docker.APIClient, image: str, expected: Expectation, service: Service | None
) -> Iterator[Served]:
    """The image's default process, beside its service; removed when the block ends."""
    container = _container(client, image, expected, service)
    try:
        client.start(container)
        port = client.port(container, 8080)[0]["HostPort"]
        yield Served(client=client, container=container, port=int(port))
    finally:
        client.remove_container(container, force=True, v=True)


def check_process(
    client: docker.APIClient, image: str, process: ProcessRun, expected: Expectation, service: Service | None
) -> None:
    """Another process type, run to its end beside the services."""
    container = _container(
        client, image, expected, service, entrypoint=[process.type], command=list(process.args)
    )
    try:
        client.start(container)
        status = client.wait(container, timeout=60)["StatusCode"]
        said = client.logs(container).decode(errors="replace")
    finally:
        client.remove_container(container, force=True, v=True)
    assert status == process.status, f"{process.type} ended with {status}:\n{said}"
    for text in process.contains:
        assert text in said, f"{text!r} is not in what {process.type} says:\n{said}"


def engine_image_with_a_file(client: docker.APIClient, base: str, name: str) -> list[str]:
    """The image `name`: `base` with one more layer. The diff IDs of all its layers."""
    data = b"a patch of the distribution\n"
    entry = tar.TarEntry(b"etc/patched", tar.FILE, 0o644, 0, 0, len(data))
    container = client.create_container(base, ["true"])["Id"]
    try:
        client.put_archive(container, "/", b"".join(tar.write(iter([(entry, data)]))))
        client.commit(container, *name.rsplit(":", 1))
    finally:
        client.remove_container(container, force=True, v=True)
    return list(client.inspect_image(name)["RootFS"]["Layers"])


def free_port(preferred: int = 0) -> int:
    """A TCP port that nobody on this machine uses: the preferred one, else any."""
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("127.0.0.1", preferred))
        except OSError:
            trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


def faults(client: docker.APIClient, image: str, scratch: Path) -> list[str]:
    """What is broken in an image as the engine saves it: all that `oci.validate` sees, with the layers' true digests."""
    saved = scratch / "saved.tar"
    with saved.open("wb") as file:
        for chunk in client.get_image(image):
            file.write(chunk)
    with tarfile.open(saved) as archive:
        manifest = json.loads(_content(archive, "manifest.json").read())[0]
        layers = [_digest(_content(archive, name)) for name in manifest["Layers"]]
        config = _content(archive, manifest["Config"]).read()
    saved.unlink()
    return image_faults(config, layers)


def forget(client: docker.APIClient, name: str, image_ids: Iterable[str]) -> None:
    """Remove an image with its caches, and those that had its name before; an ID may be a shortened one.

    Equal builds give equal images: one that others have named, or run, is left to them.
    """
    for image in (name, *image_ids):
        try:
            with engine.translating(f"removing {image}"):
                if image == name or not client.inspect_image(image)["RepoTags"]:
                    client.remove_image(image, force=image == name)
        except (engine.NotFound, engine.Conflict):
            continue
    for volume in client.volumes(filters={"label": f"io.pybuild.image={name}:latest"})["Volumes"] or ():
        client.remove_volume(volume["Name"])


def _container(
    client: docker.APIClient, image: str, expected: Expectation, service: Service | None, **options: Any
) -> str:
    host_config = client.create_host_config(
        port_bindings={8080: ("127.0.0.1", None)},
        read_only=expected.run_read_only,
        tmpfs={"/tmp": ""} if expected.run_read_only else None,
        network_mode=service.network if service else None,
        binds=[f"{service.volume}:/bindings:ro"] if service else None,
    )
    made = client.create_container(
        image, environment=dict(expected.run_env), ports=[8080], host_config=host_config, **options
    )
    return str(made["Id"])


def _content(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    assert content is not None, f"the saved image has no file {name}"
    return content


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(1 << 20):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _edit(file: Path, find: str, replace: str) -> None:
    before = file.read_text("utf-8")
    assert find in before, f"{file.name} has no {find!r} to change"
    file.write_text(before.replace(find, replace), "utf-8")


def _has(found: Sequence[str], wanted: Sequence[str], what: str) -> None:
    missing = [name for name in wanted if name not in found]
    assert not missing, f"{what}: {missing} missing among {list(found)}"
