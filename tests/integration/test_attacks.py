"""Strangers' code in a real build: what a hostile buildpack, run image or app tries, and that it gets nowhere.

Each attempt is made for real and written down by the attacker itself; the test then looks at what it got, and at the
image. Reliability: G1, G5, G7, G8; S-09, S-20 to S-25, S-33, S-46, F-17, F-29.
"""

from __future__ import annotations

import concurrent.futures
import json
import signal
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import BuildError, InvalidFile, InvalidInput
from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.stores.daemon import DaemonStore
from support.cli import result
from support.faults import Faults
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.stores.api import Layer
    from support.cli import Lab, Outcome
    from support.registry import Registry

pytestmark = pytest.mark.docker

HONEST = """\
mkdir -p "$1/tools"
echo honest > "$1/tools/word"
printf '[types]\\nlaunch = true\\n' > "$1/tools.toml"
cat > "$1/launch.toml" <<TOML
[[processes]]
type = "web"
command = ["/bin/cat", "$1/tools/word", "file.txt"]
default = true
TOML"""

# Every attempt says `got WHAT` where it succeeded; standard error is what the tools complain with.
ATTEMPTS = """\
try() { what=$1; shift; if ( "$@" ) >/dev/null 2>&1; then echo "got $what"; else echo "refused $what"; fi; }
write() { echo evil > "$1"; }
for place in /cnb/evil /cnb/order.toml /cnb/lifecycle/evil /cnb/buildpacks/evil /platform/env/EVIL /etc/passwd \
    /etc/evil /root/evil /bin/evil /cache/evil /launch-cache/evil /proc/sys/kernel/core_pattern /sys/evil; do
  try "write $place" write "$place"
done
try "control: a file" grep -q root /etc/passwd
try "control: a folder" sh -c 'find / -xdev -type d 2>/dev/null | grep -q .'
try "control: a FIFO" mknod /tmp/fifo p
try "control: a process" grep -qs PATH /proc/self/environ
try "control: a layer" sh -c 'ls -d /layers/* | grep -q acme_honest'
try "control: a setuid program" test -u /bin/id-of-root
try "a device" mknod /tmp/device b 8 0
try "the engine's socket" test -S /var/run/docker.sock
try "a socket" sh -c 'find / -xdev -type s 2>/dev/null | grep -q .'
try "a user" sh -c 'test "$(id -u)" = 0'
try "root's group" sh -c 'id -G | grep -qw 0'
try "a setuid program" sh -c 'test "$(/bin/id-of-root -u)" = 0'
try "a hard link to what is root's" ln /bin/id-of-root /workspace/mine
try "a capability" grep -q '^Cap[A-Za-z]*:.*[1-9a-f]' /proc/self/status
try "new privileges" grep -q '^NoNewPrivs:.*0' /proc/self/status
try "a secret in a process" grep -qs "[P]LANTED\\|[d]XNlcjpQ" /proc/[0-9]*/environ /proc/[0-9]*/cmdline
try "a secret in a file" grep -rqs "[P]LANTED\\|[d]XNlcjpQ" /root /home /etc /run /var /tmp /cnb
try "another build's layers" sh -c 'ls -d /layers/* | grep -qv -e acme_honest -e acme_hostile -e toml -e sbom'
"""
FORGERIES = """\
for file in analyzed group plan run report order; do
  rm -f "/layers/$file.toml"
  printf '[run-image]\\nreference = "evil/run"\\nimage = "evil/run"\\n[[group]]\\nid = "evil/bp"\\nversion = "9"\\napi = "0.10"\\n' \
    > "/layers/$file.toml"
done
mkdir -p /layers/config && printf 'type = "evil"' > /layers/config/metadata.toml
"""


def pair(lab: Lab, hostile: str) -> list[str]:
    """The words for a build with an honest buildpack, and after it one that is not."""
    return [
        *("--buildpack", lab.buildpack(build=HONEST, name="honest")),
        *("--buildpack", lab.buildpack(build=hostile, name="hostile")),
    ]


