"""`pybuild manifest` beside a registry in this process: lists are made here, pushed whole, and forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pybuild.oci.digest import sha256

if TYPE_CHECKING:
    from support.cli import Lab, Outcome
    from support.registry import Registry

LAYERS = (b"layer one".ljust(1024, b"\0"), b"layer two".ljust(1024, b"\0"))


@pytest.fixture
def images(registry: Registry) -> tuple[str, str]:
    """The digests of two images, in repositories of their own."""
    return registry.put_image("src/one", "1", [LAYERS[0]]), registry.put_image(
        "src/two", "1", [LAYERS[1]], oci=True
    )


def manifest(lab: Lab, *args: str) -> Outcome:
    return lab.run("manifest", *args, "--no-color")


def test_a_list_is_pushed_with_its_images_to_a_repository_that_lacks_them(
    words_lab: Lab,
    registry: Registry,
    images: tuple[str, str],
) -> None:
    name, host = f"{registry.host}/idx/app:1", registry.host
    manifest(words_lab, "create", name, f"{host}/src/one:1")
    manifest(words_lab, "add", name, f"{host}/src/two:1")

    pushed = manifest(words_lab, "push", name)

    index = registry.manifest("idx/app", "1")
    assert pushed.stdout == f"{sha256(registry.manifests['idx/app', '1'][1])}\n"
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert [each["digest"] for each in index["manifests"]] == [*images]
    assert [each["platform"] for each in index["manifests"]] == [{"architecture": "amd64", "os": "linux"}] * 2
    for digest in images:
        value = registry.manifest("idx/app", digest)
        for blob in (value["config"], *value["layers"]):
            assert ("idx/app", blob["digest"]) in registry.blobs


def test_another_platform_and_annotations_can_be_said(
    words_lab: Lab,
    registry: Registry,
    images: tuple[str, str],
) -> None:
    name, one = f"{registry.host}/idx/app", f"{registry.host}/src/one:1"
    manifest(words_lab, "create", name, one, "--format", "docker")

    told = manifest(
        words_lab, "annotate", name, one, "--arch", "arm64", "--variant", "v8", "--annotations", "a=b,c=d"
    )

    assert told.stderr == f"Successfully annotated image '{one}' in index '{name}'\n"
    index = json.loads(manifest(words_lab, "inspect", name).stdout)
    assert index["mediaType"] == "application/vnd.docker.distribution.manifest.list.v2+json"
    assert index["manifests"][0]["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    assert index["manifests"][0]["annotations"] == {"a": "b", "c": "d"}


def test_publishing_keeps_nothing_here(
    words_lab: Lab,
    registry: Registry,
    images: tuple[str, str],
) -> None:
    name = f"{registry.host}/idx/app:2"

    told = manifest(words_lab, "create", "--publish", name, f"{registry.host}/src/one@{images[0]}")

    assert told.stderr.endswith(f"Successfully pushed manifest list '{name}' to registry\n")
    assert ("idx/app", "2") in registry.manifests
    manifest(words_lab, "inspect", name).failed(3, "there is no manifest list")


def test_images_are_taken_out_and_lists_forgotten(
    words_lab: Lab,
    registry: Registry,
    images: tuple[str, str],
) -> None:
    name = f"{registry.host}/idx/app:3"
    manifest(words_lab, "create", name, f"{registry.host}/src/one:1", f"{registry.host}/src/two:1")

    manifest(words_lab, "rm", name, images[0])

    left = json.loads(manifest(words_lab, "inspect", name).stdout)["manifests"]
    assert [each["digest"] for each in left] == [images[1]]
    manifest(words_lab, "rm", name, images[0]).failed(3, "the index has no image", images[0])
    assert manifest(words_lab, "remove", name).code == 0
    manifest(words_lab, "push", name).failed(3, "there is no manifest list")


def test_what_cannot_be_meant_is_refused(
    words_lab: Lab,
    registry: Registry,
    images: tuple[str, str],
) -> None:
    name, one = f"{registry.host}/idx/app:4", f"{registry.host}/src/one:1"

    manifest(words_lab, "create", name, f"{registry.host}/src/none:1").failed(10, "has no image src/none:1")
    manifest(words_lab, "create", name, one, "--insecure").failed(3, "--insecure is about a push")
    assert manifest(words_lab, "create", name, one).code == 0
    manifest(words_lab, "create", name, one).failed(3, "there is a manifest list")
    manifest(words_lab, "annotate", name, one).failed(3, "nothing is said of the image")
    manifest(words_lab, "annotate", name, one, "--annotations", "a").failed(3, "is not KEY=VALUE")
