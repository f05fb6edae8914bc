"""The creator as a program, from order.toml to the image, in a folder of its own; the analyzer after it."""

from __future__ import annotations

import io
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pybuild.cli.phases.create  # noqa: F401 - beforehand: the build user may not read where it is
from pybuild.cli.phases import programs
from pybuild.oci.digest import sha256
from pybuild.spec.order import OrderFile
from support import phase
from support.buildpacks import PASS, Folders, plan
from support.images import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator

UID = os.geteuid() or 1000
LAYER = """
cd "$1"; mkdir dep; echo x > dep/x; printf '[types]\\nlaunch = true\\n' > dep.toml
echo '{}' > dep.sbom.cdx.json
"""


@dataclass
class Site:
    """Folders for a build, a store with the run image `run.example/run:1`, and what the last program left in it."""

    folders: Folders
    store: FolderStore
    files: dict[str, str] = field(default_factory=dict)

    def run(
        self, phase_name: str, *words: str, order: OrderFile | None = None, **environ: str
    ) -> tuple[int, str]:
        """Exit code and words of the phase, for the image run.example/app:1."""
        root = self.folders.root
        if order is not None:
            (root / "order.toml").write_bytes(order.write())
        if not (root / "run.toml").exists():
            (root / "run.toml").write_text('[[images]]\nimage = "run.example/run:1"\n')
        (root / "launcher").write_text("#!/bin/sh\n# stand-in\n")
        launcher = ("-launcher", str(root / "launcher")) if phase_name == "creator" else ()
        image = () if phase_name in {"restorer", "detector", "builder"} else ("run.example/app:1",)
        places = {
            "CNB_APP_DIR": "app",
            "CNB_BUILDPACKS_DIR": "buildpacks",
            "CNB_EXTENSIONS_DIR": "extensions",
            "CNB_LAYERS_DIR": "layers",
            "CNB_PLATFORM_DIR": "platform",
            "CNB_ORDER_PATH": "order.toml",
            "CNB_RUN_PATH": "run.toml",
            "TMPDIR": "tmp",
        }
        variables = {
            "PATH": "/usr/bin:/bin",
            "CNB_PLATFORM_API": "0.13",
            "CNB_USER_ID": str(UID),
            "CNB_GROUP_ID": str(UID),
            **{name: str(root / place) for name, place in places.items()},
            **environ,
        }

        def body() -> tuple[int, str, FolderStore]:
            if phase_name in {"detector", "builder"} and os.geteuid() == 0:
                os.setgroups([])
                os.setgid(UID)
                os.setuid(UID)
            told = io.BytesIO()
            stores = dict.fromkeys(("daemon", "registry"), lambda _run: lambda: self.store)
            code = programs.run((phase_name, *launcher, *words, *image), variables, told, stores=stores)
            return code, told.getvalue().decode(), self.store

        code, said, self.store = phase.in_child(body)
        return code, said

    def image(self) -> Any:
        """The configuration of the image."""
        return json.loads(self.store.config(self.store.names["run.example/app:1"]))


@pytest.fixture
def site() -> Iterator[Site]:
    # Not below pytest's folders: those are closed to the build user.
    with tempfile.TemporaryDirectory(prefix="pybuild-creator-") as name:
        root = Path(name)
        folders, store = Folders(root), FolderStore(root / "store")
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
        text = json.dumps(config).encode()
        store.add("run.example/run:1", text, [], id=f"run.example/run@{sha256(text)}")
        (folders.app / "file").write_text("x")
        for path in (root, *root.rglob("*")):
            path.chmod(0o777)
        yield Site(folders, store)


