"""Dockerfiles carried out in the file system that we are in, in a root directory of the test's own.

XTD-01, XTD-03, XTD-05, XTD-06, XTD-08, XTD-09, GNR-06, EXT-04.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import ExtendError
from pybuild.lifecycle import file_system
from pybuild.lifecycle.extend import SAME_BUILD_ID, Application, extend
from pybuild.lifecycle.in_place import InPlaceApplier
from pybuild.lifecycle.layer_store import LayerStore
from pybuild.oci import tar
from support.chroot import inside
from support.extensions import HEAD, RESET

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = {"User": "1000:1000", "Env": ["PATH=/bin", "OLD=x"], "Labels": {"a": "b"}}
SKIP = ("/app", "/layers", "/kept")


@dataclass
class Done:
    """What came of some Dockerfiles: the names in each layer, and what is in the file system."""

    config: Mapping[str, Any]
    what: list[str]
    layers: list[list[str]]
    files: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture
def root(own_root: Path) -> Path:
    """With the folders of a build."""
    for name in ("app", "layers", "kept"):
        (own_root / name).mkdir(exist_ok=True)
    return own_root


def apply(
    root: Path,
    *bodies: str,
    see: tuple[str, ...] = (),
    kind: Any = "run",
    seconds: float = 100,
    config: Mapping[str, Any] = CONFIG,
    output_limit: int = 0,
    **args: str,
) -> Done:
    """Apply Dockerfiles with these bodies, each of an extension of its own, named by their place."""

    def body() -> Done | str:
        os.setgroups([0, 4])  # root's, which nobody else may have
        store = LayerStore("/kept", seconds=seconds)
        applier = InPlaceApplier(
            config,
            store,
            base="base",
            skip=SKIP,
            environ={"http_proxy": "http://p"},
            output_limit=output_limit,
        )
        applications = [
            Application(
                extension_id=f"e{number}",
                where=f"run.Dockerfile of e{number}",
                content=(HEAD + text).encode(),
                context="/app",
                args=args,
            )
            for number, text in enumerate(bodies)
        ]
        try:
            changed = extend(applier, applications, kind)
        except ExtendError as exc:
            return str(exc)
        return Done(
            config=dict(changed),
            what=[layer.what for layer in applier.layers],
            layers=[
                [member.name.decode() for member, _ in tar.read(layer.kept.read())]
                for layer in applier.layers
            ],
            files={path: Path(path).read_text() for path in see if Path(path).exists()},
        )

    done = inside(root, body)
    if isinstance(done, str):
        raise ExtendError(done)
    assert isinstance(done, Done)
    return done


def test_instructions_change_files_and_configuration(root: Path) -> None:
    (root / "app/file").write_text("of the app\n")
    text = (
        'ARG word\nARG other="by default"\nENV NEW="$word $OLD" MORE=${none:-rest}\nLABEL l="$other" m=1\n'
        'WORKDIR /made/here\nRUN echo "$word $other $NEW $http_proxy $HOME" > said\n'
        'COPY --chown=1000 --chmod=0600 file there/\nSHELL ["/bin/sh", "-e", "-c"]\n'
        "RUN false; echo never > /never || true\n"
    )
    with pytest.raises(ExtendError, match=r"line 12: RUN 'false; echo never .* ended with 1"):
        apply(root, text + RESET, word="given")
    text = text.replace("RUN false; echo never > /never || true", "RUN rm /made/here/said")

    done = apply(root, text + RESET, word="given", see=("/made/here/there/file",))

    assert done.layers == [
        ["made/", "made/here/"],
        ["made/here/said"],
        ["made/here/there/", "made/here/there/file"],
        ["made/here/.wh.said"],
    ]
    assert done.what[0] == "WORKDIR /made/here"
    assert done.config["Env"] == ["PATH=/bin", "OLD=x", "NEW=given x", "MORE=rest"]
    assert done.config["Labels"] == {
        "a": "b",
        "l": "by default",
        "m": "1",
        "io.buildpacks.rebasable": "false",
    }
    assert (done.config["User"], done.config["WorkingDir"]) == ("1000:1000", "/made/here")
    assert done.files == {"/made/here/there/file": "of the app\n"}
    state = (root / "made/here/there/file").lstat()
    assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (1000, 1000, 0o600)


def test_a_run_sees_arguments_proxies_and_its_users_home(root: Path) -> None:
    body = 'ARG word=w\nRUN echo "$word $http_proxy $HOME $(id -u)" > /said\nUSER cnb\nRUN echo "$HOME $(id -u) $(id -G)" > /tmp/said\n'

    done = apply(root, body + RESET, see=("/said", "/tmp/said"))

    assert done.files == {"/said": "w http://p /root 0\n", "/tmp/said": "/home/cnb 1000 1000\n"}


def test_layers_of_an_earlier_build_are_taken_as_far_as_nothing_changed(root: Path, tmp_path: Path) -> None:
    """The second build finds the image as it was, and the folder of layers as the first one left it."""
    (root / "old").write_text("old")
    (root / "link").symlink_to("old")
    image = tmp_path / "image"
    shutil.copytree(root, image, symlinks=True, ignore=shutil.ignore_patterns("dev"))
    first = "RUN rm /old; mkdir -p /d/e; echo 1 > /d/e/f; ln /d/e/f /d/g; ln -s f /d/e/l; chmod 750 /d\n"
    second = "RUN echo x >> /layers/n; cat /layers/n > /time\n"
    done = apply(root, first + second + RESET, see=("/time",))
    _back_to(root, image)

    again = apply(root, first + second + RESET, see=("/time", "/d/g"))

    assert again.files["/time"] == done.files["/time"]
    assert again.files["/d/g"] == "1\n"
    assert again.layers == done.layers
    assert not (root / "old").exists()
    assert (root / "d/e/l").readlink() == Path("f")
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o750
    assert (root / "d/g").stat().st_ino == (root / "d/e/f").stat().st_ino
    _back_to(root, image)

    changed = apply(root, first.replace("750", "700") + second + RESET, see=("/time",))

    assert changed.files["/time"] != done.files["/time"], "what comes after a change is made anew"


def test_layers_too_old_or_of_somebody_else_do_not_count(root: Path, tmp_path: Path) -> None:
    """XTD-09"""
    body = "RUN echo x >> /layers/n; cat /layers/n > /time\n" + RESET
    first = apply(root, body, see=("/time",))

    old = apply(root, body, see=("/time",), seconds=-1)
    for path in (root / "kept").iterdir():
        os.chown(path, 1000, 1000)
    foreign = apply(root, body, see=("/time",))

    assert len({each.files["/time"] for each in (first, old, foreign)}) == 3


def test_build_id_is_anew_where_it_is_asked_for_and_the_same_elsewhere(root: Path) -> None:
    """XTD-03"""
    before = apply(root, "ARG build_id=0\nRUN echo $build_id > /id\n" + RESET, see=("/id",))
    quiet = apply(root, "ARG build_id=0\nRUN env > /environ\n" + RESET, see=("/environ",))
    again = apply(root, "ARG build_id=0\nRUN echo $build_id > /id\n" + RESET, see=("/id",))

    assert before.files["/id"] != again.files["/id"]
    assert f"build_id={SAME_BUILD_ID}\n" in quiet.files["/environ"]


def test_a_build_id_in_one_extension_leaves_the_next_ones_layers_in_the_cache(root: Path) -> None:
    """As long as it changes nothing that the next one could see."""
    second = "RUN echo x >> /layers/n; cat /layers/n > /time\n" + RESET
    asks, changes = ("ARG build_id=0\nRUN echo $build_id" + more + RESET for more in ("\n", " > /id\n"))
    before = apply(root, asks, second, see=("/time",))
    (root / "time").unlink()

    again = apply(root, asks, second, see=("/time",))
    changed = apply(root, changes, second, see=("/time",))

    assert again.files["/time"] == before.files["/time"]
    assert changed.files["/time"] != before.files["/time"]


def test_a_run_image_that_states_no_user_stays_as_it_is_and_root_is_refused_all_the_same(root: Path) -> None:
    """XTD-06"""
    config = {"Env": ["PATH=/bin"]}

    done = apply(root, "RUN echo x > /x\nARG user_id\nUSER ${user_id}\n", config=config)

    assert "User" not in done.config
    with pytest.raises(ExtendError, match="leaves root as the run image's user"):
        apply(root, "RUN echo x > /y\n", config=config)


def test_the_folders_of_the_build_are_no_part_of_the_image(root: Path) -> None:
    """XTD-08"""
    done = apply(root, "RUN echo x > /app/x; echo x > /layers/x; echo x > /dev/x\n" + RESET)

    assert done.layers == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("EXPOSE 80\n", "line 4: EXPOSE is not supported"),
        ("RUN <<END\ntrue\nEND\n", "RUN with a here-document is not supported"),
        ("RUN --mount=type=cache true\n", "--mount is not supported"),
        ("COPY --from=x a b\n", "--from is not supported"),
        ("COPY absent /x\n", "'absent' names nothing"),
        ("COPY out/passwd /x\n", "leads out of the build context"),
        ("COPY file .hidden /x\n", "must end with /"),
        ("COPY file\n", "one or more sources"),
        ("COPY --chmod=u+x file /x\n", "octal"),
        ("COPY --chown=nobody-here file /x\n", "no user 'nobody-here'"),
        ("ADD https://example.com/x /x\n", "ADD of 'https"),
        ("ADD a.tar.gz /x\n", "ADD of 'a.tar.gz'"),
        ("USER nobody-here\nRUN true\n", "no user 'nobody-here'"),
        ("ENV A\n", "expected NAME=value|has no value"),
        ('ENV A="b\n', "lacks its"),
        ("SHELL /bin/sh\n", "JSON array"),
        ("WORKDIR /etc/passwd/x\n", "WORKDIR"),
        ("RUN true\n", "leaves root as the run image's user"),
    ],
)
def test_what_is_not_supported_or_wrong_is_refused_by_line(root: Path, body: str, words: str) -> None:
    (root / "app/file").write_text("")
    (root / "app/.hidden").write_text("")
    (root / "app/a.tar.gz").write_text("")
    (root / "app/out").symlink_to("/etc")

    with pytest.raises(ExtendError, match=words):
        apply(root, body)


def test_a_build_image_may_end_as_root(root: Path) -> None:
    assert apply(root, "RUN true\n", kind="build").config["User"] == "root"


def test_rebasable_is_only_what_every_dockerfile_says_is(root: Path) -> None:
    """XTD-05"""
    label = "LABEL io.buildpacks.rebasable=%s\n"
    both = apply(root, label % "true" + RESET, label % "true" + RESET)
    one = apply(root, label % "true" + RESET, RESET)
    last = apply(root, label % "false" + RESET, label % "true" + RESET)

    found = [each.config["Labels"]["io.buildpacks.rebasable"] for each in (both, one, last)]
    assert found == ["true", "false", "false"]


def test_a_folder_that_took_a_files_place_and_a_file_that_took_a_folders_are_put_back(
    root: Path, tmp_path: Path
) -> None:
    (root / "file").write_text("x")
    (root / "folder/below").mkdir(parents=True)
    image = tmp_path / "image"
    shutil.copytree(root, image, symlinks=True, ignore=shutil.ignore_patterns("dev"))
    body = "RUN rm /file && mkdir /file && echo 1 > /file/in && rm -r /folder && echo 2 > /folder\n" + RESET
    done = apply(root, body)
    _back_to(root, image)

    apply(root, body)

    assert done.layers == [["file/", "file/in", "folder"]]
    assert (root / "file/in").read_text() == "1\n"
    assert (root / "folder").read_text() == "2\n"


def test_a_files_attributes_are_in_the_layer_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    try:
        os.setxattr(path, "user.colour", b"blue\n=")
    except OSError:
        pytest.skip("no extended attributes here")
    (member,) = [member for member, _ in tar.read(file_system.layer([str(path)], []))]
    path.unlink()

    file_system.apply(file_system.layer([], []))

    assert member.xattrs == ((b"SCHILY.xattr.user.colour", b"blue\n="),)


def _back_to(root: Path, image: Path) -> None:
    """The file system of `image`, with the layers that were kept."""
    for path in root.iterdir():
        if path.name not in ("kept", "layers", "dev"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in image.iterdir():
        if path.name not in ("kept", "layers"):
            if path.is_dir() and not path.is_symlink():
                shutil.copytree(path, root / path.name, symlinks=True)
            else:
                shutil.copy2(path, root / path.name, follow_symlinks=False)
    time.sleep(0.01)


def test_instructions_that_shout_without_end_are_stopped(root: Path) -> None:
    """F-26, G3: those of one Dockerfile share a limit."""
    loud = "RUN yes | head -c 200000\n"

    with pytest.raises(ExtendError, match=r"RUN was stopped: this Dockerfile has written more than 300000"):
        apply(root, "RUN exec yes shouted\n" + RESET, output_limit=300_000)
    with pytest.raises(ExtendError, match=r"line 5: RUN .*RUN was stopped"):
        apply(root, loud + loud + RESET, output_limit=300_000)
    assert apply(root, loud + RESET, loud + RESET, output_limit=300_000).config["User"] == "1000:1000"


def test_an_instruction_has_no_groups_but_its_users(root: Path) -> None:
    """G7: root's own group least of all."""
    done = apply(root, "USER 1000:1000\nRUN id -G > /tmp/groups\nUSER root\n" + RESET, see=("/tmp/groups",))

    assert done.files == {"/tmp/groups": "1000\n"}
