"""`pybuild sbom`: what it shows, prints and writes, of an image on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.sbom_images import image_with_sbom

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Lab


@pytest.fixture
def image(tmp_path: Path) -> str:
    return image_with_sbom(tmp_path / "image")


def test_packages_are_a_table_on_standard_output(words_lab: Lab, image: str) -> None:
    outcome = words_lab.run("sbom", image)

    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        "NAME      VERSION  TYPE  LICENCE                   LAYER\n"
        "@scope/x  2        npm   -                         acme/py\n"
        "flask     3.0      pypi  BSD-3-Clause, of our own  acme/py:venv\n"
        "jq        1.6      deb   MIT                       acme/py:venv\n"
        "jq        1.6      deb   MIT                       pybuild/apt:packages\n"
        "\n4 packages\n"
    )


def test_json_has_what_is_selected(words_lab: Lab, image: str) -> None:
    outcome = words_lab.run("sbom", "show", image, "--json", "--type", "deb", "--buildpack", "apt")

    assert json.loads(outcome.stdout) == [
        {
            "name": "jq",
            "version": "1.6",
            "type": "deb",
            "purl": "pkg:deb/debian/jq@1.6",
            "licences": ["MIT"],
            "owner": "pybuild/apt:packages",
        }
    ]


@pytest.mark.parametrize(
    ("form", "key"), [("cyclonedx", "components"), ("spdx", "packages"), ("syft", "artifacts")]
)
def test_one_document_is_printed_in_the_format_that_is_asked_for(
    words_lab: Lab, image: str, form: str, key: str
) -> None:
    outcome = words_lab.run("sbom", image, "--format", form, "--name", "j*")

    assert (outcome.code, outcome.stderr) == (0, "")
    assert [each["name"] for each in json.loads(outcome.stdout)[key]] == ["jq"]


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_documents_are_written_as_they_are_or_as_one(words_lab: Lab, image: str, tmp_path: Path) -> None:
    words_lab.run("sbom", image, "-o", str(tmp_path / "one"), "-b", "acme/py", "--format", "spdx")
    words_lab.run("sbom", image, "-o", str(tmp_path / "two"), "--merge")

    assert files(tmp_path / "one") == [
        "layers/sbom/launch/acme_py/sbom.spdx.json",
        "layers/sbom/launch/acme_py/venv/sbom.spdx.json",
    ]
    assert files(tmp_path / "two") == ["sbom.cdx.json", "sbom.spdx.json", "sbom.syft.json"]


def test_download_writes_all_where_pack_does(words_lab: Lab, image: str, tmp_path: Path) -> None:
    outcome = words_lab.run("sbom", "download", image, "--output-dir", str(tmp_path / "out"))

    assert (outcome.code, outcome.stdout) == (0, "")
    assert len(files(tmp_path / "out/layers/sbom/launch")) == 9
    assert f"Wrote {tmp_path}/out/layers/sbom/launch/acme_py/sbom.cdx.json" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Missing"),
        (("IMAGE", "--merge"), "--merge is for --output-dir"),
        (("IMAGE", "-o", "x", "--name", "y"), "need --merge"),
        (("IMAGE", "--format", "xml"), "'xml' is not one of"),
    ],
)
def test_words_that_do_not_go_together_are_a_usage_error(
    words_lab: Lab, words: tuple[str, ...], said: str
) -> None:
    outcome = words_lab.run("sbom", "show", *words)

    assert (outcome.code, outcome.stdout) == (2, "")
    assert said in outcome.errors[0]


def test_an_image_that_is_not_there_and_a_folder_that_cannot_be_written_are_told(
    words_lab: Lab, image: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    words_lab.run("sbom", "oci:nowhere").failed(7, "nowhere")
    words_lab.run("sbom", "app").failed(4, "there is no Docker Engine")
    words_lab.run("sbom", "download", image, "-o", str(tmp_path / "file")).failed(3, "cannot be written")
