"""Cached layers from the buildpack's side."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from pybuild.libcnb.layers import Empty, Layers, Restored, Types, differences, write_file
from pybuild.lifecycle import resumable

if TYPE_CHECKING:
    from pathlib import Path

CACHED = Types(launch=True, cache=True)


def finished(path: Path, key: dict[str, str | tuple[str, ...]], content: str = "") -> None:
    """What a successful build leaves of one layer, as the next build finds it."""
    layers = Layers(path)
    answer = layers.cached_layer("php", CACHED, key=key)
    (answer.layer.path / "content").write_text(content)
    layers.write()


def test_a_layer_under_the_same_key_is_restored_with_its_content(tmp_path: Path) -> None:
    finished(tmp_path, {"packages": ("php=1",)}, "kept")

    answer = Layers(tmp_path).cached_layer("php", CACHED, key={"packages": ("php=1",)})

    assert isinstance(answer, Restored)
    assert (answer.layer.path / "content").read_text() == "kept"


def test_a_miss_names_every_cause_and_leaves_an_empty_folder(tmp_path: Path) -> None:
    finished(tmp_path, {"arch": "amd64", "packages": ("fpm=8.2.28", "cli=8.2.28", "tidy=1")})

    answer = Layers(tmp_path).cached_layer(
        "php", CACHED, key={"arch": "arm64", "packages": ("fpm=8.2.29", "cli=8.2.28", "zip=2")}
    )

    assert isinstance(answer, Empty)
    assert answer.causes == ("arch: amd64 → arm64", "fpm 8.2.28 → 8.2.29", "new: zip", "gone: tidy")
    assert list(answer.layer.path.iterdir()) == []


def test_a_layer_that_never_was_is_empty_with_that_cause(tmp_path: Path) -> None:
    answer = Layers(tmp_path).cached_layer("php", CACHED, key={"a": "1"})

    assert isinstance(answer, Empty)
    assert answer.causes == ("there is none from an earlier build",)


def test_a_record_without_its_folder_is_a_miss_for_a_cached_layer(tmp_path: Path) -> None:
    write_file(tmp_path / "php.toml", '[metadata.key]\na = "1"\n')

    answer = Layers(tmp_path).cached_layer("php", CACHED, key={"a": "1"})

    assert isinstance(answer, Empty)
    assert answer.causes == ("its folder was not restored",)


def test_a_launch_layer_is_kept_without_its_folder(tmp_path: Path) -> None:
    write_file(tmp_path / "php.toml", '[metadata.key]\na = "1"\n')
    layers = Layers(tmp_path)

    answer = layers.cached_layer("php", Types(launch=True), key={"a": "1"})
    layers.write()

    assert isinstance(answer, Restored)
    assert not (tmp_path / "php").exists()
    assert tomllib.loads((tmp_path / "php.toml").read_text())["types"]["launch"] is True


def test_a_damaged_record_is_a_miss_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "php").mkdir()
    write_file(tmp_path / "php.toml", "[metadata\n")

    answer = Layers(tmp_path).cached_layer("php", CACHED, key={"a": "1"})

    assert isinstance(answer, Empty)
    assert answer.causes[0].startswith("its record cannot be read: php.toml: ")


def test_a_build_that_does_not_end_leaves_no_record_of_a_layer_it_began(tmp_path: Path) -> None:
    finished(tmp_path, {"a": "1"})

    Layers(tmp_path).cached_layer("php", CACHED, key={"a": "2"})

    assert not (tmp_path / "php.toml").exists()


def test_a_tools_cache_is_declared_before_it_is_filled_and_keeps_what_a_failed_build_put_there(
    tmp_path: Path,
) -> None:
    begun = Layers(tmp_path).tool_cache("target", key={"rust": "1.63"})
    declared = tomllib.loads((tmp_path / "target.toml").read_text())
    (begun.path / "compiled").touch()

    again = Layers(tmp_path).tool_cache("target", key={"rust": "1.63"})

    assert declared == {
        "types": {"launch": False, "build": False, "cache": True},
        "metadata": {"key": {"rust": "1.63"}, "resumable": True},
    }
    assert declared["metadata"][resumable.KEY] is True
    assert (again.path / "compiled").exists()


def test_a_tools_cache_begins_anew_under_another_key(tmp_path: Path) -> None:
    (Layers(tmp_path).tool_cache("target", key={"rust": "1.63"}).path / "compiled").touch()

    again = Layers(tmp_path).tool_cache("target", key={"rust": "1.85"})

    assert list(again.path.iterdir()) == []


def test_a_tools_cache_that_is_launched_is_of_no_use_after_a_failed_build(tmp_path: Path) -> None:
    Layers(tmp_path).tool_cache("m2", types=CACHED)

    assert "metadata" not in tomllib.loads((tmp_path / "m2.toml").read_text())


def test_a_layer_nobody_asked_for_is_dropped_and_other_files_stay(tmp_path: Path) -> None:
    finished(tmp_path, {"a": "1"})
    write_file(tmp_path / "launch.toml", "")
    layers = Layers(tmp_path)

    layers.fresh_layer("other", Types(build=True), metadata={"why": "new"})
    layers.write()

    assert sorted(file.name for file in tmp_path.glob("*.toml")) == ["launch.toml", "other.toml"]


def test_environment_files_follow_the_specification(tmp_path: Path) -> None:
    layer = Layers(tmp_path).fresh_layer("php", CACHED)

    layer.env("PHPRC", "/etc")
    layer.env("LIMIT", "1", operation="default", scope="launch", process="web")
    layer.search_path("PATH", tmp_path / "a", tmp_path / "b", scope="build")

    written = {
        str(file.relative_to(layer.path)): file.read_text()
        for file in layer.path.rglob("*")
        if file.is_file()
    }
    assert written == {
        "env/PHPRC.override": "/etc",
        "env.launch/web/LIMIT.default": "1",
        "env.build/PATH.prepend": f"{tmp_path}/a:{tmp_path}/b",
        "env.build/PATH.delim": ":",
    }


def test_a_file_that_is_right_already_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "env/X.override"
    write_file(file, "same")
    before = file.stat()

    write_file(file, "same")

    assert (file.stat().st_ino, file.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("same")
    (tmp_path / "file").symlink_to("victim")

    write_file(tmp_path / "file", "new")

    assert (tmp_path / "victim").read_text() == "same"
    assert (tmp_path / "file").read_text() == "new"


def test_long_lists_of_new_packages_are_shortened() -> None:
    found = differences({"packages": ()}, {"packages": tuple(f"p{number}=1" for number in range(12))})

    assert found == ("new: p0, p1, p10, p11, p2, p3, p4, p5 and 4 more",)


def test_executables_before_launch_can_be_run(tmp_path: Path) -> None:
    layer = Layers(tmp_path).fresh_layer("conf", Types(launch=True))

    layer.exec_d("binding", "#!/bin/sh\n")

    assert (layer.path / "exec.d/binding").stat().st_mode & 0o777 == 0o755
