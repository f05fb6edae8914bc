"""Generates of image extensions with real programs on this machine (GNR)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import ExtensionFailed, GenerateError
from pybuild.lifecycle.detect import DetectInputs, detect
from pybuild.lifecycle.generate import Generated, GenerateInputs, context_of, generate, read_config
from pybuild.spec.analyzed import Analyzed, RunImage
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import Given
from pybuild.spec.order import ModuleRef, OrderFile
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import Distro, Target
from support.buildpacks import PATH, Folders, plan

if TYPE_CHECKING:
    from pathlib import Path

DEBIAN = Target(os="linux", arch="amd64", distro=Distro(name="debian", version="12"))
EXTEND = "printf 'ARG base_image\\nFROM ${base_image}\\nRUN true\\n' > $1/%s.Dockerfile\n"
SWITCH = "echo FROM %s > $1/run.Dockerfile\n"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def run(
    folders: Folders,
    *extensions: ModuleRef,
    requires: tuple[str, ...] = (),
    platform_api: str = "0.13",
    run_images: tuple[RunImageName, ...] = (),
) -> Generated:
    env = LocalBuildEnv()
    buildpack = folders.buildpack("b", detect=plan(requires=requires))
    inputs = DetectInputs(
        order=OrderFile(order=((buildpack,),), order_extensions=(extensions,)),
        platform_api=ApiVersion.parse(platform_api),
        target=DEBIAN,
        given=Given(platform_dir=str(folders.platform), user={}, target={}),
        environ={"PATH": PATH},
        app_dir=str(folders.app),
        buildpacks_dir=str(folders.buildpacks),
        extensions_dir=str(folders.extensions),
        tmp_dir=str(folders.tmp),
    )
    return generate(
        env,
        GenerateInputs(
            detect=inputs,
            detected=detect(env, inputs),
            analyzed=Analyzed(run_image=RunImage(reference="base@sha256:1", image="base:1", target=DEBIAN)),
            run_images=run_images,
            generated_dir=f"{folders.layers}/generated",
        ),
    )


def run_image(generated: Generated) -> RunImage:
    assert generated.analyzed.run_image is not None
    return generated.analyzed.run_image


def written(folders: Folders) -> list[str]:
    base = folders.layers / "generated"
    return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


def test_a_run_dockerfile_on_the_base_image_extends_it(folders: Folders) -> None:
    """GNR-09"""
    found = run_image(run(folders, folders.extension("e", generate=EXTEND % "run")))

    assert (found.image, found.extend, found.target) == ("base:1", True, DEBIAN)


def test_a_run_dockerfile_on_another_image_selects_it(folders: Folders) -> None:
    """GNR-10"""
    found = run_image(run(folders, folders.extension("e", generate=SWITCH % "new:1")))

    assert found == RunImage(reference="new:1", image="new:1")


def test_run_dockerfiles_before_the_selecting_one_are_ignored(folders: Folders) -> None:
    """GNR-11"""
    first = folders.extension("acme/first", generate=EXTEND % "run" + EXTEND % "build")
    second = folders.extension("second", generate=SWITCH % "new:1")
    third = folders.extension("third", generate=EXTEND % "run")

    generated = run(folders, first, second, third)

    assert run_image(generated) == RunImage(reference="new:1", image="new:1", extend=True)
    assert written(folders) == [
        "acme_first/build.Dockerfile",
        "acme_first/run.Dockerfile.ignore",
        "second/run.Dockerfile",
        "third/run.Dockerfile",
    ]


def test_before_platform_api_0_13_files_are_sorted_by_kind(folders: Folders) -> None:
    """GNR-14"""
    config = "printf '[[build.args]]\\nname = \"k\"\\n' > $1/extend-config.toml\n"
    first = folders.extension("acme/first", generate=EXTEND % "run" + EXTEND % "build" + config)
    second = folders.extension("second", generate=SWITCH % "new:1")

    run(folders, first, second, platform_api="0.12")

    assert written(folders) == [
        "build/acme_first/Dockerfile",
        "build/acme_first/extend-config.toml",
        "run/acme_first/Dockerfile.ignore",
        "run/acme_first/extend-config.toml",
        "run/second/Dockerfile",
    ]
    assert list(folders.tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("known", "warned"),
    [("other:1", True), ("docker.io/library/new:1", False), ("new:1@sha256:" + "a" * 64, False)],
)
def test_an_unlisted_run_image_is_warned_of(folders: Folders, known: str, warned: bool) -> None:
    """GNR-12"""
    warnings: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Warned):
            warnings.append(event.text)

    with events.listening(listen):
        run(
            folders,
            folders.extension("e", generate=SWITCH % "new:1"),
            run_images=(RunImageName(image="x", mirrors=(known,)),),
        )

    assert bool(warnings) is warned


def test_what_extensions_provide_leaves_the_plan_and_is_theirs_to_read(folders: Folders) -> None:
    """GNR-02, GNR-03"""
    e = folders.extension(
        "e", detect=plan(provides=["x"]), generate="cat $CNB_BP_PLAN_PATH > ../seen; exit 0"
    )

    generated = run(folders, e, requires=("x",))

    assert generated.plan.entries == ()
    assert (folders.root / "seen").read_text() == '[[entries]]\n  name = "x"\n'


def test_an_extension_without_generate_has_its_output_in_its_folder(folders: Folders) -> None:
    """GNR-04"""
    files = {"generate/run.Dockerfile": "FROM new:1\n"}

    assert run_image(run(folders, folders.extension("e", generate=None, files=files))).image == "new:1"


def test_a_generate_that_fails_is_an_error_of_its_own(folders: Folders) -> None:
    """GNR-04, DET-41"""
    with pytest.raises(ExtensionFailed, match="extension e@1 ended with 7"):
        run(folders, folders.extension("e", generate="exit 7"))

    assert list(folders.tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo FROM debian > $1/build.Dockerfile", "ARG base_image"),
        ("ln -s /etc/passwd $1/run.Dockerfile", "symlink"),
        ("mkdir $1/context $1/context.run", "context.run"),
        ("printf '[[run.args]]\\nname = \"user_id\"\\n' > $1/extend-config.toml", "user_id"),
        ("echo '[x' > $1/extend-config.toml", "extend-config.toml"),
    ],
)
def test_output_that_breaks_the_rules_is_refused(folders: Folders, script: str, reason: str) -> None:
    """GNR-05, GNR-07, GO-75"""
    with pytest.raises(GenerateError, match=reason):
        run(folders, folders.extension("e", generate=script))


def test_arguments_are_for_the_dockerfile_of_their_kind() -> None:
    """EXT-04."""
    text = "".join(
        f'[[{kind}.args]]\nname = "{name}"\nvalue = "{kind}"\n' for kind in ("build", "run") for name in "ab"
    )

    found = read_config(text.encode(), "extend-config.toml")

    assert found == {"build": {"a": "build", "b": "build"}, "run": {"a": "run", "b": "run"}}


@pytest.mark.parametrize(
    ("there", "build", "run"),
    [
        ((), "", ""),
        (("context",), "context", "context"),
        (("context.build",), "context.build", ""),
        (("context.build", "context.run"), "context.build", "context.run"),
    ],
)
def test_the_context_is_the_one_of_the_kind_or_the_shared_one_or_the_app(
    there: tuple[str, ...], build: str, run: str
) -> None:
    """GNR-06: "" stands for the app."""
    assert (context_of("build", there), context_of("run", there)) == (build, run)
