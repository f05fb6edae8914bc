"""Builds whose builder has image extensions, as users run them: both images extended, switched, kept and refused.

GEN-05, GNR-01 to GNR-12, XTD-01 to XTD-06, EXT-04, EXP-03, image_extension.md.
"""

from __future__ import annotations

import json
import signal
import ssl
from typing import TYPE_CHECKING

import pytest

from pybuild.oci import tar
from pybuild.oci.reference import Reference
from support.authority import certificate
from support.cli import result
from support.extensions import RESET, SLOW, USER, WEB, dockerfile, when_slow
from support.pace import allowed

if TYPE_CHECKING:
    import docker

    from support.extensions import ExtendingLab
    from support.registry import DebianRegistry

pytestmark = pytest.mark.docker


def test_both_images_are_extended_and_the_second_build_changes_nothing(extending: ExtendingLab) -> None:
    generate = (
        dockerfile("build", "ARG word\nRUN echo $word > /tool\nENV FROM_EXTENSION=yes\n" + RESET)
        + dockerfile("run", "COPY given /given\nLABEL io.buildpacks.rebasable=true\n" + RESET)
        + '[ -f "$CNB_BP_PLAN_PATH" ] && grep -q name "$CNB_BP_PLAN_PATH"\n'
        + "mkdir context.run; echo of the run image > context.run/given\n"
        + 'printf \'[[build.args]]\\nname = "word"\\nvalue = "of the build image"\\n\' > extend-config.toml'
    )
    extending.extension("tool", generate)
    extending.buildpack(f'cp /tool "$1/../../workspace/tool"; [ $(id -u) = 1000 ]; {WEB % "/given tool"}')

    first = extending.lab.run(*extending.words())
    image = extending.lab.image_id()
    second = extending.lab.run(*extending.words("--verbose"))

    assert first.code == 0, first.text()
    assert second.code == 0, second.text()
    assert extending.lab.output_of() == "of the run image\nof the build image\n"
    assert extending.lab.image_id() == image, "the engine's cache gave the same layers"
    config = extending.config()
    assert config["User"] == USER
    assert config["Labels"]["io.buildpacks.rebasable"] == "true"
    assert "io.pybuild.kind" not in config["Labels"]
    metadata = json.loads(config["Labels"]["io.buildpacks.lifecycle.metadata"])
    assert metadata["runImage"]["topLayer"] == extending.layers("run:1")[-1]
    about = json.loads(config["Labels"]["io.buildpacks.build.metadata"])
    assert about["extensions"] == [{"id": "tool", "version": "1"}]
    history = extending.lab.engine.history(image)
    assert "Layer: 'COPY given /given', Created by extension: tool" in [it["CreatedBy"] for it in history]


def test_secrets_reach_buildpacks_in_the_extended_build_image_and_no_dockerfile(
    extending: ExtendingLab,
) -> None:
    extending.extension("tool", dockerfile("build", "RUN touch /tool && [ ! -e /run/secrets ]\n" + RESET))
    extending.buildpack(f'[ -e /tool ]; echo "token: $(cat /run/secrets/token)"; {WEB % "/tool"}')

    outcome = extending.lab.run(*extending.words("--secret", "id=token,env=TOKEN"), TOKEN="of-an-extension")

    assert outcome.code == 0, outcome.text()
    assert "token: ***\n" in outcome.stderr
    assert "of-an-extension" not in json.dumps(extending.lab.engine.inspect_image(extending.lab.image_id()))


def test_a_layer_that_depends_on_build_id_and_those_after_it_are_made_anew(extending: ExtendingLab) -> None:
    body = (
        "ARG build_id=0\nRUN head -c 16 /dev/urandom > /kept\n"
        "RUN echo ${build_id} > /id\nRUN head -c 16 /dev/urandom > /after\n"
    )
    extending.extension("e", dockerfile("run", body + RESET))
    extending.buildpack(WEB % "/id")
    assert extending.lab.run(*extending.words()).code == 0
    below = len(extending.layers("run:1"))
    before, said, kept = extending.layers(), extending.lab.output_of(), extending.images()

    assert extending.lab.run(*extending.words()).code == 0

    after = extending.layers()
    assert after[: below + 1] == before[: below + 1]
    assert after[below + 1] != before[below + 1]
    assert after[below + 2] != before[below + 2]
    assert len(said.strip()) == 36, "a UUID"
    assert extending.lab.output_of() != said
    assert len(extending.images()) == len(kept), "what was replaced is removed"
    assert json.loads(json.dumps(extending.config()["Labels"]))["io.buildpacks.rebasable"] == "false"


