"""Builders and packages have the layers and labels that pack gives them (GO-92 to GO-94, BTM-01 to BTM-05)."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

import pybuild
from pybuild.oci.reference import Reference
from pybuild.platform.builders import builder_create, made
from pybuild.platform.builders.builder_create import BuilderRequest
from pybuild.platform.buildpacks import package
from pybuild.spec.builder_toml import BuilderToml
from pybuild.spec.target import TargetSpec
from pybuild.stores.archive_store import ArchiveStore
from support.chroot import base_layer, plant
from support.golden import cases
from support.images import FolderStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.stores.api import StoredImage

NAME = Reference.parse("gx/out:1")
OURS = {"io.buildpacks.lifecycle.version", "io.buildpacks.lifecycle.apis"}
"""Labels that the specification asks for (BTM-05) and pack does not write."""


def lifecycle_tgz(entries: list[dict[str, Any]]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry["name"])
            for key in ("uid", "gid", "uname", "gname", "mtime"):
                setattr(info, key, entry.get(key, getattr(info, key)))
            info.mode = int(str(entry.get("mode", "0644")), 8)
            content = str(entry.get("content", "")).encode()
            info.type = tarfile.DIRTYPE if entry.get("type") == "dir" else tarfile.REGTYPE
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def stored(tmp_path: Path, case: Mapping[str, Any]) -> FolderStore:
    store = FolderStore(tmp_path / "store", like="daemon")
    image = case["build_image"]
    layers = [base_layer(layer["tar_entries"]) for layer in image["layers"]]
    store.add(image["tag"], image["config_text"].encode(), layers)
    for number in (1, 2, 3):
        store.add_bare(f"gx/run:{number}", case["run_image"]["config_text"].encode())
    return store


def without_ours(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels as if pack had made them."""
    found = {key: value for key, value in labels.items() if key not in OURS}
    created = f'"createdBy":{{"name":"pybuild","version":"{pybuild.__version__}"}}'
    metadata = found["io.buildpacks.builder.metadata"]
    assert created in metadata
    theirs = '"createdBy":{"name":"Pack CLI","version":"0.40.5"}'
    return {**found, "io.buildpacks.builder.metadata": metadata.replace(created, theirs)}


def create(tmp_path: Path, case: Mapping[str, Any]) -> StoredImage:
    root = tmp_path / "root"
    root.mkdir()
    plant(case["tree"], root)
    (root / "lifecycle.tgz").write_bytes(lifecycle_tgz(case["lifecycle_tgz_entries"]))
    store = stored(tmp_path, case)
    labels = [word for word in case["args"] if word != "--label"]

    def find(name: Reference) -> tuple[FolderStore, StoredImage]:
        image = store.find(name)
        if image is None:
            raise LookupError(name)
        return store, image

    request = BuilderRequest(
        toml=BuilderToml.read(case["builder_toml"].encode(), "builder.toml"),
        folder=root,
        where=made.Where(names=(NAME,), environ={}),
        labels=made.parse_labels(labels),
    )
    place = made.Place(store=store, find=find, names=(NAME,))
    builder_create._create(request, place, TargetSpec(), tmp_path)
    image = store.find(NAME)
    assert image is not None
    return image


@pytest.mark.golden
@pytest.mark.parametrize("case", cases("builder", only=lambda case: case["kind"] == "builder"))
def test_a_builder_has_the_layers_and_labels_that_pack_gives_it(tmp_path: Path, case: dict[str, Any]) -> None:
    """BTM-01 to BTM-08, GO-92, GO-93."""
    expected = case["expected"]

    image = create(tmp_path, case)

    assert list(image.diff_ids) == [layer["diff_id"] for layer in expected["layers"]]
    assert without_ours(image.labels) == expected["labels"]
    theirs = json.loads(expected["config_text"])["config"]
    assert {**dict(image.config["config"]), "Labels": theirs["Labels"]} == theirs  # type: ignore[call-overload]


@pytest.mark.golden
@pytest.mark.parametrize("case", cases("builder", only=lambda case: case["kind"] != "builder"))
def test_a_package_is_the_very_image_that_pack_makes(tmp_path: Path, case: dict[str, Any]) -> None:
    """PKG-02 to PKG-06."""
    root = tmp_path / "root"
    root.mkdir()
    plant(case["tree"], root)
    (root / "package.toml").write_text(case["package_toml"])
    content = package.load(root / "package.toml", scratch=tmp_path)

    package.write(content, TargetSpec(os="linux"), ArchiveStore(tmp_path / "out.cnb"), ())

    image = ArchiveStore(tmp_path / "out.cnb").find("")
    assert image is not None
    # pack adds the buildpacks in any order that comes; ours are sorted.
    assert sorted(image.diff_ids) == sorted(layer["diff_id"] for layer in case["expected"]["layers"])
    assert image.labels == case["expected"]["labels"]
    if len(image.diff_ids) == 1:
        assert image.config_digest == case["expected"]["image_id"]
