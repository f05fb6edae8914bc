"""Buildpacks that a user names: T1-04, GO-94, GO-97, PRJ-08, PRJ-09, S-14."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import BuilderUnusable, InvalidArchive, InvalidFile, InvalidInput
from pybuild.platform.buildpacks import modules
from pybuild.platform.buildpacks.fetch import Fetched, fetch, fetch_entry
from pybuild.spec.builder import Builder, BuilderModule
from pybuild.spec.order import ModuleRef
from pybuild.spec.project import GroupEntry, Script
from pybuild.spec.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BUILDER = Builder(
    name="acme/builder",
    image_id="sha256:b",
    uid=1,
    gid=1,
    target=Target(),
    buildpacks=(
        BuilderModule(id="a/one", version="1.0"),
        BuilderModule(id="a/two", version="1.0"),
        BuilderModule(id="a/two", version="2.0"),
    ),
)


def toml(buildpack_id: str = "a/b", version: str = "1.2") -> bytes:
    return f'api = "0.10"\n[buildpack]\nid = "{buildpack_id}"\nversion = "{version}"\n'.encode()


def folder(path: Path) -> Path:
    (path / "bin").mkdir(parents=True)
    (path / "buildpack.toml").write_bytes(toml())
    for name in ("detect", "build", "helper"):
        (path / "bin" / name).write_text("#!/bin/sh\n")
        (path / "bin" / name).chmod(0o600)
    (path / "tool").write_text("x")
    (path / "tool").chmod(0o4711)
    (path / "link").symlink_to("bin/build")
    (path / "__pycache__").mkdir()
    return path


def installed(fetched: Fetched) -> dict[str, tarfile.TarInfo]:
    return {
        member.name: member
        for member in tarfile.open(fileobj=io.BytesIO(b"".join(fetched.tar()))).getmembers()
    }


def contents(chunks: Iterable[bytes]) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        return {m.name: file.read() for m in archive if m.isreg() and (file := archive.extractfile(m))}


def get(word: str, tmp_path: Path) -> Fetched:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return fetch(word, folder=tmp_path, builder=BUILDER, scratch=scratch)


@pytest.mark.parametrize("word", ["bp", "./bp", "file://bp"])
def test_a_folder_is_installed_as_every_buildpack_is(tmp_path: Path, word: str) -> None:
    """GO-94, BTM-03."""
    folder(tmp_path / "bp")

    fetched = get(word, tmp_path)

    assert fetched.ref == ModuleRef(id="a/b", version="1.2")
    root = "cnb/buildpacks/a_b/1.2"
    assert {name: oct(member.mode) for name, member in installed(fetched).items()} == {
        "cnb/buildpacks/a_b": "0o755",
        root: "0o755",
        f"{root}/bin": "0o755",
        f"{root}/bin/build": "0o755",
        f"{root}/bin/detect": "0o755",
        f"{root}/bin/helper": "0o644",
        f"{root}/buildpack.toml": "0o644",
        f"{root}/link": "0o755",
        f"{root}/tool": "0o755",
    }
    assert {(member.uid, member.gid, member.mtime) for member in installed(fetched).values()} == {
        (0, 0, 315532801)
    }


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress], ids=["tar", "tgz"])
def test_an_archive_is_installed_like_its_folder(tmp_path: Path, compress: Any) -> None:
    made = folder(tmp_path / "bp")
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.add(made / "bin/build", "bin/build")  # its folder is only implied
        archive.add(made / "buildpack.toml", "./buildpack.toml")
        archive.add(made / "link", "./link")
    (tmp_path / "bp.tgz").write_bytes(compress(plain.getvalue()))

    fetched = get("bp.tgz", tmp_path)

    assert fetched.ref == ModuleRef(id="a/b", version="1.2")
    assert list(installed(fetched))[2:] == [
        f"cnb/buildpacks/a_b/1.2/{name}" for name in ("bin", "bin/build", "buildpack.toml", "link")
    ]


def tarred(*entries: tuple[str, bytes | str]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = content[0].encode(), content[1:]
                content = b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return plain.getvalue()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("../../etc/cron.d/x", b"evil")], "leads out of it"),
        ([("d", "2/etc"), ("d/passwd", b"evil")], "which is no folder"),
        ([("h", "1/etc/passwd")], "hard link to no file"),
        ([("dev", "3")], "device or FIFO"),
        ([("a", b"1"), ("a", b"2")], "twice"),
        ([("a", b"1"), ("a", "2/etc")], "twice"),
    ],
)
def test_an_archive_that_wants_out_is_refused(
    tmp_path: Path, entries: list[tuple[str, bytes]], message: str
) -> None:
    (tmp_path / "bp.tar").write_bytes(tarred(("buildpack.toml", toml()), *entries))

    with pytest.raises(InvalidArchive, match=message) as caught:
        installed(get("bp.tar", tmp_path))

    assert "bp.tar" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tar at all" * 100,
        gzip.compress(tarred(("buildpack.toml", toml())))[:-20],
        tarred(("x", b"y")),
    ],
)
def test_a_file_that_is_no_buildpack_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bp.tgz").write_bytes(content)

    with pytest.raises(InvalidArchive, match=r"bp\.tgz"):
        installed(get("bp.tgz", tmp_path))


def package(layers: dict[str, bytes], first: tuple[str, str]) -> list[tuple[str, bytes]]:
    """The entries of a .cnb file."""
    blobs: list[tuple[str, bytes]] = []

    def blob(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs.append((f"blobs/sha256/{digest}", content))
        return {"digest": f"sha256:{digest}", "size": len(content), "mediaType": "x"}

    listed = [blob(content) for content in layers.values()]
    label = json.dumps({"id": first[0], "version": first[1], "stacks": []})
    config = blob(json.dumps({"config": {"Labels": {"io.buildpacks.buildpackage.metadata": label}}}).encode())
    manifest = blob(json.dumps({"config": config, "layers": listed}).encode())
    index = json.dumps({"manifests": [manifest]}).encode()
    return [*blobs, ("index.json", index), ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]


def layer(buildpack_id: str) -> bytes:
    root = f"/cnb/buildpacks/{buildpack_id.replace('/', '_')}/1.2"
    return gzip.compress(
        tarred((f"{root}/buildpack.toml", toml(buildpack_id)), (f"{root}/bin/build", b"#!/bin/sh"))
    )


def test_a_cnb_file_brings_all_its_buildpacks(tmp_path: Path) -> None:
    """PKG-03, GO-94."""
    entries = package({"one": layer("a/one"), "all": layer("a/all")}, ("a/all", "1.2"))
    (tmp_path / "x.cnb").write_bytes(tarred(*reversed(entries)))

    fetched = get("x.cnb", tmp_path)

    assert fetched.ref == ModuleRef(id="a/all", version="1.2")
    assert [module.descriptor.id for module in fetched.modules] == ["a/all", "a/one"]
    assert "cnb/buildpacks/a_one/1.2/bin/build" in installed(fetched)


@pytest.mark.parametrize("broken", ["blob", "missing", "first", "path", "index"])
def test_a_broken_cnb_file_is_refused(tmp_path: Path, broken: str) -> None:
    entries = package({"one": layer("a/one")}, ("a/one", "9" if broken == "first" else "1.2"))
    if broken == "blob":
        entries[0] = (entries[0][0], b"altered")
    elif broken == "missing":
        del entries[0]
    elif broken == "path":
        misplaced = tarred(("cnb/buildpacks/x/1/buildpack.toml", toml()))
        entries = package({"one": misplaced}, ("a/b", "1.2"))
    elif broken == "index":
        entries[-2] = ("index.json", b"{}")
    (tmp_path / "x.cnb").write_bytes(tarred(("oci-layout", b"{}"), *entries))

    with pytest.raises(InvalidArchive, match=r"x\.cnb"):
        get("x.cnb", tmp_path)


@pytest.mark.parametrize(
    ("word", "version"), [("a/one", "1.0"), ("a/two@2.0", "2.0"), ("urn:cnb:builder:a/one@1.0", "1.0")]
)
def test_the_builders_own_buildpacks_are_found_by_id(tmp_path: Path, word: str, version: str) -> None:
    fetched = get(word, tmp_path)

    assert (fetched.ref.version, fetched.modules) == (version, ())


def test_a_path_wins_over_an_id(tmp_path: Path) -> None:
    folder(tmp_path / "a/one")

    assert get("a/one", tmp_path).ref == ModuleRef(id="a/b", version="1.2")


@pytest.mark.parametrize(
    ("word", "error", "message"),
    [
        ("a/none", InvalidInput, "there is no buildpack a/none"),
        ("a/one@9", InvalidInput, "has no version 9 of a/one"),
        ("a/two", BuilderUnusable, "has several versions of a/two"),
        ("file://nope", InvalidInput, "neither a folder nor an archive"),
        ("https://example.com/bp.tgz", InvalidInput, "is not on this machine"),
        ("docker://acme/bp", InvalidInput, "is not on this machine"),
        ("urn:cnb:registry:a/b", InvalidInput, "is not on this machine"),
        ("git://example.com/bp", InvalidInput, "there is no buildpack git://"),
    ],
)
def test_a_word_that_means_nothing_says_what_would(
    tmp_path: Path, word: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        get(word, tmp_path)

    assert getattr(caught.value, "hint", "")


def entry(tmp_path: Path, given: GroupEntry) -> Fetched:
    app = tmp_path / "app"
    app.mkdir(exist_ok=True)
    return fetch_entry(given, app=app, builder=BUILDER, scratch=tmp_path)


def test_a_script_becomes_a_buildpack_that_always_detects(tmp_path: Path) -> None:
    """PRJ-09, T1-23."""
    fetched = entry(
        tmp_path, GroupEntry(id="me/inline", script=Script(api="0.10", inline="echo hi", shell="/bin/bash"))
    )

    assert fetched.ref == ModuleRef(id="me/inline", version="0.0.0")
    root = "cnb/buildpacks/me_inline/0.0.0"
    assert contents(fetched.tar())[f"{root}/bin/build"] == b"#!/bin/bash\n\necho hi\n"
    assert contents(fetched.tar())[f"{root}/bin/detect"] == b"#!/bin/sh\nexit 0\n"
    assert installed(fetched)[f"{root}/bin/build"].mode == 0o755


def test_an_entry_may_name_a_folder_in_the_app(tmp_path: Path) -> None:
    folder(tmp_path / "app/ci/bp")

    assert entry(tmp_path, GroupEntry(uri="./ci/bp")).ref == ModuleRef(id="a/b", version="1.2")
    assert entry(tmp_path, GroupEntry(id="a/one", version="1.0")).ref == ModuleRef(id="a/one", version="1.0")


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/x",
        "/etc",
        "../bp",
        "ci/../../bp",
        "link",
        "nothing",
        "http://example.com/bp.tgz",
    ],
)
def test_an_entry_reaches_nothing_outside_the_app(tmp_path: Path, uri: str) -> None:
    """S-14."""
    folder(tmp_path / "bp")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/link").symlink_to("../bp")

    with pytest.raises(InvalidFile, match=r"project\.toml"):
        entry(tmp_path, GroupEntry(uri=uri))


def test_an_entry_whose_id_is_another_is_refused(tmp_path: Path) -> None:
    folder(tmp_path / "app/bp")

    with pytest.raises(InvalidFile, match="expected a/other"):
        entry(tmp_path, GroupEntry(id="a/other", uri="bp"))


def test_a_folder_without_descriptor_is_no_buildpack(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"buildpack\.toml cannot be read"):
        modules.from_folder(tmp_path)


def test_files_can_be_laid_over_a_folder(tmp_path: Path) -> None:
    module = modules.from_folder(folder(tmp_path / "bp"), extra={"lib/x/y.py": b"1", "tool": b"new"})
    found = {name.rpartition("1.2/")[2]: content for name, content in contents(module.tar()).items()}

    assert found["tool"] == b"new"
    assert list(found)[-2:] == ["lib/x/y.py", "tool"]
