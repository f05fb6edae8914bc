"""Debian packages: names, stanzas, links, bills of materials, and apt's own programs as small stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile
from pybuild.libcnb import apt, debs
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.dpkg import (
    Deb,
    begins_with,
    components,
    essential,
    installed,
    stand_in,
    stanzas,
    upstream,
)
from pybuild.libcnb.layers import Layer, Layers, Types
from pybuild.libcnb.problem import Problem
from pybuild.libcnb.resolved import Resolved
from pybuild.libcnb.sbom import documents

if TYPE_CHECKING:
    from pathlib import Path

CONTROL = """\
Package: libmagic1
Source: file (1:5.44-3)
Version: 1:5.44-3+b1
Architecture: amd64
Maintainer: Ann <ann@example.org>
Homepage: https://example.org/file/
Description: Recognize the type of data
 Long text.
"""


@pytest.mark.parametrize(
    ("file_name", "deb"),
    [
        ("libmagic1_1%3a5.44-3_amd64.deb", Deb(name="libmagic1", version="1:5.44-3", arch="amd64")),
        ("php-common_2%3a93_all.deb", Deb(name="php-common", version="2:93", arch="all")),
        (
            "libstdc++6_12.2.0-14+deb12u1_amd64.deb",
            Deb(name="libstdc++6", version="12.2.0-14+deb12u1", arch="amd64"),
        ),
    ],
)
def test_a_package_is_read_from_its_file_name_and_back(file_name: str, deb: Deb) -> None:
    assert Deb.from_file_name(file_name) == deb
    assert deb.file_name == file_name


@pytest.mark.parametrize("name", ["x.deb", "../../x_1_amd64.deb", "a_b_c_d.deb"])
def test_a_name_that_is_no_package_is_refused(name: str) -> None:
    with pytest.raises(InvalidFile, match="no name of a Debian package"):
        Deb.from_file_name(name)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("8.2.36-1~deb12u1", "8.2.36"),
        ("1:5.44-3+b1", "5.44"),
        ("2.5.5", "2.5.5"),
        ("1.2.13.dfsg-1", "1.2.13.dfsg"),
    ],
)
def test_the_upstream_version_is_what_people_know(version: str, expected: str) -> None:
    assert upstream(version) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("8", True), ("8.2", True), ("8.2.*", True), ("8.2.36", True), ("8.20", False), ("8.2.3", False)],
)
def test_a_prefix_matches_whole_numbers(wanted: str, expected: bool) -> None:
    assert begins_with("8.2.36", wanted) is expected


def test_stanzas_keep_continuation_lines() -> None:
    assert next(stanzas(CONTROL))["Description"] == "Recognize the type of data\nLong text."


def test_only_installed_packages_count() -> None:
    status = "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: deinstall ok config-files\n\n"

    assert installed(status + stand_in("c", "amd64")) == {"a": "1", "c": "999:0"}


def test_a_bill_of_materials_is_the_same_text_every_time() -> None:
    texts = documents("php", components([CONTROL, CONTROL], distro="debian", distro_version="12"))

    document = json.loads(texts["cdx.json"])
    assert texts == documents("php", components([CONTROL], distro="debian", distro_version="12"))
    assert [document["bomFormat"], document["specVersion"]] == ["CycloneDX", "1.5"]
    assert document["components"] == [
        {
            "type": "library",
            "bom-ref": "pkg:deb/debian/libmagic1@1:5.44-3%2Bb1?arch=amd64&distro=debian-12&upstream=file",
            "publisher": "Ann <ann@example.org>",
            "description": "Recognize the type of data",
            "name": "libmagic1",
            "version": "1:5.44-3+b1",
            "purl": "pkg:deb/debian/libmagic1@1:5.44-3%2Bb1?arch=amd64&distro=debian-12&upstream=file",
            "externalReferences": [{"type": "website", "url": "https://example.org/file/"}],
        }
    ]


def test_absolute_links_into_the_layer_become_relative_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "etc/alternatives").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/php8.2").touch()
    (tmp_path / "etc/alternatives/php").symlink_to("/usr/bin/php8.2")
    (tmp_path / "usr/bin/php").symlink_to("/etc/alternatives/php")
    (tmp_path / "usr/bin/gone").symlink_to("/no/such/file/anywhere")
    (tmp_path / "usr/bin/there").symlink_to("/dev/null")

    dangling = debs.relink(tmp_path)

    assert (tmp_path / "usr/bin/php").resolve() == tmp_path / "usr/bin/php8.2"
    assert str((tmp_path / "usr/bin/php").readlink()) == "../../etc/alternatives/php"
    assert str((tmp_path / "usr/bin/there").readlink()) == "/dev/null"
    assert dangling == (tmp_path / "usr/bin/gone",)


def test_library_folders_are_those_with_libraries(tmp_path: Path) -> None:
    for name in (
        "usr/lib/x86_64-linux-gnu/libx.so.1",
        "usr/lib/php/20220829/mysqli.so",
        "lib/x86_64-linux-gnu/readme",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    layer = Layer(name="php", path=tmp_path, types=Types())

    assert debs.library_folders(layer) == (tmp_path / "usr/lib/x86_64-linux-gnu",)


class FakeDebian:
    """apt and dpkg as scripts that answer from files and note how they were called."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.calls = root / "calls"
        self.calls.touch()
        (root / "bin").mkdir()
        self.tool("dpkg", "echo amd64")
        self.tool("apt-cache", f'cat "{root}/$1-$2" 2>/dev/null; true')
        self.uris = root / "uris"
        self.uris.touch()
        self.update(
            'mkdir -p "$LISTS"; echo release > "$LISTS/x_InRelease"; echo packages > "$LISTS/x_Packages"'
        )
        monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
        self.status = root / "status"
        self.status.write_text(
            "Package: libc6\nStatus: install ok installed\nVersion: 2.36\nArchitecture: amd64\n\n"
        )

    def tool(self, name: str, script: str) -> None:
        file = self.root / "bin" / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{script}\n')
        file.chmod(0o755)

    def update(self, script: str) -> None:
        lists = """LISTS=$(sed -n 's/^Dir::State::lists "\\(.*\\)";/\\1/p' "$APT_CONFIG")
"""
        install = f'case "$*" in *print-uris*) cat {self.uris};; download*) cp {self.root}/*.deb .;; esac'
        self.tool("apt-get", f'{lists}if [ "$1" = update ]; then\n{script}\nelse {install}; fi')

    def called(self, word: str) -> int:
        return sum(word in line for line in self.calls.read_text().splitlines())


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDebian:
    (tmp_path / "debian").mkdir()
    return FakeDebian(tmp_path / "debian", monkeypatch)