def test_an_extension_chooses_another_run_image_and_a_later_one_extends_it(extending: ExtendingLab) -> None:
    other = extending.lab.name("other:1")
    extending.image(other, {"who": "another image\n"}, User="1001:1001", Env=["PATH=/bin", "OTHER=1"])
    extending.extension("first", dockerfile("run", "RUN exit 7\n"))
    extending.extension("switch", f"printf 'FROM {other}\\n' > run.Dockerfile")
    extending.extension("last", dockerfile("run", "RUN echo more > /more\n" + RESET))
    extending.buildpack(WEB % "/who /more")

    built = extending.lab.run(*extending.words())

    assert built.code == 0, built.text()
    assert extending.lab.output_of() == "another image\nmore\n"
    config = extending.config()
    assert config["User"] == "1001:1001"
    assert "OTHER=1" in config["Env"]
    metadata = json.loads(config["Labels"]["io.buildpacks.lifecycle.metadata"])
    assert metadata["runImage"]["image"] == other
    assert metadata["runImage"]["topLayer"] == extending.layers("other:1")[-1]


def test_switching_alone_makes_no_image(extending: ExtendingLab) -> None:
    other = extending.lab.name("other:1")
    extending.image(other, {"who": "another image\n"}, User="1001", Env=["PATH=/bin"])
    extending.extension("switch", f"printf 'FROM {other}\\n' > run.Dockerfile")
    extending.buildpack(WEB % "/who")
    before = extending.images()

    built = extending.lab.run(*extending.words())

    assert built.code == 0, built.text()
    assert extending.lab.output_of() == "another image\n"
    assert extending.images() == before


def test_the_app_is_the_context_where_an_extension_makes_none(extending: ExtendingLab) -> None:
    (extending.lab.app / ".dockerignore").write_text("secret*\n!secret.not\n")
    for name in ("secret", "secret.not", "open"):
        (extending.lab.app / name).write_text(f"{name}\n")
    (extending.lab.app / "deep").mkdir()
    (extending.lab.app / "deep" / "file").write_text("deep\n")
    extending.extension("e", dockerfile("run", "COPY . /copied/\nRUN ls -A /copied > /list\n" + RESET))
    extending.buildpack(WEB % "/list /copied/deep/file")

    built = extending.lab.run(*extending.words())

    assert built.code == 0, built.text()
    said = extending.lab.output_of().split()
    assert sorted(said) == [".dockerignore", "deep", "deep", "file.txt", "open", "secret.not"]


@pytest.mark.parametrize(
    ("generate", "code", "words"),
    [
        ("exit 9", 91, ("bin/generate of extension e@1 ended with 9",)),
        (dockerfile("build", "RUN exit 5\n"), 102, ("build.Dockerfile of extension e", "exit 5", "code: 5")),
        (dockerfile("run", "RUN echo x > /x\nRUN exit 5\n"), 102, ("run.Dockerfile of extension e", "5")),
        (dockerfile("run", "RUN true\n"), 102, ("run.Dockerfile of extension e", "root")),
        ("printf 'FROM {prefix}/absent:1\\n' > run.Dockerfile", 102, ("/absent:1", "chose")),
    ],
)
def test_what_goes_wrong_is_one_error_and_leaves_nothing(
    extending: ExtendingLab, generate: str, code: int, words: tuple[str, ...]
) -> None:
    extending.extension("e", generate.replace("{prefix}", extending.lab.prefix))
    extending.buildpack(WEB % "/x")
    before = extending.images()

    built = extending.lab.run(*extending.words())

    built.failed(code, *words)
    assert extending.images() == before
    assert extending.lab.leftovers() == []
    assert extending.lab.image_id() == ""


@pytest.mark.parametrize(
    ("generate", "code", "who"),
    [
        ("exec yes shouted", 92, "bin/generate"),
        (dockerfile("build", "RUN exec yes shouted\n" + RESET), 102, "build.Dockerfile of extension e"),
        (dockerfile("run", "RUN exec yes shouted\n" + RESET), 102, "run.Dockerfile of extension e"),
    ],
    ids=["generate", "build", "run"],
)
def test_an_extension_that_shouts_without_end_is_stopped_and_leaves_nothing(
    extending: ExtendingLab, generate: str, code: int, who: str
) -> None:
    """F-26, G3."""
    extending.extension("e", generate)
    extending.buildpack(WEB % "/x")
    before = extending.images()

    outcome = extending.lab.run(*extending.words("--log-limit", "2m"))

    outcome.failed(code, who, "was stopped", "written more than 2097152 bytes")
    assert "--log-limit allows more" in outcome.stderr
    assert 1_000_000 < len(outcome.stderr) < 5_000_000
    assert outcome.seconds < allowed(15)
    assert extending.images() == before
    assert extending.lab.leftovers() == []
    assert extending.running() == [], "the container of the engine's builder"
    assert extending.lab.image_id() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
