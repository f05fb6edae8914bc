"""analyzed.toml, run.toml, stack.toml, report.toml: ANT, RUT-01, SKT-01, RPT, GO-50, GO-51, GO-54."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.analyzed import Analyzed, RunImage, RunToml, StackToml
from pybuild.spec.labels import BuildpackLayers, LayerMetadata, LifecycleMetadata, RunImageOf
from pybuild.spec.launch import BomEntry, StoreToml
from pybuild.spec.report import Report
from pybuild.spec.run_image import RunImageName
from pybuild.spec.target import Distro, Target


def test_analyzed_reads_and_writes_the_same() -> None:
    """ANT-01, ANT-02, ANT-03, ANT-04, GO-50."""
    analyzed = Analyzed(
        image_reference="app@sha256:1",
        build_image="build@sha256:2",
        run_image=RunImage(
            reference="run@sha256:3",
            image="run",
            extend=True,
            target=Target(
                os="linux", arch="arm64", variant="v8", distro=Distro(name="d", version="1"), id="i"
            ),
        ),
        metadata=LifecycleMetadata(
            app=("sha256:4",),
            sbom="sha256:5",
            buildpacks=(
                BuildpackLayers(
                    id="a",
                    version="1",
                    layers={"l": LayerMetadata(sha="sha256:6", data={"n": 1, "f": 1.5}, launch=True)},
                    store=StoreToml(metadata={"k": "v"}),
                ),
            ),
            config="sha256:7",
            run_image=RunImageOf(
                top_layer="sha256:8", reference="r", name=RunImageName(image="i", mirrors=("m",))
            ),
            stack=RunImageName(image="i"),
        ),
    )

    assert Analyzed.read(analyzed.write(), "analyzed.toml") == analyzed


def test_an_empty_file_is_nothing_analyzed() -> None:
    assert Analyzed.read(b"", "analyzed.toml") == Analyzed()


def test_a_target_writes_the_variant_under_the_name_the_go_lifecycle_reads() -> None:
    """AMB-03."""
    run_image = RunImage(target=Target(os="linux", arch="arm", variant="v7"))

    assert b'arch-variant = "v7"' in Analyzed(run_image=run_image).write()


@pytest.mark.parametrize(
    "text",
    [
        "image = 'x'\n",
        "[run-image]\nextend = 'yes'\n",
        '[[metadata.buildpacks]]\nkey = "a/../.."\n',
        '[metadata.config]\nsha = "a\\nb"\n',
    ],
)
def test_a_bad_analyzed_toml_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile, match=r"^analyzed\.toml: "):
        Analyzed.read(text.encode(), "analyzed.toml")


def test_run_and_stack_name_images_and_mirrors() -> None:
    """RUT-01, SKT-01."""
    run = RunToml(images=(RunImageName(image="a", mirrors=("b", "c")), RunImageName(image="d")))
    stack = StackToml(run_image=run.images[0])

    assert RunToml.read(run.write(), "run.toml") == run
    assert StackToml.read(stack.write(), "stack.toml") == stack
    assert RunToml.read(b"", "run.toml") == RunToml()
    assert StackToml.read(b"", "stack.toml") == StackToml()


def test_mirrors_of_no_image_are_refused() -> None:
    """RUT-01, SKT-01."""
    with pytest.raises(InvalidFile, match=r"run\.toml: images\[0\]\.mirrors: mirrors of no image"):
        RunToml.read(b'[[images]]\nmirrors = ["a"]\n', "run.toml")
    with pytest.raises(InvalidFile, match=r"stack\.toml: run-image\.mirrors: mirrors of no image"):
        StackToml.read(b'[run-image]\nmirrors = ["a"]\n', "stack.toml")


def test_a_report_says_what_a_daemon_or_a_registry_got() -> None:
    """RPT-01, RPT-02, GO-54."""
    assert Report(tags=("a:1",), image_id="0f").write() == b'[image]\n  tags = ["a:1"]\n  image-id = "0f"\n'
    registry = Report(tags=("a:1",), digest="sha256:0f", manifest_size=7, bom=(BomEntry(name="n"),)).write()
    assert registry.endswith(b'digest = "sha256:0f"\n  manifest-size = 7\n')
    assert registry.startswith(b"[build]\n\n  [[build.bom]]\n")