def published(lab: Lab, registry: Registry, *words: str, **environ: str) -> tuple[Outcome, object]:
    """Build to a registry in which the run image is; the outcome, and the manifest there."""
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    options = [*lab.build_words()[2:], "--publish", "--run-image", f"{registry.host}/acme/run", *words]
    outcome = lab.run("build", f"{registry.host}/acme/app", *options, **environ)
    return outcome, registry.manifest("acme/app", "latest") if not outcome.code else None


@pytest.mark.parametrize("publish", [False, True], ids=["engine", "registry"])
def test_a_hostile_buildpack_gets_at_nothing_of_the_platform(
    lab: Lab, registry: Registry, publish: bool
) -> None:
    """S-22, S-23, S-24, S-25, G7: files, sockets, users, privileges, secrets, other builds."""
    docker_config = lab.root / "home" / ".docker"
    docker_config.mkdir()
    (docker_config / "config.json").write_text(
        json.dumps({"auths": {"registry.example": {"auth": "dXNlcjpQTEFOVEVE"}}})
    )
    words = pair(lab, f"( {ATTEMPTS} ) > /marks/attempts")

    environ = {"CNB_REGISTRY_AUTH": '{"registry.example": "Basic dXNlcjpQTEFOVEVE"}', "TOKEN": "PLANTED"}

    lab.build("--json", *words[:2], name="neighbour")
    outcome = published(lab, registry, *words, **environ)[0] if publish else lab.build(*words, **environ)

    assert outcome.code == 0, outcome.text()

    attempts = (lab.marks / "attempts").read_text().splitlines()
    # The controls show that the tools are there, and that an attempt which succeeds is seen.
    controls = [line for line in attempts if " control: " in line]
    assert len(controls) == 6
    assert [line for line in controls if not line.startswith("got ")] == []
    assert len(attempts) - len(controls) == 25
    assert [line for line in attempts if line not in controls and not line.startswith("refused ")] == []


def test_a_login_that_cannot_be_read_is_told_with_its_file(lab: Lab) -> None:
    """F-30"""
    folder = lab.root / "home" / ".docker"
    folder.mkdir()
    (folder / "config.json").write_text('{"auths": {"registry.example": {"auth": "bm90aGluZw=="}}}')

    lab.build("--buildpack", lab.buildpack(build=HONEST)).failed(
        InvalidFile.exit_code, f"{folder}/config.json", "login"
    )


def test_forged_control_files_decide_nothing(lab: Lab) -> None:
    """S-20, S-21: the image is the one that the same buildpacks make when they forge nothing."""
    honest = result(lab.build(*pair(lab, "exit 0"), "--json", name="clean"))

    forged = result(lab.build(*pair(lab, FORGERIES), "--json"))

    assert forged["image_id"] == honest["image_id"]
    assert forged["run_image"] == honest["run_image"]
    assert forged["buildpacks"] == honest["buildpacks"]
    assert lab.output_of() == "honest\nan app\n"


@pytest.mark.parametrize("folder", ["../../etc", "/proc/self/fd/9", "/", "no/such/folder"])
def test_a_working_directory_is_a_matter_of_the_image_only(lab: Lab, folder: str) -> None:
    """S-33: it is kept as it stands for the launcher, and nobody changes into it while building."""
    build = HONEST.replace("default = true", f'default = true\nworking-dir = "{folder}"')

    found = result(lab.build("--buildpack", lab.buildpack(build=build), "--json"))

    assert lab.engine is not None
    labels = lab.engine.inspect_image(str(found["image_id"]))["Config"]["Labels"]
    (process,) = json.loads(labels["io.buildpacks.build.metadata"])["processes"]
    assert process["working-dir"] == folder