@pytest.mark.parametrize(
    ("detect", "build", "words", "code"),
    [
        (PASS, LAYER, (), 0),
        ("exit 100", LAYER, (), 20),
        ("exit 1", LAYER, (), 21),
        (PASS, "exit 3", (), 51),
        (PASS, "echo '[[[' > \"$1/launch.toml\"", (), 52),
        (PASS, LAYER, ("-process-type", "none"), 62),
        (PASS, LAYER, ("-run-image", "run.example/none"), 32),
    ],
)
def test_the_creator_ends_with_the_exit_code_of_the_phase_that_failed(
    site: Site, detect: str, build: str, words: tuple[str, ...], code: int
) -> None:
    """CRE-01, CRE-03, DET-41."""
    ref = site.folders.buildpack("a/one", detect=detect, build=build, about=_SBOM)

    assert site.run("creator", *words, order=OrderFile(order=((ref,),)))[0] == code


def test_the_creator_extends_no_images(site: Site) -> None:
    """CRE-04."""
    extension = site.folders.extension("a/ext", detect=plan(provides=["x"]))
    ref = site.folders.buildpack("a/one", detect=plan(requires=["x"]))

    code, said = site.run("creator", order=OrderFile(order=((ref,),), order_extensions=((extension,),)))

    assert (code, "extensions" in said) == (22, True)


def test_without_a_run_image_the_builders_is_taken_and_buildpacks_run_in_the_apps_folder(site: Site) -> None:
    """ANA-04, DET-01, BUI-01, LBL-05."""
    at = 'test "$(pwd)" = "$CNB_APP_DIR_IS"'
    where = at.replace("$CNB_APP_DIR_IS", str(site.folders.app))
    ref = site.folders.buildpack("a/one", detect=where, build=f"{where} && :", about=_SBOM)

    code, said = site.run("creator", order=OrderFile(order=((ref,),)))

    assert code == 0, said
    label = json.loads(site.image()["config"]["Labels"]["io.buildpacks.lifecycle.metadata"])
    assert label["runImage"]["image"] == "run.example/run:1"
    assert label["runImage"]["reference"].startswith("run.example/run@sha256:")


def test_the_analyzer_brings_back_the_sboms_of_the_previous_image_unless_layers_are_skipped(
    site: Site,
) -> None:
    """ANA-03, ANA-07, ANA-08."""
    ref = site.folders.buildpack("a/one", build=LAYER, about=_SBOM)
    assert site.run("creator", order=OrderFile(order=((ref,),)))[0] == 0
    sbom = site.folders.layers / "sbom/launch/a_one/dep/sbom.cdx.json"
    found = {}

    for words in ((), ("-skip-layers",)):
        for path in site.folders.layers.rglob("sbom.cdx.json"):
            path.unlink()
        assert site.run("analyzer", *words)[0] == 0
        found[words] = sbom.exists()

    assert found == {(): True, ("-skip-layers",): False}
    assert 'key = "a/one"' in (site.folders.layers / "analyzed.toml").read_text()


@pytest.mark.parametrize(("api", "code"), [("0.13", 42), ("0.14", 0)])
def test_the_restorer_takes_a_mirror_of_the_run_image_that_an_extension_chose(
    site: Site, api: str, code: int
) -> None:
    """RST-12, GEN-16: mirrors since Platform API 0.14; the reference gets its digest, the target is filled in."""
    layers = site.folders.layers
    group = '[[group]]\nid = "a"\nversion = "1"\napi = "0.10"\n'
    (layers / "group.toml").write_text(group + group.replace("[[group]]", "[[group-extensions]]"))
    analyzed = '[run-image]\nreference = ""\nimage = "run.example/gone:1"\n'
    (layers / "analyzed.toml").write_text(analyzed)
    (layers / "analyzed.toml").chmod(0o666)
    (site.folders.root / "run.toml").write_text(
        '[[images]]\nimage = "run.example/gone:1"\nmirrors = ["run.example/none:1", "run.example/run:1"]\n'
    )

    found, said = site.run("restorer", CNB_PLATFORM_API=api)

    assert found == code, said
    text = (layers / "analyzed.toml").read_text()
    if code:
        assert text == analyzed
    else:
        assert 'reference = "run.example/run@sha256:' in text
        assert 'os = "linux"' in text