def context(root: Path, **environ: str) -> BuildContext:
    (root / "layers").mkdir(exist_ok=True)
    return BuildContext(
        app=root,
        buildpack=root,
        platform=root,
        layers=Layers(root / "layers"),
        plan=(),
        store={},
        target=Target(distro=""),  # whatever release this machine is
        exec_env="production",
        environ=environ,
        version="1",
    )


def test_packages_are_resolved_for_the_run_image_and_stand_ins(tmp_path: Path, debian: FakeDebian) -> None:
    debian.uris.write_text(
        "'http://h/pool/libmagic1_5.44-3_amd64.deb' libmagic1_1%3a5.44-3_amd64.deb 103752 MD5Sum:90\n"
        "'http://h/pool/file_5.44-3_amd64.deb' file_1%3a5.44-3_amd64.deb 42 \n"
    )

    with apt.opened(context(tmp_path), run_status=debian.status) as sources:
        found = sources.resolve(("file",))
        status = installed(sources.status.read_text())

    assert list(map(str, found)) == ["file=1:5.44-3", "libmagic1=1:5.44-3"]
    assert status["libc6"] == "2.36"
    assert status["systemd"] == "999:0"


def test_answers_are_remembered_until_the_lists_change(tmp_path: Path, debian: FakeDebian) -> None:
    for release in ("one", "one", "two"):
        debian.update(f'mkdir -p "$LISTS"; echo {release} > "$LISTS/x_InRelease"')
        with apt.opened(context(tmp_path), run_status=debian.status) as sources:
            sources.names("php")

    assert debian.called("pkgnames") == 2


