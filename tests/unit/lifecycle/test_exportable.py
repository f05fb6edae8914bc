"""What there is to export, and what the folders above it are like."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.api import Refused
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import ExportError
from pybuild.lifecycle.build import Built, BuiltBuildpack, BuiltLayer
from pybuild.lifecycle.exportable import (
    Exportable,
    _entry,
    add_lifecycle_sboms,
    collect,
    parents_of,
    sbom_contents,
)
from pybuild.spec.launch import Metadata
from pybuild.spec.layer import LayerToml
from pybuild.spec.order import GroupElement

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/layers/acme_go/dist", ["/layers", "/layers/acme_go"]),
        ("/workspace", []),
        ("/", []),
    ],
)
def test_the_folders_above_a_path(path: str, above: list[str]) -> None:
    assert parents_of(path) == above


@pytest.mark.parametrize(
    ("line", "mode", "uid", "gid"),
    [
        (b"drwxr-xr-x 2 1000 1000 4096 Jan  1 00:00 /layers", 0o755, 1000, 1000),
        (b"drwxr-sr-x+  2 0 5 4096 Jan  1  1970 /x", 0o2755, 0, 5),
        (b"drwxrwxrwt. 10 0 0 40 Jan  1 00:00 /tmp", 0o1777, 0, 0),
        (b"d--S--S--T 1 4294967294 0 0 Jan  1 00:00 /x", 0o7000, 4294967294, 0),
        (b"drwsrwsrwt 1 1 2 0 Jan  1 00:00 /x", 0o7777, 1, 2),
        (b"d---------    1 1 2 0 Jan  1 00:00 /x", 0, 1, 2),
    ],
)
def test_what_ls_says_of_a_folder(line: bytes, mode: int, uid: int, gid: int) -> None:
    entry = _entry("/x", line)

    assert (entry.path, entry.kind, entry.mode, entry.uid, entry.gid) == ("/x", "d", mode, uid, gid)


@pytest.mark.parametrize("line", [b"?????????? ? ? ?", b"total 0", b"drwxr-xr-x two 0 0"])
def test_what_no_ls_says_is_an_error(line: bytes) -> None:
    with pytest.raises(ExportError, match="/x: ls printed"):
        _entry("/x", line)


def built(layers: Path, *names: str) -> Built:
    toml = LayerToml(launch=True)
    found = tuple(
        BuiltLayer(
            name=name,
            path=f"{layers}/acme_go/{name}",
            toml=toml,
            has_directory=(layers / "acme_go" / name).is_dir(),
        )
        for name in names
    )
    module = BuiltBuildpack(module=GroupElement(id="acme/go", version="1"), layers=found)
    return Built(metadata=Metadata(), metadata_toml=b"", buildpacks=(module,), sbom_dirs=frozenset())


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    app, layers = tmp_path / "app dir", tmp_path / "lay*ers"
    (layers / "acme_go" / "dist").mkdir(parents=True)
    app.mkdir()
    return app, layers


def look(places: tuple[Path, Path], *names: str) -> Exportable:
    app, layers = places
    return collect(LocalBuildEnv(), built(layers, *names), layers_dir=str(layers), app_dir=str(app))


def test_everything_is_listed_and_the_folders_above_are_as_they_are(places: tuple[Path, Path]) -> None:
    app, layers = places
    (layers / "acme_go").chmod(0o2750)
    (layers / "acme_go" / "dist.sbom.cdx.json").write_text("{}")
    (layers / "sbom" / "launch" / "acme_go").mkdir(parents=True)
    (layers / "sbom" / "launch" / "acme_go" / "sbom.cdx.json").write_text("{}")
    (layers / "acme_go" / "dist" / "env").mkdir()
    (layers / "acme_go" / "dist" / "env" / "V").write_text("value")

    found = look(places, "dist", "none")

    assert len(found.listings[f"{layers}/acme_go/dist"].entries) == 3
    assert found.listings[str(app)].entries[0].path == str(app)
    above = found.above(f"{layers}/acme_go/dist")
    assert [(entry.path, entry.mode) for entry in above[-2:]] == [
        (str(layers), layers.stat().st_mode & 0o7777),
        (f"{layers}/acme_go", 0o2750),
    ]
    assert list(found.sbom_stamps(f"{layers}/acme_go/dist")) == ["sbom.cdx.json"]
    assert found.sbom_stamps(f"{layers}/acme_go/none") == {}
    assert found.files[f"{layers}/acme_go/dist/env/V"] == b"value"
    assert sbom_contents(found, [f"{layers}/sbom/launch/acme_go/sbom.cdx.json"]) == {
        f"{layers}/sbom/launch/acme_go/sbom.cdx.json": b"{}"
    }


def test_what_a_tar_depends_on_changes_with_the_folders_above_and_the_user(places: tuple[Path, Path]) -> None:
    _, layers = places
    path = f"{layers}/acme_go/dist"
    before = look(places, "dist").tar_terms(path)
    assert look(places, "dist").tar_terms(path) == before

    (layers / "acme_go").chmod(0o700)

    assert look(places, "dist").tar_terms(path) != before
    assert before.startswith(f"{os.geteuid()}:{os.getegid()} ")


def test_a_symlink_in_the_place_of_a_parent_is_the_folder_it_leads_to(places: tuple[Path, Path]) -> None:
    """GO-21: stat, not lstat."""
    _, layers = places
    (layers / "acme_go").rename(layers / "elsewhere")
    (layers / "elsewhere").chmod(0o711)
    (layers / "acme_go").symlink_to("elsewhere")

    found = look(places, "dist")

    assert found.above(f"{layers}/acme_go/dist")[-1].mode == 0o711


def test_a_missing_app_directory_is_an_error(places: tuple[Path, Path]) -> None:
    places[0].rmdir()

    with pytest.raises(ExportError, match="is gone: a buildpack removed it"):
        look(places)


@pytest.mark.parametrize("why", ["symlink", "too large", "not a regular file"])
def test_an_sbom_that_cannot_be_read_is_an_error(places: tuple[Path, Path], why: str) -> None:
    """S-30"""
    found = look(places)
    refused = Exportable(
        layers_dir="",
        app_dir="",
        listings={},
        files={"/x.json": Refused(why=why)},
        parents={},
        uid=found.uid,
        gid=found.gid,
    )

    with pytest.raises(
        ExportError, match=f"/x.json: an SBOM must be a regular file below 64 MiB, but this is {why}"
    ):
        sbom_contents(refused, ["/x.json"])


def test_the_lifecycles_own_sboms_are_put_beside_the_others(tmp_path: Path) -> None:
    """EXP-08, EXP-19"""
    lifecycle = tmp_path / "life cycle"
    lifecycle.mkdir()
    for name in ("lifecycle.sbom.cdx.json", "launcher.sbom.cdx.json", "launcher.sbom.syft.json"):
        (lifecycle / name).write_text(name)
        (lifecycle / name).chmod(0o444)

    for _ in range(2):
        add_lifecycle_sboms(LocalBuildEnv(), str(tmp_path / "layers"), str(lifecycle))

    sbom = tmp_path / "layers" / "sbom"
    found = {
        str(path.relative_to(sbom)): (path.read_text(), path.stat().st_mode & 0o777)
        for path in sbom.rglob("*")
        if path.is_file()
    }
    assert found == {
        "build/buildpacksio_lifecycle/sbom.cdx.json": ("lifecycle.sbom.cdx.json", 0o644),
        "launch/buildpacksio_lifecycle/launcher/sbom.cdx.json": ("launcher.sbom.cdx.json", 0o644),
        "launch/buildpacksio_lifecycle/launcher/sbom.syft.json": ("launcher.sbom.syft.json", 0o644),
    }