def test_forged_control_files_decide_nothing_of_what_is_published(lab: Lab, registry: Registry) -> None:
    """S-20, S-21."""
    honest, expected = published(lab, registry, *pair(lab, "exit 0"))
    assert honest.code == 0, honest.text()

    forged, manifest = published(lab, registry, *pair(lab, FORGERIES))

    assert forged.code == 0, forged.text()
    assert manifest == expected


def test_a_working_directory_with_a_zero_byte_is_refused(lab: Lab) -> None:
    """S-33"""
    build = HONEST.replace("default = true", 'default = true\nworking-dir = "/tmp\\\\u0000x"')

    lab.build("--buildpack", lab.buildpack(build=build)).failed(
        BuildError.exit_code, "launch.toml", "processes[0].working-dir"
    )


def test_an_image_cannot_take_the_name_of_what_it_is_built_with(lab: Lab, gnu_image: str) -> None:
    """S-46"""
    words = lab.build_words("--buildpack", lab.buildpack(build=HONEST))

    for taken, what in (
        (lab.builder, "the builder"),
        (gnu_image, "the run image"),
        ("pybuild/run:x", "pybuild's"),
    ):
        lab.run("build", taken, *words[2:]).failed(InvalidInput.exit_code, taken, what)


def test_an_enormous_sparse_file_is_on_its_way_in_view_and_ends_at_ctrl_c(lab: Lab) -> None:
    """S-09, F-20, G1, G2: 6 GiB that take no room on the disk; and so ends a build while the app is copied."""
    faults = Faults(lab)
    with (lab.app / "sparse").open("wb") as file:
        file.truncate(6 << 30)
    running = faults.start()
    running.wait_for("Uploading the app")

    ended = running.stop(signal.SIGINT)

    ended.failed(130, "stopped")
    assert ended.seconds < allowed(2)
    faults.check_unharmed()
    (lab.app / "sparse").unlink()
    faults.check_next_build()


def test_eight_first_builds_of_eight_apps_at_once_all_succeed_and_are_remembered(lab: Lab) -> None:
    """F-17, G5: they share nothing but the engine and the folder where caches are written down."""
    build = HONEST.replace("launch = true", "launch = true\\ncache = true")
    words = ["--buildpack", lab.buildpack(build=build), "--json"]
    names = [f"app-{number}" for number in range(8)]

    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        first = list(pool.map(lambda name: result(lab.build(*words, name=name)), names))

    assert len({found["image_id"] for found in first}) == 1
    assert len(lab.caches()) == len(names)
    again = result(lab.build(*words, name="app-3"))
    assert (again["image_id"], again["changed"]) == (first[3]["image_id"], False)


def test_what_a_run_image_says_beside_what_we_set_is_in_the_app_image_unchanged(
    lab: Lab, gnu_image: str
) -> None:
    """F-29: health check, stop signal, volumes, triggers, ports."""
    assert lab.engine is not None
    given = {
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 3000000000, "Retries": 3},
        "StopSignal": "SIGQUIT",
        "Volumes": {"/data": {}},
        "OnBuild": ["RUN true"],
        "ExposedPorts": {"9000/tcp": {}},
    }
    run_image = lab.name("run")
    store = DaemonStore(lab.engine)
    base = store.find(Reference.parse(gnu_image))
    assert base is not None

    def config(diff_ids: Sequence[str]) -> bytes:
        history = [{"created": "1980-01-01T00:00:01Z"} for _ in diff_ids]
        rootfs = {"type": "layers", "diff_ids": list(diff_ids)}
        return model.encode_config({**base.config, "config": given, "history": history, "rootfs": rootfs})

    none: tuple[Layer, ...] = ()
    store.write(base, none, config, (Reference.parse(run_image),), None)

    found = result(lab.build("--buildpack", lab.buildpack(build=HONEST), "--run-image", run_image, "--json"))

    kept = lab.engine.inspect_image(str(found["image_id"]))["Config"]
    assert {name: kept[name] for name in given} == given