@pytest.mark.parametrize(("words", "code"), [((), 3), (("-daemon",), 0)])
def test_only_a_daemons_previous_image_may_be_an_id(site: Site, words: tuple[str, ...], code: int) -> None:
    """ANA-02."""
    found, said = site.run("analyzer", *words, "-previous-image", "0123456789abcdef" * 4)

    assert found == code, said


@pytest.mark.parametrize(("given", "seen"), [({}, "production"), ({"CNB_EXEC_ENV": "test"}, "test")])
def test_buildpacks_are_told_the_execution_environment(site: Site, given: dict[str, str], seen: str) -> None:
    """GEN-19, AMB-12."""
    check = f'test "$CNB_EXEC_ENV" = {seen}'
    ref = site.folders.buildpack("a/one", api="0.12", detect=check, build=check)

    code, said = site.run("creator", order=OrderFile(order=((ref,),)), **given)

    assert code == 0, said


SHOUTS = "echo begins; exec yes shouted"


@pytest.mark.parametrize(
    ("phase_name", "which", "code", "said"),
    [
        ("detector", "detect", 21, "it wrote more to its output"),
        (
            "detector",
            "generate",
            92,
            "bin/generate was stopped: the phase has written more than 300000 bytes",
        ),
        ("builder", "build", 53, "bin/build was stopped: the phase has written more than 300000 bytes"),
        ("creator", "detect", 21, "it wrote more to its output"),
        ("creator", "build", 53, "bin/build was stopped: the phase has written more than 300000 bytes"),
    ],
)
def test_programs_of_a_phase_that_shout_without_end_are_stopped(
    site: Site, phase_name: str, which: str, code: int, said: str
) -> None:
    """F-26, G3: by a limit of ours, PYBUILD_LOG_LIMIT, since the specification has none."""
    programs = {each: SHOUTS if which == each else PASS for each in ("detect", "build")}
    generates = which == "generate"
    if generates:
        programs["detect"] = plan(requires=["x"])
    ref = site.folders.buildpack("a/one", **programs)
    extension = site.folders.extension("a/ext", detect=plan(provides=["x"]), generate=SHOUTS)
    (site.folders.layers / "group.toml").write_text('[[group]]\nid = "a/one"\nversion = "1"\napi = "0.10"\n')
    (site.folders.layers / "plan.toml").write_text("")
    for name in ("group", "plan"):
        (site.folders.layers / f"{name}.toml").chmod(0o666)
    order = OrderFile(order=((ref,),), order_extensions=((extension,),) if generates else ())

    ended, told = site.run(phase_name, order=order, PYBUILD_LOG_LIMIT="300000")

    assert ended == code, told[-2000:]
    assert said in told
    assert "PYBUILD_LOG_LIMIT" in told
    # Of a detect, what it wrote last is shown: at most 1 MiB.
    assert len(told) < 1_500_000
    assert "Traceback" not in told


def test_the_outputs_of_all_buildpacks_of_a_phase_count_together_and_0_is_no_limit(site: Site) -> None:
    shouts = "yes 0123456789 | head -c 200000"
    refs = tuple(site.folders.buildpack(name, build=shouts) for name in ("a/one", "a/two"))
    order = OrderFile(order=(refs,))

    codes = {
        word: site.run("creator", order=order, PYBUILD_LOG_LIMIT=word)[0] for word in ("300k", "1m", "0")
    }

    assert codes == {"300k": 53, "1m": 0, "0": 0}


def test_a_limit_that_is_no_amount_is_named(site: Site) -> None:
    ref = site.folders.buildpack("a/one")

    code, said = site.run("creator", order=OrderFile(order=((ref,),)), PYBUILD_LOG_LIMIT="much")

    assert (code, "PYBUILD_LOG_LIMIT 'much' is no amount of output" in said) == (3, True), said


_SBOM = 'sbom-formats = ["application/vnd.cyclonedx+json"]'