def test_a_later_buildpack_uses_the_lists_of_the_first(tmp_path: Path, debian: FakeDebian) -> None:
    lists = tmp_path / "lists"

    with apt.opened(context(tmp_path, PYBUILD_APT_LISTS=str(lists)), run_status=debian.status):
        pass

    assert debian.called("update") == 0


def test_an_unreachable_mirror_is_an_error_with_the_way_out(tmp_path: Path, debian: FakeDebian) -> None:
    debian.update('echo "E: Failed to fetch http://mirror/InRelease" >&2; exit 100')

    with (
        pytest.raises(Problem, match="package lists could not be read") as caught,
        apt.opened(context(tmp_path), run_status=debian.status),
    ):
        pass

    assert "http://mirror/InRelease" in caught.value.found
    assert any("BP_APT_OFFLINE=ok" in step for step in caught.value.steps)


def test_offline_is_allowed_only_with_lists_of_an_earlier_build(
    tmp_path: Path, debian: FakeDebian, capsys: pytest.CaptureFixture[str]
) -> None:
    with apt.opened(context(tmp_path), run_status=debian.status):
        pass
    debian.update("exit 100")

    with apt.opened(context(tmp_path, BP_APT_OFFLINE="ok"), run_status=debian.status) as sources:
        names = sources.names("php")

    assert names == ()
    assert (
        "newer versions cannot be looked up: the lists of an earlier build are used"
        in capsys.readouterr().err
    )


def test_offline_without_lists_of_an_earlier_build_is_told_to_build_once(
    tmp_path: Path, debian: FakeDebian
) -> None:
    debian.update("exit 100")

    with (
        pytest.raises(Problem, match="package lists could not be read") as caught,
        apt.opened(context(tmp_path, BP_OFFLINE="true"), run_status=debian.status),
    ):
        pass

    assert caught.value.steps[-1].startswith("No earlier build has kept them: build once with a network")


def test_lists_that_cannot_be_refreshed_stay_as_they_were(tmp_path: Path, debian: FakeDebian) -> None:
    """A failed build leaves this layer to the next one, which may have been told to take the lists in it."""
    with apt.opened(context(tmp_path), run_status=debian.status):
        pass
    layer = tmp_path / "layers/apt"
    before = {file: file.stat().st_ctime_ns for file in (layer, *layer.rglob("*"))}
    debian.update('echo half > "$LISTS/partial/x_InRelease"; rm -f "$LISTS"/*Packages*; exit 100')

    with (
        pytest.raises(Problem, match="package lists could not be read"),
        apt.opened(context(tmp_path), run_status=debian.status),
    ):
        pass

    assert before
    assert {file: file.stat().st_ctime_ns for file in (layer, *layer.rglob("*"))} == before


def test_a_source_without_a_trusted_signature_is_refused_even_offline(
    tmp_path: Path, debian: FakeDebian
) -> None:
    with apt.opened(context(tmp_path), run_status=debian.status):
        pass
    debian.update('echo "W: GPG error: http://m InRelease: NO_PUBKEY 0123" >&2; exit 100')

    with (
        pytest.raises(Problem, match="not signed by a key"),
        apt.opened(context(tmp_path, BP_APT_OFFLINE="ok"), run_status=debian.status),
    ):
        pass


