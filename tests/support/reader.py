"""The machine of somebody who reads the documents and types what they say: nothing in it is shared with this one.

It has an engine of its own, a registry that is `registry.example.com` indeed, with TLS and a login, and builders under the
names of real ones, made of tiny buildpacks. All ports and all names are free, and nothing else is reached from it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.engine import UID, gnu_files, image_of_files
from support.namespaces import CannotRun
from support.private_engine import PrivateEngine
from support.registry import HTPASSWD, PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILES = Path(__file__).parent / "reader_machine"
PROGRAMS = ("docker", "docker-registry", "docker-proxy", "openssl", "git", "jq")
REGISTRIES = ("registry.example.com", "registry.example.internal", "mirror.example.com")
BUILDERS = (
    "example/builder",
    "pybuild/builder:debian-12",
    "paketobuildpacks/builder-jammy-base",
    "heroku/builder:24",
)
IN_REGISTRY = ("base/run:1", "run:2", "mirror/heroku:24")
HERE = Path(sys.executable).parent


class ReaderMachine:
    """A machine in a folder. Every page has a home of its own in it; engine and registry are there for all of them."""

    def __init__(self, folder: Path) -> None:
        for program in PROGRAMS:
            if shutil.which(program) is None:
                raise CannotRun(f"there is no {program} here")
        self.folder = folder
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self._engine = PrivateEngine(folder, size="900m", bridge=True, environ=environ)
        self._registry: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start registry and engine, and make the builders."""
        self._have("/etc/hosts", f"127.0.0.1 localhost {' '.join(REGISTRIES)}\n")
        self._start_registry()
        self._engine.start()
        files = gnu_files("bash") | {"usr/bin/env": "/bin/env"}
        # It goes with its engine, without a word to it.
        next(image_of_files(self._engine.client, "example/base:1", files))
        self._make_builders()

    def home(self, name: str) -> Path:
        """A new home with a login for the registry, a default builder, and an app in the folder `work`."""
        home = self.folder / "homes" / name
        shutil.copytree(FILES / "app", home / "work")
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (home / ".docker").mkdir()
        (home / ".docker" / "config.json").write_text(
            json.dumps({"auths": {"registry.example.com": {"auth": login}}})
        )
        settings = home / ".config" / "pybuild"
        settings.mkdir(parents=True)
        (settings / "config.toml").write_text(f'default-builder-image = "{BUILDERS[0]}"\n')
        return home

    def sh(
        self, script: str, home: Path, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a script in the folder `work` of a home, to its first failure; output and errors are one text."""
        return subprocess.run(
            self._engine.space.entering("sh", "-eu", "-c", f"cd {home}/work\n{script}"),
            env={
                "PATH": f"{HERE}:{os.environ['PATH']}",
                "HOME": str(home),
                "LANG": "C.UTF-8",
                "COLUMNS": "100",
                "DOCKER_HOST": self._engine.host,
                "READER_FILES": str(FILES),
                **{
                    f"GIT_{who}_{key}": "reader@example.com"
                    for who in ("AUTHOR", "COMMITTER")
                    for key in ("NAME", "EMAIL")
                },
                **(environ or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=600,
            check=False,
        )

    def close(self) -> None:
        """End all of it."""
        if self._registry is not None:
            self._registry.terminate()
            self._registry.wait(60)
        self._engine.close()

    def _have(self, place: str, content: str) -> None:
        """Have a file of this machine's own at `place`."""
        file = self.folder / Path(place).name
        file.write_text(content)
        self._engine.space.run("mount", "--bind", str(file), place)

    def _start_registry(self) -> None:
        folder = self.folder / "registry"
        folder.mkdir()
        names = ",".join(f"DNS:{name}" for name in REGISTRIES)
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *("-days", "2", "-subj", "/CN=example", "-addext", f"subjectAltName={names}"),
                *("-keyout", folder / "key", "-out", folder / "certificate"),
            ],
            check=True,
            capture_output=True,
        )
        self._have("/etc/ssl/certs/ca-certificates.crt", (folder / "certificate").read_text())
        (folder / "htpasswd").write_text(f"{HTPASSWD}\n")
        (folder / "config.yml").write_text(
            "version: 0.1\n"
            "log: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '127.0.0.1:443', tls: {{certificate: {folder}/certificate, key: {folder}/key}}}}\n"
            f"auth: {{htpasswd: {{realm: example, path: {folder}/htpasswd}}}}\n"
        )
        with (folder / "log").open("wb") as log:
            self._registry = subprocess.Popen(
                self._engine.space.entering("docker-registry", "serve", str(folder / "config.yml")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"OTEL_SDK_DISABLED": "true", "PATH": os.environ["PATH"]},
            )

    def _make_builders(self) -> None:
        tags = "\n".join(f"docker tag {BUILDERS[0]} {name}" for name in BUILDERS[1:])
        pushes = "\n".join(
            f"docker tag pybuild/run:debian-12 registry.example.com/{name}\ndocker push -q registry.example.com/{name}"
            for name in IN_REGISTRY
        )
        # The archive of an image has no variables.
        script = f"""
            base=$(docker create example/base:1 sh)
            docker commit --change 'ENV PATH=/bin' --change 'CMD sh' $base pybuild/run:debian-12
            docker commit --change 'ENV CNB_USER_ID={UID} CNB_GROUP_ID={UID} PATH=/bin' $base pybuild/build:debian-12
            docker rm $base
            pybuild builder create {BUILDERS[0]} --config {FILES}/builder/builder.toml --pull-policy never
            {tags}
            {pushes}
        """
        done = self.sh(script, self.home("maker"))
        assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def reader_machine() -> Iterator[ReaderMachine]:
    """A machine of this module's own; skipped with its reason where none can be made."""
    # Its engine's socket has a short path, which pytest's folders do not.
    folder = Path(tempfile.mkdtemp(prefix="pybuild-reader-"))
    made: ReaderMachine | None = None
    try:
        made = ReaderMachine(folder)
        made.start()
        yield made
    except CannotRun as exc:
        pytest.skip(str(exc))
    finally:
        if made is not None:
            made.close()
        shutil.rmtree(folder, ignore_errors=True)