@pytest.mark.parametrize("phase", ["generate", "build", "run"])
def test_a_build_that_is_stopped_while_it_generates_or_extends_harms_nothing(
    extending: ExtendingLab, phase: str, number: signal.Signals
) -> None:
    """F-18, F-20, G1, G2, G10."""
    generates = when_slow(SLOW) if phase == "generate" else ""
    for kind in ("build", "run"):
        generates += dockerfile(kind, f"RUN echo {kind} > /{kind}\n" + (RESET if kind == "run" else ""))
        if kind == phase:
            generates += when_slow(dockerfile(kind, f"RUN echo made > /made\nRUN {SLOW}\n"))
    extending.extension("e", generates)
    extending.buildpack(f'cp /build "$1/../../workspace/tool"; {WEB % "/run tool"}')
    assert extending.lab.run(*extending.words()).code == 0
    image, before = extending.lab.image_id(), extending.images()
    (extending.lab.app / "slow").touch()

    started = extending.lab.start(*extending.words())
    started.wait_for("begun")
    outcome = started.stop(number)

    assert outcome.code == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert extending.lab.leftovers() == []
    assert extending.running() == [], "the container of the engine's builder"
    assert extending.lab.image_id() == image
    # What `kill -9` leaves is one of ours by its label, and removed when it is old enough to be nobody's.
    assert number == signal.SIGKILL or extending.images() == before
    (extending.lab.app / "slow").unlink()
    again = extending.lab.run(*extending.words())
    assert again.code == 0, again.text()
    assert extending.lab.image_id() == image
    assert extending.lab.output_of() == "run\nbuild\n"
    assert extending.lab.left_files() == []


def test_removing_the_cache_removes_the_extended_images(extending: ExtendingLab) -> None:
    before = extending.images()
    extending.extension(
        "e", dockerfile("build", "RUN echo x > /x\n") + dockerfile("run", "RUN echo x > /x\n" + RESET)
    )
    extending.buildpack(WEB % "/x")
    built = extending.lab.run(*extending.words())
    assert built.code == 0, built.text()
    assert extending.images() > before

    removed = extending.lab.run("cache", "rm", *extending.lab.caches())

    assert removed.code == 0, removed.text()
    assert extending.images() == before
    assert extending.lab.output_of() == "x\n", "the app image stands without them"


def test_this_machines_authorities_are_trusted_while_extending_and_not_in_the_image(
    extending: ExtendingLab,
) -> None:
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    authority = extending.lab.root / "company.pem"
    authority.write_text(ssl.DER_cert_to_PEM_cert(certificate("company")))
    body = f"RUN grep -c BEGIN {bundle} > /trusted\n"
    extending.extension("e", dockerfile("build", body) + dockerfile("run", body + RESET))
    extending.buildpack(f'grep -q "[1-9]" /trusted || exit 1; {WEB % "/trusted"}')

    built = extending.lab.run(*extending.words(), PYBUILD_CA_CERTS=str(authority))
    image = extending.lab.image_id()
    again = extending.lab.run(*extending.words(), PYBUILD_CA_CERTS=str(authority))

    assert built.code == 0, built.text()
    assert again.code == 0, again.text()
    assert int(extending.lab.output_of()) > 0
    assert not any(name.endswith("ca-certificates.crt") for name in _files(extending))
    assert extending.lab.image_id() == image


def _files(extending: ExtendingLab) -> list[str]:
    """The names of all files in the image's layers."""
    image = extending.store.find(Reference.parse(extending.lab.name()))
    assert image is not None
    try:
        return [
            member.name.decode()
            for diff_id in image.diff_ids
            for member, _ in tar.read(extending.store.read_layer(image, diff_id))
        ]
    finally:
        extending.store.close()


def test_an_extended_image_is_published_with_the_run_images_layers_below(
    extending: ExtendingLab, engine: docker.APIClient, debian_registry: DebianRegistry
) -> None:
    name = f"{debian_registry.host}/acme/extended"
    run_image = f"{debian_registry.host}/acme/run-with-user"
    auth = {"username": "builder", "password": "correct horse"}
    engine.tag(extending.run_image, run_image, "1")
    list(engine.push(run_image, "1", auth_config=auth, stream=True, decode=True))
    extending.extension("e", dockerfile("run", "RUN echo extended > /x\n" + RESET))
    extending.buildpack(WEB % "/x")
    words = extending.words("--publish", "--run-image", f"{run_image}:1", "--json")
    words[1] = name
    config = {"DOCKER_CONFIG": str(debian_registry.config)}
    try:
        first = result(extending.lab.run(*words, **config))
        second = result(extending.lab.run(*words, **config))

        assert (second["digest"], second["sent_bytes"]) == (first["digest"], 0)
        engine.pull(name, tag="latest", auth_config=auth)
        engine.tag(f"{name}:latest", extending.lab.name(), "latest")
        assert extending.lab.output_of() == "extended\n"
        assert extending.config()["User"] == USER
    finally:
        extending.lab.run("cache", "rm", name)
        for image in (f"{name}:latest", f"{run_image}:1"):
            engine.remove_image(image, force=True)
