"""What everyday builds need beside the build itself, on a real engine: secrets, limits, labels, files to read."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from pybuild.oci.reference import Reference
from pybuild.stores.places import open_place
from support.cli import result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import docker

    from support.cli import Lab
    from support.registry import Registry

pytestmark = pytest.mark.docker

SECRET = "correct-horse-battery-staple"
PASSWORD = "pa'ss \\word\n"
SHOWS_ALL = """\
ls -lnd /run/secrets /run/secrets/* /platform/bindings/db/* | while read -r mode _ uid _ _ _ _ _ path; do echo "$mode $uid $path"; done
echo "token: $(cat /run/secrets/token)"
cat /platform/bindings/db/password > /marks/password; cat /run/secrets/raw > /marks/raw
while read -r _ where kind _; do case $where in /run/secrets|/platform/bindings/db) echo "$where is $kind";; esac; done < /proc/mounts
env > /marks/env
mkdir -p "$1/dep"; echo harmless > "$1/dep/file"
printf '[types]\\nlaunch = true\\ncache = true\\nbuild = true\\n' > "$1/dep.toml"
"""


def test_a_build_reads_its_secrets_and_nothing_else_ever_does(
    lab: Lab, engine: docker.APIClient, tmp_path: Path
) -> None:
    (lab.app / "Procfile").write_text("")
    binding = tmp_path / "binding"
    binding.mkdir()
    (binding / "type").write_text("mysql")
    (binding / "password").write_text(PASSWORD)
    (tmp_path / "raw").write_bytes(bytes(range(256)))
    words = (
        "--secret",
        "id=token,env=TOKEN",
        "--secret",
        f"id=raw,src={tmp_path}/raw",
        "--binding",
        f"db={binding}",
    )

    outcome = lab.build("--buildpack", lab.buildpack(build=SHOWS_ALL), *words, TOKEN=SECRET)

    assert outcome.code == 0, outcome.text()
    assert "drwx------ 1000 /run/secrets\n" in outcome.stderr
    assert "-r-------- 1000 /platform/bindings/db/password\n" in outcome.stderr
    assert "/run/secrets is tmpfs\n" in outcome.stderr
    assert "/platform/bindings/db is tmpfs\n" in outcome.stderr
    assert "token: ***\n" in outcome.stderr
    assert (lab.marks / "password").read_text() == PASSWORD
    assert (lab.marks / "raw").read_bytes() == bytes(range(256))
    assert SECRET not in (lab.marks / "env").read_text()
    for text in (outcome.stderr, outcome.stdout, json.dumps(engine.inspect_image(lab.name()))):
        assert SECRET not in text
    assert _places_with(SECRET.encode(), lab, engine) == []


def _places_with(secret: bytes, lab: Lab, engine: docker.APIClient) -> list[str]:
    """Layers of the image, the cache volume and what pybuild remembers, as far as they hold these bytes."""
    store, name = open_place(lab.name())
    image = store.find(name)
    assert image is not None
    found = [diff_id for diff_id in image.diff_ids if secret in b"".join(store.read_layer(image, diff_id))]
    (volume,) = lab.caches()
    made = engine.create_container(
        lab.name(), host_config=engine.create_host_config(binds=[f"{volume}:/kept:ro"])
    )
    try:
        stream, _ = engine.get_archive(made, "/kept")
        kept = b"".join(stream)
    finally:
        engine.remove_container(made, force=True, v=False)
    assert b"harmless" in kept
    found += [volume] if secret in kept else []
    return found + [
        str(path) for path in lab.state.rglob("*") if path.is_file() and secret in path.read_bytes()
    ]


def test_a_build_takes_no_more_of_the_machine_than_it_may(lab: Lab) -> None:
    (lab.app / "Procfile").write_text("")
    new, old = (
        "memory.max cpu.max pids.max",
        "memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max",
    )
    shows = f"cd /sys/fs/cgroup; cat {new} >/marks/limits || cat {old} >/marks/limits"

    outcome = lab.build(
        *("--buildpack", lab.buildpack(build=shows)),
        *("--memory", "64m", "--cpus", "0.5", "--pids-limit", "50"),
    )

    assert outcome.code == 0, outcome.text()
    told = (lab.marks / "limits").read_text().split()
    assert [word for word in told if word != "100000"] == [str(64 << 20), "50000", "50"]


def test_a_build_runs_as_the_user_of_the_users_choice(lab: Lab, engine: docker.APIClient) -> None:
    """--uid, --gid and --userns-host: what buildpacks are, what they make, and what they are given, is of that user."""
    (lab.app / "Procfile").write_text("")
    says = 'echo "build as $(id -u):$(id -g), app of $(stat -c %u:%g .)"; touch made; mkdir -p "$1/dep"; touch "$1/dep/made"'
    types = "printf '[types]\\nlaunch = true\\n' > \"$1/dep.toml\"; touch /marks/here; until [ -e /marks/go ]; do sleep 0.05; done"
    buildpack = lab.buildpack(detect='echo "detect as $(id -u):$(id -g)"', build=f"{says}; {types}")
    words = ("--uid", "1234", "--gid", "2345", "--userns-host")

    started = lab.start_build("--buildpack", buildpack, *words, "--verbose")
    started.wait_for_file(lab.marks / "here")
    (running,) = engine.containers(filters={"volume": str(lab.marks)})
    namespace = engine.inspect_container(running["Id"])["HostConfig"]["UsernsMode"]
    (lab.marks / "go").touch()
    outcome = started.end()

    assert outcome.code == 0, outcome.text()
    assert "detect as 1234:2345\n" in outcome.stderr
    assert "build as 1234:2345, app of 1234:2345\n" in outcome.stderr
    assert namespace == "host"
    owners = _owners(lab, engine)
    assert owners["/workspace/made"] == owners["/workspace/file.txt"] == (1234, 2345)
    assert owners["/layers/acme_bp/dep/made"] == (1234, 2345)
    # Who builds as themselves again takes over nothing that they could not write.
    (lab.marks / "here").unlink()
    again = lab.build("--buildpack", buildpack, "--verbose")
    assert again.code == 0, again.text()
    assert "build as 1000:1000, app of 1000:1000\n" in again.stderr


def _owners(lab: Lab, engine: docker.APIClient) -> dict[str, tuple[int, int]]:
    """Who owns each file of the image below /workspace and /layers."""
    made = engine.create_container(lab.name())
    try:
        found = {}
        for folder in ("/workspace", "/layers"):
            stream, _ = engine.get_archive(made, folder)
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                found |= {f"/{each.name}": (each.uid, each.gid) for each in archive}
    finally:
        engine.remove_container(made, force=True)
    return found


def test_an_image_says_what_the_user_wants_and_files_say_which_one_it_is(
    lab: Lab, engine: docker.APIClient, registry: Registry, tmp_path: Path
) -> None:
    (lab.app / "Procfile").write_text("")
    remote, archive = f"{registry.host}/acme/app:1", tmp_path / "app.tar"
    ids, digest = tmp_path / "id", tmp_path / "digest"
    labels = 'printf \'[[labels]]\\nkey = "one"\\nvalue = "buildpack"\\n\' > "$1/launch.toml"'

    found = result(
        lab.build(
            *("--buildpack", lab.buildpack(build=labels), "--json"),
            *(
                "--label",
                "one=user",
                "--label",
                "two=2",
                "--annotation",
                "org.opencontainers.image.title=An app",
            ),
            *("--output", "type=docker", "--output", f"type=registry,dest={remote}"),
            *("--output", f"type=oci-archive,dest={archive}", "--insecure-registry", registry.host),
            *("--iidfile", str(ids), "--digest-file", str(digest), "--creation-time", "86400"),
        )
    )

    config = engine.inspect_image(lab.name())
    assert config["Config"]["Labels"].items() >= {"one": "user", "two": "2"}.items()
    assert config["Created"] == "1970-01-02T00:00:00Z"
    assert ids.read_text() == config["Id"]
    outputs = found["outputs"]
    assert isinstance(outputs, list)
    assert digest.read_text() == outputs[1]["digest"]
    for place in (f"registry:{remote}", f"oci-archive:{archive}"):
        assert _manifest(place, registry)["annotations"] == {"org.opencontainers.image.title": "An app"}


def _manifest(place: str, registry: Registry) -> Mapping[str, object]:
    store, name = open_place(place, insecure=[registry.host])
    image = store.find(name)
    assert image is not None
    held = getattr(store, "known", None) or {key: m for key, (_, m) in store._known.items()}  # type: ignore[union-attr]
    (manifest,) = [m for m in held.values() if m.digest == image.id]
    assert manifest.media_type == "application/vnd.oci.image.manifest.v1+json"
    assert {layer["mediaType"] for layer in manifest.value["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar+gzip"
    }
    value: Mapping[str, object] = manifest.value
    return value


def test_source_date_epoch_is_the_images_time_of_creation(lab: Lab, engine: docker.APIClient) -> None:
    (lab.app / "Procfile").write_text("")

    outcome = lab.build("--buildpack", lab.buildpack(), SOURCE_DATE_EPOCH="1600000000")

    assert outcome.code == 0, outcome.text()
    assert engine.inspect_image(lab.name())["Created"] == "2020-09-13T12:26:40Z"


def test_what_git_ignores_is_neither_listed_nor_sent(lab: Lab) -> None:
    subprocess.run(["git", "init", "-q", str(lab.app)], check=True)
    for name, text in (
        (".gitignore", ".env\nnode_modules\n"),
        (".env", "A=1"),
        ("index.js", ""),
        ("node_modules/x", ""),
    ):
        (lab.app / name).parent.mkdir(exist_ok=True)
        (lab.app / name).write_text(text)
    shows = lab.buildpack(build='for f in .* *; do echo "sent: $f"; done')

    listed = lab.build("--use-gitignore", "--list-files", "--json")
    warned = lab.build("--list-files")
    (lab.app / "project.toml").write_text(
        '[_]\nschema-version = "0.2"\n[io.buildpacks.pybuild]\nignore-files = [".gitignore"]\n'
    )
    built = lab.build("--buildpack", shows)

    assert [each["path"] for each in result(listed)["files"]] == [".gitignore", "file.txt", "index.js"]  # type: ignore[attr-defined]
    assert "Warning" not in listed.stderr
    assert "Warning: .env may hold secrets, and goes into the image" in warned.stderr
    assert "Warning: .git, a repository's history" in warned.stderr
    sent = {line.removeprefix("sent: ") for line in built.stderr.splitlines() if line.startswith("sent: ")}
    assert sent == {".", "..", ".gitignore", "file.txt", "index.js", "project.toml"}
    assert "Warning" not in built.stderr


def test_files_for_ids_that_cannot_be_written_are_told_before_anything_is_built(words_lab: Lab) -> None:
    words = ("build", Reference.parse("acme/app").familiar)

    words_lab.run(*words, "--iidfile", "/nowhere/id").failed(3, "/nowhere/id is not the name of a file")
    words_lab.run(*words, "--digest-file", "d").failed(3, "one in an engine has none")


MAKES_LAYERS = """\
cd "$1"
version=$(cat "$OLDPWD/version" 2>/dev/null || cat /workspace/version)
[ "$(cat dep/version 2>/dev/null)" = "$version" ] || { rm -rf dep; mkdir dep; echo "$version" > dep/version; }
[ -d tool ] || { mkdir tool; echo a tool > tool/file; }
printf '[types]\\nlaunch = true\\ncache = true\\n[metadata]\\nversion = "%s"\\n' "$version" > dep.toml
printf '[types]\\nbuild = true\\ncache = true\\n' > tool.toml
"""


def test_of_every_layer_it_is_told_what_became_of_it_and_why(lab: Lab) -> None:
    (lab.app / "version").write_text("1")
    words = ("--buildpack", lab.buildpack(build=MAKES_LAYERS), "--explain-cache", "--require-cached")

    first, second = lab.build(*words), lab.build(*words)
    (lab.app / "version").write_text("2")
    third = lab.build(*words)
    as_data = result(lab.build(*words[:2], "--json"))

    first.failed(14, "2 layers were not taken from the cache", "acme/bp:dep: no earlier build")
    assert lab.image_id()
    assert second.code == 0, second.text()
    assert _rows(second.stderr) == {
        "acme/bp:dep": "reused no file of it changed",
        "acme/bp:tool": "reused no file of it changed",
        "app": "reused the app did not change",
        "buildpacksio/lifecycle:launch.sbom": "reused the same contents as before",
        "buildpacksio/lifecycle:launcher": "reused the same contents as before",
        "buildpacksio/lifecycle:config": "reused the same contents as before",
    }
    third.failed(14, "1 layer was not taken", 'acme/bp:dep: its metadata changed: version "1" → "2"')
    assert _rows(third.stderr)["app"] == "added files of the app changed"
    decisions = as_data["layer_decisions"]
    assert isinstance(decisions, list)
    assert {each["rebuilt"] for each in decisions} == {False}


def _rows(text: str) -> dict[str, str]:
    """The table of `--explain-cache` by layer, without sizes."""
    lines = text.partition("  LAYER ")[2].partition("\n\n")[0].splitlines()[1:]
    rows = [line.split() for line in lines]
    return {
        row[0]: " ".join(word for word in row[1:] if not word[0].isdigit() and word not in ("B", "kB", "MB"))
        for row in rows
    }


def test_buildpacks_see_the_home_that_the_engine_gives_their_user(lab: Lab) -> None:
    says = 'echo "at home in $HOME"'

    outcome = lab.build("--buildpack", lab.buildpack(detect=f"{says}; exit 0", build=says), "--verbose")

    assert outcome.code == 0, outcome.text()
    assert "at home in /" in outcome.stderr