STATUS = """\
Package: bash
Essential: yes
Status: install ok installed
Pre-Depends: libc6 (>= 2.36), libtinfo6 (>= 6)
Version: 5.2

Package: libc6
Status: install ok installed
Depends: libgcc-s1
Version: 2.36

Package: libgcc-s1
Status: install ok installed
Version: 12

Package: libtinfo6
Status: install ok installed
Depends: gawk | awk (>= 1) | original-awk:any
Version: 6.4

Package: mawk
Status: install ok installed
Provides: awk (= 1)
Version: 1.3

Package: libcurl4
Status: install ok installed
Depends: libc6
Version: 7.88
"""


def test_every_image_has_essential_packages_and_what_they_depend_on() -> None:
    assert {*installed(essential(STATUS))} == {"bash", "libc6", "libgcc-s1", "libtinfo6", "mawk"}


def test_a_builder_that_does_not_say_what_its_run_image_has_is_taken_for_the_smallest(
    tmp_path: Path, debian: FakeDebian, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian.status.write_text(STATUS)
    monkeypatch.setattr(apt, "OWN_STATUS", debian.status)

    with apt.opened(context(tmp_path), run_status=tmp_path / "none", stand_ins=()) as sources:
        there = installed(sources.status.read_text())

    assert "bash" in there
    assert "libcurl4" not in there


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb to make a package")
def test_a_layer_is_made_of_packages_and_kept_until_one_moves(
    tmp_path: Path, debian: FakeDebian, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(debian, "1.0")
    first = build_layer(tmp_path, debian)
    second = build_layer(tmp_path, debian)
    offer(debian, "1.1")
    third = build_layer(tmp_path, debian)

    assert [first.fresh, second.fresh, third.fresh] == [True, False, True]
    assert third.version("hello") == "1.1"
    assert "hello 1.0 → 1.1" in capsys.readouterr().out
    files = {
        str(file.relative_to(third.layer.path)) for file in third.layer.path.rglob("*") if not file.is_dir()
    }
    assert files == {"usr/bin/hello", "usr/share/doc/hello/copyright", "var/lib/dpkg/status.d/hello"}
    bom = json.loads((tmp_path / "layers/hello.sbom.cdx.json").read_text())
    assert [component["version"] for component in bom["components"]] == ["1.1"]
    assert [file.name for file in (tmp_path / "layers/apt/archives").glob("*.deb")] == ["hello_1.1_all.deb"]


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb to make a package")
def test_packages_for_the_app_are_kept_by_who_asks_for_those_of_the_build_next(
    tmp_path: Path, debian: FakeDebian
) -> None:
    """The apt buildpack has two statuses, one archive folder, and nothing newer to download."""
    offer(debian, "1.0")
    build_layer(tmp_path, debian)
    own = tmp_path / "own-status"
    own.write_text(debian.status.read_text())

    with apt.opened(context(tmp_path), run_status=own, refresh=False):
        pass

    assert [file.name for file in (tmp_path / "layers/apt/archives").glob("*.deb")] == ["hello_1.0_all.deb"]


LOCK = {"hello: asked": ["hello"], "hello: packages": ["hello_1.0_all.deb"]}


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb to make a package")
def test_a_locked_layer_stays_at_the_versions_of_the_build_before(tmp_path: Path, debian: FakeDebian) -> None:
    offer(debian, "1.0")
    build_layer(tmp_path, debian)
    offer(debian, "1.1")

    locked = build_layer(tmp_path, debian, locked=LOCK)

    assert (locked.fresh, locked.version("hello")) == (False, "1.0")


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb to make a package")
def test_a_locked_layer_without_a_cache_is_made_of_those_very_versions(
    tmp_path: Path, debian: FakeDebian
) -> None:
    offer(debian, "1.0")

    locked = build_layer(tmp_path, debian, locked=LOCK)

    assert (locked.fresh, locked.version("hello")) == (True, "1.0")
    assert debian.called("download -qq hello=1.0") == 1


def test_a_locked_layer_whose_versions_are_gone_says_so(tmp_path: Path, debian: FakeDebian) -> None:
    debian.tool(
        "apt-get", "[ $1 = update ] || { echo \"E: Version '1.0' for 'hello' was not found\" >&2; exit 100; }"
    )

    with pytest.raises(Problem, match="have other versions now"):
        build_layer(tmp_path, debian, locked=LOCK)


def test_a_locked_layer_takes_no_new_packages(tmp_path: Path, debian: FakeDebian) -> None:
    store = {"hello: asked": ["other"], "hello: packages": ["other_1.0_all.deb"]}

    with pytest.raises(Problem, match="had not") as caught:
        build_layer(tmp_path, debian, locked=store)

    assert "new are hello" in caught.value.found


def offer(debian: FakeDebian, version: str) -> None:
    """Make the package hello the only one that apt has."""
    for old in debian.root.glob("*.deb"):
        old.unlink()
    tree = debian.root / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    control = (
        f"Package: hello\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: hi\n"
    )
    for name, text in {
        "DEBIAN/control": control,
        "usr/bin/hello": f"#!/bin/sh\necho {version}\n",
        "usr/share/doc/hello/copyright": "free",
        "usr/share/doc/hello/changelog": "long",
        "usr/share/man/man1/hello.1": "manual",
        "etc/init.d/hello": "start",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    file = f"hello_{version}_all.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", tree, debian.root / file],
        check=True,
        capture_output=True,
    )
    debian.uris.write_text(f"'http://h/{file}' {file} 100 SHA256:00\n")
    debian.update(f'mkdir -p "$LISTS"; echo {version} > "$LISTS/x_InRelease"')


def build_layer(
    root: Path, debian: FakeDebian, *, locked: dict[str, list[str]] | None = None
) -> debs.DebLayer:
    """Build with the versions in `locked`, or with the newest."""
    build = replace(context(root), resolved=Resolved(locked, locked=locked is not None))
    with apt.opened(build, run_status=debian.status) as sources:
        made = debs.deb_layer(build, "hello", ("hello",), Types(launch=True, cache=True), apt=sources)
    build.layers.write()
    assert build.resolved.stored() == {"hello: asked": ["hello"], "hello: packages": [made.debs[0].file_name]}
    return made


@pytest.mark.parametrize(
    ("run", "build"),
    [
        ("debian 12", "debian 12"),
        ("debian 12.5", "debian 12"),
        ("ubuntu 24.04", "ubuntu 24.04"),
        (" ", "debian 12"),
    ],
)
def test_packages_are_for_images_of_one_release(run: str, build: str) -> None:
    name, _, version = run.partition(" ")
    own, _, release = build.partition(" ")

    apt.check_release(
        Target(distro=name, distro_version=version), {"ID": own, "VERSION_ID": release}, has_apt=True
    )


@pytest.mark.parametrize(
    ("run", "build"),
    [("debian 13", "debian 12"), ("ubuntu 24.10", "ubuntu 24.04"), ("ubuntu 24.04", "debian 12")],
)
def test_packages_for_another_release_are_refused(run: str, build: str) -> None:
    name, _, version = run.partition(" ")
    own, _, release = build.partition(" ")

    with pytest.raises(Problem, match="different releases") as refused:
        apt.check_release(
            Target(distro=name, distro_version=version), {"ID": own, "VERSION_ID": release}, has_apt=True
        )

    assert run in refused.value.found
    assert build in refused.value.found


def test_a_build_image_without_apt_is_named() -> None:
    with pytest.raises(Problem, match="no apt") as refused:
        apt.check_release(
            Target(distro="alpine"), {"ID": "alpine", "PRETTY_NAME": "Alpine Linux v3.20"}, has_apt=False
        )

    assert "Alpine Linux v3.20" in refused.value.found
