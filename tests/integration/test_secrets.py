"""Marked secrets, one in every place where a user may put one, and every place searched for them after and during builds.

Reliability: S-24, S-45, G7.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tarfile
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from pybuild.errors import BuildpackFailed
from pybuild.platform.signing import keys
from support.registry import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cli import Lab, Outcome
    from support.registry import Registry

pytestmark = pytest.mark.docker

MARK = "PLANTED-7f3a91c2"
MIRRORED = "mirrored.example"
HONEST = """\
mkdir -p "$1/tools"
echo honest > "$1/tools/word"
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/tools.toml"
cat > "$1/launch.toml" <<TOML
[[processes]]
type = "web"
command = ["/bin/cat", "$1/tools/word", "file.txt"]
default = true
TOML"""
SEES = f"""\
has() {{ case "$2" in *{MARK}-$1*) ;; *) echo "lacks $1"; exit 9;; esac; }}
has file "$FROM_FILE"
has option "$FROM_OPTION"
has caller "$FROM_CALLER"
has project "$FROM_PROJECT"
has proxy "$http_proxy"
has binding "$(cat /platform/bindings/db/password)"
has secretfile "$(cat /run/secrets/fromfile)"
has secretvariable "$(cat /run/secrets/fromvariable)"
echo "$http_proxy"
cat /run/secrets/fromfile /platform/bindings/db/password
touch /marks/seen
"""
"""Refuses to go on without any of them, and shows those that must be hidden from whoever reads along. No program of its own is
given one as an argument."""
PLANTED = (
    *("file", "option", "caller", "binding", "secretfile", "secretvariable", "proxy", "registry", "config"),
    *("url", "token", "remote", "index", "nowhere", "mirror", "runmirror", "key"),
)
"""All but what project.toml says, which is of the app and in it."""


class Machine:
    """A lab with a secret in every place, and a server that gives out a buildpack to who knows its password."""

    def __init__(self, lab: Lab, registry: Registry, buildpacks: str) -> None:
        self.lab, self.registry = lab, registry
        registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
        registry.auth = "basic"
        (lab.app / "project.toml").write_text(
            '[_]\nschema-version = "0.2"\n[[io.buildpacks.build.env]]\nname = "FROM_PROJECT"\n'
            f'value = "{MARK}-project"\n[io.buildpacks]\nexclude = [".git"]\n'
        )
        _git(lab.app, "init", "--quiet")
        _git(lab.app, "remote", "add", "origin", f"https://me:{MARK}-remote@git.example.com/app.git")
        _git(lab.app, "commit", "--quiet", "--allow-empty", "-m", "one")
        (lab.root / "secrets.env").write_text(f"FROM_FILE={MARK}-file\nFROM_CALLER\n")
        (lab.root / "secret").write_text(f"{MARK}-secretfile")
        (lab.root / "db").mkdir()
        (lab.root / "db" / "type").write_text("mysql")
        (lab.root / "db" / "password").write_text(f"{MARK}-binding")
        (lab.root / "home" / ".docker").mkdir()
        settings = lab.root / "home" / ".config" / "pybuild"
        settings.mkdir(parents=True)
        (settings / "config.toml").write_text(
            f'[registry-mirrors]\n"{MIRRORED}" = "me:{MARK}-mirror@127.0.0.1:1"\n'
            f'[[run-images]]\nimage = "acme/run"\nmirrors = ["me:{MARK}-runmirror@127.0.0.1:1/run"]\n'
        )
        keys.make_pair(lab.root / "team.key", lab.root / "team.pub", password=f"{MARK}-key")
        auths = {"other.example": {"auth": _basic("me", f"{MARK}-config")}, registry.host: {"auth": _basic(USER, PASSWORD)}}  # fmt: skip
        (lab.root / "home" / ".docker" / "config.json").write_text(json.dumps({"auths": auths}))
        self.words = [
            *("--env-file", str(lab.root / "secrets.env"), "--env", f"FROM_OPTION={MARK}-option"),
            *("--secret", f"id=fromfile,src={lab.root}/secret", "--secret", "id=fromvariable,env=CONFIDED"),
            *("--binding", f"db={lab.root}/db", "--report-output-dir", str(lab.root / "report")),
            *("--sbom-output-dir", str(lab.root / "sboms"), "--iidfile", str(lab.root / "iid")),
            *("--report", str(lab.root / "page.html"), "--buildpack", buildpacks),
        ]
        self.environ = {
            "FROM_CALLER": f"{MARK}-caller",
            "CONFIDED": f"{MARK}-secretvariable",
            "http_proxy": f"http://user:{MARK}-proxy@127.0.0.1:9",
            "no_proxy": "127.0.0.1",
            "TMPDIR": str(lab.tmp),
            keys.PASSWORD: f"{MARK}-key",
            "CNB_REGISTRY_AUTH": json.dumps({"third.example": f"Basic {_basic('me', f'{MARK}-registry')}"}),
        }

    def build(self, *words: str, publish: bool = False) -> Outcome:
        if not publish:
            return self.lab.build(*self.words, *words, **self.environ)
        host = self.registry.host
        options = [*self.lab.build_words()[2:], "--publish", "--run-image", f"{host}/acme/run"]
        options += ["--sign", str(self.lab.root / "team.key")]
        return self.lab.run("build", f"{host}/acme/app", *options, *self.words, *words, **self.environ)


def _git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def machine(lab: Lab, registry: Registry) -> Iterator[Machine]:
    folder = lab.buildpack(build=SEES + HONEST)
    packed = subprocess.run(["tar", "-cz", "-C", folder, "."], capture_output=True, check=True).stdout
    with _served(packed, f"Basic {_basic('me', f'{MARK}-url')}") as host:
        yield Machine(lab, registry, f"http://me:{MARK}-url@{host}/bp.tgz")


@contextmanager
def _served(content: bytes, login: str) -> Iterator[str]:
    """A server that has `content` everywhere, for those who show this login."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == login
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(content) if known else 0))
            self.end_headers()
            self.wfile.write(content if known else b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Watch:
    """What all processes of this machine were started with while it lasts, but for pybuild itself, which was told."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.is_set():
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    words = (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                # The program that the test starts, with the words that the user types; all else is ours.
                if b"sys.argv[0] = 'pybuild'" not in words:
                    self.seen.add(words)
            time.sleep(0.001)


def test_no_planted_secret_is_anywhere_after_builds_into_the_engine(machine: Machine) -> None:
    """S-45, G7: one that succeeds and one that fails, both as talkative as can be."""
    lab = machine.lab
    assert lab.engine is not None

    with Watch() as watch:
        built = machine.build("-v")
        assert built.code == 0, built.text()
        told = machine.build("--log-format", "json", "--json", "--explain-cache")
        failing = lab.buildpack(build=f"{SEES}exit 7", name="fails")
        failed = machine.build("-v", "--buildpack", failing)

    assert told.code == 0, told.text()
    assert failed.code == BuildpackFailed.exit_code, failed.text()
    assert (lab.marks / "seen").exists()
    assert "***" in built.stderr
    found = search(
        {
            "output": [outcome.stdout + outcome.stderr for outcome in (built, told, failed)],
            "image": [b"".join(lab.engine.get_image(lab.name()))],
            "configuration": [json.dumps([lab.engine.inspect_image(lab.name()), lab.engine.history(lab.name())])],
            "cache": [volume_content(lab, name) for name in lab.caches()],
            **kept_files(lab),
        }
    )  # fmt: skip
    assert found == []
    assert (
        search(
            {"arguments of processes": sorted(watch.seen)},
            [f"{MARK}-{each}" for each in (*PLANTED, "project")],
        )
        == []
    )
    assert any(b"/bin/build" in words for words in watch.seen)
    assert b"honest" in b"".join(lab.engine.get_image(lab.name()))
    assert any(b"dockerd" in words for words in watch.seen)


def test_no_planted_secret_is_anywhere_in_a_registry(machine: Machine) -> None:
    """S-24, S-45, G7: image, cache image and provenance; nor the login by which they came there."""
    host = machine.registry.host

    outcome = machine.build("-v", "--cache-image", f"{host}/acme/cache", publish=True)

    assert outcome.code == 0, outcome.text()
    assert ("acme/cache", "latest") in machine.registry.manifests
    there = [*machine.registry.blobs.values(), *(body for _, body in machine.registry.manifests.values())]
    found = {"output": [outcome.stdout + outcome.stderr], "registry": there, **kept_files(machine.lab)}
    assert search(found) == []
    assert search(found, [PASSWORD, _basic(USER, PASSWORD)]) == []
    assert any(".sig" in tag for _, tag in machine.registry.manifests)


def test_the_login_of_a_mirror_is_in_no_error(machine: Machine) -> None:
    """S-45: the settings name a registry to ask instead of another one, and one more place of the run image."""
    for words in (
        ("--builder", f"{MIRRORED}/acme/builder"),
        ("--run-image", f"{MIRRORED}/acme/run"),
        ("--buildpack", f"docker://{MIRRORED}/acme/bp"),
        ("--run-image", "acme/run"),
    ):
        failed = machine.build("-v", "--pull-policy", "always", *words)

        assert failed.code not in {0, 2, 70}, failed.text()
        assert search({"output": [failed.stdout + failed.stderr]}) == []


@pytest.mark.parametrize(
    "words",
    [
        ["app", "--buildpack", f"https://{MARK}-token@127.0.0.1:1/bp.tgz"],
        ["app", "--buildpack", f"https://me:{MARK}-url@127.0.0.1:1/bp.tgz#sha256=no"],
        ["app", "--buildpack", f"docker://me:{MARK}-url@127.0.0.1:1/a/b"],
        ["app", "--buildpack", "no/such", "--buildpack-registry", f"https://me:{MARK}-index@127.0.0.1:1/i.git"],
        ["app", "--builder", f"https://me:{MARK}-url@127.0.0.1:1/builder"],
        ["app", "--builder", f"me:{MARK}-url@127.0.0.1:1/builder"],
        ["app", "--run-image", f"https://me:{MARK}-url@127.0.0.1:1/run"],
        ["app", "--cache-image", f"https://me:{MARK}-url@127.0.0.1:1/cache"],
        ["app", "--cache", f"format=image;name=https://me:{MARK}-url@127.0.0.1:1/cache"],
        ["app", "--previous-image", f"https://me:{MARK}-url@127.0.0.1:1/app"],
        ["app", "--tag", f"https://me:{MARK}-url@127.0.0.1:1/app"],
        ["app", "--insecure-registry", f"https://me:{MARK}-url@127.0.0.1:1"],
        ["app", "--insecure-registry", f"me:{MARK}-url@127.0.0.1:1"],
        ["app", "--env", f"A B={MARK}-option"],
        ["app", "--path", f"https://me:{MARK}-url@127.0.0.1:1/app.zip"],
        ["app", "--path", f"git+https://me:{MARK}-url@127.0.0.1:1/app.git"],
        ["app", "--descriptor", f"https://me:{MARK}-url@127.0.0.1:1/project.toml"],
        [f"me:{MARK}-url@127.0.0.1:1/app"],
        ["app", "--builder", f"git+https://me:{MARK}-url@127.0.0.1:1/builder.git"],
        ["app", "--buildpack", f"git+https://me:{MARK}-url@127.0.0.1:1/bp.git"],
    ],
)  # fmt: skip
def test_an_error_about_a_word_never_shows_the_login_in_it(lab: Lab, words: list[str]) -> None:
    """S-45: wherever one may be written, also where none belongs."""
    words = [*words, "--builder", lab.builder] if "--builder" not in words else words

    outcome = lab.run("build", *words, "-v", "--network", "none")

    assert outcome.code not in {0, 2, 70}, outcome.text()
    assert MARK not in outcome.stdout + outcome.stderr


def kept_files(lab: Lab) -> dict[str, list[bytes]]:
    """All that pybuild wrote on this machine: what it remembers, copies of downloads, reports, temporary files."""
    places = {
        name: [path.read_bytes() for path in _files(folder)]
        for name, folder in {
            "home": lab.root / "home",
            "report": lab.root / "report",
            "SBOMs": lab.root / "sboms",
            "temporary": lab.tmp,
        }.items()
    }
    given = [lab.root / "home" / each for each in (".docker/config.json", ".config/pybuild/config.toml")]
    theirs = [path.read_bytes() for path in given]
    places["home"] = [content for content in places["home"] if content not in theirs]
    places["page"] = [(lab.root / "page.html").read_bytes()]
    places["iid"] = [(lab.root / "iid").read_bytes()] if (lab.root / "iid").exists() else []
    assert places["report"]
    return places


def search(
    places: dict[str, list[bytes]] | dict[str, list[str]], secrets: list[str] | None = None
) -> list[tuple[str, str]]:
    """Which secret is in which place; in what is said to a shell, a header or a tool each stands in another form."""
    wanted = secrets or [f"{MARK}-{place}" for place in PLANTED]
    forms = {
        each: {each.encode(), base64.b64encode(each.encode()), base64.b64encode(f"me:{each}".encode())}
        for each in wanted
    }
    return [
        (where, each)
        for where, texts in places.items()
        for each, shapes in forms.items()
        for text in texts
        if any(shape in (text if isinstance(text, bytes) else text.encode()) for shape in shapes)
    ]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def volume_content(lab: Lab, volume: str) -> bytes:
    """All bytes of a volume's files."""
    assert lab.engine is not None
    host = lab.engine.create_host_config(binds={volume: {"bind": "/volume", "mode": "ro"}})
    made = lab.engine.create_container(
        lab.builder, ["/bin/sh"], host_config=host, labels={"pybuild.test": lab.prefix}
    )
    try:
        pieces, _ = lab.engine.get_archive(made, "/volume")
        with closing(io.BytesIO(b"".join(pieces))) as packed, tarfile.open(fileobj=packed) as opened:
            members = [opened.extractfile(member) for member in opened if member.isfile()]
            return b"".join(file.read() for file in members if file)
    finally:
        lab.engine.remove_container(made, force=True)
